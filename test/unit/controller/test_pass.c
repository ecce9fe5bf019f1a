/* One pass over a key, driven through kinds that record what is asked of them. */
#include "controller/pass.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

/* What the recorded kind is to do, and what it was asked. */
static struct {
	enum hc_class observe_class;
	enum action_kind actions[4];
	size_t action_count;
	size_t fail_at; /* index of the action that fails; action_count: none */
	enum hc_class act_class;
	enum hc_class report_class;
	size_t act_allowed; /* how often may_act says yes */
	int64_t wake_at_ms;
	char trace[256];
} script;

static void trace(const char *word)
{
	size_t length = strlen(script.trace);

	(void)snprintf(script.trace + length, sizeof script.trace - length, "%s%s", length ? " " : "", word);
}

static int observe(struct reconcile_context *context, const char *uid, struct hc_arena *arena,
				   void **ret_world, struct hc_error *err)
{
	(void)context;
	trace(hc_arena_printf(arena, "observe:%s", uid));
	*ret_world = &script;
	return script.observe_class ? hc_fail(err, script.observe_class, "observe failed") : 0;
}

static void decide(const void *world, struct plan *plan)
{
	assert_ptr_equal(world, &script);
	for (size_t n = 0; n < script.action_count; n++)
		(void)plan_add(plan, script.actions[n], "target", "case %zu", n);
	if (script.wake_at_ms)
		plan_wake_at(plan, script.wake_at_ms);
}

static int act(struct reconcile_context *context, const void *world, const struct action *action,
			   struct hc_arena *arena, struct hc_error *err)
{
	size_t index = (size_t)(action->cause[strlen("case ")] - '0');

	(void)context;
	assert_ptr_equal(world, &script);
	trace(hc_arena_printf(arena, "act:%zu", index));
	return index == script.fail_at ? hc_fail(err, script.act_class, "act failed") : 0;
}

static int report(struct reconcile_context *context, const void *world, const struct plan *plan,
				  struct hc_arena *arena, struct hc_error *err)
{
	(void)context;
	(void)world;
	(void)plan;
	(void)arena;
	trace("report");
	return script.report_class ? hc_fail(err, script.report_class, "report failed") : 0;
}

static const struct kind recorded = {
	.name = "service", .observe = observe, .decide = decide, .act = act, .report = report};
static const struct kind *const registry[] = {&recorded, NULL};

static bool may_act(void *payload)
{
	(void)payload;
	if (script.act_allowed == 0)
		return false;
	script.act_allowed--;
	return true;
}

static struct pass_result run(bool slow, const char *key)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	const struct pass_options options = {.registry = registry, .may_act = may_act, .slow = slow};
	struct reconcile_context context = {0};
	struct pass_result result;

	if (!script.act_allowed)
		script.act_allowed = 100;
	if (!script.fail_at)
		script.fail_at = script.act_class ? 0 : SIZE_MAX;
	script.trace[0] = '\0';
	pass_run(&options, &context, key, arena, &result);
	return result;
}

static void begin(void)
{
	memset(&script, 0, sizeof script);
}

static void nothing_to_do_settles_until_the_plan_says(void **state)
{
	struct pass_result result;

	(void)state;
	begin();
	script.wake_at_ms = 7000;
	result = run(false, "service/u1");
	assert_int_equal(result.end, WORKQUEUE_SETTLED);
	assert_int_equal(result.wake_at_ms, 7000);
	assert_string_equal(script.trace, "observe:u1 report");
}

static void actions_in_order_and_then_again(void **state)
{
	(void)state;
	begin();
	script.actions[0] = ACTION_CONTAINER_CREATE;
	script.actions[1] = ACTION_CONTAINER_START;
	script.action_count = 2;
	assert_int_equal(run(false, "service/u1").end, WORKQUEUE_AGAIN);
	assert_string_equal(script.trace, "observe:u1 act:0 act:1 report");
}

static void an_event_alone_is_no_change(void **state)
{
	(void)state;
	begin();
	script.actions[0] = ACTION_EVENT;
	script.action_count = 1;
	assert_int_equal(run(false, "service/u1").end, WORKQUEUE_SETTLED);
	assert_string_equal(script.trace, "observe:u1 act:0 report");
}

