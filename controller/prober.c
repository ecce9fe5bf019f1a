/* See prober.h. One struct target is a small state machine on the loop:
 *
 *   RESTING --timer--> ASKING --status line--> DRAINING --EOF, limit--> (socket closed) --> RESTING
 *                         `--failure, time-out------------------------^
 *
 * The answer counts when its status line is whole. Draining reads the rest of it (up to a limit), so that the
 * application does not see its connection reset every five seconds.
 *
 * Not everything speaks HTTP. What answers with other bytes is taken as "TCP, and it accepts", and from then
 * on only connected to, so that a database's log does not fill with complaints about our GET.
 *
 * `run` counts restarts of a container: an answer to a question of an earlier run is thrown away. */
#include "prober.h"
#include "verdict.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/random.h"
#include "base/text.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORGET_MS (15 * 60 * 1000)
#define ANSWER_TIMEOUT_MS 5000
#define DRAIN_MS 1000
#define DRAIN_BYTES (64U * 1024)
#define EMPTY_CLOSES_MAX 3 /* so many connections closed without a byte: it is no HTTP server */
#define HEAD_SIZE 16       /* "HTTP/1.1 200" and a little */
#define READ_SIZE 2048

enum state { STATE_NEW, STATE_RESTING, STATE_ASKING, STATE_DRAINING, STATE_CLOSING_SOCKET, STATE_GONE };

struct target {
	struct prober *prober;
	/* With the mutex held. */
	char *id;
	char *address;
	char *host;
	char *path; /* NULL: any path, and it need not be HTTP */
	char *key;
	int port;
	bool fast;
	bool listed; /* in prober->changed */
	bool forgotten;
	bool tcp_only;
	int empty_closes;
	unsigned run;
	int64_t started_wall_ms;
	int64_t refreshed_ms;
	struct verdict verdict;
	char message[sizeof((struct probe_answer *)NULL)->message];
	struct target *next_changed;
	/* The loop's own. */
	enum state state;
	uv_timer_t timer;
	uv_tcp_t socket;
	uv_connect_t connect;
	uv_write_t write;
	char *request;     /* while ASKING */
	char question[96]; /* "GET /healthz on 10.213.0.5:3000", of the attempt in hand */
	bool ask_path;     /* the attempt in hand asks for an explicit path */
	bool ask_tcp;
	int ask_port;
	unsigned ask_run;
	char head[HEAD_SIZE];
	size_t head_length;
	size_t drained;
	int open_handles;
};

struct prober {
	struct prober_options options;
	pthread_mutex_t mutex;
	struct hc_map *targets; /* by container id */
	struct target *changed;
	uv_async_t async;
	char buffer[READ_SIZE]; /* of the read in progress: there is one loop */
	bool closed;
};

/* --- the table, from any thread
 * ---------------------------------------------------------------------------------- */

static void target_free(struct target *target)
{
	free(target->id);
	free(target->address);
	free(target->host);
	free(target->path);
	free(target->key);
	free(target->request);
	free(target);
}

/* With the mutex held: the loop is to look at it. */
static void list_changed(struct prober *prober, struct target *target)
{
	if (!target->listed) {
		target->listed = true;
		target->next_changed = prober->changed;
		prober->changed = target;
	}
	(void)uv_async_send(&prober->async);
}

static void replace(char **text, const char *value)
{
	if (hc_streq(*text, value))
		return;
	free(*text);
	*text = hc_xstrdup(value);
}

/* Does the registration mean another question than before, so that old answers say nothing? */
static bool differs(const struct target *target, const struct probe_target *wanted)
{
	return target->started_wall_ms != wanted->started_wall_ms || target->port != wanted->port ||
		   !hc_streq(target->address, wanted->address) || !hc_streq(target->path, wanted->path);
}

static struct target *target_get(struct prober *prober, const char *id)
{
	struct target *target = hc_map_get(prober->targets, id);

	if (target)
		return target;
	target = hc_xalloc(sizeof *target);
	target->prober = prober;
	target->id = hc_xstrdup(id);
	hc_map_set(prober->targets, id, target);
	return target;
}

