/* Reading documents: YAML 1.2 core typing, streams, lists, positions of errors, limits, JSON; and writing
 * YAML that reads back as it was. */
#include "../cmocka_all.h"

#include "base/text.h"
#include "schema/schema.h"
#include <stdlib.h>
#include <string.h>

/* The documents as sorted JSON, one a line, or the error. */
static void read_text(const char *text, size_t length, struct hc_text *ret_lines)
{
	struct schema_documents documents = {0};
	struct hc_error err = {0};
	if (schema_documents_parse(text, length, &documents, &err) < 0) {
		assert_int_equal(err.class, HC_INVALID);
		hc_text_append(ret_lines, err.text);
		return;
	}
	for (size_t i = 0; i < documents.count; i++) {
		HC_AUTO_FREE dump = schema_dump(documents.items[i].value);
		assert_int_equal(documents.items[i].index, i);
		hc_text_printf(ret_lines, "%s%d:%s", i ? "\n" : "", documents.items[i].line, dump);
	}
	schema_documents_done(&documents);
}

struct vector {
	const char *yaml;
	const char *expected;
};

static void check_vectors(const struct vector *vectors, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		HC_AUTO_TEXT lines = {0};
		read_text(vectors[i].yaml, strlen(vectors[i].yaml), &lines);
		if (strcmp(hc_text_string(&lines), vectors[i].expected) != 0)
			fail_msg("%s\nexpected: %s\ngot:      %s", vectors[i].yaml, vectors[i].expected,
					 hc_text_string(&lines));
	}
}

static void test_plain_scalars(void **state)
{
	(void)state;
	/* {scalar, JSON}: the core schema of YAML 1.2, chapter 10.3.2 */
	static const struct vector scalars[] = {
		{"", "null"},
		{"~", "null"},
		{"null", "null"},
		{"Null", "null"},
		{"NULL", "null"},
		{"nULL", "\"nULL\""},
		{"true", "true"},
		{"True", "true"},
		{"FALSE", "false"},
		{"tRUE", "\"tRUE\""},
		{"yes", "\"yes\""},
		{"no", "\"no\""},
		{"on", "\"on\""},
		{"off", "\"off\""},
		{"y", "\"y\""},
		{"0", "0"},
		{"-0", "0"},
		{"+12", "12"},
		{"-12", "-12"},
		{"012", "12"},
		{"0o14", "12"},
		{"0o18", "\"0o18\""},
		{"0x1F", "31"},
		{"0x", "\"0x\""},
		{"0b11", "\"0b11\""},
		{"1_000", "\"1_000\""},
		{"1e3", "1000.0"},
		{"9223372036854775807", "9223372036854775807"},
		{"-9223372036854775808", "-9223372036854775808"},
		{"1.", "1.0"},
		{".5", "0.5"},
		{"-.5", "-0.5"},
		{"1.5e-1", "0.14999999999999999"},
		{".", "\".\""},
		{"1.2.3", "\"1.2.3\""},
		{"1e", "\"1e\""},
		{"+", "\"+\""},
		{"e3", "\"e3\""},
		{"12:30:45", "\"12:30:45\""},
		{"2026-01-31", "\"2026-01-31\""},
		{"=", "\"=\""},
		{"<<", "\"<<\""},
		{"\"12\"", "\"12\""},
		{"'true'", "\"true\""},
		{"! 12", "\"12\""},
		{"!!str 12", "\"12\""},
		{"!!str", "\"\""},
		{"|\n  a\n  b\n", "\"a\\nb\\n\""},
		{">-\n  a\n  b\n", "\"a b\""},
		{"a#b", "\"a#b\""},
		{"a #b", "\"a\""},
		{"\"\\u00e9\"", "\"é\""},
		{"[1, a]", "[1,\"a\"]"},
		{"{}", "{}"},
		{"[]", "[]"},
	};
	for (size_t i = 0; i < HC_COUNT(scalars); i++) {
		HC_AUTO_TEXT yaml = {0};
		HC_AUTO_TEXT expected = {0};
		hc_text_printf(&yaml, "k: %s\n", scalars[i].yaml);
		hc_text_printf(&expected, "1:{\"k\":%s}", scalars[i].expected);
		struct vector vector = {yaml.data, expected.data};
		check_vectors(&vector, 1);
	}
}

