/* `bullmq-tool URL QUEUE`: lib/bullmq by JSON lines, for interop.js. {"op":"take","token":"t:0"} →
 * {"ok":true,"job":{…}}; a refusal is {"ok":false,"class":"conflict","error":"…"}. Jobs that were taken are
 * remembered by id until the end. */
#include "base/arena.h"
#include "base/text.h"
#include "bullmq/bullmq.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOBS_MAX 4096

struct tool {
	struct bullmq *queue;
	struct hc_arena *arena; /* of the whole run: ids and jobs live in it */
	struct bullmq_job jobs[JOBS_MAX];
	size_t job_count;
	const json_t *request;
	json_t *answer;
};

static const char *text(const json_t *request, const char *name)
{
	return json_string_value(json_object_get(request, name));
}

static int64_t number(const json_t *request, const char *name, int64_t otherwise)
{
	const json_t *value = json_object_get(request, name);

	return json_is_number(value) ? (int64_t)json_number_value(value) : otherwise;
}

static struct bullmq_worker worker_of(const json_t *request)
{
	return (struct bullmq_worker){
		.token = text(request, "token") ? text(request, "token") : "tool:0",
		.name = text(request, "worker"),
		.lock_ms = number(request, "lock", 30000),
	};
}

static struct bullmq_add add_of(const json_t *request)
{
	return (struct bullmq_add){
		.id = text(request, "id"),
		.name = text(request, "name") ? text(request, "name") : "job",
		.data = text(request, "data") ? text(request, "data") : "{}",
		.attempts = (int)number(request, "attempts", 0),
		.delay_ms = number(request, "delay", 0),
		.priority = (int)number(request, "priority", 0),
		.lifo = json_is_true(json_object_get(request, "lifo")),
		.backoff_ms = number(request, "backoff", 0),
		.backoff_exponential = json_is_true(json_object_get(request, "exponential")),
		.keep_completed = number(request, "keepCompleted", -1),
		.keep_failed = number(request, "keepFailed", -1),
	};
}

static void set(const struct tool *tool, const char *name, json_t *value)
{
	(void)json_object_set_new(tool->answer, name, value);
}

static json_t *text_or_null(const char *value)
{
	return value ? json_string(value) : json_null();
}

static void set_job(struct tool *tool, const char *name, const struct bullmq_job *job)
{
	json_t *object = json_object();

	if (!job->id) {
		json_decref(object);
		set(tool, name, json_null());
		set(tool, "until", json_integer(job->wait_until_ms));
		set(tool, "limited", json_integer(job->rate_limited_ms));
		return;
	}
	if (tool->job_count < JOBS_MAX)
		tool->jobs[tool->job_count++] = *job;
	(void)json_object_set_new(object, "id", json_string(job->id));
	(void)json_object_set_new(object, "name", json_string(job->name));
	(void)json_object_set_new(object, "data", json_string(job->data));
	(void)json_object_set_new(object, "attempts", json_integer(job->attempts));
	(void)json_object_set_new(object, "made", json_integer(job->attempts_made));
	(void)json_object_set_new(object, "started", json_integer(job->attempts_started));
	(void)json_object_set_new(object, "stalls", json_integer(job->stalls));
	(void)json_object_set_new(object, "deferred", text_or_null(job->deferred_failure));
	(void)json_object_set_new(object, "scheduler", text_or_null(job->scheduler));
	set(tool, name, object);
}

/* The latest of this id; a job that was never taken is made up, so that refusals can be seen. */
static struct bullmq_job job_of(const struct tool *tool)
{
	const char *id = text(tool->request, "id");

	for (size_t n = tool->job_count; n > 0; n--) {
		if (hc_streq(tool->jobs[n - 1].id, id))
			return tool->jobs[n - 1];
	}
	return (struct bullmq_job){.id = id, .name = "", .data = ""};
}

/* --- operations --------------------------------------------------------------------------------------------
 */

static int do_add(struct tool *tool, struct hc_error *err)
{
	const struct bullmq_add job = add_of(tool->request);
	const char *id;

	if (bullmq_add(tool->queue, tool->arena, &job, &id, err))
		return -1;
	set(tool, "id", json_string(id));
	return 0;
}

static int do_bulk(struct tool *tool, struct hc_error *err)
{
	size_t count = (size_t)number(tool->request, "count", 1);
	struct bullmq_add *jobs = hc_arena_alloc_array(tool->arena, count, sizeof *jobs);
	const char **ids = hc_arena_alloc_array(tool->arena, count, sizeof *ids);

	for (size_t n = 0; n < count; n++)
		jobs[n] = add_of(tool->request);
	return bullmq_add_bulk(tool->queue, tool->arena, jobs, count, ids, err);
}

static int do_take(struct tool *tool, struct hc_error *err)
{
	const struct bullmq_worker worker = worker_of(tool->request);
	struct bullmq_job job;

	if (bullmq_take(tool->queue, tool->arena, &worker, &job, err))
		return -1;
	set_job(tool, "job", &job);
	return 0;
}

static int do_wait(struct tool *tool, struct hc_error *err)
{
	int64_t until_ms;

	if (bullmq_wait(tool->queue, number(tool->request, "timeout", 1000), number(tool->request, "until", 0),
					-1, &until_ms, err))
		return -1;
	set(tool, "until", json_integer(until_ms));
	return 0;
}

