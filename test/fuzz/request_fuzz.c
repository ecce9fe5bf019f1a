/* What a request's first line holds: "METHOD TARGET\nlabels as JSON" through target, route, selectors,
 * continue token and numbers, and selectors against labels. Aborts when a continue token does not come back
 * as it was written, or when a route that was found is none of the table's. */
#include "fuzz.h"

#include "api/api_list.h"
#include "api/api_role.h"
#include "base/text.h"
#include "http/http_query.h"

#include <stdlib.h>
#include <string.h>

const char *const fuzz_words[] = {"GET ",
								  "POST ",
								  "DELETE ",
								  "PATCH ",
								  "/apis/helvetia.cloud/v1/namespaces/",
								  "/services",
								  "/api/v1/namespaces",
								  "/apply",
								  "labelSelector=",
								  "fieldSelector=",
								  "continue=",
								  "limit=",
								  "watch=true",
								  "resourceVersion=",
								  " in (",
								  " notin (",
								  "!=",
								  "%20in%20(",
								  "metadata.name=",
								  "metadata.namespace=",
								  "%2C",
								  "%3D",
								  "%00",
								  "%ff",
								  "&",
								  "?",
								  "/log",
								  "/scale",
								  "/status",
								  "\n{\"a\":\"b\"}",
								  NULL};

static void try_continue(const char *text, struct hc_arena *arena)
{
	struct api_continue place, again;
	struct hc_error err = {0};

	if (api_continue_parse(text, arena, &place, &err))
		return;
	char *written = api_continue_text(&place, arena);
	if (api_continue_parse(written, arena, &again, &err) ||
		again.resource_version != place.resource_version || !hc_streq(again.name, place.name) ||
		!hc_streq(again.namespace_name, place.namespace_name))
		abort();
}

static void try_filter(const struct api_route *route, const struct http_query *query, const json_t *labels,
					   struct hc_arena *arena)
{
	struct api_filter filter;
	struct hc_error err = {0};

	if (api_filter_parse(route, query, arena, &filter, &err))
		return;
	bool matches = api_selector_match_labels(&filter.labels, labels);
	/* What the database is asked alone must say the same. */
	if (filter.labels_complete && filter.labels_json) {
		json_t *wanted = json_loads(filter.labels_json, 0, NULL);
		const char *key;
		json_t *value;
		bool all = json_is_object(wanted);
		json_object_foreach(wanted, key, value) all = all && json_equal(json_object_get(labels, key), value);
		json_decref(wanted);
		if (all != matches)
			abort();
	}
	(void)api_selector_match_fields(&filter.fields, labels);
}

static void try_route(const char *method, const char *target, const json_t *labels, struct hc_arena *arena)
{
	static const char *const roles[] = {"admin", "developer", "viewer"};
	struct http_query query;
	struct api_route route;
	struct hc_error err = {0};
	int64_t number = 0;

	(void)api_route_body_limit(method, target, 1);
	if (http_query_parse(target, arena, &query, &err))
		return;
	if (api_query_number(&query, "limit", 0, &number, &err) == 0 && number < 0)
		abort();
	if (http_query_get(&query, "continue"))
		try_continue(http_query_get(&query, "continue"), arena);
	if (api_route_find(method, &query, &route))
		return;
	if (route.endpoint == API_OBJECTS && (!route.kind || !(route.verb & (API_READ | API_WRITE))))
		abort();
	for (size_t index = 0; index < HC_COUNT(roles); index++) {
		/* Nobody of a namespace gets at what has another's, or at what is over all. */
		struct api_identity identity = {
			.uid = "u", .name = "n", .role = roles[index], .namespace_name = "own"};
		if (route.endpoint == API_OBJECTS && route.kind->namespaced &&
			!hc_streq(route.namespace_name, "own") && api_role_may_route(&identity, &route))
			abort();
	}
	if (route.kind)
		try_filter(&route, &query, labels, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	char *line = hc_arena_strndup(arena, (const char *)data, size);
	size_t length = strlen(line); /* a NUL ends it */
	char *end = memchr(line, '\n', length);
	json_t *labels = end ? json_loads(end + 1, 0, NULL) : NULL;

	if (end)
		*end = '\0';
	char *blank = strchr(line, ' ');
	if (blank) {
		*blank = '\0';
		try_route(line, blank + 1, json_is_object(labels) ? labels : NULL, arena);
	}
	json_decref(labels);
	return 0;
}
