/* See the header. */
#include "server_fixture.h"

#include "cmocka_all.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_MS 20000

static char *path_in(const struct fixture *fixture, const char *name)
{
	return hc_xprintf("%s/%s", fixture->folder, name);
}

static char *read_text(const struct fixture *fixture, const char *name)
{
	HC_AUTO_FREE path = path_in(fixture, name);
	char *text = NULL;
	size_t length = 0;
	struct hc_error err = {0};

	return hc_file_read(path, 1 << 22, &text, &length, &err) ? hc_xstrdup("") : text;
}

/* The port is the system's choice; the log says which. */
static void wait_for_port(struct fixture *fixture)
{
	int64_t deadline = hc_clock_boot_ms() + DEADLINE_MS;

	while (hc_clock_boot_ms() < deadline) {
		HC_AUTO_FREE log = read_text(fixture, "log");
		const char *found = strstr(log, "\"port\":\"");
		if (found) {
			fixture->port = (int)strtol(found + 8, NULL, 10);
			return;
		}
		usleep(10000);
	}
	HC_AUTO_FREE log = read_text(fixture, "log");
	fail_msg("helvetia-api does not listen: %s", log);
}

void fixture_api_spawn(struct fixture *fixture)
{
	HC_AUTO_FREE certificate = path_in(fixture, "api.crt");
	HC_AUTO_FREE key = path_in(fixture, "api.key");
	HC_AUTO_FREE authority = path_in(fixture, "ca.crt");
	HC_AUTO_FREE socket_path = path_in(fixture, "controller.sock");
	HC_AUTO_FREE token = path_in(fixture, "token");
	HC_AUTO_FREE log = path_in(fixture, "log");
	HC_AUTO_FREE secret = path_in(fixture, "webhook-secret");

	unlink(log);
	fixture->pid = fork();
	if (fixture->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
			_exit(126);
		execl(API_PROGRAM, "helvetia-api", "--database", fixture->postgres.url, "--state", fixture->folder,
			  "--domain", "apps.example.org", "--listen", "127.0.0.1:0", "--tls-certificate", certificate,
			  "--tls-key", key, "--controller-socket", socket_path, "--admin-token-file", token,
			  fixture->without_secret ? NULL : "--webhook-secret-file", secret, (char *)NULL);
		_exit(127);
	}
	wait_for_port(fixture);
}

void fixture_api_start(struct fixture *fixture)
{
	fixture_api_spawn(fixture);
	fixture_api_ready(fixture);
}

void fixture_api_ready(struct fixture *fixture)
{
	http_client_close(fixture->client);
	fixture->client = NULL;
	int64_t deadline = hc_clock_boot_ms() + DEADLINE_MS;
	while (!fixture->client && hc_clock_boot_ms() < deadline) {
		free(fixture->token);
		fixture->token = read_text(fixture, "token");
		fixture->token[strcspn(fixture->token, "\n")] = '\0';
		if (*fixture->token)
			fixture->client = fixture_client(fixture, fixture->token);
		else
			usleep(10000);
	}
	assert_non_null(fixture->client);
	eventually(fixture, "/readyz", 200);
}

