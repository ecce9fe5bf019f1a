/* What follows an outcome (a failed attempt goes, the old revision comes back, 0 replicas and back), and what
 * a printed plan doesn't show: the rows that are written and the arguments of the calls. */
#include "../cmocka_all.h"
#include "fixture.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void decide_both(const struct service_world *world, struct plan *plan)
{
	service_decide(world, plan);
	deployment_decide(world, plan);
}

static struct container_view *serving(struct fixture *fixture)
{
	fixture->routes[0] = (struct route_view){.revision = 1, .servers = 1};
	fixture->world.route_count = 1;
	return fixture_published(fixture, fixture_current(fixture, 1, "app:1"), 0);
}

static struct deployment_view *attempt(struct fixture *fixture, enum deployment_stage stage)
{
	serving(fixture);
	fixture_image(fixture, "app:2");
	return fixture_deployment(fixture, 2, "app:2", DEPLOYMENT_BUILDING, stage);
}

static struct container_view *failed(struct fixture *fixture)
{
	struct deployment_view *view = attempt(fixture, STAGE_DONE);

	view->phase = DEPLOYMENT_FAILED;
	view->reason = "Exited";
	return fixture_container(fixture, view, 0);
}

/* --- after a failure
 * ------------------------------------------------------------------------------------------- */

static void failed_exited(struct fixture *fixture)
{
	failed(fixture)->state = CONTAINER_EXITED;
}

static void failed_running(struct fixture *fixture)
{
	failed(fixture);
}

static void failed_published(struct fixture *fixture)
{
	struct container_view *view = failed(fixture);

	view->gate_open = view->gate_used = view->listed = true;
	view->gate_changed_boot_ms = NOW - 5000;
	view->health = HEALTH_HEALTHY;
}

static void failed_shut(struct fixture *fixture)
{
	failed_published(fixture);
	fixture->containers[1].gate_open = false;
	fixture->containers[1].health = HEALTH_UNHEALTHY;
	fixture->containers[1].gate_changed_boot_ms = NOW - 50;
}

static void recreate_failed(struct fixture *fixture)
{
	struct container_view *old;

	fixture->world.service.spec.strategy = STRATEGY_RECREATE;
	failed(fixture);
	old = &fixture->containers[0];
	old->name = old->folder;
	old->state = CONTAINER_EXITED;
	old->gate_open = old->listed = old->restarts_alone = false;
	old->gate_changed_boot_ms = NOW - 20000;
	old->term_sent_boot_ms = NOW - 19000;
}

static void recreate_back(struct fixture *fixture)
{
	recreate_failed(fixture);
	fixture->world.container_count = 1;
}

static void recreate_is_back(struct fixture *fixture)
{
	recreate_back(fixture);
	fixture->containers[0].name = "shop-0-eb0c3431";
	fixture->containers[0].state = CONTAINER_RUNNING;
	fixture->containers[0].health = HEALTH_UNHEALTHY;
	fixture->containers[0].term_sent_boot_ms = 0;
}

/* --- 0 replicas, back, and other turns
 * ------------------------------------------------------------------------- */

static void attempt_at_zero(struct fixture *fixture)
{
	attempt(fixture, STAGE_STARTING);
	fixture->world.service.spec.replicas = 0;
}

static void zero(struct fixture *fixture)
{
	serving(fixture);
	fixture->world.service.spec.replicas = 0;
}

static void at_zero(struct fixture *fixture)
{
	zero(fixture);
	fixture->world.container_count = 0;
	fixture->world.route_count = 0;
}

static void at_zero_changed(struct fixture *fixture)
{
	at_zero(fixture);
	fixture_image(fixture, "app:2");
}

static void back(struct fixture *fixture)
{
	at_zero(fixture);
	fixture->world.service.spec.replicas = 1;
}

static const bool unmade[] = {true, true};

static void back_as_left(struct fixture *fixture)
{
	back(fixture);
	fixture->world.unmade = unmade;
}

