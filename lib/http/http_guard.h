/* What a request's head may look like. libmicrohttpd 0.9.75 lets through several heads that two parsers in a
 * row understand differently (request smuggling); they are refused here. Pure.
 *
 * Not visible behind the parser, and therefore not refused: a bare CR or NUL inside a header value, and bare
 * LF line ends. The listener is meant for loopback and the LAN; from outside a proxy that re-serialises
 * requests stands in front. */
#ifndef HTTP_GUARD_H
#define HTTP_GUARD_H

#include <stddef.h>

struct http_guard_head {
	const char *method;
	const char *version; /* HTTP/1.1 */
	const struct http_header *headers;
	size_t header_count;
	size_t body_bytes_max;
};

/* 0 when it is fine, else the HTTP status, with one constant sentence. The connection must be closed after
 * it. */
int http_guard_check(const struct http_guard_head *head, const char **ret_sentence);

#endif
