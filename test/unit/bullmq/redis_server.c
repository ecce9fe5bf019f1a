/* See redis_server.h. */
#include "redis_server.h"

#include "base/clock.h"
#include "base/file.h"

#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS 10000

extern char **environ;

static void give_up(const char *what)
{
	(void)fprintf(stderr, "redis-server for the test: %s\n", what);
	abort();
}

/* PING is refused while what was saved is being loaded. */
static bool answers(const struct redis_server *server)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[5] = "";
	bool good;

	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s", server->socket);
	good = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 && write(fd, "PING\r\n", 6) == 6 &&
		   read(fd, answer, sizeof answer) == sizeof answer && memcmp(answer, "+PONG", sizeof answer) == 0;
	(void)close(fd);
	return good;
}

void redis_server_start(struct redis_server *server)
{
	char log[128];
	const char *arguments[] = {"redis-server",
							   "--port",
							   "0",
							   "--unixsocket",
							   server->socket,
							   "--dir",
							   server->folder,
							   "--save",
							   "",
							   "--appendonly",
							   "yes",
							   "--logfile",
							   log,
							   "--daemonize",
							   "no",
							   NULL};
	int64_t end_ms;

	if (!server->folder[0]) {
		(void)snprintf(server->folder, sizeof server->folder, "/tmp/helvetia-redis.XXXXXX");
		if (!mkdtemp(server->folder))
			give_up("no temporary folder");
		(void)snprintf(server->socket, sizeof server->socket, "%s/socket", server->folder);
		(void)snprintf(server->url, sizeof server->url, "unix://%s", server->socket);
	}
	(void)snprintf(log, sizeof log, "%s/log", server->folder);
	if (posix_spawnp(&server->pid, arguments[0], NULL, NULL, (char *const *)(uintptr_t)arguments, environ))
		give_up("it is not installed");
	end_ms = hc_clock_boot_ms() + START_MS;
	while (!answers(server)) {
		if (waitpid(server->pid, NULL, WNOHANG) == server->pid || hc_clock_boot_ms() > end_ms)
			give_up("it did not start");
		(void)usleep(10000);
	}
}

void redis_server_stop(struct redis_server *server)
{
	if (server->pid <= 0)
		return;
	(void)kill(server->pid, SIGTERM);
	(void)waitpid(server->pid, NULL, 0);
	server->pid = 0;
}

void redis_server_discard(struct redis_server *server)
{
	struct hc_error err;

	redis_server_stop(server);
	if (hc_folder_remove(server->folder, &err))
		give_up(err.text);
	server->folder[0] = '\0';
}
