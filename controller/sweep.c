/* See sweep.h. A digest says only that something is otherwise; what, the pass finds out by itself. */
#include "sweep.h"
#include "traefik.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/map.h"
#include "base/random.h"
#include "base/text.h"
#include "docker/docker.h"
#include "model/names.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASIS 14695981039346656037U
#define PRIME 1099511628211U

struct seen {
	uint64_t digest;
	uint64_t look; /* the last in which it was there */
};

struct sweep {
	struct hc_map *seen; /* by key: struct seen */
	uint64_t look;       /* number of the present one */
};

/* --- pure
 * ------------------------------------------------------------------------------------------------------ */

uint64_t sweep_digest(uint64_t digest, const char *text)
{
	if (!digest)
		digest = BASIS;
	for (const char *at = text ? text : "\1"; *at; at++)
		digest = (digest ^ (unsigned char)*at) * PRIME;
	return (digest ^ 0xff) * PRIME; /* no text has this byte: where one ends, it says so */
}

uint64_t sweep_digest_container(const struct docker_container *container)
{
	uint64_t digest = sweep_digest(0, container->id);

	digest = sweep_digest(digest, container->name);
	digest = sweep_digest(digest, container->image_id);
	digest = sweep_digest(digest, container->state);
	digest = sweep_digest(digest, container->health);
	for (size_t n = 0; n < container->label_count; n++) {
		digest = sweep_digest(digest, container->labels[n].name);
		digest = sweep_digest(digest, container->labels[n].value);
	}
	for (size_t n = 0; n < container->network_count; n++) {
		digest = sweep_digest(digest, container->networks[n].name);
		digest = sweep_digest(digest, container->networks[n].address);
	}
	return digest;
}

void sweep_begin(struct sweep *sweep)
{
	sweep->look++;
}

bool sweep_differs(struct sweep *sweep, const char *key, size_t index, uint64_t digest)
{
	struct seen *seen = hc_map_get(sweep->seen, key);
	bool differs = !seen || seen->digest != digest;

	if (!seen) {
		seen = hc_xalloc(sizeof *seen);
		hc_map_set(sweep->seen, key, seen);
	}
	seen->digest = digest;
	seen->look = sweep->look;
	return differs || index % SWEEP_TURNS == sweep->look % SWEEP_TURNS;
}

struct gone {
	struct sweep *sweep;
	const char **keys; /* borrowed from the map */
	size_t count;
};

static int gather_gone(const char *key, void *value, void *payload)
{
	const struct seen *seen = value;
	struct gone *gone = payload;

	if (seen->look != gone->sweep->look)
		gone->keys[gone->count++] = key;
	return 0;
}

void sweep_end(struct sweep *sweep)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct gone gone = {.sweep = sweep,
						.keys = hc_arena_alloc_array(arena, hc_map_count(sweep->seen) + 1, sizeof(char *))};

	(void)hc_map_each(sweep->seen, gather_gone, &gone);
	for (size_t n = 0; n < gone.count; n++)
		free(hc_map_remove(sweep->seen, gone.keys[n]));
}

static int free_seen(const char *key, void *value, void *payload)
{
	(void)key;
	(void)payload;
	free(value);
	return 0;
}

void sweep_reset(struct sweep *sweep)
{
	(void)hc_map_each(sweep->seen, free_seen, NULL);
	hc_map_free(sweep->seen);
	sweep->seen = hc_map_new();
}

struct sweep *sweep_new(void)
{
	struct sweep *sweep = hc_xalloc(sizeof *sweep);

	sweep->seen = hc_map_new();
	hc_random_bytes(&sweep->look, sizeof sweep->look); /* which tenth is the first */
	sweep->look >>= 8;
	return sweep;
}

void sweep_free(struct sweep *sweep)
{
	if (!sweep)
		return;
	(void)hc_map_each(sweep->seen, free_seen, NULL);
	hc_map_free(sweep->seen);
	free(sweep);
}

/* --- one look
 * -------------------------------------------------------------------------------------------------- */

/* Sums of digests by name, so that the order in which they come does not matter. */
struct sums {
	struct hc_map *map; /* values in the arena */
	struct hc_arena *arena;
};

static void sums_add(struct sums *sums, const char *name, uint64_t digest)
{
	uint64_t *sum = hc_map_get(sums->map, name);

	if (!sum) {
		sum = hc_arena_alloc(sums->arena, sizeof *sum);
		hc_map_set(sums->map, name, sum);
	}
	*sum += digest;
}

