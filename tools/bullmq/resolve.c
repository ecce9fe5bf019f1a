/* See resolve.h. A line is an include when it is: two or three dashes, blanks, `@include`, blanks, a path in
 * single or double quotes, then only blanks and semicolons. */
#include "resolve.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 32
#define SCRIPT_BYTES_MAX (1024U * 1024)
#define PATH_BYTES_MAX 512

struct resolver {
	const char *folder;
	struct hc_map *seen; /* paths relative to the folder */
	struct hc_text *text;
	int depth;
};

static const char *skip(const char *at, const char *end, const char *set)
{
	while (at < end && strchr(set, *at))
		at++;
	return at;
}

/* The path between the quotes, or false when the line is no include. */
static bool include_of(const char *line, size_t length, const char **ret_path, size_t *ret_length)
{
	const char *end = line + length, *at = skip(line, end, "-"), *close;
	char quote;

	if (at - line < 2 || at - line > 3)
		return false;
	at = skip(at, end, " \t");
	if (end - at < 8 || strncmp(at, "@include", 8) != 0)
		return false;
	at = skip(at + 8, end, " \t");
	if (at >= end || (*at != '"' && *at != '\''))
		return false;
	quote = *at++;
	for (close = at + 1; close < end; close++) {
		if (*close == quote && skip(close + 1, end, "; \t") == end)
			break;
	}
	if (close >= end)
		return false;
	*ret_path = at;
	*ret_length = (size_t)(close - at);
	return true;
}

/* Folder of the including file + path, with "." and ".." taken away. */
static int path_join(const char *from, const char *path, size_t length, char result[PATH_BYTES_MAX],
					 struct hc_error *err)
{
	HC_AUTO_TEXT joined = {0};
	const char *slash = strrchr(from, '/');
	size_t out = 0;
	char *piece, *rest;

	if (slash)
		hc_text_append_bytes(&joined, from, (size_t)(slash - from) + 1);
	hc_text_append_bytes(&joined, path, length);
	if (joined.length + 5 > PATH_BYTES_MAX)
		return hc_fail(err, HC_INVALID, "%s: the path of an include is too long", from);
	result[0] = '\0';
	for (piece = joined.data; piece; piece = rest) {
		rest = strchr(piece, '/');
		if (rest)
			*rest++ = '\0';
		if (!*piece || hc_streq(piece, "."))
			continue;
		if (hc_streq(piece, "..")) {
			if (!out)
				return hc_fail(err, HC_INVALID, "%s: an include leads out of the folder", from);
			while (out > 0 && result[--out] != '/')
				;
			result[out] = '\0';
			continue;
		}
		if (out)
			result[out++] = '/';
		memcpy(result + out, piece, strlen(piece) + 1);
		out += strlen(piece);
	}
	memcpy(result + out, ".lua", 5);
	return 0;
}

static bool blank(const char *line, size_t length)
{
	return skip(line, line + length, " \t\r\v\f") == line + length;
}

static int resolve_file(struct resolver *resolver, const char *path, const char *includer,
						struct hc_error *err);

static int resolve_line(struct resolver *resolver, const char *path, const char *line, size_t length,
						struct hc_error *err)
{
	char included[PATH_BYTES_MAX];
	const char *target;
	size_t target_length;

	if (blank(line, length))
		return 0;
	if (!include_of(line, length, &target, &target_length)) {
		hc_text_append_bytes(resolver->text, line, length);
		hc_text_append(resolver->text, "\n");
		return 0;
	}
	if (path_join(path, target, target_length, included, err))
		return -1;
	if (hc_map_get(resolver->seen, included))
		return 0;
	return resolve_file(resolver, included, path, err);
}

static int resolve_file(struct resolver *resolver, const char *path, const char *includer,
						struct hc_error *err)
{
	HC_AUTO_TEXT full = {0};
	HC_AUTO_FREE text = NULL;
	size_t length;

	if (++resolver->depth > DEPTH_MAX)
		return hc_fail(err, HC_INVALID, "%s: more than %d includes in each other", path, DEPTH_MAX);
	hc_map_set(resolver->seen, path, resolver);
	hc_text_printf(&full, "%s/%s", resolver->folder, path);
	if (hc_file_read(hc_text_string(&full), SCRIPT_BYTES_MAX, &text, &length, err))
		return includer ? hc_wrap(err, "%s, included by %s", path, includer) : hc_wrap(err, "%s", path);
	for (const char *line = text; line < text + length;) {
		const char *end = memchr(line, '\n', (size_t)(text + length - line));

		if (!end)
			end = text + length;
		if (resolve_line(resolver, path, line, (size_t)(end - line), err))
			return -1;
		line = end + 1;
	}
	/* A script whose last line has no end keeps it so; an included file gets one. */
	if (!includer && length && text[length - 1] != '\n' && resolver->text->length)
		resolver->text->data[--resolver->text->length] = '\0';
	resolver->depth--;
	return 0;
}

int resolve_script(const char *folder, const char *name, struct hc_text *text, struct hc_error *err)
{
	HC_AUTO_TEXT path = {0};
	HC_AUTO(hc_map) seen = hc_map_new();
	struct resolver resolver = {.folder = folder, .seen = seen, .text = text};

	hc_text_printf(&path, "%s.lua", name);
	return resolve_file(&resolver, hc_text_string(&path), NULL, err);
}
