/* The one constructor of container specs (design 9), and what differs from it.
 *
 * Every field is hostile until its grammar was checked: labels are built from typed fields only, and nothing
 * of a user's reaches a shell of ours. The hash label carries the version of this constructor: a container
 * made by another version is compared field by field only where a live update cures it, so that an upgrade of
 * our code makes nobody's container anew. */
#include "base/text.h"
#include "model/names.h"
#include "rollout.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SPEC_VERSION "1"
#define LABELS_MAX 32
#define SHELL_CHARACTERS "|&;<>()$`\\\"'*?[]#~%!{}\n"

/* --- command and environment
 * ----------------------------------------------------------------------------------- */

static bool needs_shell(const char *command)
{
	size_t first = strcspn(command, " \t");

	return command[strcspn(command, SHELL_CHARACTERS)] || memchr(command, '=', first);
}

/* startCommand replaces the image's entry point and command: an entrypoint without a command takes none of
 * the image's. */
static const char **command_argv(const char *command, struct hc_arena *arena)
{
	size_t length = strlen(command), count = 0;
	const char **argv;
	const char *at = command;

	if (needs_shell(command)) {
		argv = hc_arena_alloc_array(arena, 4, sizeof(char *));
		argv[0] = "/bin/sh";
		argv[1] = "-c";
		argv[2] = command;
		return argv;
	}
	argv = hc_arena_alloc_array(arena, length / 2 + 2, sizeof(char *));
	while (*(at += strspn(at, " \t"))) {
		size_t word = strcspn(at, " \t");

		argv[count++] = hc_arena_strndup(arena, at, word);
		at += word;
	}
	return count ? argv : NULL;
}

static const char **environment(const struct service_world *world, const struct deployment_view *deployment,
								bool shell, struct hc_arena *arena)
{
	const struct service_template *template = &deployment->template;
	const char **env = hc_arena_alloc_array(arena, template->env_count + 5, sizeof(char *));
	size_t count = 0;

	if (template->expose != EXPOSE_NONE)
		env[count++] = hc_arena_printf(arena, "PORT=%d", template->internal_port);
	env[count++] = hc_arena_printf(arena, "HELVETIA_SERVICE=%s", world->service.name);
	env[count++] = hc_arena_printf(arena, "HELVETIA_REVISION=%" PRId64, deployment->revision);
	/* Docker's init passes signals to one process; a shell would keep them from its children. */
	if (shell)
		env[count++] = "TINI_KILL_PROCESS_GROUP=1";
	for (size_t index = 0; index < template->env_count; index++) {
		const struct env_entry *entry = &template->env[index];

		if (entry->scope != ENV_SCOPE_BUILD && entry->value)
			env[count++] = hc_arena_printf(arena, "%s=%s", entry->name, entry->value);
	}
	return env;
}

static void secrets(const struct service_world *world, const struct service_template *template,
					struct container_spec *spec, struct hc_arena *arena)
{
	struct container_secret *list = hc_arena_alloc_array(arena, template->env_count + 1, sizeof *list);

	for (size_t index = 0; index < template->env_count; index++) {
		const struct env_entry *entry = &template->env[index];

		if (entry->scope != ENV_SCOPE_BUILD && entry->secret_version)
			list[spec->secret_count++] = (struct container_secret){
				.env = entry->name,
				.name = entry->secret_name,
				.key = entry->secret_key,
				.version = entry->secret_version,
			};
	}
	spec->secrets = list;
	spec->namespace_uid = world->service.namespace_uid;
}

/* --- labels
 * ---------------------------------------------------------------------------------------------------- */

static int compare_labels(const void *left, const void *right)
{
	const struct label *left_label = left, *right_label = right;

	return strcmp(left_label->name, right_label->name);
}

static void label_add(struct container_spec *spec, const char *name, const char *value)
{
	if (spec->label_count < LABELS_MAX)
		spec->labels[spec->label_count++] = (struct label){.name = name, .value = value};
}

