/* See rollout.h. The roles of containers are the heart: everything that is stopped is stopped because its
 * role says so, and everything that is healed is ROLE_WANTED. Cases C-n and invariants INV-n: README.md. */
#include "rollout.h"
#include "base/text.h"
#include "model/names.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* --- time
 * ------------------------------------------------------------------------------------------------------ */

bool rollout_this_boot(const struct service_world *world, const struct moment *moment)
{
	return moment->at_ms && hc_streq(moment->boot_id, world->boot_id);
}

int64_t rollout_elapsed(const struct service_world *world, const struct moment *moment)
{
	if (!rollout_this_boot(world, moment) || world->boot_ms < moment->at_ms)
		return 0;
	return world->boot_ms - moment->at_ms;
}

struct moment rollout_now(const struct service_world *world)
{
	return (struct moment){.boot_id = world->boot_id, .at_ms = world->boot_ms};
}

int64_t rollout_poll_at(int64_t now_ms, int64_t since_ms)
{
	int64_t waited = since_ms ? now_ms - since_ms : 0;

	return now_ms + (waited < 2000 ? 50 : waited < 10000 ? 200 : 1000);
}

/* --- containers
 * ------------------------------------------------------------------------------------------------ */

bool rollout_running(const struct container_view *container)
{
	return container->state == CONTAINER_RUNNING;
}

bool rollout_alive(const struct container_view *container)
{
	return container->state == CONTAINER_RUNNING || container->state == CONTAINER_PAUSED ||
		   container->state == CONTAINER_RESTARTING;
}

bool rollout_is_public(const struct container_view *container)
{
	for (size_t index = 0; index < container->label_count; index++) {
		if (strcmp(container->labels[index].name, TRAEFIK_PREFIX "enable") == 0)
			return strcmp(container->labels[index].value, "true") == 0;
	}
	return false;
}

bool rollout_answers(const struct service_world *world, const struct container_view *container,
					 enum exposure expose)
{
	if (!rollout_running(container))
		return false;
	if (expose == EXPOSE_NONE)
		return container->started_wall_ms &&
			   world->wall_ms - container->started_wall_ms >= ROLLOUT_PLAIN_UP_MS;
	return container->probe == PROBE_READY;
}

/* Docker's "healthy" (gate open and the application answered) stands in until our own check has an opinion,
 * so that a restarted controller doesn't call everything unready. */
bool rollout_ready(const struct container_view *container)
{
	if (!rollout_running(container) || !container->gate_open || container->term_sent_boot_ms)
		return false;
	return container->probe == PROBE_READY ||
		   (container->probe != PROBE_UNREADY && container->health == HEALTH_HEALTHY);
}

bool rollout_published(const struct service_world *world, const struct container_view *container)
{
	if (!rollout_ready(container))
		return false;
	if (rollout_is_public(container) && world->traefik_answers)
		return container->listed;
	return container->health == HEALTH_HEALTHY;
}

const struct deployment_view *rollout_deployment_of(const struct service_world *world,
													const struct container_view *container)
{
	for (size_t index = 0; index < world->deployment_count; index++) {
		if (hc_streq(world->deployments[index].uid, container->deployment_uid))
			return &world->deployments[index];
	}
	return NULL;
}

const struct container_view *rollout_find(const struct rollout *rollout,
										  const struct deployment_view *deployment, int ordinal)
{
	const struct service_world *world = rollout->world;
	const struct container_view *found = NULL;

	for (size_t index = 0; index < world->container_count; index++) {
		const struct container_view *container = &world->containers[index];

		if (container->ordinal != ordinal || !hc_streq(container->deployment_uid, deployment->uid))
			continue;
		/* Two of them: somebody copied ours with its labels. The folder is named after the right one. */
		if (!found || strcmp(container->name, container->folder) == 0)
			found = container;
	}
	return found;
}

enum container_role rollout_role(const struct rollout *rollout, const struct container_view *container)
{
	return rollout->roles[container - rollout->world->containers];
}

