/* `helvetia scale`, `suspend`, `resume`, `delete`: one merge patch or one DELETE an object. */
#include "base/alloc.h"
#include "change.h"
#include "client.h"
#include "command.h"
#include "manifest.h"
#include "output.h"
#include "wait.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int wait_one(struct client *client, const char *name, bool gone)
{
	struct wait_targets targets = {0};
	int code;

	wait_targets_add(&targets, client->arguments->namespace_name, name, gone);
	code = wait_for(client, &targets, client->arguments->timeout_seconds);
	wait_targets_done(&targets);
	return code;
}

int change_spec(const struct arguments *arguments, const char *name, const char *manager, json_t *spec_take,
				const char *done)
{
	HC_AUTO_FREE path = client_path("services", arguments->namespace_name, name);
	HC_AUTO_FREE target = hc_xprintf("%s?fieldManager=%s", path, manager);
	json_t *patch = json_pack("{s:o}", "spec", spec_take);
	struct client client;
	json_t *object = NULL;
	int code = client_open(&client, arguments);

	if (code == COMMAND_DONE)
		code = client_request(&client, "PATCH", target, MERGE_PATCH, patch, &object);
	if (code == COMMAND_DONE) {
		if (arguments->output != OUTPUT_TABLE)
			output_value(object, arguments->output);
		else
			printf("service/%s %s\n", name, done);
		if (arguments->wait)
			code = wait_one(&client, name, false);
	}
	json_decref(object);
	json_decref(patch);
	client_close(&client);
	return code;
}

static int run_scale(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia scale NAME REPLICAS [--wait] [OPTION…]",
		.help = "0 stops the Service and keeps what it is; scaling up again starts the current revision.\n",
		.letters = "nowt",
		.positions_min = 2,
		.positions_max = 2,
	};
	struct arguments arguments;
	char *end;
	long replicas;
	int parsed = arguments_parse(argc, argv, &spec, &arguments);

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	errno = 0;
	replicas = strtol(arguments.positions[1], &end, 10);
	if (errno || *end || end == arguments.positions[1]) {
		fprintf(stderr, "helvetia: REPLICAS: \"%s\" is not a whole number\n", arguments.positions[1]);
		return COMMAND_USAGE;
	}
	return change_spec(&arguments, arguments.positions[0], "helvetia-scale",
					   json_pack("{s:I}", "replicas", (json_int_t)replicas), "scaled");
}

const struct command command_scale = {"scale", "set the number of replicas", run_scale};

static int set_suspend(int argc, char **argv, const struct arguments_spec *spec, bool suspend)
{
	struct arguments arguments;
	int parsed = arguments_parse(argc, argv, spec, &arguments);

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	return change_spec(&arguments, arguments.positions[0], "helvetia-suspend",
					   json_pack("{s:b}", "suspend", suspend), suspend ? "suspended" : "resumed");
}

static int run_suspend(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia suspend NAME [--wait] [OPTION…]",
		.help = "Stops a Service and keeps it stopped through any restart, until `helvetia resume NAME`.\n",
		.letters = "nowt",
		.positions_min = 1,
		.positions_max = 1,
	};

	return set_suspend(argc, argv, &spec, true);
}

const struct command command_suspend = {"suspend", "stop a Service and keep it stopped", run_suspend};

static int run_resume(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia resume NAME [--wait] [OPTION…]",
		.help = "Starts a suspended Service again with its current revision.\n",
		.letters = "nowt",
		.positions_min = 1,
		.positions_max = 1,
	};

	return set_suspend(argc, argv, &spec, false);
}

const struct command command_resume = {"resume", "start a suspended Service again", run_resume};

static int delete_one(struct client *client, const char *plural, const char *namespace_name, const char *name,
					  struct wait_targets *targets)
{
	HC_AUTO_FREE path = client_path(plural, namespace_name, name);
	json_t *answer = NULL;
	int code = client_request(client, "DELETE", path, NULL, NO_BODY, &answer);

	if (code == COMMAND_DONE) {
		printf("%s/%s deleted\n", plural, name);
		if (strcmp(plural, "services") == 0)
			wait_targets_add(targets, namespace_name, name, true);
	}
	json_decref(answer);
	return code;
}

/* Last document first, so that what stands in a namespace goes before the namespace. */
static int delete_manifest(struct client *client, const struct manifest *manifest,
						   struct wait_targets *targets)
{
	int worst = COMMAND_DONE;

	for (size_t index = manifest->count; index-- > 0;) {
		const json_t *object = manifest->items[index].object;
		HC_AUTO_FREE word = hc_xstrdup(json_text_at(object, "kind", NULL));
		const char *namespace_name = json_text_at(object, "metadata", "namespace", NULL);
		const char *plural;
		int code;

		for (char *at = word; *at; at++)
			*at = (char)(*at >= 'A' && *at <= 'Z' ? *at + ('a' - 'A') : *at);
		plural = client_plural(word);
		if (!plural) {
			fprintf(stderr, "helvetia: %s: there is no kind \"%s\"\n", manifest->items[index].source,
					json_text_at(object, "kind", NULL));
			return COMMAND_INVALID;
		}
		code = delete_one(client, plural,
						  *namespace_name ? namespace_name : client->arguments->namespace_name,
						  json_text_at(object, "metadata", "name", NULL), targets);
		if (code != COMMAND_DONE)
			worst = code;
	}
	return worst;
}

static int run_delete(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia delete NAME | helvetia delete KIND NAME | helvetia delete -f FILE|DIR|- "
				 "[OPTION…]",
		.help = "Takes a Service off the proxy, drains and removes its containers. Volumes stay unless their "
				"onDelete\n"
				"says Delete.\n",
		.letters = "nfwt",
		.positions_max = 2,
	};
	struct arguments arguments;
	struct manifest manifest = {0};
	struct wait_targets targets = {0};
	struct client client;
	const char *plural = "services";
	int parsed = arguments_parse(argc, argv, &spec, &arguments);
	int code = COMMAND_DONE;

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	if (arguments.position_count == 2)
		plural = client_plural(arguments.positions[0]);
	if (!plural) {
		fprintf(stderr, "helvetia: there is no kind \"%s\"\n", arguments.positions[0]);
		return COMMAND_USAGE;
	}
	if (!arguments.position_count)
		code = manifest_read(&arguments, &manifest);
	if (code != COMMAND_DONE)
		return code;
	code = client_open(&client, &arguments);
	if (code == COMMAND_DONE)
		code = arguments.position_count
				   ? delete_one(&client, plural, arguments.namespace_name,
								arguments.positions[arguments.position_count - 1], &targets)
				   : delete_manifest(&client, &manifest, &targets);
	if (code == COMMAND_DONE && arguments.wait)
		code = wait_for(&client, &targets, arguments.timeout_seconds);
	wait_targets_done(&targets);
	client_close(&client);
	manifest_done(&manifest);
	return code;
}

const struct command command_delete = {"delete", "remove a Service or other object", run_delete};
