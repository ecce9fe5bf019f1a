/* Tokens, Users and roles against the real program: the life of a token, what each role gets of every route,
 * the administrator of this machine on the unix socket. */
#include "cmocka_all.h"

#include "server_fixture.h"

#include "api/api_role.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUP "/apis/helvetia.cloud/v1"
#define TOKENS(ns) GROUP "/namespaces/" ns "/tokens"
#define SERVICES(ns) GROUP "/namespaces/" ns "/services"
#define USERS GROUP "/users"
#define TOKEN(name, spec)                                                                                    \
	"{\"apiVersion\":\"helvetia.cloud/v1\",\"kind\":\"Token\",\"metadata\":{\"name\":\"" name                \
	"\"},\"spec\":{" spec "}}"
#define USER(name, role)                                                                                     \
	"{\"apiVersion\":\"helvetia.cloud/v1\",\"kind\":\"User\",\"metadata\":{\"name\":\"" name                 \
	"\"},\"spec\":{\"username\":\"" name "\",\"role\":\"" role "\"}}"
#define ROLE(role) "\"role\":\"" role "\""

static struct fixture fixture;

/* Makes a token; its text is the caller's to free. */
static char *make_token(const char *tokens, const char *body)
{
	long status = 0;
	json_t *made = ask(&fixture, "POST", tokens, body, &status);
	char *text = hc_xstrdup(text_at(made, "status.token"));

	if (status != 201 || strlen(text) != CRYPTO_TOKEN_SIZE - 1)
		fail_msg("%s: %ld: %s", body, status, text_at(made, "message"));
	json_decref(made);
	return text;
}

static void wait_until(struct http_client *client, const char *path, long wanted)
{
	int64_t deadline_ms = hc_clock_boot_ms() + 10000;
	long status = 0;

	while (status != wanted && hc_clock_boot_ms() < deadline_ms)
		json_decref(ask_as(client, "GET", path, NULL, NULL, &status));
	assert_int_equal(status, wanted);
}

/* How often a text stands anywhere in the database. */
static long long found_in_database(const char *text)
{
	HC_AUTO_FREE sql = hc_xprintf("SELECT (SELECT count(*) FROM tokens t WHERE t::text LIKE '%%%s%%') +"
								  " (SELECT count(*) FROM change_log l WHERE l::text LIKE '%%%s%%')",
								  text, text);

	return postgres_number(&fixture.postgres, sql);
}

static void a_token_is_shown_once(void **state)
{
	char hash[CRYPTO_SHA256_HEX_SIZE];

	(void)state;
	HC_AUTO_FREE text = make_token(TOKENS("default"), TOKEN("ci", ROLE("developer")));
	HC_AUTO(http_client) client = fixture_client(&fixture, text);
	expect_as(client, "GET", SERVICES("default"), NULL, 200, "kind", "ServiceList");
	expect_as(client, "GET", TOKENS("default"), NULL, 403, "reason", "Forbidden");
	expect(&fixture, "GET", TOKENS("default") "/ci", NULL, 200, "status.token", "");
	expect(&fixture, "GET", TOKENS("default") "/ci", NULL, 200, "metadata.finalizers", "");
	assert_int_equal(found_in_database(text), 0);
	crypto_sha256_hex(text, strlen(text), hash);
	json_t *list = ask(&fixture, "GET", TOKENS("default"), NULL, NULL);
	char *dump = json_dumps(list, 0);
	assert_null(strstr(dump, hash));
	assert_null(strstr(dump, text));
	free(dump);
	json_decref(list);
	HC_AUTO_FREE logged = hc_xprintf("SELECT count(*) FROM change_log l WHERE l::text LIKE '%%%s%%'", hash);
	assert_int_equal(postgres_number(&fixture.postgres, logged), 0);
	expect(&fixture, "POST", TOKENS("default"), TOKEN("ci", ROLE("admin")), 409, "reason", "AlreadyExists");
	expect(&fixture, "POST", TOKENS("default") "?dryRun=All", TOKEN("dry", ROLE("admin")), 201,
		   "status.token", "");
	expect(&fixture, "GET", TOKENS("default") "/dry", NULL, 404, NULL, NULL);
	/* A description may change; what it is good for may not. */
	expect(&fixture, "PATCH", TOKENS("default") "/ci", "{\"spec\":{\"description\":\"of the builds\"}}", 200,
		   "spec.description", "of the builds");
	expect(&fixture, "PATCH", TOKENS("default") "/ci", "{\"spec\":{\"role\":\"admin\"}}", 422,
		   "details.causes.0.field", "spec.role");
	expect(&fixture, "POST", TOKENS("default"), TOKEN("late", "\"expiresAt\":\"2020-01-01T00:00:00Z\""), 422,
		   "details.causes.0.field", "spec.expiresAt");
	/* Revoked: at once. */
	expect(&fixture, "DELETE", TOKENS("default") "/ci", NULL, 200, "status", "Success");
	wait_until(client, SERVICES("default"), 401);
}

