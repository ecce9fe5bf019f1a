/* The commit that follows a branch (cases F-1 … F-8, design 4.2): when to look at the branch's head, and what
 * an answer means. A look is a job like others, reopened for each look; an answer counts once, for the value
 * of `wanted` that it was asked for.
 *
 * A plan ends at its first failure, and nothing else may wait for a Git host: so this comes last. */
#include "../deployment/rollout.h"
#include "base/text.h"

#include <string.h>

#define LOOK_EVERY_MS 60000               /* until a webhook was seen to work */
#define LOOK_EVERY_HOOKED_MS (600 * 1000) /* then a lost one is healed after this */
#define ANSWER_AGE_MS 60000               /* an older answer is of another time */

static const struct service_template *source(const struct service_world *world)
{
	return &world->service.spec.template;
}

static bool pinned(const struct service_world *world)
{
	const char *owner = world->follow.commit_owner;

	return owner && strcmp(owner, COMMIT_MANAGER) != 0;
}

static bool follows(const struct rollout *rollout)
{
	const struct service_world *world = rollout->world;

	if (!rollout->on || !source(world)->repo_url || source(world)->image)
		return false;
	return !source(world)->commit || (world->service.spec.auto_deploy && !pinned(world));
}

static const char *branch_text(const struct rollout *rollout)
{
	const char *branch = source(rollout->world)->branch;

	return branch && branch[0] ? hc_arena_printf(rollout->arena, "branch %s", branch) : "the default branch";
}

/* --- F-8: what people see
 * -------------------------------------------------------------------------------------- */

bool follow_unresolved(const struct rollout *rollout, struct work_wait *ret_wait)
{
	const struct service_world *world = rollout->world;
	const struct job_view *head = &world->head;

	if (source(world)->image || !source(world)->repo_url || source(world)->commit || rollout->rollback)
		return false;
	if (head->id && head->state == JOB_FAILED && head->final && world->head_matches) {
		*ret_wait = (struct work_wait){"SourceFailed", head->message ? head->message : "no commit was found"};
		return true;
	}
	*ret_wait = work_explain(world, head, rollout->arena);
	if (!ret_wait->reason[0])
		*ret_wait = (struct work_wait){"Resolving",
									   hc_arena_printf(rollout->arena, "%s of %s is looked at for its commit",
													   branch_text(rollout), source(world)->repo_url)};
	return true;
}

/* Why a newer commit would not be seen just now, or NULL. */
const char *follow_trouble(const struct rollout *rollout)
{
	const struct service_world *world = rollout->world;
	const struct job_view *head = &world->head;

	if (!follows(rollout) || !head->id || !world->head_matches)
		return NULL;
	if (head->state == JOB_FAILED)
		return head->message && head->message[0] ? head->message : "the look at it failed";
	if (head->state == JOB_QUEUED && (head->queue == JOB_QUEUE_AWAY || !world->queue_configured))
		return work_explain(world, head, rollout->arena).message;
	return NULL;
}

/* --- F-1 … F-7
 * ------------------------------------------------------------------------------------------------- */

/* An answer that nobody has acted on yet. */
static bool answered(const struct service_world *world)
{
	const struct job_view *head = &world->head;
	int64_t checked_ago_ms = world->follow.checked_ago_ms;

	if (!head->id || !world->head_matches || head->state_ago_ms >= ANSWER_AGE_MS)
		return false;
	if (head->state != JOB_SUCCEEDED && !(head->state == JOB_FAILED && head->final))
		return false;
	return checked_ago_ms < 0 || head->state_ago_ms < checked_ago_ms;
}

static void act_on_answer(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	const struct job_view *head = &world->head;
	const char *commit = source(world)->commit;
	struct action *action;

	if (head->state == JOB_FAILED) {
		plan_event(plan, true, "SourceFailed", "The head of %s of %s is not known: %s", branch_text(rollout),
				   source(world)->repo_url, head->message ? head->message : "");
	} else if (!hc_streq(commit, head->commit)) {
		action = plan_add(plan, ACTION_COMMIT_SET, head->commit, "it is the head of branch %s",
						  head->branch && head->branch[0] ? head->branch : "?");
		action->id = world->service.uid;
		action->commit = head->commit;
		action->branch = head->branch;
	}
	action = plan_add(plan, ACTION_FOLLOW_CHECKED, world->service.name, "the remote has answered");
	action->id = world->service.uid;
	action->wanted = world->head_wanted;
}

/* When the next look is due, as time from now; <= 0: now. */
static int64_t due_in_ms(const struct rollout *rollout)
{
	const struct service_world *world = rollout->world;
	const struct follow_view *follow = &world->follow;
	int64_t period_ms = follow->webhook_verified ? LOOK_EVERY_HOOKED_MS : LOOK_EVERY_MS;
	bool refused = world->head.id && world->head.state == JOB_FAILED && world->head.final &&
				   world->head_matches;

	if (follow->wanted > follow->checked || follow->checked_ago_ms < 0 ||
		(!source(world)->commit && !refused))
		return 0;
	return period_ms - follow->checked_ago_ms;
}

static void look(const struct rollout *rollout, struct plan *plan)
{
	const struct job_view *head = &rollout->world->head;
	bool ended = head->id && !work_open(head);
	size_t before = plan->action_count;

	if (ended || (head->id && !rollout->world->head_matches))
		work_reopen(head, NULL, true,
					hc_arena_printf(rollout->arena, "%s is to be looked at", branch_text(rollout)), plan);
	else
		(void)work_decide(rollout, head, NULL, false, plan, NULL);
	if (plan->action_count > before)
		plan->actions[before].wanted = rollout->world->follow.wanted;
}

void service_follow_decide(const struct service_world *world, struct plan *plan)
{
	struct rollout rollout;
	int64_t due_ms;

	rollout_look(world, plan->arena, &rollout);
	if (!follows(&rollout))
		return;
	if (answered(world)) {
		act_on_answer(&rollout, plan);
		return;
	}
	due_ms = due_in_ms(&rollout);
	if (due_ms > 0)
		plan_wake_at(plan, world->boot_ms + due_ms);
	else
		look(&rollout, plan);
}
