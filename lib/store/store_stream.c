/* See store_stream.h. One queue of questions, first in, first out; the first `sent` of them are in the
 * pipeline and the rest wait for a connection. Every question has its own synchronisation point, so that a
 * failed one does not take those behind it along. The first question on a new connection is ours: settings of
 * the session. */
#include "store_stream.h"
#include "store_internal.h"
#include "store_link.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_MAX 7

/* Statements that are asked all the time are prepared on each connection, by their first question (planning
 * costs several times what running does). Lists are not: their plan depends on which filters are set. */
#define STATEMENT_NONE (-1)
#define STATEMENT_GET 0 /* + kind */
#define STATEMENT_CHANGES STORE_KIND_COUNT
#define STATEMENT_TOKEN (STORE_KIND_COUNT + 1)
#define STATEMENT_VERSION (STORE_KIND_COUNT + 2)
#define STATEMENT_COUNT (STORE_KIND_COUNT + 3)

enum answer_kind { ANSWER_SESSION, ANSWER_OBJECT, ANSWER_ROWS, ANSWER_TOKEN };

struct question {
	struct question *next;
	char *sql;
	char *values[VALUES_MAX]; /* owned; NULL is null */
	store_answered *answered;
	void *payload;
	struct pg_result *result; /* until its synchronisation point comes */
	int64_t asked_at_ms;
	int value_count;
	int statement; /* STATEMENT_… */
	bool prepares; /* its first result is that of preparing the statement */
	int limit;     /* of rows; one more is asked for, to know whether there are more */
	enum store_kind object_kind;
	enum answer_kind kind;
	bool refused; /* one too many: answered in its turn, never sent */
};

struct store_stream {
	struct store_link link;
	struct question *first;
	struct question **last;
	struct question *unsent; /* the first one that is not in the pipeline */
	size_t count;
	bool prepared[STATEMENT_COUNT]; /* on this connection, or under way */
	bool ready;                     /* the session's settings were made */
	bool session_failed;            /* they could not be made */
};

static void question_free(struct question *question)
{
	if (!question)
		return;
	for (int index = 0; index < question->value_count; index++)
		free(question->values[index]);
	PQclear(question->result);
	free(question->sql);
	free(question);
}

static struct question *question_new(enum answer_kind kind, store_answered *answered, void *payload)
{
	struct question *question = hc_xalloc(sizeof *question);

	question->kind = kind;
	question->statement = STATEMENT_NONE;
	question->answered = answered;
	question->payload = payload;
	question->asked_at_ms = hc_clock_boot_ms();
	return question;
}

static void question_value(struct question *question, const char *value)
{
	question->values[question->value_count++] = hc_xstrdup(value);
}

/* --- answers ----------------------------------------------------------------------------------- */

static void answer_error(const struct question *question, const struct hc_error *error)
{
	if (question->answered)
		question->answered(&(struct store_answer){.error = error}, question->payload);
}

/* Columns of every question that answers rows, after the clock's two. Without rows there is one, with nulls.
 */
enum {
	COLUMN_VERSION,
	COLUMN_OLDEST,
	COLUMN_NAMESPACE,
	COLUMN_NAME,
	COLUMN_JSON,
	COLUMN_ROW_VERSION,
	COLUMN_KIND,
	COLUMN_TYPE,
	COLUMN_LABELS,
	COLUMN_LABELS_BEFORE
};

