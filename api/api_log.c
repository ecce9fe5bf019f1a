/* …/log: what the containers of a Deployment write, asked from the controller over its unix socket (as a
 * kube-apiserver asks a kubelet). When the controller knows no container of it, the kept end is read from the
 * database.
 *
 *   Service → current Deployment, else the newest → its uid → controller → stream
 *
 * A struct api_log is alive while one of its uv handles is; the request is finished before or then. */
#include "api_watch.h"

#include "api_list.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "http/http_answer.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define CONTROLLER_DEADLINE_MS 10000 /* until its head is there */
#define READ_BYTES 16384

struct api_log {
	struct api_log *next;
	struct api_log **link;
	struct api_call *call; /* its arena holds us */
	const char *uid;       /* of the Deployment */
	const char *deployment;
	int64_t tail_lines; /* -1: all */
	int follow;
	int timestamps;
	uv_pipe_t pipe;
	uv_timer_t deadline;
	uv_connect_t connect;
	uv_write_t write;
	char *question;
	struct http_answer answer;
	int handles_open;
	bool begun;
	bool finished; /* the request is */
	bool kept;     /* go on with what the database has, once the handles are closed */
	char buffer[READ_BYTES];
};

/* --- what the database keeps --- */

static const char *last_lines(const char *text, size_t length, int64_t lines)
{
	const char *at = text + length;

	if (lines < 0)
		return text;
	if (at > text && at[-1] == '\n')
		at--;
	while (at > text && lines > 0) {
		at--;
		if (*at == '\n' && --lines == 0)
			return at + 1;
	}
	return lines > 0 ? text : text + length;
}

static void read_kept(struct api_call *call, struct store *store)
{
	const struct api_log *log = call->state;
	const char *text = NULL;
	size_t length = 0;
	struct hc_error err = {0};

	if (store_log_read(store, call->arena, log->uid, &text, &length, &err)) {
		api_answer_error(call, &err);
		return;
	}
	const char *begin = last_lines(text, length, log->tail_lines);
	length -= (size_t)(begin - text);
	char *body = hc_xalloc(length + 1);
	memcpy(body, begin, length);
	api_answer_json(call, 200, body, length);
	call->answer.content_type = "text/plain; charset=utf-8";
}

/* --- the controller --- */

static void handle_closed(uv_handle_t *handle)
{
	struct api_log *log = handle->data;

	if (--log->handles_open > 0)
		return;
	http_answer_done(&log->answer);
	free(log->question);
	if (log->kept && !log->finished)
		api_work(log->call, read_kept);
	else
		api_call_free(log->call);
}

static void close_handles(struct api_log *log)
{
	if (!log->link)
		return;
	*log->link = log->next;
	if (log->next)
		log->next->link = log->link;
	log->link = NULL;
	log->call->api->streams--;
	http_request_on_gone(log->call->request, NULL);
	uv_close((uv_handle_t *)&log->pipe, handle_closed);
	uv_close((uv_handle_t *)&log->deadline, handle_closed);
}

static void end(struct api_log *log, bool whole)
{
	if (!log->link)
		return;
	close_handles(log);
	log->finished = true;
	if (!log->begun)
		http_reply(log->call->request, &(struct http_reply){.status = 503});
	else if (whole)
		http_stream_end(log->call->request);
	else
		http_stream_cut(log->call->request);
}

static void refuse(struct api_log *log, const char *problem)
{
	HC_AUTO_TEXT message = {0};

	if (!log->link)
		return;
	if (log->begun) {
		end(log, false);
		return;
	}
	hc_text_printf(
		&message,
		"the log of %s can't be read now: the controller %s; it is started again by the platform, try "
		"later",
		log->deployment, problem);
	char *body = api_status_json(
		&(struct api_status){.code = 503, .message = hc_text_string(&message), .retry_after_seconds = 2});
	close_handles(log);
	log->finished = true;
	http_reply(log->call->request,
			   &(struct http_reply){.status = 503, .body_take = body, .length = strlen(body)});
}

static void gone(struct http_request *request)
{
	end(http_request_payload(request), true);
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

	if (log->begun)
		http_stream_write(log->call->request, data, length);
}

