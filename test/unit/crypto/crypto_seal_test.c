/* Sealed values: what opens them, and all that must not. */
#include "../cmocka_all.h"
#include "base/base.h"
#include "base/file.h"
#include "crypto/crypto_seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_A "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define KEY_B "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define VALUE "hunter2-hunter2"

static char folder[] = "/tmp/helvetia-seal-XXXXXX";
static char path[64];
static struct hc_error err;

static struct crypto_keys *load(const char *text)
{
	struct crypto_keys *keys = NULL;

	assert_int_equal(hc_file_write(path, text, strlen(text), 0600, &err), 0);
	if (crypto_keys_load(path, &keys, &err))
		fail_msg("%s", err.text);
	return keys;
}

static void test_round_trip(void **state)
{
	static const struct {
		const char *data;
		size_t length;
	} table[] = {{"", 0}, {"x", 1}, {VALUE, sizeof VALUE - 1}, {"a\0b\xff", 4}};
	HC_AUTO(crypto_keys) keys = load("# comment\n\n 1 " KEY_A "\n");

	(void)state;
	for (size_t index = 0; index < HC_COUNT(table); index++) {
		unsigned char *sealed = NULL;
		char *opened = NULL;
		size_t sealed_length = 0, length = 99;
		int version = 0;

		assert_int_equal(crypto_seal(keys, "row", table[index].data, table[index].length, &sealed,
									 &sealed_length, &version, &err),
						 0);
		assert_int_equal(version, 1);
		assert_int_equal(sealed_length, table[index].length + CRYPTO_SEAL_OVERHEAD_BYTES);
		assert_int_equal(crypto_open(keys, 1, "row", sealed, sealed_length, &opened, &length, &err), 0);
		assert_int_equal(length, table[index].length);
		assert_memory_equal(opened, table[index].data, length + 1);
		crypto_wipe_free(opened, length);
		free(sealed);
	}
}

/* Two of the same have nothing in common: the nonce is random. */
static void test_nonce(void **state)
{
	HC_AUTO(crypto_keys) keys = load("1 " KEY_A);
	unsigned char *first = NULL, *second = NULL;
	size_t length = 0;
	int version = 0;

	(void)state;
	assert_int_equal(crypto_seal(keys, "row", VALUE, strlen(VALUE), &first, &length, &version, &err), 0);
	assert_int_equal(crypto_seal(keys, "row", VALUE, strlen(VALUE), &second, &length, &version, &err), 0);
	assert_memory_not_equal(first, second, 12);
	assert_memory_not_equal(first + 12, second + 12, strlen(VALUE));
	assert_null(memmem(first, length, VALUE, strlen(VALUE)));
	free(first);
	free(second);
}

static void refuse(const struct crypto_keys *keys, int version, const char *context, const void *sealed,
				   size_t length, enum hc_class class)
{
	char *opened = NULL;
	size_t opened_length = 0;

	assert_int_equal(crypto_open(keys, version, context, sealed, length, &opened, &opened_length, &err), -1);
	assert_int_equal(err.class, class);
	assert_null(opened);
	assert_null(strstr(err.text, VALUE));
}

static void test_refused(void **state)
{
	HC_AUTO(crypto_keys) keys = load("1 " KEY_A "\n");
	HC_AUTO(crypto_keys) other = NULL;
	unsigned char *sealed = NULL;
	size_t length = 0;
	int version = 0;

	(void)state;
	assert_int_equal(crypto_seal(keys, "row", VALUE, strlen(VALUE), &sealed, &length, &version, &err), 0);
	refuse(keys, 1, "row-2", sealed, length, HC_DENIED); /* another row's */
	refuse(keys, 1, "", sealed, length, HC_DENIED);
	refuse(keys, 2, "row", sealed, length, HC_NOT_FOUND);
	other = load("1 " KEY_B);
	refuse(other, 1, "row", sealed, length, HC_DENIED); /* another key of the same version */
	for (size_t cut = 0; cut < length; cut++)
		refuse(keys, 1, "row", sealed, cut, HC_DENIED);
	for (size_t at = 0; at < length; at++) {
		sealed[at] ^= 1;
		refuse(keys, 1, "row", sealed, length, HC_DENIED);
		sealed[at] ^= 1;
	}
	free(sealed);
}

/* The newest seals, the old one still opens. */
static void test_rotation(void **state)
{
	HC_AUTO(crypto_keys) before = load("1 " KEY_A);
	HC_AUTO(crypto_keys) after = load("7 " KEY_B "\r\n1 " KEY_A "\n");
	unsigned char *sealed = NULL;
	char *opened = NULL;
	size_t length = 0, opened_length = 0;
	int version = 0;

	(void)state;
	assert_int_equal(crypto_seal(before, "row", VALUE, strlen(VALUE), &sealed, &length, &version, &err), 0);
	assert_int_equal(crypto_open(after, version, "row", sealed, length, &opened, &opened_length, &err), 0);
	assert_string_equal(opened, VALUE);
	free(sealed);
	crypto_wipe_free(opened, opened_length);
	assert_int_equal(crypto_seal(after, "row", VALUE, strlen(VALUE), &sealed, &length, &version, &err), 0);
	assert_int_equal(version, 7);
	refuse(before, 7, "row", sealed, length, HC_NOT_FOUND);
	free(sealed);
}

static void test_files(void **state)
{
	static const struct {
		const char *text;
		const char *words;
	} table[] = {
		{"", "no key"},
		{"# nothing\n", "no key"},
		{KEY_A, "line 1"},
		{"1 " KEY_A "\n2 " KEY_A "00\n", "line 2"},
		{"1 " KEY_A "\n1 " KEY_B "\n", "twice"},
		{"0 " KEY_A, "line 1"},
		{"2147483648 " KEY_A, "line 1"},
		{"1 00112233", "line 1"},
	};
	struct crypto_keys *keys = NULL;

	(void)state;
	for (size_t index = 0; index < HC_COUNT(table); index++) {
		assert_int_equal(hc_file_write(path, table[index].text, strlen(table[index].text), 0600, &err), 0);
		assert_int_equal(crypto_keys_load(path, &keys, &err), -1);
		assert_int_equal(err.class, HC_INVALID);
		assert_non_null(strstr(err.text, table[index].words));
		assert_null(strstr(err.text, "00112233"));
	}
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(crypto_keys_load(path, &keys, &err), -1);
	assert_int_equal(err.class, HC_DENIED);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(crypto_keys_load(path, &keys, &err), -1);
	assert_int_equal(err.class, HC_NOT_FOUND);
}

static void test_make(void **state)
{
	HC_AUTO(crypto_keys) keys = NULL;
	struct stat status;

	(void)state;
	(void)unlink(path);
	assert_int_equal(crypto_keys_make(path, &err), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(status.st_nlink, 1);
	assert_int_equal(crypto_keys_load(path, &keys, &err), 0);
	assert_int_equal(crypto_keys_make(path, &err), -1);
	assert_int_equal(err.class, HC_CONFLICT);
}

static int begin(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(path, sizeof path, "%s/keys", folder);
	return 0;
}

static int end(void **state)
{
	(void)state;
	return hc_folder_remove(folder, &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_nonce), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_rotation),   cmocka_unit_test(test_files), cmocka_unit_test(test_make),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
