/* See sim_ops.h. */
#include "sim_ops.h"

#include "model/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sim_container *pick(struct sim *sim, int number)
{
	for (size_t index = 0; index < sim->container_high; index++) {
		if (sim->containers[index].exists && number-- == 0)
			return &sim->containers[index];
	}
	return NULL;
}

static void relabel(struct sim *sim, struct sim_container *container)
{
	struct container_view *view = &container->view;
	struct label *labels = hc_arena_alloc_array(sim->arena, view->label_count, sizeof(struct label));

	memcpy(labels, view->labels, view->label_count * sizeof(struct label));
	labels[0].value = "changed";
	view->labels = labels;
}

static void foreign(struct sim *sim, int revision)
{
	struct sim_container *container = &sim->containers[SIM_CONTAINERS_MAX - 1];

	sim->container_high = SIM_CONTAINERS_MAX;
	*container = (struct sim_container){.exists = true, .foreign = true};
	container->view = (struct container_view){
		.id = "foreign",
		.name = name_container(sim->arena, "shop", revision, 0, "namespace-uid"),
		.folder = "foreign",
		.deployment_uid = "foreign",
		.address = "",
		.fixed_address = "10.1.2.254",
		.state = CONTAINER_EXITED,
	};
}

static void by_hand(struct sim *sim, const struct step *step)
{
	struct sim_container *container = pick(sim, step->argument);

	sim->changed = true;
	if (!container)
		return;
	switch (step->op) {
	case OP_KILL:
		sim->application_hurt = true;
		sim_kill(sim, container, 137, true);
		break;
	case OP_CRASH:
		sim->application_hurt = true;
		sim_kill(sim, container, 1, false);
		break;
	case OP_REMOVE:
		sim_kill(sim, container, 137, true);
		container->exists = container->listed = false;
		break;
	case OP_PAUSE:
		if (container->view.state == CONTAINER_RUNNING)
			container->view.state = CONTAINER_PAUSED;
		break;
	case OP_DETACH:
		container->view.network_attached = false;
		container->view.address = "";
		break;
	case OP_RENAME:
		container->view.name = hc_arena_printf(sim->arena, "mine%d", ++sim->next_id);
		break;
	case OP_LIMITS:
		container->view.memory_bytes = 1 << 20;
		break;
	case OP_RELABEL:
		relabel(sim, container);
		break;
	case OP_POLICY:
		container->view.restarts_alone = false;
		break;
	case OP_HANG:
	case OP_UNHANG:
		container->hung = step->op == OP_HANG;
		sim->application_hurt = true;
		break;
	default:
		abort();
	}
}

static void push(struct sim *sim, const struct step *step)
{
	struct sim_commit *commit = &sim->commits[sim->head + 1];

	sim->spec.repository = true;
	if (sim->head + 1 == SIM_COMMITS_MAX)
		return;
	*commit = (struct sim_commit){
		.app = (enum sim_app)step->argument, .tree = sim->head + 1, .broken = step->op == OP_PUSH_BROKEN};
	if (step->op == OP_PUSH_SAME && sim->head)
		*commit = sim->commits[sim->head];
	sim->head++;
	sim->changed = sim->head == 1;
}

/* As the API does: to a revision that ran. */
static void rollback(struct sim *sim, int back)
{
	int64_t newest = sim->deployment_count ? sim->deployments[sim->deployment_count - 1].row.revision : 0;

	sim->rollback_to = 0;
	for (size_t index = 0; back && index < sim->deployment_count; index++) {
		const struct sim_deployment *deployment = &sim->deployments[index];

		if (deployment->exists && deployment->row.revision == newest - back &&
			deployment->row.phase == DEPLOYMENT_SUCCESS)
			sim->rollback_to = (int)deployment->row.revision;
	}
	(void)snprintf(sim->rollback_rejected, sizeof sim->rollback_rejected, "%s",
				   sim_hash(&sim->spec, sim->arena));
}

/* A backup knows the spec, the rows and what was current of then. Of a Service of prebuilt images: what a
 * backup would know of jobs is not simulated. */
static void restore(struct sim *sim, int count)
{
	if (sim->spec.repository)
		return;
	sim->database_behind = true;
	sim->rollback_to = 0;
	sim->current[0] = '\0';
	for (size_t index = sim->deployment_count; index-- > 0;) {
		struct sim_deployment *deployment = &sim->deployments[index];

		if (deployment->exists && count-- > 0)
			deployment->exists = false;
		else if (deployment->exists && !sim->current[0] && deployment->row.phase == DEPLOYMENT_SUCCESS) {
			sim->spec = deployment->spec;
			(void)snprintf(sim->current, sizeof sim->current, "%s", deployment->row.name);
		}
	}
	sim_forget(sim);
}

static void at_work(struct sim *sim, const struct step *step)
{
	switch (step->op) {
	case OP_PUSH:
	case OP_PUSH_SAME:
	case OP_PUSH_BROKEN:
		push(sim, step);
		break;
	case OP_HOOK:
		sim->wanted++;
		break;
	case OP_PIN:
		sim->spec.pinned = step->argument > 0;
		if (sim->spec.pinned && step->argument <= sim->head)
			sim->spec.commit = step->argument;
		break;
	case OP_ROLLBACK:
		rollback(sim, step->argument);
		break;
	case OP_FLUSH:
		sim_work_flush(sim);
		break;
	case OP_REDIS:
		sim->redis_away = !step->argument;
		break;
	case OP_WORKERS:
		sim_work_workers(sim, step->argument);
		break;
	case OP_GIT:
		sim->git_away = !step->argument;
		break;
	case OP_EAT:
		sim_work_eat(sim, step->argument);
		break;
	case OP_IMAGES_GONE:
		memset(sim->image_built, 0, sizeof sim->image_built);
		break;
	default:
		abort();
	}
}

void sim_op(struct sim *sim, const struct step *step)
{
	sim->changed = true;
	switch (step->op) {
	case OP_APP:
		sim->spec.app = (enum sim_app)step->argument;
		sim->spec.repository = false;
		break;
	case OP_NONCE:
		sim->spec.nonce = step->argument;
		break;
	case OP_REPLICAS:
		sim->spec.replicas = step->argument;
		break;
	case OP_SUSPEND:
	case OP_RESUME:
		sim->spec.suspend = step->op == OP_SUSPEND;
		break;
	case OP_DELETE:
		sim->deleting = true;
		break;
	case OP_EXPOSE:
		sim->spec.expose = (enum exposure)step->argument;
		break;
	case OP_FOREIGN:
		foreign(sim, step->argument);
		break;
	case OP_VOLUME:
		sim->spec.volume = step->argument;
		break;
	case OP_RELEASE:
		sim->spec.release = (enum sim_release)step->argument;
		break;
	case OP_TRAEFIK:
		sim->traefik_away = !step->argument;
		sim->traefik_refresh_at = sim->boot_ms; /* it lists the containers when it comes */
		break;
	case OP_REGISTRY:
		sim->registry_away = !step->argument;
		break;
	case OP_MISS:
		sim->traefik_misses_next = true;
		break;
	case OP_REBOOT:
		sim_reboot(sim);
		break;
	case OP_RESTORE:
		restore(sim, step->argument);
		break;
	case OP_ACCEPT:
		sim->database_behind = false;
		break;
	case OP_FREEZE:
		for (size_t index = 0; index < sim->container_high; index++)
			sim->containers[index].frozen = true;
		break;
	default:
		if (step->op >= OP_PUSH && step->op <= OP_IMAGES_GONE)
			at_work(sim, step);
		else
			by_hand(sim, step);
	}
}