static void at_zero_after_deaths(struct fixture *fixture)
{
	at_zero(fixture);
	fixture->deployments[0].restart_attempts = 3;
}

static void back_changed(struct fixture *fixture)
{
	back(fixture);
	fixture_image(fixture, "app:2");
}

static void converged(struct fixture *fixture)
{
	serving(fixture);
}

static void image_gone(struct fixture *fixture)
{
	serving(fixture);
	fixture->world.container_count = 0;
	fixture->world.route_count = 0;
	fixture->world.current_image = (struct image_view){.known = true, .error = "connection refused"};
	fixture->world.current_image.retry_at = (struct moment){.boot_id = "b", .at_ms = NOW + 3000};
}

static void image_gone_for_good(struct fixture *fixture)
{
	image_gone(fixture);
	fixture->world.current_image = (struct image_view){
		.known = true, .error = "manifest unknown", .error_final = true};
}

static void stabilizing(struct fixture *fixture)
{
	struct deployment_view *view = attempt(fixture, STAGE_STABILIZING);
	struct container_view *container = fixture_published(fixture, view, 0);

	fixture->deployments[0].current = false;
	view->current = true;
	view->stage_since.at_ms = NOW - 2000;
	container->restarts_alone = false;
	fixture->routes[1] = (struct route_view){.revision = 2, .servers = 1};
	fixture->world.route_count = 2;
}

static void stabilizing_changed(struct fixture *fixture)
{
	stabilizing(fixture);
	fixture_image(fixture, "app:3");
}

static void reboot(struct fixture *fixture)
{
	stabilizing(fixture);
	fixture->deployments[1].stage_since.boot_id = fixture->deployments[1].started.boot_id = "a";
}

static void no_addresses(struct fixture *fixture)
{
	attempt(fixture, STAGE_STARTING);
	fixture->world.free_address_count = 0;
}

static void dead_and_drifted(struct fixture *fixture)
{
	struct container_view *view = serving(fixture);

	view->state = CONTAINER_EXITED;
	view->gate_open = view->listed = false;
	view->image_id = "sha256:other";
}

static const struct fixture_case failures[] = {
	{"C-9 what failed is removed, its log kept", failed_exited,
	 "  1. keep log of shop-r2-0-eb0c3431: its revision failed\n"
	 "  2. remove container shop-r2-0-eb0c3431: its revision failed\n"
	 "  3. remove folder shop-r2-0-eb0c3431: its revision failed\n"},
	{"C-11 never published: stopped at once", failed_running,
	 "  1. terminate container shop-r2-0-eb0c3431: its revision failed\n"
	 "  wake at +30000ms\n"},
	{"C-17 published: the gate first", failed_published,
	 "  1. close gate shop-r2-0-eb0c3431: its revision failed\n"
	 "  wake at +50ms\n"},
	{"C-17 INV-4 Traefik still lists it", failed_shut, "  wake at +50ms\n"},
	{"C-7 Recreate failed: the new one goes first", recreate_failed,
	 "  1. terminate container shop-0-eb0c3431: its revision failed\n"
	 "  wake at +30000ms\n"},
	{"C-7 Recreate failed: the old one is started, and gets its name back", recreate_back,
	 "  1. set deployment shop-r1: 1 replicas are dead and 0 missing: start 1\n"
	 "  2. start container shop-r1-0-eb0c3431: it is not running\n"
	 "  3. rename container shop-r1-0-eb0c3431: name is shop-r1-0-eb0c3431, not shop-0-eb0c3431\n"},
	{"C-7 Recreate failed: the old one is published again", recreate_is_back,
	 "  1. set restart unless-stopped shop-0-eb0c3431: it is published now\n"
	 "  2. open gate shop-0-eb0c3431: it answers\n"},
};

