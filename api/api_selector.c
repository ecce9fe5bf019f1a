/* Selectors: a small hand-written parser, since the grammar is a handful of forms. */
#include "api_selector.h"

#include "base/text.h"
#include <stdio.h>
#include <string.h>

#define REQUIREMENTS_MAX 64
#define VALUES_MAX 256
#define KEY_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./"
#define VALUE_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

struct reader {
	const char *text; /* whole, for messages */
	const char *at;
	struct hc_arena *arena;
	struct hc_error *err;
};

static void skip_blanks(struct reader *reader)
{
	reader->at += strspn(reader->at, " \t");
}

static bool take(struct reader *reader, const char *token)
{
	skip_blanks(reader);
	if (!hc_starts_with(reader->at, token))
		return false;
	reader->at += strlen(token);
	return true;
}

static const char *take_word(struct reader *reader, const char *characters)
{
	skip_blanks(reader);
	size_t length = strspn(reader->at, characters);
	const char *word = hc_arena_strndup(reader->arena, reader->at, length);
	reader->at += length;
	return word;
}

static int fail(const struct reader *reader, const char *expected)
{
	return hc_fail(reader->err, HC_INVALID, "selector \"%s\": %s is expected at \"%s\"", reader->text,
				   expected, reader->at);
}

static int read_set(struct reader *reader, struct api_requirement *requirement)
{
	if (!take(reader, "("))
		return fail(reader, "(");
	requirement->values = hc_arena_alloc_array(reader->arena, VALUES_MAX, sizeof(char *));
	do {
		if (requirement->value_count == VALUES_MAX)
			return hc_fail(reader->err, HC_INVALID, "selector: more than %d values", VALUES_MAX);
		requirement->values[requirement->value_count++] = take_word(reader, VALUE_CHARACTERS);
	} while (take(reader, ","));
	return take(reader, ")") ? 0 : fail(reader, ") or ,");
}

static void read_value(struct reader *reader, struct api_requirement *requirement)
{
	requirement->values = hc_arena_alloc_array(reader->arena, 1, sizeof(char *));
	requirement->values[0] = take_word(reader, VALUE_CHARACTERS);
	requirement->value_count = 1;
}

/* A word operator is followed by a blank or a bracket, so that a key may be called "index". */
static bool take_operator(struct reader *reader, const char *word)
{
	const char *before = reader->at;
	size_t blanks = strspn(before, " \t");

	if (blanks > 0 && take(reader, word) && strchr(" \t(", *reader->at) && *reader->at)
		return true;
	reader->at = before;
	return false;
}

static int read_requirement(struct reader *reader, struct api_requirement *requirement)
{
	if (take(reader, "!")) {
		requirement->operator= API_NOT_EXISTS;
		requirement->key = take_word(reader, KEY_CHARACTERS);
		return *requirement->key ? 0 : fail(reader, "a label key");
	}
	requirement->key = take_word(reader, KEY_CHARACTERS);
	if (!*requirement->key)
		return fail(reader, "a label key");
	if (take_operator(reader, "notin")) {
		requirement->operator= API_NOT_IN;
		return read_set(reader, requirement);
	}
	if (take_operator(reader, "in")) {
		requirement->operator= API_IN;
		return read_set(reader, requirement);
	}
	if (take(reader, "!=")) {
		requirement->operator= API_NOT_EQUALS;
		read_value(reader, requirement);
	} else if (take(reader, "==") || take(reader, "=")) {
		requirement->operator= API_EQUALS;
		read_value(reader, requirement);
	} else {
		requirement->operator= API_EXISTS;
	}
	return 0;
}

int api_selector_parse_labels(const char *text, struct hc_arena *arena, struct api_selector *ret_selector,
							  struct hc_error *err)
{
	struct reader reader = {.text = text, .at = text, .arena = arena, .err = err};
	struct api_selector selector = {
		.requirements = hc_arena_alloc_array(arena, REQUIREMENTS_MAX, sizeof(struct api_requirement))};

	skip_blanks(&reader);
	while (*reader.at) {
		if (selector.count == REQUIREMENTS_MAX)
			return hc_fail(err, HC_INVALID, "selector: more than %d requirements", REQUIREMENTS_MAX);
		if (read_requirement(&reader, &selector.requirements[selector.count]))
			return -1;
		selector.count++;
		skip_blanks(&reader);
		if (!*reader.at)
			break;
		if (!take(&reader, ","))
			return fail(&reader, ",");
		skip_blanks(&reader);
		if (!*reader.at)
			return fail(&reader, "a label key");
	}
	*ret_selector = selector;
	return 0;
}

