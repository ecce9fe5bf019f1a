/* See store_migrate.h. Every step (look, compare, apply the next one) is one transaction under the writers'
 * lock: any number of processes may start at once, no object is written while tables change, and a crash
 * leaves a whole number of migrations applied. */
#include "store_migrate.h"
#include "store_internal.h"

#include "base/text.h"
#include <string.h>

int store_migration_next(const struct store_migration *applied, size_t applied_count,
						 const struct store_migration *known, size_t known_count, size_t *ret_next,
						 struct hc_error *err)
{
	for (size_t index = 0; index < known_count; index++) {
		if (known[index].version != (int)index + 1)
			return hc_fail(err, HC_INVALID, "migration %s: number %d where %zu is expected",
						   known[index].name, known[index].version, index + 1);
	}
	for (size_t index = 0; index < applied_count; index++) {
		if (applied[index].version != (int)index + 1)
			return hc_fail(err, HC_INVALID, "the database has migration %d where %zu is expected",
						   applied[index].version, index + 1);
		if (index >= known_count)
			return hc_fail(
				err, HC_INVALID,
				"the database is newer than this program: it has migration %s, the program ends at %zu",
				applied[index].name, known_count);
		if (strcmp(applied[index].sha256, known[index].sha256) != 0)
			return hc_fail(err, HC_INVALID, "migration %s: the database has SHA-256 %s, the program %s",
						   known[index].name, applied[index].sha256, known[index].sha256);
	}
	*ret_next = applied_count;
	return 0;
}

static int read_applied(struct store *store, struct hc_arena *arena, struct store_migration **ret_applied,
						size_t *ret_count, struct hc_error *err)
{
	static const char sql[] = "SELECT version, name, sha256 FROM schema_migrations ORDER BY version";
	HC_AUTO(pg_result) result = NULL;
	struct store_migration *applied;
	size_t count;

	if (store_query(store, sql, 0, NULL, &result, err) < 0)
		return -1;
	count = (size_t)PQntuples(result);
	applied = hc_arena_alloc_array(arena, count, sizeof *applied);
	for (size_t row = 0; row < count; row++) {
		applied[row] = (struct store_migration){
			.version = (int)store_cell_number(result, (int)row, 0),
			.name = store_cell(arena, result, (int)row, 1),
			.sha256 = store_cell(arena, result, (int)row, 2),
		};
	}
	*ret_applied = applied;
	*ret_count = count;
	return 0;
}

static int apply(struct store *store, const struct store_migration *migration, struct hc_error *err)
{
	static const char sql[] = "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)";
	const struct store_number version = store_number(migration->version);
	const char *values[] = {version.text, migration->name, migration->sha256};
	HC_AUTO(pg_result) result = NULL;

	if (store_script(store, migration->sql, err) < 0 ||
		store_query(store, sql, (int)HC_COUNT(values), values, &result, err) < 0)
		return hc_wrap(err, "migration %s", migration->name);
	return 0;
}

/* One step inside a transaction. A migration may take as long as it needs. */
static int step(struct store *store, struct hc_arena *arena, bool *ret_more, struct hc_error *err)
{
	static const char prepare[] =
		"SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL "
		"idle_in_transaction_session_timeout = 0;"
		" SET LOCAL client_min_messages = warning;"
		" CREATE TABLE IF NOT EXISTS schema_migrations (version integer PRIMARY KEY, name text NOT NULL,"
		" sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())";
	struct store_migration *applied;
	size_t applied_count, next;

	if (store_script(store, prepare, err) < 0 ||
		read_applied(store, arena, &applied, &applied_count, err) < 0)
		return -1;
	if (store_migration_next(applied, applied_count, store_migrations, store_migration_count, &next, err) < 0)
		return -1;
	*ret_more = next < store_migration_count;
	return *ret_more ? apply(store, &store_migrations[next], err) : 0;
}

int store_migrate(struct store *store, struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	bool more = true;

	while (more) {
		int outcome;

		if (store_begin(store, err) < 0)
			return hc_wrap(err, "migrate");
		outcome = step(store, arena, &more, err);
		if (store_end(store, outcome, err) < 0)
			return hc_wrap(err, "migrate");
	}
	return 0;
}
