/* cli/arguments.c and the small words of cli/client.c. */
#include "../cmocka_all.h"

#include "cli/arguments.h"
#include "cli/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct arguments_spec spec = {
	.usage = "usage: helvetia try NAME",
	.help = "",
	.letters = "nofwtT",
	.positions_min = 1,
	.positions_max = 2,
};

struct row {
	const char *words[8];
	int result;
	const char *namespace_name;
	enum output_format output;
	int positions;
	int timeout_seconds;
	bool wait;
};

static void command_lines_are_read_or_refused(void **state)
{
	static const struct row rows[] = {
		{{"try", "shop"}, 0, "default", OUTPUT_TABLE, 1, 600, false},
		{{"try", "shop", "-n", "team", "-o", "yaml"}, 0, "team", OUTPUT_YAML, 1, 600, false},
		{{"try", "--wait", "--timeout", "5", "shop", "2"}, 0, "default", OUTPUT_TABLE, 2, 5, true},
		{{"try", "--output=json", "shop"}, 0, "default", OUTPUT_JSON, 1, 600, false},
		{{"try"}, -1, NULL, OUTPUT_TABLE, 0, 0, false},
		{{"try", "a", "b", "c"}, -1, NULL, OUTPUT_TABLE, 0, 0, false},
		{{"try", "a", "--follow"}, -1, NULL, OUTPUT_TABLE, 0, 0, false},
		{{"try", "a", "--dry-run"}, -1, NULL, OUTPUT_TABLE, 0, 0, false},
		{{"try", "a", "-o"}, -1, NULL, OUTPUT_TABLE, 0, 0, false},
		{{"try", "a", "-o", "xml"}, -1, NULL, OUTPUT_TABLE, 0, 0, false},
		{{"try", "a", "--timeout", "0"}, -1, NULL, OUTPUT_TABLE, 0, 0, false},
		{{"try", "a", "--timeout", "5s"}, -1, NULL, OUTPUT_TABLE, 0, 0, false},
		{{"try", "a", "--tail", "-3"}, -1, NULL, OUTPUT_TABLE, 0, 0, false},
	};

	(void)state;
	(void)unsetenv("HELVETIA_NAMESPACE");
	(void)setenv("KUBECONFIG", "/nonexistent", 1); /* nobody's own context counts */
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		char *words[8];
		struct arguments arguments;
		int count = 0;
		int result;

		for (; count < 8 && rows[index].words[count]; count++)
			words[count] = strdup(rows[index].words[count]);
		words[count] = NULL;
		result = arguments_parse(count, words, &spec, &arguments);
		assert_int_equal(result, rows[index].result);
		if (result == 0) {
			assert_string_equal(arguments.namespace_name, rows[index].namespace_name);
			assert_int_equal(arguments.output, rows[index].output);
			assert_int_equal(arguments.position_count, rows[index].positions);
			assert_int_equal(arguments.timeout_seconds, rows[index].timeout_seconds);
			assert_int_equal(arguments.wait, rows[index].wait);
		}
		while (count > 0)
			free(words[--count]);
	}
}

static void namespace_comes_from_the_environment_unless_given(void **state)
{
	char program[] = "try";
	char name[] = "shop";
	char *words[] = {program, name, NULL};
	struct arguments arguments;

	(void)state;
	(void)setenv("HELVETIA_NAMESPACE", "team", 1);
	assert_int_equal(arguments_parse(2, words, &spec, &arguments), 0);
	assert_string_equal(arguments.namespace_name, "team");
	(void)unsetenv("HELVETIA_NAMESPACE");
	(void)setenv("KUBECONFIG", "/nonexistent", 1); /* nobody's own context counts */
}

static void kinds_and_paths_are_kubernetes_own(void **state)
{
	static const struct {
		const char *word;
		const char *plural;
	} rows[] = {
		{"svc", "services"}, {"service", "services"}, {"deploy", "deployments"}, {"ns", "namespaces"}};
	char *path;

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++)
		assert_string_equal(client_plural(rows[index].word), rows[index].plural);
	assert_null(client_plural("gadget"));
	path = client_path("services", "team", "a b/..");
	assert_string_equal(path, "/apis/helvetia.cloud/v1/namespaces/team/services/a%20b%2F..");
	free(path);
	path = client_path("services", NULL, NULL);
	assert_string_equal(path, "/apis/helvetia.cloud/v1/services");
	free(path);
	path = client_path("namespaces", "team", "x");
	assert_string_equal(path, "/api/v1/namespaces/x");
	free(path);
}

static void json_is_read_by_path(void **state)
{
	json_t *object = json_pack("{s:{s:s, s:i, s:[{s:s, s:s}]}}", "status", "phase", "ACTIVE", "readyReplicas",
							   2, "conditions", "type", "Ready", "status", "True");

	(void)state;
	assert_string_equal(json_text_at(object, "status", "phase", NULL), "ACTIVE");
	assert_string_equal(json_text_at(object, "status", "absent", "deeper", NULL), "");
	assert_int_equal(json_number_at(object, "status", "readyReplicas", NULL), 2);
	assert_string_equal(json_text_at(json_condition(object, "Ready"), "status", NULL), "True");
	assert_null(json_condition(object, "Built"));
	json_decref(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_lines_are_read_or_refused),
		cmocka_unit_test(namespace_comes_from_the_environment_unless_given),
		cmocka_unit_test(kinds_and_paths_are_kubernetes_own),
		cmocka_unit_test(json_is_read_by_path),
	};

	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
