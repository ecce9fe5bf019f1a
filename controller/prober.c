/* See prober.h. One struct target is a small state machine on the loop:
 *
 *   RESTING --timer--> ASKING --status line--> DRAINING --EOF, limit--> RESTING
 *                         `--failure, time-out------------------------^
 *
 * The answer counts when its status line is whole. Draining reads the rest of it (up to a limit), so that the
 * application does not see its connection reset every five seconds.
 *
 * Nothing is watched for an answer: the target's timer looks whether it is there, soon after the question and
 * then at growing distances. All that were asked in one moment are looked at in one moment.
 *
 * Not everything speaks HTTP. What answers with other bytes is taken as "TCP, and it accepts", and from then
 * on only connected to, so that a database's log does not fill with complaints about our GET.
 *
 * `run` counts restarts of a container: an answer to a question of an earlier run is thrown away. */
#include "prober.h"
#include "question.h"
#include "verdict.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/random.h"
#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORGET_MS (15 * 60 * 1000)
#define ANSWER_TIMEOUT_MS 5000
#define DRAIN_MS 1000
#define EMPTY_CLOSES_MAX 3 /* so many connections closed without a byte: it is no HTTP server */

enum state { STATE_NEW, STATE_RESTING, STATE_ASKING, STATE_DRAINING, STATE_GONE };

/* When to look for an answer: first after so long, then at twice the distance, up to the last. */
struct rhythm {
	uint64_t first_ms;
	uint64_t last_ms;
};
static const struct rhythm quick = {1, 20}; /* somebody waits for it */
static const struct rhythm steady = {10,
									 250}; /* by then it is there, with its end, and one wake-up takes all */

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
	bool stale; /* what `request` was written from has changed */
	/* The loop's own. */
	enum state state;
	uv_timer_t timer;
	struct question question;
	struct sockaddr_in ask_address;
	char *request;
	char asked[96]; /* "GET /healthz on 10.213.0.5:3000" */
	int ask_error;  /* what is registered can't be asked */
	bool ask_path;  /* the attempt in hand asks for an explicit path */
	bool ask_tcp;
	int ask_port;
	unsigned ask_run;
	int said_status;   /* the status of which message speaks, 0: of something else */
	uint64_t since_ms; /* loop time at which the state began */
	uint64_t look_ms;  /* distance to the next look */
	struct rhythm rhythm;
};

