/* What is built from a repository: cases C-51 … C-59 and W-1 … W-12 of reconcilers/deployment/README.md, F-1
 * … F-8 and S-6 … S-8 of reconcilers/service/README.md, one a row. */
#include "../cmocka_all.h"
#include "fixture.h"

#include "base/text.h"
#include "reconcilers/deployment/rollout.h"

#define URL "https://example.org/shop.git"
#define COMMIT_1 "1111111111111111111111111111111111111111"
#define COMMIT_2 "2222222222222222222222222222222222222222"

static void repository(struct service_template *template, const char *commit)
{
	template->image = NULL;
	template->repo_url = URL;
	template->branch = "main";
	template->commit = commit;
}

/* The Service wants a commit (its hash is "h:" and the commit), which it follows from main. */
static void wants(struct fixture *fixture, const char *commit)
{
	struct service_world *world = &fixture->world;

	repository(&world->service.spec.template, commit);
	world->service.desired_hash = hc_arena_printf(fixture->arena, "h:%s", commit ? commit : "");
	world->service.spec.auto_deploy = true;
	world->follow = (struct follow_view){
		.commit_owner = commit ? "helvetia-git" : NULL, .wanted = 4, .checked = 4, .checked_ago_ms = 10000};
	world->queue_configured = true;
}

static struct deployment_view *built(struct fixture *fixture, int64_t revision, const char *commit,
									 enum deployment_phase phase, enum deployment_stage stage)
{
	struct deployment_view *view = fixture_deployment(fixture, revision, commit, phase, stage);

	repository(&view->template, commit);
	view->image_written = NULL;
	if (phase == DEPLOYMENT_BUILDING && stage <= STAGE_QUEUED)
		view->image_id = NULL;
	return view;
}

/* Revision 1 serves commit 1; revision 2 is to run commit 2. */
static struct deployment_view *attempt(struct fixture *fixture, enum deployment_stage stage)
{
	struct deployment_view *old = built(fixture, 1, COMMIT_1, DEPLOYMENT_SUCCESS, STAGE_DONE);

	wants(fixture, COMMIT_2);
	old->current = true;
	fixture->world.service.current_deployment = old->name;
	fixture_published(fixture, old, 0);
	fixture->world.resolve = (struct job_view){.kind = JOB_RESOLVE, .key = "commit/n/2", .name = ""};
	fixture->world.build = (struct job_view){.kind = JOB_BUILD, .name = ""};
	return built(fixture, 2, COMMIT_2, DEPLOYMENT_BUILDING, stage);
}

static struct job_view job(enum job_kind kind, enum job_state state)
{
	return (struct job_view){
		.kind = kind,
		.id = kind == JOB_BUILD ? "b" : "r",
		.key = kind == JOB_BUILD ? "build/n/2" : "commit/n/2",
		.name = kind == JOB_BUILD ? "shop-2" : "",
		.worker = "w1",
		.attempt = 1,
		.state = state,
		.lease_left_ms = 3000,
		.state_ago_ms = 100,
		.queue = JOB_QUEUE_PENDING,
		.tree = "3333333333333333333333333333333333333333",
		.runtime = "dockerfile",
		.image_id = state == JOB_SUCCEEDED ? "sha256:2" : NULL,
		.final = true,
	};
}

/* --- the source
 * ------------------------------------------------------------------------------------------------- */

static void c51_new(struct fixture *fixture)
{
	attempt(fixture, STAGE_RESOLVING);
}

