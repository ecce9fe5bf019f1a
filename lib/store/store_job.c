/* Jobs as the controller reads and writes them (store_job.h). What a write shows in the Build, and whom it
 * notifies, is done by triggers of migrations/0002_jobs.sql. */
#include "store_job_internal.h"

#include <string.h>

/* --- reading ----------------------------------------------------------------------------------- */

static int state_parse(const char *text, enum job_state *ret_state)
{
	for (int state = JOB_QUEUED; state <= JOB_CANCELED; state++) {
		if (strcmp(job_state_text((enum job_state)state), text) == 0) {
			*ret_state = (enum job_state)state;
			return 0;
		}
	}
	return -1;
}

int store_job_read(struct hc_arena *arena, const struct pg_result *result, int row, struct store_job *ret_job,
				   struct hc_error *err)
{
	struct job_view view = {
		.id = store_cell(arena, result, row, 0),
		.kind = strcmp(PQgetvalue(result, row, 1), job_kind_text(JOB_BUILD)) == 0 ? JOB_BUILD : JOB_RESOLVE,
		.key = store_cell(arena, result, row, 2),
		.name = store_cell(arena, result, row, 3),
		.worker = store_cell(arena, result, row, 5),
		.attempt = store_cell_number(result, row, 6),
		.claims = (int)store_cell_number(result, row, 7),
		.failures = (int)store_cell_number(result, row, 8),
		.lease_left_ms = store_cell_number(result, row, 9),
		.state_ago_ms = store_cell_number(result, row, 10),
		.commit = store_cell(arena, result, row, 11),
		.branch = store_cell(arena, result, row, 12),
		.tree = store_cell(arena, result, row, 13),
		.runtime = store_cell(arena, result, row, 14),
		.image_id = store_cell(arena, result, row, 15),
		.reason = store_cell(arena, result, row, 16),
		.message = store_cell(arena, result, row, 17),
		.final = store_cell_bool(result, row, 18),
		.cancel = store_cell_bool(result, row, 19),
		.queue = JOB_QUEUE_UNASKED,
	};

	if (state_parse(PQgetvalue(result, row, 4), &view.state) < 0)
		return hc_fail(err, HC_BUG, "job %s has the unknown state \"%s\"", view.id,
					   PQgetvalue(result, row, 4));
	*ret_job = (struct store_job){
		.view = view,
		.input = store_cell(arena, result, row, 20),
		.outcome = store_cell(arena, result, row, 21),
		.namespace_uid = store_cell(arena, result, row, 22),
		.service_uid = store_cell(arena, result, row, 23),
	};
	return 0;
}

int store_job_get(struct store *store, struct hc_arena *arena, enum job_kind kind, const char *key,
				  struct store_job *ret_job, struct hc_error *err)
{
	static const char sql[] = "SELECT " STORE_JOB_COLUMNS " FROM jobs j LEFT JOIN builds b ON b.id = j.id"
							  " WHERE j.kind = $1::job_kind AND j.key = $2";
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, 2, (const char *const[]){job_kind_text(kind), key}, &result, err) < 0)
		return hc_wrap(err, "read %s job \"%s\"", job_kind_text(kind), key);
	if (PQntuples(result) == 0)
		return hc_fail(err, HC_NOT_FOUND, "%s job \"%s\" not found", job_kind_text(kind), key);
	return store_job_read(arena, result, 0, ret_job, err);
}

int store_images_referenced(struct store *store, struct hc_arena *arena, const char ***ret_ids,
							size_t *ret_count, struct hc_error *err)
{
	static const char sql[] = "SELECT id FROM (SELECT object_status ->> 'imageId' FROM deployments"
							  " UNION SELECT object_status ->> 'imageId' FROM builds) AS named (id)"
							  " WHERE id <> '' ORDER BY id COLLATE \"C\"";
	HC_AUTO(pg_result) result = NULL;
	const char **ids;
	size_t count;

	if (store_query(store, sql, 0, NULL, &result, err) < 0)
		return hc_wrap(err, "list the images that are named");
	count = (size_t)PQntuples(result);
	ids = hc_arena_alloc_array(arena, count + 1, sizeof *ids);
	for (size_t row = 0; row < count; row++)
		ids[row] = store_cell(arena, result, (int)row, 0);
	*ret_ids = ids;
	*ret_count = count;
	return 0;
}

