/* See events.h. The thread owns its Docker handle. */
#include "events.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "docker/docker.h"
#include "model/names.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS 2000
#define FIXED_SINCE_MAJOR 23 /* moby#41935 */
#define FILE_BYTES_MAX 4096
#define WAKE 1U

struct events {
	struct events_options options;
	pthread_t thread;
	struct waker *waker;
	struct docker *docker;
	char *memory_path;
	char *instance; /* run of the engine whose monitors are known to live; "" when it can't be told, NULL:
					   none */
	pthread_mutex_t mutex; /* of the writers of halt */
	volatile int halt;     /* ends docker_events() */
	int halt_fd;           /* readable while halt is set */
	bool joined;
	int backoff_ms;
	bool complained;
};

/* --- revival
 * ----------------------------------------------------------------------------------------------------- */

static void instance_load(struct events *events)
{
	HC_AUTO_FREE text = NULL;
	const char *instance;
	json_t *json;

	if (events->instance || hc_file_read(events->memory_path, FILE_BYTES_MAX, &text, NULL, NULL))
		return; /* no memory: another run, which is the safe side */
	json = json_loads(text, 0, NULL);
	instance = json_string_value(json_object_get(json, "instance"));
	events->instance = hc_xstrdup(instance);
	json_decref(json);
}

static int instance_keep(struct events *events, const char *instance, struct hc_error *err)
{
	HC_AUTO_TEXT text = {0};

	free(events->instance);
	events->instance = hc_xstrdup(instance);
	hc_text_append(&text, "{\"instance\":");
	hc_text_append_json_string(&text, instance);
	hc_text_append(&text, "}\n");
	return hc_file_write(events->memory_path, text.data, text.length, 0600, err);
}

/* One that this run of the engine started has a live monitor, and pausing it while its check starts blocks
 * both for ever (runc waits for a process that was frozen on its way in). When clocks leave it open, it
 * counts as older. */
static int is_older(struct events *events, struct hc_arena *arena, const char *id, int64_t engine_started_ms,
					bool *ret_older, struct hc_error *err)
{
	struct docker_container container;

	if (docker_container_inspect(events->docker, arena, id, &container, err)) {
		*ret_older = false;
		return err->class == HC_NOT_FOUND ? 0 : -1;
	}
	*ret_older = !engine_started_ms || container.started_wall_ms < engine_started_ms;
	return 0;
}

/* A container that stopped, went or was paused meanwhile has no dead monitor to revive. */
static int revive_one(struct events *events, const char *id, struct hc_error *err)
{
	if (docker_container_pause(events->docker, id, err) && err->class != HC_NOT_FOUND &&
		err->class != HC_CONFLICT)
		return -1;
	if (docker_container_unpause(events->docker, id, err) && err->class != HC_NOT_FOUND &&
		err->class != HC_CONFLICT)
		return -1;
	return 0;
}

static int revive_all(struct events *events, int64_t engine_started_ms, struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	const struct docker_pair filter = {LABEL_INSTALLATION, leader_installation(events->options.leader)};
	struct docker_container *list;
	char number[24];
	size_t revived = 0;
	size_t count;

	if (docker_container_list(events->docker, arena, &filter, 1, &list, &count, err))
		return -1;
	for (size_t n = 0; n < count; n++) {
		bool older;

		if (strcmp(list[n].state, "running") != 0)
			continue;
		if (is_older(events, arena, list[n].id, engine_started_ms, &older, err))
			return hc_wrap(err, "revive the health check of %s", list[n].name);
		if (!older)
			continue;
		if (!leader_may_act(events->options.leader))
			return hc_fail(err, HC_CANCELED, "no longer leading");
		if (revive_one(events, list[n].id, err))
			return hc_wrap(err, "revive the health check of %s", list[n].name);
		revived++;
	}
	if (revived > 0) {
		(void)snprintf(number, sizeof number, "%zu", revived);
		hc_log(HC_LOG_INFO, "the engine was restarted: health checks revived", "containers", number, NULL);
	}
	return 0;
}

/* Another run of the engine than the last one we saw? Then monitors may be dead. */
static int look_at_engine(struct events *events, struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct docker_info info;

	if (docker_info(events->docker, arena, &info, err))
		return -1;
	instance_load(events);
	if (info.instance[0] && hc_streq(events->instance, info.instance))
		return 0;
	if (info.version_major < FIXED_SINCE_MAJOR && revive_all(events, info.started_wall_ms, err))
		return -1;
	return instance_keep(events, info.instance, err);
}

/* --- the stream
 * -------------------------------------------------------------------------------------------------- */

