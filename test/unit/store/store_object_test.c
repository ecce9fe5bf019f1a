/* Objects against a real PostgreSQL: migration, insert, update, no-op, finalizers, hosts, refusals,
 * transactions. */
#include "base/clock.h"
#include "store/store.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store_test.h"

static struct postgres server;
static struct store *store;
static struct hc_arena *arena;

static int setup(void **state)
{
	(void)state;
	arena = hc_arena_new();
	postgres_init(&server);
	assert_ok(store_open(server.url, "store_object_test", &store, &err));
	assert_ok(store_migrate(store, &err));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_close(store);
	hc_arena_free(arena);
	postgres_done(&server);
	return 0;
}

static struct store_object insert(enum store_kind kind, const char *namespace_name, const char *name,
								  const struct store_write *write)
{
	struct store_object object;

	assert_ok(store_begin(store, &err));
	assert_ok(store_insert(store, arena, kind, namespace_name, name, write, &object, &err));
	assert_ok(store_commit(store, &err));
	return object;
}

static struct store_object update(enum store_kind kind, const char *uid, const struct store_write *write)
{
	struct store_object object;

	assert_ok(store_begin(store, &err));
	assert_ok(store_update(store, arena, kind, uid, write, &object, &err));
	assert_ok(store_commit(store, &err));
	return object;
}

static struct store_object remove_object(enum store_kind kind, const char *uid, bool expect_gone)
{
	struct store_object object;
	bool gone;

	assert_ok(store_begin(store, &err));
	assert_ok(store_delete(store, arena, kind, uid, &object, &gone, &err));
	assert_ok(store_commit(store, &err));
	assert_int_equal(gone, expect_gone);
	return object;
}

static void make_namespace(const char *name)
{
	insert(STORE_NAMESPACE, "", name, &(struct store_write){0});
}

static long long newest(void)
{
	return postgres_number(&server, "SELECT resource_version FROM resource_clock");
}

static void test_migrate_again(void **state)
{
	const char *first, *second;
	struct store *other = NULL;

	(void)state;
	assert_ok(store_installation(store, arena, &first, &err));
	assert_ok(store_migrate(store, &err));
	assert_ok(store_open(server.url, "other", &other, &err));
	assert_ok(store_migrate(other, &err));
	assert_ok(store_installation(other, arena, &second, &err));
	assert_string_equal(first, second);
	assert_int_equal(strlen(first), 12);
	assert_int_equal(strspn(first, "abcdefghijklmnopqrstuvwxyz0123456789"), 12);
	store_close(other);
}

static void test_migrate_refuses_newer(void **state)
{
	(void)state;
	postgres_run(&server,
				 "INSERT INTO schema_migrations SELECT max(version) + 1, '9999_future.sql', repeat('a', 64)"
				 " FROM schema_migrations");
	assert_error(store_migrate(store, &err), HC_INVALID,
				 "newer than this program: it has migration 9999_future.sql");
	postgres_run(&server, "DELETE FROM schema_migrations WHERE name = '9999_future.sql'");
	assert_ok(store_migrate(store, &err));
}

static void test_insert_and_get(void **state)
{
	const struct store_write write = {
		.metadata =
			"{\"labels\":{\"app\":\"shop\"},\"uid\":\"mine\",\"resourceVersion\":\"7\",\"name\":\"other\"}",
		.spec = "{\"repoUrl\":\"https://git.example/shop\",\"branch\":\"main\",\"internalPort\":8080}",
	};
	struct store_object made, read, by_uid;
	char text[200];

	(void)state;
	make_namespace("first");
	made = insert(STORE_SERVICE, "first", "shop", &write);
	assert_ok(store_get(store, arena, STORE_SERVICE, "first", "shop", &read, &err));
	assert_ok(store_get_uid(store, arena, STORE_SERVICE, made.uid, &by_uid, &err));
	assert_string_equal(made.json, read.json);
	assert_string_equal(made.json, by_uid.json);
	assert_int_equal(made.resource_version, newest());
	assert_int_equal(made.generation, 1);
	assert_false(made.deleting);
	assert_true(strncmp(read.json, "{\"apiVersion\" : \"helvetia.cloud/v1\", \"kind\" : \"Service\"", 52) ==
				0);
	assert_contains(read.json, "\"name\": \"shop\"");
	assert_contains(read.json, "\"namespace\": \"first\"");
	assert_contains(read.json, "\"generation\": 1,");
	assert_contains(read.json, made.uid);
	assert_null(strstr(read.json, "mine"));
	(void)snprintf(text, sizeof text, "\"resourceVersion\": \"%lld\"", (long long)made.resource_version);
	assert_contains(read.json, text);
	assert_int_equal(
		postgres_number(&server, "SELECT count(*) FROM services WHERE repo_url = 'https://git.example/shop'"
								 " AND branch = 'main' AND internal_port = 8080 AND status = 'IDLE'"),
		1);
	assert_error(store_get(store, arena, STORE_SERVICE, "first", "absent", &read, &err), HC_NOT_FOUND,
				 "services \"absent\" not found");
}

