/* What the controller reads of Services and namespaces, its leadership, and its writes of a Service
 * (store.h). */
#include "store_internal.h"

#include "base/limits.h"
#include <string.h>

/* --- reads ------------------------------------------------------------------------------------- */

int store_service_get(struct store *store, struct hc_arena *arena, const char *uid,
					  struct store_service *ret_service, struct hc_error *err)
{
	static const char sql[] =
		"SELECT " STORE_OBJECT_COLUMNS ", t.object_spec::text, t.object_status::text,"
		" t.template_hash, n.id,"
		" coalesce(t.object_metadata -> 'finalizers' ? '" STORE_SERVICE_FINALIZER "', false)"
		" FROM services AS t JOIN namespaces AS n ON n.name = t.namespace WHERE t.id = $1";
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, 1, &uid, &result, err) < 0)
		return hc_wrap(err, "read service %s", uid);
	if (PQntuples(result) == 0)
		return hc_fail(err, HC_NOT_FOUND, "service %s not found", uid);
	*ret_service = (struct store_service){
		.spec_json = store_cell(arena, result, 0, STORE_OBJECT_COLUMN_COUNT),
		.status_json = store_cell(arena, result, 0, STORE_OBJECT_COLUMN_COUNT + 1),
		.template_hash = store_cell(arena, result, 0, STORE_OBJECT_COLUMN_COUNT + 2),
		.namespace_uid = store_cell(arena, result, 0, STORE_OBJECT_COLUMN_COUNT + 3),
		.finalizer_present = store_cell_bool(result, 0, STORE_OBJECT_COLUMN_COUNT + 4),
	};
	store_object_read(arena, result, 0, &ret_service->object);
	return 0;
}

static int read_references(struct store *store, struct hc_arena *arena, const char *sql,
						   struct store_reference **ret_list, size_t *ret_count, struct hc_error *err)
{
	HC_AUTO(pg_result) result = NULL;
	struct store_reference *list;
	size_t count;

	if (store_query(store, sql, 0, NULL, &result, err) < 0)
		return -1;
	count = (size_t)PQntuples(result);
	list = hc_arena_alloc_array(arena, count, sizeof *list);
	for (size_t row = 0; row < count; row++) {
		list[row] = (struct store_reference){
			.uid = store_cell(arena, result, (int)row, 0),
			.namespace_name = store_cell(arena, result, (int)row, 1),
			.namespace_uid = store_cell(arena, result, (int)row, 2),
			.name = store_cell(arena, result, (int)row, 3),
			.deleting = store_cell_bool(result, (int)row, 4),
		};
	}
	*ret_list = list;
	*ret_count = count;
	return 0;
}

int store_services_all(struct store *store, struct hc_arena *arena, struct store_reference **ret_list,
					   size_t *ret_count, struct hc_error *err)
{
	static const char sql[] =
		"SELECT s.id, s.namespace, n.id, s.name, s.deleted_at IS NOT NULL FROM services s"
		" JOIN namespaces n ON n.name = s.namespace ORDER BY s.id";

	if (read_references(store, arena, sql, ret_list, ret_count, err) < 0)
		return hc_wrap(err, "list services");
	return 0;
}

int store_namespaces_all(struct store *store, struct hc_arena *arena, struct store_reference **ret_list,
						 size_t *ret_count, struct hc_error *err)
{
	static const char sql[] =
		"SELECT n.id, n.name, n.id, n.name, n.deleted_at IS NOT NULL FROM namespaces n ORDER BY n.id";

	if (read_references(store, arena, sql, ret_list, ret_count, err) < 0)
		return hc_wrap(err, "list namespaces");
	return 0;
}

int store_hosts_all(struct store *store, struct hc_arena *arena, const char ***ret_hosts, size_t *ret_count,
					struct hc_error *err)
{
	static const char sql[] = "SELECT host FROM hosts ORDER BY host";
	HC_AUTO(pg_result) result = NULL;
	const char **hosts;
	size_t count;

	if (store_query(store, sql, 0, NULL, &result, err) < 0)
		return hc_wrap(err, "list hosts");
	count = (size_t)PQntuples(result);
	hosts = hc_arena_alloc_array(arena, count, sizeof *hosts);
	for (size_t row = 0; row < count; row++)
		hosts[row] = store_cell(arena, result, (int)row, 0);
	*ret_hosts = hosts;
	*ret_count = count;
	return 0;
}

