/* The Service's status, derived anew on every pass from what was observed, never remembered (cases S-10 …
 * S-19). A condition that nobody observed is Unknown. */
#include "../deployment/rollout.h"
#include "base/text.h"
#include "model/names.h"

#include <inttypes.h>
#include <string.h>

#define NONE_READY_AFTER_MS 10000

static bool is_public(const struct rollout *rollout)
{
	const struct deployment_view *shown = rollout->current ? rollout->current : rollout->attempt;

	return (shown ? shown->template.expose : rollout->world->service.spec.template.expose) == EXPOSE_PUBLIC;
}

/* The image itself was at fault, not what became of it. */
static bool image_failed(const struct deployment_view *deployment)
{
	static const char *const reasons[] = {"ImageMissing", "ReservedLabel", "UncoveredVolume", "SourceFailed",
										  "BuildFailed"};

	for (size_t index = 0; index < HC_COUNT(reasons); index++) {
		if (hc_streq(deployment->reason, reasons[index]))
			return true;
	}
	return false;
}

static bool work_running(const struct job_view *job)
{
	return job->id && job->state == JOB_RUNNING;
}

/* Whose image the words are about, and who keeps its commit from following the branch. */
static const char *image_text(const struct rollout *rollout, const struct deployment_view *deployment)
{
	const struct service_world *world = rollout->world;
	const char *owner = world->follow.commit_owner;
	const char *text = rollout_image_text(rollout, deployment);
	const char *trouble = deployment->image_written ? NULL : follow_trouble(rollout);

	if (trouble)
		return hc_arena_printf(rollout->arena, "%s; a newer commit would not be seen: %s", text, trouble);

	if (deployment->image_written || !owner || hc_streq(owner, COMMIT_MANAGER) ||
		!world->service.spec.auto_deploy ||
		!hc_streq(deployment->template.commit, world->service.spec.template.commit))
		return text;
	return hc_arena_printf(rollout->arena, "%s, which %s has pinned: the branch is not followed", text,
						   owner);
}

static const char *built_reason(const struct deployment_view *deployment)
{
	return deployment->image_written ? "Prebuilt" : "Built";
}

/* C-43, C-59. */
static void built_gone(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	const struct deployment_view *serving = rollout->serving;
	const struct job_view *build = &world->serving_build;
	const char *why = world->current_image.error ? world->current_image.error : "";

	if (!serving->template.image && build->id && build->state == JOB_FAILED)
		why = build->message ? build->message : "";
	else if (!serving->template.image)
		why = "it is built again";
	plan_condition(plan, "Built", CONDITION_FALSE, "ImageMissing",
				   "the image of revision %" PRId64 " (%s) is gone from the engine%s%s", serving->revision,
				   rollout_image_text(rollout, serving), why[0] ? ": " : "", why);
}

/* Nothing was built yet, or it is being built. */
static void built_not_yet(const struct rollout *rollout, const struct deployment_view *shown,
						  struct plan *plan)
{
	const struct service_world *world = rollout->world;
	const struct service_template *template = &world->service.spec.template;
	struct work_wait wait;

	if (shown && shown->phase == DEPLOYMENT_BUILDING && shown->reason[0])
		plan_condition(plan, "Built", CONDITION_UNKNOWN, shown->reason, "%s", shown->message);
	else if (shown && shown->phase == DEPLOYMENT_BUILDING && !shown->template.image &&
			 work_running(&world->build))
		plan_condition(plan, "Built", CONDITION_UNKNOWN, "Building", "%s builds commit %.7s",
					   world->build.name, shown->template.commit);
	else if (follow_unresolved(rollout, &wait))
		plan_condition(plan, "Built",
					   hc_streq(wait.reason, "SourceFailed") ? CONDITION_FALSE : CONDITION_UNKNOWN,
					   wait.reason, "%s", wait.message);
	else if (template->image)
		plan_condition(plan, "Built", CONDITION_UNKNOWN, "Queued", "image %s was not looked at yet",
					   template->image);
	else
		plan_condition(plan, "Built", CONDITION_UNKNOWN, "Queued", "commit %.7s was not built yet",
					   template->commit ? template->commit : "?");
}

