/* The bridge on which an embedded engine runs the RUN steps of builds. Ours, not docker0: its name has the
 * prefix by which the controller's firewall table knows tenants' bridges, and its subnet lies in our network
 * pool, so that what holds for a tenant holds for a build: the outside, but not the host, not link-local
 * addresses, not other tenants.
 *
 * It exists as long as the engine: made before its start, removed after its end. One that a killed `up` left
 * is taken over with the address that it has. Linux's own interface (netdevice(7), SIOCBRADDBR); no program
 * is run. */
#include "up.h"

#include "base/alloc.h"
#include "crypto/crypto.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME_PREFIX "hv-build-"
#define HASH_DIGITS 6 /* fills the 15 bytes of an interface's name */
#define SUBNET_PREFIX 24
#define SUBNET_SIZE 256U
#define SUBNET_MASK (UINT32_MAX << (32 - SUBNET_PREFIX))

/* By the state folder: the installation's id is known only to a running API, which comes after the engine. */
char *up_bridge_name(struct up *up)
{
	char hash[CRYPTO_SHA256_HEX_SIZE];

	crypto_sha256_hex(up->state, strlen(up->state), hash);
	return hc_arena_printf(up->arena, NAME_PREFIX "%.*s", HASH_DIGITS, hash);
}

static struct ifreq request_for(const char *name)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return request;
}

static void set_address(struct ifreq *request, uint32_t address)
{
	struct sockaddr_in value = {.sin_family = AF_INET};

	value.sin_addr.s_addr = htonl(address);
	memcpy(&request->ifr_addr, &value, sizeof(value));
}

/* 0: the interface is absent or has none. */
static uint32_t address_of(int fd, const char *name)
{
	struct ifreq request = request_for(name);
	struct sockaddr_in value;

	if (ioctl(fd, SIOCGIFADDR, &request))
		return 0;
	memcpy(&value, &request.ifr_addr, sizeof(value));
	return ntohl(value.sin_addr.s_addr);
}

/* The last subnet of the pool that nobody has a route to: networks of applications are taken from its
 * beginning. */
static uint32_t choose_subnet(const char *pool, uint32_t current)
{
	char address[INET_ADDRSTRLEN] = "";
	struct in_addr parsed = {0};
	int prefix = 0;
	uint32_t first, mask;

	if (sscanf(pool, "%15[0-9.]/%d", address, &prefix) != 2 || inet_pton(AF_INET, address, &parsed) != 1 ||
		prefix < 1 || prefix > SUBNET_PREFIX)
		return 0;
	mask = UINT32_MAX << (32 - prefix);
	first = ntohl(parsed.s_addr) & mask;
	if (current && (current & mask) == first)
		return current & SUBNET_MASK;
	for (uint32_t subnet = (first | ~mask) & SUBNET_MASK;; subnet -= SUBNET_SIZE) {
		if (!up_network_routed(subnet, SUBNET_PREFIX))
			return subnet;
		if (subnet == first)
			return 0;
	}
}

/* A bridge without an address of its own takes the least one of its ports: it would change with every step.
 */
static int set_hardware_address(int fd, const char *name, uint32_t address)
{
	struct ifreq request = request_for(name);
	unsigned char *bytes = (unsigned char *)request.ifr_hwaddr.sa_data;

	request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	bytes[0] = 0x02; /* locally administered */
	bytes[1] = 0x42;
	for (int i = 0; i < 4; i++)
		bytes[2 + i] = (unsigned char)(address >> (24 - 8 * i));
	return ioctl(fd, SIOCSIFHWADDR, &request);
}

static int set_up(int fd, const char *name, uint32_t address)
{
	struct ifreq request = request_for(name);

	set_address(&request, address);
	if (ioctl(fd, SIOCSIFADDR, &request))
		return -1;
	request = request_for(name);
	set_address(&request, SUBNET_MASK);
	if (ioctl(fd, SIOCSIFNETMASK, &request))
		return -1;
	request = request_for(name);
	if (ioctl(fd, SIOCGIFFLAGS, &request))
		return -1;
	request.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &request);
}

int up_bridge_ensure(struct up *up, const char **ret_subnet, struct hc_error *err)
{
	const char *name = up_bridge_name(up);
	HC_AUTO_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t current, subnet;
	bool absent;

	if (fd < 0)
		return hc_fail(err, HC_TRANSIENT, "socket: %s", strerror(errno));
	current = address_of(fd, name);
	subnet = choose_subnet(up->network_pool, current);
	if (!subnet)
		return hc_fail(
			err, HC_CONFLICT,
			"every /24 of the network pool %s is routed already, so none is left for builds; choose "
			"another with --network-pool",
			up->network_pool);
	absent = !if_nametoindex(name);
	if (absent && ioctl(fd, SIOCBRADDBR, name))
		return hc_fail(err, HC_DENIED, "make bridge %s: %s", name, strerror(errno));
	if ((absent && set_hardware_address(fd, name, subnet | 1)) || set_up(fd, name, subnet | 1))
		return hc_fail(err, HC_DENIED, "set up bridge %s: %s", name, strerror(errno));
	*ret_subnet = hc_arena_printf(up->arena, "%u.%u.%u.0/%d", subnet >> 24, subnet >> 16 & 255,
								  subnet >> 8 & 255, SUBNET_PREFIX);
	return 0;
}

int up_bridge_remove(struct up *up, struct hc_error *err)
{
	const char *name = up_bridge_name(up);
	HC_AUTO_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = request_for(name);

	if (fd < 0)
		return hc_fail(err, HC_TRANSIENT, "socket: %s", strerror(errno));
	if (ioctl(fd, SIOCGIFFLAGS, &request))
		return errno == ENODEV ? 0 : hc_fail(err, HC_TRANSIENT, "bridge %s: %s", name, strerror(errno));
	request.ifr_flags = (short)(request.ifr_flags & ~IFF_UP); /* one that is up can't be removed */
	if (ioctl(fd, SIOCSIFFLAGS, &request) || ioctl(fd, SIOCBRDELBR, name))
		return hc_fail(err, HC_TRANSIENT, "remove bridge %s: %s", name, strerror(errno));
	return 0;
}
