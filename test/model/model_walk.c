/* Seeded random walks: intents, accidents, crashes and failing calls in any order; then the accidents end,
 * and the world has to come to rest where the last intent says. A failing seed is printed with its whole
 * trace. */
#include "sim_ops.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS_DEFAULT 1500
#define STEPS_MAX 24

/* splitmix64, Steele and others 2014: small, and the same everywhere. */
static uint64_t draw(uint64_t *state)
{
	uint64_t value = (*state += 0x9e3779b97f4a7c15U);

	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
	return value ^ (value >> 31);
}

static int below(uint64_t *state, int count)
{
	return (int)(draw(state) % (uint64_t)count);
}

static const enum op accidents[] = {OP_KILL,   OP_CRASH,  OP_REMOVE,  OP_PAUSE,  OP_DETACH,
									OP_RENAME, OP_LIMITS, OP_RELABEL, OP_POLICY, OP_HANG,
									OP_UNHANG, OP_FREEZE, OP_REBOOT,  OP_MISS};

static const struct step work[] = {
	{OP_HOOK, 0},  {OP_HOOK, 0},  {OP_ROLLBACK, 1},    {OP_ROLLBACK, 2}, {OP_ROLLBACK, 0}, {OP_FLUSH, 0},
	{OP_REDIS, 0}, {OP_REDIS, 1}, {OP_WORKERS, 0},     {OP_WORKERS, 1},  {OP_GIT, 0},      {OP_GIT, 1},
	{OP_EAT, 0},   {OP_EAT, 1},   {OP_IMAGES_GONE, 0}, {OP_PIN, 1},      {OP_PIN, 0}};

/* Of a Service that is built from a repository: half of what happens is about that. */
static struct step choose_work(uint64_t *state)
{
	switch (below(state, 4)) {
	case 0:
		return (struct step){OP_PUSH, below(state, 3) ? below(state, 4) : below(state, APP_ABSENT)};
	case 1:
		return (struct step){below(state, 2) ? OP_PUSH_SAME : OP_PUSH_BROKEN, APP_GOOD};
	default:
		return work[below(state, (int)HC_COUNT(work))];
	}
}

static struct step choose(const struct sim *sim, uint64_t *state, int *nonce)
{
	if (sim->spec.repository && below(state, 2))
		return choose_work(state);
	switch (below(state, 10)) {
	case 0:
	case 1:
		return (struct step){OP_APP, below(state, 3) ? below(state, 4) : below(state, APP_COUNT)};
	case 2:
		return (struct step){OP_NONCE, ++*nonce};
	case 3:
		return (struct step){OP_REPLICAS, below(state, 4)};
	case 4:
		return (struct step){below(state, 2) ? OP_SUSPEND : OP_RESUME, 0};
	case 5:
		if (below(state, 8) == 0)
			return (struct step){below(state, 2) ? OP_RESTORE : OP_ACCEPT, 1 + below(state, 2)};
		if (below(state, 3) == 0)
			return (struct step){OP_RELEASE, below(state, RELEASE_COUNT)};
		return (struct step){below(state, 2) ? OP_TRAEFIK : OP_REGISTRY, below(state, 2)};
	default:
		return (struct step){accidents[below(state, (int)HC_COUNT(accidents))], below(state, 4)};
	}
}

static void disturb(struct sim *sim, uint64_t *state)
{
	int at = sim->actions + below(state, 8);

	sim->events_lost = below(state, 4) == 0;
	switch (below(state, 5)) {
	case 0:
		sim->crash_at = at;
		break;
	case 1:
		sim->fail_at = at;
		break;
	case 2:
		sim->late_fail_at = at;
		break;
	default:
		break;
	}
}

static void walk(struct sim *sim, uint64_t *state)
{
	int steps = 3 + below(state, STEPS_MAX - 3), nonce = 0;
	struct step step;

	sim->spec.replicas = 1 + below(state, 3);
	sim->spec.volume = below(state, 5) == 0;
	sim->spec.release = below(state, 4) ? RELEASE_NONE : (enum sim_release)below(state, RELEASE_COUNT);
	if (sim->spec.volume)
		sim->spec.replicas = 1;
	sim->spec.expose = below(state, 8) ? EXPOSE_PUBLIC : (enum exposure)below(state, 3);
	if (below(state, 3) == 0)
		sim_op(sim, &(struct step){OP_PUSH, below(state, 4)});
	while (steps-- && !sim->broken[0]) {
		step = choose(sim, state, &nonce);
		if (step.op == OP_REPLICAS && sim->spec.volume)
			step.argument = step.argument > 0;
		disturb(sim, state);
		sim_op(sim, &step);
		sim_run(sim, 1 + below(state, below(state, 3) ? 400 : 20000));
	}
}

/* The accidents are over, and there is one last intent. */
static void rest(struct sim *sim, uint64_t *state)
{
	sim->crash_at = sim->fail_at = sim->late_fail_at = -1;
	sim_op(sim, &(struct step){OP_ACCEPT, 0});
	sim_op(sim, &(struct step){OP_TRAEFIK, 1});
	sim_op(sim, &(struct step){OP_REGISTRY, 1});
	sim_op(sim, &(struct step){OP_REDIS, 1});
	sim_op(sim, &(struct step){OP_WORKERS, 1});
	sim_op(sim, &(struct step){OP_GIT, 1});
	for (int number = 0; number < SIM_CONTAINERS_MAX; number++)
		sim_op(sim, &(struct step){OP_UNHANG, number});
	switch (below(state, 4)) {
	case 0:
		sim_op(sim, &(struct step){OP_DELETE, 0});
		break;
	case 1:
		break;
	default:
		sim_op(sim, &(struct step){OP_RESUME, 0});
		sim_op(sim, &(struct step){OP_PIN, 0});
		if (sim->spec.repository)
			sim_op(sim, &(struct step){OP_PUSH, below(state, 4)});
		else
			sim_op(sim, &(struct step){OP_APP, below(state, 4)});
		sim_op(sim, &(struct step){OP_NONCE, 1000});
		sim_op(sim, &(struct step){OP_RELEASE, below(state, 2) ? RELEASE_NONE : RELEASE_GOOD});
	}
	sim_settle(sim);
}

static bool seed_run(uint64_t seed)
{
	uint64_t state = seed;
	struct sim sim;
	bool good;

	sim_init(&sim);
	walk(&sim, &state);
	if (!sim.broken[0])
		rest(&sim, &state);
	good = !sim.broken[0];
	if (!good || getenv("MODEL_TRACE"))
		printf("%s\nseed %" PRIu64 ": %s\n", hc_text_string(&sim.trace), seed, sim.broken);
	sim_done(&sim);
	return good;
}

/* model_walk [FIRST [COUNT]]: seeds to walk. */
int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? 1 : SEEDS_DEFAULT;
	int failed = 0;

	for (uint64_t seed = first; seed < first + count && failed < 5; seed++)
		failed += !seed_run(seed);
	printf("%" PRIu64 " seeds from %" PRIu64 ", %d failed\n", count, first, failed);
	return failed != 0;
}
