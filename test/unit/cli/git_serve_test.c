/* What `git-serve` lets through and how it reads a CGI answer; tables of literals. */
#include "../cmocka_all.h"

#include "base/base.h"
#include "cli/git_serve.h"

#include <stdlib.h>
#include <string.h>

static void only_smart_http_is_wanted(void **state)
{
	static const struct {
		const char *method;
		const char *target;
		bool wanted;
	} rows[] = {
		{"GET", "/sample.git/info/refs?service=git-upload-pack", true},
		{"GET", "/sample.git/info/refs?service=git-receive-pack", true},
		{"POST", "/sample.git/git-upload-pack", true},
		{"POST", "/my-app_2.git/git-receive-pack", true},
		{"GET", "/sample.git/info/refs", false}, /* the dumb protocol */
		{"GET", "/sample.git/info/refs?service=git-upload-pack&more", false},
		{"GET", "/sample.git/info/refs?service=git-upload-archive", false},
		{"GET", "/sample.git/git-upload-pack", false},
		{"POST", "/sample.git/info/refs?service=git-upload-pack", false},
		{"PUT", "/sample.git/git-receive-pack", false},
		{"GET", "/sample.git/HEAD", false},
		{"GET", "/sample.git/config", false},
		{"GET", "/../sample.git/info/refs?service=git-upload-pack", false},
		{"GET", "/a/b.git/info/refs?service=git-upload-pack", false},
		{"GET", "/%2e.git/info/refs?service=git-upload-pack", false},
		{"GET", "/.git/info/refs?service=git-upload-pack", false},
		{"GET", "/", false},
		{"GET", "", false},
		{"GET", "sample.git/info/refs?service=git-upload-pack", false},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++)
		if (git_serve_wanted(rows[index].method, rows[index].target) != rows[index].wanted)
			fail_msg("%s %s", rows[index].method, rows[index].target);
}

static void heads_are_read(void **state)
{
	static const struct {
		const char *answer;
		long length; /* 0: more is needed; -1: refused */
		const char *told;
	} rows[] = {
		{"Content-Type: a/b\r\n\r\nbody", 21, "200 a/b"},
		{"Content-Type: a/b\n\nbody", 19, "200 a/b"},
		{"Status: 404 Not Found\r\nExpires: never\r\n\r\n", 41, "404 application/octet-stream Expires=never"},
		{"status:  500\r\nPragma: no-cache\r\nContent-Length: 7\r\n\r\n", 53,
		 "500 application/octet-stream Pragma=no-cache"},
		{"Content-Type: a/b\r\n", 0, NULL},
		{"Content-Type: a/b\r\n\r", 0, NULL},
		{"", 0, NULL},
		{"no field\r\n\r\n", -1, NULL},
		{": nothing\r\n\r\n", -1, NULL},
		{"Status: 99\r\n\r\n", -1, NULL},
		{"Status: OK\r\n\r\n", -1, NULL},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		HC_AUTO_TEXT text = {0}, told = {0};
		struct git_serve_head head;
		long length;

		hc_text_append(&text, rows[index].answer);
		length = git_serve_head_parse(&text, &head);
		if (length != rows[index].length)
			fail_msg("row %zu: %ld", index, length);
		if (length <= 0)
			continue;
		hc_text_printf(&told, "%d %s", head.status, head.content_type);
		for (size_t i = 0; i < head.header_count; i++)
			hc_text_printf(&told, " %s=%s", head.headers[i].name, head.headers[i].value);
		assert_string_equal(hc_text_string(&told), rows[index].told);
	}
}

static void an_endless_head_is_refused(void **state)
{
	HC_AUTO_TEXT text = {0};
	struct git_serve_head head;

	(void)state;
	while (text.length <= GIT_SERVE_HEAD_BYTES)
		hc_text_append(&text, "Name: value\r\n");
	assert_int_equal(git_serve_head_parse(&text, &head), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_smart_http_is_wanted),
		cmocka_unit_test(heads_are_read),
		cmocka_unit_test(an_endless_head_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
