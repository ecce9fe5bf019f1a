/* See deployment_observe.h. Level reads only: events are what woke us, never what we know. */
#include "deployment_observe.h"
#include "base/text.h"
#include "deployment_marks.h"
#include "deployment_memory.h"
#include "model/names.h"
#include "rollout.h"

#include <stdlib.h>
#include <string.h>

struct word {
	const char *text;
	int value;
};

static int word_value(const struct word *words, size_t count, const char *text, int otherwise)
{
	for (size_t index = 0; index < count; index++) {
		if (hc_streq(words[index].text, text))
			return words[index].value;
	}
	return otherwise;
}

static enum container_state state_of(const char *text)
{
	static const struct word words[] = {
		{"created", CONTAINER_CREATED},       {"running", CONTAINER_RUNNING},   {"paused", CONTAINER_PAUSED},
		{"restarting", CONTAINER_RESTARTING}, {"removing", CONTAINER_REMOVING}, {"exited", CONTAINER_EXITED},
	};

	return (enum container_state)word_value(words, HC_COUNT(words), text, CONTAINER_DEAD);
}

static enum container_health health_of(const char *text)
{
	static const struct word words[] = {
		{"starting", HEALTH_STARTING}, {"healthy", HEALTH_HEALTHY}, {"unhealthy", HEALTH_UNHEALTHY}};

	return (enum container_health)word_value(words, HC_COUNT(words), text, HEALTH_NONE);
}

static const char *label_of(const struct container_view *view, const char *name)
{
	for (size_t index = 0; index < view->label_count; index++) {
		if (strcmp(view->labels[index].name, name) == 0)
			return view->labels[index].value;
	}
	return "";
}

static void view_fill(const struct docker_container *container, const char *network_name,
					  struct hc_arena *arena, struct container_view *view)
{
	*view = (struct container_view){
		.id = container->id,
		.name = container->name,
		.image_id = container->image_id,
		.address = "",
		.error = container->error ? container->error : "",
		.probe_message = "",
		.labels = hc_arena_alloc_array(arena, container->label_count + 1, sizeof(struct label)),
		.label_count = container->label_count,
		.memory_bytes = container->memory_bytes,
		.cpu_millis = container->nano_cpus / 1000000,
		.pids = container->pids_limit,
		.started_wall_ms = container->started_wall_ms,
		.finished_wall_ms = container->finished_wall_ms,
		.exit_code = container->exit_code,
		.restarts = container->restart_count,
		.pid = container->pid,
		.state = state_of(container->state),
		.health = health_of(container->health),
		.out_of_memory = container->out_of_memory,
		.restarts_alone = hc_streq(container->restart_policy, "unless-stopped"),
	};
	for (size_t index = 0; index < container->label_count; index++)
		view->labels[index] = (struct label){.name = container->labels[index].name,
											 .value = container->labels[index].value};
	for (size_t index = 0; index < container->network_count; index++) {
		if (network_name && strcmp(container->networks[index].name, network_name) != 0)
			continue;
		view->network_attached = true;
		view->address = container->networks[index].address;
	}
	view->deployment_uid = label_of(view, LABEL_DEPLOYMENT);
	view->spec_hash = label_of(view, LABEL_HASH);
	view->folder = label_of(view, LABEL_FOLDER);
	view->fixed_address = label_of(view, LABEL_ADDRESS);
	view->revision = strtoll(label_of(view, LABEL_REVISION), NULL, 10);
	view->ordinal = name_ordinal(label_of(view, LABEL_ORDINAL));
}

/* A paused one is what the list says of it: it is continued before anything else is done to it, and until
 * then the engine may never answer an inspect (lib/docker/docker_start.c). */
int observe_container(struct reconcile_context *context, const struct docker_container *row,
					  const char *network_name, struct hc_arena *arena, struct container_view *ret_view,
					  struct hc_error *err)
{
	struct docker_container container = *row;

	if (state_of(row->state) != CONTAINER_PAUSED &&
		docker_container_inspect(context->docker, arena, row->id, &container, err) < 0)
		return -1;
	view_fill(&container, network_name, arena, ret_view);
	/* A folder's name is a path of ours: only what our constructor could have written is one. */
	if (!ret_view->folder[0] || strchr(ret_view->folder, '/') || ret_view->folder[0] == '.')
		ret_view->folder = ret_view->name;
	marks_read(context->containers_folder, ret_view);
	return 0;
}

