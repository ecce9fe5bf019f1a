/* What serves is kept up, and what is not wanted goes: cases C-20 … C-50 of reconcilers/deployment/README.md.
 */
#include "../cmocka_all.h"
#include "fixture.h"

#include "base/base.h"

static struct container_view *one(struct fixture *fixture)
{
	return fixture_published(fixture, fixture_current(fixture, 1, "app:1"), 0);
}

static struct container_view *two(struct fixture *fixture)
{
	struct container_view *view = one(fixture);

	fixture->world.service.spec.replicas = 2;
	fixture_published(fixture, &fixture->deployments[0], 1);
	return view;
}

static void relabel(struct fixture *fixture, struct container_view *view)
{
	struct label *labels = hc_arena_alloc_array(fixture->arena, view->label_count, sizeof *labels);

	for (size_t index = 0; index < view->label_count; index++)
		labels[index] = view->labels[index];
	labels[0].value = "10.9.9.9";
	view->labels = labels;
}

/* --- nothing to do
 * --------------------------------------------------------------------------------------------- */

static void converged(struct fixture *fixture)
{
	two(fixture);
}

static void controller_restarted(struct fixture *fixture)
{
	two(fixture)->probe = PROBE_UNKNOWN;
}

static void traefik_away(struct fixture *fixture)
{
	two(fixture);
	fixture->containers[0].listed = fixture->containers[1].listed = false;
	fixture->world.traefik_answers = false;
}

static void other_constructor(struct fixture *fixture)
{
	struct container_view *view = two(fixture);

	relabel(fixture, view);
	view->spec_hash = "0-0123456789abcdef";
}

/* --- C-20 … C-24
 * ----------------------------------------------------------------------------------------------- */

static void surplus(struct fixture *fixture)
{
	two(fixture);
	fixture->world.service.spec.replicas = 1;
}

static void surplus_stands_in(struct fixture *fixture)
{
	surplus(fixture);
	fixture->containers[0].state = CONTAINER_EXITED;
}

static void surplus_mute(struct fixture *fixture)
{
	surplus_stands_in(fixture);
	fixture->containers[1].probe = PROBE_UNREADY;
	fixture_published(fixture, &fixture->deployments[0], 2);
}

static void drifted(struct fixture *fixture)
{
	relabel(fixture, one(fixture));
}

static void drifted_stand_in(struct fixture *fixture)
{
	drifted(fixture);
	fixture_published(fixture, &fixture->deployments[0], 1);
}

static void drifted_fallback(struct fixture *fixture)
{
	struct deployment_view *attempt;
	struct container_view *view;

	drifted(fixture);
	fixture->deployments[0].current = false;
	fixture_image(fixture, "app:2");
	attempt = fixture_deployment(fixture, 2, "app:2", DEPLOYMENT_BUILDING, STAGE_STABILIZING);
	attempt->current = true;
	view = fixture_published(fixture, attempt, 0);
	view->restarts_alone = false;
}

static void copied(struct fixture *fixture)
{
	one(fixture);
	fixture_published(fixture, &fixture->deployments[0], 0)->name = "copy";
}

static void row_is_gone(struct fixture *fixture)
{
	one(fixture);
	fixture->containers[0].deployment_uid = "other";
	fixture->deployments[0].phase = DEPLOYMENT_FAILED;
	fixture->deployments[0].reason = "Cancelled";
}

/* --- C-30 … C-35
 * ----------------------------------------------------------------------------------------------- */

static void suspended(struct fixture *fixture)
{
	one(fixture);
	fixture->world.service.spec.suspend = true;
}

static struct container_view *shut(struct fixture *fixture)
{
	struct container_view *view = one(fixture);

	fixture->world.service.spec.suspend = true;
	view->gate_open = false;
	view->gate_changed_boot_ms = NOW - 500;
	view->health = HEALTH_UNHEALTHY;
	return view;
}

static void still_listed(struct fixture *fixture)
{
	shut(fixture);
}

static void draining(struct fixture *fixture)
{
	shut(fixture)->listed = false;
}

static void drained(struct fixture *fixture)
{
	struct container_view *view = shut(fixture);

	view->listed = false;
	view->gate_changed_boot_ms = NOW - 10000;
}

static void away_blocks(struct fixture *fixture)
{
	drained(fixture);
	fixture->world.traefik_answers = false;
}

