/* Objects of store.h as the API reads and writes them. The rules of a write (resourceVersion, change log,
 * no-op) are triggers of migrations/0001_objects.sql; here are the statements, and the refusals that need a
 * sentence. */
#include "store_internal.h"

#include "base/text.h"
#include <string.h>

/* Placeholders of the columns that only one kind has; they follow the five that all have. */
struct extra {
	const char *insert_columns;
	const char *insert_values;
	const char *update;
	int count;
};

static const struct extra extras[STORE_KIND_COUNT] = {
	[STORE_SERVICE] =
		{", template_hash, user_id", ", $6, $7::uuid",
		 ", template_hash = coalesce($6, t.template_hash), user_id = coalesce($7::uuid, t.user_id)", 2},
	[STORE_TOKEN] = {", hash", ", $6", ", hash = coalesce($6, t.hash)", 1},
};

static int extra_values(enum store_kind kind, const struct store_write *write, const char **values)
{
	if (kind == STORE_SERVICE) {
		values[0] = write->template_hash;
		values[1] = write->user_uid;
	}
	if (kind == STORE_TOKEN)
		values[0] = write->token_hash;
	return extras[kind].count;
}

void store_object_read(struct hc_arena *arena, const struct pg_result *result, int row,
					   struct store_object *ret_object)
{
	*ret_object = (struct store_object){
		.uid = store_cell(arena, result, row, 0),
		.namespace_name = store_cell(arena, result, row, 1),
		.name = store_cell(arena, result, row, 2),
		.json = store_cell(arena, result, row, 3),
		.resource_version = store_cell_number(result, row, 4),
		.generation = store_cell_number(result, row, 5),
		.deleting = store_cell_bool(result, row, 6),
	};
}

static int fail_absent(enum store_kind kind, const char *name, struct hc_error *err)
{
	return hc_fail(err, HC_NOT_FOUND, "%s \"%s\" not found", store_kinds[kind].table, name);
}

int store_get(struct store *store, struct hc_arena *arena, enum store_kind kind, const char *namespace_name,
			  const char *name, struct store_object *ret_object, struct hc_error *err)
{
	const char *sql = hc_arena_printf(
		arena, "SELECT " STORE_OBJECT_COLUMNS " FROM %s AS t WHERE t.namespace = $1 AND t.name = $2",
		store_kinds[kind].table);
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, 2, (const char *const[]){namespace_name, name}, &result, err) < 0)
		return hc_wrap(err, "read %s \"%s\"", store_kinds[kind].table, name);
	if (PQntuples(result) == 0)
		return fail_absent(kind, name, err);
	store_object_read(arena, result, 0, ret_object);
	return 0;
}

void store_array_literal(const char *const *items, size_t count, struct hc_text *text)
{
	hc_text_append(text, "{");
	for (size_t index = 0; index < count; index++) {
		hc_text_append(text, index ? ",\"" : "\"");
		for (const char *at = items[index]; *at; at++) {
			if (*at == '"' || *at == '\\')
				hc_text_append(text, "\\");
			hc_text_append_bytes(text, at, 1);
		}
		hc_text_append(text, "\"");
	}
	hc_text_append(text, "}");
}

static void read_all(struct hc_arena *arena, const struct pg_result *result, struct store_object **ret_objects,
					 size_t *ret_count)
{
	struct store_object *objects = hc_arena_alloc_array(arena, (size_t)PQntuples(result) + 1,
														sizeof *objects);

	for (int row = 0; row < PQntuples(result); row++)
		store_object_read(arena, result, row, &objects[row]);
	*ret_objects = objects;
	*ret_count = (size_t)PQntuples(result);
}

