/* Single replicas: making, starting, publishing them, and what an attempt's replicas are like together. */
#include "base/text.h"
#include "model/names.h"
#include "rollout.h"

#include <inttypes.h>
#include <string.h>

/* The engine's own words for an address that somebody else has, and for a network that was made anew. */
bool replica_address_taken(const struct container_view *container)
{
	static const char *const signs[] = {"Address already in use", "no configured subnet", "invalid address"};
	const char *error = container->error ? container->error : "";

	for (size_t index = 0; index < HC_COUNT(signs); index++) {
		if (strstr(error, signs[index]))
			return true;
	}
	return strstr(error, "network ") && strstr(error, "not found");
}

void replica_start(const struct container_view *container, const char *cause, struct plan *plan)
{
	plan_add(plan, ACTION_CONTAINER_START, container->name, "%s", cause)->id = container->id;
}

void replica_restart_on(const struct container_view *container, const char *cause, struct plan *plan)
{
	plan_add(plan, ACTION_RESTART_ON, container->name, "%s", cause)->id = container->id;
}

/* --- making
 * ---------------------------------------------------------------------------------------------------- */

static size_t created_in(const struct plan *plan)
{
	size_t count = 0;

	for (size_t index = 0; index < plan->action_count; index++)
		count += plan->actions[index].kind == ACTION_CONTAINER_CREATE;
	return count;
}

static const struct container_spec *create(const struct rollout *rollout,
										   const struct deployment_view *deployment, int ordinal,
										   const char *address, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	const struct container_spec *spec = deployment_container(world, deployment, ordinal, address,
															 rollout->arena);
	const char *folder = name_container(rollout->arena, world->service.name, deployment->revision, ordinal,
										world->service.namespace_uid);
	struct action *action;

	action = plan_add(plan, ACTION_FOLDER_PREPARE, folder, "its gate is shut before it exists");
	action->folder = folder;
	for (size_t index = 0; index < spec->mount_count; index++) {
		if (spec->mounts[index].volume)
			plan_add(plan, ACTION_VOLUME_CREATE, spec->mounts[index].source, "revision %" PRId64 " mounts it",
					 deployment->revision);
	}
	action = plan_add(plan, ACTION_CONTAINER_CREATE, spec->name, "%s of revision %" PRId64 " %s",
					  ordinal == RELEASE_ORDINAL ? "the release command"
												 : hc_arena_printf(rollout->arena, "replica %d", ordinal),
					  deployment->revision, ordinal == RELEASE_ORDINAL ? "runs first" : "is missing");
	action->spec = spec;
	action->folder = folder;
	action->deployment = deployment;
	return spec;
}

void replicas_make(const struct rollout *rollout, const struct deployment_view *deployment,
				   const int *ordinals, size_t count, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	const char **names = hc_arena_alloc_array(rollout->arena, count + 1, sizeof(char *));
	size_t made = 0;

	if (!count)
		return;
	if (!world->network_present) {
		plan_wake_at(plan, world->boot_ms + ROLLOUT_NETWORK_POLL_MS);
		return;
	}
	for (size_t index = 0; index < count; index++) {
		size_t next = created_in(plan);

		if (next >= world->free_address_count) {
			plan_wake_at(plan, world->boot_ms + 1000);
			break;
		}
		names[made++] = create(rollout, deployment, ordinals[index], world->free_addresses[next], plan)->name;
	}
	for (size_t index = 0; index < made; index++)
		plan_add(plan, ACTION_CONTAINER_START, names[index], "it was created");
}

/* --- publishing
 * ------------------------------------------------------------------------------------------------ */

void replica_wake_plain(const struct rollout *rollout, const struct container_view *container,
						enum exposure expose, struct plan *plan)
{
	int64_t up_ms = rollout->world->wall_ms - container->started_wall_ms;

	if (expose == EXPOSE_NONE && rollout_running(container) && up_ms >= 0 && up_ms < ROLLOUT_PLAIN_UP_MS)
		plan_wake_at(plan, rollout->world->boot_ms + ROLLOUT_PLAIN_UP_MS - up_ms);
}

void replica_publish(const struct rollout *rollout, const struct container_view *container,
					 enum exposure expose, const char *cause, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	int64_t settled = container->gate_changed_boot_ms + ROLLOUT_GATE_SETTLE_MS;
	struct action *action;

	if (container->gate_open)
		return;
	if (!rollout_answers(world, container, expose)) {
		replica_wake_plain(rollout, container, expose, plan);
		return;
	}
	/* A nudge is a closed gate that somebody noticed: opening it before would be no event for Traefik. */
	if (container->gate_changed_boot_ms && container->health == HEALTH_HEALTHY && world->boot_ms < settled) {
		plan_wake_at(plan, settled);
		return;
	}
	action = plan_add(plan, ACTION_GATE_OPEN, container->name, "%s", cause);
	action->id = container->id;
	action->folder = container->folder;
}

