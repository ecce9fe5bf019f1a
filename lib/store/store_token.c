/* Tokens by their hash (store.h). The answer to a wrong token takes one index look-up, as that to a right
 * one. */
#include "store_internal.h"

#include "base/text.h"

int store_token_find(struct store *store, struct hc_arena *arena, const char *hash,
					 struct store_token *ret_token, struct hc_error *err)
{
	static const char sql[] = "SELECT id, name, namespace, role, expires_ms, user_name, user_id FROM bearers"
							  " WHERE hash = $1";
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
		.user_name = store_cell(arena, result, 0, 5),
		.user_uid = store_cell(arena, result, 0, 6),
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

int store_tokens_used(struct store *store, const char *const *uids, size_t count, struct hc_error *err)
{
	static const char sql[] =
		"INSERT INTO token_uses AS u (token_id, used_at) SELECT id, now() FROM tokens WHERE id = ANY "
		"($1::uuid[])"
		" ON CONFLICT (token_id) DO UPDATE SET used_at = excluded.used_at"
		" WHERE u.used_at < excluded.used_at - interval '50 seconds'";
	HC_AUTO_TEXT list = {0};
	HC_AUTO(pg_result) result = NULL;

	for (size_t index = 0; index < count; index++)
		hc_text_printf(&list, "%s%s", index ? "," : "{", uids[index]);
	hc_text_append(&list, count ? "}" : "{}");
	if (store_query(store, sql, 1, (const char *const[]){hc_text_string(&list)}, &result, err) < 0)
		return hc_wrap(err, "note that %zu tokens were used", count);
	return 0;
}
