/* What goes with its owner, waits for it, or stays: ownerReferences against a real PostgreSQL. */
#include "store/store_owner.h"

#include "base/alloc.h"
#include "base/arena.h"
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
	struct store_write nothing = {0};
	struct store_object object;

	(void)state;
	arena = hc_arena_new();
	postgres_init(&server);
	assert_ok(store_open(server.url, "store_owner_test", &store, &err));
	assert_ok(store_migrate(store, &err));
	assert_ok(store_begin(store, &err));
	assert_ok(store_insert(store, arena, STORE_NAMESPACE, "", "a", &nothing, &object, &err));
	assert_ok(store_insert(store, arena, STORE_NAMESPACE, "", "b", &nothing, &object, &err));
	assert_ok(store_commit(store, &err));
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

/* A Secret with these owners (uids, NULL: none) and, perhaps, a finalizer of somebody. Its uid. */
static const char *make(const char *namespace_name, const char *name, const char *first, const char *second,
						bool held)
{
	HC_AUTO_FREE other = second ? hc_xprintf(",{\"uid\":\"%s\"}", second) : hc_xstrdup("");
	HC_AUTO_FREE owners = first ? hc_xprintf(",\"ownerReferences\":[{\"uid\":\"%s\"}%s]", first, other)
								: hc_xstrdup("");
	HC_AUTO_FREE metadata = hc_xprintf("{\"labels\":{}%s%s}", held ? ",\"finalizers\":[\"x/hold\"]" : "",
									   owners);
	struct store_write write = {.metadata = metadata, .spec = "{}"};
	struct store_object object;

	assert_ok(store_begin(store, &err));
	assert_ok(store_insert(store, arena, STORE_SECRET, namespace_name, name, &write, &object, &err));
	assert_ok(store_commit(store, &err));
	return object.uid;
}

static void delete_with(const char *uid, enum store_propagation propagation, bool expect_gone)
{
	struct store_object object;
	bool gone = false;

	assert_ok(store_begin(store, &err));
	assert_ok(store_owner_prepare(store, STORE_SECRET, uid, "a", propagation, &err));
	assert_ok(store_delete(store, arena, STORE_SECRET, uid, &object, &gone, &err));
	assert_ok(store_commit(store, &err));
	assert_int_equal(gone, expect_gone);
}

/* Takes the finalizers off; owner NULL: and the references with them. */
static void release(const char *uid, const char *owner)
{
	HC_AUTO_FREE metadata = owner ? hc_xprintf("{\"ownerReferences\":[{\"uid\":\"%s\"}]}", owner)
								  : hc_xstrdup("{}");
	struct store_write write = {.metadata = metadata};
	struct store_object object;

	assert_ok(store_begin(store, &err));
	assert_ok(store_update(store, arena, STORE_SECRET, uid, &write, &object, &err));
	assert_ok(store_commit(store, &err));
}

/* Names that are left, those that are being deleted in brackets. */
#define LEFT                                                                                                 \
	"SELECT coalesce(string_agg(CASE WHEN deleted_at IS NULL THEN name ELSE '(' || name || ')' END, ' ' "    \
	"ORDER BY name), '') FROM secrets"
#define CLEAR "UPDATE secrets SET object_metadata = '{}'; DELETE FROM secrets"

static void the_last_owner_takes_along(void **state)
{
	(void)state;
	const char *owner = make("a", "owner", NULL, NULL, false);
	const char *other = make("a", "other", NULL, NULL, false);
	make("a", "child", owner, NULL, false);
	make("a", "shared", owner, other, false);
	make("a", "held", owner, NULL, true);
	make("b", "foreign", owner, NULL, false); /* another namespace: the reference means nothing */
	delete_with(owner, STORE_BACKGROUND, true);
	assert_sql(&server, LEFT, "foreign (held) other shared");
	assert_sql(
		&server,
		"SELECT jsonb_array_length(object_metadata -> 'ownerReferences') FROM secrets WHERE name = 'shared'",
		"1");
	delete_with(other, STORE_BACKGROUND, true);
	assert_sql(&server, LEFT, "foreign (held)");
	/* All of it is in the change log, the owner before what follows from it. */
	assert_sql(
		&server,
		"SELECT string_agg(name, ' ' ORDER BY resource_version) FROM change_log WHERE type = 'DELETED'",
		"owner child other shared");
	postgres_run(&server, CLEAR);
}