static int read_field(struct reader *reader, const char *const *allowed, struct api_requirement *requirement)
{
	size_t length = strcspn(reader->at, ",");
	const char *part = hc_arena_strndup(reader->arena, reader->at, length);
	size_t key_length = strcspn(part, "!=");
	const char *rest = part + key_length;

	reader->at += length;
	requirement->key = hc_arena_strndup(reader->arena, part, key_length);
	requirement->operator= hc_starts_with(rest, "!=") ? API_NOT_EQUALS : API_EQUALS;
	if (!*rest || !*requirement->key)
		return hc_fail(reader->err, HC_INVALID,
					   "field selector \"%s\": FIELD=VALUE or FIELD!=VALUE is expected", part);
	rest += hc_starts_with(rest, "!=") || hc_starts_with(rest, "==") ? 2 : 1;
	requirement->values = hc_arena_alloc_array(reader->arena, 1, sizeof(char *));
	requirement->values[0] = rest;
	requirement->value_count = 1;
	for (; *allowed; allowed++)
		if (hc_streq(*allowed, requirement->key))
			return 0;
	return hc_fail(reader->err, HC_INVALID, "field label not supported: %s", requirement->key);
}

int api_selector_parse_fields(const char *text, const char *const *allowed, struct hc_arena *arena,
							  struct api_selector *ret_selector, struct hc_error *err)
{
	struct reader reader = {.text = text, .at = text, .arena = arena, .err = err};
	struct api_selector selector = {
		.requirements = hc_arena_alloc_array(arena, REQUIREMENTS_MAX, sizeof(struct api_requirement))};

	while (*reader.at) {
		if (selector.count == REQUIREMENTS_MAX)
			return hc_fail(err, HC_INVALID, "field selector: more than %d requirements", REQUIREMENTS_MAX);
		if (read_field(&reader, allowed, &selector.requirements[selector.count++]))
			return -1;
		reader.at += *reader.at == ',';
	}
	*ret_selector = selector;
	return 0;
}

static bool has_value(const struct api_requirement *requirement, const char *value)
{
	for (size_t index = 0; index < requirement->value_count; index++)
		if (hc_streq(requirement->values[index], value))
			return true;
	return false;
}

static bool holds(const struct api_requirement *requirement, const char *value)
{
	switch (requirement->operator) {
	case API_EQUALS:
	case API_IN:
		return value && has_value(requirement, value);
	case API_NOT_EQUALS:
	case API_NOT_IN:
		return !value || !has_value(requirement, value);
	case API_EXISTS:
		return value != NULL;
	case API_NOT_EXISTS:
		return !value;
	}
	return false;
}

bool api_selector_match_labels(const struct api_selector *selector, const json_t *labels)
{
	for (size_t index = 0; index < selector->count; index++) {
		const struct api_requirement *requirement = &selector->requirements[index];
		if (!holds(requirement, json_string_value(json_object_get(labels, requirement->key))))
			return false;
	}
	return true;
}

static const char *field_text(const json_t *object, const char *path, char *buffer, size_t size)
{
	while (*path && object) {
		size_t length = strcspn(path, ".");
		snprintf(buffer, size, "%.*s", (int)length, path);
		object = json_object_get(object, buffer);
		path += length + (path[length] == '.');
	}
	return json_is_string(object) ? json_string_value(object) : "";
}

bool api_selector_match_fields(const struct api_selector *selector, const json_t *object)
{
	char buffer[128];

	for (size_t index = 0; index < selector->count; index++) {
		const struct api_requirement *requirement = &selector->requirements[index];
		if (!holds(requirement, field_text(object, requirement->key, buffer, sizeof(buffer))))
			return false;
	}
	return true;
}

const char *api_selector_value(const struct api_selector *selector, const char *key)
{
	for (size_t index = 0; index < selector->count; index++)
		if (selector->requirements[index].operator== API_EQUALS &&
			hc_streq(selector->requirements[index].key, key))
			return selector->requirements[index].values[0];
	return NULL;
}

const char *api_selector_equalities(const struct api_selector *selector, struct hc_arena *arena,
									bool *ret_complete)
{
	HC_AUTO_TEXT text = {0};

	*ret_complete = true;
	for (size_t index = 0; index < selector->count; index++) {
		const struct api_requirement *requirement = &selector->requirements[index];
		bool equality = requirement->operator== API_EQUALS;
		/* A key that is required twice with different values must not collapse into one member. */
		if (!equality || api_selector_value(selector, requirement->key) != requirement->values[0]) {
			*ret_complete = false;
			continue;
		}
		hc_text_append(&text, text.length ? "," : "{");
		hc_text_append_json_string(&text, requirement->key);
		hc_text_append(&text, ":");
		hc_text_append_json_string(&text, requirement->values[0]);
	}
	if (!text.length)
		return NULL;
	hc_text_append(&text, "}");
	return hc_arena_strdup(arena, hc_text_string(&text));
}
