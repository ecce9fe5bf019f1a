/* One action, one call. */
#include "network_kind.h"

#include "docker/docker.h"
#include "model/names.h"
#include "store/store.h"

static int create(struct reconcile_context *context, const struct network_world *world,
				  const struct action *action, struct hc_arena *arena, struct hc_error *err)
{
	const struct docker_pair labels[] = {{LABEL_INSTALLATION, context->installation},
										 {LABEL_NAMESPACE, world->namespace_name}};
	const struct docker_network_config config = {
		.name = action->target,
		.subnet = action->subnet,
		.bridge = action->bridge,
		.labels = labels,
		.label_count = HC_COUNT(labels),
	};
	const char *id;

	return docker_network_create(context->docker, arena, &config, &id, err);
}

static int event(struct reconcile_context *context, const struct network_world *world,
				 const struct action *action, struct hc_error *err)
{
	const struct store_event record = {
		.namespace_name = world->namespace_name,
		.kind = "Namespace",
		.name = world->namespace_name,
		.uid = world->namespace_uid,
		.reason = action->target,
		.message = action->cause,
		.warning = action->warning,
	};

	return store_event_record(context->store, context->epoch, &record, err);
}

int network_act(struct reconcile_context *context, const void *opaque, const struct action *action,
				struct hc_arena *arena, struct hc_error *err)
{
	const struct network_world *world = opaque;

	switch (action->kind) {
	case ACTION_NETWORK_CREATE:
		return create(context, world, action, arena, err);
	case ACTION_NETWORK_REMOVE:
		if (docker_network_remove(context->docker, action->id, err) < 0 && err->class != HC_NOT_FOUND)
			return -1;
		return 0;
	case ACTION_NAMESPACE_FINALIZE:
		return store_namespace_finalize(context->store, context->epoch, action->id, err);
	case ACTION_EVENT:
		return event(context, world, action, err);
	default:
		return hc_fail(err, HC_BUG, "%s is no action of a network", action_kind_text(action->kind));
	}
}
