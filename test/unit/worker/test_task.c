/* What the queue may hand to a worker: only a UUID and an attempt under one of two names get through. */
#include "worker/task.h"

#include "../cmocka_all.h"
#include <stdlib.h>
#include <string.h>

#define UUID "0a1b2c3d-4e5f-4a6b-8c7d-0e1f2a3b4c5d"

static void references(void **state)
{
	static const struct {
		const char *name;
		const char *data;
		const char *text; /* NULL: taken */
	} cases[] = {
		{"build", "{\"id\":\"" UUID "\",\"attempt\":7}", NULL},
		{"resolve", "{\"id\":\"" UUID "\",\"attempt\":1,\"more\":true}", NULL},
		{"mail", "{\"id\":\"" UUID "\",\"attempt\":1}",
		 "this worker takes jobs named resolve and build, and no other"},
		{"build", "{\"id\":\"" UUID "\",\"attempt\":0}", "data.attempt must be a number from 1 on"},
		{"build", "{\"id\":\"" UUID "\",\"attempt\":\"1\"}", "data.attempt must be a number from 1 on"},
		{"build", "{\"id\":\"../../etc\",\"attempt\":1}", "data.id must be the UUID of a job's row"},
		{"build", "{\"id\":\"0A1B2C3D-4e5f-4a6b-8c7d-0e1f2a3b4c5d\",\"attempt\":1}",
		 "data.id must be the UUID of a job's row"},
		{"build", "[]", "data.id must be the UUID of a job's row"},
		{"build", "null", "data is no JSON object: '[' or '{' expected near 'null'"},
		{"build", "{", "data is no JSON object: string or '}' expected near end of file"},
	};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(cases); n++) {
		struct task_reference reference;
		struct hc_error err = {0};
		enum job_kind kind;
		int result = task_reference_parse(cases[n].name, cases[n].data, &kind, &reference, &err);

		assert_int_equal(result, cases[n].text ? -1 : 0);
		if (cases[n].text) {
			assert_string_equal(err.text, cases[n].text);
			assert_int_equal(err.class, HC_INVALID);
		} else {
			assert_string_equal(reference.id, UUID);
		}
	}
}

static void long_data(void **state)
{
	char data[TASK_DATA_BYTES_MAX + 2];
	struct task_reference reference;
	struct hc_error err;
	enum job_kind kind;

	(void)state;
	memset(data, ' ', sizeof data - 1);
	data[sizeof data - 1] = '\0';
	assert_int_equal(task_reference_parse("build", data, &kind, &reference, &err), -1);
	assert_string_equal(err.text, "data must be {\"id\", \"attempt\"} of at most 4096 bytes");
}

static void inputs(void **state)
{
	struct hc_arena *arena = hc_arena_new();
	struct task_input input;
	struct hc_error err;

	(void)state;
	assert_int_equal(
		task_input_parse(JOB_RESOLVE,
						 "{\"namespaceUid\":\"n\",\"repoUrl\":\"https://h/r\",\"branch\":\"main\","
						 "\"commit\":\"\",\"path\":null,\"headOnly\":true}",
						 arena, &input, &err),
		0);
	assert_string_equal(input.branch, "main");
	assert_null(input.commit);
	assert_null(input.path);
	assert_true(input.head_only);
	assert_int_equal(
		task_input_parse(JOB_BUILD, "{\"namespaceUid\":\"n\",\"repoUrl\":\"u\"}", arena, &input, &err), -1);
	assert_int_equal(
		task_input_parse(JOB_BUILD,
						 "{\"namespaceUid\":\"n\",\"repoUrl\":\"u\",\"commit\":\"c\",\"tree\":\"t\","
						 "\"image\":\"i:1\",\"runtime\":\"node\",\"installation\":\"x\",\"build\":\"b\","
						 "\"buildArgs\":[{\"name\":\"A\",\"value\":\"\"}],\"internalPort\":3000}",
						 arena, &input, &err),
		0);
	assert_int_equal(input.build_arg_count, 1);
	assert_string_equal(input.build_args[0].name, "A");
	assert_string_equal(input.build_args[0].value, "");
	assert_int_equal(input.internal_port, 3000);
	assert_int_equal(input.secret_count, 0);
#define BUILD                                                                                                \
	"{\"namespaceUid\":\"n\",\"repoUrl\":\"u\",\"commit\":\"c\",\"tree\":\"t\",\"image\":\"i:1\","           \
	"\"runtime\":\"node\","                                                                                  \
	"\"installation\":\"x\",\"build\":\"b\",\"buildSecrets\":"
	assert_int_equal(task_input_parse(JOB_BUILD,
									  BUILD
									  "[{\"name\":\"T\",\"secret\":\"s\",\"key\":\"k\",\"version\":\"v\"}]}",
									  arena, &input, &err),
					 0);
	assert_int_equal(input.secret_count, 1);
	assert_string_equal(input.secrets[0].name, "T");
	assert_string_equal(input.secrets[0].version, "v");
	assert_int_equal(task_input_parse(JOB_BUILD, BUILD "{}}", arena, &input, &err), -1);
	assert_int_equal(task_input_parse(JOB_BUILD, BUILD "[{\"name\":\"T\",\"secret\":\"s\",\"key\":\"k\"}]}",
									  arena, &input, &err),
					 -1);
#undef BUILD
	hc_arena_free(arena);
}

static void results(void **state)
{
	char *failure = task_failure("BuildFailed", "line 1\n\"x\"", false);
	char *text = task_result(false, failure), *outcome = NULL;
	struct hc_error err;
	bool success = true;

	(void)state;
	assert_string_equal(failure,
						"{\"reason\":\"BuildFailed\",\"message\":\"line 1\\n\\\"x\\\"\",\"final\":false}");
	assert_int_equal(task_result_parse(text, &success, &outcome, &err), 0);
	assert_false(success);
	assert_string_equal(outcome, failure);
	free(outcome);
	assert_int_equal(task_result_parse("{\"success\":true}", &success, &outcome, &err), -1);
	assert_null(outcome);
	assert_int_equal(task_result_parse("", &success, &outcome, &err), -1);
	free(text);
	free(failure);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(references), cmocka_unit_test(long_data),
									   cmocka_unit_test(inputs), cmocka_unit_test(results)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
