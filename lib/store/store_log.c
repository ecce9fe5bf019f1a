/* Logs of Deployments: byte chunks, of which a tail is kept (store.h). They are no objects: no
 * resourceVersion, no change. */
#include "store_internal.h"

#include "base/limits.h"
#include <string.h>

/* Position of a chunk's first byte counts from the first byte ever appended, so that a reader can name what
 * it has. */
static int append(struct store *store, const char *uid, const char *data, size_t length, struct hc_error *err)
{
	static const char append_sql[] =
		"INSERT INTO log_chunks (deployment_id, position, data)"
		" SELECT d.id, coalesce((SELECT c.position + length(c.data) FROM log_chunks c WHERE c.deployment_id "
		"= d.id"
		"  ORDER BY c.position DESC LIMIT 1), 0), $2::bytea FROM deployments d WHERE d.id = $1::text::uuid";
	/* A chunk goes when those after it fill the tail alone. */
	static const char trim_sql[] =
		"DELETE FROM log_chunks WHERE deployment_id = $1 AND position + length(data) <="
		" (SELECT max(position + length(data)) FROM log_chunks WHERE deployment_id = $1) - $2::bigint";
	const struct store_number keep = store_number(HC_LIMIT_LOG_TAIL_BYTES);
	HC_AUTO(pg_result) appended = NULL;
	HC_AUTO(pg_result) trimmed = NULL;

	if (store_query_binary(store, append_sql, 2, (const char *const[]){uid, data},
						   (const int[]){0, (int)length}, (const int[]){0, 1}, &appended, err) < 0)
		return -1;
	if (strcmp(PQcmdTuples(appended), "0") == 0)
		return hc_fail(err, HC_NOT_FOUND, "not found");
	return store_query(store, trim_sql, 2, (const char *const[]){uid, keep.text}, &trimmed, err);
}

int store_log_append(struct store *store, int64_t epoch, const char *deployment_uid, const void *data,
					 size_t length, struct hc_error *err)
{
	const char *bytes = data;
	int outcome;

	if (length == 0)
		return 0;
	if (length > HC_LIMIT_LOG_TAIL_BYTES) {
		bytes += length - HC_LIMIT_LOG_TAIL_BYTES;
		length = HC_LIMIT_LOG_TAIL_BYTES;
	}
	if (store_begin_guarded(store, epoch, err) < 0)
		return hc_wrap(err, "append to the log of deployment %s", deployment_uid);
	outcome = append(store, deployment_uid, bytes, length, err);
	if (store_end(store, outcome, err) < 0)
		return hc_wrap(err, "append to the log of deployment %s", deployment_uid);
	return 0;
}

int store_log_read(struct store *store, struct hc_arena *arena, const char *deployment_uid,
				   const char **ret_text, size_t *ret_length, struct hc_error *err)
{
	static const char sql[] = "SELECT coalesce(string_agg(data, '' ORDER BY position), '') FROM log_chunks"
							  " WHERE deployment_id = $1::text::uuid";
	HC_AUTO(pg_result) result = NULL;
	const char *data;
	size_t length;

	if (store_query_binary(store, sql, 1, &deployment_uid, NULL, NULL, &result, err) < 0)
		return hc_wrap(err, "read the log of deployment %s", deployment_uid);
	data = PQgetvalue(result, 0, 0);
	length = (size_t)PQgetlength(result, 0, 0);
	if (length > HC_LIMIT_LOG_TAIL_BYTES) {
		data += length - HC_LIMIT_LOG_TAIL_BYTES;
		length = HC_LIMIT_LOG_TAIL_BYTES;
	}
	*ret_text = hc_arena_strndup(arena, data, length);
	*ret_length = length;
	return 0;
}
