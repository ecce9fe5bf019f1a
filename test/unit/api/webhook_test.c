/* The real program takes deliveries as GitHub sends them: what each does, and what is recorded of it. */
#include "cmocka_all.h"

#include "server_fixture.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH "/webhooks/github"
#define SERVICES "/apis/helvetia.cloud/v1/namespaces/default/services"
#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccccccccccc"
#define D "dddddddddddddddddddddddddddddddddddddddd"
#define Z "0000000000000000000000000000000000000000"
#define PUSH(ref, before, after)                                                                             \
	"{\"ref\":\"" ref "\",\"before\":\"" before "\",\"after\":\"" after                                      \
	"\",\"repository\":{\"full_name\":\"acme/shop\",\"clone_url\":\"https://github.com/acme/shop.git\","     \
	"\"ssh_url\":\"git@github.com:acme/shop.git\",\"default_branch\":\"main\"}}"
#define MAIN(before, after) PUSH("refs/heads/main", before, after)

static struct fixture fixture;

/* Unsigned when secret is NULL. New reference. */
static json_t *deliver(const char *secret, const char *event, const char *content_type, const char *body,
					   size_t length, long *ret_status)
{
	HC_AUTO(http_client) client = fixture_client(&fixture, NULL);
	char hex[CRYPTO_SHA256_HEX_SIZE] = "";
	struct http_response response = {0};
	struct hc_error err = {0};

	if (secret)
		crypto_hmac_sha256_hex(secret, strlen(secret), body, length, hex);
	HC_AUTO_FREE signature = hc_xprintf("sha256=%s", hex);
	struct http_field fields[4] = {{"Content-Type", content_type},
								   {"X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"}};
	size_t count = 2;
	if (event)
		fields[count++] = (struct http_field){"X-GitHub-Event", event};
	if (secret)
		fields[count++] = (struct http_field){"X-Hub-Signature-256", signature};
	if (http_client_send(client, "POST", PATH, fields, count, body, length, &response, &err))
		fail_msg("%s", err.text);
	*ret_status = response.status;
	json_t *answer = json_loads(response.body, 0, NULL);
	http_response_done(&response);
	return answer;
}

static void expect_delivery(const char *secret, const char *event, const char *content_type, const char *body,
							long status, const char *word, const char *message)
{
	long got = 0;
	json_t *answer = deliver(secret, event, content_type, body, strlen(body), &got);
	HC_AUTO_FREE told = hc_xstrdup(text_at(answer, "message"));

	if (got != status || !hc_streq(text_at(answer, "outcome"), word) || !hc_starts_with(told, message))
		fail_msg("%s: %ld %s \"%s\" instead of %ld %s \"%s\"", body, got, text_at(answer, "outcome"), told,
				 status, word, message);
	json_decref(answer);
}

static void push(const char *body, const char *word, const char *message)
{
	expect_delivery(FIXTURE_SECRET, "push", "application/json", body, 200, word, message);
}

static void make(const char *name, const char *spec)
{
	HC_AUTO_FREE body = hc_xprintf("{\"apiVersion\":\"helvetia.cloud/"
								   "v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"%s\"},\"spec\":{%s}}",
								   name, spec);

	expect(&fixture, "POST", "/apply", body, 200, NULL, NULL);
}

/* What the controller does when it has found the commit: an apply. */
static void resolve(const char *name, const char *commit)
{
	HC_AUTO_FREE path = hc_xprintf(SERVICES "/%s?fieldManager=helvetia-git", name);
	HC_AUTO_FREE body = hc_xprintf(
		"{\"apiVersion\":\"helvetia.cloud/v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"%s\"},"
		"\"spec\":{\"commit\":\"%s\"}}",
		name, commit);
	long status = 0;

	json_decref(ask_as(fixture.client, "PATCH", path, "application/apply-patch+yaml", body, &status));
	assert_int_equal(status, 200);
}

