/* Which address a new container gets. Docker would give a dead container's address to the next one at once,
 * while Traefik may still send requests to it; so the plan chooses, and an address rests for a minute
 * (design 7.5).
 *
 * An address is offered when it is not in use, not reserved by somebody else, and was neither in use nor
 * given back within the last minute. Several threads plan at once: each is an owner. An owner that asks again
 * gets what it had reserved and not used, so that passes without effect don't use up a subnet. Thread-safe;
 * time is an argument. */
#ifndef ADDRESSES_H
#define ADDRESSES_H

#include "base/arena.h"
#include "reconcilers/kind.h"
#include <stdint.h>

#define ADDRESSES_REST_MS 60000

struct addresses;

/* seed: where to begin, so that a new process does not begin with what the old one gave back last. */
struct addresses *addresses_new(uint32_t seed);
void addresses_free(struct addresses *addresses); /* accepts NULL */
HC_DEFINE_CLEANUP(addresses, addresses_free)

/* As address_interface.reserve; owner > 0. */
size_t addresses_reserve(struct addresses *addresses, unsigned owner, int64_t now_ms, struct hc_arena *arena,
						 const char *subnet, const char *const *used, size_t used_count, size_t count,
						 const char **ret_addresses);
void addresses_release(struct addresses *addresses, int64_t now_ms, const char *address);

/* One per pool thread: what reconcilers get. The struct must outlive the interface. */
struct address_owner {
	struct addresses *addresses;
	unsigned owner;
};
struct address_interface addresses_interface(struct address_owner *owner);

#endif
