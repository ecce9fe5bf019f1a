/* What serves is kept up (cases C-40 … C-50): dead or missing replicas come back under a back-off, everything
 * that a person or an accident changed on a container is put right, and an Event says what differed and what
 * was done.
 *
 * Creating and starting can fail again and again, and a plan ends at its first failure. So these actions
 * stand behind a row that moves the back-off before them: in the passes of the back-off everything else has
 * its turn. */
#include "base/text.h"
#include "model/names.h"
#include "rollout.h"

#include <inttypes.h>
#include <string.h>

/* --- dead and missing
 * ------------------------------------------------------------------------------------------ */

struct dead_list {
	int *missing; /* ordinals */
	size_t missing_count;
	int *unmade; /* ordinals */
	size_t unmade_count;
	const struct container_view **dead;
	size_t dead_count;
};

static void dead_look(const struct rollout *rollout, int ordinal, struct dead_list *list)
{
	const struct container_view *container = rollout_find(rollout, rollout->serving, ordinal);

	if (!container && rollout_unmade(rollout, ordinal))
		list->unmade[list->unmade_count++] = ordinal;
	else if (!container)
		list->missing[list->missing_count++] = ordinal;
	else if (rollout_role(rollout, container) == ROLE_WANTED &&
			 (container->state == CONTAINER_EXITED || container->state == CONTAINER_CREATED))
		list->dead[list->dead_count++] = container;
}

static struct dead_list dead_find(const struct rollout *rollout)
{
	size_t most = (size_t)rollout->replicas + 1 + rollout->world->container_count;
	struct dead_list list = {
		.missing = hc_arena_alloc_array(rollout->arena, most, sizeof(int)),
		.unmade = hc_arena_alloc_array(rollout->arena, most, sizeof(int)),
		.dead = hc_arena_alloc_array(rollout->arena, most, sizeof(struct container_view *)),
	};
	const struct service_world *world = rollout->world;

	for (int ordinal = 0; ordinal < rollout->replicas; ordinal++)
		dead_look(rollout, ordinal, &list);
	if (rollout->surge >= 0)
		dead_look(rollout, rollout->surge, &list);
	for (size_t index = 0; index < world->container_count; index++) {
		const struct container_view *container = &world->containers[index];

		if (container->ordinal >= rollout->replicas && container->ordinal != rollout->surge &&
			hc_streq(container->deployment_uid, rollout->serving->uid))
			dead_look(rollout, container->ordinal, &list);
	}
	return list;
}

/* Recreate: nobody else may have the volume, or the name. */
static bool others_alive(const struct rollout *rollout)
{
	const struct service_world *world = rollout->world;

	for (size_t index = 0; index < world->container_count; index++) {
		const struct container_view *container = &world->containers[index];

		if (!hc_streq(container->deployment_uid, rollout->serving->uid) &&
			(rollout_alive(container) || strcmp(container->name, container->folder) != 0))
			return true;
	}
	return false;
}

/* C-41b: Recreate: the place is the next revision's, whose release command may be writing to the volume. If
 * it fails, this one comes back. */
static bool makes_place(const struct rollout *rollout)
{
	return rollout->recreate && rollout->attempt && rollout->attempt != rollout->serving &&
		   rollout->attempt->stage == STAGE_STARTING;
}

static int64_t restart_delay_ms(int attempts)
{
	return attempts >= 6 ? ROLLOUT_RESTART_DELAY_MAX_MS : INT64_C(1000) << attempts;
}

/* C-43: the image of what serves was removed from the engine. */
static bool image_is_gone(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	const struct image_view *image = &world->current_image;

	if (!image->known || image->present)
		return false;
	if (!rollout->serving->template.image && rollout->serving->template.repo_url)
		source_rebuild(rollout, plan);
	else if (rollout_this_boot(world, &image->retry_at) && world->boot_ms < image->retry_at.at_ms)
		plan_wake_at(plan, image->retry_at.at_ms);
	else if (rollout->serving->image_written && !image->error_final)
		plan_add(plan, ACTION_IMAGE_PULL, rollout->serving->image_written,
				 "the image of revision %" PRId64 " is gone from the engine", rollout->serving->revision)
			->id = rollout->serving->uid;
	else
		plan_wake_at(plan, world->boot_ms + ROLLOUT_IMAGE_POLL_MS); /* somebody may bring it back by hand */
	return true;
}

