/* See the header. The controller answers on the loop; its JSON is read, selected and shaped on a pool thread.
 */
#include "api_pod.h"

#include "api_list.h"
#include "api_node.h"
#include "api_table.h"
#include "base/alloc.h"
#include "base/clock.h"
#include <stdlib.h>
#include <string.h>

struct pods {
	struct api_filter filter;
	struct api_shape shape;
	const char *text; /* of the controller, in the call's arena */
	size_t length;
};

bool api_pod_name_split(const char *name, struct hc_arena *arena, const char **ret_deployment,
						const char **ret_ordinal)
{
	const char *dash = strrchr(name, '-');

	/* It goes into a question to the controller as it is. */
	if (!dash || dash == name || !dash[1] ||
		strspn(dash + 1, "abcdefghijklmnopqrstuvwxyz0123456789") != strlen(dash + 1))
		return false;
	*ret_deployment = hc_arena_strndup(arena, name, (size_t)(dash - name));
	*ret_ordinal = hc_arena_strdup(arena, dash + 1);
	return true;
}

static bool wanted(const struct pods *pods, const json_t *pod)
{
	const json_t *metadata = json_object_get(pod, "metadata");
	const char *namespace_name = json_string_value(json_object_get(metadata, "namespace"));

	return (!pods->filter.namespace_name || hc_streq(namespace_name, pods->filter.namespace_name)) &&
		   api_selector_match_labels(&pods->filter.labels, json_object_get(metadata, "labels")) &&
		   api_selector_match_fields(&pods->filter.fields, pod);
}

static int by_name(const void *left, const void *right)
{
	static const char *const keys[] = {"namespace", "name"};
	int order = 0;

	for (size_t index = 0; index < HC_COUNT(keys) && order == 0; index++) {
		const json_t *first = json_object_get(*(json_t *const *)left, "metadata");
		const json_t *second = json_object_get(*(json_t *const *)right, "metadata");
		order = strcmp(json_string_value(json_object_get(first, keys[index])),
					   json_string_value(json_object_get(second, keys[index])));
	}
	return order;
}

static void answer_list(struct api_call *call, struct pods *pods, const json_t *items)
{
	struct hc_text body = {0};
	int64_t now_ms = hc_clock_wall_ms();
	size_t count = json_array_size(items);
	const json_t **sorted = hc_arena_alloc_array(call->arena, count + 1, sizeof(*sorted));

	for (size_t index = 0; index < count; index++)
		sorted[index] = json_array_get(items, index);
	qsort(sorted, count, sizeof(*sorted), by_name);
	api_shape_open(&pods->shape, call->route.kind, 0, NULL, &body);
	bool first = true;
	for (size_t index = 0; index < count; index++) {
		if (!wanted(pods, sorted[index]))
			continue;
		HC_AUTO_FREE text = json_dumps(sorted[index], JSON_COMPACT);
		hc_text_append(&body, first ? "" : ",");
		api_shape_item(&pods->shape, call->route.kind, sorted[index], text, strlen(text), now_ms, &body);
		first = false;
	}
	api_shape_close(&body);
	size_t length = body.length;
	api_answer_json(call, 200, hc_text_take(&body), length);
}

static void answer_one(struct api_call *call, struct pods *pods, const json_t *items)
{
	struct hc_text body = {0};
	HC_AUTO_TEXT message = {0};
	const json_t *pod = json_array_get(items, 0);

	if (!pod) {
		api_status_text_absent(call->route.kind, call->route.name, &message);
		api_answer_fail(call, 404, "%s", hc_text_string(&message));
		return;
	}
	HC_AUTO_FREE text = json_dumps(pod, JSON_COMPACT);
	pods->shape.head = true;
	api_shape_one(&pods->shape, call->route.kind, pod, text, strlen(text), hc_clock_wall_ms(), &body);
	size_t length = body.length;
	api_answer_json(call, 200, hc_text_take(&body), length);
}

/* Pool thread. */
static void shape(struct api_call *call, struct store *store)
{
	struct pods *pods = call->state;
	json_error_t problem;
	json_t *answer = json_loadb(pods->text, pods->length, 0, &problem);
	const json_t *items = json_object_get(answer, "items");

	(void)store;
	if (!json_is_array(items))
		api_answer_fail(call, 503, "the controller answers nonsense: %s", answer ? "no items" : problem.text);
	else if (call->route.name)
		answer_one(call, pods, items);
	else
		answer_list(call, pods, items);
	json_decref(answer);
}

static void answered(int status, const char *body, size_t length, const char *problem, void *payload)
{
	struct api_call *call = payload;
	struct pods *pods = call->state;

	if (status == 200) {
		pods->text = hc_arena_strndup(call->arena, body, length);
		pods->length = length;
		api_work(call, shape);
		return;
	}
	api_answer_fail(
		call, 503,
		"Pods can't be read now: the controller %s; it is started again by the platform, try later",
		problem ? problem : body);
	api_reply(call);
}

/* Names hold nothing that has to be escaped; one that does is no name of a Pod. */
static bool plain(const char *name)
{
	return !name || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == strlen(name);
}

void api_pods(struct api_call *call)
{
	const struct api_route *route = &call->route;
	struct pods *pods = hc_arena_alloc(call->arena, sizeof(*pods));
	struct hc_error err = {0};

	call->state = pods;
	if (api_shape_parse(http_request_header(call->request, "Accept"), &call->query, &pods->shape, &err) ||
		api_filter_parse(route, &call->query, call->arena, &pods->filter, &err)) {
		api_answer_fail(call, 400, "%s", err.text);
		api_reply(call);
		return;
	}
	const char *name = route->name ? route->name : pods->filter.name;
	const char *namespace_name = pods->filter.namespace_name;
	HC_AUTO_TEXT target = {0};
	hc_text_append(&target, "/pods?");
	if (namespace_name && plain(namespace_name))
		hc_text_printf(&target, "namespace=%s&", namespace_name);
	if (name && plain(name))
		hc_text_printf(&target, "name=%s", name);
	if (!plain(name) || !plain(namespace_name)) {
		static const char none[] = "{\"items\":[]}";
		answered(200, none, strlen(none), NULL, call);
		return;
	}
	api_node_ask(call->api, hc_text_string(&target), answered, call);
}
