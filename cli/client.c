/* See client.h. */
#include "client.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int client_open(struct client *client, const struct arguments *arguments)
{
	struct access_way *way = &client->way;
	struct hc_error err = {0};

	*client = (struct client){.arguments = arguments};
	if (access_find(arguments, way, &err))
		return client_failed(&err);
	struct http_client_options options = {.base_url = way->unix_socket ? "http://localhost" : way->server,
										  .ca_file = way->ca_file,
										  .ca_text = way->ca_text,
										  .token = way->token,
										  .unix_socket = way->unix_socket};
	if (http_client_open(&options, &client->http, &err)) {
		access_done(way);
		return client_failed(&err);
	}
	client->domain = way->domain;
	return COMMAND_DONE;
}

void client_close(struct client *client)
{
	http_client_close(client->http);
	access_done(&client->way);
	*client = (struct client){0};
}

int client_failed(const struct hc_error *err)
{
	static const int codes[] = {
		[HC_OK] = COMMAND_FAILED,         [HC_NOT_FOUND] = COMMAND_NOT_FOUND,
		[HC_CONFLICT] = COMMAND_CONFLICT, [HC_INVALID] = COMMAND_INVALID,
		[HC_DENIED] = COMMAND_DENIED,     [HC_TRANSIENT] = COMMAND_UNREACHABLE,
		[HC_CANCELED] = COMMAND_FAILED,   [HC_BUG] = COMMAND_FAILED,
	};

	fprintf(stderr, "helvetia: %s\n", err->text);
	if (err->class == HC_TRANSIENT)
		fputs(
			"the API does not answer; `helvetia up` starts the platform, its logs are in the state folder\n",
			stderr);
	return (size_t)err->class < HC_COUNT(codes) ? codes[err->class] : COMMAND_FAILED;
}

static int code_of_status(long status)
{
	switch (status) {
	case 400:
	case 413:
	case 415:
	case 422:
		return COMMAND_INVALID;
	case 401:
	case 403:
		return COMMAND_DENIED;
	case 404:
		return COMMAND_NOT_FOUND;
	case 409:
		return COMMAND_CONFLICT;
	case 503:
		return COMMAND_UNREACHABLE;
	default:
		return COMMAND_FAILED;
	}
}

int client_refused(const struct http_response *response)
{
	json_t *status = json_loads(response->body ? response->body : "", 0, NULL);
	const json_t *causes = json_object_get(json_object_get(status, "details"), "causes");
	const char *message = json_text_at(status, "message", NULL);
	size_t index;
	const json_t *cause;

	if (*message)
		fprintf(stderr, "helvetia: %s\n", message);
	else
		fprintf(stderr, "helvetia: the API answered %ld: %.200s\n", response->status,
				response->body ? response->body : "");
	json_array_foreach(causes, index, cause)
	{
		const char *text = json_text_at(cause, "message", NULL);

		if (!strstr(message, text)) /* Kubernetes repeats the causes in its message */
			fprintf(stderr, "  %s: %s\n", json_text_at(cause, "field", NULL), text);
	}
	if (response->status == 401)
		fputs("on the machine of the platform root needs no token; elsewhere ask for an invitation "
			  "(`helvetia invite NAME`) and use it by `helvetia login FILE`\n",
			  stderr);
	json_decref(status);
	return code_of_status(response->status);
}

int client_request_text(struct client *client, const char *method, const char *path, const char *content_type,
						const char *body, size_t length, json_t **ret_json)
{
	struct http_response response = {0};
	struct hc_error err = {0};
	json_error_t position;
	json_t *json;
	int code;

	if (http_client_request(client->http, method, path, content_type, body, length, &response, &err))
		return client_failed(&err);
	if (response.status >= 300) {
		code = client_refused(&response);
		http_response_done(&response);
		return code;
	}
	json = json_loads(response.body, 0, &position);
	http_response_done(&response);
	if (!json) {
		fprintf(stderr, "helvetia: %s %s: the answer is no JSON: %s\n", method, path, position.text);
		return COMMAND_FAILED;
	}
	*ret_json = json;
	return COMMAND_DONE;
}

int client_request(struct client *client, const char *method, const char *path, const char *content_type,
				   const json_t *body, json_t **ret_json)
{
	HC_AUTO_FREE text = body ? json_dumps(body, JSON_COMPACT) : NULL;

	return client_request_text(client, method, path, content_type, text, text ? strlen(text) : 0, ret_json);
}

