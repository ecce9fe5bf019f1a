/* Redis: the queue of builds, on a private loopback port with a password (BullMQ clients want a URL). It may
 * lose everything at any time; what it writes only saves work after a restart. */
#include "up.h"

#include "base/alloc.h"
#include "base/file.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define USER "redis"

static int ready(struct up *up, struct hc_error *err)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
								  .sin_port = htons((uint16_t)up->redis_port),
								  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	HC_AUTO_FREE greeting = hc_xprintf("AUTH %s\r\nPING\r\n", up->redis_password);
	HC_AUTO_FD fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval patience = {.tv_sec = 1};
	char answer[128] = "";
	size_t length = 0;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
		connect(fd, (const struct sockaddr *)&address, sizeof(address)) ||
		send(fd, greeting, strlen(greeting), MSG_NOSIGNAL) != (ssize_t)strlen(greeting))
		return hc_fail(err, HC_TRANSIENT, "it does not answer on 127.0.0.1:%d", up->redis_port);
	while (length < sizeof(answer) - 1 && !strstr(answer, "+PONG\r\n") && answer[0] != '-') {
		ssize_t got = recv(fd, answer + length, sizeof(answer) - 1 - length, 0);

		if (got <= 0)
			break;
		length += (size_t)got;
		answer[length] = '\0';
	}
	if (strstr(answer, "+PONG\r\n"))
		return 0;
	return hc_fail(err, HC_TRANSIENT, "it answers \"%.*s\"", (int)strcspn(answer, "\r\n"), answer);
}

static int before_start(struct up *up, struct hc_error *err)
{
	return up_port_require(up->redis_port, true, "Redis", NULL, err);
}

int up_redis_prepare(struct up *up, struct hc_error *err)
{
	struct up_process *process = &up->process[UP_REDIS];
	const char *folder = up_path(up, "redis");
	char *path = up_path(up, "redis/redis.conf");
	char *program = up_find_program(up, "redis-server");

	if (!program)
		return hc_fail(err, HC_NOT_FOUND, "redis-server is not installed: apt-get install redis-server");
	if (up_secret_ensure(up, "redis-password", &up->redis_password, err) ||
		up_folder_for(up, folder, USER, 0700, err))
		return -1;
	process->configuration = hc_arena_printf(up->arena,
											 "bind 127.0.0.1\n"
											 "port %d\n"
											 "protected-mode yes\n"
											 "requirepass %s\n"
											 "dir %s\n"
											 "daemonize no\n"
											 "appendonly yes\n"
											 "appendfsync everysec\n"
											 "save \"\"\n"
											 "maxmemory-policy noeviction\n",
											 up->redis_port, up->redis_password, folder);
	if (up_file_for(path, USER, process->configuration, err))
		return -1;
	process->argv = up_arguments(up, (const char *[]){program, path, NULL});
	process->user = USER;
	process->before_start = before_start;
	process->ready = ready;
	up->redis_url = hc_arena_printf(up->arena, "redis://:%s@127.0.0.1:%d/0", up->redis_password,
									up->redis_port);
	return 0;
}