static void test_streams(void **state)
{
	(void)state;
	static const struct vector vectors[] = {
		{"", ""},
		{"# nothing\n", ""},
		{"---\n---\na: 1\n---\n# empty\n---\nb: 2\n...\n", "3:{\"a\":1}\n7:{\"b\":2}"},
		{"\xef\xbb\xbf"
		 "a: 1\n",
		 "1:{\"a\":1}"},
		{"a: 1\r\nb: 2\r\n", "1:{\"a\":1,\"b\":2}"},
		{"kind: List\nitems:\n- a: 1\n- b: 2\n---\nc: 3\n", "1:{\"a\":1}\n1:{\"b\":2}\n6:{\"c\":3}"},
		{"kind: ServiceList\nitems: []\n", ""},
		{"kind: List\nitems: x\n", "1:{\"items\":\"x\",\"kind\":\"List\"}"},
		{"kind: List\nitems: [1]\n", "line 1: a document must be a mapping with apiVersion and kind"},
		{"a: &x {b: [1, 2]}\nc: *x\n", "1:{\"a\":{\"b\":[1,2]},\"c\":{\"b\":[1,2]}}"},
		{"a: &x 1\nb: &x 2\nc: *x\n", "1:{\"a\":1,\"b\":2,\"c\":2}"},
		{"a: &k key\n*k : 1\n", "1:{\"a\":\"key\",\"key\":1}"},
		{"a: &x 1\n---\nb: *x\n",
		 "line 3, column 4: an alias must name an anchor that is complete before it"},
		{"a: &x [1]\n? *x\n: 1\n", "line 2, column 3: a key must be text; put it in quotes"},
		{"&k a: 1\n", "line 1, column 1: a key must not have an anchor"},
		{"<<: {a: 1}\nb: 2\n", "1:{\"<<\":{\"a\":1},\"b\":2}"},
		{"a: 1\na: 2\n", "line 2, column 1: key \"a\" is there twice"},
		{"a: 1\n\"a\": 2\n", "line 2, column 1: key \"a\" is there twice"},
		{"true: 1\n", "line 1, column 1: a key must be text; put it in quotes"},
		{"yes: 1\n", "1:{\"yes\":1}"},
		{"? [a]\n: 1\n", "line 1, column 3: a key must be text"},
		{"a: !!int 1\n", "line 1, column 4: tags other than !!str are not taken"},
		{"a: !!map {}\n", "line 1, column 4: tags other than !!str are not taken"},
		{"a: -.inf\n", "line 1, column 4: a number must be finite; put it in quotes when it is text"},
		{"a: 1e999\n", "line 1, column 4: a number must fit into 64 bits; put it in quotes when it is text"},
		{"a: \"\\0\"\n", "line 1, column 4: text must not contain NUL"},
		{"a: b: c\n", "line 1, column 5: mapping values are not allowed in this context"},
		{"a:\n\t- 1\n", "line 2, column 1: a tab must not indent; use blanks"},
		{"%YAML 3.0\n---\na: 1\n", "line 1, column 1: found incompatible YAML document"},
		{"5\n", "line 1: a document must be a mapping with apiVersion and kind"},
	};
	check_vectors(vectors, HC_COUNT(vectors));
}

static void test_json(void **state)
{
	(void)state;
	static const struct vector vectors[] = {
		{"{}", "1:{}"},
		{" \n {\"a\": 1}\n{\"b\": [true, null]}\n", "2:{\"a\":1}\n3:{\"b\":[true,null]}"},
		{"{\"a\": 1}\n---\n{\"b\": 2}\n", "1:{\"a\":1}\n3:{\"b\":2}"},
		{"{\"kind\": \"List\", \"items\": [{\"a\": 1}]}", "1:{\"a\":1}"},
		{"[]", "line 1: a document must be a mapping with apiVersion and kind"},
		{"{\"a\": 1}\n{\"a\": 1, \"a\": 2}", "line 2, column 12: duplicate object key near '\"a\"'"},
		{"{\"a\": \"\\u0000\"}", "line 1, column 14: text must not contain NUL"},
		{"{\"\\u0000\": 1}", "line 1, column 9: text must not contain NUL"},
		{"{\"a\": 99999999999999999999}", "line 1, column 26: too big integer"},
		{"{\"a\": 1} x", "line 1, column 10: '[' or '{' expected"},
		{"{a: 1}", "line 1, column 2: string or '}' expected"},
	};
	check_vectors(vectors, HC_COUNT(vectors));
}

