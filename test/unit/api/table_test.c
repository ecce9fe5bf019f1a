/* Rows and columns of kinds, ages, paths, and the forms of an answer. */
#include "cmocka_all.h"

#include "api/api_table.h"
#include "base/limits.h"
#include "schema/schema.h"
#include <stdlib.h>
#include <string.h>

#define SECOND 1000LL
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define TABLE "application/json;as=Table;v=v1;g=meta.k8s.io"

static const struct {
	int64_t milliseconds;
	const char *text;
} ages[] = {
	{-5 * SECOND, "<invalid>"},
	{-SECOND, "0s"},
	{0, "0s"},
	{119 * SECOND, "119s"},
	{120 * SECOND, "2m"},
	{121 * SECOND, "2m1s"},
	{10 * MINUTE - SECOND, "9m59s"},
	{10 * MINUTE + SECOND, "10m"},
	{3 * HOUR - SECOND, "179m"},
	{3 * HOUR, "3h"},
	{3 * HOUR + 10 * MINUTE, "3h10m"},
	{8 * HOUR + MINUTE, "8h"},
	{47 * HOUR, "47h"},
	{2 * DAY, "2d"},
	{2 * DAY + HOUR, "2d1h"},
	{8 * DAY + HOUR, "8d"},
	{729 * DAY, "729d"},
	{730 * DAY, "2y"},
	{731 * DAY, "2y1d"},
	{8 * 365 * DAY + DAY, "8y"},
};

static void ages_are_kubernetes(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(ages); index++) {
		HC_AUTO_TEXT text = {0};
		api_table_age(ages[index].milliseconds, &text);
		assert_string_equal(hc_text_string(&text), ages[index].text);
	}
}

static const struct {
	const char *path;
	const char *value; /* "none", or "broken" for a path that isn't one */
} paths[] = {
	{".a.b", "1"},
	{".a", "{\"b\":1}"},
	{".list[1].x", "2"},
	{".list[7].x", "none"},
	{".list[?(@.type==\"Ready\")].x", "3"},
	{".list[?(@.type==\"Other\")].x", "none"},
	{".nothing.below", "none"},
	{".a.b.c", "none"},
	{"a.b", "broken"},
	{"", "broken"},
	{".", "broken"},
	{".a..b", "broken"},
	{".list[", "broken"},
	{".list[*].x", "broken"},
	{".list[-1].x", "none"},
	{".list[?(@.type=Ready)]", "broken"},
};

static void paths_are_followed(void **state)
{
	json_t *object = json_loads(
		"{\"a\":{\"b\":1},\"list\":[{\"x\":0},{\"x\":2},{\"x\":3,\"type\":\"Ready\"}]}", 0, NULL);

	(void)state;
	for (size_t index = 0; index < HC_COUNT(paths); index++) {
		bool valid;
		const json_t *value = api_table_value(object, paths[index].path, &valid);
		char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
		const char *told = !valid ? "broken" : text ? text : "none";
		if (strcmp(told, paths[index].value) != 0)
			fail_msg("%s: %s instead of %s", paths[index].path, told, paths[index].value);
		free(text);
	}
	json_decref(object);
}

/* Every column of every kind that is served can be read. */
static void columns_have_paths(void **state)
{
	json_t *object = json_object();
	size_t count = 0;

	(void)state;
	for (size_t index = 0; schema_kind_at(index); index++) {
		const json_t *definition = schema_kind_definition(schema_kind_at(index));
		const json_t *version = json_array_get(
			json_object_get(json_object_get(definition, "spec"), "versions"), 0);
		const json_t *column;
		size_t number;
		json_array_foreach(json_object_get(version, "additionalPrinterColumns"), number, column)
		{
			bool valid = false;
			api_table_value(object, json_string_value(json_object_get(column, "jsonPath")), &valid);
			if (!valid)
				fail_msg("%s: column %zu", schema_kind_name(schema_kind_at(index)), number);
			count++;
		}
	}
	assert_true(count > 20);
	json_decref(object);
}

static struct api_shape shape_of(const char *accept, const char *target)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct http_query query;
	struct api_shape shape;
	struct hc_error err = {0};

	assert_int_equal(http_query_parse(target, arena, &query, &err), 0);
	assert_int_equal(api_shape_parse(accept, &query, &shape, &err), 0);
	return shape;
}

static const char service[] =
	"{\"apiVersion\":\"helvetia.cloud/"
	"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"web\",\"resourceVersion\":"
	"\"7\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\"},\"spec\":{\"commit\":"
	"\"0123456789012345678901234567890123456789\"},\"status\":{\"phase\":\"ACTIVE\",\"url\":\"https://x\","
	"\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}";
