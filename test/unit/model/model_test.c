/* lib/model: enum texts, names, the frozen template text, plans. */
#include "../cmocka_all.h"

#include "base/arena.h"
#include "base/limits.h"
#include "base/text.h"
#include "model/job.h"
#include "model/names.h"
#include "model/plan.h"
#include "model/service.h"

#include <string.h>

static void enums_and_texts_are_one_list(void **state)
{
	enum deployment_stage stage;
	enum service_phase phase;

	(void)state;
	assert_string_equal(deployment_stage_text(STAGE_STABILIZING), "Stabilizing");
	assert_string_equal(job_kind_text(JOB_RESOLVE), "resolve");
	assert_string_equal(job_kind_text(JOB_BUILD), "build");
	assert_string_equal(job_state_text(JOB_QUEUED), "QUEUED");
	assert_string_equal(job_state_text(JOB_CANCELED), "CANCELED");
	assert_string_equal(job_state_text((enum job_state)99), "unknown");
	assert_int_equal(deployment_stage_parse("Publishing", &stage), 0);
	assert_int_equal(stage, STAGE_PUBLISHING);
	assert_int_equal(deployment_stage_parse("publishing", &stage), -1);
	assert_int_equal(deployment_stage_parse(NULL, &stage), -1);
	assert_int_equal(service_phase_parse("ACTIVE", &phase), 0);
	assert_int_equal(phase, SERVICE_ACTIVE);
	assert_string_equal(service_phase_text((enum service_phase)99), "unknown");
}

static void names_fit_their_limits(void **state)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	static const char uid[] = "6b1f1c36-6f0e-4a35-9a53-0f5a8b7f0c11";

	(void)state;
	assert_string_equal(name_deployment(arena, "shop", 7), "shop-r7");
	assert_true(hc_starts_with(name_container(arena, "shop", 7, 0, uid), "shop-r7-0-"));
	assert_int_equal(strlen(name_container(arena, "shop", 7, 0, uid)), strlen("shop-r7-0-") + 8);
	assert_true(strlen(name_bridge(arena, uid)) <= 15);
	assert_string_not_equal(name_route(arena, "shop", 7, uid), name_route(arena, "shop", 7, "another"));
	/* The longest service name, a large revision and ordinal still make one DNS label. */
	assert_true(strlen(name_container(arena, "a123456789b123456789c123456789d123456789", 9999999, 49, uid)) <=
				63);
}

/* Frozen: this text is the input of every stored template hash of version 1. */
static void template_text_of_version_1_never_changes(void **state)
{
	struct env_entry env[] = {
		{.name = "B", .value = "2\n", .scope = ENV_SCOPE_RUN},
		{.name = "A", .secret_name = "s", .secret_key = "k", .scope = ENV_SCOPE_BOTH},
	};
	struct volume_entry volumes[] = {{.name = "data", .path = "/data", .delete_with_service = true}};
	const char *domains[] = {"z.example.org", "a.example.org"};
	struct service_template template = {
		.image = "shop:1",
		.start_command = "run \"it\"",
		.env = env,
		.env_count = 2,
		.volumes = volumes,
		.volume_count = 1,
		.domains = domains,
		.domain_count = 2,
		.health_check = {.path = "/healthz"},
		.resources = {.memory_bytes = 1 << 20, .cpu_millis = 500, .pids = 64},
		.expose = EXPOSE_INTERNAL,
		.internal_port = 8080,
	};
	HC_AUTO_TEXT text = {0};

	(void)state;
	assert_int_equal(service_template_text(&template, 1, &text), 0);
	assert_string_equal(text.data, "image=\"shop:1\"\n"
								   "startCommand=\"run \\\"it\\\"\"\n"
								   "env.scope=both\nenv=\"A\"\nsecret=\"s\"\nkey=\"k\"\n"
								   "env.scope=run\nenv=\"B\"\nvalue=\"2\\n\"\n"
								   "volume=\"data\"\npath=\"/data\"\nreadOnly=0\n"
								   "domain=\"a.example.org\"\ndomain=\"z.example.org\"\n"
								   "healthPath=\"/healthz\"\n"
								   "memory=1048576\ncpu=500\npids=64\n"
								   "expose=\"internal\"\ninternalPort=8080\n");
	assert_int_equal(service_template_text(&template, 2, &text), -1);
}

static void plan_prints_the_same_text_for_the_same_plan(void **state)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct plan plan;
	HC_AUTO_TEXT text = {0};

	(void)state;
	plan_init(&plan, arena);
	assert_true(plan_is_empty(&plan));
	plan_event(&plan, true, "Healed", "container %s was gone", "shop-r7-0");
	assert_false(plan_has_effects(&plan));
	plan_add(&plan, ACTION_CONTAINER_CREATE, "shop-r7-0", "replica %d of revision %d is missing", 0, 7);
	assert_true(plan_has_effects(&plan));
	plan_condition(&plan, "Ready", CONDITION_UNKNOWN, "Starting", "");
	plan_condition(&plan, "Ready", CONDITION_FALSE, "Degraded", "1 of %d replicas", 2);
	plan_wake_at(&plan, 2000);
	plan_wake_at(&plan, 1500);
	plan_wake_at(&plan, 1700);
	plan_print(&plan, 1000, &text);
	assert_string_equal(text.data, "  1. record event Healed: container shop-r7-0 was gone\n"
								   "  2. create container shop-r7-0: replica 0 of revision 7 is missing\n"
								   "  Ready=False Degraded: 1 of 2 replicas\n"
								   "  wake at +500ms\n");
}

static void plan_is_bounded_and_looks_again(void **state)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct plan plan;

	(void)state;
	plan_init(&plan, arena);
	for (int index = 0; index < HC_LIMIT_PLAN_ACTIONS + 10; index++)
		assert_non_null(plan_add(&plan, ACTION_CONTAINER_START, "x", "y"));
	assert_int_equal(plan.action_count, HC_LIMIT_PLAN_ACTIONS);
	assert_int_equal(plan.wake_at_boot_ms, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(enums_and_texts_are_one_list),
		cmocka_unit_test(names_fit_their_limits),
		cmocka_unit_test(template_text_of_version_1_never_changes),
		cmocka_unit_test(plan_prints_the_same_text_for_the_same_plan),
		cmocka_unit_test(plan_is_bounded_and_looks_again),
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