int store_get_many(struct store *store, struct hc_arena *arena, enum store_kind kind,
				   const char *const *namespaces, const char *const *names, size_t count,
				   struct store_object **ret_objects, size_t *ret_count, struct hc_error *err)
{
	const char *sql = hc_arena_printf(arena,
									  "SELECT " STORE_OBJECT_COLUMNS
									  " FROM unnest($1::text[], $2::text[]) AS w (namespace, name)"
									  " JOIN %s AS t ON t.namespace = w.namespace AND t.name = w.name",
									  store_kinds[kind].table);
	HC_AUTO(pg_result) result = NULL;
	HC_AUTO_TEXT first = {0};
	HC_AUTO_TEXT second = {0};

	store_array_literal(namespaces, count, &first);
	store_array_literal(names, count, &second);
	if (store_query(store, sql, 2, (const char *const[]){hc_text_string(&first), hc_text_string(&second)},
					&result, err) < 0)
		return hc_wrap(err, "read %s", store_kinds[kind].table);
	read_all(arena, result, ret_objects, ret_count);
	return 0;
}

int store_list_labelled(struct store *store, struct hc_arena *arena, enum store_kind kind,
						const char *namespace_name, const char *labels, struct store_object **ret_objects,
						size_t *ret_count, struct hc_error *err)
{
	const char *sql = hc_arena_printf(
		arena,
		"SELECT " STORE_OBJECT_COLUMNS
		" FROM %s AS t WHERE object_labels(t.object_metadata) @> $1::jsonb AND ($2::text IS NULL OR"
		" t.namespace = $2) ORDER BY t.namespace, t.name",
		store_kinds[kind].table);
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, 2, (const char *const[]){labels, namespace_name}, &result, err) < 0)
		return hc_wrap(err, "list %s by labels", store_kinds[kind].table);
	read_all(arena, result, ret_objects, ret_count);
	return 0;
}

int store_get_uid(struct store *store, struct hc_arena *arena, enum store_kind kind, const char *uid,
				  struct store_object *ret_object, struct hc_error *err)
{
	const char *sql = hc_arena_printf(arena, "SELECT " STORE_OBJECT_COLUMNS " FROM %s AS t WHERE t.id = $1",
									  store_kinds[kind].table);
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, 1, &uid, &result, err) < 0)
		return hc_wrap(err, "read %s %s", store_kinds[kind].table, uid);
	if (PQntuples(result) == 0)
		return fail_absent(kind, uid, err);
	store_object_read(arena, result, 0, ret_object);
	return 0;
}

int store_require(struct store *store, enum store_kind kind, const char *uid, struct hc_error *err)
{
	HC_AUTO_TEXT sql = {0};
	HC_AUTO(pg_result) result = NULL;

	hc_text_printf(&sql, "SELECT 1 FROM %s WHERE id = $1", store_kinds[kind].table);
	if (store_query(store, hc_text_string(&sql), 1, &uid, &result, err) < 0)
		return -1;
	return PQntuples(result) ? 0 : fail_absent(kind, uid, err);
}

int store_count(struct store *store, enum store_kind kind, const char *namespace_name, int64_t *ret_count,
				struct hc_error *err)
{
	HC_AUTO_TEXT sql = {0};
	HC_AUTO(pg_result) result = NULL;

	hc_text_printf(&sql, "SELECT count(*) FROM %s WHERE $1 IN ('', namespace)", store_kinds[kind].table);
	if (store_query(store, hc_text_string(&sql), 1, &namespace_name, &result, err) < 0)
		return hc_wrap(err, "count %s", store_kinds[kind].table);
	*ret_count = store_cell_number(result, 0, 0);
	return 0;
}

/* --- writes ------------------------------------------------------------------------------------ */

static int require_transaction(const struct store *store, struct hc_error *err)
{
	return store->in_transaction ? 0 : hc_fail(err, HC_BUG, "a write outside of a transaction");
}