static void test_insert_refusals(void **state)
{
	struct store_object object;

	(void)state;
	make_namespace("refusals");
	insert(STORE_SERVICE, "refusals", "taken", &(struct store_write){0});
	assert_ok(store_begin(store, &err));
	assert_error(store_insert(store, arena, STORE_SERVICE, "refusals", "taken", &(struct store_write){0},
							  &object, &err),
				 HC_CONFLICT, "services \"taken\" already exists");
	assert_error(
		store_insert(store, arena, STORE_SERVICE, "nowhere", "shop", &(struct store_write){0}, &object, &err),
		HC_NOT_FOUND, "namespaces \"nowhere\" not found");
	/* Neither broke the transaction. */
	assert_ok(store_insert(store, arena, STORE_SERVICE, "refusals", "fine", &(struct store_write){0}, &object,
						   &err));
	assert_ok(store_commit(store, &err));
	assert_ok(store_begin(store, &err));
	assert_error(store_insert(store, arena, STORE_SERVICE, "refusals", "nul",
							  &(struct store_write){.spec = "{\"startCommand\":\"a\\u0000b\"}"}, &object,
							  &err),
				 HC_INVALID, "\\u0000 cannot be converted to text");
	assert_error(store_commit(store, &err), HC_BUG, "rolled back");
	assert_ok(store_begin(store, &err));
	assert_error(store_insert(store, arena, STORE_SERVICE, "refusals", "utf8",
							  &(struct store_write){.spec = "{\"startCommand\":\"\xff\"}"}, &object, &err),
				 HC_INVALID, "invalid byte sequence");
	store_abort(store);
	assert_error(store_insert(store, arena, STORE_SERVICE, "refusals", "outside", &(struct store_write){0},
							  &object, &err),
				 HC_BUG, "outside of a transaction");
}

static void test_update(void **state)
{
	struct store_object made, changed, status;

	(void)state;
	make_namespace("update");
	made = insert(STORE_SERVICE, "update", "shop", &(struct store_write){.spec = "{\"branch\":\"main\"}"});
	changed = update(
		STORE_SERVICE, made.uid,
		&(struct store_write){.spec = "{\"branch\":\"next\"}", .generation_up = true, .template_hash = "h1"});
	assert_int_equal(changed.generation, 2);
	assert_int_equal(changed.resource_version, newest());
	assert_contains(changed.json, "\"branch\": \"next\"");
	status = update(STORE_SERVICE, made.uid, &(struct store_write){.status = "{\"phase\":\"ACTIVE\"}"});
	assert_int_equal(status.generation, 2);
	assert_contains(status.json, "\"branch\": \"next\"");
	assert_int_equal(postgres_number(&server,
									 "SELECT count(*) FROM services WHERE namespace = 'update' AND status ="
									 " 'ACTIVE' AND branch = 'next' AND template_hash = 'h1'"),
					 1);
	assert_int_equal(postgres_number(&server, "SELECT count(*) FROM change_log WHERE namespace = 'update'"),
					 3);
}

static void test_no_op(void **state)
{
#define MANAGED(time)                                                                                        \
	"{\"managedFields\":[{\"manager\":\"kubectl\",\"time\":\"" time "\",\"fieldsV1\":{\"f:spec\":{}}}]}"
	struct store_object made, same;
	long long version;

	(void)state;
	make_namespace("no-op");
	made = insert(
		STORE_SERVICE, "no-op", "shop",
		&(struct store_write){.metadata = MANAGED("2026-01-01T00:00:00Z"), .spec = "{\"replicas\":1}"});
	version = newest();
	same = update(STORE_SERVICE, made.uid,
				  &(struct store_write){.metadata = MANAGED("2026-02-02T00:00:00Z"),
										.spec = "{ \"replicas\" : 1 }",
										.generation_up = true});
	assert_string_equal(same.json, made.json);
	assert_int_equal(newest(), version);
	/* A column that the API does not see is written without a change. */
	same = update(STORE_SERVICE, made.uid, &(struct store_write){.template_hash = "h2"});
	assert_string_equal(same.json, made.json);
	assert_int_equal(newest(), version);
	assert_int_equal(postgres_number(&server, "SELECT count(*) FROM services WHERE template_hash = 'h2'"), 1);
	assert_int_equal(postgres_number(&server, "SELECT count(*) FROM change_log WHERE namespace = 'no-op'"),
					 1);
	/* A change of a manager is one. */
	same = update(STORE_SERVICE, made.uid,
				  &(struct store_write){.metadata = "{\"managedFields\":[{\"manager\":\"other\"}]}"});
	assert_int_equal(same.resource_version, version + 1);
#undef MANAGED
}

