/* Making and changing containers. See docker.h. */
#include "docker_internal.h"

#include <string.h>

#define NANOS_PER_MS 1000000

static json_t *health_body(const struct docker_container_config *config)
{
	json_t *test;

	if (!config->health_command)
		return NULL;
	test = docker_json_from_texts(config->health_command);
	if (!test || json_array_insert_new(test, 0, json_string("CMD"))) {
		json_decref(test);
		return NULL;
	}
	return json_pack("{s:o, s:I, s:I, s:i}", "Test", test, "Interval",
					 (json_int_t)(config->health_interval_ms * NANOS_PER_MS), "Timeout",
					 (json_int_t)(config->health_timeout_ms * NANOS_PER_MS), "Retries",
					 config->health_retries);
}

static json_t *mounts_body(const struct docker_container_config *config)
{
	json_t *mounts = json_array();

	for (size_t index = 0; index < config->mount_count; index++) {
		const struct docker_mount *mount = &config->mounts[index];

		if (json_array_append_new(
				mounts, json_pack("{s:s, s:s, s:s, s:b}", "Type", mount->volume ? "volume" : "bind", "Source",
								  mount->source, "Target", mount->target, "ReadOnly", mount->read_only))) {
			json_decref(mounts);
			return NULL;
		}
	}
	return mounts;
}

json_t *docker_endpoint_body(const char *address, const char *alias)
{
	return json_pack("{s:{s:s*}, s:[s*]}", "IPAMConfig", "IPv4Address", address, "Aliases", alias);
}

static json_t *texts_or_null(const char *const *texts)
{
	return texts ? docker_json_from_texts(texts) : NULL;
}

static json_t *host_body(const struct docker_container_config *config)
{
	return json_pack(
		"{s:s, s:o, s:o*, s:o*, s:I, s:I, s:I, s:o*, s:{s:s*, s:o}, s:b, s:{s:s}}", "NetworkMode",
		config->network ? config->network : "none", "Mounts", mounts_body(config), "CapDrop",
		texts_or_null(config->capabilities_dropped), "SecurityOpt", texts_or_null(config->security_options),
		"Memory", (json_int_t)config->memory_bytes, "MemorySwap", (json_int_t)config->memory_bytes,
		"NanoCpus", (json_int_t)config->nano_cpus, "PidsLimit",
		config->pids_limit > 0 ? json_integer(config->pids_limit) : NULL, "LogConfig", "Type",
		config->log_driver, "Config", docker_json_from_pairs(config->log_options, config->log_option_count),
		"Init", config->init, "RestartPolicy", "Name",
		config->restart_unless_stopped ? "unless-stopped" : "no");
}

static bool texts_valid(const char *const *texts)
{
	for (; texts && *texts; texts++)
		if (!hc_utf8_valid(*texts, strlen(*texts)))
			return false;
	return true;
}

static json_t *networking_body(const struct docker_container_config *config)
{
	if (!config->network)
		return json_object();
	return json_pack("{s:{s:o}}", "EndpointsConfig", config->network,
					 docker_endpoint_body(config->address, config->alias));
}

static json_t *container_body(const struct docker_container_config *config)
{
	/* "o*" leaves a NULL out, so that what may fail to become one is looked at before. */
	if (!texts_valid(config->command) || !texts_valid(config->entrypoint) || !texts_valid(config->env) ||
		!texts_valid(config->health_command) || !texts_valid(config->capabilities_dropped) ||
		!texts_valid(config->security_options))
		return NULL;
	return json_pack("{s:s, s:o*, s:o*, s:o*, s:s*, s:o, s:o*, s:o*, s:o, s:o}", "Image", config->image,
					 "Cmd", texts_or_null(config->command), "Entrypoint", texts_or_null(config->entrypoint),
					 "Env", texts_or_null(config->env), "User", config->user, "Labels",
					 docker_json_from_pairs(config->labels, config->label_count), "Healthcheck",
					 health_body(config), "StopTimeout",
					 config->stop_timeout_seconds > 0 ? json_integer(config->stop_timeout_seconds) : NULL,
					 "HostConfig", host_body(config), "NetworkingConfig", networking_body(config));
}

