/* Everything that is known of one Service, in one snapshot: rows, containers, image, network, Traefik. */
#include "service_kind.h"
#include "service_work.h"

#include "../deployment/deployment_listen.h"
#include "../deployment/deployment_marks.h"
#include "../deployment/deployment_memory.h"
#include "../deployment/deployment_observe.h"
#include "../deployment/rollout.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "docker/docker.h"
#include "model/names.h"
#include "schema/schema.h"
#include "store/store.h"
#include "store/store_secret.h"

#include <jansson.h>
#include <string.h>

#define LOG_TAIL_LINES 5
#define LOG_TAIL_BYTES 600

static void json_cleanup(json_t **value)
{
	json_decref(*value);
}
#define AUTO_JSON __attribute__((cleanup(json_cleanup))) json_t *

static json_t *parse(const char *text, const char *what, struct hc_error *err)
{
	json_error_t error;
	json_t *value = json_loads(text && text[0] ? text : "{}", 0, &error);

	if (!value)
		(void)hc_fail(err, HC_BUG, "stored %s is not JSON: %s", what, error.text);
	return value;
}

/* --- rows
 * ------------------------------------------------------------------------------------------------------ */

/* Which values its Secrets have now is no part of the spec, and of what is wanted it is. */
static int with_secrets(struct reconcile_context *context, struct hc_arena *arena, struct service_view *view,
						struct hc_error *err)
{
	struct service_template *template = &view->spec.template;
	bool any = false;

	for (size_t index = 0; index < template->env_count; index++)
		any = any || template->env[index].secret_name;
	if (!any)
		return 0;
	if (store_secret_resolve(context->store, arena, view->namespace_name, template->env, template->env_count,
							 err) < 0)
		return -1;
	return schema_template_hash_of(template, arena, &view->desired_hash, err);
}

static int rows_service(struct reconcile_context *context, const char *uid, struct hc_arena *arena,
						struct service_world *world, const char **ret_object, struct hc_error *err)
{
	struct service_view *view = &world->service;
	struct store_service row;
	AUTO_JSON spec = NULL;
	AUTO_JSON status = NULL;

	if (store_service_get(context->store, arena, uid, &row, err) < 0)
		return -1;
	*view = (struct service_view){
		.uid = row.object.uid,
		.name = row.object.name,
		.namespace_name = row.object.namespace_name,
		.namespace_uid = row.namespace_uid,
		.generation = row.object.generation,
		.desired_hash = row.template_hash,
		.status_json = row.status_json,
		.deleting = row.object.deleting,
		.finalizer_present = row.finalizer_present,
	};
	spec = parse(row.spec_json, "spec", err);
	status = parse(row.status_json, "status", err);
	if (!spec || !status)
		return -1;
	*ret_object = row.object.json;
	schema_service_status_read(status, arena, view);
	if (schema_service_spec(spec, arena, &view->spec, err) < 0)
		return -1;
	return with_secrets(context, arena, view, err);
}

static int rows_deployments(struct reconcile_context *context, struct hc_arena *arena,
							struct service_world *world, struct hc_error *err)
{
	struct store_deployment *rows;
	size_t count;

	if (store_deployments_of(context->store, arena, world->service.uid, &rows, &count, err) < 0)
		return -1;
	world->deployments = hc_arena_alloc_array(arena, count + 1, sizeof(struct deployment_view));
	for (size_t index = 0; index < count; index++) {
		struct deployment_view *view = &world->deployments[index];
		AUTO_JSON object = parse(rows[index].object.json, "Deployment", err);

		if (!object || schema_deployment_view(object, arena, view, err) < 0)
			return hc_wrap(err, "Deployment %s", rows[index].object.name);
		view->current = hc_streq(view->name, world->service.current_deployment);
		if (view->revision > world->service.revision_max)
			world->service.revision_max = view->revision;
	}
	world->deployment_count = count;
	return 0;
}

/* --- readiness
 * ------------------------------------------------------------------------------------------------- */

static void probe(struct reconcile_context *context, const struct service_world *world,
				  struct container_view *view, struct hc_arena *arena)
{
	const struct deployment_view *own = rollout_deployment_of(world, view);
	struct probe_answer answer = {0};
	struct probe_target target;

