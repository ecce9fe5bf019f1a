/* Exhaustive: each scenario runs once undisturbed, then once for every action of that run with a crash of the
 * controller before it, with the action failing, with its answer lost, and all with and without events. Every
 * run has to hold the invariants and end in the same place. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum op {
	OP_END,
	OP_APP, /* argument: enum sim_app */
	OP_NONCE,
	OP_REPLICAS, /* argument */
	OP_SUSPEND,
	OP_RESUME,
	OP_DELETE,
	OP_SETTLE,
	OP_RUN,   /* argument: ms */
	OP_KILL,  /* container number, by hand */
	OP_CRASH, /* the application dies by itself */
	OP_REMOVE,
	OP_PAUSE,
	OP_DETACH,
	OP_RENAME,
	OP_LIMITS,
	OP_RELABEL,
	OP_POLICY,
	OP_HANG,
	OP_UNHANG,
	OP_FREEZE, /* all: the engine lost its health monitors */
	OP_REBOOT,
	OP_TRAEFIK,  /* argument: 0 away, 1 back */
	OP_MISS,     /* Traefik misses the next change */
	OP_REGISTRY, /* argument: 0 away, 1 back */
	OP_EXPOSE,
	OP_VOLUME,
};

struct step {
	enum op op;
	int argument;
};

struct scenario {
	const char *name;
	struct step steps[24];
};