static void watch(void *self, const struct probe_target *wanted, struct probe_answer *ret_answer)
{
	struct prober *prober = self;
	struct target *target;
	bool changed;

	(void)pthread_mutex_lock(&prober->mutex);
	target = target_get(prober, wanted->container_id);
	changed = !target->address || differs(target, wanted);
	if (changed) {
		target->run++;
		target->tcp_only = false;
		target->empty_closes = 0;
		verdict_reset(&target->verdict);
		(void)snprintf(target->message, sizeof target->message, "not asked yet");
	}
	replace(&target->address, wanted->address);
	replace(&target->host, wanted->host);
	replace(&target->path, wanted->path);
	replace(&target->key, wanted->key);
	target->port = wanted->port;
	target->started_wall_ms = wanted->started_wall_ms;
	target->refreshed_ms = hc_clock_boot_ms();
	if (changed || (wanted->fast && !target->fast))
		list_changed(prober, target);
	target->fast = wanted->fast;
	ret_answer->verdict = target->verdict.now;
	(void)snprintf(ret_answer->message, sizeof ret_answer->message, "%s", target->message);
	(void)pthread_mutex_unlock(&prober->mutex);
}

static void forget_locked(struct prober *prober, struct target *target)
{
	(void)hc_map_remove(prober->targets, target->id);
	target->forgotten = true;
	list_changed(prober, target);
}

static void forget(void *self, const char *container_id)
{
	struct prober *prober = self;
	struct target *target;

	(void)pthread_mutex_lock(&prober->mutex);
	target = hc_map_get(prober->targets, container_id);
	if (target)
		forget_locked(prober, target);
	(void)pthread_mutex_unlock(&prober->mutex);
}

struct prober_interface prober_interface(struct prober *prober)
{
	return (struct prober_interface){.self = prober, .watch = watch, .forget = forget};
}

/* --- one question, on the loop
 * ----------------------------------------------------------------------------------- */

static void begin(uv_timer_t *timer);
static void time_out(uv_timer_t *timer);

static void handle_closed(struct target *target)
{
	if (--target->open_handles == 0 && target->state == STATE_GONE)
		target_free(target);
}

static void timer_closed(uv_handle_t *handle)
{
	handle_closed(handle->data);
}

static void rest(struct target *target)
{
	struct prober *prober = target->prober;
	uint64_t random;
	int64_t delay_ms = 0;

	hc_random_bytes(&random, sizeof random);
	uv_update_time(prober->options.loop); /* both clocks of the same moment: ticks meet to the millisecond */
	(void)pthread_mutex_lock(&prober->mutex);
	if (target->run == target->ask_run)
		delay_ms = verdict_delay_ms(&target->verdict, target->fast, random, hc_clock_boot_ms());
	(void)pthread_mutex_unlock(&prober->mutex);
	target->state = STATE_RESTING;
	(void)uv_timer_start(&target->timer, begin, (uint64_t)delay_ms, 0);
}

static void socket_closed(uv_handle_t *handle)
{
	struct target *target = handle->data;

	if (target->state == STATE_CLOSING_SOCKET)
		rest(target);
	handle_closed(target);
}

/* Ends the attempt; what was read of it is judged already. */
static void close_socket(struct target *target)
{
	assert(target->state == STATE_ASKING || target->state == STATE_DRAINING);
	target->state = STATE_CLOSING_SOCKET;
	(void)uv_timer_stop(&target->timer);
	uv_close((uv_handle_t *)&target->socket, socket_closed);
}

/* Takes an answer to the attempt in hand into account. */
static void answer(struct target *target, bool good, const char *message)
{
	struct prober *prober = target->prober;
	HC_AUTO_FREE key = NULL;

	(void)pthread_mutex_lock(&prober->mutex);
	if (target->run == target->ask_run && !target->forgotten) {
		(void)snprintf(target->message, sizeof target->message, "%s", message);
		if (verdict_answer(&target->verdict, good, hc_clock_boot_ms()))
			key = hc_xstrdup(target->key);
	}
	(void)pthread_mutex_unlock(&prober->mutex);
	if (key)
		prober->options.enqueue(key, prober->options.payload);
}

static void fail_attempt(struct target *target, const char *message)
{
	answer(target, false, message);
	close_socket(target);
}

/* Bytes that are no HTTP, or a connection closed without any. */
static void not_http(struct target *target, bool bytes)
{
	struct prober *prober = target->prober;
	char message[160];

	if (target->ask_path) {
		(void)snprintf(message, sizeof message, "%s: the answer is no HTTP", target->question);
		fail_attempt(target, message);
		return;
	}
	(void)pthread_mutex_lock(&prober->mutex);
	target->empty_closes = bytes ? EMPTY_CLOSES_MAX : target->empty_closes + 1;
	if (target->run == target->ask_run && target->empty_closes >= EMPTY_CLOSES_MAX)
		target->tcp_only = true;
	(void)pthread_mutex_unlock(&prober->mutex);
	(void)snprintf(message, sizeof message, "port %d accepts connections", target->ask_port);
	answer(target, true, message);
	close_socket(target);
}