static void check_contains(const struct hc_text *input, const char *wanted)
{
	HC_AUTO_TEXT lines = {0};
	read_text(input->data, input->length, &lines);
	if (!strstr(hc_text_string(&lines), wanted))
		fail_msg("expected %s in: %.200s", wanted, hc_text_string(&lines));
}

static void test_limits(void **state)
{
	(void)state;
	for (int levels = HC_LIMIT_DOCUMENT_DEPTH - 1; levels <= HC_LIMIT_DOCUMENT_DEPTH; levels++) {
		/* The mapping itself is the first level. */
		HC_AUTO_TEXT yaml = {0};
		HC_AUTO_TEXT json = {0};
		HC_AUTO_TEXT alias = {0};
		hc_text_append(&yaml, "a: ");
		hc_text_append(&json, "{\"a\": ");
		hc_text_append(&alias, "a: &x [[1]]\nb: ");
		for (int i = 0; i < levels; i++) {
			hc_text_append(&yaml, "[");
			hc_text_append(&json, "[");
			hc_text_append(&alias, i < levels - 2 ? "[" : "");
		}
		hc_text_append(&alias, "*x");
		for (int i = 0; i < levels; i++) {
			hc_text_append(&yaml, "]");
			hc_text_append(&json, "]");
			hc_text_append(&alias, i < levels - 2 ? "]" : "");
		}
		hc_text_append(&json, "}");
		const char *wanted = levels < HC_LIMIT_DOCUMENT_DEPTH ? "1:{\"a\":["
															  : "nested deeper than 100 levels";
		check_contains(&yaml, wanted);
		check_contains(&json, wanted);
		check_contains(&alias, wanted);
	}

	HC_AUTO_TEXT values = {0};
	hc_text_append(&values, "a: [");
	for (int i = 0; i < HC_LIMIT_DOCUMENT_NODES; i++)
		hc_text_append(&values, "1,");
	hc_text_append(&values, "]");
	check_contains(&values, "more than 100000 values in one document");

	HC_AUTO_TEXT json = {0};
	hc_text_append(&json, "{\"a\": [1");
	for (int i = 0; i < HC_LIMIT_DOCUMENT_NODES; i++)
		hc_text_append(&json, ",1");
	hc_text_append(&json, "]}");
	check_contains(&json, "more than 100000 values in one document");

	HC_AUTO_TEXT anchors = {0};
	for (int i = 0; i <= HC_LIMIT_DOCUMENT_ANCHORS; i++)
		hc_text_printf(&anchors, "k%d: &a%d 1\n", i, i);
	check_contains(&anchors, "more than 1000 anchors in one document");

	/* A bomb that is spread over documents, and one of bytes instead of values. */
	HC_AUTO_TEXT spread = {0};
	for (int i = 0; i < 11; i++)
		hc_text_append(&spread, "---\na: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
								"c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n");
	check_contains(&spread, "aliases expand to too much");

	HC_AUTO_TEXT bytes = {0};
	hc_text_append(&bytes, "a: &a \"");
	for (int i = 0; i < 10000; i++)
		hc_text_append(&bytes, "0123456789");
	hc_text_append(&bytes, "\"\nb: [");
	for (int i = 0; i < 50; i++)
		hc_text_append(&bytes, "*a, ");
	hc_text_append(&bytes, "]\n");
	check_contains(&bytes, "aliases expand to too much");
}

static void test_bytes(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t length;
		const char *expected;
	} vectors[] = {
		{"a: \0", 4, "line 1, column 4: a NUL byte"},
		{"é: 1\nb: \xff", 10, "line 2, column 4: byte 0xff is not UTF-8"},
		{"a: \xc3", 4, "line 1, column 4: byte 0xc3 is not UTF-8"},
		{"a: \xed\xa0\x80", 6, "line 1, column 4: byte 0xed is not UTF-8"},
		{"a: \xc0\xaf", 5, "line 1, column 4: byte 0xc0 is not UTF-8"},
		{"{\"a\": \"\xff\"}", 10, "line 1, column 8: byte 0xff is not UTF-8"},
		{"a: \x01", 4, "line 1, column 4: control characters are not allowed"},
	};
	for (size_t i = 0; i < HC_COUNT(vectors); i++) {
		HC_AUTO_TEXT lines = {0};
		read_text(vectors[i].text, vectors[i].length, &lines);
		assert_string_equal(hc_text_string(&lines), vectors[i].expected);
	}
}