/* A row that has just gone, as the change log has it. */
static int read_gone(struct store *store, struct hc_arena *arena, const char *uid,
					 struct store_object *ret_object, struct hc_error *err)
{
	static const char sql[] =
		"SELECT t.uid, t.namespace, t.name, t.object, t.resource_version,"
		" coalesce((t.object::json #>> '{metadata,generation}')::bigint, 1), true"
		" FROM change_log AS t WHERE t.uid = $1 ORDER BY t.resource_version DESC LIMIT 1";
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, 1, &uid, &result, err) < 0)
		return -1;
	if (PQntuples(result) == 0)
		return hc_fail(err, HC_BUG, "%s went without a change", uid);
	store_object_read(arena, result, 0, ret_object);
	return 0;
}

/* The namespace of a new object must exist and stay, and the name be free. Asked beforehand, so that the
 * answer is a sentence and not the name of a constraint; under the write lock nobody can come between. */
static int check_new(struct store *store, enum store_kind kind, const char *namespace_name, const char *name,
					 struct hc_error *err)
{
	HC_AUTO_TEXT sql = {0};
	HC_AUTO(pg_result) result = NULL;

	hc_text_printf(&sql,
				   "SELECT (SELECT deleted_at IS NOT NULL FROM namespaces WHERE name = $1),"
				   " EXISTS (SELECT FROM %s WHERE namespace = $1 AND name = $2)",
				   store_kinds[kind].table);
	if (store_query(store, hc_text_string(&sql), 2, (const char *const[]){namespace_name, name}, &result,
					err) < 0)
		return hc_wrap(err, "%s \"%s\"", store_kinds[kind].table, name);
	if (store_kinds[kind].namespaced && *namespace_name) { /* a Token may belong to no namespace */
		if (PQgetisnull(result, 0, 0))
			return fail_absent(STORE_NAMESPACE, namespace_name, err);
		if (store_cell_bool(result, 0, 0))
			return hc_fail(err, HC_CONFLICT, "namespace \"%s\" is being deleted", namespace_name);
	}
	if (store_cell_bool(result, 0, 1))
		return hc_fail(err, HC_CONFLICT, "%s \"%s\" already exists", store_kinds[kind].table, name);
	return 0;
}

/* Replaces the hosts of a Service. The write lock is held, so what is free here stays free until the insert.
 */
static int write_hosts(struct store *store, const char *uid, const struct store_write *write,
					   struct hc_error *err)
{
	static const char holder_sql[] =
		"SELECT h.host, s.namespace, s.name FROM hosts h JOIN services s ON s.id = h.service_id"
		" WHERE h.host = ANY ($1::text[]) AND h.service_id <> $2 ORDER BY h.host LIMIT 1";
	static const char delete_sql[] = "DELETE FROM hosts WHERE service_id = $2 AND host <> ALL ($1::text[])";
	static const char insert_sql[] = "INSERT INTO hosts (host, service_id) SELECT DISTINCT h, $2::uuid"
									 " FROM unnest($1::text[]) AS h ON CONFLICT DO NOTHING";
	static const char *const statements[] = {delete_sql, insert_sql};
	HC_AUTO_TEXT hosts = {0};
	HC_AUTO(pg_result) holder = NULL;
	const char *values[2];

	store_array_literal(write->hosts, write->host_count, &hosts);
	values[0] = hc_text_string(&hosts);
	values[1] = uid;
	if (store_query(store, holder_sql, 2, values, &holder, err) < 0)
		return hc_wrap(err, "look for holders of hosts");
	if (PQntuples(holder) > 0) {
		return hc_fail(err, HC_CONFLICT, "host \"%s\" is already claimed by service %s/%s",
					   PQgetvalue(holder, 0, 0), PQgetvalue(holder, 0, 1), PQgetvalue(holder, 0, 2));
	}
	for (size_t index = 0; index < HC_COUNT(statements); index++) {
		HC_AUTO(pg_result) result = NULL;

		if (store_query(store, statements[index], 2, values, &result, err) < 0)
			return hc_wrap(err, "claim hosts");
	}
	return 0;
}

