/* What the containers of a Deployment write: first what the database keeps of those that are gone (its
 * release command's, or a crashed one's), then asked from the controller over its unix socket (as a
 * kube-apiserver asks a kubelet). One that is still to get its containers is waited for. */
#include "api_log.h"

#include "base/alloc.h"
#include "base/limits.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CONTROLLER_DEADLINE_MS 10000 /* until its head is there */

/* --- what the database keeps --- */

static void read_kept(struct api_log *log, struct store *store)
{
	size_t length = 0;
	const char *text = NULL;

	if (store_log_read(store, log->piece_arena, log->uid, &text, &length, &log->piece_error))
		return;
	log->piece = api_log_last_lines(text, length, log->tail_lines);
	log->piece_length = length - (size_t)(log->piece - text);
}

/* Once; the head of the answer goes before it. */
static void write_kept(struct api_log *log)
{
	api_log_begin(log);
	if (!log->kept_written)
		http_stream_write(log->call->request, log->kept, log->kept_length);
	log->kept_written = true;
}

static void ask(struct api_log *log);

/* Written when the controller has answered: while it can't be asked, the answer is why. */
static void kept_done(struct api_log *log)
{
	if (log->piece_error.class != HC_OK) {
		api_log_refuse(log, api_status_of_class(log->piece_error.class), log->piece_error.text);
		return;
	}
	log->kept = hc_arena_strndup(log->call->arena, log->piece, log->piece_length);
	log->kept_length = log->piece_length;
	ask(log);
}

/* --- the controller --- */

static void pipe_closed(uv_handle_t *handle)
{
	struct api_log *log = handle->data;

	log->pipe_open = false;
	api_log_release(log);
}

void api_log_controller_close(struct api_log *log)
{
	if (log->pipe_open && !uv_is_closing((uv_handle_t *)&log->pipe))
		uv_close((uv_handle_t *)&log->pipe, pipe_closed);
}

/* Who follows and was told nothing by the controller yet waits on: it may just be started anew, and the row
 * says when there is nothing more to wait for. */
static void refuse(struct api_log *log, const char *problem)
{
	HC_AUTO_TEXT message = {0};

	if (log->link && log->begun && log->follow && log->unfinished && log->answer.status != 200) {
		api_log_controller_close(log);
		api_log_wait(log);
		return;
	}
	hc_text_printf(
		&message,
		"the log of %s can't be read now: the controller %s; it is started again by the platform, try "
		"later",
		log->deployment, problem);
	api_log_refuse(log, 503, hc_text_string(&message));
}

static void deadline_passed(uv_timer_t *timer)
{
	refuse(timer->data, "does not answer");
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct api_log *log = handle->data;

	(void)suggested;
	*buffer = uv_buf_init(log->buffer, sizeof(log->buffer));
}

static void pass_on(const char *data, size_t length, void *payload)
{
	struct api_log *log = payload;

	if (log->answer.status == 200)
		http_stream_write(log->call->request, data, length);
}

/* It has no container. */
static void none_there(struct api_log *log)
{
	HC_AUTO_TEXT absent = {0};

	api_log_controller_close(log);
	uv_timer_stop(&log->timer);
	if (log->ordinal && !log->begun) {
		api_status_text_absent(log->call->route.kind, log->call->route.name, &absent);
		api_log_refuse(log, 404, hc_text_string(&absent));
	} else if (log->follow && log->unfinished && !log->ordinal) {
		api_log_wait(log);
	} else {
		write_kept(log);
		api_log_end(log, true);
	}
}

/* The status comes first, in pieces perhaps; what follows it belongs to the body. false: it is not there, or
 * not one to go on with. */
