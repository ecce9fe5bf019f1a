/* See the header. Columns are read from the kind's definition each time: a few lookups against parsing the
 * object. */
#include "api_table.h"

#include "base/clock.h"
#include "schema/schema.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define COMMIT_SHOWN 7 /* characters of a commit id */
#define META_VERSION "meta.k8s.io/v1"

/* --- shapes --- */

int api_shape_parse(const char *accept, const struct http_query *query, struct api_shape *ret_shape,
					struct hc_error *err)
{
	static const char *const names[] = {"Metadata", "Object", "None"};
	const char *include = http_query_get(query, "includeObject");
	struct api_accept wanted;

	api_accept_parse(accept, &wanted);
	*ret_shape = (struct api_shape){.form = wanted.form};
	if (wanted.form == API_FORM_DISCOVERY)
		ret_shape->form = API_FORM_OBJECT;
	if (!include || !*include)
		return 0;
	for (size_t index = 0; index < HC_COUNT(names); index++) {
		if (hc_streq(include, names[index])) {
			ret_shape->include = (enum api_include)index;
			return 0;
		}
	}
	return hc_fail(err, HC_INVALID, "includeObject: \"%s\" is none of Metadata, Object, None", include);
}

size_t api_shape_number(const struct api_shape *shape)
{
	if (shape->form != API_FORM_TABLE)
		return shape->form == API_FORM_PARTIAL ? 1 : 0;
	return 2 + 2 * (size_t)shape->include + (shape->head ? 1 : 0);
}

bool api_shape_whole(const struct api_shape *shape)
{
	return shape->form == API_FORM_OBJECT;
}

/* --- paths --- */

/* From "[" of a list; *at goes behind "]". */
static const json_t *list_item(const json_t *list, const char **at, bool *valid)
{
	char key[64], value[64];
	int end = 0;
	int number = 0;

	if (sscanf(*at, "[%d]%n", &number, &end) == 1 && end > 0) {
		*at += end;
		return number >= 0 ? json_array_get(list, (size_t)number) : NULL;
	}
	end = 0;
	if (sscanf(*at, "[?(@.%63[A-Za-z0-9]==\"%63[^\"]\")]%n", key, value, &end) == 2 && end > 0) {
		const json_t *item;
		size_t index;
		*at += end;
		json_array_foreach(list, index, item)
		{
			if (hc_streq(json_string_value(json_object_get(item, key)), value))
				return item;
		}
		return NULL;
	}
	*valid = false;
	return NULL;
}

const json_t *api_table_value(const json_t *object, const char *path, bool *ret_valid)
{
	const char *at = path;

	*ret_valid = *path == '.';
	while (*at && *ret_valid) {
		if (*at == '[') {
			object = list_item(object, &at, ret_valid);
			continue;
		}
		size_t length = *at == '.' ? strcspn(at + 1, ".[") : 0;
		char name[64];
		if (length == 0 || length >= sizeof(name)) {
			*ret_valid = false;
			break;
		}
		memcpy(name, at + 1, length);
		name[length] = '\0';
		object = json_object_get(object, name);
		at += length + 1;
	}
	return *ret_valid ? object : NULL;
}

/* --- cells --- */

static void two_units(int64_t whole, char unit, int64_t rest, char rest_unit, struct hc_text *text)
{
	hc_text_printf(text, "%" PRId64 "%c", whole, unit);
	if (rest)
		hc_text_printf(text, "%" PRId64 "%c", rest, rest_unit);
}

void api_table_age(int64_t milliseconds, struct hc_text *text)
{
	int64_t seconds = milliseconds / 1000;
	int64_t minutes = seconds / 60, hours = seconds / 3600, days = hours / 24;

	if (seconds < -1)
		hc_text_append(text, "<invalid>");
	else if (seconds < 120)
		two_units(seconds < 0 ? 0 : seconds, 's', 0, 0, text);
	else if (minutes < 10)
		two_units(minutes, 'm', seconds % 60, 's', text);
	else if (hours < 3)
		two_units(minutes, 'm', 0, 0, text);
	else if (hours < 8)
		two_units(hours, 'h', minutes % 60, 'm', text);
	else if (hours < 48)
		two_units(hours, 'h', 0, 0, text);
	else if (days < 8)
		two_units(days, 'd', hours % 24, 'h', text);
	else if (days < 365 * 2)
		two_units(days, 'd', 0, 0, text);
	else if (days < 365 * 8)
		two_units(days / 365, 'y', days % 365, 'd', text);
	else
		two_units(days / 365, 'y', 0, 0, text);
}