static void begin(struct api_log *log)
{
	log->begun = true;
	uv_timer_stop(&log->deadline);
	http_stream_begin(log->call->request,
					  &(struct http_reply){.status = 200, .content_type = "text/plain; charset=utf-8"});
}

static void have_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	struct api_log *log = stream->data;
	struct hc_error err = {0};

	if (count == 0 || !log->link)
		return;
	if (count < 0) {
		if (log->begun)
			end(log, http_answer_complete(&log->answer));
		else
			refuse(log, "closed the connection");
		return;
	}
	size_t used = 0;
	/* The status comes first, in pieces perhaps; what follows it belongs to the body. */
	while (log->answer.status < 200 && used < (size_t)count)
		if (http_answer_feed(&log->answer, buffer->base + used++, 1, pass_on, log, &err)) {
			refuse(log, "answers nonsense");
			return;
		}
	if (log->answer.status < 200)
		return;
	if (log->answer.status == 404) {
		log->kept = true;
		close_handles(log);
		return;
	}
	if (log->answer.status != 200) {
		refuse(log, "refuses");
		return;
	}
	if (!log->begun)
		begin(log);
	if (http_answer_feed(&log->answer, buffer->base + used, (size_t)count - used, pass_on, log, &err))
		end(log, false);
	else if (log->answer.done)
		end(log, true);
	else if (http_stream_pending_bytes(log->call->request) > HC_LIMIT_LOG_PENDING_BYTES)
		uv_read_stop(stream);
}

static void drained(struct http_request *request)
{
	struct api_log *log = http_request_payload(request);

	if (log->link)
		uv_read_start((uv_stream_t *)&log->pipe, give_buffer, have_read); /* no harm when it reads already */
}

static void have_written(uv_write_t *write, int status)
{
	struct api_log *log = write->data;

	if (status < 0 && status != UV_ECANCELED)
		refuse(log, "closed the connection");
}

static void connected(uv_connect_t *connect, int status)
{
	struct api_log *log = connect->data;

	if (!log->link)
		return;
	if (status < 0) {
		refuse(log, "does not run");
		return;
	}
	uv_buf_t buffer = uv_buf_init(log->question, (unsigned)strlen(log->question));
	uv_write(&log->write, (uv_stream_t *)&log->pipe, &buffer, 1, have_written);
	uv_read_start((uv_stream_t *)&log->pipe, give_buffer, have_read);
}

static void ask_controller(struct api_log *log)
{
	struct api *api = log->call->api;
	char tail[48] = "";

	if (log->tail_lines >= 0)
		snprintf(tail, sizeof(tail), "&tailLines=%" PRId64, log->tail_lines);
	log->question = hc_xprintf(
		"GET /log?deployment=%s&follow=%s&timestamps=%s%s HTTP/1.1\r\nHost: controller\r\n"
		"Connection: close\r\n\r\n",
		log->uid, log->follow ? "true" : "false", log->timestamps ? "true" : "false", tail);
	log->next = api->logs;
	log->link = &api->logs;
	if (log->next)
		log->next->link = &log->next;
	api->logs = log;
	api->streams++;
	uv_pipe_init(&api->loop, &log->pipe, 0);
	uv_timer_init(&api->loop, &log->deadline);
	log->handles_open = 2;
	log->pipe.data = log->deadline.data = log->connect.data = log->write.data = log;
	http_request_set_payload(log->call->request, log);
	http_request_on_gone(log->call->request, gone);
	http_stream_on_drained(log->call->request, drained);
	uv_timer_start(&log->deadline, deadline_passed, CONTROLLER_DEADLINE_MS, 0);
	uv_pipe_connect(&log->connect, &log->pipe, api->options.controller_socket, connected);
}

void api_log_end_all(struct api *api)
{
	while (api->logs)
		end(api->logs, false);
}

/* --- which Deployment --- */

static const char *text_at(const json_t *object, const char *outer, const char *inner)
{
	return json_string_value(json_object_get(json_object_get(object, outer), inner));
}

static void use_deployment(struct api_log *log, const struct store_row *row)
{
	json_t *object = json_loadb(row->json, row->length, 0, NULL);
	const char *uid = text_at(object, "metadata", "uid");

	log->uid = hc_arena_strdup(log->call->arena, uid ? uid : "");
	log->deployment = hc_arena_strdup(log->call->arena, row->name);
	json_decref(object);
	ask_controller(log);
}

