/* See slot.h and the table of README.md. The row decides everything: what Redis says is only a hint that
 * there may be work, so every answer to Redis comes after the row has been written, and a lost one costs
 * nothing. */
#include "slot.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "bullmq/bullmq.h"
#include "process.h"
#include "store/store_job.h"
#include "task.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOCK_MS 30000 /* BullMQ's own default: the same for the whole fleet */
#define STALL_INTERVAL_MS 30000
#define STALLS_MAX 1
#define EXTEND_MS 10000
#define WAIT_MS 5000 /* BullMQ's drainDelay: a wake-up may be lost */
#define RETRY_MS 1000
#define DEATHS_MAX 2 /* failures after which a child that dies again ends the job for good */

struct slot {
	struct slot_options options;
	pthread_t thread;
	struct bullmq *queue;
	struct bullmq *waiter; /* its own connection: it blocks */
	struct store *store;
	struct hc_arena *arena; /* of one round */
	struct bullmq_worker worker;
	char token[HC_UUID_SIZE];
	char complaint[HC_ERROR_TEXT_MAX]; /* said last, so that an outage is one line */
};

struct run {
	struct slot *slot;
	const struct bullmq_job *job;
	const struct store_job *row;
	int64_t extended_ms;
};

static bool stopped(const struct slot *slot, int64_t wait_ms)
{
	struct pollfd polled = {.fd = slot->options.stop_fd, .events = POLLIN};

	return poll(&polled, 1, (int)wait_ms) > 0;
}

/* The points of README.md: "worker-build-claim". */
static void fault(const struct bullmq_job *job, const char *step)
{
	char point[64];

	(void)snprintf(point, sizeof point, "worker-%s-%s", job->name, step);
	hc_fault(point);
}

/* An outage is said once, and its end by the next success. */
static void complain(struct slot *slot, const char *what, const struct hc_error *err)
{
	if (!strcmp(slot->complaint, err->text))
		return;
	(void)snprintf(slot->complaint, sizeof slot->complaint, "%s", err->text);
	hc_log(HC_LOG_WARN, what, "class", hc_class_name(err->class), "error", err->text, NULL);
}

/* --- answers to Redis: best effort, since the row has the truth
 * ---------------------------------------------- */

static void queue_fail(struct slot *slot, const struct bullmq_job *job, const char *reason)
{
	struct hc_error err;

	hc_log(HC_LOG_WARN, "refused a job", "job", job->id, "name", job->name, "reason", reason, NULL);
	if (bullmq_fail(slot->queue, slot->arena, &slot->worker, job, reason, NULL, &err))
		complain(slot, "tell the queue that a job failed", &err);
}

static void queue_complete(struct slot *slot, const struct bullmq_job *job, const char *result)
{
	struct hc_error err;

	if (bullmq_complete(slot->queue, slot->arena, &slot->worker, job, result, NULL, &err))
		complain(slot, "tell the queue that a job is done", &err);
}

static void queue_extend(struct run *run)
{
	struct slot *slot = run->slot;
	int64_t now_ms = hc_clock_boot_ms();
	const char *lost;
	size_t lost_count;
	struct hc_error err;

	if (now_ms - run->extended_ms < EXTEND_MS)
		return;
	run->extended_ms = now_ms;
	if (bullmq_extend(slot->queue, &slot->worker, &run->job->id, 1, &lost, &lost_count, &err))
		complain(slot, "renew the lock of a job", &err);
}

/* --- one job ----------------------------------------------------------------------------------------------
 */

static enum process_wish tick(void *payload)
{
	struct run *run = payload;
	struct slot *slot = run->slot;
	const struct job_view *view = &run->row->view;
	struct hc_error err;
	bool cancel = false;

	queue_extend(run);
	if (!store_job_heartbeat(slot->store, view->id, view->attempt, slot->options.name, &cancel, &err))
		return cancel ? PROCESS_CANCEL : PROCESS_GO_ON;
	if (err.class == HC_CONFLICT || err.class == HC_NOT_FOUND) {
		hc_log(HC_LOG_WARN, "lost a job", "job", view->id, "error", err.text, NULL);
		return PROCESS_LOST;
	}
	complain(slot, "renew the lease of a job", &err); /* the fence decides when the database is back */
	return PROCESS_GO_ON;
}

