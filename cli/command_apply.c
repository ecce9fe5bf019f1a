/* `helvetia apply` and `helvetia plan`: both are one POST /apply; plan asks for a dry run and shows why. */
#include "base/alloc.h"
#include "base/text.h"
#include "client.h"
#include "command.h"
#include "manifest.h"
#include "output.h"
#include "wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *apply_path(const struct arguments *arguments, bool dry_run)
{
	HC_AUTO_FREE manager = http_escape(arguments->field_manager);
	HC_AUTO_FREE namespace_name = http_escape(arguments->namespace_name);

	HC_AUTO_FREE set = http_escape(arguments->set ? arguments->set : "");

	return hc_xprintf("/apply?fieldManager=%s&namespace=%s%s%s%s%s%s", manager, namespace_name,
					  arguments->force ? "&force=true" : "", dry_run ? "&dryRun=true" : "",
					  arguments->set ? "&set=" : "", set, arguments->prune ? "&prune=true" : "");
}

static int post(struct client *client, const struct manifest *manifest, bool dry_run, json_t **ret_result)
{
	HC_AUTO_FREE path = apply_path(client->arguments, dry_run);
	HC_AUTO_TEXT body = {0};
	int code;

	for (size_t index = 0; index < manifest->count; index++) {
		HC_AUTO_FREE text = json_dumps(manifest->items[index].object, JSON_COMPACT);

		hc_text_printf(&body, "%s\n", text);
	}
	code = client_request_text(client, "POST", path, "application/json", body.data, body.length, ret_result);
	/* The API counts documents; the person knows files. */
	for (size_t index = 0; code == COMMAND_INVALID && manifest->count > 1 && index < manifest->count; index++)
		fprintf(stderr, "  document %zu is %s\n", index + 1, manifest->items[index].source);
	return code;
}

static void print_lines(const json_t *lines, const char *indent)
{
	const json_t *line;
	size_t index;

	json_array_foreach(lines, index, line)
	{
		if (json_is_string(line))
			printf("%s%s\n", indent, json_string_value(line));
	}
}

static void print_plan(const json_t *plan)
{
	if (json_is_string(plan))
		printf("%s", json_string_value(plan));
	else
		print_lines(plan, "  ");
}

static void print_item(const json_t *item, bool dry_run, bool with_plan)
{
	const char *consequence = json_text_at(item, "consequence", NULL);
	const json_t *warning;
	size_t index;

	printf("%s/%s %s%s%s%s%s\n", json_text_at(item, "kind", NULL), json_text_at(item, "name", NULL),
		   json_text_at(item, "action", NULL), *consequence ? " (" : "", consequence, *consequence ? ")" : "",
		   dry_run ? " (dry run)" : "");
	json_array_foreach(json_object_get(item, "warnings"), index, warning)
	{
		fprintf(stderr, "  warning: %s\n", json_string_value(warning));
	}
	if (dry_run)
		print_lines(json_object_get(item, "diff"), "    ");
	if (with_plan)
		print_plan(json_object_get(item, "plan"));
}

static void print_result(const struct arguments *arguments, const json_t *result, bool dry_run,
						 bool with_plan)
{
	const json_t *item;
	size_t index;

	if (arguments->output != OUTPUT_TABLE) {
		output_value(result, arguments->output);
		return;
	}
	json_array_foreach(json_object_get(result, "items"), index, item)
	{
		print_item(item, dry_run, with_plan);
	}
}

/* Whether anything differs from what is stored. */
static bool differs(const json_t *result)
{
	const json_t *item;
	size_t index;

	json_array_foreach(json_object_get(result, "items"), index, item)
	{
		if (strcmp(json_text_at(item, "action", NULL), "unchanged") != 0)
			return true;
	}
	return false;
}

static int wait_for_services(struct client *client, const json_t *result)
{
	struct wait_targets targets = {0};
	const json_t *item;
	size_t index;
	int code;

	json_array_foreach(json_object_get(result, "items"), index, item)
	{
		if (strcmp(json_text_at(item, "kind", NULL), "Service") == 0)
			wait_targets_add(&targets, json_text_at(item, "namespace", NULL),
							 json_text_at(item, "name", NULL),
							 strcmp(json_text_at(item, "action", NULL), "pruned") == 0);
	}
	code = wait_for(client, &targets, client->arguments->timeout_seconds);
	wait_targets_done(&targets);
	return code;
}