int rollout_ready_count(const struct rollout *rollout, const struct deployment_view *deployment)
{
	const struct service_world *world = rollout->world;
	int count = 0;

	for (size_t index = 0; index < world->container_count; index++) {
		const struct container_view *container = &world->containers[index];

		if (hc_streq(container->deployment_uid, deployment->uid) && container->ordinal < rollout->replicas &&
			rollout_ready(container))
			count++;
	}
	return count;
}

/* --- roles
 * ----------------------------------------------------------------------------------------------------- */

/* A network that was removed and made again may have another subnet. Ours are all /24. */
static bool inside_subnet(const char *subnet, const char *address)
{
	const char *end = subnet ? strrchr(subnet, '.') : NULL;

	if (!end || !hc_ends_with(subnet, ".0/24") || !address || !address[0])
		return true;
	return strncmp(subnet, address, (size_t)(end - subnet) + 1) == 0;
}

static bool made_anew(const struct rollout *rollout, const struct deployment_view *deployment,
					  const struct container_view *container)
{
	const struct container_spec *wanted;
	bool in_place = true;

	if (!inside_subnet(rollout->world->network_subnet, container->fixed_address))
		return true;
	if (container->state == CONTAINER_DEAD || (!rollout_alive(container) && replica_address_taken(container)))
		return true;
	wanted = deployment_container(rollout->world, deployment, container->ordinal, container->fixed_address,
								  rollout->arena);
	return deployment_drift(wanted, container, rollout->arena, &in_place) && !in_place;
}

/* Visitors are sent there, whether it answers or not. */
static bool reached(const struct container_view *container)
{
	return rollout_ready(container) ||
		   (rollout_running(container) && container->gate_open && container->listed);
}

/* What the serving Deployment has, as the first look at its wanted ordinals found it. */
struct serving_look {
	int published; /* of all its containers */
	int good;      /* published and not drifted, of the wanted ordinals */
	int drifted;   /* of the wanted ordinals: to be made anew */
	int highest;   /* ordinal */
};

static struct serving_look look_at_wanted(struct rollout *rollout)
{
	const struct service_world *world = rollout->world;
	const struct deployment_view *serving = rollout->serving;
	struct serving_look look = {.highest = rollout->replicas - 1};

	for (size_t index = 0; index < world->container_count; index++) {
		const struct container_view *container = &world->containers[index];
		enum container_role *role = &rollout->roles[index];
		bool published = rollout_published(world, container);

		if (!hc_streq(container->deployment_uid, serving->uid))
			continue;
		look.published += published;
		if (container->ordinal > look.highest && !release_container(container))
			look.highest = container->ordinal;
		if (container->ordinal >= rollout->replicas)
			continue;
		*role = rollout_find(rollout, serving, container->ordinal) == container ? ROLE_WANTED : ROLE_UNWANTED;
		if (*role == ROLE_WANTED && made_anew(rollout, serving, container)) {
			look.drifted++;
			*role = reached(container) && !rollout->recreate ? ROLE_KEPT : ROLE_UNWANTED;
		} else if (*role == ROLE_WANTED) {
			look.good += published;
		}
	}
	return look;
}

/* How many surplus containers of a revision stay, and for whom. */
struct stand_ins {
	int uncovered; /* wanted ordinals without a published, undrifted replica */
	int drifted;   /* of these, those that are to be made anew: one that isn't published yet is kept for them,
					  too */
};

enum stand_in { STAND_IN_ANSWERS, STAND_IN_MUTE, STAND_IN_UNPUBLISHED };

static bool stands_in(const struct rollout *rollout, const struct deployment_view *deployment,
					  const struct container_view *container, enum stand_in kind,
					  const struct stand_ins *need)
{
	if (!rollout_published(rollout->world, container))
		return kind == STAND_IN_UNPUBLISHED && need->drifted > 0 &&
			   !made_anew(rollout, deployment, container);
	return kind == (container->probe == PROBE_UNREADY ? STAND_IN_MUTE : STAND_IN_ANSWERS);
}

/* Who serves comes before who doesn't: one that stopped answering may lose its gate in the same plan (C-50).
 */
static void stand_in(struct rollout *rollout, const struct deployment_view *deployment,
					 struct stand_ins *need)
{
	const struct service_world *world = rollout->world;

