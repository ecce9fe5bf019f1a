/* Followed branches, and deliveries of webhooks (store_job.h). Neither is an object of the API. */
#include "store_internal.h"
#include "store_job.h"

#include <string.h>

/* --- following --------------------------------------------------------------------------------- */

int store_follow_get(struct store *store, const char *service_uid, struct store_follow *ret_follow,
					 struct hc_error *err)
{
	static const char sql[] =
		"SELECT f.wanted, f.checked, CASE WHEN f.checked_at IS NULL THEN -1 ELSE"
		" greatest((extract(epoch FROM clock_timestamp() - f.checked_at) * 1000)::bigint, 0) END,"
		" f.webhook_verified_at IS NOT NULL FROM services s LEFT JOIN follows f ON f.service_id = s.id"
		" WHERE s.id = $1";
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, 1, &service_uid, &result, err) < 0)
		return hc_wrap(err, "read what service %s follows", service_uid);
	if (PQntuples(result) == 0)
		return hc_fail(err, HC_NOT_FOUND, "service %s not found", service_uid);
	*ret_follow = (struct store_follow){
		.wanted = store_cell_number(result, 0, 0),
		.checked = store_cell_number(result, 0, 1),
		.checked_ago_ms = store_cell_number(result, 0, 2),
		.webhook_verified = store_cell_bool(result, 0, 3),
	};
	return 0;
}

/* One statement on a Service's row, which makes it when it isn't there. A Service that has gone follows
 * nothing: 0 rows are no error. */
static int write_follow(struct store *store, const char *sql, const char *service_uid, const char *value,
						struct hc_error *err)
{
	HC_AUTO(pg_result) result = NULL;

	return store_query(store, sql, 2, (const char *const[]){service_uid, value}, &result, err);
}

int store_follow_checked(struct store *store, int64_t epoch, const char *service_uid, int64_t wanted,
						 struct hc_error *err)
{
	/* Never back: an answer that comes late was of an older look. */
	static const char sql[] =
		"INSERT INTO follows AS f (service_id, checked, checked_at)"
		" SELECT s.id, $2::bigint, clock_timestamp() FROM services s WHERE s.id = $1"
		" ON CONFLICT (service_id) DO UPDATE SET checked = greatest(f.checked, excluded.checked),"
		" checked_at = excluded.checked_at";
	const struct store_number number = store_number(wanted);
	int outcome;

	if (store_begin_guarded(store, epoch, err) < 0)
		return hc_wrap(err, "note a look at the branch of service %s", service_uid);
	outcome = write_follow(store, sql, service_uid, number.text, err);
	if (store_end(store, outcome, err) < 0)
		return hc_wrap(err, "note a look at the branch of service %s", service_uid);
	return 0;
}

int store_follow_want(struct store *store, const char *service_uid, bool look, struct hc_error *err)
{
	static const char sql[] =
		"WITH written AS (INSERT INTO follows AS f (service_id, wanted, webhook_verified_at)"
		" SELECT s.id, $2::bigint, clock_timestamp() FROM services s WHERE s.id = $1"
		" ON CONFLICT (service_id) DO UPDATE SET wanted = f.wanted + excluded.wanted,"
		" webhook_verified_at = coalesce(f.webhook_verified_at, excluded.webhook_verified_at)"
		" RETURNING service_id) SELECT pg_notify('helvetia_job', 'service/' || service_id) FROM written";
	int outcome;

	/* Under the lock of writers: the Service can't go in between. */
	if (store_begin(store, err) < 0)
		return hc_wrap(err, "want a look at the branch of service %s", service_uid);
	outcome = write_follow(store, sql, service_uid, look ? "1" : "0", err);
	if (store_end(store, outcome, err) < 0)
		return hc_wrap(err, "want a look at the branch of service %s", service_uid);
	return 0;
}