static uint64_t sums_get(const struct sums *sums, const char *name)
{
	const uint64_t *sum = hc_map_get(sums->map, name);

	return sum ? *sum : 0;
}

static const char *label_of(const struct docker_container *container, const char *name)
{
	for (size_t n = 0; n < container->label_count; n++) {
		if (strcmp(container->labels[n].name, name) == 0)
			return container->labels[n].value;
	}
	return "";
}

/* What Traefik says of the routes that this container's labels name. */
static uint64_t routes_of(const struct docker_container *container, const struct sums *routes)
{
	static const char prefix[] = TRAEFIK_PREFIX "http.routers.";
	uint64_t sum = 0;

	for (size_t n = 0; n < container->label_count; n++) {
		const char *label = container->labels[n].name;
		char name[256];

		if (!hc_starts_with(label, prefix) || !hc_ends_with(label, ".rule"))
			continue;
		(void)snprintf(name, sizeof name, "%.*s@docker",
					   (int)(strlen(label) - strlen(prefix) - strlen(".rule")), label + strlen(prefix));
		sum += sums_get(routes, name);
	}
	return sum;
}

static void route_seen(const char *name, uint64_t digest, void *payload)
{
	sums_add(payload, name, digest);
}

struct look {
	struct sweep *sweep;
	const struct sweep_options *options;
	struct hc_arena *arena;
	struct sums routes;     /* by name in Traefik */
	struct sums containers; /* by uid of the Service */
	uint64_t networks;      /* of all that are ours */
};

static int look_at_engine(struct look *look, struct hc_error *err)
{
	const struct docker_pair filter = {LABEL_INSTALLATION, look->options->installation};
	struct docker_container *containers;
	struct docker_network *networks;
	size_t container_count, network_count;

	if (docker_container_list(look->options->docker, look->arena, &filter, 1, &containers, &container_count,
							  err) ||
		docker_network_list(look->options->docker, look->arena, &networks, &network_count, err))
		return -1;
	for (size_t n = 0; n < container_count; n++)
		sums_add(&look->containers, label_of(&containers[n], LABEL_SERVICE_UID),
				 sweep_digest_container(&containers[n]) + routes_of(&containers[n], &look->routes));
	for (size_t n = 0; n < network_count; n++) {
		uint64_t digest = sweep_digest(sweep_digest(0, networks[n].id), networks[n].name);

		for (size_t each = 0; each < networks[n].label_count; each++) {
			digest = sweep_digest(digest, networks[n].labels[each].name);
			digest = sweep_digest(digest, networks[n].labels[each].value);
		}
		look->networks += sweep_digest(digest, networks[n].subnet);
	}
	return 0;
}

static void compare(struct look *look, const char *kind, const struct store_reference *list, size_t count)
{
	for (size_t n = 0; n < count; n++) {
		HC_AUTO_FREE key = hc_xprintf("%s/%s", kind, list[n].uid);
		uint64_t digest = strcmp(kind, "service") == 0 ? sums_get(&look->containers, list[n].uid)
													   : look->networks;

		if (sweep_differs(look->sweep, key, n, digest))
			look->options->changed(key, look->options->payload);
	}
}

static int look_at_all(struct look *look, struct hc_error *err)
{
	struct store_reference *services;
	struct store_reference *namespaces;
	size_t service_count, namespace_count;

	/* A Traefik that is away routes nothing, as far as can be seen: that is a change, too. */
	(void)traefik_each(look->options->traefik, route_seen, &look->routes);
	if (look_at_engine(look, err) ||
		store_services_all(look->options->store, look->arena, &services, &service_count, err) ||
		store_namespaces_all(look->options->store, look->arena, &namespaces, &namespace_count, err))
		return -1;
	sweep_begin(look->sweep);
	compare(look, "service", services, service_count);
	compare(look, "network", namespaces, namespace_count);
	sweep_end(look->sweep);
	return 0;
}

int sweep_look(struct sweep *sweep, const struct sweep_options *options, struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct look look = {.sweep = sweep,
						.options = options,
						.arena = arena,
						.routes = {hc_map_new(), arena},
						.containers = {hc_map_new(), arena}};
	int result = look_at_all(&look, err);

	hc_map_free(look.routes.map);
	hc_map_free(look.containers.map);
	return result;
}