static void condition_built(const struct rollout *rollout, struct plan *plan)
{
	const struct deployment_view *current = rollout->current;
	bool back = current && hc_streq(current->hash, rollout->desired_hash);
	const struct deployment_view *shown = back ? current : rollout->newest;

	if (rollout->serving && rollout->world->current_image.known && !rollout->world->current_image.present)
		built_gone(rollout, plan);
	else if (shown && shown->phase == DEPLOYMENT_FAILED && image_failed(shown))
		plan_condition(plan, "Built", CONDITION_FALSE, shown->reason, "%s", shown->message);
	else if (shown && shown->image_id && shown->phase == DEPLOYMENT_FAILED && rollout->serving)
		plan_condition(plan, "Built", CONDITION_TRUE, built_reason(shown),
					   "image %s of revision %" PRId64 ", which failed (%s); revision %" PRId64
					   " serves image %s",
					   rollout_image_text(rollout, shown), shown->revision, shown->reason,
					   rollout->serving->revision, rollout_image_text(rollout, rollout->serving));
	else if (shown && shown->image_id)
		plan_condition(plan, "Built", CONDITION_TRUE, built_reason(shown), "image %s",
					   image_text(rollout, shown));
	else
		built_not_yet(rollout, shown, plan);
}

static void condition_available(const struct rollout *rollout, int ready, struct plan *plan)
{
	if (ready)
		plan_condition(plan, "Available", CONDITION_TRUE, "ReplicasReady", "%d of %d replicas answer", ready,
					   rollout->replicas);
	else
		plan_condition(plan, "Available", CONDITION_FALSE, rollout->on ? "NoReplicaReady" : "ScaledToZero",
					   rollout->on ? "no replica answers" : "no replica is wanted");
}

static int listed(const struct rollout *rollout)
{
	const struct service_world *world = rollout->world;

	for (size_t index = 0; index < world->route_count; index++) {
		if (rollout->current && world->routes[index].revision == rollout->current->revision)
			return world->routes[index].servers;
	}
	return 0;
}

static void condition_routed(const struct rollout *rollout, struct plan *plan)
{
	if (!is_public(rollout))
		return;
	if (rollout->world->service.lost_host)
		plan_condition(plan, "Routed", CONDITION_FALSE, "HostTaken", "another Service holds the host %s",
					   rollout->world->service.lost_host);
	else if (!rollout->world->traefik_answers)
		plan_condition(plan, "Routed", CONDITION_UNKNOWN, "TraefikAway", "Traefik's API does not answer");
	else if (listed(rollout))
		plan_condition(plan, "Routed", CONDITION_TRUE, "Listed",
					   "Traefik sends requests to revision %" PRId64, rollout->current->revision);
	else
		plan_condition(plan, "Routed", CONDITION_FALSE, "NotListed", "Traefik lists no replica");
}

/* Wanted replicas that answer and that visitors reach. */
static int published_count(const struct rollout *rollout)
{
	const struct service_world *world = rollout->world;
	int count = 0;

	for (int ordinal = 0; ordinal < rollout->replicas; ordinal++) {
		const struct container_view *container = rollout_find(rollout, rollout->current, ordinal);

		count += container && rollout_published(world, container);
	}
	return count;
}

/* Traefik tells nobody when it lists a replica, so it is asked again until it does. */
static void wake_for_traefik(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	int64_t newest = 0;

	for (size_t index = 0; index < world->container_count; index++) {
		if (world->containers[index].gate_open && world->containers[index].gate_changed_boot_ms > newest)
			newest = world->containers[index].gate_changed_boot_ms;
	}
	plan_wake_at(plan, rollout_poll_at(world->boot_ms, newest));
}

/* Just asked for, and on its way: scaled up or switched on again. Once it was published it isn't new any
 * more. */
static bool on_its_way(const struct rollout *rollout, int ordinal, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	const struct container_view *container = rollout_find(rollout, rollout->current, ordinal);
	int64_t age_ms, shown_ms;

	if (!container)
		return rollout->current == rollout->serving && rollout_unmade(rollout, ordinal);
	if (rollout_published(world, container))
		return true;
	if (container->state == CONTAINER_CREATED)
		return true;
	age_ms = world->wall_ms - container->started_wall_ms;
	shown_ms = world->boot_ms - container->gate_changed_boot_ms;
	if (!rollout_running(container) || age_ms < 0 || age_ms >= ROLLOUT_YOUNG_MS ||
		(container->gate_used && shown_ms >= ROLLOUT_UNLISTED_MS))
		return false;
	plan_wake_at(plan, world->boot_ms + (container->gate_used ? ROLLOUT_UNLISTED_MS - shown_ms
															  : ROLLOUT_YOUNG_MS - age_ms));
	return true;
}

/* S-16b. While the back-off of the dead counts, whatever is missing is damage. */
static bool progressing(const struct rollout *rollout, struct plan *plan)
{
	if (rollout->current->restart_attempts)
		return false;
	for (int ordinal = 0; ordinal < rollout->replicas; ordinal++) {
		if (!on_its_way(rollout, ordinal, plan))
			return false;
	}
	return true;
}

