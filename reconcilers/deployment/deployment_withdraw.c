/* Taking a container out of service: gate, Traefik, drain, SIGTERM, grace, SIGKILL, remove (design 7.4, cases
 * C-30 …).
 *
 * INV-4: no process is signalled while Traefik lists it or may list it without our knowing. Addresses are
 * reused, so stopping early would send a visitor to a stranger. Therefore every step waits for the
 * observation of the one before, and Traefik being away holds everything that visitors could reach. */
#include "base/text.h"
#include "model/names.h"
#include "rollout.h"

#include <string.h>

static struct action *add(struct plan *plan, enum action_kind kind, const struct container_view *container,
						  const char *cause)
{
	struct action *action = plan_add(plan, kind, container->name, "%s", cause);

	action->id = container->id;
	action->folder = container->folder;
	action->address = container->fixed_address;
	return action;
}

bool withdraw_reachable(const struct container_view *container, bool traefik_answers)
{
	if (!rollout_is_public(container))
		return false;
	if (traefik_answers)
		return container->listed;
	/* Never opened is never routed. */
	return container->gate_used || container->gate_open;
}

/* Still listed though its gate is shut. C-33: an engine older than 23 forgets its health monitors at a live
 * restore, and the gate moves nothing. C-34: Traefik missed the change; opening the gate for a moment makes a
 * new event. */
static void wait_for_traefik(const struct withdrawal *withdrawal, const struct container_view *container,
							 struct plan *plan)
{
	int64_t now = withdrawal->boot_ms, since = container->gate_changed_boot_ms;
	bool frozen = container->health == HEALTH_HEALTHY;
	int64_t cure_at = since + (frozen ? ROLLOUT_FROZEN_AFTER_MS : ROLLOUT_NUDGE_AFTER_MS);

	plan_wake_at(plan, withdrawal->traefik_answers ? rollout_poll_at(now, since) : now + 1000);
	if (!rollout_running(container) || !withdrawal->traefik_answers)
		return;
	if (now < cure_at)
		plan_wake_at(plan, cure_at);
	else if (frozen)
		add(plan, ACTION_CONTAINER_REVIVE, container,
			"its gate is shut and the engine still calls it healthy");
	else
		add(plan, ACTION_GATE_OPEN, container, "Traefik still lists it: nudge it with an event");
}

static void stop(const struct withdrawal *withdrawal, const struct container_view *container,
				 const char *cause, struct plan *plan)
{
	int64_t now = withdrawal->boot_ms;
	int64_t killed = container->kill_sent_boot_ms, terminated = container->term_sent_boot_ms;

	if (container->restarts_alone)
		add(plan, ACTION_RESTART_OFF, container, cause);
	if (!terminated) {
		add(plan, ACTION_CONTAINER_TERMINATE, container, cause);
		plan_wake_at(plan, now + withdrawal->grace_ms);
	} else if (now < terminated + withdrawal->grace_ms) {
		plan_wake_at(plan, terminated + withdrawal->grace_ms);
	} else if (!killed || now >= killed + ROLLOUT_KILL_EVERY_MS) {
		add(plan, ACTION_CONTAINER_KILL, container, "it outlived its grace period");
		plan_wake_at(plan, now + ROLLOUT_KILL_EVERY_MS);
	} else {
		plan_wake_at(plan, killed + ROLLOUT_KILL_EVERY_MS);
	}
}

/* C-35: it ended. */
static void put_away(const struct withdrawal *withdrawal, const struct container_view *container,
					 enum container_role role, const char *parked_name, const char *cause, struct plan *plan)
{
	if (role == ROLE_STOPPING)
		return;
	if (role == ROLE_PARKED) {
		if (container->restarts_alone)
			add(plan, ACTION_RESTART_OFF, container, cause);
		if (strcmp(container->name, parked_name) != 0)
			add(plan, ACTION_CONTAINER_RENAME, container, cause)->new_name = parked_name;
		return;
	}
	if (container->state == CONTAINER_EXITED && withdrawal->keep_log)
		add(plan, ACTION_LOG_KEEP, container, cause)->deployment = withdrawal->deployment;
	add(plan, ACTION_CONTAINER_REMOVE, container, cause);
	add(plan, ACTION_FOLDER_REMOVE, container, cause)->target = container->folder;
}

static int64_t last_step_ms(const struct container_view *container)
{
	int64_t last = container->gate_changed_boot_ms;

	if (container->term_sent_boot_ms > last)
		last = container->term_sent_boot_ms;
	return container->kill_sent_boot_ms > last ? container->kill_sent_boot_ms : last;
}

