/* `helvetia logs`: what the containers of a Service (or of one of its Deployments) write, or its build. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "client.h"
#include "command.h"
#include "logs.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_EVERY_MS 500

static int print_piece(const char *data, size_t length, void *payload)
{
	(void)payload;
	if (fwrite(data, 1, length, stdout) != length || fflush(stdout))
		return 1; /* the reader of our pipe went away */
	return 0;
}

static char *log_path(const struct arguments *arguments, const char *plural, const char *name)
{
	HC_AUTO_FREE object = client_path(plural, arguments->namespace_name, name);
	HC_AUTO_TEXT path = {0};

	hc_text_printf(&path, "%s/log?follow=%s&timestamps=%s", object, arguments->follow ? "true" : "false",
				   arguments->timestamps ? "true" : "false");
	if (arguments->tail_lines >= 0)
		hc_text_printf(&path, "&tailLines=%lld", (long long)arguments->tail_lines);
	return hc_text_take(&path);
}

/* --- which build --- */

char *logs_build_of(const json_t *deployments, const char *service, bool *ret_coming)
{
	const json_t *newest = NULL;
	const json_t *built = NULL;
	const json_t *item;
	size_t index;

	json_array_foreach(json_object_get(deployments, "items"), index, item)
	{
		json_int_t revision = json_number_at(item, "spec", "revision", NULL);

		if (strcmp(json_text_at(item, "spec", "service", NULL), service) != 0)
			continue;
		if (!newest || revision > json_number_at(newest, "spec", "revision", NULL))
			newest = item;
		if (*json_text_at(item, "status", "build", NULL) &&
			(!built || revision > json_number_at(built, "spec", "revision", NULL)))
			built = item;
	}
	/* One that is still looking for its source has no build yet, but will. */
	*ret_coming = newest && newest != built &&
				  strcmp(json_text_at(newest, "status", "phase", NULL), "BUILDING") == 0 &&
				  !*json_text_at(newest, "spec", "template", "image", NULL);
	return built ? hc_xstrdup(json_text_at(built, "status", "build", NULL)) : NULL;
}

/* The newest build that a Deployment of the Service names; with --follow one that is coming is waited for. */
static int find_service_build(struct client *client, const char *service, char **ret_build)
{
	const struct arguments *arguments = client->arguments;
	HC_AUTO_FREE path = client_path("deployments", arguments->namespace_name, NULL);
	int64_t deadline_ms = hc_clock_boot_ms() + (int64_t)arguments->timeout_seconds * 1000;
	bool told = false;

	for (;;) {
		json_t *deployments = NULL;
		bool coming = false;
		int code = client_request(client, "GET", path, NULL, NO_BODY, &deployments);

		if (code != COMMAND_DONE)
			return code;
		HC_AUTO_FREE build = logs_build_of(deployments, service, &coming);
		json_decref(deployments);
		if (build && !(coming && arguments->follow)) {
			*ret_build = hc_take(&build);
			return COMMAND_DONE;
		}
		if (!coming || !arguments->follow) {
			fprintf(stderr, "helvetia: there is no build \"%s\", and no service of that name has one%s\n",
					service, coming ? " yet" : "");
			return COMMAND_NOT_FOUND;
		}
		if (hc_clock_boot_ms() > deadline_ms)
			return COMMAND_TIMEOUT;
		if (!told)
			fprintf(stderr, "helvetia: waiting for the build of %s\n", service);
		told = true;
		(void)poll(NULL, 0, ASK_EVERY_MS);
	}
}

static int find_build(struct client *client, const char *name, char **ret_build)
{
	HC_AUTO_FREE path = client_path("builds", client->arguments->namespace_name, name);
	json_t *build = NULL;
	int code = client_find(client, path, &build);

	if (code == COMMAND_DONE && build)
		*ret_build = hc_xstrdup(name);
	else if (code == COMMAND_DONE)
		code = find_service_build(client, name, ret_build);
	json_decref(build);
	return code;
}

/* --- the command --- */

static int print_log(struct client *client, const char *path)
{
	struct http_response response = {0};
	struct hc_error err = {0};
	int code = COMMAND_DONE;

	if (http_client_stream(client->http, path, print_piece, NULL, &response, &err))
		code = err.class == HC_CANCELED ? COMMAND_DONE : client_failed(&err);
	else if (response.status != 200)
		code = client_refused(&response);
	http_response_done(&response);
	return code;
}

static int run_logs(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia logs NAME | deployment/NAME | --build NAME [-f] [--tail LINES] [OPTION…]",
		.help = "The log of a Service is that of its current Deployment, or of the newest when none is "
				"current. Of a\n"
				"Deployment that is still being built it is the build's log, then its containers'; of one "
				"whose\n"
				"containers are gone, the kept end. With --build NAME is a Build, or a Service: then its "
				"newest one.\n",
		.letters = "nFTSbt",
		.positions_min = 1,
		.positions_max = 1,
	};
	struct arguments arguments;
	struct client client;
	HC_AUTO_FREE build = NULL;
	int parsed = arguments_parse(argc, argv, &spec, &arguments);

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	const char *name = arguments.positions[0];
	const char *plural = hc_starts_with(name, "deployment/") ? "deployments" : "services";
	if (hc_starts_with(name, "build/"))
		arguments.build = true;
	if (strchr(name, '/'))
		name = strchr(name, '/') + 1;
	int code = client_open(&client, &arguments);
	if (code == COMMAND_DONE && arguments.build)
		code = find_build(&client, name, &build);
	if (code == COMMAND_DONE) {
		HC_AUTO_FREE path = build ? log_path(&arguments, "builds", build)
								  : log_path(&arguments, plural, name);
		code = print_log(&client, path);
	}
	client_close(&client);
	return code;
}

const struct command command_logs = {"logs", "what the containers of a Service write, or its build",
									 run_logs};
