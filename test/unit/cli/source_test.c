/* What rollback, logs --build and webhook-send choose and write; tables of literals. */
#include "../cmocka_all.h"

#include "base/base.h"
#include "base/text.h"
#include "cli/logs.h"
#include "cli/rollback.h"
#include "cli/webhook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define Z "0000000000000000000000000000000000000000"

/* One row of a history. */
#define D(service, revision, phase, more)                                                                    \
	"{\"metadata\":{\"name\":\"" service "-r" #revision "\"},\"spec\":{\"service\":\"" service               \
	"\",\"revision\":" #revision more "},\"status\":{\"phase\":\"" phase "\"}}"
#define HISTORY(rows) "{\"items\":[" rows "]}"

static void rollback_goes_further_back_each_time(void **state)
{
	static const struct {
		const char *history;
		const char *current;
		json_int_t expected;
	} rows[] = {
		{HISTORY(D("a", 1, "SUCCESS", "") "," D("a", 2, "SUCCESS", "")), "a-r2", 1},
		{HISTORY(D("a", 10, "SUCCESS", "") "," D("a", 11, "SUCCESS", "") "," D("a", 9, "SUCCESS", "")),
		 "a-r11", 10},
		{HISTORY(D("a", 1, "SUCCESS", "") "," D("a", 2, "FAILED", "") "," D("a", 3, "SUCCESS", "")), "a-r3",
		 1},
		{HISTORY(D("a", 1, "SUCCESS", "") "," D("b", 2, "SUCCESS", "") "," D("a", 3, "SUCCESS", "")), "a-r3",
		 1},
		/* r3 repeats r2, so what is before is r1 */
		{HISTORY(D("a", 1, "SUCCESS", "") "," D("a", 2, "SUCCESS", "") "," D("a", 3, "SUCCESS",
																			 ",\"rollbackOf\":2")),
		 "a-r3", 1},
		{HISTORY(D("a", 1, "SUCCESS", "") "," D("a", 2, "SUCCESS", "") "," D("a", 3, "SUCCESS",
																			 ",\"rollbackOf\":1")),
		 "a-r3", 0},
		/* the newest attempt failed: the current one serves on */
		{HISTORY(D("a", 1, "SUCCESS", "") "," D("a", 2, "SUCCESS", "") "," D("a", 3, "FAILED", "")), "a-r2",
		 1},
		{HISTORY(D("a", 1, "SUCCESS", "")), "a-r1", 0},
		{HISTORY(D("a", 1, "SUCCESS", "")), "", 0},
		{HISTORY(""), "a-r1", 0},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		json_t *deployments = json_loads(rows[index].history, 0, NULL);

		assert_non_null(deployments);
		json_int_t revision = rollback_revision_before(deployments, "a", rows[index].current);
		json_decref(deployments);
		if (revision != rows[index].expected)
			fail_msg("row %zu: %lld", index, (long long)revision);
	}
}

static void revisions_are_read(void **state)
{
	static const struct {
		const char *text;
		json_int_t expected; /* 0: refused */
	} rows[] = {
		{"7", 7},
		{"r7", 7},
		{"shop-r12", 12},
		{"0", 0},
		{"-1", 0},
		{"", 0},
		{"r", 0},
		{"7a", 0},
		{" 7", 0},
		{"+7", 0},
		{"other-r7", 0},
		{"shop-r", 0},
		{"99999999999999999999", 0},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		json_int_t revision = 0;
		int result = rollback_read_revision("shop", rows[index].text, &revision);

		if (rows[index].expected ? result || revision != rows[index].expected : !result)
			fail_msg("\"%s\": %d, %lld", rows[index].text, result, (long long)revision);
	}
}

#define BUILT(revision, phase, build)                                                                        \
	"{\"spec\":{\"service\":\"a\",\"revision\":" #revision ",\"template\":{\"repoUrl\":\"x\"}},"             \
	"\"status\":{\"phase\":\"" phase "\",\"build\":\"" build "\"}}"
#define PREBUILT(revision, phase)                                                                            \
	"{\"spec\":{\"service\":\"a\",\"revision\":" #revision ",\"template\":{\"image\":\"x\"}},"               \
	"\"status\":{\"phase\":\"" phase "\"}}"