static void expect_commit(const char *name, const char *commit)
{
	HC_AUTO_FREE path = hc_xprintf(SERVICES "/%s", name);

	expect(&fixture, "GET", path, NULL, 200, "spec.commit", commit);
}

static long long wanted(const char *name)
{
	HC_AUTO_FREE sql = hc_xprintf("SELECT coalesce((SELECT wanted FROM follows f JOIN services s ON s.id = "
								  "f.service_id WHERE s.name = '%s'), -1)",
								  name);

	return postgres_number(&fixture.postgres, sql);
}

static void clear(void)
{
	postgres_run(&fixture.postgres, "DELETE FROM services; DELETE FROM webhook_deliveries");
}

/* --- cases --- */

static void deliveries_are_answered_and_recorded(void **state)
{
	static const struct {
		const char *secret;
		const char *event;
		const char *content_type;
		const char *body;
		long status;
		const char *word;
		const char *message;
	} rows[] = {
		{NULL, "push", "application/json", MAIN(A, B), 401, "refused", "the delivery is not signed"},
		{"wrong", "push", "application/json", MAIN(A, B), 401, "refused", "the signature is wrong"},
		{FIXTURE_SECRET, "ping", "application/json", "{\"zen\":\"Design for failure.\",\"hook_id\":1}", 200,
		 "ping", "pong"},
		{FIXTURE_SECRET, "ping", "application/x-www-form-urlencoded", "payload=%7B%22zen%22%3A%22x%22%7D",
		 200, "ping", "pong"},
		{FIXTURE_SECRET, "issues", "application/json", "{}", 200, "ignored",
		 "the event issues means nothing"},
		{FIXTURE_SECRET, NULL, "application/json", "{}", 400, "refused", "the header X-GitHub-Event"},
		{FIXTURE_SECRET, "push", "application/json", "{\"ref\":", 400, "refused", "the payload is not JSON"},
		{FIXTURE_SECRET, "push", "application/json", "{}", 400, "refused", "the push has no ref"},
		{FIXTURE_SECRET, "push", "application/x-www-form-urlencoded", "x=1", 400, "refused",
		 "the form has no field"},
		{FIXTURE_SECRET, "push", "application/json", PUSH("refs/tags/v1", Z, B), 200, "ignored",
		 "refs/tags/v1 is no branch"},
		{FIXTURE_SECRET, "push", "application/json", PUSH("refs/heads/old", A, Z), 200, "ignored",
		 "branch old was deleted"},
		{FIXTURE_SECRET, "push", "application/json", PUSH("refs/heads/other", A, B), 200, "ignored",
		 "no Service follows branch other of acme/shop"},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++)
		expect_delivery(rows[index].secret, rows[index].event, rows[index].content_type, rows[index].body,
						rows[index].status, rows[index].word, rows[index].message);
	expect(&fixture, "GET", "/webhooks/deliveries?limit=1", NULL, 200, "items.0.message",
		   "no Service follows branch other of acme/shop");
	expect(&fixture, "GET", "/webhooks/deliveries", NULL, 200, "items.11.outcome", "refused");
	expect(&fixture, "GET", "/webhooks/deliveries", NULL, 200, "items.11.status", "401");
	expect(&fixture, "GET", "/webhooks/deliveries", NULL, 200, "items.9.event", "ping");
	expect(&fixture, "GET", "/webhooks/deliveries?limit=x", NULL, 400, "reason", "BadRequest");
	expect(&fixture, "GET", PATH, NULL, 405, NULL, NULL);
	HC_AUTO(http_client) none = fixture_client(&fixture, NULL);
	HC_AUTO(http_client) developer = fixture_client(&fixture, "hv_developer");
	fixture_token(&fixture, "developer", "", "hv_developer", "{\"role\":\"developer\"}");
	expect_as(none, "GET", "/webhooks/deliveries", NULL, 401, "reason", "Unauthorized");
	expect_as(developer, "GET", "/webhooks/deliveries", NULL, 403, "reason", "Forbidden");
	clear();
}