static const char *route_rule(const struct service_world *world, const struct service_template *template,
							  struct hc_arena *arena)
{
	char *rule = hc_arena_printf(arena, "Host(`%s.%s`)", world->service.name, world->domain);

	for (size_t index = 0; index < template->domain_count; index++)
		rule = hc_arena_printf(arena, "%s || Host(`%s`)", rule, template->domains[index]);
	return rule;
}

/* As measured in the rollout trials: router and service carry the revision, the newest has the highest
 * priority, and the retry is for connection failures only. */
static void route_labels(const struct service_world *world, const struct deployment_view *deployment,
						 struct container_spec *spec, struct hc_arena *arena)
{
	const char *route = name_route(arena, world->service.name, deployment->revision,
								   world->service.namespace_uid);
	const char *router = hc_arena_printf(arena, TRAEFIK_PREFIX "http.routers.%s", route);
	const char *retry = hc_arena_printf(arena, TRAEFIK_PREFIX "http.middlewares.%s-retry.retry", route);

	label_add(spec, TRAEFIK_PREFIX "docker.network", world->network_name);
	label_add(spec, hc_arena_printf(arena, "%s.rule", router),
			  route_rule(world, &deployment->template, arena));
	label_add(spec, hc_arena_printf(arena, "%s.entrypoints", router), "web,websecure");
	label_add(spec, hc_arena_printf(arena, "%s.priority", router),
			  hc_arena_printf(arena, "%" PRId64, ROUTE_PRIORITY_BASE + deployment->revision));
	label_add(spec, hc_arena_printf(arena, "%s.service", router), route);
	label_add(spec, hc_arena_printf(arena, "%s.middlewares", router),
			  hc_arena_printf(arena, "%s-retry", route));
	label_add(spec, hc_arena_printf(arena, "%s.attempts", retry), "3");
	label_add(spec, hc_arena_printf(arena, "%s.initialinterval", retry), "5ms");
	label_add(spec, hc_arena_printf(arena, TRAEFIK_PREFIX "http.services.%s.loadbalancer.server.port", route),
			  hc_arena_printf(arena, "%d", deployment->template.internal_port));
}

static void own_labels(const struct service_world *world, const struct deployment_view *deployment,
					   int ordinal, const char *folder, struct container_spec *spec, struct hc_arena *arena)
{
	bool public = deployment->template.expose == EXPOSE_PUBLIC && ordinal != RELEASE_ORDINAL;

	spec->labels = hc_arena_alloc_array(arena, LABELS_MAX, sizeof(struct label));
	label_add(spec, LABEL_INSTALLATION, world->installation);
	label_add(spec, LABEL_NAMESPACE, world->service.namespace_name);
	label_add(spec, LABEL_SERVICE, world->service.name);
	label_add(spec, LABEL_SERVICE_UID, world->service.uid);
	label_add(spec, LABEL_DEPLOYMENT, deployment->uid);
	label_add(spec, LABEL_REVISION, hc_arena_printf(arena, "%" PRId64, deployment->revision));
	label_add(spec, LABEL_ORDINAL, name_ordinal_text(arena, ordinal));
	label_add(spec, LABEL_FOLDER, folder);
	label_add(spec, TRAEFIK_PREFIX "enable", public ? "true" : "false");
	if (public)
		route_labels(world, deployment, spec, arena);
}

/* --- the spec
 * -------------------------------------------------------------------------------------------------- */

const char *deployment_volume_name(const struct service_world *world, const char *volume,
								   struct hc_arena *arena)
{
	return hc_arena_printf(arena, "%s.%s.%s", world->service.name, volume, world->service.namespace_uid);
}

static void mounts(const struct service_world *world, const struct deployment_view *deployment,
				   const char *folder, struct container_spec *spec, struct hc_arena *arena)
{
	const struct service_template *template = &deployment->template;

	spec->mounts = hc_arena_alloc_array(arena, template->volume_count + 1, sizeof(struct mount));
	spec->mounts[spec->mount_count++] = (struct mount){
		.source = hc_arena_printf(arena, "%s/%s", world->containers_folder, folder),
		.target = "/.helvetia",
		.read_only = true};
	for (size_t index = 0; index < template->volume_count; index++) {
		const struct volume_entry *volume = &template->volumes[index];

		spec->mounts[spec->mount_count++] = (struct mount){
			.source = deployment_volume_name(world, volume->name, arena),
			.target = volume->path,
			.volume = true,
			.read_only = volume->read_only};
	}
}