#define NEW_YEAR_2026 1767225600000LL

static void services_have_rows(void **state)
{
	struct api_shape shape = shape_of(TABLE, "/x?includeObject=None");
	const struct api_kind *kind = api_kind_of(STORE_SERVICE);
	json_t *object = json_loads(service, 0, NULL);
	HC_AUTO_TEXT text = {0};

	(void)state;
	api_shape_open(&shape, kind, 9, "abc", &text);
	api_shape_item(&shape, kind, object, service, strlen(service), NEW_YEAR_2026 + 5 * MINUTE, &text);
	api_shape_close(&text);
	json_t *table = json_loads(hc_text_string(&text), JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(table);
	json_t *columns = json_object_get(table, "columnDefinitions");
	json_t *row = json_array_get(json_object_get(table, "rows"), 0);
	assert_int_equal(json_array_size(columns), json_array_size(json_object_get(row, "cells")));
	char *cells = json_dumps(json_object_get(row, "cells"), JSON_COMPACT);
	assert_string_equal(cells,
						"[\"web\",\"https://x\",\"ACTIVE\",\"0123456\",\"True\",\"5m\",null,null,null,null,"
						"null]");
	assert_null(json_object_get(row, "object"));
	free(cells);
	json_decref(table);
	json_decref(object);
}

static void events_name_their_object(void **state)
{
	static const char event[] =
		"{\"metadata\":{\"name\":\"web.1\"},\"type\":\"Normal\",\"reason\":\"Started\",\"message\":\"m\","
		"\"lastTimestamp\":\"2026-01-01T00:00:00Z\",\"count\":2,"
		"\"involvedObject\":{\"kind\":\"Service\",\"name\":\"web\"}}";
	struct api_shape shape = shape_of(TABLE, "/x?includeObject=Metadata");
	json_t *object = json_loads(event, 0, NULL);
	HC_AUTO_TEXT text = {0};

	(void)state;
	api_shape_item(&shape, api_kind_of(STORE_EVENT), object, event, strlen(event), NEW_YEAR_2026, &text);
	assert_string_equal(
		hc_text_string(&text),
		"{\"cells\":[\"0s\",\"Normal\",\"Started\",\"service/web\",\"m\",2,\"web.1\"],\"object\":{"
		"\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{"
		"\"name\":\"web.1\"}}}");
	json_decref(object);
}

/* Number → beginning of what an object that stands alone looks like. */
static void shapes_differ(void **state)
{
	static const struct {
		const char *accept;
		const char *target;
		const char *begins;
	} rows[] = {
		{NULL, "/x", "{\"apiVersion\":"},
		{"application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", "/x",
		 "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/"
		 "v1\",\"metadata\":{\"name\":\"web\""},
		{TABLE, "/x?includeObject=Metadata", "{\"kind\":\"Table\""},
		{TABLE, "/x?includeObject=Object", "{\"kind\":\"Table\""},
		{TABLE, "/x?includeObject=None", "{\"kind\":\"Table\""},
	};
	json_t *object = json_loads(service, 0, NULL);
	unsigned seen = 0;

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		HC_AUTO_TEXT text = {0};
		struct api_shape shape = shape_of(rows[index].accept, rows[index].target);
		for (int head = 0; head < 2; head++) {
			shape.head = head;
			assert_true(api_shape_number(&shape) < API_SHAPE_COUNT);
			seen |= 1U << api_shape_number(&shape);
		}
		api_shape_one(&shape, api_kind_of(STORE_SERVICE), object, service, strlen(service), 0, &text);
		assert_true(hc_starts_with(hc_text_string(&text), rows[index].begins));
	}
	assert_int_equal(seen, (1U << API_SHAPE_COUNT) - 1);
	json_decref(object);
}

static void refuses_unknown_includes(void **state)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct http_query query;
	struct api_shape shape;
	struct hc_error err = {0};

	(void)state;
	assert_int_equal(http_query_parse("/x?includeObject=Some", arena, &query, &err), 0);
	assert_int_equal(api_shape_parse(TABLE, &query, &shape, &err), -1);
	assert_non_null(strstr(err.text, "includeObject"));
}

static int load(void **state)
{
	struct hc_error err = {0};

	(void)state;
	return schema_load(&err);
}

static int unload(void **state)
{
	(void)state;
	schema_unload();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ages_are_kubernetes),      cmocka_unit_test(paths_are_followed),
		cmocka_unit_test(columns_have_paths),       cmocka_unit_test(services_have_rows),
		cmocka_unit_test(events_name_their_object), cmocka_unit_test(shapes_differ),
		cmocka_unit_test(refuses_unknown_includes),
	};
	return cmocka_run_group_tests(tests, load, unload);
}