int store_installation(struct store *store, struct hc_arena *arena, const char **ret_id, struct hc_error *err)
{
	static const char sql[] = "SELECT id FROM installation";
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, 0, NULL, &result, err) < 0)
		return hc_wrap(err, "read the installation's id");
	if (PQntuples(result) != 1)
		return hc_fail(err, HC_BUG, "the table installation has %d rows, not one", PQntuples(result));
	*ret_id = store_cell(arena, result, 0, 0);
	return 0;
}

/* --- leadership -------------------------------------------------------------------------------- */

/* Under the write lock: a guarded write of the former leader is either committed before, or sees the new
 * epoch. */
static int epoch_next(struct store *store, const char *holder, int64_t *ret_epoch, struct hc_error *err)
{
	static const char sql[] =
		"UPDATE leader SET epoch = epoch + 1, holder = $1, taken_at = now() RETURNING epoch";
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, 1, &holder, &result, err) < 0)
		return -1;
	*ret_epoch = store_cell_number(result, 0, 0);
	return 0;
}

int store_epoch_take(struct store *store, const char *holder, int64_t *ret_epoch, struct hc_error *err)
{
	int64_t epoch = 0;
	int outcome;

	if (store_begin(store, err) < 0)
		return hc_wrap(err, "take the leader's epoch");
	outcome = epoch_next(store, holder, &epoch, err);
	if (store_end(store, outcome, err) < 0)
		return hc_wrap(err, "take the leader's epoch");
	*ret_epoch = epoch;
	return 0;
}

int store_leader_lock(struct store *store, bool *ret_held, struct hc_error *err)
{
	static const char sql[] = "SELECT pg_try_advisory_lock(" STORE_LOCK ", " STORE_LOCK_LEADER ")";
	HC_AUTO(pg_result) result = NULL;

	if (store->leader == STORE_LEADER_HELD) { /* a session could take it twice; once is enough */
		if (store_ping(store, err) < 0)
			return -1;
		*ret_held = true;
		return 0;
	}
	if (store_query(store, sql, 0, NULL, &result, err) < 0)
		return hc_wrap(err, "take the leader's lock");
	*ret_held = store_cell_bool(result, 0, 0);
	store->leader = *ret_held ? STORE_LEADER_HELD : STORE_LEADER_NONE;
	return 0;
}

/* The statement may have been answered by a new connection: the mark of the lost lock decides. */
int store_ping(struct store *store, struct hc_error *err)
{
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, "SELECT 1", 0, NULL, &result, err) < 0)
		return hc_wrap(err, "ping");
	if (store->leader == STORE_LEADER_LOST)
		return hc_fail(err, HC_TRANSIENT, "the session that held the leader's lock was lost");
	return 0;
}

int store_fd(const struct store *store)
{
	return PQsocket(store->connection);
}

/* --- writes of a Service and a Namespace ------------------------------------------------------- */

static int service_status(struct store *store, const char *uid, const char *status_json, struct hc_error *err)
{
	static const char sql[] = "UPDATE services SET object_status = $2::jsonb WHERE id = $1";
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, 2, (const char *const[]){uid, status_json}, &result, err) < 0)
		return -1;
	/* Nothing was written: the row says so already, or is gone. */
	return strcmp(PQcmdTuples(result), "0") == 0 ? store_require(store, STORE_SERVICE, uid, err) : 0;
}

int store_service_status(struct store *store, int64_t epoch, const char *uid, const char *status_json,
						 struct hc_error *err)
{
	int outcome;

	if (store_begin_guarded(store, epoch, err) < 0)
		return hc_wrap(err, "status of service %s", uid);
	outcome = service_status(store, uid, status_json, err);
	if (store_end(store, outcome, err) < 0)
		return hc_wrap(err, "status of service %s", uid);
	return 0;
}

/* metadata.finalizers without ours; the key goes with the last one. */
#define WITHOUT_FINALIZER                                                                                    \
	"CASE WHEN object_metadata -> 'finalizers' <@ '[\"" STORE_SERVICE_FINALIZER "\"]'"                       \
	" THEN object_metadata - 'finalizers'"                                                                   \
	" ELSE jsonb_set(object_metadata, '{finalizers}',"                                                       \
	" (object_metadata -> 'finalizers') - '" STORE_SERVICE_FINALIZER "') END"

static int finalize(struct store *store, const char *sql, const char *uid, struct hc_error *err)
{
	HC_AUTO(pg_result) result = NULL;

	return store_query(store, sql, 1, &uid, &result, err);
}

