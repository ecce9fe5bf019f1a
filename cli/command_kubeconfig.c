/* `helvetia kubeconfig` writes the way to the API as kubectl wants it; `helvetia login` takes one that
 * somebody else has written. */
#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "client.h"
#include "command.h"
#include "invitation.h"
#include "kubeconfig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CA_BYTES_MAX (256 * 1024)
#define FILE_BYTES_MAX (256 * 1024)
#define TOKEN_BYTES_MAX 4096

int invitation_config(struct client *client, const char *token, const char *namespace_name,
					  json_t **ret_config)
{
	const struct access_way *way = &client->way;
	const char *server = client->arguments->server ? client->arguments->server
						 : way->public_server      ? way->public_server
												   : way->server;
	HC_AUTO_FREE authority = way->ca_text ? hc_xstrdup(way->ca_text) : NULL;
	struct hc_error err = {0};

	if (!server || !hc_starts_with(server, "https://")) {
		fprintf(stderr, "helvetia: --server: \"%s\" does not begin with https://: tokens go over TLS only\n",
				server ? server : "");
		return COMMAND_USAGE;
	}
	if (!authority && way->ca_file && hc_file_read(way->ca_file, CA_BYTES_MAX, &authority, NULL, &err))
		return client_failed(&err);
	HC_AUTO_FREE name = hc_xprintf("helvetia%s%s",
								   way->domain && !hc_streq(way->domain, "localhost") ? "-" : "",
								   way->domain && !hc_streq(way->domain, "localhost") ? way->domain : "");
	struct kubeconfig_context context = {.name = name,
										 .server = hc_xstrdup(server),
										 .authority = authority,
										 .token = hc_xstrdup(token),
										 .namespace_name = hc_xstrdup(namespace_name)};
	*ret_config = kubeconfig_make(&context);
	free(context.server);
	free(context.token);
	free(context.namespace_name);
	return COMMAND_DONE;
}

/* The file that kubectl itself would write to: the first of several. */
static char *merge_target(const struct arguments *arguments)
{
	char *files = arguments->output_file ? hc_xstrdup(arguments->output_file) : kubeconfig_default_files();

	if (files && !arguments->output_file)
		files[strcspn(files, ":")] = '\0';
	return files;
}

static int merge(const struct arguments *arguments, const json_t *config)
{
	HC_AUTO_FREE path = merge_target(arguments);
	struct hc_error err = {0};

	if (!path || !*path) {
		fputs("helvetia: neither KUBECONFIG nor HOME is set; name a file with -o FILE\n", stderr);
		return COMMAND_USAGE;
	}
	if (kubeconfig_merge(path, config, &err))
		return client_failed(&err);
	fprintf(stderr, "context \"%s\" is in %s, and the current one\n",
			json_text_at(config, "current-context", NULL), path);
	return COMMAND_DONE;
}

static int write_config(const struct arguments *arguments, const json_t *config)
{
	HC_AUTO_FREE text = kubeconfig_text(config);
	struct hc_error err = {0};

	if (arguments->merge)
		return merge(arguments, config);
	if (!arguments->output_file)
		return printf("%s", text) < 0 ? COMMAND_FAILED : COMMAND_DONE;
	if (hc_file_write(arguments->output_file, text, strlen(text), 0600, &err))
		return client_failed(&err);
	fprintf(stderr, "wrote %s\n", arguments->output_file);
	return COMMAND_DONE;
}

/* On this machine we speak without a token; kubectl can't. */
static char *token_of(const struct client *client, struct hc_error *err)
{
	struct access_way way;
	struct arguments arguments = *client->arguments;

	if (client->way.token)
		return hc_xstrdup(client->way.token);
	arguments.without_socket = true;
	if (access_find(&arguments, &way, err))
		return NULL;
	char *token = hc_take(&way.token);
	access_done(&way);
	if (!token)
		(void)hc_fail(err, HC_NOT_FOUND, "there is no token to write; make one with `helvetia token create`");
	return token;
}

static int run_kubeconfig(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia kubeconfig [-o FILE | --merge] [--namespace NS] [--server URL]",
		.help =
			"Writes a kubeconfig with our own token, so that kubectl reaches the same API. Without -o and "
			"--merge it is\nprinted. For somebody else use `helvetia invite`.\n",
		.letters = "nOMU",
	};
	struct arguments arguments;
	struct client client;
	struct hc_error err = {0};
	json_t *config = NULL;
	int parsed = arguments_parse(argc, argv, &spec, &arguments);

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	int code = client_open(&client, &arguments);
	if (code != COMMAND_DONE)
		return code;
	HC_AUTO_FREE token = token_of(&client, &err);
	code = token ? invitation_config(&client, token, arguments.namespace_name, &config) : client_failed(&err);
	if (code == COMMAND_DONE)
		code = write_config(&arguments, config);
	json_decref(config);
	client_close(&client);
	return code;
}