/* With a path of its own the public host is sent along: an application that checks its Host header would
 * refuse any other (the controller's check sends the same). */
static const char **probe_argv(const struct service_world *world, const struct service_template *template,
							   bool release, struct hc_arena *arena)
{
	const char **argv = hc_arena_alloc_array(arena, 8, sizeof(char *));

	argv[0] = "/.helvetia/probe";
	argv[1] = "watch";
	argv[2] = "/.helvetia/gate";
	argv[3] = "3000"; /* seconds that it stays: less than the health check's timeout of an hour */
	argv[4] = template->expose == EXPOSE_NONE || release
				  ? "0"
				  : hc_arena_printf(arena, "%d", template->internal_port);
	argv[5] = template->health_check.path && !release ? template->health_check.path : "-";
	if (template->health_check.path && !release && template->expose == EXPOSE_PUBLIC)
		argv[6] = hc_arena_printf(arena, "%s.%s", world->service.name, world->domain);
	return argv;
}

static void hash_list(struct hc_text *text, const char *field, const char **list)
{
	for (size_t index = 0; list && list[index]; index++) {
		hc_text_append(text, field);
		hc_text_append_json_string(text, list[index]);
	}
}

/* Hash of all that can't be changed in place; the address is not in it, since a new container may get
 * another. */
static const char *hash_label(const struct container_spec *spec, struct hc_arena *arena)
{
	char hash[SPEC_HASH_SIZE];
	HC_AUTO_TEXT text = {0};

	hc_text_append_json_string(&text, spec->image_id ? spec->image_id : "");
	hash_list(&text, "\ncommand=", spec->command);
	hash_list(&text, "\nentrypoint=", spec->entrypoint);
	hash_list(&text, "\nenv=", spec->env);
	for (size_t index = 0; index < spec->secret_count; index++)
		hc_text_printf(&text, "\nsecret=%s:%s", spec->secrets[index].env, spec->secrets[index].version);
	hash_list(&text, "\nprobe=", spec->probe);
	for (size_t index = 0; index < spec->label_count; index++) {
		hc_text_printf(&text, "\n%s=", spec->labels[index].name);
		hc_text_append_json_string(&text, spec->labels[index].value);
	}
	for (size_t index = 0; index < spec->mount_count; index++)
		hc_text_printf(&text, "\nmount=%s:%s:%d", spec->mounts[index].source, spec->mounts[index].target,
					   spec->mounts[index].read_only);
	spec_hash(hc_text_string(&text), hash);
	return hc_arena_printf(arena, SPEC_VERSION "-%s", hash);
}

static bool uses_recreate(const struct service_world *world, const struct service_template *template)
{
	for (size_t index = 0; index < template->volume_count; index++) {
		if (!template->volumes[index].read_only)
			return true;
	}
	return world->service.spec.strategy == STRATEGY_RECREATE;
}