/* S-8: nothing is done until the wish can be met, or is taken back. */
static void ready_rollback_lost(const struct rollout *rollout, struct plan *plan)
{
	plan_condition(plan, "Ready", CONDITION_FALSE, "RollbackImpossible",
				   "revision %" PRId64 " is not kept any more, or never ran: name another one in "
				   "spec.rollbackTo, or remove it",
				   rollout->world->service.spec.rollback_to_revision);
}

/* S-6: while there is no commit to run. */
static void ready_unresolved(const struct rollout *rollout, const struct work_wait *wait, struct plan *plan)
{
	bool failed = hc_streq(wait->reason, "SourceFailed");
	enum condition_status status = failed ? CONDITION_FALSE : CONDITION_UNKNOWN;

	if (rollout->current)
		plan_condition(plan, "Ready", status, wait->reason, "revision %" PRId64 " serves on: %s",
					   rollout->current->revision, wait->message);
	else
		plan_condition(plan, "Ready", status, wait->reason, "%s", wait->message);
	if (!rollout->current)
		plan->phase = failed ? SERVICE_FAILED : SERVICE_DEPLOYING;
}

/* What the newest outcome says, while or because nothing newer is on its way. */
static void ready_settled(const struct rollout *rollout, int ready, struct plan *plan)
{
	const struct deployment_view *newest = rollout->newest;
	const struct service_world *world = rollout->world;
	bool is_current = rollout->current && hc_streq(rollout->current->hash, rollout->desired_hash);
	struct work_wait wait;
	int published;

	if (!rollout->current) {
		plan->phase = newest ? SERVICE_FAILED : SERVICE_IDLE;
		if (rollout->rollback_lost)
			ready_rollback_lost(rollout, plan);
		else if (follow_unresolved(rollout, &wait))
			ready_unresolved(rollout, &wait, plan);
		else if (newest && newest->phase == DEPLOYMENT_FAILED)
			plan_condition(plan, "Ready", CONDITION_FALSE, newest->reason, "%s", newest->message);
		else
			plan_condition(plan, "Ready", CONDITION_UNKNOWN, "Queued", "nothing runs yet");
		return;
	}
	plan->phase = SERVICE_ACTIVE;
	published = published_count(rollout);
	if (published < rollout->replicas && progressing(rollout, plan)) {
		plan_condition(plan, "Ready", CONDITION_UNKNOWN, "Progressing",
					   "visitors reach %d of %d replicas; the others were just asked for", published,
					   rollout->replicas);
		if (ready == rollout->replicas)
			wake_for_traefik(rollout, plan);
		return;
	}
	if (!ready && rollout_elapsed(world, &plan->unready_since) >= NONE_READY_AFTER_MS)
		plan->phase = SERVICE_FAILED;
	else if (!ready)
		plan_wake_at(plan, plan->unready_since.at_ms + NONE_READY_AFTER_MS);
	if (ready < rollout->replicas) {
		const char *why = explain_serving(rollout);

		plan_condition(plan, "Ready", CONDITION_FALSE, "Degraded", "%d of %d replicas answer%s%s", ready,
					   rollout->replicas, why ? ": " : "; healing", why ? why : "");
	} else if (published < rollout->replicas) {
		plan_condition(plan, "Ready", CONDITION_FALSE, "Degraded",
					   "visitors reach %d of %d replicas; healing", published, rollout->replicas);
		wake_for_traefik(rollout, plan);
	} else if (rollout->rollback_lost) {
		ready_rollback_lost(rollout, plan);
	} else if (follow_unresolved(rollout, &wait)) {
		ready_unresolved(rollout, &wait, plan);
	} else if (!is_current && newest->phase == DEPLOYMENT_FAILED) {
		plan_condition(plan, "Ready", CONDITION_FALSE, newest->reason,
					   "revision %" PRId64 " failed and %" PRId64 " serves on: %s", newest->revision,
					   rollout->current->revision, newest->message);
	} else if (!is_current && newest->phase != DEPLOYMENT_SUCCESS) {
		plan_condition(plan, "Ready", CONDITION_UNKNOWN, "Queued", "revision %" PRId64 " serves on",
					   rollout->current->revision);
	} else {
		plan_condition(plan, "Ready", CONDITION_TRUE, "ReplicasReady",
					   "revision %" PRId64 " serves with %d replicas", rollout->current->revision, ready);
	}
}

