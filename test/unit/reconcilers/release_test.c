/* The release command: cases C-25 … C-28 of reconcilers/deployment/README.md, one a row. */
#include "../cmocka_all.h"
#include "fixture.h"

#include "base/base.h"
#include "model/names.h"

/* Revision 1 serves, revision 2 is Starting and has a release command. */
static struct deployment_view *starting(struct fixture *fixture)
{
	struct deployment_view *old = fixture_current(fixture, 1, "app:1");
	struct deployment_view *attempt;

	fixture_image(fixture, "app:2");
	fixture_published(fixture, old, 0);
	attempt = fixture_deployment(fixture, 2, "app:2", DEPLOYMENT_BUILDING, STAGE_STARTING);
	attempt->template.release_command = "migrate --all";
	return attempt;
}

static struct container_view *released(struct fixture *fixture, enum container_state state, int code)
{
	struct deployment_view *attempt = starting(fixture);
	struct container_view *container = fixture_container(fixture, attempt, RELEASE_ORDINAL);

	attempt->reason = "Releasing";
	container->state = state;
	container->exit_code = code;
	container->started_wall_ms = WALL - 9000;
	container->finished_wall_ms = WALL - 6700;
	return container;
}

static void begins(struct fixture *fixture)
{
	starting(fixture);
}

static void begins_again(struct fixture *fixture)
{
	starting(fixture)->reason = "Releasing";
}

static void refused(struct fixture *fixture)
{
	starting(fixture);
	fixture->world.refusal_count = 1;
	fixture->refusals[0] = (struct refusal_view){
		.folder = name_container(fixture->arena, "shop", 2, RELEASE_ORDINAL, "n"), .message = "no room"};
}

static void waits_for_another(struct fixture *fixture)
{
	struct deployment_view *given_up, *attempt;

	given_up = fixture_deployment(fixture, 1, "app:0", DEPLOYMENT_FAILED, STAGE_DONE);
	given_up->template.release_command = "migrate";
	attempt = fixture_deployment(fixture, 2, "app:1", DEPLOYMENT_BUILDING, STAGE_STARTING);
	attempt->template.release_command = "migrate";
	fixture_container(fixture, given_up, RELEASE_ORDINAL)->term_sent_boot_ms = NOW - 1000;
}

static void waits_for_the_place(struct fixture *fixture)
{
	starting(fixture);
	fixture->world.service.spec.strategy = STRATEGY_RECREATE;
}

static void created(struct fixture *fixture)
{
	released(fixture, CONTAINER_CREATED, 0)->started_wall_ms = 0;
}

static void cannot_start(struct fixture *fixture)
{
	released(fixture, CONTAINER_CREATED, 0)->error = "exec: \"migrate\": not found";
}

static void address_taken(struct fixture *fixture)
{
	released(fixture, CONTAINER_CREATED, 0)->error = "Address already in use";
}

static void runs(struct fixture *fixture)
{
	released(fixture, CONTAINER_RUNNING, 0);
}

static void paused(struct fixture *fixture)
{
	fixture_pause(released(fixture, CONTAINER_PAUSED, 0));
}

static void runs_and_changed(struct fixture *fixture)
{
	runs(fixture);
	fixture_image(fixture, "app:3");
}

static void runs_and_suspended(struct fixture *fixture)
{
	runs(fixture);
	fixture->containers[0].state = CONTAINER_EXITED;
	fixture->world.container_count = 2;
	fixture->world.service.spec.suspend = true;
}

static void deadline(struct fixture *fixture)
{
	runs(fixture);
	fixture->deployments[1].started.at_ms = NOW - 30000;
	fixture->world.service.spec.deadline_seconds = 30;
}

static void ended_well(struct fixture *fixture)
{
	released(fixture, CONTAINER_EXITED, 0);
}

static void then_replicas(struct fixture *fixture)
{
	ended_well(fixture);
	fixture->deployments[1].released = true;
	fixture->deployments[1].reason = "";
}

static void ended_badly(struct fixture *fixture)
{
	released(fixture, CONTAINER_EXITED, 5)->log_tail = "column exists already";
}

static void mute(struct fixture *fixture)
{
	released(fixture, CONTAINER_EXITED, 1);
}

static void not_there(struct fixture *fixture)
{
	released(fixture, CONTAINER_EXITED, 127)->log_tail = "[FATAL tini (7)] exec migrate failed";
}

static void out_of_memory(struct fixture *fixture)
{
	released(fixture, CONTAINER_EXITED, 137)->out_of_memory = true;
}

