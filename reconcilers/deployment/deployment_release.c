/* The release command (cases C-25 … C-28): a container of the new revision's image that runs once before the
 * replicas start, as for migrations.
 *
 * Whether it ran is read off its container, and once it ended well off the row (`released`), so a controller
 * that was killed goes on where it was. The container's name is the fence against a second run. A migration
 * that is cut in the middle is worse than one that is waited for: nothing but suspending, deleting or the
 * deadline stops it. */
#include "base/text.h"
#include "model/names.h"
#include "rollout.h"

#include <inttypes.h>
#include <string.h>

bool release_wanted(const struct deployment_view *attempt)
{
	/* A rollback repeats a revision whose command ran already, and must not depend on it. */
	return attempt->template.release_command && !attempt->rollback_of && !attempt->released;
}

bool release_container(const struct container_view *container)
{
	return container->ordinal == RELEASE_ORDINAL;
}

bool release_runs(const struct rollout *rollout)
{
	const struct container_view *container = rollout_find(rollout, rollout->attempt, RELEASE_ORDINAL);

	return rollout->attempt->stage == STAGE_STARTING && release_wanted(rollout->attempt) && container &&
		   rollout_alive(container);
}

/* That of a revision which was given up may not have ended yet. */
static bool another_runs(const struct rollout *rollout)
{
	const struct service_world *world = rollout->world;

	for (size_t index = 0; index < world->container_count; index++) {
		const struct container_view *container = &world->containers[index];

		if (release_container(container) && rollout_alive(container) &&
			!hc_streq(container->deployment_uid, rollout->attempt->uid))
			return true;
	}
	return false;
}

/* C-25. */
static void begin(const struct rollout *rollout, struct plan *plan)
{
	static const int ordinals[] = {RELEASE_ORDINAL};
	const struct deployment_view *attempt = rollout->attempt;
	const struct refusal_view *refusal = replica_refusal(rollout, attempt, RELEASE_ORDINAL);
	struct deployment_view *next;

	if (refusal) {
		attempt_fail(rollout, plan, "ReleaseFailed", "the engine refuses to make %s: %s", refusal->folder,
					 refusal->message);
		return;
	}
	if (another_runs(rollout))
		return; /* its end is an event */
	if (!hc_streq(attempt->reason, "Releasing")) {
		next = rollout_status(rollout, attempt, plan, false, "its release command runs first");
		next->reason = "Releasing";
		next->message = hc_arena_printf(rollout->arena,
										"releaseCommand runs; the replicas start when it has ended well");
	}
	replicas_make(rollout, attempt, ordinals, 1, plan);
}

/* C-26. The replicas have a deadline of their own. */
static void ended_well(const struct rollout *rollout, const struct container_view *container,
					   struct plan *plan)
{
	const struct deployment_view *attempt = rollout->attempt;
	int64_t took_ms = container->finished_wall_ms - container->started_wall_ms;
	struct deployment_view *next = rollout_status(rollout, attempt, plan, false,
												  "its release command ended well");

	next->released = true;
	next->stage_since = next->started = rollout_now(rollout->world);
	next->reason = next->message = "";
	plan_event(plan, false, "Released",
			   "Revision %" PRId64 ": releaseCommand ended well after %" PRId64 ".%d s", attempt->revision,
			   took_ms > 0 ? took_ms / 1000 : 0, took_ms > 0 ? (int)(took_ms % 1000 / 100) : 0);
}

/* C-27. */
static void ended_badly(const struct rollout *rollout, const struct container_view *container,
						struct plan *plan)
{
	const char *tail = container->log_tail ? container->log_tail : "";

	if (container->out_of_memory)
		attempt_fail(rollout, plan, "ReleaseFailed",
					 "releaseCommand was killed because it needed more than its %" PRId64
					 " MiB of memory: raise spec.resources.memory",
					 container->memory_bytes / (1024 * 1024));
	else if (container->exit_code == 126 || container->exit_code == 127)
		attempt_fail(rollout, plan, "ReleaseFailed",
					 "releaseCommand could not be run (code %d)%s%s; see spec.releaseCommand and the image",
					 container->exit_code, tail[0] ? ": " : "", tail);
	else
		attempt_fail(
			rollout, plan, "ReleaseFailed",
			"releaseCommand ended with code %d%s%s; mend it and deploy again, or `helvetia redeploy`",
			container->exit_code, tail[0] ? "; last lines: " : "; it wrote nothing", tail);
}

static void running(const struct rollout *rollout, struct plan *plan)
{
	const struct deployment_view *attempt = rollout->attempt;
	int64_t deadline_ms = rollout->world->service.spec.deadline_seconds * INT64_C(1000);

	if (rollout_elapsed(rollout->world, &attempt->started) < deadline_ms) {
		plan_wake_at(plan, attempt->started.at_ms + deadline_ms);
		return;
	}
	attempt_fail(rollout, plan, "ReleaseFailed",
				 "releaseCommand did not end within %d s and was stopped: raise strategy.deadlineSeconds, or "
				 "see its log",
				 rollout->world->service.spec.deadline_seconds);
}

bool release_decide(const struct rollout *rollout, struct plan *plan)
{
	const struct deployment_view *attempt = rollout->attempt;
	const struct container_view *container = rollout_find(rollout, attempt, RELEASE_ORDINAL);

	if (!release_wanted(attempt))
		return true;
	if (!container) {
		begin(rollout, plan);
		return false;
	}
	if (rollout_role(rollout, container) != ROLE_KEPT)
		return false; /* it is put away, and made anew */
	switch (container->state) {
	case CONTAINER_CREATED:
		if (container->error && container->error[0])
			attempt_fail(rollout, plan, "ReleaseFailed",
						 "releaseCommand could not be run: %s; see spec.releaseCommand and the image",
						 container->error);
		else
			replica_start(container, "it was created", plan);
		break;
	case CONTAINER_PAUSED:
		plan_add(plan, ACTION_CONTAINER_UNPAUSE, container->name, "it is paused")->id = container->id;
		plan_event(plan, true, "Healed", "%s was paused: continued", container->name);
		break;
	case CONTAINER_EXITED:
		if (container->exit_code == 0)
			ended_well(rollout, container, plan);
		else
			ended_badly(rollout, container, plan);
		break;
	case CONTAINER_RUNNING:
	case CONTAINER_RESTARTING:
		running(rollout, plan);
		break;
	case CONTAINER_DEAD:
	case CONTAINER_REMOVING:
		break;
	}
	return false;
}
