/* helvetia-controller: makes what runs in Docker equal to what the database wants, for ever (design 2, 3, 7).
 *
 * This file only wires the parts together. The main thread is the loop: database hints, probes, the node
 * endpoint and the queue's timer. Everything that blocks has a thread of its own (README.md lists them). At
 * the end, actions in hand are finished, for at most END_SECONDS; a crash at any point is as good as an
 * orderly end. */
#include "chores.h"
#include "events.h"
#include "node.h"
#include "pool.h"
#include "sweep.h"
#include "watch.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "schema/schema.h"

#include <curl/curl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define END_SECONDS 5
#define TIMER_MAX_MS (60 * 60 * 1000)
#define PROBE_FORGET_MS (60 * 60 * 1000)
#define RESYNCS_BEFORE_FORGET (3 * SWEEP_TURNS)

struct controller {
	struct controller_options options;
	uv_loop_t loop;
	struct stop *stop;
	struct workqueue *queue;
	struct leader *leader;
	struct chores *chores;
	struct events *events;
	struct addresses *addresses;
	struct prober *prober;
	struct watch *watch;
	struct node *node;
	struct pool *pool;
	uv_async_t queue_earlier;
	uv_timer_t queue_timer;
	uv_async_t thread_ended;
	uv_signal_t terminated;
	uv_signal_t interrupted;
	_Atomic(int) threads_ended;
};

/* --- hints
 * ------------------------------------------------------------------------------------------------------- */

/* The leader's thread. */
static void leadership_changed(bool leads, void *payload)
{
	struct controller *controller = payload;

	events_follow(controller->events, leads);
	if (leads)
		chores_request(controller->chores, CHORES_ALL);
}

/* The loop, and the thread of events. */
static void missed(void *payload)
{
	struct controller *controller = payload;

	chores_request(controller->chores, CHORE_LIST | CHORE_HOSTS);
}

/* The thread of events: nobody is to ask whoever gets its address next. */
static void destroyed(const char *container_id, void *payload)
{
	struct controller *controller = payload;
	struct prober_interface prober = prober_interface(controller->prober);

	prober.forget(prober.self, container_id);
}

static void changed(const struct change *change, void *payload)
{
	struct controller *controller = payload;

	if (change->key[0])
		(void)workqueue_add(controller->queue, change->key, change->urgency);
	if (change->hosts)
		chores_request(controller->chores, CHORE_HOSTS);
}

/* Whoever may write to the database may notify: only keys of ours are taken. */
static void job_changed(const char *key, void *payload)
{
	struct controller *controller = payload;

	if (strncmp(key, "service/", strlen("service/")) == 0)
		(void)workqueue_add(controller->queue, key, WORKQUEUE_HINT);
}

static void version_seen(int64_t resource_version, void *payload)
{
	struct controller *controller = payload;

	leader_saw_version(controller->leader, resource_version);
}

static void probed(const char *key, void *payload)
{
	struct controller *controller = payload;

	(void)workqueue_add(controller->queue, key, WORKQUEUE_HINT);
}

/* --- the queue's timer
 * ------------------------------------------------------------------------------------------- */

static void queue_due(struct controller *controller);

static void queue_timer_fired(uv_timer_t *timer)
{
	queue_due(timer->data);
}

static void queue_moved_earlier(uv_async_t *async)
{
	queue_due(async->data);
}

static void queue_due(struct controller *controller)
{
	int64_t now_ms = hc_clock_boot_ms();
	int64_t next_ms = workqueue_due(controller->queue, now_ms);
	int64_t delay_ms = next_ms - now_ms;

	if (!next_ms) {
		(void)uv_timer_stop(&controller->queue_timer);
		return;
	}
	if (delay_ms > TIMER_MAX_MS)
		delay_ms = TIMER_MAX_MS;
	uv_update_time(&controller->loop);
	(void)uv_timer_start(&controller->queue_timer, queue_timer_fired, delay_ms > 0 ? (uint64_t)delay_ms : 1,
						 0);
}

/* Any thread. */
static void queue_earlier(void *payload)
{
	struct controller *controller = payload;

	(void)uv_async_send(&controller->queue_earlier);
}

/* --- the end
 * ----------------------------------------------------------------------------------------------------- */

/* Something still blocks after END_SECONDS: as good as a crash, and the next start finds its way. */
static void end_now(int number)
{
	(void)number;
	_exit(EXIT_SUCCESS);
}

