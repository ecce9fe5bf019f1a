/* Which event a change is for whom. */
#include "cmocka_all.h"

#include "api/api_event.h"
#include <string.h>

struct event_case {
	const char *query; /* of a watch of services over all namespaces */
	const char *type;
	const char *labels;
	const char *before;
	const char *json;
	enum api_event expected;
};

#define WEB "{\"app\":\"web\"}"
#define DB "{\"app\":\"db\"}"
#define OBJECT "{\"metadata\":{\"name\":\"shop\"},\"status\":{\"phase\":\"ACTIVE\"}}"

static const struct event_case cases[] = {
	{"", "ADDED", WEB, NULL, OBJECT, API_EVENT_ADDED},
	{"", "MODIFIED", WEB, DB, OBJECT, API_EVENT_MODIFIED},
	{"", "DELETED", WEB, WEB, OBJECT, API_EVENT_DELETED},
	{"labelSelector=app%3Dweb", "ADDED", WEB, NULL, OBJECT, API_EVENT_ADDED},
	{"labelSelector=app%3Dweb", "ADDED", DB, NULL, OBJECT, API_EVENT_NONE},
	{"labelSelector=app%3Dweb", "MODIFIED", WEB, WEB, OBJECT, API_EVENT_MODIFIED},
	{"labelSelector=app%3Dweb", "MODIFIED", WEB, DB, OBJECT, API_EVENT_ADDED},
	{"labelSelector=app%3Dweb", "MODIFIED", DB, WEB, OBJECT, API_EVENT_DELETED},
	{"labelSelector=app%3Dweb", "MODIFIED", DB, DB, OBJECT, API_EVENT_NONE},
	{"labelSelector=app%3Dweb", "DELETED", WEB, WEB, OBJECT, API_EVENT_DELETED},
	{"labelSelector=app%3Dweb", "DELETED", DB, DB, OBJECT, API_EVENT_NONE},
	{"fieldSelector=metadata.name%3Dshop", "MODIFIED", "{}", "{}", OBJECT, API_EVENT_MODIFIED},
	{"fieldSelector=metadata.name%3Dother", "MODIFIED", "{}", "{}", OBJECT, API_EVENT_NONE},
	{"fieldSelector=metadata.name!%3Dshop", "ADDED", "{}", NULL, OBJECT, API_EVENT_NONE},
	{"fieldSelector=status.phase%3DACTIVE", "MODIFIED", "{}", "{}", OBJECT, API_EVENT_MODIFIED},
	{"fieldSelector=status.phase%3DIDLE", "MODIFIED", "{}", "{}", OBJECT, API_EVENT_DELETED},
	{"fieldSelector=status.phase%3DIDLE", "ADDED", "{}", NULL, OBJECT, API_EVENT_NONE},
	{"fieldSelector=metadata.namespace%3Da", "ADDED", "{}", NULL, OBJECT, API_EVENT_ADDED},
	{"fieldSelector=metadata.namespace%3Db", "ADDED", "{}", NULL, OBJECT, API_EVENT_NONE},
};

static void judges_changes(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(cases); index++) {
		const struct event_case *it = &cases[index];
		HC_AUTO(hc_arena) arena = hc_arena_new();
		struct http_query query;
		struct api_route route;
		struct api_filter filter;
		struct hc_error err = {0};
		struct store_row row = {.json = it->json,
								.length = strlen(it->json),
								.namespace_name = "a",
								.name = "shop",
								.type = it->type,
								.labels = it->labels,
								.labels_before = it->before,
								.kind = STORE_SERVICE};
		const char *target = hc_arena_printf(arena, "/apis/helvetia.cloud/v1/services?watch=1&%s", it->query);

		assert_int_equal(http_query_parse(target, arena, &query, &err), 0);
		assert_int_equal(api_route_find("GET", &query, &route), 0);
		assert_int_equal(api_filter_parse(&route, &query, arena, &filter, &err), 0);
		enum api_event event = api_event_of(&row, route.kind, &filter);
		if (event != it->expected)
			fail_msg("%s %s %s←%s: %d", it->query, it->type, it->labels, it->before ? it->before : "", event);
		row.kind = STORE_BUILD;
		assert_int_equal(api_event_of(&row, route.kind, &filter), API_EVENT_NONE);
	}
}

static void writes_lines(void **state)
{
	static const struct api_shape whole = {0};
	HC_AUTO_TEXT text = {0};

	(void)state;
	api_event_append(API_EVENT_ADDED, api_kind_of(STORE_SERVICE), &whole, "{\"a\":1}", 7, 0, &text);
	api_event_append_bookmark(api_kind_of(STORE_SERVICE), &whole, 12, false, &text);
	api_event_append_bookmark(api_kind_of(STORE_NAMESPACE), &whole, 13, true, &text);
	api_event_append_expired("old", &text);
	assert_string_equal(
		hc_text_string(&text),
		"{\"type\":\"ADDED\",\"object\":{\"a\":1}}\n"
		"{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Service\",\"apiVersion\":\"helvetia.cloud/"
		"v1\",\"metadata\":{"
		"\"resourceVersion\":\"12\"}}}\n"
		"{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Namespace\",\"apiVersion\":\"v1\",\"metadata\":{"
		"\"resourceVersion\":\"13\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n"
		"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"
		"\"status\":"
		"\"Failure\",\"message\":\"old\",\"reason\":\"Expired\",\"code\":410}}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges_changes),
		cmocka_unit_test(writes_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