static void the_last_use_is_shown_and_is_no_change(void **state)
{
	int64_t deadline_ms = hc_clock_boot_ms() + 10000;
	char used[64] = "";

	(void)state;
	HC_AUTO_FREE text = make_token(TOKENS("default"), TOKEN("used", ROLE("viewer")));
	HC_AUTO(http_client) client = fixture_client(&fixture, text);
	expect(&fixture, "GET", TOKENS("default") "/used", NULL, 200, "status.lastUsedTime", "");
	long long version = postgres_number(&fixture.postgres, "SELECT resource_version FROM resource_clock");
	expect_as(client, "GET", SERVICES("default"), NULL, 200, NULL, NULL);
	while (!*used && hc_clock_boot_ms() < deadline_ms) {
		json_t *token = ask(&fixture, "GET", TOKENS("default") "/used", NULL, NULL);
		snprintf(used, sizeof(used), "%s", text_at(token, "status.lastUsedTime"));
		json_decref(token);
		usleep(20000);
	}
	int64_t used_ms = 0;
	assert_int_equal(hc_clock_parse(used, &used_ms), 0);
	assert_in_range(hc_clock_wall_ms() - used_ms, 0, 20000);
	assert_int_equal(postgres_number(&fixture.postgres, "SELECT resource_version FROM resource_clock"),
					 version);
	expect(&fixture, "DELETE", TOKENS("default") "/used", NULL, 200, NULL, NULL);
	assert_int_equal(postgres_number(&fixture.postgres,
									 "SELECT count(*) FROM token_uses WHERE token_id NOT IN (SELECT id FROM "
									 "tokens)"),
					 0);
}

static void a_user_is_the_most_that_his_tokens_are(void **state)
{
	(void)state;
	expect(&fixture, "POST", TOKENS("default"), TOKEN("anns", ROLE("developer") ",\"user\":\"ann\""), 422,
		   NULL, NULL);
	expect(&fixture, "POST", USERS, USER("ann", "developer"), 201, "spec.role", "developer");
	HC_AUTO_FREE text = make_token(TOKENS("default"), TOKEN("anns", ROLE("admin") ",\"user\":\"ann\""));
	HC_AUTO(http_client) ann = fixture_client(&fixture, text);
	expect_as(ann, "GET", TOKENS("default"), NULL, 403, "reason", "Forbidden");
	expect_as(ann, "POST", SERVICES("default"),
			  "{\"apiVersion\":\"helvetia.cloud/v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"anns\"},"
			  "\"spec\":{\"image\":\"a\"}}",
			  201, NULL, NULL);
	assert_int_equal(postgres_number(&fixture.postgres, "SELECT count(*) FROM services s JOIN users u ON "
														"u.id = s.user_id WHERE u.name = 'ann'"),
					 1);
	expect(&fixture, "PATCH", USERS "/ann", "{\"spec\":{\"role\":\"admin\"}}", 200, NULL, NULL);
	wait_until(ann, TOKENS("default"), 200);
	expect(&fixture, "PATCH", USERS "/ann", "{\"spec\":{\"role\":\"viewer\"}}", 200, NULL, NULL);
	wait_until(ann, TOKENS("default"), 403);
	expect_as(
		ann, "DELETE", SERVICES("default") "/anns", NULL, 403, "message",
		"services.helvetia.cloud \"anns\" is forbidden: User \"ann\" cannot delete resource "
		"\"services\" in API group \"helvetia.cloud\" in the namespace \"default\": its role is viewer of "
		"namespace default");
	/* Who leaves takes all tokens along. */
	expect(&fixture, "DELETE", USERS "/ann", NULL, 200, NULL, NULL);
	wait_until(ann, SERVICES("default"), 401);
	expect(&fixture, "GET", TOKENS("default") "/anns", NULL, 404, NULL, NULL);
	postgres_run(&fixture.postgres, "DELETE FROM services");
}