static char *input_of(const struct store_job *row)
{
	struct hc_text text = {0};

	hc_text_append(&text, "{\"kind\":");
	hc_text_append_json_string(&text, job_kind_text(row->view.kind));
	hc_text_append(&text, ",\"id\":");
	hc_text_append_json_string(&text, row->view.id);
	hc_text_printf(&text, ",\"attempt\":%lld,\"input\":%s}", (long long)row->view.attempt, row->input);
	return hc_text_take(&text);
}

/* What a child's end means for the row. *ret_outcome NULL: nothing is to be reported. */
static bool outcome_of(const struct store_job *row, const struct process_result *result, char **ret_outcome)
{
	const char *reason = row->view.kind == JOB_BUILD ? "BuildFailed" : "SourceFailed";
	bool success = false;
	struct hc_error err;

	*ret_outcome = NULL;
	switch (result->end) {
	case PROCESS_ENDED:
		if (task_result_parse(result->answer ? result->answer : "", &success, ret_outcome, &err))
			*ret_outcome = task_failure(reason, err.text, row->view.failures >= DEATHS_MAX);
		break;
	case PROCESS_DIED:
		*ret_outcome = task_failure(reason, result->message, row->view.failures >= DEATHS_MAX);
		break;
	case PROCESS_CANCELED:
		*ret_outcome = task_failure("Canceled", "it is wanted no more", true);
		break;
	case PROCESS_STOPPED:
		*ret_outcome = task_failure("WorkerStopped", "its worker was stopped", false);
		break;
	case PROCESS_TIMEOUT:
		*ret_outcome = task_failure(
			reason,
			row->view.kind == JOB_BUILD
				? "the build did not end within an hour: look at its log for what hangs"
				: "the repository could not be read within 15 minutes",
			true);
		break;
	case PROCESS_FENCED:
		break;
	}
	return success;
}

/* Until the database has taken it, or says that it's another's. */
static void report(struct run *run, bool success, const char *outcome)
{
	struct slot *slot = run->slot;
	const struct job_view *view = &run->row->view;
	struct hc_error err;

	while (
		store_job_finish(slot->store, view->id, view->attempt, slot->options.name, success, outcome, &err)) {
		if (err.class != HC_TRANSIENT) {
			hc_log(HC_LOG_WARN, "a job's end was not taken", "job", view->id, "error", err.text, NULL);
			return;
		}
		complain(slot, "report a job", &err);
		queue_extend(run);
		if (stopped(slot, RETRY_MS))
			return; /* the lease runs out, and another worker does it again */
	}
	hc_log(HC_LOG_INFO, success ? "job done" : "job failed", "kind", job_kind_text(view->kind), "job",
		   view->id, "outcome", outcome, NULL);
}

static void work(struct slot *slot, const struct bullmq_job *job, const struct store_job *row)
{
	struct run run = {.slot = slot, .job = job, .row = row, .extended_ms = hc_clock_boot_ms()};
	HC_AUTO_FREE input = input_of(row);
	HC_AUTO_FREE outcome = NULL;
	HC_AUTO_FREE result_text = NULL;
	struct process_task task = {
		.argv = slot->options.child_argv,
		.input = input,
		.deadline_ms = row->view.kind == JOB_BUILD ? HC_LIMIT_BUILD_MS : HC_LIMIT_RESOLVE_MS,
		.stop_fd = slot->options.stop_fd,
		.tick = tick,
		.payload = &run,
	};
	struct process_result result = {0};
	bool success = false;
	struct hc_error err;

	fault(job, "claim");
	hc_log(HC_LOG_INFO, "job begun", "kind", job_kind_text(row->view.kind), "job", row->view.id, NULL);
	if (process_run(&task, &result, &err))
		outcome = task_failure("WorkerFailed", err.text, false);
	else
		success = outcome_of(row, &result, &outcome);
	free(result.answer);
	fault(job, "report");
	if (outcome)
		report(&run, success, outcome);
	fault(job, "answer");
	result_text = outcome ? task_result(success, outcome) : hc_xstrdup("{\"stale\":true}");
	queue_complete(slot, job, result_text);
}

/* --- taking
 * ------------------------------------------------------------------------------------------------- */