static void test_dump_yaml(void **state)
{
	(void)state;
	/* {JSON, YAML} */
	static const struct vector vectors[] = {
		{"{\"kind\": \"Service\", \"apiVersion\": \"v1\"}", "kind: Service\napiVersion: v1\n"},
		{"{\"a\": {\"b\": [1, {\"c\": true}, null]}}", "a:\n  b:\n  - 1\n  - c: true\n  - null\n"},
		{"{\"a\": {}, \"b\": []}", "a: {}\nb: []\n"},
		{"{\"a\": \"yes\", \"b\": \"12\", \"c\": \"\", \"d\": \"1.5\", \"e\": \"12:30\", \"f\": "
		 "\"2026-01-31\"}",
		 "a: \"yes\"\nb: \"12\"\nc: \"\"\nd: \"1.5\"\ne: \"12:30\"\nf: \"2026-01-31\"\n"},
		{"{\"a\": \"x: y\", \"b\": \"# c\", \"c\": \"- d\", \"d\": \"*e\"}",
		 "a: 'x: y'\nb: '# c'\nc: '- d'\nd: '*e'\n"},
		{"{\"a\": \"two\\nlines\\n\", \"b\": \"é\"}", "a: |\n  two\n  lines\nb: é\n"},
		{"{\"app.kubernetes.io/name\": \"shop\", \"1\": \"x\"}", "app.kubernetes.io/name: shop\n\"1\": x\n"},
	};
	for (size_t i = 0; i < HC_COUNT(vectors); i++) {
		json_t *value = json_loads(vectors[i].yaml, 0, NULL);
		HC_AUTO_FREE yaml = schema_dump_yaml(value);
		assert_string_equal(yaml, vectors[i].expected);
		json_decref(value);
	}
}

/* Texts that YAML could take for something else. */
static const char *const texts[] = {
	"",
	" ",
	"a",
	" a",
	"a ",
	"a\n",
	"\n",
	"\na",
	"a\n\nb",
	"a\tb",
	"\t",
	"a: b",
	"a #b",
	"'",
	"\"",
	"\\",
	"%",
	"@",
	"`",
	"&a",
	"*a",
	"!a",
	"|",
	">",
	"-",
	"- a",
	"?",
	"? a",
	"---",
	"...",
	"null",
	"~",
	"True",
	"0x1F",
	"0o7",
	"1e3",
	".inf",
	".5",
	"+1",
	"1_000",
	"<<",
	"=",
	"é",
	"\u00a0",
	"\u2028",
	"\x7f",
	"\xc2\x85",
	"\U0001f600",
	"\ufeff",
	"a\r\nb",
	"\x01",
	"{",
	"}",
	"[",
	"]",
	",",
	"a,b",
	"{a}",
	"  two\n blanks\n",
	"trailing blanks  \nline",
	"a\n ",
	"#",
};

static void test_dump_reads_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < HC_COUNT(texts); i++) {
		json_t *value = json_pack("{s:s, s:[s], s:{s:s}}", "text", texts[i], "list", texts[i], "deep", "er",
								  texts[i]);
		if (*texts[i])
			json_object_set_new(value, texts[i], json_integer(1));
		HC_AUTO_FREE yaml = schema_dump_yaml(value);
		struct schema_documents documents = {0};
		struct hc_error err = {0};
		if (schema_documents_parse(yaml, strlen(yaml), &documents, &err) < 0)
			fail_msg("%s\n%s", yaml, err.text);
		assert_int_equal(documents.count, 1);
		if (!json_equal(documents.items[0].value, value))
			fail_msg("does not read back:\n%s", yaml);
		schema_documents_done(&documents);
		json_decref(value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_scalars),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_dump_yaml),
		cmocka_unit_test(test_dump_reads_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
