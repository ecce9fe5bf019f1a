/* The simulated world as a snapshot: what reconcilers/service/service_observe.c does with the real one. */
#include "base/limits.h"
#include "model/names.h"
#include "reconcilers/deployment/rollout.h"
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const images[] = {"good:1",  "better:1",  "slow:1",    "rude:1",   "exits:1",  "never:1",
									 "fades:1", "nostart:1", "refused:1", "labels:1", "volume:1", "absent:1"};

static void template_repository(const struct sim_spec *spec, struct hc_arena *arena,
								struct service_template *template)
{
	template->image = NULL;
	template->repo_url = "https://example.org/shop.git";
	template->branch = "main";
	template->commit = spec->commit ? sim_commit_text(spec->commit, arena) : NULL;
}

static void template_fill(const struct sim_spec *spec, struct hc_arena *arena,
						  struct service_template *template)
{
	*template = (struct service_template){
		.image = images[spec->app],
		.redeploy_nonce = hc_arena_printf(arena, "%d", spec->nonce),
		.resources = {.memory_bytes = 1 << 28, .cpu_millis = 500, .pids = 100},
		.expose = spec->expose,
		.internal_port = 3000,
		.release_command = spec->release ? "migrate" : NULL,
	};
	if (spec->repository)
		template_repository(spec, arena, template);
	if (spec->volume) {
		template->volumes = hc_arena_alloc(arena, sizeof(struct volume_entry));
		template->volumes[0] = (struct volume_entry){.name = "data", .path = "/data"};
		template->volume_count = 1;
	}
}

static void deployments_fill(struct sim *sim, struct hc_arena *arena, struct service_world *world)
{
	world->deployments = hc_arena_alloc_array(arena, sim->deployment_count + 1,
											  sizeof(struct deployment_view));
	for (size_t index = 0; index < sim->deployment_count; index++) {
		struct sim_deployment *deployment = &sim->deployments[index];
		struct deployment_view *view = &world->deployments[world->deployment_count];

		if (!deployment->exists)
			continue;
		*view = deployment->row;
		view->current = strcmp(sim->current, view->name) == 0;
		template_fill(&deployment->spec, arena, &view->template);
		world->deployment_count++;
	}
}

/* A paused one is not inspected. */
static void forget_inspected(struct container_view *view)
{
	view->error = "";
	view->memory_bytes = view->cpu_millis = view->pids = 0;
	view->started_wall_ms = view->finished_wall_ms = 0;
	view->exit_code = 0;
	view->health = HEALTH_NONE;
	view->out_of_memory = view->restarts_alone = false;
}

/* Knowledge of Traefik is its API: none while it is away. */
static void containers_fill(struct sim *sim, struct hc_arena *arena, struct service_world *world)
{
	world->containers = hc_arena_alloc_array(arena, SIM_CONTAINERS_MAX, sizeof(struct container_view));
	world->routes = hc_arena_alloc_array(arena, SIM_CONTAINERS_MAX, sizeof(struct route_view));
	for (size_t index = 0; index < sim->container_high; index++) {
		struct sim_container *container = &sim->containers[index];
		struct container_view *view = &world->containers[world->container_count];

		if (!container->exists || container->foreign)
			continue;
		*view = container->view;
		if (view->state == CONTAINER_PAUSED)
			forget_inspected(view);
		view->listed = !sim->traefik_away && container->listed;
		if (view->listed || sim->traefik_away || !view->gate_open)
			container->unlisted_since_ms = 0;
		else if (!container->unlisted_since_ms)
			container->unlisted_since_ms = sim->boot_ms;
		view->unlisted_since_ms = container->unlisted_since_ms;
		if (container->mark_started_ms != view->started_wall_ms)
			view->term_sent_boot_ms = view->kill_sent_boot_ms = 0;
		world->container_count++;
	}
}

static int compare(const void *left, const void *right)
{
	const struct container_view *left_view = left, *right_view = right;

	if (left_view->revision != right_view->revision)
		return left_view->revision < right_view->revision ? -1 : 1;
	if (left_view->ordinal != right_view->ordinal)
		return left_view->ordinal < right_view->ordinal ? -1 : 1;
	return strcmp(left_view->id, right_view->id);
}

static void routes_fill(struct sim *sim, struct service_world *world)
{
	for (size_t index = 0; index < world->container_count && !sim->traefik_away; index++) {
		const struct container_view *view = &world->containers[index];

		if (!world->route_count || world->routes[world->route_count - 1].revision != view->revision)
			world->routes[world->route_count++].revision = view->revision;
		world->routes[world->route_count - 1].servers += view->listed;
	}
}

static void images_fill(struct sim *sim, struct hc_arena *arena, struct service_world *world)
{
	const struct deployment_view *newest = world->deployment_count
											   ? &world->deployments[world->deployment_count - 1]
											   : NULL;
	enum sim_app app;

	if (!newest || newest->phase != DEPLOYMENT_BUILDING || newest->stage != STAGE_QUEUED ||
		!newest->template.image)
		return;
	for (app = APP_GOOD; strcmp(images[app], newest->image_written) != 0; app++)
		;
	world->image = (struct image_view){
		.known = true,
		.present = sim->image_present[app],
		.id = hc_arena_printf(arena, "sha256:%d", app),
		.reserved_label = app == APP_LABELS ? "traefik.enable" : NULL,
		.uncovered_volume = app == APP_VOLUME ? "/var/lib/data" : NULL,
	};
	if (sim->pull_attempts && hc_streq(sim->pull_image, newest->image_written)) {
		world->image.error = "the registry does not answer";
		world->image.error_final = app == APP_ABSENT;
		world->image.retry_at = (struct moment){.boot_id = sim->boot_id, .at_ms = sim->pull_retry_at};
	}
}