	for (enum stand_in kind = STAND_IN_ANSWERS; kind <= STAND_IN_UNPUBLISHED; kind++) {
		for (size_t index = 0; index < world->container_count && need->uncovered > 0; index++) {
			const struct container_view *container = &world->containers[index];

			if (!hc_streq(container->deployment_uid, deployment->uid) ||
				container->ordinal < rollout->replicas || release_container(container) ||
				!stands_in(rollout, deployment, container, kind, need))
				continue;
			rollout->roles[index] = kind == STAND_IN_UNPUBLISHED ? ROLE_WANTED : ROLE_KEPT;
			need->uncovered--;
			need->drifted -= need->drifted > 0;
		}
	}
}

/* C-20 … C-24: which containers of the serving Deployment stay. What is surplus stands in for wanted replicas
 * that are not published, so that scaling down or making a drifted one anew never leaves fewer than before
 * (INV-3). A revision that is only the fallback of a newer one is left as it is: it goes soon. */
static void roles_serving(struct rollout *rollout)
{
	const struct service_world *world = rollout->world;
	const struct deployment_view *serving = rollout->serving;
	struct serving_look look = look_at_wanted(rollout);
	struct stand_ins need = {.uncovered = rollout->replicas - look.good,
							 .drifted = serving == rollout->current ? look.drifted : 0};

	if (rollout->recreate)
		return;
	for (size_t index = 0; index < world->container_count; index++) {
		const struct container_view *container = &world->containers[index];
		bool published = rollout_published(world, container);

		if (hc_streq(container->deployment_uid, serving->uid) && container->ordinal < rollout->replicas &&
			rollout->roles[index] == ROLE_KEPT && serving == rollout->current &&
			look.published - published >= rollout->replicas) {
			rollout->roles[index] = ROLE_UNWANTED;
			look.published -= published;
		}
	}
	stand_in(rollout, serving, &need);
	if (need.drifted > 0)
		rollout->surge = look.highest + 1;
}

/* C-21 holds for a revision that is being proved, too: it is published. */
static void roles_attempt(struct rollout *rollout)
{
	const struct service_world *world = rollout->world;
	const struct deployment_view *attempt = rollout->attempt;
	struct stand_ins need = {.uncovered = rollout->replicas};

	for (size_t index = 0; index < world->container_count; index++) {
		const struct container_view *container = &world->containers[index];

		if (!hc_streq(container->deployment_uid, attempt->uid))
			continue;
		/* C-26: its outcome is read off it before it goes. */
		if (release_container(container) && release_wanted(attempt) && container->state != CONTAINER_DEAD &&
			(rollout_alive(container) || !replica_address_taken(container)))
			rollout->roles[index] = ROLE_KEPT;
		if (container->ordinal >= rollout->replicas)
			continue;
		if (rollout_find(rollout, attempt, container->ordinal) != container)
			continue;
		if (attempt->stage == STAGE_STARTING && made_anew(rollout, attempt, container))
			continue;
		rollout->roles[index] = ROLE_WANTED;
		need.uncovered -= rollout_published(world, container);
	}
	if (attempt->stage == STAGE_STABILIZING && !rollout->recreate)
		stand_in(rollout, attempt, &need);
}

static bool strangers(const struct service_world *world)
{
	for (size_t index = 0; index < world->container_count; index++) {
		if (!rollout_deployment_of(world, &world->containers[index]))
			return true;
	}
	return false;
}

/* Visitors are sent to all that is wanted of what serves. */
static bool serves_whole(const struct rollout *rollout)
{
	for (int ordinal = 0; ordinal < rollout->replicas; ordinal++) {
		const struct container_view *container = rollout->serving
													 ? rollout_find(rollout, rollout->serving, ordinal)
													 : NULL;

		if (!container || !rollout_published(rollout->world, container))
			return false;
	}
	return true;
}

/* Old containers beside a current revision: left in place while it drains (design 7.4), parked under
 * Recreate. */
