/* See watch.h.
 *
 * One question about changes is open at a time; what is notified meanwhile is asked about when the answer is
 * in. A notification can be lost without a lost connection only by a fault of the server, so a look each 10 s
 * is enough.
 *
 *   UNSYNCED --version answered--> SYNCED --gap, error--> UNSYNCED
 *
 * On entering SYNCED everything is listed once (missed), and changes are read from that version on. */
#include "watch.h"

#include "base/alloc.h"
#include "base/log.h"
#include "store/store_stream.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 10000
#define RETRY_MS 500
#define CHANGES_MAX 500

struct watch {
	struct watch_options options;
	struct store_stream *stream;
	struct store_listener *listener;
	uv_poll_t stream_poll;
	uv_poll_t listener_poll;
	uv_timer_t timer;
	int64_t seen; /* resourceVersion up to which changes were read */
	bool synced;
	bool asking;
	bool again;
	bool complained; /* a failure was logged since the last success */
	bool closed;
};

static void ask(struct watch *watch);

static void look_later(struct watch *watch, uint64_t delay_ms);

static void timer_fired(uv_timer_t *timer)
{
	struct watch *watch = timer->data;

	look_later(watch, LOOK_MS);
	ask(watch);
}

static void look_later(struct watch *watch, uint64_t delay_ms)
{
	(void)uv_timer_start(&watch->timer, timer_fired, delay_ms, 0);
}

static void question_failed(struct watch *watch, const struct hc_error *error)
{
	watch->synced = false;
	if (watch->closed)
		return;
	if (!watch->complained)
		hc_log(HC_LOG_WARN, "changes can't be read", "error", error->text, NULL);
	watch->complained = true;
	look_later(watch, RETRY_MS);
}

static void version_answered(const struct store_answer *answer, void *payload)
{
	struct watch *watch = payload;

	watch->asking = false;
	if (answer->error) {
		question_failed(watch, answer->error);
		return;
	}
	if (watch->complained)
		hc_log(HC_LOG_INFO, "changes are read again", NULL);
	watch->complained = false;
	watch->synced = true;
	watch->seen = answer->resource_version;
	watch->options.version(watch->seen, watch->options.payload);
	watch->options.missed(watch->options.payload);
	ask(watch);
}

static void namespace_answered(const struct store_answer *answer, void *payload)
{
	struct watch *watch = payload;
	struct change change = {.urgency = WORKQUEUE_INTENT};
	char uid[CHANGE_KEY_SIZE];

	if (answer->error || answer->row_count == 0)
		return; /* gone, or the connection is: then everything is listed again */
	change_uid(answer->rows[0].json, answer->rows[0].length, uid);
	if (uid[0] && (size_t)snprintf(change.key, sizeof change.key, "network/%s", uid) < sizeof change.key)
		watch->options.changed(&change, watch->options.payload);
}

static void changes_answered(const struct store_answer *answer, void *payload)
{
	struct watch *watch = payload;
	int64_t before = watch->seen;

	watch->asking = false;
	if (answer->error) {
		question_failed(watch, answer->error);
		return;
	}
	if (answer->oldest > watch->seen || answer->resource_version < watch->seen) {
		watch->synced = false; /* compacted past us, or a restored database: begin anew */
		ask(watch);
		return;
	}
	for (size_t n = 0; n < answer->row_count; n++) {
		struct change change;

		change_read(&answer->rows[n], &change);
		if (answer->rows[n].resource_version > watch->seen)
			watch->seen = answer->rows[n].resource_version;
		watch->options.changed(&change, watch->options.payload);
		if (change.network)
			store_stream_get(watch->stream, STORE_NAMESPACE, "", answer->rows[n].namespace_name,
							 namespace_answered, watch);
	}
	if (watch->seen != before)
		watch->options.version(watch->seen, watch->options.payload);
	if (answer->more || watch->again)
		ask(watch);
}

static void ask(struct watch *watch)
{
	if (watch->closed)
		return;
	watch->again = watch->asking;
	if (watch->asking)
		return;
	watch->asking = true;
	if (watch->synced)
		store_stream_changes(watch->stream, watch->seen, CHANGES_MAX, changes_answered, watch);
	else
		store_stream_version(watch->stream, version_answered, watch);
}

static void notified(void *payload)
{
	ask(payload);
}

static void job_notified(const char *key, void *payload)
{
	struct watch *watch = payload;

	if (!watch->closed && key && *key)
		watch->options.job(key, watch->options.payload);
}

static void stream_ready(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;

	(void)status;
	(void)events;
	store_stream_process(watch->stream);
}

static void listener_ready(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;

	(void)status;
	(void)events;
	store_listener_process(watch->listener);
}

static void poll_begin(struct watch *watch, uv_poll_t *poll, int fd, uv_poll_cb ready)
{
	int failed = uv_poll_init(watch->options.loop, poll, fd);

	assert(!failed);
	poll->data = watch;
	(void)uv_poll_start(poll, UV_READABLE, ready);
}

int watch_start(const struct watch_options *options, struct watch **ret_watch, struct hc_error *err)
{
	struct watch *watch = hc_xalloc(sizeof *watch);

	watch->options = *options;
	if (store_stream_open(options->database, "helvetia-controller watch", &watch->stream, err)) {
		free(watch);
		return -1;
	}
	if (store_listener_open(options->database, "helvetia-controller listen", notified, watch,
							&watch->listener, err)) {
		store_stream_close(watch->stream);
		free(watch);
		return -1;
	}
	store_listener_hear_jobs(watch->listener, job_notified);
	poll_begin(watch, &watch->stream_poll, store_stream_fd(watch->stream), stream_ready);
	poll_begin(watch, &watch->listener_poll, store_listener_fd(watch->listener), listener_ready);
	(void)uv_timer_init(options->loop, &watch->timer);
	watch->timer.data = watch;
	look_later(watch, LOOK_MS);
	ask(watch);
	*ret_watch = watch;
	return 0;
}

void watch_close(struct watch *watch)
{
	if (watch->closed)
		return;
	watch->closed = true;
	uv_close((uv_handle_t *)&watch->stream_poll, NULL);
	uv_close((uv_handle_t *)&watch->listener_poll, NULL);
	uv_close((uv_handle_t *)&watch->timer, NULL);
	store_stream_close(watch->stream);
	store_listener_close(watch->listener);
}

void watch_free(struct watch *watch)
{
	free(watch);
}
