/* The controller's loop over the simulated world: a pass, again at once after effects, else when something
 * happens or the plan said so. Crashes and failing calls are injected by the number of the action. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

#define RESYNC_MS 30000
#define SETTLE_MAX_MS (30 * 60 * 1000)
#define PASSES_AT_ONCE_MAX 60 /* passes with effects within one second of simulated time: more is a loop */

static void report(struct sim *sim, const struct plan *plan)
{
	for (size_t index = 0; index < plan->action_count; index++) {
		if (plan->actions[index].becomes_current)
			return; /* the next pass reports */
	}
	(void)snprintf(sim->current, sizeof sim->current, "%s",
				   plan->current_deployment ? plan->current_deployment : "");
	sim->phase = plan->phase;
	sim->unready_since = plan->unready_since;
	if (plan->unready_since.boot_id) {
		(void)snprintf(sim->unready_boot, sizeof sim->unready_boot, "%s", plan->unready_since.boot_id);
		sim->unready_since.boot_id = sim->unready_boot;
	}
}

/* True when the pass came to its end. */
static bool act(struct sim *sim, const struct service_world *world, const struct plan *plan)
{
	for (size_t index = 0; index < plan->action_count; index++) {
		int number = sim->actions++;

		if (number == sim->crash_at) {
			sim_forget(sim);
			for (int wait = 0; wait < 1000; wait += SIM_TICK_MS)
				sim_tick(sim, SIM_TICK_MS);
			return false;
		}
		if (number == sim->fail_at)
			return false;
		if (sim_apply(sim, world, &plan->actions[index]) < 0 || number == sim->late_fail_at)
			return false;
	}
	return true;
}

int64_t sim_pass(struct sim *sim, bool *ret_acted)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct service_world world;
	struct plan plan;
	bool ended;

	sim->changed = false;
	sim_observe(sim, arena, &world);
	plan_init(&plan, arena);
	service_decide(&world, &plan);
	deployment_decide(&world, &plan);
	service_follow_decide(&world, &plan);
	if (!plan_is_empty(&plan)) {
		hc_text_printf(&sim->trace, "--- %lld ms, action %d\n", (long long)sim->boot_ms, sim->actions);
		plan_print(&plan, sim->boot_ms, &sim->trace);
	}
	ended = act(sim, &world, &plan);
	if (ended)
		report(sim, &plan);
	*ret_acted = !ended || plan_has_effects(&plan);
	if (!ended)
		return sim->boot_ms + 100;
	return plan.wake_at_boot_ms;
}

void sim_run(struct sim *sim, int64_t duration_ms)
{
	int64_t left = duration_ms, resync = 0, due = 0, step;
	int at_once = 0;
	bool acted;

	while (left > 0 && !sim->gone && !sim->broken[0]) {
		if (due <= 0) {
			int64_t wake = sim_pass(sim, &acted);

			resync = RESYNC_MS;
			at_once = acted ? at_once + 1 : 0;
			if (at_once > PASSES_AT_ONCE_MAX)
				sim_break(sim, "INV-11", "passes with effects go on and on");
			due = acted ? SIM_TICK_MS : wake ? wake - sim->boot_ms : resync;
			if (due > resync)
				due = resync;
		}
		step = sim_calm(sim) ? due < left ? due : left : SIM_TICK_MS;
		if (step < SIM_TICK_MS)
			step = SIM_TICK_MS;
		sim_tick(sim, step);
		left -= step;
		due -= step;
		if (sim->changed && !sim->events_lost)
			due = 0;
	}
}

/* Nothing to do, and nothing to wait for. */
static bool quiet(struct sim *sim, bool tell)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct service_world world;
	struct plan plan;

	sim_observe(sim, arena, &world);
	plan_init(&plan, arena);
	service_decide(&world, &plan);
	deployment_decide(&world, &plan);
	if (!sim_work_rests(sim))
		return false; /* a branch is looked at for ever: rest is when it was, and no work is left */
	if (tell) {
		hc_text_append(&sim->trace, "--- what is left\n");
		plan_print(&plan, sim->boot_ms, &sim->trace);
	}
	return plan_is_empty(&plan) && (!plan.wake_at_boot_ms || plan.wake_at_boot_ms > sim->boot_ms + 3600000);
}

void sim_settle(struct sim *sim)
{
	int64_t waited = 0;

	while (!sim->gone && !sim->broken[0] && waited < SETTLE_MAX_MS) {
		sim_run(sim, 5000);
		waited += 5000;
		if (sim_calm(sim) && quiet(sim, false))
			break;
	}
	if (!sim->broken[0] && waited >= SETTLE_MAX_MS) {
		/* A current revision that dies again and again is healed for ever; everything else comes to rest. */
		for (size_t index = 0; index < sim->container_high; index++) {
			if (sim->containers[index].exists && !sim_app_is_good(sim->containers[index].app))
				return;
		}
		(void)quiet(sim, true);
		sim_break(sim, "INV-11", "no rest after half an hour");
	}
	if (!sim->broken[0])
		sim_check_settled(sim);
}
