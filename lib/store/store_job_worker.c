/* Jobs as a worker takes and ends them, and logs of builds (store_job.h). The rules are the SQL functions of
 * migrations/0002_jobs.sql, since workers that aren't ours call them too. */
#include "store_job_internal.h"

#include "base/limits.h"
#include <endian.h>
#include <string.h>

/* In a transaction, because a claim that is repeated on a new connection would be refused as another's. When
 * its answer is lost the lease runs out, and the job is taken again. */
static int claim(struct store *store, struct hc_arena *arena, const char *const values[3],
				 struct store_job *ret_job, struct hc_error *err)
{
	static const char sql[] = "SELECT " STORE_JOB_COLUMNS
							  " FROM job_claim($1, $2, $3) AS j LEFT JOIN builds b ON b.id = j.id";
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, 3, values, &result, err) < 0)
		return -1;
	return store_job_read(arena, result, 0, ret_job, err);
}

int store_job_claim(struct store *store, struct hc_arena *arena, const char *id, int64_t attempt,
					const char *worker, struct store_job *ret_job, struct hc_error *err)
{
	const struct store_number number = store_number(attempt);
	const char *values[] = {id, number.text, worker};
	struct store_job job;
	int outcome;

	if (store_begin(store, err) < 0)
		return hc_wrap(err, "claim job %s", id);
	outcome = claim(store, arena, values, &job, err);
	if (store_end(store, outcome, err) < 0)
		return hc_wrap(err, "claim job %s", id);
	*ret_job = job;
	return 0;
}

int store_job_heartbeat(struct store *store, const char *id, int64_t attempt, const char *worker,
						bool *ret_cancel, struct hc_error *err)
{
	static const char sql[] = "SELECT job_heartbeat($1, $2, $3)";
	const struct store_number number = store_number(attempt);
	const char *values[] = {id, number.text, worker};
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, (int)HC_COUNT(values), values, &result, err) < 0)
		return hc_wrap(err, "renew the lease of job %s", id);
	*ret_cancel = store_cell_bool(result, 0, 0);
	return 0;
}

/* A piece whose answer was lost may be there twice. */
int store_job_log(struct store *store, const char *id, int64_t attempt, const void *data, size_t length,
				  struct hc_error *err)
{
	static const char sql[] = "SELECT job_log($1::text::uuid, $2::text::bigint, $3::bytea)";
	const struct store_number number = store_number(attempt);
	const char *bytes = data;

	while (length > 0) {
		size_t piece = length < STORE_BUILD_LOG_BYTES ? length : STORE_BUILD_LOG_BYTES;
		HC_AUTO(pg_result) result = NULL;

		if (store_query_binary(store, sql, 3, (const char *const[]){id, number.text, bytes},
							   (const int[]){0, 0, (int)piece}, (const int[]){0, 0, 1}, &result, err) < 0)
			return hc_wrap(err, "append to the log of job %s", id);
		bytes += piece;
		length -= piece;
	}
	return 0;
}

int store_job_finish(struct store *store, const char *id, int64_t attempt, const char *worker, bool success,
					 const char *outcome, struct hc_error *err)
{
	static const char sql[] = "SELECT job_finish($1, $2, $3, $4, $5)";
	const struct store_number number = store_number(attempt);
	const char *values[] = {id, number.text, worker, success ? "true" : "false", outcome};
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, (int)HC_COUNT(values), values, &result, err) < 0)
		return hc_wrap(err, "finish job %s", id);
	return 0;
}

static int64_t cell_binary_number(const struct pg_result *result, int row, int column)
{
	uint64_t network;

	memcpy(&network, PQgetvalue(result, row, column), sizeof network);
	return (int64_t)be64toh(network);
}

int store_build_log_read(struct store *store, struct hc_arena *arena, const char *build_uid,
						 struct store_log_place *place, size_t max, const char **ret_data, size_t *ret_length,
						 bool *ret_ended, struct hc_error *err)
{
	/* From the chunk that the position lies in. In one statement, so that "ended" is of the same moment. */
	static const char sql[] =
		"SELECT w.piece, p.first + length(w.piece) >= j.log_bytes"
		" AND job_ended(j.state) AND NOT job_retriable(j), j.log_attempt, p.first FROM jobs j, LATERAL ("
		"  SELECT CASE WHEN $4::text::bigint IN (0, j.log_attempt) THEN $2::text::bigint ELSE 0 END AS first"
		" ) AS p, LATERAL ("
		"  SELECT coalesce(substring(string_agg(c.data, '' ORDER BY c.position)"
		"   FROM (p.first - min(c.position))::integer + 1 FOR $3::text::integer), '') AS piece"
		"  FROM build_log_chunks c WHERE c.build_id = j.id AND p.first < j.log_bytes"
		"  AND c.position >= coalesce((SELECT max(f.position) FROM build_log_chunks f"
		"   WHERE f.build_id = j.id AND f.position <= p.first), 0)"
		"  AND c.position < p.first + $3::text::bigint) AS w"
		" WHERE j.id = $1::text::uuid AND j.kind = 'build'";
	const struct store_number from = store_number(place->position > 0 ? place->position : 0);
	const struct store_number log = store_number(place->log);
	const struct store_number most = store_number(
		(int64_t)(max < STORE_BUILD_LOG_BYTES ? max : STORE_BUILD_LOG_BYTES));
	const char *values[] = {build_uid, from.text, most.text, log.text};
	HC_AUTO(pg_result) result = NULL;

	if (store_query_binary(store, sql, (int)HC_COUNT(values), values, NULL, NULL, &result, err) < 0)
		return hc_wrap(err, "read the log of build %s", build_uid);
	if (PQntuples(result) == 0)
		return hc_fail(err, HC_NOT_FOUND, "build %s not found", build_uid);
	*ret_length = (size_t)PQgetlength(result, 0, 0);
	*ret_data = hc_arena_strndup(arena, PQgetvalue(result, 0, 0), *ret_length);
	*ret_ended = *PQgetvalue(result, 0, 1) != 0; /* binary */
	place->log = cell_binary_number(result, 0, 2);
	place->position = cell_binary_number(result, 0, 3);
	return 0;
}
