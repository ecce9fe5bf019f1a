/* controller/queue.c against a real Redis: what reconcilers hear of a job, also when Redis is away. */
#include "../cmocka_all.h"

#include "base/arena.h"
#include "bullmq/bullmq.h"
#include "controller/queue.h"
#include "redis_server.h"

#include <signal.h>
#include <unistd.h>

#define ID "0c5d2a8e-1b7f-4a55-9d51-000000000001"

static struct redis_server server;

static void a_job_is_followed_by_kind_row_and_attempt(void **state)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	HC_AUTO(queue) queue = NULL;
	HC_AUTO(bullmq) peer = NULL;
	const struct bullmq_worker worker = {.token = "w:0", .lock_ms = 30000};
	struct queue_interface work;
	struct bullmq_job job;
	struct hc_error err;

	(void)state;
	assert_int_equal(queue_open(server.url, "jobs", &queue, &err), 0);
	work = queue_interface(queue);
	assert_int_equal(work.state(work.self, "build", ID, 1), JOB_QUEUE_ABSENT);
	assert_int_equal(work.add(work.self, "build", ID, 1, &err), 0);
	assert_int_equal(work.add(work.self, "build", ID, 1, &err), 0);
	assert_int_equal(work.state(work.self, "build", ID, 1), JOB_QUEUE_PENDING);
	assert_int_equal(work.state(work.self, "build", ID, 2), JOB_QUEUE_ABSENT);
	assert_int_equal(work.state(work.self, "resolve", ID, 1), JOB_QUEUE_ABSENT);

	assert_int_equal(bullmq_open(&(struct bullmq_options){.url = server.url, .queue = "jobs"}, &peer, &err),
					 0);
	assert_int_equal(bullmq_take(peer, arena, &worker, &job, &err), 0);
	assert_string_equal(job.id, "build-" ID "-1");
	assert_string_equal(job.name, "build");
	assert_string_equal(job.data, "{\"id\":\"" ID "\",\"attempt\":1}");
	assert_int_equal(work.state(work.self, "build", ID, 1), JOB_QUEUE_TAKEN);
	assert_int_equal(bullmq_complete(peer, arena, &worker, &job, "null", &job, &err), 0);
	assert_null(job.id);
	assert_int_equal(work.state(work.self, "build", ID, 1), JOB_QUEUE_ENDED);
}

static void an_absent_redis_is_an_answer(void **state)
{
	HC_AUTO(queue) queue = NULL;
	struct queue_interface work;
	struct hc_error err;

	(void)state;
	assert_int_equal(queue_open(server.url, "jobs", &queue, &err), 0);
	work = queue_interface(queue);
	redis_server_stop(&server);
	assert_int_equal(work.state(work.self, "build", ID, 1), JOB_QUEUE_AWAY);
	assert_int_equal(work.add(work.self, "build", ID, 2, &err), -1);
	assert_int_equal(err.class, HC_TRANSIENT);
	redis_server_start(&server);
	assert_int_equal(work.state(work.self, "build", ID, 1),
					 JOB_QUEUE_AWAY); /* not asked again within a second */
	(void)sleep(1);
	(void)usleep(100000);
	assert_int_equal(work.state(work.self, "build", ID, 1), JOB_QUEUE_ENDED);
	assert_int_equal(work.add(work.self, "build", ID, 2, &err), 0);
}

static void no_queue_is_an_answer_too(void **state)
{
	HC_AUTO(queue) queue = NULL;
	struct queue *bad = NULL;
	struct queue_interface work;
	struct hc_error err;

	(void)state;
	assert_int_equal(queue_open(NULL, NULL, &queue, &err), 0);
	work = queue_interface(queue);
	assert_int_equal(work.state(work.self, "build", ID, 1), JOB_QUEUE_AWAY);
	assert_int_equal(work.add(work.self, "build", ID, 1, &err), -1);
	assert_int_equal(err.class, HC_TRANSIENT);
	assert_int_equal(queue_open("rediss://host", "jobs", &bad, &err), -1);
	assert_int_equal(err.class, HC_INVALID);
	assert_int_equal(queue_open("redis://host", "a:b", &bad, &err), -1);
	assert_int_equal(err.class, HC_INVALID);
	assert_null(bad);
}

static int begin(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	redis_server_start(&server);
	return 0;
}

static int end(void **state)
{
	(void)state;
	redis_server_discard(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_is_followed_by_kind_row_and_attempt),
		cmocka_unit_test(an_absent_redis_is_an_answer),
		cmocka_unit_test(no_queue_is_an_answer_too),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
