/* See chores.h.
 *
 * The thread sleeps until somebody asks for a chore or one is due. Requests are debounced by 200 ms where
 * many come together (hosts); a failed chore stays wanted. */
#include "chores.h"
#include "firewall.h"
#include "hosts_file.h"
#include "sweep.h"
#include "traefik.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "docker/docker.h"
#include "reconcilers/kind.h"
#include "store/store.h"
#include "store/store_job.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEBOUNCE_MS 200
#define RETRY_MS 1000
#define PERIOD_MS (5 * 60 * 1000) /* of firewall, hosts and compaction */
#define KINDS_MAX 16
#define ENGINE_MS 10000               /* the hosts file waits as long for an engine that hangs */
#define JOB_AGE_MS (24 * 3600 * 1000) /* of what ended: for people who look for the log of a build */

struct chores {
	struct chores_options options;
	pthread_t thread;
	struct waker *waker;
	struct store *store;
	struct docker *docker;
	struct traefik *traefik;
	struct sweep *sweep;
	uint64_t random;
	int64_t resync_at_ms[KINDS_MAX]; /* by index in the registry; 0: not planned */
	int64_t period_at_ms;
	bool firewall_warned;
	bool complained;
};

static int64_t random_below(struct chores *chores, int64_t bound)
{
	chores->random ^= chores->random << 13;
	chores->random ^= chores->random >> 7;
	chores->random ^= chores->random << 17;
	return bound > 0 ? (int64_t)(chores->random % (uint64_t)bound) : 0;
}

/* --- keys
 * -------------------------------------------------------------------------------------------------------- */

typedef int list_function(struct store *store, struct hc_arena *arena, struct store_reference **ret_list,
						  size_t *ret_count, struct hc_error *err);

/* Which rows have keys of this kind. */
static list_function *lister(const struct kind *kind)
{
	static const struct {
		const char *name;
		list_function *list;
	} listers[] = {{"service", store_services_all}, {"network", store_namespaces_all}};

	for (size_t n = 0; n < HC_COUNT(listers); n++) {
		if (strcmp(kind->name, listers[n].name) == 0)
			return listers[n].list;
	}
	return NULL;
}

/* Adds a key now, or (spread_ms > 0) at some moment within that time, so that a resync is no burst. */
static void add(struct chores *chores, const char *kind, const char *uid, int64_t spread_ms)
{
	HC_AUTO_FREE key = hc_xprintf("%s/%s", kind, uid);
	bool added;

	if (spread_ms > 0)
		added = workqueue_add_at(chores->options.queue, key,
								 hc_clock_boot_ms() + 1 + random_below(chores, spread_ms));
	else
		added = workqueue_add(chores->options.queue, key, WORKQUEUE_INTENT);
	if (!added && !stop_is_set(chores->options.stop))
		hc_log(HC_LOG_WARN, "the work queue is full", "key", key, NULL);
}

static int list_kind(struct chores *chores, const struct kind *kind, int64_t spread_ms, struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = NULL;
	struct store_reference *list;
	list_function *list_all;
	size_t count;

	if (kind->singleton) {
		add(chores, kind->name, "", spread_ms);
		return 0;
	}
	list_all = lister(kind);
	assert(list_all); /* a new kind of objects needs its line above */
	arena = hc_arena_new();
	if (list_all(chores->store, arena, &list, &count, err))
		return -1;
	for (size_t n = 0; n < count; n++)
		add(chores, kind->name, list[n].uid, spread_ms);
	return 0;
}

static int64_t resync_ms(const struct chores *chores, const struct kind *kind)
{
	return chores->options.controller->resync_ms ? chores->options.controller->resync_ms : kind->resync_ms;
}

static int list_all(struct chores *chores, struct hc_error *err)
{
	for (size_t n = 0; reconciler_registry[n]; n++) {
		assert(n < KINDS_MAX);
		if (list_kind(chores, reconciler_registry[n], 0, err))
			return -1;
		chores->resync_at_ms[n] = hc_clock_boot_ms() + resync_ms(chores, reconciler_registry[n]);
	}
	return 0;
}

static void swept(const char *key, void *payload)
{
	struct chores *chores = payload;

	if (!workqueue_add(chores->options.queue, key, WORKQUEUE_HINT) && !stop_is_set(chores->options.stop))
		hc_log(HC_LOG_WARN, "the work queue is full", "key", key, NULL);
}

/* All objects in one look: what seems unchanged is not passed. */
static int sweep(struct chores *chores, struct hc_error *err)
{
	const struct controller_options *controller = chores->options.controller;
	struct sweep_options options = {.installation = leader_installation(chores->options.leader),
									.store = chores->store,
									.changed = swept,
									.payload = chores};

	if (!chores->docker) {
		if (docker_open(controller->docker, &chores->docker, err))
			return -1;
		docker_limit_calls(chores->docker, ENGINE_MS);
	}
	if (!chores->traefik &&
		traefik_open(controller->traefik_api, controller->public_https, &chores->traefik, err))
		return -1;
	options.docker = chores->docker;
	options.traefik = chores->traefik;
	return sweep_look(chores->sweep, &options, err);
}

/* Kinds whose time has come. Those of objects have one look in common. */
static int resync_due(struct chores *chores, int64_t now_ms, struct hc_error *err)
{
	bool looked = false;

	for (size_t n = 0; reconciler_registry[n]; n++) {
		const struct kind *kind = reconciler_registry[n];
		int64_t period_ms = resync_ms(chores, kind);

		if (!period_ms || !chores->resync_at_ms[n] || chores->resync_at_ms[n] > now_ms)
			continue;
		if (kind->singleton ? list_kind(chores, kind, period_ms / 10, err) : !looked && sweep(chores, err))
			return -1;
		looked = looked || !kind->singleton;
		chores->resync_at_ms[n] = now_ms + period_ms;
	}
	return 0;
}

