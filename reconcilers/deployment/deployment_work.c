/* One job on its way from a row to its outcome (cases W-1 … W-12): put on the queue, retaken when its worker
 * or the queue lost it, repeated after failures that repeating may cure.
 *
 * The row decides; the queue only carries its name. So whatever happens to Redis costs a new attempt at
 * most. */
#include "base/limits.h"
#include "base/text.h"
#include "rollout.h"

#include <inttypes.h>
#include <string.h>

#define POLL_MS 1000 /* a lost job is taken again within 5 s: the lease has 4 */
#define CLAIMS_MAX 3
#define UNCLAIMED_TAKEN_MS 2000 /* a worker claims within milliseconds what it took, unless it is lost */
#define UNCLAIMED_MS 3000       /* so long a worker that has nothing else to do never needs */
#define DELAY_FIRST_MS 5000
#define DELAY_MAX_MS (10 * 60 * 1000)

bool work_open(const struct job_view *job)
{
	if (!job->id)
		return false;
	return job->state == JOB_QUEUED || job->state == JOB_RUNNING || (job->state == JOB_FAILED && !job->final);
}

static int64_t delay_ms(const struct job_view *job)
{
	int doublings = job->failures > 1 ? job->failures - 1 : 0;
	int64_t delay = doublings < 7 ? (int64_t)DELAY_FIRST_MS << doublings : DELAY_MAX_MS;

	return delay < DELAY_MAX_MS ? delay : DELAY_MAX_MS;
}

static const char *noun(const struct job_view *job)
{
	return job->kind == JOB_BUILD ? "the build" : "the look at the repository";
}

/* --- words
 * ------------------------------------------------------------------------------------------------------ */

static struct work_wait explain_queued(const struct service_world *world, const struct job_view *job,
									   struct hc_arena *arena)
{
	if (!world->queue_configured)
		return (struct work_wait){"QueueAway",
								  hc_arena_printf(arena,
												  "%s waits for a job queue, and the controller was started "
												  "without one: give it --redis and --queue",
												  noun(job))};
	if (job->queue == JOB_QUEUE_AWAY)
		return (struct work_wait){
			"QueueAway",
			hc_arena_printf(arena, "%s waits for the job queue: Redis does not answer", noun(job))};
	if (job->queue == JOB_QUEUE_PENDING && job->state_ago_ms >= UNCLAIMED_MS)
		return (struct work_wait){
			"WaitingForWorker",
			hc_arena_printf(arena, "%s waits for a worker: all are busy, or no helvetia-worker runs",
							noun(job))};
	return (struct work_wait){"", ""};
}

struct work_wait work_explain(const struct service_world *world, const struct job_view *job,
							  struct hc_arena *arena)
{
	if (!job->id)
		return (struct work_wait){"", ""};
	if (job->state == JOB_QUEUED)
		return explain_queued(world, job, arena);
	if (job->state == JOB_FAILED && !job->final)
		return (struct work_wait){
			job->kind == JOB_BUILD ? "BuildBackOff" : "SourceBackOff",
			hc_arena_printf(arena, "%s; it is tried again", job->message ? job->message : "it failed")};
	return (struct work_wait){"", ""};
}

/* --- steps
 * ------------------------------------------------------------------------------------------------------ */

static struct action *step(enum action_kind kind, const struct job_view *job,
						   const struct deployment_view *deployment, const char *cause, struct plan *plan)
{
	const char *target = job->name && job->name[0] ? job->name : job->key ? job->key : "";
	struct action *action = plan_add(plan, kind, target, "%s", cause);

	action->job = job;
	action->id = job->id;
	action->deployment = deployment;
	return action;
}

void work_reopen(const struct job_view *job, const struct deployment_view *deployment, bool fresh,
				 const char *cause, struct plan *plan)
{
	step(ACTION_JOB_REOPEN, job, deployment, cause, plan)->fresh = fresh;
}

