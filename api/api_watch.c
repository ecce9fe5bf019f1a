/* WATCH: one reader of the change log for all watchers (the hub), and one cursor a watcher.
 *
 * The hub reads what came after `seen` when the database hints at something, and every 10 s besides. Each
 * change is encoded once and shared by all that want it. A watcher is first brought to where the hub is
 * (initial objects, or the changes after its resourceVersion) and then joins; what it has had already is
 * skipped by its cursor. So nothing is lost between a list and a watch, whatever the order of answers.
 *
 * A watcher that falls too far behind is cut: it begins again from its resourceVersion. */
#include "api_watch.h"

#include "api_event.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define HUB_POLL_MS 10000
#define HUB_RETRY_MS 1000
#define BOOKMARK_MS 30000
#define CATCH_UP_ROWS 500
#define CATCH_UP_PENDING_BYTES (1U << 20) /* wait for the peer beyond this */
#define TIMEOUT_DEFAULT_S 3600
#define TIMEOUT_MAX_S 86400

struct api_hub {
	struct api *api;
	struct watcher *watchers;
	uv_timer_t poll;
	uv_timer_t bookmark;
	int64_t seen; /* all changes up to here were given out; -1: not started */
	bool asking;
	bool again; /* a hint came while asking */
	bool failing;
};

struct watcher {
	struct watcher *next; /* in hub->watchers */
	struct watcher **link;
	struct api_hub *hub;
	struct api_call *call; /* its arena holds us */
	struct api_filter filter;
	struct api_shape shape; /* its head is sent once */
	uv_timer_t deadline;
	int64_t cursor; /* had everything up to here */
	int64_t timeout_s;
	int references; /* timer, and a question under way */
	bool live;      /* gets what the hub gives out */
	bool bookmarks;
	bool initial; /* wants the objects first */
	bool initial_end;
	bool begun;
	bool ended;
	bool paused; /* catching up, and the peer is slow */
};

/* --- life of a watcher --- */

static void unref(struct watcher *watcher)
{
	if (--watcher->references == 0)
		api_call_free(watcher->call);
}

static void deadline_closed(uv_handle_t *handle)
{
	unref(handle->data);
}

/* Detaches it; the request must be finished by the caller right after. */
static void leave(struct watcher *watcher)
{
	watcher->ended = true;
	*watcher->link = watcher->next;
	if (watcher->next)
		watcher->next->link = watcher->link;
	watcher->hub->api->streams--;
	uv_close((uv_handle_t *)&watcher->deadline, deadline_closed);
}

static void end(struct watcher *watcher)
{
	if (watcher->ended)
		return;
	leave(watcher);
	if (watcher->begun)
		http_stream_end(watcher->call->request);
	else
		http_reply(watcher->call->request, &(struct http_reply){.status = 503});
}

static void cut(struct watcher *watcher)
{
	hc_log(HC_LOG_WARN, "a watcher is too slow and was cut", "user", watcher->call->identity.name, "kind",
		   watcher->call->route.kind->plural, NULL);
	leave(watcher);
	http_stream_cut(watcher->call->request);
}

static void gone(struct http_request *request)
{
	end(http_request_payload(request));
}

static void deadline_passed(uv_timer_t *timer)
{
	end(timer->data);
}

static void begin(struct watcher *watcher)
{
	if (watcher->begun)
		return;
	watcher->begun = true;
	http_stream_begin(watcher->call->request, &(struct http_reply){.status = 200});
}

/* The answer before the stream has begun. */
static void refuse(struct watcher *watcher, const struct hc_error *err)
{
	char *body = api_status_json(&(struct api_status){
		.code = api_status_of_class(err->class), .message = err->text, .retry_after_seconds = 1});

	leave(watcher);
	http_reply(watcher->call->request, &(struct http_reply){.status = api_status_of_class(err->class),
															.body_take = body,
															.length = strlen(body)});
}

static void expire(struct watcher *watcher, const char *message)
{
	HC_AUTO_TEXT text = {0};

	begin(watcher);
	api_event_append_expired(message, &text);
	http_stream_write(watcher->call->request, text.data, text.length);
	end(watcher);
}

static void bookmark(struct watcher *watcher, bool initial_end)
{
	HC_AUTO_TEXT text = {0};

	api_event_append_bookmark(watcher->call->route.kind, &watcher->shape, watcher->cursor, initial_end,
							  &text);
	http_stream_write(watcher->call->request, text.data, text.length);
}

static void append(struct watcher *watcher, enum api_event event, const struct store_row *row,
				   struct hc_text *text)
{
	api_event_append(event, watcher->call->route.kind, &watcher->shape, row->json, row->length,
					 hc_clock_wall_ms(), text);
	watcher->shape.head = false;
}

