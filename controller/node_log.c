/* See node_log.h.
 *
 * A struct stream is one request. Its first thread finds the containers; one container, or a log that ends by
 * itself, is read right there, one after the other; a followed log of several replicas gets a thread a
 * replica. All of them append to stream->pending under the mutex, and wait while it is full. The loop is
 * woken by one async handle for all streams, moves pending to the connection as long as the connection takes
 * it, and joins the first thread when it has finished. That thread joins the others, so nothing outlives the
 * stream. */
#include "node_log.h"
#include "log_lines.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/limits.h"
#include "docker/docker.h"
#include "model/names.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stream;

/* One container of a stream. */
struct reader {
	struct stream *stream;
	pthread_t thread;
	bool started;
	char *id;
	char *prefix; /* NULL: the only one */
};

struct stream {
	struct node_logs *logs;
	struct stream *next;
	struct http_request *request; /* the loop's */
	char *installation;
	char *deployment;
	char *ordinal;
	struct docker_log_options options;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t taken;
	/* With the mutex held. */
	struct hc_text pending;
	int status; /* 0: not known yet; 200: lines follow; else refusal is the answer */
	char refusal[HC_ERROR_TEXT_MAX];
	bool finished;     /* the first thread is about to end */
	bool broken;       /* it ended too early */
	volatile int gone; /* nobody reads any more; written by the loop */
	bool begun;        /* the loop's: the head of the answer was sent */
};

struct node_logs {
	const char *docker_host;
	uv_async_t async;
	struct stream *streams; /* the loop's */
	_Atomic(int) readers;   /* threads of all streams */
	bool closing;
};

static void wake(struct stream *stream)
{
	(void)uv_async_send(&stream->logs->async);
}

/* --- in the threads
 * ---------------------------------------------------------------------------------------------- */

static int give(struct stream *stream, const struct hc_text *text)
{
	int gone;

	(void)pthread_mutex_lock(&stream->mutex);
	while (!stream->gone && stream->pending.length > HC_LIMIT_LOG_BACKLOG_BYTES)
		(void)pthread_cond_wait(&stream->taken, &stream->mutex);
	gone = stream->gone;
	if (!gone && text->length > 0)
		hc_text_append_bytes(&stream->pending, text->data, text->length);
	(void)pthread_mutex_unlock(&stream->mutex);
	if (!gone)
		wake(stream);
	return gone;
}

struct sink {
	struct stream *stream;
	struct log_lines lines;
};

static int piece(int number, const char *data, size_t length, void *payload)
{
	struct sink *sink = payload;
	HC_AUTO_TEXT out = {0};

	log_lines_feed(&sink->lines, number, data, length, &out);
	return give(sink->stream, &out);
}

/* A container that went meanwhile has no more to say; anything else leaves the log incomplete. */
static void read_container(const struct reader *reader)
{
	struct stream *stream = reader->stream;
	struct sink sink = {.stream = stream, .lines = {.prefix = reader->prefix}};
	HC_AUTO(docker) docker = NULL;
	HC_AUTO_TEXT rest = {0};
	struct hc_error err;
	int failed;

	failed = docker_open(stream->logs->docker_host, &docker, &err);
	if (!failed)
		failed = docker_container_logs(docker, reader->id, &stream->options, piece, &sink, &err);
	log_lines_end(&sink.lines, &rest);
	(void)give(stream, &rest);
	log_lines_done(&sink.lines);
	if (!failed || err.class == HC_NOT_FOUND || err.class == HC_CANCELED)
		return;
	(void)pthread_mutex_lock(&stream->mutex);
	stream->broken = true;
	(void)pthread_mutex_unlock(&stream->mutex);
}

static void *reader_run(void *payload)
{
	read_container(payload);
	return NULL;
}

static void decide_status(struct stream *stream, int status, const char *refusal)
{
	(void)pthread_mutex_lock(&stream->mutex);
	stream->status = status;
	(void)snprintf(stream->refusal, sizeof stream->refusal, "%s", refusal);
	(void)pthread_mutex_unlock(&stream->mutex);
	wake(stream);
}

static const char *label(const struct docker_container *container, const char *name)
{
	for (size_t n = 0; n < container->label_count; n++) {
		if (strcmp(container->labels[n].name, name) == 0)
			return container->labels[n].value;
	}
	return "";
}

