/* See child.h. Everything that a stranger's repository can reach runs here, so that a crash, a leak or a loop
 * ends one job. */
#include "child.h"

#include "base/alloc.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/text.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define ANSWER_FD 3
#define FILES_MAX 512
#define DATA_BYTES_MAX                                                                                       \
	(4UL * 1024 * 1024 * 1024) /* libgit2 loads a whole file and a delta base beside it                      \
								*/

static void limit(int resource, rlim_t value)
{
	struct rlimit limit = {.rlim_cur = value, .rlim_max = value};

	if (setrlimit(resource, &limit))
		hc_log(HC_LOG_WARN, "set a resource limit", "error", strerror(errno), NULL);
}

/* The worker's death must be the child's: its lease runs out, and another one does the job. */
static int bind_to_parent(pid_t parent)
{
	/* It may have died before the first call; in a container of its own it is process 1. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		return -1;
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, FILES_MAX);
#ifndef __SANITIZE_ADDRESS__
	limit(RLIMIT_DATA, DATA_BYTES_MAX);
#endif
	(void)signal(SIGPIPE, SIG_IGN);
	return 0;
}

static char *read_all(int fd, size_t bytes_max)
{
	struct hc_text text = {0};
	char piece[65536];
	ssize_t count;

	while ((count = read(fd, piece, sizeof piece)) != 0) {
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0 || text.length + (size_t)count > bytes_max) {
			hc_text_done(&text);
			return NULL;
		}
		hc_text_append_bytes(&text, piece, (size_t)count);
	}
	return hc_text_take(&text);
}

static int write_all(int fd, const char *text)
{
	size_t length = strlen(text), written = 0;

	while (written < length) {
		ssize_t count = write(fd, text + written, length - written);

		if (count < 0 && errno != EINTR)
			return -1;
		if (count > 0)
			written += (size_t)count;
	}
	return 0;
}

char *child_failure(const char *reason, const struct hc_error *err)
{
	return task_failure(reason, err->text,
						err->class != HC_TRANSIENT && err->class != HC_CANCELED && err->class != HC_BUG);
}

static bool run(struct child_job *job, const char *text, char **ret_outcome)
{
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const char *kind = json_string_value(json_object_get(root, "kind"));
	const char *id = json_string_value(json_object_get(root, "id"));
	HC_AUTO_FREE input = json_dumps(json_object_get(root, "input"), JSON_COMPACT);
	enum job_kind job_kind = hc_streq(kind, "build") ? JOB_BUILD : JOB_RESOLVE;
	struct hc_error err = {0};
	bool success = false;

	hc_fault(job_kind == JOB_BUILD ? "child-build-begin" : "child-resolve-begin");
	job->id = hc_arena_strdup(job->arena, id ? id : "");
	job->attempt = json_integer_value(json_object_get(root, "attempt"));
	if (!input || task_input_parse(job_kind, input, job->arena, &job->input, &err))
		*ret_outcome = task_failure(job_kind == JOB_BUILD ? "BuildFailed" : "SourceFailed",
									input ? err.text : "the job has no input", true);
	else
		success = job_kind == JOB_BUILD ? child_build(job, ret_outcome) : child_resolve(job, ret_outcome);
	hc_fault(job_kind == JOB_BUILD ? "child-build-report" : "child-resolve-report");
	json_decref(root);
	return success;
}

int child_main(const struct worker_options *options)
{
	struct child_job job = {.options = options};
	HC_AUTO(hc_arena) arena = hc_arena_new();
	HC_AUTO_FREE text = NULL;
	HC_AUTO_FREE outcome = NULL;
	HC_AUTO_FREE answer = NULL;
	bool success;

	if (bind_to_parent(options->child) || curl_global_init(CURL_GLOBAL_DEFAULT))
		return 1;
	job.arena = arena;
	text = read_all(STDIN_FILENO, TASK_INPUT_BYTES_MAX);
	if (!text)
		return 1;
	success = run(&job, text, &outcome);
	answer = task_result(success, outcome);
	return write_all(ANSWER_FD, answer) ? 1 : 0;
}
