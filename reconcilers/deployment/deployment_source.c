/* What is built from a repository, up to its image (cases C-51 … C-59): first which tree the commit has and
 * what runs it, then the build of that tree, which other Deployments may share.
 *
 * Nothing of what serves is touched here: the old revision serves on whatever happens. */
#include "base/text.h"
#include "rollout.h"

#include <inttypes.h>
#include <string.h>

#define EARLIER_MS 5000                   /* a worker stops what was cancelled within about a second */
#define REBUILD_EVERY_MS (10 * 60 * 1000) /* of what serves, after it could not be built again */
#define POLL_MS 200

static const char *sentence(const struct job_view *job)
{
	return job->message && job->message[0] ? job->message : "its worker said no more";
}

/* It failed before the stage began: for an earlier wish. */
static bool failed_before(const struct rollout *rollout, const struct job_view *job)
{
	return job->state_ago_ms > rollout_elapsed(rollout->world, &rollout->attempt->stage_since);
}

/* --- C-51, C-52: the source
 * ------------------------------------------------------------------------------------ */

static bool source_known(const struct rollout *rollout, struct plan *plan)
{
	const struct job_view *job = &rollout->world->resolve;
	struct work_wait wait;

	switch (work_decide(rollout, job, rollout->attempt, failed_before(rollout, job), plan, &wait)) {
	case WORK_DONE:
		return true;
	case WORK_FAILED:
		attempt_fail(rollout, plan, "SourceFailed", "%s", sentence(job));
		return false;
	case WORK_WAITS:
		attempt_wait(rollout, &wait, plan);
		break;
	}
	return false;
}

static void resolved(const struct rollout *rollout, struct plan *plan)
{
	const struct job_view *job = &rollout->world->resolve;
	struct deployment_view *next = rollout_status(
		rollout, rollout->attempt, plan, false, "its source is tree %.7s (%s): Queued",
		job->tree ? job->tree : "", job->runtime ? job->runtime : "");

	next->stage = STAGE_QUEUED;
	next->stage_since = rollout_now(rollout->world);
	next->tree = job->tree;
	next->reason = next->message = "";
}

/* --- C-53 … C-57: the build
 * ------------------------------------------------------------------------------------ */

static bool busy(const struct job_view *job)
{
	return job->id && (job->state == JOB_QUEUED || job->state == JOB_RUNNING);
}

static void cancel(const struct job_view *job, const char *cause, struct plan *plan)
{
	const char *name = job->name && job->name[0] ? job->name : job->key;
	struct action *action = plan_add(plan, ACTION_JOB_CANCEL, name, "%s", cause);

	action->job = job;
	action->id = job->id;
}

/* C-59 is to begin, or has begun, with another build than the attempt's. One that was begun and isn't needed
 * any more, since the container runs again, ends; if another Service needs it as well, that one begins it
 * anew. */
static bool rebuilds(const struct service_world *world, struct plan *plan)
{
	const struct job_view *job = &world->serving_build;

	if (!job->key || hc_streq(job->key, world->build.key))
		return false;
	if (world->current_image.known && !world->current_image.present)
		return !(job->id && job->state == JOB_FAILED);
	if (!busy(job))
		return false;
	if (!job->cancel || (job->state == JOB_RUNNING && job->lease_left_ms < 0))
		cancel(job, "what serves needs no new image any more", plan);
	return true;
}

/* C-54, INV-13: at most one build of a Service runs beside the one that waits; what serves goes first. */
static bool place_is_free(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	bool stopping = world->earlier_build_runs &&
					rollout_elapsed(world, &rollout->attempt->stage_since) < EARLIER_MS;

	if (busy(&world->build) || (!rebuilds(world, plan) && !stopping))
		return true;
	plan_wake_at(plan, world->boot_ms + POLL_MS);
	return false;
}

