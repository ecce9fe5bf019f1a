/* `bullmq-bench URL QUEUE add|work COUNT`: adds COUNT jobs by one pipelined call after another, or works
 * COUNT jobs off, one at a time. Prints {"seconds":…,"cpu":…}: from the first call to the last answer.
 * queue.js is the other side. */
#include "base/clock.h"
#include "base/text.h"
#include "bullmq/bullmq.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define BULK 1000

static double cpu_seconds(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage))
		return 0;
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

struct meter {
	int64_t began_ms;
	double cpu;
};

static void begin(struct meter *meter)
{
	*meter = (struct meter){.began_ms = hc_clock_boot_ms(), .cpu = cpu_seconds()};
}

static int add(struct bullmq *queue, size_t warm, size_t count, struct meter *meter, struct hc_error *err)
{
	struct bullmq_add jobs[BULK];
	const char *ids[BULK];

	for (size_t n = 0; n < BULK; n++)
		jobs[n] = (struct bullmq_add){
			.name = "job",
			.data = "{\"id\":\"0b0e3c6e-5f0f-4c38-8a5c-0a7b1f3f7a11\",\"attempt\":1}",
			.attempts = 1,
			.keep_completed = 100,
			.keep_failed = 100};
	for (size_t done = 0; done < warm + count; done += BULK) {
		HC_AUTO(hc_arena) arena = hc_arena_new();

		if (done == warm)
			begin(meter);
		if (bullmq_add_bulk(queue, arena, jobs, BULK, ids, err))
			return -1;
	}
	return 0;
}

/* Each end takes the next job along, as BullMQ's own worker does. */
static int work(struct bullmq *queue, size_t warm, size_t count, struct meter *meter, struct hc_error *err)
{
	const struct bullmq_worker worker = {.token = "bench:0", .name = "bench", .lock_ms = 30000};
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct bullmq_job job, next;

	if (bullmq_take(queue, arena, &worker, &job, err))
		return -1;
	for (size_t done = 0; done < warm + count; done++) {
		struct hc_arena *later = hc_arena_new();

		if (done == warm)
			begin(meter);
		if (!job.id || bullmq_complete(queue, later, &worker, &job, "{\"ok\":true}", &next, err)) {
			hc_arena_free(later);
			return job.id ? -1 : hc_fail(err, HC_NOT_FOUND, "the queue is empty after %zu jobs", done);
		}
		hc_arena_free(arena);
		arena = later;
		job = next;
	}
	return 0;
}

int main(int argc, char **argv)
{
	HC_AUTO(bullmq) queue = NULL;
	struct hc_error err = {0};
	size_t warm = argc == 6 ? strtoul(argv[4], NULL, 10) : 0,
		   count = argc == 6 ? strtoul(argv[5], NULL, 10) : 0;
	bool adds = argc == 6 && hc_streq(argv[3], "add");
	struct meter meter;

	if (!count || warm % BULK || count % BULK || (!adds && !hc_streq(argv[3], "work"))) {
		(void)fprintf(stderr, "usage: bullmq-bench URL QUEUE add|work WARM COUNT   (numbers in thousands)\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	if (bullmq_open(&(struct bullmq_options){.url = argv[1], .queue = argv[2]}, &queue, &err) ||
		(adds ? add : work)(queue, warm, count, &meter, &err)) {
		(void)fprintf(stderr, "bullmq-bench: %s\n", err.text);
		return 1;
	}
	(void)printf("{\"seconds\":%.6f,\"cpu\":%.6f}\n", (double)(hc_clock_boot_ms() - meter.began_ms) / 1e3,
				 cpu_seconds() - meter.cpu);
	return 0;
}
