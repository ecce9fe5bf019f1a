/* See pool.h. */
#include "pool.h"
#include "laggards.h"
#include "pass.h"
#include "queue.h"
#include "traefik.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/queue.h"
#include "crypto/crypto_seal.h"
#include "docker/docker.h"
#include "store/store.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POOL_LAGGARDS_AT_ONCE (POOL_FAST_THREADS / 2)
#define LAGGARD_AGAIN_MS 500

struct worker {
	struct pool *pool;
	pthread_t thread;
	bool started;
	bool slow;
	struct reconcile_context context;
	struct store *store;
	struct docker *docker;
	struct traefik *traefik;
	struct traefik_interface traefik_interface;
	struct queue *queue; /* of jobs for workers */
	struct queue_interface queue_interface;
	struct address_owner address_owner;
	struct address_interface address_interface;
};

struct pool {
	struct pool_options options;
	struct prober_interface prober_interface;
	struct laggards *laggards;
	struct hc_queue *slow_keys; /* char *, owned by who takes them out */
	char *containers_folder;
	char *secret_key_file;
	int url_port;
	struct worker workers[POOL_THREADS];
};

/* --- one pass
 * ---------------------------------------------------------------------------------------------------- */

static int worker_connect(struct worker *worker, struct hc_error *err)
{
	const struct controller_options *controller = worker->pool->options.controller;

	if (!worker->store && store_open(controller->database, "helvetia-controller", &worker->store, err))
		return -1;
	if (!worker->docker && docker_open(controller->docker, &worker->docker, err))
		return -1;
	if (!worker->traefik) {
		if (traefik_open(controller->traefik_api, controller->public_https, &worker->traefik, err))
			return -1;
		worker->traefik_interface = traefik_interface(worker->traefik);
	}
	if (!worker->queue) {
		if (queue_open(controller->redis, controller->queue, &worker->queue, err))
			return -1;
		worker->queue_interface = queue_interface(worker->queue);
	}
	return 0;
}

/* What can differ from pass to pass: whose leader we are, and how far the database is believed. */
static void context_fill(struct worker *worker)
{
	struct pool *pool = worker->pool;
	const struct controller_options *controller = pool->options.controller;

	worker->context = (struct reconcile_context){
		.store = worker->store,
		.docker = worker->docker,
		.prober = &pool->prober_interface,
		.traefik = &worker->traefik_interface,
		.addresses = &worker->address_interface,
		.work = &worker->queue_interface,
		.work_configured = controller->redis != NULL,
		.installation = leader_installation(pool->options.leader),
		.domain = controller->domain,
		.containers_folder = pool->containers_folder,
		.secret_key_file = pool->secret_key_file,
		.probe_path = controller->probe,
		.network_pool = controller->network_pool,
		.epoch = leader_epoch(pool->options.leader),
		.https_public = true,
		.url_port = pool->url_port,
		.database_trusted = leader_database_trusted(pool->options.leader),
	};
}

static bool may_act(void *payload)
{
	struct worker *worker = payload;

	/* The same leadership as at the start of the pass: a new epoch needs new eyes. */
	return leader_may_act(worker->pool->options.leader) &&
		   leader_epoch(worker->pool->options.leader) == worker->context.epoch;
}

static bool power_of_two(int number)
{
	return number > 0 && (number & (number - 1)) == 0;
}

/* A failure that repeats is logged at its 1st, 2nd, 4th, 8th … time; a lost race is none. */
static void log_failure(const char *key, const struct hc_error *err, int failures)
{
	char times[16];

	(void)snprintf(times, sizeof times, "%d", failures);
	if (failures == 0)
		hc_log(HC_LOG_DEBUG, "pass failed and is repeated", "key", key, "class", hc_class_name(err->class),
			   "error", err->text, NULL);
	else if (power_of_two(failures))
		hc_log(HC_LOG_WARN, "pass failed", "key", key, "class", hc_class_name(err->class), "times", times,
			   "error", err->text, NULL);
}

