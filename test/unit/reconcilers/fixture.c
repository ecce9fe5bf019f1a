/* See fixture.h. */
#include "fixture.h"
#include "../cmocka_all.h"
#include "base/text.h"
#include "model/names.h"

#include <stdio.h>
#include <string.h>

void fixture_init(struct fixture *fixture)
{
	static const char *addresses[] = {"10.1.2.50", "10.1.2.51", "10.1.2.52", "10.1.2.53"};

	*fixture = (struct fixture){.arena = hc_arena_new()};
	fixture->world = (struct service_world){
		.service = {.uid = "service",
					.name = "shop",
					.namespace_name = "default",
					.namespace_uid = "n",
					.generation = 1,
					.finalizer_present = true,
					.spec = {.replicas = 1,
							 .min_ready_seconds = 2,
							 .drain_seconds = 10,
							 .grace_seconds = 30,
							 .deadline_seconds = 600,
							 .history_limit = 2}},
		.deployments = fixture->deployments,
		.containers = fixture->containers,
		.routes = fixture->routes,
		.refusals = fixture->refusals,
		.free_addresses = addresses,
		.free_address_count = HC_COUNT(addresses),
		.installation = "install",
		.domain = "example.org",
		.containers_folder = "/state/containers",
		.network_name = "helvetia-default",
		.network_subnet = "10.1.2.0/24",
		.boot_id = "b",
		.boot_ms = NOW,
		.wall_ms = WALL,
		.network_present = true,
		.traefik_answers = true,
		.public_answer = "",
		.https_public = true,
	};
	fixture_image(fixture, "app:1");
}

void fixture_done(struct fixture *fixture)
{
	hc_arena_free(fixture->arena);
}

static void template_fill(struct service_template *template, const char *image)
{
	*template = (struct service_template){
		.image = image,
		.resources = {.memory_bytes = 1 << 28, .cpu_millis = 1000, .pids = 100},
		.expose = EXPOSE_PUBLIC,
		.internal_port = 3000,
	};
}

void fixture_image(struct fixture *fixture, const char *image)
{
	template_fill(&fixture->world.service.spec.template, image);
	fixture->world.service.desired_hash = hc_arena_printf(fixture->arena, "h:%s", image);
}

struct deployment_view *fixture_deployment(struct fixture *fixture, int64_t revision, const char *image,
										   enum deployment_phase phase, enum deployment_stage stage)
{
	struct deployment_view *view = &fixture->deployments[fixture->world.deployment_count++];
	bool terminal = phase != DEPLOYMENT_BUILDING;

	*view = (struct deployment_view){
		.uid = hc_arena_printf(fixture->arena, "d%d", (int)revision),
		.name = name_deployment(fixture->arena, "shop", revision),
		.hash = hc_arena_printf(fixture->arena, "h:%s", image),
		.hash_version = TEMPLATE_HASH_VERSION,
		.image_written = image,
		.image_id = stage == STAGE_QUEUED ? NULL : hc_arena_printf(fixture->arena, "sha256:%s", image),
		.revision = revision,
		.phase = phase,
		.stage = terminal ? STAGE_DONE : stage,
		.stage_since = {.boot_id = "b", .at_ms = NOW - (terminal ? 90000 : 1000)},
		.reason = "",
		.message = "",
	};
	if (!terminal && stage >= STAGE_STARTING)
		view->started = view->stage_since;
	template_fill(&view->template, image);
	if (revision > fixture->world.service.revision_max)
		fixture->world.service.revision_max = revision;
	return view;
}

struct deployment_view *fixture_current(struct fixture *fixture, int64_t revision, const char *image)
{
	struct deployment_view *view = fixture_deployment(fixture, revision, image, DEPLOYMENT_SUCCESS,
													  STAGE_DONE);

	view->current = true;
	fixture->world.service.current_deployment = view->name;
	return view;
}

static const char *label_of(const struct container_spec *spec, const char *name)
{
	for (size_t index = 0; index < spec->label_count; index++) {
		if (strcmp(spec->labels[index].name, name) == 0)
			return spec->labels[index].value;
	}
	return "";
}

struct container_view *fixture_container(struct fixture *fixture, const struct deployment_view *deployment,
										 int ordinal)
{
	size_t number = fixture->world.container_count++;
	struct container_view *view = &fixture->containers[number];
	const char *address = hc_arena_printf(fixture->arena, "10.1.2.%zu", number + 2);
	const struct container_spec *spec = deployment_container(&fixture->world, deployment, ordinal, address,
															 fixture->arena);

	*view = (struct container_view){
		.id = hc_arena_printf(fixture->arena, "id%zu", number),
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
		.started_wall_ms = WALL - 60000,
		.ordinal = ordinal,
		.state = CONTAINER_RUNNING,
		.health = HEALTH_STARTING,
		.gate_folder = true,
		.network_attached = true,
	};
	return view;
}

void fixture_pause(struct container_view *container)
{
	container->state = CONTAINER_PAUSED;
	container->health = HEALTH_NONE;
	container->memory_bytes = container->cpu_millis = container->pids = 0;
	container->started_wall_ms = container->finished_wall_ms = 0;
	container->restarts_alone = false;
}

struct container_view *fixture_published(struct fixture *fixture, const struct deployment_view *deployment,
										 int ordinal)
{
	struct container_view *view = fixture_container(fixture, deployment, ordinal);

	view->health = HEALTH_HEALTHY;
	view->probe = PROBE_READY;
	view->gate_open = view->gate_used = view->listed = view->restarts_alone = true;
	view->gate_changed_boot_ms = NOW - 50000;
	return view;
}

void fixture_run(const struct fixture_case *cases, size_t count, fixture_decide *decide)
{
	int failed = 0;

	for (size_t index = 0; index < count; index++) {
		HC_AUTO_TEXT text = {0};
		struct fixture fixture;
		struct plan plan;

		fixture_init(&fixture);
		cases[index].arrange(&fixture);
		plan_init(&plan, fixture.arena);
		decide(&fixture.world, &plan);
		plan_print(&plan, NOW, &text);
		if (strcmp(hc_text_string(&text), cases[index].expected) != 0) {
			printf("%s\n--- expected\n%s--- is\n%s", cases[index].name, cases[index].expected,
				   hc_text_string(&text));
			failed++;
		}
		fixture_done(&fixture);
	}
	assert_int_equal(failed, 0);
}