static void a_push_moves_the_commit(void **state)
{
	(void)state;
	make("shop", "\"repoUrl\":\"https://github.com/Acme/shop\",\"branch\":\"main\"");
	make("docs", "\"repoUrl\":\"ssh://git@github.com/acme/shop.git\""); /* of the default branch */
	make("other", "\"repoUrl\":\"https://github.com/acme/shop\",\"branch\":\"next\"");
	push(MAIN(A, B), "accepted", "default/docs: the push does not begin at its commit");
	assert_int_equal(wanted("shop"), 1); /* not resolved yet: the remote is asked */
	resolve("shop", A);
	resolve("docs", A);
	resolve("other", A);
	push(MAIN(A, B), "accepted",
		 "default/docs: its commit is now bbbbbbbbbb; default/shop: its commit is now bbbb");
	expect_commit("shop", B);
	expect_commit("docs", B);
	expect_commit("other", A);
	expect(&fixture, "GET", SERVICES "/shop", NULL, 200, "status.conditions.0.reason", "Pending");
	assert_int_equal(wanted("shop"), 1);
	/* Delivered again; late; one before it was lost. */
	push(MAIN(A, B), "accepted", "default/docs: its commit was bbbbbbbbbb already");
	expect_commit("shop", B);
	push(MAIN(D, A), "accepted", "default/docs: the push does not begin at its commit");
	expect_commit("shop", B);
	push(MAIN(C, D), "accepted", "default/docs: the push does not begin at its commit");
	expect_commit("shop", B);
	assert_int_equal(wanted("shop"), 3);
	expect_delivery(FIXTURE_SECRET, "push", "application/x-www-form-urlencoded",
					"payload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%2C%22before%22%3A%22" B
					"%22%2C%22after%22%3A%22" C
					"%22%2C%22repository%22%3A%7B%22clone_url%22%3A%22https%3A%2F%2F"
					"github.com%2Facme%2Fshop.git%22%7D%7D",
					200, "accepted", "default/shop: its commit is now cccccccccc");
	expect_commit("shop", C);
	expect_commit("docs", B); /* that payload does not say what the default branch is */
	clear();
}

static void nobody_is_overruled(void **state)
{
	(void)state;
	make("pinned", "\"repoUrl\":\"https://github.com/acme/shop\",\"branch\":\"main\",\"commit\":\"" A "\"");
	push(MAIN(A, B), "accepted", "default/pinned: its commit is pinned by \"helvetia\"");
	expect_commit("pinned", A);
	make("pinned", "\"repoUrl\":\"https://github.com/acme/shop\",\"branch\":\"main\",\"autoDeploy\":false");
	resolve("pinned", A);
	push(MAIN(A, B), "accepted", "default/pinned: it follows no branch: autoDeploy is false");
	expect_commit("pinned", A);
	make("pinned", "\"repoUrl\":\"https://github.com/acme/shop\",\"branch\":\"main\"");
	push(MAIN(A, B), "accepted", "default/pinned: its commit is now bbbbbbbbbb");
	/* Another source: the commit was the old one's. */
	make("pinned", "\"repoUrl\":\"https://github.com/acme/shop\",\"branch\":\"next\"");
	expect_commit("pinned", "");
	resolve("pinned", A);
	expect(&fixture, "PATCH", SERVICES "/pinned",
		   "{\"spec\":{\"repoUrl\":\"https://github.com/acme/store\"}}", 200, "spec.commit", "");
	clear();
}

