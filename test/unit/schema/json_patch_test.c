/* JSON patch: the examples of RFC 6902, appendix A, what it says of errors, and our limits. */
#include "../cmocka_all.h"

#include "base/alloc.h"
#include "base/text.h"
#include "schema/schema.h"

#include <stdlib.h>
#include <string.h>

static json_t *parse(const char *quoted)
{
	HC_AUTO_FREE text = hc_xstrdup(quoted);
	json_error_t problem;

	for (char *at = text; *at; at++)
		if (*at == '\'')
			*at = '"';
	json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &problem);
	if (!value)
		fail_msg("%s: %s", text, problem.text);
	return value;
}

static const struct {
	const char *target;
	const char *patch;
	const char *result; /* or the beginning of the class's name and words of the message */
} rows[] = {
	/* appendix A, in its order */
	{"{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux'}]", "{'baz':'qux','foo':'bar'}"},
	{"{'foo':['bar','baz']}", "[{'op':'add','path':'/foo/1','value':'qux'}]", "{'foo':['bar','qux','baz']}"},
	{"{'baz':'qux','foo':'bar'}", "[{'op':'remove','path':'/baz'}]", "{'foo':'bar'}"},
	{"{'foo':['bar','qux','baz']}", "[{'op':'remove','path':'/foo/1'}]", "{'foo':['bar','baz']}"},
	{"{'baz':'qux','foo':'bar'}", "[{'op':'replace','path':'/baz','value':'boo'}]",
	 "{'baz':'boo','foo':'bar'}"},
	{"{'foo':{'bar':'baz','waldo':'fred'},'qux':{'corge':'grault'}}",
	 "[{'op':'move','from':'/foo/waldo','path':'/qux/thud'}]",
	 "{'foo':{'bar':'baz'},'qux':{'corge':'grault','thud':'fred'}}"},
	{"{'foo':['all','grass','cows','eat']}", "[{'op':'move','from':'/foo/1','path':'/foo/3'}]",
	 "{'foo':['all','cows','eat','grass']}"},
	{"{'baz':'qux','foo':['a',2,'c']}",
	 "[{'op':'test','path':'/baz','value':'qux'},{'op':'test','path':'/foo/1','value':2}]",
	 "{'baz':'qux','foo':['a',2,'c']}"},
	{"{'baz':'qux'}", "[{'op':'test','path':'/baz','value':'bar'}]", "conflict operation 1 (test)"},
	{"{'foo':'bar'}", "[{'op':'add','path':'/child','value':{'grandchild':{}}}]",
	 "{'foo':'bar','child':{'grandchild':{}}}"},
	{"{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux','xyz':123}]", "{'foo':'bar','baz':'qux'}"},
	{"{'foo':'bar'}", "[{'op':'add','path':'/baz/bat','value':'qux'}]", "conflict there is no place"},
	{"{'/':9,'~1':10}", "[{'op':'test','path':'/~01','value':10}]", "{'/':9,'~1':10}"},
	{"{'/':9,'~1':10}", "[{'op':'test','path':'/~01','value':'10'}]", "conflict another one"},
	{"{'foo':['bar']}", "[{'op':'add','path':'/foo/-','value':['abc','def']}]",
	 "{'foo':['bar',['abc','def']]}"},
	/* each operation */
	{"{'a':1}", "[{'op':'add','path':'/a','value':2}]", "{'a':2}"},
	{"{'a':1}", "[{'op':'add','path':'','value':[]}]", "[]"},
	{"{'a':1}", "[{'op':'replace','path':'','value':{}}]", "{}"},
	{"{'a':1}", "[{'op':'test','path':'','value':{'a':1.0}}]", "{'a':1}"},
	{"{'':1}", "[{'op':'replace','path':'/','value':2}]", "{'':2}"},
	{"{'a':[1,2]}", "[{'op':'copy','from':'/a','path':'/a/0'}]", "{'a':[[1,2],1,2]}"},
	{"{'a':{'b':1}}", "[{'op':'copy','from':'/a','path':'/a/c'},{'op':'add','path':'/a/c/b','value':2}]",
	 "{'a':{'b':1,'c':{'b':2}}}"},
	{"{'a':{'b':1}}", "[{'op':'move','from':'/a','path':'/a'}]", "{'a':{'b':1}}"},
	{"{'a':{'b':1}}", "[{'op':'move','from':'/a','path':'/a/b'}]", "invalid into itself"},
	{"{'a':{'b':1}}", "[{'op':'move','from':'','path':'/a'}]", "invalid into itself"},
	{"{'a':1,'ab':{}}", "[{'op':'move','from':'/a','path':'/ab/a'}]", "{'ab':{'a':1}}"},
	{"{'a':null}", "[{'op':'test','path':'/a','value':null},{'op':'remove','path':'/a'}]", "{}"},
	{"{'a':[1]}", "[{'op':'remove','path':'/a/-'}]", "conflict nothing at"},
	{"{'a':[1]}", "[{'op':'replace','path':'/a/1','value':2}]", "conflict nothing at"},
	{"{'a':[1]}", "[{'op':'add','path':'/a/2','value':2}]", "conflict no place"},
	{"{'a':[1]}", "[{'op':'add','path':'/a/01','value':2}]", "conflict no place"},
	{"{'a':[1]}", "[{'op':'add','path':'/a/+1','value':2}]", "conflict no place"},
	{"{'a':[1]}", "[{'op':'add','path':'/a/-/b','value':2}]", "conflict no place"},
	{"{'a':'x'}", "[{'op':'add','path':'/a/b','value':2}]", "conflict no place"},
	{"{'a':1}", "[{'op':'remove','path':'/b'}]", "conflict nothing at"},
	{"{'a':1}", "[{'op':'replace','path':'/b','value':1}]", "conflict nothing at"},
	{"{'a':1}", "[{'op':'remove','path':''}]", "conflict can't be removed"},
	{"{'a':1}", "[{'op':'test','path':'/b','value':null}]", "conflict nothing at"},
	{"{'a':1}", "[{'op':'copy','from':'/b','path':'/c'}]", "conflict nothing at"},
	{"{'a':1}", "[{'op':'add','path':'/b','value':1},{'op':'test','path':'/b','value':2}]",
	 "conflict operation 2"},
	/* no patch */
	{"{}", "{}", "invalid a list"},
	{"{}", "[1]", "invalid op must be"},
	{"{}", "[{'op':'mend','path':'/a'}]", "invalid op must be"},
	{"{}", "[{'op':'add','value':1}]", "invalid path is missing"},
	{"{}", "[{'op':'add','path':'/a'}]", "invalid value is missing"},
	{"{}", "[{'op':'copy','path':'/a'}]", "invalid from is missing"},
	{"{}", "[{'op':'add','path':'a','value':1}]", "invalid must begin with"},
	{"{}", "[{'op':'add','path':'/~2','value':1}]", "invalid ~0 or ~1"},
	{"{}", "[{'op':'add','path':'/a~','value':1}]", "invalid ~0 or ~1"},
	{"{}", "[]", "{}"},
};