static int compare(const void *left, const void *right)
{
	const struct container_view *left_view = left, *right_view = right;

	if (left_view->revision != right_view->revision)
		return left_view->revision < right_view->revision ? -1 : 1;
	if (left_view->ordinal != right_view->ordinal)
		return left_view->ordinal < right_view->ordinal ? -1 : 1;
	return strcmp(left_view->id, right_view->id);
}

int observe_containers(struct reconcile_context *context, const char *label, const char *value,
					   const char *network_name, struct hc_arena *arena, struct container_view **ret_views,
					   size_t *ret_count, struct hc_error *err)
{
	const struct docker_pair filters[] = {{LABEL_INSTALLATION, context->installation}, {label, value}};
	struct docker_container *list;
	struct container_view *views;
	size_t listed, count = 0;

	if (docker_container_list(context->docker, arena, filters, HC_COUNT(filters), &list, &listed, err) < 0)
		return -1;
	views = hc_arena_alloc_array(arena, listed + 1, sizeof *views);
	for (size_t index = 0; index < listed; index++) {
		if (observe_container(context, &list[index], network_name, arena, &views[count], err) == 0)
			count++;
		else if (err->class != HC_NOT_FOUND) /* it went between list and inspect */
			return -1;
	}
	qsort(views, count, sizeof *views, compare);
	*ret_views = views;
	*ret_count = count;
	return 0;
}

/* The route's name is in the labels, in the only router that a container of ours has. */
static const char *route_of(const struct container_view *view, struct hc_arena *arena)
{
	static const char prefix[] = TRAEFIK_PREFIX "http.routers.";

	for (size_t index = 0; index < view->label_count; index++) {
		const char *name = view->labels[index].name;

		if (hc_starts_with(name, prefix) && hc_ends_with(name, ".rule"))
			return hc_arena_strndup(arena, name + sizeof prefix - 1,
									strlen(name) - (sizeof prefix - 1) - strlen(".rule"));
	}
	return NULL;
}

struct route_answer {
	const char *name;
	const char **addresses;
	size_t count;
};

static bool ask(const struct traefik_interface *traefik, struct hc_arena *arena, struct route_answer *answer)
{
	int servers;

	if (traefik->listed)
		return traefik->listed(traefik->self, answer->name, arena, &answer->addresses, &answer->count) == 0;
	servers = traefik->servers(traefik->self, answer->name);
	answer->count = servers > 0 ? (size_t)servers : 0;
	return servers >= 0;
}

static bool contains(const struct route_answer *answer, const struct container_view *view)
{
	if (!answer->addresses)
		return answer->count > 0;
	for (size_t index = 0; index < answer->count; index++) {
		if (strcmp(answer->addresses[index], view->fixed_address) == 0 ||
			strcmp(answer->addresses[index], view->address) == 0)
			return true;
	}
	return false;
}

bool observe_routes(struct reconcile_context *context, struct hc_arena *arena, struct container_view *views,
					size_t count, int64_t boot_ms, struct route_view *routes, size_t *ret_route_count)
{
	struct route_answer answer = {0};

	for (size_t index = 0; index < count; index++) {
		struct container_view *view = &views[index];
		const char *name = rollout_is_public(view) ? route_of(view, arena) : NULL;

		if (!name)
			continue;
		if (!hc_streq(name, answer.name)) {
			answer = (struct route_answer){.name = name};
			if (!ask(context->traefik, arena, &answer)) {
				for (size_t each = 0; each < count; each++)
					views[each].listed = false;
				if (ret_route_count)
					*ret_route_count = 0;
				return false;
			}
			if (routes)
				routes[(*ret_route_count)++] = (struct route_view){.revision = view->revision,
																   .servers = (int)answer.count};
		}
		view->listed = contains(&answer, view);
		view->unlisted_since_ms = memory_unlisted(view->folder, view->gate_open && !view->listed, boot_ms);
	}
	return true;
}