static const struct fixture_case turns[] = {
	{"C-1 an attempt at 0 replicas", attempt_at_zero,
	 "  1. set deployment shop-r2: FAILED/Cancelled: cancelled because the Service was scaled to 0\n"
	 "  2. record event Cancelled: Revision 2: cancelled because the Service was scaled to 0\n"
	 "  3. close gate shop-r1-0-eb0c3431: the Service has no replicas\n"
	 "  wake at +50ms\n"},
	{"C-30 what serves at 0 replicas", zero,
	 "  1. close gate shop-r1-0-eb0c3431: the Service has no replicas\n"
	 "  wake at +50ms\n"},
	{"C-2 Stabilizing goes on though the Service changed", stabilizing_changed,
	 "  1. set restart unless-stopped shop-r2-0-eb0c3431: the revision is published\n"
	 "  2. set deployment shop-r2: SUCCESS\n"
	 "  3. record event Deployed: Revision 2 serves with 1 replicas\n"},
	{"C-12 after a reboot in Stabilizing", reboot,
	 "  1. set deployment shop-r2: the machine was restarted: the timers begin again\n"},
	{"C-8 no address is free", no_addresses, "  wake at +1000ms\n"},
	{"C-43 image gone, registry away", image_gone, "  wake at +3000ms\n"},
	{"C-43 image gone for good: somebody may load it", image_gone_for_good, "  wake at +10000ms\n"},
	{"C-47 dead and drifted: removed, and a stand-in at once", dead_and_drifted,
	 "  1. set deployment shop-r1: 0 replicas are dead and 1 missing: start 1\n"
	 "  2. record event Healed: Replica 1 of revision 1 was missing: made\n"
	 "  3. prepare folder shop-r1-1-eb0c3431: its gate is shut before it exists\n"
	 "  4. create container shop-r1-1-eb0c3431: replica 1 of revision 1 is missing\n"
	 "  5. start container shop-r1-1-eb0c3431: it was created\n"
	 "  6. keep log of shop-r1-0-eb0c3431: it is made anew\n"
	 "  7. remove container shop-r1-0-eb0c3431: it is made anew\n"
	 "  8. remove folder shop-r1-0-eb0c3431: it is made anew\n"},
};

static const struct fixture_case whole[] = {
	{"INV-11 converged: an empty plan, and nothing to wake for", converged,
	 "  phase ACTIVE\n"
	 "  Built=True Prebuilt: image app:1\n"
	 "  Available=True ReplicasReady: 1 of 1 replicas answer\n"
	 "  Routed=True Listed: Traefik sends requests to revision 1\n"
	 "  Ready=True ReplicasReady: revision 1 serves with 1 replicas\n"},
	{"S-11 at 0: nothing is left to do", at_zero,
	 "  phase IDLE\n"
	 "  Built=True Prebuilt: image app:1\n"
	 "  Available=False ScaledToZero: no replica is wanted\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=True ScaledToZero: scaled to 0\n"},
	{"S-11 at 0, and changed: no Deployment", at_zero_changed,
	 "  phase IDLE\n"
	 "  Built=True Prebuilt: image app:1\n"
	 "  Available=False ScaledToZero: no replica is wanted\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=True ScaledToZero: scaled to 0\n"},
	{"S-11 back: the current revision, not a new one", back,
	 "  1. set deployment shop-r1: 0 replicas are dead and 1 missing: start 1\n"
	 "  2. record event Healed: Replica 0 of revision 1 was missing: made\n"
	 "  3. prepare folder shop-r1-0-eb0c3431: its gate is shut before it exists\n"
	 "  4. create container shop-r1-0-eb0c3431: replica 0 of revision 1 is missing\n"
	 "  5. start container shop-r1-0-eb0c3431: it was created\n"
	 "  phase ACTIVE\n"
	 "  Built=True Prebuilt: image app:1\n"
	 "  Available=False NoReplicaReady: no replica answers\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=False Degraded: 0 of 1 replicas answer; healing\n"
	 "  wake at +10000ms\n"},
	{"C-42b C-49 back, as we left it: nothing was lost", back_as_left,
	 "  1. record event Resumed: Replica 0 of revision 1 is wanted again: made\n"
	 "  2. prepare folder shop-r1-0-eb0c3431: its gate is shut before it exists\n"
	 "  3. create container shop-r1-0-eb0c3431: replica 0 of revision 1 is missing\n"
	 "  4. start container shop-r1-0-eb0c3431: it was created\n"
	 "  phase ACTIVE\n"
	 "  Built=True Prebuilt: image app:1\n"
	 "  Available=False NoReplicaReady: no replica answers\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=Unknown Progressing: visitors reach 0 of 1 replicas; the others were just asked for\n"},
	{"C-49 at 0 after deaths: their back-off is forgotten", at_zero_after_deaths,
	 "  1. set deployment shop-r1: it is switched off: its back-off is forgotten\n"
	 "  phase IDLE\n"
	 "  Built=True Prebuilt: image app:1\n"
	 "  Available=False ScaledToZero: no replica is wanted\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=True ScaledToZero: scaled to 0\n"},
	{"S-11 back, and changed meanwhile: a new one", back_changed,
	 "  1. create deployment shop-r2: the Service wants something else than what runs\n"
	 "  phase DEPLOYING\n"
	 "  Built=True Prebuilt: image app:1\n"
	 "  Available=False NoReplicaReady: no replica answers\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=Unknown Queued: a new revision is about to begin\n"},
	{"C-43 image gone: Built says so", image_gone,
	 "  phase ACTIVE\n"
	 "  Built=False ImageMissing: the image of revision 1 (app:1) is gone from the engine: connection "
	 "refused\n"
	 "  Available=False NoReplicaReady: no replica answers\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=False Degraded: 0 of 1 replicas answer: replica 0 is missing and the image is gone from the "
	 "engine: it is had again\n"
	 "  wake at +3000ms\n"},
};

