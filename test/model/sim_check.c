/* The invariants of reconcilers/deployment/README.md, held after every action and every tick. */
#include "sim.h"

#include <inttypes.h>
#include <string.h>

/* As far as the controller can know: an application that hung a moment ago still counts. */
static int believed_count(const struct sim *sim, const struct sim_container *except)
{
	int count = 0;

	for (size_t index = 0; index < sim->container_high; index++) {
		const struct sim_container *container = &sim->containers[index];

		count += container != except && container->exists && container->listed &&
				 container->view.state == CONTAINER_RUNNING && container->view.probe != PROBE_UNREADY;
	}
	return count;
}

static const struct sim_deployment *deployment_of(const struct sim *sim, const char *uid)
{
	for (size_t index = 0; index < sim->deployment_count; index++) {
		if (sim->deployments[index].exists && strcmp(sim->deployments[index].uid, uid) == 0)
			return &sim->deployments[index];
	}
	return NULL;
}

static const struct sim_deployment *current_of(const struct sim *sim)
{
	for (size_t index = 0; index < sim->deployment_count; index++) {
		if (sim->deployments[index].exists && strcmp(sim->deployments[index].row.name, sim->current) == 0)
			return &sim->deployments[index];
	}
	return NULL;
}

static bool is_on(const struct sim *sim)
{
	return !sim->deleting && !sim->spec.suspend && sim->spec.replicas > 0;
}

/* INV-3 and INV-7. */
static void check_close(struct sim *sim, struct sim_container *container)
{
	const struct sim_deployment *own = deployment_of(sim, container->view.deployment_uid);
	const struct sim_deployment *current = current_of(sim);
	int remaining = believed_count(sim, container);

	if (!is_on(sim) || sim->spec.volume || container->volume || !container->listed || sim->traefik_away ||
		!container->public)
		return;
	if (own && (own->row.phase == DEPLOYMENT_FAILED || own->row.stage == STAGE_PUBLISHING))
		return;
	if (container->view.probe == PROBE_UNREADY || !sim_listens(sim, container)) {
		if (!remaining && container->view.state == CONTAINER_RUNNING &&
			container->view.ordinal < sim->spec.replicas && own && own == current)
			sim_break(sim, "INV-7", "the last published replica %s was withdrawn for failing its check",
					  container->view.name);
		return;
	}
	/* A newer revision was published whole (checked when it succeeded); the old one drains with its gate
	 * open. */
	if (current && current->row.phase == DEPLOYMENT_SUCCESS &&
		container->view.revision < current->row.revision) {
		if (container->view.ordinal < sim->spec.replicas &&
			strcmp(current->row.stage_since.boot_id, sim->boot_id) == 0 &&
			sim->boot_ms < current->row.stage_since.at_ms + SIM_DRAIN_MS)
			sim_break(sim, "INV-12", "%s was withdrawn before it had drained", container->view.name);
		return;
	}
	if (remaining < sim->spec.replicas)
		sim_break(sim, "INV-3", "gate of %s closed with %d others published of %d", container->view.name,
				  remaining, sim->spec.replicas);
}

/* INV-4. */
static void check_stop(struct sim *sim, const struct sim_container *container, const struct action *action)
{
	bool alive = container->view.state == CONTAINER_RUNNING || container->view.state == CONTAINER_PAUSED;

	/* Of a dead one the address only matters, and that cools down. */
	if (container->listed &&
		(alive || (!sim->traefik_away && sim->boot_ms < container->view.gate_changed_boot_ms + 5000)))
		sim_break(sim, "INV-4", "%s %s while Traefik lists it", action_kind_text(action->kind),
				  container->view.name);
}

/* INV-2, INV-3 and INV-8 on rows. */
static void check_status(struct sim *sim, const struct service_world *world, const struct action *action)
{
	const struct sim_deployment *old = deployment_of(sim, action->id);
	const struct deployment_view *new = action->deployment;
	int answering = 0, published = 0;

	if (!old)
		return;
	if (old->row.phase != DEPLOYMENT_BUILDING && new->phase != old->row.phase)
		sim_break(sim, "INV-2", "terminal %s was reopened", new->name);
	if (old->row.stage > new->stage)
		sim_break(sim, "INV-2", "%s went back to %s", new->name, deployment_stage_text(new->stage));
	for (size_t index = 0; index < sim->container_high; index++) {
		const struct sim_container *container = &sim->containers[index];

		if (!container->exists || strcmp(container->view.deployment_uid, action->id) != 0)
			continue;
		if (container->release)
			continue;
		answering += container->view.probe == PROBE_READY; /* as far as the controller can know */
		published += container->listed || !container->public;
	}
	if (new->stage == STAGE_PUBLISHING && old->row.stage == STAGE_STARTING &&
		old->spec.expose != EXPOSE_NONE &&answering < world->service.spec.replicas)
		sim_break(sim, "INV-8", "%s is published with %d replicas answering", new->name, answering);
	if (new->stage == STAGE_STABILIZING &&
		old->row.stage == STAGE_PUBLISHING &&published < world->service.spec.replicas)
		sim_break(sim, "INV-3", "%s takes over with %d replicas published", new->name, published);
}

