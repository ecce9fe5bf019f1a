/* See the header. */
#include "source_fixture.h"
#include "../cmocka_all.h"

static void repository(struct service_template *template, const char *commit)
{
	template->image = NULL;
	template->repo_url = URL;
	template->branch = "main";
	template->commit = commit;
}

/* The Service wants a commit (its hash is "h:" and the commit), which it follows from main. */
void source_wants(struct fixture *fixture, const char *commit)
{
	struct service_world *world = &fixture->world;

	repository(&world->service.spec.template, commit);
	world->service.desired_hash = hc_arena_printf(fixture->arena, "h:%s", commit ? commit : "");
	world->service.spec.auto_deploy = true;
	world->follow = (struct follow_view){
		.commit_owner = commit ? "helvetia-git" : NULL, .wanted = 4, .checked = 4, .checked_ago_ms = 10000};
	world->queue_configured = true;
}

struct deployment_view *source_built(struct fixture *fixture, int64_t revision, const char *commit,
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
struct deployment_view *source_attempt(struct fixture *fixture, enum deployment_stage stage)
{
	struct deployment_view *old = source_built(fixture, 1, COMMIT_1, DEPLOYMENT_SUCCESS, STAGE_DONE);

	source_wants(fixture, COMMIT_2);
	old->current = true;
	fixture->world.service.current_deployment = old->name;
	fixture_published(fixture, old, 0);
	fixture->world.resolve = (struct job_view){.kind = JOB_RESOLVE, .key = "commit/n/2", .name = ""};
	fixture->world.build = (struct job_view){.kind = JOB_BUILD, .name = ""};
	return source_built(fixture, 2, COMMIT_2, DEPLOYMENT_BUILDING, stage);
}

struct job_view source_job(enum job_kind kind, enum job_state state)
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

void source_fields_run(const struct source_field *cases, size_t count)
{
	for (size_t index = 0; index < count; index++) {
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
