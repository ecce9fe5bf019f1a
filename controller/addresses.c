/* See addresses.h. A table a subnet with one slot a host address: subnets are small (/24) and few. */
#include "addresses.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX_MIN 16 /* 65,536 slots: more than one bridge can carry */
#define PREFIX_MAX 30

struct slot {
	int64_t rest_until_ms; /* in use when last seen, or given back: not before this */
	int64_t reserved_until_ms;
	unsigned owner;
	unsigned used_in_call; /* number of the call that saw it in use */
};

struct subnet {
	struct subnet *next;
	uint32_t base;
	uint32_t size;
	uint32_t cursor; /* the search goes on from here, so that addresses rest as long as possible */
	struct slot slots[];
};

struct addresses {
	pthread_mutex_t mutex;
	struct subnet *subnets;
	uint32_t seed;
	unsigned calls;
};

struct addresses *addresses_new(uint32_t seed)
{
	struct addresses *addresses = hc_xalloc(sizeof *addresses);

	addresses->seed = seed;
	(void)pthread_mutex_init(&addresses->mutex, NULL);
	return addresses;
}

void addresses_free(struct addresses *addresses)
{
	if (!addresses)
		return;
	while (addresses->subnets) {
		struct subnet *subnet = addresses->subnets;

		addresses->subnets = subnet->next;
		free(subnet);
	}
	(void)pthread_mutex_destroy(&addresses->mutex);
	free(addresses);
}

static bool address_parse(const char *text, uint32_t *ret_address)
{
	struct in_addr address;

	if (inet_pton(AF_INET, text, &address) != 1)
		return false;
	*ret_address = ntohl(address.s_addr);
	return true;
}

static bool subnet_parse(const char *text, uint32_t *ret_base, uint32_t *ret_size)
{
	const char *slash = strchr(text, '/');
	char address[INET_ADDRSTRLEN];
	char *end;
	long prefix;

	if (!slash || (size_t)(slash - text) >= sizeof address)
		return false;
	(void)snprintf(address, sizeof address, "%.*s", (int)(slash - text), text);
	prefix = strtol(slash + 1, &end, 10);
	if (end == slash + 1 || *end || prefix < PREFIX_MIN || prefix > PREFIX_MAX ||
		!address_parse(address, ret_base))
		return false;
	*ret_size = 1U << (32 - prefix);
	*ret_base &= ~(*ret_size - 1);
	return true;
}

static struct subnet *subnet_get(struct addresses *addresses, const char *text)
{
	struct subnet *subnet;
	uint32_t base;
	uint32_t size;

	if (!subnet_parse(text, &base, &size))
		return NULL;
	for (subnet = addresses->subnets; subnet; subnet = subnet->next) {
		if (subnet->base == base && subnet->size == size)
			return subnet;
	}
	subnet = hc_xalloc(sizeof *subnet + size * sizeof(struct slot));
	subnet->base = base;
	subnet->size = size;
	subnet->cursor = addresses->seed % size;
	subnet->next = addresses->subnets;
	addresses->subnets = subnet;
	return subnet;
}

static void mark_used(struct addresses *addresses, struct subnet *subnet, int64_t now_ms,
					  const char *const *used, size_t used_count)
{
	for (size_t n = 0; n < used_count; n++) {
		uint32_t address;

		if (!used[n] || !address_parse(used[n], &address))
			continue;
		if (address < subnet->base || address - subnet->base >= subnet->size)
			continue;
		subnet->slots[address - subnet->base].used_in_call = addresses->calls;
		subnet->slots[address - subnet->base].rest_until_ms = now_ms + ADDRESSES_REST_MS;
	}
}

static bool usable(const struct addresses *addresses, const struct subnet *subnet, uint32_t index,
				   int64_t now_ms)
{
	const struct slot *slot = &subnet->slots[index];

	/* The network's own address, the gateway, the broadcast address. */
	if (index < 2 || index == subnet->size - 1)
		return false;
	return slot->used_in_call != addresses->calls && slot->rest_until_ms <= now_ms;
}

