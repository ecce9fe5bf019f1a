/* Time in the simulated world: applications, the engine's health checks and restarts, Traefik, readiness. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TRAEFIK_DELAY_MS 50
#define UNREADY_AFTER_MS 5000

bool sim_app_is_good(enum sim_app app)
{
	return app == APP_GOOD || app == APP_BETTER || app == APP_SLOW || app == APP_RUDE;
}

void sim_init(struct sim *sim)
{
	*sim = (struct sim){
		.arena = hc_arena_new(),
		.boot_ms = 1000,
		.wall_ms = INT64_C(1700000000000),
		.boot_id = "boot1",
		.boots = 1,
		.spec = {.replicas = 1},
		.history_limit = 3,
		.network_present = true,
		.crash_at = -1,
		.fail_at = -1,
		.late_fail_at = -1,
		.checked_ms = -1,
	};
	for (int app = 0; app < APP_ABSENT; app++)
		sim->image_present[app] = app != APP_BETTER; /* that one has to be pulled */
}

void sim_done(struct sim *sim)
{
	hc_text_done(&sim->trace);
	hc_arena_free(sim->arena);
}

void sim_break(struct sim *sim, const char *invariant, const char *format, ...)
{
	char text[400];
	va_list arguments;

	if (sim->broken[0])
		return;
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	(void)snprintf(sim->broken, sizeof sim->broken, "%s: %s", invariant, text);
}

struct sim_container *sim_container_find(struct sim *sim, const char *id_or_name)
{
	for (size_t index = 0; index < sim->container_high; index++) {
		struct sim_container *container = &sim->containers[index];

		if (container->exists &&
			(strcmp(container->view.id, id_or_name) == 0 || strcmp(container->view.name, id_or_name) == 0))
			return container;
	}
	return NULL;
}

bool sim_listens(const struct sim *sim, const struct sim_container *container)
{
	int64_t up = sim->boot_ms - container->started_boot_ms;

	if (container->view.state != CONTAINER_RUNNING || container->hung || container->app == APP_NEVER ||
		container->release)
		return false;
	return container->app != APP_EXITS && up >= (container->app == APP_SLOW ? 3000 : 100);
}

bool sim_published(const struct sim *sim, const struct sim_container *container)
{
	return container->exists && container->listed && sim_listens(sim, container);
}

static void event(struct sim *sim)
{
	sim->changed = true;
	if (sim->traefik_misses_next)
		sim->traefik_misses_next = false;
	else if (!sim->traefik_refresh_at)
		sim->traefik_refresh_at = sim->boot_ms + TRAEFIK_DELAY_MS;
}

static void run(struct sim *sim, struct sim_container *container)
{
	container->view.state = CONTAINER_RUNNING;
	container->view.health = HEALTH_STARTING;
	container->view.probe = PROBE_UNKNOWN;
	container->view.started_wall_ms = sim->wall_ms;
	container->view.address = container->view.network_attached ? container->view.fixed_address : "";
	container->started_boot_ms = sim->boot_ms;
	container->dying_at_ms = container->restart_at_ms = container->failing_since_ms = 0;
	container->stopped_by_hand = container->frozen = false;
	event(sim);
}

void sim_kill(struct sim *sim, struct sim_container *container, int exit_code, bool by_hand)
{
	if (container->view.state == CONTAINER_EXITED || container->view.state == CONTAINER_CREATED)
		return;
	container->view.finished_wall_ms = sim->wall_ms;
	container->view.exit_code = exit_code;
	container->view.health = HEALTH_UNHEALTHY;
	container->view.probe = PROBE_UNKNOWN;
	container->dying_at_ms = 0;
	container->hung = false;
	container->stopped_by_hand = container->stopped_by_hand || by_hand;
	if (container->view.restarts_alone && !container->stopped_by_hand) {
		container->view.state = CONTAINER_RESTARTING;
		container->restart_at_ms = sim->boot_ms + 100;
	} else {
		container->view.state = CONTAINER_EXITED;
		container->restart_at_ms = 0;
	}
	event(sim);
}

static void tick_health(struct sim *sim, struct sim_container *container)
{
	enum container_health health = container->view.health;

	if (container->view.state != CONTAINER_RUNNING || container->frozen)
		return;
	if (container->view.gate_open) {
		/* The live check is the controller's: an open gate stays healthy though the application hangs. */
		if (health != HEALTH_HEALTHY && sim_listens(sim, container))
			health = HEALTH_HEALTHY;
	} else if (health == HEALTH_HEALTHY) {
		health = HEALTH_UNHEALTHY;
	}
	if (health != container->view.health) {
		container->view.health = health;
		event(sim);
	}
}

static void tick_probe(struct sim *sim, struct sim_container *container)
{
	enum probe_verdict verdict = container->view.probe;

	if (container->view.state != CONTAINER_RUNNING || !container->has_port)
		return;
	if (sim_listens(sim, container)) {
		container->failing_since_ms = 0;
		verdict = PROBE_READY;
	} else {
		if (!container->failing_since_ms)
			container->failing_since_ms = sim->boot_ms;
		verdict = sim->boot_ms - container->failing_since_ms >= UNREADY_AFTER_MS ? PROBE_UNREADY
																				 : PROBE_NOT_READY;
	}
	if (verdict != container->view.probe) {
		container->view.probe = verdict;
		container->view.probe_message = verdict == PROBE_READY ? "200" : "connection refused";
		sim->changed = true;
	}
}

