/* Deployments as the controller reads and writes them (store.h). */
#include "store_internal.h"

#include "base/limits.h"
#include <string.h>

int store_deployments_of(struct store *store, struct hc_arena *arena, const char *service_uid,
						 struct store_deployment **ret_deployments, size_t *ret_count, struct hc_error *err)
{
	/* The newest ones, handed out in ascending order. */
	static const char sql[] =
		"SELECT " STORE_OBJECT_COLUMNS ", t.object_spec::text, t.object_status::text, t.revision"
		" FROM deployments AS t WHERE t.service_id = $1 ORDER BY t.revision DESC LIMIT $2";
	const struct store_number limit = store_number(HC_LIMIT_DEPLOYMENTS_PER_SERVICE);
	HC_AUTO(pg_result) result = NULL;
	struct store_deployment *deployments;
	int count;

	if (store_query(store, sql, 2, (const char *const[]){service_uid, limit.text}, &result, err) < 0)
		return hc_wrap(err, "list deployments of %s", service_uid);
	count = PQntuples(result);
	deployments = hc_arena_alloc_array(arena, (size_t)count, sizeof *deployments);
	for (int row = 0; row < count; row++) {
		struct store_deployment *deployment = &deployments[count - 1 - row];

		store_object_read(arena, result, row, &deployment->object);
		deployment->spec_json = store_cell(arena, result, row, STORE_OBJECT_COLUMN_COUNT);
		deployment->status_json = store_cell(arena, result, row, STORE_OBJECT_COLUMN_COUNT + 1);
		deployment->revision = store_cell_number(result, row, STORE_OBJECT_COLUMN_COUNT + 2);
	}
	*ret_deployments = deployments;
	*ret_count = (size_t)count;
	return 0;
}

struct creation {
	const char *service_uid;
	const char *name;
	const char *uid;
	const char *spec_json;
	const char *status_json;
	int64_t revision;
};

static int check_revision(struct store *store, const struct creation *creation, const char *revision,
						  struct hc_error *err)
{
	static const char sql[] = "SELECT 1 FROM deployments WHERE service_id = $1 AND revision = $2";
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, 2, (const char *const[]){creation->service_uid, revision}, &result, err) < 0)
		return -1;
	return PQntuples(result) == 0 ? 0 : hc_fail(err, HC_CONFLICT, "revision %s already exists", revision);
}

static int create(struct store *store, const struct creation *creation, struct hc_error *err)
{
	static const char sql[] =
		"INSERT INTO deployments (id, namespace, name, service_id, revision, object_metadata, object_spec,"
		" object_status) SELECT $2::uuid, s.namespace, $3, s.id, $4::bigint, jsonb_build_object("
		"  'labels', jsonb_build_object('helvetia.cloud/service', s.name),"
		"  'ownerReferences', jsonb_build_array(jsonb_build_object('apiVersion', 'helvetia.cloud/v1',"
		"   'kind', 'Service', 'name', s.name, 'uid', s.id, 'controller', true, 'blockOwnerDeletion', "
		"true))),"
		" $5::jsonb, $6::jsonb FROM services s WHERE s.id = $1";
	const struct store_number revision = store_number(creation->revision);
	const char *values[] = {creation->service_uid, creation->uid,       creation->name,
							revision.text,         creation->spec_json, creation->status_json};
	HC_AUTO(pg_result) result = NULL;

	if (check_revision(store, creation, revision.text, err) < 0)
		return -1;
	if (store_query(store, sql, (int)HC_COUNT(values), values, &result, err) < 0)
		return -1;
	if (strcmp(PQcmdTuples(result), "0") == 0)
		return hc_fail(err, HC_NOT_FOUND, "its service %s not found", creation->service_uid);
	return 0;
}

int store_deployment_create(struct store *store, int64_t epoch, const char *service_uid, const char *name,
							const char *uid, int64_t revision, const char *spec_json, const char *status_json,
							struct hc_error *err)
{
	const struct creation creation = {.service_uid = service_uid,
									  .name = name,
									  .uid = uid,
									  .spec_json = spec_json,
									  .status_json = status_json,
									  .revision = revision};
	int outcome;

	if (store_begin_guarded(store, epoch, err) < 0)
		return hc_wrap(err, "create deployment %s", name);
	outcome = create(store, &creation, err);
	if (store_end(store, outcome, err) < 0)
		return hc_wrap(err, "create deployment %s", name);
	return 0;
}

static int set_status(struct store *store, const char *uid, const char *status_json, bool becomes_current,
					  struct hc_error *err)
{
	static const char sql[] = "UPDATE deployments SET object_status = $2::jsonb WHERE id = $1";
	static const char current_sql[] = "UPDATE services s SET object_status = s.object_status || "
									  "jsonb_build_object('currentDeployment', d.name)"
									  " FROM deployments d WHERE d.id = $1 AND s.id = d.service_id";
	HC_AUTO(pg_result) updated = NULL;
	HC_AUTO(pg_result) current = NULL;

	if (store_query(store, sql, 2, (const char *const[]){uid, status_json}, &updated, err) < 0)
		return -1;
	/* Nothing was written: the row says so already, or is gone. */
	if (strcmp(PQcmdTuples(updated), "0") == 0 && store_require(store, STORE_DEPLOYMENT, uid, err) < 0)
		return -1;
	return becomes_current ? store_query(store, current_sql, 1, &uid, &current, err) : 0;
}

int store_deployment_status(struct store *store, int64_t epoch, const char *uid, const char *status_json,
							bool becomes_current, struct hc_error *err)
{
	int outcome;

	if (store_begin_guarded(store, epoch, err) < 0)
		return hc_wrap(err, "status of deployment %s", uid);
	outcome = set_status(store, uid, status_json, becomes_current, err);
	if (store_end(store, outcome, err) < 0)
		return hc_wrap(err, "status of deployment %s", uid);
	return 0;
}

int store_deployment_delete(struct store *store, int64_t epoch, const char *uid, struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct hc_error cause = {0};
	struct store_object object;
	bool gone;
	int outcome;

	if (store_begin_guarded(store, epoch, err) < 0)
		return hc_wrap(err, "delete deployment %s", uid);
	outcome = store_delete(store, arena, STORE_DEPLOYMENT, uid, &object, &gone, &cause);
	if (outcome < 0 && cause.class == HC_NOT_FOUND)
		outcome = 0;
	if (outcome < 0)
		hc_fail(err, cause.class, "%s", cause.text);
	return store_end(store, outcome, err);
}
