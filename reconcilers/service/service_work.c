/* See service_work.h. Rows first; the queue is asked about a job only while its row is QUEUED. */
#include "service_work.h"

#include "base/text.h"
#include "schema/schema.h"
#include "service_input.h"
#include "store/store.h"
#include "store/store_job.h"

#include <jansson.h>
#include <string.h>

/* --- jobs
 * ------------------------------------------------------------------------------------------------------- */

static int job_read(struct reconcile_context *context, enum job_kind kind, const char *key,
					struct hc_arena *arena, struct store_job *ret_job, struct hc_error *err)
{
	if (store_job_get(context->store, arena, kind, key, ret_job, err) == 0)
		return 0;
	if (err->class != HC_NOT_FOUND)
		return -1;
	*ret_job = (struct store_job){.view = {.kind = kind, .key = key, .name = ""}};
	return 0;
}

static bool queued(const struct job_view *view)
{
	return view->id && view->state == JOB_QUEUED;
}

/* A worker may have taken it, and even finished, since its row was read: what the queue calls taken or ended
 * is read again, since a new attempt would throw its outcome away. */
static int job_look(struct reconcile_context *context, enum job_kind kind, const char *key,
					struct hc_arena *arena, struct store_job *ret_job, struct hc_error *err)
{
	enum job_queue_state state;
	int64_t attempt;

	if (job_read(context, kind, key, arena, ret_job, err) < 0)
		return -1;
	if (!queued(&ret_job->view))
		return 0;
	attempt = ret_job->view.attempt;
	state = context->work->state(context->work->self, job_kind_text(kind), ret_job->view.id, attempt);
	if ((state == JOB_QUEUE_TAKEN || state == JOB_QUEUE_ENDED) &&
		job_read(context, kind, key, arena, ret_job, err) < 0)
		return -1;
	if (queued(&ret_job->view) && ret_job->view.attempt == attempt)
		ret_job->view.queue = state;
	return 0;
}

int work_observe(struct reconcile_context *context, const struct service_view *service,
				 const struct deployment_view *deployment, struct hc_arena *arena,
				 struct job_view *ret_resolve, struct job_view *ret_build, struct hc_error *err)
{
	const struct service_template *template = &deployment->template;
	const char *key, *name;
	struct store_job job;

	if (job_look(context, JOB_RESOLVE, input_resolve_key(service, template, arena), arena, &job, err) < 0)
		return -1;
	*ret_resolve = job.view;
	*ret_build = (struct job_view){.kind = JOB_BUILD, .name = ""};
	if (!ret_resolve->id || ret_resolve->state != JOB_SUCCEEDED)
		return 0;
	key = input_build_key(service, template, ret_resolve->tree, ret_resolve->runtime, arena, &name);
	if (job_look(context, JOB_BUILD, key, arena, &job, err) < 0)
		return -1;
	*ret_build = job.view;
	if (!ret_build->name || !ret_build->name[0])
		ret_build->name = name;
	ret_build->tree = ret_resolve->tree;
	ret_build->runtime = ret_resolve->runtime;
	return 0;
}

/* --- who else needs it
 * ------------------------------------------------------------------------------------------ */

/* The newest one that was given up while it was built: earlier ones were waited for by it. */
static int earlier(struct reconcile_context *context, struct service_world *world,
				   const struct deployment_view *attempt, struct hc_arena *arena, struct hc_error *err)
{
	const char *name = NULL;
	struct store_object object;
	json_t *build;

	for (size_t index = 0; index < world->deployment_count; index++) {
		const struct deployment_view *other = &world->deployments[index];

		if (other->revision < attempt->revision && other->build && other->phase == DEPLOYMENT_FAILED &&
			(hc_streq(other->reason, "Superseded") || hc_streq(other->reason, "Cancelled")))
			name = other->build;
	}
	if (!name || hc_streq(name, world->build.name))
		return 0;
	if (store_get(context->store, arena, STORE_BUILD, world->service.namespace_name, name, &object, err) < 0)
		return err->class == HC_NOT_FOUND ? 0 : -1;
	build = json_loads(object.json, 0, NULL);
	world->earlier_build_runs = hc_streq(
		json_string_value(json_object_get(json_object_get(build, "status"), "phase")), "RUNNING");
	json_decref(build);
	return 0;
}

/* Does what the spec says now need the attempt's jobs as well? */
static bool wanted_still(const struct service_world *world, const struct service_template *wanted,
						 struct hc_arena *arena)
{
	const char *name;

	if (!wanted || !wanted->repo_url || !wanted->commit ||
		!hc_streq(input_resolve_key(&world->service, wanted, arena), world->resolve.key))
		return false;
	return !world->build.id || hc_streq(input_build_key(&world->service, wanted, world->build.tree,
														world->build.runtime, arena, &name),
										world->build.key);
}

int work_observe_others(struct reconcile_context *context, struct service_world *world,
						const struct deployment_view *attempt, const struct deployment_view *serving,
						const struct service_template *wanted, struct hc_arena *arena, struct hc_error *err)
{
	if (attempt->stage == STAGE_QUEUED && earlier(context, world, attempt, arena, err) < 0)
		return -1;
	if (attempt->stage == STAGE_QUEUED && serving && !serving->template.image &&
		work_observe(context, &world->service, serving, arena, &world->serving_resolve, &world->serving_build,
					 err) < 0)
		return -1;
	world->work_shared = wanted_still(world, wanted, arena);
	if (world->work_shared || !world->build.id)
		return 0;
	return store_build_wanted(context->store, world->build.id, world->service.uid, &world->work_shared, err);
}

/* --- the branch
 * ------------------------------------------------------------------------------------------------- */

int work_observe_follow(struct reconcile_context *context, struct service_world *world, const char *object,
						struct hc_arena *arena, struct hc_error *err)
{
	const struct service_spec *spec = &world->service.spec;
	struct store_follow follow;
	struct store_job head;
	json_t *service;

	service = json_loads(object, 0, NULL);
	world->follow.commit_owner = schema_commit_owner(service, arena);
	json_decref(service);
	if (spec->template.commit &&
		(!spec->auto_deploy ||
		 (world->follow.commit_owner && !hc_streq(world->follow.commit_owner, COMMIT_MANAGER))))
		return 0;
	/* The follow first: an answer that came between the two reads then counts as old, and is asked for again,
	 * instead of an old one as new. */
	if (store_follow_get(context->store, world->service.uid, &follow, err) < 0 ||
		job_look(context, JOB_RESOLVE, input_head_key(&world->service, arena), arena, &head, err) < 0)
		return -1;
	world->follow.wanted = follow.wanted;
	world->follow.checked = follow.checked;
	world->follow.checked_ago_ms = follow.checked_ago_ms;
	world->follow.webhook_verified = follow.webhook_verified;
	world->head = head.view;
	input_head_read(head.input, &spec->template, &world->head_wanted, &world->head_matches);
	return 0;
}
