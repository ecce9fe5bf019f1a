/* Secrets and their sealed values, against a real PostgreSQL: what is current, what is kept, who is woken. */
#include "base/random.h"
#include "base/text.h"
#include "store/store_secret.h"

#include <libpq-fe.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store_fixture.h"
#include "store_test.h"

#define DEADLINE_MS 20000

static const char *uuid(void)
{
	char *text = hc_arena_alloc(arena, HC_UUID_SIZE);

	hc_random_uuid(text);
	return text;
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

/* One key with one value, by the version's id. */
static struct store_object put(const char *namespace_name, const char *uid, const char *version, bool sealed)
{
	struct store_write write = {
		.spec = "{\"type\":\"Opaque\",\"data\":{\"token\":\"\"}}",
		.status = hc_arena_printf(arena, "{\"versions\":{\"token\":\"%s\"}}", version)};
	struct store_secret_value value = {.key = "token", .version = version, .key_version = 1};
	struct store_object object;

	if (sealed) {
		value.sealed = "\0sealed";
		value.sealed_length = 7;
	}
	assert_ok(store_begin(store, &err));
	if (uid)
		assert_ok(store_update(store, arena, STORE_SECRET, uid, &write, &object, &err));
	else
		assert_ok(store_insert(store, arena, STORE_SECRET, namespace_name, "keys", &write, &object, &err));
	assert_ok(store_secret_write(store, object.uid, &value, 1, &err));
	assert_ok(store_commit(store, &err));
	return object;
}

static void test_values(void **state)
{
	const char *first = uuid(), *second = uuid();
	struct store_object space = insert(STORE_NAMESPACE, "", "values", &(struct store_write){0});
	struct store_object other = insert(STORE_NAMESPACE, "", "values-other", &(struct store_write){0});
	struct store_object object = put("values", NULL, first, true);
	int64_t version = object.resource_version;
	struct store_secret_value *values, value;
	size_t count;

	(void)state;
	assert_null(strstr(object.json, "sealed"));
	assert_null(strstr(object.json, first)); /* the status is ours */
	assert_non_null(strstr(object.json, "\"token\": \"\""));
	assert_ok(store_secret_values(store, arena, object.uid, &values, &count, &err));
	assert_int_equal(count, 1);
	assert_string_equal(values[0].key, "token");
	assert_string_equal(values[0].version, first);
	assert_int_equal(values[0].key_version, 1);
	assert_int_equal(values[0].sealed_length, 7);
	assert_memory_equal(values[0].sealed, "\0sealed", 7);
	/* The same again is no change; another value is one, though what is served is equal. */
	object = put(NULL, object.uid, first, false);
	assert_int_equal(object.resource_version, version);
	object = put(NULL, object.uid, second, true);
	assert_true(object.resource_version > version);
	assert_ok(store_secret_values(store, arena, object.uid, &values, &count, &err));
	assert_int_equal(count, 1);
	assert_string_equal(values[0].version, second);
	/* The old one is still there, for its own namespace. */
	assert_ok(store_secret_value(store, arena, space.uid, first, &value, &err));
	assert_string_equal(value.key, "token");
	assert_error(store_secret_value(store, arena, other.uid, first, &value, &err), HC_NOT_FOUND, "not found");
	assert_error(store_secret_value(store, arena, space.uid, uuid(), &value, &err), HC_NOT_FOUND,
				 "not found");
}

static void test_immutable(void **state)
{
	const char *version = uuid();

	(void)state;
	insert(STORE_NAMESPACE, "", "immutable", &(struct store_write){0});
	put("immutable", NULL, version, true);
	PGconn *connection = PQconnectdb(server.url);
	HC_AUTO_TEXT sql = {0};
	hc_text_printf(&sql, "UPDATE secret_versions SET sealed = 'x' WHERE id = '%s'", version);
	PGresult *result = PQexec(connection, hc_text_string(&sql));
	assert_string_equal(PQresultErrorField(result, PG_DIAG_SQLSTATE), "55000");
	PQclear(result);
	PQfinish(connection);
}

static void test_resolve(void **state)
{
	const char *version = uuid();
	struct env_entry entries[] = {
		{.name = "A", .value = "plain"},
		{.name = "B", .secret_name = "keys", .secret_key = "token"},
		{.name = "C", .secret_name = "keys", .secret_key = "other", .secret_version = "stale"},
		{.name = "D", .secret_name = "none", .secret_key = "token"},
		{.name = "E", .secret_name = "keys", .secret_key = "token"},
		{.name = "F", .secret_name = "ke\"y\\s", .secret_key = "{token}"},
	};

	(void)state;
	insert(STORE_NAMESPACE, "", "resolve", &(struct store_write){0});
	put("resolve", NULL, version, true);
	assert_ok(store_secret_resolve(store, arena, "resolve", entries, HC_COUNT(entries), &err));
	assert_null(entries[0].secret_version);
	assert_string_equal(entries[1].secret_version, version);
	assert_null(entries[2].secret_version);
	assert_null(entries[3].secret_version);
	assert_string_equal(entries[4].secret_version, version);
	assert_null(entries[5].secret_version);
	assert_ok(store_secret_resolve(store, arena, "elsewhere", entries, HC_COUNT(entries), &err));
	assert_null(entries[1].secret_version);
}

/* Kept while a Deployment names it, also when the Secret is gone; then it goes, after its time. */
static void test_garbage(void **state)
{
	const char *named = uuid(), *unnamed = uuid(), *current = uuid(), *deployment = uuid();
	struct store_object space = insert(STORE_NAMESPACE, "", "garbage", &(struct store_write){0});
	struct store_object service = insert(STORE_SERVICE, "garbage", "shop", &(struct store_write){0});
	struct store_object object = put("garbage", NULL, named, true);
	struct store_secret_value value;
	bool gone, any = false;

	(void)state;
	put(NULL, object.uid, unnamed, true);
	put(NULL, object.uid, current, true);
	const char *spec = hc_arena_printf(
		arena,
		"{\"revision\":1,\"template\":{\"env\":[{\"name\":\"A\",\"value\":\"x\"},{\"name\":\"T\","
		"\"secretRef\":{\"name\":\"keys\",\"key\":\"token\",\"version\":\"%s\"}}]}}",
		named);
	assert_ok(store_deployment_create(store, epoch, service.uid, "shop-r1", deployment, 1, spec, "{}", &err));
	assert_ok(store_compact(store, epoch, &err));
	assert_ok(store_secret_value(store, arena, space.uid, unnamed, &value, &err)); /* too fresh */
	postgres_run(&server, "UPDATE secret_versions SET retired_at = now() - interval '2 hours'"
						  " WHERE retired_at IS NOT NULL");
	assert_ok(store_compact(store, epoch, &err));
	assert_error(store_secret_value(store, arena, space.uid, unnamed, &value, &err), HC_NOT_FOUND,
				 "not found");
	assert_ok(store_secret_value(store, arena, space.uid, named, &value, &err));
	assert_ok(store_secret_value(store, arena, space.uid, current, &value, &err));
	assert_ok(store_begin(store, &err));
	assert_ok(store_delete(store, arena, STORE_SECRET, object.uid, &object, &gone, &err));
	assert_ok(store_commit(store, &err));
	assert_true(gone);
	postgres_run(&server, "UPDATE secret_versions SET retired_at = now() - interval '2 hours'");
	assert_ok(store_deployment_delete(store, epoch, deployment, &err));
	assert_ok(store_compact(store, epoch, &err));
	assert_error(store_secret_value(store, arena, space.uid, named, &value, &err), HC_NOT_FOUND, "not found");
	assert_error(store_secret_value(store, arena, space.uid, current, &value, &err), HC_NOT_FOUND,
				 "not found");
	assert_ok(store_secret_any(store, &any, &err));
	assert_false(any);
}

static bool heard(PGconn *connection, const char *key)
{
	struct pollfd waiting = {.fd = PQsocket(connection), .events = POLLIN};

	for (;;) {
		PGnotify *notify = NULL;
		while ((notify = PQnotifies(connection))) {
			bool found = strcmp(notify->extra, key) == 0;
			PQfreemem(notify);
			if (found)
				return true;
		}
		if (poll(&waiting, 1, DEADLINE_MS) <= 0 || !PQconsumeInput(connection))
			return false;
	}
}

static void test_wakes(void **state)
{
	struct store_write wanting = {
		.spec = "{\"env\":[{\"name\":\"T\",\"secretRef\":{\"name\":\"keys\",\"key\":\"token\"}}]}"};
	PGconn *connection = PQconnectdb(server.url);
	struct store_object object;
	bool gone;

	(void)state;
	PQclear(PQexec(connection, "LISTEN helvetia_job"));
	insert(STORE_NAMESPACE, "", "wakes", &(struct store_write){0});
	insert(STORE_SERVICE, "wakes", "plain", &(struct store_write){0});
	object = insert(STORE_SERVICE, "wakes", "shop", &wanting);
	const char *key = hc_arena_printf(arena, "service/%s", object.uid);
	object = put("wakes", NULL, uuid(), true);
	assert_true(heard(connection, key));
	put(NULL, object.uid, uuid(), true);
	assert_true(heard(connection, key));
	assert_ok(store_begin(store, &err));
	assert_ok(store_delete(store, arena, STORE_SECRET, object.uid, &object, &gone, &err));
	assert_ok(store_commit(store, &err));
	assert_true(heard(connection, key));
	PQfinish(connection);
}

static void test_namespace(void **state)
{
	struct store_object space = insert(STORE_NAMESPACE, "", "going", &(struct store_write){0}), object;
	bool gone, any = true;

	(void)state;
	postgres_run(&server, "DELETE FROM secret_versions");
	put("going", NULL, uuid(), true);
	assert_ok(store_begin(store, &err));
	assert_ok(store_delete(store, arena, STORE_NAMESPACE, space.uid, &object, &gone, &err));
	assert_ok(store_commit(store, &err));
	assert_true(gone);
	assert_ok(store_secret_any(store, &any, &err));
	assert_false(any);
	assert_int_equal(postgres_number(&server,
									 "SELECT count(*) FROM change_log WHERE kind = 'Secret' AND type ="
									 " 'DELETED' AND namespace = 'going'"),
					 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_garbage), cmocka_unit_test(test_values), cmocka_unit_test(test_immutable),
		cmocka_unit_test(test_resolve), cmocka_unit_test(test_wakes),  cmocka_unit_test(test_namespace),
	};

	return cmocka_run_group_tests(tests, store_fixture_setup, store_fixture_teardown);
}