static void resolve_in(struct fixture *fixture, enum job_state state)
{
	attempt(fixture, STAGE_RESOLVING);
	fixture->world.resolve = job(JOB_RESOLVE, state);
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

static void w5_ended_just_now(struct fixture *fixture)
{
	w5_ended(fixture);
	fixture->world.resolve.state_ago_ms = 999;
}

/* --- the build
 * -------------------------------------------------------------------------------------------------- */

static void build_absent(struct fixture *fixture)
{
	attempt(fixture, STAGE_QUEUED);
	fixture->world.resolve = job(JOB_RESOLVE, JOB_SUCCEEDED);
	fixture->world.build = job(JOB_BUILD, JOB_QUEUED);
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
	fixture->world.build = job(JOB_BUILD, state);
}

static void w6_runs(struct fixture *fixture)
{
	build_in(fixture, JOB_RUNNING);
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
	struct deployment_view *view = attempt(fixture, STAGE_QUEUED);
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
	struct deployment_view *view = built(fixture, 1, COMMIT_1, DEPLOYMENT_SUCCESS, STAGE_DONE);

	wants(fixture, COMMIT_1);
	view->current = true;
	fixture->world.current_image = (struct image_view){.known = true, .error = ""};
	fixture->world.serving_resolve = job(JOB_RESOLVE, JOB_SUCCEEDED);
	fixture->world.serving_build = job(JOB_BUILD, JOB_SUCCEEDED);
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
	fixture->world.serving_build = job(JOB_BUILD, JOB_FAILED);
}

/* The image of what serves is gone while another build is under way, and the other way round. */
static void c54_two(struct fixture *fixture, enum job_state of_attempt, enum job_state of_serving)
{
	build_in(fixture, of_attempt);
	fixture->world.container_count = 0;
	fixture->world.current_image = (struct image_view){.known = true, .error = ""};
	fixture->world.serving_resolve = job(JOB_RESOLVE, JOB_SUCCEEDED);
	fixture->world.serving_build = job(JOB_BUILD, of_serving);
	fixture->world.serving_build.key = "build/n/1";
	fixture->world.serving_build.name = "shop-1";
}

/* The same, but the container of what serves came back by itself. */
static void c54b_left(struct fixture *fixture, bool cancelled, int64_t lease_left_ms)
{
	build_in(fixture, JOB_QUEUED);
	fixture->world.build.id = NULL;
	fixture->world.serving_build = job(JOB_BUILD, JOB_RUNNING);
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

/* --- the branch
 * ------------------------------------------------------------------------------------------------- */

static struct job_view head(enum job_state state)
{
	struct job_view view = job(JOB_RESOLVE, state);

	view.id = "h";
	view.key = "head/service";
	view.commit = state == JOB_SUCCEEDED ? COMMIT_2 : NULL;
	view.branch = "main";
	return view;
}

static void f1_unresolved(struct fixture *fixture)
{
	wants(fixture, NULL);
	fixture->world.head = (struct job_view){.kind = JOB_RESOLVE, .key = "head/service", .name = ""};
}

static void f2_not_yet(struct fixture *fixture)
{
	wants(fixture, COMMIT_1);
	fixture->world.head = head(JOB_SUCCEEDED);
	fixture->world.head.state_ago_ms = 20000;
	fixture->world.head_matches = true;
}

static void f2_hooked(struct fixture *fixture)
{
	f2_not_yet(fixture);
	fixture->world.follow.webhook_verified = true;
}

static void f3_due(struct fixture *fixture)
{
	f2_not_yet(fixture);
	fixture->world.follow.checked_ago_ms = 60000;
	fixture->world.head.state_ago_ms = 60100;
}

static void f3_wanted(struct fixture *fixture)
{
	f2_not_yet(fixture);
	fixture->world.follow.wanted = 5;
}

static void f3_other_branch(struct fixture *fixture)
{
	f3_wanted(fixture);
	fixture->world.head = head(JOB_RUNNING);
	fixture->world.head_matches = false;
}

static void f4_answer(struct fixture *fixture)
{
	f3_wanted(fixture);
	fixture->world.head.state_ago_ms = 50;
	fixture->world.head_wanted = 5;
}

static void f4_same_commit(struct fixture *fixture)
{
	f4_answer(fixture);
	fixture->world.head.commit = COMMIT_1;
}

static void f4_of_an_older_wish(struct fixture *fixture)
{
	f4_same_commit(fixture);
	fixture->world.follow.wanted = 6;
}

static void f5_refused(struct fixture *fixture)
{
	f1_unresolved(fixture);
	fixture->world.head = head(JOB_FAILED);
	fixture->world.head.message = "there is no branch main";
	fixture->world.head_matches = true;
	fixture->world.head_wanted = 4;
}

static void f5_refused_and_noted(struct fixture *fixture)
{
	f5_refused(fixture);
	fixture->world.follow.checked_ago_ms = 50;
}

static void f6_pinned(struct fixture *fixture)
{
	f3_wanted(fixture);
	fixture->world.follow.commit_owner = "kubectl";
}

static void f6_manual(struct fixture *fixture)
{
	f3_wanted(fixture);
	fixture->world.service.spec.auto_deploy = false;
}

static void f7_suspended(struct fixture *fixture)
{
	f3_wanted(fixture);
	fixture->world.service.spec.suspend = true;
}

static const struct fixture_case follows[] = {
	{"F-1 no commit yet", f1_unresolved, "  1. create job head/service: it is wanted\n"},
	{"F-2 until the next look", f2_not_yet, "  wake at +50000ms\n"},
	{"F-2 with a webhook that works", f2_hooked, "  wake at +590000ms\n"},
	{"F-3 due", f3_due, "  1. reopen job head/service: branch main is to be looked at\n"},
	{"F-3 wanted", f3_wanted, "  1. reopen job head/service: branch main is to be looked at\n"},
	{"F-3 of another branch", f3_other_branch,
	 "  1. reopen job head/service: branch main is to be looked at\n"},
	{"F-4 a new commit", f4_answer,
	 "  1. set commit 2222222222222222222222222222222222222222: it is the head of branch main\n"
	 "  2. note look at branch shop: the remote has answered\n"},
	{"F-4 the same", f4_same_commit, "  1. note look at branch shop: the remote has answered\n"},
	{"F-4 wanted again since it was asked", f4_of_an_older_wish,
	 "  1. note look at branch shop: the remote has answered\n"},
	{"F-5 no such branch", f5_refused,
	 "  1. record event SourceFailed: The head of branch main of https://example.org/shop.git is not known: "
	 "there is no branch main\n"
	 "  2. note look at branch shop: the remote has answered\n"},
	{"F-5 and looked at again in a minute", f5_refused_and_noted, "  wake at +59950ms\n"},
	{"F-6 pinned", f6_pinned, ""},
	{"F-6 autoDeploy false", f6_manual, ""},
	{"F-7 suspended", f7_suspended, ""},
};

/* --- rows and status
 * --------------------------------------------------------------------------------------------- */

static void s1_commit(struct fixture *fixture)
{
	wants(fixture, COMMIT_1);
}

static void s1_followed(struct fixture *fixture)
{
	struct deployment_view *old = built(fixture, 1, COMMIT_1, DEPLOYMENT_SUCCESS, STAGE_DONE);

	wants(fixture, COMMIT_2);
	old->current = true;
	fixture_published(fixture, old, 0);
	fixture->world.follow.webhook_verified = true;
}

static void s6_no_worker(struct fixture *fixture)
{
	f1_unresolved(fixture);
	fixture->world.head = head(JOB_QUEUED);
	fixture->world.head.state_ago_ms = 5000;
}

static void s7_rollback(struct fixture *fixture)
{
	struct deployment_view *old = built(fixture, 1, COMMIT_1, DEPLOYMENT_SUCCESS, STAGE_DONE);
	struct deployment_view *bad = built(fixture, 2, COMMIT_2, DEPLOYMENT_SUCCESS, STAGE_DONE);

	wants(fixture, COMMIT_2);
	old->build = "shop-1";
	bad->current = true;
	fixture_published(fixture, bad, 0);
	fixture->world.service.spec.rollback_to_revision = 1;
	fixture->world.service.spec.rollback_rejected_hash = fixture->world.service.desired_hash;
}

static void s7_released(struct fixture *fixture)
{
	s7_rollback(fixture);
	fixture->world.service.spec.rollback_rejected_hash = "h:other";
}

static void s8_lost(struct fixture *fixture)
{
	s7_rollback(fixture);
	fixture->world.service.spec.rollback_to_revision = 9;
}

static void s14_build_failed(struct fixture *fixture)
{
	struct deployment_view *view;

	s1_followed(fixture);
	view = built(fixture, 2, COMMIT_2, DEPLOYMENT_FAILED, STAGE_DONE);
	view->image_id = NULL;
	view->reason = "BuildFailed";
	view->message = "Dockerfile:2: unknown instruction: ENVX";
}

static void s13_pinned(struct fixture *fixture)
{
	s1_followed(fixture);
	wants(fixture, COMMIT_1);
	fixture->world.follow.commit_owner = "kubectl";
}

static void f5b_trouble(struct fixture *fixture)
{
	s1_followed(fixture);
	wants(fixture, COMMIT_1);
	fixture->world.head = head(JOB_QUEUED);
	fixture->world.head.queue = JOB_QUEUE_AWAY;
	fixture->world.head_matches = true;
}

static const struct fixture_case rows[] = {
	{"F-5b it can't be looked at now", f5b_trouble,
	 "  phase ACTIVE\n  Built=True Built: image of commit 1111111; a newer commit would not be seen: the "
	 "look at the "
	 "repository waits for the job queue: Redis does not answer\n"
	 "  Available=True ReplicasReady: 1 of 1 replicas answer\n  Routed=False NotListed: Traefik lists no "
	 "replica\n"
	 "  Ready=True ReplicasReady: revision 1 serves with 1 replicas\n"},
	{"S-1 a commit", s1_commit,
	 "  1. create deployment shop-r1: the Service has none\n"
	 "  phase DEPLOYING\n"
	 "  Built=Unknown Queued: commit 1111111 was not built yet\n"
	 "  Available=False NoReplicaReady: no replica answers\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=Unknown Queued: a new revision is about to begin\n"},
	{"S-1 a newer commit", s1_followed,
	 "  1. create deployment shop-r2: the Service wants something else than what runs\n"
	 "  phase DEPLOYING\n"
	 "  Built=True Built: image of commit 1111111\n"
	 "  Available=True ReplicasReady: 1 of 1 replicas answer\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=Unknown Queued: a new revision is about to begin\n"},
	{"S-6 no such branch", f5_refused,
	 "  phase FAILED\n"
	 "  Built=False SourceFailed: there is no branch main\n"
	 "  Available=False NoReplicaReady: no replica answers\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=False SourceFailed: there is no branch main\n"},
	{"S-6 nobody looks", s6_no_worker,
	 "  phase DEPLOYING\n"
	 "  Built=Unknown WaitingForWorker: the look at the repository waits for a worker: all are busy, or no "
	 "helvetia-worker runs\n"
	 "  Available=False NoReplicaReady: no replica answers\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=Unknown WaitingForWorker: the look at the repository waits for a worker: all are busy, or no "
	 "helvetia-worker runs\n"},
	{"S-7 a rollback", s7_rollback,
	 "  1. create deployment shop-r3: the Service wants something else than what runs\n"
	 "  phase DEPLOYING\n"
	 "  Built=True Built: image of commit 2222222\n"
	 "  Available=True ReplicasReady: 1 of 1 replicas answer\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=Unknown Queued: a new revision is about to begin\n"},
	{"S-7 released", s7_released,
	 "  phase ACTIVE\n"
	 "  Built=True Built: image of commit 2222222\n"
	 "  Available=True ReplicasReady: 1 of 1 replicas answer\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=True ReplicasReady: revision 2 serves with 1 replicas\n"},
	{"S-8 what it names is gone", s8_lost,
	 "  phase ACTIVE\n"
	 "  Built=True Built: image of commit 2222222\n"
	 "  Available=True ReplicasReady: 1 of 1 replicas answer\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=False RollbackImpossible: revision 9 is not kept any more, or never ran: name another one in "
	 "spec.rollbackTo, or remove it\n"},
	{"S-12 it is being built", w6_runs,
	 "  phase DEPLOYING\n"
	 "  Built=Unknown Building: shop-2 builds commit 2222222\n"
	 "  Available=True ReplicasReady: 1 of 1 replicas answer\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=Unknown Building: revision 2: shop-2 is being built\n"},
	{"S-14 the build failed", s14_build_failed,
	 "  phase ACTIVE\n"
	 "  Built=False BuildFailed: Dockerfile:2: unknown instruction: ENVX\n"
	 "  Available=True ReplicasReady: 1 of 1 replicas answer\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=False BuildFailed: revision 2 failed and 1 serves on: Dockerfile:2: unknown instruction: "
	 "ENVX\n"},
	{"S-13 pinned", s13_pinned,
	 "  phase ACTIVE\n"
	 "  Built=True Built: image of commit 1111111, which kubectl has pinned: the branch is not followed\n"
	 "  Available=True ReplicasReady: 1 of 1 replicas answer\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=True ReplicasReady: revision 1 serves with 1 replicas\n"},
};

static void test_sources(void **state)
{
	(void)state;
	fixture_run(sources, HC_COUNT(sources), deployment_decide);
}

static void test_follows(void **state)
{
	(void)state;
	fixture_run(follows, HC_COUNT(follows), service_follow_decide);
}

static void test_rows(void **state)
{
	(void)state;
	fixture_run(rows, HC_COUNT(rows), service_decide);
}

/* What a printed plan doesn't show: whether a job begins anew, and which wish a look answers. */
static void test_fields(void **state)
{
	static const struct {
		void (*arrange)(struct fixture *fixture);
		fixture_decide *decide;
		enum action_kind kind;
		bool fresh;
		int64_t wanted;
	} cases[] = {
		{w5_ended, deployment_decide, ACTION_JOB_REOPEN, false, 0},
		{w7_lost, deployment_decide, ACTION_JOB_REOPEN, false, 0},
		{w10_again, deployment_decide, ACTION_JOB_REOPEN, false, 0},
		{w12_canceled, deployment_decide, ACTION_JOB_REOPEN, true, 0},
		{c55_failed_before, deployment_decide, ACTION_JOB_REOPEN, true, 0},
		{c57_image_gone, deployment_decide, ACTION_JOB_REOPEN, true, 0},
		{c59_rebuild, deployment_decide, ACTION_JOB_REOPEN, true, 0},
		{f1_unresolved, service_follow_decide, ACTION_JOB_CREATE, false, 4},
		{f3_wanted, service_follow_decide, ACTION_JOB_REOPEN, true, 5},
		{f3_other_branch, service_follow_decide, ACTION_JOB_REOPEN, true, 5},
		{f4_of_an_older_wish, service_follow_decide, ACTION_FOLLOW_CHECKED, false, 5},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(cases); index++) {
		struct fixture fixture;
		struct plan plan;

		fixture_init(&fixture);
		cases[index].arrange(&fixture);
		plan_init(&plan, fixture.arena);
		cases[index].decide(&fixture.world, &plan);
		assert_int_equal(plan.actions[0].kind, cases[index].kind);
		assert_int_equal(plan.actions[0].fresh, cases[index].fresh);
		assert_int_equal(plan.actions[0].wanted, cases[index].wanted);
		fixture_done(&fixture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_follows),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
