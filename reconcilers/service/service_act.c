/* Rows: one action, one statement. Everything else is an action of a container (deployment_act.c). */
#include "service_kind.h"
#include "service_work.h"

#include "../deployment/deployment_act.h"
#include "base/alloc.h"
#include "base/random.h"
#include "base/text.h"
#include "schema/schema.h"
#include "store/store.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Takes the value over; caller frees the text. */
static char *dump_take(json_t *value)
{
	char *text = schema_dump(value);

	json_decref(value);
	return text;
}

static int row_create(struct reconcile_context *context, const struct service_world *world,
					  const struct action *action, struct hc_error *err)
{
	const struct deployment_view *view = action->deployment;
	HC_AUTO_FREE spec = dump_take(schema_deployment_spec_json(view, world->service.name));
	HC_AUTO_FREE status = dump_take(schema_deployment_status_json(view));
	char uid[HC_UUID_SIZE];

	hc_random_uuid(uid);
	return store_deployment_create(context->store, context->epoch, world->service.uid, view->name, uid,
								   view->revision, spec, status, err);
}

static int row_status(struct reconcile_context *context, const struct action *action, struct hc_error *err)
{
	HC_AUTO_FREE status = dump_take(schema_deployment_status_json(action->deployment));

	return store_deployment_status(context->store, context->epoch, action->id, status,
								   action->becomes_current, err);
}

static int event(struct reconcile_context *context, const struct service_world *world, bool warning,
				 const char *reason, const char *message, struct hc_error *err)
{
	const struct store_event record = {
		.namespace_name = world->service.namespace_name,
		.kind = "Service",
		.name = world->service.name,
		.uid = world->service.uid,
		.reason = reason,
		.message = message,
		.warning = warning,
	};

	return store_event_record(context->store, context->epoch, &record, err);
}

static int64_t started_of(const struct service_world *world, const struct action *action)
{
	for (size_t index = 0; action->id && index < world->container_count; index++) {
		if (strcmp(world->containers[index].id, action->id) == 0)
			return world->containers[index].started_wall_ms;
	}
	return 0;
}

/* A failed call is told to the person who waits for the Service, not only to the log; the store counts
 * repetitions. The failure itself is what the caller returns. */
static void tell(struct reconcile_context *context, const struct service_world *world,
				 const struct action *action, const struct hc_error *failure, struct hc_arena *arena)
{
	struct hc_error ignored;

	if (failure->class == HC_NOT_FOUND || failure->class == HC_TRANSIENT)
		return;
	(void)!event(
		context, world, true, "ActionFailed",
		hc_arena_printf(arena, "%s %s: %s", action_kind_text(action->kind), action->target, failure->text),
		&ignored);
}

/* A pin that was set meanwhile is nobody's failure: it is said, and the next look sees it. */
static int commit(struct reconcile_context *context, const struct service_world *world,
				  const struct action *action, struct hc_arena *arena, struct hc_error *err)
{
	const char *owner;

	if (work_commit_set(context, world, action->commit, arena, &owner, err) == 0)
		return 0;
	if (!owner)
		return -1;
	return event(
		context, world, false, "CommitPinned",
		hc_arena_printf(arena, "%.7s is the head of its branch, and %s has pinned spec.commit: not followed",
						action->commit, owner),
		err);
}

int service_act(struct reconcile_context *context, const void *opaque, const struct action *action,
				struct hc_arena *arena, struct hc_error *err)
{
	const struct service_world *world = opaque;

	switch (action->kind) {
	case ACTION_DEPLOYMENT_CREATE:
		return row_create(context, world, action, err);
	case ACTION_DEPLOYMENT_STATUS:
		return row_status(context, action, err);
	case ACTION_DEPLOYMENT_DELETE:
		return store_deployment_delete(context->store, context->epoch, action->id, err);
	case ACTION_SERVICE_FINALIZE:
		return store_service_finalize(context->store, context->epoch, action->id, err);
	case ACTION_COMMIT_SET:
		return commit(context, world, action, arena, err);
	case ACTION_JOB_CREATE:
	case ACTION_JOB_ENQUEUE:
	case ACTION_JOB_REOPEN:
	case ACTION_JOB_CANCEL:
	case ACTION_JOB_GIVE_UP:
	case ACTION_FOLLOW_CHECKED:
		return work_act(context, world, action, arena, err);
	case ACTION_EVENT:
		return event(context, world, action->warning, action->target, action->cause, err);
	default:
		if (deployment_act(context, action, started_of(world, action), arena, err) == 0)
			return 0;
		tell(context, world, action, err, arena);
		return -1;
	}
}

/* Two passes would fight over status.currentDeployment if a report wrote what was current before the plan's
 * own transaction changed it: after such a plan the next pass, which follows at once, reports. */
int service_report(struct reconcile_context *context, const void *opaque, const struct plan *plan,
				   struct hc_arena *arena, struct hc_error *err)
{
	const struct service_world *world = opaque;
	json_t *old, *new;
	int result = 0;

	(void)arena;
	for (size_t index = 0; index < plan->action_count; index++) {
		if (plan->actions[index].becomes_current || plan->actions[index].kind == ACTION_SERVICE_FINALIZE)
			return 0;
	}
	old = world->service.status_json ? json_loads(world->service.status_json, 0, NULL) : NULL;
	new = schema_service_status_json(plan, world->service.generation, old, world->wall_ms);
	if (!old || !json_equal(old, new)) {
		HC_AUTO_FREE text = schema_dump(new);

		result = store_service_status(context->store, context->epoch, world->service.uid, text, err);
	}
	json_decref(old);
	json_decref(new);
	return result;
}
