/* The library used alone: adds a job and works it off.
 *   bullmq-example redis://127.0.0.1:6379 demo
 * A worker that runs for longer than its lock also calls bullmq_extend() from a thread and a connection of
 * its own, and bullmq_recover_stalled() every 30 s. */
#include "bullmq/bullmq.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static int produce(struct bullmq *queue, struct hc_arena *arena, struct hc_error *err)
{
	const struct bullmq_add job = {
		.name = "greet",
		.data = "{\"whom\":\"world\"}",
		.attempts = 3,
		.backoff_ms = 1000,
		.backoff_exponential = true,
		.keep_completed = 100,
		.keep_failed = 100,
	};
	const char *id;

	if (bullmq_add(queue, arena, &job, &id, err))
		return -1;
	(void)printf("added %s\n", id);
	return 0;
}

static int work(struct bullmq *queue, struct hc_arena *arena, struct hc_error *err)
{
	const struct bullmq_worker worker = {.token = "example:0", .name = "example", .lock_ms = 30000};
	struct bullmq_job job;
	int64_t until_ms;

	if (bullmq_take(queue, arena, &worker, &job, err))
		return -1;
	while (!job.id) {
		if (bullmq_wait(queue, 5000, job.wait_until_ms, -1, &until_ms, err) ||
			bullmq_take(queue, arena, &worker, &job, err))
			return -1;
	}
	(void)printf("took %s (%s): %s\n", job.id, job.name, job.data);
	if (job.deferred_failure)
		return bullmq_fail(queue, arena, &worker, &job, job.deferred_failure, NULL, err);
	return bullmq_complete(queue, arena, &worker, &job, "{\"said\":\"hello\"}", NULL, err);
}

int main(int argc, char **argv)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	HC_AUTO(bullmq) queue = NULL;
	struct hc_error err = {0};

	if (argc != 3) {
		(void)fprintf(stderr, "usage: bullmq-example URL QUEUE\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* a connection that Redis closed is an error, not the end */
	if (bullmq_open(&(struct bullmq_options){.url = argv[1], .queue = argv[2]}, &queue, &err) ||
		produce(queue, arena, &err) || work(queue, arena, &err)) {
		(void)fprintf(stderr, "bullmq-example: %s\n", err.text);
		return 1;
	}
	return 0;
}