const struct container_spec *deployment_container(const struct service_world *world,
												  const struct deployment_view *deployment, int ordinal,
												  const char *address, struct hc_arena *arena)
{
	const struct service_view *service = &world->service;
	const struct service_template *template = &deployment->template;
	struct container_spec *spec = hc_arena_alloc(arena, sizeof *spec);
	const char *folder = name_container(arena, service->name, deployment->revision, ordinal,
										service->namespace_uid);
	bool release = ordinal == RELEASE_ORDINAL;
	const char *command = release ? template->release_command : template->start_command;

	spec->name = uses_recreate(world, template) && !release
					 ? name_container_recreate(arena, service->name, ordinal, service->namespace_uid)
					 : folder;
	spec->image_id = deployment->image_id;
	spec->network = world->network_name;
	/* Nobody who asks for the service's name is to be sent to a migration. */
	spec->alias = release ? NULL : service->name;
	spec->address = address;
	spec->entrypoint = command ? command_argv(command, arena) : NULL;
	spec->env = environment(world, deployment, command && needs_shell(command), arena);
	secrets(world, template, spec, arena);
	spec->probe = probe_argv(world, template, release, arena);
	spec->memory_bytes = template->resources.memory_bytes;
	spec->cpu_millis = template->resources.cpu_millis;
	spec->pids = template->resources.pids;
	spec->stop_seconds = service->spec.grace_seconds;
	spec->port = template->internal_port;
	mounts(world, deployment, folder, spec, arena);
	own_labels(world, deployment, ordinal, folder, spec, arena);
	qsort(spec->labels, spec->label_count, sizeof(struct label), compare_labels);
	label_add(spec, LABEL_HASH, hash_label(spec, arena));
	label_add(spec, LABEL_ADDRESS, address ? address : "");
	qsort(spec->labels, spec->label_count, sizeof(struct label), compare_labels);
	return spec;
}

/* --- drift
 * ----------------------------------------------------------------------------------------------------- */

static const char *label_of(const struct label *labels, size_t count, const char *name)
{
	for (size_t index = 0; index < count; index++) {
		if (strcmp(labels[index].name, name) == 0)
			return labels[index].value;
	}
	return NULL;
}

static const char *drift_labels(const struct container_spec *wanted, const struct container_view *container,
								struct hc_arena *arena)
{
	const size_t version = strlen(SPEC_VERSION "-");

	if (!container->spec_hash || strncmp(container->spec_hash, SPEC_VERSION "-", version) != 0)
		return NULL; /* of another version of this constructor */
	for (size_t index = 0; index < wanted->label_count; index++) {
		const struct label *label = &wanted->labels[index];
		const char *value = label_of(container->labels, container->label_count, label->name);

		if (!value)
			return hc_arena_printf(arena, "label %s is missing", label->name);
		if (strcmp(value, label->value) != 0)
			return hc_arena_printf(arena, "label %s is %s, not %s", label->name, value, label->value);
	}
	for (size_t index = 0; index < container->label_count; index++) {
		const struct label *label = &container->labels[index];

		if (hc_starts_with(label->name, TRAEFIK_PREFIX) &&
			!label_of(wanted->labels, wanted->label_count, label->name))
			return hc_arena_printf(arena, "label %s was added", label->name);
	}
	return NULL;
}

const char *deployment_drift(const struct container_spec *wanted, const struct container_view *container,
							 struct hc_arena *arena, bool *ret_in_place)
{
	const char *labels;

	*ret_in_place = false;
	if (wanted->image_id && !hc_streq(container->image_id, wanted->image_id))
		return hc_arena_printf(arena, "image is %s, not %s", container->image_id, wanted->image_id);
	labels = drift_labels(wanted, container, arena);
	if (labels)
		return labels;
	*ret_in_place = true;
	if (strcmp(container->name, wanted->name) != 0)
		return hc_arena_printf(arena, "name is %s, not %s", container->name, wanted->name);
	if (!container->network_attached)
		return hc_arena_printf(arena, "it is not attached to network %s", wanted->network);
	if (rollout_running(container) && container->address[0] && wanted->address &&
		strcmp(container->address, wanted->address) != 0)
		return hc_arena_printf(arena, "address is %s, not %s", container->address, wanted->address);
	if (container->memory_bytes != wanted->memory_bytes)
		return hc_arena_printf(arena, "memory limit is %" PRId64 " bytes, not %" PRId64,
							   container->memory_bytes, wanted->memory_bytes);
	if (container->cpu_millis != wanted->cpu_millis)
		return hc_arena_printf(arena, "CPU limit is %" PRId64 " thousandths, not %" PRId64,
							   container->cpu_millis, wanted->cpu_millis);
	if (container->pids != wanted->pids)
		return hc_arena_printf(arena, "process limit is %" PRId64 ", not %" PRId64, container->pids,
							   wanted->pids);
	return NULL;
}
