/* One action, one call; the same calls as everywhere, but that a folder without a container goes for good. */
#include "gc_kind.h"

#include "../deployment/deployment_act.h"
#include "../deployment/deployment_marks.h"

#include <string.h>

static const struct container_view *find(const struct gc_world *world, const struct action *action)
{
	for (size_t index = 0; action->id && index < world->container_count; index++) {
		if (strcmp(world->containers[index].id, action->id) == 0)
			return &world->containers[index];
	}
	return NULL;
}

int gc_act(struct reconcile_context *context, const void *opaque, const struct action *action,
		   struct hc_arena *arena, struct hc_error *err)
{
	const struct container_view *container = find(opaque, action);

	if (action->kind == ACTION_FOLDER_REMOVE && !container)
		return marks_forget(context->containers_folder, action->folder, err);
	return deployment_act(context, action, container ? container->started_wall_ms : 0, arena, err);
}
