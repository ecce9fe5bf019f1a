/* What listens in this network namespace, from /proc/net/tcp and tcp6: "sl local_address rem_address st …",
 * where the address is in 32-bit words of the machine's byte order. */
#include "probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STATE_LISTEN 10

/* Reads hexadecimal digits; returns how many. */
static size_t read_hex(const char *text, size_t most, uint32_t *ret_value)
{
	size_t length = 0;

	*ret_value = 0;
	for (; length < most; length++) {
		static const char digits[] = "0123456789ABCDEF";
		const char *digit = text[length] ? strchr(digits, text[length]) : NULL;

		if (!digit)
			break;
		*ret_value = *ret_value << 4 | (uint32_t)(digit - digits);
	}
	return length;
}

static void take_line(const char *line, int family)
{
	size_t words = family == AF_INET ? 1 : 4;
	const char *at = strchr(line, ':');
	uint32_t address[4] = {0};
	uint32_t port;
	uint32_t state;
	char text[INET6_ADDRSTRLEN];
	char output[INET6_ADDRSTRLEN + 8];

	if (!at || at[1] != ' ')
		return;
	at += 2;
	for (size_t word = 0; word < words; word++, at += 8)
		if (read_hex(at, 8, &address[word]) != 8)
			return;
	if (*at != ':' || read_hex(at + 1, 4, &port) != 4)
		return;
	at = strchr(at + 1, ' ');
	at = at ? strchr(at + 1, ' ') : NULL;
	if (!at || read_hex(at + 1, 2, &state) != 2 || state != STATE_LISTEN ||
		!inet_ntop(family, address, text, sizeof text))
		return;
	(void)snprintf(output, sizeof output, "%s %u", text, port);
	probe_say(STDOUT_FILENO, output);
}

static bool take_file(const char *path, int family)
{
	char buffer[8192];
	size_t length = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return false;
	while ((got = read(fd, buffer + length, sizeof buffer - 1 - length)) > 0) {
		char *line = buffer;
		char *newline;

		length += (size_t)got;
		buffer[length] = '\0';
		for (; (newline = strchr(line, '\n')); line = newline + 1) {
			*newline = '\0';
			take_line(line, family);
		}
		length = strlen(line);
		memmove(buffer, line, length);
	}
	(void)close(fd);
	return got == 0;
}

int probe_listeners(void)
{
	bool four = take_file("/proc/net/tcp", AF_INET);

	(void)take_file("/proc/net/tcp6", AF_INET6); /* absent where IPv6 is off */
	if (four)
		return 0;
	probe_say(STDERR_FILENO, "/proc/net/tcp can't be read");
	return 1;
}
