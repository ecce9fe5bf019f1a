/* One PostgreSQL, migrated, and one controller's session in it, for the cases of a test program. */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include "base/arena.h"
#include "store/store.h"
#include "store_postgres.h"

extern struct postgres server;
extern struct store *store;
extern struct hc_arena *arena; /* of all cases */
extern int64_t epoch;          /* the controller's */

int store_fixture_setup(void **state);
int store_fixture_teardown(void **state);

#endif
