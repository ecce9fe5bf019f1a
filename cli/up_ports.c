/* Ports and routes: what is free, and who holds what isn't (read from /proc). */
#include "up.h"

#include "base/file.h"
#include "base/random.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROC_FILE_BYTES_MAX (4U * 1024 * 1024)

static bool bind_works(int family, const struct sockaddr *address, socklen_t size)
{
	HC_AUTO_FD fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return family == AF_INET6; /* a machine without IPv6 */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		return false;
	if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)))
		return false;
	/* Only listening finds out: with SO_REUSEADDR, bind alone succeeds beside sockets that don't listen yet.
	 */
	return !bind(fd, address, size) && !listen(fd, 1);
}

bool up_port_free(int port, bool loopback_only)
{
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 six = {
		.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = in6addr_any};

	four.sin_addr.s_addr = htonl(loopback_only ? INADDR_LOOPBACK : INADDR_ANY);
	if (!bind_works(AF_INET, (const struct sockaddr *)&four, sizeof(four)))
		return false;
	return loopback_only || bind_works(AF_INET6, (const struct sockaddr *)&six, sizeof(six));
}

/* Below the range from which the kernel takes ports for outgoing connections, so that it is free next time,
 * too. */
#define PRIVATE_PORT_FIRST 20000
#define PRIVATE_PORT_COUNT 10000

int up_port_any(void)
{
	uint16_t seed;

	hc_random_bytes(&seed, sizeof(seed));
	for (int i = 0; i < PRIVATE_PORT_COUNT; i++) {
		int port = PRIVATE_PORT_FIRST + (seed + i) % PRIVATE_PORT_COUNT;

		if (up_port_free(port, true))
			return port;
	}
	return 0;
}

/* Inode of a socket that listens on the port, by one of the kernel's tables; 0: none. */
static unsigned long listening_inode(const char *table, int port)
{
	HC_AUTO_FREE text = NULL;
	char *position = NULL;

	if (hc_file_read(table, PROC_FILE_BYTES_MAX, &text, NULL, NULL))
		return 0;
	for (char *line = strtok_r(text, "\n", &position); line; line = strtok_r(NULL, "\n", &position)) {
		unsigned local_port, state;
		unsigned long inode;

		/* sl local_address:port remote:port st tx:rx tr:when retrnsmt uid timeout inode */
		if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %lu", &local_port,
				   &state, &inode) == 3 &&
			(int)local_port == port && state == 0x0A)
			return inode;
	}
	return 0;
}

static bool process_has_socket(const char *pid, unsigned long inode)
{
	char path[512], target[64], wanted[64];
	struct dirent *entry;
	bool found = false;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
	folder = opendir(path);
	if (!folder)
		return false;
	while (!found && (entry = readdir(folder))) {
		ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);

		if (length > 0) {
			target[length] = '\0';
			found = !strcmp(target, wanted);
		}
	}
	closedir(folder);
	return found;
}

static void describe_holder(int port, char *text, size_t size)
{
	unsigned long inode = listening_inode("/proc/net/tcp", port);
	struct dirent *entry;
	DIR *folder;

	snprintf(text, size, "another process");
	if (!inode)
		inode = listening_inode("/proc/net/tcp6", port);
	folder = inode ? opendir("/proc") : NULL;
	while (folder && (entry = readdir(folder))) {
		char path[512];
		HC_AUTO_FREE name = NULL;

		if (!isdigit((unsigned char)entry->d_name[0]) || !process_has_socket(entry->d_name, inode))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (!hc_file_read(path, 256, &name, NULL, NULL))
			snprintf(text, size, "%.*s (process %s)", (int)strcspn(name, "\n"), name, entry->d_name);
		break;
	}
	if (folder)
		closedir(folder);
}

int up_port_require(int port, bool loopback_only, const char *what, const char *option, struct hc_error *err)
{
	char holder[320];

	if (up_port_free(port, loopback_only))
		return 0;
	describe_holder(port, holder, sizeof(holder));
	return hc_fail(err, HC_CONFLICT, "port %d for %s is taken by %s%s%s", port, what, holder,
				   option ? ": stop it, or choose another port with " : "", option ? option : "");
}

bool up_network_routed(uint32_t network, int prefix)
{
	uint32_t mask = ~(UINT32_MAX >> prefix);
	HC_AUTO_FREE text = NULL;
	char *position = NULL;

	if (hc_file_read("/proc/net/route", PROC_FILE_BYTES_MAX, &text, NULL, NULL))
		return false;
	for (char *line = strtok_r(text, "\n", &position); line; line = strtok_r(NULL, "\n", &position)) {
		unsigned destination, route_mask;

		/* Iface Destination Gateway Flags RefCnt Use Metric Mask …, numbers as the network has them in memory
		 */
		if (sscanf(line, "%*s %x %*x %*x %*d %*d %*d %x", &destination, &route_mask) != 2 || !route_mask)
			continue;
		if ((ntohl(destination) & mask) == network || (network & ntohl(route_mask)) == ntohl(destination))
			return true;
	}
	return false;
}
