/* Our containers whose Service row is gone, and our folders whose container is gone.
 *
 * The order of reading matters: containers before rows, so that a Service that is being made while we read
 * has its row already when its container was seen; folders before containers, so that a folder that is being
 * made for a container is at worst older than the list, and then it is fresh by its own time. */
#include "gc_kind.h"

#include "../deployment/deployment_marks.h"
#include "../deployment/deployment_memory.h"
#include "../deployment/deployment_observe.h"
#include "base/clock.h"
#include "base/text.h"
#include "docker/docker.h"
#include "docker/docker_build.h"
#include "model/names.h"
#include "store/store.h"
#include "store/store_job.h"

#include <string.h>

static const char *label_of(const struct docker_container *container, const char *name)
{
	for (size_t index = 0; index < container->label_count; index++) {
		if (strcmp(container->labels[index].name, name) == 0)
			return container->labels[index].value;
	}
	return "";
}

static bool has_row(const struct store_reference *services, size_t count, const char *uid)
{
	for (size_t index = 0; index < count; index++) {
		if (strcmp(services[index].uid, uid) == 0)
			return true;
	}
	return false;
}

static int orphans(struct reconcile_context *context, struct hc_arena *arena,
				   const struct docker_container *list, size_t count, struct gc_world *world,
				   struct hc_error *err)
{
	struct store_reference *services;
	size_t service_count;

	if (store_services_all(context->store, arena, &services, &service_count, err) < 0)
		return -1;
	world->containers = hc_arena_alloc_array(arena, count + 1, sizeof(struct container_view));
	for (size_t index = 0; index < count; index++) {
		const char *service_uid = label_of(&list[index], LABEL_SERVICE_UID);

		if (!service_uid[0] || has_row(services, service_count, service_uid))
			continue;
		if (observe_container(context, &list[index], NULL, arena, &world->containers[world->container_count],
							  err) == 0)
			world->container_count++;
		else if (err->class != HC_NOT_FOUND)
			return -1;
	}
	return 0;
}

static void folders(struct hc_arena *arena, const struct docker_container *list, size_t count,
					const struct mark_folder *marks, size_t mark_count, struct gc_world *world)
{
	world->folders = hc_arena_alloc_array(arena, mark_count + 1, sizeof(struct folder_view));
	for (size_t index = 0; index < mark_count; index++) {
		bool used = false;

		for (size_t each = 0; each < count && !used; each++)
			used = strcmp(label_of(&list[each], LABEL_FOLDER), marks[index].name) == 0;
		if (!used)
			world->folders[world->folder_count++] = (struct folder_view){
				.name = marks[index].name, .removed_boot_ms = marks[index].removed_boot_ms};
	}
}

/* The rows are read after the list: what is being built has its row by then, or is younger than the grace. */
static int images(struct reconcile_context *context, struct hc_arena *arena,
				  const struct docker_container *containers, size_t container_count, struct gc_world *world,
				  struct hc_error *err)
{
	const struct docker_pair filters[] = {{LABEL_IMAGE_INSTALLATION, context->installation}};
	struct docker_image_row *list;
	size_t count, referenced_count;
	const char **referenced;
	int64_t now_ms;

	if (docker_image_list(context->docker, arena, filters, HC_COUNT(filters), &list, &count, err) < 0 ||
		store_images_referenced(context->store, arena, &referenced, &referenced_count, err) < 0)
		return -1;
	now_ms = hc_clock_boot_ms();
	world->images = hc_arena_alloc_array(arena, count + 1, sizeof(struct gc_image));
	for (size_t index = 0; index < count; index++) {
		bool used = false;
		int64_t since;

		for (size_t each = 0; each < referenced_count && !used; each++)
			used = strcmp(referenced[each], list[index].id) == 0;
		for (size_t each = 0; each < container_count && !used; each++)
			used = hc_streq(containers[each].image_id, list[index].id);
		since = memory_unused(list[index].id, !used, now_ms);
		if (!used)
			world->images[world->image_count++] = (struct gc_image){
				.id = list[index].id,
				.name = list[index].tags && list[index].tags[0] ? list[index].tags[0] : list[index].id,
				.unused_for_ms = now_ms - since};
	}
	return 0;
}

int gc_observe(struct reconcile_context *context, const char *uid, struct hc_arena *arena, void **ret_world,
			   struct hc_error *err)
{
	const struct docker_pair filters[] = {{LABEL_INSTALLATION, context->installation}};
	struct gc_world *world = hc_arena_alloc(arena, sizeof *world);
	struct docker_container *list;
	struct mark_folder *marks;
	size_t count, mark_count;

	(void)uid;
	if (marks_list(context->containers_folder, arena, &marks, &mark_count, err) < 0 ||
		docker_container_list(context->docker, arena, filters, HC_COUNT(filters), &list, &count, err) < 0 ||
		orphans(context, arena, list, count, world, err) < 0 ||
		images(context, arena, list, count, world, err) < 0)
		return -1;
	folders(arena, list, count, marks, mark_count, world);
	world->boot_ms = hc_clock_boot_ms();
	world->database_trusted = context->database_trusted;
	world->traefik_answers = observe_routes(context, arena, world->containers, world->container_count,
											world->boot_ms, NULL, NULL);
	*ret_world = world;
	return 0;
}
