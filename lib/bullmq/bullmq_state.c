/* What a queue knows: of one job, of all, of itself. */
#include "bullmq_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *bullmq_state_text(enum bullmq_state state)
{
	static const char *const texts[] = {
		[BULLMQ_ABSENT] = "absent",   [BULLMQ_WAITING] = "waiting",     [BULLMQ_DELAYED] = "delayed",
		[BULLMQ_ACTIVE] = "active",   [BULLMQ_COMPLETED] = "completed", [BULLMQ_FAILED] = "failed",
		[BULLMQ_UNKNOWN] = "unknown",
	};

	return (unsigned)state < HC_COUNT(texts) ? texts[state] : "unknown";
}

static int job_exists(struct bullmq *queue, struct hc_arena *arena, const char *id, bool *ret_exists,
					  struct hc_error *err)
{
	BULLMQ_AUTO_REPLY reply = NULL;
	struct bullmq_command command = {0};

	bullmq_word(&command, "EXISTS");
	bullmq_word_keys(queue, arena, &command, id);
	if (bullmq_call(queue, &command, BULLMQ_TWICE, &reply, NULL, err))
		return -1;
	*ret_exists = reply->type == REDIS_REPLY_INTEGER && reply->integer > 0;
	return 0;
}

int bullmq_state(struct bullmq *queue, const char *id, enum bullmq_state *ret_state, struct hc_error *err)
{
	static const struct {
		const char *word;
		enum bullmq_state state;
	} words[] = {
		{"waiting", BULLMQ_WAITING}, {"prioritized", BULLMQ_WAITING}, {"waiting-children", BULLMQ_WAITING},
		{"delayed", BULLMQ_DELAYED}, {"active", BULLMQ_ACTIVE},       {"completed", BULLMQ_COMPLETED},
		{"failed", BULLMQ_FAILED},
	};
	HC_AUTO(hc_arena) arena = hc_arena_new();
	BULLMQ_AUTO_REPLY reply = NULL;
	struct bullmq_command command;
	bool exists;

	bullmq_begin(&command, "getStateV2");
	bullmq_word_keys(queue, arena, &command,
					 "completed failed delayed active wait paused waiting-children prioritized");
	bullmq_word(&command, id);
	if (bullmq_call(queue, &command, BULLMQ_TWICE, &reply, NULL, err))
		return -1;
	if (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS)
		return bullmq_fail_reply(reply, "getStateV2", err);
	for (size_t n = 0; n < HC_COUNT(words); n++) {
		if (hc_streq(reply->str, words[n].word)) {
			*ret_state = words[n].state;
			return 0;
		}
	}
	if (job_exists(queue, arena, id, &exists, err))
		return -1;
	*ret_state = exists ? BULLMQ_UNKNOWN : BULLMQ_ABSENT;
	return 0;
}

int bullmq_counts(struct bullmq *queue, struct bullmq_counts *ret_counts, struct hc_error *err)
{
	static const char *const states[] = {"wait",        "paused",    "active", "delayed",
										 "prioritized", "completed", "failed"};
	HC_AUTO(hc_arena) arena = hc_arena_new();
	BULLMQ_AUTO_REPLY reply = NULL;
	BULLMQ_AUTO_REPLY paused = NULL;
	struct bullmq_command command;
	int64_t counts[HC_COUNT(states)] = {0};

	bullmq_begin(&command, "getCounts");
	bullmq_word_keys(queue, arena, &command, "");
	for (size_t n = 0; n < HC_COUNT(states); n++)
		bullmq_word(&command, states[n]);
	if (bullmq_call(queue, &command, BULLMQ_TWICE, &reply, NULL, err))
		return -1;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != HC_COUNT(states))
		return bullmq_fail_reply(reply, "getCounts", err);
	for (size_t n = 0; n < HC_COUNT(states); n++)
		counts[n] = reply->element[n]->integer;
	command = (struct bullmq_command){0};
	bullmq_word(&command, "HEXISTS");
	bullmq_word_keys(queue, arena, &command, "meta");
	bullmq_word(&command, "paused");
	if (bullmq_call(queue, &command, BULLMQ_TWICE, &paused, NULL, err))
		return -1;
	*ret_counts = (struct bullmq_counts){
		.waiting = counts[0] + counts[1],
		.active = counts[2],
		.delayed = counts[3],
		.prioritized = counts[4],
		.completed = counts[5],
		.failed = counts[6],
		.paused = paused->integer > 0,
	};
	return 0;
}

/* The script answers 1 for a job that isn't there, so that is asked before. */
int bullmq_remove(struct bullmq *queue, const char *id, struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	BULLMQ_AUTO_REPLY reply = NULL;
	struct bullmq_command command;
	bool exists;

	if (!*id || strchr(id, ':'))
		return hc_fail(err, HC_INVALID, "remove: \"%s\" is no job id", id);
	if (job_exists(queue, arena, id, &exists, err))
		return -1;
	if (!exists)
		return bullmq_fail_code(-1, "remove", id, err);
	bullmq_begin(&command, "removeJob");
	bullmq_word_keys(queue, arena, &command, id);
	bullmq_word_keys(queue, arena, &command, "repeat");
	bullmq_word(&command, id);
	bullmq_word(&command, "1");
	bullmq_word(&command, queue->prefix);
	if (bullmq_call(queue, &command, BULLMQ_TWICE, &reply, NULL, err))
		return -1;
	if (reply->type != REDIS_REPLY_INTEGER)
		return bullmq_fail_reply(reply, "removeJob", err);
	if (reply->integer == 0)
		return hc_fail(err, HC_CONFLICT, "remove job %s: a worker holds its lock", id);
	return reply->integer < 0 ? bullmq_fail_code(reply->integer, "remove", id, err) : 0;
}

/* --- advice ------------------------------------------------------------------------------------------------
 */

/* Value of a line "name:value\r\n" of INFO. */
static const char *info_value(const char *info, const char *name, struct hc_arena *arena)
{
	const char *at = strstr(info, name);

	if (!at)
		return "";
	at += strlen(name);
	return hc_arena_strndup(arena, at, strcspn(at, "\r\n"));
}

int bullmq_advice(struct bullmq *queue, struct hc_arena *arena, const char **ret_advice, struct hc_error *err)
{
	BULLMQ_AUTO_REPLY reply = NULL;
	struct bullmq_command command = {0};
	const char *policy, *version;

	*ret_advice = "";
	bullmq_word(&command, "INFO");
	if (bullmq_call(queue, &command, BULLMQ_TWICE, &reply, NULL, err))
		return -1;
	if (reply->type != REDIS_REPLY_STRING)
		return bullmq_fail_reply(reply, "INFO", err);
	policy = info_value(reply->str, "maxmemory_policy:", arena);
	version = info_value(reply->str, "redis_version:", arena);
	if (*version &&
		(strtol(version, NULL, 10) < 6 || hc_starts_with(version, "6.0.") || hc_starts_with(version, "6.1.")))
		*ret_advice = hc_arena_printf(arena, "Redis %s is too old for queues; use 6.2 or later", version);
	else if (*policy && !hc_streq(policy, "noeviction"))
		*ret_advice = hc_arena_printf(
			arena, "Redis may throw jobs away: maxmemory-policy is %s and must be noeviction", policy);
	return 0;
}