void withdraw_container(const struct withdrawal *withdrawal, const struct container_view *container,
						enum container_role role, const char *parked_name, const char *cause,
						struct plan *plan)
{
	int64_t now = withdrawal->boot_ms;
	int64_t drained = container->gate_changed_boot_ms + withdrawal->drain_ms;

	if (container->state == CONTAINER_REMOVING) {
		plan_wake_at(plan, now + 1000);
	} else if (container->state == CONTAINER_PAUSED) {
		/* A paused process hears neither the gate nor a signal. */
		add(plan, ACTION_CONTAINER_UNPAUSE, container, cause);
	} else if (container->gate_open && rollout_running(container) && container->health != HEALTH_HEALTHY &&
			   container->gate_changed_boot_ms &&
			   now < container->gate_changed_boot_ms + ROLLOUT_GATE_SETTLE_MS) {
		/* A nudge that nobody noticed yet. */
		plan_wake_at(plan, container->gate_changed_boot_ms + ROLLOUT_GATE_SETTLE_MS);
	} else if (container->gate_open) {
		add(plan, ACTION_GATE_CLOSE, container, cause);
		plan_wake_at(plan, now + 50);
	} else if (rollout_alive(container)) {
		if (!container->term_sent_boot_ms && withdraw_reachable(container, withdrawal->traefik_answers))
			wait_for_traefik(withdrawal, container, plan);
		else if (!container->term_sent_boot_ms && container->gate_used && container->gate_changed_boot_ms &&
				 now < drained)
			plan_wake_at(plan, drained);
		else
			stop(withdrawal, container, cause, plan);
	} else if (container->listed && now < last_step_ms(container) + ROLLOUT_UNLISTED_MS) {
		/* Its address must not be given away while Traefik still sends visitors there; later the cool-down of
		 * addresses stands for it, and whoever gets the address makes the event that Traefik missed. */
		plan_wake_at(plan, rollout_poll_at(now, container->gate_changed_boot_ms));
	} else {
		put_away(withdrawal, container, role, parked_name, cause, plan);
	}
}

/* The phrase that people read in a plan and in the log. */
static const char *cause_of(const struct rollout *rollout, const struct container_view *container,
							const struct deployment_view *own, enum container_role role)
{
	const struct service_view *service = &rollout->world->service;

	if (service->deleting)
		return "the Service is being deleted";
	if (service->spec.suspend)
		return "the Service is suspended";
	if (!rollout->on)
		return "the Service has no replicas";
	if (role == ROLE_PARKED)
		return "Recreate: the new revision needs its place";
	if (role == ROLE_STOPPING)
		return "it is stopping already and is started again after";
	if (!own)
		return "its Deployment does not exist";
	if (own->phase == DEPLOYMENT_FAILED)
		return "its revision failed";
	if (release_container(container))
		return "its command has ended";
	if (own == rollout->serving || own == rollout->attempt)
		return container->ordinal >= rollout->replicas ? "more replicas than wanted" : "it is made anew";
	return "a newer revision serves";
}

void withdraw_decide(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	const struct service_spec *spec = &world->service.spec;

	for (size_t index = world->container_count; index-- > 0;) {
		const struct container_view *container = &world->containers[index];
		const struct deployment_view *own = rollout_deployment_of(world, container);
		enum container_role role = rollout->roles[index];
		/* What an older revision had in flight ended while it drained with its gate open. */
		bool drained = rollout->current && rollout->current->phase == DEPLOYMENT_SUCCESS &&
					   container->revision < rollout->current->revision && rollout->on;
		struct withdrawal withdrawal = {
			.boot_ms = world->boot_ms,
			.drain_ms = drained || role == ROLE_PARKED || !rollout_is_public(container)
							? 0
							: spec->drain_seconds * INT64_C(1000),
			.grace_ms = spec->grace_seconds * INT64_C(1000),
			.traefik_answers = world->traefik_answers,
			.keep_log = true,
			.deployment = own,
		};

		if (role == ROLE_WANTED || role == ROLE_KEPT)
			continue;
		withdraw_container(&withdrawal, container, role, container->folder,
						   cause_of(rollout, container, own, role), plan);
	}
	/* C-31: drain of the old revision ends. */
	if (rollout->current && rollout->current->phase == DEPLOYMENT_SUCCESS &&
		rollout_this_boot(world, &rollout->current->stage_since)) {
		int64_t end = rollout->current->stage_since.at_ms + spec->drain_seconds * INT64_C(1000);

		for (size_t index = 0; index < world->container_count; index++) {
			if (rollout->roles[index] == ROLE_KEPT && end > world->boot_ms)
				plan_wake_at(plan, end);
		}
	}
}
