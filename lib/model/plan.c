/* See plan.h. Everything lives in the arena of the pass. */
#include "plan.h"
#include "base/limits.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

struct action_row {
	const char *text;
	bool effect;
};

#define ACTION_ROW(name, text, effect) [name] = {text, effect},
static const struct action_row action_rows[] = {ACTION_KINDS(ACTION_ROW)};

const char *action_kind_text(enum action_kind kind)
{
	return (size_t)kind < HC_COUNT(action_rows) ? action_rows[kind].text : "unknown action";
}

bool action_has_effect(enum action_kind kind)
{
	return (size_t)kind < HC_COUNT(action_rows) && action_rows[kind].effect;
}

void plan_init(struct plan *plan, struct hc_arena *arena)
{
	*plan = (struct plan){.arena = arena};
}

struct action *plan_add(struct plan *plan, enum action_kind kind, const char *target, const char *cause, ...)
{
	struct action *action;
	va_list arguments;

	if (plan->action_count >= HC_LIMIT_PLAN_ACTIONS) {
		plan_wake_at(plan, 1); /* in the past: at once */
		return hc_arena_alloc(plan->arena, sizeof(struct action));
	}
	if (plan->action_count == plan->action_size) {
		size_t size = plan->action_size ? plan->action_size * 2 : 16;
		struct action *grown = hc_arena_alloc_array(plan->arena, size, sizeof(struct action));

		if (plan->action_count)
			memcpy(grown, plan->actions, plan->action_count * sizeof(struct action));
		plan->actions = grown;
		plan->action_size = size;
	}
	action = &plan->actions[plan->action_count++];
	action->kind = kind;
	action->target = hc_arena_strdup(plan->arena, target);
	va_start(arguments, cause);
	action->cause = hc_arena_vprintf(plan->arena, cause, arguments);
	va_end(arguments);
	return action;
}

void plan_event(struct plan *plan, bool warning, const char *reason, const char *message, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, message);
	text = hc_arena_vprintf(plan->arena, message, arguments);
	va_end(arguments);
	plan_add(plan, ACTION_EVENT, reason, "%s", text)->warning = warning;
}

void plan_condition(struct plan *plan, const char *type, enum condition_status status, const char *reason,
					const char *message, ...)
{
	struct condition *condition = NULL;
	va_list arguments;

	for (size_t index = 0; index < plan->condition_count; index++) {
		if (strcmp(plan->conditions[index].type, type) == 0)
			condition = &plan->conditions[index];
	}
	if (!condition) {
		if (plan->condition_count == CONDITIONS_MAX)
			return;
		condition = &plan->conditions[plan->condition_count++];
	}
	condition->type = type;
	condition->status = status;
	condition->reason = reason;
	va_start(arguments, message);
	condition->message = hc_arena_vprintf(plan->arena, message, arguments);
	va_end(arguments);
}

void plan_wake_at(struct plan *plan, int64_t boot_ms)
{
	if (!plan->wake_at_boot_ms || boot_ms < plan->wake_at_boot_ms)
		plan->wake_at_boot_ms = boot_ms;
}

bool plan_has_effects(const struct plan *plan)
{
	for (size_t index = 0; index < plan->action_count; index++) {
		if (plan->actions[index].kind != ACTION_EVENT)
			return true;
	}
	return false;
}

bool plan_is_empty(const struct plan *plan)
{
	return plan->action_count == 0;
}

void plan_print(const struct plan *plan, int64_t now_boot_ms, struct hc_text *text)
{
	for (size_t index = 0; index < plan->action_count; index++) {
		const struct action *action = &plan->actions[index];

		hc_text_printf(text, "%3zu. %s %s: %s\n", index + 1, action_kind_text(action->kind), action->target,
					   action->cause);
	}
	if (plan->has_status)
		hc_text_printf(text, "  phase %s\n", service_phase_text(plan->phase));
	for (size_t index = 0; index < plan->condition_count; index++) {
		const struct condition *condition = &plan->conditions[index];

		hc_text_printf(text, "  %s=%s %s%s%s\n", condition->type, condition_status_text(condition->status),
					   condition->reason, condition->message[0] ? ": " : "", condition->message);
	}
	if (plan->wake_at_boot_ms)
		hc_text_printf(text, "  wake at %+" PRId64 "ms\n", plan->wake_at_boot_ms - now_boot_ms);
}