/* 0 rows: it has gone, or the finalizer has; both are what is wanted. */
int store_service_finalize(struct store *store, int64_t epoch, const char *uid, struct hc_error *err)
{
	static const char sql[] = "UPDATE services SET object_metadata = " WITHOUT_FINALIZER
							  " WHERE id = $1 AND object_metadata -> 'finalizers' ? '" STORE_SERVICE_FINALIZER
							  "'";
	int outcome;

	if (store_begin_guarded(store, epoch, err) < 0)
		return hc_wrap(err, "finalize service %s", uid);
	outcome = finalize(store, sql, uid, err);
	if (store_end(store, outcome, err) < 0)
		return hc_wrap(err, "finalize service %s", uid);
	return 0;
}

static int namespace_finalize(struct store *store, const char *uid, struct hc_error *err)
{
	static const char deleting_sql[] = "SELECT deleted_at IS NOT NULL FROM namespaces WHERE id = $1";
	static const char sql[] = "UPDATE namespaces SET object_metadata = " WITHOUT_FINALIZER
							  " WHERE id = $1 AND object_metadata -> 'finalizers' ? '" STORE_SERVICE_FINALIZER
							  "'";
	HC_AUTO(pg_result) deleting = NULL;

	if (store_query(store, deleting_sql, 1, &uid, &deleting, err) < 0)
		return -1;
	if (PQntuples(deleting) == 0)
		return 0;
	if (!store_cell_bool(deleting, 0, 0))
		return hc_fail(err, HC_CONFLICT, "nobody wants it deleted");
	if (store_namespace_check_empty(store, uid, err) < 0)
		return -1;
	return finalize(store, sql, uid, err);
}

int store_namespace_finalize(struct store *store, int64_t epoch, const char *uid, struct hc_error *err)
{
	int outcome;

	if (store_begin_guarded(store, epoch, err) < 0)
		return hc_wrap(err, "finalize namespace %s", uid);
	outcome = namespace_finalize(store, uid, err);
	if (store_end(store, outcome, err) < 0)
		return hc_wrap(err, "finalize namespace %s", uid);
	return 0;
}

/* --- compaction -------------------------------------------------------------------------------- */

/* The log keeps a continuous end: everything up to `cut` goes, and the clock says from where one can
 * continue. */
static int compact(struct store *store, struct hc_error *err)
{
	static const char events_sql[] =
		"DELETE FROM events WHERE last_seen < now() - $1::bigint * interval '1 millisecond'";
	static const char log_sql[] =
		"WITH cut AS (SELECT greatest("
		" (SELECT max(resource_version) FROM change_log"
		"  WHERE created_at < now() - $1::bigint * interval '1 millisecond'),"
		" (SELECT resource_version FROM change_log ORDER BY resource_version DESC OFFSET $2::bigint LIMIT "
		"1)) AS version),"
		" gone AS (DELETE FROM change_log USING cut WHERE resource_version <= cut.version)"
		" UPDATE resource_clock SET oldest = greatest(oldest, cut.version) FROM cut WHERE cut.version IS NOT "
		"NULL";
	const struct store_number event_age = store_number(HC_LIMIT_EVENT_AGE_MS);
	const struct store_number log_age = store_number(HC_LIMIT_CHANGE_LOG_AGE_MS);
	const struct store_number log_rows = store_number(HC_LIMIT_CHANGE_LOG_ROWS);
	static const char secrets_sql[] =
		"DELETE FROM secret_versions v WHERE v.retired_at < now() - $1::bigint * interval '1 millisecond'"
		" AND v.id::text NOT IN (SELECT coalesce(named.id #>> '{}', '') FROM deployments d,"
		" jsonb_path_query(d.object_spec, '$.template.env[*].secretRef.version') AS named (id))";
	const struct store_number secret_grace = store_number(HC_LIMIT_SECRET_GRACE_MS);
	HC_AUTO(pg_result) events = NULL;
	HC_AUTO(pg_result) log = NULL;
	HC_AUTO(pg_result) secrets = NULL;

	if (store_query(store, events_sql, 1, (const char *const[]){event_age.text}, &events, err) < 0 ||
		store_query(store, secrets_sql, 1, (const char *const[]){secret_grace.text}, &secrets, err) < 0)
		return -1;
	return store_query(store, log_sql, 2, (const char *const[]){log_age.text, log_rows.text}, &log, err);
}

int store_compact(struct store *store, int64_t epoch, struct hc_error *err)
{
	int outcome;

	if (store_begin_guarded(store, epoch, err) < 0)
		return hc_wrap(err, "compact");
	outcome = compact(store, err);
	if (store_end(store, outcome, err) < 0)
		return hc_wrap(err, "compact");
	return 0;
}
