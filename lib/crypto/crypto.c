/* See crypto.h. Hashes, HMAC, comparison and tokens. Callers own all buffers.
 *
 * None of these functions can fail for a reason that a caller could handle: the algorithms are in OpenSSL's
 * default provider, so a failure means no memory or a broken installation, and both abort. */
#include "crypto.h"

#include "base/random.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST_SIZE 32
#define TOKEN_PREFIX "hv_"

static void hex_of(const unsigned char digest[DIGEST_SIZE], char hex[CRYPTO_SHA256_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	hex[2 * (size_t)DIGEST_SIZE] = '\0';
}

static void require(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "crypto: OpenSSL can't compute %s\n", what);
	abort();
}

void crypto_sha256_hex(const void *data, size_t length, char hex[CRYPTO_SHA256_HEX_SIZE])
{
	unsigned char digest[DIGEST_SIZE];
	size_t size = 0;

	assert(data || !length);
	require(EVP_Q_digest(NULL, "SHA256", NULL, data ? data : "", length, digest, &size), "SHA-256");
	assert(size == DIGEST_SIZE);
	hex_of(digest, hex);
}

void crypto_hmac_sha256_hex(const void *key, size_t key_length, const void *data, size_t length,
							char hex[CRYPTO_SHA256_HEX_SIZE])
{
	unsigned char digest[DIGEST_SIZE];
	size_t size = 0;

	assert(key || !key_length);
	assert(data || !length);
	/* A NULL key would mean "the key that was set before", so an empty one is an empty text. */
	require(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key ? key : "", key_length, data ? data : "",
					  length, digest, sizeof digest, &size) != NULL,
			"HMAC-SHA256");
	assert(size == DIGEST_SIZE);
	hex_of(digest, hex);
}

bool crypto_equal(const void *left, const void *right, size_t length)
{
	return CRYPTO_memcmp(left, right, length) == 0;
}

void crypto_token_new(char token[CRYPTO_TOKEN_SIZE])
{
	const size_t prefix = strlen(TOKEN_PREFIX);

	memcpy(token, TOKEN_PREFIX, prefix);
	hc_random_token(token + prefix, CRYPTO_TOKEN_SIZE - 1 - prefix);
}