/* --- making ------------------------------------------------------------------------------------ */

/* The row, unless there is one. *ret_id NULL: there was. */
static int insert_job(struct store *store, struct hc_arena *arena, const struct store_job_want *want,
					  const char **ret_id, struct hc_error *err)
{
	static const char sql[] = "INSERT INTO jobs (kind, key, namespace_id, service_id, input)"
							  " SELECT $1::job_kind, $2, n.id, s.id, $4::jsonb FROM services s"
							  " JOIN namespaces n ON n.name = s.namespace WHERE s.id = $3"
							  " ON CONFLICT (kind, key) DO NOTHING RETURNING id";
	const char *values[] = {job_kind_text(want->kind), want->key, want->service_uid, want->input};
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, (int)HC_COUNT(values), values, &result, err) < 0)
		return -1;
	*ret_id = PQntuples(result) ? store_cell(arena, result, 0, 0) : NULL;
	return *ret_id ? 0 : store_require(store, STORE_SERVICE, want->service_uid, err);
}

/* The Build of a new job. One of that name without a job is what is left after somebody deleted that. */
static int insert_build(struct store *store, const char *id, const struct store_job_want *want,
						struct hc_error *err)
{
	static const char clear_sql[] =
		"DELETE FROM builds b USING services s WHERE s.id = $1 AND b.namespace = s.namespace AND b.name = $2"
		" AND NOT EXISTS (SELECT FROM jobs j WHERE j.id = b.id)";
	static const char taken_sql[] = "SELECT j.key FROM builds b JOIN services s ON s.namespace = b.namespace"
									" JOIN jobs j ON j.id = b.id WHERE s.id = $1 AND b.name = $2";
	static const char sql[] =
		"INSERT INTO builds (id, namespace, name, object_metadata, object_spec, object_status)"
		" SELECT j.id, s.namespace, $3, jsonb_build_object('labels',"
		"  jsonb_build_object('helvetia.cloud/service', s.name)), $4::jsonb, job_build_status(j)"
		" FROM jobs j JOIN services s ON s.id = $2 WHERE j.id = $1";
	const char *place[] = {want->service_uid, want->build_name};
	const char *values[] = {id, want->service_uid, want->build_name, want->build_spec};
	HC_AUTO(pg_result) cleared = NULL;
	HC_AUTO(pg_result) taken = NULL;
	HC_AUTO(pg_result) inserted = NULL;

	if (store_query(store, clear_sql, (int)HC_COUNT(place), place, &cleared, err) < 0 ||
		store_query(store, taken_sql, (int)HC_COUNT(place), place, &taken, err) < 0)
		return -1;
	if (PQntuples(taken) > 0)
		return hc_fail(err, HC_CONFLICT, "builds \"%s\" already exists: it is job \"%s\"", want->build_name,
					   PQgetvalue(taken, 0, 0));
	return store_query(store, sql, (int)HC_COUNT(values), values, &inserted, err);
}

static int create(struct store *store, const struct store_job_want *want, struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	const char *id;

	if (want->kind == JOB_BUILD && (!want->build_name || !want->build_spec))
		return hc_fail(err, HC_BUG, "a build without the name or spec of its Build");
	if (insert_job(store, arena, want, &id, err) < 0)
		return -1;
	return id && want->kind == JOB_BUILD ? insert_build(store, id, want, err) : 0;
}

int store_job_create(struct store *store, int64_t epoch, const struct store_job_want *want,
					 struct hc_error *err)
{
	int outcome;