static const struct scenario scenarios[] = {
	{"first deploy", {{OP_APP, APP_GOOD}, {OP_SETTLE, 0}}},
	{"first deploy with a pull, 3 replicas", {{OP_REPLICAS, 3}, {OP_APP, APP_BETTER}, {OP_SETTLE, 0}}},
	{"rollout",
	 {{OP_REPLICAS, 2}, {OP_SETTLE, 0}, {OP_APP, APP_BETTER}, {OP_SETTLE, 0}, {OP_NONCE, 1}, {OP_SETTLE, 0}}},
	{"rude application", {{OP_APP, APP_RUDE}, {OP_SETTLE, 0}, {OP_APP, APP_GOOD}, {OP_SETTLE, 0}}},
	{"exits, then good", {{OP_APP, APP_EXITS}, {OP_SETTLE, 0}, {OP_APP, APP_GOOD}, {OP_SETTLE, 0}}},
	{"good, then exits", {{OP_REPLICAS, 2}, {OP_SETTLE, 0}, {OP_APP, APP_EXITS}, {OP_SETTLE, 0}}},
	{"good, then never answers",
	 {{OP_SETTLE, 0}, {OP_APP, APP_NEVER}, {OP_SETTLE, 0}, {OP_APP, APP_GOOD}, {OP_SETTLE, 0}}},
	{"good, then fades", {{OP_REPLICAS, 2}, {OP_SETTLE, 0}, {OP_APP, APP_FADES}, {OP_SETTLE, 0}}},
	{"can't start",
	 {{OP_SETTLE, 0}, {OP_APP, APP_NOSTART}, {OP_SETTLE, 0}, {OP_APP, APP_REFUSED}, {OP_SETTLE, 0}}},
	{"refused images",
	 {{OP_APP, APP_LABELS},
	  {OP_SETTLE, 0},
	  {OP_APP, APP_VOLUME},
	  {OP_SETTLE, 0},
	  {OP_APP, APP_ABSENT},
	  {OP_SETTLE, 0}}},
	{"registry away",
	 {{OP_REGISTRY, 0}, {OP_APP, APP_BETTER}, {OP_RUN, 20000}, {OP_REGISTRY, 1}, {OP_SETTLE, 0}}},
	{"scale",
	 {{OP_REPLICAS, 1}, {OP_SETTLE, 0}, {OP_REPLICAS, 4}, {OP_SETTLE, 0}, {OP_REPLICAS, 2}, {OP_SETTLE, 0}}},
	{"scale down and up at once",
	 {{OP_REPLICAS, 3}, {OP_SETTLE, 0}, {OP_REPLICAS, 1}, {OP_RUN, 3400}, {OP_REPLICAS, 3}, {OP_SETTLE, 0}}},
	{"scale while rolling out",
	 {{OP_REPLICAS, 2},
	  {OP_SETTLE, 0},
	  {OP_APP, APP_SLOW},
	  {OP_RUN, 3500},
	  {OP_REPLICAS, 3},
	  {OP_RUN, 200},
	  {OP_REPLICAS, 1},
	  {OP_SETTLE, 0}}},
	{"suspend and resume",
	 {{OP_REPLICAS, 2}, {OP_SETTLE, 0}, {OP_SUSPEND, 0}, {OP_SETTLE, 0}, {OP_RESUME, 0}, {OP_SETTLE, 0}}},
	{"suspend a moment", {{OP_SETTLE, 0}, {OP_SUSPEND, 0}, {OP_RUN, 100}, {OP_RESUME, 0}, {OP_SETTLE, 0}}},
	{"suspend while starting",
	 {{OP_APP, APP_SLOW}, {OP_RUN, 500}, {OP_SUSPEND, 0}, {OP_RUN, 200}, {OP_RESUME, 0}, {OP_SETTLE, 0}}},
	{"scale to 0 and a new image",
	 {{OP_SETTLE, 0},
	  {OP_REPLICAS, 0},
	  {OP_SETTLE, 0},
	  {OP_APP, APP_BETTER},
	  {OP_REPLICAS, 1},
	  {OP_SETTLE, 0}}},
	{"delete", {{OP_REPLICAS, 2}, {OP_SETTLE, 0}, {OP_DELETE, 0}, {OP_SETTLE, 0}}},
	{"delete at once", {{OP_DELETE, 0}, {OP_SETTLE, 0}}},
	{"delete while starting", {{OP_APP, APP_SLOW}, {OP_RUN, 1000}, {OP_DELETE, 0}, {OP_SETTLE, 0}}},
	{"delete while publishing",
	 {{OP_TRAEFIK, 0}, {OP_RUN, 2000}, {OP_DELETE, 0}, {OP_RUN, 2000}, {OP_TRAEFIK, 1}, {OP_SETTLE, 0}}},
	{"delete while stabilizing",
	 {{OP_SETTLE, 0}, {OP_NONCE, 1}, {OP_RUN, 1000}, {OP_DELETE, 0}, {OP_SETTLE, 0}}},
	{"delete while draining",
	 {{OP_SETTLE, 0}, {OP_NONCE, 1}, {OP_RUN, 4000}, {OP_DELETE, 0}, {OP_SETTLE, 0}}},
	{"superseded",
	 {{OP_APP, APP_SLOW},
	  {OP_RUN, 500},
	  {OP_APP, APP_BETTER},
	  {OP_RUN, 30},
	  {OP_NONCE, 1},
	  {OP_RUN, 30},
	  {OP_NONCE, 2},
	  {OP_RUN, 30},
	  {OP_NONCE, 3},
	  {OP_SETTLE, 0}}},
	{"changed while publishing",
	 {{OP_SETTLE, 0}, {OP_MISS, 0}, {OP_NONCE, 1}, {OP_RUN, 600}, {OP_APP, APP_BETTER}, {OP_SETTLE, 0}}},
	{"changed and back",
	 {{OP_SETTLE, 0},
	  {OP_APP, APP_SLOW},
	  {OP_RUN, 500},
	  {OP_APP, APP_GOOD},
	  {OP_SETTLE, 0},
	  {OP_APP, APP_SLOW},
	  {OP_SETTLE, 0}}},
	{"killed by hand",
	 {{OP_REPLICAS, 2},
	  {OP_SETTLE, 0},
	  {OP_KILL, 0},
	  {OP_SETTLE, 0},
	  {OP_KILL, 0},
	  {OP_KILL, 1},
	  {OP_SETTLE, 0}}},
	{"dies by itself", {{OP_SETTLE, 0}, {OP_CRASH, 0}, {OP_SETTLE, 0}}},
	{"removed by hand", {{OP_REPLICAS, 2}, {OP_SETTLE, 0}, {OP_REMOVE, 0}, {OP_SETTLE, 0}}},
	{"paused by hand", {{OP_SETTLE, 0}, {OP_PAUSE, 0}, {OP_SETTLE, 0}}},
	{"detached, renamed, limited, policy",
	 {{OP_SETTLE, 0}, {OP_DETACH, 0}, {OP_RENAME, 0}, {OP_LIMITS, 0}, {OP_POLICY, 0}, {OP_SETTLE, 0}}},
	{"relabelled", {{OP_SETTLE, 0}, {OP_RELABEL, 0}, {OP_SETTLE, 0}}},
	{"two relabelled", {{OP_REPLICAS, 2}, {OP_SETTLE, 0}, {OP_RELABEL, 0}, {OP_RELABEL, 1}, {OP_SETTLE, 0}}},
	{"hangs",
	 {{OP_REPLICAS, 2},
	  {OP_SETTLE, 0},
	  {OP_HANG, 0},
	  {OP_RUN, 20000},
	  {OP_HANG, 1},
	  {OP_RUN, 20000},
	  {OP_UNHANG, 0},
	  {OP_UNHANG, 1},
	  {OP_SETTLE, 0}}},
	{"drift while starting",
	 {{OP_APP, APP_SLOW},
	  {OP_RUN, 500},
	  {OP_PAUSE, 0},
	  {OP_RUN, 200},
	  {OP_DETACH, 0},
	  {OP_RUN, 200},
	  {OP_REMOVE, 0},
	  {OP_SETTLE, 0}}},
	{"engine lost its monitors",
	 {{OP_REPLICAS, 3}, {OP_SETTLE, 0}, {OP_FREEZE, 0}, {OP_REPLICAS, 1}, {OP_SETTLE, 0}}},
	{"reboot", {{OP_REPLICAS, 2}, {OP_SETTLE, 0}, {OP_REBOOT, 0}, {OP_SETTLE, 0}}},
	{"reboot while starting",
	 {{OP_SETTLE, 0}, {OP_APP, APP_SLOW}, {OP_RUN, 1000}, {OP_REBOOT, 0}, {OP_SETTLE, 0}}},
	{"reboot while stabilizing",
	 {{OP_SETTLE, 0}, {OP_NONCE, 1}, {OP_RUN, 1000}, {OP_REBOOT, 0}, {OP_SETTLE, 0}}},
	{"reboot while draining",
	 {{OP_SETTLE, 0}, {OP_NONCE, 1}, {OP_RUN, 4000}, {OP_REBOOT, 0}, {OP_SETTLE, 0}}},
	{"Traefik away",
	 {{OP_REPLICAS, 2},
	  {OP_SETTLE, 0},
	  {OP_TRAEFIK, 0},
	  {OP_NONCE, 1},
	  {OP_RUN, 60000},
	  {OP_TRAEFIK, 1},
	  {OP_SETTLE, 0}}},
	{"Traefik away, scale down",
	 {{OP_REPLICAS, 2},
	  {OP_SETTLE, 0},
	  {OP_TRAEFIK, 0},
	  {OP_REPLICAS, 1},
	  {OP_RUN, 20000},
	  {OP_TRAEFIK, 1},
	  {OP_SETTLE, 0}}},
	{"Traefik misses a change", {{OP_SETTLE, 0}, {OP_NONCE, 1}, {OP_RUN, 150}, {OP_MISS, 0}, {OP_SETTLE, 0}}},
	{"internal",
	 {{OP_EXPOSE, EXPOSE_INTERNAL},
	  {OP_SETTLE, 0},
	  {OP_NONCE, 1},
	  {OP_SETTLE, 0},
	  {OP_SUSPEND, 0},
	  {OP_SETTLE, 0}}},
	{"no port",
	 {{OP_EXPOSE, EXPOSE_NONE},
	  {OP_REPLICAS, 2},
	  {OP_SETTLE, 0},
	  {OP_KILL, 0},
	  {OP_SETTLE, 0},
	  {OP_NONCE, 1},
	  {OP_SETTLE, 0}}},
	{"recreate",
	 {{OP_VOLUME, 1}, {OP_SETTLE, 0}, {OP_APP, APP_BETTER}, {OP_SETTLE, 0}, {OP_KILL, 0}, {OP_SETTLE, 0}}},
	{"recreate fails",
	 {{OP_VOLUME, 1},
	  {OP_SETTLE, 0},
	  {OP_APP, APP_EXITS},
	  {OP_SETTLE, 0},
	  {OP_APP, APP_NEVER},
	  {OP_SETTLE, 0},
	  {OP_DELETE, 0},
	  {OP_SETTLE, 0}}},
	{"recreate, suspended on the way",
	 {{OP_VOLUME, 1},
	  {OP_SETTLE, 0},
	  {OP_APP, APP_SLOW},
	  {OP_RUN, 2000},
	  {OP_SUSPEND, 0},
	  {OP_RUN, 500},
	  {OP_RESUME, 0},
	  {OP_SETTLE, 0}}},
};

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

