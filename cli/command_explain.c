/* `helvetia explain`: why a Service isn't ready, since when, what is tried next, what helps, and the last
 * lines of its log. The sentence is the controller's, the same as in the conditions; here it is only shown.
 */
#include "base/alloc.h"
#include "client.h"
#include "command.h"

#include <stdio.h>
#include <string.h>

#define LOG_LINES 10

static void print_sentence(const json_t *service)
{
	const char *name = json_text_at(service, "metadata", "name", NULL);
	const json_t *ready = json_condition(service, "Ready");
	const char *status = json_text_at(ready, "status", NULL);
	char age[32];

	if (!ready) {
		printf("%s was not looked at yet: the controller does it as soon as it runs\n", name);
		return;
	}
	client_age(json_text_at(ready, "lastTransitionTime", NULL), age, sizeof age);
	printf("%s is %s since %s (%s, %s): %s\n", name,
		   strcmp(status, "True") == 0    ? "ready"
		   : strcmp(status, "False") == 0 ? "not ready"
										  : "on its way",
		   age, json_text_at(service, "status", "phase", NULL), json_text_at(ready, "reason", NULL),
		   json_text_at(ready, "message", NULL));
	if (json_number_at(service, "status", "observedGeneration", NULL) <
		json_number_at(service, "metadata", "generation", NULL))
		printf("The controller has not looked at the newest change yet.\n");
}

/* What else isn't as it should be; a sentence that was said already is not said again. */
static void print_others(const json_t *service)
{
	const char *said = json_text_at(json_condition(service, "Ready"), "message", NULL);
	const json_t *condition;
	size_t index;

	json_array_foreach(json_object_get(json_object_get(service, "status"), "conditions"), index, condition)
	{
		const char *type = json_text_at(condition, "type", NULL);
		const char *message = json_text_at(condition, "message", NULL);

		if (strcmp(type, "Ready") != 0 && strcmp(json_text_at(condition, "status", NULL), "True") != 0 &&
			!strstr(said, message))
			printf("  %s: %s\n", type, message);
	}
}

/* Of whom the log says something: the newest that isn't as wanted, else the current one. NULL: none. */
static const json_t *deployment_to_show(const json_t *list, const char *service)
{
	const json_t *newest = NULL;
	const json_t *item;
	size_t index;

	json_array_foreach(json_object_get(list, "items"), index, item)
	{
		if (strcmp(json_text_at(item, "spec", "service", NULL), service) == 0 &&
			(!newest || json_number_at(item, "spec", "revision", NULL) >
							json_number_at(newest, "spec", "revision", NULL)))
			newest = item;
	}
	return newest;
}

struct shown {
	const char *deployment;
	int begun;
};

static int print_piece(const char *data, size_t length, void *payload)
{
	struct shown *shown = payload;

	if (!shown->begun && length)
		printf("\nLast lines of %s (helvetia logs deployment/%s):\n", shown->deployment, shown->deployment);
	shown->begun = shown->begun || length;
	return fwrite(data, 1, length, stdout) != length;
}

static void print_log(struct client *client, const char *deployment)
{
	HC_AUTO_FREE object = client_path("deployments", client->arguments->namespace_name, deployment);
	HC_AUTO_FREE path = hc_xprintf("%s/log?tailLines=%d", object, LOG_LINES);
	struct shown shown = {.deployment = deployment};
	struct http_response response = {0};
	struct hc_error err = {0};

	if (http_client_stream(client->http, path, print_piece, &shown, &response, &err) ||
		response.status != 200)
		printf("\nThe log of %s can't be read now.\n", deployment);
	http_response_done(&response);
}

static int explain(struct client *client, const char *name)
{
	const char *namespace_name = client->arguments->namespace_name;
	HC_AUTO_FREE service_path = client_path("services", namespace_name, name);
	HC_AUTO_FREE deployments_path = client_path("deployments", namespace_name, NULL);
	json_t *service = NULL;
	json_t *deployments = NULL;
	int code = client_request(client, "GET", service_path, NULL, NO_BODY, &service);

	if (code == COMMAND_DONE)
		code = client_request(client, "GET", deployments_path, NULL, NO_BODY, &deployments);
	if (code == COMMAND_DONE) {
		const json_t *shown = deployment_to_show(deployments, name);
		bool ready = strcmp(json_text_at(json_condition(service, "Ready"), "status", NULL), "True") == 0;

		print_sentence(service);
		print_others(service);
		if (shown && !ready)
			print_log(client, json_text_at(shown, "metadata", "name", NULL));
	}
	json_decref(service);
	json_decref(deployments);
	return code;
}

static int run_explain(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia explain NAME [OPTION…]",
		.help = "Says in one sentence why a Service isn't ready, since when, what is tried next and what "
				"helps, and "
				"shows\nthe last lines of its log.\n",
		.letters = "n",
		.positions_min = 1,
		.positions_max = 1,
	};
	struct arguments arguments;
	struct client client;
	int parsed = arguments_parse(argc, argv, &spec, &arguments);
	int code;

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	code = client_open(&client, &arguments);
	if (code == COMMAND_DONE)
		code = explain(&client, arguments.positions[0]);
	client_close(&client);
	return code;
}

const struct command command_explain = {"explain", "why a Service isn't ready, and what helps", run_explain};
