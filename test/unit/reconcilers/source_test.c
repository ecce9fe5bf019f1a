/* What is built from a repository: cases C-51 … C-59 and W-1 … W-12 of reconcilers/deployment/README.md, one
 * a row. */
#include "../cmocka_all.h"
#include "source_fixture.h"

#include "base/text.h"
#include "reconcilers/deployment/rollout.h"

/* --- the source
 * ------------------------------------------------------------------------------------------------- */

static void c51_new(struct fixture *fixture)
{
	source_attempt(fixture, STAGE_RESOLVING);
}

static void resolve_in(struct fixture *fixture, enum job_state state)
{
	source_attempt(fixture, STAGE_RESOLVING);
	fixture->world.resolve = source_job(JOB_RESOLVE, state);
}

static void c51_done(struct fixture *fixture)
{
	resolve_in(fixture, JOB_SUCCEEDED);
}

static void c52_failed(struct fixture *fixture)
{
	resolve_in(fixture, JOB_FAILED);
	fixture->world.resolve.message = "commit 2222222 is not in " URL ": push it";
}

static void c52_failed_before(struct fixture *fixture)
{
	c52_failed(fixture);
	fixture->world.resolve.state_ago_ms = 2000; /* the stage began 1000 ms ago */
}

static void c52_another_boot(struct fixture *fixture)
{
	c52_failed(fixture);
	fixture->deployments[1].stage_since.boot_id = "a";
}

static void w2_absent(struct fixture *fixture)
{
	resolve_in(fixture, JOB_QUEUED);
	fixture->world.resolve.queue = JOB_QUEUE_ABSENT;
}

static void w3_away(struct fixture *fixture)
{
	resolve_in(fixture, JOB_QUEUED);
	fixture->world.resolve.queue = JOB_QUEUE_AWAY;
}

static void w3_none(struct fixture *fixture)
{
	w3_away(fixture);
	fixture->world.queue_configured = false;
}

static void w4_no_worker(struct fixture *fixture)
{
	resolve_in(fixture, JOB_QUEUED);
	fixture->world.resolve.state_ago_ms = 4000;
}

static void w5_ended(struct fixture *fixture)
{
	resolve_in(fixture, JOB_QUEUED);
	fixture->world.resolve.queue = JOB_QUEUE_ENDED;
	fixture->world.resolve.state_ago_ms = 1000;
}

static void w5_taken(struct fixture *fixture)
{
	resolve_in(fixture, JOB_QUEUED);
	fixture->world.resolve.queue = JOB_QUEUE_TAKEN;
	fixture->world.resolve.state_ago_ms = 2000;
}

static void w5_taken_just_now(struct fixture *fixture)
{
	w5_taken(fixture);
	fixture->world.resolve.state_ago_ms = 1999;
}

static void w5_ended_just_now(struct fixture *fixture)
{
	w5_ended(fixture);
	fixture->world.resolve.state_ago_ms = 999;
}

/* --- the build
 * -------------------------------------------------------------------------------------------------- */

static void build_absent(struct fixture *fixture)
{
	source_attempt(fixture, STAGE_QUEUED);
	fixture->world.resolve = source_job(JOB_RESOLVE, JOB_SUCCEEDED);
	fixture->world.build = source_job(JOB_BUILD, JOB_QUEUED);
	fixture->world.build.id = NULL;
}

static void c53_named(struct fixture *fixture)
{
	build_absent(fixture);
	fixture->deployments[1].build = "shop-2";
}

static void c54_earlier_runs(struct fixture *fixture)
{
	c53_named(fixture);
	fixture->world.earlier_build_runs = true;
}

static void build_in(struct fixture *fixture, enum job_state state)
{
	c53_named(fixture);
	fixture->world.build = source_job(JOB_BUILD, state);
}

static void w6_runs(struct fixture *fixture)
{
	build_in(fixture, JOB_RUNNING);
}