static void a_push_ends_a_rollback(void **state)
{
	(void)state;
	make("shop", "\"repoUrl\":\"https://github.com/acme/shop\",\"branch\":\"main\"");
	resolve("shop", A);
	postgres_run(&fixture.postgres,
				 "INSERT INTO deployments (namespace, name, service_id, revision, object_spec, object_status)"
				 " SELECT namespace, 'shop-r1', id, 1, '{\"service\":\"shop\",\"revision\":1}',"
				 " '{\"phase\":\"SUCCESS\"}' FROM services WHERE name = 'shop'");
	expect(&fixture, "PATCH", SERVICES "/shop", "{\"spec\":{\"rollbackTo\":{\"revision\":1}}}", 200,
		   "spec.rollbackTo.revision", "1");
	push(MAIN(C, D), "accepted", "default/shop: the push does not begin at its commit");
	expect(&fixture, "GET", SERVICES "/shop", NULL, 200, "spec.rollbackTo.revision", "1");
	push(MAIN(A, B), "accepted", "default/shop: its commit is now bbbbbbbbbb");
	expect(&fixture, "GET", SERVICES "/shop", NULL, 200, "spec.rollbackTo", "");
	clear();
}

/* --- the command line --- */

static void redirect(const char *name, int flags, int to)
{
	HC_AUTO_FREE path = hc_xprintf("%s/%s", fixture.folder, name);
	int fd = open(path, flags, 0600);

	if (fd < 0 || dup2(fd, to) < 0)
		_exit(126);
}

