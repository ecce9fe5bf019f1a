/* helvetia-api: its certificates, its command line, and what only it can tell us: the administrator's token
 * and the installation's id. */
#include "up.h"

#include "base/alloc.h"
#include "base/file.h"
#include "crypto/crypto.h"

#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_BYTES_MAX 1024

int up_certificates_ensure(struct up *up, struct hc_error *err)
{
	const char *authority = up_path(up, "certificates/ca.crt");
	const char *authority_key = up_path(up, "certificates/ca.key");
	const char *api_names[] = {"127.0.0.1", "localhost", hc_arena_printf(up->arena, "api.%s", up->domain),
							   NULL};
	const char *public_names[] = {hc_arena_printf(up->arena, "*.%s", up->domain), up->domain, NULL};

	if (hc_folder_make(up_path(up, "certificates"), 0755, err) ||
		crypto_authority_ensure(authority, authority_key, "Helvetia Cloud", err) ||
		crypto_leaf_ensure(authority, authority_key, up_path(up, "certificates/api.crt"),
						   up_path(up, "certificates/api.key"), api_names, err) ||
		crypto_leaf_ensure(authority, authority_key, up_path(up, "certificates/default.crt"),
						   up_path(up, "certificates/default.key"), public_names, err))
		return -1;
	return 0;
}

static int ask(struct up *up, const char *path, struct up_answer *ret_answer, struct hc_error *err)
{
	struct up_request request = {
		.url = hc_arena_printf(up->arena, "https://127.0.0.1:%d%s", up->api_port, path),
		.authority = up_path(up, "certificates/ca.crt"),
		.token = up->token};

	return up_http(&request, ret_answer, err);
}

static int ready(struct up *up, struct hc_error *err)
{
	struct up_answer answer;
	int status = 0;

	if (ask(up, "/readyz", &answer, err))
		return -1;
	if (answer.status != 200)
		status = hc_fail(err, HC_TRANSIENT, "GET /readyz: HTTP %ld: %.200s", answer.status,
						 hc_text_string(&answer.body));
	hc_text_done(&answer.body);
	return status;
}

static int before_start(struct up *up, struct hc_error *err)
{
	return up_port_require(up->api_port, true, "the API", "--api-port", err);
}

/* Under compose the API isn't root and makes files in run only. */
char *up_api_socket(struct up *up)
{
	return up_path(up, "%s", up->composed ? "run/api.sock" : "api.sock");
}

int up_api_prepare(struct up *up, struct hc_error *err)
{
	struct up_process *process = &up->process[UP_API];
	HC_AUTO_FREE certificate = NULL;
	const char *argv[] = {hc_arena_printf(up->arena, "%s/helvetia-api", up->programs),
						  "--database",
						  up->database_url,
						  "--state",
						  up->state,
						  "--domain",
						  up->domain,
						  "--listen",
						  hc_arena_printf(up->arena, "127.0.0.1:%d", up->api_port),
						  "--tls-certificate",
						  up_path(up, "certificates/api.crt"),
						  "--tls-key",
						  up_path(up, "certificates/api.key"),
						  "--controller-socket",
						  up_path(up, "run/controller.sock"),
						  "--admin-token-file",
						  up_path(up, "secrets/admin-token"),
						  "--webhook-secret-file",
						  up_path(up, "secrets/webhook-secret"),
						  "--socket",
						  up_api_socket(up),
						  NULL};
	const char *secret;

	if (up_secret_ensure(up, "webhook-secret", &secret, err))
		return -1;
	/* A renewed certificate is read at the next start only, so it is part of what is run. */
	if (hc_file_read(up_path(up, "certificates/api.crt"), 65536, &certificate, NULL, err))
		return -1;
	process->configuration = hc_arena_strdup(up->arena, certificate);
	process->argv = up_arguments_with_prefixes(up, argv);
	process->before_start = before_start;
	process->ready = ready;
	return 0;
}

static int learn_token(struct up *up, struct hc_error *err)
{
	const char *path = up_path(up, "secrets/admin-token");
	HC_AUTO_FREE text = NULL;

	if (hc_file_read(path, TOKEN_BYTES_MAX, &text, NULL, err))
		return hc_wrap(err, "the administrator's token, which the API makes at its first start only");
	text[strcspn(text, "\r\n")] = '\0';
	up->token = hc_arena_strdup(up->arena, text);
	return 0;
}

int up_api_learn(struct up *up, struct hc_error *err)
{
	struct up_answer answer;
	const char *installation;
	json_t *root = NULL;
	int status = -1;

	if (learn_token(up, err) || ask(up, "/version", &answer, err))
		return -1;
	if (answer.status == 200)
		root = json_loads(hc_text_string(&answer.body), 0, NULL);
	if (root && !json_unpack(root, "{s:s}", "installation", &installation) && *installation) {
		if (up->installation && !hc_streq(up->installation, installation))
			up_say("note: the database says installation %s, it was %s before", installation,
				   up->installation);
		up->installation = hc_arena_strdup(up->arena, installation);
		status = up_settings_save(up, err);
	} else {
		hc_fail(err, HC_BUG, "GET /version: HTTP %ld without the installation's id: %.200s", answer.status,
				hc_text_string(&answer.body));
	}
	json_decref(root);
	hc_text_done(&answer.body);
	return status;
}