struct prober {
	struct prober_options options;
	pthread_mutex_t mutex;
	struct hc_map *targets; /* by container id */
	struct target *changed;
	uv_async_t async;
	uint64_t random;
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

/* True when it was another one. */
static bool replace(char **text, const char *value)
{
	if (hc_streq(*text, value))
		return false;
	free(*text);
	*text = hc_xstrdup(value);
	return true;
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
	target->stale |= replace(&target->address, wanted->address);
	target->stale |= replace(&target->host, wanted->host);
	target->stale |= replace(&target->path, wanted->path);
	target->stale |= target->port != wanted->port;
	(void)replace(&target->key, wanted->key);
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
static void look_again(uv_timer_t *timer);

static void timer_closed(uv_handle_t *handle)
{
	target_free(handle->data);
}

/* Only to spread: xorshift. */
static uint64_t next_random(struct prober *prober)
{
	prober->random ^= prober->random << 13;
	prober->random ^= prober->random >> 7;
	prober->random ^= prober->random << 17;
	return prober->random;
}

/* Ends the attempt; what was read of it is judged already. */
static void rest(struct target *target)
{
	struct prober *prober = target->prober;
	uint64_t random = next_random(prober);
	int64_t delay_ms = 0;

	question_end(&target->question);
	uv_update_time(prober->options.loop); /* both clocks of the same moment: ticks meet to the millisecond */
	(void)pthread_mutex_lock(&prober->mutex);
	if (target->run == target->ask_run)
		delay_ms = verdict_delay_ms(&target->verdict, target->fast, random, hc_clock_boot_ms());
	(void)pthread_mutex_unlock(&prober->mutex);
	target->state = STATE_RESTING;
	(void)uv_timer_start(&target->timer, begin, (uint64_t)delay_ms, 0);
}

/* Takes an answer to the attempt in hand into account. message NULL: the one that is there says it. */
static void answer(struct target *target, bool good, const char *message)
{
	struct prober *prober = target->prober;
	HC_AUTO_FREE key = NULL;

	(void)pthread_mutex_lock(&prober->mutex);
	if (target->run == target->ask_run && !target->forgotten) {
		if (message)
			(void)snprintf(target->message, sizeof target->message, "%s", message);
		if (verdict_answer(&target->verdict, good, hc_clock_boot_ms()))
			key = hc_xstrdup(target->key);
	}
	(void)pthread_mutex_unlock(&prober->mutex);
	if (key)
		prober->options.enqueue(key, prober->options.payload);
}

/* Ends the attempt with an answer that isn't a status. */
static void conclude(struct target *target, bool good, const char *message)
{
	target->said_status = 0;
	answer(target, good, message);
	rest(target);
}

static void accepts(struct target *target)
{
	char message[160];

	(void)snprintf(message, sizeof message, "port %d accepts connections", target->ask_port);
	conclude(target, true, message);
}

/* Bytes that are no HTTP, or a connection closed without any. */
static void not_http(struct target *target, bool bytes)
{
	struct prober *prober = target->prober;
	char message[160];

	if (target->ask_path) {
		(void)snprintf(message, sizeof message, "%s: the answer is no HTTP", target->asked);
		conclude(target, false, message);
		return;
	}
	(void)pthread_mutex_lock(&prober->mutex);
	target->empty_closes = bytes ? EMPTY_CLOSES_MAX : target->empty_closes + 1;
	if (target->run == target->ask_run && target->empty_closes >= EMPTY_CLOSES_MAX)
		target->tcp_only = true;
	(void)pthread_mutex_unlock(&prober->mutex);
	accepts(target);
}

static void not_connected(struct target *target, int error)
{
	char message[160];

	if (error == ECONNREFUSED)
		(void)snprintf(message, sizeof message, "connection refused on port %d", target->ask_port);
	else
		(void)snprintf(message, sizeof message, "%s: %s", target->asked, strerror(error));
	conclude(target, false, message);
}

static void status_seen(struct target *target, int status)
{
	char message[160];
	bool same = status == target->said_status;

	if (!same)
		(void)snprintf(message, sizeof message, "%s answered %d", target->asked, status);
	target->said_status = status;
	answer(target, verdict_status_good(status, target->ask_path), same ? NULL : message);
	target->state = STATE_DRAINING;
	target->since_ms = uv_now(target->prober->options.loop);
}

static void time_out(struct target *target)
{
	char message[160];

	if (target->state == STATE_DRAINING) {
		rest(target);
		return;
	}
	(void)snprintf(message, sizeof message, "%s: no answer within %d s", target->asked,
				   ANSWER_TIMEOUT_MS / 1000);
	conclude(target, false, message);
}

/* Nothing yet. */
static void look_later(struct target *target)
{
	uint64_t limit_ms = target->state == STATE_DRAINING ? DRAIN_MS : ANSWER_TIMEOUT_MS;
	uint64_t end_ms = target->since_ms + limit_ms;
	uint64_t now_ms = uv_now(target->prober->options.loop);
	uint64_t delay_ms = target->look_ms;

	if (now_ms >= end_ms) {
		time_out(target);
		return;
	}
	target->look_ms = delay_ms * 2 < target->rhythm.last_ms ? delay_ms * 2 : target->rhythm.last_ms;
	if (delay_ms > end_ms - now_ms)
		delay_ms = end_ms - now_ms;
	(void)uv_timer_start(&target->timer, look_again, delay_ms, 0);
}

static void look(struct target *target)
{
	size_t length = target->ask_tcp ? 0 : strlen(target->request);
	enum question_answer said;
	int number = 0;

	while ((said = question_look(&target->question, target->request, length, &number)) == QUESTION_HTTP)
		status_seen(target, number);
	switch (said) {
	case QUESTION_HTTP:
	case QUESTION_OPEN:
		look_later(target);
		break;
	case QUESTION_OTHER:
	case QUESTION_EMPTY:
		not_http(target, said == QUESTION_OTHER);
		break;
	case QUESTION_ACCEPTED:
		accepts(target);
		break;
	case QUESTION_FAILED:
		not_connected(target, number);
		break;
	case QUESTION_OVER:
		rest(target);
		break;
	}
}

static void look_again(uv_timer_t *timer)
{
	look(timer->data);
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

/* With the mutex held. */
static void write_request(struct target *target)
{
	const char *path = target->path ? target->path : "/";

	target->stale = false;
	free(target->request);
	target->request = hc_xprintf("GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: helvetia-controller\r\n"
								 "Accept: */*\r\nConnection: close\r\n\r\n",
								 path, target->host);
	(void)snprintf(target->asked, sizeof target->asked, "GET %.40s on %s:%d", path, target->address,
				   target->port);
	target->said_status = 0;
	target->ask_error = one_word(path) && one_word(target->host) &&
								uv_ip4_addr(target->address, target->port, &target->ask_address) == 0
							? 0
							: EINVAL;
}

/* With the mutex held: fixes what this attempt asks. */
static void prepare(struct target *target)
{
	if (target->stale || !target->request)
		write_request(target);
	if (target->ask_run != target->run)
		target->said_status = 0;
	target->ask_path = target->path != NULL;
	target->ask_tcp = target->tcp_only;
	target->ask_port = target->port;
	target->ask_run = target->run;
	target->rhythm = target->verdict.now == PROBE_READY ? steady : quick;
}

static void ask(struct target *target)
{
	int error = target->ask_error;

	target->state = STATE_ASKING;
	target->since_ms = uv_now(target->prober->options.loop);
	target->look_ms = target->rhythm.first_ms;
	if (!error)
		error = question_begin(&target->question, &target->ask_address);
	if (error)
		not_connected(target, error);
	else
		look(target);
}

static void begin(uv_timer_t *timer)
{
	struct target *target = timer->data;
	struct prober *prober = target->prober;
	bool stale;

	(void)pthread_mutex_lock(&prober->mutex);
	stale = !target->forgotten && hc_clock_boot_ms() - target->refreshed_ms > prober->options.forget_ms;
	if (stale)
		forget_locked(prober, target);
	prepare(target);
	(void)pthread_mutex_unlock(&prober->mutex);
	if (!stale)
		ask(target);
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
	question_end(&target->question);
	target->state = STATE_GONE;
	uv_close((uv_handle_t *)&target->timer, timer_closed);
}

/* New, changed, or somebody waits for it now: ask at once, unless a question is open. */
static void target_changed(struct target *target)
{
	if (target->state == STATE_NEW) {
		(void)uv_timer_init(target->prober->options.loop, &target->timer);
		target->timer.data = target;
		target->question.fd = -1;
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
	hc_random_bytes(&prober->random, sizeof prober->random);
	prober->random |= 1;
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