/* The row could not be had: answered. */
static bool failed(struct api_log *log, const struct store_answer *answer)
{
	HC_AUTO_TEXT message = {0};

	if (!answer->error)
		return false;
	if (answer->error->class == HC_NOT_FOUND) {
		api_status_text_absent(log->call->route.kind, log->call->route.name, &message);
		api_answer_fail(log->call, 404, "%s", hc_text_string(&message));
	} else {
		api_answer_error(log->call, answer->error);
	}
	api_reply(log->call);
	return true;
}

static void deployment_known(const struct store_answer *answer, void *payload)
{
	struct api_log *log = payload;

	if (!failed(log, answer))
		use_deployment(log, &answer->rows[0]);
}

static int64_t revision_of(const struct store_row *row)
{
	json_t *object = json_loadb(row->json, row->length, 0, NULL);
	int64_t revision = json_integer_value(json_object_get(json_object_get(object, "spec"), "revision"));

	json_decref(object);
	return revision;
}

static void deployments_known(const struct store_answer *answer, void *payload)
{
	struct api_log *log = payload;
	const struct store_row *newest = NULL;
	int64_t highest = -1;

	if (failed(log, answer))
		return;
	for (size_t index = 0; index < answer->row_count; index++) {
		int64_t revision = revision_of(&answer->rows[index]);
		if (revision > highest) {
			highest = revision;
			newest = &answer->rows[index];
		}
	}
	if (newest) {
		use_deployment(log, newest);
		return;
	}
	api_answer_fail(log->call, 404, "service \"%s\" has no Deployment yet, so there is no log",
					log->call->route.name);
	api_reply(log->call);
}

static void list_deployments(struct api_log *log)
{
	HC_AUTO_TEXT labels = {0};

	hc_text_append(&labels, "{\"helvetia.cloud/service\":");
	hc_text_append_json_string(&labels, log->call->route.name);
	hc_text_append(&labels, "}");
	struct store_list_options options = {.kind = STORE_DEPLOYMENT,
										 .namespace_name = log->call->route.namespace_name,
										 .labels = hc_text_string(&labels)};
	store_stream_list(log->call->api->stream, &options, deployments_known, log);
}

static void current_known(const struct store_answer *answer, void *payload)
{
	struct api_log *log = payload;

	/* The row may have gone since: the newest will do. */
	if (answer->error && answer->error->class == HC_NOT_FOUND)
		list_deployments(log);
	else if (!failed(log, answer))
		use_deployment(log, &answer->rows[0]);
}

static void service_known(const struct store_answer *answer, void *payload)
{
	struct api_log *log = payload;

	if (failed(log, answer))
		return;
	json_t *object = json_loadb(answer->rows[0].json, answer->rows[0].length, 0, NULL);
	const char *current = text_at(object, "status", "currentDeployment");
	if (current && *current)
		store_stream_get(log->call->api->stream, STORE_DEPLOYMENT, log->call->route.namespace_name, current,
						 current_known, log);
	else
		list_deployments(log);
	json_decref(object);
}

void api_log(struct api_call *call)
{
	struct api_log *log = hc_arena_alloc(call->arena, sizeof(*log));
	struct hc_error err = {0};
	bool service = call->route.kind->store_kind == STORE_SERVICE;

	log->call = call;
	call->state = log;
	if (http_query_flag(&call->query, "follow", &log->follow, &err) ||
		http_query_flag(&call->query, "timestamps", &log->timestamps, &err) ||
		api_query_number(&call->query, "tailLines", -1, &log->tail_lines, &err)) {
		api_answer_fail(call, 400, "%s", err.text);
		api_reply(call);
		return;
	}
	if (call->api->streams >= HC_LIMIT_WATCHES) {
		api_answer_fail(call, 429, "more than %d watches and logs are open", HC_LIMIT_WATCHES);
		api_reply(call);
		return;
	}
	store_stream_get(call->api->stream, call->route.kind->store_kind, call->route.namespace_name,
					 call->route.name, service ? service_known : deployment_known, log);
}