static void away_never_open(struct fixture *fixture)
{
	away_blocks(fixture);
	fixture->containers[0].gate_used = false;
}

static void in_grace(struct fixture *fixture)
{
	drained(fixture);
	fixture->containers[0].restarts_alone = false;
	fixture->containers[0].term_sent_boot_ms = NOW - 29000;
}

static void after_grace(struct fixture *fixture)
{
	in_grace(fixture);
	fixture->containers[0].term_sent_boot_ms = NOW - 30000;
}

static void killed(struct fixture *fixture)
{
	after_grace(fixture);
	fixture->containers[0].kill_sent_boot_ms = NOW - 1000;
}

static void ended(struct fixture *fixture)
{
	in_grace(fixture);
	fixture->containers[0].state = CONTAINER_EXITED;
}

static void ended_listed(struct fixture *fixture)
{
	ended(fixture);
	fixture->containers[0].listed = true;
	fixture->containers[0].term_sent_boot_ms = NOW - 100;
}

static void paused_first(struct fixture *fixture)
{
	fixture_pause(shut(fixture));
}

static void frozen(struct fixture *fixture)
{
	struct container_view *view = shut(fixture);

	view->health = HEALTH_HEALTHY;
	view->gate_changed_boot_ms = NOW - 3000;
}

static void missed(struct fixture *fixture)
{
	shut(fixture)->gate_changed_boot_ms = NOW - 2000;
}

static void old_drains(struct fixture *fixture)
{
	struct deployment_view *old = fixture_deployment(fixture, 1, "app:0", DEPLOYMENT_SUCCESS, STAGE_DONE);
	struct deployment_view *current = fixture_current(fixture, 2, "app:1");

	current->stage_since.at_ms = NOW - 4000;
	fixture_published(fixture, old, 0);
	fixture_published(fixture, current, 0);
}

static void old_goes(struct fixture *fixture)
{
	old_drains(fixture);
	fixture->deployments[1].stage_since.at_ms = NOW - 10000;
}

/* The next but one is being proved already, and may be given up. */
static void old_drains_beside_two(struct fixture *fixture)
{
	struct deployment_view *next;

	old_drains(fixture);
	next = fixture_deployment(fixture, 3, "app:3", DEPLOYMENT_BUILDING, STAGE_STABILIZING);
	next->started.at_ms = next->stage_since.at_ms = NOW - 500;
	fixture_published(fixture, next, 0);
	fixture->deployments[1].current = false;
	next->current = true;
	fixture->world.service.current_deployment = next->name;
}

static void old_is_shut(struct fixture *fixture)
{
	old_goes(fixture);
	fixture->containers[0].gate_open = fixture->containers[0].listed = false;
	fixture->containers[0].gate_changed_boot_ms = NOW - 60;
	fixture->containers[0].health = HEALTH_UNHEALTHY;
}

/* --- C-40 … C-50
 * ----------------------------------------------------------------------------------------------- */

static void dead(struct fixture *fixture)
{
	struct container_view *view = two(fixture);

	view->state = CONTAINER_EXITED;
	view->exit_code = 137;
}

static void dead_again(struct fixture *fixture)
{
	dead(fixture);
	fixture->deployments[0].restart_attempts = 3;
	fixture->deployments[0].restart_not_before = (struct moment){.boot_id = "b", .at_ms = NOW + 700};
}

static void dead_at_last(struct fixture *fixture)
{
	dead_again(fixture);
	fixture->deployments[0].restart_not_before.at_ms = NOW;
}

static void dead_of_another_boot(struct fixture *fixture)
{
	dead_again(fixture);
	fixture->deployments[0].restart_not_before.boot_id = "a";
}

static void missing(struct fixture *fixture)
{
	one(fixture);
	fixture->world.service.spec.replicas = 2;
}

static const bool unmade[] = {false, true, true};

static void scaled_up(struct fixture *fixture)
{
	missing(fixture);
	fixture->world.unmade = unmade;
}

/* One died again and waits, one is new, and one was taken away by hand. */
static void scaled_up_while_dying(struct fixture *fixture)
{
	static const bool last_lost[] = {false, false, true, false};

	dead_again(fixture);
	fixture->world.service.spec.replicas = 4;
	fixture->world.unmade = last_lost;
}

