/* The address range from which applications' networks are taken. Two platforms on one machine must not share
 * one: the kernel would have two routes for an address.
 *
 * A platform that runs claims its pool by the name of an abstract socket: unique in the machine's network
 * namespace, as routes are, and gone with its holder. One that was killed has no claim, but its bridges still
 * have routes. */
#include "up.h"

#include "base/alloc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* 10.213.0.0/16 … 10.252.0.0/16 */
#define POOL_FIRST 213
#define POOL_LAST 252

int up_pool_check(const char *text, struct hc_error *err)
{
	char address[INET_ADDRSTRLEN];
	struct in_addr parsed;
	const char *slash = strchr(text, '/');
	char *end = NULL;
	long prefix = slash ? strtol(slash + 1, &end, 10) : 0;

	if (slash && end != slash + 1 && !*end && (size_t)(slash - text) < sizeof(address) && prefix >= 8 &&
		prefix <= 22) {
		snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
		if (inet_pton(AF_INET, address, &parsed) == 1 && !(ntohl(parsed.s_addr) & (UINT32_MAX >> prefix)))
			return 0;
	}
	return hc_fail(err, HC_INVALID,
				   "--network-pool \"%s\": must be an IPv4 network of /8 to /22, as 10.213.0.0/16", text);
}

/* CONFLICT when another platform has it. */
static int claim(struct up *up, const char *pool, struct hc_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	HC_AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "helvetia-network-pool/%s",
						  pool);

	if (fd < 0)
		return hc_fail(err, HC_TRANSIENT, "socket: %s", strerror(errno));
	if (bind(fd, (const struct sockaddr *)&address,
			 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)))
		return errno == EADDRINUSE
				   ? hc_fail(err, HC_CONFLICT,
							 "another platform on this machine uses network pool %s; choose another with "
							 "--network-pool",
							 pool)
				   : hc_fail(err, HC_TRANSIENT, "claim network pool %s: %s", pool, strerror(errno));
	up->pool_fd = fd;
	fd = -1;
	return 0;
}

int up_pool_choose(struct up *up, struct hc_error *err)
{
	if (up->options.network_pool) {
		up->network_pool = up->options.network_pool;
		return claim(up, up->network_pool, err);
	}
	/* Who claimed a remembered one found no routes of ours there, so no network of ours exists that would
	 * keep us. */
	if (up->network_pool && (!claim(up, up->network_pool, err) || err->class != HC_CONFLICT))
		return up->pool_fd >= 0 ? 0 : -1;
	for (int second = POOL_FIRST; second <= POOL_LAST; second++) {
		const char *pool = hc_arena_printf(up->arena, "10.%d.0.0/16", second);

		if (up_network_routed(10U << 24 | (uint32_t)second << 16, 16))
			continue;
		if (!claim(up, pool, err)) {
			up->network_pool = pool;
			return 0;
		}
		if (err->class != HC_CONFLICT)
			return -1;
	}
	return hc_fail(
		err, HC_CONFLICT,
		"no network pool is free: 10.%d.0.0/16 to 10.%d.0.0/16 are all routed or taken; name another "
		"with --network-pool",
		POOL_FIRST, POOL_LAST);
}
