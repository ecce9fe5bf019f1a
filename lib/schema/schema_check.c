/* The structural check: a value beside its node. Recursion follows the schema, never the input alone: where
 * no node is, nothing is looked at. Every broken rule is one cause, all of them are reported. A null member
 * counts as absent, as in Kubernetes, unless its node is nullable. */
#include "schema_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PATTERN_MATCH_LIMIT 100000 /* steps of pcre2; our patterns need a few per character */

struct check {
	struct hc_text path;
	enum schema_unknown policy;
	struct schema_causes *causes;
	struct schema_causes *unknown;
};

static void check_value(struct check *check, const struct schema_node *node, json_t *value);

static const char *type_words(const struct schema_node *node)
{
	if (node->int_or_string)
		return "a whole number or text";
	switch (node->type) {
	case SCHEMA_ANY:
		return "anything";
	case SCHEMA_OBJECT:
		return "a mapping";
	case SCHEMA_ARRAY:
		return "a list";
	case SCHEMA_STRING:
		return "text";
	case SCHEMA_INTEGER:
		return "a whole number";
	case SCHEMA_NUMBER:
		return "a number";
	case SCHEMA_BOOLEAN:
		return "true or false";
	}
	return "";
}

static const char *value_words(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "a mapping";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "text";
	case JSON_INTEGER:
		return "a whole number";
	case JSON_REAL:
		return "a number with a fraction";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	case JSON_NULL:
		return "null";
	}
	return "";
}

static bool type_fits(const struct schema_node *node, const json_t *value)
{
	if (node->int_or_string)
		return json_is_integer(value) || json_is_string(value);
	switch (node->type) {
	case SCHEMA_ANY:
		return true;
	case SCHEMA_OBJECT:
		return json_is_object(value);
	case SCHEMA_ARRAY:
		return json_is_array(value);
	case SCHEMA_STRING:
		return json_is_string(value);
	case SCHEMA_INTEGER:
		return json_is_integer(value);
	case SCHEMA_NUMBER:
		return json_is_number(value);
	case SCHEMA_BOOLEAN:
		return json_is_boolean(value);
	}
	return false;
}

/* What most often is the matter: quotes. */
static const char *type_hint(const struct schema_node *node, const json_t *value)
{
	if ((node->type == SCHEMA_STRING || node->int_or_string) &&
		(json_is_number(value) || json_is_boolean(value)))
		return "; put it in quotes";
	if ((node->type == SCHEMA_INTEGER || node->type == SCHEMA_BOOLEAN) && json_is_string(value))
		return "; write it without quotes";
	return "";
}

static void fail_type(struct check *check, const struct schema_node *node, const json_t *value)
{
	HC_AUTO_TEXT shown = {0};
	schema_value_text(value, &shown);
	schema_causes_add(check->causes, hc_text_string(&check->path), "FieldValueTypeInvalid",
					  "Invalid value: %s: must be %s, not %s%s", hc_text_string(&shown), type_words(node),
					  value_words(value), type_hint(node, value));
}