static void scaled_up_while_drifted(struct fixture *fixture)
{
	drifted(fixture);
	fixture->world.service.spec.replicas = 2;
	fixture->world.unmade = unmade;
}

static void image_gone(struct fixture *fixture)
{
	missing(fixture);
	fixture->world.current_image = (struct image_view){.known = true, .error = ""};
}

static void answers_again(struct fixture *fixture)
{
	struct container_view *view = two(fixture);

	view->gate_open = view->listed = view->restarts_alone = false;
	view->health = HEALTH_UNHEALTHY;
}

static void wanted_again(struct fixture *fixture)
{
	answers_again(fixture);
	fixture->containers[0].term_sent_boot_ms = NOW - 1000;
}

static void wanted_again_ended(struct fixture *fixture)
{
	wanted_again(fixture);
	fixture->containers[0].state = CONTAINER_EXITED;
}

static void paused(struct fixture *fixture)
{
	fixture_pause(one(fixture));
}

static void renamed(struct fixture *fixture)
{
	one(fixture)->name = "mine";
}

static void renamed_and_taken(struct fixture *fixture)
{
	renamed(fixture);
	fixture_published(fixture, &fixture->deployments[0], 0)->deployment_uid = "other";
	fixture->containers[1].state = CONTAINER_REMOVING;
}

static void detached(struct fixture *fixture)
{
	one(fixture)->network_attached = false;
}

static void readdressed(struct fixture *fixture)
{
	one(fixture)->address = "10.1.2.77";
}

static void limited(struct fixture *fixture)
{
	one(fixture)->memory_bytes = 1 << 20;
}

static void policy(struct fixture *fixture)
{
	one(fixture)->restarts_alone = false;
}

static void unready(struct fixture *fixture)
{
	struct container_view *view = two(fixture);

	view->probe = PROBE_UNREADY;
	view->probe_message = "timed out";
}

static void all_unready(struct fixture *fixture)
{
	unready(fixture);
	fixture->containers[1].probe = PROBE_UNREADY;
}

static void unlisted(struct fixture *fixture)
{
	struct container_view *view = one(fixture);

	view->listed = false;
	view->unlisted_since_ms = NOW - 5000;
}

static void unlisted_lately(struct fixture *fixture)
{
	unlisted(fixture);
	fixture->containers[0].unlisted_since_ms = NOW - 100;
}

/* Recreate, and the old one was removed by hand: its volume is the next one's, for its release command first.
 */
static void place_of_the_next(struct fixture *fixture)
{
	struct deployment_view *next;

	fixture->world.service.spec.strategy = STRATEGY_RECREATE;
	fixture_current(fixture, 1, "app:1");
	fixture_image(fixture, "app:2");
	next = fixture_deployment(fixture, 2, "app:2", DEPLOYMENT_BUILDING, STAGE_STARTING);
	next->template.release_command = "migrate";
}

static void up_for_a_minute(struct fixture *fixture)
{
	one(fixture);
	fixture->deployments[0].restart_attempts = 2;
	fixture->deployments[0].restart_not_before = (struct moment){.boot_id = "b", .at_ms = NOW - 60000};
}

static void up_not_long(struct fixture *fixture)
{
	up_for_a_minute(fixture);
	fixture->deployments[0].restart_not_before.at_ms = NOW - 59000;
}

/* --- what is expected
 * ------------------------------------------------------------------------------------------ */

static const struct fixture_case quiet[] = {
	{"INV-11 converged", converged, ""},
	{"the controller was restarted", controller_restarted, ""},
	{"Traefik away", traefik_away, ""},
	{"made by another version of the constructor", other_constructor, ""},
};

