/* See pass.h. The plan is printed at level debug before anything is done, so that a log tells why; each
 * action that was done is one line at level info. */
#include "pass.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Minutes, not milliseconds: a registry on the other side of the world. */
static bool takes_minutes(enum action_kind kind)
{
	return kind == ACTION_IMAGE_PULL;
}

/* "service/UID" → the kind and UID. */
static const struct kind *find_kind(const struct pass_options *options, const char *key, const char **ret_uid)
{
	const char *slash = strchr(key, '/');

	for (const struct kind *const *kind = options->registry; slash && *kind; kind++) {
		size_t length = strlen((*kind)->name);

		if (length == (size_t)(slash - key) && strncmp((*kind)->name, key, length) == 0) {
			*ret_uid = slash + 1;
			return *kind;
		}
	}
	return NULL;
}

static enum workqueue_end end_of(enum hc_class class)
{
	switch (class) {
	case HC_OK:
		return WORKQUEUE_SETTLED;
	case HC_NOT_FOUND: /* it went between observe and act: the next look knows */
	case HC_CONFLICT:
		return WORKQUEUE_CONFLICT;
	case HC_TRANSIENT:
	case HC_CANCELED:
		return WORKQUEUE_TRANSIENT;
	case HC_INVALID:
	case HC_DENIED:
	case HC_BUG:
		return WORKQUEUE_HOPELESS;
	}
	return WORKQUEUE_HOPELESS;
}

static void log_action(const char *key, const struct action *action)
{
	enum hc_log_level level = action->kind == ACTION_EVENT ? HC_LOG_DEBUG : HC_LOG_INFO;

	hc_log(level, action_kind_text(action->kind), "key", key, "target", action->target, "cause",
		   action->cause, NULL);
}

/* A point of base/fault.h before and after each action: "controller-before-create-container". */
static void fault(const char *when, enum action_kind kind)
{
	char point[96];

	if (!getenv("HELVETIA_FAULTS"))
		return;
	(void)snprintf(point, sizeof point, "controller-%s-%s", when, action_kind_text(kind));
	for (char *at = point; *at; at++)
		*at = *at == ' ' ? '-' : *at;
	hc_fault(point);
}

/* Does the actions in order. Stops, without an error, where this process may not or should not go on;
 * *ret_done counts what was done. */
static int act(const struct pass_options *options, struct reconcile_context *context, const char *key,
			   const struct kind *kind, const void *world, const struct plan *plan, size_t *ret_done,
			   struct pass_result *result)
{
	for (size_t n = 0; n < plan->action_count; n++) {
		const struct action *action = &plan->actions[n];
		bool slow = takes_minutes(action->kind);

		if (!options->may_act(options->payload))
			return 0;
		if (slow && !options->slow) {
			result->hand_over = true;
			return 0;
		}
		fault("before", action->kind);
		if (kind->act(context, world, action, plan->arena, &result->err))
			return hc_wrap(&result->err, "%s %s", action_kind_text(action->kind), action->target);
		fault("after", action->kind);
		log_action(key, action);
		*ret_done += action->kind != ACTION_EVENT;
		if (slow)
			return 0;
	}
	return 0;
}

static void log_plan(const char *key, const struct plan *plan)
{
	HC_AUTO_TEXT text = {0};

	if (plan_is_empty(plan))
		return;
	plan_print(plan, hc_clock_boot_ms(), &text);
	hc_log(HC_LOG_DEBUG, "plan", "key", key, "plan", hc_text_string(&text), NULL);
}

static void run_kind(const struct pass_options *options, struct reconcile_context *context, const char *key,
					 const struct kind *kind, const char *uid, struct hc_arena *arena,
					 struct pass_result *result)
{
	struct plan plan;
	struct hc_error report_err = {0};
	void *world = NULL;
	size_t done = 0;
	int failed;

	if (kind->observe(context, uid, arena, &world, &result->err)) {
		if (result->err.class == HC_NOT_FOUND)
			result->err.class = HC_OK; /* gone, and nothing to do about it */
		else
			(void)hc_wrap(&result->err, "observe");
		result->end = end_of(result->err.class);
		return;
	}
	plan_init(&plan, arena);
	kind->decide(world, &plan);
	log_plan(key, &plan);
	failed = act(options, context, key, kind, world, &plan, &done, result);
	if (!options->may_act(options->payload)) {
		result->end = WORKQUEUE_DROPPED;
		return;
	}
	if (kind->report && kind->report(context, world, &plan, arena, &report_err) && !failed) {
		(void)hc_wrap(&report_err, "report");
		result->err = report_err;
		failed = -1;
	}
	if (failed)
		result->end = end_of(result->err.class);
	else if (done > 0)
		result->end = WORKQUEUE_AGAIN;
	result->wake_at_ms = plan.wake_at_boot_ms;
	result->hand_over = result->hand_over && !failed;
}

void pass_run(const struct pass_options *options, struct reconcile_context *context, const char *key,
			  struct hc_arena *arena, struct pass_result *ret_result)
{
	const char *uid;
	const struct kind *kind = find_kind(options, key, &uid);

	*ret_result = (struct pass_result){.end = WORKQUEUE_SETTLED};
	if (!kind) {
		(void)hc_fail(&ret_result->err, HC_BUG, "no reconciler is named by this key");
		ret_result->end = WORKQUEUE_HOPELESS;
		return;
	}
	if (!options->may_act(options->payload)) {
		ret_result->end = WORKQUEUE_DROPPED;
		return;
	}
	run_kind(options, context, key, kind, uid, arena, ret_result);
}