static void chains_are_followed(void **state)
{
	char name[16];

	(void)state;
	const char *owner = make("a", "c00", NULL, NULL, false);
	const char *at = owner;
	for (int index = 1; index < 10; index++) {
		snprintf(name, sizeof name, "c%02d", index);
		at = make("a", name, at, NULL, false);
	}
	delete_with(owner, STORE_BACKGROUND, true);
	assert_sql(&server, LEFT, "");
	/* One that is much too long ends somewhere, and is no error. */
	at = owner = make("a", "d00", NULL, NULL, false);
	for (int index = 1; index < 60; index++) {
		snprintf(name, sizeof name, "d%02d", index);
		at = make("a", name, at, NULL, false);
	}
	delete_with(owner, STORE_BACKGROUND, true);
	assert_sql(&server, "SELECT count(*) BETWEEN 1 AND 40 FROM secrets", "t");
	postgres_run(&server, CLEAR);
}

static void circles_end(void **state)
{
	(void)state;
	const char *one = make("a", "one", NULL, NULL, false);
	const char *two = make("a", "two", one, NULL, false);
	HC_AUTO_FREE metadata = hc_xprintf("{\"ownerReferences\":[{\"uid\":\"%s\"}]}", two);
	struct store_write write = {.metadata = metadata};
	struct store_object object;

	assert_ok(store_begin(store, &err));
	assert_ok(store_update(store, arena, STORE_SECRET, one, &write, &object, &err));
	assert_ok(store_commit(store, &err));
	delete_with(one, STORE_BACKGROUND, true);
	assert_sql(&server, LEFT, "");
}

static void the_foreground_waits(void **state)
{
	(void)state;
	const char *owner = make("a", "owner", NULL, NULL, false);
	const char *held = make("a", "held", owner, NULL, true);
	make("a", "child", owner, NULL, false);
	delete_with(owner, STORE_FOREGROUND, false);
	assert_sql(&server, LEFT, "(held) (owner)");
	assert_sql(&server, "SELECT object_metadata ->> 'finalizers' FROM secrets WHERE name = 'owner'",
			   "[\"foregroundDeletion\"]");
	release(held, owner);
	assert_sql(&server, LEFT, "");
	/* Without dependents there is nothing to wait for. */
	owner = make("a", "owner", NULL, NULL, false);
	delete_with(owner, STORE_FOREGROUND, true);
	/* A foreign finalizer of the owner itself outlives the wait. */
	owner = make("a", "owner", NULL, NULL, true);
	held = make("a", "held", owner, NULL, true);
	delete_with(owner, STORE_FOREGROUND, false);
	release(held, NULL);
	assert_sql(&server, LEFT, "(owner)");
	assert_sql(&server, "SELECT object_metadata ->> 'finalizers' FROM secrets", "[\"x/hold\"]");
	postgres_run(&server, CLEAR);
}

static void orphans_stay(void **state)
{
	(void)state;
	const char *owner = make("a", "owner", NULL, NULL, false);
	make("a", "child", owner, NULL, false);
	delete_with(owner, STORE_ORPHAN, true);
	assert_sql(&server, LEFT, "child");
	assert_sql(&server, "SELECT object_metadata ? 'ownerReferences' FROM secrets", "f");
	postgres_run(&server, CLEAR);
}

static void nonsense_harms_nobody(void **state)
{
	(void)state;
	const char *owner = make("a", "owner", "not a uid", "' OR true --", false);
	make("a", "child", owner, "00000000-0000-0000-0000-000000000000", false);
	delete_with(owner, STORE_BACKGROUND, true);
	assert_sql(&server, LEFT, "child");
	postgres_run(&server, CLEAR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_owner_takes_along),
		cmocka_unit_test(chains_are_followed),
		cmocka_unit_test(circles_end),
		cmocka_unit_test(the_foreground_waits),
		cmocka_unit_test(orphans_stay),
		cmocka_unit_test(nonsense_harms_nobody),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
