/* Runs the real helvetia-probe against a folder of its own and the real helvetia-hello, the way Docker runs
 * it: start, wait for the exit, start again 100 ms later. Waits are for a state with a deadline. */
#include "../cmocka_all.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_MS 8000

static const char *probe_program;
static const char *hello_program;
static char folder[] = "/tmp/helvetia-probe-test-XXXXXX";
static char gate_folder[64];
static char gate[80];
static char memory[80];

static void pause_ms(int ms)
{
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	(void)nanosleep(&pause, NULL);
}

static pid_t run(int output, const char *const *argv, const char *const *environment)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (output >= 0)
			(void)dup2(output, STDOUT_FILENO);
		(void)execve(argv[0], (char **)(uintptr_t)argv, (char **)(uintptr_t)environment);
		_exit(127);
	}
	assert_true(pid > 0);
	return pid;
}

/* Exit code of the child, or -1 when it is still there after the deadline. */
static int wait_exit(pid_t pid, int deadline_ms)
{
	int64_t end_ms = hc_clock_boot_ms() + deadline_ms;
	int status = 0;

	for (;;) {
		pid_t done = waitpid(pid, &status, WNOHANG);

		if (done == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		assert_int_equal(done, 0);
		if (hc_clock_boot_ms() > end_ms)
			return -1;
		pause_ms(5);
	}
}

static void end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)wait_exit(pid, DEADLINE_MS);
}

static pid_t watch_for(const char *seconds, const char *port, const char *path)
{
	const char *argv[] = {probe_program, "watch", gate_folder, seconds, port, path, NULL};
	const char *environment[] = {NULL};

	return run(-1, argv, environment);
}

static pid_t watch(const char *port, const char *path)
{
	return watch_for("60", port, path);
}

static int probe(const char *const *arguments, char *output, size_t size)
{
	const char *argv[8] = {probe_program};
	const char *environment[] = {NULL};
	int ends[2];
	size_t length = 0;
	ssize_t got;
	pid_t pid;

	for (size_t index = 0; arguments[index]; index++)
		argv[index + 1] = arguments[index];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = run(ends[1], argv, environment);
	(void)close(ends[1]);
	while (length + 1 < size && (got = read(ends[0], output + length, size - 1 - length)) > 0)
		length += (size_t)got;
	output[length] = '\0';
	(void)close(ends[0]);
	return wait_exit(pid, DEADLINE_MS);
}

static void open_gate(void)
{
	struct hc_error err;

	assert_int_equal(hc_file_write(gate, "", 0, 0644, &err), 0);
}

static void shut_gate(void)
{
	assert_true(unlink(gate) == 0 || errno == ENOENT);
}

/* A port that nobody has now. */
static int free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t length = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	(void)close(fd);
	return ntohs(address.sin_port);
}

static pid_t start_hello(int port, const char *mode)
{
	HC_AUTO_FREE port_text = hc_xprintf("PORT=%d", port);
	HC_AUTO_FREE mode_text = hc_xprintf("HELLO_MODE=%s", mode);
	const char *argv[] = {hello_program, NULL};
	const char *environment[] = {port_text, mode_text, NULL};
	pid_t pid = run(-1, argv, environment);

	/* With loopback only, nothing can be asked for on another address: wait on its own. */
	for (int64_t end_ms = hc_clock_boot_ms() + DEADLINE_MS;;) {
		struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int failed;

		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		failed = connect(fd, (struct sockaddr *)&address, sizeof address);
		(void)close(fd);
		if (!failed)
			return pid;
		assert_true(hc_clock_boot_ms() < end_ms);
		pause_ms(10);
	}
}

static int fresh(void **state)
{
	(void)state;
	shut_gate();
	(void)unlink(memory);
	return 0;
}

/* Without a port the gate alone decides, and a change is answered at once. */
static void test_gate(void **state)
{
	pid_t pid = watch("0", "-");
	int64_t begin_ms;

	(void)state;
	assert_int_equal(wait_exit(pid, 500), -1); /* shut and never reported: stays */
	begin_ms = hc_clock_boot_ms();
	open_gate();
	assert_int_equal(wait_exit(pid, DEADLINE_MS), 0);
	assert_true(hc_clock_boot_ms() - begin_ms < 1500); /* well below the look every 2 s */
	pid = watch("0", "-");
	assert_int_equal(wait_exit(pid, 500), -1); /* open and reported: stays */
	shut_gate();
	assert_int_equal(wait_exit(pid, DEADLINE_MS), 1);
	pid = watch("0", "-");
	assert_int_equal(wait_exit(pid, 300), -1);
	end(pid);
}

/* A run that the engine does not hear any more is ended by the next, which reports what is so. */
static void test_takes_over(void **state)
{
	pid_t old;
	pid_t pid;

	(void)state;
	open_gate();
	assert_int_equal(wait_exit(watch("0", "-"), DEADLINE_MS), 0);
	old = watch("0", "-");
	assert_int_equal(wait_exit(old, 300), -1);
	pid = watch("0", "-");
	assert_int_equal(wait_exit(old, DEADLINE_MS), 128 + SIGKILL);
	assert_int_equal(wait_exit(pid, DEADLINE_MS), 0);
	pid = watch("0", "-");
	assert_int_equal(wait_exit(pid, 300), -1);
	end(pid); /* killed, as at a pause: the next is uncertain and reports */
	assert_int_equal(wait_exit(watch("0", "-"), DEADLINE_MS), 0);
	pid = watch("0", "-");
	assert_int_equal(wait_exit(pid, 300), -1);
	end(pid);
	shut_gate();
	assert_int_equal(wait_exit(watch("0", "-"), DEADLINE_MS), 1);
}

