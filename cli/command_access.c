/* `helvetia token` and `helvetia invite`: who may use the platform. A token's text is in the answer that made
 * it only, so it is printed by itself on standard output, and everything else on standard error. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "client.h"
#include "command.h"
#include "invitation.h"
#include "kubeconfig.h"
#include "output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- expiry --- */

static int64_t unit_ms(char unit)
{
	switch (unit) {
	case 'm':
		return 60000LL;
	case 'h':
		return 3600000LL;
	case 'd':
		return 86400000LL;
	case 'w':
		return 7 * 86400000LL;
	case 'y':
		return 365 * 86400000LL;
	default:
		return 0;
	}
}

int invitation_expiry(const char *text, int64_t now_wall_ms, char *time, size_t size)
{
	char formatted[HC_TIME_TEXT_SIZE];
	int64_t wall_ms = 0;
	char *end = NULL;

	if (hc_clock_parse(text, &wall_ms)) {
		long long count = strtoll(text, &end, 10);
		int64_t unit = *end && !end[1] ? unit_ms(*end) : 0;
		if (end == text || count < 1 || count > 100000 || !unit || count > 100LL * 365 * 86400000 / unit) {
			fprintf(stderr,
					"helvetia: --expires: \"%s\" is neither a time such as 2030-01-31T12:00:00Z nor a "
					"duration such as 12h, 30d, 1y\n",
					text);
			return -1;
		}
		wall_ms = now_wall_ms + count * unit;
	}
	hc_clock_format(wall_ms, formatted);
	(void)snprintf(time, size, "%s", formatted);
	return 0;
}

/* --- making --- */

/* name NULL: the server makes one up, beginning with prefix. */
static int make_token(struct client *client, const char *name, const char *prefix, const char *user,
					  json_t **ret_token)
{
	const struct arguments *arguments = client->arguments;
	HC_AUTO_FREE path = client_path("tokens", arguments->namespace_name, NULL);
	json_t *spec = json_pack("{s:s, s:b}", "role", arguments->role, "allNamespaces",
							 arguments->all_namespaces);
	char expires[HC_TIME_TEXT_SIZE];

	if (arguments->expires) {
		if (invitation_expiry(arguments->expires, hc_clock_wall_ms(), expires, sizeof expires)) {
			json_decref(spec);
			return COMMAND_USAGE;
		}
		json_object_set_new(spec, "expiresAt", json_string(expires));
	}
	if (arguments->description)
		json_object_set_new(spec, "description", json_string(arguments->description));
	if (user)
		json_object_set_new(spec, "user", json_string(user));
	json_t *body = json_pack("{s:s, s:s, s:{s:s}, s:o}", "apiVersion", "helvetia.cloud/v1", "kind", "Token",
							 "metadata", name ? "name" : "generateName", name ? name : prefix, "spec", spec);
	int code = client_request(client, "POST", path, "application/json", body, ret_token);
	json_decref(body);
	return code;
}

static void say_reach(const struct arguments *arguments)
{
	fprintf(stderr, "%s in %s%s", arguments->role,
			arguments->all_namespaces ? "all namespaces" : "namespace ",
			arguments->all_namespaces ? "" : arguments->namespace_name);
}

static int token_create(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage =
			"usage: helvetia token create NAME [--role ROLE] [--namespace NS | --all-namespaces] [OPTION…]",
		.help =
			"Makes a token and prints it: now, and never again. For a person rather use `helvetia invite`.\n",
		.letters = "nArueDo",
		.positions_min = 1,
		.positions_max = 1,
	};
	struct arguments arguments;
	struct client client;
	json_t *token = NULL;
	int parsed = arguments_parse(argc, argv, &spec, &arguments);

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	int code = client_open(&client, &arguments);
	if (code != COMMAND_DONE)
		return code;
	code = make_token(&client, arguments.positions[0], NULL, arguments.user, &token);
	if (code == COMMAND_DONE && arguments.output != OUTPUT_TABLE) {
		output_value(token, arguments.output);
	} else if (code == COMMAND_DONE) {
		fprintf(stderr, "token \"%s\": ", arguments.positions[0]);
		say_reach(&arguments);
		fputs("; this is the only time that it is shown:\n", stderr);
		puts(json_text_at(token, "status", "token", NULL));
	}
	json_decref(token);
	client_close(&client);
	return code;
}

