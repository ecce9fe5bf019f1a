/* See hello.h. Ends by SIGTERM or SIGINT: stops accepting, finishes running requests, exits 0. */
#include "hello.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

int64_t hello_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int number_of(const char *name, const char *text, int least, int most)
{
	char *end = NULL;
	long number = strtol(text, &end, 10);

	if (!*text || *end || number < least || number > most) {
		(void)fprintf(stderr, "helvetia-hello: %s \"%s\": must be a number from %d to %d\n", name, text,
					  least, most);
		exit(2);
	}
	return (int)number;
}

static const char *env_or(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value ? value : otherwise;
}

static void read_page(struct hello_settings *settings)
{
	static char page[HELLO_PAGE_BYTES + 1];
	const char *path = env_or("HELLO_PAGE", "");
	FILE *file = *path ? fopen(path, "re") : NULL;

	if (!*path)
		return;
	settings->page_length = file ? fread(page, 1, sizeof page, file) : 0;
	if (!file || ferror(file) || settings->page_length > HELLO_PAGE_BYTES) {
		(void)fprintf(stderr,
					  "helvetia-hello: HELLO_PAGE \"%s\": must be a readable file of at most %d bytes\n",
					  path, HELLO_PAGE_BYTES);
		exit(2);
	}
	(void)fclose(file);
	settings->page = page;
}

static struct hello_settings read_settings(void)
{
	static struct utsname machine;
	static const char slowstart[] = "slowstart=";
	const char *mode = env_or("HELLO_MODE", "");
	struct hello_settings settings = {
		.version = env_or("VERSION", ""),
		.revision = env_or("HELVETIA_REVISION", ""),
		.port = number_of("PORT", env_or("PORT", "3000"), 1, 65535),
		.never = strcmp(mode, "never") == 0,
		.exits = strcmp(mode, "exit") == 0,
		.loopback = strcmp(mode, "loopback") == 0,
		.error500 = strcmp(mode, "error500") == 0,
		.wants_env = strcmp(mode, "wantsenv") == 0,
		.otherport = strcmp(mode, "otherport") == 0,
	};

	read_page(&settings);
	settings.host = uname(&machine) ? "" : machine.nodename;
	if (strncmp(mode, slowstart, sizeof slowstart - 1) == 0) {
		settings.slowstart_ms = number_of("HELLO_MODE=slowstart", mode + sizeof slowstart - 1, 0, 3600000);
	} else if (*mode && !settings.never && !settings.exits && !settings.loopback && !settings.error500 &&
			   !settings.wants_env && !settings.otherport) {
		(void)fprintf(stderr,
					  "helvetia-hello: HELLO_MODE \"%s\": must be never, exit, loopback, error500, wantsenv, "
					  "otherport or slowstart=MS\n",
					  mode);
		exit(2);
	}
	return settings;
}

static void listen_now(struct hello_server *server)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server->settings.port)};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = server};
	int yes = 1;

	address.sin_addr.s_addr = htonl(server->settings.loopback ? INADDR_LOOPBACK : INADDR_ANY);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server->listener < 0 || setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) ||
		bind(server->listener, (struct sockaddr *)&address, sizeof address) ||
		listen(server->listener, 1024) || epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->listener, &event)) {
		(void)fprintf(stderr, "helvetia-hello: listen on port %d: %s\n", server->settings.port,
					  strerror(errno));
		exit(1);
	}
	(void)printf("helvetia-hello: version \"%s\" listens on port %d\n", server->settings.version,
				 server->settings.port);
	(void)fflush(stdout);
}

static int watch_signals(const struct hello_server *server)
{
	struct epoll_event event = {.events = EPOLLIN};
	sigset_t signals;
	int fd;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0 || epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event)) {
		(void)fprintf(stderr, "helvetia-hello: signalfd: %s\n", strerror(errno));
		exit(1);
	}
	return fd;
}

static void end_softly(struct hello_server *server)
{
	if (server->listener >= 0) {
		hello_connection_accept(server); /* those that the kernel has greeted already */
		(void)close(server->listener);
	}
	server->ending = true;
	server->listener = -1;
}

/* The event's pointer says what it is: NULL the signals, the server its listener, else a connection. A
 * connection may have been dropped only by its own event, so each pointer of one batch is still good. */
static void handle(struct hello_server *server, const struct epoll_event *event)
{
	if (!event->data.ptr)
		end_softly(server);
	else if (event->data.ptr != server)
		hello_connection_event(server, event->data.ptr, event->events);
	else if (server->listener >= 0)
		hello_connection_accept(server);
}

/* `helvetia-hello run MS CODE`: a command that takes its time and ends, as a migration does. */
static int run_command(char **argv)
{
	int ms = number_of("MS", argv[2], 0, HELLO_SLOW_MOST_MS);
	int code = number_of("CODE", argv[3], 0, 255);
	struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	(void)printf("helvetia-hello: runs %d ms as version \"%s\"\n", ms, env_or("VERSION", ""));
	(void)fflush(stdout);
	(void)nanosleep(&wait, NULL);
	(void)printf("helvetia-hello: ends with %d\n", code);
	return code;
}

/* `helvetia-hello eat MIB`: takes so much memory, and is still there unless somebody minds. */
static int eat(const char *mib)
{
	size_t bytes = (size_t)number_of("MIB", mib, 1, 4096) << 20;
	char *memory = malloc(bytes);

	if (!memory)
		return 1;
	memset(memory, 1, bytes);
	(void)printf("helvetia-hello: has eaten %s MiB, the last byte is %d\n", mib, memory[bytes - 1]);
	(void)fflush(stdout);
	(void)pause();
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "eat") == 0)
		return eat(argv[2]);
	if (argc == 4 && strcmp(argv[1], "run") == 0)
		return run_command(argv);
	struct hello_server server = {
		.settings = read_settings(), .epoll = epoll_create1(EPOLL_CLOEXEC), .listener = -1};
	int64_t listen_at_ms = hello_now_ms() + server.settings.slowstart_ms;
	bool listening = server.settings.never;

	if (server.settings.wants_env && !getenv("HELLO_SECRET")) {
		(void)fprintf(stderr, "helvetia-hello: HELLO_SECRET is not set\n");
		return 1;
	}
	if (server.settings.otherport)
		server.settings.port++;
	if (server.settings.exits) {
		(void)fprintf(stderr, "helvetia-hello: HELLO_MODE=exit\n");
		return 3;
	}
	(void)watch_signals(&server);
	while (!server.ending || server.connections) {
		struct epoll_event events[64];
		int wait_ms = hello_connection_timers(&server);
		int64_t now_ms = hello_now_ms();
		int count;

		if (server.ending && !server.connections)
			break;
		if (!listening && !server.ending && listen_at_ms <= now_ms) {
			listen_now(&server);
			listening = true;
		}
		if (!listening && (wait_ms < 0 || wait_ms > listen_at_ms - now_ms))
			wait_ms = (int)(listen_at_ms - now_ms);
		count = epoll_wait(server.epoll, events, 64, wait_ms);
		for (int index = 0; index < count; index++)
			handle(&server, &events[index]);
	}
	(void)printf("helvetia-hello: ended\n");
	return 0;
}
