/* Decoding of request targets. Everything that two readers could understand differently (dot segments, empty
 * segments, encoded NUL) is refused instead of repaired, since paths decide about authority. */
#include "http_query.h"

#include <string.h>

#include "base/text.h"

static int hexadecimal(char character)
{
	if (character >= '0' && character <= '9')
		return character - '0';
	if (character >= 'a' && character <= 'f')
		return character - 'a' + 10;
	if (character >= 'A' && character <= 'F')
		return character - 'A' + 10;
	return -1;
}

/* plus: `+` is a blank (queries only). */
static char *decode(struct hc_arena *arena, const char *text, size_t length, bool plus, struct hc_error *err)
{
	char *decoded = hc_arena_alloc(arena, length + 1);
	size_t count = 0;

	for (size_t index = 0; index < length; index++) {
		char character = text[index];
		if (character == '%') {
			int high = index + 1 < length ? hexadecimal(text[index + 1]) : -1;
			int low = index + 2 < length ? hexadecimal(text[index + 2]) : -1;
			if (high < 0 || low < 0) {
				hc_fail(err, HC_INVALID, "request target: %% must be followed by two hexadecimal digits");
				return NULL;
			}
			character = (char)(high * 16 + low);
			index += 2;
		} else if (character == '+' && plus) {
			character = ' ';
		}
		if (character == '\0') {
			hc_fail(err, HC_INVALID, "request target: NUL is not allowed");
			return NULL;
		}
		decoded[count++] = character;
	}
	if (!hc_utf8_valid(decoded, count)) {
		hc_fail(err, HC_INVALID, "request target: not valid UTF-8");
		return NULL;
	}
	return decoded;
}

static int parse_path(const char *path, size_t length, struct hc_arena *arena, struct http_query *query,
					  struct hc_error *err)
{
	if (length == 0 || path[0] != '/')
		return hc_fail(err, HC_INVALID, "request target: a path begins with /");
	query->path = decode(arena, path, length, false, err);
	if (!query->path)
		return -1;
	for (size_t begin = 1; begin < length;) {
		const char *slash = memchr(path + begin, '/', length - begin);
		size_t end = slash ? (size_t)(slash - path) : length;
		const char *segment = decode(arena, path + begin, end - begin, false, err);
		if (!segment)
			return -1;
		if (!*segment || hc_streq(segment, ".") || hc_streq(segment, ".."))
			return hc_fail(err, HC_INVALID, "request target: path segment \"%s\" is not allowed", segment);
		if (query->segment_count == HTTP_QUERY_SEGMENTS_MAX)
			return hc_fail(err, HC_INVALID, "request target: more than %d path segments",
						   HTTP_QUERY_SEGMENTS_MAX);
		query->segments[query->segment_count++] = segment;
		begin = end + 1;
	}
	return 0;
}

static int parse_parameters(const char *text, struct hc_arena *arena, struct http_query *query,
							struct hc_error *err)
{
	while (*text) {
		size_t length = strcspn(text, "&");
		if (length > 0) {
			if (query->parameter_count == HTTP_QUERY_PARAMETERS_MAX)
				return hc_fail(err, HC_INVALID, "request target: more than %d query parameters",
							   HTTP_QUERY_PARAMETERS_MAX);
			const char *equals = memchr(text, '=', length);
			size_t name_length = equals ? (size_t)(equals - text) : length;
			struct http_parameter *parameter = &query->parameters[query->parameter_count++];
			parameter->name = decode(arena, text, name_length, true, err);
			parameter->value = equals ? decode(arena, equals + 1, length - name_length - 1, true, err) : "";
			if (!parameter->name || !parameter->value)
				return -1;
		}
		text += length;
		if (*text)
			text++;
	}
	return 0;
}

int http_query_parse(const char *target, struct hc_arena *arena, struct http_query *ret_query,
					 struct hc_error *err)
{
	struct http_query query = {0};
	size_t path_length = strcspn(target, "?");

	if (strchr(target, '#'))
		return hc_fail(err, HC_INVALID, "request target: # is not allowed");
	if (parse_path(target, path_length, arena, &query, err))
		return -1;
	if (target[path_length] == '?' && parse_parameters(target + path_length + 1, arena, &query, err))
		return -1;
	*ret_query = query;
	return 0;
}

const char *http_query_get(const struct http_query *query, const char *name)
{
	for (size_t index = 0; index < query->parameter_count; index++)
		if (hc_streq(query->parameters[index].name, name))
			return query->parameters[index].value;
	return NULL;
}

int http_query_flag(const struct http_query *query, const char *name, int *ret_flag, struct hc_error *err)
{
	const char *value = http_query_get(query, name);

	if (!value || hc_streq(value, "false") || hc_streq(value, "0")) {
		*ret_flag = 0;
		return 0;
	}
	if (!*value || hc_streq(value, "true") || hc_streq(value, "1")) {
		*ret_flag = 1;
		return 0;
	}
	return hc_fail(err, HC_INVALID, "query parameter %s: \"%s\" is neither true nor false", name, value);
}
