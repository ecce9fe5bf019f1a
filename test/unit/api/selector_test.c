/* Selectors against labels and fields, what the database is given of them, and continue tokens. */
#include "cmocka_all.h"

#include "api/api_list.h"
#include "base/text.h"
#include <string.h>

struct label_case {
	const char *selector;
	const char *labels;
	int expected; /* 1 match, 0 none, -1 refused */
};

static const struct label_case label_cases[] = {
	{"", "{}", 1},
	{"", NULL, 1},
	{"app=web", "{\"app\":\"web\"}", 1},
	{"app==web", "{\"app\":\"web\"}", 1},
	{"app = web", "{\"app\":\"web\"}", 1},
	{"app=web", "{\"app\":\"db\"}", 0},
	{"app=web", NULL, 0},
	{"app=", "{\"app\":\"\"}", 1},
	{"app!=web", "{\"app\":\"db\"}", 1},
	{"app!=web", "{}", 1},
	{"app!=web", "{\"app\":\"web\"}", 0},
	{"app in (x,web)", "{\"app\":\"web\"}", 1},
	{"app in (x, web),!foo", "{\"app\":\"web\"}", 1},
	{"app in (x,web),!foo", "{\"app\":\"web\",\"foo\":\"\"}", 0},
	{"app in (x)", "{}", 0},
	{"app notin (x,y)", "{\"app\":\"web\"}", 1},
	{"app notin (x,y)", "{}", 1},
	{"app notin (x,y)", "{\"app\":\"y\"}", 0},
	{"app", "{\"app\":\"\"}", 1},
	{"app", "{}", 0},
	{"!app", "{}", 1},
	{"index=1,inside", "{\"index\":\"1\",\"inside\":\"\"}", 1}, /* begin with "in" */
	{"example.org/app=a.b-c_D", "{\"example.org/app\":\"a.b-c_D\"}", 1},
	{"app=web,app=db", "{\"app\":\"web\"}", 0},
	{"app in web", "{}", -1},
	{"app in (web", "{}", -1},
	{"=web", "{}", -1},
	{"app=web,", "{}", -1},
	{"app=web tier=x", "{}", -1},
	{"app=\xc3\xbc", "{}", -1},
	{"!", "{}", -1},
};

static void matches_labels(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(label_cases); index++) {
		const struct label_case *it = &label_cases[index];
		HC_AUTO(hc_arena) arena = hc_arena_new();
		struct api_selector selector;
		struct hc_error err = {0};
		json_t *labels = it->labels ? json_loads(it->labels, 0, NULL) : NULL;
		int result = api_selector_parse_labels(it->selector, arena, &selector, &err);

		if (result == 0)
			result = api_selector_match_labels(&selector, labels);
		if (result != it->expected)
			fail_msg("%s against %s: %d %s", it->selector, it->labels, result, err.text);
		json_decref(labels);
	}
}

static void gives_equalities_to_the_database(void **state)
{
	static const struct {
		const char *selector;
		const char *json;
		bool complete;
	} cases[] = {
		{"", NULL, true},
		{"a=1,b=2", "{\"a\":\"1\",\"b\":\"2\"}", true},
		{"a=1,b", "{\"a\":\"1\"}", false},
		{"a in (1,2)", NULL, false},
		{"a=1,a=2", "{\"a\":\"1\"}", false},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(cases); index++) {
		HC_AUTO(hc_arena) arena = hc_arena_new();
		struct api_selector selector;
		struct hc_error err = {0};
		bool complete = false;

		assert_int_equal(api_selector_parse_labels(cases[index].selector, arena, &selector, &err), 0);
		const char *json = api_selector_equalities(&selector, arena, &complete);
		assert_true(hc_streq(json, cases[index].json));
		assert_int_equal(complete, cases[index].complete);
	}
}

static int parse_filter(const char *target, struct hc_arena *arena, struct api_filter *filter,
						struct hc_error *err)
{
	struct http_query query;
	struct api_route route;

	assert_int_equal(http_query_parse(target, arena, &query, err), 0);
	assert_int_equal(api_route_find("GET", &query, &route), 0);
	return api_filter_parse(&route, &query, arena, filter, err);
}

static void reads_field_selectors(void **state)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct api_filter filter;
	struct hc_error err = {0};

	(void)state;
	assert_int_equal(parse_filter("/apis/helvetia.cloud/v1/services?fieldSelector=metadata.name%3Dweb,"
								  "metadata.namespace%3Dshop",
								  arena, &filter, &err),
					 0);
	assert_string_equal(filter.name, "web");
	assert_string_equal(filter.namespace_name, "shop");
	assert_true(filter.fields_complete);
	/* Another namespace than that of the path matches nothing, so it is not taken for the path's. */
	assert_int_equal(
		parse_filter("/apis/helvetia.cloud/v1/namespaces/a/services?fieldSelector=metadata.namespace%3Db",
					 arena, &filter, &err),
		0);
	assert_string_equal(filter.namespace_name, "a");
	assert_false(filter.fields_complete);
	assert_int_equal(parse_filter("/api/v1/events?fieldSelector=involvedObject.kind%3DService,type!%3DNormal",
								  arena, &filter, &err),
					 0);
	json_t *event = json_loads("{\"involvedObject\":{\"kind\":\"Service\"},\"type\":\"Warning\"}", 0, NULL);
	assert_true(api_selector_match_fields(&filter.fields, event));
	json_object_set_new(event, "type", json_string("Normal"));
	assert_false(api_selector_match_fields(&filter.fields, event));
	json_decref(event);
	assert_int_equal(parse_filter("/api/v1/events?fieldSelector=spec.image%3Dx", arena, &filter, &err), -1);
	assert_string_equal(err.text, "field label not supported: spec.image");
	assert_int_equal(parse_filter("/api/v1/events?fieldSelector=type", arena, &filter, &err), -1);
}

static void continues(void **state)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct api_continue place;
	struct hc_error err = {0};
	static const char *const bad[] = {"zz", "00", "313a", "313a352f61", "313a352f61ff2f62"};

	(void)state;
	const char *text = api_continue_text(&(struct api_continue){77, "shop", "web"}, arena);
	assert_int_equal(api_continue_parse(text, arena, &place, &err), 0);
	assert_int_equal(place.resource_version, 77);
	assert_string_equal(place.namespace_name, "shop");
	assert_string_equal(place.name, "web");
	for (size_t index = 0; index < HC_COUNT(bad); index++)
		assert_int_equal(api_continue_parse(bad[index], arena, &place, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_labels),
		cmocka_unit_test(gives_equalities_to_the_database),
		cmocka_unit_test(reads_field_selectors),
		cmocka_unit_test(continues),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