static void built(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;

	if (!world->image.known)
		plan_wake_at(plan, world->boot_ms + POLL_MS);
	else if (world->image.present)
		attempt_image(rollout, plan);
	else
		work_reopen(&world->build, rollout->attempt, true, "its image is gone from the engine", plan);
}

static void build(const struct rollout *rollout, struct plan *plan)
{
	const struct job_view *job = &rollout->world->build;
	struct work_wait wait;

	if (!job->key || !place_is_free(rollout, plan))
		return;
	/* The row names its Build before there is one: whoever cleans up sees who needs it. */
	if (!hc_streq(rollout->attempt->build, job->name)) {
		rollout_status(rollout, rollout->attempt, plan, false, "build %s makes its image", job->name)
			->build = job->name;
		return;
	}
	switch (work_decide(rollout, job, rollout->attempt, failed_before(rollout, job), plan, &wait)) {
	case WORK_DONE:
		built(rollout, plan);
		break;
	case WORK_FAILED:
		attempt_fail(rollout, plan, "BuildFailed", "%s; the whole log: helvetia logs --build %s",
					 sentence(job), job->name);
		break;
	case WORK_WAITS:
		attempt_wait(rollout, &wait, plan);
		break;
	}
}

void source_decide(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;

	/* C-58: a rollback has its image; only if that is gone it is built again. */
	if (rollout->attempt->image_id && world->image.known && world->image.present)
		attempt_image(rollout, plan);
	else if (!source_known(rollout, plan))
		return;
	else if (rollout->attempt->stage == STAGE_RESOLVING)
		resolved(rollout, plan);
	else
		build(rollout, plan);
}

/* --- C-2: given up
 * --------------------------------------------------------------------------------------------- */

static bool needed_by_serving(const struct service_world *world, const struct job_view *job)
{
	return world->current_image.known && !world->current_image.present &&
		   (hc_streq(job->key, world->serving_build.key) || hc_streq(job->key, world->serving_resolve.key));
}

void source_cancel(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	const struct job_view *jobs[] = {&world->resolve, &world->build};

	if (world->work_shared)
		return;
	for (size_t index = 0; index < HC_COUNT(jobs); index++) {
		if (work_open(jobs[index]) && !jobs[index]->cancel && !needed_by_serving(world, jobs[index]))
			cancel(jobs[index],
				   hc_arena_printf(rollout->arena, "revision %" PRId64 " is given up",
								   rollout->attempt->revision),
				   plan);
	}
}

/* --- C-59: the image of what serves is gone
 * --------------------------------------------------------------------- */

static bool stale_failure(const struct job_view *job)
{
	return job->state == JOB_FAILED && job->final && job->state_ago_ms >= REBUILD_EVERY_MS;
}

static bool again(const struct rollout *rollout, const struct job_view *job, struct plan *plan)
{
	switch (work_decide(rollout, job, rollout->serving, stale_failure(job), plan, NULL)) {
	case WORK_DONE:
		return true;
	case WORK_FAILED:
		plan_wake_at(plan, rollout->world->boot_ms + REBUILD_EVERY_MS - job->state_ago_ms);
		break;
	case WORK_WAITS:
		break;
	}
	return false;
}

void source_rebuild(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	const struct deployment_view *serving = rollout->serving;
	const struct job_view *job = &world->serving_build;

	if (!again(rollout, &world->serving_resolve, plan) || !job->key)
		return;
	if (busy(&world->build) && !hc_streq(job->key, world->build.key)) {
		plan_wake_at(plan, world->boot_ms + POLL_MS);
		return;
	}
	if (!again(rollout, job, plan))
		return;
	if (hc_streq(job->image_id, serving->image_id))
		work_reopen(job, serving, true,
					hc_arena_printf(rollout->arena,
									"the image of revision %" PRId64 " is gone from the engine",
									serving->revision),
					plan);
	else
		rollout_status(rollout, serving, plan, false, "its image was built again")->image_id = job->image_id;
}