static void w6b_runs_too_long(struct fixture *fixture)
{
	w6_runs(fixture);
	fixture->world.build.state_ago_ms = 65 * 60 * 1000;
}

static void w6b_not_yet(struct fixture *fixture)
{
	w6_runs(fixture);
	fixture->world.build.state_ago_ms = 65 * 60 * 1000 - 1;
}

static void w6b_looks_too_long(struct fixture *fixture)
{
	resolve_in(fixture, JOB_RUNNING);
	fixture->world.resolve.state_ago_ms = 20 * 60 * 1000;
}

static void w7_lost(struct fixture *fixture)
{
	build_in(fixture, JOB_RUNNING);
	fixture->world.build.lease_left_ms = -1;
	fixture->world.build.claims = 2;
}

static void w8_lost_three_times(struct fixture *fixture)
{
	w7_lost(fixture);
	fixture->world.build.claims = 3;
}

static void w9_failed_for_now(struct fixture *fixture)
{
	build_in(fixture, JOB_FAILED);
	fixture->world.build.final = false;
	fixture->world.build.failures = 2;
	fixture->world.build.message = "the engine does not answer";
}

static void w9_and_is_said(struct fixture *fixture)
{
	w9_failed_for_now(fixture);
	fixture->deployments[1].reason = "BuildBackOff";
	fixture->deployments[1].message = "the engine does not answer; it is tried again";
}

static void w10_again(struct fixture *fixture)
{
	w9_and_is_said(fixture);
	fixture->world.build.state_ago_ms = 10000;
	fixture->deployments[1].stage_since.at_ms = NOW - 60000;
}

static void w12_canceled(struct fixture *fixture)
{
	build_in(fixture, JOB_CANCELED);
}

static void c55_failed(struct fixture *fixture)
{
	build_in(fixture, JOB_FAILED);
	fixture->world.build.message = "Dockerfile:2: unknown instruction: ENVX";
}

static void c55_failed_before(struct fixture *fixture)
{
	c55_failed(fixture);
	fixture->world.build.state_ago_ms = 5000;
}

static void c56_built(struct fixture *fixture)
{
	build_in(fixture, JOB_SUCCEEDED);
	fixture->world.image = (struct image_view){.known = true, .present = true, .id = "sha256:2", .error = ""};
}

static void c56_reserved(struct fixture *fixture)
{
	c56_built(fixture);
	fixture->world.image.reserved_label = "traefik.enable";
}

static void c57_image_gone(struct fixture *fixture)
{
	c56_built(fixture);
	fixture->world.image.present = false;
}

static void c6_unchanged(struct fixture *fixture)
{
	c56_built(fixture);
	fixture->world.image.id = fixture->deployments[0].image_id;
	fixture->deployments[1].template.build_command = "make";
}

static void c6_port_changed(struct fixture *fixture)
{
	c6_unchanged(fixture);
	fixture->deployments[1].template.internal_port = 4000;
}

/* --- given up
 * --------------------------------------------------------------------------------------------------- */

static void c2_superseded(struct fixture *fixture)
{
	w6_runs(fixture);
	fixture->world.service.desired_hash = "h:3";
}

static void c2_shared(struct fixture *fixture)
{
	c2_superseded(fixture);
	fixture->world.work_shared = true;
}

static void c1_deleted(struct fixture *fixture)
{
	resolve_in(fixture, JOB_QUEUED);
	fixture->world.service.spec.suspend = true;
}

/* --- rollback, and an image that is gone
 * ------------------------------------------------------------------------ */

static void c58_rollback(struct fixture *fixture)
{
	struct deployment_view *view = source_attempt(fixture, STAGE_QUEUED);
	struct rollout rollout;

	fixture->world.service.spec.rollback_to_revision = 1;
	fixture->world.service.spec.rollback_rejected_hash = fixture->world.service.desired_hash;
	view->rollback_of = 1;
	view->image_id = "sha256:old";
	rollout_look(&fixture->world, fixture->arena, &rollout);
	view->hash = rollout.desired_hash;
	fixture->world.image = (struct image_view){
		.known = true, .present = true, .id = "sha256:old", .error = ""};
}

