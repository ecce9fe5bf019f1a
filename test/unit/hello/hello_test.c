/* Tables for requests, bodies and answers of the sample application. */
#include "../cmocka_all.h"

#include "hello.h"

#include <stdlib.h>
#include <string.h>

static void test_request(void **state)
{
	static const struct {
		const char *data;
		long length; /* -2: all of it */
		const char *path;
		const char *query;
		uint64_t body;
		bool chunked;
		bool keep_alive;
	} rows[] = {
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", -2, "/", "", 0, false, true},
		{"GET /a?b=c HTTP/1.0\r\n\r\n", -2, "/a", "b=c", 0, false, false},
		{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", -2, "/", "", 0, false, true},
		{"POST / HTTP/1.1\r\nCONTENT-LENGTH:  12 \r\nConnection: close\r\n\r\n", -2, "/", "", 12, false,
		 false},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", -2, "/", "", 0, true, true},
		{"GET / HTTP/1.1\r\nHost: a\r\n", 0, "", "", 0, false, false},
		{"", 0, "", "", 0, false, false},
		{"GET / HTTP/2.0\r\n\r\n", -1, "", "", 0, false, false},
		{"GET HTTP/1.1\r\n\r\n", -1, "", "", 0, false, false},
		{"GET x HTTP/1.1\r\n\r\n", -1, "", "", 0, false, false},
		{"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", -1, "", "", 0, false, false},
		{"POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n", -1, "", "", 0, false, false},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", -1, "", "", 0, false, false},
	};

	(void)state;
	for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
		struct hello_request request;
		long expected = rows[index].length == -2 ? (long)strlen(rows[index].data) : rows[index].length;

		if (hello_request_parse(rows[index].data, strlen(rows[index].data), &request) != expected)
			fail_msg("%s", rows[index].data);
		if (expected <= 0)
			continue;
		assert_string_equal(request.path, rows[index].path);
		assert_string_equal(request.query, rows[index].query);
		assert_int_equal(request.body_length, rows[index].body);
		assert_int_equal(request.chunked, rows[index].chunked);
		assert_int_equal(request.keep_alive, rows[index].keep_alive);
	}
}

static void test_query(void **state)
{
	struct hello_request request = {.query = "xms=1&ms=20&name=a%2Fb+c&bad=%z&empty="};
	char value[8];

	(void)state;
	assert_true(hello_query(&request, "ms", value, sizeof value));
	assert_string_equal(value, "20");
	assert_true(hello_query(&request, "name", value, sizeof value));
	assert_string_equal(value, "a/b c");
	assert_true(hello_query(&request, "bad", value, sizeof value));
	assert_string_equal(value, "%z");
	assert_true(hello_query(&request, "empty", value, sizeof value));
	assert_string_equal(value, "");
	assert_false(hello_query(&request, "absent", value, sizeof value));
	assert_false(hello_query(&request, "name", value, 5)); /* too long for its room */
}

static void test_body(void **state)
{
	static const struct {
		const char *data;
		uint64_t length;
		bool chunked;
		long taken; /* -1: broken */
		uint64_t total;
		bool done;
	} rows[] = {
		{"abcdef", 3, false, 3, 3, true},
		{"ab", 3, false, 2, 2, false},
		{"", 0, false, 0, 0, true},
		{"3\r\nabc\r\n0\r\n\r\nNEXT", 0, true, 13, 3, true},
		{"A;x=y\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n", 0, true, 36, 10, true},
		{"3\r\nab", 0, true, 5, 2, false},
		{"x\r\n", 0, true, -1, 0, false},
		{"\r\n", 0, true, -1, 0, false},
		{"fffffffff\r\n", 0, true, -1, 0, false},
		{"1\r\naX", 0, true, -1, 0, false},
	};

	(void)state;
	for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
		struct hello_request request = {.body_length = rows[index].length, .chunked = rows[index].chunked};
		size_t length = strlen(rows[index].data);
		struct hello_body body;

		hello_body_begin(&body, &request);
		if (hello_body_feed(&body, rows[index].data, length) != rows[index].taken)
			fail_msg("row %zu", index);
		if (rows[index].taken < 0)
			continue;
		assert_int_equal(body.total, rows[index].total);
		assert_int_equal(body.done, rows[index].done);
		hello_body_begin(&body, &request); /* one by one gives the same */
		for (long at = 0; at < rows[index].taken; at++)
			assert_int_equal(hello_body_feed(&body, rows[index].data + at, 1), 1);
		assert_int_equal(body.total, rows[index].total);
		assert_int_equal(body.done, rows[index].done);
	}
}