static const char *cell(const struct pg_result *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

/* false: a kind that this program does not know, of a newer one on the same database. */
static bool read_row(const struct question *question, int row, struct store_row *ret_row)
{
	const struct pg_result *result = question->result;
	const char *kind_text = cell(result, row, COLUMN_KIND);
	enum store_kind kind = question->object_kind;

	if (!cell(result, row, COLUMN_NAME) || (kind_text && store_kind_parse(kind_text, &kind) < 0))
		return false;
	*ret_row = (struct store_row){
		.json = cell(result, row, COLUMN_JSON),
		.length = (size_t)PQgetlength(result, row, COLUMN_JSON),
		.namespace_name = cell(result, row, COLUMN_NAMESPACE),
		.name = cell(result, row, COLUMN_NAME),
		.type = cell(result, row, COLUMN_TYPE),
		.labels = cell(result, row, COLUMN_LABELS),
		.labels_before = cell(result, row, COLUMN_LABELS_BEFORE),
		.resource_version = store_cell_number(result, row, COLUMN_ROW_VERSION),
		.kind = kind,
	};
	return true;
}

static void answer_rows(const struct question *question)
{
	int count = PQntuples(question->result);
	struct store_row *rows = hc_xalloc((size_t)count * sizeof *rows + 1);
	struct store_answer answer = {.rows = rows};

	if (count > 0) {
		answer.resource_version = store_cell_number(question->result, 0, COLUMN_VERSION);
		answer.oldest = store_cell_number(question->result, 0, COLUMN_OLDEST);
	}
	if (question->limit > 0 && count > question->limit) {
		answer.more = true;
		count = question->limit;
	}
	for (int row = 0; row < count; row++)
		answer.row_count += read_row(question, row, &rows[answer.row_count]);
	if (question->kind == ANSWER_OBJECT && answer.row_count == 0) {
		struct hc_error error;

		hc_fail(&error, HC_NOT_FOUND, "%s \"%s\" not found", store_kinds[question->object_kind].table,
				question->values[1]);
		answer.error = &error;
		question->answered(&answer, question->payload);
	} else {
		question->answered(&answer, question->payload);
	}
	free(rows);
}

static void answer_token(const struct question *question)
{
	const struct pg_result *result = question->result;
	struct store_answer answer = {
		.resource_version = store_cell_number(result, 0, COLUMN_VERSION),
		.oldest = store_cell_number(result, 0, COLUMN_OLDEST),
	};
	const struct store_token token = {
		.uid = cell(result, 0, 2),
		.name = cell(result, 0, 3),
		.namespace_name = cell(result, 0, 4),
		.role = cell(result, 0, 5),
		.expires_wall_ms = store_cell_number(result, 0, 6),
		.user_name = cell(result, 0, 7),
		.user_uid = cell(result, 0, 8),
	};

	answer.token = token.uid ? &token : NULL;
	question->answered(&answer, question->payload);
}

static void answer(struct store_stream *stream, const struct question *question)
{
	struct hc_error error;
	const char *state;

	if (question->refused) {
		hc_fail(&error, HC_TRANSIENT, "more than %d questions to the database are open",
				HC_LIMIT_STORE_QUESTIONS);
		answer_error(question, &error);
		return;
	}
	if (PQresultStatus(question->result) != PGRES_TUPLES_OK) {
		state = PQresultErrorField(question->result, PG_DIAG_SQLSTATE);
		hc_fail(&error, store_sqlstate_class(state), "%s",
				state ? PQresultErrorField(question->result, PG_DIAG_MESSAGE_PRIMARY)
					  : "no answer of PostgreSQL");
		stream->session_failed |= question->kind == ANSWER_SESSION;
		answer_error(question, &error);
		return;
	}
	switch (question->kind) {
	case ANSWER_SESSION:
		stream->ready = true;
		store_link_confirm(&stream->link);
		break;
	case ANSWER_OBJECT:
	case ANSWER_ROWS:
		answer_rows(question);
		break;
	case ANSWER_TOKEN:
		answer_token(question);
		break;
	}
}

/* --- the queue --------------------------------------------------------------------------------- */

static struct question *take_first(struct store_stream *stream)
{
	struct question *question = stream->first;

	stream->first = question->next;
	if (!stream->first)
		stream->last = &stream->first;
	stream->count--;
	return question;
}

/* The connection is gone: everything that was asked until now is answered, what the callbacks ask waits. */
static void lose(struct store_stream *stream, const char *reason)
{
	struct question *question = stream->first;
	struct hc_error lost;

	if (stream->link.connection || reason)
		store_link_lose(&stream->link, reason ? reason : PQerrorMessage(stream->link.connection));
	lost = stream->link.lost;
	stream->ready = false;
	stream->session_failed = false;
	memset(stream->prepared, 0, sizeof stream->prepared);
	stream->first = NULL;
	stream->last = &stream->first;
	stream->unsent = NULL;
	stream->count = 0;
	while (question) {
		struct question *next = question->next;

		answer_error(question, &lost);
		question_free(question);
		question = next;
	}
}

static bool send_statement(struct store_stream *stream, struct question *question)
{
	PGconn *connection = stream->link.connection;
	const char *const *values = (const char *const *)question->values;
	struct store_number name;

	if (question->statement == STATEMENT_NONE)
		return PQsendQueryParams(connection, question->sql, question->value_count, NULL, values, NULL, NULL,
								 0) == 1;
	name = store_number(question->statement);
	if (!stream->prepared[question->statement]) {
		if (PQsendPrepare(connection, name.text, question->sql, question->value_count, NULL) != 1)
			return false;
		stream->prepared[question->statement] = true;
		question->prepares = true;
	}
	return PQsendQueryPrepared(connection, name.text, question->value_count, values, NULL, NULL, 0) == 1;
}

static bool send_one(struct store_stream *stream, struct question *question)
{
	return send_statement(stream, question) && PQpipelineSync(stream->link.connection) == 1;
}

/* Sends what waits. false: the connection is broken. */
static bool send_unsent(struct store_stream *stream)
{
	store_link_await(&stream->link, stream->first != NULL);
	while (stream->unsent) {
		if (!stream->unsent->refused && !send_one(stream, stream->unsent))
			return false;
		stream->unsent = stream->unsent->next;
	}
	return store_link_flush(&stream->link);
}

static void append(struct store_stream *stream, struct question *question)
{
	question->refused = stream->count >= HC_LIMIT_STORE_QUESTIONS;
	*stream->last = question;
	stream->last = &question->next;
	stream->count++;
	if (!stream->unsent)
		stream->unsent = question;
	/* A failure to send shows itself as a readable socket; process() finds and answers it. */
	if (stream->link.state == STORE_LINK_UP)
		(void)send_unsent(stream);
}

/* The settings go in front of all that waited for the connection. */
static void open_session(struct store_stream *stream)
{
	static const char sql[] =
		"SELECT set_config('statement_timeout', '10s', false), set_config('jit', 'off', false),"
		" set_config('default_transaction_read_only', 'on', false)";
	struct question *question = question_new(ANSWER_SESSION, NULL, NULL);

	question->sql = hc_xstrdup(sql);
	question->next = stream->first;
	if (!stream->first)
		stream->last = &question->next;
	stream->first = question;
	stream->unsent = question;
	stream->count++;
	if (PQenterPipelineMode(stream->link.connection) != 1 || !send_unsent(stream))
		lose(stream, NULL);
}

/* A question that prepares has two results; after an error the rest is only "aborted". What could not be
 * prepared (no such table yet) is prepared again by the next question; those that were sent meanwhile fail
 * with SQLSTATE 26000. */
static void keep_result(struct store_stream *stream, struct question *question, struct pg_result *result)
{
	if (question->result && PQresultStatus(question->result) == PGRES_FATAL_ERROR) {
		PQclear(result);
		return;
	}
	if (question->prepares && !question->result && PQresultStatus(result) == PGRES_FATAL_ERROR)
		stream->prepared[question->statement] = false;
	PQclear(question->result);
	question->result = result;
}

static void answer_first(struct store_stream *stream)
{
	struct question *question = take_first(stream);

	answer(stream, question);
	question_free(question);
}

/* Takes what the pipeline has. Each question gives its result, a NULL, and a synchronisation point. Two NULLs
 * in a row mean that nothing is left, which a broken connection says too. */
static void take_results(struct store_stream *stream)
{
	int nulls = 0;

	while (stream->first && stream->first != stream->unsent && nulls < 2) {
		struct pg_result *result;

		if (stream->first->refused) {
			answer_first(stream);
			continue;
		}
		if (PQisBusy(stream->link.connection))
			break;
		result = PQgetResult(stream->link.connection);
		nulls = result ? 0 : nulls + 1;
		if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
			PQclear(result);
			answer_first(stream);
		} else if (result) {
			keep_result(stream, stream->first, result);
		}
	}
}

