/* MessagePack arguments of the scripts. Redis' cmsgpack takes any valid encoding, so each value gets
 * msgpack-c's smallest. A missing field would make a script fail after some of its writes: everything that a
 * script reads is always packed. */
#include "bullmq_internal.h"

#include <math.h>
#include <string.h>

void bullmq_pack_text(msgpack_packer *packer, const char *text)
{
	if (!text) {
		(void)msgpack_pack_nil(packer);
		return;
	}
	(void)msgpack_pack_str(packer, strlen(text));
	(void)msgpack_pack_str_body(packer, text, strlen(text));
}

static void pack_number(msgpack_packer *packer, const char *name, int64_t value)
{
	bullmq_pack_text(packer, name);
	(void)msgpack_pack_int64(packer, value);
}

static void pack_bool(msgpack_packer *packer, bool value)
{
	(void)(value ? msgpack_pack_true(packer) : msgpack_pack_false(packer));
}

void bullmq_pack_json(msgpack_packer *packer, const json_t *value)
{
	const json_t *item;
	const char *name;
	size_t index;

	switch (json_typeof(value)) {
	case JSON_OBJECT:
		(void)msgpack_pack_map(packer, json_object_size(value));
		json_object_foreach((json_t *)(uintptr_t)value, name, item)
		{
			bullmq_pack_text(packer, name);
			bullmq_pack_json(packer, item);
		}
		break;
	case JSON_ARRAY:
		(void)msgpack_pack_array(packer, json_array_size(value));
		json_array_foreach(value, index, item) bullmq_pack_json(packer, item);
		break;
	case JSON_STRING:
		(void)msgpack_pack_str(packer, json_string_length(value));
		(void)msgpack_pack_str_body(packer, json_string_value(value), json_string_length(value));
		break;
	case JSON_INTEGER:
		(void)msgpack_pack_int64(packer, json_integer_value(value));
		break;
	case JSON_REAL:
		(void)msgpack_pack_double(packer, json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		pack_bool(packer, json_is_true(value));
		break;
	case JSON_NULL:
		(void)msgpack_pack_nil(packer);
		break;
	}
}

/* [prefix, id, name, timestamp, parent key, its dependencies, parent, scheduler, deduplication, deferred] */
void bullmq_pack_add(msgpack_sbuffer *buffer, const char *keys_prefix, const struct bullmq_add *job,
					 int64_t now_ms)
{
	msgpack_packer packer;

	msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
	(void)msgpack_pack_array(&packer, 10);
	bullmq_pack_text(&packer, keys_prefix);
	bullmq_pack_text(&packer, job->id ? job->id : "");
	bullmq_pack_text(&packer, job->name);
	(void)msgpack_pack_int64(&packer, now_ms);
	for (int n = 0; n < 6; n++)
		(void)msgpack_pack_nil(&packer);
}

/* As a JavaScript producer writes it: 0 is `true`, a count is a count. */
static void pack_keep(msgpack_packer *packer, const char *name, int64_t count)
{
	bullmq_pack_text(packer, name);
	if (count == 0)
		(void)msgpack_pack_true(packer);
	else
		(void)msgpack_pack_int64(packer, count);
}

void bullmq_pack_add_options(msgpack_sbuffer *buffer, const struct bullmq_add *job)
{
	msgpack_packer packer;
	size_t fields = 1U + !!job->id + (job->delay_ms > 0) + (job->priority > 0) + job->lifo +
					(job->backoff_ms > 0) + (job->keep_completed >= 0) + (job->keep_failed >= 0);

	msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
	(void)msgpack_pack_map(&packer, fields);
	pack_number(&packer, "attempts", job->attempts);
	if (job->id) {
		bullmq_pack_text(&packer, "jobId");
		bullmq_pack_text(&packer, job->id);
	}
	if (job->delay_ms > 0)
		pack_number(&packer, "delay", job->delay_ms);
	if (job->priority > 0)
		pack_number(&packer, "priority", job->priority);
	if (job->lifo) {
		bullmq_pack_text(&packer, "lifo");
		(void)msgpack_pack_true(&packer);
	}
	if (job->backoff_ms > 0) {
		bullmq_pack_text(&packer, "backoff");
		(void)msgpack_pack_map(&packer, 2);
		bullmq_pack_text(&packer, "type");
		bullmq_pack_text(&packer, job->backoff_exponential ? "exponential" : "fixed");
		pack_number(&packer, "delay", job->backoff_ms);
	}
	if (job->keep_completed >= 0)
		pack_keep(&packer, "removeOnComplete", job->keep_completed);
	if (job->keep_failed >= 0)
		pack_keep(&packer, "removeOnFail", job->keep_failed);
}

static void pack_worker_fields(msgpack_packer *packer, const struct bullmq_worker *worker)
{
	bullmq_pack_text(packer, "token");
	bullmq_pack_text(packer, worker->token);
	pack_number(packer, "lockDuration", worker->lock_ms);
	if (worker->name) {
		bullmq_pack_text(packer, "name");
		bullmq_pack_text(packer, worker->name);
	}
}

void bullmq_pack_worker(msgpack_sbuffer *buffer, const struct bullmq_worker *worker)
{
	msgpack_packer packer;

	msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
	(void)msgpack_pack_map(&packer, worker->name ? 3 : 2);
	pack_worker_fields(&packer, worker);
}

/* The job's own removeOnComplete or removeOnFail: true, false, a count or {age, count, limit}; absent: keep
 * all. */
static void pack_keep_jobs(msgpack_packer *packer, const json_t *wanted)
{
	int64_t count = -1;

	bullmq_pack_text(packer, "keepJobs");
	if (json_is_object(wanted)) {
		bullmq_pack_json(packer, wanted);
		return;
	}
	if (json_is_true(wanted))
		count = 0;
	else if (json_is_number(wanted))
		count = (int64_t)json_number_value(wanted);
	(void)msgpack_pack_map(packer, 1);
	pack_number(packer, "count", count);
}

void bullmq_pack_finish(msgpack_sbuffer *buffer, const struct bullmq_worker *worker, const json_t *options,
						bool failed, int64_t attempts)
{
	static const char *const policies[] = {"fpof", "cpof", "idof", "rdof"};
	msgpack_packer packer;

	msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
	(void)msgpack_pack_map(&packer, (worker->name ? 3U : 2U) + 3U + HC_COUNT(policies));
	pack_worker_fields(&packer, worker);
	pack_keep_jobs(&packer, json_object_get(options, failed ? "removeOnFail" : "removeOnComplete"));
	pack_number(&packer, "attempts", attempts);
	bullmq_pack_text(&packer, "maxMetricsSize");
	bullmq_pack_text(&packer, "");
	for (size_t n = 0; n < HC_COUNT(policies); n++) {
		bullmq_pack_text(&packer, policies[n]);
		pack_bool(&packer, json_is_true(json_object_get(options, policies[n])));
	}
}

void bullmq_pack_texts(msgpack_sbuffer *buffer, const char *const *texts, size_t count)
{
	msgpack_packer packer;

	msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
	(void)msgpack_pack_array(&packer, count);
	for (size_t n = 0; n < count; n++)
		bullmq_pack_text(&packer, texts[n]);
}

/* Strategies of the user's own exist only in JavaScript; their delay is taken as a fixed one. */
int64_t bullmq_backoff(const json_t *options, int64_t attempts_made, double random)
{
	const json_t *backoff = json_object_get(options, "backoff");
	const char *type = json_string_value(json_object_get(backoff, "type"));
	double delay = json_number_value(json_is_object(backoff) ? json_object_get(backoff, "delay") : backoff);
	double jitter = json_number_value(json_object_get(backoff, "jitter"));

	if (hc_streq(type, "exponential"))
		delay = round(ldexp(delay, (int)(attempts_made < 60 ? attempts_made : 60)));
	if (jitter > 0 && jitter <= 1)
		delay = floor(delay * (1 - jitter) + random * delay * jitter);
	if (!(delay > 0))
		return 0;
	return delay < 1e13 ? (int64_t)delay : (int64_t)1e13;
}