static const char *reserve_slot(struct subnet *subnet, uint32_t index, unsigned owner, int64_t now_ms,
								struct hc_arena *arena)
{
	struct in_addr address = {.s_addr = htonl(subnet->base + index)};
	char text[INET_ADDRSTRLEN];

	subnet->slots[index].owner = owner;
	subnet->slots[index].reserved_until_ms = now_ms + ADDRESSES_REST_MS;
	(void)inet_ntop(AF_INET, &address, text, sizeof text);
	return hc_arena_strdup(arena, text);
}

/* mine: only what the owner holds already; else only what nobody holds. */
static size_t collect(struct addresses *addresses, struct subnet *subnet, unsigned owner, bool mine,
					  int64_t now_ms, struct hc_arena *arena, size_t count, const char **ret_addresses)
{
	uint32_t start = mine ? 0 : subnet->cursor;
	size_t found = 0;

	for (uint32_t n = 0; n < subnet->size && found < count; n++) {
		uint32_t index = (start + n) % subnet->size;
		const struct slot *slot = &subnet->slots[index];
		bool reserved = slot->reserved_until_ms > now_ms;

		if (!usable(addresses, subnet, index, now_ms) || reserved != mine || (mine && slot->owner != owner))
			continue;
		ret_addresses[found++] = reserve_slot(subnet, index, owner, now_ms, arena);
		if (!mine)
			subnet->cursor = (index + 1) % subnet->size;
	}
	return found;
}

size_t addresses_reserve(struct addresses *addresses, unsigned owner, int64_t now_ms, struct hc_arena *arena,
						 const char *subnet_text, const char *const *used, size_t used_count, size_t count,
						 const char **ret_addresses)
{
	struct subnet *subnet;
	size_t found = 0;

	assert(owner > 0);
	(void)pthread_mutex_lock(&addresses->mutex);
	subnet = subnet_get(addresses, subnet_text);
	if (subnet) {
		if (++addresses->calls == 0)
			addresses->calls = 1; /* 0 means never */
		mark_used(addresses, subnet, now_ms, used, used_count);
		found = collect(addresses, subnet, owner, true, now_ms, arena, count, ret_addresses);
		found += collect(addresses, subnet, owner, false, now_ms, arena, count - found,
						 ret_addresses + found);
	}
	(void)pthread_mutex_unlock(&addresses->mutex);
	return found;
}

void addresses_release(struct addresses *addresses, int64_t now_ms, const char *text)
{
	uint32_t address;

	if (!address_parse(text, &address))
		return;
	(void)pthread_mutex_lock(&addresses->mutex);
	for (struct subnet *subnet = addresses->subnets; subnet; subnet = subnet->next) {
		if (address < subnet->base || address - subnet->base >= subnet->size)
			continue;
		subnet->slots[address - subnet->base].rest_until_ms = now_ms + ADDRESSES_REST_MS;
		subnet->slots[address - subnet->base].reserved_until_ms = 0;
	}
	(void)pthread_mutex_unlock(&addresses->mutex);
}

static size_t interface_reserve(void *self, struct hc_arena *arena, const char *subnet,
								const char *const *used, size_t used_count, size_t count,
								const char **ret_addresses)
{
	struct address_owner *owner = self;

	return addresses_reserve(owner->addresses, owner->owner, hc_clock_boot_ms(), arena, subnet, used,
							 used_count, count, ret_addresses);
}

static void interface_release(void *self, const char *address)
{
	struct address_owner *owner = self;

	addresses_release(owner->addresses, hc_clock_boot_ms(), address);
}

struct address_interface addresses_interface(struct address_owner *owner)
{
	return (struct address_interface){
		.self = owner, .reserve = interface_reserve, .release = interface_release};
}