static bool answer_overdue(const struct store_stream *stream)
{
	return stream->first && stream->first != stream->unsent &&
		   hc_clock_boot_ms() - stream->first->asked_at_ms > HC_LIMIT_STORE_ANSWER_MS;
}

void store_stream_process(struct store_stream *stream)
{
	bool broken;

	switch (store_link_process(&stream->link)) {
	case STORE_LINK_NOTHING:
		break;
	case STORE_LINK_OPENED:
		open_session(stream);
		break;
	case STORE_LINK_FAILED:
		lose(stream, NULL);
		break;
	}
	if (stream->link.state != STORE_LINK_UP)
		return;
	/* Results that came before a loss are answers all the same, so they are taken first. */
	broken = PQconsumeInput(stream->link.connection) != 1;

	take_results(stream);
	if (!broken && !stream->session_failed && PQstatus(stream->link.connection) == CONNECTION_OK)
		broken = !send_unsent(stream);
	if (stream->session_failed)
		lose(stream, "the settings of the session were refused");
	else if (broken || PQstatus(stream->link.connection) != CONNECTION_OK)
		lose(stream, NULL);
	else if (answer_overdue(stream))
		lose(stream, "no answer in time");
	else
		store_link_await(&stream->link, stream->first != NULL);
}

/* --- questions --------------------------------------------------------------------------------- */

void store_stream_get(struct store_stream *stream, enum store_kind kind, const char *namespace_name,
					  const char *name, store_answered *answered, void *payload)
{
	static const char sql[] =
		"SELECT c.resource_version, c.oldest, t.namespace, t.name, object_text(t), t.resource_version, NULL, "
		"NULL, NULL,"
		" NULL FROM resource_clock AS c JOIN %s AS t ON t.namespace = $1 AND t.name = $2";
	struct question *question = question_new(ANSWER_OBJECT, answered, payload);

	question->object_kind = kind;
	question->statement = STATEMENT_GET + (int)kind;
	question->sql = hc_xprintf(sql, store_kinds[kind].table);
	question_value(question, namespace_name);
	question_value(question, name);
	append(stream, question);
}

