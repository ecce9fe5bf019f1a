/* What a worker does beside its jobs: renew locks, report progress, look for jobs whose worker is gone. */
#include "bullmq_internal.h"

#include "base/clock.h"

#include <string.h>

/* Ids in the answer are those that are lost; each is told as the caller's own pointer. */
static void lost_read(const redisReply *reply, const char *const *ids, size_t count, const char **ret_lost,
					  size_t *ret_lost_count)
{
	for (size_t n = 0; n < count; n++) {
		for (size_t other = 0; other < reply->elements; other++) {
			if (hc_streq(reply->element[other]->str, ids[n])) {
				ret_lost[(*ret_lost_count)++] = ids[n];
				break;
			}
		}
	}
}

int bullmq_extend(struct bullmq *queue, const struct bullmq_worker *worker, const char *const *ids,
				  size_t count, const char **ret_lost, size_t *ret_lost_count, struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	BULLMQ_AUTO_REPLY reply = NULL;
	BULLMQ_AUTO_BUFFER tokens = {0};
	BULLMQ_AUTO_BUFFER jobs = {0};
	struct bullmq_command command;
	const char **same;

	*ret_lost_count = 0;
	if (!count)
		return 0;
	same = hc_arena_alloc_array(arena, count, sizeof *same);
	for (size_t n = 0; n < count; n++)
		same[n] = worker->token;
	bullmq_pack_texts(&tokens, same, count);
	bullmq_pack_texts(&jobs, ids, count);
	bullmq_begin(&command, "extendLocks");
	bullmq_word_keys(queue, arena, &command, "stalled");
	bullmq_word(&command, queue->prefix);
	bullmq_word_bytes(&command, tokens.data, tokens.size);
	bullmq_word_bytes(&command, jobs.data, jobs.size);
	bullmq_word_number(&command, arena, worker->lock_ms);
	if (bullmq_call(queue, &command, BULLMQ_TWICE, &reply, NULL, err))
		return -1;
	if (reply->type != REDIS_REPLY_ARRAY)
		return bullmq_fail_reply(reply, "extendLocks", err);
	lost_read(reply, ids, count, ret_lost, ret_lost_count);
	return 0;
}

int bullmq_progress(struct bullmq *queue, const char *id, const char *progress_json, struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	BULLMQ_AUTO_REPLY reply = NULL;
	struct bullmq_command command;

	if (bullmq_check_json("job progress", progress_json, err))
		return -1;
	bullmq_begin(&command, "updateProgress");
	bullmq_word_keys(queue, arena, &command, id);
	bullmq_word_keys(queue, arena, &command, "events meta");
	bullmq_word(&command, id);
	bullmq_word(&command, progress_json);
	if (bullmq_call(queue, &command, BULLMQ_TWICE, &reply, NULL, err))
		return -1;
	return reply->integer < 0 ? bullmq_fail_code(reply->integer, "report progress of", id, err) : 0;
}

int bullmq_log(struct bullmq *queue, const char *id, const char *line, int64_t keep_lines,
			   struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	BULLMQ_AUTO_REPLY reply = NULL;
	struct bullmq_command command;

	bullmq_begin(&command, "addLog");
	bullmq_word_keys(queue, arena, &command, id);
	bullmq_word(&command, hc_arena_printf(arena, "%s%s:logs", queue->prefix, id));
	bullmq_word(&command, id);
	bullmq_word(&command, line);
	if (keep_lines > 0)
		bullmq_word_number(&command, arena, keep_lines);
	else
		bullmq_word(&command, "");
	/* Once: a line twice would be worse than a line lost. */
	if (bullmq_call(queue, &command, BULLMQ_ONCE, &reply, NULL, err))
		return -1;
	return reply->integer < 0 ? bullmq_fail_code(reply->integer, "log of", id, err) : 0;
}

int bullmq_recover_stalled(struct bullmq *queue, int64_t interval_ms, int max_stalls, int64_t *ret_recovered,
						   struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	BULLMQ_AUTO_REPLY reply = NULL;
	struct bullmq_command command;

	*ret_recovered = 0;
	if (interval_ms < 1)
		return hc_fail(err, HC_INVALID, "stall detection: the interval must be at least 1 ms");
	bullmq_begin(&command, "moveStalledJobsToWait");
	bullmq_word_keys(queue, arena, &command,
					 "stalled wait active stalled-check meta paused marker events repeat");
	bullmq_word_number(&command, arena, max_stalls);
	bullmq_word(&command, queue->prefix);
	bullmq_word_number(&command, arena, hc_clock_wall_ms());
	bullmq_word_number(&command, arena, interval_ms);
	if (bullmq_call(queue, &command, BULLMQ_TWICE, &reply, NULL, err))
		return -1;
	if (reply->type != REDIS_REPLY_ARRAY)
		return bullmq_fail_reply(reply, "moveStalledJobsToWait", err);
	*ret_recovered = (int64_t)reply->elements;
	return 0;
}
