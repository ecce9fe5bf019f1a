/* GET and LIST: stored JSON text goes out as it is, only the envelope of a list is ours.
 *
 * What the database can't select (label sets, fields other than the name) is filtered on a pool thread, since
 * that means parsing every object. A list without `limit` is one statement, and so one snapshot. */
#include "api_watch.h"

#include "api_list.h"
#include "api_table.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include <stdlib.h>
#include <string.h>

static void answer_absent(struct api_call *call)
{
	HC_AUTO_TEXT message = {0};

	api_status_text_absent(call->route.kind, call->route.name, &message);
	api_answer_fail(call, 404, "%s", hc_text_string(&message));
}

/* Pool thread: the answer in the form that was asked for. */
static void reshape(struct api_call *call, struct store *store)
{
	json_t *object = json_loadb(call->answer.body, call->answer.length, 0, NULL);
	struct hc_text text = {0};

	(void)store;
	api_shape_one(call->state, call->route.kind, object, call->answer.body, call->answer.length,
				  hc_clock_wall_ms(), &text);
	json_decref(object);
	size_t length = text.length;
	api_answer_json(call, 200, hc_text_take(&text), length);
}

static void got(const struct store_answer *answer, void *payload)
{
	struct api_call *call = payload;

	if (answer->error && answer->error->class == HC_NOT_FOUND) {
		answer_absent(call);
	} else if (answer->error) {
		api_answer_error(call, answer->error);
	} else {
		char *body = hc_xalloc(answer->rows[0].length + 1);
		memcpy(body, answer->rows[0].json, answer->rows[0].length);
		api_answer_json(call, 200, body, answer->rows[0].length);
		if (!api_shape_whole(call->state)) {
			api_work(call, reshape);
			return;
		}
	}
	api_reply(call);
}

static void get(struct api_call *call)
{
	const struct api_route *route = &call->route;
	struct api_shape *shape = hc_arena_alloc(call->arena, sizeof(*shape));
	struct hc_error err = {0};

	if (api_shape_parse(http_request_header(call->request, "Accept"), &call->query, shape, &err)) {
		api_answer_fail(call, 400, "%s", err.text);
		api_reply(call);
		return;
	}
	shape->head = true;
	call->state = shape;
	store_stream_get(call->api->stream, route->kind->store_kind,
					 route->namespace_name ? route->namespace_name : "", route->name, got, call);
}

/* --- list --- */

struct list {
	struct api_filter filter;
	struct api_shape shape;
	struct api_continue place; /* name NULL: from the beginning */
	struct hc_text items;      /* joined by commas */
	/* for the filter: where each object ends in items */
	size_t *ends;
	size_t count;
	int64_t resource_version;
	const char *next; /* continue token, or NULL */
};

static void finish(struct api_call *call, struct list *list)
{
	struct hc_text body = {0};

	api_shape_open(&list->shape, call->route.kind, list->resource_version, list->next, &body);
	hc_text_append_bytes(&body, list->items.data ? list->items.data : "", list->items.length);
	api_shape_close(&body);
	size_t length = body.length;
	api_answer_json(call, 200, hc_text_take(&body), length);
	hc_text_done(&list->items);
	free(list->ends);
}

/* Pool thread: keeps what the selectors match, in the form that was asked for. */
static void filter(struct api_call *call, struct store *store)
{
	struct list *list = call->state;
	struct hc_text kept = {0};
	int64_t now_ms = hc_clock_wall_ms();
	size_t begin = 0;

	(void)store;
	for (size_t index = 0; index < list->count; index++) {
		size_t length = list->ends[index] - begin;
		json_t *object = json_loadb(list->items.data + begin, length, 0, NULL);
		const json_t *labels = json_object_get(json_object_get(object, "metadata"), "labels");
		if (api_selector_match_labels(&list->filter.labels, labels) &&
			api_selector_match_fields(&list->filter.fields, object)) {
			hc_text_append(&kept, kept.length ? "," : "");
			api_shape_item(&list->shape, call->route.kind, object, list->items.data + begin, length, now_ms,
						   &kept);
		}
		json_decref(object);
		begin = list->ends[index] + 1; /* the comma */
	}
	hc_text_done(&list->items);
	list->items = kept;
	finish(call, list);
}

static void take_rows(struct list *list, const struct store_answer *answer)
{
	list->ends = hc_xalloc((answer->row_count + 1) * sizeof(*list->ends));
	list->count = answer->row_count;
	for (size_t index = 0; index < answer->row_count; index++) {
		if (index)
			hc_text_append(&list->items, ",");
		hc_text_append_bytes(&list->items, answer->rows[index].json, answer->rows[index].length);
		list->ends[index] = list->items.length;
	}
}

static void listed(const struct store_answer *answer, void *payload)
{
	struct api_call *call = payload;
	struct list *list = call->state;

	if (answer->error) {
		api_answer_error(call, answer->error);
		api_reply(call);
		return;
	}
	list->resource_version = answer->resource_version;
	if (list->place.name) {
		if (list->place.resource_version < answer->oldest) {
			api_answer_fail(call, 410, "the continue token is too old: begin the list again");
			api_reply(call);
			return;
		}
		list->resource_version = list->place.resource_version;
	}
	take_rows(list, answer);
	if (answer->more && answer->row_count > 0) {
		const struct store_row *last = &answer->rows[answer->row_count - 1];
		list->next = api_continue_text(
			&(struct api_continue){list->resource_version, last->namespace_name, last->name}, call->arena);
	}
	if (list->filter.labels_complete && list->filter.fields_complete && api_shape_whole(&list->shape)) {
		finish(call, list);
		api_reply(call);
		return;
	}
	api_work(call, filter);
}

static int parse_list(struct api_call *call, struct list *list, int *ret_limit, struct hc_error *err)
{
	const char *token = http_query_get(&call->query, "continue");
	int64_t limit = 0;

	if (api_shape_parse(http_request_header(call->request, "Accept"), &call->query, &list->shape, err) ||
		api_filter_parse(&call->route, &call->query, call->arena, &list->filter, err) ||
		api_query_number(&call->query, "limit", 0, &limit, err))
		return -1;
	if (token && *token && api_continue_parse(token, call->arena, &list->place, err))
		return -1;
	*ret_limit = limit <= 0                   ? API_WHOLE_LIST_MAX
				 : limit > HC_LIMIT_LIST_PAGE ? HC_LIMIT_LIST_PAGE
											  : (int)limit;
	return 0;
}

static void read_list(struct api_call *call)
{
	struct list *list = hc_arena_alloc(call->arena, sizeof(*list));
	struct hc_error err = {0};
	int limit = 0;

	if (parse_list(call, list, &limit, &err)) {
		api_answer_fail(call, 400, "%s", err.text);
		api_reply(call);
		return;
	}
	call->state = list;
	struct store_list_options options = {.kind = call->route.kind->store_kind,
										 .namespace_name = list->filter.namespace_name,
										 .name = list->filter.name,
										 .after_namespace = list->place.namespace_name,
										 .after_name = list->place.name,
										 .limit = limit,
										 .labels = list->filter.labels_json};
	store_stream_list(call->api->stream, &options, listed, call);
}

void api_read(struct api_call *call)
{
	const struct api_route *route = &call->route;

	if (!route->name) {
		read_list(call);
	} else if (route->subresource == API_SCALE) {
		api_write(call); /* made out of the object, so it needs a thread that may parse */
	} else {
		get(call);
	}
}
