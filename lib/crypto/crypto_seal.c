/* See crypto_seal.h. The key file, and values sealed by it. */
#include "crypto_seal.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/random.h"
#include "base/text.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_BYTES 32
#define NONCE_BYTES 12
#define TAG_BYTES 16
#define KEYS_MAX 64
#define FILE_BYTES_MAX 65536

_Static_assert(NONCE_BYTES + TAG_BYTES == CRYPTO_SEAL_OVERHEAD_BYTES, "the header says how much it is");

struct key {
	int version;
	unsigned char bytes[KEY_BYTES];
};

struct crypto_keys {
	struct key items[KEYS_MAX];
	size_t count;
	const struct key *newest;
};

HC_DEFINE_CLEANUP(evp_cipher_ctx_st, EVP_CIPHER_CTX_free)

void crypto_wipe(void *data, size_t length)
{
	if (data)
		OPENSSL_cleanse(data, length);
}

void crypto_wipe_free(void *data, size_t length)
{
	crypto_wipe(data, length);
	free(data);
}

void crypto_keys_free(struct crypto_keys *keys)
{
	crypto_wipe_free(keys, sizeof *keys);
}

/* --- the file --- */

static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit = (char)tolower((unsigned char)digit);
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static bool read_key(const char *text, struct key *ret_key)
{
	char *end = NULL;

	errno = 0;
	long version = strtol(text, &end, 10);
	if (errno || end == text || version < 1 || version > INT_MAX || (*end != ' ' && *end != '\t'))
		return false;
	while (*end == ' ' || *end == '\t')
		end++;
	for (size_t index = 0; index < KEY_BYTES; index++, end += 2) {
		int high = hex_value(end[0]);
		int low = high < 0 ? -1 : hex_value(end[1]);
		if (low < 0)
			return false;
		ret_key->bytes[index] = (unsigned char)(high << 4 | low);
	}
	while (*end == ' ' || *end == '\t' || *end == '\r')
		end++;
	ret_key->version = (int)version;
	return *end == '\0';
}

static const struct key *find(const struct crypto_keys *keys, int version)
{
	for (size_t index = 0; index < keys->count; index++)
		if (keys->items[index].version == version)
			return &keys->items[index];
	return NULL;
}

static int add_line(struct crypto_keys *keys, const char *line, int number, struct hc_error *err)
{
	line += strspn(line, " \t\r");
	if (!*line || *line == '#')
		return 0;
	if (keys->count == KEYS_MAX)
		return hc_fail(err, HC_INVALID, "line %d: more than %d keys", number, KEYS_MAX);
	struct key *key = &keys->items[keys->count];
	if (!read_key(line, key))
		return hc_fail(err, HC_INVALID, "line %d: must be a version and 64 hexadecimal digits", number);
	if (find(keys, key->version))
		return hc_fail(err, HC_INVALID, "line %d: version %d is there twice", number, key->version);
	keys->count++;
	if (!keys->newest || key->version > keys->newest->version)
		keys->newest = key;
	return 0;
}

static int parse(char *text, size_t length, struct crypto_keys *keys, struct hc_error *err)
{
	char *next = NULL;
	int number = 1;

	if (memchr(text, '\0', length))
		return hc_fail(err, HC_INVALID, "it must be text");
	for (char *line = text; line; line = next, number++) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (add_line(keys, line, number, err))
			return -1;
	}
	return keys->count ? 0 : hc_fail(err, HC_INVALID, "there is no key in it");
}

static int check_mode(const char *path, struct hc_error *err)
{
	struct stat status;

	if (stat(path, &status))
		return hc_fail(err, errno == ENOENT ? HC_NOT_FOUND : HC_DENIED, "%s", strerror(errno));
	if (status.st_mode & 077)
		return hc_fail(err, HC_DENIED, "others than its owner may use it (mode %03o): chmod 600",
					   (unsigned)(status.st_mode & 0777));
	return 0;
}

int crypto_keys_load(const char *path, struct crypto_keys **ret_keys, struct hc_error *err)
{
	HC_AUTO(crypto_keys) keys = NULL;
	char *text = NULL;
	size_t length = 0;

	if (check_mode(path, err) || hc_file_read(path, FILE_BYTES_MAX, &text, &length, err))
		return hc_wrap(err, "key file %s", path);
	keys = hc_xalloc(sizeof *keys);
	int result = parse(text, length, keys, err);
	crypto_wipe_free(text, length);
	if (result)
		return hc_wrap(err, "key file %s", path);
	*ret_keys = keys;
	keys = NULL;
	return 0;
}