static void test_answer(void **state)
{
	static const struct {
		const char *method;
		const char *path;
		const char *query;
		bool error500;
		const char *begins;
		const char *holds;
	} rows[] = {
		{"GET", "/", "", false, "HTTP/1.1 200 OK\r\n", "<code>1&lt;2</code>"},
		{"GET", "/", "", false, "HTTP/1.1 200 OK\r\n", "Content-Type: text/html"},
		{"GET", "/version", "", false, "HTTP/1.1 200 OK\r\n", "\r\n\r\n1<2"},
		{"GET", "/healthz", "", false, "HTTP/1.1 200 OK\r\n", "Content-Length: 3\r\n"},
		{"GET", "/echo", "", false, "HTTP/1.1 200 OK\r\n", "\r\n\r\n77\n"},
		{"GET", "/status", "code=503", false, "HTTP/1.1 503 Service Unavailable\r\n", "status 503"},
		{"GET", "/status", "code=204", false, "HTTP/1.1 204 No Content\r\n", "Connection: close\r\n\r\n"},
		{"GET", "/status", "code=9", false, "HTTP/1.1 400 ", "status 400"},
		{"GET", "/env", "name=HELLO_TEST", false, "HTTP/1.1 200 OK\r\n", "\r\n\r\nseen"},
		{"GET", "/env", "name=HELLO_ABSENT", false, "HTTP/1.1 404 ", "not found"},
		{"GET", "/nothing", "", false, "HTTP/1.1 404 ", "not found"},
		{"GET", "/healthz", "", true, "HTTP/1.1 500 ", "error500"},
	};
	struct hello_settings settings = {.version = "1<2", .revision = "7", .host = "here"};
	char answer[HELLO_ANSWER_BYTES + 1];

	(void)state;
	assert_int_equal(setenv("HELLO_TEST", "seen", 1), 0);
	for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
		struct hello_request request = {0};
		size_t length;

		(void)strncpy(request.method, rows[index].method, sizeof request.method - 1);
		(void)strncpy(request.path, rows[index].path, sizeof request.path - 1);
		(void)strncpy(request.query, rows[index].query, sizeof request.query - 1);
		settings.error500 = rows[index].error500;
		length = hello_answer(&settings, &request, 77, false, answer);
		assert_true(length <= HELLO_ANSWER_BYTES);
		answer[length] = '\0';
		if (strncmp(answer, rows[index].begins, strlen(rows[index].begins)) != 0 ||
			!strstr(answer, rows[index].holds))
			fail_msg("row %zu: %s", index, answer);
	}
}

/* The longest values that the environment may bring still fit. */
static void test_answer_fits(void **state)
{
	static char version[20000];
	struct hello_settings settings = {.version = version, .revision = version, .host = version};
	struct hello_request request = {.method = "GET", .path = "/"};
	static char answer[HELLO_ANSWER_BYTES];

	(void)state;
	memset(version, '<', sizeof version - 1);
	assert_true(hello_answer(&settings, &request, 0, true, answer) <= sizeof answer);
	request = (struct hello_request){.method = "GET", .path = "/version"};
	assert_int_equal(hello_answer(&settings, &request, 0, true, answer) <= sizeof answer, 1);
	request = (struct hello_request){.method = "HEAD", .path = "/version"};
	assert_true(hello_answer(&settings, &request, 0, true, answer) < 512);
}

/* The example of RFC 6455, 1.3, and its frame of 5.7; a greeting without a key is an ordinary request. */
static void test_websocket(void **state)
{
	static const char greeting[] = "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n"
								   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
	static const char frame[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
	struct hello_settings settings = {.version = "", .revision = "7", .host = ""};
	struct hello_request request;
	char answer[HELLO_ANSWER_BYTES + 1], reply[128];
	size_t length = 0;
	bool close_it = true;

	(void)state;
	assert_int_equal(hello_request_parse(greeting, sizeof greeting - 1, &request), sizeof greeting - 1);
	assert_true(hello_upgrades(&request));
	answer[hello_answer(&settings, &request, 0, true, answer)] = '\0';
	assert_string_equal(answer,
						"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
						"Hello-Revision: 7\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
	for (size_t part = 0; part < sizeof frame - 1; part++)
		assert_int_equal(hello_websocket_frame(frame, part, reply, &length, &close_it), 0);
	assert_int_equal(hello_websocket_frame(frame, sizeof frame - 1, reply, &length, &close_it), 11);
	assert_int_equal(length, 7);
	assert_memory_equal(reply, "\x81\x05Hello", 7);
	assert_false(close_it);
	assert_int_equal(hello_websocket_frame("\x88\x80\0\0\0\0", 6, reply, &length, &close_it), 6);
	assert_true(close_it);
	assert_int_equal(hello_websocket_frame("\x81\x05Hello", 7, reply, &length, &close_it), -1); /* no mask */
	assert_int_equal(hello_websocket_frame("\x01\x80\0\0\0\0", 6, reply, &length, &close_it),
					 -1); /* a part */
	request.websocket_key[0] = '\0';
	assert_false(hello_upgrades(&request));
}

/* A page of one's own follows behind the head, whose length it has. */
static void test_page(void **state)
{
	static const struct {
		const char *method, *path;
		const char *tail; /* NULL: none */
		const char *head;
	} rows[] = {
		{"GET", "/", "<p>mine</p>", "Content-Length: 11\r\n"},
		{"HEAD", "/", NULL, "Content-Length: 11\r\n"},
		{"GET", "/version", NULL, "Content-Length: 2\r\n"},
	};
	const struct hello_settings settings = {
		.version = "v1", .revision = "", .host = "", .page = "<p>mine</p>", .page_length = 11};
	char answer[HELLO_ANSWER_BYTES + 1];

	(void)state;
	for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
		struct hello_request request = {0};
		const char *tail;
		size_t length;

		(void)strncpy(request.method, rows[index].method, sizeof request.method - 1);
		(void)strncpy(request.path, rows[index].path, sizeof request.path - 1);
		answer[hello_answer(&settings, &request, 0, true, answer)] = '\0';
		assert_non_null(strstr(answer, rows[index].head));
		length = hello_answer_tail(&settings, &request, &tail);
		assert_int_equal(length, rows[index].tail ? strlen(rows[index].tail) : 0);
		if (length)
			assert_memory_equal(tail, rows[index].tail, length);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page),
		cmocka_unit_test(test_request), cmocka_unit_test(test_query),       cmocka_unit_test(test_body),
		cmocka_unit_test(test_answer),  cmocka_unit_test(test_answer_fits), cmocka_unit_test(test_websocket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
