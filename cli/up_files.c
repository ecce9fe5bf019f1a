/* Files for scripts, tests and people: secrets, kubeconfig, endpoints.json (the contract; design 10 names its
 * fields). All are replaced atomically. */
#include "up.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/random.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECRET_LENGTH 40
#define SECRET_BYTES_MAX 1024

int up_secret_ensure(struct up *up, const char *name, const char **ret_secret, struct hc_error *err)
{
	const char *path = up_path(up, "secrets/%s", name);
	HC_AUTO_FREE kept = NULL;
	char *secret;

	if (hc_file_exists(path)) {
		if (hc_file_read(path, SECRET_BYTES_MAX, &kept, NULL, err))
			return -1;
		kept[strcspn(kept, "\r\n")] = '\0';
		if (!*kept)
			return hc_fail(err, HC_INVALID, "%s is empty", path);
		*ret_secret = hc_arena_strdup(up->arena, kept);
		return 0;
	}
	secret = hc_arena_alloc(up->arena, SECRET_LENGTH + 1);
	hc_random_token(secret, SECRET_LENGTH);
	if (hc_file_write(path, secret, SECRET_LENGTH, 0600, err))
		return -1;
	*ret_secret = secret;
	return 0;
}

char *up_url(struct up *up, const char *host)
{
	if (up->https_port == 443)
		return hc_arena_printf(up->arena, "https://%s", host);
	return hc_arena_printf(up->arena, "https://%s:%d", host, up->https_port);
}

int up_kubeconfig_write(struct up *up, struct hc_error *err)
{
	HC_AUTO_FREE authority = NULL;
	HC_AUTO_TEXT text = {0};
	size_t length;

	if (hc_file_read(up_path(up, "certificates/ca.crt"), HC_LIMIT_REQUEST_BODY_BYTES, &authority, &length,
					 err))
		return -1;
	hc_text_printf(&text,
				   "apiVersion: v1\n"
				   "kind: Config\n"
				   "clusters:\n"
				   "- name: helvetia\n"
				   "  cluster:\n"
				   "    server: https://127.0.0.1:%d\n"
				   "    certificate-authority-data: ",
				   up->api_port);
	hc_base64_encode(&text, authority, length);
	hc_text_printf(&text,
				   "\n"
				   "users:\n"
				   "- name: admin\n"
				   "  user:\n"
				   "    token: %s\n"
				   "contexts:\n"
				   "- name: helvetia\n"
				   "  context:\n"
				   "    cluster: helvetia\n"
				   "    user: admin\n"
				   "    namespace: default\n"
				   "current-context: helvetia\n",
				   up->token);
	return hc_file_write(up_path(up, "kubeconfig"), hc_text_string(&text), text.length, 0600, err);
}

static json_t *pids(struct up *up)
{
	json_t *object = json_object();

	if (up->composed) /* they have none here: containers are asked for by name */
		return object;
	json_object_set_new(object, "up", json_integer(getpid()));
	for (size_t i = 0; i < UP_PART_COUNT; i++)
		if (up->process[i].pid)
			json_object_set_new(object, up->process[i].name, json_integer(up->process[i].pid));
	return object;
}

int up_endpoints_write(struct up *up, struct hc_error *err)
{
	const char *secret;
	HC_AUTO_FREE text = NULL;
	json_t *root;

	if (up_secret_ensure(up, "webhook-secret", &secret, err))
		return -1;
	root = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "api",
					 hc_arena_printf(up->arena, "https://127.0.0.1:%d", up->api_port), "apiSocket",
					 up_api_socket(up), "caFile", up_path(up, "certificates/ca.crt"), "kubeconfig",
					 up_path(up, "kubeconfig"), "tokenFile", up_path(up, "secrets/admin-token"),
					 "databaseUrl", up->database_url, "redisUrl", up->redis_url, "queue", QUEUE_NAME,
					 "dockerHost", up->docker_host, "http",
					 hc_arena_printf(up->arena, "http://127.0.0.1:%d", up->http_port), "https",
					 hc_arena_printf(up->arena, "https://127.0.0.1:%d", up->https_port), "domain", up->domain,
					 "webhookUrl",
					 hc_arena_printf(up->arena, "%s/webhooks/github",
									 up_url(up, hc_arena_printf(up->arena, "api.%s", up->domain))),
					 "webhookSecretFile", up_path(up, "secrets/webhook-secret"), "pids", pids(up));
	if (root && up->sample)
		json_object_set_new(root, "sampleRepository", json_string(up_git_url(up)));
	text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
	json_decref(root);
	if (!text)
		return hc_fail(err, HC_BUG, "can't print endpoints.json");
	return hc_file_write(up_path(up, "endpoints.json"), text, strlen(text), 0600, err);
}