static void new_key_text(struct hc_text *text)
{
	unsigned char bytes[KEY_BYTES];

	hc_random_bytes(bytes, sizeof bytes);
	hc_text_append(
		text, "# Seals the values of Secrets. Keep a copy apart from the database's backup: one is of no use"
			  " without the other.\n1 ");
	for (size_t index = 0; index < sizeof bytes; index++)
		hc_text_printf(text, "%02x", bytes[index]);
	hc_text_append(text, "\n");
	crypto_wipe(bytes, sizeof bytes);
}

/* Whole or not at all, and never over another: written beside, then linked to its name. */
int crypto_keys_make(const char *path, struct hc_error *err)
{
	HC_AUTO_FREE beside = hc_xprintf("%s.%d.new", path, (int)getpid());
	struct hc_text text = {0};

	if (hc_file_exists(path))
		return hc_fail(err, HC_CONFLICT, "key file %s: it exists", path);
	new_key_text(&text);
	int result = hc_file_write(beside, text.data, text.length, 0600, err);
	crypto_wipe(text.data, text.length);
	hc_text_done(&text);
	if (result)
		return hc_wrap(err, "key file %s", path);
	if (link(beside, path))
		result = hc_fail(err, errno == EEXIST ? HC_CONFLICT : HC_TRANSIENT, "key file %s: %s", path,
						 strerror(errno));
	if (unlink(beside) && !result)
		result = hc_fail(err, HC_TRANSIENT, "key file %s: %s", beside, strerror(errno));
	return result;
}

/* --- values --- */

static int fail_cipher(struct hc_error *err)
{
	return hc_fail(err, HC_BUG, "OpenSSL can't do AES-256-GCM");
}

int crypto_seal(const struct crypto_keys *keys, const char *context, const void *data, size_t length,
				unsigned char **ret_sealed, size_t *ret_length, int *ret_version, struct hc_error *err)
{
	HC_AUTO(evp_cipher_ctx_st) cipher = EVP_CIPHER_CTX_new();
	HC_AUTO_FREE sealed = hc_xalloc(NONCE_BYTES + length + TAG_BYTES);
	unsigned char *nonce = (unsigned char *)sealed;
	unsigned char *body = nonce + NONCE_BYTES;
	int used = 0;

	assert(length <= INT_MAX / 2);
	hc_random_bytes(nonce, NONCE_BYTES);
	if (!cipher || EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, keys->newest->bytes, nonce) != 1 ||
		EVP_EncryptUpdate(cipher, NULL, &used, (const unsigned char *)context, (int)strlen(context)) != 1 ||
		EVP_EncryptUpdate(cipher, body, &used, length ? data : body, (int)length) != 1 ||
		EVP_EncryptFinal_ex(cipher, body + length, &used) != 1 ||
		EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, body + length) != 1)
		return fail_cipher(err);
	*ret_version = keys->newest->version;
	*ret_length = NONCE_BYTES + length + TAG_BYTES;
	*ret_sealed = nonce;
	sealed = NULL;
	return 0;
}

/* 1: whole; 0: not; -1: not even tried. */
static int decrypt(const struct key *key, const char *context, const unsigned char *sealed, size_t length,
				   unsigned char *data)
{
	HC_AUTO(evp_cipher_ctx_st) cipher = EVP_CIPHER_CTX_new();
	const unsigned char *body = sealed + NONCE_BYTES;
	int used = 0;

	if (!cipher || EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key->bytes, sealed) != 1 ||
		EVP_DecryptUpdate(cipher, NULL, &used, (const unsigned char *)context, (int)strlen(context)) != 1 ||
		EVP_DecryptUpdate(cipher, data, &used, body, (int)length) != 1 ||
		EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, (void *)(uintptr_t)(body + length)) !=
			1)
		return -1;
	return EVP_DecryptFinal_ex(cipher, data + length, &used) == 1;
}

int crypto_open(const struct crypto_keys *keys, int version, const char *context, const void *sealed,
				size_t sealed_length, char **ret_data, size_t *ret_length, struct hc_error *err)
{
	const struct key *key = find(keys, version);

	if (!key)
		return hc_fail(err, HC_NOT_FOUND, "the key file has no key of version %d", version);
	if (sealed_length < CRYPTO_SEAL_OVERHEAD_BYTES || sealed_length > INT_MAX / 2)
		return hc_fail(err, HC_DENIED, "a sealed value of %zu bytes can't be one", sealed_length);
	size_t length = sealed_length - CRYPTO_SEAL_OVERHEAD_BYTES;
	char *data = hc_xalloc(length + 1);
	int whole = decrypt(key, context, sealed, length, (unsigned char *)data);
	if (whole != 1) {
		crypto_wipe_free(data, length + 1);
		return whole < 0 ? fail_cipher(err)
						 : hc_fail(err, HC_DENIED,
								   "a sealed value is not whole: it was changed, or key %d of the key file "
								   "is not the one "
								   "that sealed it",
								   version);
	}
	data[length] = '\0';
	*ret_data = data;
	*ret_length = length;
	return 0;
}
