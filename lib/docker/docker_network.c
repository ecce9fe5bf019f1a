/* Networks. See docker.h. */
#include "docker_internal.h"

#include <string.h>

static const char *first_ipv4_subnet(struct hc_arena *arena, const json_t *json)
{
	const json_t *configs = docker_json_at(json, "IPAM/Config");

	for (size_t index = 0; index < json_array_size(configs); index++) {
		const char *subnet = docker_json_text(arena, json_array_get(configs, index), "Subnet");

		if (*subnet && !strchr(subnet, ':'))
			return subnet;
	}
	return "";
}

static void read_network(struct hc_arena *arena, const json_t *json, struct docker_network *network)
{
	*network = (struct docker_network){
		.id = docker_json_text(arena, json, "Id"),
		.name = docker_json_text(arena, json, "Name"),
		.driver = docker_json_text(arena, json, "Driver"),
		.subnet = first_ipv4_subnet(arena, json),
		.container_count = json_object_size(docker_json_at(json, "Containers")),
	};
	docker_json_pairs(arena, docker_json_at(json, "Labels"), &network->labels, &network->label_count);
}

int docker_network_create(struct docker *docker, struct hc_arena *arena,
						  const struct docker_network_config *config, const char **ret_id,
						  struct hc_error *err)
{
	DOCKER_AUTO_JSON *answer = NULL;
	json_t *body = json_pack("{s:s, s:b, s:s, s:{s:s, s:[{s:s, s:s*}]}, s:{s:s*}, s:o}", "Name", config->name,
							 "CheckDuplicate", 1, "Driver", "bridge", "IPAM", "Driver", "default", "Config",
							 "Subnet", config->subnet, "Gateway", config->gateway, "Options",
							 "com.docker.network.bridge.name", config->bridge, "Labels",
							 docker_json_from_pairs(config->labels, config->label_count));

	if (!body)
		return docker_body_invalid("network", err);
	if (docker_call(docker, "POST", "/networks/create", body, &answer, err))
		return hc_wrap(err, "network %s", config->name);
	*ret_id = docker_json_text(arena, answer, "Id");
	return **ret_id ? 0 : hc_fail(err, HC_BUG, "POST /networks/create: the engine gave no id");
}

int docker_network_list(struct docker *docker, struct hc_arena *arena, struct docker_network **ret_list,
						size_t *ret_count, struct hc_error *err)
{
	DOCKER_AUTO_JSON *json = NULL;

	if (docker_call(docker, "GET", "/networks", NULL, &json, err))
		return -1;
	*ret_count = json_array_size(json);
	*ret_list = hc_arena_alloc_array(arena, *ret_count + 1, sizeof **ret_list);
	for (size_t index = 0; index < *ret_count; index++)
		read_network(arena, json_array_get(json, index), &(*ret_list)[index]);
	return 0;
}

int docker_network_inspect(struct docker *docker, struct hc_arena *arena, const char *id_or_name,
						   struct docker_network *ret_network, struct hc_error *err)
{
	HC_AUTO_TEXT path = {0};
	DOCKER_AUTO_JSON *json = NULL;

	if (docker_path(&path, "/networks/", id_or_name, "", err) ||
		docker_call(docker, "GET", hc_text_string(&path), NULL, &json, err))
		return -1;
	read_network(arena, json, ret_network);
	return 0;
}

int docker_network_connect(struct docker *docker, const char *network, const char *container,
						   const char *address, const char *alias, struct hc_error *err)
{
	HC_AUTO_TEXT path = {0};
	json_t *body;

	if (docker_path(&path, "/networks/", network, "/connect", err))
		return -1;
	body = json_pack("{s:s, s:o}", "Container", container, "EndpointConfig",
					 docker_endpoint_body(address, alias));
	if (!body)
		return docker_body_invalid("network connection", err);
	return docker_do(docker, "POST", hc_text_string(&path), body, err);
}

int docker_network_disconnect(struct docker *docker, const char *network, const char *container, bool force,
							  struct hc_error *err)
{
	HC_AUTO_TEXT path = {0};
	json_t *body;

	if (docker_path(&path, "/networks/", network, "/disconnect", err))
		return -1;
	body = json_pack("{s:s, s:b}", "Container", container, "Force", force);
	if (!body)
		return docker_body_invalid("network disconnection", err);
	return docker_do(docker, "POST", hc_text_string(&path), body, err);
}

int docker_network_remove(struct docker *docker, const char *id_or_name, struct hc_error *err)
{
	HC_AUTO_TEXT path = {0};

	if (docker_path(&path, "/networks/", id_or_name, "", err))
		return -1;
	return docker_do(docker, "DELETE", hc_text_string(&path), NULL, err);
}
