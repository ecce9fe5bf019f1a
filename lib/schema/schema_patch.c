/* JSON merge patch, the test for writes that change nothing, and the difference of two objects for people. */
#include "schema.h"

#include "base/alloc.h"
#include "base/text.h"
#include "schema_fields.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_BYTES_MAX 120 /* of one value in a line of a difference */

json_t *schema_merge_patch(const json_t *target, const json_t *patch)
{
	json_t *result;
	const char *name;
	json_t *value;

	assert(patch);
	if (!json_is_object(patch))
		return json_deep_copy(patch);
	result = json_is_object(target) ? json_deep_copy(target) : json_object();
	json_object_foreach((json_t *)patch, name, value)
	{
		if (json_is_null(value))
			json_object_del(result, name);
		else
			json_object_set_new(result, name, schema_merge_patch(json_object_get(result, name), value));
	}
	return result;
}

/* --- equality --- */

/* Without what moves by itself. New reference. */
static json_t *still(const json_t *object)
{
	json_t *copy = json_copy((json_t *)object);
	json_t *metadata = json_deep_copy(json_object_get(object, "metadata"));
	json_t *entry;
	size_t index;

	if (!metadata)
		return copy;
	json_object_del(metadata, "resourceVersion");
	json_object_del(metadata, "generation");
	json_array_foreach(json_object_get(metadata, "managedFields"), index, entry)
		json_object_del(entry, "time");
	json_object_set_new(copy, "metadata", metadata);
	return copy;
}

bool schema_equal(const json_t *left, const json_t *right)
{
	json_t *first = still(left);
	json_t *second = still(right);
	bool equal = json_equal(first, second);

	json_decref(first);
	json_decref(second);
	return equal;
}

/* --- difference --- */

struct diff {
	struct hc_arena *arena;
	const char **lines;
	size_t count;
	size_t size;
};

/* Cuts at the end of a character. */
static char *value_text(struct hc_arena *arena, const json_t *value)
{
	HC_AUTO_FREE text = NULL;
	size_t length;

	if (!value)
		return hc_arena_strdup(arena, "(none)");
	text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	assert(text);
	/* Quotes are noise unless the text has blanks, is empty, or reads like another type. */
	length = strlen(text);
	if (json_is_string(value) && length > 2 && !strpbrk(text, " \\") && text[1] != '(') {
		json_t *other = json_loads(json_string_value(value), JSON_DECODE_ANY, NULL);

		if (!other) {
			memmove(text, text + 1, length - 2);
			text[length - 2] = '\0';
		}
		json_decref(other);
	}
	length = strlen(text);
	if (length <= VALUE_BYTES_MAX)
		return hc_arena_strdup(arena, text);
	for (length = VALUE_BYTES_MAX; ((unsigned char)text[length] & 0xc0) == 0x80; length--)
		;
	return hc_arena_printf(arena, "%.*s…", (int)length, text);
}

static void line_add(struct diff *diff, const char *path, const json_t *live, const json_t *wanted)
{
	const char **lines;

	if (diff->count == diff->size) {
		diff->size = diff->size ? 2 * diff->size : 16;
		lines = hc_arena_alloc_array(diff->arena, diff->size, sizeof *lines);
		if (diff->count)
			memcpy(lines, diff->lines, diff->count * sizeof *lines);
		diff->lines = lines;
	}
	diff->lines[diff->count++] = hc_arena_printf(
		diff->arena, "%s: %s → %s", path, value_text(diff->arena, live), value_text(diff->arena, wanted));
}

/* Members of an object, or items of a list in which each has a name of its own: what is told apart. The keys
 * are what follows the path. New reference; NULL for what is told as a whole. */
static json_t *parts_of(const json_t *value)
{
	json_t *parts = json_object();
	const char *name;
	json_t *child;
	size_t index;

	json_object_foreach((json_t *)value, name, child)
	{
		HC_AUTO_FREE key = hc_xprintf(".%s", name);

		json_object_set(parts, key, child);
	}
	json_array_foreach(value, index, child)
	{
		HC_AUTO_FREE key = NULL;

		name = json_string_value(json_object_get(child, "name"));
		key = name ? hc_xprintf("[%s]", name) : NULL;
		if (!key || json_object_get(parts, key))
			break;
		json_object_set(parts, key, child);
	}
	if (json_object_size(parts) &&
		json_object_size(parts) == json_object_size(value) + json_array_size(value))
		return parts;
	json_decref(parts);
	return NULL;
}

static void walk(struct diff *diff, const char *path, const json_t *live, const json_t *wanted)
{
	json_t *live_parts = parts_of(live);
	json_t *wanted_parts = parts_of(wanted);
	const char *key;
	json_t *child;

	if (json_equal((json_t *)live, (json_t *)wanted) || (!live && !wanted)) {
		/* nothing to tell */
	} else if ((live && !live_parts) || (wanted && !wanted_parts) ||
			   (live && wanted && json_typeof(live) != json_typeof(wanted))) {
		line_add(diff, path, live, wanted);
	} else {
		json_object_foreach(live_parts, key, child) walk(
			diff, hc_arena_printf(diff->arena, "%s%s", path, key), child, json_object_get(wanted_parts, key));
		json_object_foreach(wanted_parts, key, child) if (!json_object_get(live_parts, key))
			walk(diff, hc_arena_printf(diff->arena, "%s%s", path, key), NULL, child);
	}
	json_decref(live_parts);
	json_decref(wanted_parts);
}

/* What its users write of an object. New reference, NULL for NULL. */
static json_t *users_part(const json_t *object)
{
	json_t *copy = json_copy((json_t *)object);
	json_t *metadata = json_copy(json_object_get(object, "metadata"));

	json_object_del(copy, "status");
	json_object_del(copy, "apiVersion");
	json_object_del(copy, "kind");
	for (size_t i = 0; schema_fields_server_metadata[i]; i++)
		json_object_del(metadata, schema_fields_server_metadata[i]);
	json_object_del(copy, "metadata");
	if (json_object_size(metadata))
		json_object_set(copy, "metadata", metadata);
	json_decref(metadata);
	return copy;
}

static int compare_lines(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

void schema_diff(const json_t *live, const json_t *wanted, struct hc_arena *arena, const char ***ret_lines,
				 size_t *ret_count)
{
	struct diff diff = {.arena = arena};
	json_t *first = users_part(live);
	json_t *second = users_part(wanted);
	const char *key;
	json_t *child;

	json_object_foreach(first, key, child) walk(&diff, key, child, json_object_get(second, key));
	json_object_foreach(second, key, child) if (!json_object_get(first, key)) walk(&diff, key, NULL, child);
	json_decref(first);
	json_decref(second);
	if (diff.count)
		qsort(diff.lines, diff.count, sizeof *diff.lines, compare_lines);
	*ret_lines = diff.lines;
	*ret_count = diff.count;
}
