/* Answers of another process of ours, as they come in: the first byte says where the rest is cut. Aborts when
 * the pieces add up to something else than the whole. */
#include "fuzz.h"

#include "base/arena.h"
#include "base/text.h"
#include "http/http_answer.h"
#include "http/http_guard.h"
#include "http/http_server.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const fuzz_words[] = {"HTTP/1.1 200 OK\r\n",
								  "HTTP/1.0 404 x\r\n",
								  "Content-Length: ",
								  "Transfer-Encoding: chunked\r\n",
								  "\r\n\r\n",
								  "0\r\n\r\n",
								  "5\r\nhello\r\n",
								  "ffffffffffffffff\r\n",
								  "Host: a\r\n",
								  "GET",
								  NULL};

static void collect(const char *data, size_t length, void *payload)
{
	hc_text_append_bytes(payload, data, length);
}

/* -1: refused. step 0: all at once. */
static int feed(const char *data, size_t size, size_t step, struct hc_text *body, int *ret_status,
				bool *ret_whole)
{
	struct http_answer answer = {0};
	struct hc_error err = {0};
	int result = 0;

	for (size_t at = 0; at < size && result == 0;) {
		size_t length = !step || step > size - at ? size - at : step;
		result = http_answer_feed(&answer, data + at, length, collect, body, &err);
		at += length;
	}
	*ret_status = answer.status;
	*ret_whole = http_answer_complete(&answer);
	http_answer_done(&answer);
	return result;
}

/* The same bytes as the lines of a head. */
static void try_guard(const char *data, size_t size)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct http_header headers[16];
	struct http_guard_head head = {
		.method = "POST", .version = "HTTP/1.1", .headers = headers, .body_bytes_max = 1000};
	char *rest = hc_arena_strndup(arena, data, size);
	const char *sentence = NULL;
	int lengths = 0;

	for (char *line = strsep(&rest, "\n"); line && head.header_count < HC_COUNT(headers);
		 line = strsep(&rest, "\n")) {
		char *colon = strchr(line, ':');
		if (!colon)
			continue;
		*colon = '\0';
		lengths += strcasecmp(line, "Content-Length") == 0;
		headers[head.header_count++] = (struct http_header){line, colon + 1};
	}
	int status = http_guard_check(&head, &sentence);
	if ((status == 0) == (sentence != NULL) || (status == 0 && lengths > 1))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	HC_AUTO_TEXT whole = {0};
	HC_AUTO_TEXT pieces = {0};
	int status = 0, other_status = 0;
	bool complete = false, other_complete = false;

	if (!size)
		return 0;
	const char *bytes = (const char *)data + 1;
	int result = feed(bytes, size - 1, 0, &whole, &status, &complete);
	int other = feed(bytes, size - 1, 1 + data[0] % 32, &pieces, &other_status, &other_complete);
	if (result != other ||
		(result == 0 &&
		 (status != other_status || complete != other_complete || whole.length != pieces.length ||
		  (whole.length && memcmp(whole.data, pieces.data, whole.length) != 0))))
		abort();
	try_guard(bytes, size - 1);
	return 0;
}
