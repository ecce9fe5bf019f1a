/* The connection as an object: opened lazily, version negotiated by the first call, general information. */
#include "base/alloc.h"
#include "docker_internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define SCHEME "unix://"

static CURLcode curl_state;

static void curl_start(void)
{
	curl_state = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int docker_open(const char *host, struct docker **ret_docker, struct hc_error *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	HC_AUTO(docker) docker = NULL;
	const char *socket = host && hc_starts_with(host, SCHEME) ? host + strlen(SCHEME) : "";

	if (*socket != '/')
		return hc_fail(err, HC_INVALID, "Docker host \"%s\": must be unix:///path/to/docker.sock",
					   host ? host : "");
	if (strlen(socket) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
		return hc_fail(err, HC_INVALID, "Docker host \"%s\": a socket's path has at most %zu bytes", host,
					   sizeof((struct sockaddr_un *)NULL)->sun_path - 1);
	(void)pthread_once(&once, curl_start);
	docker = hc_xalloc(sizeof *docker);
	docker->easy = curl_state ? NULL : curl_easy_init();
	if (!docker->easy)
		return hc_fail(err, HC_TRANSIENT, "libcurl gives no handle");
	docker->host = hc_xstrdup(host);
	docker->socket = docker->host + strlen(SCHEME);
	docker->call_timeout_ms = DOCKER_CALL_TIMEOUT_MS;
	docker->wake_fd = -1;
	*ret_docker = hc_take(&docker);
	return 0;
}

void docker_limit_calls(struct docker *docker, int64_t timeout_ms)
{
	docker->call_timeout_ms = timeout_ms;
}

void docker_wake_by(struct docker *docker, int fd)
{
	docker->wake_fd = fd;
}

void docker_close(struct docker *docker)
{
	if (!docker)
		return;
	curl_easy_cleanup(docker->easy);
	free(docker->host);
	free(docker);
}

int docker_ping(struct docker *docker, struct hc_error *err)
{
	struct docker_request request = {.method = "GET", .path = "/_ping", .unversioned = true};
	struct docker_answer answer = {0};
	int result = docker_perform(docker, &request, &answer, err);

	if (!result && docker_version_choose(answer.api_version, docker->api_version, err))
		result = hc_wrap(err, "Docker Engine at %s", docker->host);
	docker_answer_done(&answer);
	return result;
}

int docker_info(struct docker *docker, struct hc_arena *arena, struct docker_info *ret_info,
				struct hc_error *err)
{
	struct docker_request request = {.method = "GET", .path = "/info"};
	struct docker_answer answer = {0};
	DOCKER_AUTO_JSON *json = NULL;

	*ret_info = (struct docker_info){.instance = ""};
	if (docker_perform(docker, &request, &answer, err))
		return -1;
	json = json_loadb(hc_text_string(&answer.body), answer.body.length, 0, NULL);
	docker_answer_done(&answer);
	if (!json)
		return hc_fail(err, HC_BUG, "GET /info: the engine's answer is no JSON");
	ret_info->engine_id = docker_json_text(arena, json, "ID");
	ret_info->version = docker_json_text(arena, json, "ServerVersion");
	ret_info->api_version = hc_arena_strdup(arena, docker->api_version);
	ret_info->data_root = docker_json_text(arena, json, "DockerRootDir");
	ret_info->operating_system = docker_json_text(arena, json, "OperatingSystem");
	ret_info->live_restore = docker_json_bool(json, "LiveRestoreEnabled");
	ret_info->version_major = (int)strtol(ret_info->version, NULL, 10);
	docker_engine_instance(arena, answer.socket, ret_info);
	return 0;
}