static const struct fixture_case roles[] = {
	{"C-20 surplus", surplus,
	 "  1. close gate shop-r1-1-eb0c3431: more replicas than wanted\n  wake at +50ms\n"},
	{"C-21 surplus stands in for a dead one", surplus_stands_in,
	 "  1. set deployment shop-r1: 1 replicas are dead and 0 missing: start 1\n"
	 "  2. record event Healed: shop-r1-0-eb0c3431 was not running (exit code 0): started again\n"
	 "  3. start container shop-r1-0-eb0c3431: it is not running\n"},
	{"C-21 of two surplus ones, the one that answers stands in", surplus_mute,
	 "  1. set deployment shop-r1: 1 replicas are dead and 0 missing: start 1\n"
	 "  2. record event Healed: shop-r1-0-eb0c3431 was not running (exit code 0): started again\n"
	 "  3. start container shop-r1-0-eb0c3431: it is not running\n"
	 "  4. close gate shop-r1-1-eb0c3431: more replicas than wanted\n  wake at +50ms\n"},
	{"C-22 drifted: a stand-in first", drifted,
	 "  1. set deployment shop-r1: 0 replicas are dead and 1 missing: start 1\n"
	 "  2. record event Healed: Replica 1 of revision 1 was missing: made\n"
	 "  3. prepare folder shop-r1-1-eb0c3431: its gate is shut before it exists\n"
	 "  4. create container shop-r1-1-eb0c3431: replica 1 of revision 1 is missing\n"
	 "  5. start container shop-r1-1-eb0c3431: it was created\n"},
	{"C-23 drifted, the stand-in serves", drifted_stand_in,
	 "  1. close gate shop-r1-0-eb0c3431: it is made anew\n  wake at +50ms\n"},
	{"C-23 drifted, and only the fallback of a newer one: it goes soon", drifted_fallback,
	 "  wake at +1000ms\n"},
	{"C-24 somebody copied ours with its labels", copied,
	 "  1. close gate copy: it is made anew\n  wake at +50ms\n"},
	{"C-24 its row is gone, and nothing else serves", row_is_gone, ""},
};

static const struct fixture_case withdrawal[] = {
	{"C-30 the gate first", suspended,
	 "  1. close gate shop-r1-0-eb0c3431: the Service is suspended\n  wake at +50ms\n"},
	{"C-30 Traefik lists it", still_listed, "  wake at +50ms\n"},
	{"C-30 it drains", draining, "  wake at +9500ms\n"},
	{"C-30 SIGTERM", drained,
	 "  1. set restart no shop-r1-0-eb0c3431: the Service is suspended\n"
	 "  2. terminate container shop-r1-0-eb0c3431: the Service is suspended\n  wake at +30000ms\n"},
	{"C-30 Traefik away: it may list it", away_blocks, "  wake at +1000ms\n"},
	{"C-30 Traefik away: it never could", away_never_open,
	 "  1. set restart no shop-r1-0-eb0c3431: the Service is suspended\n"
	 "  2. terminate container shop-r1-0-eb0c3431: the Service is suspended\n  wake at +30000ms\n"},
	{"C-30 grace", in_grace, "  wake at +1000ms\n"},
	{"C-30 SIGKILL", after_grace,
	 "  1. kill container shop-r1-0-eb0c3431: it outlived its grace period\n  wake at +10000ms\n"},
	{"C-30 SIGKILL takes its time", killed, "  wake at +9000ms\n"},
	{"C-35 ended", ended,
	 "  1. keep log of shop-r1-0-eb0c3431: the Service is suspended\n"
	 "  2. remove container shop-r1-0-eb0c3431: the Service is suspended\n"
	 "  3. remove folder shop-r1-0-eb0c3431: the Service is suspended\n"},
	{"C-35 ended, and Traefik lists it", ended_listed, "  wake at +1000ms\n"},
	{"C-32 a paused one hears nothing", paused_first,
	 "  1. unpause container shop-r1-0-eb0c3431: the Service is suspended\n"},
	{"C-33 frozen health monitor", frozen,
	 "  1. revive health check of shop-r1-0-eb0c3431: its gate is shut and the engine still calls it "
	 "healthy\n"
	 "  wake at +200ms\n"},
	{"C-34 Traefik missed it", missed,
	 "  1. open gate shop-r1-0-eb0c3431: Traefik still lists it: nudge it with an event\n  wake at +200ms\n"},
	{"C-31 the old one drains open", old_drains, "  wake at +6000ms\n"},
	{"C-31 and beside one that is being proved", old_drains_beside_two, "  wake at +1500ms\n"},
	{"C-31 its drain is over", old_goes,
	 "  1. close gate shop-r1-0-eb0c3431: a newer revision serves\n  wake at +50ms\n"},
	{"C-31 no second drain after the gate", old_is_shut,
	 "  1. set restart no shop-r1-0-eb0c3431: a newer revision serves\n"
	 "  2. terminate container shop-r1-0-eb0c3431: a newer revision serves\n  wake at +30000ms\n"},
};

