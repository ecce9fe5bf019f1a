/* See traefik.h. libcurl easy handles, one an entry point, so that each keeps its connection. The public
 * request goes to our own proxy's address whatever the name resolves to, with the public name in Host and
 * SNI; its certificate is not checked, since the connection never leaves the machine's own proxy. */
#include "traefik.h"
#include "options.h"
#include "sweep.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/text.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS 1000L
#define API_TIMEOUT_MS 3000L
#define PUBLIC_TIMEOUT_MS 5000L /* an application may be slow with its first answer */

struct traefik {
	CURL *api;
	CURL *public_way;
	struct curl_slist *connect_to;
	char *api_url;
	struct hc_text body;
};

int traefik_servers_parse(const char *json, size_t length, struct hc_arena *arena,
						  const char ***ret_addresses, size_t *ret_count)
{
	json_t *root = json_loadb(json, length, 0, NULL);
	const json_t *servers = json_object_get(json_object_get(root, "loadBalancer"), "servers");
	const json_t *states = json_object_get(root, "serverStatus");
	const char **addresses;
	json_t *server;
	size_t index;
	size_t count = 0;

	if (!json_is_object(root)) {
		json_decref(root);
		return -1;
	}
	addresses = hc_arena_alloc_array(arena, json_array_size(servers) + 1, sizeof *addresses);
	json_array_foreach(servers, index, server)
	{
		const char *url = json_string_value(json_object_get(server, "url"));
		const char *state = url ? json_string_value(json_object_get(states, url)) : NULL;
		const char *host = url ? strstr(url, "://") : NULL;

		if (!host || (state && strcmp(state, "UP") != 0))
			continue;
		host += strlen("://");
		addresses[count++] = hc_arena_strndup(arena, host, strcspn(host, ":/"));
	}
	json_decref(root);
	*ret_addresses = addresses;
	*ret_count = count;
	return 0;
}

static size_t keep_body(char *data, size_t size, size_t count, void *payload)
{
	struct hc_text *body = payload;

	if (body->length + size * count > HC_LIMIT_HTTP_ANSWER_BYTES)
		return 0;
	hc_text_append_bytes(body, data, size * count);
	return size * count;
}

/* An application's page is of no interest; a large one must not cost more than this. */
static size_t skip_body(char *data, size_t size, size_t count, void *payload)
{
	size_t *skipped = payload;

	(void)data;
	*skipped += size * count;
	return *skipped > HC_LIMIT_PUBLIC_ANSWER_BYTES ? 0 : size * count;
}

/* 0 and Traefik's answer in traefik->body, or the status of a failed one; -1 when nobody answers. */
static int api_get(struct traefik *traefik, const char *path, long *ret_status)
{
	HC_AUTO_TEXT url = {0};
	CURLcode code;

	hc_text_printf(&url, "%s/api/http/services%s", traefik->api_url, path);
	traefik->body.length = 0;
	(void)curl_easy_setopt(traefik->api, CURLOPT_URL, hc_text_string(&url));
	code = curl_easy_perform(traefik->api);
	(void)curl_easy_getinfo(traefik->api, CURLINFO_RESPONSE_CODE, ret_status);
	return code == CURLE_OK ? 0 : -1;
}

static uint64_t digest_of(const json_t *service)
{
	const json_t *servers = json_object_get(json_object_get(service, "loadBalancer"), "servers");
	const json_t *states = json_object_get(service, "serverStatus");
	uint64_t digest = sweep_digest(0, json_string_value(json_object_get(service, "status")));
	const json_t *server;
	size_t index;

	json_array_foreach(servers, index, server)
	{
		const char *url = json_string_value(json_object_get(server, "url"));

		digest = sweep_digest(digest, url);
		digest = sweep_digest(digest, url ? json_string_value(json_object_get(states, url)) : NULL);
	}
	return digest;
}

int traefik_each(struct traefik *traefik, void (*seen)(const char *name, uint64_t digest, void *payload),
				 void *payload)
{
	long status = 0;
	json_t *list, *service;
	size_t index;

	if (api_get(traefik, "?per_page=1000000", &status) || status != 200)
		return -1;
	list = json_loadb(hc_text_string(&traefik->body), traefik->body.length, 0, NULL);
	json_array_foreach(list, index, service)
	{
		const char *name = json_string_value(json_object_get(service, "name"));

		if (name)
			seen(name, digest_of(service), payload);
	}
	json_decref(list);
	return list ? 0 : -1;
}