/* --- the others
 * -------------------------------------------------------------------------------------------------- */

static int write_hosts(struct chores *chores, struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	const char **hosts;
	size_t count;

	if (store_hosts_all(chores->store, arena, &hosts, &count, err))
		return -1;
	return hosts_file_write(chores->options.controller->state, hosts, count, err);
}

/* Without nft, or the right to use it, the platform works and its tenants are less apart: said once. */
static void refresh_firewall(struct chores *chores)
{
	const struct firewall_options options = {.installation = leader_installation(chores->options.leader),
											 .pool = chores->options.controller->network_pool,
											 .masquerade = chores->options.controller->embedded_engine};
	struct hc_error err;

	if (firewall_apply(&options, &err) == 0) {
		chores->firewall_warned = false;
		return;
	}
	if (!chores->firewall_warned)
		hc_log(HC_LOG_WARN, "tenants are not kept apart by the firewall", "error", err.text, NULL);
	chores->firewall_warned = true;
}

static int compact(struct chores *chores, struct hc_error *err)
{
	int64_t epoch = leader_epoch(chores->options.leader);

	if (store_compact(chores->store, epoch, err))
		return -1;
	return store_jobs_compact(chores->store, epoch, JOB_AGE_MS, err);
}

static int do_chores(struct chores *chores, unsigned *wanted, struct hc_error *err)
{
	if (*wanted & CHORE_FIREWALL)
		refresh_firewall(chores);
	*wanted &= ~(unsigned)CHORE_FIREWALL;
	if (!chores->store && *wanted &&
		store_open(chores->options.controller->database, "helvetia-controller chores", &chores->store, err))
		return -1;
	if ((*wanted & CHORE_LIST) && list_all(chores, err))
		return -1;
	*wanted &= ~(unsigned)CHORE_LIST;
	if ((*wanted & CHORE_HOSTS) && write_hosts(chores, err))
		return -1;
	*wanted &= ~(unsigned)CHORE_HOSTS;
	if ((*wanted & CHORE_COMPACT) && compact(chores, err))
		return -1;
	*wanted &= ~(unsigned)CHORE_COMPACT;
	return resync_due(chores, hc_clock_boot_ms(), err);
}

/* Until the next thing that is due. */
static int sleep_ms(const struct chores *chores, int64_t now_ms)
{
	int64_t next_ms = chores->period_at_ms;

	for (size_t n = 0; reconciler_registry[n]; n++) {
		if (chores->resync_at_ms[n] && chores->resync_at_ms[n] < next_ms)
			next_ms = chores->resync_at_ms[n];
	}
	return next_ms > now_ms ? (int)(next_ms - now_ms) : 0;
}

static unsigned due(struct chores *chores, int64_t now_ms)
{
	if (chores->period_at_ms > now_ms)
		return 0;
	chores->period_at_ms = now_ms + PERIOD_MS - random_below(chores, PERIOD_MS / 10);
	return CHORE_FIREWALL | CHORE_HOSTS | CHORE_COMPACT;
}

static void failed(struct chores *chores, const struct hc_error *err)
{
	if (!chores->complained)
		hc_log(HC_LOG_WARN, "a chore failed and will be repeated", "error", err->text, NULL);
	chores->complained = true;
}

static void *chores_run(void *payload)
{
	struct chores *chores = payload;
	struct stop *stop = chores->options.stop;
	unsigned wanted = 0;
	int wait_ms = -1;

	while (!stop_is_set(stop)) {
		struct hc_error err;

		wanted |= waker_wait(chores->waker, stop, wait_ms);
		if (wanted & ~(unsigned)CHORE_LIST && !(wanted & CHORE_LIST) && stop_wait(stop, DEBOUNCE_MS))
			break;
		wait_ms = -1;
		if (!leader_may_act(chores->options.leader)) {
			wanted = 0; /* the next leader lists everything */
			continue;
		}
		wanted |= due(chores, hc_clock_boot_ms());
		if (do_chores(chores, &wanted, &err)) {
			failed(chores, &err);
			wait_ms = RETRY_MS;
			continue;
		}
		chores->complained = false;
		wait_ms = sleep_ms(chores, hc_clock_boot_ms());
	}
	return NULL;
}

int chores_start(const struct chores_options *options, struct chores **ret_chores, struct hc_error *err)
{
	struct chores *chores = hc_xalloc(sizeof *chores);
	int error;

	chores->options = *options;
	chores->waker = waker_new();
	chores->sweep = sweep_new();
	hc_random_bytes(&chores->random, sizeof chores->random);
	chores->random |= 1;
	error = pthread_create(&chores->thread, NULL, chores_run, chores);
	if (error) {
		sweep_free(chores->sweep);
		waker_free(chores->waker);
		free(chores);
		return hc_fail(err, HC_TRANSIENT, "start the thread of chores: %s", strerror(error));
	}
	*ret_chores = chores;
	return 0;
}

void chores_request(struct chores *chores, unsigned wanted)
{
	waker_wake(chores->waker, wanted);
}

void chores_join(struct chores *chores)
{
	if (!chores)
		return;
	(void)pthread_join(chores->thread, NULL);
	store_close(chores->store);
	docker_close(chores->docker);
	traefik_close(chores->traefik);
	sweep_free(chores->sweep);
	waker_free(chores->waker);
	free(chores);
}