/* INV-12: with something to fall back to, a revision proves itself before it succeeds. */
static void check_success(struct sim *sim, const struct service_world *world, const struct action *action)
{
	const struct sim_deployment *old = deployment_of(sim, action->id);
	bool fallback = false;

	if (!old || old->row.stage != STAGE_STABILIZING || action->deployment->phase != DEPLOYMENT_SUCCESS)
		return;
	for (size_t index = 0; index < world->container_count; index++)
		fallback = fallback || strcmp(world->containers[index].deployment_uid, action->id) != 0;
	if (fallback && sim->boot_ms < old->row.stage_since.at_ms + SIM_MIN_READY_MS)
		sim_break(sim, "INV-12", "%s succeeded before it had proven itself", action->target);
}

/* INV-14: the same image with the same settings is not started again. */
static void check_restart(struct sim *sim, const struct action *action)
{
	const struct sim_deployment *old = deployment_of(sim, action->id);
	const struct sim_deployment *current = current_of(sim);

	if (!old || !current || old == current || action->deployment->stage != STAGE_STARTING ||
		old->row.stage >= STAGE_STARTING || current->row.phase != DEPLOYMENT_SUCCESS ||
		hc_streq(current->row.reason, "Unchanged"))
		return;
	if (hc_streq(current->row.image_id, action->deployment->image_id) &&
		current->spec.nonce == old->spec.nonce && current->spec.expose == old->spec.expose &&
		current->spec.volume == old->spec.volume && !current->spec.release == !old->spec.release)
		sim_break(sim, "INV-14", "%s restarts what %s runs", action->target, current->row.name);
}

static bool runs(const struct sim_container *container)
{
	return container->exists &&
		   (container->view.state == CONTAINER_RUNNING || container->view.state == CONTAINER_PAUSED ||
			container->view.state == CONTAINER_RESTARTING);
}

/* INV-15: a replica starts after the release command of its revision ended well, and that runs once. */
static void check_start(struct sim *sim, const struct sim_container *container)
{
	const struct sim_deployment *own = deployment_of(sim, container->view.deployment_uid);

	if (!own || own->row.phase != DEPLOYMENT_BUILDING || own->row.rollback_of || runs(container))
		return;
	if (container->release &&
		(own->row.released || (container->view.state == CONTAINER_EXITED && container->view.exit_code == 0)))
		sim_break(sim, "INV-15", "%s is run again", container->view.name);
	if (!container->release && own->spec.release && !own->row.released)
		sim_break(sim, "INV-15", "%s starts before its release command ended well", container->view.name);
}

static void check_releases(struct sim *sim)
{
	int count = 0;

	for (size_t index = 0; index < sim->container_high; index++) {
		const struct sim_container *container = &sim->containers[index];

		count += container->release && runs(container);
		for (size_t other = 0; container->release && runs(container) && other < sim->container_high;
			 other++) {
			if (!sim->containers[other].release && runs(&sim->containers[other]) &&
				strcmp(sim->containers[other].view.deployment_uid, container->view.deployment_uid) == 0)
				sim_break(sim, "INV-15", "%s runs beside a replica", container->view.name);
		}
	}
	if (count > 1)
		sim_break(sim, "INV-15", "%d release commands at once", count);
}

void sim_check_action(struct sim *sim, const struct service_world *world, const struct action *action)
{
	struct sim_container *container = sim_container_find(sim, action->id ? action->id : action->target);

	if (action->kind == ACTION_DEPLOYMENT_STATUS)
		check_status(sim, world, action);
	if (action->kind == ACTION_DEPLOYMENT_STATUS)
		check_success(sim, world, action);
	if (action->kind == ACTION_DEPLOYMENT_STATUS)
		check_restart(sim, action);
	if (!container)
		return;
	/* INV-16: a restored backup destroys nothing that it doesn't know. */
	if (sim->database_behind && !deployment_of(sim, container->view.deployment_uid))
		sim_break(sim, "INV-16", "%s %s, of which the restored database knows nothing",
				  action_kind_text(action->kind), container->view.name);
	if (action->kind == ACTION_CONTAINER_START)
		check_start(sim, container);
	if (action->kind == ACTION_GATE_CLOSE)
		check_close(sim, container);
	if (action->kind == ACTION_CONTAINER_TERMINATE || action->kind == ACTION_CONTAINER_REMOVE ||
		(action->kind == ACTION_CONTAINER_KILL && !container->view.term_sent_boot_ms))
		check_stop(sim, container, action);
}

