/* See the header. */
#include "store_owner.h"

#include "store_internal.h"

int store_owner_prepare(struct store *store, enum store_kind kind, const char *uid,
						const char *namespace_name, enum store_propagation propagation, struct hc_error *err)
{
	HC_AUTO(pg_result) result = NULL;
	int outcome = 0;

	if (propagation == STORE_FOREGROUND)
		outcome = store_query(store, "SELECT owner_foreground($1, $2::uuid, $3)", 3,
							  (const char *const[]){store_kinds[kind].table, uid, namespace_name}, &result,
							  err);
	else if (propagation == STORE_ORPHAN)
		outcome = store_query(store, "SELECT owner_leave($1::uuid, $2, true)", 2,
							  (const char *const[]){uid, namespace_name}, &result, err);
	return outcome < 0 ? hc_wrap(err, "dependents of %s %s", store_kinds[kind].table, uid) : 0;
}