static void by_hand(struct sim *sim, const struct step *step)
{
	struct sim_container *container = pick(sim, step->argument);

	sim->changed = true;
	if (!container)
		return;
	switch (step->op) {
	case OP_KILL:
		sim_kill(sim, container, 137, true);
		break;
	case OP_CRASH:
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
		break;
	default:
		abort();
	}
}

static void intent(struct sim *sim, const struct step *step)
{
	sim->changed = true;
	switch (step->op) {
	case OP_APP:
		sim->spec.app = (enum sim_app)step->argument;
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
	case OP_VOLUME:
		sim->spec.volume = step->argument;
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
	case OP_FREEZE:
		for (size_t index = 0; index < sim->container_high; index++)
			sim->containers[index].frozen = true;
		break;
	default:
		by_hand(sim, step);
	}
}

static void play(struct sim *sim, const struct scenario *scenario)
{
	for (const struct step *step = scenario->steps; step->op != OP_END && !sim->broken[0]; step++) {
		if (step->op == OP_SETTLE)
			sim_settle(sim);
		else if (step->op == OP_RUN)
			sim_run(sim, step->argument);
		else
			intent(sim, step);
	}
}

static bool disturbed(const struct scenario *scenario, int crash, int fail, int late, bool lost,
					  int *ret_actions)
{
	struct sim sim;
	bool good;

	sim_init(&sim);
	sim.crash_at = crash;
	sim.fail_at = fail;
	sim.late_fail_at = late;
	sim.events_lost = lost;
	play(&sim, scenario);
	good = !sim.broken[0];
	if (!good) {
		printf("%s\n%s: crash %d, failing %d, late %d, events %s\n  %s\n", hc_text_string(&sim.trace),
			   scenario->name, crash, fail, late, lost ? "lost" : "seen", sim.broken);
	}
	if (getenv("MODEL_TRACE"))
		printf("%s", hc_text_string(&sim.trace));
	*ret_actions = sim.actions;
	sim_done(&sim);
	return good;
}

static bool exhaust(const struct scenario *scenario, int *runs)
{
	int actions = 0, ignored;

	for (int lost = 0; lost < 2; lost++) {
		*runs += 1;
		if (!disturbed(scenario, -1, -1, -1, lost, &actions))
			return false;
		for (int at = 0; at < actions; at++) {
			*runs += 3;
			if (!disturbed(scenario, at, -1, -1, lost, &ignored) ||
				!disturbed(scenario, -1, at, -1, lost, &ignored) ||
				!disturbed(scenario, -1, -1, at, lost, &ignored))
				return false;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	int runs = 0, failed = 0;

	for (size_t index = 0; index < sizeof scenarios / sizeof scenarios[0]; index++) {
		if (argc > 1 && strcmp(argv[1], scenarios[index].name) != 0)
			continue;
		failed += !exhaust(&scenarios[index], &runs);
		fflush(stdout);
	}
	printf("%d runs of %zu scenarios, %d scenarios failed\n", runs, sizeof scenarios / sizeof scenarios[0],
		   failed);
	return failed != 0 || runs == 0;
}
