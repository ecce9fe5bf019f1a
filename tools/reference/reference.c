/* docs/reference/ out of crd-like-schemas/: a page a kind, a row a field. `FOLDER` writes the pages; `--check
 * FOLDER` fails when one of them isn't what would be written. */
#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "schema/schema.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_BYTES_MAX (1U << 20)
#define GROUP "helvetia.cloud"

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void append_value(const json_t *value, struct hc_text *text)
{
	HC_AUTO_FREE dumped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	hc_text_printf(text, "`%s`", json_is_string(value) ? json_string_value(value) : dumped);
}

/* --- a row: path, type and bounds, description --- */

static void append_bounds(const json_t *schema, struct hc_text *text)
{
	static const struct {
		const char *key;
		const char *words;
	} bounds[] = {
		{"minimum", ", at least "},           {"maximum", ", at most "},
		{"minLength", ", not shorter than "}, {"maxLength", ", not longer than "},
		{"minItems", ", items at least "},    {"maxItems", ", items at most "},
	};
	const json_t *choices = json_object_get(schema, "enum");
	const json_t *choice;
	size_t index;

	json_array_foreach(choices, index, choice)
	{
		hc_text_append(text, index ? ", " : ": ");
		append_value(choice, text);
	}
	for (index = 0; index < HC_COUNT(bounds); index++) {
		const json_t *bound = json_object_get(schema, bounds[index].key);
		if (bound)
			hc_text_printf(text, "%s%" JSON_INTEGER_FORMAT, bounds[index].words, json_integer_value(bound));
	}
	const json_t *other = json_object_get(schema, "default");
	if (other && !json_is_object(other)) {
		hc_text_append(text, "; default ");
		append_value(other, text);
	}
}

static void append_type(const json_t *schema, struct hc_text *text)
{
	const char *type = text_of(schema, "type");
	const char *list = text_of(schema, "x-kubernetes-list-type");
	const char *format = text_of(schema, "format");

	hc_text_append(text, *type ? type : "integer or string");
	if (strcmp(list, "map") == 0)
		hc_text_printf(
			text, " by %s",
			json_string_value(json_array_get(json_object_get(schema, "x-kubernetes-list-map-keys"), 0)));
	else if (strcmp(list, "set") == 0)
		hc_text_append(text, " as a set");
	if (*format)
		hc_text_printf(text, " (%s)", format);
}

static void append_row(const char *path, const json_t *schema, bool required, struct hc_text *text)
{
	hc_text_printf(text, "| `%s` | ", path);
	append_type(schema, text);
	append_bounds(schema, text);
	hc_text_append(text, required ? "; required | " : " | ");
	/* A bar ends a cell of a table. */
	for (const char *at = text_of(schema, "description"); *at; at++) {
		hc_text_append(text, *at == '|' ? "\\" : "");
		hc_text_append_bytes(text, at, 1);
	}
	hc_text_append(text, " |\n");
}

static bool is_required(const json_t *schema, const char *name)
{
	const json_t *item;
	size_t index;

	json_array_foreach(json_object_get(schema, "required"), index, item)
	{
		if (hc_streq(json_string_value(item), name))
			return true;
	}
	return false;
}

/* Depth is that of our own files. */
static void append_members(const char *path, const json_t *schema, struct hc_text *text)
{
	const json_t *holder = schema;
	const char *name;
	json_t *member;
	HC_AUTO_FREE inside = NULL;

	if (json_object_get(schema, "items")) {
		holder = json_object_get(schema, "items");
		inside = hc_xprintf("%s[]", path);
	}
	json_object_foreach(json_object_get(holder, "properties"), name, member)
	{
		HC_AUTO_FREE below = hc_xprintf("%s.%s", inside ? inside : path, name);
		append_row(below, member, is_required(holder, name), text);
		append_members(below, member, text);
	}
}

/* --- a page --- */

static char *page_of(const struct schema_kind *kind)
{
	const json_t *spec = json_object_get(schema_kind_definition(kind), "spec");
	const json_t *schema = schema_kind_openapi(kind);
	const json_t *properties = json_object_get(schema, "properties");
	static const char *const parts[] = {"spec", "status"};
	struct hc_text text = {0};

	hc_text_printf(&text,
				   "# %s\n\n%s\n\n`%s`, `%s`, %s. Written from `crd-like-schemas/`; `kubectl explain %s` "
				   "says the same.\n",
				   schema_kind_name(kind), text_of(schema, "description"), schema_kind_api_version(kind),
				   schema_kind_plural(kind),
				   schema_kind_namespaced(kind) ? "in a namespace" : "of the whole platform",
				   text_of(json_object_get(spec, "names"), "singular"));
	for (size_t index = 0; index < HC_COUNT(parts); index++) {
		const json_t *part = json_object_get(properties, parts[index]);
		if (!part)
			continue;
		hc_text_printf(&text, "\n## %s\n\n%s\n\n| field | | what |\n|---|---|---|\n", parts[index],
					   text_of(part, "description"));
		append_members(parts[index], part, &text);
	}
	return hc_text_take(&text);
}

static int put(const char *path, const char *page, bool check)
{
	HC_AUTO_FREE there = NULL;
	struct hc_error err = {0};
	size_t length = 0;

	if (!check) {
		FILE *file = fopen(path, "w");
		bool written = file && fputs(page, file) >= 0;
		if (file && fclose(file))
			written = false;
		if (!written)
			fprintf(stderr, "%s: can't be written\n", path);
		return written ? 0 : 1;
	}
	if (hc_file_read(path, PAGE_BYTES_MAX, &there, &length, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	if (strcmp(there, page) == 0)
		return 0;
	fprintf(stderr, "%s is not what crd-like-schemas/ says: run the program `reference` on its folder\n",
			path);
	return 1;
}

int main(int argc, char **argv)
{
	bool check = argc == 3 && strcmp(argv[1], "--check") == 0;
	struct hc_error err = {0};
	int failures = 0;

	if (argc != 2 && !check) {
		fprintf(stderr, "usage: reference [--check] FOLDER\n");
		return 2;
	}
	if (schema_load(&err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	for (size_t index = 0; schema_kind_at(index); index++) {
		const struct schema_kind *kind = schema_kind_at(index);
		if (!hc_starts_with(schema_kind_api_version(kind), GROUP "/"))
			continue;
		HC_AUTO_FREE page = page_of(kind);
		HC_AUTO_FREE path = hc_xprintf("%s/%s.md", argv[argc - 1], schema_kind_plural(kind));
		failures += put(path, page, check);
	}
	schema_unload();
	return failures ? 1 : 0;
}