static void failed_goes(struct fixture *fixture)
{
	ended_badly(fixture);
	fixture->deployments[1].phase = DEPLOYMENT_FAILED;
	fixture->deployments[1].stage = STAGE_DONE;
	fixture_image(fixture, "app:1");
}

static void rebooted(struct fixture *fixture)
{
	released(fixture, CONTAINER_EXITED, 255);
	fixture->deployments[1].stage_since.boot_id = fixture->deployments[1].started.boot_id = "a";
}

static void rebooted_after_it(struct fixture *fixture)
{
	rebooted(fixture);
	fixture->containers[1].exit_code = 0;
}

static void rolls_back(struct fixture *fixture)
{
	starting(fixture)->rollback_of = 1;
}

static void serves_with_it(struct fixture *fixture)
{
	struct deployment_view *current = fixture_current(fixture, 1, "app:1");

	current->template.release_command = "migrate";
	current->released = true;
	fixture_published(fixture, current, 0);
	fixture->world.service.spec.replicas = 2;
	fixture_container(fixture, current, RELEASE_ORDINAL)->state = CONTAINER_EXITED;
	fixture->world.unmade = hc_arena_alloc_array(fixture->arena, 2, sizeof(bool));
	((bool *)(uintptr_t)fixture->world.unmade)[1] = true;
}