static void say_dead(const struct rollout *rollout, const struct dead_list *list, struct plan *plan)
{
	const struct deployment_view *serving = rollout->serving;

	for (size_t index = 0; index < list->dead_count; index++) {
		const struct container_view *container = list->dead[index];

		if (container->error && container->error[0])
			plan_event(plan, true, "StartFailed", "%s could not be started: %s; tried again", container->name,
					   container->error);
		else if (container->term_sent_boot_ms || container->state == CONTAINER_CREATED)
			continue;
		else if (container->out_of_memory)
			plan_event(plan, true, "OutOfMemory", "%s needed more than its memory limit: started again",
					   container->name);
		else
			plan_event(plan, true, "Healed", "%s was not running (exit code %d): started again",
					   container->name, container->exit_code);
	}
	for (size_t index = 0; index < list->missing_count; index++)
		plan_event(plan, false, "Healed", "Replica %d of revision %" PRId64 " was missing: made",
				   list->missing[index], serving->revision);
}

/* C-42b: scaled up, or switched on again. Nothing died, so no back-off has a say. If it can't be made it
 * counts as missing from the next pass on, since its folder is there by then. */
static void make_unmade(const struct rollout *rollout, const struct dead_list *list, struct plan *plan)
{
	const struct service_world *world = rollout->world;

	if (!world->network_present) {
		plan_wake_at(plan, world->boot_ms + ROLLOUT_NETWORK_POLL_MS);
		return;
	}
	if (image_is_gone(rollout, plan))
		return;
	for (size_t index = 0; index < list->unmade_count; index++)
		plan_event(plan, false, world->container_count ? "Scaled" : "Resumed",
				   "Replica %d of revision %" PRId64 " is wanted%s: made", list->unmade[index],
				   rollout->serving->revision, world->container_count ? "" : " again");
	replicas_make(rollout, rollout->serving, list->unmade, list->unmade_count, plan);
}

void heal_dead_decide(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	const struct deployment_view *serving = rollout->serving;
	struct dead_list list = dead_find(rollout);
	struct deployment_view *next;

	if (makes_place(rollout))
		return;
	if (list.unmade_count)
		make_unmade(rollout, &list, plan);
	if (!list.dead_count && !list.missing_count)
		return;
	if (rollout_this_boot(world, &serving->restart_not_before) &&
		world->boot_ms < serving->restart_not_before.at_ms) {
		plan_wake_at(plan, serving->restart_not_before.at_ms);
		return;
	}
	if (rollout->recreate && others_alive(rollout))
		return;
	if (list.missing_count && !world->network_present) {
		plan_wake_at(plan, world->boot_ms + ROLLOUT_NETWORK_POLL_MS);
		return;
	}
	if (list.missing_count && image_is_gone(rollout, plan))
		return;
	next = rollout_status(rollout, serving, plan, false, "%zu replicas are dead and %zu missing: start %d",
						  list.dead_count, list.missing_count, serving->restart_attempts + 1);
	next->restart_not_before = rollout_now(world);
	next->restart_not_before.at_ms += restart_delay_ms(serving->restart_attempts);
	next->restart_attempts = serving->restart_attempts + 1;
	say_dead(rollout, &list, plan);
	for (size_t index = 0; index < list.dead_count; index++)
		replica_start(list.dead[index], "it is not running", plan);
	replicas_make(rollout, serving, list.missing, list.missing_count, plan);
}

/* --- running, and not as it should be
 * -------------------------------------------------------------------------- */