const struct command command_kubeconfig = {"kubeconfig", "write the way to the API for kubectl",
										   run_kubeconfig};

/* --- login --- */

static int read_input(char **ret_text, struct hc_error *err)
{
	HC_AUTO_TEXT text = {0};
	char piece[4096];
	size_t count;

	if (isatty(STDIN_FILENO))
		fputs("paste the invitation, then press Ctrl-D:\n", stderr);
	while ((count = fread(piece, 1, sizeof piece, stdin)) > 0 && text.length <= FILE_BYTES_MAX)
		hc_text_append_bytes(&text, piece, count);
	if (text.length > FILE_BYTES_MAX)
		return hc_fail(err, HC_INVALID, "standard input is larger than %d bytes", FILE_BYTES_MAX);
	*ret_text = hc_text_take(&text);
	return 0;
}

/* An invitation is a file, "-", or the address of an API whose token comes from standard input. */
static int read_invitation(const struct arguments *arguments, const char *given,
						   struct kubeconfig_context *context, struct hc_error *err)
{
	HC_AUTO_FREE text = NULL;

	if (hc_starts_with(given, "https://")) {
		if (read_input(&text, err))
			return -1;
		text[strcspn(text, " \t\r\n")] = '\0';
		*context = (struct kubeconfig_context){.name = hc_xstrdup("helvetia"),
											   .server = hc_xstrdup(given),
											   .token = hc_xstrdup(text),
											   .namespace_name = hc_xstrdup(arguments->namespace_name)};
		const char *authority = getenv("HELVETIA_CA");
		return authority && *authority ? hc_file_read(authority, CA_BYTES_MAX, &context->authority, NULL, err)
									   : 0;
	}
	if (strcmp(given, "-") != 0)
		return kubeconfig_read(given, NULL, context, err);
	return read_input(&text, err) ? -1 : kubeconfig_parse(text, strlen(text), context, err);
}

/* Proves that the token is good before anything is written. */
static int try_it(const struct kubeconfig_context *context, const struct arguments *arguments)
{
	struct http_client_options options = {
		.base_url = context->server, .ca_text = context->authority, .token = context->token};
	struct client client = {.arguments = arguments};
	struct hc_error err = {0};
	json_t *answer = NULL;
	json_t *question = json_pack("{s:s, s:s}", "apiVersion", "authentication.k8s.io/v1", "kind",
								 "SelfSubjectReview");
	int code = http_client_open(&options, &client.http, &err) ? client_failed(&err) : COMMAND_DONE;

	if (code == COMMAND_DONE)
		code = client_request(&client, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews",
							  "application/json", question, &answer);
	if (code == COMMAND_DONE)
		fprintf(stderr, "you are \"%s\" at %s\n",
				json_text_at(answer, "status", "userInfo", "username", NULL), context->server);
	json_decref(question);
	json_decref(answer);
	client_close(&client);
	return code;
}

static int run_login(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia login FILE | - | https://API [--namespace NS] [-o KUBECONFIG]",
		.help = "Takes an invitation (a kubeconfig, - for one on standard input), tries it, and puts it into "
				"$KUBECONFIG or\n~/.kube/config. With an address instead, the token is read from standard "
				"input, and "
				"HELVETIA_CA names\nthe file of its certificate authority unless the system knows it.\n",
		.letters = "nO",
		.positions_min = 1,
		.positions_max = 1,
	};
	struct arguments arguments;
	struct kubeconfig_context context = {0};
	struct hc_error err = {0};
	int parsed = arguments_parse(argc, argv, &spec, &arguments);

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	if (read_invitation(&arguments, arguments.positions[0], &context, &err)) {
		kubeconfig_done(&context);
		return client_failed(&err);
	}
	int code = try_it(&context, &arguments);
	if (code == COMMAND_DONE) {
		json_t *config = kubeconfig_make(&context);
		code = merge(&arguments, config);
		json_decref(config);
	}
	kubeconfig_done(&context);
	return code;
}

const struct command command_login = {"login", "take an invitation to a platform elsewhere", run_login};