static const struct fixture_case cases[] = {
	{"C-25", begins,
	 "  1. set deployment shop-r2: its release command runs first\n"
	 "  2. prepare folder shop-r2-release-eb0c3431: its gate is shut before it exists\n"
	 "  3. create container shop-r2-release-eb0c3431: the release command of revision 2 runs first\n"
	 "  4. start container shop-r2-release-eb0c3431: it was created\n"},
	{"C-25 killed in between", begins_again,
	 "  1. prepare folder shop-r2-release-eb0c3431: its gate is shut before it exists\n"
	 "  2. create container shop-r2-release-eb0c3431: the release command of revision 2 runs first\n"
	 "  3. start container shop-r2-release-eb0c3431: it was created\n"},
	{"C-25 refused", refused,
	 "  1. set deployment shop-r2: FAILED/ReleaseFailed: the engine refuses to make "
	 "shop-r2-release-eb0c3431: no room\n"
	 "  2. record event ReleaseFailed: Revision 2: the engine refuses to make shop-r2-release-eb0c3431: no "
	 "room\n"},
	{"C-25 another one's runs", waits_for_another, "  wake at +29000ms\n"},
	{"C-25 its place isn't free", waits_for_the_place,
	 "  1. close gate shop-r1-0-eb0c3431: Recreate: the new revision needs its place\n"
	 "  wake at +50ms\n"},
	{"C-25 created", created, "  1. start container shop-r2-release-eb0c3431: it was created\n"},
	{"C-25 address taken", address_taken,
	 "  1. remove container shop-r2-release-eb0c3431: its command has ended\n"
	 "  2. remove folder shop-r2-release-eb0c3431: its command has ended\n"},
	{"C-25 paused", paused,
	 "  1. unpause container shop-r2-release-eb0c3431: it is paused\n"
	 "  2. record event Healed: shop-r2-release-eb0c3431 was paused: continued\n"},
	{"C-26", ended_well,
	 "  1. set deployment shop-r2: its release command ended well\n"
	 "  2. record event Released: Revision 2: releaseCommand ended well after 2.3 s\n"},
	{"C-26 then the replicas", then_replicas,
	 "  1. prepare folder shop-r2-0-eb0c3431: its gate is shut before it exists\n"
	 "  2. create container shop-r2-0-eb0c3431: replica 0 of revision 2 is missing\n"
	 "  3. start container shop-r2-0-eb0c3431: it was created\n"
	 "  4. keep log of shop-r2-release-eb0c3431: its command has ended\n"
	 "  5. remove container shop-r2-release-eb0c3431: its command has ended\n"
	 "  6. remove folder shop-r2-release-eb0c3431: its command has ended\n"
	 "  wake at +599000ms\n"},
	{"C-27 can't start", cannot_start,
	 "  1. set deployment shop-r2: FAILED/ReleaseFailed: releaseCommand could not be run: exec: \"migrate\": "
	 "not found; see spec.releaseCommand and the image\n"
	 "  2. record event ReleaseFailed: Revision 2: releaseCommand could not be run: exec: \"migrate\": not "
	 "found; see spec.releaseCommand and the image\n"},
	{"C-27 code", ended_badly,
	 "  1. set deployment shop-r2: FAILED/ReleaseFailed: releaseCommand ended with code 5; last lines: "
	 "column exists already; mend it and deploy again, or `helvetia redeploy`\n"
	 "  2. record event ReleaseFailed: Revision 2: releaseCommand ended with code 5; last lines: column "
	 "exists already; mend it and deploy again, or `helvetia redeploy`\n"},
	{"C-27 without a word", mute,
	 "  1. set deployment shop-r2: FAILED/ReleaseFailed: releaseCommand ended with code 1; it wrote nothing; "
	 "mend it and deploy again, or `helvetia redeploy`\n"
	 "  2. record event ReleaseFailed: Revision 2: releaseCommand ended with code 1; it wrote nothing; mend "
	 "it and deploy again, or `helvetia redeploy`\n"},
	{"C-27 not there", not_there,
	 "  1. set deployment shop-r2: FAILED/ReleaseFailed: releaseCommand could not be run (code 127): [FATAL "
	 "tini (7)] exec migrate failed; see spec.releaseCommand and the image\n"
	 "  2. record event ReleaseFailed: Revision 2: releaseCommand could not be run (code 127): [FATAL tini "
	 "(7)] exec migrate failed; see spec.releaseCommand and the image\n"},
	{"C-27 out of memory", out_of_memory,
	 "  1. set deployment shop-r2: FAILED/ReleaseFailed: releaseCommand was killed because it needed more "
	 "than its 256 MiB of memory: raise spec.resources.memory\n"
	 "  2. record event ReleaseFailed: Revision 2: releaseCommand was killed because it needed more than its "
	 "256 MiB of memory: raise spec.resources.memory\n"},
	{"C-27 deadline", deadline,
	 "  1. set deployment shop-r2: FAILED/ReleaseFailed: releaseCommand did not end within 30 s and was "
	 "stopped: raise strategy.deadlineSeconds, or see its log\n"
	 "  2. record event ReleaseFailed: Revision 2: releaseCommand did not end within 30 s and was stopped: "
	 "raise strategy.deadlineSeconds, or see its log\n"},
	{"C-27 its log is kept", failed_goes,
	 "  1. keep log of shop-r2-release-eb0c3431: its revision failed\n"
	 "  2. remove container shop-r2-release-eb0c3431: its revision failed\n"
	 "  3. remove folder shop-r2-release-eb0c3431: its revision failed\n"},
	{"C-28", runs, "  wake at +599000ms\n"},
	{"C-28 changed meanwhile", runs_and_changed, "  wake at +599000ms\n"},
	{"C-1 suspended meanwhile", runs_and_suspended,
	 "  1. set deployment shop-r2: FAILED/Cancelled: cancelled because the Service was suspended\n"
	 "  2. record event Cancelled: Revision 2: cancelled because the Service was suspended\n"
	 "  3. terminate container shop-r2-release-eb0c3431: the Service is suspended\n"
	 "  4. close gate shop-r1-0-eb0c3431: the Service is suspended\n"
	 "  wake at +50ms\n"},
	{"C-12 rebooted", rebooted,
	 "  1. start container shop-r2-release-eb0c3431: the machine was restarted\n"
	 "  2. set deployment shop-r2: the machine was restarted: the timers begin again\n"},
	{"C-12 rebooted after it", rebooted_after_it,
	 "  1. set deployment shop-r2: the machine was restarted: the timers begin again\n"},
	{"a rollback runs none", rolls_back,
	 "  1. prepare folder shop-r2-0-eb0c3431: its gate is shut before it exists\n"
	 "  2. create container shop-r2-0-eb0c3431: replica 0 of revision 2 is missing\n"
	 "  3. start container shop-r2-0-eb0c3431: it was created\n"
	 "  wake at +599000ms\n"},
	{"scaling up runs none", serves_with_it,
	 "  1. record event Scaled: Replica 1 of revision 1 is wanted: made\n"
	 "  2. prepare folder shop-r1-1-eb0c3431: its gate is shut before it exists\n"
	 "  3. create container shop-r1-1-eb0c3431: replica 1 of revision 1 is missing\n"
	 "  4. start container shop-r1-1-eb0c3431: it was created\n"
	 "  5. keep log of shop-r1-release-eb0c3431: its command has ended\n"
	 "  6. remove container shop-r1-release-eb0c3431: its command has ended\n"
	 "  7. remove folder shop-r1-release-eb0c3431: its command has ended\n"},
};

static void test_release(void **state)
{
	(void)state;
	fixture_run(cases, HC_COUNT(cases), deployment_decide);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(test_release)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