/* --- catching up --- */

static void caught_up(const struct store_answer *answer, void *payload);

static void ask_changes(struct watcher *watcher)
{
	watcher->references++;
	store_stream_changes(watcher->hub->api->stream, watcher->cursor, CATCH_UP_ROWS, caught_up, watcher);
}

static void drained(struct http_request *request)
{
	struct watcher *watcher = http_request_payload(request);

	if (!watcher->paused || watcher->ended)
		return;
	watcher->paused = false;
	ask_changes(watcher);
}

static void go_on(struct watcher *watcher, bool more)
{
	if (!more && watcher->cursor >= watcher->hub->seen) {
		watcher->live = true;
	} else if (http_stream_pending_bytes(watcher->call->request) > CATCH_UP_PENDING_BYTES) {
		watcher->paused = true;
	} else {
		ask_changes(watcher);
	}
}

static void caught_up(const struct store_answer *answer, void *payload)
{
	struct watcher *watcher = payload;
	HC_AUTO_TEXT text = {0};

	if (watcher->ended) {
		unref(watcher);
		return;
	}
	watcher->references--;
	if (answer->error) {
		if (watcher->begun)
			end(watcher); /* the reader comes back with its resourceVersion */
		else
			refuse(watcher, answer->error);
		return;
	}
	if (watcher->cursor < answer->oldest) {
		expire(watcher, "the resourceVersion is too old: list again");
		return;
	}
	if (watcher->cursor > answer->resource_version) {
		expire(watcher, "the resourceVersion is newer than the database: list again");
		return;
	}
	begin(watcher);
	for (size_t index = 0; index < answer->row_count; index++) {
		const struct store_row *row = &answer->rows[index];
		enum api_event event = api_event_of(row, watcher->call->route.kind, &watcher->filter);
		if (event != API_EVENT_NONE)
			append(watcher, event, row, &text);
		watcher->cursor = row->resource_version;
	}
	if (text.length)
		http_stream_write(watcher->call->request, text.data, text.length);
	if (!answer->more)
		watcher->cursor = answer->resource_version;
	go_on(watcher, answer->more);
}

static bool wanted_object(const struct watcher *watcher, const struct store_row *row)
{
	if (watcher->filter.labels_complete && watcher->filter.fields_complete)
		return true; /* the database selected */
	json_t *object = json_loadb(row->json, row->length, 0, NULL);
	const json_t *labels = json_object_get(json_object_get(object, "metadata"), "labels");
	bool wanted = api_selector_match_labels(&watcher->filter.labels, labels) &&
				  api_selector_match_fields(&watcher->filter.fields, object);
	json_decref(object);
	return wanted;
}

static void listed(const struct store_answer *answer, void *payload)
{
	struct watcher *watcher = payload;
	HC_AUTO_TEXT text = {0};

	if (watcher->ended) {
		unref(watcher);
		return;
	}
	watcher->references--;
	if (answer->error) {
		refuse(watcher, answer->error);
		return;
	}
	begin(watcher);
	for (size_t index = 0; index < answer->row_count; index++)
		if (wanted_object(watcher, &answer->rows[index]))
			append(watcher, API_EVENT_ADDED, &answer->rows[index], &text);
	if (text.length)
		http_stream_write(watcher->call->request, text.data, text.length);
	watcher->cursor = answer->resource_version;
	if (watcher->initial_end)
		bookmark(watcher, true);
	go_on(watcher, false);
}

/* --- the hub --- */

static void give_out(struct api_hub *hub, const struct store_row *row)
{
	struct http_chunk *chunks[API_EVENT_COUNT][API_SHAPE_COUNT] = {{NULL}};
	struct watcher *next;

	for (struct watcher *watcher = hub->watchers; watcher; watcher = next) {
		next = watcher->next;
		if (!watcher->live || row->resource_version <= watcher->cursor)
			continue;
		watcher->cursor = row->resource_version;
		enum api_event event = api_event_of(row, watcher->call->route.kind, &watcher->filter);
		if (event == API_EVENT_NONE)
			continue;
		struct http_chunk **chunk = &chunks[event][api_shape_number(&watcher->shape)];
		if (!*chunk) {
			HC_AUTO_TEXT text = {0};
			append(watcher, event, row, &text);
			*chunk = http_chunk_new(text.data, text.length);
		}
		watcher->shape.head = false;
		http_stream_push(watcher->call->request, *chunk);
		if (http_stream_pending_chunks(watcher->call->request) > HC_LIMIT_WATCH_BACKLOG_EVENTS ||
			http_stream_pending_bytes(watcher->call->request) > HC_LIMIT_WATCH_BACKLOG_BYTES)
			cut(watcher);
	}
	for (size_t index = 0; index < (size_t)API_EVENT_COUNT * API_SHAPE_COUNT; index++)
		http_chunk_unref(chunks[index / API_SHAPE_COUNT][index % API_SHAPE_COUNT]);
}