static void append_age(const char *time, int64_t now_ms, struct hc_text *text)
{
	HC_AUTO_TEXT age = {0};
	int64_t then_ms = 0;

	if (hc_clock_parse(time, &then_ms))
		hc_text_append(&age, "<invalid>");
	else
		api_table_age(now_ms - then_ms, &age);
	hc_text_append_json_string(text, hc_text_string(&age));
}

static bool is_commit(const char *text)
{
	size_t length = strlen(text);

	return (length == 40 || length == 64) && strspn(text, "0123456789abcdef") == length;
}

/* An object that refers to another one: service/web. */
static void append_reference(const json_t *reference, struct hc_text *text)
{
	const char *kind = json_string_value(json_object_get(reference, "kind"));
	const char *name = json_string_value(json_object_get(reference, "name"));
	HC_AUTO_TEXT shown = {0};

	for (const char *at = kind ? kind : ""; *at; at++) {
		char lower = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
		hc_text_append_bytes(&shown, &lower, 1);
	}
	hc_text_printf(&shown, "/%s", name ? name : "");
	hc_text_append_json_string(text, hc_text_string(&shown));
}

static void append_cell(const json_t *value, const char *type, int64_t now_ms, struct hc_text *text)
{
	const char *string = json_string_value(value);

	if (!value || json_is_null(value)) {
		hc_text_append(text, hc_streq(type, "date") ? "\"<unknown>\"" : "null");
	} else if (hc_streq(type, "date")) {
		append_age(string ? string : "", now_ms, text);
	} else if (hc_streq(type, "integer") && !json_is_number(value)) {
		/* Of a list or object: how much is in it. */
		hc_text_printf(text, "%zu", json_is_array(value) ? json_array_size(value) : json_object_size(value));
	} else if (string && is_commit(string)) {
		hc_text_printf(text, "\"%.*s\"", COMMIT_SHOWN, string);
	} else if (string) {
		hc_text_append_json_string(text, string);
	} else if (json_object_get(value, "kind")) {
		append_reference(value, text);
	} else {
		char *dumped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		if (json_is_array(value) || json_is_object(value))
			hc_text_append_json_string(text, dumped);
		else
			hc_text_append(text, dumped);
		free(dumped);
	}
}

/* --- columns --- */

