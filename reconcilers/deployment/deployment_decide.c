/* Containers, gates and the progress of every Deployment of a Service. The order of the parts is the order of
 * the plan, and a plan ends at its first failure: what can fail for long stands behind a back-off (heal), and
 * what others wait for comes early. Cases and invariants: README.md. */
#include "rollout.h"

/* A change of rows is seen by the next pass, which follows at once; deciding more from rows that are about to
 * change would be thinking two steps ahead. */
static bool rows_change(const struct plan *plan)
{
	for (size_t index = 0; index < plan->action_count; index++) {
		enum action_kind kind = plan->actions[index].kind;

		if (kind == ACTION_DEPLOYMENT_CREATE || kind == ACTION_SERVICE_FINALIZE)
			return true;
	}
	return false;
}

void deployment_decide(const struct service_world *world, struct plan *plan)
{
	struct rollout rollout;

	if (rows_change(plan))
		return;
	rollout_look(world, plan->arena, &rollout);
	if (rollout.frozen)
		return;
	if (rollout.on && rollout.serving)
		heal_dead_decide(&rollout, plan);
	else if (rollout.serving)
		heal_off_decide(&rollout, plan);
	if (rollout.attempt)
		attempt_decide(&rollout, plan);
	withdraw_decide(&rollout, plan);
	if (rollout.on)
		heal_drift_decide(&rollout, plan);
}