static void test_finalizers(void **state)
{
	struct store_object made, marked, again, gone;

	(void)state;
	make_namespace("finalizers");
	made = insert(STORE_SERVICE, "finalizers", "shop",
				  &(struct store_write){.metadata = "{\"finalizers\":[\"" STORE_SERVICE_FINALIZER
													"\",\"other/one\"]}"});
	marked = remove_object(STORE_SERVICE, made.uid, false);
	assert_true(marked.deleting);
	assert_int_equal(marked.generation, 2);
	assert_contains(marked.json, "\"deletionTimestamp\": \"20");
	again = remove_object(STORE_SERVICE, made.uid, false);
	assert_string_equal(again.json, marked.json);
	update(STORE_SERVICE, made.uid, &(struct store_write){.metadata = "{\"finalizers\":[\"other/one\"]}"});
	gone = update(STORE_SERVICE, made.uid, &(struct store_write){.metadata = "{\"finalizers\":[]}"});
	assert_int_equal(gone.resource_version, newest());
	assert_error(store_get_uid(store, arena, STORE_SERVICE, made.uid, &gone, &err), HC_NOT_FOUND,
				 "not found");
	assert_sql(&server,
			   "SELECT string_agg(type::text, ' ' ORDER BY resource_version)"
			   " FROM change_log WHERE namespace = 'finalizers'",
			   "ADDED MODIFIED MODIFIED DELETED");
	assert_ok(store_begin(store, &err));
	assert_error(
		store_update(store, arena, STORE_SERVICE, made.uid, &(struct store_write){.spec = "{}"}, &gone, &err),
		HC_NOT_FOUND, "not found");
	store_abort(store);
}

static void test_delete(void **state)
{
	struct store_object made, gone;
	bool is_gone;

	(void)state;
	make_namespace("delete");
	made = insert(STORE_SERVICE, "delete", "shop",
				  &(struct store_write){.metadata = "{\"labels\":{\"app\":\"shop\"}}",
										.hosts = (const char *const[]){"shop.delete.example"},
										.host_count = 1});
	gone = remove_object(STORE_SERVICE, made.uid, true);
	assert_true(gone.resource_version > made.resource_version);
	assert_int_equal(gone.resource_version, newest());
	assert_string_equal(gone.uid, made.uid);
	assert_int_equal(
		postgres_number(&server, "SELECT count(*) FROM hosts WHERE host = 'shop.delete.example'"), 0);
	assert_int_equal(postgres_number(&server, "SELECT count(*) FROM change_log WHERE namespace = 'delete' AND"
											  " type = 'DELETED' AND labels_before = '{\"app\":\"shop\"}'"),
					 1);
	assert_ok(store_begin(store, &err));
	assert_error(store_delete(store, arena, STORE_SERVICE, made.uid, &gone, &is_gone, &err), HC_NOT_FOUND,
				 "not found");
	store_abort(store);
}

