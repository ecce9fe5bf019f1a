/* See service_work.h. One action, one call; what a worker needs is written by service_input.c. */
#include "service_work.h"

#include "base/clock.h"
#include "base/text.h"
#include "schema/schema.h"
#include "service_input.h"
#include "store/store.h"
#include "store/store_job.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* --- jobs
 * ------------------------------------------------------------------------------------------------------- */

static const char *input_of(const struct service_world *world, const struct action *action,
							struct hc_arena *arena)
{
	if (!action->deployment)
		return input_head(&world->service, action->wanted, arena);
	if (action->job->kind == JOB_RESOLVE)
		return input_resolve(&world->service, &action->deployment->template, arena);
	return input_build(world, &action->deployment->template, action->job, arena);
}

static int job_create(struct reconcile_context *context, const struct service_world *world,
					  const struct action *action, struct hc_arena *arena, struct hc_error *err)
{
	const struct job_view *job = action->job;
	struct store_job_want want = {
		.kind = job->kind,
		.key = job->key,
		.service_uid = world->service.uid,
		.input = input_of(world, action, arena),
	};

	if (job->kind == JOB_BUILD) {
		want.build_name = job->name;
		want.build_spec = input_build_spec(world, &action->deployment->template, job, arena);
	}
	return store_job_create(context->store, context->epoch, &want, err);
}

/* --- the commit
 * ------------------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *value, struct hc_arena *arena)
{
	char *text = json_dumps(value, JSON_COMPACT);
	const char *copy = text ? hc_arena_strdup(arena, text) : NULL;

	free(text);
	return copy;
}

static int write_object(struct reconcile_context *context, const struct store_object *row,
						const json_t *object, const char *now, struct hc_arena *arena, struct hc_error *err)
{
	json_t *status = schema_service_status_pending(json_object_get(object, "status"), row->generation + 1,
												   now);
	struct store_write write = {
		.metadata = text_of(json_object_get(object, "metadata"), arena),
		.spec = text_of(json_object_get(object, "spec"), arena),
		.status = text_of(status, arena),
		.generation_up = true,
	};
	struct store_object stored;
	const char **hosts = NULL;

	json_decref(status);
	schema_service_hosts(object, context->domain, arena, &hosts, &write.host_count);
	write.hosts = hosts;
	if (schema_template_hash(object, arena, &write.template_hash, err) < 0)
		return -1;
	return store_update(context->store, arena, STORE_SERVICE, row->uid, &write, &stored, err);
}

/* The answer is of the source that was asked: a spec that names another one by now wants another answer. */
static bool same_source(const json_t *object, const struct service_template *template)
{
	const json_t *spec = json_object_get(object, "spec");
	const char *url = json_string_value(json_object_get(spec, "repoUrl"));
	const char *branch = json_string_value(json_object_get(spec, "branch"));

	return hc_streq(url, template->repo_url) &&
		   hc_streq(branch ? branch : "", template->branch ? template->branch : "");
}

static int apply(struct reconcile_context *context, const struct service_world *world,
				 const struct store_object *row, const char *commit, struct hc_arena *arena,
				 const char **ret_owner, struct hc_error *err)
{
	const struct schema_kind *kind = schema_kind_find("helvetia.cloud/v1", "Service");
	json_t *live = json_loads(row->json, 0, NULL), *object = NULL;
	char now[HC_TIME_TEXT_SIZE];
	char *owner = NULL;
	int result = -1;

	hc_clock_format(hc_clock_wall_ms(), now);
	if (!live || !kind)
		(void)hc_fail(err, HC_BUG, "the stored Service can't be read");
	else if (row->deleting || !same_source(live, &world->service.spec.template))
		(void)hc_fail(err, HC_CONFLICT, "the Service was changed meanwhile");
	else
		result = schema_commit_apply(kind, live, commit, now, &object, &owner, err);
	if (result == 0 && !schema_equal(live, object))
		result = write_object(context, row, object, now, arena, err);
	*ret_owner = owner ? hc_arena_strdup(arena, owner) : NULL;
	free(owner);
	json_decref(object);
	json_decref(live);
	return result;
}

int work_commit_set(struct reconcile_context *context, const struct service_world *world, const char *commit,
					struct hc_arena *arena, const char **ret_owner, struct hc_error *err)
{
	struct store_object row;

	*ret_owner = NULL;
	if (store_begin_guarded(context->store, context->epoch, err) < 0)
		return -1;
	if (store_get_uid(context->store, arena, STORE_SERVICE, world->service.uid, &row, err) < 0 ||
		apply(context, world, &row, commit, arena, ret_owner, err) < 0) {
		store_abort(context->store);
		return -1;
	}
	return store_commit(context->store, err);
}

int work_act(struct reconcile_context *context, const struct service_world *world,
			 const struct action *action, struct hc_arena *arena, struct hc_error *err)
{
	const struct job_view *job = action->job;

	switch (action->kind) {
	case ACTION_JOB_CREATE:
		return job_create(context, world, action, arena, err);
	case ACTION_JOB_ENQUEUE:
		return context->work->add(context->work->self, job_kind_text(job->kind), job->id, job->attempt, err);
	case ACTION_JOB_REOPEN:
		return store_job_reopen(context->store, context->epoch, job->id, job->attempt, action->fresh,
								action->fresh ? input_of(world, action, arena) : NULL, err);
	case ACTION_JOB_CANCEL:
		return store_job_cancel(context->store, context->epoch, job->id, err);
	case ACTION_JOB_GIVE_UP:
		return store_job_give_up(context->store, context->epoch, job->id, job->attempt, action->cause, err);
	case ACTION_FOLLOW_CHECKED:
		return store_follow_checked(context->store, context->epoch, action->id, action->wanted, err);
	default:
		return hc_fail(err, HC_BUG, "%s is no action of work", action_kind_text(action->kind));
	}
}
