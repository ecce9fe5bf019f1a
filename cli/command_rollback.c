/* `helvetia rollback` and `redeploy`: run an earlier revision again, or the present configuration anew. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "change.h"
#include "client.h"
#include "command.h"
#include "rollback.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONCE_SUFFIX 5

/* --- which revision --- */

static const json_t *find_named(const json_t *deployments, const char *name)
{
	const json_t *item;
	size_t index;

	json_array_foreach(json_object_get(deployments, "items"), index, item)
	{
		if (strcmp(json_text_at(item, "metadata", "name", NULL), name) == 0)
			return item;
	}
	return NULL;
}

json_int_t rollback_revision_before(const json_t *deployments, const char *service, const char *current)
{
	const json_t *serving = find_named(deployments, current);
	json_int_t repeated = json_number_at(serving, "spec", "rollbackOf", NULL);
	/* What a rollback repeats is where it stands in the history, so that another one goes further back. */
	json_int_t limit = repeated ? repeated : json_number_at(serving, "spec", "revision", NULL);
	json_int_t best = 0;
	const json_t *item;
	size_t index;

	json_array_foreach(json_object_get(deployments, "items"), index, item)
	{
		json_int_t revision = json_number_at(item, "spec", "revision", NULL);

		if (strcmp(json_text_at(item, "spec", "service", NULL), service) == 0 &&
			strcmp(json_text_at(item, "status", "phase", NULL), "SUCCESS") == 0 && revision < limit &&
			revision > best)
			best = revision;
	}
	return best;
}

static int choose_revision(const struct arguments *arguments, const char *name, json_int_t *ret_revision)
{
	HC_AUTO_FREE service_path = client_path("services", arguments->namespace_name, name);
	HC_AUTO_FREE deployments_path = client_path("deployments", arguments->namespace_name, NULL);
	struct client client;
	json_t *service = NULL;
	json_t *deployments = NULL;
	int code = client_open(&client, arguments);

	if (code == COMMAND_DONE)
		code = client_request(&client, "GET", service_path, NULL, NO_BODY, &service);
	if (code == COMMAND_DONE)
		code = client_request(&client, "GET", deployments_path, NULL, NO_BODY, &deployments);
	if (code == COMMAND_DONE) {
		const char *current = json_text_at(service, "status", "currentDeployment", NULL);

		*ret_revision = rollback_revision_before(deployments, name, current);
		if (!*ret_revision) {
			fprintf(stderr, "helvetia: service \"%s\" has no revision that ran well before %s\n", name,
					*current ? current : "(none serves)");
			code = COMMAND_NOT_FOUND;
		}
	}
	json_decref(service);
	json_decref(deployments);
	client_close(&client);
	return code;
}

int rollback_read_revision(const char *service, const char *text, json_int_t *ret_revision)
{
	size_t length = strlen(service);
	const char *digits = text;
	char *end;

	if (strncmp(text, service, length) == 0 && strncmp(text + length, "-r", 2) == 0)
		digits = text + length + 2;
	else if (*text == 'r')
		digits = text + 1;
	errno = 0;
	*ret_revision = strtoll(digits, &end, 10);
	return errno || *end || strspn(digits, "0123456789") != strlen(digits) || *ret_revision < 1 ? -1 : 0;
}

/* --- commands --- */

static int run_rollback(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia rollback NAME [REVISION] [--wait] [OPTION…]",
		.help = "Runs the image and configuration of an earlier revision again, without a build; without "
				"REVISION\n"
				"that is the newest one that ran well before the current. It holds until a push or a change "
				"of\n"
				"the Service deploys anew; `helvetia redeploy NAME` ends it at once.\n",
		.letters = "nowt",
		.positions_min = 1,
		.positions_max = 2,
	};
	struct arguments arguments;
	json_int_t revision = 0;
	int parsed = arguments_parse(argc, argv, &spec, &arguments);
	int code = COMMAND_DONE;

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	const char *name = arguments.positions[0];
	if (arguments.position_count == 1) {
		code = choose_revision(&arguments, name, &revision);
	} else if (rollback_read_revision(name, arguments.positions[1], &revision)) {
		fprintf(stderr, "helvetia: REVISION: \"%s\" is no revision such as 7 or %s-r7\n",
				arguments.positions[1], name);
		code = COMMAND_USAGE;
	}
	if (code != COMMAND_DONE)
		return code;
	HC_AUTO_FREE done = hc_xprintf("rolled back to revision %lld", (long long)revision);
	/* The hash that is there belongs to an earlier rollback; the server writes its own. */
	return change_spec(&arguments, name, "helvetia-rollback",
					   json_pack("{s:{s:I, s:n}}", "rollbackTo", "revision", revision, "rejectedHash"), done);
}

const struct command command_rollback = {"rollback", "run an earlier revision again", run_rollback};

static int run_redeploy(int argc, char **argv)
{
	static const struct arguments_spec spec = {
		.usage = "usage: helvetia redeploy NAME [--wait] [OPTION…]",
		.help = "Deploys what the Service declares once more: also after a failure, and instead of a "
				"rollback.\n"
				"An unchanged source is not built again.\n",
		.letters = "nowt",
		.positions_min = 1,
		.positions_max = 1,
	};
	struct arguments arguments;
	char suffix[NONCE_SUFFIX + 1];
	char now[HC_TIME_TEXT_SIZE];
	int parsed = arguments_parse(argc, argv, &spec, &arguments);

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	hc_random_token(suffix, NONCE_SUFFIX);
	hc_clock_format(hc_clock_wall_ms(), now);
	HC_AUTO_FREE nonce = hc_xprintf("%s-%s", now, suffix);
	return change_spec(&arguments, arguments.positions[0], "helvetia-redeploy",
					   json_pack("{s:s}", "redeployNonce", nonce), "deployed anew");
}

const struct command command_redeploy = {"redeploy", "deploy the same once more", run_redeploy};
