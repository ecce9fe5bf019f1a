/* `helvetia get`, `describe`, `status`, `events`: reading. */
#include "base/alloc.h"
#include "base/text.h"
#include "client.h"
#include "command.h"
#include "output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *plural_of(const char *word)
{
	const char *plural = client_plural(word);

	if (!plural)
		fprintf(stderr,
				"helvetia: there is no kind \"%s\"; there are services, deployments, builds, namespaces, "
				"events, secrets, users "
				"and tokens\n",
				word);
	return plural;
}

static void print_objects(const struct arguments *arguments, const char *plural, const json_t *value)
{
	if (arguments->output != OUTPUT_TABLE)
		output_value(value, arguments->output);
	else if (strcmp(plural, "events") == 0)
		output_events(value, NULL);
	else
		output_objects(plural, value, arguments->all_namespaces);
}

static int run_get(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia get KIND [NAME] [OPTION…]",
		.help = "Kinds: services, deployments, builds, namespaces, events, secrets, users, tokens.\n",
		.letters = "nAo",
		.positions_min = 1,
		.positions_max = 2,
	};
	struct arguments arguments;
	struct client client;
	HC_AUTO_FREE path = NULL;
	json_t *value = NULL;
	const char *plural;
	const char *name;
	int parsed = arguments_parse(argc, argv, &spec, &arguments);
	int code;

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	plural = plural_of(arguments.positions[0]);
	if (!plural)
		return COMMAND_USAGE;
	name = arguments.position_count > 1 ? arguments.positions[1] : NULL;
	if (name && arguments.all_namespaces) {
		fputs("helvetia: a name belongs to one namespace: leave --all-namespaces out\n", stderr);
		return COMMAND_USAGE;
	}
	path = client_path(plural, arguments.all_namespaces ? NULL : arguments.namespace_name, name);
	code = client_open(&client, &arguments);
	if (code == COMMAND_DONE)
		code = client_request(&client, "GET", path, NULL, NO_BODY, &value);
	if (code == COMMAND_DONE)
		print_objects(&arguments, plural, value);
	json_decref(value);
	client_close(&client);
	return code;
}

const struct command command_get = {"get", "show objects", run_get};

static void print_conditions(const json_t *service)
{
	static const char *const titles[] = {"  CONDITION", "STATUS", "SINCE", "REASON", "MESSAGE"};
	const json_t *condition;
	size_t index;
	HC_AUTO(table) table = table_new(titles, HC_COUNT(titles));

	json_array_foreach(json_object_get(json_object_get(service, "status"), "conditions"), index, condition)
	{
		char age[32];
		HC_AUTO_FREE type = hc_xprintf("  %s", json_text_at(condition, "type", NULL));
		const char *cells[HC_COUNT(titles)];

		client_age(json_text_at(condition, "lastTransitionTime", NULL), age, sizeof age);
		cells[0] = type;
		cells[1] = json_text_at(condition, "status", NULL);
		cells[2] = age;
		cells[3] = json_text_at(condition, "reason", NULL);
		cells[4] = json_text_at(condition, "message", NULL);
		table_add(table, cells);
	}
	table_print(table);
}

/* Only this Service's Deployments, newest first: a list is sorted by name, where r10 stands before r2. */
static json_t *deployments_of(const json_t *list, const char *service)
{
	json_t *items = json_array();
	json_t *item;
	size_t index;

	json_array_foreach(json_object_get(list, "items"), index, item)
	{
		json_int_t revision = json_number_at(item, "spec", "revision", NULL);
		size_t at = 0;

		if (strcmp(json_text_at(item, "spec", "service", NULL), service) != 0)
			continue;
		while (at < json_array_size(items) &&
			   json_number_at(json_array_get(items, at), "spec", "revision", NULL) > revision)
			at++;
		json_array_insert(items, at, item);
	}
	return json_pack("{s:o}", "items", items);
}

static void print_source(const json_t *service)
{
	const char *image = json_text_at(service, "spec", "image", NULL);
	const char *branch = json_text_at(service, "spec", "branch", NULL);
	const char *commit = json_text_at(service, "spec", "commit", NULL);
	json_int_t rollback = json_number_at(service, "spec", "rollbackTo", "revision", NULL);

	printf("Source      %s%s%s%s%s\n", *image ? image : json_text_at(service, "spec", "repoUrl", NULL),
		   *branch ? ", branch " : "", branch, *commit ? ", commit " : "", commit);
	if (rollback)
		printf("Rolled back to revision %lld\n", (long long)rollback);
}

static void print_description(const json_t *service, const json_t *deployments, const json_t *events)
{
	const char *name = json_text_at(service, "metadata", "name", NULL);
	const char *url = json_text_at(service, "status", "url", NULL);
	json_t *own = deployments_of(deployments, name);

	printf("Service     %s (namespace %s, generation %lld)\n", name,
		   json_text_at(service, "metadata", "namespace", NULL),
		   (long long)json_number_at(service, "metadata", "generation", NULL));
	printf("Status      %s, %lld of %lld replicas ready\n", json_text_at(service, "status", "phase", NULL),
		   (long long)json_number_at(service, "status", "readyReplicas", NULL),
		   (long long)json_number_at(service, "spec", "replicas", NULL));
	printf("URL         %s\n", *url ? url : "none");
	print_source(service);
	printf("Current     %s\n\n", json_text_at(service, "status", "currentDeployment", NULL));
	print_conditions(service);
	printf("\n");
	output_objects("deployments", own, false);
	printf("\n");
	output_events(events, name);
	json_decref(own);
}