	if (store_begin_guarded(store, epoch, err) < 0)
		return hc_wrap(err, "create %s job \"%s\"", job_kind_text(want->kind), want->key);
	outcome = create(store, want, err);
	if (store_end(store, outcome, err) < 0)
		return hc_wrap(err, "create %s job \"%s\"", job_kind_text(want->kind), want->key);
	return 0;
}

/* --- changing ---------------------------------------------------------------------------------- */

/* One statement as a leader's transaction. */
static int write_guarded(struct store *store, int64_t epoch, const char *sql, int count,
						 const char *const *values, struct hc_error *err)
{
	HC_AUTO(pg_result) result = NULL;
	int outcome;

	if (store_begin_guarded(store, epoch, err) < 0)
		return -1;
	outcome = store_query(store, sql, count, values, &result, err);
	return store_end(store, outcome, err);
}

static int reopen(struct store *store, const char *const values[4], struct hc_error *err)
{
	/* A build that begins anew has a log of its own. The rows of the old one go before the job's next worker
	 * can append. */
	static const char log_sql[] =
		"DELETE FROM build_log_chunks c USING jobs j WHERE j.id = $1 AND j.attempt = $2::bigint"
		" AND c.build_id = j.id";
	static const char sql[] =
		"UPDATE jobs SET attempt = attempt + 1, state = 'QUEUED', cancel = false, worker = '',"
		" lease_until = NULL, outcome = NULL, started_at = NULL, finished_at = NULL,"
		" state_since = clock_timestamp(), input = coalesce($4::jsonb, input),"
		" claims = CASE WHEN $3::boolean THEN 0 ELSE claims END,"
		" failures = CASE WHEN $3::boolean THEN 0 ELSE failures END,"
		" log_bytes = CASE WHEN $3::boolean THEN 0 ELSE log_bytes END,"
		" log_attempt = CASE WHEN $3::boolean THEN attempt + 1 ELSE log_attempt END,"
		" log_full = log_full AND NOT $3::boolean WHERE id = $1 AND attempt = $2::bigint";
	HC_AUTO(pg_result) locked = NULL;
	HC_AUTO(pg_result) cleared = NULL;
	HC_AUTO(pg_result) result = NULL;

	/* First the row, so that nothing is appended in between. */
	if (store_query(store, "SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE", 1, values, &locked, err) < 0)
		return -1;
	if (*values[2] == 't' && store_query(store, log_sql, 2, values, &cleared, err) < 0)
		return -1;
	return store_query(store, sql, 4, values, &result, err);
}

int store_job_reopen(struct store *store, int64_t epoch, const char *id, int64_t attempt, bool fresh,
					 const char *input, struct hc_error *err)
{
	const struct store_number number = store_number(attempt);
	const char *values[] = {id, number.text, fresh ? "true" : "false", fresh ? input : NULL};
	int outcome;

	if (store_begin_guarded(store, epoch, err) < 0)
		return hc_wrap(err, "reopen job %s", id);
	outcome = reopen(store, values, err);
	if (store_end(store, outcome, err) < 0)
		return hc_wrap(err, "reopen job %s", id);
	return 0;
}

int store_job_cancel(struct store *store, int64_t epoch, const char *id, struct hc_error *err)
{
	static const char sql[] = "SELECT job_cancel(j) FROM (SELECT * FROM jobs WHERE id = $1 FOR UPDATE) AS j";

	if (write_guarded(store, epoch, sql, 1, &id, err) < 0)
		return hc_wrap(err, "cancel job %s", id);
	return 0;
}