static bool read_head(struct api_log *log, const char *data, size_t count, size_t *used)
{
	struct hc_error err = {0};
	bool known = log->answer.status >= 200;

	while (log->answer.status < 200 && *used < count)
		if (http_answer_feed(&log->answer, data + (*used)++, 1, pass_on, log, &err)) {
			refuse(log, "answers nonsense");
			return false;
		}
	if (known || log->answer.status < 200)
		return known;
	if (log->answer.status == 404) {
		none_there(log);
		return false;
	}
	if (log->answer.status != 200) {
		refuse(log, "refuses");
		return false;
	}
	uv_timer_stop(&log->timer);
	/* The last lines of what runs are enough. */
	if (log->tail_lines >= 0)
		log->kept_written = true;
	write_kept(log);
	return true;
}

static void have_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	struct api_log *log = stream->data;
	struct hc_error err = {0};
	size_t used = 0;

	if (count == 0 || !log->link || uv_is_closing((uv_handle_t *)stream))
		return;
	if (count < 0) {
		if (log->answer.status == 200)
			api_log_end(log, http_answer_complete(&log->answer));
		else
			refuse(log, "closed the connection");
		return;
	}
	if (!read_head(log, buffer->base, (size_t)count, &used))
		return;
	if (http_answer_feed(&log->answer, buffer->base + used, (size_t)count - used, pass_on, log, &err))
		api_log_end(log, false);
	else if (log->answer.done)
		api_log_end(log, true);
	else if (http_stream_pending_bytes(log->call->request) > HC_LIMIT_LOG_PENDING_BYTES)
		uv_read_stop(stream);
}

void api_log_controller_drained(struct api_log *log)
{
	if (!uv_is_closing((uv_handle_t *)&log->pipe))
		uv_read_start((uv_stream_t *)&log->pipe, give_buffer, have_read); /* no harm when it reads already */
}

static void have_written(uv_write_t *write, int status)
{
	struct api_log *log = write->data;

	if (status < 0 && status != UV_ECANCELED && log->link && !uv_is_closing((uv_handle_t *)&log->pipe))
		refuse(log, "closed the connection");
}

static void connected(uv_connect_t *connect, int status)
{
	struct api_log *log = connect->data;

	if (!log->link || status == UV_ECANCELED)
		return;
	if (status < 0) {
		refuse(log, "does not run");
		return;
	}
	uv_buf_t buffer = uv_buf_init(log->question, (unsigned)strlen(log->question));
	uv_write(&log->write, (uv_stream_t *)&log->pipe, &buffer, 1, have_written);
	uv_read_start((uv_stream_t *)&log->pipe, give_buffer, have_read);
}

static char *question_of(const struct api_log *log)
{
	char tail[48] = "", since[48] = "";

	if (log->tail_lines >= 0)
		snprintf(tail, sizeof(tail), "&tailLines=%" PRId64, log->tail_lines);
	if (log->since_wall_s > 0)
		snprintf(since, sizeof(since), "&sinceTime=%" PRId64, log->since_wall_s);
	return hc_xprintf(
		"GET /log?deployment=%s&follow=%s&timestamps=%s%s%s%s%s HTTP/1.1\r\nHost: controller\r\n"
		"Connection: close\r\n\r\n",
		log->uid, log->follow ? "true" : "false", log->timestamps ? "true" : "false", tail, since,
		log->ordinal ? "&ordinal=" : "", log->ordinal ? log->ordinal : "");
}

static void ask(struct api_log *log)
{
	struct api *api = log->call->api;

	free(log->question);
	log->question = question_of(log);
	http_answer_done(&log->answer);
	log->answer = (struct http_answer){0};
	uv_pipe_init(&api->loop, &log->pipe, 0);
	log->pipe_open = true;
	log->holders++;
	log->pipe.data = log->connect.data = log->write.data = log;
	uv_timer_start(&log->timer, deadline_passed, CONTROLLER_DEADLINE_MS, 0);
	uv_pipe_connect(&log->connect, &log->pipe, api->options.controller_socket, connected);
}

void api_log_controller(struct api_log *log)
{
	if (log->pipe_open) /* the last one is still being closed */
		api_log_wait(log);
	else if (log->kept_written)
		ask(log);
	else
		api_log_work(log, read_kept, kept_done);
}