/* --- rows and arguments
 * ---------------------------------------------------------------------------------------- */

static void print_moment(struct hc_text *text, const char *name, const struct moment *moment)
{
	if (moment->at_ms)
		hc_text_printf(text, " %s=%s%+" PRId64, name, moment->boot_id, moment->at_ms - NOW);
}

static void print_row(struct hc_text *text, const struct action *action)
{
	const struct deployment_view *row = action->deployment;

	hc_text_printf(text, "%s %s/%s%s%s", row->name, deployment_phase_text(row->phase),
				   deployment_stage_text(row->stage), row->reason[0] ? "/" : "", row->reason);
	hc_text_printf(text, " hash=%s image=%s id=%s", row->hash, row->image_id ? row->image_id : "-",
				   action->id ? action->id : "-");
	print_moment(text, "since", &row->stage_since);
	print_moment(text, "started", &row->started);
	hc_text_append(text, action->becomes_current ? " current\n" : "\n");
}

static void print_arguments(struct hc_text *text, const struct action *action)
{
	hc_text_printf(text, "%s %s id=%s", action_kind_text(action->kind), action->target,
				   action->id ? action->id : "-");
	if (action->folder)
		hc_text_printf(text, " folder=%s", action->folder);
	if (action->spec)
		hc_text_printf(text, " spec=%s@%s", action->spec->name, action->spec->address);
	if (action->deployment)
		hc_text_printf(text, " of=%s", action->deployment->uid);
	if (action->address)
		hc_text_printf(text, " address=%s", action->address);
	if (action->alias)
		hc_text_printf(text, " alias=%s", action->alias);
	if (action->new_name)
		hc_text_printf(text, " new_name=%s", action->new_name);
	hc_text_append(text, "\n");
}

static void first(struct fixture *fixture)
{
	(void)fixture;
}

static void queued(struct fixture *fixture)
{
	attempt(fixture, STAGE_QUEUED);
	fixture->world.image = (struct image_view){
		.known = true, .present = true, .id = "sha256:app:2", .error = ""};
}

static void queued_unchanged(struct fixture *fixture)
{
	queued(fixture);
	fixture->world.image.id = "sha256:app:1";
}

static void queued_refused(struct fixture *fixture)
{
	queued(fixture);
	fixture->world.image.reserved_label = "traefik.enable";
}