static void the_first_failure_ends_the_actions_not_the_report(void **state)
{
	struct pass_result result;

	(void)state;
	begin();
	script.actions[0] = ACTION_CONTAINER_CREATE;
	script.actions[1] = ACTION_CONTAINER_START;
	script.actions[2] = ACTION_GATE_OPEN;
	script.action_count = 3;
	script.fail_at = 1;
	script.act_class = HC_TRANSIENT;
	result = run(false, "service/u1");
	assert_int_equal(result.end, WORKQUEUE_TRANSIENT);
	assert_string_equal(result.err.text, "start container target: act failed");
	assert_string_equal(script.trace, "observe:u1 act:0 act:1 report");
}

static void classes_mean_how_to_go_on(void **state)
{
	static const struct {
		enum hc_class class;
		enum workqueue_end end;
	} cases[] = {
		{HC_NOT_FOUND, WORKQUEUE_CONFLICT},  {HC_CONFLICT, WORKQUEUE_CONFLICT},
		{HC_TRANSIENT, WORKQUEUE_TRANSIENT}, {HC_CANCELED, WORKQUEUE_TRANSIENT},
		{HC_INVALID, WORKQUEUE_HOPELESS},    {HC_DENIED, WORKQUEUE_HOPELESS},
		{HC_BUG, WORKQUEUE_HOPELESS},
	};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(cases); n++) {
		begin();
		script.report_class = cases[n].class;
		assert_int_equal(run(false, "service/u1").end, cases[n].end);
	}
}

static void an_object_that_is_gone_is_no_failure(void **state)
{
	struct pass_result result;

	(void)state;
	begin();
	script.observe_class = HC_NOT_FOUND;
	result = run(false, "service/u1");
	assert_int_equal(result.end, WORKQUEUE_SETTLED);
	assert_int_equal(result.err.class, HC_OK);
	assert_string_equal(script.trace, "observe:u1");
}

static void lost_leadership_stops_before_the_next_action(void **state)
{
	(void)state;
	begin();
	script.actions[0] = ACTION_CONTAINER_CREATE;
	script.actions[1] = ACTION_CONTAINER_START;
	script.action_count = 2;
	script.act_allowed = 2; /* at the start, and before the first action */
	assert_int_equal(run(false, "service/u1").end, WORKQUEUE_DROPPED);
	assert_string_equal(script.trace, "observe:u1 act:0");
}

static void a_pull_is_handed_to_a_slow_thread(void **state)
{
	struct pass_result result;

	(void)state;
	begin();
	script.actions[0] = ACTION_DEPLOYMENT_STATUS;
	script.actions[1] = ACTION_IMAGE_PULL;
	script.actions[2] = ACTION_CONTAINER_CREATE;
	script.action_count = 3;
	result = run(false, "service/u1");
	assert_true(result.hand_over);
	assert_string_equal(script.trace, "observe:u1 act:0 report");
	result = run(true, "service/u1");
	assert_false(result.hand_over);
	assert_int_equal(result.end, WORKQUEUE_AGAIN);
	assert_string_equal(script.trace, "observe:u1 act:0 act:1 report");
}

static void a_key_of_no_kind_is_a_bug(void **state)
{
	static const char *const keys[] = {"", "service", "servic/u1", "services/u1", "/u1"};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(keys); n++) {
		begin();
		assert_int_equal(run(false, keys[n]).end, WORKQUEUE_HOPELESS);
		assert_string_equal(script.trace, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_to_do_settles_until_the_plan_says),
		cmocka_unit_test(actions_in_order_and_then_again),
		cmocka_unit_test(an_event_alone_is_no_change),
		cmocka_unit_test(the_first_failure_ends_the_actions_not_the_report),
		cmocka_unit_test(classes_mean_how_to_go_on),
		cmocka_unit_test(an_object_that_is_gone_is_no_failure),
		cmocka_unit_test(lost_leadership_stops_before_the_next_action),
		cmocka_unit_test(a_pull_is_handed_to_a_slow_thread),
		cmocka_unit_test(a_key_of_no_kind_is_a_bug),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
