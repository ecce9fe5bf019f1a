/* What a container looks like as a Pod. */
#include "controller/node_pods.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/base.h"
#include <cmocka.h>
#include "model/names.h"
#include <stdio.h>
#include <string.h>

#define NEW_YEAR_2026 1767225600000LL

static struct docker_pair labels[] = {
	{LABEL_DEPLOYMENT, "uid-of-r7"}, {LABEL_NAMESPACE, "shopping"}, {LABEL_ORDINAL, "0"},
	{LABEL_REVISION, "7"},           {LABEL_SERVICE, "shop"},
};
static struct docker_network_attachment network = {"hv", "10.213.0.5"};

static const struct {
	const char *state;
	const char *health;
	int exit_code;
	bool out_of_memory;
	const char *expected; /* phase, ready, state */
} rows[] = {
	{"created", "none", 0, false, "Pending False {\"waiting\":{\"reason\":\"ContainerCreating\"}}"},
	{"running", "starting", 0, false, "Running False {\"running\":{\"startedAt\":\"2026-01-01T00:00:01Z\"}}"},
	{"running", "healthy", 0, false, "Running True {\"running\":{\"startedAt\":\"2026-01-01T00:00:01Z\"}}"},
	{"running", "unhealthy", 0, false,
	 "Running False {\"running\":{\"startedAt\":\"2026-01-01T00:00:01Z\"}}"},
	{"paused", "healthy", 0, false, "Running False {\"running\":{\"startedAt\":\"2026-01-01T00:00:01Z\"}}"},
	{"restarting", "none", 1, false, "Running False {\"waiting\":{\"reason\":\"CrashLoopBackOff\"}}"},
	{"exited", "none", 0, false,
	 "Succeeded False {\"terminated\":{\"exitCode\":0,\"reason\":\"Completed\",\"startedAt\":"
	 "\"2026-01-01T00:00:01Z\",\"finishedAt\":\"2026-01-01T00:00:02Z\"}}"},
	{"exited", "none", 3, false,
	 "Failed False {\"terminated\":{\"exitCode\":3,\"reason\":\"Error\",\"startedAt\":"
	 "\"2026-01-01T00:00:01Z\",\"finishedAt\":\"2026-01-01T00:00:02Z\"}}"},
	{"dead", "none", 137, true,
	 "Failed False {\"terminated\":{\"exitCode\":137,\"reason\":\"OOMKilled\",\"startedAt\":"
	 "\"2026-01-01T00:00:01Z\",\"finishedAt\":\"2026-01-01T00:00:02Z\"}}"},
};

static json_t *pod_of(size_t row)
{
	struct docker_container container = {.id = "0123456789abcdef0123456789abcdef0123456789abcdef",
										 .name = "shop-r7-0-1a2b3c4d",
										 .image_name = "hello:1",
										 .image_id = "sha256:1",
										 .state = rows[row].state,
										 .health = rows[row].health,
										 .labels = labels,
										 .label_count = HC_COUNT(labels),
										 .networks = &network,
										 .network_count = 1,
										 .created_wall_ms = NEW_YEAR_2026,
										 .started_wall_ms = NEW_YEAR_2026 + 1000,
										 .finished_wall_ms = NEW_YEAR_2026 + 2000,
										 .exit_code = rows[row].exit_code,
										 .out_of_memory = rows[row].out_of_memory,
										 .restart_count = 4};
	json_t *pod = node_pod_of(&container);

	assert_non_null(pod);
	return pod;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "(none)";
}

static void test_states(void **state)
{
	(void)state;
	for (size_t row = 0; row < HC_COUNT(rows); row++) {
		json_t *pod = pod_of(row);
		const json_t *status = json_object_get(pod, "status");
		const json_t *container = json_array_get(json_object_get(status, "containerStatuses"), 0);
		const json_t *ready = json_array_get(json_object_get(status, "conditions"), 0);
		char *inner = json_dumps(json_object_get(container, "state"), JSON_COMPACT);
		char told[512];
		(void)snprintf(told, sizeof told, "%s %s %s", text_of(status, "phase"), text_of(ready, "status"),
					   inner);
		assert_string_equal(told, rows[row].expected);
		assert_int_equal(json_is_true(json_object_get(container, "ready")),
						 strcmp(text_of(ready, "status"), "True") == 0);
		free(inner);
		json_decref(pod);
	}
}

static void test_names(void **state)
{
	json_t *pod = pod_of(2);
	const json_t *metadata = json_object_get(pod, "metadata");
	const json_t *owner = json_array_get(json_object_get(metadata, "ownerReferences"), 0);

	(void)state;
	assert_string_equal(text_of(metadata, "name"), "shop-r7-0");
	assert_string_equal(text_of(metadata, "namespace"), "shopping");
	assert_string_equal(text_of(metadata, "uid"), "01234567-89ab-cdef-0123-456789abcdef");
	assert_string_equal(text_of(metadata, "creationTimestamp"), "2026-01-01T00:00:00Z");
	assert_string_equal(text_of(json_object_get(metadata, "labels"), "helvetia.cloud/service"), "shop");
	assert_string_equal(text_of(owner, "name"), "shop-r7");
	assert_string_equal(text_of(owner, "uid"), "uid-of-r7");
	assert_string_equal(text_of(json_object_get(pod, "status"), "podIP"), "10.213.0.5");
	json_decref(pod);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