/* A right may have been taken away: whose streams they are shows his token again. */
static void rights_changed(struct api_hub *hub, const struct store_row *row)
{
	json_t *object = json_loadb(row->json, row->length, 0, NULL);
	const char *uid = json_string_value(json_object_get(json_object_get(object, "metadata"), "uid"));

	api_auth_forget(hub->api->auth);
	for (struct watcher *watcher = hub->watchers, *next; watcher; watcher = next) {
		next = watcher->next;
		if (!uid || api_role_concerns(&watcher->call->identity, uid))
			end(watcher);
	}
	api_log_end_of(hub->api, uid);
	json_decref(object);
}

static void start_over(struct api_hub *hub, int64_t resource_version)
{
	while (hub->watchers)
		expire(hub->watchers, "the change log was cut: list again");
	hub->seen = resource_version;
	api_auth_forget(hub->api->auth);
	api_log_end_of(hub->api, NULL);
}

static void ask(struct api_hub *hub);

/* Nothing has happened for a while, so memory that jobs have freed goes back to the system too. */
static void retry(uv_timer_t *timer)
{
	struct api_hub *hub = timer->data;

	if (hub->api->trim_wanted)
		malloc_trim(0);
	hub->api->trim_wanted = false;
	ask(hub);
}

static void wait_for(struct api_hub *hub, uint64_t milliseconds)
{
	uv_timer_start(&hub->poll, retry, milliseconds, 0);
}

static void failed(struct api_hub *hub, const struct hc_error *err)
{
	if (!hub->failing && err->class != HC_CANCELED)
		hc_log(HC_LOG_WARN, "the change log can't be read", "error", err->text, NULL);
	hub->failing = true;
	wait_for(hub, HUB_RETRY_MS);
}

static void changed(const struct store_answer *answer, void *payload)
{
	struct api_hub *hub = payload;
	bool again = hub->again;

	hub->asking = hub->again = false;
	if (hub->api->stopping)
		return;
	if (answer->error) {
		failed(hub, answer->error);
		return;
	}
	if (hub->failing)
		hc_log(HC_LOG_INFO, "the change log can be read again", NULL);
	hub->failing = false;
	if (hub->seen < 0) {
		hub->seen = answer->resource_version;
		hub->api->ready = true;
		hc_log(HC_LOG_INFO, "ready", NULL);
	} else if (hub->seen < answer->oldest || hub->seen > answer->resource_version) {
		start_over(hub, answer->resource_version);
	} else {
		for (size_t index = 0; index < answer->row_count; index++) {
			const struct store_row *row = &answer->rows[index];
			give_out(hub, row);
			hub->seen = row->resource_version;
			/* What is new was not known to anybody. */
			if ((row->kind == STORE_TOKEN || row->kind == STORE_USER) && !hc_streq(row->type, "ADDED"))
				rights_changed(hub, row);
		}
		if (!answer->more)
			hub->seen = answer->resource_version;
	}
	api_log_end_expired(hub->api, hc_clock_wall_ms());
	if (again || answer->more)
		ask(hub);
	else
		wait_for(hub, HUB_POLL_MS);
}

static void ask(struct api_hub *hub)
{
	if (hub->asking) {
		hub->again = true;
		return;
	}
	hub->asking = true;
	if (hub->seen < 0)
		store_stream_version(hub->api->stream, changed, hub);
	else
		store_stream_changes(hub->api->stream, hub->seen, 0, changed, hub);
}

void api_hub_hint(struct api_hub *hub)
{
	if (hub->seen >= 0 && !hub->api->stopping)
		ask(hub);
}

void api_hub_start(struct api_hub *hub)
{
	ask(hub);
}

static void bookmarks_due(uv_timer_t *timer)
{
	struct api_hub *hub = timer->data;

	for (struct watcher *watcher = hub->watchers; watcher; watcher = watcher->next) {
		if (!watcher->live)
			continue;
		if (hub->seen > watcher->cursor)
			watcher->cursor = hub->seen;
		if (watcher->bookmarks && http_stream_pending_chunks(watcher->call->request) == 0)
			bookmark(watcher, false);
	}
	if (!hub->watchers)
		uv_timer_stop(timer);
}

struct api_hub *api_hub_new(struct api *api)
{
	struct api_hub *hub = hc_xalloc(sizeof(*hub));