static void status_seen(struct target *target, int status)
{
	char message[160];

	(void)snprintf(message, sizeof message, "%s answered %d", target->question, status);
	answer(target, verdict_status_good(status, target->ask_path), message);
	target->state = STATE_DRAINING;
	target->drained = 0;
	(void)uv_timer_start(&target->timer, time_out, DRAIN_MS, 0);
}

static void read_bytes(struct target *target, const char *data, size_t length)
{
	size_t room = sizeof target->head - target->head_length;
	int status = 0;

	if (target->state == STATE_DRAINING) {
		target->drained += length;
		if (target->drained > DRAIN_BYTES)
			close_socket(target);
		return;
	}
	memcpy(target->head + target->head_length, data, length < room ? length : room);
	target->head_length += length < room ? length : room;
	switch (verdict_status_line(target->head, target->head_length, &status)) {
	case VERDICT_BYTES_MORE:
		break;
	case VERDICT_BYTES_HTTP:
		status_seen(target, status);
		break;
	case VERDICT_BYTES_OTHER:
		not_http(target, true);
		break;
	}
}

static void provide_buffer(uv_handle_t *handle, size_t size, uv_buf_t *ret_buffer)
{
	struct target *target = handle->data;

	(void)size;
	*ret_buffer = uv_buf_init(target->prober->buffer, sizeof target->prober->buffer);
}

static void was_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
	struct target *target = stream->data;

	if (length == 0 || target->state == STATE_GONE || target->state == STATE_CLOSING_SOCKET)
		return;
	if (length > 0)
		read_bytes(target, buffer->base, (size_t)length);
	else if (target->state == STATE_DRAINING)
		close_socket(target);
	else
		not_http(target, target->head_length > 0);
}

static void was_written(uv_write_t *write, int status)
{
	(void)write;
	(void)status; /* a failure shows itself in the read */
}

static void connect_failed(struct target *target, int status)
{
	char message[160];

	switch (status) {
	case UV_ECONNREFUSED:
		(void)snprintf(message, sizeof message, "connection refused on port %d", target->ask_port);
		break;
	default:
		(void)snprintf(message, sizeof message, "%s: %s", target->question, uv_strerror(status));
		break;
	}
	fail_attempt(target, message);
}

static void was_connected(uv_connect_t *connect, int status)
{
	struct target *target = connect->data;
	char message[160];
	uv_buf_t buffer;

	if (target->state != STATE_ASKING)
		return;
	if (status < 0) {
		connect_failed(target, status);
		return;
	}
	if (target->ask_tcp) {
		(void)snprintf(message, sizeof message, "port %d accepts connections", target->ask_port);
		answer(target, true, message);
		close_socket(target);
		return;
	}
	buffer = uv_buf_init(target->request, (unsigned)strlen(target->request));
	status = uv_read_start((uv_stream_t *)&target->socket, provide_buffer, was_read);
	if (status == 0)
		status = uv_write(&target->write, (uv_stream_t *)&target->socket, &buffer, 1, was_written);
	if (status < 0)
		connect_failed(target, status);
}

static void time_out(uv_timer_t *timer)
{
	struct target *target = timer->data;
	char message[160];

	if (target->state == STATE_DRAINING) {
		close_socket(target);
		return;
	}
	(void)snprintf(message, sizeof message, "%s: no answer within %d s", target->question,
				   ANSWER_TIMEOUT_MS / 1000);
	fail_attempt(target, message);
}

/* Host and path were checked by the schema; what could end a line of the request is refused here all the
 * same. */
static bool one_word(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	}
	return true;
}

/* With the mutex held: fixes what this attempt asks. */
static void prepare(struct target *target, struct sockaddr_in *ret_address, int *ret_status)
{
	const char *path = target->path ? target->path : "/";

	free(target->request);
	target->request = hc_xprintf("GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: helvetia-controller\r\n"
								 "Accept: */*\r\nConnection: close\r\n\r\n",
								 path, target->host);
	(void)snprintf(target->question, sizeof target->question, "GET %.40s on %s:%d", path, target->address,
				   target->port);
	target->ask_path = target->path != NULL;
	target->ask_tcp = target->tcp_only;
	target->ask_port = target->port;
	target->ask_run = target->run;
	target->head_length = 0;
	*ret_status = one_word(path) && one_word(target->host)
					  ? uv_ip4_addr(target->address, target->port, ret_address)
					  : UV_EINVAL;
}