static void test_time_over(void **state)
{
	(void)state;
	assert_int_equal(wait_exit(watch_for("1", "0", "-"), DEADLINE_MS), 1);
	open_gate();
	assert_int_equal(wait_exit(watch_for("1", "0", "-"), DEADLINE_MS), 0);
	assert_int_equal(wait_exit(watch_for("1", "0", "-"), 300), -1);
}

/* The application is asked before healthy is said for the first time, and not any more after. */
static void test_application(void **state)
{
	int port = free_port();
	HC_AUTO_FREE port_text = hc_xprintf("%d", port);
	pid_t hello;
	pid_t pid;

	(void)state;
	open_gate();
	pid = watch(port_text, "/healthz");
	assert_int_equal(wait_exit(pid, 500), -1); /* nothing listens */
	hello = start_hello(port, "");
	assert_int_equal(wait_exit(pid, DEADLINE_MS), 0);
	pid = watch(port_text, "/healthz");
	end(hello);
	assert_int_equal(wait_exit(pid, 500), -1); /* liveness is not for the probe */
	end(pid);
	assert_int_equal(wait_exit(watch(port_text, "/healthz"), DEADLINE_MS), 0);
	shut_gate();
	assert_int_equal(wait_exit(watch(port_text, "/healthz"), DEADLINE_MS), 1);
	open_gate();
	pid = watch(port_text, "/healthz");
	assert_int_equal(wait_exit(pid, 500), -1); /* asked again after the gate was shut */
	end(pid);
}

static void test_ready(void **state)
{
	static const struct {
		const char *mode;
		const char *path;
		int exit_code;
		const char *says;
	} rows[] = {
		{"", "-", 0, ""},
		{"", "/healthz", 0, ""},
		{"", "/status?code=302", 0, ""},
		{"", "/status?code=404", 1, "status 404"},
		{"error500", "-", 1, "status 500"},
		{"loopback", "-", 1, "bound to 127.0.0.1"},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		int port = free_port();
		HC_AUTO_FREE port_text = hc_xprintf("%d", port);
		const char *arguments[] = {"ready", port_text, rows[index].path, "100", NULL};
		pid_t hello = start_hello(port, rows[index].mode);
		char output[512];
		int exit_code = probe(arguments, output, sizeof output);

		end(hello);
		if (exit_code != rows[index].exit_code || !strstr(output, rows[index].says))
			fail_msg("%s %s: exit %d: %s", rows[index].mode, rows[index].path, exit_code, output);
	}
}

/* A listener that never accepts: the kernel connects, and nothing is said. */
static void test_silent_peer(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t length = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	HC_AUTO_FREE port_text = NULL;
	char output[512];

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	port_text = hc_xprintf("%d", ntohs(address.sin_port));
	{
		const char *lenient[] = {"ready", port_text, "-", "100", NULL};
		const char *strict[] = {"ready", port_text, "/", "100", NULL};

		assert_int_equal(probe(lenient, output, sizeof output), 0);
		assert_int_equal(probe(strict, output, sizeof output), 1);
		assert_non_null(strstr(output, "no HTTP answer"));
	}
	(void)close(fd);
}

static void test_listeners(void **state)
{
	int port = free_port();
	const char *arguments[] = {"listeners", NULL};
	HC_AUTO_FREE line = hc_xprintf("127.0.0.1 %d\n", port);
	pid_t hello = start_hello(port, "loopback");
	char output[16384];
	int exit_code = probe(arguments, output, sizeof output);

	(void)state;
	end(hello);
	assert_int_equal(exit_code, 0);
	assert_non_null(strstr(output, line));
}

static void test_wrong_arguments(void **state)
{
	static const char *const rows[][7] = {
		{NULL},
		{"watch", NULL},
		{"watch", "/x", "60", "70000", "-", NULL},
		{"watch", "/x", "60", "80", "healthz", NULL},
		{"watch", "/x", "sixty", "80", "-", NULL},
		{"watch", "/x", "60", "80", "/a b", NULL},
		{"ready", "80", "/\r\nHost:", "10", NULL},
		{"ready", "80", "-", "", NULL},
		{"listeners", "all", NULL},
	};
	char output[512];

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++)
		assert_int_equal(probe(rows[index], output, sizeof output), 2);
}

/* FNV-1a, as the probe names its memory. */
static unsigned int hash(const char *text)
{
	uint32_t value = 2166136261U;

	for (; *text; text++)
		value = (value ^ (unsigned char)*text) * 16777619U;
	return value;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_gate, fresh),      cmocka_unit_test_setup(test_takes_over, fresh),
		cmocka_unit_test_setup(test_time_over, fresh), cmocka_unit_test_setup(test_application, fresh),
		cmocka_unit_test_setup(test_ready, fresh),     cmocka_unit_test_setup(test_silent_peer, fresh),
		cmocka_unit_test_setup(test_listeners, fresh), cmocka_unit_test_setup(test_wrong_arguments, fresh),
	};
	int failed;

	if (argc != 3 || !mkdtemp(folder)) {
		(void)fprintf(stderr, "usage: probe_program_test PROBE HELLO\n");
		return 2;
	}
	probe_program = argv[1];
	hello_program = argv[2];
	(void)snprintf(gate_folder, sizeof gate_folder, "%s/gate", folder);
	(void)snprintf(gate, sizeof gate, "%s/open", gate_folder);
	(void)snprintf(memory, sizeof memory, "/dev/shm/.helvetia-probe-%08x", hash(gate_folder));
	if (hc_folder_make(gate_folder, 0755, NULL))
		return 2;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(memory);
	return hc_folder_remove(folder, NULL) ? 2 : failed;
}