/* The row behind a job, claimed. Without it the job is answered here. */
static bool claim(struct slot *slot, const struct bullmq_job *job, struct store_job *ret_row)
{
	struct run run = {.slot = slot, .job = job, .extended_ms = hc_clock_boot_ms()};
	struct task_reference reference;
	enum job_kind kind;
	struct hc_error err;

	if (task_reference_parse(job->name, job->data, &kind, &reference, &err)) {
		queue_fail(slot, job, err.text);
		return false;
	}
	while (store_job_claim(slot->store, slot->arena, reference.id, reference.attempt, slot->options.name,
						   ret_row, &err)) {
		if (err.class == HC_CONFLICT || err.class == HC_INVALID) {
			queue_complete(slot, job, "{\"stale\":true}");
			return false;
		}
		if (err.class == HC_NOT_FOUND) {
			queue_fail(slot, job, "there is no row of this job in the database");
			return false;
		}
		complain(slot, "claim a job", &err);
		queue_extend(&run);
		if (stopped(slot, RETRY_MS))
			return false; /* it comes back as stalled, or its row under a new name */
	}
	return true;
}

static void serve(struct slot *slot, const struct bullmq_job *job)
{
	struct store_job row;

	fault(job, "take");
	if (job->deferred_failure)
		queue_fail(slot, job, job->deferred_failure);
	else if (job->scheduler)
		queue_fail(slot, job, "this worker does not continue job schedulers");
	else if (claim(slot, job, &row))
		work(slot, job, &row);
}

static void *slot_main(void *payload)
{
	struct slot *slot = payload;
	int64_t due_ms, recovered;
	struct hc_error err;

	while (!stopped(slot, 0)) {
		struct bullmq_job job = {0};

		hc_arena_reset(slot->arena);
		if (bullmq_take(slot->queue, slot->arena, &slot->worker, &job, &err)) {
			complain(slot, "take a job", &err);
			(void)stopped(slot, RETRY_MS);
			continue;
		}
		slot->complaint[0] = '\0';
		if (job.id) {
			serve(slot, &job);
			continue;
		}
		if (slot->options.number == 0 &&
			bullmq_recover_stalled(slot->queue, STALL_INTERVAL_MS, STALLS_MAX, &recovered, &err))
			complain(slot, "look for stalled jobs", &err);
		if (bullmq_wait(slot->waiter, WAIT_MS, job.wait_until_ms, slot->options.stop_fd, &due_ms, &err) &&
			err.class != HC_CANCELED) {
			complain(slot, "wait for a job", &err);
			(void)stopped(slot, RETRY_MS);
		}
	}
	return NULL;
}

/* --- life
 * --------------------------------------------------------------------------------------------------- */

static void slot_free(struct slot *slot)
{
	bullmq_close(slot->queue);
	bullmq_close(slot->waiter);
	store_close(slot->store);
	hc_arena_free(slot->arena);
	free(slot);
}

/* The database may be away when the worker starts, as at any other time. */
static int open_store(struct slot *slot, struct hc_error *err)
{
	while (store_open(slot->options.worker->database, "helvetia-worker", &slot->store, err)) {
		if (err->class != HC_TRANSIENT)
			return -1;
		complain(slot, "open the database", err);
		if (stopped(slot, RETRY_MS))
			return hc_fail(err, HC_CANCELED, "stopped while waiting for the database");
	}
	return 0;
}

int slot_start(const struct slot_options *options, struct slot **ret_slot, struct hc_error *err)
{
	struct slot *slot = hc_xalloc(sizeof *slot);
	struct bullmq_options queue = {
		.url = options->worker->redis, .queue = options->worker->queue, .client = "helvetia-worker"};

	slot->options = *options;
	slot->arena = hc_arena_new();
	hc_random_uuid(slot->token);
	slot->worker = (struct bullmq_worker){.token = slot->token, .name = options->name, .lock_ms = LOCK_MS};
	if (open_store(slot, err) || bullmq_open(&queue, &slot->queue, err) ||
		bullmq_open(&queue, &slot->waiter, err)) {
		slot_free(slot);
		return -1;
	}
	if (pthread_create(&slot->thread, NULL, slot_main, slot)) {
		slot_free(slot);
		return hc_fail(err, HC_TRANSIENT, "start a thread: too many of them");
	}
	*ret_slot = slot;
	return 0;
}

void slot_join(struct slot *slot)
{
	if (!slot)
		return;
	(void)pthread_join(slot->thread, NULL);
	slot_free(slot);
}
