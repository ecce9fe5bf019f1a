/* A call on a container that hangs because a command hangs while it starts in it. The "runc exec" is this
 * program once more, under the argv of one; the engine is a thread that answers when that process is gone, as
 * the real one does. Against a real engine: e2e_heal. */
#include "../cmocka_all.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "docker/docker_internal.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTAINER "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define ANSWER "HTTP/1.1 204 No Content\r\nApi-Version: 1.41\r\nConnection: close\r\n\r\n"

/* Ready once it runs the new program, which says so by closing the pipe. */
static pid_t begin_process(const char *const *argv)
{
	int fds[2];
	pid_t pid;
	char end;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)execv("/proc/self/exe", (char *const *)argv);
		_exit(127);
	}
	(void)close(fds[1]);
	assert_int_equal(read(fds[0], &end, 1), 0);
	(void)close(fds[0]);
	return pid;
}

static bool lives(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == 0;
}

static void end_process(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static void test_which(void **state)
{
	static const struct {
		const char *argv[8];
		bool ends;
	} rows[] = {
		{{"runc", "--root", "/run/x", "exec", "--process", "/tmp/p", CONTAINER}, true},
		{{"crun", "--systemd-cgroup", "exec", "--detach", CONTAINER}, true},
		{{"runc", "--root", "/run/x", "exec", "--process", "/tmp/p", OTHER}, false},
		{{"runc", "--root", "/run/x", "create", "--bundle", "/b", CONTAINER}, false},
		{{"docker", "exec", CONTAINER, "ls"}, false},
		{{"shim", "-id", CONTAINER}, false},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		pid_t pid = begin_process(rows[index].argv);

		assert_int_equal(docker_starts_end(CONTAINER, 60000), 0); /* too young */
		assert_true(lives(pid));
		assert_int_equal(docker_starts_end(CONTAINER, 0), rows[index].ends);
		if (rows[index].ends)
			assert_int_equal(waitpid(pid, NULL, 0), pid);
		else
			assert_true(lives(pid));
		end_process(pid);
	}
}

#define LIST                                                                                                 \
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n[{\"State\":\"%s\"}]"

struct engine {
	const char *state; /* of the container, as the list says */
	char folder[32];
	char path[64];
	pthread_t thread;
	pid_t hanging;
	int fd;
	int call; /* the connection that waits for the hanging process, or -1 */
};

static void answer(struct engine *engine, int fd)
{
	char request[1024] = "";
	char text[256] = ANSWER;

	if (recv(fd, request, sizeof request - 1, 0) > 0 && strstr(request, "/containers/" CONTAINER)) {
		engine->call = fd;
		return;
	}
	if (strstr(request, "/containers/json"))
		(void)snprintf(text, sizeof text, LIST, engine->state);
	(void)send(fd, text, strlen(text), MSG_NOSIGNAL);
	(void)close(fd);
}

static void *serve(void *payload)
{
	struct engine *engine = payload;

	for (;;) {
		struct pollfd wait = {.fd = engine->fd, .events = POLLIN};
		int fd;

		if (engine->call >= 0 && waitpid(engine->hanging, NULL, WNOHANG) == engine->hanging) {
			(void)send(engine->call, ANSWER, strlen(ANSWER), MSG_NOSIGNAL);
			(void)close(engine->call);
			engine->call = -1;
		}
		if (poll(&wait, 1, 20) <= 0)
			continue;
		fd = accept4(engine->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			break;
		answer(engine, fd);
	}
	if (engine->call >= 0)
		(void)close(engine->call);
	return NULL;
}

static struct docker *begin(struct engine *engine)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	HC_AUTO_FREE host = NULL;
	struct docker *docker;
	struct hc_error err;

	engine->call = -1;
	(void)snprintf(engine->folder, sizeof engine->folder, "/tmp/helvetia-engine-XXXXXX");
	assert_non_null(mkdtemp(engine->folder));
	(void)snprintf(engine->path, sizeof engine->path, "%s/s", engine->folder);
	memcpy(address.sun_path, engine->path, strlen(engine->path) + 1);
	engine->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(engine->fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(engine->fd, 8), 0);
	host = hc_xprintf("unix://%s", engine->path);
	assert_int_equal(docker_open(host, &docker, &err), 0);
	assert_int_equal(pthread_create(&engine->thread, NULL, serve, engine), 0);
	return docker;
}

static void end(struct engine *engine, struct docker *docker)
{
	struct hc_error err;

	(void)shutdown(engine->fd, SHUT_RDWR);
	assert_int_equal(pthread_join(engine->thread, NULL), 0);
	(void)close(engine->fd);
	docker_close(docker);
	assert_int_equal(hc_folder_remove(engine->folder, &err), 0);
}

/* How long a call lasts that hangs until the process is ended. */
static int64_t call_ms(const char *container_state, bool inspect)
{
	static const char *const argv[] = {"runc", "exec", CONTAINER, NULL};
	struct engine engine = {.hanging = begin_process(argv), .state = container_state};
	struct docker *docker = begin(&engine);
	int64_t began_ms = hc_clock_boot_ms();
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct docker_container container;
	struct hc_error err = {0};

	if (!inspect)
		assert_int_equal(docker_container_unpause(docker, CONTAINER, &err), 0);
	else /* it is answered, though with nothing */
		assert_int_equal(docker_container_inspect(docker, arena, CONTAINER, &container, &err), -1);
	assert_int_not_equal(err.class, HC_TRANSIENT);
	end(&engine, docker);
	return hc_clock_boot_ms() - began_ms;
}

static void test_paused(void **state)
{
	(void)state;
	assert_in_range(call_ms("paused", false), 1000, 6000);
	assert_in_range(call_ms("paused", true), 1000, 6000);
}

/* A busy machine starts commands slowly. */
static void test_running(void **state)
{
	(void)state;
	assert_in_range(call_ms("running", true), 8000, 12000);
}

/* Without anything that hangs the call has its limit. */
static void test_limit(void **state)
{
	static const char *const argv[] = {"runc", "exec", OTHER, NULL};
	struct engine engine = {.hanging = begin_process(argv), .state = "paused"};
	struct docker *docker = begin(&engine);
	struct hc_error err = {0};

	(void)state;
	docker_limit_calls(docker, 2500);
	assert_int_equal(docker_container_unpause(docker, CONTAINER, &err), -1);
	assert_int_equal(err.class, HC_TRANSIENT);
	assert_non_null(strstr(err.text, "did not answer in time"));
	end(&engine, docker);
	assert_true(lives(engine.hanging));
	end_process(engine.hanging);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_which),
		cmocka_unit_test(test_paused),
		cmocka_unit_test(test_running),
		cmocka_unit_test(test_limit),
	};

	if (argc > 1) { /* begun by a test under another name */
		(void)pause();
		return 1;
	}
	(void)argv;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