static void tick_container(struct sim *sim, struct sim_container *container)
{
	int64_t up = sim->boot_ms - container->started_boot_ms;

	if (container->view.state == CONTAINER_RESTARTING && sim->boot_ms >= container->restart_at_ms)
		run(sim, container);
	if (container->view.state == CONTAINER_RUNNING) {
		if (container->dying_at_ms && sim->boot_ms >= container->dying_at_ms)
			sim_kill(sim, container, 0, true);
		else if (container->release && container->release != RELEASE_HANGS && up >= 500)
			sim_kill(sim, container, container->release == RELEASE_BAD ? 5 : 0, false);
		else if (!container->release && container->app == APP_EXITS && up >= 100)
			sim_kill(sim, container, 3, false);
		else if (!container->release && container->app == APP_FADES && up >= 1100)
			sim_kill(sim, container, 4, false);
	}
	tick_health(sim, container);
	tick_probe(sim, container);
}

static void tick_traefik(struct sim *sim)
{
	if (sim->traefik_away || !sim->traefik_refresh_at || sim->boot_ms < sim->traefik_refresh_at)
		return;
	sim->traefik_refresh_at = 0;
	for (size_t index = 0; index < sim->container_high; index++) {
		struct sim_container *container = &sim->containers[index];

		container->listed = container->exists && container->public && container->view.network_attached &&
							container->view.health == HEALTH_HEALTHY &&
							(container->view.state == CONTAINER_RUNNING ||
							 container->view.state == CONTAINER_PAUSED);
	}
}

static bool container_calm(const struct sim *sim, const struct sim_container *container)
{
	const struct container_view *view = &container->view;

	if (!container->exists || view->state == CONTAINER_EXITED || view->state == CONTAINER_CREATED)
		return true;
	if (view->state == CONTAINER_PAUSED)
		return true;
	return view->state == CONTAINER_RUNNING && !container->dying_at_ms && !container->restart_at_ms &&
		   sim->boot_ms - container->started_boot_ms > 4000 &&
		   (!container->has_port         ? true
			: view->probe == PROBE_READY ? sim_listens(sim, container)
										 : view->probe == PROBE_UNREADY && !sim_listens(sim, container)) &&
		   (container->frozen || view->gate_open == (view->health == HEALTH_HEALTHY) ||
			!sim_listens(sim, container));
}

bool sim_calm(const struct sim *sim)
{
	if ((sim->traefik_refresh_at && !sim->traefik_away) || !sim_work_calm(sim))
		return false;
	for (size_t index = 0; index < sim->container_high; index++) {
		if (!container_calm(sim, &sim->containers[index]))
			return false;
	}
	return true;
}

void sim_tick(struct sim *sim, int64_t ms)
{
	sim->boot_ms += ms;
	sim->wall_ms += ms;
	for (size_t index = 0; index < sim->container_high; index++) {
		if (sim->containers[index].exists)
			tick_container(sim, &sim->containers[index]);
	}
	tick_traefik(sim);
	sim_work_tick(sim);
	sim_check_tick(sim);
}

void sim_forget(struct sim *sim)
{
	sim->pull_attempts = 0;
	sim->refused = 0;
	sim->changed = true;
	for (size_t index = 0; index < sim->container_high; index++) {
		sim->containers[index].view.probe = PROBE_UNKNOWN;
		sim->containers[index].failing_since_ms = sim->containers[index].unlisted_since_ms = 0;
	}
}

void sim_reboot(struct sim *sim)
{
	(void)snprintf(sim->boot_id, sizeof sim->boot_id, "boot%d", ++sim->boots % 100);
	sim_forget(sim);
	/* The database's clock goes on; here it is the boot clock, so its times move along. */
	for (size_t index = 0; index < sim->job_count; index++) {
		sim->jobs[index].state_since_ms -= sim->boot_ms + 60000 - 1000;
		sim->jobs[index].lease_until_ms -= sim->boot_ms + 60000 - 1000;
	}
	if (sim->checked_ms != -1)
		sim->checked_ms -= sim->boot_ms + 60000 - 1000;
	memset(sim->workers, 0, sizeof sim->workers);
	sim->boot_ms = 1000;
	sim->wall_ms += 60000;
	sim->traefik_refresh_at = sim->boot_ms + TRAEFIK_DELAY_MS;
	memset(sim->address_freed, 0, sizeof sim->address_freed);
	for (size_t index = 0; index < sim->container_high; index++) {
		struct sim_container *container = &sim->containers[index];
		bool was_up = container->view.state == CONTAINER_RUNNING ||
					  container->view.state == CONTAINER_PAUSED ||
					  container->view.state == CONTAINER_RESTARTING;

		if (!container->exists)
			continue;
		container->view.gate_changed_boot_ms = container->view.term_sent_boot_ms = 0;
		container->view.kill_sent_boot_ms = container->dying_at_ms = container->restart_at_ms = 0;
		container->listed = false;
		if (!was_up)
			continue;
		container->view.state = CONTAINER_EXITED;
		container->view.exit_code = 255;
		container->view.finished_wall_ms = sim->wall_ms;
		if (container->view.restarts_alone && !container->stopped_by_hand)
			run(sim, container);
	}
}
