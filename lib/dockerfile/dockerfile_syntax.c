/* "# syntax=": the first lines of a Dockerfile may name an image that reads the rest of it (docs.docker.com,
 * "Parser directives"). That image would run in the builder with what the builder knows, so that only
 * Docker's own is taken. */
#include "dockerfile_internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
		at++;
	return at;
}

/* docker/dockerfile:1, or 1 with more numbers: 1.4, 1.7.0; with or without docker.io/. */
static bool allowed(const char *value, size_t length)
{
	static const char *const prefixes[] = {"docker.io/docker/dockerfile:1", "docker/dockerfile:1"};

	for (size_t index = 0; index < HC_COUNT(prefixes); index++) {
		size_t known = strlen(prefixes[index]);

		if (length < known || memcmp(value, prefixes[index], known) != 0)
			continue;
		if (length > known && value[known] != '.')
			return false;
		for (; known < length; known++)
			if (!isdigit((unsigned char)value[known]) && value[known] != '.')
				return false;
		return true;
	}
	return false;
}

/* One line; *ret_more: the next may be a directive too. */
static int check_line(const char *at, const char *end, bool first, bool *ret_more, struct hc_error *err)
{
	const char *name;
	size_t name_length;

	at = skip_blanks(at, end);
	*ret_more = first && end - at >= 2 && memcmp(at, "#!", 2) == 0; /* a shebang may stand before */
	if (*ret_more)
		return 0;
	if (end - at >= 2 && memcmp(at, "//", 2) == 0)
		at += 2;
	else if (at < end && *at == '#')
		at++;
	else
		return 0;
	at = skip_blanks(at, end);
	name = at;
	while (at < end && isalpha((unsigned char)*at))
		at++;
	name_length = (size_t)(at - name);
	at = skip_blanks(at, end);
	if (!name_length || at == end || *at != '=')
		return 0;
	*ret_more = true;
	at = skip_blanks(at + 1, end);
	while (end > at && isspace((unsigned char)end[-1]))
		end--;
	if (name_length != strlen("syntax") || strncasecmp(name, "syntax", name_length) != 0)
		return 0;
	if (allowed(at, (size_t)(end - at)))
		return 0;
	return hc_fail(err, HC_INVALID, "# syntax=%.*s: only docker/dockerfile:1 may read a Dockerfile here",
				   (int)(end - at < 100 ? end - at : 100), at);
}

int dockerfile_syntax_check(const char *text, size_t length, struct hc_error *err)
{
	const char *end = text + length;
	bool more = true;

	if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
		text += 3;
	for (bool first = true; more && text < end; first = false) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *line_end = newline ? newline : end;

		if (check_line(text, line_end, first, &more, err))
			return -1;
		text = newline ? newline + 1 : end;
	}
	/* The whole text may be JSON instead; no Dockerfile begins with a brace. */
	text = end - length;
	while (text < end && isspace((unsigned char)*text))
		text++;
	if (text < end && *text == '{')
		return hc_fail(err, HC_INVALID, "the Dockerfile begins with \"{\": it must be no JSON");
	return 0;
}
