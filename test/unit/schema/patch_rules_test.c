/* Merge patch (the table of RFC 7396, appendix A), equality of writes, differences for people. */
#include "../cmocka_all.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/text.h"
#include "schema/schema.h"

#include <stdlib.h>
#include <string.h>

static json_t *parse(const char *quoted)
{
	HC_AUTO_FREE text = hc_xstrdup(quoted);
	json_error_t problem;
	json_t *value;

	for (char *at = text; *at; at++)
		if (*at == '\'')
			*at = '"';
	value = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &problem);
	if (!value)
		fail_msg("%s: %s", text, problem.text);
	return value;
}

static void test_merge_patch(void **state)
{
	static const struct {
		const char *target;
		const char *patch;
		const char *result;
	} table[] = {
		{"{'a':'b'}", "{'a':'c'}", "{'a':'c'}"},
		{"{'a':'b'}", "{'b':'c'}", "{'a':'b','b':'c'}"},
		{"{'a':'b'}", "{'a':null}", "{}"},
		{"{'a':'b','b':'c'}", "{'a':null}", "{'b':'c'}"},
		{"{'a':['b']}", "{'a':'c'}", "{'a':'c'}"},
		{"{'a':'c'}", "{'a':['b']}", "{'a':['b']}"},
		{"{'a':{'b':'c'}}", "{'a':{'b':'d','c':null}}", "{'a':{'b':'d'}}"},
		{"{'a':[{'b':'c'}]}", "{'a':[1]}", "{'a':[1]}"},
		{"['a','b']", "['c','d']", "['c','d']"},
		{"{'a':'b'}", "['c']", "['c']"},
		{"{'a':'foo'}", "null", "null"},
		{"{'a':'foo'}", "'bar'", "'bar'"},
		{"{'e':null}", "{'a':1}", "{'e':null,'a':1}"},
		{"[1,2]", "{'a':'b','c':null}", "{'a':'b'}"},
		{"{}", "{'a':{'bb':{'ccc':null}}}", "{'a':{'bb':{}}}"},
	};

	(void)state;
	for (size_t i = 0; i < HC_COUNT(table); i++) {
		json_t *target = parse(table[i].target);
		json_t *before = json_deep_copy(target);
		json_t *patch = parse(table[i].patch);
		json_t *wanted = parse(table[i].result);
		json_t *result = schema_merge_patch(target, patch);

		if (!json_equal(result, wanted))
			fail_msg("%s with %s", table[i].target, table[i].patch);
		assert_true(json_equal(target, before));
		json_decref(target);
		json_decref(before);
		json_decref(patch);
		json_decref(wanted);
		json_decref(result);
	}
}

static void test_equal(void **state)
{
	static const struct {
		const char *left;
		const char *right;
		bool equal;
	} table[] = {
		{"{'spec':{'a':1,'b':2}}", "{'spec':{'b':2,'a':1}}", true},
		{"{'spec':{'a':1}}", "{'spec':{'a':2}}", false},
		{"{'metadata':{'resourceVersion':'1','generation':1}}", "{'metadata':{'resourceVersion':'2'}}", true},
		{"{'metadata':{'generation':1}}", "{'metadata':{'generation':2}}", true},
		{"{'metadata':{'uid':'1'}}", "{'metadata':{'uid':'2'}}", false},
		{"{'metadata':{'managedFields':[{'time':'1','manager':'a'}]}}",
		 "{'metadata':{'managedFields':[{'time':'2','manager':'a'}]}}", true},
		{"{'metadata':{'managedFields':[{'time':'1','manager':'a'}]}}",
		 "{'metadata':{'managedFields':[{'time':'1','manager':'b'}]}}", false},
		{"{'metadata':{}}", "{}", false},
		{"{'status':{'x':1}}", "{'status':{'x':2}}", false},
		{"{'spec':{'domains':['a','b']}}", "{'spec':{'domains':['b','a']}}", false},
	};

	(void)state;
	for (size_t i = 0; i < HC_COUNT(table); i++) {
		json_t *left = parse(table[i].left);
		json_t *right = parse(table[i].right);

		if (schema_equal(left, right) != table[i].equal)
			fail_msg("%s and %s", table[i].left, table[i].right);
		json_decref(left);
		json_decref(right);
	}
}

