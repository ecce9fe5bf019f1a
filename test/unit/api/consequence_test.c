/* Two specs → what the change means for what runs. */
#include "cmocka_all.h"

#include "api/api_consequence.h"
#include "base/text.h"

struct consequence_case {
	const char *live;
	const char *wanted;
	const char *expected;
};

#define IMAGE "'image':'a','replicas':1"
#define REPO "'repoUrl':'https://x','replicas':1"
#define VOLUME(path, more) "'volumes':[{'name':'data','path':'" path "'" more "}]"

static const struct consequence_case cases[] = {
	{IMAGE, IMAGE, "no-op"},
	{IMAGE, "'image':'b','replicas':1", "restart"},
	{IMAGE, "'image':'a','replicas':2", "scale"},
	{IMAGE, "'image':'a','replicas':0", "stop"},
	{"'image':'a','replicas':0", IMAGE, "start"},
	{IMAGE, IMAGE ",'suspend':true", "stop"},
	{IMAGE ",'suspend':true", "'image':'b','replicas':1,'suspend':true", "restart"},
	{IMAGE, IMAGE ",'env':[{'name':'A','value':'1'}]", "restart"},
	{IMAGE ",'env':[{'name':'A','value':'1'}]", IMAGE, "restart"},
	{IMAGE ",'env':[{'name':'A'},{'name':'B'}]", IMAGE ",'env':[{'name':'B'},{'name':'A'}]", "no-op"},
	{IMAGE, IMAGE ",'domains':['a.example.org']", "route change, restart"},
	{IMAGE ",'expose':'public'", IMAGE ",'expose':'internal'", "route change, restart"},
	{IMAGE ",'historyLimit':1", IMAGE ",'historyLimit':2", "settings"},
	{IMAGE ",'strategy':{'drainSeconds':1}", "'image':'b','replicas':1", "restart, settings"},
	{IMAGE, IMAGE ",'buildCommand':'make'", "restart"}, /* nothing is built of a prebuilt image */
	{REPO, REPO ",'branch':'main'", "rebuild"},
	{REPO, REPO ",'branch':'main','startCommand':'x'", "rebuild"},
	{REPO, REPO ",'env':[{'name':'A','value':'1','scope':'build'}]", "rebuild"},
	{REPO, REPO ",'env':[{'name':'A','value':'1'}]", "restart"},
	{REPO, IMAGE, "restart"},
	{IMAGE, REPO, "rebuild"},
	{IMAGE "," VOLUME("/d", ""), IMAGE "," VOLUME("/d", ""), "no-op"},
	{IMAGE, IMAGE "," VOLUME("/d", ""), "restart"},
	{IMAGE "," VOLUME("/d", ""), IMAGE, "data at risk, restart"},
	{IMAGE "," VOLUME("/d", ""), IMAGE "," VOLUME("/e", ""), "data at risk, restart"},
	{IMAGE "," VOLUME("/d", ""), IMAGE "," VOLUME("/d", ",'onDelete':'Delete'"), "data at risk, restart"},
	{IMAGE "," VOLUME("/d", ",'onDelete':'Delete'"),
	 IMAGE "," VOLUME("/d", ",'onDelete':'Delete','readOnly':true"), "restart"},
};

static json_t *service(const char *spec)
{
	HC_AUTO_TEXT text = {0};

	hc_text_printf(&text, "{'spec':{%s}}", spec);
	for (char *at = text.data; *at; at++)
		if (*at == '\'')
			*at = '"';
	json_t *value = json_loads(text.data, 0, NULL);
	assert_non_null(value);
	return value;
}

static void tells_what_a_change_means(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(cases); index++) {
		HC_AUTO(hc_arena) arena = hc_arena_new();
		json_t *live = service(cases[index].live), *wanted = service(cases[index].wanted);
		const char *consequence = api_consequence(live, wanted, arena);

		if (!hc_streq(consequence, cases[index].expected))
			fail_msg("%s → %s: %s", cases[index].live, cases[index].wanted, consequence);
		assert_string_equal(api_consequence(NULL, wanted, arena), "create");
		json_decref(live);
		json_decref(wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(tells_what_a_change_means)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
