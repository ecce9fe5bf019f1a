/* …/log: which log is wanted, and the life of its stream.
 *
 *   Service → current Deployment, else the newest ┐
 *   Deployment ───────────────────────────────────┴→ while it is Resolving or Queued: its Build's log
 *                                                    then: what its containers write
 *   Build → its log
 *
 * A struct api_log is alive while something of it will call back; the request is finished before or then. */
#include "api_log.h"

#include "api_list.h"
#include "api_pod.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* --- life --- */

bool api_log_release(struct api_log *log)
{
	if (--log->holders > 0)
		return true;
	http_answer_done(&log->answer);
	free(log->question);
	api_call_free(log->call);
	return false;
}

static void timer_closed(uv_handle_t *handle)
{
	api_log_release(handle->data);
}

/* No new answer, question or job after this. */
static void close_log(struct api_log *log)
{
	*log->link = log->next;
	if (log->next)
		log->next->link = log->link;
	log->link = NULL;
	log->call->api->streams--;
	http_request_on_gone(log->call->request, NULL);
	uv_close((uv_handle_t *)&log->timer, timer_closed);
	api_log_controller_close(log);
}

void api_log_end(struct api_log *log, bool whole)
{
	if (!log->link)
		return;
	close_log(log);
	log->finished = true;
	if (!log->begun)
		http_reply(log->call->request, &(struct http_reply){.status = 503});
	else if (whole)
		http_stream_end(log->call->request);
	else
		http_stream_cut(log->call->request);
}

void api_log_refuse(struct api_log *log, int code, const char *sentence)
{
	if (!log->link)
		return;
	if (log->begun) {
		api_log_end(log, false);
		return;
	}
	char *body = api_status_json(
		&(struct api_status){.code = code, .message = sentence, .retry_after_seconds = code == 503 ? 2 : 0});
	close_log(log);
	log->finished = true;
	http_reply(log->call->request,
			   &(struct http_reply){.status = code, .body_take = body, .length = strlen(body)});
}

void api_log_begin(struct api_log *log)
{
	if (log->begun)
		return;
	log->begun = true;
	http_stream_begin(log->call->request,
					  &(struct http_reply){.status = 200, .content_type = "text/plain; charset=utf-8"});
}

static void gone(struct http_request *request)
{
	api_log_end(http_request_payload(request), true);
}

static void drained(struct http_request *request)
{
	struct api_log *log = http_request_payload(request);

	if (log->link && log->pipe_open)
		api_log_controller_drained(log);
	else if (log->link)
		api_log_build_drained(log);
}

static void open_log(struct api_log *log)
{
	struct api *api = log->call->api;

	log->next = api->logs;
	log->link = &api->logs;
	if (log->next)
		log->next->link = &log->next;
	api->logs = log;
	api->streams++;
	uv_timer_init(&api->loop, &log->timer);
	log->timer.data = log;
	log->holders = 1;
	http_request_set_payload(log->call->request, log);
	http_request_on_gone(log->call->request, gone);
	http_stream_on_drained(log->call->request, drained);
}

void api_log_end_of(struct api *api, const char *uid)
{
	for (struct api_log *log = api->logs, *next; log; log = next) {
		next = log->next;
		if (!uid || api_role_concerns(&log->call->identity, uid))
			api_log_end(log, false);
	}
}

void api_log_end_expired(struct api *api, int64_t now_wall_ms)
{
	for (struct api_log *log = api->logs, *next; log; log = next) {
		next = log->next;
		int64_t expires_ms = log->call->identity.expires_wall_ms;
		if (expires_ms && expires_ms <= now_wall_ms)
			api_log_end(log, false);
	}
}

/* --- jobs --- */

static void run_job(uv_work_t *work)
{
	struct api_log *log = work->data;
	struct api *api = log->call->api;
	struct store *store = api_store_take(api, &log->piece_error);

	if (!store)
		return;
	log->job(log, store);
	api_store_put(api, store);
}

static void job_done(uv_work_t *work, int status)
{
	struct api_log *log = work->data;
	struct hc_arena *arena = hc_take(&log->piece_arena); /* the next job has its own */

	(void)status;
	if (log->link)
		log->job_done(log);
	hc_arena_free(arena);
	api_log_release(log);
}