static const char *label(const struct docker_event *event, const char *name)
{
	for (size_t n = 0; n < event->label_count; n++) {
		if (strcmp(event->labels[n].name, name) == 0)
			return event->labels[n].value;
	}
	return NULL;
}

static int seen(const struct docker_event *event, void *payload)
{
	struct events *events = payload;
	const char *uid = label(event, LABEL_SERVICE_UID);
	HC_AUTO_FREE key = NULL;

	/* Runs of the health check, and people's exec, say nothing about a container's state. */
	if (!uid || strcmp(event->type, "container") != 0 || hc_starts_with(event->action, "exec_"))
		return 0;
	if (strcmp(event->action, "destroy") == 0)
		events->options.destroyed(event->id, events->options.payload);
	key = hc_xprintf("service/%s", uid);
	(void)workqueue_add(events->options.queue, key, WORKQUEUE_HINT);
	return 0;
}

static void subscribed(void *payload)
{
	struct events *events = payload;

	if (events->complained)
		hc_log(HC_LOG_INFO, "the engine answers again", NULL);
	events->complained = false;
	events->backoff_ms = 0;
	events->options.missed(events->options.payload);
}

static int follow(struct events *events, struct hc_error *err)
{
	const struct docker_pair filter = {LABEL_INSTALLATION, leader_installation(events->options.leader)};

	if (!events->docker && docker_open(events->options.docker_host, &events->docker, err))
		return -1;
	docker_wake_by(events->docker, events->halt_fd);
	if (look_at_engine(events, err))
		return -1;
	return docker_events(events->docker, &filter, 1, 0, subscribed, seen, events, &events->halt, err);
}

static void broken(struct events *events, const struct hc_error *err)
{
	if (!events->complained && err->class != HC_CANCELED)
		hc_log(HC_LOG_WARN, "the engine's events are lost for now", "error", err->text, NULL);
	events->complained = events->complained || err->class != HC_CANCELED;
	events->backoff_ms = events->backoff_ms ? events->backoff_ms * 2 : BACKOFF_FIRST_MS;
	if (events->backoff_ms > BACKOFF_MAX_MS)
		events->backoff_ms = BACKOFF_MAX_MS;
}

static void *events_run(void *payload)
{
	struct events *events = payload;
	int wait_ms = 0;

	while (!stop_is_set(events->options.stop)) {
		struct hc_error err;

		(void)waker_wait(events->waker, events->options.stop, wait_ms);
		if (!leader_may_act(events->options.leader)) {
			wait_ms = -1;
			continue;
		}
		if (follow(events, &err))
			broken(events, &err);
		wait_ms = events->backoff_ms;
	}
	return NULL;
}

int events_start(const struct events_options *options, struct events **ret_events, struct hc_error *err)
{
	struct events *events = hc_xalloc(sizeof *events);
	int error;

	events->options = *options;
	events->waker = waker_new();
	(void)pthread_mutex_init(&events->mutex, NULL);
	events->memory_path = hc_xprintf("%s/engine.json", options->state_folder);
	events->halt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (events->halt_fd < 0)
		abort(); /* no descriptor at the start of the process: nothing can work */
	error = pthread_create(&events->thread, NULL, events_run, events);
	if (error) {
		waker_free(events->waker);
		(void)close(events->halt_fd);
		free(events->memory_path);
		free(events);
		return hc_fail(err, HC_TRANSIENT, "start the thread of events: %s", strerror(error));
	}
	*ret_events = events;
	return 0;
}

/* With the mutex held. docker_events() reads the flag, after the descriptor woke it. */
static void set_halt(struct events *events, bool halt)
{
	uint64_t number = 1;
	ssize_t moved;

	__atomic_store_n(&events->halt, halt, __ATOMIC_SEQ_CST);
	if (halt)
		moved = write(events->halt_fd, &number, sizeof number);
	else
		moved = read(events->halt_fd, &number, sizeof number);
	(void)moved; /* EAGAIN: it was so already */
}

void events_follow(struct events *events, bool leads)
{
	(void)pthread_mutex_lock(&events->mutex);
	set_halt(events, !leads || events->joined);
	(void)pthread_mutex_unlock(&events->mutex);
	waker_wake(events->waker, WAKE);
}

void events_join(struct events *events)
{
	if (!events)
		return;
	(void)pthread_mutex_lock(&events->mutex);
	events->joined = true;
	set_halt(events, true);
	(void)pthread_mutex_unlock(&events->mutex);
	(void)pthread_join(events->thread, NULL);
	docker_close(events->docker);
	waker_free(events->waker);
	(void)close(events->halt_fd);
	(void)pthread_mutex_destroy(&events->mutex);
	free(events->memory_path);
	free(events->instance);
	free(events);
}
