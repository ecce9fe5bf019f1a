/* One bridge network a namespace, with a small subnet of our pool, as long as the namespace has a Service
 * (cases N-1 … N-5). Docker's own pool ends at 31 networks, and a plan has to choose addresses itself (design
 * 9). */
#include "../decide.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct range {
	uint32_t first;
	uint32_t last;
};

/* "10.213.0.0/16" → first and last address. IPv4 only: what else is in the list can't overlap. */
static bool range_parse(const char *text, struct range *ret_range)
{
	unsigned int parts[4], bits;
	uint32_t address, mask;

	if (!text || sscanf(text, "%3u.%3u.%3u.%3u/%2u", &parts[0], &parts[1], &parts[2], &parts[3], &bits) != 5)
		return false;
	if (parts[0] > 255 || parts[1] > 255 || parts[2] > 255 || parts[3] > 255 || bits > 32)
		return false;
	address = parts[0] << 24 | parts[1] << 16 | parts[2] << 8 | parts[3];
	mask = bits ? UINT32_MAX << (32 - bits) : 0;
	*ret_range = (struct range){.first = address & mask, .last = address | ~mask};
	return true;
}

static bool is_free(const struct network_world *world, const struct range *wanted)
{
	for (size_t index = 0; index < world->network_count; index++) {
		struct range used;

		if (range_parse(world->networks[index].subnet, &used) && used.first <= wanted->last &&
			wanted->first <= used.last)
			return false;
	}
	return true;
}

static const char *free_subnet(const struct network_world *world, struct hc_arena *arena)
{
	struct range pool, wanted;

	if (!range_parse(world->pool, &pool))
		return NULL;
	for (uint64_t at = pool.first; at + 255 <= pool.last; at += 256) {
		wanted = (struct range){.first = (uint32_t)at, .last = (uint32_t)at + 255};
		if (is_free(world, &wanted))
			return hc_arena_printf(arena, "%" PRIu32 ".%" PRIu32 ".%" PRIu32 ".0/24", wanted.first >> 24,
								   wanted.first >> 16 & 255, wanted.first >> 8 & 255);
	}
	return NULL;
}

static const struct network_view *find(const struct network_world *world)
{
	for (size_t index = 0; index < world->network_count; index++) {
		if (strcmp(world->networks[index].name, world->name) == 0)
			return &world->networks[index];
	}
	return NULL;
}

void network_decide(const struct network_world *world, struct plan *plan)
{
	const struct network_view *network = find(world);
	struct action *action;
	const char *subnet;

	if (network && !network->ours) {
		/* INV-6: the name is taken by somebody else's network; it stays. */
		plan_event(plan, true, "NetworkForeign",
				   "Network %s exists and is not ours: remove it, so that namespace %s gets its own",
				   world->name, world->namespace_name);
		return;
	}
	if (world->service_count && !network) {
		subnet = free_subnet(world, plan->arena);
		if (!subnet) {
			plan_event(plan, true, "NetworkPoolFull", "No /24 of pool %s is free for namespace %s",
					   world->pool, world->namespace_name);
			return;
		}
		action = plan_add(plan, ACTION_NETWORK_CREATE, world->name, "namespace %s has Services",
						  world->namespace_name);
		action->subnet = subnet;
		action->bridge = world->bridge;
	} else if (!world->service_count && network && !world->container_count) {
		plan_add(plan, ACTION_NETWORK_REMOVE, world->name, "namespace %s has no Service",
				 world->namespace_name)
			->id = network->id;
	} else if (world->namespace_deleting && !world->service_count && !network && !world->container_count) {
		plan_add(plan, ACTION_NAMESPACE_FINALIZE, world->namespace_name,
				 "it is being deleted, and nothing of it is left")
			->id = world->namespace_uid;
	}
}
