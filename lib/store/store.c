/* Connection and transactions of store.h.
 *
 * A statement outside a transaction is repeated once on a new connection when the old one turns out to be
 * dead, so that a restart of PostgreSQL costs its callers nothing but the wait. Inside a transaction nothing
 * is repeated: its beginning is lost, and the caller has to abort and start over. */
#include "store_internal.h"

#include "base/alloc.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct store_kind_info store_kinds[STORE_KIND_COUNT] = {
	[STORE_NAMESPACE] = {"namespaces", "Namespace", false},
	[STORE_SERVICE] = {"services", "Service", true},
	[STORE_DEPLOYMENT] = {"deployments", "Deployment", true},
	[STORE_BUILD] = {"builds", "Build", true},
	[STORE_USER] = {"users", "User", false},
	[STORE_TOKEN] = {"tokens", "Token", true},
	[STORE_EVENT] = {"events", "Event", true},
	[STORE_SECRET] = {"secrets", "Secret", true},
};

/* Of the sessions that write. A transaction that sleeps holds the lock of all writers, so its time is short.
 */
static const char session_settings[] =
	"SELECT set_config('idle_in_transaction_session_timeout', '2s', false),"
	" set_config('lock_timeout', '10s', false),"
	" set_config('statement_timeout', '30s', false),"
	" set_config('jit', 'off', false)";

int store_kind_parse(const char *kind, enum store_kind *ret_kind)
{
	for (int index = 0; index < STORE_KIND_COUNT; index++) {
		if (strcmp(store_kinds[index].kind, kind) == 0) {
			*ret_kind = (enum store_kind)index;
			return 0;
		}
	}
	return -1;
}

void store_keywords(const char *url, const char *application, struct store_keywords *keywords)
{
	/* Dead peers are noticed in about 20 s. dbname comes last: what the URL says wins. */
	const char *const pairs[][2] = {
		{"application_name", application}, {"client_encoding", "UTF8"},  {"connect_timeout", "5"},
		{"keepalives_idle", "10"},         {"keepalives_interval", "3"}, {"keepalives_count", "3"},
		{"tcp_user_timeout", "20000"},     {"gssencmode", "disable"},    {"dbname", url},
	};
	_Static_assert(HC_COUNT(pairs) < STORE_KEYWORDS_MAX, "no room for the end");

	*keywords = (struct store_keywords){0};
	for (size_t index = 0; index < HC_COUNT(pairs); index++) {
		keywords->names[index] = pairs[index][0];
		keywords->values[index] = pairs[index][1];
	}
}

int store_url_check(const char *url, struct hc_error *err)
{
	char *message = NULL;
	PQconninfoOption *options = NULL;

	/* PQconnectdbParams takes anything else for the name of a database. */
	if (hc_starts_with(url, "postgresql://") || hc_starts_with(url, "postgres://") || strchr(url, '='))
		options = PQconninfoParse(url, &message);
	if (!options) {
		hc_fail(err, HC_INVALID, "database URL: %s",
				message ? message : "must begin with postgresql:// or consist of keyword=value pairs");
		PQfreemem(message);
		return -1;
	}
	PQconninfoFree(options);
	return 0;
}

void store_ignore_notice(void *payload, const struct pg_result *result)
{
	(void)payload;
	(void)result;
}

static void connection_drop(struct store *store)
{
	PQfinish(store->connection);
	store->connection = NULL;
	store->in_transaction = false;
	if (store->leader == STORE_LEADER_HELD)
		store->leader = STORE_LEADER_LOST;
}

/* libpq ends its messages with a newline and may have several lines. */
static int fail_by_connection(PGconn *connection, enum hc_class class, const char *context,
							  struct hc_error *err)
{
	char text[512];

	(void)snprintf(text, sizeof text, "%s", PQerrorMessage(connection));
	for (size_t length = strlen(text); length > 0 && text[length - 1] == '\n'; length--)
		text[length - 1] = '\0';
	for (char *at = text; *at; at++) {
		if (*at == '\n' || *at == '\t')
			*at = ' ';
	}
	return hc_fail(err, class, "%s: %s", context, text);
}

static int connection_make(struct store *store, struct hc_error *err)
{
	struct store_keywords keywords;
	struct pg_result *result;
	ExecStatusType status;

	store_keywords(store->url, store->application, &keywords);
	store->connection = PQconnectdbParams(keywords.names, keywords.values, 1);
	if (PQstatus(store->connection) != CONNECTION_OK) {
		fail_by_connection(store->connection, HC_TRANSIENT, "connect to PostgreSQL", err);
		connection_drop(store);
		return -1;
	}
	(void)PQsetNoticeReceiver(store->connection, store_ignore_notice, NULL);
	result = PQexec(store->connection, session_settings);
	status = PQresultStatus(result);
	PQclear(result);
	if (status != PGRES_TUPLES_OK) {
		fail_by_connection(store->connection, HC_TRANSIENT, "set up the session", err);
		connection_drop(store);
		return -1;
	}
	return 0;
}

int store_open(const char *url, const char *application, struct store **ret_store, struct hc_error *err)
{
	HC_AUTO(store) store = NULL;

	if (store_url_check(url, err) < 0)
		return -1;
	store = hc_xalloc(sizeof *store);
	store->url = hc_xstrdup(url);
	store->application = hc_xstrdup(application);
	if (connection_make(store, err) < 0)
		return -1;
	*ret_store = hc_take(&store);
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	PQfinish(store->connection); /* the server rolls back what is open */
	free(store->url);
	free(store->application);
	free(store);
}