static struct action *fix(struct plan *plan, enum action_kind kind, const struct container_view *container,
						  const char *differs)
{
	struct action *action = plan_add(plan, kind, container->name, "%s", differs);

	action->id = container->id;
	action->folder = container->folder;
	return action;
}

static bool name_is_taken(const struct service_world *world, const char *name)
{
	for (size_t index = 0; index < world->container_count; index++) {
		if (strcmp(world->containers[index].name, name) == 0)
			return true;
	}
	return false;
}

/* C-46: one cure a pass: the next pass sees what is left. */
static void heal_in_place(const struct rollout *rollout, const struct deployment_view *deployment,
						  const struct container_view *container, struct plan *plan)
{
	const struct container_spec *wanted = deployment_container(rollout->world, deployment, container->ordinal,
															   container->fixed_address, rollout->arena);
	bool in_place = false;
	const char *differs = deployment_drift(wanted, container, rollout->arena, &in_place);
	/* Recreate parked it under its folder's name, and it is needed again: no hand did that. */
	bool parked = strcmp(container->name, wanted->name) != 0 && hc_streq(container->name, container->folder);
	struct action *action;

	if (!differs || !in_place || container->state == CONTAINER_PAUSED)
		return; /* a paused one was not inspected; it is continued first */
	if (strcmp(container->name, wanted->name) != 0) {
		if (name_is_taken(rollout->world, wanted->name))
			return; /* Docker would refuse; whoever has it is on its way out */
		fix(plan, ACTION_CONTAINER_RENAME, container, differs)->new_name = wanted->name;
	} else if (!container->network_attached || (rollout_running(container) && container->address[0] &&
												!hc_streq(container->address, wanted->address))) {
		if (container->network_attached)
			fix(plan, ACTION_NETWORK_DISCONNECT, container, differs)->target = wanted->network;
		action = fix(plan, ACTION_NETWORK_CONNECT, container, differs);
		action->target = wanted->network;
		action->address = wanted->address;
		action->alias = wanted->alias;
	} else {
		fix(plan, ACTION_CONTAINER_UPDATE, container, differs)->spec = wanted;
	}
	if (!parked)
		plan_event(plan, true, "Healed", "%s: %s: put right", container->name, differs);
}

/* C-50, INV-7: slow must not become gone. Another replica has to be there, and well. */
static bool another_serves(const struct rollout *rollout, const struct container_view *except)
{
	const struct service_world *world = rollout->world;

	for (size_t index = 0; index < world->container_count; index++) {
		const struct container_view *other = &world->containers[index];

		if (other != except && hc_streq(other->deployment_uid, except->deployment_uid) &&
			rollout->roles[index] == ROLE_WANTED && rollout_published(world, other))
			return true;
	}
	return false;
}

static void heal_gate(const struct rollout *rollout, const struct container_view *container,
					  struct plan *plan)
{
	const struct service_world *world = rollout->world;
	enum exposure expose = rollout->serving->template.expose;
	int64_t revive_at = container->gate_changed_boot_ms + ROLLOUT_REVIVE_EVERY_MS;
	int64_t up_ms = world->wall_ms - container->started_wall_ms;

	if (!container->gate_open) {
		/* Policy first: a crash between the two must not leave a published one that nobody restarts. */
		if (rollout_answers(world, container, expose) && !container->restarts_alone)
			replica_restart_on(container, "it is published now", plan);
		replica_publish(rollout, container, expose, "it answers", plan);
		return;
	}
	if (!container->restarts_alone) {
		replica_restart_on(container, "restart policy is no, not unless-stopped", plan);
		plan_event(plan, true, "Healed", "%s: restart policy is no, not unless-stopped: put right",
				   container->name);
	}
	if (container->probe == PROBE_UNREADY && another_serves(rollout, container)) {
		fix(plan, ACTION_GATE_CLOSE, container, "it stopped answering");
		plan_event(plan, true, "Unready", "%s stopped answering and gets no requests until it does: %s",
				   container->name, container->probe_message ? container->probe_message : "");
	} else if (rollout_answers(world, container, expose) && container->health != HEALTH_HEALTHY) {
		/* C-33; a fresh start is given time for its first health check. */
		if (up_ms < ROLLOUT_REVIVE_EVERY_MS)
			revive_at = world->boot_ms + ROLLOUT_REVIVE_EVERY_MS - (up_ms > 0 ? up_ms : 0);
		if (world->boot_ms >= revive_at)
			fix(plan, ACTION_CONTAINER_REVIVE, container,
				"it answers, and the engine does not call it healthy");
		else
			plan_wake_at(plan, revive_at);
	}
}