void api_log_work(struct api_log *log, void (*job)(struct api_log *log, struct store *store),
				  void (*done)(struct api_log *log))
{
	log->job = job;
	log->job_done = done;
	log->piece_arena = hc_arena_new();
	log->piece_error = (struct hc_error){0};
	log->piece = "";
	log->piece_length = 0;
	log->work.data = log;
	log->holders++;
	if (uv_queue_work(&log->call->api->loop, &log->work, run_job, job_done)) {
		hc_arena_free(hc_take(&log->piece_arena));
		log->holders--;
		api_log_refuse(log, 503, "no thread is free");
	}
}

const char *api_log_last_lines(const char *text, size_t length, int64_t lines)
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

/* --- the Deployment --- */

static const char *text_at(const json_t *object, const char *outer, const char *inner)
{
	const char *text = json_string_value(json_object_get(json_object_get(object, outer), inner));

	return text ? text : "";
}

static void read_deployment(struct api_log *log, const struct store_row *row)
{
	struct hc_arena *arena = log->call->arena;
	json_t *object = json_loadb(row->json, row->length, 0, NULL);
	const char *phase = text_at(object, "status", "phase");
	const char *stage = text_at(object, "status", "stage");
	const char *build = text_at(object, "status", "build");
	bool started = json_object_get(json_object_get(object, "status"), "started") != NULL;

	log->uid = hc_arena_strdup(arena, text_at(object, "metadata", "uid"));
	log->deployment = hc_arena_strdup(arena, row->name);
	if (*build && !log->build)
		log->build = hc_arena_strdup(arena, build);
	log->unfinished = hc_streq(phase, "BUILDING");
	/* A build that failed leaves no container: its own log says why. */
	log->building = log->unfinished ? hc_streq(stage, "Resolving") || hc_streq(stage, "Queued")
									: hc_streq(phase, "FAILED") && !started && log->build;
	json_decref(object);
}

static void go_on(struct api_log *log);

static void build_found(const struct store_answer *answer, void *payload)
{
	struct api_log *log = payload;

	if (!api_log_release(log) || !log->link)
		return;
	if (answer->error && answer->error->class != HC_NOT_FOUND) {
		api_log_refuse(log, 503, answer->error->text);
		return;
	}
	if (answer->error) {
		log->build = NULL; /* it is kept no more */
		go_on(log);
		return;
	}
	json_t *object = json_loadb(answer->rows[0].json, answer->rows[0].length, 0, NULL);
	log->build_uid = hc_arena_strdup(log->call->arena, text_at(object, "metadata", "uid"));
	json_decref(object);
	api_log_build(log);
}

/* Of a Deployment that was just read. A build that was followed is read to its end first. */
static void go_on(struct api_log *log)
{
	if (log->ordinal) {
		api_log_controller(log);
	} else if (log->build_uid) {
		api_log_build(log);
	} else if (log->building && log->build) {
		log->holders++;
		store_stream_get(log->call->api->stream, STORE_BUILD, log->call->route.namespace_name, log->build,
						 build_found, log);
	} else if (log->building && log->unfinished && log->follow) {
		api_log_wait(log);
	} else {
		api_log_controller(log);
	}
}

static void looked(const struct store_answer *answer, void *payload)
{
	struct api_log *log = payload;

	if (!api_log_release(log) || !log->link)
		return;
	if (answer->error && answer->error->class == HC_NOT_FOUND) {
		api_log_end(log, true); /* it was deleted: nothing more comes */
	} else if (answer->error) {
		api_log_refuse(log, 503, answer->error->text);
	} else {
		read_deployment(log, &answer->rows[0]);
		go_on(log);
	}
}

void api_log_look(struct api_log *log)
{
	log->holders++;
	store_stream_get(log->call->api->stream, STORE_DEPLOYMENT, log->call->route.namespace_name,
					 log->deployment, looked, log);
}

/* --- which one --- */