	if (!own || own->template.expose == EXPOSE_NONE || release_container(view))
		return;
	if (!rollout_running(view) || !view->address[0]) {
		context->prober->forget(context->prober->self, view->id);
		return;
	}
	target = (struct probe_target){
		.container_id = view->id,
		.address = view->address,
		.host = own->template.expose == EXPOSE_PUBLIC
					? hc_arena_printf(arena, "%s.%s", world->service.name, world->domain)
					: world->service.name,
		.path = own->template.health_check.path,
		.port = own->template.internal_port,
		.fast = own->phase == DEPLOYMENT_BUILDING || !view->gate_open,
		.started_wall_ms = view->started_wall_ms,
		.key = hc_arena_printf(arena, "service/%s", world->service.uid),
	};
	context->prober->watch(context->prober->self, &target, &answer);
	view->probe = answer.verdict;
	view->probe_message = hc_arena_strdup(arena, answer.message);
	if (view->probe == PROBE_NOT_READY || view->probe == PROBE_UNREADY)
		listen_read(view->pid, arena, view);
}

/* --- log tail of what died
 * ------------------------------------------------------------------------------------- */

static int log_piece(int stream, const char *data, size_t length, void *payload)
{
	struct hc_text *text = payload;

	(void)stream;
	hc_text_append_bytes(text, data, length);
	return text->length > 64 * 1024; /* lines of any length */
}

/* Last lines as one, without what would break a line or a terminal. */
static const char *log_tail(struct reconcile_context *context, const char *id, struct hc_arena *arena)
{
	const struct docker_log_options options = {.tail_lines = LOG_TAIL_LINES};
	struct hc_error ignored; /* a log that can't be read leaves the sentence shorter */
	HC_AUTO_TEXT text = {0};
	const char *from;
	char *tail;

	(void)!docker_container_logs(context->docker, id, &options, log_piece, &text, &ignored);
	while (text.length && (unsigned char)text.data[text.length - 1] <= ' ')
		text.data[--text.length] = '\0';
	from = hc_text_string(&text);
	if (text.length > LOG_TAIL_BYTES)
		from += text.length - LOG_TAIL_BYTES;
	while (((unsigned char)*from & 0xc0) == 0x80)
		from++; /* not in the middle of a character */
	tail = hc_arena_strdup(arena, from);
	for (char *at = tail; *at; at++) {
		if (*at == '\n')
			*at = '|';
		else if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = ' ';
	}
	return hc_utf8_valid(tail, strlen(tail)) ? tail : "(not UTF-8)";
}

static int containers(struct reconcile_context *context, struct hc_arena *arena, struct service_world *world,
					  struct hc_error *err)
{
	if (observe_containers(context, LABEL_SERVICE_UID, world->service.uid, world->network_name, arena,
						   &world->containers, &world->container_count, err) < 0)
		return -1;
	for (size_t index = 0; index < world->container_count; index++) {
		struct container_view *view = &world->containers[index];
		const struct deployment_view *own = rollout_deployment_of(world, view);

		if (view->revision > world->service.revision_max)
			world->service.revision_max = view->revision;
		probe(context, world, view, arena);
		if (own && (own->phase == DEPLOYMENT_BUILDING || own->current) &&
			(view->state == CONTAINER_EXITED || view->state == CONTAINER_RESTARTING))
			view->log_tail = log_tail(context, view->id, arena);
	}
	world->routes = hc_arena_alloc_array(arena, world->container_count + 1, sizeof(struct route_view));
	world->traefik_answers = observe_routes(context, arena, world->containers, world->container_count,
											world->boot_ms, world->routes, &world->route_count);
	return 0;
}

/* --- the public way
 * -------------------------------------------------------------------------------------------- */

static bool all_listed(const struct service_world *world, const struct deployment_view *attempt)
{
	int listed = 0;

	for (size_t index = 0; index < world->container_count; index++)
		listed += world->containers[index].listed &&
				  hc_streq(world->containers[index].deployment_uid, attempt->uid);
	return listed > 0 && listed >= world->service.spec.replicas;
}

