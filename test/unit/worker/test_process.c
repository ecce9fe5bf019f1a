/* One child for one job: however it ends, the caller learns how, and nothing of it is left. */
#include "worker/process.h"

#include "../cmocka_all.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static enum process_wish wish_of(void *payload)
{
	return *(const enum process_wish *)payload;
}

static struct process_result run(const char *script, const char *input, int64_t deadline_ms,
								 enum process_wish wish, int stop_fd)
{
	char shell[] = "/bin/sh", flag[] = "-c", text[512];
	char *argv[] = {shell, flag, text, NULL};
	const struct process_task task = {.argv = argv,
									  .input = input,
									  .deadline_ms = deadline_ms,
									  .stop_fd = stop_fd,
									  .tick = wish_of,
									  .payload = &wish};
	struct process_result result;
	struct hc_error err;

	(void)snprintf(text, sizeof text, "%s", script);
	assert_int_equal(process_run(&task, &result, &err), 0);
	return result;
}

static void answers(void **state)
{
	struct process_result result = run("cat >&3", "{\"a\":1}", 10000, PROCESS_GO_ON, -1);

	(void)state;
	assert_int_equal(result.end, PROCESS_ENDED);
	assert_string_equal(result.answer, "{\"a\":1}");
	free(result.answer);
}

static void dies(void **state)
{
	struct process_result result = run("exit 3", "", 10000, PROCESS_GO_ON, -1);

	(void)state;
	assert_int_equal(result.end, PROCESS_DIED);
	assert_string_equal(result.message, "its process ended with exit code 3");
	result = run("kill -9 $$", "", 10000, PROCESS_GO_ON, -1);
	assert_int_equal(result.end, PROCESS_DIED);
	assert_string_equal(result.message, "its process was ended by signal 9 (Killed): out of memory?");
	assert_null(result.answer);
}

/* The child's own child is in its group: it goes along, whoever ends first. */
static void is_ended(void **state)
{
	static const struct {
		enum process_wish wish;
		int64_t deadline_ms;
		enum process_end end;
	} cases[] = {{PROCESS_CANCEL, 60000, PROCESS_CANCELED},
				 {PROCESS_LOST, 60000, PROCESS_FENCED},
				 {PROCESS_GO_ON, 200, PROCESS_TIMEOUT}};
	char name[] = "/tmp/helvetia-process-XXXXXX", script[256], text[32] = "";
	int fd = mkstemp(name), status;

	(void)state;
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* what its parent leaves becomes ours, so that its end is seen */
	assert_true(fd >= 0);
	for (size_t n = 0; n < HC_COUNT(cases); n++) {
		struct process_result result;

		(void)snprintf(script, sizeof script, "sleep 300 & echo $! > %s; wait", name);
		result = run(script, "", cases[n].deadline_ms, cases[n].wish, -1);
		assert_int_equal(result.end, cases[n].end);
		assert_null(result.answer);
		assert_true(pread(fd, text, sizeof text - 1, 0) > 0);
		assert_int_equal(waitpid((pid_t)strtol(text, NULL, 10), &status, 0), strtol(text, NULL, 10));
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGKILL);
	}
	(void)close(fd);
	(void)unlink(name);
}

static void is_stopped(void **state)
{
	int stop = eventfd(1, EFD_CLOEXEC);
	struct process_result result = run("sleep 300", "", 60000, PROCESS_GO_ON, stop);

	(void)state;
	assert_int_equal(result.end, PROCESS_STOPPED);
	(void)close(stop);
}

/* One that says too much is cut off, and its answer is then no answer. */
static void says_too_much(void **state)
{
	struct process_result result = run("head -c 200000 /dev/zero | tr '\\0' x >&3; exit 0", "", 20000,
									   PROCESS_GO_ON, -1);

	(void)state;
	assert_true(result.end == PROCESS_ENDED || result.end == PROCESS_DIED);
	if (result.answer)
		assert_true(strlen(result.answer) <= 65536);
	free(result.answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(answers), cmocka_unit_test(dies),
									   cmocka_unit_test(is_ended), cmocka_unit_test(is_stopped),
									   cmocka_unit_test(says_too_much)};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
