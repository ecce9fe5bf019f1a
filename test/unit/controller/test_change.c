/* Which key a row of the change log wakes. */
#include "controller/change.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static void rows_wake_their_keys(void **state)
{
	static const struct {
		enum store_kind kind;
		const char *type;
		const char *json;
		const char *key;
		enum workqueue_urgency urgency;
		bool hosts;
		bool network;
	} cases[] = {
		{STORE_SERVICE, "ADDED", "{\"metadata\":{\"uid\":\"u1\",\"generation\":1}}", "service/u1",
		 WORKQUEUE_INTENT, true, true},
		{STORE_SERVICE, "MODIFIED",
		 "{\"metadata\":{\"uid\":\"u1\",\"generation\":2},\"status\":{\"observedGeneration\":2}}",
		 "service/u1", WORKQUEUE_HINT, false, false},
		{STORE_SERVICE, "MODIFIED",
		 "{\"metadata\":{\"uid\":\"u1\",\"generation\":3},\"status\":{\"observedGeneration\":2}}",
		 "service/u1", WORKQUEUE_INTENT, true, false},
		{STORE_SERVICE, "DELETED",
		 "{\"metadata\":{\"uid\":\"u1\",\"generation\":2},\"status\":{\"observedGeneration\":2}}",
		 "service/u1", WORKQUEUE_INTENT, true, true},
		{STORE_DEPLOYMENT, "MODIFIED",
		 "{\"metadata\":{\"uid\":\"d1\",\"ownerReferences\":[{\"kind\":\"Other\",\"uid\":\"x\"},{\"kind\":"
		 "\"Service\",\"uid\":\"u7\"}]}}",
		 "service/u7", WORKQUEUE_HINT, false, false},
		{STORE_DEPLOYMENT, "ADDED", "{\"metadata\":{\"uid\":\"d1\"}}", "", WORKQUEUE_HINT, false, false},
		{STORE_NAMESPACE, "ADDED", "{\"metadata\":{\"uid\":\"n1\"}}", "network/n1", WORKQUEUE_INTENT, false,
		 false},
		{STORE_TOKEN, "ADDED", "{\"metadata\":{\"uid\":\"t1\"}}", "", WORKQUEUE_HINT, false, false},
		{STORE_EVENT, "ADDED", "{\"metadata\":{\"uid\":\"e1\"}}", "", WORKQUEUE_HINT, false, false},
		{STORE_SERVICE, "MODIFIED", "not json", "", WORKQUEUE_HINT, false, false},
		{STORE_SERVICE, "MODIFIED", "{\"metadata\":[]}", "", WORKQUEUE_HINT, false, false},
	};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(cases); n++) {
		const struct store_row row = {.kind = cases[n].kind,
									  .type = cases[n].type,
									  .json = cases[n].json,
									  .length = strlen(cases[n].json)};
		struct change change;

		change_read(&row, &change);
		if (strcmp(change.key, cases[n].key) != 0 || change.urgency != cases[n].urgency ||
			change.hosts != cases[n].hosts || change.network != cases[n].network)
			fail_msg("case %zu: key \"%s\" urgency %d hosts %d network %d", n, change.key,
					 (int)change.urgency, change.hosts, change.network);
	}
}

static void a_uid_too_long_is_no_key(void **state)
{
	char json[400];
	struct store_row row = {.kind = STORE_SERVICE, .type = "ADDED", .json = json};
	struct change change;
	char uid[CHANGE_KEY_SIZE];

	(void)state;
	(void)snprintf(json, sizeof json, "{\"metadata\":{\"uid\":\"%0200d\"}}", 1);
	row.length = strlen(json);
	change_read(&row, &change);
	assert_string_equal(change.key, "");
	change_uid("{\"metadata\":{\"uid\":\"n1\"}}", strlen("{\"metadata\":{\"uid\":\"n1\"}}"), uid);
	assert_string_equal(uid, "n1");
	change_uid("{}", 2, uid);
	assert_string_equal(uid, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_wake_their_keys),
		cmocka_unit_test(a_uid_too_long_is_no_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