static void public_way(struct reconcile_context *context, struct hc_arena *arena, struct service_world *world,
					   const struct deployment_view *attempt)
{
	const char *path, *host;
	int status = 0;

	world->public_answer = "";
	if (!attempt || attempt->stage != STAGE_PUBLISHING || attempt->template.expose != EXPOSE_PUBLIC ||
		!all_listed(world, attempt))
		return;
	host = hc_arena_printf(arena, "%s.%s", world->service.name, world->domain);
	path = attempt->template.health_check.path ? attempt->template.health_check.path : "/";
	if (context->traefik->get(context->traefik->self, host, path, &status) < 0) {
		world->public_answer = hc_arena_printf(arena, "nobody answers at %s", host);
		return;
	}
	world->public_answers = status < 500;
	world->public_answer = hc_arena_printf(arena, "%s%s answers with status %d", host, path, status);
}

/* --- images
 * ---------------------------------------------------------------------------------------------------- */

static const char *reserved_label(const struct docker_image *image)
{
	for (size_t index = 0; index < image->label_count; index++) {
		if (hc_starts_with(image->labels[index].name, TRAEFIK_PREFIX) ||
			hc_starts_with(image->labels[index].name, LABEL_PREFIX))
			return image->labels[index].name;
	}
	return NULL;
}

static const char *uncovered_volume(const struct docker_image *image, const struct service_template *template)
{
	for (size_t index = 0; image->volumes && image->volumes[index]; index++) {
		bool covered = false;

		for (size_t each = 0; each < template->volume_count && !covered; each++)
			covered = strcmp(template->volumes[each].path, image->volumes[index]) == 0;
		if (!covered)
			return image->volumes[index];
	}
	return NULL;
}

static int image_look(struct reconcile_context *context, struct hc_arena *arena,
					  const struct service_world *world, const char *name,
					  const struct deployment_view *deployment, struct image_view *view, struct hc_error *err)
{
	struct docker_image image;

	if (!name)
		return 0;
	view->known = true;
	if (docker_image_inspect(context->docker, arena, name, &image, err) == 0) {
		view->present = true;
		view->id = image.id;
		view->reserved_label = reserved_label(&image);
		view->uncovered_volume = uncovered_volume(&image, &deployment->template);
		view->health_check = image.health_check;
		view->error = "";
		return 0;
	}
	if (err->class != HC_NOT_FOUND)
		return -1;
	memory_pull(deployment->uid, world->boot_id, arena, view);
	return 0;
}

/* --- sources
 * --------------------------------------------------------------------------------------------------- */

/* Of a prebuilt one: as it is written; what a rollback repeats, by its id, and only if that is gone as it is
 * written. */
static int source_prebuilt(struct reconcile_context *context, struct hc_arena *arena,
						   struct service_world *world, const struct deployment_view *attempt,
						   struct hc_error *err)
{
	if (attempt->image_id &&
		image_look(context, arena, world, attempt->image_id, attempt, &world->image, err) < 0)
		return -1;
	if (world->image.present)
		return 0;
	return image_look(context, arena, world, attempt->image_written, attempt, &world->image, err);
}

static int source_repository(struct reconcile_context *context, struct hc_arena *arena,
							 struct service_world *world, const struct rollout *rollout, struct hc_error *err)
{
	const struct deployment_view *attempt = rollout->attempt;
	struct service_template wanted = rollout_template(rollout);
	bool given_up = !rollout->on || !hc_streq(attempt->hash, rollout->desired_hash);
	const struct job_view *build = &world->build;

	if (rollout->on && attempt->image_id) {
		if (image_look(context, arena, world, attempt->image_id, attempt, &world->image, err) < 0)
			return -1;
		if (world->image.present)
			return 0;
	}
	if (work_observe(context, &world->service, attempt, arena, &world->resolve, &world->build, err) < 0)
		return -1;
	/* Who else needs it matters before it is begun, also again, and when it may be given up. */
	if (build->id && build->state == JOB_SUCCEEDED) {
		if (image_look(context, arena, world, build->image_id, attempt, &world->image, err) < 0)
			return -1;
		if (world->image.present)
			return 0;
	} else if (!given_up && build->id && (build->state == JOB_QUEUED || build->state == JOB_RUNNING)) {
		return 0;
	}
	return work_observe_others(context, world, attempt, rollout->serving,
							   given_up && rollout->on ? &wanted : NULL, arena, err);
}

