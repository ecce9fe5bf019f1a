/* The authority and its leaves, looked at by OpenSSL itself: chain, host names, extensions, file modes, and
 * when a file is kept, renewed or refused. Old certificates are made here, by OpenSSL directly. */
#include "../cmocka_all.h"
#include "base/alloc.h"
#include "base/file.h"
#include "crypto/crypto.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
	char folder[64];
	char ca[96];
	char ca_key[96];
	char leaf[96];
	char leaf_key[96];
};

static const char *const names[] = {"api.localhost", "*.apps.example.org", "localhost", "127.0.0.1", NULL};

static int place_open(void **state)
{
	struct place *place = hc_xalloc(sizeof *place);
	struct hc_error err;

	(void)snprintf(place->folder, sizeof place->folder, "%s", "/tmp/helvetia-crypto-XXXXXX");
	if (!mkdtemp(place->folder))
		return -1;
	(void)snprintf(place->ca, sizeof place->ca, "%s/ca.pem", place->folder);
	(void)snprintf(place->ca_key, sizeof place->ca_key, "%s/ca.key", place->folder);
	(void)snprintf(place->leaf, sizeof place->leaf, "%s/leaf.pem", place->folder);
	(void)snprintf(place->leaf_key, sizeof place->leaf_key, "%s/leaf.key", place->folder);
	*state = place;
	return crypto_authority_ensure(place->ca, place->ca_key, "Helvetia test", &err);
}

static int place_close(void **state)
{
	struct place *place = *state;
	struct hc_error err;
	int result = hc_folder_remove(place->folder, &err);

	free(place);
	return result;
}

static void assert_ok(int result, const struct hc_error *err)
{
	if (result)
		fail_msg("%s: %s", hc_class_name(err->class), err->text);
}

static void leaf_ensure(const struct place *place, const char *const *wanted)
{
	struct hc_error err = {0};

	assert_ok(crypto_leaf_ensure(place->ca, place->ca_key, place->leaf, place->leaf_key, wanted, &err), &err);
}

static char *text_of(const char *path)
{
	struct hc_error err = {0};
	char *text = NULL;

	assert_ok(hc_file_read(path, 65536, &text, NULL, &err), &err);
	return text;
}

static void assert_file_is(const char *path, const char *text, bool same)
{
	HC_AUTO_FREE now = text_of(path);

	assert_int_equal(strcmp(now, text) == 0, same);
}

static X509 *certificate_of(const char *path)
{
	FILE *file = fopen(path, "re");
	X509 *certificate;

	assert_non_null(file);
	certificate = PEM_read_X509(file, NULL, NULL, NULL);
	(void)fclose(file);
	assert_non_null(certificate);
	return certificate;
}

static int verify(const char *authority_path, const char *leaf_path, const char *host, const char *address)
{
	X509 *authority = certificate_of(authority_path);
	X509 *leaf = certificate_of(leaf_path);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *parameters;
	int result;

	assert_int_equal(X509_STORE_add_cert(store, authority), 1);
	assert_int_equal(X509_STORE_CTX_init(context, store, leaf, NULL), 1);
	parameters = X509_STORE_CTX_get0_param(context);
	X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_X509_STRICT);
	X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_SSL_SERVER);
	if (host)
		assert_int_equal(X509_VERIFY_PARAM_set1_host(parameters, host, 0), 1);
	if (address)
		assert_int_equal(X509_VERIFY_PARAM_set1_ip_asc(parameters, address), 1);
	(void)X509_verify_cert(context);
	result = X509_STORE_CTX_get_error(context);
	X509_STORE_CTX_free(context);
	X509_STORE_free(store);
	X509_free(leaf);
	X509_free(authority);
	return result;
}

static void test_chain_and_names(void **state)
{
	const struct place *place = *state;

	leaf_ensure(place, names);
	assert_int_equal(verify(place->ca, place->leaf, "api.localhost", NULL), X509_V_OK);
	assert_int_equal(verify(place->ca, place->leaf, "shop.apps.example.org", NULL), X509_V_OK);
	assert_int_equal(verify(place->ca, place->leaf, NULL, "127.0.0.1"), X509_V_OK);
	assert_int_equal(verify(place->ca, place->leaf, "example.org", NULL), X509_V_ERR_HOSTNAME_MISMATCH);
	assert_int_equal(verify(place->ca, place->leaf, NULL, "127.0.0.2"), X509_V_ERR_IP_ADDRESS_MISMATCH);
}