/* --- an open stream --- */

struct stream {
	const char *name; /* of the token that is revoked when the stream has begun */
	size_t pieces;
};

static int revoke_at_first(const char *data, size_t length, void *payload)
{
	struct stream *stream = payload;

	(void)data;
	(void)length;
	if (stream->pieces++ == 0) {
		HC_AUTO_FREE path = hc_xprintf(TOKENS("default") "/%s", stream->name);
		expect(&fixture, "DELETE", path, NULL, 200, NULL, NULL);
	}
	return 0;
}

static void a_revoked_token_ends_its_watch_and_no_other(void **state)
{
	struct stream stream = {.name = "watcher"};
	struct http_response response = {0};
	struct hc_error err = {0};

	(void)state;
	HC_AUTO_FREE text = make_token(TOKENS("default"), TOKEN("watcher", ROLE("viewer")));
	HC_AUTO(http_client) client = fixture_client(&fixture, text);
	int64_t begun_ms = hc_clock_boot_ms();
	/* sendInitialEvents: a first piece is there at once. It would last 600 s. */
	assert_int_equal(
		http_client_stream(client,
						   SERVICES("default") "?watch=true&timeoutSeconds=600&sendInitialEvents=true"
											   "&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
						   revoke_at_first, &stream, &response, &err),
		0);
	assert_int_equal(response.status, 200);
	assert_in_range(hc_clock_boot_ms() - begun_ms, 0, 20000);
	assert_true(stream.pieces >= 1);
	http_response_done(&response);
	/* Another's token changes while this one is watched: the stream lives on to its own end. */
	HC_AUTO_FREE other = make_token(TOKENS("default"), TOKEN("other", ROLE("viewer")));
	HC_AUTO_FREE mine = make_token(TOKENS("default"), TOKEN("mine", ROLE("viewer")));
	HC_AUTO(http_client) watcher = fixture_client(&fixture, mine);
	stream = (struct stream){.name = "other"};
	begun_ms = hc_clock_boot_ms();
	assert_int_equal(
		http_client_stream(watcher,
						   SERVICES("default") "?watch=true&timeoutSeconds=3&sendInitialEvents=true"
											   "&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
						   revoke_at_first, &stream, &response, &err),
		0);
	assert_in_range(hc_clock_boot_ms() - begun_ms, 2900, 20000);
	http_response_done(&response);
	expect(&fixture, "DELETE", TOKENS("default") "/mine", NULL, 200, NULL, NULL);
}

/* --- the matrix --- */

struct bearer {
	const char *role;
	const char *own;
	struct http_client *client;
};

static const char *const parts[] = {"", "/log", "/scale", "/status"};

static const struct {
	const char *method;
	const char *query;
	const char *body;
} requests[] = {
	/* A watch that is allowed is refused for its version, so that none has to be ended. */
	{"GET", "", NULL},
	{"GET", "?watch=true&resourceVersion=x", NULL},
	{"POST", "?dryRun=All", "{}"},
	{"PUT", "?dryRun=All", "{}"},
	{"PATCH", "?dryRun=All", "{}"},
	{"DELETE", "?dryRun=All", NULL},
};

/* The answer without the name that was asked for. */
static char *masked(json_t *answer, const char *name)
{
	HC_AUTO_TEXT text = {0};
	char *dump = json_dumps(answer, JSON_SORT_KEYS);

	for (const char *at = dump ? dump : ""; *at;) {
		if (strncmp(at, name, strlen(name)) == 0) {
			hc_text_append(&text, "NAME");
			at += strlen(name);
		} else {
			hc_text_append_bytes(&text, at++, 1);
		}
	}
	free(dump);
	return hc_text_take(&text);
}

static long ask_matrix(const struct bearer *bearer, size_t request, const char *path, const char *name,
					   char **ret_masked)
{
	HC_AUTO_FREE target = hc_xprintf("%s%s", path, requests[request].query);
	const char *type = strcmp(requests[request].method, "PATCH") ? NULL : "application/merge-patch+json";
	long status = 0;
	json_t *answer = ask_as(bearer->client, requests[request].method, target, type, requests[request].body,
							&status);

	*ret_masked = masked(answer, name);
	json_decref(answer);
	return status;
}

