/* What nobody owns: containers of ours whose Service row is gone, folders whose container went, and
 * images that nobody names (cases G-1 … G-4). A withdrawal has the same steps as ever, so that even an orphan
 * is not stopped while Traefik lists it. */
#include "../deployment/rollout.h"

#define FOLDER_AGE_MS 60000 /* an address is not given again for so long, and its mark is in the folder */
#define IMAGE_AGE_MS                                                                                         \
	(3600 * 1000) /* a row that is to name it may be on its way, and people change their minds */
#define ORPHAN_GRACE_MS 30000
#define ORPHAN_DRAIN_MS 10000

/* G-4. */
static void images(const struct gc_world *world, struct plan *plan)
{
	for (size_t index = 0; index < world->image_count; index++) {
		const struct gc_image *image = &world->images[index];
		int64_t left_ms = IMAGE_AGE_MS - image->unused_for_ms;

		if (left_ms > 0)
			plan_wake_at(plan, world->boot_ms + left_ms);
		else
			plan_add(plan, ACTION_IMAGE_REMOVE, image->name, "no revision and no Build names it for an hour")
				->id = image->id;
	}
}

void gc_decide(const struct gc_world *world, struct plan *plan)
{
	struct withdrawal withdrawal = {
		.boot_ms = world->boot_ms,
		.drain_ms = ORPHAN_DRAIN_MS,
		.grace_ms = ORPHAN_GRACE_MS,
		.traefik_answers = world->traefik_answers,
	};

	/* A database behind what was seen before is a restored backup: its Services may be missing by mistake. */
	if (!world->database_trusted)
		return;
	for (size_t index = 0; index < world->container_count; index++)
		withdraw_container(&withdrawal, &world->containers[index], ROLE_UNWANTED,
						   world->containers[index].folder, "its Service does not exist", plan);
	for (size_t index = 0; index < world->folder_count; index++) {
		const struct folder_view *folder = &world->folders[index];
		int64_t gone_at = folder->removed_boot_ms + FOLDER_AGE_MS;

		if (folder->removed_boot_ms && world->boot_ms < gone_at)
			plan_wake_at(plan, gone_at);
		else
			plan_add(plan, ACTION_FOLDER_REMOVE, folder->name, "it has no container")->folder = folder->name;
	}
	images(world, plan);
}