static bool address_in_use(const struct sim *sim, int number)
{
	char address[20];

	(void)snprintf(address, sizeof address, "10.1.2.%d", number);
	for (size_t index = 0; index < sim->container_high; index++) {
		if (sim->containers[index].exists && strcmp(sim->containers[index].view.fixed_address, address) == 0)
			return true;
	}
	return false;
}

static void addresses_fill(struct sim *sim, struct hc_arena *arena, struct service_world *world)
{
	world->free_addresses = hc_arena_alloc_array(arena, 256, sizeof(char *));
	for (int number = 2; number < 255 && world->free_address_count < 12; number++) {
		int64_t freed = sim->address_freed[number];

		if (address_in_use(sim, number) || (freed && sim->boot_ms < freed + SIM_ADDRESS_COOL_MS))
			continue;
		world->free_addresses[world->free_address_count++] = hc_arena_printf(arena, "10.1.2.%d", number);
	}
}

/* As service_observe.c does: of the serving Deployment. */
static void unmade_fill(const struct sim *sim, struct hc_arena *arena, struct service_world *world)
{
	bool *unmade = hc_arena_alloc_array(arena, HC_LIMIT_REPLICAS + 1, sizeof *unmade);
	struct rollout rollout;

	rollout_look(world, arena, &rollout);
	for (int ordinal = 0; rollout.serving && ordinal < rollout.replicas; ordinal++)
		unmade[ordinal] = !rollout_find(&rollout, rollout.serving, ordinal) &&
						  !sim_folder(sim,
									  name_container(arena, world->service.name, rollout.serving->revision,
													 ordinal, world->service.namespace_uid));
	world->unmade = unmade;
}

void sim_observe(struct sim *sim, struct hc_arena *arena, struct service_world *ret_world)
{
	struct service_world *world = ret_world;
	const struct sim_spec *spec = &sim->spec;
	bool listed = false;

	*world = (struct service_world){
		.installation = "install",
		.domain = "example.org",
		.containers_folder = "/state/containers",
		.network_name = "helvetia-default-x",
		.network_subnet = "10.1.2.0/24",
		.boot_id = hc_arena_strdup(arena, sim->boot_id),
		.boot_ms = sim->boot_ms,
		.wall_ms = sim->wall_ms,
		.network_present = sim->network_present,
		.traefik_answers = !sim->traefik_away,
		.database_behind = sim->database_behind,
		.https_public = true,
	};
	world->service = (struct service_view){
		.uid = "service-uid",
		.name = "shop",
		.namespace_name = "default",
		.namespace_uid = "namespace-uid",
		.generation = 1,
		.desired_hash = sim_hash(spec, arena),
		.current_deployment = sim->current[0] ? hc_arena_strdup(arena, sim->current) : NULL,
		.phase = sim->phase,
		.unready_since = sim->unready_since,
		.revision_max = sim->revision_max,
		.deleting = sim->deleting,
		.finalizer_present = true,
		.spec = {.strategy = spec->volume ? STRATEGY_RECREATE : STRATEGY_ROLLING_UPDATE,
				 .replicas = spec->replicas,
				 .min_ready_seconds = SIM_MIN_READY_MS / 1000,
				 .drain_seconds = SIM_DRAIN_MS / 1000,
				 .grace_seconds = 5,
				 .deadline_seconds = 30,
				 .history_limit = sim->history_limit,
				 .auto_deploy = true,
				 .rollback_to_revision = sim->rollback_to,
				 .rollback_rejected_hash = sim->rollback_to ? sim->rollback_rejected : NULL,
				 .suspend = spec->suspend},
	};
	template_fill(spec, arena, &world->service.spec.template);
	deployments_fill(sim, arena, world);
	containers_fill(sim, arena, world);
	qsort(world->containers, world->container_count, sizeof(struct container_view), compare);
	routes_fill(sim, world);
	images_fill(sim, arena, world);
	sim_work_observe(sim, arena, world);
	addresses_fill(sim, arena, world);
	unmade_fill(sim, arena, world);
	if (sim->refused) {
		world->refusals = hc_arena_alloc_array(arena, HC_LIMIT_REPLICAS + 1, sizeof(struct refusal_view));
		for (int ordinal = spec->release ? -1 : 0; ordinal < spec->replicas; ordinal++)
			world->refusals[world->refusal_count++] = (struct refusal_view){
				.folder = name_container(arena, "shop", sim->refused, ordinal < 0 ? RELEASE_ORDINAL : ordinal,
										 "namespace-uid"),
				.message = "range of CPUs is from 0.01 to 2.00"};
	}
	for (size_t index = 0; index < world->container_count; index++)
		listed = listed || world->containers[index].listed;
	world->public_answers = listed;
	world->public_answer = "";
}
