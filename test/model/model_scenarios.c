/* Exhaustive: each scenario runs once undisturbed, then once for every action of that run with a crash of the
 * controller before it, with the action failing, with its answer lost, and all with and without events. Every
 * run has to hold the invariants and end in the same place. */
#include "sim_ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	{"somebody has the name",
	 {{OP_SETTLE, 0}, {OP_FOREIGN, 2}, {OP_NONCE, 1}, {OP_RUN, 5000}, {OP_NONCE, 2}, {OP_SETTLE, 0}}},
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
	{"release command",
	 {{OP_SETTLE, 0},
	  {OP_RELEASE, RELEASE_GOOD},
	  {OP_REPLICAS, 2},
	  {OP_SETTLE, 0},
	  {OP_NONCE, 1},
	  {OP_SETTLE, 0}}},
	{"release command fails, then good",
	 {{OP_SETTLE, 0},
	  {OP_RELEASE, RELEASE_BAD},
	  {OP_SETTLE, 0},
	  {OP_RELEASE, RELEASE_HANGS},
	  {OP_RUN, 1500},
	  {OP_RELEASE, RELEASE_GOOD},
	  {OP_SETTLE, 0}}},
	{"release command, suspended and back",
	 {{OP_SETTLE, 0},
	  {OP_RELEASE, RELEASE_HANGS},
	  {OP_RUN, 1000},
	  {OP_SUSPEND, 0},
	  {OP_RUN, 10},
	  {OP_RELEASE, RELEASE_GOOD},
	  {OP_RESUME, 0},
	  {OP_SETTLE, 0}}},
	{"release command, changed while it runs",
	 {{OP_RELEASE, RELEASE_GOOD}, {OP_RUN, 300}, {OP_NONCE, 1}, {OP_SETTLE, 0}}},
	{"release command, reboot, deleted",
	 {{OP_RELEASE, RELEASE_GOOD},
	  {OP_RUN, 300},
	  {OP_REBOOT, 0},
	  {OP_SETTLE, 0},
	  {OP_NONCE, 1},
	  {OP_RUN, 400},
	  {OP_DELETE, 0},
	  {OP_SETTLE, 0}}},
	{"release command that can't start",
	 {{OP_SETTLE, 0},
	  {OP_RELEASE, RELEASE_GOOD},
	  {OP_APP, APP_NOSTART},
	  {OP_SETTLE, 0},
	  {OP_APP, APP_REFUSED},
	  {OP_SETTLE, 0}}},
	{"release command under Recreate",
	 {{OP_VOLUME, 1},
	  {OP_RELEASE, RELEASE_GOOD},
	  {OP_SETTLE, 0},
	  {OP_APP, APP_BETTER},
	  {OP_SETTLE, 0},
	  {OP_RELEASE, RELEASE_BAD},
	  {OP_SETTLE, 0}}},
	{"a repository", {{OP_PUSH, APP_GOOD}, {OP_SETTLE, 0}}},
	{"pushes",
	 {{OP_PUSH, APP_GOOD},
	  {OP_SETTLE, 0},
	  {OP_PUSH, APP_BETTER},
	  {OP_HOOK, 0},
	  {OP_SETTLE, 0},
	  {OP_PUSH_SAME, 0},
	  {OP_HOOK, 0},
	  {OP_SETTLE, 0}}},
	{"a push that no webhook tells",
	 {{OP_PUSH, APP_GOOD}, {OP_SETTLE, 0}, {OP_PUSH, APP_BETTER}, {OP_SETTLE, 0}}},
	{"a broken build, then a good one",
	 {{OP_PUSH, APP_GOOD},
	  {OP_SETTLE, 0},
	  {OP_PUSH_BROKEN, APP_GOOD},
	  {OP_HOOK, 0},
	  {OP_SETTLE, 0},
	  {OP_NONCE, 1},
	  {OP_SETTLE, 0},
	  {OP_PUSH, APP_RUDE},
	  {OP_HOOK, 0},
	  {OP_SETTLE, 0}}},
	{"a storm of pushes",
	 {{OP_PUSH, APP_GOOD},
	  {OP_SETTLE, 0},
	  {OP_PUSH, APP_BETTER},
	  {OP_HOOK, 0},
	  {OP_RUN, 300},
	  {OP_PUSH, APP_GOOD},
	  {OP_HOOK, 0},
	  {OP_RUN, 400},
	  {OP_PUSH, APP_BETTER},
	  {OP_HOOK, 0},
	  {OP_RUN, 200},
	  {OP_PUSH, APP_GOOD},
	  {OP_HOOK, 0},
	  {OP_RUN, 700},
	  {OP_PUSH, APP_RUDE},
	  {OP_HOOK, 0},
	  {OP_SETTLE, 0}}},
	{"Redis flushed at each step",
	 {{OP_PUSH, APP_GOOD},
	  {OP_RUN, 30},
	  {OP_FLUSH, 0},
	  {OP_RUN, 150},
	  {OP_FLUSH, 0},
	  {OP_RUN, 300},
	  {OP_FLUSH, 0},
	  {OP_SETTLE, 0}}},
	{"Redis away", {{OP_REDIS, 0}, {OP_PUSH, APP_GOOD}, {OP_RUN, 30000}, {OP_REDIS, 1}, {OP_SETTLE, 0}}},
	{"workers lost",
	 {{OP_PUSH, APP_GOOD},
	  {OP_RUN, 500},
	  {OP_WORKERS, 0},
	  {OP_RUN, 10000},
	  {OP_WORKERS, 1},
	  {OP_RUN, 300},
	  {OP_WORKERS, 0},
	  {OP_RUN, 10},
	  {OP_WORKERS, 1},
	  {OP_SETTLE, 0}}},
	{"the Git host away", {{OP_GIT, 0}, {OP_PUSH, APP_GOOD}, {OP_RUN, 30000}, {OP_GIT, 1}, {OP_SETTLE, 0}}},
	{"a stranger's worker eats our jobs",
	 {{OP_WORKERS, 0},
	  {OP_PUSH, APP_GOOD},
	  {OP_RUN, 100},
	  {OP_EAT, 1},
	  {OP_RUN, 3000},
	  {OP_EAT, 1},
	  {OP_WORKERS, 1},
	  {OP_SETTLE, 0}}},
	{"a worker is lost with jobs that it took and never began",
	 {{OP_WORKERS, 0},
	  {OP_PUSH, APP_GOOD},
	  {OP_RUN, 100},
	  {OP_EAT, 0},
	  {OP_RUN, 3000},
	  {OP_EAT, 0},
	  {OP_WORKERS, 1},
	  {OP_SETTLE, 0}}},
	{"superseded while it is built",
	 {{OP_PUSH, APP_GOOD}, {OP_RUN, 600}, {OP_NONCE, 1}, {OP_RUN, 100}, {OP_APP, APP_GOOD}, {OP_SETTLE, 0}}},
	{"suspended while it is built",
	 {{OP_PUSH, APP_GOOD}, {OP_RUN, 600}, {OP_SUSPEND, 0}, {OP_RUN, 100}, {OP_RESUME, 0}, {OP_SETTLE, 0}}},
	{"deleted while it is built", {{OP_PUSH, APP_GOOD}, {OP_RUN, 600}, {OP_DELETE, 0}, {OP_SETTLE, 0}}},
	{"deleted while its worker is lost",
	 {{OP_PUSH, APP_GOOD}, {OP_RUN, 600}, {OP_WORKERS, 0}, {OP_DELETE, 0}, {OP_SETTLE, 0}}},
	{"reboot while it is built", {{OP_PUSH, APP_GOOD}, {OP_RUN, 600}, {OP_REBOOT, 0}, {OP_SETTLE, 0}}},
	{"rolled back, and released by a push",
	 {{OP_PUSH, APP_GOOD},
	  {OP_SETTLE, 0},
	  {OP_PUSH, APP_BETTER},
	  {OP_HOOK, 0},
	  {OP_SETTLE, 0},
	  {OP_ROLLBACK, 1},
	  {OP_SETTLE, 0},
	  {OP_PUSH, APP_RUDE},
	  {OP_HOOK, 0},
	  {OP_SETTLE, 0}}},
	{"rolled back to an image that is gone",
	 {{OP_PUSH, APP_GOOD},
	  {OP_SETTLE, 0},
	  {OP_PUSH, APP_BETTER},
	  {OP_HOOK, 0},
	  {OP_SETTLE, 0},
	  {OP_IMAGES_GONE, 0},
	  {OP_ROLLBACK, 1},
	  {OP_SETTLE, 0},
	  {OP_ROLLBACK, 0},
	  {OP_SETTLE, 0}}},
	{"the image of what serves is gone",
	 {{OP_PUSH, APP_GOOD}, {OP_SETTLE, 0}, {OP_IMAGES_GONE, 0}, {OP_REMOVE, 0}, {OP_SETTLE, 0}}},
	{"pinned, and let go",
	 {{OP_PUSH, APP_GOOD},
	  {OP_SETTLE, 0},
	  {OP_PIN, 1},
	  {OP_PUSH, APP_BETTER},
	  {OP_HOOK, 0},
	  {OP_SETTLE, 0},
	  {OP_PIN, 0},
	  {OP_SETTLE, 0}}},
};

