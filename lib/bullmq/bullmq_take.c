/* Getting a job: moveToActive, the wait on the marker, and the adoption of jobs that were locked for us by a
 * call whose answer never came. */
#include "bullmq_internal.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MAX_MS 10000
#define WAIT_ANSWER_MS 1000 /* later than its own time-out, the connection is taken for dead */

/* --- reading -----------------------------------------------------------------------------------------------
 */

static const char *field(const redisReply *pairs, struct hc_arena *arena, const char *name)
{
	for (size_t n = 0; n + 1 < pairs->elements; n += 2) {
		const redisReply *key = pairs->element[n], *value = pairs->element[n + 1];

		if (key->type == REDIS_REPLY_STRING && hc_streq(key->str, name) && value->type == REDIS_REPLY_STRING)
			return hc_arena_strndup(arena, value->str, value->len);
	}
	return NULL;
}

static int64_t field_number(const redisReply *pairs, struct hc_arena *arena, const char *name)
{
	const char *text = field(pairs, arena, name);

	return text ? strtoll(text, NULL, 10) : 0;
}

static void hash_read(const redisReply *pairs, const char *id, struct hc_arena *arena, struct bullmq_job *job)
{
	const char *name = field(pairs, arena, "name"), *data = field(pairs, arena, "data");
	json_t *options;

	job->id = id;
	job->name = name ? name : "";
	job->data = data ? data : "";
	job->options = field(pairs, arena, "opts");
	job->stacktrace = field(pairs, arena, "stacktrace");
	job->deferred_failure = field(pairs, arena, "defa");
	job->scheduler = field(pairs, arena, "rjk");
	job->attempts_started = field_number(pairs, arena, "ats");
	job->attempts_made = field_number(pairs, arena, "atm");
	job->stalls = field_number(pairs, arena, "stc");
	options = json_loads(job->options ? job->options : "{}", 0, NULL);
	job->attempts = (int64_t)json_number_value(json_object_get(options, "attempts"));
	json_decref(options);
}

/* [pairs, id, 0, 0] · [0, 0, limit, 0] · [0, 0, 0, due] · 0 */
int bullmq_job_read(const redisReply *reply, struct hc_arena *arena, struct bullmq_job *ret_job,
					struct hc_error *err)
{
	*ret_job = (struct bullmq_job){0};
	if (reply->type == REDIS_REPLY_INTEGER && reply->integer == 0)
		return 0;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 4)
		return bullmq_fail_reply(reply, "next job", err);
	if (reply->element[0]->type == REDIS_REPLY_ARRAY && reply->element[1]->type == REDIS_REPLY_STRING)
		hash_read(reply->element[0], hc_arena_strndup(arena, reply->element[1]->str, reply->element[1]->len),
				  arena, ret_job);
	ret_job->rate_limited_ms = reply->element[2]->integer;
	ret_job->wait_until_ms = reply->element[3]->integer;
	return 0;
}

/* --- adoption ----------------------------------------------------------------------------------------------
 */

void bullmq_note_unanswered(struct bullmq *queue, const char *token)
{
	free(queue->unanswered_token);
	queue->unanswered_token = hc_xstrdup(token);
}

static int holder_is(struct bullmq *queue, struct hc_arena *arena, const char *id, const char *token,
					 bool *ret_ours, struct hc_error *err)
{
	BULLMQ_AUTO_REPLY reply = NULL;
	struct bullmq_command command = {0};

	bullmq_word(&command, "GET");
	bullmq_word(&command, hc_arena_printf(arena, "%s%s:lock", queue->prefix, id));
	if (bullmq_call(queue, &command, BULLMQ_TWICE, &reply, NULL, err))
		return -1;
	*ret_ours = reply->type == REDIS_REPLY_STRING && hc_streq(reply->str, token);
	return 0;
}

static int adopt_one(struct bullmq *queue, struct hc_arena *arena, const char *id, struct bullmq_job *ret_job,
					 struct hc_error *err)
{
	BULLMQ_AUTO_REPLY reply = NULL;
	struct bullmq_command command = {0};

	bullmq_word(&command, "HGETALL");
	bullmq_word_keys(queue, arena, &command, id);
	if (bullmq_call(queue, &command, BULLMQ_TWICE, &reply, NULL, err))
		return -1;
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements)
		hash_read(reply, hc_arena_strdup(arena, id), arena, ret_job);
	return 0;
}

/* An active job with our token that nobody was told of: it would stay idle until it stalls, and stalls are
 * counted. */
static int adopt(struct bullmq *queue, struct hc_arena *arena, const char *token, struct bullmq_job *ret_job,
				 struct hc_error *err)
{
	BULLMQ_AUTO_REPLY reply = NULL;
	struct bullmq_command command = {0};

	*ret_job = (struct bullmq_job){0};
	bullmq_word(&command, "LRANGE");
	bullmq_word_keys(queue, arena, &command, "active");
	bullmq_word(&command, "0");
	bullmq_word(&command, "-1");
	if (bullmq_call(queue, &command, BULLMQ_TWICE, &reply, NULL, err))
		return -1;
	for (size_t n = 0; reply->type == REDIS_REPLY_ARRAY && n < reply->elements && !ret_job->id; n++) {
		const char *id = reply->element[n]->str;
		bool ours = false;

		if (!id)
			continue;
		if (holder_is(queue, arena, id, token, &ours, err))
			return -1;
		if (ours && adopt_one(queue, arena, id, ret_job, err))
			return -1;
	}
	free(queue->unanswered_token);
	queue->unanswered_token = NULL;
	return 0;
}

