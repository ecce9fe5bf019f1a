/* lib/bullmq against a real Redis: producer and worker, what is lost with a connection, and what isn't. */
#include "../cmocka_all.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/text.h"
#include "bullmq/bullmq.h"
#include "redis_server.h"

#include <hiredis.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOCK_MS 30000

static struct redis_server server;
static struct hc_arena *arena;
static struct hc_error err;
static const struct bullmq_worker one = {.token = "one:0", .name = "one", .lock_ms = LOCK_MS};
static const struct bullmq_worker two = {.token = "two:0", .lock_ms = LOCK_MS};

#define must(call)                                                                                           \
	do {                                                                                                     \
		if (call)                                                                                            \
			fail_msg("%s: %s", #call, err.text);                                                             \
	} while (0)

/* A command beside the library; its answer as a number or 0. */
static long long raw(const char *format, ...)
{
	redisContext *context = redisConnectUnix(server.socket);
	redisReply *reply;
	va_list arguments;
	long long number;

	va_start(arguments, format);
	reply = redisvCommand(context, format, arguments);
	va_end(arguments);
	assert_non_null(reply);
	if (reply->type == REDIS_REPLY_ERROR)
		fail_msg("%s: %s", format, reply->str);
	number = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
	if (reply->type == REDIS_REPLY_STRING)
		number = strtoll(reply->str, NULL, 10);
	freeReplyObject(reply);
	redisFree(context);
	return number;
}

static struct bullmq *open_queue(const char *name)
{
	struct bullmq *queue;

	must(bullmq_open(&(struct bullmq_options){.url = server.url, .queue = name, .client = "test"}, &queue,
					 &err));
	return queue;
}

static const char *add(struct bullmq *queue, const char *id)
{
	const struct bullmq_add job = {
		.id = id, .name = "n", .data = "{\"a\":1}", .attempts = 1, .keep_completed = -1, .keep_failed = -1};
	const char *given;

	must(bullmq_add(queue, arena, &job, &given, &err));
	return given;
}

static enum bullmq_state state_of(struct bullmq *queue, const char *id)
{
	enum bullmq_state state;

	must(bullmq_state(queue, id, &state, &err));
	return state;
}

static struct bullmq_job take(struct bullmq *queue, const struct bullmq_worker *worker)
{
	struct bullmq_job job;

	must(bullmq_take(queue, arena, worker, &job, &err));
	return job;
}

/* --- tests -------------------------------------------------------------------------------------------------
 */

static void a_job_is_added_taken_and_completed(void **state)
{
	HC_AUTO(bullmq) queue = open_queue("life");
	struct bullmq_counts counts;
	struct bullmq_job job;

	(void)state;
	assert_int_equal(state_of(queue, "b-1"), BULLMQ_ABSENT);
	assert_string_equal(add(queue, "b-1"), "b-1");
	assert_string_equal(add(queue, "b-1"), "b-1"); /* a second time: nothing is added */
	assert_string_equal(add(queue, NULL), "3");    /* the counter counts custom ids too */
	assert_int_equal(state_of(queue, "b-1"), BULLMQ_WAITING);
	must(bullmq_counts(queue, &counts, &err));
	assert_int_equal(counts.waiting, 2);

	job = take(queue, &one);
	assert_string_equal(job.id, "b-1");
	assert_string_equal(job.name, "n");
	assert_string_equal(job.data, "{\"a\":1}");
	assert_int_equal(job.attempts, 1);
	assert_int_equal(job.attempts_started, 1);
	assert_null(job.deferred_failure);
	assert_null(job.scheduler);
	assert_int_equal(state_of(queue, "b-1"), BULLMQ_ACTIVE);
	must(bullmq_progress(queue, job.id, "{\"percent\":50}", &err));
	for (int n = 0; n < 5; n++)
		must(bullmq_log(queue, job.id, "a line", 3, &err));
	assert_int_equal(raw("LLEN bull:life:b-1:logs"), 3);
	must(bullmq_complete(queue, arena, &one, &job, "{\"ok\":true}", &job, &err));
	assert_string_equal(job.id, "3"); /* the next one came along */
	must(bullmq_complete(queue, arena, &one, &job, "null", NULL, &err));
	assert_int_equal(state_of(queue, "b-1"), BULLMQ_COMPLETED);
	assert_null(take(queue, &one).id);
	must(bullmq_counts(queue, &counts, &err));
	assert_int_equal(counts.completed, 2);
	assert_int_equal(counts.active, 0);
}

static void a_value_that_stops_others_is_never_sent(void **state)
{
	HC_AUTO(bullmq) queue = open_queue("poison");
	struct bullmq_job job;
	const char *id;

	(void)state;
	assert_int_equal(bullmq_add(queue, arena, &(struct bullmq_add){.name = "n", .data = "x"}, &id, &err), -1);
	assert_int_equal(err.class, HC_INVALID);
	assert_int_equal(raw("EXISTS bull:poison:id"), 0);
	(void)add(queue, "b-1");
	job = take(queue, &one);
	assert_int_equal(bullmq_complete(queue, arena, &one, &job, "done", NULL, &err), -1);
	assert_int_equal(err.class, HC_INVALID);
	assert_int_equal(bullmq_progress(queue, job.id, "half", &err), -1);
	assert_int_equal(err.class, HC_INVALID);
	assert_int_equal(state_of(queue, "b-1"), BULLMQ_ACTIVE);
	assert_int_equal(bullmq_progress(queue, "none", "1", &err), -1);
	assert_int_equal(err.class, HC_NOT_FOUND);
	assert_int_equal(bullmq_log(queue, "none", "x", 0, &err), -1);
	assert_int_equal(err.class, HC_NOT_FOUND);
}

static void order_is_priority_and_lifo(void **state)
{
	HC_AUTO(bullmq) queue = open_queue("order");
	const struct bullmq_add jobs[] = {
		{.id = "low", .name = "n", .data = "1", .priority = 9},
		{.id = "high", .name = "n", .data = "1", .priority = 2},
		{.id = "first", .name = "n", .data = "1"},
		{.id = "second", .name = "n", .data = "1"},
		{.id = "lifo", .name = "n", .data = "1", .lifo = true},
	};
	static const char *const expected[] = {"lifo", "first", "second", "high", "low"};
	const char *id;

	(void)state;
	for (size_t n = 0; n < HC_COUNT(jobs); n++)
		must(bullmq_add(queue, arena, &jobs[n], &id, &err));
	for (size_t n = 0; n < HC_COUNT(expected); n++) {
		struct bullmq_job job = take(queue, &one);

		assert_string_equal(job.id, expected[n]);
		must(bullmq_complete(queue, arena, &one, &job, "1", NULL, &err));
		assert_int_equal(state_of(queue, expected[n]), BULLMQ_ABSENT); /* keep 0: gone at once */
	}
}

static void a_failure_waits_and_then_is_final(void **state)
{
	HC_AUTO(bullmq) queue = open_queue("retry");
	const struct bullmq_add delayed = {.id = "b-1",
									   .name = "n",
									   .data = "1",
									   .attempts = 3,
									   .backoff_ms = 60,
									   .backoff_exponential = true,
									   .keep_completed = -1,
									   .keep_failed = -1};
	struct bullmq_job job;
	int64_t started_ms, until_ms;
	const char *id;

	(void)state;
	must(bullmq_add(queue, arena, &delayed, &id, &err));
	for (int attempt = 1; attempt <= 2; attempt++) {
		job = take(queue, &one);
		assert_int_equal(job.attempts_made, attempt - 1);
		started_ms = hc_clock_wall_ms();
		must(bullmq_fail_or_retry(queue, arena, &one, &job, "no network", &err));
		assert_int_equal(state_of(queue, "b-1"), BULLMQ_DELAYED);
		for (job = take(queue, &two); !job.id; job = take(queue, &two))
			must(bullmq_wait(queue, 2000, job.wait_until_ms, -1, &until_ms, &err));
		assert_true(hc_clock_wall_ms() - started_ms >= 60 * attempt);
		/* Given back at once for the next round of the test: it is `two` who fails it. */
		if (attempt == 2) {
			assert_int_equal(job.attempts_started, 3);
			assert_non_null(strstr(job.stacktrace, "no network"));
			must(bullmq_fail_or_retry(queue, arena, &two, &job, "no network", &err));
		} else {
			raw("LREM bull:retry:active 0 b-1");
			raw("DEL bull:retry:b-1:lock");
			raw("LPUSH bull:retry:wait b-1");
			raw("HINCRBY bull:retry:b-1 ats -1");
		}
	}
	assert_int_equal(state_of(queue, "b-1"), BULLMQ_FAILED);
	assert_int_equal(raw("HEXISTS bull:retry:b-1 failedReason"), 1);
}

static void a_failure_without_backoff_goes_back_at_once(void **state)
{
	HC_AUTO(bullmq) queue = open_queue("again");
	struct bullmq_job job;
	const char *id;

	(void)state;
	must(bullmq_add(
		queue, arena,
		&(struct bullmq_add){.id = "b-1", .name = "n", .data = "1", .attempts = 2, .keep_failed = -1}, &id,
		&err));
	job = take(queue, &one);
	must(bullmq_fail_or_retry(queue, arena, &one, &job, "no", &err));
	assert_int_equal(state_of(queue, "b-1"), BULLMQ_WAITING);
	job = take(queue, &one);
	assert_int_equal(job.attempts_made, 1);
	must(bullmq_fail(queue, arena, &one, &job, "no", &job, &err));
	assert_null(job.id);
	assert_int_equal(state_of(queue, "b-1"), BULLMQ_FAILED);
}

static void a_lost_lock_is_told(void **state)
{
	HC_AUTO(bullmq) queue = open_queue("lock");
	const struct bullmq_worker brief = {.token = "brief:0", .lock_ms = 50};
	const char *ids[2], *lost[2];
	size_t lost_count;
	struct bullmq_job first, second;

	(void)state;
	(void)add(queue, "b-1");
	(void)add(queue, "b-2");
	first = take(queue, &one);
	ids[0] = first.id;
	must(bullmq_extend(queue, &one, ids, 1, lost, &lost_count, &err));
	assert_int_equal(lost_count, 0);
	assert_true(raw("PTTL bull:lock:b-1:lock") > LOCK_MS / 2);
	second = take(queue, &brief);
	(void)usleep(80000);
	ids[1] = second.id;
	must(bullmq_extend(queue, &brief, &ids[1], 1, lost, &lost_count, &err));
	assert_int_equal(lost_count, 1);
	assert_string_equal(lost[0], "b-2");
	assert_int_equal(bullmq_complete(queue, arena, &brief, &second, "1", NULL, &err), -1);
	assert_int_equal(err.class, HC_CONFLICT); /* -2 */
	assert_int_equal(bullmq_complete(queue, arena, &two, &first, "1", NULL, &err), -1);
	assert_int_equal(err.class, HC_CONFLICT); /* -6 */
	assert_int_equal(bullmq_remove(queue, "b-1", &err), -1);
	assert_int_equal(err.class, HC_CONFLICT);
	must(bullmq_complete(queue, arena, &one, &first, "1", NULL, &err));
	must(bullmq_remove(queue, "b-1", &err));
	assert_int_equal(bullmq_complete(queue, arena, &one, &first, "1", NULL, &err), -1);
	assert_int_equal(err.class, HC_NOT_FOUND);
	assert_int_equal(bullmq_remove(queue, "b-1", &err), -1);
	assert_int_equal(err.class, HC_NOT_FOUND);
}

static void a_stalled_job_comes_back_once_and_then_fails(void **state)
{
	HC_AUTO(bullmq) queue = open_queue("stall");
	const struct bullmq_worker brief = {.token = "brief:0", .lock_ms = 30};
	int64_t recovered = 0;
	struct bullmq_job job;

	(void)state;
	(void)add(queue, "b-1");
	for (int stall = 1; stall <= 2; stall++) {
		job = take(queue, &brief);
		assert_string_equal(job.id, "b-1");
		assert_int_equal(job.stalls, stall - 1);
		assert_null(job.deferred_failure);
		recovered = 0;
		for (int pass = 0; pass < 100 && !recovered; pass++) {
			(void)usleep(20000);
			must(bullmq_recover_stalled(queue, 20, 1, &recovered, &err));
		}
		assert_int_equal(recovered, 1);
		assert_int_equal(state_of(queue, "b-1"), BULLMQ_WAITING);
	}
	job = take(queue, &one);
	assert_non_null(job.deferred_failure);
	must(bullmq_fail_or_retry(queue, arena, &one, &job, job.deferred_failure, &err));
	assert_int_equal(state_of(queue, "b-1"), BULLMQ_FAILED);
}

static void *add_later(void *payload)
{
	HC_AUTO(hc_arena) own = hc_arena_new();
	HC_AUTO(bullmq) queue = NULL;
	struct hc_error why;
	const char *id;

	(void)payload;
	(void)usleep(150000);
	if (bullmq_open(&(struct bullmq_options){.url = server.url, .queue = "wait"}, &queue, &why) ||
		bullmq_add(queue, own, &(struct bullmq_add){.id = "b-1", .name = "n", .data = "1"}, &id, &why))
		return &server;
	return NULL;
}

static void *write_later(void *payload)
{
	(void)usleep(150000);
	return write(*(int *)payload, "x", 1) == 1 ? NULL : payload;
}

static void a_wait_ends_by_a_job_by_time_and_by_hand(void **state)
{
	HC_AUTO(bullmq) queue = open_queue("wait");
	int64_t started_ms = hc_clock_boot_ms(), until_ms, due_ms;
	pthread_t thread;
	void *failed;
	const char *id;
	int ends[2];

	(void)state;
	must(bullmq_wait(queue, 100, 0, -1, &until_ms, &err));
	assert_in_range(hc_clock_boot_ms() - started_ms, 90, 2000);

	assert_int_equal(pthread_create(&thread, NULL, add_later, NULL), 0);
	started_ms = hc_clock_boot_ms();
	must(bullmq_wait(queue, 10000, 0, -1, &until_ms, &err));
	assert_in_range(hc_clock_boot_ms() - started_ms, 100, 5000);
	assert_int_equal(until_ms, 0);
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
	assert_string_equal(take(queue, &one).id, "b-1");
	must(bullmq_wait(queue, 1, 0, -1, &until_ms, &err)); /* the token that each taking leaves */

	due_ms = hc_clock_wall_ms() + 60000;
	must(bullmq_add(queue, arena,
					&(struct bullmq_add){.id = "later", .name = "n", .data = "1", .delay_ms = 60000}, &id,
					&err));
	for (int n = 0; n < 3 && !until_ms; n++)
		must(bullmq_wait(queue, 1000, 0, -1, &until_ms, &err));
	assert_in_range(until_ms, due_ms - 5000, due_ms + 5000);

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(pthread_create(&thread, NULL, write_later, &ends[1]), 0);
	started_ms = hc_clock_boot_ms();
	assert_int_equal(bullmq_wait(queue, 10000, 0, ends[0], &until_ms, &err), -1);
	assert_int_equal(err.class, HC_CANCELED);
	assert_in_range(hc_clock_boot_ms() - started_ms, 100, 5000);
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
	assert_int_equal(state_of(queue, "later"), BULLMQ_DELAYED); /* usable after */
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void scripts_are_loaded_again_after_a_flush(void **state)
{
	HC_AUTO(bullmq) queue = open_queue("flush");
	struct bullmq_add jobs[2500];
	const char *ids[HC_COUNT(jobs)];
	struct bullmq_counts counts;
	struct bullmq_job job;

	(void)state;
	(void)add(queue, "b-1");
	raw("SCRIPT FLUSH");
	(void)add(queue, "b-2");
	raw("SCRIPT FLUSH");
	job = take(queue, &one);
	raw("SCRIPT FLUSH");
	must(bullmq_complete(queue, arena, &one, &job, "1", NULL, &err));
	raw("SCRIPT FLUSH");
	for (size_t n = 0; n < HC_COUNT(jobs); n++)
		jobs[n] = (struct bullmq_add){.name = "n", .data = "{}", .priority = n % 3 ? 0 : 1};
	must(bullmq_add_bulk(queue, arena, jobs, HC_COUNT(jobs), ids, &err));
	for (size_t n = 0; n < HC_COUNT(jobs); n++)
		assert_non_null(ids[n]);
	must(bullmq_counts(queue, &counts, &err));
	assert_int_equal(counts.waiting + counts.prioritized, HC_COUNT(jobs) + 1);
	jobs[1].data = "{";
	assert_int_equal(bullmq_add_bulk(queue, arena, jobs, 2, ids, &err), -1);
	assert_null(ids[0]); /* checked before anything is sent */
}

static void a_closed_connection_is_opened_again(void **state)
{
	HC_AUTO(bullmq) queue = open_queue("closed");
	struct bullmq_job job;

	(void)state;
	(void)add(queue, "b-1");
	raw("CLIENT KILL TYPE normal");
	(void)add(queue, "b-2");
	raw("CLIENT KILL TYPE normal");
	(void)add(queue, NULL); /* idle when it was closed: nothing was on its way, so this is no second try */
	job = take(queue, &one);
	raw("CLIENT KILL TYPE normal");
	must(bullmq_complete(queue, arena, &one, &job, "1", NULL, &err));
	assert_int_equal(raw("LLEN bull:closed:wait"), 2);
}

/* The server takes the call but can't answer in time: what the caller knows then, and what is found later. */
static void a_take_without_answer_is_adopted(void **state)
{
	struct bullmq *queue;
	struct bullmq_job job;

	(void)state;
	must(bullmq_open(&(struct bullmq_options){.url = server.url, .queue = "adopt", .timeout_ms = 200}, &queue,
					 &err));
	(void)add(queue, "b-1");
	(void)add(queue, "b-2");
	assert_int_equal(state_of(queue, "b-1"), BULLMQ_WAITING); /* connected */
	(void)kill(server.pid, SIGSTOP);
	assert_int_equal(bullmq_take(queue, arena, &one, &job, &err), -1);
	assert_int_equal(err.class, HC_TRANSIENT);
	(void)kill(server.pid, SIGCONT);
	(void)usleep(100000);
	assert_int_equal(raw("LLEN bull:adopt:active"), 1);
	job = take(queue, &one);
	assert_string_equal(job.id, "b-1");
	assert_int_equal(job.attempts_started, 1);
	assert_int_equal(raw("LLEN bull:adopt:active"), 1);
	assert_string_equal(take(queue, &one).id, "b-2");

	(void)kill(server.pid, SIGSTOP);
	assert_int_equal(
		bullmq_add(queue, arena, &(struct bullmq_add){.name = "n", .data = "1"}, &(const char *){0}, &err),
		-1);
	assert_int_equal(err.class, HC_TRANSIENT);
	assert_non_null(strstr(err.text, "not known"));
	(void)kill(server.pid, SIGCONT);
	bullmq_close(queue);
}

static void nothing_is_lost_over_a_restart(void **state)
{
	HC_AUTO(bullmq) queue = open_queue("restart");
	struct bullmq_job job, next;
	int64_t until_ms;

	(void)state;
	(void)add(queue, "b-1");
	(void)add(queue, "b-2");
	job = take(queue, &one);
	redis_server_stop(&server);
	assert_int_equal(bullmq_complete(queue, arena, &one, &job, "1", &next, &err), -1);
	assert_int_equal(err.class, HC_TRANSIENT);
	assert_int_equal(bullmq_wait(queue, 1000, 0, -1, &until_ms, &err), -1);
	assert_int_equal(err.class, HC_TRANSIENT);
	redis_server_start(&server);
	must(bullmq_complete(queue, arena, &one, &job, "1", &next, &err));
	assert_string_equal(next.id, "b-2");
	assert_int_equal(state_of(queue, "b-1"), BULLMQ_COMPLETED);
}

static void advice_names_the_policy(void **state)
{
	HC_AUTO(bullmq) queue = open_queue("advice");
	const char *advice;

	(void)state;
	must(bullmq_advice(queue, arena, &advice, &err));
	assert_string_equal(advice, "");
	raw("CONFIG SET maxmemory-policy allkeys-lru");
	must(bullmq_advice(queue, arena, &advice, &err));
	assert_non_null(strstr(advice, "allkeys-lru"));
	raw("CONFIG SET maxmemory-policy noeviction");
}

static void a_wrong_password_is_denied(void **state)
{
	struct bullmq *queue;
	enum bullmq_state ignored;
	char url[256];

	(void)state;
	raw("CONFIG SET requirepass right");
	queue = open_queue("password");
	assert_int_equal(bullmq_state(queue, "b-1", &ignored, &err), -1);
	assert_int_equal(err.class, HC_DENIED);
	bullmq_close(queue);
	{
		redisContext *context = redisConnectUnix(server.socket);

		freeReplyObject(redisCommand(context, "AUTH right"));
		freeReplyObject(redisCommand(context, "CONFIG SET requirepass %s", ""));
		redisFree(context);
	}
	(void)snprintf(url, sizeof url, "%s?db=99", server.url);
	must(bullmq_open(&(struct bullmq_options){.url = url, .queue = "password"}, &queue, &err));
	assert_int_equal(bullmq_state(queue, "b-1", &ignored, &err), -1);
	assert_int_equal(err.class, HC_INVALID); /* no such database */
	bullmq_close(queue);
}

static void data_may_be_large_and_odd(void **state)
{
	HC_AUTO(bullmq) queue = open_queue("large");
	HC_AUTO_TEXT data = {0};
	struct bullmq_job job;
	const char *id;

	(void)state;
	hc_text_append(&data, "\"");
	for (int n = 0; n < 200000; n++)
		hc_text_append(&data, "\xc3\xa9 [[ ]] ; %s ");
	hc_text_append(&data, "\"");
	must(bullmq_add(queue, arena, &(struct bullmq_add){.id = "b 1/\xc3\xa9", .name = "n", .data = data.data},
					&id, &err));
	job = take(queue, &one);
	assert_string_equal(job.id, "b 1/\xc3\xa9");
	assert_string_equal(job.data, data.data);
	must(bullmq_complete(queue, arena, &one, &job, data.data, NULL, &err));
}

static int begin(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	arena = hc_arena_new();
	redis_server_start(&server);
	return 0;
}

static int end(void **state)
{
	(void)state;
	hc_arena_free(arena);
	redis_server_discard(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_is_added_taken_and_completed),
		cmocka_unit_test(a_value_that_stops_others_is_never_sent),
		cmocka_unit_test(order_is_priority_and_lifo),
		cmocka_unit_test(a_failure_waits_and_then_is_final),
		cmocka_unit_test(a_failure_without_backoff_goes_back_at_once),
		cmocka_unit_test(a_lost_lock_is_told),
		cmocka_unit_test(a_stalled_job_comes_back_once_and_then_fails),
		cmocka_unit_test(a_wait_ends_by_a_job_by_time_and_by_hand),
		cmocka_unit_test(scripts_are_loaded_again_after_a_flush),
		cmocka_unit_test(a_closed_connection_is_opened_again),
		cmocka_unit_test(a_take_without_answer_is_adopted),
		cmocka_unit_test(nothing_is_lost_over_a_restart),
		cmocka_unit_test(advice_names_the_policy),
		cmocka_unit_test(a_wrong_password_is_denied),
		cmocka_unit_test(data_may_be_large_and_odd),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