int fixture_api_stop(struct fixture *fixture)
{
	int status = 0;

	kill(fixture->pid, SIGTERM);
	assert_int_equal(waitpid(fixture->pid, &status, 0), fixture->pid);
	fixture->pid = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		HC_AUTO_FREE log = read_text(fixture, "log");
		print_error("%s\n", log);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void fixture_start(struct fixture *fixture)
{
	struct hc_error err = {0};
	static const char *const names[] = {"127.0.0.1", "localhost", NULL};
	const char *parent = getenv("TMPDIR");

	*fixture = (struct fixture){0};
	postgres_init(&fixture->postgres);
	snprintf(fixture->folder, sizeof(fixture->folder), "%s/helvetia-api-XXXXXX", parent ? parent : P_tmpdir);
	assert_non_null(mkdtemp(fixture->folder));
	HC_AUTO_FREE authority = path_in(fixture, "ca.crt");
	HC_AUTO_FREE authority_key = path_in(fixture, "ca.key");
	HC_AUTO_FREE certificate = path_in(fixture, "api.crt");
	HC_AUTO_FREE key = path_in(fixture, "api.key");
	if (crypto_authority_ensure(authority, authority_key, "test", &err) ||
		crypto_leaf_ensure(authority, authority_key, certificate, key, names, &err))
		fail_msg("%s", err.text);
	HC_AUTO_FREE secret = path_in(fixture, "webhook-secret");
	if (hc_file_write(secret, FIXTURE_SECRET "\n", strlen(FIXTURE_SECRET) + 1, 0600, &err))
		fail_msg("%s", err.text);
	fixture_api_start(fixture);
}

void fixture_stop(struct fixture *fixture)
{
	struct hc_error err = {0};

	http_client_close(fixture->client);
	if (fixture->pid > 0)
		assert_int_equal(fixture_api_stop(fixture), 0);
	postgres_done(&fixture->postgres);
	assert_int_equal(hc_folder_remove(fixture->folder, &err), 0);
	free(fixture->token);
}

struct http_client *fixture_client(struct fixture *fixture, const char *token)
{
	HC_AUTO_FREE url = hc_xprintf("https://127.0.0.1:%d", fixture->port);
	HC_AUTO_FREE authority = path_in(fixture, "ca.crt");
	struct http_client_options options = {
		.base_url = url, .ca_file = authority, .token = token, .user_agent = "test"};
	struct http_client *client = NULL;
	struct hc_error err = {0};

	if (http_client_open(&options, &client, &err))
		fail_msg("%s", err.text);
	return client;
}

void fixture_token(struct fixture *fixture, const char *name, const char *namespace_name, const char *token,
				   const char *spec)
{
	char hash[CRYPTO_SHA256_HEX_SIZE];

	crypto_sha256_hex(token, strlen(token), hash);
	HC_AUTO_FREE sql = hc_xprintf(
		"INSERT INTO tokens (namespace, name, hash, object_spec) VALUES ('%s', '%s', '%s', '%s')",
		namespace_name, name, hash, spec);
	postgres_run(&fixture->postgres, sql);
}

json_t *ask_as(struct http_client *client, const char *method, const char *path, const char *content_type,
			   const char *body, long *ret_status)
{
	struct http_response response = {0};
	struct hc_error err = {0};

	if (body && !content_type)
		content_type = "application/json";
	if (http_client_request(client, method, path, content_type, body, body ? strlen(body) : 0, &response,
							&err))
		fail_msg("%s %s: %s", method, path, err.text);
	if (ret_status)
		*ret_status = response.status;
	json_t *value = json_loads(response.body ? response.body : "", 0, NULL);
	http_response_done(&response);
	return value;
}

json_t *ask(struct fixture *fixture, const char *method, const char *path, const char *body, long *ret_status)
{
	return ask_as(fixture->client, method, path, NULL, body, ret_status);
}

const char *text_at(const json_t *value, const char *at)
{
	static char text[4096];
	char part[128];

	while (*at && value) {
		size_t length = strcspn(at, ".");
		snprintf(part, sizeof(part), "%.*s", (int)length, at);
		value = json_is_array(value) ? json_array_get(value, strtoul(part, NULL, 10))
									 : json_object_get(value, part);
		at += length + (at[length] == '.');
	}
	char *dump = json_is_string(value) ? NULL
									   : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
	snprintf(text, sizeof(text), "%s", json_is_string(value) ? json_string_value(value) : dump ? dump : "");
	free(dump);
	return text;
}

void expect_as(struct http_client *client, const char *method, const char *path, const char *body,
			   long status, const char *at, const char *text)
{
	long got = 0;
	const char *type = hc_streq(method, "PATCH") ? "application/merge-patch+json" : NULL;
	json_t *value = ask_as(client, method, path, type, body, &got);

	if (got != status || (at && !hc_streq(text_at(value, at), text))) {
		char *dump = json_dumps(value, JSON_INDENT(1));
		fail_msg("%s %s: %ld, %s=\"%s\" instead of %ld, \"%s\": %s", method, path, got, at ? at : "",
				 at ? text_at(value, at) : "", status, text ? text : "", dump ? dump : "");
	}
	json_decref(value);
}

void expect(struct fixture *fixture, const char *method, const char *path, const char *body, long status,
			const char *at, const char *text)
{
	expect_as(fixture->client, method, path, body, status, at, text);
}

void eventually(struct fixture *fixture, const char *path, long status)
{
	int64_t deadline = hc_clock_boot_ms() + DEADLINE_MS;
	long got = 0;

	while (got != status && hc_clock_boot_ms() < deadline) {
		json_decref(ask(fixture, "GET", path, NULL, &got));
		if (got != status)
			usleep(20000);
	}
	if (got != status) {
		HC_AUTO_FREE log = read_text(fixture, "log");
		fail_msg("GET %s still answers %ld: %s", path, got, log);
	}
}