static void answers(struct fixture *fixture)
{
	fixture_container(fixture, attempt(fixture, STAGE_STARTING), 0)->probe = PROBE_READY;
}

static void listed(struct fixture *fixture)
{
	fixture_published(fixture, attempt(fixture, STAGE_PUBLISHING), 0)->restarts_alone = false;
	fixture->world.public_answers = true;
}

static void traefik_back(struct fixture *fixture)
{
	listed(fixture);
	fixture->world.public_answers = false;
	fixture->deployments[1].reason = "TraefikAway";
}

static void unstable(struct fixture *fixture)
{
	stabilizing(fixture);
	fixture->containers[1].probe = PROBE_UNREADY;
}

static void starting(struct fixture *fixture)
{
	attempt(fixture, STAGE_STARTING);
}

static void starting_two(struct fixture *fixture)
{
	fixture_deployment(fixture, 1, "app:1", DEPLOYMENT_BUILDING, STAGE_STARTING);
	fixture->world.service.spec.replicas = 2;
}

static void detached(struct fixture *fixture)
{
	serving(fixture)->network_attached = false;
}

static void renamed(struct fixture *fixture)
{
	serving(fixture)->name = "mine";
}

static void limited(struct fixture *fixture)
{
	serving(fixture)->pids = 1;
}

static void drained(struct fixture *fixture)
{
	struct container_view *view = serving(fixture);

	fixture->world.service.spec.suspend = true;
	view->gate_open = view->listed = false;
	view->gate_changed_boot_ms = NOW - 10000;
	view->health = HEALTH_UNHEALTHY;
}