static void test_diff(void **state)
{
	static const struct {
		const char *live;
		const char *wanted;
		const char *lines; /* joined by a line feed */
	} table[] = {
		{"{'spec':{'image':'a'}}", "{'spec':{'image':'b'}}", "spec.image: a → b"},
		{"{'spec':{'image':'a'}}", "{'spec':{'image':'a'}}", ""},
		{"{'spec':{'z':1,'b':true}}", "{'spec':{'a':'x y','z':2}}",
		 "spec.a: (none) → \"x y\"\nspec.b: true → (none)\nspec.z: 1 → 2"},
		{"{'spec':{'a':'1','b':'true','c':'(none)','d':''}}", "{'spec':{'a':1}}",
		 "spec.a: \"1\" → 1\nspec.b: \"true\" → (none)\nspec.c: \"(none)\" → (none)\nspec.d: \"\" → (none)"},
		{"{'spec':{'env':[{'name':'A','value':'1'},{'name':'B','value':'1'}]}}",
		 "{'spec':{'env':[{'name':'B','value':'2'},{'name':'C'}]}}",
		 "spec.env[A].name: A → (none)\nspec.env[A].value: \"1\" → (none)\nspec.env[B].value: \"1\" → \"2\"\n"
		 "spec.env[C].name: (none) → C"},
		{"{'spec':{'domains':['a.org']}}", "{'spec':{'domains':['a.org','b.org']}}",
		 "spec.domains: [\"a.org\"] → [\"a.org\",\"b.org\"]"},
		{"{'spec':{'x':{'y':1}}}", "{'spec':{'x':[]}}", "spec.x: {\"y\":1} → []"},
		{"{'kind':'A','metadata':{'uid':'1','labels':{'l':'a'}},'status':{'x':1}}",
		 "{'kind':'B','metadata':{'uid':'2','labels':{'l':'b'}},'status':{'x':2}}",
		 "metadata.labels.l: a → b"},
		{NULL, "{'metadata':{'name':'shop'},'spec':{'image':'i','healthCheck':{}}}",
		 "spec.healthCheck: (none) → {}\nspec.image: (none) → i"},
	};

	(void)state;
	for (size_t i = 0; i < HC_COUNT(table); i++) {
		HC_AUTO(hc_arena) arena = hc_arena_new();
		HC_AUTO_TEXT text = {0};
		json_t *live = table[i].live ? parse(table[i].live) : NULL;
		json_t *wanted = parse(table[i].wanted);
		const char **lines = NULL;
		size_t count = 0;

		schema_diff(live, wanted, arena, &lines, &count);
		for (size_t at = 0; at < count; at++)
			hc_text_printf(&text, "%s%s", at ? "\n" : "", lines[at]);
		assert_string_equal(hc_text_string(&text), table[i].lines);
		json_decref(live);
		json_decref(wanted);
	}
}

/* Long values are cut at the end of a character. */
static void test_diff_cuts(void **state)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	HC_AUTO_TEXT value = {0};
	const char **lines = NULL;
	size_t count = 0;
	json_t *live;
	json_t *wanted;

	(void)state;
	hc_text_append(&value, "x");
	for (int i = 0; i < 5000; i++)
		hc_text_append(&value, "é");
	live = json_pack("{s:{s:s}}", "spec", "a", hc_text_string(&value));
	wanted = json_pack("{s:{s:s}}", "spec", "a", "b");
	schema_diff(live, wanted, arena, &lines, &count);
	assert_int_equal(count, 1);
	assert_true(hc_utf8_valid(lines[0], strlen(lines[0])));
	assert_true(strlen(lines[0]) < 160);
	assert_non_null(strstr(lines[0], "é… → b"));
	json_decref(live);
	json_decref(wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge_patch),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_diff),
		cmocka_unit_test(test_diff_cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