/* --- listing and revoking --- */

static void age_or(const char *time, const char *otherwise, char *text, size_t size)
{
	if (*time)
		client_age(time, text, size);
	else
		(void)snprintf(text, size, "%s", otherwise);
}

static void print_tokens(const json_t *list)
{
	static const char *const columns[] = {"NAMESPACE", "NAME", "ROLE", "USER", "EXPIRES", "LAST USE", "AGE"};
	HC_AUTO(table) table = table_new(columns, HC_COUNT(columns));
	const json_t *token;
	size_t index;

	json_array_foreach(json_object_get(list, "items"), index, token)
	{
		bool wide = json_is_true(json_object_get(json_object_get(token, "spec"), "allNamespaces"));
		const char *expires = json_text_at(token, "spec", "expiresAt", NULL);
		HC_AUTO_FREE where = hc_xprintf("%s%s", json_text_at(token, "metadata", "namespace", NULL),
										wide ? " (all)" : "");
		char used[32], age[32];
		int64_t expires_ms = 0;
		bool over = *expires && hc_clock_parse(expires, &expires_ms) == 0 && expires_ms <= hc_clock_wall_ms();

		age_or(json_text_at(token, "status", "lastUsedTime", NULL), "never", used, sizeof used);
		age_or(json_text_at(token, "metadata", "creationTimestamp", NULL), "-", age, sizeof age);
		table_add(table, (const char *const[]){where, json_text_at(token, "metadata", "name", NULL),
											   json_text_at(token, "spec", "role", NULL),
											   *json_text_at(token, "spec", "user", NULL)
												   ? json_text_at(token, "spec", "user", NULL)
												   : "-",
											   over       ? "expired"
											   : *expires ? expires
														  : "never",
											   used, age});
	}
	if (!table_rows(table))
		fputs("there are no tokens\n", stderr);
	table_print(table);
}

static int token_list(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia token list [--namespace NS | --all-namespaces] [OPTION…]",
		.help =
			"Shows which tokens there are, what they are good for and when each was used last. Never their "
			"text.\n",
		.letters = "nAo",
	};
	struct arguments arguments;
	struct client client;
	json_t *list = NULL;
	int parsed = arguments_parse(argc, argv, &spec, &arguments);

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	int code = client_open(&client, &arguments);
	if (code != COMMAND_DONE)
		return code;
	HC_AUTO_FREE path = client_path("tokens", arguments.all_namespaces ? NULL : arguments.namespace_name,
									NULL);
	code = client_request(&client, "GET", path, NULL, NO_BODY, &list);
	if (code == COMMAND_DONE && arguments.output != OUTPUT_TABLE)
		output_value(list, arguments.output);
	else if (code == COMMAND_DONE)
		print_tokens(list);
	json_decref(list);
	client_close(&client);
	return code;
}

static int token_revoke(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia token revoke NAME… [--namespace NS]",
		.help =
			"Ends tokens: what they have open ends too, within a moment. A person's all at once: `helvetia "
			"delete user NAME`.\n",
		.letters = "n",
		.positions_min = 1,
		.positions_max = 100,
	};
	struct arguments arguments;
	struct client client;
	int parsed = arguments_parse(argc, argv, &spec, &arguments);

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	int code = client_open(&client, &arguments);
	if (code != COMMAND_DONE)
		return code;
	for (int index = 0; index < arguments.position_count; index++) {
		HC_AUTO_FREE path = client_path("tokens", arguments.namespace_name, arguments.positions[index]);
		json_t *answer = NULL;
		int outcome = client_request(&client, "DELETE", path, NULL, NO_BODY, &answer);
		if (outcome == COMMAND_DONE)
			printf("token \"%s\" revoked\n", arguments.positions[index]);
		else if (code == COMMAND_DONE)
			code = outcome;
		json_decref(answer);
	}
	client_close(&client);
	return code;
}

static int run_token(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} rows[] = {{"create", token_create}, {"list", token_list}, {"revoke", token_revoke}};

	for (size_t index = 0; argc > 1 && index < HC_COUNT(rows); index++)
		if (strcmp(argv[1], rows[index].name) == 0)
			return rows[index].run(argc - 1, argv + 1);
	bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
	fputs(
		"usage: helvetia token create NAME | list | revoke NAME…\n`helvetia token create --help` says more\n",
		help ? stdout : stderr);
	return help ? COMMAND_DONE : COMMAND_USAGE;
}