static int insert_row(struct store *store, struct hc_arena *arena, enum store_kind kind,
					  const char *namespace_name, const char *name, const struct store_write *write,
					  struct store_object *ret_object, struct hc_error *err)
{
	const char *sql = hc_arena_printf(
		arena,
		"INSERT INTO %s AS t (namespace, name, object_metadata, object_spec, object_status%s)"
		" VALUES ($1, $2, coalesce($3::jsonb, '{}'), coalesce($4::jsonb, '{}'), coalesce($5::jsonb, '{}')%s)"
		" RETURNING " STORE_OBJECT_COLUMNS,
		store_kinds[kind].table, extras[kind].insert_columns ? extras[kind].insert_columns : "",
		extras[kind].insert_values ? extras[kind].insert_values : "");
	const char *values[7] = {namespace_name, name, write->metadata, write->spec, write->status};
	int count = 5 + extra_values(kind, write, values + 5);
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, count, values, &result, err) < 0)
		return -1;
	store_object_read(arena, result, 0, ret_object);
	return 0;
}

int store_insert(struct store *store, struct hc_arena *arena, enum store_kind kind,
				 const char *namespace_name, const char *name, const struct store_write *write,
				 struct store_object *ret_object, struct hc_error *err)
{
	struct store_object object;

	if (require_transaction(store, err) < 0)
		return -1;
	if (check_new(store, kind, namespace_name, name, err) < 0)
		return -1;
	if (insert_row(store, arena, kind, namespace_name, name, write, &object, err) < 0)
		return hc_wrap(err, "%s \"%s\"", store_kinds[kind].table, name);
	if (kind == STORE_SERVICE && write_hosts(store, object.uid, write, err) < 0)
		return -1;
	*ret_object = object;
	return 0;
}

/* One row written, or the row as it is when nothing changed, or as it went when its last finalizer was taken
 * off. */
static int read_written(struct store *store, struct hc_arena *arena, enum store_kind kind, const char *uid,
						const struct pg_result *result, struct store_object *ret_object, bool *ret_gone,
						struct hc_error *err)
{
	*ret_gone = false;
	if (PQntuples(result) == 0) /* object_version() found no difference, or there is no row */
		return store_get_uid(store, arena, kind, uid, ret_object, err);
	if (store_cell_bool(result, 0, STORE_OBJECT_COLUMN_COUNT)) {
		*ret_gone = true;
		return read_gone(store, arena, uid, ret_object, err);
	}
	store_object_read(arena, result, 0, ret_object);
	return 0;
}

#define GONE_COLUMN ", t.deleted_at IS NOT NULL AND NOT object_finalizers_present(t.object_metadata)"

int store_update(struct store *store, struct hc_arena *arena, enum store_kind kind, const char *uid,
				 const struct store_write *write, struct store_object *ret_object, struct hc_error *err)
{
	const char *sql = hc_arena_printf(
		arena,
		"UPDATE %s AS t SET object_metadata = coalesce($2::jsonb, t.object_metadata),"
		" object_spec = coalesce($3::jsonb, t.object_spec), object_status = coalesce($4::jsonb, "
		"t.object_status),"
		" generation = t.generation + $5::bigint%s WHERE t.id = $1 RETURNING " STORE_OBJECT_COLUMNS
			GONE_COLUMN,
		store_kinds[kind].table, extras[kind].update ? extras[kind].update : "");
	const char *values[7] = {uid, write->metadata, write->spec, write->status,
							 write->generation_up ? "1" : "0"};
	int count = 5 + extra_values(kind, write, values + 5);
	struct store_object object;
	HC_AUTO(pg_result) result = NULL;
	bool gone;

	if (require_transaction(store, err) < 0)
		return -1;
	if (store_query(store, sql, count, values, &result, err) < 0 ||
		read_written(store, arena, kind, uid, result, &object, &gone, err) < 0)
		return hc_wrap(err, "write %s %s", store_kinds[kind].table, uid);
	if (kind == STORE_SERVICE && !gone && (write->spec || write->hosts) &&
		write_hosts(store, uid, write, err) < 0)
		return -1;
	*ret_object = object;
	return 0;
}

