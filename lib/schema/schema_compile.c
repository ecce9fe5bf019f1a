/* From an OpenAPI v3 structural schema to a tree of nodes. Runs at start only, on our own files, so every
 * mistake is a BUG that names the place. A keyword that nobody here reads is refused: a rule that is written
 * but not kept is worse than none. */
#include "schema_internal.h"

#include "base/alloc.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *const keywords[] = {
	"additionalProperties",
	"default",
	"description",
	"enum",
	"format",
	"items",
	"maxItems",
	"maxLength",
	"maximum",
	"minItems",
	"minLength",
	"minimum",
	"nullable",
	"pattern",
	"properties",
	"required",
	"type",
	"x-kubernetes-int-or-string",
	"x-kubernetes-list-map-keys",
	"x-kubernetes-list-type",
	"x-kubernetes-map-type",
	"x-kubernetes-preserve-unknown-fields",
};

static bool keyword_known(const char *word)
{
	for (size_t i = 0; i < HC_COUNT(keywords); i++)
		if (strcmp(keywords[i], word) == 0)
			return true;
	return false;
}

/* The sentence of the description that begins with "Must", without the full stop: "must be a host name". */
static char *hint_of(const char *description)
{
	const char *start = description ? strstr(description, "Must ") : NULL;
	if (!start)
		return NULL;
	char *hint = hc_xstrdup(start);
	hint[0] = 'm';
	size_t length = strlen(hint);
	while (length > 0 && (isspace((unsigned char)hint[length - 1]) || hint[length - 1] == '.'))
		hint[--length] = '\0';
	return hint;
}

static int type_of(const char *text, enum schema_type *ret_type)
{
	static const struct {
		const char *text;
		enum schema_type type;
	} types[] = {
		{"object", SCHEMA_OBJECT},   {"array", SCHEMA_ARRAY},   {"string", SCHEMA_STRING},
		{"integer", SCHEMA_INTEGER}, {"number", SCHEMA_NUMBER}, {"boolean", SCHEMA_BOOLEAN},
	};
	for (size_t i = 0; i < HC_COUNT(types); i++) {
		if (strcmp(types[i].text, text) == 0) {
			*ret_type = types[i].type;
			return 0;
		}
	}
	return -1;
}

/* Texts of an array, borrowed from it; the array of pointers is the caller's. */
static int names_of(const json_t *array, const char ***ret_names, size_t *ret_count, struct hc_error *err)
{
	size_t count = json_array_size(array);
	const char **names = hc_xrealloc_array(NULL, count + 1, sizeof(*names));
	for (size_t i = 0; i < count; i++) {
		names[i] = json_string_value(json_array_get(array, i));
		if (!names[i]) {
			free(names);
			return hc_fail(err, HC_BUG, "a list of names holds something else");
		}
	}
	*ret_names = names;
	*ret_count = count;
	return 0;
}

static int64_t bound_of(const json_t *schema, const char *keyword, int64_t fallback)
{
	const json_t *value = json_object_get(schema, keyword);
	return json_is_integer(value) ? json_integer_value(value) : fallback;
}

static int compile_pattern(struct schema_node *node, const char *text, struct hc_error *err)
{
	int code = 0;
	PCRE2_SIZE offset = 0;
	/* As in the Kubernetes API server, "$" is the end of the text, never before a last newline. */
	node->pattern = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_DOLLAR_ENDONLY,
								  &code, &offset, NULL);
	node->pattern_text = text;
	if (!node->pattern)
		return hc_fail(err, HC_BUG, "pattern %s: error %d at %zu", text, code, (size_t)offset);
	return 0;
}

static int compile_format(struct schema_node *node, const char *text, struct hc_error *err)
{
	if (strcmp(text, "date-time") == 0)
		node->format = SCHEMA_FORMAT_DATE_TIME;
	else if (strcmp(text, "quantity") == 0)
		node->format = SCHEMA_FORMAT_QUANTITY;
	else
		return hc_fail(err, HC_BUG, "format %s is not known", text);
	return 0;
}

static int compile_scalars(struct schema_node *node, const json_t *schema, struct hc_error *err)
{
	const char *type = json_string_value(json_object_get(schema, "type"));
	node->int_or_string = json_is_true(json_object_get(schema, "x-kubernetes-int-or-string"));
	node->preserve_unknown = json_is_true(json_object_get(schema, "x-kubernetes-preserve-unknown-fields"));
	node->nullable = json_is_true(json_object_get(schema, "nullable"));
	if (type && type_of(type, &node->type) < 0)
		return hc_fail(err, HC_BUG, "type %s is not known", type);
	if (!type && !node->int_or_string && !node->preserve_unknown)
		return hc_fail(err, HC_BUG, "type is missing");
	node->minimum = bound_of(schema, "minimum", INT64_MIN);
	node->maximum = bound_of(schema, "maximum", INT64_MAX);
	node->length_min = bound_of(schema, "minLength", -1);
	node->length_max = bound_of(schema, "maxLength", -1);
	node->items_min = bound_of(schema, "minItems", -1);
	node->items_max = bound_of(schema, "maxItems", -1);
	node->default_value = json_object_get(schema, "default");
	node->enum_values = json_object_get(schema, "enum");
	node->hint = hint_of(json_string_value(json_object_get(schema, "description")));
	const char *map_type = json_string_value(json_object_get(schema, "x-kubernetes-map-type"));
	node->atomic_map = map_type && strcmp(map_type, "atomic") == 0;

	const char *pattern = json_string_value(json_object_get(schema, "pattern"));
	if (pattern && compile_pattern(node, pattern, err) < 0)
		return -1;
	const char *format = json_string_value(json_object_get(schema, "format"));
	return format ? compile_format(node, format, err) : 0;
}

