/* See deployment_listen.h. The format is the kernel's (Documentation/networking/proc_net_tcp.rst): "sl
 * local_address rem_address st …", addresses as 32-bit words in the machine's byte order. */
#include "deployment_listen.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATE_LISTEN 0x0a
#define FILE_MOST (64 * 1024)
#define DOCKER_DNS "127.0.0.11" /* the engine's own name server in every container's network */

/* A line's local address and port; false when it is none, or of another state. */
static bool line_read(const char *line, char address[INET6_ADDRSTRLEN], int *ret_port)
{
	unsigned int words[4] = {0}, port = 0, state = 0;

	if (sscanf(line, " %*d: %8x%8x%8x%8x:%4x %*x:%*x %2x", &words[0], &words[1], &words[2], &words[3], &port,
			   &state) == 6) {
		if (!inet_ntop(AF_INET6, words, address, INET6_ADDRSTRLEN))
			return false;
	} else if (sscanf(line, " %*d: %8x:%4x %*x:%*x %2x", &words[0], &port, &state) != 3 ||
			   !inet_ntop(AF_INET, words, address, INET6_ADDRSTRLEN)) {
		return false;
	}
	*ret_port = (int)port;
	return state == STATE_LISTEN;
}

size_t listen_parse(const char *text, struct hc_arena *arena, struct listen_view *views, size_t room)
{
	size_t count = 0;

	for (const char *line = text; line && *line && count < room;) {
		char address[INET6_ADDRSTRLEN];
		int port;

		if (line_read(line, address, &port) && strcmp(address, DOCKER_DNS) != 0)
			views[count++] = (struct listen_view){.address = hc_arena_strdup(arena, address), .port = port};
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return count;
}

static bool file_read(int64_t pid, const char *name, char *buffer)
{
	char path[64];
	size_t length = 0;
	ssize_t got;
	int fd;

	(void)snprintf(path, sizeof path, "/proc/%" PRId64 "/net/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	while (length < FILE_MOST - 1 && (got = read(fd, buffer + length, FILE_MOST - 1 - length)) > 0)
		length += (size_t)got;
	(void)close(fd);
	buffer[length] = '\0';
	return true;
}

void listen_read(int64_t pid, struct hc_arena *arena, struct container_view *view)
{
	struct listen_view *views = hc_arena_alloc_array(arena, LISTEN_MOST, sizeof *views);
	char *buffer = hc_arena_alloc(arena, FILE_MOST);

	view->listens = views;
	if (pid <= 0 || !file_read(pid, "tcp", buffer))
		return;
	view->listens_known = true;
	view->listen_count = listen_parse(buffer, arena, views, LISTEN_MOST);
	if (file_read(pid, "tcp6", buffer)) /* absent where IPv6 is off */
		view->listen_count += listen_parse(buffer, arena, views + view->listen_count,
										   LISTEN_MOST - view->listen_count);
}
