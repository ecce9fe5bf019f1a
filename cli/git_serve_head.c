/* See git_serve.h. */
#include "git_serve.h"

#include "base/base.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SERVICE "?service="

static bool is_service(const char *name)
{
	return hc_streq(name, "git-upload-pack") || hc_streq(name, "git-receive-pack");
}

bool git_serve_wanted(const char *method, const char *target)
{
	size_t name = *target == '/' ? strspn(target + 1, "abcdefghijklmnopqrstuvwxyz0123456789-_") : 0;
	const char *rest = target + 1 + name;

	if (!name || !hc_starts_with(rest, ".git/"))
		return false;
	rest += strlen(".git/");
	if (hc_streq(method, "POST"))
		return is_service(rest);
	return hc_streq(method, "GET") && hc_starts_with(rest, "info/refs" SERVICE) &&
		   is_service(rest + strlen("info/refs" SERVICE));
}

/* Where the empty line ends; 0: it has not come. */
static size_t head_length(const struct hc_text *text)
{
	for (size_t at = 0; at + 1 < text->length; at++) {
		if (text->data[at] != '\n')
			continue;
		if (text->data[at + 1] == '\n')
			return at + 2;
		if (text->data[at + 1] == '\r' && at + 2 < text->length && text->data[at + 2] == '\n')
			return at + 3;
	}
	return 0;
}

static int take_field(char *line, struct git_serve_head *head)
{
	char *value = strchr(line, ':');

	if (!value || value == line)
		return -1;
	*value++ = '\0';
	value += strspn(value, " \t");
	if (!strcasecmp(line, "Status")) {
		head->status = (int)strtol(value, NULL, 10);
		return head->status >= 200 && head->status <= 599 ? 0 : -1;
	}
	if (!strcasecmp(line, "Content-Type")) {
		head->content_type = value;
		return 0;
	}
	/* The server itself says where the body ends. */
	if (!strcasecmp(line, "Content-Length") || head->header_count == GIT_SERVE_HEADERS_MAX)
		return 0;
	head->headers[head->header_count++] = (struct http_header){line, value};
	return 0;
}

long git_serve_head_parse(struct hc_text *text, struct git_serve_head *ret_head)
{
	size_t length = head_length(text);
	char *line = text->data, *end;

	*ret_head = (struct git_serve_head){.status = 200, .content_type = "application/octet-stream"};
	if (!length)
		return text->length > GIT_SERVE_HEAD_BYTES ? -1 : 0;
	for (; line < text->data + length; line = end + 1) {
		end = memchr(line, '\n', (size_t)(text->data + length - line));
		*end = '\0';
		line[strcspn(line, "\r")] = '\0';
		if (*line && take_field(line, ret_head))
			return -1;
	}
	return (long)length;
}
