/* The end of a job: completed, failed, or to be tried again. */
#include "bullmq_internal.h"

#include "base/clock.h"
#include "base/random.h"

#include <stdlib.h>
#include <string.h>

#define STACKTRACE_ROWS 10 /* kept of earlier attempts */

struct finish {
	struct bullmq *queue;
	struct hc_arena *arena;
	const struct bullmq_worker *worker;
	const struct bullmq_job *job;
	json_t *options; /* of the job; may be NULL */
};

static json_t *options_of(const struct bullmq_job *job)
{
	json_t *options = job->options ? json_loads(job->options, JSON_DECODE_INT_AS_REAL, NULL) : NULL;

	if (options && !json_is_object(options)) {
		json_decref(options);
		return NULL;
	}
	return options;
}

/* Earlier rows and the new reason, as a JSON array of strings: what every dashboard shows. */
static char *stacktrace(const struct bullmq_job *job, struct hc_arena *arena, const char *reason)
{
	json_t *rows = job->stacktrace ? json_loads(job->stacktrace, 0, NULL) : NULL;
	json_t *row = json_string(reason);
	char *text, *kept;

	if (!json_is_array(rows)) {
		json_decref(rows);
		rows = json_array();
	}
	(void)json_array_append_new(rows, row ? row : json_string("(the reason is not UTF-8)"));
	while (json_array_size(rows) > STACKTRACE_ROWS)
		(void)json_array_remove(rows, 0);
	text = json_dumps(rows, JSON_COMPACT);
	kept = hc_arena_strdup(arena, text ? text : "[]");
	free(text);
	json_decref(rows);
	return kept;
}

static void pack_failure(msgpack_sbuffer *buffer, const struct finish *finish, const char *reason)
{
	const char *fields[] = {"failedReason", reason, "stacktrace",
							stacktrace(finish->job, finish->arena, reason)};

	bullmq_pack_texts(buffer, fields, HC_COUNT(fields));
}

/* A repeated finish finds no lock, or no job, when the first send had worked. */
static bool had_worked(const struct finish *finish, int64_t code, enum bullmq_state wanted)
{
	struct hc_error ignored;
	enum bullmq_state state;

	if (code != -1 && code != -2 && code != -3)
		return false;
	if (bullmq_state(finish->queue, finish->job->id, &state, &ignored))
		return false;
	return state == wanted || state == BULLMQ_ABSENT;
}

static int finish_answer(const struct finish *finish, const redisReply *reply, bool repeated,
						 enum bullmq_state wanted, struct bullmq_job *ret_next, struct hc_error *err)
{
	const char *what = wanted == BULLMQ_COMPLETED ? "complete" : "fail";

	if (reply->type != REDIS_REPLY_INTEGER || reply->integer == 0)
		return ret_next ? bullmq_job_read(reply, finish->arena, ret_next, err) : 0;
	if (reply->integer < 0 && repeated && had_worked(finish, reply->integer, wanted)) {
		if (ret_next)
			bullmq_note_unanswered(finish->queue, finish->worker->token);
		return 0;
	}
	return bullmq_fail_code(reply->integer, what, finish->job->id, err);
}

static int move_to_finished(const struct finish *finish, const char *value, bool failed,
							struct bullmq_job *ret_next, struct hc_error *err)
{
	const char *id = finish->job->id, *target = failed ? "failed" : "completed";
	struct bullmq *queue = finish->queue;
	struct hc_arena *arena = finish->arena;
	BULLMQ_AUTO_REPLY reply = NULL;
	BULLMQ_AUTO_BUFFER options = {0};
	BULLMQ_AUTO_BUFFER fields = {0};
	struct bullmq_command command;
	bool repeated;

	if (ret_next)
		*ret_next = (struct bullmq_job){0};
	bullmq_pack_finish(&options, finish->worker, finish->options, failed, finish->job->attempts);
	if (failed)
		pack_failure(&fields, finish, value);
	bullmq_begin(&command, "moveToFinished");
	bullmq_word_keys(queue, arena, &command,
					 "wait active prioritized events stalled limiter delayed paused meta pc");
	bullmq_word_keys(queue, arena, &command, target);
	bullmq_word(&command, bullmq_key(queue, arena, id));
	bullmq_word(&command, hc_arena_printf(arena, "%smetrics:%s", queue->prefix, target));
	bullmq_word_keys(queue, arena, &command, "marker");
	bullmq_word(&command, id);
	bullmq_word_number(&command, arena, hc_clock_wall_ms());
	bullmq_word(&command, failed ? "failedReason" : "returnvalue");
	bullmq_word(&command, value);
	bullmq_word(&command, target);
	bullmq_word(&command, ret_next ? "1" : "0");
	bullmq_word(&command, queue->prefix);
	bullmq_word_bytes(&command, options.data, options.size);
	bullmq_word_bytes(&command, fields.data, fields.size);
	if (bullmq_call(queue, &command, BULLMQ_TWICE, &reply, &repeated, err)) {
		if (repeated && ret_next)
			bullmq_note_unanswered(queue, finish->worker->token);
		return hc_wrap(err, "%s job %s", failed ? "fail" : "complete", id);
	}
	return finish_answer(finish, reply, repeated, failed ? BULLMQ_FAILED : BULLMQ_COMPLETED, ret_next, err);
}