static void ask(struct target *target, const struct sockaddr_in *address, int status)
{
	target->state = STATE_ASKING;
	(void)uv_tcp_init(target->prober->options.loop, &target->socket);
	target->socket.data = target;
	target->connect.data = target;
	target->open_handles++;
	(void)uv_timer_start(&target->timer, time_out, ANSWER_TIMEOUT_MS, 0);
	if (status == 0)
		status = uv_tcp_connect(&target->connect, &target->socket, (const struct sockaddr *)address,
								was_connected);
	if (status < 0)
		connect_failed(target, status);
}

static void begin(uv_timer_t *timer)
{
	struct target *target = timer->data;
	struct prober *prober = target->prober;
	struct sockaddr_in address = {0};
	int status = 0;
	bool stale;

	(void)pthread_mutex_lock(&prober->mutex);
	stale = !target->forgotten && hc_clock_boot_ms() - target->refreshed_ms > prober->options.forget_ms;
	if (stale)
		forget_locked(prober, target);
	prepare(target, &address, &status);
	(void)pthread_mutex_unlock(&prober->mutex);
	if (!stale)
		ask(target, &address, status);
}

/* --- changes, on the loop
 * ---------------------------------------------------------------------------------------- */

static void target_close(struct target *target)
{
	if (target->state == STATE_GONE)
		return;
	if (target->state == STATE_NEW) {
		target_free(target);
		return;
	}
	if (target->state == STATE_ASKING || target->state == STATE_DRAINING)
		uv_close((uv_handle_t *)&target->socket, socket_closed);
	target->state = STATE_GONE;
	uv_close((uv_handle_t *)&target->timer, timer_closed);
}

/* New, changed, or somebody waits for it now: ask at once, unless a question is open. */
static void target_changed(struct target *target)
{
	if (target->state == STATE_NEW) {
		(void)uv_timer_init(target->prober->options.loop, &target->timer);
		target->timer.data = target;
		target->open_handles = 1;
		target->state = STATE_RESTING;
	}
	if (target->state == STATE_RESTING)
		(void)uv_timer_start(&target->timer, begin, 0, 0);
}

/* One at a time: a pool thread may list a target again while another one is looked at. */
static struct target *next_changed(struct prober *prober, bool *ret_forgotten)
{
	struct target *target;

	(void)pthread_mutex_lock(&prober->mutex);
	target = prober->changed;
	if (target) {
		prober->changed = target->next_changed;
		target->listed = false;
		*ret_forgotten = target->forgotten;
	}
	(void)pthread_mutex_unlock(&prober->mutex);
	return target;
}

static void look_at_changes(uv_async_t *async)
{
	struct prober *prober = async->data;
	struct target *target;
	bool forgotten;

	while ((target = next_changed(prober, &forgotten))) {
		if (forgotten)
			target_close(target);
		else
			target_changed(target);
	}
}

struct prober *prober_new(const struct prober_options *options)
{
	struct prober *prober = hc_xalloc(sizeof *prober);

	prober->options = *options;
	if (!prober->options.forget_ms)
		prober->options.forget_ms = FORGET_MS;
	prober->targets = hc_map_new();
	(void)pthread_mutex_init(&prober->mutex, NULL);
	(void)uv_async_init(options->loop, &prober->async, look_at_changes);
	prober->async.data = prober;
	return prober;
}

static int close_each(const char *key, void *value, void *payload)
{
	(void)key;
	(void)payload;
	target_close(value);
	return 0;
}

void prober_close(struct prober *prober)
{
	if (prober->closed)
		return;
	prober->closed = true;
	look_at_changes(&prober->async);
	(void)pthread_mutex_lock(&prober->mutex);
	(void)hc_map_each(prober->targets, close_each, NULL);
	hc_map_free(prober->targets);
	prober->targets = hc_map_new();
	(void)pthread_mutex_unlock(&prober->mutex);
	uv_close((uv_handle_t *)&prober->async, NULL);
}

void prober_free(struct prober *prober)
{
	if (!prober)
		return;
	assert(prober->closed);
	hc_map_free(prober->targets);
	(void)pthread_mutex_destroy(&prober->mutex);
	free(prober);
}