	hub->api = api;
	hub->seen = -1;
	uv_timer_init(&api->loop, &hub->poll);
	uv_timer_init(&api->loop, &hub->bookmark);
	hub->poll.data = hub->bookmark.data = hub;
	return hub;
}

static void bookmark_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void poll_closed(uv_handle_t *handle)
{
	struct api_hub *hub = handle->data;

	uv_close((uv_handle_t *)&hub->bookmark, bookmark_closed);
}

void api_hub_close(struct api_hub *hub)
{
	uv_close((uv_handle_t *)&hub->poll, poll_closed);
}

/* --- the request --- */

static int parse(struct watcher *watcher, struct hc_error *err)
{
	struct api_call *call = watcher->call;
	const char *version = http_query_get(&call->query, "resourceVersion");
	int bookmarks = 0, initial = 0;

	if (api_shape_parse(http_request_header(call->request, "Accept"), &call->query, &watcher->shape, err) ||
		api_filter_parse(&call->route, &call->query, call->arena, &watcher->filter, err) ||
		api_query_number(&call->query, "resourceVersion", 0, &watcher->cursor, err) ||
		api_query_number(&call->query, "timeoutSeconds", TIMEOUT_DEFAULT_S, &watcher->timeout_s, err) ||
		http_query_flag(&call->query, "allowWatchBookmarks", &bookmarks, err) ||
		http_query_flag(&call->query, "sendInitialEvents", &initial, err))
		return -1;
	if (watcher->timeout_s == 0)
		watcher->timeout_s = TIMEOUT_DEFAULT_S;
	if (watcher->timeout_s > TIMEOUT_MAX_S)
		watcher->timeout_s = TIMEOUT_MAX_S;
	watcher->shape.head = watcher->shape.form == API_FORM_TABLE;
	watcher->bookmarks = bookmarks;
	watcher->initial = initial || !version || watcher->cursor == 0;
	watcher->initial_end = initial;
	/* sendInitialEvents=false without a version: from now on. */
	if (!initial && http_query_get(&call->query, "sendInitialEvents") && watcher->cursor == 0) {
		watcher->initial = false;
		watcher->cursor = watcher->hub->seen;
	}
	return 0;
}

static void start_deadline(struct watcher *watcher)
{
	const struct api_identity *identity = &watcher->call->identity;
	int64_t left_ms = watcher->timeout_s * 1000;

	if (identity->expires_wall_ms && identity->expires_wall_ms - hc_clock_wall_ms() < left_ms)
		left_ms = identity->expires_wall_ms - hc_clock_wall_ms();
	uv_timer_init(&watcher->hub->api->loop, &watcher->deadline);
	watcher->deadline.data = watcher;
	watcher->references = 1;
	uv_timer_start(&watcher->deadline, deadline_passed, left_ms > 0 ? (uint64_t)left_ms : 0, 0);
}

static void start(struct watcher *watcher)
{
	struct api_hub *hub = watcher->hub;
	struct http_request *request = watcher->call->request;

	watcher->next = hub->watchers;
	watcher->link = &hub->watchers;
	if (watcher->next)
		watcher->next->link = &watcher->next;
	hub->watchers = watcher;
	hub->api->streams++;
	if (!uv_is_active((uv_handle_t *)&hub->bookmark))
		uv_timer_start(&hub->bookmark, bookmarks_due, BOOKMARK_MS, BOOKMARK_MS);
	start_deadline(watcher);
	http_request_set_payload(request, watcher);
	http_request_on_gone(request, gone);
	http_stream_on_drained(request, drained);
	if (!watcher->initial) {
		ask_changes(watcher);
		return;
	}
	struct store_list_options options = {.kind = watcher->call->route.kind->store_kind,
										 .namespace_name = watcher->filter.namespace_name,
										 .name = watcher->filter.name,
										 .limit = API_WHOLE_LIST_MAX,
										 .labels = watcher->filter.labels_json};
	watcher->references++;
	store_stream_list(hub->api->stream, &options, listed, watcher);
}

void api_watch(struct api_call *call)
{
	struct watcher *watcher = hc_arena_alloc(call->arena, sizeof(*watcher));
	struct hc_error err = {0};

	watcher->hub = call->api->hub;
	watcher->call = call;
	if (call->api->streams >= HC_LIMIT_WATCHES) {
		api_answer_fail(call, 429, "more than %d watches and logs are open", HC_LIMIT_WATCHES);
		api_reply(call);
	} else if (parse(watcher, &err)) {
		api_answer_fail(call, 400, "%s", err.text);
		api_reply(call);
	} else {
		start(watcher);
	}
}
