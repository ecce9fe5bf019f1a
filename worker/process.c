/* See process.h. The child's session is its process group, so one kill reaches what it started. That a dead
 * worker takes its children along is the child's own doing (child.c: parent death signal). */
#include "process.h"

#include "base/clock.h"
#include "base/text.h"
#include "task.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS 1000
#define ANSWER_FD 3

extern char **environ;

struct child {
	pid_t pid;
	int pid_fd;
	int input_fd;  /* -1 once all is written */
	int answer_fd; /* -1 at its end */
	size_t written;
	struct hc_text answer;
};

static int spawn(const struct process_task *task, int input, int answer, pid_t *ret_pid, struct hc_error *err)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int result;

	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawnattr_init(&attributes);
	(void)sigemptyset(&none);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
	(void)posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	(void)posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	(void)posix_spawn_file_actions_adddup2(&actions, answer, ANSWER_FD);
	result = posix_spawn(ret_pid, task->argv[0], &actions, &attributes, task->argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attributes);
	if (result)
		return hc_fail(err, HC_TRANSIENT, "start a child process: %s", strerror(result));
	return 0;
}

/* A pipe whose ends are above ANSWER_FD, so that dup2 in the child always clears close-on-exec. */
static int pipe_make(int ends[2], struct hc_error *err)
{
	int low[2];

	if (pipe2(low, O_CLOEXEC))
		return hc_fail(err, HC_TRANSIENT, "make a pipe: %s", strerror(errno));
	for (int n = 0; n < 2; n++) {
		ends[n] = fcntl(low[n], F_DUPFD_CLOEXEC, ANSWER_FD + 1);
		(void)close(low[n]);
	}
	if (ends[0] >= 0 && ends[1] >= 0)
		return 0;
	for (int n = 0; n < 2; n++) {
		if (ends[n] >= 0)
			(void)close(ends[n]);
	}
	return hc_fail(err, HC_TRANSIENT, "make a pipe: too many open files");
}

static int start(const struct process_task *task, struct child *child, struct hc_error *err)
{
	int input[2], answer[2], result;

	if (pipe_make(input, err))
		return -1;
	if (pipe_make(answer, err)) {
		(void)close(input[0]);
		(void)close(input[1]);
		return -1;
	}
	result = spawn(task, input[0], answer[1], &child->pid, err);
	(void)close(input[0]);
	(void)close(answer[1]);
	child->input_fd = input[1];
	child->answer_fd = answer[0];
	if (!result) {
		(void)fcntl(child->input_fd, F_SETFL, O_NONBLOCK);
		(void)fcntl(child->answer_fd, F_SETFL, O_NONBLOCK);
		child->pid_fd = pidfd_open(child->pid, 0);
		return 0;
	}
	(void)close(child->input_fd);
	(void)close(child->answer_fd);
	return -1;
}

static void shut(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void feed(struct child *child, const char *input)
{
	size_t length = strlen(input);
	ssize_t count = write(child->input_fd, input + child->written, length - child->written);

	if (count > 0)
		child->written += (size_t)count;
	if (child->written == length || (count < 0 && errno != EAGAIN && errno != EINTR))
		shut(&child->input_fd);
}

static void hear(struct child *child)
{
	char piece[4096];
	ssize_t count = read(child->answer_fd, piece, sizeof piece);

	if (count > 0 && child->answer.length + (size_t)count <= TASK_OUTCOME_BYTES_MAX)
		hc_text_append_bytes(&child->answer, piece, (size_t)count);
	else if (count >= 0 || (errno != EAGAIN && errno != EINTR))
		shut(&child->answer_fd);
}

/* Whether it is over: the child ended, or should be ended for *ret_end. */
static bool look_after(const struct process_task *task, struct child *child, int64_t *next_tick_ms,
					   int64_t end_ms, enum process_end *ret_end)
{
	struct pollfd polled[] = {
		{.fd = child->pid_fd, .events = POLLIN},
		{.fd = task->stop_fd, .events = POLLIN},
		{.fd = child->answer_fd, .events = POLLIN},
		{.fd = child->input_fd, .events = POLLOUT},
	};
	int64_t now_ms = hc_clock_boot_ms();
	int64_t wait_ms = *next_tick_ms > now_ms ? *next_tick_ms - now_ms : 0;
	enum process_wish wish;

	if (poll(polled, HC_COUNT(polled), (int)wait_ms) < 0)
		return false; /* EINTR: round again */
	if (polled[2].revents)
		hear(child);
	if (polled[3].revents)
		feed(child, task->input);
	*ret_end = PROCESS_ENDED;
	if (polled[0].revents)
		return true;
	*ret_end = PROCESS_STOPPED;
	if (polled[1].revents)
		return true;
	now_ms = hc_clock_boot_ms();
	*ret_end = PROCESS_TIMEOUT;
	if (now_ms >= end_ms)
		return true;
	if (now_ms < *next_tick_ms)
		return false;
	*next_tick_ms = now_ms + TICK_MS;
	wish = task->tick(task->payload);
	*ret_end = wish == PROCESS_CANCEL ? PROCESS_CANCELED : PROCESS_FENCED;
	return wish != PROCESS_GO_ON;
}

static void say_death(int status, struct process_result *result)
{
	result->end = PROCESS_DIED;
	if (WIFSIGNALED(status))
		(void)snprintf(result->message, sizeof result->message, "its process was ended by signal %d (%s)%s",
					   WTERMSIG(status), strsignal(WTERMSIG(status)),
					   WTERMSIG(status) == SIGKILL ? ": out of memory?" : "");
	else
		(void)snprintf(result->message, sizeof result->message, "its process ended with exit code %d",
					   WEXITSTATUS(status));
}

int process_run(const struct process_task *task, struct process_result *ret_result, struct hc_error *err)
{
	struct child child = {.pid_fd = -1, .input_fd = -1, .answer_fd = -1};
	int64_t started_ms = hc_clock_boot_ms(), next_tick_ms = started_ms + TICK_MS;
	enum process_end end = PROCESS_ENDED;
	int status = 0;

	*ret_result = (struct process_result){0};
	if (start(task, &child, err))
		return -1;
	while (!look_after(task, &child, &next_tick_ms, started_ms + task->deadline_ms, &end))
		;
	(void)kill(-child.pid, SIGKILL); /* also what it may have left behind */
	while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR)
		;
	while (child.answer_fd >= 0 && end == PROCESS_ENDED)
		hear(&child); /* the rest: every writer is dead, so it ends */
	shut(&child.pid_fd);
	shut(&child.input_fd);
	shut(&child.answer_fd);
	ret_result->end = end;
	if (end == PROCESS_ENDED && (!WIFEXITED(status) || WEXITSTATUS(status)))
		say_death(status, ret_result);
	else if (end == PROCESS_ENDED)
		ret_result->answer = hc_text_take(&child.answer);
	hc_text_done(&child.answer);
	return 0;
}
