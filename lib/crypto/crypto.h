/* Hashes, HMAC, constant-time comparison, and the certificates of an installation, over OpenSSL 3 (libcrypto).
 * Sealing is in crypto_seal.h. */
#ifndef CRYPTO_H
#define CRYPTO_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

#define CRYPTO_SHA256_HEX_SIZE 65
void crypto_sha256_hex(const void *data, size_t length, char hex[CRYPTO_SHA256_HEX_SIZE]); /* FIPS 180-4 */
void crypto_hmac_sha256_hex(const void *key, size_t key_length, const void *data, size_t length,
                            char hex[CRYPTO_SHA256_HEX_SIZE]); /* RFC 2104 */
bool crypto_equal(const void *left, const void *right, size_t length); /* in constant time */

#define CRYPTO_TOKEN_SIZE 45
/* A bearer token: "hv_" and 41 characters of [a-z0-9] (211 bits). What is stored is its SHA-256. */
void crypto_token_new(char token[CRYPTO_TOKEN_SIZE]);

/* A certificate authority of our own and leaf certificates by it: ECDSA P-256, files in PEM, keys with mode 0600.
 * Existing files that are valid for 30 more days (and, for a leaf, cover the names) are kept. */
int crypto_authority_ensure(const char *certificate_path, const char *key_path, const char *common_name,
                            struct hc_error *err) HC_MUST_CHECK;
/* names: NULL-terminated DNS names and IP addresses for subjectAltName; kept names of an older leaf don't matter, missing
 * ones do. Valid for 397 days. A wildcard directly under a top-level name (*.localhost) can be in a certificate, but
 * OpenSSL and curl never match it: give such hosts one by one. */
int crypto_leaf_ensure(const char *authority_certificate_path, const char *authority_key_path,
                       const char *certificate_path, const char *key_path, const char *const *names,
                       struct hc_error *err) HC_MUST_CHECK;

#endif
