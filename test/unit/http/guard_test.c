/* Heads that are refused before a handler sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/http_guard.h"
#include "http/http_server.h"

struct guard_case {
	const char *name;
	const char *method;
	const char *version;
	struct http_header headers[4];
	int status;
};

#define HOST                                                                                                 \
	{                                                                                                        \
		"Host", "localhost:6443"                                                                             \
	}

static const struct guard_case cases[] = {
	{"plain", "GET", "HTTP/1.1", {HOST}, 0},
	{"old version needs no host", "GET", "HTTP/1.0", {{NULL, NULL}}, 0},
	{"body", "POST", "HTTP/1.1", {HOST, {"Content-Length", "100"}}, 0},
	{"chunked", "POST", "HTTP/1.1", {HOST, {"transfer-encoding", "Chunked"}}, 0},
	{"address as host", "GET", "HTTP/1.1", {{"host", "[::1]:6443"}}, 0},
	{"no host", "GET", "HTTP/1.1", {{"Accept", "*/*"}}, 400},
	{"two hosts", "GET", "HTTP/1.1", {HOST, HOST}, 400},
	{"two equal lengths", "POST", "HTTP/1.1", {HOST, {"Content-Length", "1"}, {"Content-Length", "1"}}, 400},
	{"two lengths", "POST", "HTTP/1.1", {HOST, {"Content-Length", "1"}, {"content-length", "2"}}, 400},
	{"length and encoding",
	 "POST",
	 "HTTP/1.1",
	 {HOST, {"Content-Length", "1"}, {"Transfer-Encoding", "chunked"}},
	 400},
	{"two encodings",
	 "POST",
	 "HTTP/1.1",
	 {HOST, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}},
	 501},
	{"other encoding", "POST", "HTTP/1.1", {HOST, {"Transfer-Encoding", "gzip, chunked"}}, 501},
	{"encoding in 1.0", "POST", "HTTP/1.0", {{"Transfer-Encoding", "chunked"}}, 400},
	{"length with sign", "POST", "HTTP/1.1", {HOST, {"Content-Length", "+5"}}, 400},
	{"length list", "POST", "HTTP/1.1", {HOST, {"Content-Length", "5, 5"}}, 400},
	{"empty length", "POST", "HTTP/1.1", {HOST, {"Content-Length", ""}}, 400},
	{"too large", "POST", "HTTP/1.1", {HOST, {"Content-Length", "1001"}}, 413},
	{"beyond 64 bit", "POST", "HTTP/1.1", {HOST, {"Content-Length", "18446744073709551617"}}, 413},
	{"host with path", "GET", "HTTP/1.1", {{"Host", "a/b"}}, 400},
	{"empty host", "GET", "HTTP/1.1", {{"Host", ""}}, 400},
	{"control character", "GET", "HTTP/1.1", {HOST, {"X", "a\x01"}}, 400},
	{"blank in name", "GET", "HTTP/1.1", {HOST, {"X y", "a"}}, 400},
	{"unknown method", "BREW", "HTTP/1.1", {HOST}, 501},
	{"connect", "CONNECT", "HTTP/1.1", {HOST}, 501},
	{"lower case method", "get", "HTTP/1.1", {HOST}, 501},
	{"version 2", "GET", "HTTP/2.0", {HOST}, 505},
};

static void checks_heads(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(cases); index++) {
		const struct guard_case *it = &cases[index];
		const char *sentence = NULL;
		size_t count = 0;

		while (count < HC_COUNT(it->headers) && it->headers[count].name)
			count++;
		struct http_guard_head head = {it->method, it->version, it->headers, count, 1000};
		int status = http_guard_check(&head, &sentence);
		if (status != it->status)
			fail_msg("%s: %d instead of %d", it->name, status, it->status);
		if (status)
			assert_non_null(sentence);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(checks_heads)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