static void close_handle(void *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void begin_end(struct controller *controller)
{
	if (stop_is_set(controller->stop))
		return;
	hc_log(HC_LOG_INFO, "ending", NULL);
	(void)signal(SIGALRM, end_now);
	(void)alarm(END_SECONDS);
	stop_set(controller->stop);
	workqueue_shut_down(controller->queue);
	pool_stop(controller->pool);
	watch_close(controller->watch);
	node_close(controller->node);
}

static void signalled(uv_signal_t *handle, int number)
{
	(void)number;
	begin_end(handle->data);
}

/* When the last worker has ended nobody uses the prober or the queue any more: the loop runs empty. */
static void look_at_threads(uv_async_t *async)
{
	struct controller *controller = async->data;

	if (__atomic_load_n(&controller->threads_ended, __ATOMIC_SEQ_CST) < POOL_THREADS)
		return;
	prober_close(controller->prober);
	close_handle(&controller->queue_earlier);
	close_handle(&controller->queue_timer);
	close_handle(&controller->thread_ended);
	close_handle(&controller->terminated);
	close_handle(&controller->interrupted);
}

/* The ending thread; its last use of anything but the async handle, which lives until the loop has seen it.
 */
static void thread_ended(void *payload)
{
	struct controller *controller = payload;

	(void)__atomic_add_fetch(&controller->threads_ended, 1, __ATOMIC_SEQ_CST);
	(void)uv_async_send(&controller->thread_ended);
}

static void controller_done(struct controller *controller)
{
	events_join(controller->events);
	chores_join(controller->chores);
	pool_free(controller->pool);
	leader_free(controller->leader);
	watch_free(controller->watch);
	node_free(controller->node);
	prober_free(controller->prober);
	addresses_free(controller->addresses);
	workqueue_free(controller->queue);
	stop_free(controller->stop);
	(void)uv_loop_close(&controller->loop);
}

/* --- the start
 * --------------------------------------------------------------------------------------------------- */

static void start_loop(struct controller *controller)
{
	(void)uv_loop_init(&controller->loop);
	(void)uv_async_init(&controller->loop, &controller->queue_earlier, queue_moved_earlier);
	(void)uv_async_init(&controller->loop, &controller->thread_ended, look_at_threads);
	(void)uv_timer_init(&controller->loop, &controller->queue_timer);
	(void)uv_signal_init(&controller->loop, &controller->terminated);
	(void)uv_signal_init(&controller->loop, &controller->interrupted);
	controller->queue_earlier.data = controller;
	controller->thread_ended.data = controller;
	controller->queue_timer.data = controller;
	controller->terminated.data = controller;
	controller->interrupted.data = controller;
	(void)uv_signal_start(&controller->terminated, signalled, SIGTERM);
	(void)uv_signal_start(&controller->interrupted, signalled, SIGINT);
}

static void make_parts(struct controller *controller)
{
	int64_t forget_ms = controller->options.resync_ms * RESYNCS_BEFORE_FORGET;
	uint64_t seed;

	hc_random_bytes(&seed, sizeof seed);
	controller->stop = stop_new();
	controller->queue = workqueue_new(
		&(struct workqueue_options){.seed = seed, .earlier = queue_earlier, .payload = controller});
	controller->addresses = addresses_new((uint32_t)(seed >> 32));
	controller->prober = prober_new(
		&(struct prober_options){.loop = &controller->loop,
								 .enqueue = probed,
								 .payload = controller,
								 .forget_ms = forget_ms > PROBE_FORGET_MS ? forget_ms : PROBE_FORGET_MS});
	controller->leader = leader_new(&(struct leader_options){.database = controller->options.database,
															 .docker_host = controller->options.docker,
															 .state_folder = controller->options.state,
															 .stop = controller->stop,
															 .changed = leadership_changed,
															 .payload = controller});
}

static int start_threads(struct controller *controller, struct hc_error *err)
{
	const struct chores_options chores = {.controller = &controller->options,
										  .queue = controller->queue,
										  .leader = controller->leader,
										  .stop = controller->stop};
	const struct events_options events = {.docker_host = controller->options.docker,
										  .state_folder = controller->options.state,
										  .queue = controller->queue,
										  .leader = controller->leader,
										  .stop = controller->stop,
										  .missed = missed,
										  .destroyed = destroyed,
										  .payload = controller};
	const struct pool_options pool = {.controller = &controller->options,
									  .queue = controller->queue,
									  .leader = controller->leader,
									  .prober = controller->prober,
									  .addresses = controller->addresses,
									  .thread_ended = thread_ended,
									  .payload = controller};

	if (chores_start(&chores, &controller->chores, err) || events_start(&events, &controller->events, err) ||
		pool_start(&pool, &controller->pool, err))
		return -1;
	return leader_start(controller->leader, err);
}

static int controller_start(struct controller *controller, struct hc_error *err)
{
	const struct watch_options watch = {.loop = &controller->loop,
										.database = controller->options.database,
										.changed = changed,
										.job = job_changed,
										.missed = missed,
										.version = version_seen,
										.payload = controller};
	const struct node_options node = {.loop = &controller->loop,
									  .socket_path = controller->options.socket,
									  .docker_host = controller->options.docker,
									  .leader = controller->leader};

	if (hc_folder_make(controller->options.state, 0755, err) || node_start(&node, &controller->node, err) ||
		start_threads(controller, err))
		return -1;
	return watch_start(&watch, &controller->watch, err);
}

int main(int argc, char **argv)
{
	static struct controller controller;
	struct hc_error err;

	if (controller_options_parse(argc, argv, &controller.options, &err)) {
		(void)fprintf(stderr, "helvetia-controller: %s\n%s", err.text, controller_usage);
		return 2;
	}
	if (controller.options.help) {
		(void)fputs(controller_usage, stdout);
		return EXIT_SUCCESS;
	}
	hc_log_init("helvetia-controller");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)mallopt(M_ARENA_MAX, 2); /* a heap for each of a dozen idle threads is memory for nothing */
	if (schema_load(&err)) {
		hc_log(HC_LOG_ERROR, "can't start", "error", err.text, NULL);
		return EXIT_FAILURE;
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
		hc_log(HC_LOG_ERROR, "libcurl can't be used", NULL);
		return EXIT_FAILURE;
	}
	start_loop(&controller);
	make_parts(&controller);
	if (controller_start(&controller, &err)) {
		hc_log(HC_LOG_ERROR, "can't start", "error", err.text, NULL);
		return EXIT_FAILURE;
	}
	hc_log(HC_LOG_INFO, "started", "state", controller.options.state, "domain", controller.options.domain,
		   NULL);
	(void)uv_run(&controller.loop, UV_RUN_DEFAULT);
	controller_done(&controller);
	curl_global_cleanup();
	schema_unload();
	return EXIT_SUCCESS;
}