static int finish_job(struct bullmq *queue, struct hc_arena *arena, const struct bullmq_worker *worker,
					  const struct bullmq_job *job, const char *value, bool failed,
					  struct bullmq_job *ret_next, struct hc_error *err)
{
	struct finish finish = {.queue = queue, .arena = arena, .worker = worker, .job = job};
	int result;

	finish.options = options_of(job);
	result = move_to_finished(&finish, value, failed, ret_next, err);
	json_decref(finish.options);
	return result;
}

int bullmq_complete(struct bullmq *queue, struct hc_arena *arena, const struct bullmq_worker *worker,
					const struct bullmq_job *job, const char *result_json, struct bullmq_job *ret_next,
					struct hc_error *err)
{
	if (bullmq_check_json("job result", result_json, err))
		return -1;
	return finish_job(queue, arena, worker, job, result_json, false, ret_next, err);
}

int bullmq_fail(struct bullmq *queue, struct hc_arena *arena, const struct bullmq_worker *worker,
				const struct bullmq_job *job, const char *reason, struct bullmq_job *ret_next,
				struct hc_error *err)
{
	return finish_job(queue, arena, worker, job, reason, true, ret_next, err);
}

/* --- trying again ------------------------------------------------------------------------------------------
 */

static void prepare_retry(const struct finish *finish, struct bullmq_command *command,
						  const msgpack_sbuffer *fields)
{
	bool lifo = json_is_true(json_object_get(finish->options, "lifo"));
	struct bullmq *queue = finish->queue;

	bullmq_begin(command, "retryJob");
	bullmq_word_keys(queue, finish->arena, command, "active wait paused");
	bullmq_word_keys(queue, finish->arena, command, finish->job->id);
	bullmq_word_keys(queue, finish->arena, command, "meta events delayed prioritized pc marker stalled");
	bullmq_word(command, queue->prefix);
	bullmq_word_number(command, finish->arena, hc_clock_wall_ms());
	bullmq_word(command, lifo ? "RPUSH" : "LPUSH");
	bullmq_word(command, finish->job->id);
	bullmq_word(command, finish->worker->token);
	bullmq_word_bytes(command, fields->data, fields->size);
}

static void prepare_delay(const struct finish *finish, struct bullmq_command *command,
						  const msgpack_sbuffer *fields, int64_t delay_ms)
{
	struct bullmq *queue = finish->queue;

	bullmq_begin(command, "moveToDelayed");
	bullmq_word_keys(queue, finish->arena, command, "marker active prioritized delayed");
	bullmq_word_keys(queue, finish->arena, command, finish->job->id);
	bullmq_word_keys(queue, finish->arena, command, "events meta stalled wait limiter pc");
	bullmq_word(command, queue->prefix);
	bullmq_word_number(command, finish->arena, hc_clock_wall_ms());
	bullmq_word(command, finish->job->id);
	bullmq_word(command, finish->worker->token);
	bullmq_word_number(command, finish->arena, delay_ms);
	bullmq_word(command, "0"); /* the attempt counts */
	bullmq_word_bytes(command, fields->data, fields->size);
	bullmq_word(command, "0"); /* no next job */
	bullmq_word(command, "");
}

static double random_part(void)
{
	uint32_t bits;

	hc_random_bytes(&bits, sizeof bits);
	return (double)bits / 4294967296.0;
}

static int try_again(const struct finish *finish, const char *reason, struct hc_error *err)
{
	int64_t delay_ms = bullmq_backoff(finish->options, finish->job->attempts_made, random_part());
	BULLMQ_AUTO_REPLY reply = NULL;
	BULLMQ_AUTO_BUFFER fields = {0};
	struct bullmq_command command;
	bool repeated;

	pack_failure(&fields, finish, reason);
	if (delay_ms > 0)
		prepare_delay(finish, &command, &fields, delay_ms);
	else
		prepare_retry(finish, &command, &fields);
	if (bullmq_call(finish->queue, &command, BULLMQ_TWICE, &reply, &repeated, err))
		return hc_wrap(err, "retry job %s", finish->job->id);
	if (reply->type != REDIS_REPLY_INTEGER)
		return bullmq_fail_reply(reply, "retry", err);
	if (reply->integer >= 0 ||
		(repeated && had_worked(finish, reply->integer, delay_ms > 0 ? BULLMQ_DELAYED : BULLMQ_WAITING)))
		return 0;
	return bullmq_fail_code(reply->integer, "retry", finish->job->id, err);
}

int bullmq_fail_or_retry(struct bullmq *queue, struct hc_arena *arena, const struct bullmq_worker *worker,
						 const struct bullmq_job *job, const char *reason, struct hc_error *err)
{
	struct finish finish = {.queue = queue, .arena = arena, .worker = worker, .job = job};
	int result;

	if (job->deferred_failure || job->attempts_made + 1 >= job->attempts)
		return bullmq_fail(queue, arena, worker, job, reason, NULL, err);
	finish.options = options_of(job);
	result = try_again(&finish, reason, err);
	json_decref(finish.options);
	return result;
}