/* "[shop-r7-0] ": the container's name without the namespace's hash. */
static char *prefix_of(const struct docker_container *container)
{
	return hc_xprintf("[%s-r%s-%s] ", label(container, LABEL_SERVICE), label(container, LABEL_REVISION),
					  label(container, LABEL_ORDINAL));
}

static int by_ordinal(const void *left, const void *right)
{
	long first = strtol(label(left, LABEL_ORDINAL), NULL, 10);
	long second = strtol(label(right, LABEL_ORDINAL), NULL, 10);

	return (first > second) - (first < second);
}

/* The thread of a further reader; false when there are too many. */
static bool reader_start(struct reader *reader)
{
	struct node_logs *logs = reader->stream->logs;

	if (__atomic_add_fetch(&logs->readers, 1, __ATOMIC_SEQ_CST) <= HC_LIMIT_LOG_STREAMS &&
		pthread_create(&reader->thread, NULL, reader_run, reader) == 0) {
		reader->started = true;
		return true;
	}
	(void)__atomic_sub_fetch(&logs->readers, 1, __ATOMIC_SEQ_CST);
	return false;
}

static void read_all_at_once(struct stream *stream, struct reader *readers, size_t count)
{
	for (size_t n = 1; n < count; n++) {
		if (reader_start(&readers[n]))
			continue;
		(void)pthread_mutex_lock(&stream->mutex);
		stream->broken = true; /* not all of it: the reader's end is a cut one */
		(void)pthread_mutex_unlock(&stream->mutex);
	}
	read_container(&readers[0]);
	for (size_t n = 1; n < count; n++) {
		if (!readers[n].started)
			continue;
		(void)pthread_join(readers[n].thread, NULL);
		(void)__atomic_sub_fetch(&stream->logs->readers, 1, __ATOMIC_SEQ_CST);
	}
}

static void read_containers(struct stream *stream, const struct docker_container *list, size_t count)
{
	struct reader *readers = hc_xalloc(count * sizeof *readers);

	for (size_t n = 0; n < count; n++) {
		readers[n].stream = stream;
		readers[n].id = hc_xstrdup(list[n].id);
		readers[n].prefix = count > 1 ? prefix_of(&list[n]) : NULL;
	}
	if (stream->options.follow)
		read_all_at_once(stream, readers, count);
	for (size_t n = 0; n < count; n++) {
		if (!stream->options.follow)
			read_container(&readers[n]);
		free(readers[n].id);
		free(readers[n].prefix);
	}
	free(readers);
}

static void find_and_read(struct stream *stream)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	HC_AUTO(docker) docker = NULL;
	const struct docker_pair filters[] = {{LABEL_INSTALLATION, stream->installation},
										  {LABEL_DEPLOYMENT, stream->deployment},
										  {LABEL_ORDINAL, stream->ordinal}};
	struct docker_container *list;
	struct hc_error err;
	size_t count;

	if (docker_open(stream->logs->docker_host, &docker, &err) ||
		docker_container_list(docker, arena, filters, stream->ordinal ? 3 : 2, &list, &count, &err)) {
		decide_status(stream, 503, err.text);
		return;
	}
	if (count == 0) {
		decide_status(stream, 404, "the Deployment has no container");
		return;
	}
	qsort(list, count, sizeof *list, by_ordinal);
	decide_status(stream, 200, "");
	read_containers(stream, list, count);
}

static void *stream_run(void *payload)
{
	struct stream *stream = payload;

	find_and_read(stream);
	(void)pthread_mutex_lock(&stream->mutex);
	stream->finished = true;
	(void)pthread_mutex_unlock(&stream->mutex);
	wake(stream); /* the loop joins this thread before it frees anything */
	return NULL;
}

/* --- on the loop
 * ------------------------------------------------------------------------------------------------- */

static void refuse(struct http_request *request, int status, const char *text)
{
	http_reply(request, &(struct http_reply){.status = status,
											 .content_type = "text/plain; charset=utf-8",
											 .body = text,
											 .length = strlen(text)});
}

static void stream_free(struct stream *stream)
{
	hc_text_done(&stream->pending);
	(void)pthread_mutex_destroy(&stream->mutex);
	(void)pthread_cond_destroy(&stream->taken);
	free(stream->installation);
	free(stream->deployment);
	free(stream->ordinal);
	free(stream);
}

static void stream_begin(struct stream *stream)
{
	stream->begun = true;
	http_stream_begin(stream->request,
					  &(struct http_reply){.status = 200, .content_type = "text/plain; charset=utf-8"});
}

