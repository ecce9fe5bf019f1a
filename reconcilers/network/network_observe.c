/* All networks of the engine, and how many Services the namespace has. */
#include "network_kind.h"

#include "docker/docker.h"
#include "model/names.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

static const struct store_reference *find_namespace(const struct store_reference *list, size_t count,
													const char *uid)
{
	for (size_t index = 0; index < count; index++) {
		if (strcmp(list[index].uid, uid) == 0)
			return &list[index];
	}
	return NULL;
}

static bool is_ours(const struct docker_network *network, const char *installation)
{
	for (size_t index = 0; index < network->label_count; index++) {
		if (strcmp(network->labels[index].name, LABEL_INSTALLATION) == 0)
			return strcmp(network->labels[index].value, installation) == 0;
	}
	return false;
}

static int compare(const void *left, const void *right)
{
	const struct network_view *left_view = left, *right_view = right;

	return strcmp(left_view->name, right_view->name);
}

static int networks(struct reconcile_context *context, struct hc_arena *arena, struct network_world *world,
					struct hc_error *err)
{
	struct docker_network *list;
	size_t count;

	if (docker_network_list(context->docker, arena, &list, &count, err) < 0)
		return -1;
	world->networks = hc_arena_alloc_array(arena, count + 1, sizeof(struct network_view));
	for (size_t index = 0; index < count; index++)
		world->networks[index] = (struct network_view){.id = list[index].id,
													   .name = list[index].name,
													   .subnet = list[index].subnet,
													   .ours = is_ours(&list[index], context->installation)};
	world->network_count = count;
	qsort(world->networks, count, sizeof(struct network_view), compare);
	return 0;
}

static int services(struct reconcile_context *context, struct hc_arena *arena, struct network_world *world,
					struct hc_error *err)
{
	const struct docker_pair filters[] = {{LABEL_INSTALLATION, context->installation},
										  {LABEL_NAMESPACE, world->namespace_name}};
	struct docker_container *containers;
	struct store_reference *list;
	size_t count;

	if (docker_container_list(context->docker, arena, filters, HC_COUNT(filters), &containers, &count, err) <
		0)
		return -1;
	world->container_count = (int)count;
	if (store_services_all(context->store, arena, &list, &count, err) < 0)
		return -1;
	for (size_t index = 0; index < count; index++)
		world->service_count += strcmp(list[index].namespace_uid, world->namespace_uid) == 0;
	return 0;
}

int network_observe(struct reconcile_context *context, const char *uid, struct hc_arena *arena,
					void **ret_world, struct hc_error *err)
{
	struct network_world *world = hc_arena_alloc(arena, sizeof *world);
	const struct store_reference *namespace;
	struct store_reference *list;
	size_t count;

	if (store_namespaces_all(context->store, arena, &list, &count, err) < 0)
		return -1;
	namespace = find_namespace(list, count, uid);
	if (!namespace)
		return hc_fail(err, HC_NOT_FOUND, "namespace %s does not exist", uid);
	world->namespace_name = namespace->name;
	world->namespace_uid = namespace->uid;
	world->namespace_deleting = namespace->deleting;
	world->installation = context->installation;
	world->name = name_network(arena, namespace->name, namespace->uid);
	world->bridge = name_bridge(arena, namespace->uid);
	world->pool = context->network_pool;
	if (networks(context, arena, world, err) < 0 || services(context, arena, world, err) < 0)
		return -1;
	*ret_world = world;
	return 0;
}