/* W-2 … W-5b. */
static void queued(const struct rollout *rollout, const struct job_view *job,
				   const struct deployment_view *deployment, struct plan *plan)
{
	plan_wake_at(plan, rollout->world->boot_ms + POLL_MS);
	if (job->queue == JOB_QUEUE_ABSENT)
		step(ACTION_JOB_ENQUEUE, job, deployment, "it is not in the queue", plan);
	else if (job->queue == JOB_QUEUE_ENDED && job->state_ago_ms >= POLL_MS)
		work_reopen(job, deployment, false, "the queue has ended it, and no worker took it", plan);
	else if (job->queue == JOB_QUEUE_TAKEN && job->state_ago_ms >= UNCLAIMED_TAKEN_MS)
		work_reopen(job, deployment, false, "a worker took it from the queue and never began it", plan);
}

/* A worker ends what takes too long; one that doesn't, but says that it's alive, holds nobody up for ever. */
static bool overdue(const struct job_view *job)
{
	int64_t limit_ms = job->kind == JOB_BUILD ? HC_LIMIT_BUILD_MS : HC_LIMIT_RESOLVE_MS;

	return job->state_ago_ms >= limit_ms + HC_LIMIT_JOB_GRACE_MS;
}

/* W-6 … W-8. */
static void running(const struct rollout *rollout, const struct job_view *job,
					const struct deployment_view *deployment, struct plan *plan)
{
	int64_t wake_ms = job->lease_left_ms >= 0 && job->lease_left_ms < POLL_MS ? job->lease_left_ms + 10
																			  : POLL_MS;

	if (overdue(job))
		step(ACTION_JOB_GIVE_UP, job, deployment,
			 job->kind == JOB_BUILD ? "the build did not end within an hour, nor did its worker end it: look "
									  "at its log for what hangs, "
									  "and restart that worker"
									: "the repository could not be read within 15 minutes, nor did the "
									  "worker give up: restart that worker",
			 plan);
	else if (job->lease_left_ms >= 0)
		plan_wake_at(plan, rollout->world->boot_ms + wake_ms);
	else if (job->claims >= CLAIMS_MAX)
		step(ACTION_JOB_GIVE_UP, job, deployment,
			 job->kind == JOB_BUILD
				 ? "its worker was lost three times: it may need more memory than the machine has; see the "
				   "worker's log, then helvetia redeploy"
				 : "its worker was lost three times: see the worker's log, then helvetia redeploy",
			 plan);
	else
		work_reopen(job, deployment, false,
					hc_arena_printf(rollout->arena, "its worker %s is lost", job->worker ? job->worker : ""),
					plan);
}

/* W-9 … W-11. */
static enum work_end failed(const struct rollout *rollout, const struct job_view *job,
							const struct deployment_view *deployment, bool stale, struct plan *plan)
{
	int64_t left_ms = delay_ms(job) - job->state_ago_ms;

	if (stale) {
		work_reopen(job, deployment, true, "it failed before it was wanted again", plan);
		return WORK_WAITS;
	}
	if (job->final)
		return WORK_FAILED;
	if (left_ms > 0)
		plan_wake_at(plan, rollout->world->boot_ms + left_ms);
	else
		work_reopen(job, deployment, false, "its failure may have been cured", plan);
	return WORK_WAITS;
}

enum work_end work_decide(const struct rollout *rollout, const struct job_view *job,
						  const struct deployment_view *deployment, bool stale, struct plan *plan,
						  struct work_wait *ret_wait)
{
	if (ret_wait)
		*ret_wait = work_explain(rollout->world, job, rollout->arena);
	if (!job->id) {
		step(ACTION_JOB_CREATE, job, deployment, "it is wanted", plan);
		return WORK_WAITS;
	}
	switch (job->state) {
	case JOB_QUEUED:
		queued(rollout, job, deployment, plan);
		return WORK_WAITS;
	case JOB_RUNNING:
		running(rollout, job, deployment, plan);
		return WORK_WAITS;
	case JOB_SUCCEEDED:
		return WORK_DONE;
	case JOB_FAILED:
		return failed(rollout, job, deployment, stale, plan);
	case JOB_CANCELED:
		work_reopen(job, deployment, true, "it was cancelled, and is wanted again", plan);
		return WORK_WAITS;
	}
	return WORK_WAITS;
}