static void c59_rebuild(struct fixture *fixture)
{
	struct deployment_view *view = source_built(fixture, 1, COMMIT_1, DEPLOYMENT_SUCCESS, STAGE_DONE);

	source_wants(fixture, COMMIT_1);
	view->current = true;
	fixture->world.current_image = (struct image_view){.known = true, .error = ""};
	fixture->world.serving_resolve = source_job(JOB_RESOLVE, JOB_SUCCEEDED);
	fixture->world.serving_build = source_job(JOB_BUILD, JOB_SUCCEEDED);
	fixture->world.serving_build.image_id = view->image_id;
}

static void c59_rebuilt(struct fixture *fixture)
{
	c59_rebuild(fixture);
	fixture->world.serving_build.image_id = "sha256:new";
}

static void c59_cannot(struct fixture *fixture)
{
	c59_rebuild(fixture);
	fixture->world.serving_build = source_job(JOB_BUILD, JOB_FAILED);
}

/* The image of what serves is gone while another build is under way, and the other way round. */
static void c54_two(struct fixture *fixture, enum job_state of_attempt, enum job_state of_serving)
{
	build_in(fixture, of_attempt);
	fixture->world.container_count = 0;
	fixture->world.current_image = (struct image_view){.known = true, .error = ""};
	fixture->world.serving_resolve = source_job(JOB_RESOLVE, JOB_SUCCEEDED);
	fixture->world.serving_build = source_job(JOB_BUILD, of_serving);
	fixture->world.serving_build.key = "build/n/1";
	fixture->world.serving_build.name = "shop-1";
}

/* The same, but the container of what serves came back by itself. */
static void c54b_left(struct fixture *fixture, bool cancelled, int64_t lease_left_ms)
{
	build_in(fixture, JOB_QUEUED);
	fixture->world.build.id = NULL;
	fixture->world.serving_build = source_job(JOB_BUILD, JOB_RUNNING);
	fixture->world.serving_build.key = "build/n/1";
	fixture->world.serving_build.name = "shop-1";
	fixture->world.serving_build.cancel = cancelled;
	fixture->world.serving_build.lease_left_ms = lease_left_ms;
}

static void c54b_cancelled_first(struct fixture *fixture)
{
	c54b_left(fixture, false, 4000);
}

static void c54b_ending(struct fixture *fixture)
{
	c54b_left(fixture, true, 4000);
}

static void c54b_worker_lost(struct fixture *fixture)
{
	c54b_left(fixture, true, -1);
}

static void c54_serving_waits(struct fixture *fixture)
{
	c54_two(fixture, JOB_RUNNING, JOB_CANCELED);
}

static void c54_attempt_waits(struct fixture *fixture)
{
	c54_two(fixture, JOB_CANCELED, JOB_RUNNING);
}

