/* The rows that a Service wants: a Deployment for what its spec says now, no more history than asked for, and
 * at the end of a deletion nothing at all (cases S-1 … S-7). The status is derived in service_status.c. */
#include "../deployment/rollout.h"
#include "base/text.h"
#include "model/names.h"

#include <inttypes.h>
#include <string.h>

/* S-2: an outcome that forbids another try with the same hash. What was cancelled or superseded had none. */
static bool tried_already(const struct rollout *rollout)
{
	const struct deployment_view *newest = rollout->newest;

	return newest && hc_streq(newest->hash, rollout->desired_hash) &&
		   !(newest->phase == DEPLOYMENT_FAILED &&
			 (hc_streq(newest->reason, "Cancelled") || hc_streq(newest->reason, "Superseded")));
}

/* S-6: a repository without a commit has nothing to run yet. */
static bool has_source(const struct rollout *rollout)
{
	const struct service_template *template = &rollout->world->service.spec.template;

	if (rollout->rollback_lost)
		return false;
	return rollout->rollback || template->image || (template->repo_url && template->commit);
}

static bool wants_deployment(const struct rollout *rollout)
{
	const struct service_view *service = &rollout->world->service;

	return rollout->on && !rollout->attempt && has_source(rollout) && !service->lost_host &&
		   !(rollout->current && hc_streq(rollout->current->hash, rollout->desired_hash)) &&
		   !tried_already(rollout);
}

/* What caused it, for people. */
static const char *reason_of(const struct rollout *rollout)
{
	const struct service_world *world = rollout->world;
	const char *commit = world->service.spec.template.commit;

	if (rollout->rollback)
		return "rollback";
	if (commit && hc_streq(world->follow.commit_owner, COMMIT_MANAGER) && rollout->newest &&
		!hc_streq(rollout->newest->template.commit, commit))
		return world->follow.webhook_verified ? "webhook" : "branch";
	return "apply";
}

/* S-7: the old image, and what was known of it. */
static void repeat(const struct deployment_view *old, struct deployment_view *next)
{
	next->rollback_of = old->revision;
	next->image_id = old->image_id;
	next->build = old->build;
	next->tree = old->tree;
	next->stage = STAGE_QUEUED;
}

static void create(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	const struct service_view *service = &world->service;
	struct deployment_view *next = hc_arena_alloc(rollout->arena, sizeof *next);
	int64_t highest = service->revision_max;

	if (rollout->newest && rollout->newest->revision > highest)
		highest = rollout->newest->revision;
	next->revision = highest + 1;
	next->name = name_deployment(rollout->arena, service->name, next->revision);
	next->hash = rollout->desired_hash;
	next->hash_version = TEMPLATE_HASH_VERSION;
	next->reason_created = reason_of(rollout);
	next->template = rollout_template(rollout);
	next->image_written = next->template.image;
	next->created_wall_ms = world->wall_ms;
	next->phase = DEPLOYMENT_BUILDING;
	next->stage = next->template.image ? STAGE_QUEUED : STAGE_RESOLVING;
	next->stage_since = rollout_now(world);
	next->reason = next->message = "";
	if (rollout->rollback)
		repeat(rollout->rollback, next);
	plan_add(plan, ACTION_DEPLOYMENT_CREATE, next->name, "%s",
			 rollout->current ? "the Service wants something else than what runs" : "the Service has none")
		->deployment = next;
}

/* S-4: the newest row is never dropped: it says what was tried last. Rows with containers wait for them to
 * go. */
static bool keeps_row(const struct rollout *rollout, const struct deployment_view *deployment)
{
	const struct service_world *world = rollout->world;

	if (deployment == rollout->newest || deployment == rollout->current || deployment == rollout->serving ||
		deployment == rollout->rollback || deployment->phase == DEPLOYMENT_BUILDING)
		return true;
	for (size_t index = 0; index < world->container_count; index++) {
		if (hc_streq(world->containers[index].deployment_uid, deployment->uid))
			return true;
	}
	return false;
}

static void drop_history(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	int kept = 0;

	for (size_t index = world->deployment_count; index-- > 0;) {
		const struct deployment_view *deployment = &world->deployments[index];

		if (deployment == rollout->current || deployment->phase == DEPLOYMENT_BUILDING)
			continue;
		if (kept < world->service.spec.history_limit || keeps_row(rollout, deployment)) {
			kept++;
			continue;
		}
		plan_add(plan, ACTION_DEPLOYMENT_DELETE, deployment->name, "more than %d of history",
				 world->service.spec.history_limit)
			->id = deployment->uid;
	}
}

static void remove_volumes(const struct rollout *rollout, const struct service_template *template,
						   struct plan *plan)
{
	const char *name;

	for (size_t index = 0; index < template->volume_count; index++) {
		if (!template->volumes[index].delete_with_service)
			continue;
		name = deployment_volume_name(rollout->world, template->volumes[index].name, rollout->arena);
		plan_add(plan, ACTION_VOLUME_REMOVE, name, "onDelete: Delete");
	}
}

/* S-5: containers first, then data that is to go, then rows, then the finalizer. */
static void finish_deletion(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;

	if (world->container_count || rollout->attempt)
		return;
	remove_volumes(rollout, &world->service.spec.template, plan);
	for (size_t index = 0; index < world->deployment_count; index++)
		plan_add(plan, ACTION_DEPLOYMENT_DELETE, world->deployments[index].name,
				 "the Service is being deleted")
			->id = world->deployments[index].uid;
	if (world->service.finalizer_present)
		plan_add(plan, ACTION_SERVICE_FINALIZE, world->service.name, "nothing of it is left")
			->id = world->service.uid;
}

void service_decide(const struct service_world *world, struct plan *plan)
{
	struct rollout rollout;

	rollout_look(world, plan->arena, &rollout);
	if (rollout.frozen)
		; /* C-60 */
	else if (world->service.deleting)
		finish_deletion(&rollout, plan);
	else if (wants_deployment(&rollout))
		create(&rollout, plan);
	if (!world->service.deleting && !rollout.frozen)
		drop_history(&rollout, plan);
	service_status_decide(&rollout, plan);
}