static int run_apply(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia apply -f FILE|DIR|- [--dry-run] [--wait] [--set NAME [--prune]] [OPTION…]",
		.help =
			"Makes what the manifests declare the desired state: all of them in one transaction, or "
			"nothing.\n"
			"Fields that a manifest no longer mentions are given back. With --set and --prune, Services and "
			"Secrets that an\n"
			"earlier apply of the set contained and this one does not are removed. A set belongs to a "
			"namespace (-n).\n",
		.letters = "nofdwtxmPE",
	};
	struct arguments arguments;
	struct manifest manifest;
	struct client client;
	json_t *result = NULL;
	int parsed = arguments_parse(argc, argv, &spec, &arguments);
	int code;

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	code = manifest_read(&arguments, &manifest);
	if (code != COMMAND_DONE)
		return code;
	code = client_open(&client, &arguments);
	if (code == COMMAND_DONE)
		code = post(&client, &manifest, arguments.dry_run, &result);
	if (code == COMMAND_DONE) {
		print_result(&arguments, result, arguments.dry_run, false);
		if (arguments.wait && !arguments.dry_run)
			code = wait_for_services(&client, result);
	}
	json_decref(result);
	client_close(&client);
	manifest_done(&manifest);
	return code;
}

const struct command command_apply = {"apply", "make manifests the desired state", run_apply};

/* The live object as a manifest: what applying it again would do is what the controller would do now. */
static int manifest_of_live(struct client *client, const char *name, struct manifest *ret_manifest)
{
	HC_AUTO_FREE path = client_path("services", client->arguments->namespace_name, name);
	json_t *live = NULL;
	json_t *object;
	int code = client_request(client, "GET", path, NULL, NO_BODY, &live);

	*ret_manifest = (struct manifest){0};
	if (code != COMMAND_DONE)
		return code;
	object = json_pack("{s:O, s:O, s:{s:s, s:s}, s:O}", "apiVersion", json_object_get(live, "apiVersion"),
					   "kind", json_object_get(live, "kind"), "metadata", "name", name, "namespace",
					   json_text_at(live, "metadata", "namespace", NULL), "spec",
					   json_object_get(live, "spec"));
	json_decref(live);
	ret_manifest->items = hc_xalloc(sizeof *ret_manifest->items);
	ret_manifest->items[0] = (struct manifest_item){.object = object,
													.source = hc_xprintf("service/%s", name)};
	ret_manifest->count = 1;
	return COMMAND_DONE;
}

static int run_plan(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia plan NAME | helvetia plan -f FILE|DIR|- [OPTION…]",
		.help = "Shows what would happen, and why: the difference, its consequence, and the actions in order "
				"as the\n"
				"controller itself would decide them. Writes nothing.\n",
		.letters = "nofxmPE",
		.positions_max = 1,
	};
	struct arguments arguments;
	struct manifest manifest = {0};
	struct client client;
	json_t *result = NULL;
	int parsed = arguments_parse(argc, argv, &spec, &arguments);
	int code;

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	if (arguments.position_count == 1)
		arguments.force = true; /* one's own live fields are no conflict */
	code = client_open(&client, &arguments);
	if (code == COMMAND_DONE)
		code = arguments.position_count == 1 ? manifest_of_live(&client, arguments.positions[0], &manifest)
											 : manifest_read(&arguments, &manifest);
	if (code == COMMAND_DONE)
		code = post(&client, &manifest, true, &result);
	if (code == COMMAND_DONE)
		print_result(&arguments, result, true, true);
	json_decref(result);
	client_close(&client);
	manifest_done(&manifest);
	return code;
}

const struct command command_plan = {"plan", "show what would happen, and why", run_plan};

/* 0, 1 and more as kubectl's diff: so a script can ask. */
static int run_diff(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia diff -f FILE|DIR|- [--set NAME [--prune]] [OPTION…]",
		.help = "Shows what applying the manifests would change, and what follows from it. Writes nothing.\n"
				"Exit code 0: nothing; 1: something; more: it could not be found out.\n",
		.letters = "nofxmPE",
	};
	struct arguments arguments;
	struct manifest manifest;
	struct client client;
	json_t *result = NULL;
	int parsed = arguments_parse(argc, argv, &spec, &arguments);

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	int code = manifest_read(&arguments, &manifest);
	if (code != COMMAND_DONE)
		return code;
	code = client_open(&client, &arguments);
	if (code == COMMAND_DONE)
		code = post(&client, &manifest, true, &result);
	if (code == COMMAND_DONE && differs(result)) {
		print_result(&arguments, result, true, false);
		code = COMMAND_FAILED;
	}
	json_decref(result);
	client_close(&client);
	manifest_done(&manifest);
	return code;
}

const struct command command_diff = {"diff", "show what applying manifests would change", run_diff};