static void test_extensions(void **state)
{
	const struct place *place = *state;
	X509 *authority;
	X509 *leaf;

	leaf_ensure(place, names);
	authority = certificate_of(place->ca);
	leaf = certificate_of(place->leaf);
	assert_int_equal(X509_check_ca(authority), 1);
	assert_int_equal(X509_get_pathlen(authority), 0);
	assert_int_equal(X509_get_key_usage(authority), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
	assert_int_equal(X509_check_ca(leaf), 0);
	assert_int_equal(X509_get_key_usage(leaf), KU_DIGITAL_SIGNATURE);
	assert_int_equal(X509_get_extended_key_usage(leaf), XKU_SSL_SERVER);
	assert_int_equal(X509_get_version(leaf), X509_VERSION_3);
	assert_int_equal(X509_get_signature_nid(leaf), NID_ecdsa_with_SHA256);
	assert_int_equal(X509_verify(authority, X509_get0_pubkey(authority)), 1);
	X509_free(leaf);
	X509_free(authority);
}

static void test_modes(void **state)
{
	const struct place *place = *state;
	struct stat status;

	leaf_ensure(place, names);
	assert_int_equal(stat(place->ca_key, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(stat(place->leaf_key, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(stat(place->leaf, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0644);
}

static void test_keeps(void **state)
{
	static const char *const fewer[] = {"LOCALHOST", "127.0.0.1", NULL};
	static const char *const more[] = {"localhost", "example.org", NULL};
	const struct place *place = *state;
	struct hc_error err = {0};
	HC_AUTO_FREE ca = text_of(place->ca);
	HC_AUTO_FREE ca_key = text_of(place->ca_key);
	HC_AUTO_FREE leaf = NULL;
	HC_AUTO_FREE leaf_key = NULL;

	leaf_ensure(place, names);
	leaf = text_of(place->leaf);
	leaf_key = text_of(place->leaf_key);
	assert_ok(crypto_authority_ensure(place->ca, place->ca_key, "another name", &err), &err);
	assert_file_is(place->ca, ca, true);
	assert_file_is(place->ca_key, ca_key, true);
	leaf_ensure(place, fewer);
	assert_file_is(place->leaf, leaf, true);
	leaf_ensure(place, more);
	assert_file_is(place->leaf, leaf, false);
	assert_file_is(place->leaf_key, leaf_key, true);
	assert_int_equal(verify(place->ca, place->leaf, "example.org", NULL), X509_V_OK);
}

/* Changes a certificate's end and signs it again. */
static void let_end_in(const char *path, const char *signer_key_path, long seconds)
{
	X509 *certificate = certificate_of(path);
	FILE *file = fopen(signer_key_path, "re");
	EVP_PKEY *key;

	assert_non_null(file);
	key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	(void)fclose(file);
	assert_non_null(key);
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), seconds));
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(PEM_write_X509(file, certificate), 1);
	assert_int_equal(fclose(file), 0);
	EVP_PKEY_free(key);
	X509_free(certificate);
}

static void test_renews(void **state)
{
	const struct place *place = *state;
	struct hc_error err = {0};
	HC_AUTO_FREE leaf = NULL;
	HC_AUTO_FREE ca = NULL;
	HC_AUTO_FREE ca_key = text_of(place->ca_key);

	leaf_ensure(place, names);
	let_end_in(place->leaf, place->ca_key, 31L * 24 * 3600);
	leaf = text_of(place->leaf);
	leaf_ensure(place, names);
	assert_file_is(place->leaf, leaf, true);
	let_end_in(place->leaf, place->ca_key, 29L * 24 * 3600);
	free(leaf);
	leaf = text_of(place->leaf);
	leaf_ensure(place, names);
	assert_file_is(place->leaf, leaf, false);

	/* The authority is renewed with its key, so the leaf goes on. */
	let_end_in(place->ca, place->ca_key, 29L * 24 * 3600);
	ca = text_of(place->ca);
	free(leaf);
	leaf = text_of(place->leaf);
	assert_ok(crypto_authority_ensure(place->ca, place->ca_key, "Helvetia test", &err), &err);
	assert_file_is(place->ca, ca, false);
	assert_file_is(place->ca_key, ca_key, true);
	assert_int_equal(verify(place->ca, place->leaf, "localhost", NULL), X509_V_OK);
	leaf_ensure(place, names);
	assert_file_is(place->leaf, leaf, true);
}

static void test_repairs(void **state)
{
	const struct place *place = *state;
	struct hc_error err = {0};
	HC_AUTO_FREE leaf = NULL;

	/* A crash between key and certificate: the certificate belongs to another key or is not there. */
	leaf_ensure(place, names);
	leaf = text_of(place->leaf);
	assert_int_equal(unlink(place->leaf_key), 0);
	leaf_ensure(place, names);
	assert_file_is(place->leaf, leaf, false);
	assert_int_equal(verify(place->ca, place->leaf, "localhost", NULL), X509_V_OK);
	assert_int_equal(unlink(place->leaf), 0);
	leaf_ensure(place, names);
	assert_ok(hc_file_write(place->leaf, "rubbish", 7, 0644, &err), &err);
	leaf_ensure(place, names);
	assert_int_equal(verify(place->ca, place->leaf, "localhost", NULL), X509_V_OK);

	/* Another authority under the same name: the leaf is made again. */
	assert_int_equal(unlink(place->ca), 0);
	assert_int_equal(unlink(place->ca_key), 0);
	assert_ok(crypto_authority_ensure(place->ca, place->ca_key, "Helvetia test", &err), &err);
	assert_int_not_equal(verify(place->ca, place->leaf, "localhost", NULL), X509_V_OK);
	leaf_ensure(place, names);
	assert_int_equal(verify(place->ca, place->leaf, "localhost", NULL), X509_V_OK);
}

static void refuse(const struct place *place, const char *const *wanted, enum hc_class class,
				   const char *text)
{
	struct hc_error err = {0};

	assert_int_equal(crypto_leaf_ensure(place->ca, place->ca_key, place->leaf, place->leaf_key, wanted, &err),
					 -1);
	assert_int_equal(err.class, class);
	if (!strstr(err.text, text))
		fail_msg("%s: does not say %s", err.text, text);
}

static void test_refuses(void **state)
{
	static const char *const none[] = {NULL};
	static const char *const empty[] = {"", NULL};
	static const char *const blank[] = {"a b", NULL};
	const struct place *place = *state;
	struct hc_error err = {0};
	FILE *file;
	EVP_PKEY *key;

	refuse(place, none, HC_INVALID, "at least one name");
	refuse(place, empty, HC_INVALID, "1 to 253 bytes");
	refuse(place, blank, HC_INVALID, "\"a b\"");
	assert_int_equal(crypto_authority_ensure(place->leaf, place->leaf_key, "", &err), -1);
	assert_int_equal(err.class, HC_INVALID);

	assert_ok(hc_file_write(place->leaf_key, "mine", 4, 0600, &err), &err);
	refuse(place, names, HC_INVALID, "leaf.key is not an unencrypted P-256 private key");
	assert_file_is(place->leaf_key, "mine", true);

	/* An encrypted key must not ask on the terminal. */
	key = EVP_EC_gen("P-256");
	file = fopen(place->leaf_key, "we");
	assert_non_null(file);
	assert_int_equal(
		PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(), (const unsigned char *)"word", 4, NULL, NULL), 1);
	assert_int_equal(fclose(file), 0);
	EVP_PKEY_free(key);
	refuse(place, names, HC_INVALID, "unencrypted");

	assert_int_equal(rename(place->ca_key, place->leaf_key), 0);
	refuse(place, names, HC_NOT_FOUND, "read the certificate authority: open ");
	assert_int_equal(crypto_authority_ensure("/nonexistent/ca.pem", "/nonexistent/ca.key", "x", &err), -1);
	assert_int_equal(err.class, HC_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_chain_and_names, place_open, place_close),
		cmocka_unit_test_setup_teardown(test_extensions, place_open, place_close),
		cmocka_unit_test_setup_teardown(test_modes, place_open, place_close),
		cmocka_unit_test_setup_teardown(test_keeps, place_open, place_close),
		cmocka_unit_test_setup_teardown(test_renews, place_open, place_close),
		cmocka_unit_test_setup_teardown(test_repairs, place_open, place_close),
		cmocka_unit_test_setup_teardown(test_refuses, place_open, place_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
