/* Published vectors: FIPS 180-4 examples, RFC 4231 for HMAC. */
#include "../cmocka_all.h"
#include "base/base.h"
#include "crypto/crypto.h"

#include <string.h>

static void test_sha256(void **state)
{
	static const struct {
		const char *data;
		const char *hex;
	} table[] = {
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	};
	char hex[CRYPTO_SHA256_HEX_SIZE];

	(void)state;
	for (size_t i = 0; i < HC_COUNT(table); i++) {
		crypto_sha256_hex(table[i].data, strlen(table[i].data), hex);
		assert_string_equal(hex, table[i].hex);
	}
	crypto_sha256_hex(NULL, 0, hex);
	assert_string_equal(hex, table[0].hex);
}

static void test_hmac(void **state)
{
	static const char long_key[131] = {[0 ... 130] = '\xaa'};
	static const char first_key[20] = {[0 ... 19] = '\x0b'};
	static const struct {
		const char *key;
		size_t key_length;
		const char *data;
		const char *hex;
	} table[] = {
		{first_key, sizeof first_key, "Hi There",
		 "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{"Jefe", 4, "what do ya want for nothing?",
		 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{long_key, sizeof long_key, "Test Using Larger Than Block-Size Key - Hash Key First",
		 "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
		{NULL, 0, "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
	};
	char hex[CRYPTO_SHA256_HEX_SIZE];

	(void)state;
	for (size_t i = 0; i < HC_COUNT(table); i++) {
		crypto_hmac_sha256_hex(table[i].key, table[i].key_length, table[i].data, strlen(table[i].data), hex);
		assert_string_equal(hex, table[i].hex);
	}
}

static void test_equal(void **state)
{
	(void)state;
	assert_true(crypto_equal("abc", "abc", 3));
	assert_true(crypto_equal("abc", "abd", 2));
	assert_false(crypto_equal("abc", "abd", 3));
	assert_false(crypto_equal("xbc", "abc", 3));
	assert_true(crypto_equal("a", "b", 0));
}

static void test_token(void **state)
{
	char first[CRYPTO_TOKEN_SIZE];
	char second[CRYPTO_TOKEN_SIZE];

	(void)state;
	crypto_token_new(first);
	crypto_token_new(second);
	assert_int_equal(strlen(first), CRYPTO_TOKEN_SIZE - 1);
	assert_int_equal(strlen(second), CRYPTO_TOKEN_SIZE - 1);
	assert_memory_equal(first, "hv_", 3);
	assert_int_equal(strspn(first + 3, "abcdefghijklmnopqrstuvwxyz0123456789"), CRYPTO_TOKEN_SIZE - 4);
	assert_string_not_equal(first, second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
