/* BullMQ's queue protocol, spoken with BullMQ's own Lua scripts (npm package pinned by tools/bullmq, taken at
 * build time, checked by hash; nothing of it is in this repository). Usable alone: see example.c and
 * README.md.
 *
 * A struct bullmq is one connection to one queue and belongs to one thread at a time; the blocking wait, the
 * lock renewal and the rest each need their own. A lost connection is opened again by the next call, the
 * scripts are loaded again after NOSCRIPT. Times are milliseconds of the wall clock. Texts in results live in
 * the caller's arena. Classes: TRANSIENT (Redis away, loading, busy, out of memory), INVALID (a value breaks
 * a rule of the queue, the URL), NOT_FOUND (job gone: -1), CONFLICT (lock missing, owned by another, not
 * active: -2, -3, -6; job has children: -4), DENIED (password). Never retries by itself an add without id. */
#ifndef BULLMQ_H
#define BULLMQ_H

#include "base/arena.h"
#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

struct bullmq;

struct bullmq_options {
	const char
		*url;           /* redis://[user:password@]host[:port][/db], unix:///path[?db=N], redis+unix:///path;
						 * rediss:// and redis-sentinel:// are INVALID with a sentence: hiredis here has no TLS */
	const char *queue;  /* name, no ':' */
	const char *prefix; /* NULL: "bull" */
	const char *client; /* CLIENT SETNAME; NULL: none */
	int timeout_ms;     /* of a call; 0: 5000 */
};
/* Connects lazily. */
int bullmq_open(const struct bullmq_options *options, struct bullmq **ret_queue, struct hc_error *err)
	HC_MUST_CHECK;
void bullmq_close(struct bullmq *queue);
HC_DEFINE_CLEANUP(bullmq, bullmq_close)
/* What Redis says of itself that endangers jobs: an eviction policy other than noeviction; "" when all is
 * well. */
int bullmq_advice(struct bullmq *queue, struct hc_arena *arena, const char **ret_advice, struct hc_error *err)
	HC_MUST_CHECK;

/* --- producer ---------------------------------------------------------------------------------------------
 */

struct bullmq_add {
	const char *id;   /* NULL: the queue counts; not all digits, no ':' (INVALID) */
	const char *name; /* of the job: "build" */
	const char *data; /* JSON text, checked */
	int attempts;     /* 0 is written as 0, as BullMQ does */
	int64_t delay_ms;
	int priority; /* 0: none … 2^21-1 */
	bool lifo;
	int64_t backoff_ms;       /* 0: none */
	bool backoff_exponential; /* else fixed */
	int64_t keep_completed;   /* count; -1: option left out (keep all), 0: removed at once */
	int64_t keep_failed;
};
/* A job of the same id that still exists, finished ones included, is success: nothing is added. */
int bullmq_add(struct bullmq *queue, struct hc_arena *arena, const struct bullmq_add *job,
			   const char **ret_id, struct hc_error *err) HC_MUST_CHECK;
/* Pipelined, not atomic. ret_ids[i] NULL where the i-th was refused; the first refusal is the error. */
int bullmq_add_bulk(struct bullmq *queue, struct hc_arena *arena, const struct bullmq_add *jobs, size_t count,
					const char **ret_ids, struct hc_error *err) HC_MUST_CHECK;

enum bullmq_state {
	BULLMQ_ABSENT,
	BULLMQ_WAITING, /* also paused and prioritized */
	BULLMQ_DELAYED,
	BULLMQ_ACTIVE,
	BULLMQ_COMPLETED,
	BULLMQ_FAILED,
	BULLMQ_UNKNOWN, /* hash without a list: an orphan */
};
int bullmq_state(struct bullmq *queue, const char *id, enum bullmq_state *ret_state, struct hc_error *err)
	HC_MUST_CHECK;
const char *bullmq_state_text(enum bullmq_state state);