static int listed(void *self, const char *route_name, struct hc_arena *arena, const char ***ret_addresses,
				  size_t *ret_count)
{
	struct traefik *traefik = self;
	HC_AUTO_TEXT path = {0};
	char *name = curl_easy_escape(traefik->api, route_name, 0);
	long status = 0;

	hc_text_printf(&path, "/%s%%40docker", name);
	curl_free(name);
	if (api_get(traefik, hc_text_string(&path), &status))
		return -1;
	if (status == 404) {
		*ret_addresses = NULL;
		*ret_count = 0;
		return 0;
	}
	if (status != 200)
		return -1;
	return traefik_servers_parse(hc_text_string(&traefik->body), traefik->body.length, arena, ret_addresses,
								 ret_count);
}

static int servers(void *self, const char *route_name)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	const char **addresses;
	size_t count;

	return listed(self, route_name, arena, &addresses, &count) ? -1 : (int)count;
}

static int get(void *self, const char *host, const char *path, int *ret_status)
{
	struct traefik *traefik = self;
	HC_AUTO_TEXT url = {0};
	size_t skipped = 0;
	long status = 0;
	CURLcode code;

	hc_text_printf(&url, "https://%s%s%s", host, path[0] == '/' ? "" : "/", path);
	(void)curl_easy_setopt(traefik->public_way, CURLOPT_URL, hc_text_string(&url));
	(void)curl_easy_setopt(traefik->public_way, CURLOPT_WRITEDATA, &skipped);
	code = curl_easy_perform(traefik->public_way);
	(void)curl_easy_getinfo(traefik->public_way, CURLINFO_RESPONSE_CODE, &status);
	/* A body that is too long or slow does not change that there was an answer. */
	if (status == 0 || (code != CURLE_OK && code != CURLE_WRITE_ERROR && code != CURLE_OPERATION_TIMEDOUT))
		return -1;
	*ret_status = (int)status;
	return 0;
}

static CURL *handle_new(long timeout_ms)
{
	CURL *handle = curl_easy_init();

	if (!handle)
		abort(); /* out of memory */
	(void)curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(handle, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(handle, CURLOPT_USERAGENT, "helvetia-controller");
	(void)curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	(void)curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, timeout_ms);
	return handle;
}

int traefik_open(const char *api, const char *public_https, struct traefik **ret_traefik,
				 struct hc_error *err)
{
	struct traefik *traefik;
	HC_AUTO_FREE way = NULL;
	char host[64];
	int port;

	if (controller_reach(public_https, host, &port, err))
		return -1;
	way = hc_xprintf("::%s:%d", host, port);
	traefik = hc_xalloc(sizeof *traefik);
	traefik->api_url = hc_xstrdup(api);
	traefik->api = handle_new(API_TIMEOUT_MS);
	(void)curl_easy_setopt(traefik->api, CURLOPT_WRITEFUNCTION, keep_body);
	(void)curl_easy_setopt(traefik->api, CURLOPT_WRITEDATA, &traefik->body);
	traefik->public_way = handle_new(PUBLIC_TIMEOUT_MS);
	traefik->connect_to = curl_slist_append(NULL, way);
	(void)curl_easy_setopt(traefik->public_way, CURLOPT_CONNECT_TO, traefik->connect_to);
	(void)curl_easy_setopt(traefik->public_way, CURLOPT_SSL_VERIFYPEER, 0L);
	(void)curl_easy_setopt(traefik->public_way, CURLOPT_SSL_VERIFYHOST, 0L);
	(void)curl_easy_setopt(traefik->public_way, CURLOPT_WRITEFUNCTION, skip_body);
	*ret_traefik = traefik;
	return 0;
}

void traefik_close(struct traefik *traefik)
{
	if (!traefik)
		return;
	curl_easy_cleanup(traefik->api);
	curl_easy_cleanup(traefik->public_way);
	curl_slist_free_all(traefik->connect_to);
	hc_text_done(&traefik->body);
	free(traefik->api_url);
	free(traefik);
}

struct traefik_interface traefik_interface(struct traefik *traefik)
{
	return (struct traefik_interface){.self = traefik, .servers = servers, .get = get, .listed = listed};
}