void store_stream_list(struct store_stream *stream, const struct store_list_options *options,
					   store_answered *answered, void *payload)
{
	/* One statement is one snapshot: the clock's version is that of the rows. */
	static const char sql[] =
		"SELECT c.resource_version, c.oldest, t.namespace, t.name, t.object, t.resource_version, NULL, NULL, "
		"NULL, NULL"
		" FROM resource_clock AS c LEFT JOIN LATERAL (SELECT o.namespace, o.name, object_text(o) AS object,"
		"  o.resource_version FROM %s AS o WHERE ($1::text IS NULL OR o.namespace = $1)"
		"  AND ($2::text IS NULL OR o.name = $2) AND ($4::text IS NULL OR (o.namespace, o.name) > ($3::text, "
		"$4::text))"
		"  AND ($5::jsonb IS NULL OR object_labels(o.object_metadata) @> $5::jsonb)"
		"  ORDER BY o.namespace, o.name LIMIT $6::integer) AS t ON true ORDER BY t.namespace, t.name";
	struct question *question = question_new(ANSWER_ROWS, answered, payload);
	int limit = options->limit > 0 ? options->limit : HC_LIMIT_LIST_PAGE;

	question->object_kind = options->kind;
	question->sql = hc_xprintf(sql, store_kinds[options->kind].table);
	question->limit = limit;
	question_value(question, options->namespace_name);
	question_value(question, options->name);
	question_value(question, options->after_namespace ? options->after_namespace : "");
	question_value(question, options->after_name);
	question_value(question, options->labels);
	question_value(question, store_number((int64_t)limit + 1).text);
	append(stream, question);
}

void store_stream_changes(struct store_stream *stream, int64_t after, int limit, store_answered *answered,
						  void *payload)
{
	static const char sql[] =
		"SELECT c.resource_version, c.oldest, l.namespace, l.name, l.object, l.resource_version, l.kind, "
		"l.type,"
		" l.labels, l.labels_before FROM resource_clock AS c LEFT JOIN LATERAL (SELECT * FROM change_log"
		"  WHERE resource_version > $1::bigint AND c.oldest <= $1::bigint ORDER BY resource_version LIMIT "
		"$2::integer)"
		" AS l ON true ORDER BY l.resource_version";
	struct question *question = question_new(ANSWER_ROWS, answered, payload);

	question->sql = hc_xstrdup(sql);
	question->limit = limit > 0 ? limit : HC_LIMIT_LIST_PAGE;
	question->statement = STATEMENT_CHANGES;
	question_value(question, store_number(after).text);
	question_value(question, store_number((int64_t)question->limit + 1).text);
	append(stream, question);
}

void store_stream_token(struct store_stream *stream, const char *hash, store_answered *answered,
						void *payload)
{
	static const char sql[] = "SELECT c.resource_version, c.oldest, b.id, b.name, b.namespace, b.role, "
							  "b.expires_ms, b.user_name, b.user_id"
							  " FROM resource_clock AS c LEFT JOIN bearers AS b ON b.hash = $1";
	struct question *question = question_new(ANSWER_TOKEN, answered, payload);

	question->sql = hc_xstrdup(sql);
	question->statement = STATEMENT_TOKEN;
	question_value(question, hash);
	append(stream, question);
}

void store_stream_version(struct store_stream *stream, store_answered *answered, void *payload)
{
	static const char sql[] =
		"SELECT resource_version, oldest, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
		" FROM resource_clock";
	struct question *question = question_new(ANSWER_ROWS, answered, payload);

	question->statement = STATEMENT_VERSION;
	question->sql = hc_xstrdup(sql);
	append(stream, question);
}

/* --- life ------------------------------------------------------------------------------------- */

int store_stream_open(const char *url, const char *application, struct store_stream **ret_stream,
					  struct hc_error *err)
{
	struct store_stream *stream = hc_xalloc(sizeof *stream);

	if (store_link_init(&stream->link, url, application, err) < 0) {
		free(stream);
		return -1;
	}
	stream->last = &stream->first;
	*ret_stream = stream;
	return 0;
}

int store_stream_fd(const struct store_stream *stream)
{
	return stream->link.epoll;
}

bool store_stream_wants_write(const struct store_stream *stream)
{
	(void)stream;
	return false;
}

bool store_stream_connected(const struct store_stream *stream)
{
	return stream->ready;
}

void store_stream_close(struct store_stream *stream)
{
	struct hc_error canceled;

	if (!stream)
		return;
	hc_fail(&canceled, HC_CANCELED, "the stream was closed");
	while (stream->first) { /* also what the callbacks ask now */
		struct question *question = take_first(stream);

		stream->unsent = NULL;
		answer_error(question, &canceled);
		question_free(question);
	}
	store_link_done(&stream->link);
	free(stream);
}