struct bullmq_counts {
	int64_t waiting, active, delayed, prioritized, completed, failed;
	bool paused;
};
int bullmq_counts(struct bullmq *queue, struct bullmq_counts *ret_counts, struct hc_error *err) HC_MUST_CHECK;
/* Takes a job out unless it is locked (CONFLICT); NOT_FOUND when there is none. */
int bullmq_remove(struct bullmq *queue, const char *id, struct hc_error *err) HC_MUST_CHECK;

/* --- worker -----------------------------------------------------------------------------------------------
 */

struct bullmq_job {
	const char *id; /* NULL: there is none */
	const char *name;
	const char *data;             /* as stored: may be no JSON */
	const char *deferred_failure; /* must be failed with this text, not run; NULL: none */
	const char *scheduler; /* rjk: belongs to a job scheduler that this library can't continue; NULL: none */
	int64_t attempts_started, attempts_made, attempts, stalls;
	const char *options;    /* opts as stored, JSON; NULL: none */
	const char *stacktrace; /* JSON array of earlier failures; NULL: none */
	int64_t wait_until_ms;  /* without a job: due time of the next delayed one; 0: none */
	int64_t rate_limited_ms;
};
struct bullmq_worker {
	const char *token; /* unique per slot and run: a slot does one job at a time */
	const char *name;  /* shown as processedBy; NULL: none */
	int64_t lock_ms;   /* 30000 */
};
/* moveToActive. No job: ret_job->id is NULL. */
int bullmq_take(struct bullmq *queue, struct hc_arena *arena, const struct bullmq_worker *worker,
				struct bullmq_job *ret_job, struct hc_error *err) HC_MUST_CHECK;
/* Parks on the marker for at most timeout_ms (1 … 10000); until_ms > 0: not longer than that moment. Returns
 * 0 on a wake-up and on the timeout: take again in both cases. *ret_until_ms: due time that the marker told,
 * or 0. stop_fd >= 0: becomes readable when the wait is to end (CANCELED). */
int bullmq_wait(struct bullmq *queue, int64_t timeout_ms, int64_t until_ms, int stop_fd,
				int64_t *ret_until_ms, struct hc_error *err) HC_MUST_CHECK;
/* Renews; lost ones are listed in ret_lost (as many places as ids): their work must be dropped. */
int bullmq_extend(struct bullmq *queue, const struct bullmq_worker *worker, const char *const *ids,
				  size_t count, const char **ret_lost, size_t *ret_lost_count, struct hc_error *err)
	HC_MUST_CHECK;
/* result_json: valid JSON (INVALID otherwise: it would kill every Node listener). ret_next may be NULL: then
 * no next job is taken; else as bullmq_take. */
int bullmq_complete(struct bullmq *queue, struct hc_arena *arena, const struct bullmq_worker *worker,
					const struct bullmq_job *job, const char *result_json, struct bullmq_job *ret_next,
					struct hc_error *err) HC_MUST_CHECK;
/* Final failure; reason is free text. */
int bullmq_fail(struct bullmq *queue, struct hc_arena *arena, const struct bullmq_worker *worker,
				const struct bullmq_job *job, const char *reason, struct bullmq_job *ret_next,
				struct hc_error *err) HC_MUST_CHECK;
/* Failure that may be repeated by the job's own attempts and backoff; else final. */
int bullmq_fail_or_retry(struct bullmq *queue, struct hc_arena *arena, const struct bullmq_worker *worker,
						 const struct bullmq_job *job, const char *reason, struct hc_error *err)
	HC_MUST_CHECK;
int bullmq_progress(struct bullmq *queue, const char *id, const char *progress_json, struct hc_error *err)
	HC_MUST_CHECK;
int bullmq_log(struct bullmq *queue, const char *id, const char *line, int64_t keep_lines,
			   struct hc_error *err) HC_MUST_CHECK;
/* One pass of the stall detection; throttled queue-wide by interval_ms. *ret_recovered: jobs put back. */
int bullmq_recover_stalled(struct bullmq *queue, int64_t interval_ms, int max_stalls, int64_t *ret_recovered,
						   struct hc_error *err) HC_MUST_CHECK;

#endif
