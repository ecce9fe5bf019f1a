/* See queue.h. */
#include "queue.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "bullmq/bullmq.h"

#include <inttypes.h>
#include <stdlib.h>

#define CALL_MS 2000 /* a reconcile pass waits for it */
#define AWAY_MS 1000
#define KEEP_JOBS 100 /* of those that ended: for people who look at the queue */

struct queue {
	struct bullmq *bullmq; /* NULL: none is configured */
	int64_t away_until_ms; /* of the boot clock */
};

int queue_open(const char *url, const char *name, struct queue **ret_queue, struct hc_error *err)
{
	struct queue *queue = hc_xalloc(sizeof *queue);
	const struct bullmq_options options = {
		.url = url,
		.queue = name,
		.client = "helvetia-controller",
		.timeout_ms = CALL_MS,
	};

	if (url && bullmq_open(&options, &queue->bullmq, err)) {
		free(queue);
		return -1;
	}
	*ret_queue = queue;
	return 0;
}

void queue_close(struct queue *queue)
{
	if (!queue)
		return;
	bullmq_close(queue->bullmq);
	free(queue);
}

static int ready(const struct queue *queue, struct hc_error *err)
{
	if (!queue->bullmq)
		return hc_fail(err, HC_TRANSIENT, "no job queue is configured (--redis)");
	if (hc_clock_boot_ms() < queue->away_until_ms)
		return hc_fail(err, HC_TRANSIENT, "the job queue did not answer just now");
	return 0;
}

static void note_away(struct queue *queue, const struct hc_error *err)
{
	if (err->class == HC_TRANSIENT || err->class == HC_DENIED)
		queue->away_until_ms = hc_clock_boot_ms() + AWAY_MS;
}

/* `arena` owns the name. */
static const char *job_name(struct hc_arena *arena, const char *kind, const char *id, int64_t attempt)
{
	return hc_arena_printf(arena, "%s-%s-%" PRId64, kind, id, attempt);
}

static int add(void *self, const char *kind, const char *id, int64_t attempt, struct hc_error *err)
{
	struct queue *queue = self;
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct hc_error why = {0};
	const char *added;
	const struct bullmq_add job = {
		.id = job_name(arena, kind, id, attempt),
		.name = kind,
		.data = hc_arena_printf(arena, "{\"id\":\"%s\",\"attempt\":%" PRId64 "}", id, attempt),
		.attempts = 1, /* a new attempt is a new job: the row decides, not the queue */
		.keep_completed = KEEP_JOBS,
		.keep_failed = KEEP_JOBS,
	};

	if (ready(queue, err))
		return -1;
	if (!bullmq_add(queue->bullmq, arena, &job, &added, &why))
		return 0;
	note_away(queue, &why);
	return hc_fail(err, why.class, "add job %s: %s", job.id, why.text);
}

static enum job_queue_state state(void *self, const char *kind, const char *id, int64_t attempt)
{
	struct queue *queue = self;
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct hc_error err = {0};
	enum bullmq_state found;

	if (ready(queue, &err))
		return JOB_QUEUE_AWAY;
	if (bullmq_state(queue->bullmq, job_name(arena, kind, id, attempt), &found, &err)) {
		note_away(queue, &err);
		return JOB_QUEUE_AWAY;
	}
	switch (found) {
	case BULLMQ_ABSENT:
		return JOB_QUEUE_ABSENT;
	case BULLMQ_WAITING:
	case BULLMQ_DELAYED:
		return JOB_QUEUE_PENDING;
	case BULLMQ_ACTIVE:
		return JOB_QUEUE_TAKEN;
	case BULLMQ_COMPLETED:
	case BULLMQ_FAILED:
	case BULLMQ_UNKNOWN: /* in no list: no worker will ever get it, and its name is taken */
		return JOB_QUEUE_ENDED;
	}
	return JOB_QUEUE_AWAY;
}

struct queue_interface queue_interface(struct queue *queue)
{
	return (struct queue_interface){.self = queue, .add = add, .state = state};
}