#define STARTED(attempt)                                                                                     \
	"  1. set deployment shop-r1: 1 replicas are dead and 0 missing: start " attempt "\n"                    \
	"  2. record event Healed: shop-r1-0-eb0c3431 was not running (exit code 137): started again\n"          \
	"  3. start container shop-r1-0-eb0c3431: it is not running\n"

static const struct fixture_case healing[] = {
	{"C-40 dead", dead, STARTED("1")},
	{"C-41 back-off", dead_again, "  wake at +700ms\n"},
	{"C-41 back-off is over", dead_at_last, STARTED("4")},
	{"C-41 back-off of another boot", dead_of_another_boot, STARTED("4")},
	{"C-42b scaled up", scaled_up,
	 "  1. record event Scaled: Replica 1 of revision 1 is wanted: made\n"
	 "  2. prepare folder shop-r1-1-eb0c3431: its gate is shut before it exists\n"
	 "  3. create container shop-r1-1-eb0c3431: replica 1 of revision 1 is missing\n"
	 "  4. start container shop-r1-1-eb0c3431: it was created\n"},
	{"C-42b scaled up while one is dying and one was lost: those wait", scaled_up_while_dying,
	 "  1. record event Scaled: Replica 2 of revision 1 is wanted: made\n"
	 "  2. prepare folder shop-r1-2-eb0c3431: its gate is shut before it exists\n"
	 "  3. create container shop-r1-2-eb0c3431: replica 2 of revision 1 is missing\n"
	 "  4. start container shop-r1-2-eb0c3431: it was created\n"
	 "  wake at +700ms\n"},
	{"C-42b not while one is made anew: that has a back-off", scaled_up_while_drifted,
	 "  1. set deployment shop-r1: 0 replicas are dead and 2 missing: start 1\n"
	 "  2. record event Healed: Replica 1 of revision 1 was missing: made\n"
	 "  3. record event Healed: Replica 2 of revision 1 was missing: made\n"
	 "  4. prepare folder shop-r1-1-eb0c3431: its gate is shut before it exists\n"
	 "  5. create container shop-r1-1-eb0c3431: replica 1 of revision 1 is missing\n"
	 "  6. prepare folder shop-r1-2-eb0c3431: its gate is shut before it exists\n"
	 "  7. create container shop-r1-2-eb0c3431: replica 2 of revision 1 is missing\n"
	 "  8. start container shop-r1-1-eb0c3431: it was created\n"
	 "  9. start container shop-r1-2-eb0c3431: it was created\n"},
	{"C-41b the place is the next revision's", place_of_the_next,
	 "  1. set deployment shop-r2: its release command runs first\n"
	 "  2. prepare folder shop-r2-release-eb0c3431: its gate is shut before it exists\n"
	 "  3. create container shop-r2-release-eb0c3431: the release command of revision 2 runs first\n"
	 "  4. start container shop-r2-release-eb0c3431: it was created\n"},
	{"C-42 missing", missing,
	 "  1. set deployment shop-r1: 0 replicas are dead and 1 missing: start 1\n"
	 "  2. record event Healed: Replica 1 of revision 1 was missing: made\n"
	 "  3. prepare folder shop-r1-1-eb0c3431: its gate is shut before it exists\n"
	 "  4. create container shop-r1-1-eb0c3431: replica 1 of revision 1 is missing\n"
	 "  5. start container shop-r1-1-eb0c3431: it was created\n"},
	{"C-43 image gone", image_gone,
	 "  1. pull image app:1: the image of revision 1 is gone from the engine\n"},
	{"C-44 answers again: policy, then gate", answers_again,
	 "  1. set restart unless-stopped shop-r1-0-eb0c3431: it is published now\n"
	 "  2. open gate shop-r1-0-eb0c3431: it answers\n"},
	{"C-44 wanted again after SIGTERM: it has to end first", wanted_again, "  wake at +29000ms\n"},
	{"C-44 wanted again, and ended: no Event of a death", wanted_again_ended,
	 "  1. set deployment shop-r1: 1 replicas are dead and 0 missing: start 1\n"
	 "  2. start container shop-r1-0-eb0c3431: it is not running\n"},
	{"C-45 paused", paused,
	 "  1. unpause container shop-r1-0-eb0c3431: it is paused\n"
	 "  2. record event Healed: shop-r1-0-eb0c3431 was paused: continued\n"},
	{"C-46 renamed", renamed,
	 "  1. rename container mine: name is mine, not shop-r1-0-eb0c3431\n"
	 "  2. record event Healed: mine: name is mine, not shop-r1-0-eb0c3431: put right\n"},
	{"C-46 renamed, and the name is taken for now", renamed_and_taken, "  wake at +1000ms\n"},
	{"C-46 detached", detached,
	 "  1. connect network helvetia-default: it is not attached to network helvetia-default\n"
	 "  2. record event Healed: shop-r1-0-eb0c3431: it is not attached to network helvetia-default: put "
	 "right\n"},
	{"C-46 another address", readdressed,
	 "  1. disconnect network helvetia-default: address is 10.1.2.77, not 10.1.2.2\n"
	 "  2. connect network helvetia-default: address is 10.1.2.77, not 10.1.2.2\n"
	 "  3. record event Healed: shop-r1-0-eb0c3431: address is 10.1.2.77, not 10.1.2.2: put right\n"},
	{"C-46 limits", limited,
	 "  1. update container shop-r1-0-eb0c3431: memory limit is 1048576 bytes, not 268435456\n"
	 "  2. record event Healed: shop-r1-0-eb0c3431: memory limit is 1048576 bytes, not 268435456: put "
	 "right\n"},
	{"C-46 policy", policy,
	 "  1. set restart unless-stopped shop-r1-0-eb0c3431: restart policy is no, not unless-stopped\n"
	 "  2. record event Healed: shop-r1-0-eb0c3431: restart policy is no, not unless-stopped: put right\n"},
	{"C-50 stopped answering, another serves", unready,
	 "  1. close gate shop-r1-0-eb0c3431: it stopped answering\n"
	 "  2. record event Unready: shop-r1-0-eb0c3431 stopped answering and gets no requests until it does: "
	 "timed "
	 "out\n"},
	{"C-50 INV-7 nobody answers: slow must not become gone", all_unready, ""},
	{"C-48 unlisted", unlisted,
	 "  1. close gate shop-r1-0-eb0c3431: Traefik doesn't list it: nudge it with an event\n"},
	{"C-48 unlisted since a moment", unlisted_lately, "  wake at +4900ms\n"},
	{"C-49 up for a minute", up_for_a_minute,
	 "  1. set deployment shop-r1: all replicas are up for a minute\n"},
	{"C-49 not that long", up_not_long, "  wake at +1000ms\n"},
};