static void use_deployment(struct api_log *log, const struct store_row *row)
{
	read_deployment(log, row);
	open_log(log);
	go_on(log);
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

static void build_known(const struct store_answer *answer, void *payload)
{
	struct api_log *log = payload;

	if (failed(log, answer))
		return;
	json_t *object = json_loadb(answer->rows[0].json, answer->rows[0].length, 0, NULL);
	log->build_uid = hc_arena_strdup(log->call->arena, text_at(object, "metadata", "uid"));
	json_decref(object);
	open_log(log);
	api_log_build(log);
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
	if (*current)
		store_stream_get(log->call->api->stream, STORE_DEPLOYMENT, log->call->route.namespace_name, current,
						 current_known, log);
	else
		list_deployments(log);
	json_decref(object);
}

/* sinceSeconds or sinceTime, the later of both. */
static int read_since(const struct http_query *query, int64_t *ret_wall_s, struct hc_error *err)
{
	const char *time = http_query_get(query, "sinceTime");
	int64_t seconds = 0, wall_ms = 0;

	*ret_wall_s = 0;
	if (api_query_number(query, "sinceSeconds", 0, &seconds, err))
		return -1;
	if (time && hc_clock_parse(time, &wall_ms))
		return hc_fail(err, HC_INVALID, "sinceTime: \"%.40s\" is no time such as 2030-01-31T12:00:00Z", time);
	if (seconds > 0 && hc_clock_wall_ms() / 1000 - seconds > wall_ms / 1000)
		wall_ms = (hc_clock_wall_ms() / 1000 - seconds) * 1000;
	*ret_wall_s = wall_ms / 1000;
	return 0;
}

/* What kubectl can ask of a Pod's log beyond what any log can give. */
static int read_pod_parameters(struct api_log *log, struct hc_error *err)
{
	struct api_call *call = log->call;
	const char *container = http_query_get(&call->query, "container");
	const char *name = call->route.name;
	int previous = 0;

	if (http_query_flag(&call->query, "previous", &previous, err))
		return -1;
	if (container && *container && !hc_streq(container, "app"))
		return hc_fail(err, HC_INVALID, "container %.63s is not valid for pod %s: it has one, app", container,
					   name);
	if (previous)
		return hc_fail(err, HC_INVALID, "previous terminated container \"app\" in pod \"%s\" not found",
					   name);
	if (http_query_get(&call->query, "limitBytes"))
		return hc_fail(err, HC_INVALID, "limitBytes: is not served; use tailLines");
	if (!api_pod_name_split(name, call->arena, &log->deployment, &log->ordinal))
		log->deployment = log->ordinal = ""; /* no Deployment has this name */
	return 0;
}

static int read_parameters(struct api_log *log, struct hc_error *err)
{
	const struct http_query *query = &log->call->query;

	if (http_query_flag(query, "follow", &log->follow, err) ||
		http_query_flag(query, "timestamps", &log->timestamps, err) ||
		api_query_number(query, "tailLines", -1, &log->tail_lines, err) ||
		read_since(query, &log->since_wall_s, err))
		return -1;
	/* What is kept of containers that are gone is no Pod's, and has no times. */
	log->kept_written = log->call->route.kind->view || log->since_wall_s > 0;
	return log->call->route.kind->view ? read_pod_parameters(log, err) : 0;
}

void api_log(struct api_call *call)
{
	struct api_log *log = hc_arena_alloc(call->arena, sizeof(*log));
	struct hc_error err = {0};
	enum store_kind kind = call->route.kind->store_kind;

	log->call = call;
	call->state = log;
	if (read_parameters(log, &err)) {
		api_answer_fail(call, 400, "%s", err.text);
		api_reply(call);
		return;
	}
	if (call->api->streams >= HC_LIMIT_WATCHES) {
		api_answer_fail(call, 429, "more than %d watches and logs are open", HC_LIMIT_WATCHES);
		api_reply(call);
		return;
	}
	store_stream_get(call->api->stream, kind, call->route.namespace_name,
					 log->ordinal ? log->deployment : call->route.name,
					 kind == STORE_SERVICE ? service_known
					 : kind == STORE_BUILD ? build_known
										   : deployment_known,
					 log);
}