static const struct fixture_case sources[] = {
	{"C-51 W-1 the source is asked for", c51_new, "  1. create job commit/n/2: it is wanted\n"},
	{"C-51 it is known", c51_done,
	 "  1. set deployment shop-r2: its source is tree 3333333 (dockerfile): Queued\n"},
	{"C-52 it can't be had", c52_failed,
	 "  1. set deployment shop-r2: FAILED/SourceFailed: commit 2222222 is not in "
	 "https://example.org/shop.git: push it\n"
	 "  2. record event SourceFailed: Revision 2: commit 2222222 is not in https://example.org/shop.git: "
	 "push it\n"},
	{"C-52 an earlier failure doesn't count", c52_failed_before,
	 "  1. reopen job commit/n/2: it failed before it was wanted again\n"},
	{"C-12 another boot: the time of the stage begins again", c52_another_boot,
	 "  1. set deployment shop-r2: the machine was restarted: the timers begin again\n"},
	{"W-2 not in the queue", w2_absent,
	 "  1. enqueue job commit/n/2: it is not in the queue\n"
	 "  wake at +1000ms\n"},
	{"W-3 Redis away", w3_away,
	 "  1. set deployment shop-r2: the look at the repository waits for the job queue: Redis does not "
	 "answer\n"
	 "  wake at +1000ms\n"},
	{"W-3 no queue", w3_none,
	 "  1. set deployment shop-r2: the look at the repository waits for a job queue, and the controller was "
	 "started without one: give it --redis and --queue\n"
	 "  wake at +1000ms\n"},
	{"W-4 no worker", w4_no_worker,
	 "  1. set deployment shop-r2: the look at the repository waits for a worker: all are busy, or no "
	 "helvetia-worker runs\n"
	 "  wake at +1000ms\n"},
	{"W-5 the queue ended it", w5_ended,
	 "  1. reopen job commit/n/2: the queue has ended it, and no worker took it\n"
	 "  wake at +1000ms\n"},
	{"W-5 not at once: a stranger's worker would make it go round and round", w5_ended_just_now,
	 "  wake at +1000ms\n"},
	{"W-5b it was taken and never begun", w5_taken,
	 "  1. reopen job commit/n/2: a worker took it from the queue and never began it\n"
	 "  wake at +1000ms\n"},
	{"W-5b not at once: between the two are milliseconds", w5_taken_just_now, "  wake at +1000ms\n"},
	{"C-53 the row names the build first", build_absent,
	 "  1. set deployment shop-r2: build shop-2 makes its image\n"},
	{"C-53 then it is made", c53_named, "  1. create job shop-2: it is wanted\n"},
	{"C-54 an earlier one is being stopped", c54_earlier_runs, "  wake at +200ms\n"},
	{"C-54 the image of what serves waits for it", c54_serving_waits, "  wake at +200ms\n"},
	{"C-54 and goes first, if it has begun", c54_attempt_waits, "  wake at +200ms\n"},
	{"C-54b a rebuild that isn't needed any more ends first", c54b_cancelled_first,
	 "  1. cancel job shop-1: what serves needs no new image any more\n  wake at +200ms\n"},
	{"C-54b it is ending", c54b_ending, "  wake at +200ms\n"},
	{"C-54b and its worker is lost", c54b_worker_lost,
	 "  1. cancel job shop-1: what serves needs no new image any more\n  wake at +200ms\n"},
	{"W-6 it runs", w6_runs, "  wake at +1000ms\n"},
	{"W-6b it runs for ever", w6b_runs_too_long,
	 "  1. give up job shop-2: the build did not end within an hour, nor did its worker end it: look at its "
	 "log for "
	 "what hangs, and restart that worker\n"},
	{"W-6b its worker may still end it", w6b_not_yet, "  wake at +1000ms\n"},
	{"W-6b a look that goes on for ever", w6b_looks_too_long,
	 "  1. give up job commit/n/2: the repository could not be read within 15 minutes, nor did the worker "
	 "give up: "
	 "restart that worker\n"},
	{"W-7 its worker is lost", w7_lost, "  1. reopen job shop-2: its worker w1 is lost\n"},
	{"W-8 three times", w8_lost_three_times,
	 "  1. give up job shop-2: its worker was lost three times: it may need more memory than the machine "
	 "has; see the worker's log, then helvetia redeploy\n"},
	{"W-9 a failure that may be cured", w9_failed_for_now,
	 "  1. set deployment shop-r2: the engine does not answer; it is tried again\n"
	 "  wake at +9900ms\n"},
	{"W-9 said once", w9_and_is_said, "  wake at +9900ms\n"},
	{"W-10 tried again", w10_again, "  1. reopen job shop-2: its failure may have been cured\n"},
	{"W-12 cancelled, and wanted", w12_canceled,
	 "  1. reopen job shop-2: it was cancelled, and is wanted again\n"},
	{"C-55 the user's failure", c55_failed,
	 "  1. set deployment shop-r2: FAILED/BuildFailed: Dockerfile:2: unknown instruction: ENVX; the whole "
	 "log: helvetia logs --build shop-2\n"
	 "  2. record event BuildFailed: Revision 2: Dockerfile:2: unknown instruction: ENVX; the whole log: "
	 "helvetia logs --build shop-2\n"},
	{"C-55 redeploy builds again", c55_failed_before,
	 "  1. reopen job shop-2: it failed before it was wanted again\n"},
	{"C-56 built", c56_built, "  1. set deployment shop-r2: the image is here: Starting\n"},
	{"C-5 a label of the platform", c56_reserved,
	 "  1. set deployment shop-r2: FAILED/ReservedLabel: image of commit 2222222 carries the label "
	 "traefik.enable, which is the platform's own: build it without traefik.* and cloud.helvetia.* labels\n"
	 "  2. record event ReservedLabel: Revision 2: image of commit 2222222 carries the label traefik.enable, "
	 "which is the platform's own: build it without traefik.* and cloud.helvetia.* labels\n"},
	{"C-57 its image is gone", c57_image_gone, "  1. reopen job shop-2: its image is gone from the engine\n"},
	{"C-6 the same tree under a new commit, built by other words", c6_unchanged,
	 "  1. set deployment shop-r2: SUCCESS/Unchanged: the same image with the same settings runs as revision "
	 "1\n"},
	{"C-6 not when it runs otherwise", c6_port_changed,
	 "  1. set deployment shop-r2: the image is here: Starting\n"},
	{"C-2 superseded: its build is cancelled first", c2_superseded,
	 "  1. cancel job shop-2: revision 2 is given up\n"
	 "  2. set deployment shop-r2: FAILED/Superseded: the Service changed before this revision was ready\n"
	 "  3. record event Superseded: Revision 2: the Service changed before this revision was ready\n"},
	{"C-2 not when somebody else needs it", c2_shared,
	 "  1. set deployment shop-r2: FAILED/Superseded: the Service changed before this revision was ready\n"
	 "  2. record event Superseded: Revision 2: the Service changed before this revision was ready\n"},
	{"C-1 suspended", c1_deleted,
	 "  1. cancel job commit/n/2: revision 2 is given up\n"
	 "  2. set deployment shop-r2: FAILED/Cancelled: cancelled because the Service was suspended\n"
	 "  3. record event Cancelled: Revision 2: cancelled because the Service was suspended\n"
	 "  4. close gate shop-r1-0-eb0c3431: the Service is suspended\n"
	 "  wake at +50ms\n"},
	{"C-58 a rollback has its image", c58_rollback,
	 "  1. set deployment shop-r2: the image is here: Starting\n"},
	{"C-59 the image of what serves is gone", c59_rebuild,
	 "  1. reopen job shop-2: the image of revision 1 is gone from the engine\n"},
	{"C-59 and was built again", c59_rebuilt, "  1. set deployment shop-r1: its image was built again\n"},
	{"C-59 and can't be built: not again for ten minutes", c59_cannot, "  wake at +599900ms\n"},
};
static void test_sources(void **state)
{
	(void)state;
	fixture_run(sources, HC_COUNT(sources), deployment_decide);
}

/* What a printed plan doesn't show: whether a job begins anew, and which wish a look answers. */
static void test_fields(void **state)
{
	static const struct source_field cases[] = {
		{w5_ended, deployment_decide, ACTION_JOB_REOPEN, false, 0},
		{w7_lost, deployment_decide, ACTION_JOB_REOPEN, false, 0},
		{w10_again, deployment_decide, ACTION_JOB_REOPEN, false, 0},
		{w12_canceled, deployment_decide, ACTION_JOB_REOPEN, true, 0},
		{c55_failed_before, deployment_decide, ACTION_JOB_REOPEN, true, 0},
		{c57_image_gone, deployment_decide, ACTION_JOB_REOPEN, true, 0},
		{c59_rebuild, deployment_decide, ACTION_JOB_REOPEN, true, 0},
	};

	(void)state;
	source_fields_run(cases, HC_COUNT(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