int store_namespace_check_empty(struct store *store, const char *uid, struct hc_error *err)
{
	static const char sql[] = "SELECT n.name, (SELECT count(*) FROM services WHERE namespace = n.name),"
							  " (SELECT count(*) FROM deployments WHERE namespace = n.name)"
							  " FROM namespaces n WHERE n.id = $1";
	HC_AUTO(pg_result) result = NULL;
	int64_t services, deployments;

	if (store_query(store, sql, 1, &uid, &result, err) < 0)
		return -1;
	if (PQntuples(result) == 0)
		return fail_absent(STORE_NAMESPACE, uid, err);
	services = store_cell_number(result, 0, 1);
	deployments = store_cell_number(result, 0, 2);
	if (services + deployments == 0)
		return 0; /* Builds are nobody's work by themselves, and go with it */
	return hc_fail(err, HC_CONFLICT, "namespace \"%s\" is not empty: services %lld, deployments %lld",
				   PQgetvalue(result, 0, 0), (long long)services, (long long)deployments);
}

/* Whether the row would go at once; NOT_FOUND when it is gone already. */
static int read_finalizers(struct store *store, enum store_kind kind, const char *uid, bool *ret_present,
						   struct hc_error *err)
{
	HC_AUTO_TEXT sql = {0};
	HC_AUTO(pg_result) result = NULL;

	hc_text_printf(&sql, "SELECT object_finalizers_present(object_metadata) FROM %s WHERE id = $1",
				   store_kinds[kind].table);
	if (store_query(store, hc_text_string(&sql), 1, &uid, &result, err) < 0)
		return -1;
	if (PQntuples(result) == 0)
		return fail_absent(kind, uid, err);
	*ret_present = store_cell_bool(result, 0, 0);
	return 0;
}

static int delete_row(struct store *store, struct hc_arena *arena, enum store_kind kind, const char *uid,
					  struct store_object *ret_object, struct hc_error *err)
{
	const char *sql = hc_arena_printf(arena, "DELETE FROM %s WHERE id = $1", store_kinds[kind].table);
	HC_AUTO(pg_result) result = NULL;

	if (kind == STORE_NAMESPACE && store_namespace_check_empty(store, uid, err) < 0)
		return -1;
	if (store_query(store, sql, 1, &uid, &result, err) < 0)
		return -1;
	return read_gone(store, arena, uid, ret_object, err);
}

static int mark_deleted(struct store *store, struct hc_arena *arena, enum store_kind kind, const char *uid,
						struct store_object *ret_object, struct hc_error *err)
{
	const char *sql = hc_arena_printf(arena,
									  "UPDATE %s AS t SET deleted_at = now(), generation = t.generation + 1"
									  " WHERE t.id = $1 AND t.deleted_at IS NULL"
									  " RETURNING " STORE_OBJECT_COLUMNS GONE_COLUMN,
									  store_kinds[kind].table);
	HC_AUTO(pg_result) result = NULL;
	bool gone;

	if (store_query(store, sql, 1, &uid, &result, err) < 0)
		return -1;
	return read_written(store, arena, kind, uid, result, ret_object, &gone, err);
}

int store_delete(struct store *store, struct hc_arena *arena, enum store_kind kind, const char *uid,
				 struct store_object *ret_object, bool *ret_gone, struct hc_error *err)
{
	bool finalizers = false;

	if (require_transaction(store, err) < 0)
		return -1;
	if (read_finalizers(store, kind, uid, &finalizers, err) < 0 ||
		(finalizers ? mark_deleted(store, arena, kind, uid, ret_object, err)
					: delete_row(store, arena, kind, uid, ret_object, err)) < 0)
		return hc_wrap(err, "delete %s %s", store_kinds[kind].table, uid);
	*ret_gone = !finalizers;
	return 0;
}
