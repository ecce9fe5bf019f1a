/* Tokens by their hash (store.h). The answer to a wrong token takes one index look-up, as that to a right
 * one. */
#include "store_internal.h"

int store_token_find(struct store *store, struct hc_arena *arena, const char *hash,
					 struct store_token *ret_token, struct hc_error *err)
{
	static const char sql[] = "SELECT id, name, CASE WHEN all_namespaces THEN '' ELSE namespace END, role,"
							  " (extract(epoch FROM expires_at) * 1000)::bigint FROM tokens WHERE hash = $1";
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, 1, &hash, &result, err) < 0)
		return hc_wrap(err, "look for a token");
	if (PQntuples(result) == 0)
		return hc_fail(err, HC_NOT_FOUND, "no such token");
	*ret_token = (struct store_token){
		.uid = store_cell(arena, result, 0, 0),
		.name = store_cell(arena, result, 0, 1),
		.namespace_name = store_cell(arena, result, 0, 2),
		.role = store_cell(arena, result, 0, 3),
		.expires_wall_ms = store_cell_number(result, 0, 4),
	};
	return 0;
}

int store_token_exists(struct store *store, const char *role, bool *ret_exists, struct hc_error *err)
{
	static const char sql[] = "SELECT EXISTS (SELECT FROM tokens WHERE role::text = $1)";
	HC_AUTO(pg_result) result = NULL;

	if (store_query(store, sql, 1, &role, &result, err) < 0)
		return hc_wrap(err, "look for a token of role %s", role);
	*ret_exists = store_cell_bool(result, 0, 0);
	return 0;
}