static int source(struct reconcile_context *context, struct hc_arena *arena, struct service_world *world,
				  const struct rollout *rollout, struct hc_error *err)
{
	const struct deployment_view *attempt = rollout->attempt;

	if (!attempt || attempt->stage > STAGE_QUEUED)
		return 0;
	if (!attempt->template.image)
		return source_repository(context, arena, world, rollout, err);
	return rollout->on ? source_prebuilt(context, arena, world, attempt, err) : 0;
}

/* Its image is looked at when a container of it is to be made; if that is gone, so is its build. */
static int serving_image(struct reconcile_context *context, struct hc_arena *arena,
						 struct service_world *world, const struct deployment_view *serving,
						 struct hc_error *err)
{
	if (image_look(context, arena, world, serving->image_id, serving, &world->current_image, err) < 0)
		return -1;
	if (!world->current_image.known || world->current_image.present || serving->template.image)
		return 0;
	return work_observe(context, &world->service, serving, arena, &world->serving_resolve,
						&world->serving_build, err);
}

/* --- what making containers needs
 * ------------------------------------------------------------------------------ */

static int missing_of(const struct rollout *rollout, const struct deployment_view *deployment)
{
	int missing = 0;

	for (int ordinal = 0; deployment && ordinal < rollout->replicas; ordinal++)
		missing += !rollout_find(rollout, deployment, ordinal);
	return missing;
}

static void unmade(struct reconcile_context *context, struct hc_arena *arena, struct service_world *world,
				   const struct rollout *rollout)
{
	bool *flags = hc_arena_alloc_array(arena, (size_t)rollout->replicas + 1, sizeof *flags);

	for (int ordinal = 0; ordinal < rollout->replicas; ordinal++) {
		const char *folder = name_container(arena, world->service.name, rollout->serving->revision, ordinal,
											world->service.namespace_uid);

		flags[ordinal] = !rollout_find(rollout, rollout->serving, ordinal) &&
						 !marks_folder_exists(context->containers_folder, folder);
	}
	world->unmade = flags;
}

static void refusal(struct service_world *world, const struct deployment_view *attempt, int ordinal,
					struct hc_arena *arena)
{
	const char *folder = name_container(arena, world->service.name, attempt->revision, ordinal,
										world->service.namespace_uid);
	const char *message = memory_refusal(folder, arena);

	if (message)
		world->refusals[world->refusal_count++] = (struct refusal_view){.folder = folder, .message = message};
}

static void refusals(struct service_world *world, const struct deployment_view *attempt, int replicas,
					 struct hc_arena *arena)
{
	world->refusals = hc_arena_alloc_array(arena, HC_LIMIT_REPLICAS + 1, sizeof(struct refusal_view));
	refusal(world, attempt, RELEASE_ORDINAL, arena);
	for (int ordinal = 0; ordinal < replicas && ordinal < HC_LIMIT_REPLICAS; ordinal++)
		refusal(world, attempt, ordinal, arena);
}

static int addresses(struct reconcile_context *context, struct hc_arena *arena, struct service_world *world,
					 size_t wanted, struct hc_error *err)
{
	const struct docker_pair filters[] = {{LABEL_INSTALLATION, context->installation},
										  {LABEL_NAMESPACE, world->service.namespace_name}};
	struct docker_container *list;
	const char **used;
	size_t listed, used_count = 0;

	if (docker_container_list(context->docker, arena, filters, HC_COUNT(filters), &list, &listed, err) < 0)
		return -1;
	used = hc_arena_alloc_array(arena, listed + 1, sizeof(char *));
	for (size_t index = 0; index < listed; index++) {
		for (size_t label = 0; label < list[index].label_count; label++) {
			if (strcmp(list[index].labels[label].name, LABEL_ADDRESS) == 0)
				used[used_count++] = list[index].labels[label].value;
		}
	}
	world->free_addresses = hc_arena_alloc_array(arena, wanted + 1, sizeof(char *));
	world->free_address_count = context->addresses->reserve(context->addresses->self, arena,
															world->network_subnet, used, used_count, wanted,
															world->free_addresses);
	return 0;
}