int docker_container_create(struct docker *docker, struct hc_arena *arena,
							const struct docker_container_config *config, const char **ret_id,
							struct hc_error *err)
{
	HC_AUTO_TEXT path = {0};
	DOCKER_AUTO_JSON *answer = NULL;
	json_t *body = container_body(config);

	if (!body)
		return docker_body_invalid("container", err);
	hc_text_append(&path, "/containers/create");
	docker_path_query(&path, "name", config->name);
	if (docker_call(docker, "POST", hc_text_string(&path), body, &answer, err))
		return hc_wrap(err, "container %s", config->name ? config->name : "without a name");
	*ret_id = docker_json_text(arena, answer, "Id");
	if (!**ret_id)
		return hc_fail(err, HC_BUG, "POST /containers/create: the engine gave no id");
	return 0;
}

/* POST /containers/ID/what, where a refusal that holds one of the texts means "it is so already". */
static int post(struct docker *docker, const char *id, const char *what, json_t *body, const char *already,
				struct hc_error *err)
{
	HC_AUTO_TEXT path = {0};
	DOCKER_AUTO_JSON *owned = body;
	struct docker_request request = {.method = "POST",
									 .body = owned,
									 .container = id,
									 .quick = hc_streq(what, "/pause") || hc_streq(what, "/unpause")};
	struct hc_error own = {0};

	if (docker_path(&path, "/containers/", id, what, err))
		return -1;
	request.path = hc_text_string(&path);
	if (!docker_perform(docker, &request, NULL, &own))
		return 0;
	if (already && strstr(own.text, already) && own.class != HC_NOT_FOUND)
		return 0;
	if (err)
		*err = own;
	return -1;
}

int docker_container_start(struct docker *docker, const char *id, struct hc_error *err)
{
	return post(docker, id, "/start", NULL, NULL, err);
}

int docker_container_kill(struct docker *docker, const char *id, const char *signal, struct hc_error *err)
{
	HC_AUTO_TEXT what = {0};

	hc_text_append(&what, "/kill");
	docker_path_query(&what, "signal", signal);
	return post(docker, id, hc_text_string(&what), NULL, "is not running", err);
}

int docker_container_pause(struct docker *docker, const char *id, struct hc_error *err)
{
	return post(docker, id, "/pause", NULL, "is already paused", err);
}

int docker_container_unpause(struct docker *docker, const char *id, struct hc_error *err)
{
	return post(docker, id, "/unpause", NULL, "is not paused", err);
}

int docker_container_rename(struct docker *docker, const char *id, const char *name, struct hc_error *err)
{
	HC_AUTO_TEXT what = {0};

	hc_text_append(&what, "/rename");
	docker_path_query(&what, "name", name);
	return post(docker, id, hc_text_string(&what), NULL, NULL, err);
}

int docker_container_remove(struct docker *docker, const char *id, bool force, struct hc_error *err)
{
	HC_AUTO_TEXT path = {0};
	struct docker_request request = {.method = "DELETE", .container = id};

	/* v=1 takes anonymous volumes along; the engine leaves named ones alone. */
	if (docker_path(&path, "/containers/", id, force ? "?v=1&force=1" : "?v=1", err))
		return -1;
	request.path = hc_text_string(&path);
	return docker_perform(docker, &request, NULL, err);
}

int docker_container_restart_policy(struct docker *docker, const char *id, bool unless_stopped,
									struct hc_error *err)
{
	json_t *body = json_pack("{s:{s:s}}", "RestartPolicy", "Name", unless_stopped ? "unless-stopped" : "no");

	return post(docker, id, "/update", body, NULL, err);
}

int docker_container_limits(struct docker *docker, const char *id, int64_t memory_bytes, int64_t nano_cpus,
							int64_t pids_limit, struct hc_error *err)
{
	json_t *body = json_pack("{s:o*, s:o*, s:o*, s:o*}", "Memory",
							 memory_bytes > 0 ? json_integer(memory_bytes) : NULL, "MemorySwap",
							 memory_bytes > 0 ? json_integer(memory_bytes) : NULL, "NanoCpus",
							 nano_cpus > 0 ? json_integer(nano_cpus) : NULL, "PidsLimit",
							 pids_limit > 0 ? json_integer(pids_limit) : NULL);

	return post(docker, id, "/update", body, NULL, err);
}