static int fail_by_result(PGconn *connection, const struct pg_result *result, struct hc_error *err)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	enum hc_class class = store_sqlstate_class(state);

	if (!state || !message)
		return fail_by_connection(connection, class, "PostgreSQL", err);
	if (detail)
		return hc_fail(err, class, "%s (%s, SQLSTATE %s)", message, detail, state);
	return hc_fail(err, class, "%s (SQLSTATE %s)", message, state);
}

struct statement {
	const char *sql;
	const char *const *values;
	const int *lengths;
	const int *formats;
	int count; /* -1: a script by the simple protocol */
	int result_format;
};

static int run(struct store *store, const struct statement *statement, struct pg_result **ret_result,
			   struct hc_error *err)
{
	for (int attempt = 0;; attempt++) {
		HC_AUTO(pg_result) result = NULL;
		bool was_in_transaction = store->in_transaction;
		ExecStatusType status;

		if (!store->connection) {
			if (was_in_transaction)
				return hc_fail(err, HC_TRANSIENT, "the connection was lost inside the transaction");
			if (connection_make(store, err) < 0)
				return -1;
		}
		result = statement->count < 0 ? PQexec(store->connection, statement->sql)
									  : PQexecParams(store->connection, statement->sql, statement->count,
													 NULL, statement->values, statement->lengths,
													 statement->formats, statement->result_format);
		status = PQresultStatus(result);
		if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
			*ret_result = hc_take(&result);
			return 0;
		}
		fail_by_result(store->connection, result, err);
		if (PQstatus(store->connection) == CONNECTION_OK)
			return -1;
		connection_drop(store);
		store->in_transaction = was_in_transaction; /* until the caller aborts */
		if (was_in_transaction || attempt > 0)
			return -1;
	}
}

int store_query(struct store *store, const char *sql, int count, const char *const *values,
				struct pg_result **ret_result, struct hc_error *err)
{
	return run(store, &(struct statement){.sql = sql, .count = count, .values = values}, ret_result, err);
}

int store_query_binary(struct store *store, const char *sql, int count, const char *const *values,
					   const int *lengths, const int *formats, struct pg_result **ret_result,
					   struct hc_error *err)
{
	return run(store,
			   &(struct statement){.sql = sql,
								   .count = count,
								   .values = values,
								   .lengths = lengths,
								   .formats = formats,
								   .result_format = 1},
			   ret_result, err);
}

int store_script(struct store *store, const char *sql, struct hc_error *err)
{
	HC_AUTO(pg_result) result = NULL;

	return run(store, &(struct statement){.sql = sql, .count = -1}, &result, err);
}

/* --- transactions ------------------------------------------------------------------------------ */

int store_begin(struct store *store, struct hc_error *err)
{
	if (store->in_transaction)
		return hc_fail(err, HC_BUG, "a transaction is open already");
	/* One message, two statements: the snapshot of whatever comes next is taken after the lock was had. */
	if (store_script(store, "BEGIN; SELECT pg_advisory_xact_lock(" STORE_LOCK ", " STORE_LOCK_WRITE ")",
					 err) < 0) {
		store_abort(store);
		return hc_wrap(err, "begin");
	}
	store->in_transaction = true;
	return 0;
}

int store_commit(struct store *store, struct hc_error *err)
{
	HC_AUTO(pg_result) result = NULL;

	if (!store->in_transaction)
		return hc_fail(err, HC_BUG, "commit without a transaction");
	if (store_query(store, "COMMIT", 0, NULL, &result, err) < 0) {
		store_abort(store);
		return hc_wrap(err, "commit");
	}
	store->in_transaction = false;
	/* PostgreSQL answers COMMIT of a failed transaction by rolling it back, without an error. */
	if (strcmp(PQcmdStatus(result), "COMMIT") != 0)
		return hc_fail(err, HC_BUG,
					   "commit: a statement of the transaction had failed, so it was rolled back");
	return 0;
}

void store_abort(struct store *store)
{
	struct pg_result *result;

	store->in_transaction = false;
	if (!store->connection || PQtransactionStatus(store->connection) == PQTRANS_IDLE)
		return;
	result = PQexec(store->connection, "ROLLBACK");
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		connection_drop(store);
	PQclear(result);
}

int store_begin_guarded(struct store *store, int64_t epoch, struct hc_error *err)
{
	static const char sql[] = "SELECT epoch, holder FROM leader";
	HC_AUTO(pg_result) result = NULL;
	int64_t current;

	if (store_begin(store, err) < 0)
		return -1;
	if (store_query(store, sql, 0, NULL, &result, err) < 0) {
		store_abort(store);
		return hc_wrap(err, "read the leader's epoch");
	}
	current = store_cell_number(result, 0, 0);
	if (current == epoch)
		return 0;
	store_abort(store);
	return hc_fail(err, HC_CONFLICT, "epoch %lld is over: %s leads with epoch %lld", (long long)epoch,
				   PQgetvalue(result, 0, 1), (long long)current);
}

int store_end(struct store *store, int outcome, struct hc_error *err)
{
	if (outcome < 0) {
		store_abort(store);
		return -1;
	}
	return store_commit(store, err);
}

/* --- cells ------------------------------------------------------------------------------------- */

const char *store_cell(struct hc_arena *arena, const struct pg_result *result, int row, int column)
{
	if (PQgetisnull(result, row, column))
		return NULL;
	return hc_arena_strndup(arena, PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

int64_t store_cell_number(const struct pg_result *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? 0 : strtoll(PQgetvalue(result, row, column), NULL, 10);
}

bool store_cell_bool(const struct pg_result *result, int row, int column)
{
	return *PQgetvalue(result, row, column) == 't';
}

struct store_number store_number(int64_t value)
{
	struct store_number number;

	(void)snprintf(number.text, sizeof number.text, "%lld", (long long)value);
	return number;
}