/* One route for one bearer, of an object that is there and of one that isn't. */
static void check(const struct bearer *bearer, size_t request, const char *collection, const char *part,
				  bool named, size_t *count)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	HC_AUTO_FREE path = named ? hc_xprintf("%s/here%s", collection, part) : hc_xstrdup(collection);
	HC_AUTO_FREE target = hc_xprintf("%s%s", path, requests[request].query);
	HC_AUTO_FREE there = NULL;
	HC_AUTO_FREE absent = NULL;
	struct hc_error err = {0};
	struct http_query query;
	struct api_route route;

	assert_int_equal(http_query_parse(target, arena, &query, &err), 0);
	if (api_route_find(requests[request].method, &query, &route))
		return;
	struct api_identity identity = {.role = bearer->role, .namespace_name = bearer->own, .uid = "u"};
	bool may = api_role_may_route(&identity, &route);
	long status = ask_matrix(bearer, request, path, "here", &there);
	if (status == 401 || (status != 403) != may)
		fail_msg("%s of \"%s\": %s %s: %ld: %s", bearer->role, bearer->own, requests[request].method, target,
				 status, there);
	++*count;
	if (!named)
		return;
	HC_AUTO_FREE other = hc_xprintf("%s/gone%s", collection, part);
	long other_status = ask_matrix(bearer, request, other, "gone", &absent);
	if (may ? other_status == 403 || other_status == 401 : other_status != 403 || !hc_streq(there, absent))
		fail_msg("%s of \"%s\": %s %s: %ld: a foreign object and an absent one differ:\n%s\n%s", bearer->role,
				 bearer->own, requests[request].method, other, other_status, there, absent);
	++*count;
}

static void make_objects(void)
{
	expect(&fixture, "POST", "/api/v1/namespaces",
		   "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"theirs\"}}", 201, NULL,
		   NULL);
	expect(&fixture, "POST", "/api/v1/namespaces",
		   "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"here\"}}", 201, NULL,
		   NULL);
	expect(&fixture, "POST", "/api/v1/namespaces",
		   "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"mine\"}}", 201, NULL,
		   NULL);
	expect(&fixture, "POST", USERS, USER("here", "viewer"), 201, NULL, NULL);
	postgres_run(
		&fixture.postgres,
		"INSERT INTO services (namespace, name, object_spec) SELECT n, 'here', '{\"image\":\"a\"}'"
		"  FROM unnest('{theirs,mine}'::text[]) n;"
		"INSERT INTO deployments (service_id, namespace, name, object_spec, object_status)"
		"  SELECT id, namespace, 'here', '{\"service\":\"here\",\"revision\":1}', '{\"phase\":\"FAILED\"}'"
		"  FROM services WHERE name = 'here';"
		"INSERT INTO builds (namespace, name) SELECT n, 'here' FROM unnest('{theirs,mine}'::text[]) n;"
		"INSERT INTO tokens (namespace, name, hash) SELECT n, 'here', encode(sha256(n::bytea), 'hex')"
		"  FROM unnest('{theirs,mine}'::text[]) n;"
		"INSERT INTO events (namespace, name) SELECT n, 'here' FROM unnest('{theirs,mine}'::text[]) n");
}

static void check_kind(const struct bearer *bearer, const struct api_kind *kind, size_t *count)
{
	static const char *const places[] = {"", "/namespaces/mine", "/namespaces/theirs", "/namespaces/absent"};

	for (size_t place = 0; place < (kind->namespaced ? HC_COUNT(places) : 1); place++) {
		HC_AUTO_FREE collection = hc_xprintf("%s%s%s/%s", *kind->group ? "/apis/" : "/api/",
											 kind->api_version, places[place], kind->plural);
		for (size_t request = 0; request < HC_COUNT(requests); request++) {
			check(bearer, request, collection, "", false, count);
			for (size_t part = 0; part < HC_COUNT(parts); part++)
				check(bearer, request, collection, parts[part], true, count);
		}
	}
}

static void every_route_is_what_the_table_says(void **state)
{
	struct bearer bearers[] = {{"admin", "", NULL},         {"developer", "", NULL},
							   {"viewer", "", NULL},        {"admin", "mine", NULL},
							   {"developer", "mine", NULL}, {"viewer", "mine", NULL}};
	size_t count = 0;

	(void)state;
	make_objects();
	for (size_t index = 0; index < HC_COUNT(bearers); index++) {
		struct bearer *bearer = &bearers[index];
		HC_AUTO_FREE name = hc_xprintf("matrix-%zu", index);
		HC_AUTO_FREE spec = hc_xprintf("{\"role\":\"%s\",\"allNamespaces\":%s}", bearer->role,
									   *bearer->own ? "false" : "true");
		HC_AUTO_FREE text = hc_xprintf("hv_matrix%zu", index);
		fixture_token(&fixture, name, *bearer->own ? bearer->own : "default", text, spec);
		bearer->client = fixture_client(&fixture, text);
		for (int kind = 0; kind < STORE_KIND_COUNT; kind++)
			check_kind(bearer, api_kind_of((enum store_kind)kind), &count);
		http_client_close(bearer->client);
	}
	print_message("%zu answers\n", count);
}