int store_services_with_repository(struct store *store, struct hc_arena *arena,
								   struct store_repository_service **ret_list, size_t *ret_count,
								   struct hc_error *err)
{
	static const char sql[] = "SELECT id, namespace, name, repo_url, coalesce(branch, '') FROM services"
							  " WHERE repo_url <> '' AND deleted_at IS NULL ORDER BY namespace, name";
	HC_AUTO(pg_result) result = NULL;
	struct store_repository_service *list;
	size_t count;

	if (store_query(store, sql, 0, NULL, &result, err) < 0)
		return hc_wrap(err, "list services with a repository");
	count = (size_t)PQntuples(result);
	list = hc_arena_alloc_array(arena, count + 1, sizeof *list);
	for (size_t row = 0; row < count; row++) {
		list[row] = (struct store_repository_service){
			.uid = store_cell(arena, result, (int)row, 0),
			.namespace_name = store_cell(arena, result, (int)row, 1),
			.name = store_cell(arena, result, (int)row, 2),
			.repo_url = store_cell(arena, result, (int)row, 3),
			.branch = store_cell(arena, result, (int)row, 4),
		};
	}
	*ret_list = list;
	*ret_count = count;
	return 0;
}

/* --- deliveries -------------------------------------------------------------------------------- */

#define DELIVERIES_BEFORE "999" /* kept beside the new one */

int store_delivery_record(struct store *store, const struct store_delivery *delivery, struct hc_error *err)
{
	/* Both see the rows as they were before. */
	static const char sql[] =
		"WITH old AS (DELETE FROM webhook_deliveries WHERE sequence <= (SELECT sequence FROM "
		"webhook_deliveries"
		"  ORDER BY sequence DESC OFFSET " DELIVERIES_BEFORE " LIMIT 1))"
		" INSERT INTO webhook_deliveries (id, event, repository, outcome, message, status, received_at)"
		" VALUES ($1, $2, $3, $4, $5, $6::integer,"
		"  timestamptz 'epoch' + $7::bigint * interval '1 millisecond')";
	const struct store_number status = store_number(delivery->status);
	const struct store_number received = store_number(delivery->received_wall_ms);
	const char *values[] = {delivery->id,      delivery->event, delivery->repository, delivery->outcome,
							delivery->message, status.text,     received.text};
	HC_AUTO(pg_result) result = NULL;

	for (size_t index = 0; index < 5; index++)
		if (!values[index])
			values[index] = "";
	if (store_query(store, sql, (int)HC_COUNT(values), values, &result, err) < 0)
		return hc_wrap(err, "record delivery %s", values[0]);
	return 0;
}

int store_deliveries(struct store *store, struct hc_arena *arena, int limit, struct store_delivery **ret_list,
					 size_t *ret_count, struct hc_error *err)
{
	static const char sql[] = "SELECT id, event, repository, outcome, message, (extract(epoch FROM "
							  "received_at) * 1000)::bigint, status"
							  " FROM webhook_deliveries ORDER BY sequence DESC LIMIT $1";
	const struct store_number most = store_number(limit > 0 ? limit : 0);
	const char *values[] = {most.text};
	HC_AUTO(pg_result) result = NULL;
	struct store_delivery *list;
	size_t count;

	if (store_query(store, sql, 1, values, &result, err) < 0)
		return hc_wrap(err, "list deliveries");
	count = (size_t)PQntuples(result);
	list = hc_arena_alloc_array(arena, count + 1, sizeof *list);
	for (size_t row = 0; row < count; row++) {
		list[row] = (struct store_delivery){
			.id = store_cell(arena, result, (int)row, 0),
			.event = store_cell(arena, result, (int)row, 1),
			.repository = store_cell(arena, result, (int)row, 2),
			.outcome = store_cell(arena, result, (int)row, 3),
			.message = store_cell(arena, result, (int)row, 4),
			.received_wall_ms = store_cell_number(result, (int)row, 5),
			.status = (int)store_cell_number(result, (int)row, 6),
		};
	}
	*ret_list = list;
	*ret_count = count;
	return 0;
}
