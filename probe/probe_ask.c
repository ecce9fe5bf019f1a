/* Asks the application on the container's own non-loopback address: one that listens on 127.0.0.1 only would
 * pass a check over loopback and fail for every user. */
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_MS 1000
#define ANSWER_EXPLICIT_MS 5000 /* the controller decides about slowness; this only has to end */
#define ANSWER_LENIENT_MS 1000  /* a peer that says nothing may wait for us to speak its language */
#define ANSWER_BYTES 2048
#define READY_PAUSE_MS 50
#define INTERFACES_MOST 32

/* First IPv4 address of an interface that is up and not loopback. getifaddrs() is not for static programs. */
static bool own_address(struct in_addr *ret_address)
{
	struct ifreq requests[INTERFACES_MOST];
	struct ifconf list = {.ifc_len = sizeof requests, .ifc_req = requests};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool found = false;

	if (fd < 0 || ioctl(fd, SIOCGIFCONF, &list))
		list.ifc_len = 0;
	for (size_t index = 0; index < (size_t)list.ifc_len / sizeof requests[0] && !found; index++) {
		struct ifreq *request = &requests[index];
		struct sockaddr_in address;

		memcpy(&address, &request->ifr_addr, sizeof address);
		if (address.sin_family != AF_INET || ioctl(fd, SIOCGIFFLAGS, request))
			continue;
		found = (request->ifr_flags & IFF_UP) && !(request->ifr_flags & IFF_LOOPBACK);
		if (found)
			*ret_address = address.sin_addr;
	}
	if (fd >= 0)
		(void)close(fd);
	return found;
}

/* Waits for the events until deadline_ms; false when the time is over. */
static bool wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd entry = {.fd = fd, .events = events};

	for (;;) {
		int64_t left_ms = deadline_ms - probe_now_ms();
		int count = poll(&entry, 1, left_ms > 0 ? (int)left_ms : 0);

		if (count > 0)
			return true;
		if (count == 0 || errno != EINTR)
			return false;
	}
}

static bool connect_to(int fd, const struct sockaddr_in *address, char why[PROBE_WHY_BYTES])
{
	int number = 0;
	socklen_t length = sizeof number;

	if (!connect(fd, (const struct sockaddr *)address, sizeof *address))
		return true;
	if (errno != EINPROGRESS) {
		number = errno;
	} else if (!wait_for(fd, POLLOUT, probe_now_ms() + CONNECT_MS)) {
		number = ETIMEDOUT;
	} else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &length)) {
		number = errno;
	}
	if (!number)
		return true;
	(void)snprintf(why, PROBE_WHY_BYTES, "%s: port %d: %s", inet_ntoa(address->sin_addr),
				   ntohs(address->sin_port),
				   number == ECONNREFUSED ? "nothing listens there (is the application bound to 127.0.0.1?)"
										  : strerror(number));
	return false;
}

static enum probe_verdict exchange(int fd, const struct probe_target *target, const char *address,
								   int *ret_status)
{
	char request[1024];
	char answer[ANSWER_BYTES];
	size_t length = 0;
	bool explicit_path = target->path != NULL;
	int64_t deadline_ms = probe_now_ms() + (explicit_path ? ANSWER_EXPLICIT_MS : ANSWER_LENIENT_MS);
	enum probe_verdict verdict;
	int size;

	if (target->host)
		size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n",
						explicit_path ? target->path : "/", target->host);
	else
		size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s:%d\r\n",
						explicit_path ? target->path : "/", address, target->port);
	size += snprintf(request + size, sizeof request - (size_t)size,
					 "User-Agent: helvetia-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n");
	if (send(fd, request, (size_t)size, MSG_NOSIGNAL) != size)
		return probe_judge(answer, 0, true, explicit_path, ret_status);
	do {
		ssize_t got = -1;

		if (wait_for(fd, POLLIN, deadline_ms))
			got = recv(fd, answer + length, sizeof answer - length, 0);
		if (got > 0)
			length += (size_t)got;
		verdict = probe_judge(answer, length, got <= 0 || length == sizeof answer, explicit_path, ret_status);
	} while (verdict == PROBE_ANSWER_MORE);
	return verdict;
}

bool probe_ask(const struct probe_target *target, char why[PROBE_WHY_BYTES])
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)target->port)};
	enum probe_verdict verdict = PROBE_ANSWER_NO;
	int status = 0;
	int fd;

	why[0] = '\0';
	if (target->port == 0)
		return true;
	if (!own_address(&address.sin_addr)) {
		(void)snprintf(why, PROBE_WHY_BYTES, "the container has no network address");
		return false;
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		(void)snprintf(why, PROBE_WHY_BYTES, "socket: %s", strerror(errno));
		return false;
	}
	if (connect_to(fd, &address, why)) {
		verdict = exchange(fd, target, inet_ntoa(address.sin_addr), &status);
		if (verdict == PROBE_ANSWER_NO && status)
			(void)snprintf(why, PROBE_WHY_BYTES, "port %d, GET %.64s: status %d", target->port,
						   target->path ? target->path : "/", status);
		else if (verdict == PROBE_ANSWER_NO)
			(void)snprintf(why, PROBE_WHY_BYTES, "port %d, GET %.64s: no HTTP answer", target->port,
						   target->path);
	}
	(void)close(fd);
	return verdict == PROBE_ANSWER_YES;
}

int probe_ready(const struct probe_target *target, int64_t deadline_ms)
{
	int64_t end_ms = probe_now_ms() + deadline_ms;
	char why[PROBE_WHY_BYTES];

	for (;;) {
		if (probe_ask(target, why))
			return 0;
		if (probe_now_ms() + READY_PAUSE_MS > end_ms) {
			probe_say(STDOUT_FILENO, why);
			return 1;
		}
		probe_sleep_ms(READY_PAUSE_MS);
	}
}