static const json_t *columns_of(const struct api_kind *kind)
{
	const struct schema_kind *schema = schema_kind_find(kind->api_version, kind->kind);
	const json_t *definition = schema ? schema_kind_definition(schema) : NULL;
	const json_t *version = json_array_get(json_object_get(json_object_get(definition, "spec"), "versions"),
										   0);

	return json_object_get(version, "additionalPrinterColumns");
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* The name comes first, unless the kind has a column of its own for it. */
static bool names_itself(const json_t *columns)
{
	const json_t *column;
	size_t index;

	json_array_foreach(columns, index, column)
	{
		if (hc_streq(text_of(column, "name"), "Name"))
			return true;
	}
	return false;
}

static void append_column(const char *name, const char *type, const char *format, const char *description,
						  int64_t priority, struct hc_text *text)
{
	hc_text_append(text, "{\"name\":");
	hc_text_append_json_string(text, name);
	hc_text_append(text, ",\"type\":");
	hc_text_append_json_string(text, type);
	hc_text_append(text, ",\"format\":");
	hc_text_append_json_string(text, format);
	hc_text_append(text, ",\"description\":");
	hc_text_append_json_string(text, description);
	hc_text_printf(text, ",\"priority\":%" PRId64 "}", priority);
}

static void append_columns(const struct api_kind *kind, struct hc_text *text)
{
	const json_t *columns = columns_of(kind);
	const json_t *column;
	bool first = names_itself(columns);
	size_t index;

	hc_text_append(text, "\"columnDefinitions\":[");
	if (!first)
		append_column("Name", "string", "name", "Name of the object.", 0, text);
	json_array_foreach(columns, index, column)
	{
		bool name = hc_streq(text_of(column, "name"), "Name");
		hc_text_append(text, first && index == 0 ? "" : ",");
		append_column(text_of(column, "name"), text_of(column, "type"), name ? "name" : "",
					  text_of(column, "description"), json_integer_value(json_object_get(column, "priority")),
					  text);
	}
	hc_text_append(text, "]");
}

/* --- rows --- */

static void append_partial(const json_t *object, struct hc_text *text)
{
	char *metadata = json_dumps(json_object_get(object, "metadata"), JSON_COMPACT);

	hc_text_printf(text,
				   "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"" META_VERSION "\",\"metadata\":%s}",
				   metadata ? metadata : "{}");
	free(metadata);
}

static void append_row(const struct api_shape *shape, const struct api_kind *kind, const json_t *object,
					   const char *json, size_t length, int64_t now_ms, struct hc_text *text)
{
	const json_t *columns = columns_of(kind);
	const json_t *column;
	bool first = names_itself(columns);
	size_t index;

	hc_text_append(text, "{\"cells\":[");
	if (!first)
		hc_text_append_json_string(text, text_of(json_object_get(object, "metadata"), "name"));
	json_array_foreach(columns, index, column)
	{
		bool valid;
		hc_text_append(text, first && index == 0 ? "" : ",");
		append_cell(api_table_value(object, text_of(column, "jsonPath"), &valid), text_of(column, "type"),
					now_ms, text);
	}
	hc_text_append(text, "]");
	if (shape->include != API_INCLUDE_NONE)
		hc_text_append(text, ",\"object\":");
	if (shape->include == API_INCLUDE_METADATA)
		append_partial(object, text);
	else if (shape->include == API_INCLUDE_OBJECT)
		hc_text_append_bytes(text, json, length);
	hc_text_append(text, "}");
}

/* --- whole answers --- */

void api_shape_open(const struct api_shape *shape, const struct api_kind *kind, int64_t resource_version,
					const char *resume, struct hc_text *text)
{
	if (shape->form == API_FORM_TABLE)
		hc_text_append(text, "{\"kind\":\"Table\",\"apiVersion\":\"" META_VERSION "\"");
	else if (shape->form == API_FORM_PARTIAL)
		hc_text_append(text, "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"" META_VERSION "\"");
	else
		hc_text_printf(text, "{\"kind\":\"%sList\",\"apiVersion\":\"%s\"", kind->kind, kind->api_version);
	hc_text_printf(text, ",\"metadata\":{\"resourceVersion\":\"%" PRId64 "\"", resource_version);
	if (resume)
		hc_text_printf(text, ",\"continue\":\"%s\"", resume);
	hc_text_append(text, "},");
	if (shape->form == API_FORM_TABLE)
		append_columns(kind, text);
	hc_text_append(text, shape->form == API_FORM_TABLE ? ",\"rows\":[" : "\"items\":[");
}

void api_shape_item(const struct api_shape *shape, const struct api_kind *kind, const json_t *object,
					const char *json, size_t length, int64_t now_ms, struct hc_text *text)
{
	if (shape->form == API_FORM_TABLE)
		append_row(shape, kind, object, json, length, now_ms, text);
	else if (shape->form == API_FORM_PARTIAL)
		append_partial(object, text);
	else
		hc_text_append_bytes(text, json, length);
}

void api_shape_close(struct hc_text *text)
{
	hc_text_append(text, "]}\n");
}

void api_shape_one(const struct api_shape *shape, const struct api_kind *kind, const json_t *object,
				   const char *json, size_t length, int64_t now_ms, struct hc_text *text)
{
	if (shape->form != API_FORM_TABLE) {
		api_shape_item(shape, kind, object, json, length, now_ms, text);
		return;
	}
	hc_text_printf(text,
				   "{\"kind\":\"Table\",\"apiVersion\":\"" META_VERSION
				   "\",\"metadata\":{\"resourceVersion\":\"%s\"},",
				   text_of(json_object_get(object, "metadata"), "resourceVersion"));
	if (shape->head) {
		append_columns(kind, text);
		hc_text_append(text, ",");
	}
	hc_text_append(text, "\"rows\":[");
	append_row(shape, kind, object, json, length, now_ms, text);
	hc_text_append(text, "]}");
}

void api_shape_bookmark(const struct api_shape *shape, const struct api_kind *kind, int64_t resource_version,
						bool initial_end, struct hc_text *text)
{
	bool table = shape->form == API_FORM_TABLE, partial = shape->form == API_FORM_PARTIAL;

	hc_text_printf(text,
				   "{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{\"resourceVersion\":\"%" PRId64
				   "\"%s}%s}",
				   table     ? "Table"
				   : partial ? "PartialObjectMetadata"
							 : kind->kind,
				   table || partial ? META_VERSION : kind->api_version, resource_version,
				   initial_end ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "",
				   table ? ",\"rows\":[]" : "");
}