/* Takes the key. */
static void serve(struct worker *worker, char *key_take, struct hc_arena *arena)
{
	struct pool *pool = worker->pool;
	HC_AUTO_FREE key = key_take;
	const struct pass_options pass = {
		.registry = reconciler_registry, .may_act = may_act, .payload = worker, .slow = worker->slow};
	struct pass_result result = {.end = WORKQUEUE_TRANSIENT};
	int64_t began_ms = hc_clock_boot_ms();
	int failures;

	if (!leader_may_act(pool->options.leader)) {
		result.end = WORKQUEUE_DROPPED;
	} else if (!laggards_begin(pool->laggards, key)) {
		result.end = WORKQUEUE_SETTLED;
		result.wake_at_ms = began_ms + LAGGARD_AGAIN_MS;
	} else {
		if (worker_connect(worker, &result.err) == 0) {
			context_fill(worker);
			pass_run(&pass, &worker->context, key, arena, &result);
			hc_arena_reset(arena);
		}
		laggards_end(pool->laggards, key, result.err.class == HC_TRANSIENT, hc_clock_boot_ms() - began_ms);
	}
	if (result.hand_over) {
		if (hc_queue_try_push(pool->slow_keys, key)) {
			(void)hc_take(&key);
			return;
		}
		result.end = WORKQUEUE_TRANSIENT;
		(void)hc_fail(&result.err, HC_TRANSIENT, "%d other keys wait for minute-long actions",
					  HC_LIMIT_SLOW_KEYS);
	}
	failures = workqueue_done(pool->options.queue, key, result.end, hc_clock_boot_ms(), result.wake_at_ms);
	if (result.err.class != HC_OK && result.end != WORKQUEUE_DROPPED)
		log_failure(key, &result.err, failures);
}

static char *next_key(struct worker *worker)
{
	if (worker->slow)
		return hc_queue_pop(worker->pool->slow_keys);
	return workqueue_take(worker->pool->options.queue);
}

static void *worker_run(void *payload)
{
	struct worker *worker = payload;
	struct pool *pool = worker->pool;
	HC_AUTO(hc_arena) arena = hc_arena_new();
	char *key;

	while ((key = next_key(worker)))
		serve(worker, key, arena);
	store_close(hc_take(&worker->store));
	docker_close(hc_take(&worker->docker));
	traefik_close(hc_take(&worker->traefik));
	queue_close(hc_take(&worker->queue));
	pool->options.thread_ended(pool->options.payload);
	return NULL;
}

/* --- life
 * -------------------------------------------------------------------------------------------------------- */

static int worker_start(struct pool *pool, size_t index, struct hc_error *err)
{
	struct worker *worker = &pool->workers[index];
	int error;

	worker->pool = pool;
	worker->slow = index >= POOL_FAST_THREADS;
	worker->address_owner = (struct address_owner){.addresses = pool->options.addresses,
												   .owner = (unsigned)index + 1};
	worker->address_interface = addresses_interface(&worker->address_owner);
	error = pthread_create(&worker->thread, NULL, worker_run, worker);
	if (error)
		return hc_fail(err, HC_TRANSIENT, "start a worker thread: %s", strerror(error));
	worker->started = true;
	return 0;
}

int pool_start(const struct pool_options *options, struct pool **ret_pool, struct hc_error *err)
{
	struct pool *pool;
	char host[64];
	int port;

	if (controller_reach(options->controller->public_https, host, &port, err))
		return -1;
	pool = hc_xalloc(sizeof *pool);
	pool->options = *options;
	pool->url_port = port;
	pool->prober_interface = prober_interface(options->prober);
	pool->laggards = laggards_new(POOL_LAGGARDS_AT_ONCE);
	pool->slow_keys = hc_queue_new(HC_LIMIT_SLOW_KEYS);
	pool->containers_folder = hc_xprintf("%s/containers", options->controller->state);
	pool->secret_key_file = options->controller->secret_key_file
								? hc_xstrdup(options->controller->secret_key_file)
								: hc_xprintf("%s/" CRYPTO_KEYS_PATH, options->controller->state);
	for (size_t index = 0; index < POOL_THREADS; index++) {
		if (worker_start(pool, index, err))
			return -1; /* the process ends: nothing is taken back here */
	}
	*ret_pool = pool;
	return 0;
}

void pool_stop(struct pool *pool)
{
	hc_queue_close(pool->slow_keys);
}

void pool_free(struct pool *pool)
{
	char *key;

	if (!pool)
		return;
	for (size_t index = 0; index < POOL_THREADS; index++) {
		if (pool->workers[index].started)
			(void)pthread_join(pool->workers[index].thread, NULL);
	}
	while ((key = hc_queue_try_pop(pool->slow_keys)))
		free(key);
	hc_queue_free(pool->slow_keys);
	laggards_free(pool->laggards);
	free(pool->containers_folder);
	free(pool->secret_key_file);
	free(pool);
}