static enum container_role role_other(const struct rollout *rollout, const struct container_view *container)
{
	const struct service_world *world = rollout->world;
	const struct deployment_view *serving = rollout->serving;
	const struct deployment_view *own = rollout_deployment_of(world, container);
	int64_t drain_ms = world->service.spec.drain_seconds * INT64_C(1000);
	/* Whoever takes over begins a drain, and whoever is given up leaves the one before to go on. */
	bool proving = rollout->attempt && rollout->attempt->stage >= STAGE_PUBLISHING && !rollout->recreate;

	if (!container->gate_open || !rollout_is_public(container))
		return ROLE_UNWANTED;
	/* Nothing serves but this, and its row is gone: better a stranger of ours than nobody. */
	if (!rollout->current)
		return own || (rollout->recreate && rollout->attempt && rollout->attempt->stage >= STAGE_STARTING)
				   ? ROLE_UNWANTED
				   : ROLE_KEPT;
	/* C-61: a backup was restored and accepted. */
	if (!own && !rollout->recreate && (proving || !serves_whole(rollout)))
		return ROLE_KEPT;
	if (!serving || container->revision >= serving->revision || (own && own->phase == DEPLOYMENT_FAILED))
		return ROLE_UNWANTED;
	if (proving)
		return ROLE_KEPT;
	if (rollout_this_boot(world, &serving->stage_since) &&
		rollout_elapsed(world, &serving->stage_since) < drain_ms)
		return ROLE_KEPT;
	return ROLE_UNWANTED;
}

static void roles_give(struct rollout *rollout)
{
	const struct service_world *world = rollout->world;
	bool parks = rollout->recreate && rollout->attempt && rollout->attempt->stage >= STAGE_STARTING;

	rollout->roles = hc_arena_alloc_array(rollout->arena, world->container_count + 1,
										  sizeof(enum container_role));
	for (size_t index = 0; index < world->container_count; index++)
		rollout->roles[index] = rollout->on ? role_other(rollout, &world->containers[index]) : ROLE_UNWANTED;
	if (!rollout->on)
		return;
	if (rollout->attempt && rollout->attempt->stage >= STAGE_STARTING)
		roles_attempt(rollout);
	if (rollout->serving)
		roles_serving(rollout);
	for (size_t index = 0; index < world->container_count; index++) {
		const struct container_view *container = &world->containers[index];
		bool serving = rollout->serving && hc_streq(container->deployment_uid, rollout->serving->uid);

		if (parks && serving && container->ordinal < rollout->replicas)
			rollout->roles[index] = ROLE_PARKED;
		if (rollout->roles[index] == ROLE_WANTED && container->term_sent_boot_ms && rollout_alive(container))
			rollout->roles[index] = ROLE_STOPPING;
	}
}

/* Where something is being made anew, what is missing was taken away for that, and may be again and again: it
 * has the back-off of what is lost. */
bool rollout_unmade(const struct rollout *rollout, int ordinal)
{
	const struct service_world *world = rollout->world;

	if (!world->unmade || ordinal >= rollout->replicas || !world->unmade[ordinal] || rollout->surge >= 0 ||
		(rollout->recreate && world->container_count))
		return false;
	for (size_t index = 0; index < world->container_count; index++) {
		const struct container_view *container = &world->containers[index];

		if (container->ordinal >= rollout->replicas && !release_container(container) &&
			hc_streq(container->deployment_uid, rollout->serving->uid))
			return false;
	}
	return true;
}

/* --- Deployments
 * ----------------------------------------------------------------------------------------------- */

/* A row whose containers can serve: not one that only recorded "nothing changed". */
static bool servable(const struct deployment_view *deployment)
{
	return deployment->phase == DEPLOYMENT_SUCCESS && !hc_streq(deployment->reason, "Unchanged");
}

static bool writes_volume(const struct service_template *template)
{
	for (size_t index = 0; index < template->volume_count; index++) {
		if (!template->volumes[index].read_only)
			return true;
	}
	return false;
}