int store_build_wanted(struct store *store, const char *id, const char *except_service_uid, bool *ret_wanted,
					   struct hc_error *err)
{
	static const char sql[] =
		"SELECT EXISTS (SELECT FROM builds b JOIN deployments d ON d.namespace = b.namespace"
		" AND d.status = 'BUILDING' AND d.object_status ->> 'build' = b.name"
		" WHERE b.id = $1 AND d.service_id <> $2)";
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, 2, (const char *const[]){id, except_service_uid}, &result, err) < 0)
		return hc_wrap(err, "ask who waits for build %s", id);
	*ret_wanted = store_cell_bool(result, 0, 0);
	return 0;
}

int store_job_give_up(struct store *store, int64_t epoch, const char *id, int64_t attempt,
					  const char *message, struct hc_error *err)
{
	static const char sql[] =
		"UPDATE jobs SET state = 'FAILED', cancel = false, lease_until = NULL, state_since = "
		"clock_timestamp(),"
		" finished_at = clock_timestamp(), outcome = jsonb_build_object('reason',"
		"  CASE kind WHEN 'build' THEN 'BuildFailed' ELSE 'SourceFailed' END, 'message', $3::text,"
		"  'final', true)"
		" WHERE id = $1 AND attempt = $2::bigint AND (NOT job_ended(state) OR job_retriable(jobs))";
	const struct store_number number = store_number(attempt);
	const char *values[] = {id, number.text, message};

	if (write_guarded(store, epoch, sql, (int)HC_COUNT(values), values, err) < 0)
		return hc_wrap(err, "give up job %s", id);
	return 0;
}

/* --- compaction -------------------------------------------------------------------------------- */

static int compact(struct store *store, const char *age_ms, struct hc_error *err)
{
	/* Nobody looks after the job of a Service that has gone: its worker's loss is seen here. */
	static const char lost_sql[] = "SELECT job_cancel(j) FROM (SELECT * FROM jobs WHERE state = 'RUNNING' "
								   "AND lease_until < clock_timestamp()"
								   " AND (cancel OR service_id IS NULL) FOR UPDATE) AS j";
#define OLD_ENDED                                                                                            \
	"job_ended(j.state) AND j.state_since < clock_timestamp() - $1::bigint * interval '1 millisecond'"
	/* What nobody has begun or repeated for so long is wanted by nobody: who does begins it anew. */
	static const char idle_sql[] =
		"SELECT job_cancel(j) FROM (SELECT * FROM jobs WHERE (state = 'QUEUED' OR job_retriable(jobs))"
		" AND state_since < clock_timestamp() - $1::bigint * interval '1 millisecond' FOR UPDATE) AS j";
	static const char builds_sql[] =
		"DELETE FROM builds b USING jobs j WHERE j.id = b.id AND " OLD_ENDED
		" AND NOT EXISTS (SELECT FROM deployments d WHERE d.namespace = b.namespace"
		" AND d.object_status ->> 'build' = b.name)";
	static const char jobs_sql[] = "DELETE FROM jobs j WHERE j.kind = 'resolve' AND " OLD_ENDED;
#undef OLD_ENDED
	HC_AUTO(pg_result) lost = NULL;
	HC_AUTO(pg_result) idle = NULL;
	HC_AUTO(pg_result) builds = NULL;
	HC_AUTO(pg_result) jobs = NULL;

	if (store_query(store, lost_sql, 0, NULL, &lost, err) < 0 ||
		store_query(store, idle_sql, 1, &age_ms, &idle, err) < 0 ||
		store_query(store, builds_sql, 1, &age_ms, &builds, err) < 0)
		return -1;
	return store_query(store, jobs_sql, 1, &age_ms, &jobs, err);
}

int store_jobs_compact(struct store *store, int64_t epoch, int64_t age_ms, struct hc_error *err)
{
	const struct store_number age = store_number(age_ms);
	int outcome;

	if (store_begin_guarded(store, epoch, err) < 0)
		return hc_wrap(err, "compact jobs");
	outcome = compact(store, age.text, err);
	if (store_end(store, outcome, err) < 0)
		return hc_wrap(err, "compact jobs");
	return 0;
}
