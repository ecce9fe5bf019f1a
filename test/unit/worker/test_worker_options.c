/* The worker's command line: what it takes, and the one sentence that it refuses with. */
#include "worker/options.h"

#include "../cmocka_all.h"
#include <stdio.h>

static int parse(char **argv, struct worker_options *ret_options, struct hc_error *err)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return worker_options_parse(argc, argv, ret_options, err);
}

static void everything(void **state)
{
	char words[][48] = {"helvetia-worker",
						"--database",
						"postgresql:///h",
						"--redis",
						"redis://localhost",
						"--queue",
						"builds",
						"--docker",
						"unix:///d.sock",
						"--state",
						"/s",
						"--allow-repository-prefix",
						"http://127.0.0.1:1/",
						"--allow-repository-prefix",
						"https://git.example/",
						"--concurrency",
						"3",
						"--name",
						"w1",
						"--child",
						"17"};
	char *argv[HC_COUNT(words) + 1] = {0};
	struct worker_options options;
	struct hc_error err;

	(void)state;
	for (size_t n = 0; n < HC_COUNT(words); n++)
		argv[n] = words[n];
	assert_int_equal(parse(argv, &options, &err), 0);
	assert_string_equal(options.redis, "redis://localhost");
	assert_string_equal(options.prefixes[1], "https://git.example/");
	assert_null(options.prefixes[2]);
	assert_int_equal(options.concurrency, 3);
	assert_int_equal(options.child, 17);
}

static void refusals(void **state)
{
	static const struct {
		const char *argv[16];
		const char *text;
	} cases[] = {
		{{"w", NULL}, "--database is required"},
		{{"w", "--database", "d", "--redis", "r", "--queue", "q", "--docker", "u", NULL},
		 "--state is required"},
		{{"w", "--database", "d", "--redis", "r", "--queue", "q", "--docker", "u", "--state", "s", NULL},
		 "--state: \"s\" must be an absolute path"},
		{{"w", "--concurrency", "0", NULL}, "--concurrency: \"0\" must be a number from 1 to 16"},
		{{"w", "--concurrency", "x", NULL}, "--concurrency: \"x\" must be a number from 1 to 16"},
		{{"w", "--colour", NULL}, "--colour: unknown option, or its value is missing"},
		{{"w", "more", NULL}, "\"more\": there are no arguments beside options"},
	};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(cases); n++) {
		struct worker_options options;
		struct hc_error err = {0};
		char words[16][48], *argv[17] = {0};

		for (size_t at = 0; cases[n].argv[at]; at++) {
			(void)snprintf(words[at], sizeof words[at], "%s", cases[n].argv[at]);
			argv[at] = words[at];
		}
		assert_int_equal(parse(argv, &options, &err), -1);
		assert_int_equal(err.class, HC_INVALID);
		assert_string_equal(err.text, cases[n].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(everything), cmocka_unit_test(refusals)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