static int network(struct reconcile_context *context, struct hc_arena *arena, struct service_world *world,
				   struct hc_error *err)
{
	struct docker_network network;

	if (docker_network_inspect(context->docker, arena, world->network_name, &network, err) < 0)
		return err->class == HC_NOT_FOUND ? 0 : -1;
	for (size_t index = 0; index < network.label_count; index++)
		world->network_present = world->network_present ||
								 (strcmp(network.labels[index].name, LABEL_INSTALLATION) == 0 &&
								  strcmp(network.labels[index].value, context->installation) == 0);
	world->network_subnet = network.subnet;
	return 0;
}

/* Reads what only making containers needs: nothing of it in the steady state. */
static int making(struct reconcile_context *context, struct hc_arena *arena, struct service_world *world,
				  struct hc_error *err)
{
	const struct deployment_view *attempt;
	struct rollout rollout;
	int for_attempt, for_serving;

	world->network_subnet = "";
	for (size_t index = 0; index < world->container_count; index++) {
		if (rollout_running(&world->containers[index]))
			continue;
		/* A dead one may be dead because its network was made anew. */
		if (network(context, arena, world, err) < 0)
			return -1;
		break;
	}
	rollout_look(world, arena, &rollout);
	attempt = rollout.attempt;
	if (source(context, arena, world, &rollout, err) < 0)
		return -1;
	for_attempt = 0;
	if (attempt && attempt->stage == STAGE_STARTING && release_wanted(attempt))
		for_attempt = !rollout_find(&rollout, attempt, RELEASE_ORDINAL);
	else if (attempt && attempt->stage >= STAGE_STARTING)
		for_attempt = missing_of(&rollout, attempt);
	if (missing_of(&rollout, rollout.serving))
		unmade(context, arena, world, &rollout);
	for_serving = missing_of(&rollout, rollout.serving) + (rollout.surge >= 0);
	if (for_serving && serving_image(context, arena, world, rollout.serving, err) < 0)
		return -1;
	if (for_attempt)
		refusals(world, attempt, rollout.replicas, arena);
	if (for_attempt + for_serving == 0)
		return 0;
	if (!world->network_present && network(context, arena, world, err) < 0)
		return -1;
	if (!world->network_present)
		return 0;
	return addresses(context, arena, world, (size_t)(for_attempt + for_serving), err);
}

int service_observe(struct reconcile_context *context, const char *uid, struct hc_arena *arena,
					void **ret_world, struct hc_error *err)
{
	struct service_world *world = hc_arena_alloc(arena, sizeof *world);
	const char *object;
	struct rollout rollout;

	world->installation = context->installation;
	world->database_behind = !context->database_trusted;
	world->domain = context->domain;
	world->containers_folder = context->containers_folder;
	world->https_public = context->https_public;
	world->url_port = context->url_port;
	world->queue_configured = context->work_configured;
	world->boot_id = hc_clock_boot_id();
	if (rows_service(context, uid, arena, world, &object, err) < 0 ||
		rows_deployments(context, arena, world, err) < 0)
		return -1;
	world->network_name = name_network(arena, world->service.namespace_name, world->service.namespace_uid);
	world->boot_ms = hc_clock_boot_ms();
	/* A prebuilt one asks nothing of all this. */
	if (world->service.spec.template.repo_url && !world->service.deleting &&
		work_observe_follow(context, world, object, arena, err) < 0)
		return -1;
	if (containers(context, arena, world, err) < 0 || making(context, arena, world, err) < 0)
		return -1;
	rollout_look(world, arena, &rollout);
	public_way(context, arena, world, rollout.attempt);
	/* After all that was read: what was seen is never younger than "now". */
	world->boot_ms = hc_clock_boot_ms();
	world->wall_ms = hc_clock_wall_ms();
	*ret_world = world;
	return 0;
}