void sim_check_tick(struct sim *sim)
{
	int building = 0, with_volume = 0;

	for (size_t index = 0; index < sim->deployment_count; index++)
		building += sim->deployments[index].exists &&
					sim->deployments[index].row.phase == DEPLOYMENT_BUILDING;
	if (building > 1)
		sim_break(sim, "INV-2", "%d attempts at once", building);
	for (size_t index = 0; index < sim->container_high; index++) {
		const struct sim_container *container = &sim->containers[index];

		with_volume += container->exists && container->volume && container->view.state == CONTAINER_RUNNING;
		for (size_t other = 0; container->exists && other < index; other++) {
			if (sim->containers[other].exists &&
				strcmp(sim->containers[other].view.fixed_address, container->view.fixed_address) == 0)
				sim_break(sim, "INV-9", "%s and %s have one address", container->view.name,
						  sim->containers[other].view.name);
		}
	}
	if (with_volume > 1)
		sim_break(sim, "INV-10", "%d containers write to one volume", with_volume);
	check_releases(sim);
	sim_work_check(sim);
}

static void settled_off(struct sim *sim)
{
	for (size_t index = 0; index < sim->container_high; index++) {
		if (sim->containers[index].exists)
			sim_break(sim, "INV-11", "%s is left of a Service that is off", sim->containers[index].view.name);
	}
	if (sim->deleting && !sim->gone)
		sim_break(sim, "INV-11", "the deleted Service is still there");
	for (size_t index = 0; sim->deleting && index < sim->deployment_count; index++) {
		if (sim->deployments[index].exists)
			sim_break(sim, "INV-11", "%s is left of a deleted Service", sim->deployments[index].row.name);
	}
}

static void settled_replicas(struct sim *sim, const struct sim_deployment *current)
{
	int good = 0;

	for (size_t index = 0; index < sim->container_high; index++) {
		const struct sim_container *container = &sim->containers[index];

		if (!container->exists || container->foreign)
			continue;
		/* Of before a restored backup: better one that no row names than nobody. */
		if (!current && !deployment_of(sim, container->view.deployment_uid))
			continue;
		if (!current || strcmp(container->view.deployment_uid, current->uid) != 0 || container->release) {
			sim_break(sim, "INV-11", "%s is left over", container->view.name);
			continue;
		}
		if (!sim_app_is_good(container->app))
			return; /* a revision that fell to pieces after it had succeeded heals for ever */
		if (!container->view.gate_open || !container->view.restarts_alone || !sim_listens(sim, container) ||
			!container->view.network_attached || (container->public && !container->listed) ||
			container->view.memory_bytes != 1 << 28)
			sim_break(sim, "INV-11",
					  "%s is not as it should be: gate %d restart %d listens %d attached %d listed %d",
					  container->view.name, container->view.gate_open, container->view.restarts_alone,
					  sim_listens(sim, container), container->view.network_attached, container->listed);
		good++;
	}
	if (current && good != sim->spec.replicas)
		sim_break(sim, "INV-11", "%d replicas instead of %d", good, sim->spec.replicas);
}

/* While one is active, what it names is what runs. */
static bool settled_rollback(struct sim *sim, const struct sim_deployment *current)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();

	if (!sim->rollback_to || strcmp(sim->rollback_rejected, sim_hash(&sim->spec, arena)) != 0)
		return false;
	if (current && current->row.revision != sim->rollback_to &&
		current->row.rollback_of != sim->rollback_to && !sim->application_hurt)
		for (size_t index = 0; index < sim->deployment_count; index++) {
			const struct sim_deployment *deployment = &sim->deployments[index];

			/* It was tried: it may be what runs already, or a good image that did not want to. */
			if (deployment->exists && deployment->row.rollback_of == sim->rollback_to)
				return true;
			if (index + 1 == sim->deployment_count)
				sim_break(sim, "INV-11", "nobody rolled back to revision %d", sim->rollback_to);
		}
	return true;
}

void sim_check_settled(struct sim *sim)
{
	const struct sim_deployment *current = current_of(sim);
	const struct sim_deployment *newest = NULL;

	if (!is_on(sim)) {
		settled_off(sim);
		return;
	}
	for (size_t index = 0; index < sim->deployment_count; index++) {
		if (sim->deployments[index].exists)
			newest = &sim->deployments[index];
	}
	if (!newest) {
		sim_break(sim, "INV-11", "no Deployment was made");
		return;
	}
	if (newest->row.phase == DEPLOYMENT_BUILDING)
		sim_break(sim, "INV-11", "%s never ends: %s", newest->row.name,
				  deployment_stage_text(newest->row.stage));
	if (sim_app_is_good(sim_wanted_app(sim, &sim->spec)) && !sim->application_hurt &&
		sim->spec.release <= RELEASE_GOOD && !settled_rollback(sim, current) &&
		(!current || current->row.phase != DEPLOYMENT_SUCCESS ||
		 sim_wanted_app(sim, &current->spec) != sim_wanted_app(sim, &sim->spec) ||
		 current->spec.nonce != sim->spec.nonce))
		sim_break(sim, "INV-11", "a good image is not current; newest %s is %s/%s", newest->row.name,
				  deployment_phase_text(newest->row.phase), newest->row.reason);
	if (!current || current->row.phase == DEPLOYMENT_SUCCESS)
		settled_replicas(sim, current);
}
