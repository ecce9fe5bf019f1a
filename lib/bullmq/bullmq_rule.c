/* Rules that BullMQ's clients keep and its scripts don't check. One broken value can stop every listener of a
 * queue or run a job twice, so all are checked before anything is sent. */
#include "bullmq_internal.h"

#include <string.h>

#define ID_BYTES_MAX 512
#define PRIORITY_MAX ((1 << 21) - 1)
/* cjson in Redis writes numbers with 14 digits: a longer one would come back changed. */
#define NUMBER_MAX 99999999999999

int bullmq_check_id(const char *id, struct hc_error *err)
{
	if (!id || !*id)
		return hc_fail(err, HC_INVALID, "job id: it is empty");
	if (strlen(id) > ID_BYTES_MAX)
		return hc_fail(err, HC_INVALID, "job id: it is longer than %d bytes", ID_BYTES_MAX);
	if (id[strspn(id, "0123456789")] == '\0')
		return hc_fail(err, HC_INVALID,
					   "job id \"%s\": all digits could meet the queue's own counter and run a job twice",
					   id);
	if (strchr(id, ':'))
		return hc_fail(err, HC_INVALID, "job id \"%s\": it may not contain ':', which parts Redis keys", id);
	return 0;
}

int bullmq_check_queue(const char *queue, const char *prefix, struct hc_error *err)
{
	if (!queue || !*queue)
		return hc_fail(err, HC_INVALID, "queue name: it is empty");
	if (strchr(queue, ':'))
		return hc_fail(err, HC_INVALID, "queue name \"%s\": it may not contain ':'", queue);
	if (!*prefix)
		return hc_fail(err, HC_INVALID, "queue prefix: it is empty");
	return 0;
}

/* JSON_DECODE_INT_AS_REAL: a number too long for 64 bits is still JSON. */
int bullmq_check_json(const char *name, const char *json, struct hc_error *err)
{
	json_error_t why;
	json_t *value;

	if (!json)
		return hc_fail(err, HC_INVALID, "%s: there is no JSON", name);
	value = json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &why);
	if (!value)
		return hc_fail(err, HC_INVALID, "%s: not JSON at byte %d: %s", name, why.position, why.text);
	json_decref(value);
	return 0;
}

int bullmq_check_add(const struct bullmq_add *job, struct hc_error *err)
{
	const struct {
		const char *name;
		int64_t value, least, most;
	} numbers[] = {
		{"attempts", job->attempts, 0, NUMBER_MAX},
		{"delay", job->delay_ms, 0, NUMBER_MAX},
		{"priority", job->priority, 0, PRIORITY_MAX},
		{"backoff", job->backoff_ms, 0, NUMBER_MAX},
		{"keepCompleted", job->keep_completed, -1, NUMBER_MAX},
		{"keepFailed", job->keep_failed, -1, NUMBER_MAX},
	};

	if (job->id && bullmq_check_id(job->id, err))
		return -1;
	if (!job->name || !*job->name)
		return hc_fail(err, HC_INVALID, "job name: it is empty");
	for (size_t n = 0; n < HC_COUNT(numbers); n++) {
		if (numbers[n].value < numbers[n].least || numbers[n].value > numbers[n].most)
			return hc_fail(err, HC_INVALID, "job %s: %lld must be from %lld to %lld", numbers[n].name,
						   (long long)numbers[n].value, (long long)numbers[n].least,
						   (long long)numbers[n].most);
	}
	return bullmq_check_json("job data", job->data, err);
}