/* --- an attempt's replicas
 * ------------------------------------------------------------------------------------- */

const struct refusal_view *replica_refusal(const struct rollout *rollout,
										   const struct deployment_view *attempt, int ordinal)
{
	const struct service_world *world = rollout->world;
	const char *folder = name_container(rollout->arena, world->service.name, attempt->revision, ordinal,
										world->service.namespace_uid);

	for (size_t index = 0; index < world->refusal_count; index++) {
		if (hc_streq(world->refusals[index].folder, folder))
			return &world->refusals[index];
	}
	return NULL;
}

static void look_at(const struct rollout *rollout, const struct deployment_view *attempt,
					const struct container_view *container, struct plan *plan,
					struct attempt_replicas *replicas)
{
	bool answers = rollout_answers(rollout->world, container, attempt->template.expose);

	if (rollout_role(rollout, container) != ROLE_WANTED) {
		replicas->unanswered = container;
		return;
	}
	replicas->running += rollout_running(container);
	replicas->answering += answers;
	replicas->open += container->gate_open && rollout_running(container);
	/* Traefik's list alone may be from before a nudge that the engine hasn't heard the end of. */
	replicas->listed += container->gate_open && rollout_running(container) && container->listed &&
						container->health == HEALTH_HEALTHY;
	if (!answers) {
		replicas->unanswered = container;
		replica_wake_plain(rollout, container, attempt->template.expose, plan);
	}
	if (rollout_running(container) && container->gate_open && container->probe == PROBE_UNREADY)
		replicas->unready = container;
	if (container->state == CONTAINER_PAUSED) {
		plan_add(plan, ACTION_CONTAINER_UNPAUSE, container->name, "it is paused")->id = container->id;
		plan_event(plan, true, "Healed", "%s was paused: continued", container->name);
	} else if (container->state == CONTAINER_CREATED && container->error && container->error[0]) {
		if (!replica_address_taken(container))
			replicas->refused = container;
	} else if (container->state == CONTAINER_CREATED) {
		replica_start(container, "it was created", plan);
	} else if (container->state == CONTAINER_EXITED && container->term_sent_boot_ms) {
		replica_start(container, "we had stopped it", plan);
	} else if (container->state == CONTAINER_EXITED || container->state == CONTAINER_DEAD) {
		replicas->dead = container;
	}
}

void attempt_replicas(const struct rollout *rollout, const struct deployment_view *attempt, struct plan *plan,
					  struct attempt_replicas *ret_replicas)
{
	int *missing = hc_arena_alloc_array(rollout->arena, (size_t)rollout->replicas + 1, sizeof(int));
	struct attempt_replicas replicas = {0};
	size_t missing_count = 0;

	for (int ordinal = 0; ordinal < rollout->replicas; ordinal++) {
		const struct container_view *container = rollout_find(rollout, attempt, ordinal);

		if (container) {
			look_at(rollout, attempt, container, plan, &replicas);
			continue;
		}
		if (!replicas.refusal)
			replicas.refusal = replica_refusal(rollout, attempt, ordinal);
		missing[missing_count++] = ordinal;
	}
	if (!replicas.refusal && !replicas.dead && !replicas.refused)
		replicas_make(rollout, attempt, missing, missing_count, plan);
	*ret_replicas = replicas;
}

static bool fail_dead(const struct rollout *rollout, const struct container_view *dead, bool published,
					  struct plan *plan)
{
	const char *reason = dead->out_of_memory         ? "OutOfMemory"
						 : published                 ? "Unstable"
						 : explain_never_began(dead) ? "StartFailed"
													 : "Exited";

	attempt_fail(rollout, plan, reason, "%s %s", dead->name, explain_ended(dead, rollout->arena));
	return true;
}

bool attempt_fail_replicas(const struct rollout *rollout, const struct attempt_replicas *replicas,
						   struct plan *plan)
{
	bool published = rollout->attempt->stage >= STAGE_PUBLISHING;

	if (replicas->refusal) {
		attempt_fail(rollout, plan, "CreateRefused", "the engine refuses to make %s: %s",
					 replicas->refusal->folder, replicas->refusal->message);
		return true;
	}
	if (replicas->refused) {
		attempt_fail(rollout, plan, "StartFailed", "the engine can't start %s: %s; %s",
					 replicas->refused->name, replicas->refused->error,
					 explain_error(replicas->refused->error));
		return true;
	}
	if (replicas->dead)
		return fail_dead(rollout, replicas->dead, published, plan);
	if (published && replicas->unready) {
		attempt_fail(rollout, plan, "Unstable", "%s stopped answering: %s", replicas->unready->name,
					 explain_mute(rollout->attempt, replicas->unready, rollout->arena));
		return true;
	}
	return false;
}
