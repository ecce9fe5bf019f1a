/* See access.h. */
#include "access.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "kubeconfig.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_STATE "/var/lib/helvetia"
#define ENDPOINTS_BYTES_MAX (64 * 1024)
#define TOKEN_PREFIX "hv_"

static bool as_plugin;

void access_as_plugin(void)
{
	as_plugin = true;
}

bool access_is_plugin(void)
{
	return as_plugin;
}

void access_done(struct access_way *way)
{
	free(way->server);
	free(way->ca_file);
	free(way->ca_text);
	free(way->token);
	free(way->unix_socket);
	free(way->namespace_name);
	free(way->public_server);
	free(way->domain);
	*way = (struct access_way){0};
}

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* --- the environment --- */

static char *copy(const char *text)
{
	return text ? hc_xstrdup(text) : NULL;
}

static int from_environment(struct access_way *way)
{
	way->source = "HELVETIA_API";
	way->server = copy(getenv("HELVETIA_API"));
	way->ca_file = copy(environment("HELVETIA_CA"));
	way->token = copy(environment("HELVETIA_TOKEN"));
	return 0;
}

/* --- a platform on this machine --- */

static char *read_token(const char *path, struct hc_error *err)
{
	char *token;

	if (hc_file_read(path, 4096, &token, NULL, err))
		return NULL;
	token[strcspn(token, "\r\n")] = '\0';
	return token;
}

static json_t *read_endpoints(const char *state, struct hc_error *err)
{
	HC_AUTO_FREE path = hc_xprintf("%s/endpoints.json", state);
	HC_AUTO_FREE text = NULL;
	json_t *endpoints;

	if (hc_file_read(path, ENDPOINTS_BYTES_MAX, &text, NULL, err)) {
		if (err->class == HC_NOT_FOUND)
			hc_fail(
				err, HC_NOT_FOUND,
				"no platform runs with its state in %s; start one with ./up, name its folder with --state "
				"or HELVETIA_STATE, or go to another machine's with `helvetia login FILE`",
				state);
		return NULL;
	}
	endpoints = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	if (!endpoints)
		hc_fail(err, HC_INVALID, "%s is no JSON", path);
	return endpoints;
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* https://api.DOMAIN[:PORT] out of the URL that webhooks are sent to. localhost is nobody else's. */
static char *public_server(const json_t *endpoints)
{
	const char *url = text_of(endpoints, "webhookUrl");
	const char *path = url ? strstr(url, "/webhooks/") : NULL;
	const char *domain = text_of(endpoints, "domain");
	size_t length = domain ? strlen(domain) : 0;

	if (!path || !domain || hc_streq(domain, "localhost") ||
		(length > 10 && hc_streq(domain + length - 10, ".localhost")))
		return NULL;
	return hc_xprintf("%.*s", (int)(path - url), url);
}

static int from_state(struct access_way *way, const char *state, bool without_socket, struct hc_error *err)
{
	json_t *endpoints = read_endpoints(state, err);
	int result = 0;

	if (!endpoints)
		return -1;
	const char *local = text_of(endpoints, "apiSocket");
	way->source = "endpoints.json";
	way->server = copy(text_of(endpoints, "api"));
	way->ca_file = copy(text_of(endpoints, "caFile"));
	way->domain = copy(text_of(endpoints, "domain"));
	way->public_server = public_server(endpoints);
	if (local && !without_socket && access(local, R_OK | W_OK) == 0) {
		way->unix_socket = hc_xstrdup(local);
	} else if (!way->server || !text_of(endpoints, "tokenFile")) {
		result = hc_fail(err, HC_INVALID, "%s/endpoints.json does not name api and tokenFile", state);
	} else {
		way->token = read_token(text_of(endpoints, "tokenFile"), err);
		result = way->token ? 0 : -1;
	}
	json_decref(endpoints);
	return result;
}

/* --- kubectl's files --- */

static int from_kubeconfig(struct access_way *way, const struct arguments *arguments, struct hc_error *err)
{
	HC_AUTO_FREE files = arguments->kubeconfig ? hc_xstrdup(arguments->kubeconfig)
											   : kubeconfig_default_files();
	struct kubeconfig_context context;

	if (!files)
		return hc_fail(err, HC_NOT_FOUND, "there is no kubeconfig: neither KUBECONFIG nor HOME is set");
	if (kubeconfig_read(files, arguments->context, &context, err))
		return -1;
	way->source = "kubeconfig";
	way->server = hc_take(&context.server);
	way->ca_text = hc_take(&context.authority);
	way->token = hc_take(&context.token);
	way->namespace_name = hc_take(&context.namespace_name);
	kubeconfig_done(&context);
	return 0;
}

/* Without having been told so, only to a context that is ours: other clusters have other tokens. */
static bool current_context_is_ours(const struct arguments *arguments)
{
	struct access_way way = {0};
	struct hc_error err = {0};
	bool ours = from_kubeconfig(&way, arguments, &err) == 0 && way.token &&
				hc_starts_with(way.token, TOKEN_PREFIX);

	access_done(&way);
	return ours;
}

/* --- which --- */

enum source { KUBECONFIG, STATE, ENVIRONMENT };

static enum source source_of(const struct arguments *arguments, const char **ret_state)
{
	*ret_state = arguments->state ? arguments->state : environment("HELVETIA_STATE");
	if (arguments->kubeconfig || arguments->context)
		return KUBECONFIG;
	if (arguments->state)
		return STATE;
	if (as_plugin)
		return KUBECONFIG;
	if (environment("HELVETIA_API"))
		return ENVIRONMENT;
	if (*ret_state)
		return STATE;
	*ret_state = DEFAULT_STATE;
	if (!hc_file_exists(DEFAULT_STATE "/endpoints.json") && current_context_is_ours(arguments))
		return KUBECONFIG;
	return STATE;
}

int access_find(const struct arguments *arguments, struct access_way *ret_way, struct hc_error *err)
{
	const char *state = NULL;
	int result = 0;

	*ret_way = (struct access_way){0};
	switch (source_of(arguments, &state)) {
	case KUBECONFIG:
		result = from_kubeconfig(ret_way, arguments, err);
		break;
	case STATE:
		result = from_state(ret_way, state, arguments->without_socket, err);
		break;
	case ENVIRONMENT:
		result = from_environment(ret_way);
		break;
	}
	if (result)
		access_done(ret_way);
	return result;
}

char *access_namespace(const struct arguments *arguments)
{
	struct access_way way = {0};
	struct hc_error err = {0};
	const char *state = NULL;

	/* What is wrong with a file is told by access_find(). */
	if (source_of(arguments, &state) == KUBECONFIG)
		(void)!from_kubeconfig(&way, arguments, &err);
	char *name = hc_take(&way.namespace_name);
	access_done(&way);
	return name;
}