static void builds_are_found(void **state)
{
	static const struct {
		const char *history;
		const char *build; /* NULL: none */
		bool coming;
	} rows[] = {
		{HISTORY(""), NULL, false},
		{HISTORY(BUILT(1, "BUILDING", "")), NULL, true},
		{HISTORY(BUILT(1, "BUILDING", "a-1")), "a-1", false},
		{HISTORY(BUILT(1, "SUCCESS", "a-1") "," BUILT(2, "BUILDING", "")), "a-1", true},
		{HISTORY(BUILT(10, "SUCCESS", "a-10") "," BUILT(9, "SUCCESS", "a-9")), "a-10", false},
		{HISTORY(BUILT(1, "SUCCESS", "a-1") "," BUILT(2, "FAILED", "")), "a-1", false},
		{HISTORY(BUILT(1, "SUCCESS", "a-1") "," PREBUILT(2, "BUILDING")), "a-1", false},
		{HISTORY(PREBUILT(1, "BUILDING")), NULL, false},
		{"{\"items\":[{\"spec\":{\"service\":\"b\",\"revision\":1},\"status\":{\"build\":\"b-1\"}}]}", NULL,
		 false},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		json_t *deployments = json_loads(rows[index].history, 0, NULL);
		bool coming = false;

		assert_non_null(deployments);
		HC_AUTO_FREE build = logs_build_of(deployments, "a", &coming);
		json_decref(deployments);
		if (!hc_streq(build, rows[index].build) || coming != rows[index].coming)
			fail_msg("row %zu: %s, %d", index, build ? build : "none", coming);
	}
}

static void hook_lines_are_read(void **state)
{
	static const struct {
		const char *line;
		const char *expected; /* ref before after; NULL: refused */
	} rows[] = {
		{A " " Z " refs/heads/main\n", "refs/heads/main " A " " Z},
		{"a b refs/heads/ż", "refs/heads/ż a b"},
		{"a b refs/heads/x y\r\n", "refs/heads/x y a b"},
		{"a b \n", NULL},
		{"a b\n", NULL},
		{"\n", NULL},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		struct webhook_push push = {0};
		HC_AUTO_TEXT told = {0};
		HC_AUTO_FREE line = strdup(rows[index].line);
		int result = webhook_read_line(line, &push);

		if (result == 0)
			hc_text_printf(&told, "%s %s %s", push.ref, push.before, push.after);
		if (result ? rows[index].expected != NULL : !hc_streq(hc_text_string(&told), rows[index].expected))
			fail_msg("row %zu: %s", index, hc_text_string(&told));
	}
}

static void payloads_are_githubs(void **state)
{
	struct webhook_push push = {.repository = "https://git.example.org/shop.git",
								.default_branch = "main",
								.ref = "refs/heads/main",
								.before = Z,
								.after = A};

	(void)state;
	json_t *payload = webhook_payload(&push);
	HC_AUTO_FREE text = json_dumps(payload, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(payload);
	assert_string_equal(text,
						"{\"after\":\"" A "\",\"before\":\"" Z
						"\",\"created\":true,\"deleted\":false,\"forced\":false,\"ref\":\"refs/heads/main\","
						"\"repository\":{\"clone_url\":\"https://git.example.org/shop.git\","
						"\"default_branch\":\"main\",\"full_name\":\"https://git.example.org/shop.git\"}}");
}

static void urls_are_cut_before_their_path(void **state)
{
	static const struct {
		const char *url;
		const char *path;
	} rows[] = {
		{"https://api.example.org/webhooks/github", "/webhooks/github"},
		{"http://127.0.0.1:80/webhooks/github?x=/", "/webhooks/github?x=/"},
		{"https://api.example.org", NULL},
		{"ftp://api.example.org/a", NULL},
		{"/webhooks/github", NULL},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++)
		assert_true(hc_streq(webhook_url_path(rows[index].url), rows[index].path));
}

static void a_hook_may_be_a_file_of_options(void **state)
{
	static const struct {
		const char *file;
		const char *words;
	} rows[] = {
		{"#!/usr/bin/helvetia webhook-send\n# a word on it\n--stdin\n--url https://a/b\n",
		 "--stdin|--url|https://a/b|"},
		{"--secret-file /a folder/secret\r\n\n--stdin", "--secret-file|/a folder/secret|--stdin|"},
		{"--a 1\n--b 2\n--c 3\n--d 4\n--e 5\n", "--a|1|--b|2|--c|3|"},
		{"", ""},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		HC_AUTO_FREE text = strdup(rows[index].file);
		HC_AUTO_TEXT told = {0};
		char *words[7];
		size_t count = webhook_options_split(text, words, HC_COUNT(words));

		for (size_t word = 0; word < count; word++)
			hc_text_printf(&told, "%s|", words[word]);
		assert_string_equal(hc_text_string(&told), rows[index].words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rollback_goes_further_back_each_time),
		cmocka_unit_test(revisions_are_read),
		cmocka_unit_test(builds_are_found),
		cmocka_unit_test(hook_lines_are_read),
		cmocka_unit_test(payloads_are_githubs),
		cmocka_unit_test(urls_are_cut_before_their_path),
		cmocka_unit_test(a_hook_may_be_a_file_of_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