/* Runs `helvetia` with its input; what it prints, on both ways, is left in *ret_text. Its exit code. */
static int run(const char *input, const char *const *words, char **ret_text)
{
	HC_AUTO_FREE url = hc_xprintf("https://127.0.0.1:%d", fixture.port);
	HC_AUTO_FREE authority = hc_xprintf("%s/ca.crt", fixture.folder);
	HC_AUTO_FREE in = hc_xprintf("%s/in", fixture.folder);
	HC_AUTO_FREE out = hc_xprintf("%s/out", fixture.folder);
	struct hc_error err = {0};
	int status = 0;

	if (hc_file_write(in, input, strlen(input), 0600, &err))
		fail_msg("%s", err.text);
	pid_t pid = fork();
	if (pid == 0) {
		redirect("in", O_RDONLY, STDIN_FILENO);
		redirect("out", O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
		dup2(STDOUT_FILENO, STDERR_FILENO);
		setenv("HELVETIA_API", url, 1);
		setenv("HELVETIA_CA", authority, 1);
		setenv("HELVETIA_TOKEN", fixture.token, 1);
		execv(CLI_PROGRAM, (char *const *)(uintptr_t)words);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (hc_file_read(out, 1 << 20, ret_text, NULL, &err))
		fail_msg("%s", err.text);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect_run(const char *input, const char *const *words, int code, const char *printed)
{
	HC_AUTO_FREE text = NULL;
	int got = run(input, words, &text);

	if (got != code || !strstr(text, printed))
		fail_msg("%s %s: %d \"%s\" instead of %d \"%s\"", words[1], words[2] ? words[2] : "", got, text, code,
				 printed);
}

static void the_command_line_sends_and_rolls_back(void **state)
{
	HC_AUTO_FREE url = hc_xprintf("https://127.0.0.1:%d" PATH, fixture.port);
	HC_AUTO_FREE authority = hc_xprintf("%s/ca.crt", fixture.folder);
	HC_AUTO_FREE secret = hc_xprintf("%s/webhook-secret", fixture.folder);
	const char *const hook[] = {"helvetia",
								"webhook-send",
								"--stdin",
								"--url",
								url,
								"--secret-file",
								secret,
								"--ca-file",
								authority,
								"--repository",
								"https://git.example.org/shop.git",
								NULL};
	const char *const forged[] = {"helvetia",
								  "webhook-send",
								  "--ref",
								  "refs/heads/main",
								  "--before",
								  A,
								  "--after",
								  B,
								  "--url",
								  url,
								  "--secret-file",
								  authority,
								  "--ca-file",
								  authority,
								  "--repository",
								  "https://git.example.org/shop.git",
								  NULL};
	const char *const list[] = {"helvetia", "webhooks", NULL};
	const char *const back[] = {"helvetia", "rollback", "shop", NULL};
	const char *const back_to[] = {"helvetia", "rollback", "shop", "9", NULL};
	const char *const again[] = {"helvetia", "redeploy", "shop", NULL};

	(void)state;
	make("shop", "\"repoUrl\":\"https://git.example.org/shop\",\"branch\":\"main\"");
	resolve("shop", A);
	expect_run(A " " B " refs/heads/main\n" Z " " C " refs/tags/v1\n", hook, 0,
			   "helvetia: default/shop: its commit is now bbbbbbbbbb\nhelvetia: refs/tags/v1 is no branch\n");
	expect_commit("shop", B);
	expect_run("", forged, 9, "the signature is wrong");
	expect_run("nonsense\n", hook, 2, "\"nonsense\" is not OLD NEW REF");
	expect_run("", list, 0, "default/shop: its commit is now bbbbbbbbbb");
	expect_run("", back, 3, "has no revision that ran well before (none serves)");
	postgres_run(
		&fixture.postgres,
		"INSERT INTO deployments (namespace, name, service_id, revision, object_spec, object_status)"
		" SELECT namespace, 'shop-r' || n, id, n, jsonb_build_object('service', 'shop', 'revision', n),"
		" '{\"phase\":\"SUCCESS\"}' FROM services, generate_series(1, 2) n WHERE name = 'shop';"
		"UPDATE services SET object_status = object_status || '{\"currentDeployment\":\"shop-r2\"}'");
	expect_run("", back_to, 8, "revisions that can run again: 1, 2");
	expect_run("", back, 0, "service/shop rolled back to revision 1");
	expect(&fixture, "GET", SERVICES "/shop", NULL, 200, "spec.rollbackTo.revision", "1");
	expect_run("", again, 0, "service/shop deployed anew");
	expect(&fixture, "GET", SERVICES "/shop", NULL, 200, "spec.rollbackTo", "");
	clear();
}

static void large_deliveries_are_taken(void **state)
{
	size_t most = 25U << 20;
	static const char head[] = "{\"zen\":\"x\",\"text\":\"";
	HC_AUTO_FREE body = hc_xalloc(most + 2);
	long status = 0;

	(void)state;
	memset(body, 'x', most + 1);
	memcpy(body, head, strlen(head));
	json_decref(deliver(FIXTURE_SECRET, "ping", "application/json", body, most + 1, &status));
	assert_int_equal(status, 413);
	memcpy(body + most - 2, "\"}", 2);
	json_decref(deliver(FIXTURE_SECRET, "ping", "application/json", body, most, &status));
	assert_int_equal(status, 200);
	clear();
}

static void a_flood_of_forgeries_leaves_few_records(void **state)
{
	(void)state;
	for (int index = 0; index < 30; index++)
		expect_delivery("wrong", "push", "application/json", MAIN(A, B), 401, "refused",
						"the signature is wrong");
	assert_true(postgres_number(&fixture.postgres, "SELECT count(*) FROM webhook_deliveries") <= 5);
	clear();
}

static void without_a_secret_all_is_refused(void **state)
{
	(void)state;
	assert_int_equal(fixture_api_stop(&fixture), 0);
	fixture.without_secret = true;
	fixture_api_start(&fixture);
	expect_delivery(FIXTURE_SECRET, "ping", "application/json", "{}", 403, "refused",
					"the platform has no webhook secret");
	expect_delivery("", "ping", "application/json", "{}", 403, "refused",
					"the platform has no webhook secret");
	expect(&fixture, "GET", "/webhooks/deliveries", NULL, 200, "items.1.status", "403");
}

static int start(void **state)
{
	(void)state;
	fixture_start(&fixture);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	fixture_stop(&fixture);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deliveries_are_answered_and_recorded),
		cmocka_unit_test(a_push_moves_the_commit),
		cmocka_unit_test(nobody_is_overruled),
		cmocka_unit_test(a_push_ends_a_rollback),
		cmocka_unit_test(the_command_line_sends_and_rolls_back),
		cmocka_unit_test(large_deliveries_are_taken),
		cmocka_unit_test(a_flood_of_forgeries_leaves_few_records),
		cmocka_unit_test(without_a_secret_all_is_refused),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
