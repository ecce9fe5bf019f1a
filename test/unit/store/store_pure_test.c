/* The parts of lib/store that need no database: classes of SQLSTATEs, the order of migrations, URLs. */
#include "store/store.h"
#include "store/store_internal.h"
#include "store/store_migrate.h"
#include "store/store_sqlstate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_sqlstate_class(void **state)
{
	static const struct {
		const char *sqlstate;
		enum hc_class class;
	} cases[] = {
		{NULL, HC_TRANSIENT},    {"", HC_TRANSIENT},      {"08006", HC_TRANSIENT}, {"22P02", HC_INVALID},
		{"22P05", HC_INVALID},   {"22021", HC_INVALID},   {"23502", HC_INVALID},   {"23503", HC_CONFLICT},
		{"23505", HC_CONFLICT},  {"23514", HC_INVALID},   {"25P02", HC_BUG},       {"25P03", HC_TRANSIENT},
		{"26000", HC_TRANSIENT}, {"28P01", HC_DENIED},    {"40001", HC_TRANSIENT}, {"40P01", HC_TRANSIENT},
		{"42501", HC_DENIED},    {"42601", HC_BUG},       {"42P01", HC_TRANSIENT}, {"53300", HC_TRANSIENT},
		{"54001", HC_INVALID},   {"55P03", HC_TRANSIENT}, {"57014", HC_TRANSIENT}, {"57P01", HC_TRANSIENT},
		{"57P03", HC_TRANSIENT}, {"XX000", HC_BUG},       {"55000", HC_CONFLICT},  {"P0002", HC_NOT_FOUND},
		{"P0001", HC_BUG},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(cases); index++)
		assert_int_equal(store_sqlstate_class(cases[index].sqlstate), cases[index].class);
}

static void test_migration_next(void **state)
{
	static const struct store_migration known[] = {{1, "0001_a.sql", "aa", ""},
												   {2, "0002_b.sql", "bb", ""},
												   {3, "0003_c.sql", "cc", ""},
												   {4, "0004_d.sql", "dd", ""}};
	static const struct store_migration edited[] = {{1, "0001_a.sql", "aa", NULL},
													{2, "0002_b.sql", "xx", NULL}};
	static const struct store_migration gap[] = {{1, "0001_a.sql", "aa", NULL},
												 {3, "0003_c.sql", "cc", NULL}};
	static const struct {
		const struct store_migration *applied;
		size_t applied_count;
		size_t known_count;
		int rc;
		size_t next;
		const char *text;
	} cases[] = {
		{NULL, 0, 4, 0, 0, NULL},
		{known, 1, 4, 0, 1, NULL},
		{known, 4, 4, 0, 4, NULL},
		{known, 3, 2, -1, 0,
		 "the database is newer than this program: it has migration 0003_c.sql, the program ends at 2"},
		{edited, 2, 4, -1, 0, "migration 0002_b.sql: the database has SHA-256 xx, the program bb"},
		{gap, 2, 4, -1, 0, "the database has migration 3 where 2 is expected"},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(cases); index++) {
		struct hc_error err = {0};
		size_t next = 0;

		assert_int_equal(store_migration_next(cases[index].applied, cases[index].applied_count, known,
											  cases[index].known_count, &next, &err),
						 cases[index].rc);
		assert_int_equal(next, cases[index].next);
		if (cases[index].text) {
			assert_int_equal(err.class, HC_INVALID);
			assert_string_equal(err.text, cases[index].text);
		}
	}
}

static void test_embedded_migrations(void **state)
{
	struct hc_error err = {0};
	size_t next;

	(void)state;
	assert_true(store_migration_count >= 1);
	assert_int_equal(store_migration_next(NULL, 0, store_migrations, store_migration_count, &next, &err), 0);
	for (size_t index = 0; index < store_migration_count; index++) {
		assert_int_equal(strlen(store_migrations[index].sha256), 64);
		assert_true(strlen(store_migrations[index].sql) > 0);
	}
}

static void test_url(void **state)
{
	static const struct {
		const char *url;
		int rc;
	} cases[] = {
		{"postgresql:///helvetia?host=/run/postgresql", 0},
		{"postgres://user@localhost/helvetia", 0},
		{"host=/run/postgresql dbname=helvetia", 0},
		{"helvetia", -1},
		{"", -1},
		{"mysql://localhost/helvetia", -1},
		{"postgresql:///helvetia?colour=red", -1},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(cases); index++) {
		struct hc_error err = {0};

		assert_int_equal(store_url_check(cases[index].url, &err), cases[index].rc);
		if (cases[index].rc < 0)
			assert_int_equal(err.class, HC_INVALID);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sqlstate_class),
		cmocka_unit_test(test_migration_next),
		cmocka_unit_test(test_embedded_migrations),
		cmocka_unit_test(test_url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
