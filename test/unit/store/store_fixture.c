/* See the header. */
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_test.h"

struct postgres server;
struct store *store;
struct hc_arena *arena;
int64_t epoch;

int store_fixture_setup(void **state)
{
	(void)state;
	arena = hc_arena_new();
	postgres_init(&server);
	assert_ok(store_open(server.url, "helvetia-controller", &store, &err));
	assert_ok(store_migrate(store, &err));
	assert_ok(store_epoch_take(store, "host-a", &epoch, &err));
	return 0;
}

int store_fixture_teardown(void **state)
{
	(void)state;
	store_close(store);
	hc_arena_free(arena);
	postgres_done(&server);
	return 0;
}