static int do_finish(struct tool *tool, bool good, struct hc_error *err)
{
	const struct bullmq_worker worker = worker_of(tool->request);
	const struct bullmq_job job = job_of(tool);
	const char *value = text(tool->request, "value");
	bool fetch = json_is_true(json_object_get(tool->request, "next"));
	struct bullmq_job next;
	int result = good
					 ? bullmq_complete(tool->queue, tool->arena, &worker, &job, value, fetch ? &next : NULL,
									   err)
					 : bullmq_fail(tool->queue, tool->arena, &worker, &job, value, fetch ? &next : NULL, err);

	if (!result && fetch)
		set_job(tool, "job", &next);
	return result;
}

static int do_complete(struct tool *tool, struct hc_error *err)
{
	return do_finish(tool, true, err);
}

static int do_fail(struct tool *tool, struct hc_error *err)
{
	return do_finish(tool, false, err);
}

static int do_retry(struct tool *tool, struct hc_error *err)
{
	const struct bullmq_worker worker = worker_of(tool->request);
	const struct bullmq_job job = job_of(tool);

	return bullmq_fail_or_retry(tool->queue, tool->arena, &worker, &job, text(tool->request, "value"), err);
}

static int do_extend(struct tool *tool, struct hc_error *err)
{
	const struct bullmq_worker worker = worker_of(tool->request);
	const char *id = text(tool->request, "id"), *lost;
	size_t count;

	if (bullmq_extend(tool->queue, &worker, &id, 1, &lost, &count, err))
		return -1;
	set(tool, "lost", json_boolean(count > 0));
	return 0;
}

static int do_progress(struct tool *tool, struct hc_error *err)
{
	return bullmq_progress(tool->queue, text(tool->request, "id"), text(tool->request, "value"), err);
}

static int do_log(struct tool *tool, struct hc_error *err)
{
	return bullmq_log(tool->queue, text(tool->request, "id"), text(tool->request, "value"),
					  number(tool->request, "keep", 0), err);
}

static int do_stalled(struct tool *tool, struct hc_error *err)
{
	int64_t recovered;

	if (bullmq_recover_stalled(tool->queue, number(tool->request, "interval", 30000),
							   (int)number(tool->request, "most", 1), &recovered, err))
		return -1;
	set(tool, "recovered", json_integer(recovered));
	return 0;
}

static int do_state(struct tool *tool, struct hc_error *err)
{
	enum bullmq_state state;

	if (bullmq_state(tool->queue, text(tool->request, "id"), &state, err))
		return -1;
	set(tool, "state", json_string(bullmq_state_text(state)));
	return 0;
}

static int do_counts(struct tool *tool, struct hc_error *err)
{
	struct bullmq_counts counts;

	if (bullmq_counts(tool->queue, &counts, err))
		return -1;
	set(tool, "waiting", json_integer(counts.waiting));
	set(tool, "active", json_integer(counts.active));
	set(tool, "delayed", json_integer(counts.delayed));
	set(tool, "prioritized", json_integer(counts.prioritized));
	set(tool, "completed", json_integer(counts.completed));
	set(tool, "failed", json_integer(counts.failed));
	set(tool, "paused", json_boolean(counts.paused));
	return 0;
}

static int do_remove(struct tool *tool, struct hc_error *err)
{
	return bullmq_remove(tool->queue, text(tool->request, "id"), err);
}

static int run(struct tool *tool, struct hc_error *err)
{
	static const struct {
		const char *name;
		int (*run)(struct tool *tool, struct hc_error *err);
	} operations[] = {
		{"add", do_add},           {"bulk", do_bulk},     {"take", do_take},       {"wait", do_wait},
		{"complete", do_complete}, {"fail", do_fail},     {"retry", do_retry},     {"extend", do_extend},
		{"progress", do_progress}, {"log", do_log},       {"stalled", do_stalled}, {"state", do_state},
		{"counts", do_counts},     {"remove", do_remove},
	};

	for (size_t n = 0; n < HC_COUNT(operations); n++) {
		if (hc_streq(operations[n].name, text(tool->request, "op")))
			return operations[n].run(tool, err);
	}
	return hc_fail(err, HC_INVALID, "there is no such op");
}

static void serve(struct tool *tool, const char *line)
{
	struct hc_error err = {0};
	json_t *request = json_loads(line, 0, NULL);
	int result;

	tool->request = request;
	tool->answer = json_object();
	result = run(tool, &err);
	set(tool, "ok", json_boolean(!result));
	if (result) {
		set(tool, "class", json_string(hc_class_name(err.class)));
		set(tool, "error", json_string(err.text));
	}
	(void)json_dumpf(tool->answer, stdout, JSON_COMPACT);
	(void)putchar('\n');
	(void)fflush(stdout);
	json_decref(tool->answer);
	json_decref(request);
}

int main(int argc, char **argv)
{
	struct tool *tool;
	struct hc_error err;
	size_t size = 0;
	char *line = NULL;

	if (argc != 3) {
		(void)fprintf(stderr, "usage: bullmq-tool URL QUEUE\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	tool = calloc(1, sizeof *tool);
	if (!tool)
		abort();
	tool->arena = hc_arena_new();
	if (bullmq_open(&(struct bullmq_options){.url = argv[1], .queue = argv[2]}, &tool->queue, &err)) {
		(void)fprintf(stderr, "bullmq-tool: %s\n", err.text);
		return 1;
	}
	while (getline(&line, &size, stdin) > 0)
		serve(tool, line);
	free(line);
	bullmq_close(tool->queue);
	hc_arena_free(tool->arena);
	free(tool);
	return 0;
}