static void find_deployments(struct rollout *rollout)
{
	const struct service_world *world = rollout->world;
	const struct deployment_view *named = NULL;
	const struct deployment_view *highest = NULL;

	for (size_t index = 0; index < world->deployment_count; index++) {
		const struct deployment_view *deployment = &world->deployments[index];

		assert(index == 0 || world->deployments[index - 1].revision < deployment->revision);
		rollout->newest = deployment;
		if (deployment->phase == DEPLOYMENT_BUILDING)
			rollout->attempt = deployment;
		if (deployment->current)
			named = deployment;
		if (servable(deployment))
			highest = deployment;
	}
	if (named && (servable(named) || named->stage == STAGE_STABILIZING))
		rollout->current = named;
	else
		rollout->current = highest;
	rollout->serving = rollout->current && servable(rollout->current) ? rollout->current : highest;
}

/* --- what is wanted
 * -------------------------------------------------------------------------------------------- */

struct service_template rollout_template(const struct rollout *rollout)
{
	const struct service_template *spec = &rollout->world->service.spec.template;
	struct service_template template = *spec;

	if (!rollout->rollback)
		return template;
	template = rollout->rollback->template;
	template.domains = spec->domains;
	template.domain_count = spec->domain_count;
	template.volumes = spec->volumes;
	template.volume_count = spec->volume_count;
	return template;
}

const char *rollout_image_text(const struct rollout *rollout, const struct deployment_view *deployment)
{
	if (deployment->image_written)
		return deployment->image_written;
	return hc_arena_printf(rollout->arena, "of commit %.7s",
						   deployment->template.commit ? deployment->template.commit : "?");
}

/* A rollback holds until the spec is something else than what was set aside. Its hash is no digest: it names
 * the revision, and tells changes of what the spec still decides. */
static void find_rollback(struct rollout *rollout)
{
	const struct service_view *service = &rollout->world->service;
	const struct service_spec *spec = &service->spec;
	struct service_template template;
	HC_AUTO_TEXT text = {0};
	char hash[SPEC_HASH_SIZE];

	rollout->desired_hash = service->desired_hash;
	if (!spec->rollback_to_revision || !hc_streq(spec->rollback_rejected_hash, service->desired_hash))
		return;
	for (size_t index = 0; index < rollout->world->deployment_count; index++) {
		const struct deployment_view *deployment = &rollout->world->deployments[index];

		if (deployment->revision == spec->rollback_to_revision && deployment->phase == DEPLOYMENT_SUCCESS &&
			deployment->image_id)
			rollout->rollback = deployment;
	}
	rollout->rollback_lost = !rollout->rollback;
	if (rollout->rollback_lost)
		return;
	template = rollout_template(rollout);
	if (service_template_text(&template, TEMPLATE_HASH_VERSION, &text) < 0)
		return;
	spec_hash(hc_text_string(&text), hash);
	rollout->desired_hash = hc_arena_printf(rollout->arena, "rollback-%" PRId64 "-%s",
											rollout->rollback->revision, hash);
}

void rollout_look(const struct service_world *world, struct hc_arena *arena, struct rollout *ret_rollout)
{
	const struct service_spec *spec = &world->service.spec;
	struct rollout rollout = {.world = world, .arena = arena, .surge = -1};

	rollout.on = !world->service.deleting && !spec->suspend && spec->replicas > 0;
	rollout.replicas = rollout.on ? spec->replicas : 0;
	find_deployments(&rollout);
	find_rollback(&rollout);
	rollout.recreate = spec->strategy == STRATEGY_RECREATE || writes_volume(&spec->template) ||
					   (rollout.attempt && writes_volume(&rollout.attempt->template)) ||
					   (rollout.serving && writes_volume(&rollout.serving->template));
	rollout.frozen = world->database_behind && strangers(world);
	roles_give(&rollout);
	*ret_rollout = rollout;
}

struct deployment_view *rollout_status(const struct rollout *rollout,
									   const struct deployment_view *deployment, struct plan *plan,
									   bool becomes_current, const char *cause, ...)
{
	struct deployment_view *next = hc_arena_alloc(rollout->arena, sizeof *next);
	struct action *action;
	va_list arguments;
	char *text;

	va_start(arguments, cause);
	text = hc_arena_vprintf(rollout->arena, cause, arguments);
	va_end(arguments);
	*next = *deployment;
	action = plan_add(plan, ACTION_DEPLOYMENT_STATUS, deployment->name, "%s", text);
	action->id = deployment->uid;
	action->deployment = next;
	action->becomes_current = becomes_current;
	return next;
}