static void play(struct sim *sim, const struct scenario *scenario)
{
	for (const struct step *step = scenario->steps; step->op != OP_END && !sim->broken[0]; step++) {
		if (step->op == OP_SETTLE)
			sim_settle(sim);
		else if (step->op == OP_RUN)
			sim_run(sim, step->argument);
		else
			sim_op(sim, step);
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

/* Every action, or each stride-th from first on. */
static bool exhaust(const struct scenario *scenario, int first, int stride, int *runs)
{
	int actions = 0, ignored;

	for (int lost = 0; lost < 2; lost++) {
		*runs += 1;
		if (!disturbed(scenario, -1, -1, -1, lost, &actions))
			return false;
		for (int at = first % stride; at < actions; at += stride) {
			*runs += 3;
			if (!disturbed(scenario, at, -1, -1, lost, &ignored) ||
				!disturbed(scenario, -1, at, -1, lost, &ignored) ||
				!disturbed(scenario, -1, -1, at, lost, &ignored))
				return false;
		}
	}
	return true;
}

/* model_scenarios [--long] [NAME]: without --long each third action of a scenario is disturbed. */
int main(int argc, char **argv)
{
	bool all = argc > 1 && strcmp(argv[1], "--long") == 0;
	const char *only = argc > 1 + all ? argv[1 + all] : NULL;
	int runs = 0, failed = 0;

	for (size_t index = 0; index < HC_COUNT(scenarios); index++) {
		if (only && strcmp(only, scenarios[index].name) != 0)
			continue;
		failed += !exhaust(&scenarios[index], (int)index, all || only ? 1 : 3, &runs);
		fflush(stdout);
	}
	printf("%d runs of %zu scenarios, %d scenarios failed\n", runs, HC_COUNT(scenarios), failed);
	return failed != 0 || runs == 0;
}