static int64_t characters_of(const char *text)
{
	int64_t count = 0;
	for (; *text; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

static bool pattern_matches(const pcre2_code *pattern, const char *text)
{
	pcre2_match_data *data = pcre2_match_data_create_from_pattern(pattern, NULL);
	pcre2_match_context *context = pcre2_match_context_create(NULL);
	if (!data || !context)
		abort(); /* out of memory, as in hc_xalloc */
	pcre2_set_match_limit(context, PATTERN_MATCH_LIMIT);
	int result = pcre2_match(pattern, (PCRE2_SPTR)text, strlen(text), 0, 0, data, context);
	pcre2_match_context_free(context);
	pcre2_match_data_free(data);
	return result >= 0;
}

static void check_string(struct check *check, const struct schema_node *node, const json_t *value)
{
	const char *text = json_string_value(value);
	const char *path = hc_text_string(&check->path);
	int64_t length = characters_of(text);
	if (node->length_max >= 0 && length > node->length_max)
		schema_causes_add(check->causes, path, "FieldValueTooLong",
						  "Too long: must have at most %lld characters, has %lld",
						  (long long)node->length_max, (long long)length);
	else if (length == 0 && node->length_min > 0)
		schema_causes_invalid(check->causes, path, value, "must not be empty");
	else if (length < node->length_min)
		schema_causes_invalid(check->causes, path, value, "must have at least %lld characters",
							  (long long)node->length_min);
	else if (node->pattern && !pattern_matches(node->pattern, text) && node->hint)
		schema_causes_invalid(check->causes, path, value, "%s", node->hint);
	else if (node->pattern && !pattern_matches(node->pattern, text))
		schema_causes_invalid(check->causes, path, value, "must match %s", node->pattern_text);
}

static void check_format(struct check *check, const struct schema_node *node, const json_t *value)
{
	const char *path = hc_text_string(&check->path);
	int64_t unused = 0;
	switch (node->format) {
	case SCHEMA_FORMAT_NONE:
		break;
	case SCHEMA_FORMAT_DATE_TIME:
		if (json_is_string(value) && hc_clock_parse(json_string_value(value), &unused) < 0)
			schema_causes_invalid(check->causes, path, value, "%s",
								  node->hint ? node->hint : "must be a time such as 2030-01-31T12:00:00Z");
		break;
	case SCHEMA_FORMAT_QUANTITY:
		if (schema_quantity_parse(value, 1000, &unused) < 0)
			schema_causes_invalid(check->causes, path, value, "%s",
								  node->hint ? node->hint : "must be a quantity such as 512Mi or 500m");
		break;
	}
}

static void check_integer(struct check *check, const struct schema_node *node, const json_t *value)
{
	json_int_t number = json_integer_value(value);
	const char *path = hc_text_string(&check->path);
	if (number >= node->minimum && number <= node->maximum)
		return;
	if (node->maximum == INT64_MAX)
		schema_causes_invalid(check->causes, path, value, "must be at least %lld", (long long)node->minimum);
	else if (node->minimum == INT64_MIN)
		schema_causes_invalid(check->causes, path, value, "must be at most %lld", (long long)node->maximum);
	else
		schema_causes_invalid(check->causes, path, value, "must be between %lld and %lld",
							  (long long)node->minimum, (long long)node->maximum);
}

static void check_enum(struct check *check, const struct schema_node *node, const json_t *value)
{
	HC_AUTO_TEXT words = {0};
	HC_AUTO_TEXT shown = {0};
	for (size_t i = 0; i < json_array_size(node->enum_values); i++) {
		const json_t *allowed = json_array_get(node->enum_values, i);
		if (json_equal(allowed, value))
			return;
		hc_text_append(&words, i ? ", " : "");
		schema_value_text(allowed, &words);
	}
	schema_value_text(value, &shown);
	schema_causes_add(check->causes, hc_text_string(&check->path), "FieldValueNotSupported",
					  "Unsupported value: %s: supported values: %s", hc_text_string(&shown),
					  hc_text_string(&words));
}

/* Small edit distance: the same text but for one character inserted, removed, changed or swapped with its
 * neighbour. */
static bool nearly_equal(const char *left, const char *right)
{
	while (*left && *left == *right) {
		left++;
		right++;
	}
	if (strcasecmp(left, right) == 0 || (*left && strcmp(left + 1, right) == 0) ||
		(*right && strcmp(left, right + 1) == 0))
		return true;
	if (!*left || !*right)
		return false;
	if (strcmp(left + 1, right + 1) == 0)
		return true;
	return left[0] == right[1] && left[1] == right[0] && strcmp(left + 2, right + 2) == 0;
}

static void report_unknown(struct check *check, const struct schema_node *node, const char *name)
{
	const char *near = NULL;
	for (size_t i = 0; i < node->property_count && !near; i++)
		if (strcasecmp(node->properties[i].name, name) == 0 || nearly_equal(name, node->properties[i].name))
			near = node->properties[i].name;
	const char *path = hc_text_string(&check->path);
	if (near)
		schema_causes_add(check->unknown, path, "FieldValueForbidden",
						  "unknown field \"%s\"; did you mean \"%s\"?", path, near);
	else
		schema_causes_add(check->unknown, path, "FieldValueForbidden", "unknown field \"%s\"", path);
}

static void check_required(struct check *check, const struct schema_node *node, const json_t *value)
{
	size_t length = check->path.length;
	for (size_t i = 0; i < node->required_count; i++) {
		const json_t *member = json_object_get(value, node->required[i]);
		const struct schema_node *child = schema_node_property(node, node->required[i]);
		if (member && (!json_is_null(member) || child->nullable))
			continue;
		schema_path_member(&check->path, node->required[i]);
		schema_causes_add(check->causes, hc_text_string(&check->path), "FieldValueRequired",
						  "Required value");
		schema_path_cut(&check->path, length);
	}
}

static void check_object(struct check *check, const struct schema_node *node, json_t *value)
{
	size_t length = check->path.length;
	check_required(check, node, value);
	if (node->items_max >= 0 && json_object_size(value) > (size_t)node->items_max)
		schema_causes_add(check->causes, hc_text_string(&check->path), "FieldValueTooMany",
						  "Too many: %zu: must have at most %lld members", json_object_size(value),
						  (long long)node->items_max);
	const char *name = NULL;
	json_t *member = NULL;
	void *next = NULL;
	json_object_foreach_safe(value, next, name, member)
	{
		const struct schema_node *child = schema_node_property(node, name);
		if (!child && node->preserve_unknown)
			continue;
		schema_path_member(&check->path, name);
		if (!child) {
			report_unknown(check, node, name);
			if (check->policy == SCHEMA_UNKNOWN_PRUNE)
				json_object_del(value, name);
		} else if (!json_is_null(member)) {
			check_value(check, child, member);
		}
		schema_path_cut(&check->path, length);
	}
}

/* The members that make an item of a list-map itself: {"name":"A"}. New reference. */
static json_t *item_key(const struct schema_node *node, json_t *item)
{
	if (node->list_type == SCHEMA_LIST_SET)
		return json_incref(item);
	json_t *key = json_object();
	for (size_t i = 0; i < node->key_count; i++)
		json_object_set(key, node->keys[i], json_object_get(item, node->keys[i]));
	return key;
}

static void check_unique(struct check *check, const struct schema_node *node, const json_t *value)
{
	json_t *seen = json_object();
	size_t length = check->path.length;
	size_t index = 0;
	json_t *item = NULL;
	json_array_foreach(value, index, item)
	{
		if (node->list_type == SCHEMA_LIST_MAP && !json_is_object(item))
			continue;
		json_t *key = item_key(node, item);
		HC_AUTO_FREE text = schema_dump(key);
		bool complete = node->list_type == SCHEMA_LIST_SET || json_object_size(key) == node->key_count;
		if (complete && json_object_get(seen, text)) {
			HC_AUTO_TEXT shown = {0};
			schema_value_text(key, &shown);
			schema_path_index(&check->path, index);
			schema_causes_add(check->causes, hc_text_string(&check->path), "FieldValueDuplicate",
							  "Duplicate value: %s", hc_text_string(&shown));
			schema_path_cut(&check->path, length);
		}
		json_object_set_new(seen, text, json_true());
		json_decref(key);
	}
	json_decref(seen);
}

static void check_array(struct check *check, const struct schema_node *node, const json_t *value)
{
	size_t length = check->path.length;
	const char *path = hc_text_string(&check->path);
	size_t count = json_array_size(value);
	if (node->items_max >= 0 && count > (size_t)node->items_max) {
		schema_causes_add(check->causes, path, "FieldValueTooMany",
						  "Too many: %zu: must have at most %lld items", count, (long long)node->items_max);
		return;
	}
	if (node->items_min >= 0 && count < (size_t)node->items_min)
		schema_causes_add(check->causes, path, "FieldValueInvalid",
						  "Too few: %zu: must have at least %lld items", count, (long long)node->items_min);
	for (size_t i = 0; i < count; i++) {
		schema_path_index(&check->path, i);
		check_value(check, node->items, json_array_get(value, i));
		schema_path_cut(&check->path, length);
	}
	if (node->list_type != SCHEMA_LIST_ATOMIC)
		check_unique(check, node, value);
}

static void check_value(struct check *check, const struct schema_node *node, json_t *value)
{
	if (json_is_null(value) && node->nullable)
		return;
	if (!type_fits(node, value)) {
		fail_type(check, node, value);
		return;
	}
	if (node->enum_values)
		check_enum(check, node, value);
	if (json_is_string(value))
		check_string(check, node, value);
	else if (json_is_integer(value))
		check_integer(check, node, value);
	else if (json_is_object(value) && node->type == SCHEMA_OBJECT)
		check_object(check, node, value);
	else if (json_is_array(value) && node->type == SCHEMA_ARRAY)
		check_array(check, node, value);
	check_format(check, node, value);
}

void schema_check(const struct schema_kind *kind, json_t *object, enum schema_unknown policy,
				  struct schema_causes *causes, struct schema_causes *unknown)
{
	const struct schema_node *node = schema_kind_node(kind);
	struct check check = {.policy = policy, .causes = causes, .unknown = unknown};
	if (!json_is_object(object)) {
		fail_type(&check, node, object);
		return;
	}
	check_value(&check, node, object);
	const json_t *metadata = json_object_get(object, "metadata");
	if (json_is_object(metadata))
		schema_check_metadata(schema_node_property(node, "metadata"), metadata, causes);
	else if (!metadata || json_is_null(metadata))
		schema_causes_add(causes, "metadata.name", "FieldValueRequired", "Required value");
	hc_text_done(&check.path);
}