static void ready_attempt(const struct rollout *rollout, struct plan *plan)
{
	const struct deployment_view *attempt = rollout->attempt;
	const char *why = explain_starting(rollout, plan);

	plan->phase = SERVICE_DEPLOYING;
	if (attempt->stage == STAGE_QUEUED && !attempt->reason[0] && work_running(&rollout->world->build))
		plan_condition(plan, "Ready", CONDITION_UNKNOWN, "Building",
					   "revision %" PRId64 ": %s is being built", attempt->revision,
					   rollout->world->build.name);
	else if (attempt->message[0])
		plan_condition(plan, "Ready", CONDITION_UNKNOWN, attempt->reason, "revision %" PRId64 ": %s",
					   attempt->revision, attempt->message);
	else if (why)
		plan_condition(plan, "Ready", CONDITION_UNKNOWN, deployment_stage_text(attempt->stage),
					   "revision %" PRId64 ": %s", attempt->revision, why);
	else
		plan_condition(plan, "Ready", CONDITION_UNKNOWN, deployment_stage_text(attempt->stage),
					   "revision %" PRId64 " is on its way", attempt->revision);
}

static bool creating(const struct plan *plan)
{
	for (size_t index = 0; index < plan->action_count; index++) {
		if (plan->actions[index].kind == ACTION_DEPLOYMENT_CREATE)
			return true;
	}
	return false;
}

/* S-10: what still holds a deletion up. */
static void ready_deleting(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;

	plan->phase = world->service.phase;
	for (size_t index = 0; index < world->container_count; index++) {
		if (!world->traefik_answers && rollout_alive(&world->containers[index]) &&
			withdraw_reachable(&world->containers[index], false)) {
			plan_condition(plan, "Ready", CONDITION_FALSE, "Deleting",
						   "waiting for Traefik's API: a container that it may list is not stopped");
			return;
		}
	}
	plan_condition(plan, "Ready", CONDITION_FALSE, "Deleting", "%zu containers are left",
				   world->container_count);
}

/* C-60. */
static void ready_frozen(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	int64_t newest = 0;

	for (size_t index = 0; index < world->container_count; index++) {
		if (world->containers[index].revision > newest &&
			!rollout_deployment_of(world, &world->containers[index]))
			newest = world->containers[index].revision;
	}
	plan->phase = world->service.phase;
	plan_condition(
		plan, "Ready", CONDITION_UNKNOWN, "DatabaseBehind",
		"the database is older than what runs: revision %" PRId64
		", of which it knows nothing, serves on, and nothing is changed until a person accepts the "
		"restored database: see docs/operations.md",
		newest);
}

static void ready(const struct rollout *rollout, int ready_replicas, struct plan *plan)
{
	const struct service_view *service = &rollout->world->service;

	if (rollout->frozen) {
		ready_frozen(rollout, plan);
	} else if (service->deleting) {
		ready_deleting(rollout, plan);
	} else if (!rollout->on) {
		plan->phase = SERVICE_IDLE;
		plan_condition(plan, "Ready", CONDITION_TRUE, "ScaledToZero", "%s",
					   service->spec.suspend ? "suspended" : "scaled to 0");
	} else if (service->lost_host) {
		plan->phase = rollout->current ? SERVICE_ACTIVE : SERVICE_FAILED;
		plan_condition(plan, "Ready", CONDITION_FALSE, "HostTaken", "another Service holds the host %s",
					   service->lost_host);
	} else if (rollout->attempt) {
		ready_attempt(rollout, plan);
	} else if (creating(plan)) {
		plan->phase = SERVICE_DEPLOYING;
		plan_condition(plan, "Ready", CONDITION_UNKNOWN, "Queued", "a new revision is about to begin");
	} else {
		ready_settled(rollout, ready_replicas, plan);
	}
}

static const char *url(const struct rollout *rollout)
{
	const struct service_world *world = rollout->world;
	const char *scheme = world->https_public ? "https" : "http";
	int usual = world->https_public ? 443 : 80;

	if (!is_public(rollout))
		return NULL;
	if (!world->url_port || world->url_port == usual)
		return hc_arena_printf(rollout->arena, "%s://%s.%s", scheme, world->service.name, world->domain);
	return hc_arena_printf(rollout->arena, "%s://%s.%s:%d", scheme, world->service.name, world->domain,
						   world->url_port);
}

void service_status_decide(const struct rollout *rollout, struct plan *plan)
{
	const struct service_world *world = rollout->world;
	int ready_replicas = rollout->current ? rollout_ready_count(rollout, rollout->current) : 0;

	plan->has_status = true;
	plan->url = url(rollout);
	plan->current_deployment = rollout->current ? rollout->current->name : NULL;
	plan->ready_replicas = ready_replicas;
	for (size_t index = 0; index < world->container_count; index++)
		plan->replicas += rollout_running(&world->containers[index]) &&
						  !release_container(&world->containers[index]);
	if (rollout->on && rollout->current && !ready_replicas)
		plan->unready_since = rollout_this_boot(world, &world->service.unready_since)
								  ? world->service.unready_since
								  : rollout_now(world);
	condition_built(rollout, plan);
	condition_available(rollout, ready_replicas, plan);
	condition_routed(rollout, plan);
	ready(rollout, ready_replicas, plan);
}
