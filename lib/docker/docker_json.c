/* Tolerant reading and strict building of JSON. See docker_internal.h. */
#include "base/clock.h"
#include "docker_internal.h"

#include <stdlib.h>
#include <string.h>

const json_t *docker_json_at(const json_t *json, const char *at)
{
	while (json && at) {
		const char *slash = strchr(at, '/');
		size_t length = slash ? (size_t)(slash - at) : strlen(at);
		char key[64];

		if (length >= sizeof key)
			return NULL;
		memcpy(key, at, length);
		key[length] = '\0';
		json = json_object_get(json, key);
		at = slash ? slash + 1 : NULL;
	}
	return json;
}

const char *docker_json_text(struct hc_arena *arena, const json_t *json, const char *at)
{
	const char *text = json_string_value(docker_json_at(json, at));

	return text ? hc_arena_strdup(arena, text) : "";
}

int64_t docker_json_number(const json_t *json, const char *at)
{
	return json_integer_value(docker_json_at(json, at));
}

bool docker_json_bool(const json_t *json, const char *at)
{
	return json_is_true(docker_json_at(json, at));
}

int64_t docker_json_wall_ms(const json_t *json, const char *at)
{
	const char *text = json_string_value(docker_json_at(json, at));
	int64_t wall_ms = 0;

	if (!text || hc_clock_parse(text, &wall_ms) || wall_ms < 0)
		return 0;
	return wall_ms;
}

static int compare_pairs(const void *left, const void *right)
{
	return strcmp(((const struct docker_pair *)left)->name, ((const struct docker_pair *)right)->name);
}

void docker_json_pairs(struct hc_arena *arena, const json_t *object, struct docker_pair **ret_pairs,
					   size_t *ret_count)
{
	json_t *borrowed = (json_t *)(uintptr_t)object; /* iteration of jansson 2.14 takes no const */
	struct docker_pair *pairs = hc_arena_alloc_array(arena, json_object_size(object) + 1, sizeof *pairs);
	size_t count = 0;
	const char *key;
	json_t *value;

	json_object_foreach(borrowed, key, value)
	{
		const char *text = json_string_value(value);

		pairs[count].name = hc_arena_strdup(arena, key);
		pairs[count].value = hc_arena_strdup(arena, text ? text : "");
		count++;
	}
	qsort(pairs, count, sizeof *pairs, compare_pairs);
	*ret_pairs = pairs;
	*ret_count = count;
}

const char **docker_json_texts(struct hc_arena *arena, const json_t *array)
{
	size_t size = json_array_size(array);
	const char **texts = hc_arena_alloc_array(arena, size + 1, sizeof *texts);
	size_t count = 0;

	for (size_t index = 0; index < size; index++) {
		const char *text = json_string_value(json_array_get(array, index));

		if (text)
			texts[count++] = hc_arena_strdup(arena, text);
	}
	return texts;
}

const char **docker_json_keys(struct hc_arena *arena, const json_t *object)
{
	struct docker_pair *pairs = NULL;
	size_t count = 0;
	const char **keys;

	docker_json_pairs(arena, object, &pairs, &count);
	keys = hc_arena_alloc_array(arena, count + 1, sizeof *keys);
	for (size_t index = 0; index < count; index++)
		keys[index] = pairs[index].name;
	return keys;
}

json_t *docker_json_from_pairs(const struct docker_pair *pairs, size_t count)
{
	json_t *object = json_object();

	for (size_t index = 0; index < count; index++) {
		if (json_object_set_new(object, pairs[index].name, json_string(pairs[index].value))) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

json_t *docker_json_from_texts(const char *const *texts)
{
	json_t *array = json_array();

	for (size_t index = 0; texts[index]; index++) {
		if (json_array_append_new(array, json_string(texts[index]))) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}
