/* Answers cut at every place give the same body. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "http/http_answer.h"

struct answer_case {
	const char *bytes;
	int status;
	const char *body;
	bool complete;
	bool refused;
};

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"

static const struct answer_case cases[] = {
	{HEAD "Content-Length: 5\r\n\r\nhello", 200, "hello", true, false},
	{HEAD "Content-Length: 5\r\n\r\nhell", 200, "hell", false, false},
	{HEAD "Content-Length: 5\r\n\r\nhello and more", 200, "hello", true, false},
	{HEAD "\r\nuntil the end", 200, "until the end", true, false},
	{CHUNKED "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n", 200, "hello world", true, false},
	{CHUNKED "5\r\nhello\r\nA\r\n world", 200, "hello world", false, false},
	{CHUNKED "0\r\nTrailer: x\r\n\r\n", 200, "", true, false},
	{"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404, "", true, false},
	{"HTTP/1.1 204 No Content\r\n\r\n", 204, "", true, false},
	{"HTTP/1.1 100 Continue\r\n\r\n" HEAD "Content-Length: 2\r\n\r\nok", 200, "ok", true, false},
	{"HTTP/1.1 200 OK\n\nbare", 200, "bare", true, false},
	{"SSH-2.0-x\r\n", 0, "", false, true},
	{"HTTP/1.1 abc\r\n", 0, "", false, true},
	{HEAD "nonsense\r\n\r\n", 200, "", false, true},
	{HEAD "Content-Length: x\r\n\r\n", 200, "", false, true},
	{CHUNKED "zz\r\n", 200, "", false, true},
	{CHUNKED "2\r\nhello\r\n", 200, "he", false, true},
};

static void collect(const char *data, size_t length, void *payload)
{
	hc_text_append_bytes(payload, data, length);
}

static void play(const struct answer_case *it, size_t step)
{
	struct http_answer answer = {0};
	HC_AUTO_TEXT body = {0};
	struct hc_error err = {0};
	int result = 0;

	for (size_t at = 0; at < strlen(it->bytes) && result == 0; at += step) {
		size_t left = strlen(it->bytes) - at;
		result = http_answer_feed(&answer, it->bytes + at, left < step ? left : step, collect, &body, &err);
	}
	if ((result != 0) != it->refused)
		fail_msg("step %zu: %.60s: result %d %s", step, it->bytes, result, err.text);
	if (!it->refused) {
		assert_int_equal(answer.status, it->status);
		assert_string_equal(hc_text_string(&body), it->body);
		assert_int_equal(http_answer_complete(&answer), it->complete);
	}
	http_answer_done(&answer);
}

static void reads_answers_cut_anywhere(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(cases); index++)
		for (size_t step = 1; step <= strlen(cases[index].bytes); step++)
			play(&cases[index], step);
}

static void refuses_an_endless_head(void **state)
{
	struct http_answer answer = {0};
	struct hc_error err = {0};
	int result = 0;

	(void)state;
	for (int count = 0; count < 10000 && result == 0; count++)
		result = http_answer_feed(&answer, "xxxxxxxxxx", 10, collect, NULL, &err);
	assert_int_equal(result, -1);
	assert_int_equal(err.class, HC_INVALID);
	http_answer_done(&answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_answers_cut_anywhere),
		cmocka_unit_test(refuses_an_endless_head),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
