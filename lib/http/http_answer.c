/* State machine over lines and counted bytes, see the header. */
#include "http_answer.h"

#include "base/limits.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { STATUS_LINE, HEADER_LINE, BODY, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, END };

static int read_status(struct http_answer *answer, const char *line, struct hc_error *err)
{
	if (!hc_starts_with(line, "HTTP/1.") || strlen(line) < 12)
		return hc_fail(err, HC_INVALID, "not an HTTP answer: \"%.40s\"", line);
	answer->status = (int)strtol(line + 9, NULL, 10);
	if (answer->status < 100 || answer->status > 599)
		return hc_fail(err, HC_INVALID, "not an HTTP status: \"%.40s\"", line);
	answer->state = HEADER_LINE;
	return 0;
}

static int parse_size(const char *text, int base, uint64_t *ret_size)
{
	char *end = NULL;

	if (!strchr("0123456789abcdefABCDEF", *text) || !*text)
		return -1;
	*ret_size = strtoull(text, &end, base);
	return strchr(" \t;", *end) && *ret_size < (1ULL << 62) ? 0 : -1; /* '\0' is found too */
}

static int read_header(struct http_answer *answer, const char *line, struct hc_error *err)
{
	const char *value = strchr(line, ':');

	if (!*line) {
		if (answer->status < 200) { /* 100 Continue: the real one follows */
			answer->state = STATUS_LINE;
			return 0;
		}
		bool empty = answer->status == 204 || answer->status == 304 || (answer->sized && !answer->left);
		answer->state = empty ? END : answer->chunked ? CHUNK_SIZE : BODY;
		answer->done = empty;
		return 0;
	}
	if (!value)
		return hc_fail(err, HC_INVALID, "not a header: \"%.40s\"", line);
	value += 1 + strspn(value + 1, " \t");
	if (strncasecmp(line, "Transfer-Encoding:", 18) == 0)
		answer->chunked = strcasecmp(value, "chunked") == 0;
	if (strncasecmp(line, "Content-Length:", 15) == 0) {
		answer->sized = true;
		if (parse_size(value, 10, &answer->left))
			return hc_fail(err, HC_INVALID, "Content-Length is \"%.40s\"", value);
	}
	return 0;
}

static int read_line(struct http_answer *answer, const char *line, struct hc_error *err)
{
	switch (answer->state) {
	case STATUS_LINE:
		return read_status(answer, line, err);
	case HEADER_LINE:
		return read_header(answer, line, err);
	case CHUNK_SIZE:
		if (parse_size(line, 16, &answer->left))
			return hc_fail(err, HC_INVALID, "chunk size is \"%.40s\"", line);
		answer->state = answer->left ? CHUNK_DATA : TRAILER;
		return 0;
	case CHUNK_END:
		if (*line)
			return hc_fail(err, HC_INVALID, "a chunk is longer than it says");
		answer->state = CHUNK_SIZE;
		return 0;
	default: /* TRAILER */
		if (!*line) {
			answer->state = END;
			answer->done = true;
		}
		return 0;
	}
}

/* Returns how many bytes were used. */
static size_t feed_body(struct http_answer *answer, const char *data, size_t length, http_answer_piece *piece,
						void *payload)
{
	bool counted = answer->state == CHUNK_DATA || answer->sized;

	if (counted && length > answer->left)
		length = (size_t)answer->left;
	piece(data, length, payload);
	if (!counted)
		return length;
	answer->left -= length;
	if (answer->left == 0) {
		answer->done = answer->state == BODY;
		answer->state = answer->state == BODY ? END : CHUNK_END;
	}
	return length;
}

static int feed_line(struct http_answer *answer, const char *data, size_t length, size_t *ret_used,
					 struct hc_error *err)
{
	const char *end = memchr(data, '\n', length);
	size_t used = end ? (size_t)(end - data) + 1 : length;

	*ret_used = used;
	if (answer->line.length + used > HC_LIMIT_HEADER_BYTES)
		return hc_fail(err, HC_INVALID, "a head of more than %d bytes", HC_LIMIT_HEADER_BYTES);
	hc_text_append_bytes(&answer->line, data, end ? used - 1 : used);
	if (!end)
		return 0;
	if (answer->line.length > 0 && answer->line.data[answer->line.length - 1] == '\r')
		answer->line.data[--answer->line.length] = '\0';
	int result = read_line(answer, hc_text_string(&answer->line), err);
	hc_text_done(&answer->line);
	return result;
}

int http_answer_feed(struct http_answer *answer, const char *data, size_t length, http_answer_piece *piece,
					 void *payload, struct hc_error *err)
{
	while (length > 0 && answer->state != END) {
		size_t used = 0;
		if (answer->state == BODY || answer->state == CHUNK_DATA)
			used = feed_body(answer, data, length, piece, payload);
		else if (feed_line(answer, data, length, &used, err))
			return -1;
		data += used;
		length -= used;
	}
	return 0;
}

bool http_answer_complete(const struct http_answer *answer)
{
	return answer->done || (answer->state == BODY && !answer->sized);
}

void http_answer_done(struct http_answer *answer)
{
	hc_text_done(&answer->line);
}
