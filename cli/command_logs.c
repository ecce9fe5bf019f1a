/* `helvetia logs`: what the containers of a Service (or of one of its Deployments) write. */
#include "base/alloc.h"
#include "base/text.h"
#include "client.h"
#include "command.h"

#include <stdio.h>
#include <string.h>

static int print_piece(const char *data, size_t length, void *payload)
{
	(void)payload;
	if (fwrite(data, 1, length, stdout) != length || fflush(stdout))
		return 1; /* the reader of our pipe went away */
	return 0;
}

static char *log_path(const struct arguments *arguments)
{
	const char *name = arguments->positions[0];
	bool deployment = hc_starts_with(name, "deployment/");
	const char *slash = strchr(name, '/');
	HC_AUTO_FREE object = client_path(deployment ? "deployments" : "services", arguments->namespace_name,
									  slash ? slash + 1 : name);
	HC_AUTO_TEXT path = {0};

	hc_text_printf(&path, "%s/log?follow=%s&timestamps=%s", object, arguments->follow ? "true" : "false",
				   arguments->timestamps ? "true" : "false");
	if (arguments->tail_lines >= 0)
		hc_text_printf(&path, "&tailLines=%lld", (long long)arguments->tail_lines);
	return hc_text_take(&path);
}

static int run_logs(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia logs NAME | deployment/NAME [-f] [--tail LINES] [OPTION…]",
		.help = "The log of a Service is that of its current Deployment, or of the newest when none is "
				"current. Of a\n"
				"Deployment whose containers are gone, the kept end is shown.\n",
		.letters = "nFTS",
		.positions_min = 1,
		.positions_max = 1,
	};
	struct arguments arguments;
	struct http_response response = {0};
	struct client client;
	struct hc_error err = {0};
	HC_AUTO_FREE path = NULL;
	int parsed = arguments_parse(argc, argv, &spec, &arguments);
	int code;

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	path = log_path(&arguments);
	code = client_open(&client, &arguments);
	if (code == COMMAND_DONE && http_client_stream(client.http, path, print_piece, NULL, &response, &err)) {
		code = err.class == HC_CANCELED ? COMMAND_DONE : client_failed(&err);
	} else if (code == COMMAND_DONE && response.status != 200) {
		code = client_refused(&response);
	}
	http_response_done(&response);
	client_close(&client);
	return code;
}

const struct command command_logs = {"logs", "what the containers of a Service write", run_logs};