/* Moves what is pending to the connection, if that has room. True when all is moved and the thread has ended.
 */
static bool stream_move(struct stream *stream)
{
	bool ended;
	bool room = !stream->begun || http_stream_pending_bytes(stream->request) < HC_LIMIT_LOG_BACKLOG_BYTES;

	(void)pthread_mutex_lock(&stream->mutex);
	if (stream->status == 200 && !stream->begun)
		stream_begin(stream);
	if (stream->begun && room && stream->pending.length > 0) {
		http_stream_write(stream->request, stream->pending.data, stream->pending.length);
		stream->pending.length = 0;
		(void)pthread_cond_broadcast(&stream->taken);
	}
	ended = stream->finished && (stream->pending.length == 0 || stream->gone);
	(void)pthread_mutex_unlock(&stream->mutex);
	return ended;
}

static void stream_finish(struct stream *stream)
{
	(void)pthread_join(stream->thread, NULL);
	(void)__atomic_sub_fetch(&stream->logs->readers, 1, __ATOMIC_SEQ_CST);
	if (!stream->begun)
		refuse(stream->request, stream->status, stream->refusal);
	else if (stream->broken)
		http_stream_cut(stream->request);
	else
		http_stream_end(stream->request);
	stream_free(stream);
}

static void look(struct node_logs *logs)
{
	struct stream **at = &logs->streams;

	while (*at) {
		struct stream *stream = *at;

		if (stream_move(stream)) {
			*at = stream->next;
			stream_finish(stream);
		} else {
			at = &stream->next;
		}
	}
	if (logs->closing && !logs->streams && !uv_is_closing((uv_handle_t *)&logs->async))
		uv_close((uv_handle_t *)&logs->async, NULL);
}

static void woken(uv_async_t *async)
{
	look(async->data);
}

static void drained(struct http_request *request)
{
	const struct stream *stream = http_request_payload(request);

	(void)uv_async_send(&stream->logs->async);
}

static void gone(struct http_request *request)
{
	struct stream *stream = http_request_payload(request);

	(void)pthread_mutex_lock(&stream->mutex);
	__atomic_store_n(&stream->gone, 1, __ATOMIC_SEQ_CST); /* docker_container_logs() reads it */
	(void)pthread_cond_broadcast(&stream->taken);
	(void)pthread_mutex_unlock(&stream->mutex);
	(void)uv_async_send(&stream->logs->async);
}

void node_logs_serve(struct node_logs *logs, struct http_request *request,
					 const struct node_log_options *options)
{
	struct stream *stream;

	if (__atomic_add_fetch(&logs->readers, 1, __ATOMIC_SEQ_CST) > HC_LIMIT_LOG_STREAMS) {
		(void)__atomic_sub_fetch(&logs->readers, 1, __ATOMIC_SEQ_CST);
		refuse(request, 503, "too many logs are read at once");
		return;
	}
	stream = hc_xalloc(sizeof *stream);
	stream->logs = logs;
	stream->request = request;
	stream->installation = hc_xstrdup(options->installation);
	stream->deployment = hc_xstrdup(options->deployment);
	stream->ordinal = hc_xstrdup(options->ordinal);
	stream->options = (struct docker_log_options){.follow = options->follow,
												  .timestamps = options->timestamps,
												  .tail_lines = options->tail_lines,
												  .since_wall_s = options->since_wall_s,
												  .stop = &stream->gone};
	(void)pthread_mutex_init(&stream->mutex, NULL);
	(void)pthread_cond_init(&stream->taken, NULL);
	if (pthread_create(&stream->thread, NULL, stream_run, stream)) {
		(void)__atomic_sub_fetch(&logs->readers, 1, __ATOMIC_SEQ_CST);
		stream_free(stream);
		refuse(request, 503, "no thread for this log");
		return;
	}
	stream->next = logs->streams;
	logs->streams = stream;
	http_request_set_payload(request, stream);
	http_request_on_gone(request, gone);
	http_stream_on_drained(request, drained);
}

struct node_logs *node_logs_new(uv_loop_t *loop, const char *docker_host)
{
	struct node_logs *logs = hc_xalloc(sizeof *logs);

	logs->docker_host = docker_host;
	(void)uv_async_init(loop, &logs->async, woken);
	logs->async.data = logs;
	return logs;
}

void node_logs_close(struct node_logs *logs)
{
	logs->closing = true;
	look(logs);
}

void node_logs_free(struct node_logs *logs)
{
	free(logs);
}
