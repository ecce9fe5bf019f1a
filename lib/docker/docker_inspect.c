/* Reading containers: one by inspect, all by list. */
#include "docker_internal.h"

#include <stdlib.h>
#include <string.h>

static int compare_networks(const void *left, const void *right)
{
	return strcmp(((const struct docker_network_attachment *)left)->name,
				  ((const struct docker_network_attachment *)right)->name);
}

static void read_networks(struct hc_arena *arena, const json_t *json, struct docker_container *container)
{
	json_t *networks = (json_t *)(uintptr_t)docker_json_at(json, "NetworkSettings/Networks");
	const char *key;
	json_t *value;

	container->networks = hc_arena_alloc_array(arena, json_object_size(networks) + 1,
											   sizeof *container->networks);
	json_object_foreach(networks, key, value)
	{
		struct docker_network_attachment *network = &container->networks[container->network_count++];

		network->name = hc_arena_strdup(arena, key);
		network->address = docker_json_text(arena, value, "IPAddress");
	}
	qsort(container->networks, container->network_count, sizeof *container->networks, compare_networks);
}

static const char *without_slash(const char *name)
{
	return *name == '/' ? name + 1 : name;
}

static const char *or_else(const char *text, const char *other)
{
	return *text ? text : other;
}

int docker_container_inspect(struct docker *docker, struct hc_arena *arena, const char *id_or_name,
							 struct docker_container *ret_container, struct hc_error *err)
{
	HC_AUTO_TEXT path = {0};
	DOCKER_AUTO_JSON *json = NULL;
	struct docker_container *container = ret_container;
	struct docker_request request = {.method = "GET", .container = id_or_name, .quick = true};

	*container = (struct docker_container){0};
	if (docker_path(&path, "/containers/", id_or_name, "/json", err))
		return -1;
	request.path = hc_text_string(&path);
	if (docker_ask(docker, &request, &json, err))
		return -1;
	container->id = docker_json_text(arena, json, "Id");
	container->name = without_slash(docker_json_text(arena, json, "Name"));
	container->image_id = docker_json_text(arena, json, "Image");
	container->image_name = docker_json_text(arena, json, "Config/Image");
	container->state = docker_json_text(arena, json, "State/Status");
	container->health = or_else(docker_json_text(arena, json, "State/Health/Status"), "none");
	container->error = docker_json_text(arena, json, "State/Error");
	container->restart_policy = or_else(docker_json_text(arena, json, "HostConfig/RestartPolicy/Name"), "no");
	docker_json_pairs(arena, docker_json_at(json, "Config/Labels"), &container->labels,
					  &container->label_count);
	read_networks(arena, json, container);
	container->created_wall_ms = docker_json_wall_ms(json, "Created");
	container->started_wall_ms = docker_json_wall_ms(json, "State/StartedAt");
	container->finished_wall_ms = docker_json_wall_ms(json, "State/FinishedAt");
	container->memory_bytes = docker_json_number(json, "HostConfig/Memory");
	container->nano_cpus = docker_json_number(json, "HostConfig/NanoCpus");
	container->pids_limit = docker_json_number(json, "HostConfig/PidsLimit");
	container->pid = docker_json_number(json, "State/Pid");
	container->exit_code = (int)docker_json_number(json, "State/ExitCode");
	container->restart_count = (int)docker_json_number(json, "RestartCount");
	container->out_of_memory = docker_json_bool(json, "State/OOMKilled");
	container->tty = docker_json_bool(json, "Config/Tty");
	return *container->id ? 0 : hc_fail(err, HC_BUG, "GET %s: the engine gave no id", hc_text_string(&path));
}

/* "Up 3 minutes (healthy)"; the list has it in this text only. */
static const char *health_of(const char *status)
{
	static const char *const texts[][2] = {
		{"(healthy)", "healthy"}, {"(unhealthy)", "unhealthy"}, {"(health: starting)", "starting"}};

	for (size_t n = 0; status && n < HC_COUNT(texts); n++) {
		if (hc_ends_with(status, texts[n][0]))
			return texts[n][1];
	}
	return "none";
}

int docker_container_list(struct docker *docker, struct hc_arena *arena,
						  const struct docker_pair *label_filters, size_t filter_count,
						  struct docker_container **ret_list, size_t *ret_count, struct hc_error *err)
{
	HC_AUTO_TEXT path = {0};
	DOCKER_AUTO_JSON *json = NULL;
	struct docker_container *list;
	size_t count;

	hc_text_append(&path, "/containers/json?all=1");
	if (docker_path_label_filter(&path, label_filters, filter_count, err) ||
		docker_call(docker, "GET", hc_text_string(&path), NULL, &json, err))
		return -1;
	count = json_array_size(json);
	list = hc_arena_alloc_array(arena, count + 1, sizeof *list);
	for (size_t index = 0; index < count; index++) {
		const json_t *row = json_array_get(json, index);
		const char *name = json_string_value(json_array_get(docker_json_at(row, "Names"), 0));

		list[index].id = docker_json_text(arena, row, "Id");
		list[index].name = hc_arena_strdup(arena, without_slash(name ? name : ""));
		list[index].image_id = docker_json_text(arena, row, "ImageID");
		list[index].state = docker_json_text(arena, row, "State");
		list[index].health = health_of(json_string_value(docker_json_at(row, "Status")));
		docker_json_pairs(arena, docker_json_at(row, "Labels"), &list[index].labels,
						  &list[index].label_count);
		list[index].created_wall_ms = docker_json_number(row, "Created") * 1000;
		read_networks(arena, row, &list[index]);
	}
	*ret_list = list;
	*ret_count = count;
	return 0;
}
