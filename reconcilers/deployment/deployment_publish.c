/* Publishing and Stabilizing (cases C-13 … C-19): gates open, Traefik's own API lists every replica, one
 * request by the public way, then a while of proving itself before the old revision goes.
 *
 * Confirmation is what prevents dropped requests: acting on the engine's "healthy" alone is up to two seconds
 * early. */
#include "base/text.h"
#include "model/names.h"
#include "rollout.h"

#include <inttypes.h>
#include <string.h>

static void open_gates(const struct rollout *rollout, struct plan *plan)
{
	const struct deployment_view *attempt = rollout->attempt;

	for (int ordinal = 0; ordinal < rollout->replicas; ordinal++) {
		const struct container_view *container = rollout_find(rollout, attempt, ordinal);

		if (container && rollout_role(rollout, container) == ROLE_WANTED)
			replica_publish(rollout, container, attempt->template.expose,
							"all replicas of the revision answered", plan);
	}
}

/* C-16: Traefik lists the containers before it subscribes to events, so a change in between stays unseen
 * until the next event of any container: make one. */
static void nudge(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	const struct container_view *candidate = NULL;
	int64_t newest = 0;

	for (int ordinal = 0; ordinal < rollout->replicas; ordinal++) {
		const struct container_view *container = rollout_find(rollout, rollout->attempt, ordinal);

		if (!container || !container->gate_open)
			return;
		if (container->gate_changed_boot_ms > newest)
			newest = container->gate_changed_boot_ms;
		if (!container->listed && (!candidate || container->health != HEALTH_HEALTHY))
			candidate = container;
	}
	if (world->boot_ms < newest + ROLLOUT_NUDGE_AFTER_MS) {
		plan_wake_at(plan, newest + ROLLOUT_NUDGE_AFTER_MS);
	} else if (candidate) {
		bool frozen = candidate->health !=
					  HEALTH_HEALTHY; /* it answers, so its health monitor hangs (C-33) */
		struct action *action = plan_add(plan, frozen ? ACTION_CONTAINER_REVIVE : ACTION_GATE_CLOSE,
										 candidate->name, "Traefik doesn't list it: nudge it with an event");

		action->id = candidate->id;
		action->folder = candidate->folder;
	}
}

static void published(const struct rollout *rollout, struct plan *plan)
{
	struct deployment_view *next = rollout_status(
		rollout, rollout->attempt, plan, true, "published with %d replicas: Stabilizing", rollout->replicas);

	next->stage = STAGE_STABILIZING;
	next->stage_since = rollout_now(rollout->world);
	next->reason = next->message = "";
}

static void not_routed(const struct rollout *rollout, const struct attempt_replicas *replicas,
					   struct plan *plan)
{
	const struct service_world *world = rollout->world;

	if (replicas->unanswered && replicas->open < rollout->replicas)
		attempt_fail(rollout, plan, "Unstable", "%s stopped answering before it was published: %s",
					 replicas->unanswered->name,
					 replicas->unanswered->probe_message ? replicas->unanswered->probe_message : "");
	else if (replicas->listed < rollout->replicas)
		attempt_fail(rollout, plan, "NotRouted",
					 "Traefik lists %d of %d replicas after %d s: another router may claim the same host, "
					 "see Traefik's "
					 "log",
					 replicas->listed, rollout->replicas, world->service.spec.deadline_seconds);
	else
		attempt_fail(rollout, plan, "NotRouted", "the public address does not answer after %d s%s%s",
					 world->service.spec.deadline_seconds,
					 world->public_answer && world->public_answer[0] ? ": " : "",
					 world->public_answer ? world->public_answer : "");
}

/* C-15: Traefik away is nobody's failure: the timer of this stage begins again when it is back. */
bool attempt_traefik_away(const struct rollout *rollout, struct plan *plan)
{
	const struct deployment_view *attempt = rollout->attempt;
	bool said = hc_streq(attempt->reason, "TraefikAway");
	struct deployment_view *next;

	if (!rollout->world->traefik_answers) {
		plan_wake_at(plan, rollout->world->boot_ms + 1000);
		if (said)
			return true;
		next = rollout_status(rollout, attempt, plan, false, "Traefik does not answer: waiting for it");
		next->reason = "TraefikAway";
		next->message = "Traefik's API does not answer; the revision is published as soon as it does";
		return true;
	}
	if (!said)
		return false;
	next = rollout_status(rollout, attempt, plan, false, "Traefik answers again");
	next->stage_since = next->started = rollout_now(rollout->world);
	next->reason = next->message = "";
	return true;
}

