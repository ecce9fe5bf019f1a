/* A world without a look at what really runs: the rows as this transaction leaves them, and containers as
 * those rows say they are. The same decide functions as the controller's say what they would do; rows that
 * they would write are written into the world, and they are asked again, as the controller asks again after
 * each pass. */
#include "api_plan.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "model/names.h"
#include "reconcilers/decide.h"
#include "store/store_secret.h"
#include <inttypes.h>
#include <string.h>

#define PASSES_MAX 4
#define LINES_MAX 200
#define ASSUMED_SUBNET "10.0.0.0/24"
#define ASSUMED_UP_MS (3600 * 1000)
#define ADDRESSES_MAX 200 /* of the assumed subnet */

static const char *label_of(const struct container_spec *spec, const char *name)
{
	for (size_t index = 0; index < spec->label_count; index++)
		if (hc_streq(spec->labels[index].name, name))
			return spec->labels[index].value;
	return "";
}

static const char *assumed_address(struct hc_arena *arena, size_t index)
{
	return hc_arena_printf(arena, "10.0.0.%zu", index + 10);
}

/* A replica as it is when all is well. */
static void assume_container(const struct service_world *world, const struct deployment_view *deployment,
							 int ordinal, struct hc_arena *arena, struct container_view *container)
{
	const char *address = assumed_address(arena, world->container_count);
	const struct container_spec *spec = deployment_container(world, deployment, ordinal, address, arena);

	*container = (struct container_view){
		.id = "assumed",
		.name = spec->name,
		.deployment_uid = deployment->uid,
		.spec_hash = label_of(spec, LABEL_HASH),
		.folder = label_of(spec, LABEL_FOLDER),
		.image_id = spec->image_id,
		.address = address,
		.fixed_address = address,
		.error = "",
		.probe_message = "",
		.labels = spec->labels,
		.label_count = spec->label_count,
		.revision = deployment->revision,
		.memory_bytes = spec->memory_bytes,
		.cpu_millis = spec->cpu_millis,
		.pids = spec->pids,
		.started_wall_ms = world->wall_ms - ASSUMED_UP_MS,
		.ordinal = ordinal,
		.state = CONTAINER_RUNNING,
		.health = HEALTH_HEALTHY,
		.probe = PROBE_READY,
		.gate_open = true,
		.gate_used = true,
		.gate_folder = true,
		.listed = true,
		.restarts_alone = true,
		.network_attached = true,
	};
}

static void assume_containers(struct service_world *world, int running, struct hc_arena *arena)
{
	world->containers = hc_arena_alloc_array(arena, HC_LIMIT_REPLICAS + 1, sizeof(*world->containers));
	world->routes = hc_arena_alloc_array(arena, 1, sizeof(*world->routes));
	for (size_t index = 0; index < world->deployment_count; index++) {
		const struct deployment_view *deployment = &world->deployments[index];
		if (!deployment->current || deployment->phase != DEPLOYMENT_SUCCESS)
			continue;
		for (int ordinal = 0; ordinal < running && ordinal < HC_LIMIT_REPLICAS; ordinal++) {
			assume_container(world, deployment, ordinal, arena, &world->containers[world->container_count]);
			world->container_count++;
		}
		world->routes[world->route_count++] = (struct route_view){deployment->revision, running};
	}
}

/* --- the world --- */

static int read_deployments(const struct api_writer *writer, const char *service_uid,
							struct service_world *world, struct hc_error *err)
{
	struct store_deployment *rows = NULL;
	size_t count = 0;

	if (store_deployments_of(writer->store, writer->arena, service_uid, &rows, &count, err))
		return -1;
	/* Room for the one that decide may add. */
	world->deployments = hc_arena_alloc_array(writer->arena, count + 1, sizeof(*world->deployments));
	for (size_t index = 0; index < count; index++) {
		struct deployment_view *view = &world->deployments[world->deployment_count];
		json_t *object = json_loads(rows[index].object.json, 0, NULL);
		int result = schema_deployment_view(object, writer->arena, view, err);
		json_decref(object);
		if (result)
			return hc_wrap(err, "deployment %s", rows[index].object.name);
		view->current = hc_streq(view->name, world->service.current_deployment);
		if (view->revision > world->service.revision_max)
			world->service.revision_max = view->revision;
		world->deployment_count++;
	}
	return 0;
}

static int read_service(const struct api_writer *writer, const struct api_draft *draft,
						struct service_world *world, struct hc_error *err)
{
	struct service_view *view = &world->service;
	struct store_service row;