static const struct fixture_case rows[] = {
	{"S-1", first, "shop-r1 BUILDING/Queued hash=h:app:1 image=- id=- since=b+0\n"},
	{"C-1", attempt_at_zero,
	 "shop-r2 FAILED/Done/Cancelled hash=h:app:2 image=sha256:app:2 id=d2 since=b+0 started=b-1000\n"
	 "close gate shop-r1-0-eb0c3431 id=id0 folder=shop-r1-0-eb0c3431 address=10.1.2.2\n"},
	{"C-5", queued_refused, "shop-r2 FAILED/Done/ReservedLabel hash=h:app:2 image=- id=d2 since=b+0\n"},
	{"C-6", queued_unchanged,
	 "shop-r2 SUCCESS/Done/Unchanged hash=h:app:2 image=sha256:app:1 id=d2 since=b+0\n"},
	{"the image is here", queued,
	 "shop-r2 BUILDING/Starting hash=h:app:2 image=sha256:app:2 id=d2 since=b+0 started=b+0\n"},
	{"C-8: both ends of a creation", starting,
	 "prepare folder shop-r2-0-eb0c3431 id=- folder=shop-r2-0-eb0c3431\n"
	 "create container shop-r2-0-eb0c3431 id=- folder=shop-r2-0-eb0c3431 spec=shop-r2-0-eb0c3431@10.1.2.50 "
	 "of=d2\n"
	 "start container shop-r2-0-eb0c3431 id=-\n"},
	{"C-8: INV-9, each its own address", starting_two,
	 "prepare folder shop-r1-0-eb0c3431 id=- folder=shop-r1-0-eb0c3431\n"
	 "create container shop-r1-0-eb0c3431 id=- folder=shop-r1-0-eb0c3431 spec=shop-r1-0-eb0c3431@10.1.2.50 "
	 "of=d1\n"
	 "prepare folder shop-r1-1-eb0c3431 id=- folder=shop-r1-1-eb0c3431\n"
	 "create container shop-r1-1-eb0c3431 id=- folder=shop-r1-1-eb0c3431 spec=shop-r1-1-eb0c3431@10.1.2.51 "
	 "of=d1\n"
	 "start container shop-r1-0-eb0c3431 id=-\n"
	 "start container shop-r1-1-eb0c3431 id=-\n"},
	{"C-9: both ends of a removal", failed_exited,
	 "keep log of shop-r2-0-eb0c3431 id=id1 folder=shop-r2-0-eb0c3431 of=d2 address=10.1.2.3\n"
	 "remove container shop-r2-0-eb0c3431 id=id1 folder=shop-r2-0-eb0c3431 address=10.1.2.3\n"
	 "remove folder shop-r2-0-eb0c3431 id=id1 folder=shop-r2-0-eb0c3431 address=10.1.2.3\n"},
	{"C-10", answers,
	 "shop-r2 BUILDING/Publishing hash=h:app:2 image=sha256:app:2 id=d2 since=b+0 started=b-1000\n"},
	{"C-12", reboot,
	 "shop-r2 BUILDING/Stabilizing hash=h:app:2 image=sha256:app:2 id=d2 since=b+0 started=b+0\n"},
	{"C-14", listed,
	 "shop-r2 BUILDING/Stabilizing hash=h:app:2 image=sha256:app:2 id=d2 since=b+0 started=b-1000 current\n"},
	{"C-15", traefik_back,
	 "shop-r2 BUILDING/Publishing hash=h:app:2 image=sha256:app:2 id=d2 since=b+0 started=b+0\n"},
	{"C-18", stabilizing,
	 "set restart unless-stopped shop-r2-0-eb0c3431 id=id1\n"
	 "shop-r2 SUCCESS/Done hash=h:app:2 image=sha256:app:2 id=d2 since=b+0 started=b-1000 current\n"},
	{"C-19", unstable,
	 "shop-r1 SUCCESS/Done hash=h:app:1 image=sha256:app:1 id=d1 since=b-90000 current\n"
	 "shop-r2 FAILED/Done/Unstable hash=h:app:2 image=sha256:app:2 id=d2 since=b+0 started=b-1000\n"},
	{"C-30", drained,
	 "set restart no shop-r1-0-eb0c3431 id=id0 folder=shop-r1-0-eb0c3431 address=10.1.2.2\n"
	 "terminate container shop-r1-0-eb0c3431 id=id0 folder=shop-r1-0-eb0c3431 address=10.1.2.2\n"},
	{"C-46 network", detached,
	 "connect network helvetia-default id=id0 folder=shop-r1-0-eb0c3431 address=10.1.2.2 alias=shop\n"},
	{"C-46 name", renamed,
	 "rename container mine id=id0 folder=shop-r1-0-eb0c3431 new_name=shop-r1-0-eb0c3431\n"},
	{"C-46 limits", limited,
	 "update container shop-r1-0-eb0c3431 id=id0 folder=shop-r1-0-eb0c3431 "
	 "spec=shop-r1-0-eb0c3431@10.1.2.2\n"},
};

static void test_failures(void **state)
{
	(void)state;
	fixture_run(failures, HC_COUNT(failures), deployment_decide);
}

static void test_turns(void **state)
{
	(void)state;
	fixture_run(turns, HC_COUNT(turns), deployment_decide);
}

static void test_whole(void **state)
{
	(void)state;
	fixture_run(whole, HC_COUNT(whole), decide_both);
}

static void test_rows(void **state)
{
	int wrong = 0;

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		HC_AUTO_TEXT text = {0};
		struct fixture fixture;
		struct plan plan;

		fixture_init(&fixture);
		rows[index].arrange(&fixture);
		plan_init(&plan, fixture.arena);
		decide_both(&fixture.world, &plan);
		for (size_t at = 0; at < plan.action_count; at++) {
			const struct action *action = &plan.actions[at];

			if (action->kind == ACTION_DEPLOYMENT_STATUS || action->kind == ACTION_DEPLOYMENT_CREATE)
				print_row(&text, action);
			else if (action->kind != ACTION_EVENT)
				print_arguments(&text, action);
		}
		if (strcmp(hc_text_string(&text), rows[index].expected) != 0) {
			printf("%s\n--- expected\n%s--- is\n%s", rows[index].name, rows[index].expected,
				   hc_text_string(&text));
			wrong++;
		}
		fixture_done(&fixture);
	}
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
