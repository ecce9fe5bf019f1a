/* Values at rest: AES-256-GCM (NIST SP 800-38D) by keys of one file.
 *
 * The file is text, one key a line: a version (1 to 2147483647) and 64 hexadecimal digits; empty lines and
 * those that begin with # say nothing. The key of the highest version seals, every key opens, so that a new
 * key is one more line, and an old one goes when no row names its version any more.
 *
 * A sealed value is nonce (12 random bytes), ciphertext, tag (16 bytes). The context is authenticated and not
 * in it: whoever opens must name the same one (the id of the row), so that a value can't be moved to another
 * row. */
#ifndef CRYPTO_SEAL_H
#define CRYPTO_SEAL_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

/* Below the state directory, unless an option says otherwise. */
#define CRYPTO_KEYS_PATH "secrets/secret-keys"

#define CRYPTO_SEAL_OVERHEAD_BYTES 28 /* nonce and tag */

struct crypto_keys;

/* Owner of *ret_keys: the caller. NOT_FOUND: no such file; DENIED: others than its owner may read or write
 * it, or we may not read it; INVALID: not such a file, with the line's number and never its text; TRANSIENT.
 */
int crypto_keys_load(const char *path, struct crypto_keys **ret_keys, struct hc_error *err) HC_MUST_CHECK;
/* Makes the file with one new key, version 1, mode 0600. CONFLICT: it exists, and is left as it is. */
int crypto_keys_make(const char *path, struct hc_error *err) HC_MUST_CHECK;
void crypto_keys_free(struct crypto_keys *keys); /* and wipes them */
HC_DEFINE_CLEANUP(crypto_keys, crypto_keys_free)

/* Seals length bytes (0 is allowed). *ret_sealed is the caller's to free, *ret_version says which key it was.
 */
int crypto_seal(const struct crypto_keys *keys, const char *context, const void *data, size_t length,
				unsigned char **ret_sealed, size_t *ret_length, int *ret_version, struct hc_error *err)
	HC_MUST_CHECK;
/* Opens; *ret_data is the caller's to wipe and free, terminated by a NUL that *ret_length doesn't count.
 * NOT_FOUND: no key of this version in the file; DENIED: it was changed, is another row's, or was sealed by
 * another key of this version. Nothing of a value that isn't whole is given out. */
int crypto_open(const struct crypto_keys *keys, int version, const char *context, const void *sealed,
				size_t sealed_length, char **ret_data, size_t *ret_length, struct hc_error *err)
	HC_MUST_CHECK;

/* Overwrites, which no compiler leaves out. data may be NULL. */
void crypto_wipe(void *data, size_t length);
/* The same, and frees. */
void crypto_wipe_free(void *data, size_t length);

#endif
