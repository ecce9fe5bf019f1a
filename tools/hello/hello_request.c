/* Reading HTTP/1 requests. Pure: bytes in, struct out. Not a general parser: it stands behind Traefik or a
 * test, and refuses what it does not know. */
#include "hello.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool copy(char *target, size_t size, const char *source, size_t length)
{
	if (length >= size)
		return false;
	memcpy(target, source, length);
	target[length] = '\0';
	return true;
}

/* The value of "name: value" when the line has that name, else NULL. */
static const char *header_value(const char *line, size_t length, const char *name, size_t *ret_length)
{
	size_t name_length = strlen(name);
	const char *at = line + name_length + 1;
	const char *end = line + length;

	if (length <= name_length || strncasecmp(line, name, name_length) != 0 || line[name_length] != ':')
		return NULL;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*ret_length = (size_t)(end - at);
	return at;
}

static bool parse_request_line(const char *line, size_t length, struct hello_request *request)
{
	const char *end = line + length;
	const char *target = memchr(line, ' ', length);
	const char *version = target ? memchr(target + 1, ' ', (size_t)(end - target - 1)) : NULL;
	const char *question;

	if (!version || end - version != 9 || memcmp(version, " HTTP/1.", 8) != 0)
		return false;
	if (!copy(request->method, sizeof request->method, line, (size_t)(target - line)))
		return false;
	target++;
	question = memchr(target, '?', (size_t)(version - target));
	if (question &&
		!copy(request->query, sizeof request->query, question + 1, (size_t)(version - question - 1)))
		return false;
	request->keep_alive = version[8] == '1';
	return copy(request->path, sizeof request->path, target,
				(size_t)((question ? question : version) - target)) &&
		   request->path[0] == '/';
}

static bool parse_header(const char *line, size_t length, struct hello_request *request)
{
	char text[64];
	size_t value_length;
	const char *value;
	char *end = NULL;

	if ((value = header_value(line, length, "content-length", &value_length))) {
		if (!copy(text, sizeof text, value, value_length) || text[0] < '0' || text[0] > '9')
			return false;
		request->body_length = strtoull(text, &end, 10);
		return *end == '\0';
	}
	if ((value = header_value(line, length, "transfer-encoding", &value_length))) {
		request->chunked = value_length == 7 && strncasecmp(value, "chunked", 7) == 0;
		return request->chunked;
	}
	if ((value = header_value(line, length, "connection", &value_length))) {
		if (value_length == 5 && strncasecmp(value, "close", 5) == 0)
			request->keep_alive = false;
		else if (value_length == 10 && strncasecmp(value, "keep-alive", 10) == 0)
			request->keep_alive = true;
	}
	if ((value = header_value(line, length, "upgrade", &value_length)))
		request->websocket = value_length == 9 && strncasecmp(value, "websocket", 9) == 0;
	if ((value = header_value(line, length, "sec-websocket-key", &value_length)))
		(void)copy(request->websocket_key, sizeof request->websocket_key, value, value_length);
	if ((value = header_value(line, length, "hello-id", &value_length)))
		(void)copy(request->id, sizeof request->id, value, value_length);
	if ((value = header_value(line, length, "expect", &value_length)))
		request->expect_continue = value_length == 12 && strncasecmp(value, "100-continue", 12) == 0;
	return true;
}

long hello_request_parse(const char *data, size_t length, struct hello_request *ret_request)
{
	const char *end = memmem(data, length, "\r\n\r\n", 4);
	const char *line = data;
	bool first = true;

	*ret_request = (struct hello_request){0};
	if (!end)
		return 0;
	while (line < end + 2) {
		const char *line_end = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
		size_t line_length = (size_t)(line_end - line);
		bool fine = first ? parse_request_line(line, line_length, ret_request)
						  : parse_header(line, line_length, ret_request);

		if (!fine)
			return -1;
		first = false;
		line = line_end + 2;
	}
	return end + 4 - data;
}

static int hex(char digit)
{
	return digit >= '0' && digit <= '9'   ? digit - '0'
		   : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
		   : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
										  : -1;
}

bool hello_query(const struct hello_request *request, const char *name, char *value, size_t size)
{
	size_t name_length = strlen(name);
	const char *at = request->query;
	size_t used = 0;

	while (strncmp(at, name, name_length) != 0 || at[name_length] != '=') {
		at = strchr(at, '&');
		if (!at++)
			return false;
	}
	for (at += name_length + 1; *at && *at != '&'; at++) {
		char letter = *at == '+' ? ' ' : *at;

		if (letter == '%' && hex(at[1]) >= 0 && hex(at[2]) >= 0) {
			letter = (char)(hex(at[1]) * 16 + hex(at[2]));
			at += 2;
		}
		if (used + 1 >= size)
			return false;
		value[used++] = letter;
	}
	value[used] = '\0';
	return true;
}

void hello_body_begin(struct hello_body *body, const struct hello_request *request)
{
	*body = (struct hello_body){
		.left = request->chunked ? 0 : request->body_length,
		.state = request->chunked ? BODY_SIZE : BODY_LENGTH,
		.done = !request->chunked && request->body_length == 0,
	};
}

static bool feed_size(struct hello_body *body, char letter)
{
	int digit = body->state == BODY_SIZE ? hex(letter) : -1;

	if (digit >= 0) {
		body->left = body->left * 16 + (uint64_t)digit;
		body->digits = true;
		return body->left <= UINT32_MAX;
	}
	if (!body->digits)
		return false;
	body->state = BODY_SIZE_REST; /* extensions and the carriage return */
	if (letter == '\n') {
		body->last = body->left == 0;
		body->digits = false;
		body->state = body->last ? BODY_TRAILER : BODY_DATA;
	}
	return true;
}

static bool feed_letter(struct hello_body *body, char letter)
{
	switch (body->state) {
	case BODY_SIZE:
	case BODY_SIZE_REST:
		return feed_size(body, letter);
	case BODY_DATA_END:
		if (letter == '\n')
			body->state = BODY_SIZE;
		return letter == '\n' || letter == '\r';
	case BODY_TRAILER:
		body->done = letter == '\n';
		if (letter != '\n' && letter != '\r')
			body->state = BODY_TRAILER_REST;
		return true;
	case BODY_TRAILER_REST:
		if (letter == '\n')
			body->state = BODY_TRAILER;
		return true;
	case BODY_LENGTH:
	case BODY_DATA:
		break;
	}
	return false;
}

long hello_body_feed(struct hello_body *body, const char *data, size_t length)
{
	size_t taken = 0;

	while (taken < length && !body->done) {
		if (body->state == BODY_LENGTH || body->state == BODY_DATA) {
			size_t part = length - taken < body->left ? length - taken : (size_t)body->left;

			taken += part;
			body->left -= part;
			body->total += part;
			if (body->left == 0 && body->state == BODY_LENGTH)
				body->done = true;
			else if (body->left == 0)
				body->state = BODY_DATA_END;
		} else if (!feed_letter(body, data[taken++])) {
			return -1;
		}
	}
	return (long)taken;
}
