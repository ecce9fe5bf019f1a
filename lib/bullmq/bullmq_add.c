/* The producer: one job, or many in one pipeline. */
#include "bullmq_internal.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PIPELINE_JOBS 1000 /* on their way at once: bounds what both sides buffer */

struct packed {
	struct bullmq_command command;
	msgpack_sbuffer job;
	msgpack_sbuffer options;
};

static void prepare(struct bullmq *queue, struct hc_arena *arena, const struct bullmq_add *job,
					struct packed *packed)
{
	struct bullmq_command *command = &packed->command;

	msgpack_sbuffer_init(&packed->job);
	msgpack_sbuffer_init(&packed->options);
	bullmq_pack_add(&packed->job, queue->prefix, job, hc_clock_wall_ms());
	bullmq_pack_add_options(&packed->options, job);
	if (job->delay_ms > 0) {
		bullmq_begin(command, "addDelayedJob");
		bullmq_word_keys(queue, arena, command, "marker meta id delayed completed events");
	} else if (job->priority > 0) {
		bullmq_begin(command, "addPrioritizedJob");
		bullmq_word_keys(queue, arena, command,
						 "marker meta id prioritized delayed completed active events pc");
	} else {
		bullmq_begin(command, "addStandardJob");
		bullmq_word_keys(queue, arena, command, "wait paused meta id completed delayed active events marker");
	}
	bullmq_word_bytes(command, packed->job.data, packed->job.size);
	bullmq_word(command, job->data);
	bullmq_word_bytes(command, packed->options.data, packed->options.size);
}

static void packed_done(struct packed *packed)
{
	msgpack_sbuffer_destroy(&packed->job);
	msgpack_sbuffer_destroy(&packed->options);
}

static int id_read(const redisReply *reply, const struct bullmq_add *job, struct hc_arena *arena,
				   const char **ret_id, struct hc_error *err)
{
	*ret_id = NULL;
	if (reply->type == REDIS_REPLY_INTEGER)
		return bullmq_fail_code(reply->integer, "add", job->id ? job->id : job->name, err);
	if (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS)
		return bullmq_fail_reply(reply, "add", err);
	*ret_id = hc_arena_strndup(arena, reply->str, reply->len);
	return 0;
}

int bullmq_add(struct bullmq *queue, struct hc_arena *arena, const struct bullmq_add *job,
			   const char **ret_id, struct hc_error *err)
{
	BULLMQ_AUTO_REPLY reply = NULL;
	struct packed packed;
	int result;

	*ret_id = NULL;
	if (bullmq_check_add(job, err))
		return -1;
	prepare(queue, arena, job, &packed);
	result = bullmq_call(queue, &packed.command, job->id ? BULLMQ_TWICE : BULLMQ_ONCE, &reply, NULL, err);
	packed_done(&packed);
	return result ? -1 : id_read(reply, job, arena, ret_id, err);
}

/* --- many --------------------------------------------------------------------------------------------------
 */

/* Keeps the first refusal: err is written only while *failed is false. */
static void refuse(bool *failed, struct hc_error *err, const struct hc_error *why)
{
	if (!*failed && err)
		*err = *why;
	*failed = true;
}

/* Sends one piece and reads all its answers; those that lack the script are sent again, whole. */
static int piece_send(struct bullmq *queue, struct hc_arena *arena, const struct bullmq_add *jobs,
					  struct packed *packed, size_t count, const char **ret_ids, bool *failed,
					  struct hc_error *err)
{
	struct hc_error why = {0};

	for (size_t n = 0; n < count; n++) {
		if (bullmq_append(queue, &packed[n].command) != REDIS_OK)
			return bullmq_fail_context(queue, "add", err);
	}
	for (size_t n = 0; n < count; n++) {
		BULLMQ_AUTO_REPLY reply = NULL;
		void *answer = NULL;

		errno = 0;
		if (redisGetReply(queue->context, &answer) != REDIS_OK)
			return bullmq_fail_context(queue, "add", err);
		reply = answer;
		if (!bullmq_lacks_script(reply)) {
			if (id_read(reply, &jobs[n], arena, &ret_ids[n], &why))
				refuse(failed, err, &why);
			packed[n].command.script = NULL; /* answered */
		}
	}
	for (size_t n = 0; n < count; n++) {
		BULLMQ_AUTO_REPLY reply = NULL;

		if (!packed[n].command.script)
			continue;
		if (bullmq_call(queue, &packed[n].command, BULLMQ_ONCE, &reply, NULL, &why) ||
			id_read(reply, &jobs[n], arena, &ret_ids[n], &why))
			refuse(failed, err, &why);
	}
	return 0;
}

int bullmq_add_bulk(struct bullmq *queue, struct hc_arena *arena, const struct bullmq_add *jobs, size_t count,
					const char **ret_ids, struct hc_error *err)
{
	struct packed *packed;
	bool failed = false;
	int result = 0;

	for (size_t n = 0; n < count; n++)
		ret_ids[n] = NULL;
	for (size_t n = 0; n < count; n++) {
		if (bullmq_check_add(&jobs[n], err))
			return hc_wrap(err, "job %zu", n);
	}
	if (!count)
		return 0;
	packed = hc_xrealloc_array(NULL, PIPELINE_JOBS, sizeof *packed);
	for (size_t done = 0; done < count && !result;) {
		size_t piece = count - done < PIPELINE_JOBS ? count - done : PIPELINE_JOBS;

		for (size_t n = 0; n < piece; n++)
			prepare(queue, arena, &jobs[done + n], &packed[n]);
		result = bullmq_connect(queue, err) ||
				 piece_send(queue, arena, jobs + done, packed, piece, ret_ids + done, &failed, err);
		for (size_t n = 0; n < piece; n++)
			packed_done(&packed[n]);
		done += piece;
	}
	free(packed);
	return result || failed ? -1 : 0;
}