static void check_row(size_t number)
{
	json_t *target = parse(rows[number].target);
	json_t *before = json_deep_copy(target);
	json_t *steps = parse(rows[number].patch);
	struct hc_error err = {0};
	json_t *result = schema_json_patch(target, steps, &err);
	char first = rows[number].result[0];

	assert_true(json_equal(target, before));
	if (first == '{' || first == '[') {
		json_t *wanted = parse(rows[number].result);
		if (!result || !json_equal(result, wanted))
			fail_msg("%s with %s: %s", rows[number].target, rows[number].patch, err.text);
		json_decref(wanted);
	} else {
		const char *words = strchr(rows[number].result, ' ') + 1;
		enum hc_class class = first == 'c' ? HC_CONFLICT : HC_INVALID;
		if (result || err.class != class || !strstr(err.text, words))
			fail_msg("%s with %s: %s", rows[number].target, rows[number].patch, err.text);
	}
	json_decref(result);
	json_decref(steps);
	json_decref(before);
	json_decref(target);
}

static void test_operations(void **state)
{
	(void)state;
	for (size_t number = 0; number < HC_COUNT(rows); number++)
		check_row(number);
}

/* Copies of copies double; copies into copies get deeper. Both end at a limit, and nothing runs away. */
static void test_limits(void **state)
{
	HC_AUTO_TEXT doubling = {0};
	HC_AUTO_TEXT deepening = {0};
	HC_AUTO_TEXT pointer = {0};
	static const char *const words[] = {"copied", "nested deeper", "no place"};
	struct hc_error err;

	(void)state;
	for (int index = 0; index < 40; index++)
		hc_text_append(&doubling, index ? ",{'op':'copy','from':'/a','path':'/a/-'}"
										: "[{'op':'add','path':'/a','value':[1,2]}");
	for (int index = 0; index < 60; index++)
		hc_text_append(&deepening,
					   index
						   ? ",{'op':'move','from':'/a','path':'/b'},{'op':'add','path':'/a','value':{}},"
							 "{'op':'move','from':'/b','path':'/a/a'},{'op':'copy','from':'/a','path':'/b'},"
							 "{'op':'move','from':'/b','path':'/a/b'}"
						   : "[{'op':'add','path':'/a','value':{}}");
	hc_text_append(&pointer, "[{'op':'add','path':'");
	for (int index = 0; index < 200; index++)
		hc_text_append(&pointer, "/a");
	hc_text_append(&doubling, "]");
	hc_text_append(&deepening, "]");
	hc_text_append(&pointer, "','value':1}]");
	const char *const texts[] = {hc_text_string(&doubling), hc_text_string(&deepening),
								 hc_text_string(&pointer)};
	for (size_t index = 0; index < HC_COUNT(texts); index++) {
		json_t *steps = parse(texts[index]);
		json_t *target = json_object();
		err = (struct hc_error){0};
		assert_null(schema_json_patch(target, steps, &err));
		if (!strstr(err.text, words[index]) && !(index == 1 && strstr(err.text, "copied")))
			fail_msg("%zu: %s", index, err.text);
		json_decref(target);
		json_decref(steps);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_operations),
		cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