int client_find(struct client *client, const char *path, json_t **ret_json)
{
	struct http_response response = {0};
	struct hc_error err = {0};
	int code = COMMAND_DONE;

	*ret_json = NULL;
	if (http_client_request(client->http, "GET", path, NULL, NULL, 0, &response, &err))
		return client_failed(&err);
	if (response.status == 200)
		*ret_json = json_loads(response.body, 0, NULL);
	else if (response.status != 404)
		code = client_refused(&response);
	http_response_done(&response);
	return code;
}

static const struct {
	const char *plural;
	const char *words[4];
	const char *root;
	bool namespaced;
} kinds[] = {
	{"services", {"service", "svc", NULL}, "/apis/helvetia.cloud/v1", true},
	{"deployments", {"deployment", "deploy", NULL}, "/apis/helvetia.cloud/v1", true},
	{"builds", {"build", NULL}, "/apis/helvetia.cloud/v1", true},
	{"tokens", {"token", NULL}, "/apis/helvetia.cloud/v1", true},
	{"users", {"user", NULL}, "/apis/helvetia.cloud/v1", false},
	{"secrets", {"secret", NULL}, "/api/v1", true},
	{"namespaces", {"namespace", "ns", NULL}, "/api/v1", false},
	{"events", {"event", "ev", NULL}, "/api/v1", true},
};

const char *client_plural(const char *word)
{
	for (size_t index = 0; index < HC_COUNT(kinds); index++) {
		if (strcmp(word, kinds[index].plural) == 0)
			return kinds[index].plural;
		for (size_t at = 0; kinds[index].words[at]; at++) {
			if (strcmp(word, kinds[index].words[at]) == 0)
				return kinds[index].plural;
		}
	}
	return NULL;
}

char *client_path(const char *plural, const char *namespace_name, const char *name)
{
	HC_AUTO_TEXT path = {0};

	for (size_t index = 0; index < HC_COUNT(kinds); index++) {
		if (strcmp(plural, kinds[index].plural) != 0)
			continue;
		hc_text_append(&path, kinds[index].root);
		if (kinds[index].namespaced && namespace_name) {
			HC_AUTO_FREE escaped = http_escape(namespace_name);

			hc_text_printf(&path, "/namespaces/%s", escaped);
		}
	}
	hc_text_printf(&path, "/%s", plural);
	if (name) {
		HC_AUTO_FREE escaped = http_escape(name);

		hc_text_printf(&path, "/%s", escaped);
	}
	return hc_text_take(&path);
}

static const json_t *walk(const json_t *value, va_list keys)
{
	const char *key;

	while ((key = va_arg(keys, const char *)))
		value = json_object_get(value, key);
	return value;
}

const char *json_text_at(const json_t *value, ...)
{
	va_list keys;
	const char *text;

	va_start(keys, value);
	text = json_string_value(walk(value, keys));
	va_end(keys);
	return text ? text : "";
}

json_int_t json_number_at(const json_t *value, ...)
{
	va_list keys;
	json_int_t number;

	va_start(keys, value);
	number = json_integer_value(walk(value, keys));
	va_end(keys);
	return number;
}

const json_t *json_condition(const json_t *object, const char *type)
{
	const json_t *conditions = json_object_get(json_object_get(object, "status"), "conditions");
	const json_t *condition;
	size_t index;

	json_array_foreach(conditions, index, condition)
	{
		if (strcmp(json_text_at(condition, "type", NULL), type) == 0)
			return condition;
	}
	return NULL;
}

void client_age(const char *time, char *text, size_t size)
{
	int64_t then_ms;
	int64_t seconds;

	if (hc_clock_parse(time, &then_ms)) {
		(void)snprintf(text, size, "-");
		return;
	}
	seconds = (hc_clock_wall_ms() - then_ms) / 1000;
	if (seconds < 0)
		seconds = 0;
	if (seconds < 120)
		(void)snprintf(text, size, "%llds", (long long)seconds);
	else if (seconds < 600)
		(void)snprintf(text, size, "%lldm%llds", (long long)seconds / 60, (long long)seconds % 60);
	else if (seconds < 3 * 3600)
		(void)snprintf(text, size, "%lldm", (long long)seconds / 60);
	else if (seconds < 8 * 3600)
		(void)snprintf(text, size, "%lldh%lldm", (long long)seconds / 3600, (long long)seconds % 3600 / 60);
	else if (seconds < 48 * 3600)
		(void)snprintf(text, size, "%lldh", (long long)seconds / 3600);
	else
		(void)snprintf(text, size, "%lldd", (long long)seconds / 86400);
}