static void publishing(const struct rollout *rollout, const struct attempt_replicas *replicas,
					   struct plan *plan)
{
	const struct service_world *world = rollout->world;
	const struct deployment_view *attempt = rollout->attempt;
	int64_t deadline_ms = world->service.spec.deadline_seconds * INT64_C(1000);
	bool public = attempt->template.expose == EXPOSE_PUBLIC;
	bool all_open = replicas->open == rollout->replicas;

	if (public && attempt_traefik_away(rollout, plan))
		return;
	if (all_open && (!public || (replicas->listed == rollout->replicas && world->public_answers))) {
		published(rollout, plan);
		return;
	}
	if (rollout_elapsed(world, &attempt->stage_since) >= deadline_ms) {
		not_routed(rollout, replicas, plan);
		return;
	}
	plan_wake_at(plan, attempt->stage_since.at_ms + deadline_ms);
	if (all_open && public) {
		plan_wake_at(plan, rollout_poll_at(world->boot_ms, attempt->stage_since.at_ms));
		if (replicas->listed < rollout->replicas)
			nudge(rollout, plan);
	}
}

static bool old_exists(const struct rollout *rollout)
{
	const struct service_world *world = rollout->world;

	for (size_t index = 0; index < world->container_count; index++) {
		if (!hc_streq(world->containers[index].deployment_uid, rollout->attempt->uid))
			return true;
	}
	return false;
}

/* C-18: what stays up by itself from now on, and only then the row that makes the old revision go. */
static void succeed(const struct rollout *rollout, struct plan *plan)
{
	const struct deployment_view *attempt = rollout->attempt;
	struct deployment_view *next;

	for (int ordinal = 0; ordinal < rollout->replicas; ordinal++) {
		const struct container_view *container = rollout_find(rollout, attempt, ordinal);

		if (container && container->gate_open && !container->restarts_alone)
			replica_restart_on(container, "the revision is published", plan);
	}
	next = rollout_status(rollout, attempt, plan, true, "SUCCESS");
	next->phase = DEPLOYMENT_SUCCESS;
	next->stage = STAGE_DONE;
	next->stage_since = rollout_now(rollout->world);
	next->reason = next->message = "";
	plan_event(plan, false, "Deployed", "Revision %" PRId64 " serves with %d replicas", attempt->revision,
			   rollout->replicas);
}

static void stabilizing(const struct rollout *rollout, const struct attempt_replicas *replicas,
						struct plan *plan)
{
	const struct service_world *world = rollout->world;
	const struct deployment_view *attempt = rollout->attempt;
	int64_t stable_ms = world->service.spec.min_ready_seconds * INT64_C(1000);
	int64_t deadline_ms = world->service.spec.deadline_seconds * INT64_C(1000);
	int64_t proven_ms = rollout_elapsed(world, &attempt->stage_since);

	if (rollout->current != attempt) {
		rollout_status(rollout, attempt, plan, true, "it is published, and the Service names another one");
		return;
	}
	if (old_exists(rollout) && proven_ms < stable_ms) {
		plan_wake_at(plan, attempt->stage_since.at_ms + stable_ms);
		return;
	}
	/* More replicas were asked for meanwhile: they may finish first, but can't hold the outcome for ever. */
	if (replicas->open < rollout->replicas && proven_ms < deadline_ms) {
		plan_wake_at(plan, attempt->stage_since.at_ms + deadline_ms);
		return;
	}
	succeed(rollout, plan);
}

void publish_decide(const struct rollout *rollout, struct plan *plan)
{
	struct attempt_replicas replicas;

	attempt_replicas(rollout, rollout->attempt, plan, &replicas);
	if (attempt_fail_replicas(rollout, &replicas, plan))
		return;
	open_gates(rollout, plan);
	if (rollout->attempt->stage == STAGE_PUBLISHING)
		publishing(rollout, &replicas, plan);
	else
		stabilizing(rollout, &replicas, plan);
}