static void test_quiet(void **state)
{
	(void)state;
	fixture_run(quiet, HC_COUNT(quiet), deployment_decide);
}

static void test_roles(void **state)
{
	(void)state;
	fixture_run(roles, HC_COUNT(roles), deployment_decide);
}

static void test_withdrawal(void **state)
{
	(void)state;
	fixture_run(withdrawal, HC_COUNT(withdrawal), deployment_decide);
}

static void test_healing(void **state)
{
	(void)state;
	fixture_run(healing, HC_COUNT(healing), deployment_decide);
}

/* C-41: 1 s, 2 s, 4 s … 60 s, in the row that stands before the start. */
static void test_back_off(void **state)
{
	static const int64_t delays[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
	struct fixture fixture;

	(void)state;
	for (int attempts = 0; attempts < (int)HC_COUNT(delays); attempts++) {
		const struct deployment_view *row;
		struct plan plan;

		fixture_init(&fixture);
		dead(&fixture);
		fixture.deployments[0].restart_attempts = attempts;
		plan_init(&plan, fixture.arena);
		deployment_decide(&fixture.world, &plan);
		assert_int_equal(plan.actions[0].kind, ACTION_DEPLOYMENT_STATUS);
		row = plan.actions[0].deployment;
		assert_int_equal(row->restart_attempts, attempts + 1);
		assert_int_equal(row->restart_not_before.at_ms, NOW + delays[attempts]);
		assert_string_equal(row->restart_not_before.boot_id, "b");
		assert_int_equal(row->phase, DEPLOYMENT_SUCCESS);
		assert_false(plan.actions[0].becomes_current);
		fixture_done(&fixture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet),   cmocka_unit_test(test_roles),    cmocka_unit_test(test_withdrawal),
		cmocka_unit_test(test_healing), cmocka_unit_test(test_back_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