const struct command command_token = {"token", "make, list and revoke tokens of the API", run_token};

/* --- inviting --- */

static int rank(const char *role)
{
	return strcmp(role, "admin") == 0 ? 2 : strcmp(role, "developer") == 0 ? 1 : 0;
}

/* A User's role is the most that his tokens can do, so an invitation to more raises it. */
static int ensure_user(struct client *client, const char *name)
{
	const char *role = client->arguments->role;
	HC_AUTO_FREE path = client_path("users", NULL, name);
	HC_AUTO_FREE all = client_path("users", NULL, NULL);
	json_t *user = NULL, *answer = NULL;
	int code = client_find(client, path, &user);

	if (code == COMMAND_DONE && !user) {
		json_t *body = json_pack("{s:s, s:s, s:{s:s}, s:{s:s, s:s}}", "apiVersion", "helvetia.cloud/v1",
								 "kind", "User", "metadata", "name", name, "spec", "username", name, "role",
								 role);
		code = client_request(client, "POST", all, "application/json", body, &answer);
		json_decref(body);
	} else if (code == COMMAND_DONE && rank(json_text_at(user, "spec", "role", NULL)) < rank(role)) {
		json_t *body = json_pack("{s:{s:s}}", "spec", "role", role);
		code = client_request(client, "PATCH", path, MERGE_PATCH, body, &answer);
		json_decref(body);
		if (code == COMMAND_DONE)
			fprintf(stderr, "the role of user \"%s\" was %s and is %s now\n", name,
					json_text_at(user, "spec", "role", NULL), role);
	}
	json_decref(user);
	json_decref(answer);
	return code;
}

static int give(const struct arguments *arguments, const json_t *config)
{
	HC_AUTO_FREE text = kubeconfig_text(config);
	struct hc_error err = {0};

	if (!arguments->output_file)
		return printf("%s", text) < 0 ? COMMAND_FAILED : COMMAND_DONE;
	if (hc_file_write(arguments->output_file, text, strlen(text), 0600, &err))
		return client_failed(&err);
	return COMMAND_DONE;
}

static int invite(struct client *client, const char *name)
{
	const struct arguments *arguments = client->arguments;
	HC_AUTO_FREE prefix = hc_xprintf("%s-", name);
	json_t *token = NULL, *config = NULL;
	int code = ensure_user(client, name);

	if (code == COMMAND_DONE)
		code = make_token(client, NULL, prefix, name, &token);
	if (code == COMMAND_DONE)
		code = invitation_config(client, json_text_at(token, "status", "token", NULL),
								 arguments->namespace_name, &config);
	if (code == COMMAND_DONE)
		code = give(arguments, config);
	if (code == COMMAND_DONE) {
		const char *file = arguments->output_file ? arguments->output_file : "FILE";
		const char *made = json_text_at(token, "metadata", "name", NULL);
		fprintf(stderr, "invited \"%s\": ", name);
		say_reach(arguments);
		fprintf(stderr,
				"\n  Give %s to nobody else; it is not shown again. With it:\n"
				"    helvetia login %s              then helvetia, kubectl and their friends know the way\n"
				"    KUBECONFIG=%s kubectl get services\n"
				"  To take it back: helvetia token revoke %s --namespace %s\n"
				"  To part with the person: helvetia delete user %s\n",
				arguments->output_file ? file : "it", file, file, made, arguments->namespace_name, name);
	}
	json_decref(token);
	json_decref(config);
	return code;
}

static int run_invite(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia invite NAME [--role ROLE] [--namespace NS | --all-namespaces] [-o FILE] "
				 "[OPTION…]",
		.help = "Lets a person in: makes the User unless there is one, and a token of his, and writes a "
				"kubeconfig "
				"that\n`helvetia login`, kubectl and every Kubernetes client can use.\n",
		.letters = "nAreDOU",
		.positions_min = 1,
		.positions_max = 1,
	};
	struct arguments arguments;
	struct client client;
	int parsed = arguments_parse(argc, argv, &spec, &arguments);

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	int code = client_open(&client, &arguments);
	if (code != COMMAND_DONE)
		return code;
	code = invite(&client, arguments.positions[0]);
	client_close(&client);
	return code;
}

const struct command command_invite = {"invite", "let a person in, with a kubeconfig of his own", run_invite};
