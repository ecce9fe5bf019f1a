/* The target of a request, decoded: path segments and query parameters. Pure. */
#ifndef HTTP_QUERY_H
#define HTTP_QUERY_H

#include "base/arena.h"
#include "base/error.h"

#define HTTP_QUERY_SEGMENTS_MAX 16
#define HTTP_QUERY_PARAMETERS_MAX 64

struct http_parameter {
	const char *name;
	const char *value;
};

/* Texts live in the arena given to http_query_parse. */
struct http_query {
	const char *path; /* decoded, for messages */
	const char
		*segments[HTTP_QUERY_SEGMENTS_MAX]; /* decoded one by one: an encoded slash stays inside its own */
	size_t segment_count;
	struct http_parameter parameters[HTTP_QUERY_PARAMETERS_MAX];
	size_t parameter_count;
};

/* INVALID: no leading slash, an empty segment, `.` or `..`, a bad %-escape, an encoded NUL, bad UTF-8, too
 * many segments or parameters. One slash at the end is accepted. */
int http_query_parse(const char *target, struct hc_arena *arena, struct http_query *ret_query,
					 struct hc_error *err) HC_MUST_CHECK;
/* Value of the first parameter of this name, "" when it has none, NULL when it is absent. */
const char *http_query_get(const struct http_query *query, const char *name);
/* true, 1 or an empty value are true; false and 0 are false; absent is false; else INVALID. */
int http_query_flag(const struct http_query *query, const char *name, int *ret_flag, struct hc_error *err)
	HC_MUST_CHECK;

#endif