/* --- taking ------------------------------------------------------------------------------------------------
 */

int bullmq_take(struct bullmq *queue, struct hc_arena *arena, const struct bullmq_worker *worker,
				struct bullmq_job *ret_job, struct hc_error *err)
{
	BULLMQ_AUTO_REPLY reply = NULL;
	BULLMQ_AUTO_BUFFER options = {0};
	struct bullmq_command command;
	bool unanswered;

	*ret_job = (struct bullmq_job){0};
	if (hc_streq(queue->unanswered_token, worker->token)) {
		if (adopt(queue, arena, worker->token, ret_job, err))
			return hc_wrap(err, "take");
		if (ret_job->id)
			return 0;
	}
	bullmq_pack_worker(&options, worker);
	bullmq_begin(&command, "moveToActive");
	bullmq_word_keys(queue, arena, &command,
					 "wait active prioritized events stalled limiter delayed paused meta pc marker");
	bullmq_word(&command, queue->prefix);
	bullmq_word_number(&command, arena, hc_clock_wall_ms());
	bullmq_word_bytes(&command, options.data, options.size);
	if (bullmq_call(queue, &command, BULLMQ_ONCE, &reply, &unanswered, err)) {
		if (unanswered)
			bullmq_note_unanswered(queue, worker->token);
		return hc_wrap(err, "take");
	}
	return bullmq_job_read(reply, arena, ret_job, err);
}

/* --- waiting -----------------------------------------------------------------------------------------------
 */

/* Reads the answer of BZPOPMIN while looking at stop_fd. hiredis' own blocking read would not see the latter.
 */
static int wait_answer(struct bullmq *queue, int64_t timeout_ms, int stop_fd, redisReply **ret_reply,
					   struct hc_error *err)
{
	int64_t end_ms = hc_clock_boot_ms() + timeout_ms + WAIT_ANSWER_MS;
	void *reply = NULL;
	int done = 0;

	errno = 0;
	while (!done) {
		if (redisBufferWrite(queue->context, &done) != REDIS_OK)
			return bullmq_fail_context(queue, "wait", err);
	}
	for (;;) {
		struct pollfd polled[] = {{.fd = queue->context->fd, .events = POLLIN},
								  {.fd = stop_fd, .events = POLLIN}};
		int64_t left_ms = end_ms - hc_clock_boot_ms();
		int ready;

		if (redisGetReplyFromReader(queue->context, &reply) != REDIS_OK)
			return bullmq_fail_context(queue, "wait", err);
		if (reply)
			break;
		if (left_ms <= 0) {
			bullmq_disconnect(queue);
			return hc_fail(err, HC_TRANSIENT, "wait: Redis gave no answer");
		}
		ready = poll(polled, 2, (int)left_ms);
		if (ready < 0 && errno != EINTR)
			return bullmq_fail_context(queue, "wait", err);
		if (ready > 0 && polled[1].revents) {
			bullmq_disconnect(queue); /* the command is still on it */
			return hc_fail(err, HC_CANCELED, "wait: stopped");
		}
		errno = 0;
		if (ready > 0 && redisBufferRead(queue->context) != REDIS_OK)
			return bullmq_fail_context(queue, "wait", err);
	}
	*ret_reply = reply;
	return 0;
}

/* [key, member, score]: member "0" means that something is ready, "1" that a delayed job is due at score. */
static int64_t marker_due(const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 || !hc_streq(reply->element[1]->str, "1") ||
		!reply->element[2]->str)
		return 0;
	return (int64_t)strtod(reply->element[2]->str, NULL);
}

int bullmq_wait(struct bullmq *queue, int64_t timeout_ms, int64_t until_ms, int stop_fd,
				int64_t *ret_until_ms, struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	BULLMQ_AUTO_REPLY reply = NULL;
	struct bullmq_command command = {0};
	int64_t most_ms = timeout_ms;

	*ret_until_ms = 0;
	if (until_ms > 0 && until_ms - hc_clock_wall_ms() < most_ms)
		most_ms = until_ms - hc_clock_wall_ms();
	if (most_ms > WAIT_MAX_MS)
		most_ms = WAIT_MAX_MS;
	if (most_ms < 1)
		most_ms = 1;
	if (bullmq_connect(queue, err))
		return hc_wrap(err, "wait");
	bullmq_word(&command, "BZPOPMIN");
	bullmq_word_keys(queue, arena, &command, "marker");
	/* Redis before 7.0.8 takes less than 2 ms for "for ever". */
	bullmq_word(&command, hc_arena_printf(arena, "%.3f", (double)(most_ms < 2 ? 2 : most_ms) / 1000));
	if (bullmq_append(queue, &command) != REDIS_OK)
		return bullmq_fail_context(queue, "wait", err);
	if (wait_answer(queue, most_ms, stop_fd, &reply, err))
		return -1;
	if (reply->type == REDIS_REPLY_ERROR)
		return bullmq_fail_reply(reply, "wait", err);
	*ret_until_ms = marker_due(reply);
	return 0;
}