static int property_compare(const void *left, const void *right)
{
	return strcmp(((const struct schema_property *)left)->name,
				  ((const struct schema_property *)right)->name);
}

static int compile_object(struct schema_node *node, const json_t *schema, struct hc_error *err)
{
	json_t *properties = json_object_get(schema, "properties");
	node->properties = hc_xrealloc_array(NULL, json_object_size(properties) + 1, sizeof(*node->properties));
	const char *name = NULL;
	json_t *value = NULL;
	json_object_foreach(properties, name, value)
	{
		struct schema_node *child = NULL;
		if (schema_compile(value, &child, err) < 0)
			return hc_wrap(err, "%s", name);
		node->properties[node->property_count++] = (struct schema_property){.name = name, .node = child};
	}
	qsort(node->properties, node->property_count, sizeof(*node->properties), property_compare);

	json_t *additional = json_object_get(schema, "additionalProperties");
	if (additional && schema_compile(additional, &node->additional, err) < 0)
		return hc_wrap(err, "additionalProperties");
	if (names_of(json_object_get(schema, "required"), &node->required, &node->required_count, err) < 0)
		return hc_wrap(err, "required");
	for (size_t i = 0; i < node->required_count; i++)
		if (!schema_node_property(node, node->required[i]))
			return hc_fail(err, HC_BUG, "required names %s, which is no property", node->required[i]);
	return 0;
}

static int compile_array(struct schema_node *node, const json_t *schema, struct hc_error *err)
{
	if (schema_compile(json_object_get(schema, "items"), &node->items, err) < 0)
		return hc_wrap(err, "items");
	const char *list_type = json_string_value(json_object_get(schema, "x-kubernetes-list-type"));
	if (!list_type || strcmp(list_type, "atomic") == 0)
		node->list_type = SCHEMA_LIST_ATOMIC;
	else if (strcmp(list_type, "set") == 0)
		node->list_type = SCHEMA_LIST_SET;
	else if (strcmp(list_type, "map") == 0)
		node->list_type = SCHEMA_LIST_MAP;
	else
		return hc_fail(err, HC_BUG, "list type %s is not known", list_type);
	const json_t *keys = json_object_get(schema, "x-kubernetes-list-map-keys");
	if (names_of(keys, &node->keys, &node->key_count, err) < 0)
		return hc_wrap(err, "x-kubernetes-list-map-keys");
	if ((node->list_type == SCHEMA_LIST_MAP) != (node->key_count > 0))
		return hc_fail(err, HC_BUG, "keys go with list type map, and it needs some");
	for (size_t i = 0; i < node->key_count; i++)
		if (!schema_node_property(node->items, node->keys[i]))
			return hc_fail(err, HC_BUG, "key %s is no property of the items", node->keys[i]);
	return 0;
}

int schema_compile(const json_t *schema, struct schema_node **ret_node, struct hc_error *err)
{
	if (!json_is_object(schema))
		return hc_fail(err, HC_BUG, "a schema must be an object");
	const char *word = NULL;
	json_t *unused = NULL;
	json_object_foreach((json_t *)schema, word, unused)
	{
		if (!keyword_known(word))
			return hc_fail(err, HC_BUG, "keyword %s is not read by anybody", word);
	}

	struct schema_node *node = hc_xalloc(sizeof(*node));
	int result = compile_scalars(node, schema, err);
	if (result == 0 && node->type == SCHEMA_OBJECT)
		result = compile_object(node, schema, err);
	if (result == 0 && node->type == SCHEMA_ARRAY)
		result = compile_array(node, schema, err);
	if (result < 0) {
		schema_node_free(node);
		return -1;
	}
	*ret_node = node;
	return 0;
}

void schema_node_free(struct schema_node *node)
{
	if (!node)
		return;
	for (size_t i = 0; i < node->property_count; i++)
		schema_node_free(node->properties[i].node);
	free(node->properties);
	schema_node_free(node->additional);
	schema_node_free(node->items);
	free(node->required);
	free(node->keys);
	pcre2_code_free(node->pattern);
	free(node->hint);
	free(node);
}

const struct schema_node *schema_node_property(const struct schema_node *node, const char *name)
{
	if (!node)
		return NULL;
	struct schema_property wanted = {.name = name};
	const struct schema_property *found = !node->property_count
											  ? NULL /* bsearch() wants an array, also of nothing */
											  : bsearch(&wanted, node->properties, node->property_count,
														sizeof(wanted), property_compare);
	return found ? found->node : node->additional;
}