static void test_namespace(void **state)
{
	struct store_object namespace, service, object;
	bool gone;

	(void)state;
	namespace = insert(STORE_NAMESPACE, "", "project",
					   &(struct store_write){.metadata = "{\"finalizers\":[\"a/b\"]}"});
	assert_contains(namespace.json, "{\"apiVersion\" : \"v1\", \"kind\" : \"Namespace\"");
	assert_contains(namespace.json, "\"phase\": \"Active\"");
	assert_null(strstr(namespace.json, "\"namespace\""));
	service = insert(STORE_SERVICE, "project", "shop", &(struct store_write){0});
	insert(STORE_TOKEN, "project", "ci",
		   &(struct store_write){
			   .spec = "{\"role\":\"viewer\"}",
			   .token_hash = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"});
	object = remove_object(STORE_NAMESPACE, namespace.uid, false);
	assert_contains(object.json, "\"phase\": \"Terminating\"");
	assert_ok(store_begin(store, &err));
	assert_error(
		store_insert(store, arena, STORE_SERVICE, "project", "late", &(struct store_write){0}, &object, &err),
		HC_CONFLICT, "namespace \"project\" is being deleted");
	store_abort(store);
	/* Without finalizers, but not empty. */
	make_namespace("full");
	insert(STORE_SERVICE, "full", "shop", &(struct store_write){0});
	assert_ok(store_get(store, arena, STORE_NAMESPACE, "", "full", &object, &err));
	assert_ok(store_begin(store, &err));
	assert_error(store_delete(store, arena, STORE_NAMESPACE, object.uid, &object, &gone, &err), HC_CONFLICT,
				 "namespace \"full\" is not empty: services 1, deployments 0");
	store_abort(store);
	remove_object(STORE_SERVICE, service.uid, true);
	update(STORE_NAMESPACE, namespace.uid, &(struct store_write){.metadata = "{}"});
	assert_error(store_get(store, arena, STORE_NAMESPACE, "", "project", &object, &err), HC_NOT_FOUND,
				 "not found");
	assert_int_equal(postgres_number(&server, "SELECT count(*) FROM tokens WHERE namespace = 'project'"), 0);
	/* What it owned went first. */
	assert_sql(&server,
			   "SELECT string_agg(kind, ' ' ORDER BY resource_version) FROM change_log"
			   " WHERE type = 'DELETED' AND (namespace = 'project' OR name = 'project')",
			   "Service Token Namespace");
}

static void test_hosts(void **state)
{
	static const char *const both[] = {"shop.example", "www.shop.example"};
	static const char *const strange[] = {"a\"b\\c,{}"};
	struct store_object made, object;
	const char **hosts;
	size_t count;

	(void)state;
	make_namespace("hosts");
	made = insert(STORE_SERVICE, "hosts", "shop",
				  &(struct store_write){.spec = "{}", .hosts = both, .host_count = 2});
	assert_ok(store_begin(store, &err));
	assert_error(store_insert(store, arena, STORE_SERVICE, "hosts", "thief",
							  &(struct store_write){.hosts = both + 1, .host_count = 1}, &object, &err),
				 HC_CONFLICT, "host \"www.shop.example\" is already claimed by service hosts/shop");
	store_abort(store);
	/* Writing the status keeps them, writing the spec replaces them. */
	update(STORE_SERVICE, made.uid, &(struct store_write){.status = "{\"phase\":\"ACTIVE\"}"});
	assert_ok(store_hosts_all(store, arena, &hosts, &count, &err));
	assert_int_equal(count, 2);
	assert_string_equal(hosts[0], "shop.example");
	update(STORE_SERVICE, made.uid, &(struct store_write){.spec = "{}", .hosts = both, .host_count = 1});
	assert_ok(store_hosts_all(store, arena, &hosts, &count, &err));
	assert_int_equal(count, 1);
	insert(STORE_SERVICE, "hosts", "heir", &(struct store_write){.hosts = both + 1, .host_count = 1});
	update(STORE_SERVICE, made.uid, &(struct store_write){.spec = "{}", .hosts = strange, .host_count = 1});
	assert_int_equal(postgres_number(&server, "SELECT count(*) FROM hosts WHERE host = 'a\"b\\c,{}'"), 1);
	update(STORE_SERVICE, made.uid, &(struct store_write){.spec = "{}"});
	assert_int_equal(postgres_number(&server, "SELECT count(*) FROM hosts"), 1);
}

static void test_token_and_user(void **state)
{
	static const char hash[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	static const char wide_hash[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
	struct store_token token;
	struct store_object user, object;

	(void)state;
	make_namespace("tokens");
	insert(STORE_TOKEN, "tokens", "ci",
		   &(struct store_write){.spec = "{\"role\":\"developer\",\"expiresAt\":\"2030-01-02T03:04:05Z\"}",
								 .token_hash = hash});
	assert_ok(store_token_find(store, arena, hash, &token, &err));
	assert_string_equal(token.name, "ci");
	assert_string_equal(token.namespace_name, "tokens");
	assert_string_equal(token.role, "developer");
	assert_int_equal(token.expires_wall_ms, 1893553445000);
	object = insert(STORE_TOKEN, "", "admin",
					&(struct store_write){.spec = "{\"role\":\"admin\"}", .token_hash = wide_hash});
	assert_null(strstr(object.json, wide_hash));
	assert_ok(store_token_find(store, arena, wide_hash, &token, &err));
	assert_string_equal(token.namespace_name, "");
	assert_int_equal(token.expires_wall_ms, 0);
	update(STORE_TOKEN, object.uid,
		   &(struct store_write){.status = "{\"lastUsedTime\":\"2026-01-02T03:04:05Z\"}"});
	assert_ok(store_token_find(store, arena, wide_hash, &token, &err));
	assert_error(store_token_find(store, arena, "00", &token, &err), HC_NOT_FOUND, "no such token");
	assert_ok(store_begin(store, &err));
	assert_error(
		store_insert(store, arena, STORE_TOKEN, "tokens", "bare", &(struct store_write){0}, &object, &err),
		HC_INVALID, "hash");
	store_abort(store);
	user = insert(STORE_USER, "", "octo",
				  &(struct store_write){.spec = "{\"username\":\"Octo\",\"githubId\":42}"});
	assert_int_equal(postgres_number(&server,
									 "SELECT count(*) FROM users WHERE github_id = 42 AND username = 'Octo'"
									 " AND role = 'developer'"),
					 1);
	insert(STORE_SERVICE, "tokens", "shop", &(struct store_write){.user_uid = user.uid});
	remove_object(STORE_USER, user.uid, true);
	assert_int_equal(
		postgres_number(&server,
						"SELECT count(*) FROM services WHERE namespace = 'tokens' AND user_id IS NULL"),
		1);
}

static void test_transaction(void **state)
{
	struct store_object object;
	int64_t before, after;
	long long version = newest();

	(void)state;
	make_namespace("transaction");
	assert_ok(store_count(store, STORE_SERVICE, "", &before, &err));
	assert_ok(store_begin(store, &err));
	assert_ok(store_insert(store, arena, STORE_SERVICE, "transaction", "a", &(struct store_write){0}, &object,
						   &err));
	assert_ok(store_insert(store, arena, STORE_SERVICE, "transaction", "b", &(struct store_write){0}, &object,
						   &err));
	store_abort(store);
	assert_ok(store_count(store, STORE_SERVICE, "", &after, &err));
	assert_int_equal(before, after);
	assert_int_equal(newest(), version + 1); /* the namespace only: aborted versions are given again */
	assert_error(store_commit(store, &err), HC_BUG, "without a transaction");
}

/* A writer that sleeps inside a transaction is put out, and the next one goes on. */
static void test_idle_in_transaction(void **state)
{
	struct store_object object;
	struct store *other = NULL;
	int64_t begun;

	(void)state;
	make_namespace("idle");
	assert_ok(store_open(server.url, "other", &other, &err));
	assert_ok(store_begin(store, &err));
	begun = hc_clock_boot_ms();
	assert_ok(store_begin(other, &err)); /* waits for the lock */
	assert_in_range(hc_clock_boot_ms() - begun, 1500, 8000);
	assert_ok(store_commit(other, &err));
	assert_error(
		store_insert(store, arena, STORE_SERVICE, "idle", "late", &(struct store_write){0}, &object, &err),
		HC_TRANSIENT, "");
	store_abort(store);
	insert(STORE_SERVICE, "idle", "again", &(struct store_write){0});
	store_close(other);
}

static void test_restart(void **state)
{
	struct store_object object;

	(void)state;
	make_namespace("restart");
	postgres_stop(&server);
	assert_error(store_get(store, arena, STORE_NAMESPACE, "", "restart", &object, &err), HC_TRANSIENT,
				 "connect to PostgreSQL");
	postgres_start(&server);
	assert_ok(store_get(store, arena, STORE_NAMESPACE, "", "restart", &object, &err));
	/* A restart between two calls is not noticed at all. */
	postgres_stop(&server);
	postgres_start(&server);
	insert(STORE_SERVICE, "restart", "shop", &(struct store_write){0});
}

static void test_open_refusals(void **state)
{
	struct store *none = NULL;

	(void)state;
	assert_error(store_open("postgresql:///x?colour=red", "test", &none, &err), HC_INVALID, "colour");
	assert_error(store_open("postgresql:///x?host=/nonexistent", "test", &none, &err), HC_TRANSIENT,
				 "connect to PostgreSQL");
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_migrate_again),
		cmocka_unit_test(test_migrate_refuses_newer),
		cmocka_unit_test(test_insert_and_get),
		cmocka_unit_test(test_insert_refusals),
		cmocka_unit_test(test_update),
		cmocka_unit_test(test_no_op),
		cmocka_unit_test(test_finalizers),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_namespace),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_token_and_user),
		cmocka_unit_test(test_transaction),
		cmocka_unit_test(test_idle_in_transaction),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_open_refusals),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