static int describe(struct client *client, const char *name)
{
	const char *namespace_name = client->arguments->namespace_name;
	HC_AUTO_FREE service_path = client_path("services", namespace_name, name);
	HC_AUTO_FREE deployments_path = client_path("deployments", namespace_name, NULL);
	HC_AUTO_FREE events_path = client_path("events", namespace_name, NULL);
	json_t *service = NULL;
	json_t *deployments = NULL;
	json_t *events = NULL;
	int code = client_request(client, "GET", service_path, NULL, NO_BODY, &service);

	if (code == COMMAND_DONE)
		code = client_request(client, "GET", deployments_path, NULL, NO_BODY, &deployments);
	if (code == COMMAND_DONE)
		code = client_request(client, "GET", events_path, NULL, NO_BODY, &events);
	if (code == COMMAND_DONE) {
		if (client->arguments->output != OUTPUT_TABLE) {
			json_t *own = deployments_of(deployments, name);
			json_t *all = json_pack("{s:O, s:O, s:O}", "service", service, "deployments",
									json_object_get(own, "items"), "events",
									json_object_get(events, "items"));

			output_value(all, client->arguments->output);
			json_decref(all);
			json_decref(own);
		} else {
			print_description(service, deployments, events);
		}
	}
	json_decref(service);
	json_decref(deployments);
	json_decref(events);
	return code;
}

static int run_describe(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia describe NAME [OPTION…]",
		.help = "Shows a Service with its conditions, Deployments and events.\n",
		.letters = "no",
		.positions_min = 1,
		.positions_max = 2,
	};
	struct arguments arguments;
	struct client client;
	int parsed = arguments_parse(argc, argv, &spec, &arguments);
	int code;

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	if (arguments.position_count == 2 &&
		strcmp(client_plural(arguments.positions[0]) ? client_plural(arguments.positions[0]) : "",
			   "services") != 0) {
		fputs("helvetia: describe speaks of services: helvetia describe NAME\n", stderr);
		return COMMAND_USAGE;
	}
	code = client_open(&client, &arguments);
	if (code == COMMAND_DONE)
		code = describe(&client, arguments.positions[arguments.position_count - 1]);
	client_close(&client);
	return code;
}

const struct command command_describe = {"describe", "one Service with all that belongs to it", run_describe};

/* NULL: all. Somebody whose context names a namespace may have no right beyond it. */
static const char *status_namespace(const struct client *client)
{
	const struct arguments *arguments = client->arguments;

	if (arguments->all_namespaces)
		return NULL;
	return arguments->namespace_given ? arguments->namespace_name : client->way.namespace_name;
}

static int run_status(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia status [OPTION…]",
		.help =
			"All Services, what they are and why not as declared: of all namespaces, or of the one that -n "
			"or the\n"
			"kubeconfig's context names. Exit code 0 when each is as declared, 1 when one isn't.\n",
		.letters = "nAo",
	};
	struct arguments arguments;
	struct client client;
	json_t *list = NULL;
	const json_t *service;
	size_t index;
	int parsed = arguments_parse(argc, argv, &spec, &arguments);
	int code;

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	code = client_open(&client, &arguments);
	if (code == COMMAND_DONE) {
		HC_AUTO_FREE path = client_path("services", status_namespace(&client), NULL);

		code = client_request(&client, "GET", path, NULL, NO_BODY, &list);
	}
	if (code == COMMAND_DONE) {
		arguments.all_namespaces = true;
		print_objects(&arguments, "services", list);
		json_array_foreach(json_object_get(list, "items"), index, service)
		{
			if (strcmp(json_text_at(json_condition(service, "Ready"), "status", NULL), "True") != 0)
				code = COMMAND_FAILED;
		}
	}
	json_decref(list);
	client_close(&client);
	return code;
}

const struct command command_status = {"status", "all Services, and why one isn't as declared", run_status};

static int run_events(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia events [NAME] [OPTION…]",
		.help = "What happened, oldest first; with NAME only of that Service and its Deployments.\n",
		.letters = "nAo",
		.positions_max = 1,
	};
	struct arguments arguments;
	struct client client;
	HC_AUTO_FREE path = NULL;
	json_t *list = NULL;
	int parsed = arguments_parse(argc, argv, &spec, &arguments);
	int code;

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	path = client_path("events", arguments.all_namespaces ? NULL : arguments.namespace_name, NULL);
	code = client_open(&client, &arguments);
	if (code == COMMAND_DONE)
		code = client_request(&client, "GET", path, NULL, NO_BODY, &list);
	if (code == COMMAND_DONE) {
		if (arguments.output != OUTPUT_TABLE)
			output_value(list, arguments.output);
		else
			output_events(list, arguments.position_count ? arguments.positions[0] : NULL);
	}
	json_decref(list);
	client_close(&client);
	return code;
}

const struct command command_events = {"events", "what happened, oldest first", run_events};
