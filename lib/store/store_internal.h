/* What the files of lib/store share: the blocking connection, one way to ask, kinds and their tables.
 *
 * Statements are constant texts with $n for every value; the only text that is put into one is a table's name
 * from store_kinds. Results are copied into the caller's arena before they are cleared. */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include "store.h"
#include "store_sqlstate.h"

#include "base/text.h"
#include <libpq-fe.h>

/* Advisory locks: (STORE_LOCK, one of them). The migrations know the first. */
#define STORE_LOCK "1215059505"
#define STORE_LOCK_WRITE "1"
#define STORE_LOCK_LEADER "2"

/* A session lock dies with its connection, and a new connection must not pass for the old one. */
enum store_leader { STORE_LEADER_NONE, STORE_LEADER_HELD, STORE_LEADER_LOST };

struct store {
	PGconn *connection; /* NULL while there is none */
	char *url;
	char *application;
	enum store_leader leader;
	bool in_transaction;
};

HC_DEFINE_CLEANUP(pg_result, PQclear)

struct store_kind_info {
	const char *table;
	const char *kind; /* as in change_log and in the object */
	bool namespaced;
};
extern const struct store_kind_info store_kinds[STORE_KIND_COUNT];
/* -1: a kind of a newer program. */
int store_kind_parse(const char *kind, enum store_kind *ret_kind) HC_MUST_CHECK;

/* Keywords for PQconnect…Params, terminated; borrowed from the arguments. Settings in the URL win. */
#define STORE_KEYWORDS_MAX 12
struct store_keywords {
	const char *names[STORE_KEYWORDS_MAX];
	const char *values[STORE_KEYWORDS_MAX];
};
void store_keywords(const char *url, const char *application, struct store_keywords *keywords);
int store_url_check(const char *url, struct hc_error *err) HC_MUST_CHECK;

/* For PQsetNoticeReceiver: libpq would print notices, and a library does not log. */
void store_ignore_notice(void *payload, const struct pg_result *result);

/* One statement. Values are texts, NULL is null. *ret_result is the caller's to clear. Outside a transaction
 * a lost connection is opened again and the statement repeated once, so such a statement must be harmless
 * twice. */
int store_query(struct store *store, const char *sql, int count, const char *const *values,
				struct pg_result **ret_result, struct hc_error *err) HC_MUST_CHECK;
/* The same with result and the values that have a length in binary. */
int store_query_binary(struct store *store, const char *sql, int count, const char *const *values,
					   const int *lengths, const int *formats, struct pg_result **ret_result,
					   struct hc_error *err) HC_MUST_CHECK;
/* Statements separated by semicolons, without values and rows. */
int store_script(struct store *store, const char *sql, struct hc_error *err) HC_MUST_CHECK;

/* Commits when outcome is 0, else aborts and returns -1: the end of every named transaction. */
int store_end(struct store *store, int outcome, struct hc_error *err) HC_MUST_CHECK;

/* Cells. Text: NULL for null, in the arena; number: 0 for null. */
const char *store_cell(struct hc_arena *arena, const struct pg_result *result, int row, int column);
int64_t store_cell_number(const struct pg_result *result, int row, int column);
bool store_cell_bool(const struct pg_result *result, int row, int column);

/* int64 as a value of a statement. */
struct store_number {
	char text[24];
};
struct store_number store_number(int64_t value);

/* The first columns of a row that is read as a struct store_object; t is the table's alias. */
#define STORE_OBJECT_COLUMNS                                                                                 \
	"t.id, t.namespace, t.name, object_text(t), t.resource_version, t.generation, t.deleted_at IS NOT NULL"
#define STORE_OBJECT_COLUMN_COUNT 7
void store_object_read(struct hc_arena *arena, const struct pg_result *result, int row,
					   struct store_object *ret_object);

/* Text array literal of PostgreSQL. */
void store_array_literal(const char *const *items, size_t count, struct hc_text *text);

/* NOT_FOUND when there is no such row. */
int store_require(struct store *store, enum store_kind kind, const char *uid, struct hc_error *err)
	HC_MUST_CHECK;

/* CONFLICT with what is in it, NOT_FOUND. A namespace goes only empty; this says so in a sentence, before a
 * foreign key does. */
int store_namespace_check_empty(struct store *store, const char *uid, struct hc_error *err) HC_MUST_CHECK;

#endif