/* C-48: Traefik missed the change that published it. Only after a while, since a Traefik that has just been
 * started lists nobody yet, and closing gates then would make the outage that this is to cure. */
static void heal_unlisted(const struct rollout *rollout, const struct container_view *container,
						  struct plan *plan)
{
	const struct service_world *world = rollout->world;
	int64_t since = container->unlisted_since_ms;

	if (!world->traefik_answers || container->listed || !container->gate_open ||
		!rollout_is_public(container) || container->probe != PROBE_READY ||
		container->health != HEALTH_HEALTHY)
		return;
	if (container->gate_changed_boot_ms > since)
		since = container->gate_changed_boot_ms;
	if (since && container->unlisted_since_ms && world->boot_ms >= since + ROLLOUT_UNLISTED_MS)
		fix(plan, ACTION_GATE_CLOSE, container, "Traefik doesn't list it: nudge it with an event");
	else
		plan_wake_at(plan, (since ? since : world->boot_ms) + ROLLOUT_UNLISTED_MS);
}

static void heal_running(const struct rollout *rollout, const struct deployment_view *deployment,
						 const struct container_view *container, struct plan *plan)
{
	if (container->state == CONTAINER_PAUSED) {
		fix(plan, ACTION_CONTAINER_UNPAUSE, container, "it is paused");
		plan_event(plan, true, "Healed", "%s was paused: continued", container->name);
		return;
	}
	heal_in_place(rollout, deployment, container, plan);
	if (!rollout_running(container))
		return;
	heal_gate(rollout, container, plan);
	heal_unlisted(rollout, container, plan);
}

/* C-49: up for a while: the next death is started at once again. */
static void forget_restarts(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	const struct deployment_view *serving = rollout->serving;
	int64_t stable_at = serving->restart_not_before.at_ms + ROLLOUT_STABLE_MS;
	bool this_boot = rollout_this_boot(world, &serving->restart_not_before);

	if (!serving->restart_attempts || rollout_ready_count(rollout, serving) < rollout->replicas)
		return;
	if (this_boot && world->boot_ms < stable_at) {
		plan_wake_at(plan, stable_at);
		return;
	}
	rollout_status(rollout, serving, plan, false, "all replicas are up for a minute")->restart_attempts = 0;
}

/* Switched off: what died before has no say when it is switched on again. */
void heal_off_decide(const struct rollout *rollout, struct plan *plan)
{
	struct deployment_view *next;

	if (rollout->world->service.deleting || !rollout->serving->restart_attempts)
		return;
	next = rollout_status(rollout, rollout->serving, plan, false,
						  "it is switched off: its back-off is forgotten");
	next->restart_attempts = 0;
	next->restart_not_before = (struct moment){0};
}

void heal_drift_decide(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;

	for (size_t index = 0; index < world->container_count; index++) {
		const struct container_view *container = &world->containers[index];

		if (rollout->roles[index] != ROLE_WANTED)
			continue;
		if (rollout->serving && hc_streq(container->deployment_uid, rollout->serving->uid))
			heal_running(rollout, rollout->serving, container, plan);
		else if (rollout->attempt)
			heal_in_place(rollout, rollout->attempt, container, plan);
	}
	if (rollout->serving && rollout->serving == rollout->current)
		forget_restarts(rollout, plan);
}
