/* Values of Secrets: rows that are made once and never changed, sealed by the caller (crypto_seal.h) under
 * the row's id. The objects themselves are written by store_insert and store_update (store.h), as all others;
 * a Secret's spec is {"type", "immutable", "data": {KEY: ""}}, and its status, which is not served, is
 * {"versions": {KEY: ID}}. Classes as in store.h. */
#ifndef STORE_SECRET_H
#define STORE_SECRET_H

#include "store.h"

struct store_secret_value {
	const char *key;
	const char *version; /* id of the row */
	const void *sealed;  /* NULL for store_secret_write: the row is there already */
	size_t sealed_length;
	int key_version; /* of the key that sealed it */
};

/* What the keys of a Secret have now, sorted by key; none of an absent Secret. */
int store_secret_values(struct store *store, struct hc_arena *arena, const char *secret_uid,
						struct store_secret_value **ret_values, size_t *ret_count, struct hc_error *err)
	HC_MUST_CHECK;

/* Inside store_begin … store_commit, after the Secret's row was written: these are its values from now on.
 * Those that have bytes are added, all others of the Secret are retired. NOT_FOUND: there is no such Secret.
 */
int store_secret_write(struct store *store, const char *secret_uid, const struct store_secret_value *values,
					   size_t count, struct hc_error *err) HC_MUST_CHECK;

/* One value, also a retired one, of this namespace only. NOT_FOUND: it is gone, or another's. */
int store_secret_value(struct store *store, struct hc_arena *arena, const char *namespace_uid,
					   const char *version, struct store_secret_value *ret_value, struct hc_error *err)
	HC_MUST_CHECK;

/* Sets secret_version of every entry that names a Secret to what its key has now, NULL when there is no such
 * Secret or key. Asks nothing when no entry names one. Texts in the arena. */
int store_secret_resolve(struct store *store, struct hc_arena *arena, const char *namespace_name,
						 struct env_entry *entries, size_t count, struct hc_error *err) HC_MUST_CHECK;

/* Whether anything is sealed at all: then the key file must not be made anew. */
int store_secret_any(struct store *store, bool *ret_any, struct hc_error *err) HC_MUST_CHECK;

#endif