static void an_admin_of_a_namespace_makes_tokens_of_it_only(void **state)
{
	(void)state;
	fixture_token(&fixture, "boss", "mine", "hv_boss", "{\"role\":\"admin\"}");
	HC_AUTO(http_client) boss = fixture_client(&fixture, "hv_boss");
	expect_as(boss, "POST", TOKENS("mine"), TOKEN("a", ROLE("admin")), 201, NULL, NULL);
	expect_as(boss, "POST", TOKENS("mine"), TOKEN("b", ROLE("viewer") ",\"allNamespaces\":true"), 403,
			  "reason", "Forbidden");
	expect_as(boss, "POST", TOKENS("mine"), TOKEN("b", ROLE("viewer") ",\"user\":\"here\""), 403, "reason",
			  "Forbidden");
	expect_as(boss, "POST", TOKENS("theirs"), TOKEN("b", ROLE("viewer")), 403, "reason", "Forbidden");
	fixture_token(&fixture, "wide", "mine", "hv_wide", "{\"role\":\"viewer\",\"allNamespaces\":true}");
	expect_as(boss, "DELETE", TOKENS("mine") "/wide", NULL, 403, "reason", "Forbidden");
	expect(&fixture, "DELETE", TOKENS("mine") "/wide", NULL, 200, NULL, NULL);
	expect_as(boss, "DELETE", TOKENS("mine") "/a", NULL, 200, NULL, NULL);
}

/* --- the unix socket --- */

static void this_machine_needs_no_token(void **state)
{
	HC_AUTO_FREE path = hc_xprintf("%s/api.sock", fixture.folder);
	HC_AUTO(http_client) local = NULL;
	HC_AUTO(http_client) wrong = NULL;
	struct hc_error err = {0};
	struct stat status;

	(void)state;
	assert_int_equal(stat(path, &status), 0);
	assert_true(S_ISSOCK(status.st_mode));
	assert_int_equal(status.st_mode & 0777, 0600);
	struct http_client_options options = {.base_url = "http://localhost", .unix_socket = path};
	assert_int_equal(http_client_open(&options, &local, &err), 0);
	expect_as(local, "GET", GROUP "/tokens", NULL, 200, "kind", "TokenList");
	expect_as(local, "GET", "/webhooks/deliveries", NULL, 200, NULL, NULL);
	/* A token that is sent counts, also here. */
	options.token = "hv_nothing";
	assert_int_equal(http_client_open(&options, &wrong, &err), 0);
	expect_as(wrong, "GET", GROUP "/tokens", NULL, 401, "reason", "Unauthorized");
}

static void wrong_tokens_are_answered_slowly(void **state)
{
	HC_AUTO(http_client) wrong = fixture_client(&fixture, "hv_wrong");
	long status = 0;
	int refused = 0;

	(void)state;
	for (int index = 0; index < 200 && status != 429; index++, refused += status == 401)
		json_decref(ask_as(wrong, "GET", SERVICES("default"), NULL, NULL, &status));
	assert_int_equal(status, 429);
	assert_in_range(refused, 10, 190);
	/* Who is known is not held up; after a moment the next is looked up again. */
	expect(&fixture, "GET", SERVICES("default"), NULL, 200, NULL, NULL);
	wait_until(wrong, SERVICES("default"), 401);
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
		cmocka_unit_test(a_token_is_shown_once),
		cmocka_unit_test(the_last_use_is_shown_and_is_no_change),
		cmocka_unit_test(a_user_is_the_most_that_his_tokens_are),
		cmocka_unit_test(a_revoked_token_ends_its_watch_and_no_other),
		cmocka_unit_test(every_route_is_what_the_table_says),
		cmocka_unit_test(an_admin_of_a_namespace_makes_tokens_of_it_only),
		cmocka_unit_test(this_machine_needs_no_token),
		cmocka_unit_test(wrong_tokens_are_answered_slowly),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
