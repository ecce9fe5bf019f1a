/* Request targets: what is decoded, and what is refused because two readers could see different paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/text.h"
#include "http/http_query.h"

struct target_case {
	const char *target;
	const char *expected; /* segments joined by |, then ? and name=value joined by &; or an error's part */
};

static const struct target_case good[] = {
	{"/", ""},
	{"/apply", "apply"},
	{"/apply/", "apply"},
	{"/a/b%20c", "a|b c"},
	{"/a%2Fb/c", "a/b|c"},
	{"/a+b", "a+b"},
	{"/a?x=1&y", "a?x=1&y="},
	{"/a?labelSelector=app+in+%28x%2Cweb%29", "a?labelSelector=app in (x,web)"},
	{"/a?&&x=%C3%BC", "a?x=\xc3\xbc"},
	{"/a?x=a=b", "a?x=a=b"},
};

static const struct target_case bad[] = {
	{"apply", "begins with /"},
	{"", "begins with /"},
	{"*", "begins with /"},
	{"//a", "path segment \"\""},
	{"/a//b", "path segment \"\""},
	{"/a/../b", "path segment \"..\""},
	{"/a/%2e%2E/b", "path segment \"..\""},
	{"/a/./b", "path segment \".\""},
	{"/a%", "two hexadecimal digits"},
	{"/a%4", "two hexadecimal digits"},
	{"/a%zz", "two hexadecimal digits"},
	{"/a%00b", "NUL"},
	{"/a?x=%00", "NUL"},
	{"/a%ff", "UTF-8"},
	{"/a?x=%c0%af", "UTF-8"},
	{"/a#b", "# is not allowed"},
	{"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", "more than 16 path segments"},
};

static void decodes(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(good); index++) {
		HC_AUTO(hc_arena) arena = hc_arena_new();
		struct http_query query;
		struct hc_error err = {0};
		HC_AUTO_TEXT text = {0};

		if (http_query_parse(good[index].target, arena, &query, &err))
			fail_msg("%s: %s", good[index].target, err.text);
		for (size_t part = 0; part < query.segment_count; part++)
			hc_text_printf(&text, "%s%s", part ? "|" : "", query.segments[part]);
		for (size_t part = 0; part < query.parameter_count; part++)
			hc_text_printf(&text, "%s%s=%s", part ? "&" : "?", query.parameters[part].name,
						   query.parameters[part].value);
		assert_string_equal(hc_text_string(&text), good[index].expected);
	}
}

static void refuses(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(bad); index++) {
		HC_AUTO(hc_arena) arena = hc_arena_new();
		struct http_query query;
		struct hc_error err = {0};

		if (http_query_parse(bad[index].target, arena, &query, &err) == 0)
			fail_msg("%s was accepted", bad[index].target);
		assert_int_equal(err.class, HC_INVALID);
		if (!strstr(err.text, bad[index].expected))
			fail_msg("%s: \"%s\" does not hold \"%s\"", bad[index].target, err.text, bad[index].expected);
	}
}

static void reads_flags(void **state)
{
	static const struct {
		const char *target;
		int expected; /* -1: refused */
	} cases[] = {{"/a?f=true", 1}, {"/a?f=1", 1}, {"/a?f", 1},     {"/a?f=false", 0},
				 {"/a?f=0", 0},    {"/a", 0},     {"/a?f=yes", -1}};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(cases); index++) {
		HC_AUTO(hc_arena) arena = hc_arena_new();
		struct http_query query;
		struct hc_error err = {0};
		int flag = 7;

		assert_int_equal(http_query_parse(cases[index].target, arena, &query, &err), 0);
		int result = http_query_flag(&query, "f", &flag, &err);
		assert_int_equal(result ? -1 : flag, cases[index].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes),
		cmocka_unit_test(refuses),
		cmocka_unit_test(reads_flags),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
