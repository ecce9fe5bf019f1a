/* Who may do what. Every role against every verb of the kinds that matter. */
#include "cmocka_all.h"

#include "api/api_role.h"
#include "base/text.h"

struct role_case {
	const char *role;
	const char *own; /* namespace of the token, "" for all */
	enum store_kind kind;
	const char *namespace_name;
	const char *name;
	unsigned may; /* verbs */
};

#define ALL (API_READ | API_WRITE)

static const struct role_case cases[] = {
	{"admin", "", STORE_SERVICE, "a", "x", ALL},
	{"admin", "", STORE_SERVICE, NULL, NULL, ALL},
	{"admin", "", STORE_TOKEN, "a", "x", ALL},
	{"admin", "", STORE_USER, NULL, "x", ALL},
	{"admin", "", STORE_NAMESPACE, NULL, "x", ALL},
	{"admin", "a", STORE_SERVICE, "a", "x", ALL},
	{"admin", "a", STORE_SERVICE, "b", "x", 0},
	{"admin", "a", STORE_NAMESPACE, NULL, "a", API_GET},
	{"admin", "a", STORE_NAMESPACE, NULL, "b", 0},
	{"admin", "a", STORE_USER, NULL, "x", 0},
	{"developer", "a", STORE_SERVICE, "a", "x", ALL},
	{"developer", "a", STORE_SERVICE, "b", "x", 0},
	{"developer", "a", STORE_SERVICE, NULL, NULL, 0},
	{"developer", "a", STORE_DEPLOYMENT, "a", "x", API_READ | API_DELETE},
	{"developer", "a", STORE_BUILD, "a", "x", API_READ},
	{"developer", "a", STORE_EVENT, "a", NULL, API_READ},
	{"developer", "a", STORE_TOKEN, "a", "x", 0},
	{"developer", "a", STORE_NAMESPACE, NULL, "a", API_GET},
	{"developer", "a", STORE_NAMESPACE, NULL, NULL, 0},
	{"developer", "", STORE_SERVICE, NULL, NULL, ALL},
	{"developer", "", STORE_NAMESPACE, NULL, "a", API_READ},
	{"developer", "", STORE_TOKEN, "a", "x", 0},
	{"viewer", "a", STORE_SERVICE, "a", "x", API_READ},
	{"viewer", "a", STORE_SERVICE, "b", "x", 0},
	{"viewer", "", STORE_SERVICE, NULL, NULL, API_READ},
	{"viewer", "", STORE_NAMESPACE, NULL, NULL, API_READ},
	{"viewer", "", STORE_TOKEN, "a", "x", 0},
	{"viewer", "", STORE_USER, NULL, "x", 0},
	{"nobody", "", STORE_SERVICE, "a", "x", 0},
	{"", "", STORE_SERVICE, "a", "x", 0},
};

static void knows_who_may_what(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(cases); index++) {
		const struct role_case *it = &cases[index];
		struct api_identity identity = {.role = it->role, .namespace_name = it->own, .name = "t"};
		for (unsigned verb = API_GET; verb <= API_DELETE; verb <<= 1) {
			bool may = api_role_may(&identity, api_kind_of(it->kind), (enum api_verb)verb, it->namespace_name,
									it->name);
			if (may != ((it->may & verb) != 0))
				fail_msg("%s of \"%s\" %s %s %s/%s: %d", it->role, it->own,
						 api_verb_text((enum api_verb)verb), api_kind_of(it->kind)->plural,
						 it->namespace_name ? it->namespace_name : "-", it->name ? it->name : "-", may);
		}
	}
}

static void deliveries_are_the_administrators(void **state)
{
	static const struct {
		const char *role;
		const char *own;
		enum api_endpoint endpoint;
		bool may;
	} rows[] = {
		{"admin", "", API_DELIVERIES, true},      {"admin", "a", API_DELIVERIES, false},
		{"developer", "", API_DELIVERIES, false}, {"viewer", "", API_DELIVERIES, false},
		{"", "", API_DELIVERIES, false},          {"viewer", "a", API_APPLY, true},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		struct api_identity identity = {.role = rows[index].role, .namespace_name = rows[index].own};
		if (api_role_may_endpoint(&identity, rows[index].endpoint) != rows[index].may)
			fail_msg("row %zu", index);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_who_may_what),
		cmocka_unit_test(deliveries_are_the_administrators),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
