/* The branch of a repository, and what its rows and its status say: cases F-1 … F-8, S-1, S-6 … S-8, S-13 and
 * S-14 of reconcilers/service/README.md, one a row. */
#include "../cmocka_all.h"
#include "source_fixture.h"

#include "base/text.h"

/* --- the branch
 * ------------------------------------------------------------------------------------------------- */

static struct job_view head(enum job_state state)
{
	struct job_view view = source_job(JOB_RESOLVE, state);

	view.id = "h";
	view.key = "head/service";
	view.commit = state == JOB_SUCCEEDED ? COMMIT_2 : NULL;
	view.branch = "main";
	return view;
}

static void f1_unresolved(struct fixture *fixture)
{
	source_wants(fixture, NULL);
	fixture->world.head = (struct job_view){.kind = JOB_RESOLVE, .key = "head/service", .name = ""};
}

static void f2_not_yet(struct fixture *fixture)
{
	source_wants(fixture, COMMIT_1);
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
	source_wants(fixture, COMMIT_1);
}

static void s1_followed(struct fixture *fixture)
{
	struct deployment_view *old = source_built(fixture, 1, COMMIT_1, DEPLOYMENT_SUCCESS, STAGE_DONE);

	source_wants(fixture, COMMIT_2);
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
	struct deployment_view *old = source_built(fixture, 1, COMMIT_1, DEPLOYMENT_SUCCESS, STAGE_DONE);
	struct deployment_view *bad = source_built(fixture, 2, COMMIT_2, DEPLOYMENT_SUCCESS, STAGE_DONE);

	source_wants(fixture, COMMIT_2);
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

static void s12_building(struct fixture *fixture)
{
	struct deployment_view *view = source_attempt(fixture, STAGE_QUEUED);

	view->build = "shop-2";
	fixture->world.build = source_job(JOB_BUILD, JOB_RUNNING);
}

static void s14_build_failed(struct fixture *fixture)
{
	struct deployment_view *view;

	s1_followed(fixture);
	view = source_built(fixture, 2, COMMIT_2, DEPLOYMENT_FAILED, STAGE_DONE);
	view->image_id = NULL;
	view->reason = "BuildFailed";
	view->message = "Dockerfile:2: unknown instruction: ENVX";
}

static void s13_pinned(struct fixture *fixture)
{
	s1_followed(fixture);
	source_wants(fixture, COMMIT_1);
	fixture->world.follow.commit_owner = "kubectl";
}

static void f5b_trouble(struct fixture *fixture)
{
	s1_followed(fixture);
	source_wants(fixture, COMMIT_1);
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
	{"S-12 it is being built", s12_building,
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
	static const struct source_field cases[] = {
		{f1_unresolved, service_follow_decide, ACTION_JOB_CREATE, false, 4},
		{f3_wanted, service_follow_decide, ACTION_JOB_REOPEN, true, 5},
		{f3_other_branch, service_follow_decide, ACTION_JOB_REOPEN, true, 5},
		{f4_of_an_older_wish, service_follow_decide, ACTION_FOLLOW_CHECKED, false, 5},
	};

	(void)state;
	source_fields_run(cases, HC_COUNT(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_follows),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