	if (store_service_get(writer->store, writer->arena, draft->stored.uid, &row, err) ||
		schema_service_spec(json_object_get(draft->object, "spec"), writer->arena, &view->spec, err) ||
		store_secret_resolve(writer->store, writer->arena, draft->namespace_name, view->spec.template.env,
							 view->spec.template.env_count, err) ||
		schema_template_hash_of(&view->spec.template, writer->arena, &view->desired_hash, err))
		return -1;
	view->uid = row.object.uid;
	view->name = row.object.name;
	view->namespace_name = row.object.namespace_name;
	view->namespace_uid = row.namespace_uid;
	view->generation = row.object.generation;
	view->deleting = row.object.deleting;
	view->finalizer_present = row.finalizer_present;
	view->status_json = row.status_json;
	json_t *status = json_loads(row.status_json, 0, NULL);
	schema_service_status_read(status, writer->arena, view);
	json_decref(status);
	return 0;
}

static int read_world(const struct api_writer *writer, const struct api_draft *draft,
					  struct service_world *world, struct hc_error *err)
{
	struct hc_arena *arena = writer->arena;
	const json_t *status = json_object_get(draft->live, "status");

	*world = (struct service_world){
		.installation = writer->installation,
		.domain = writer->options->domain,
		.containers_folder = "containers",
		.network_subnet = ASSUMED_SUBNET,
		.boot_id = hc_clock_boot_id(),
		.boot_ms = hc_clock_boot_ms(),
		.wall_ms = hc_clock_wall_ms(),
		.network_present = true,
		.traefik_answers = true,
		.public_answers = true,
		.public_answer = "",
		.https_public = true,
		.image = {.known = true, .present = true, .id = "sha256:assumed"},
	};
	if (read_service(writer, draft, world, err))
		return -1;
	world->network_name = name_network(arena, world->service.namespace_name, world->service.namespace_uid);
	if (read_deployments(writer, draft->stored.uid, world, err))
		return -1;
	assume_containers(world, (int)json_integer_value(json_object_get(status, "replicas")), arena);
	world->free_addresses = hc_arena_alloc_array(arena, ADDRESSES_MAX, sizeof(char *));
	for (; world->free_address_count < ADDRESSES_MAX; world->free_address_count++)
		world->free_addresses[world->free_address_count] = assumed_address(
			arena, world->container_count + world->free_address_count);
	return 0;
}

/* --- passes --- */

/* Writes the rows of a plan into the world. false: it does something else too, so what follows can't be
 * known. */
static bool follow_rows(const struct plan *plan, struct service_world *world)
{
	bool rows_only = true;

	for (size_t index = 0; index < plan->action_count; index++) {
		const struct action *action = &plan->actions[index];
		if (action->kind == ACTION_DEPLOYMENT_CREATE &&
			world->service.revision_max < action->deployment->revision) {
			struct deployment_view *added = &world->deployments[world->deployment_count++];
			*added = *action->deployment;
			added->uid = "new";
			world->service.revision_max = added->revision;
		} else if (action->kind == ACTION_DEPLOYMENT_STATUS) {
			for (size_t at = 0; at < world->deployment_count; at++)
				if (world->deployments[at].revision == action->deployment->revision)
					world->deployments[at] = *action->deployment;
		} else if (action->kind != ACTION_EVENT) {
			rows_only = false;
		}
	}
	return rows_only && plan->action_count > 0;
}

struct lines {
	const char **items;
	size_t count;
	struct hc_arena *arena;
};

static void add_line(struct lines *lines, const char *text, size_t length)
{
	if (lines->count < LINES_MAX)
		lines->items[lines->count++] = hc_arena_strndup(lines->arena, text, length);
}

static void add_text(struct lines *lines, const char *text)
{
	while (*text) {
		size_t length = strcspn(text, "\n");
		add_line(lines, text, length);
		text += length + (text[length] == '\n');
	}
}

static void run_passes(struct service_world *world, struct lines *lines)
{
	for (int pass = 1; pass <= PASSES_MAX; pass++) {
		HC_AUTO_TEXT text = {0};
		struct plan plan;

		plan_init(&plan, lines->arena);
		service_decide(world, &plan);
		deployment_decide(world, &plan);
		hc_text_printf(&text, "pass %d:%s\n", pass, plan.action_count ? "" : " nothing to do");
		plan_print(&plan, world->boot_ms, &text);
		add_text(lines, hc_text_string(&text));
		if (!follow_rows(&plan, world))
			return;
	}
}

int api_plan_lines(const struct api_writer *writer, const struct api_draft *draft, const char ***ret_lines,
				   size_t *ret_count, struct hc_error *err)
{
	struct lines lines = {.arena = writer->arena,
						  .items = hc_arena_alloc_array(writer->arena, LINES_MAX, sizeof(char *))};
	struct service_world world;

	if (read_world(writer, draft, &world, err))
		return hc_wrap(err, "plan of %s", draft->name);
	add_text(&lines,
			 "assumed, not looked at: what runs is as the rows say, the image is there, Traefik answers");
	run_passes(&world, &lines);
	*ret_lines = lines.items;
	*ret_count = lines.count;
	return 0;
}
