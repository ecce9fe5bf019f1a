/* Values of Secrets, see store_secret.h. They are no objects: no resourceVersion, no change of their own. */
#include "store_secret.h"
#include "store_internal.h"

#include "base/text.h"
#include <string.h>

/* Rows of (key, id, key_version, sealed), in binary but for the texts. */
static void read_value(struct hc_arena *arena, const struct pg_result *result, int row,
					   struct store_secret_value *ret_value)
{
	size_t length = (size_t)PQgetlength(result, row, 3);
	char *sealed = hc_arena_alloc(arena, length + 1);

	memcpy(sealed, PQgetvalue(result, row, 3), length);
	*ret_value = (struct store_secret_value){
		.key = store_cell(arena, result, row, 0),
		.version = store_cell(arena, result, row, 1),
		.key_version = (int)store_cell_number(result, row, 2),
		.sealed = sealed,
		.sealed_length = length,
	};
}

#define VALUE_COLUMNS "v.key, v.id::text, v.key_version::text, v.sealed"

int store_secret_values(struct store *store, struct hc_arena *arena, const char *secret_uid,
						struct store_secret_value **ret_values, size_t *ret_count, struct hc_error *err)
{
	static const char sql[] = "SELECT " VALUE_COLUMNS " FROM secret_versions v"
							  " WHERE v.secret_id = $1::text::uuid AND v.retired_at IS NULL ORDER BY v.key";
	HC_AUTO(pg_result) result = NULL;

	if (store_query_binary(store, sql, 1, &secret_uid, NULL, NULL, &result, err) < 0)
		return hc_wrap(err, "read the values of secret %s", secret_uid);
	*ret_count = (size_t)PQntuples(result);
	*ret_values = hc_arena_alloc_array(arena, *ret_count + 1, sizeof **ret_values);
	for (size_t index = 0; index < *ret_count; index++)
		read_value(arena, result, (int)index, &(*ret_values)[index]);
	return 0;
}

int store_secret_value(struct store *store, struct hc_arena *arena, const char *namespace_uid,
					   const char *version, struct store_secret_value *ret_value, struct hc_error *err)
{
	static const char sql[] = "SELECT " VALUE_COLUMNS " FROM secret_versions v"
							  " WHERE v.id = $1::text::uuid AND v.namespace_id = $2::text::uuid";
	HC_AUTO(pg_result) result = NULL;

	if (store_query_binary(store, sql, 2, (const char *const[]){version, namespace_uid}, NULL, NULL, &result,
						   err) < 0)
		return hc_wrap(err, "read version %s of a secret", version);
	if (PQntuples(result) == 0)
		return hc_fail(err, HC_NOT_FOUND, "version %s of a secret not found", version);
	read_value(arena, result, 0, ret_value);
	return 0;
}

int store_secret_any(struct store *store, bool *ret_any, struct hc_error *err)
{
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, "SELECT EXISTS (SELECT FROM secret_versions)", 0, NULL, &result, err) < 0)
		return hc_wrap(err, "look for sealed values");
	*ret_any = store_cell_bool(result, 0, 0);
	return 0;
}

/* --- writing ----------------------------------------------------------------------------------- */

static int retire(struct store *store, const char *uid, const struct store_secret_value *values, size_t count,
				  struct hc_error *err)
{
	static const char sql[] = "UPDATE secret_versions SET retired_at = now() WHERE secret_id = $1::uuid"
							  " AND retired_at IS NULL AND id <> ALL ($2::uuid[])";
	HC_AUTO_TEXT kept = {0};
	HC_AUTO(pg_result) result = NULL;

	hc_text_append(&kept, "{");
	for (size_t index = 0; index < count; index++)
		hc_text_printf(&kept, "%s%s", index ? "," : "", values[index].version);
	hc_text_append(&kept, "}");
	return store_query(store, sql, 2, (const char *const[]){uid, hc_text_string(&kept)}, &result, err);
}

static int add(struct store *store, const char *uid, const struct store_secret_value *value,
			   struct hc_error *err)
{
	static const char sql[] =
		"INSERT INTO secret_versions (id, namespace_id, secret_id, key, key_version, sealed)"
		" SELECT $1::text::uuid, n.id, s.id, $3::text, $4::text::integer, $5::bytea"
		" FROM secrets s JOIN namespaces n ON n.name = s.namespace WHERE s.id = $2::text::uuid";
	const struct store_number key_version = store_number(value->key_version);
	const char *values[] = {value->version, uid, value->key, key_version.text, value->sealed};
	const int lengths[] = {0, 0, 0, 0, (int)value->sealed_length};
	const int formats[] = {0, 0, 0, 0, 1};
	HC_AUTO(pg_result) result = NULL;

	if (store_query_binary(store, sql, (int)HC_COUNT(values), values, lengths, formats, &result, err) < 0)
		return -1;
	if (strcmp(PQcmdTuples(result), "0") == 0)
		return hc_fail(err, HC_NOT_FOUND, "not found");
	return 0;
}

int store_secret_write(struct store *store, const char *secret_uid, const struct store_secret_value *values,
					   size_t count, struct hc_error *err)
{
	if (!store->in_transaction)
		return hc_fail(err, HC_BUG, "a write outside of a transaction");
	if (retire(store, secret_uid, values, count, err) < 0)
		return hc_wrap(err, "secret %s", secret_uid);
	for (size_t index = 0; index < count; index++)
		if (values[index].sealed && add(store, secret_uid, &values[index], err) < 0)
			return hc_wrap(err, "secret %s", secret_uid);
	return 0;
}

/* --- env --------------------------------------------------------------------------------------- */

int store_secret_resolve(struct store *store, struct hc_arena *arena, const char *namespace_name,
						 struct env_entry *entries, size_t count, struct hc_error *err)
{
	static const char sql[] =
		"SELECT w.place - 1, v.id FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS w (name, key, place)"
		" JOIN secrets s ON s.namespace = $1 AND s.name = w.name"
		" JOIN secret_versions v ON v.secret_id = s.id AND v.key = w.key AND v.retired_at IS NULL";
	const char **names = hc_arena_alloc_array(arena, count + 1, sizeof *names);
	const char **keys = hc_arena_alloc_array(arena, count + 1, sizeof *keys);
	struct env_entry **wanting = hc_arena_alloc_array(arena, count + 1, sizeof *wanting);
	HC_AUTO(pg_result) result = NULL;
	HC_AUTO_TEXT name_array = {0};
	HC_AUTO_TEXT key_array = {0};
	size_t used = 0;

	for (size_t index = 0; index < count; index++) {
		if (!entries[index].secret_name)
			continue;
		entries[index].secret_version = NULL;
		names[used] = entries[index].secret_name;
		keys[used] = entries[index].secret_key ? entries[index].secret_key : "";
		wanting[used++] = &entries[index];
	}
	if (!used)
		return 0;
	store_array_literal(names, used, &name_array);
	store_array_literal(keys, used, &key_array);
	if (store_query(
			store, sql, 3,
			(const char *const[]){namespace_name, hc_text_string(&name_array), hc_text_string(&key_array)},
			&result, err) < 0)
		return hc_wrap(err, "look for secrets of namespace %s", namespace_name);
	for (int row = 0; row < PQntuples(result); row++)
		wanting[store_cell_number(result, row, 0)]->secret_version = store_cell(arena, result, row, 1);
	return 0;
}
