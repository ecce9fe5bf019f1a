/* The authority of an installation and the leaf certificates that it signs. See crypto.h and the README's
 * invariants.
 *
 * Two files belong together, a key and a certificate, and a crash may come between them. So the key is
 * written first and used again when it is there, and a certificate counts only when it belongs to the key.
 * Renewing the authority with the same key and the same name keeps every leaf valid that it signed.
 *
 * OpenSSL's objects are released by cleanup attributes. Its functions with "add0" or "set0" in their name
 * take over, those with "set1" or none copy. */
#include "crypto.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"

#include <arpa/inet.h>
#include <assert.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FILE_BYTES_MAX (64U * 1024)
#define DAY_SECONDS (24L * 3600)
#define KEEP_DAYS 30
#define AUTHORITY_DAYS 3650 /* people import it into browsers: rarely renewed */
#define LEAF_DAYS 397       /* browsers refuse more than 398 */
#define SKEW_SECONDS 3600L  /* a client's clock may be behind ours */
#define SERIAL_BITS 127     /* positive and at most 16 bytes (RFC 5280, 4.1.2.2) */
#define COMMON_NAME_MAX 64  /* ub-common-name */

#define DEFINE_RELEASE(type, function)                                                                       \
	static void type##_release(type **value)                                                                 \
	{                                                                                                        \
		function(*value);                                                                                    \
	}
#define AUTO_OPENSSL(type) __attribute__((cleanup(type##_release))) type *
DEFINE_RELEASE(X509, X509_free)
DEFINE_RELEASE(EVP_PKEY, EVP_PKEY_free)
DEFINE_RELEASE(BIO, BIO_free_all)
DEFINE_RELEASE(BIGNUM, BN_free)
DEFINE_RELEASE(GENERAL_NAMES, GENERAL_NAMES_free)
DEFINE_RELEASE(GENERAL_NAME, GENERAL_NAME_free)
DEFINE_RELEASE(X509_EXTENSION, X509_EXTENSION_free)

/* BUG: none of what we ask of OpenSSL depends on input, so a failure is an assumption of ours. */
static int fail_openssl(struct hc_error *err, const char *what)
{
	char text[256];

	ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
	ERR_clear_error();
	return hc_fail(err, HC_BUG, "%s: %s", what, text);
}

/* --- files --- */

/* Without this, OpenSSL would ask on the terminal for the pass phrase of an encrypted key. */
static int no_pass_phrase(char *buffer, int size, int writing, void *payload)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)payload;
	return -1;
}

/* NOT_FOUND when there is no file, INVALID when it holds something else. */
static int key_read(const char *path, EVP_PKEY **ret_key, struct hc_error *err)
{
	AUTO_OPENSSL(EVP_PKEY) key = NULL;
	AUTO_OPENSSL(BIO) bio = NULL;
	HC_AUTO_FREE text = NULL;
	char group[32] = "";
	size_t length;

	if (hc_file_read(path, FILE_BYTES_MAX, &text, &length, err))
		return -1;
	bio = BIO_new_mem_buf(text, (int)length);
	key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL) : NULL;
	OPENSSL_cleanse(text, length);
	ERR_clear_error();
	if (!key || !EVP_PKEY_get_group_name(key, group, sizeof group, NULL) ||
		strcmp(group, SN_X9_62_prime256v1) != 0) {
		ERR_clear_error();
		return hc_fail(
			err, HC_INVALID,
			"%s is not an unencrypted P-256 private key in PEM; move it away to have a new one made", path);
	}
	*ret_key = hc_take(&key);
	return 0;
}

/* NOT_FOUND when there is no file, INVALID when it holds something else. */
static int certificate_read(const char *path, X509 **ret_certificate, struct hc_error *err)
{
	AUTO_OPENSSL(BIO) bio = NULL;
	HC_AUTO_FREE text = NULL;
	size_t length;
	X509 *certificate;

	if (hc_file_read(path, FILE_BYTES_MAX, &text, &length, err))
		return -1;
	bio = BIO_new_mem_buf(text, (int)length);
	certificate = bio ? PEM_read_bio_X509(bio, NULL, no_pass_phrase, NULL) : NULL;
	ERR_clear_error();
	if (!certificate)
		return hc_fail(err, HC_INVALID, "%s is not a certificate in PEM", path);
	*ret_certificate = certificate;
	return 0;
}

static int bio_write(BIO *bio, const char *path, mode_t mode, struct hc_error *err)
{
	char *data;
	long length = BIO_get_mem_data(bio, &data);

	return hc_file_write(path, data, (size_t)length, mode, err);
}

static int key_write(EVP_PKEY *key, const char *path, struct hc_error *err)
{
	AUTO_OPENSSL(BIO) bio = BIO_new(BIO_s_secmem()); /* wiped when freed */

	if (!bio || !PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL))
		return fail_openssl(err, "encode a private key");
	return bio_write(bio, path, 0600, err);
}

static int certificate_write(X509 *certificate, const char *path, struct hc_error *err)
{
	AUTO_OPENSSL(BIO) bio = BIO_new(BIO_s_mem());

	if (!bio || !PEM_write_bio_X509(bio, certificate))
		return fail_openssl(err, "encode a certificate");
	return bio_write(bio, path, 0644, err);
}

/* The key of the file, or a new one that is then in the file. */
static int key_ensure(const char *path, EVP_PKEY **ret_key, struct hc_error *err)
{
	struct hc_error local = {0};
	AUTO_OPENSSL(EVP_PKEY) key = NULL;

	if (key_read(path, ret_key, &local) == 0)
		return 0;
	if (local.class != HC_NOT_FOUND)
		return hc_fail(err, local.class, "%s", local.text);
	key = EVP_EC_gen(SN_X9_62_prime256v1);
	if (!key)
		return fail_openssl(err, "make a P-256 key");
	if (key_write(key, path, err))
		return -1;
	*ret_key = hc_take(&key);
	return 0;
}

/* --- keeping --- */

static bool certificate_lasts(const X509 *certificate)
{
	time_t now = (time_t)(hc_clock_wall_ms() / 1000);
	time_t later = now + KEEP_DAYS * DAY_SECONDS;

	return X509_cmp_time(X509_get0_notBefore(certificate), &now) < 0 &&
		   X509_cmp_time(X509_get0_notAfter(certificate), &later) > 0;
}

static int address_parse(const char *name, unsigned char address[16])
{
	if (inet_pton(AF_INET, name, address) == 1)
		return 4;
	return inet_pton(AF_INET6, name, address) == 1 ? 16 : 0;
}

/* Exact comparison, since a wanted name may itself be a wildcard such as *.localhost. */
static bool alternative_name_is(const GENERAL_NAME *alternative, const char *name)
{
	unsigned char address[16];
	int length = address_parse(name, address);
	const ASN1_STRING *value;

	if (alternative->type == (length ? GEN_IPADD : GEN_DNS))
		value = length ? alternative->d.iPAddress : alternative->d.dNSName;
	else
		return false;
	if (!length)
		return ASN1_STRING_length(value) == (int)strlen(name) &&
			   strncasecmp((const char *)ASN1_STRING_get0_data(value), name, strlen(name)) == 0;
	return ASN1_STRING_length(value) == length &&
		   memcmp(ASN1_STRING_get0_data(value), address, (size_t)length) == 0;
}

static bool certificate_covers(const X509 *certificate, const char *const *names)
{
	AUTO_OPENSSL(GENERAL_NAMES)
	alternatives = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

	for (; *names; names++) {
		bool found = false;

		for (int i = 0; i < sk_GENERAL_NAME_num(alternatives) && !found; i++)
			found = alternative_name_is(sk_GENERAL_NAME_value(alternatives, i), *names);
		if (!found)
			return false;
	}
	return true;
}

/* --- making --- */

static int extension_add(X509 *certificate, X509 *issuer, int nid, const char *value, struct hc_error *err)
{
	X509V3_CTX context;
	AUTO_OPENSSL(X509_EXTENSION) extension = NULL;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	if (!extension || !X509_add_ext(certificate, extension, -1))
		return fail_openssl(err, OBJ_nid2sn(nid));
	return 0;
}

/* Version, serial, times, subject, key and both key identifiers. issuer: NULL when it signs itself. */
static int certificate_new(const char *common_name, EVP_PKEY *key, X509 *issuer, long days,
						   X509 **ret_certificate, struct hc_error *err)
{
	AUTO_OPENSSL(X509) certificate = X509_new();
	AUTO_OPENSSL(BIGNUM) serial = BN_new();
	time_t now = (time_t)(hc_clock_wall_ms() / 1000);
	X509_NAME *subject;

	if (!certificate || !serial || !X509_set_version(certificate, X509_VERSION_3) ||
		!BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) ||
		!BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) ||
		!ASN1_TIME_adj(X509_getm_notBefore(certificate), now, 0, -SKEW_SECONDS) ||
		!ASN1_TIME_adj(X509_getm_notAfter(certificate), now, (int)days, -SKEW_SECONDS) ||
		!X509_set_pubkey(certificate, key))
		return fail_openssl(err, "make a certificate");
	subject = X509_get_subject_name(certificate);
	if (!X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8, (const unsigned char *)"Helvetia Cloud", -1,
									-1, 0) ||
		!X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1,
									0) ||
		!X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : subject))
		return fail_openssl(err, "name a certificate");
	if (extension_add(certificate, issuer ? issuer : certificate, NID_subject_key_identifier, "hash", err) ||
		extension_add(certificate, issuer ? issuer : certificate, NID_authority_key_identifier,
					  "keyid:always", err))
		return -1;
	*ret_certificate = hc_take(&certificate);
	return 0;
}

static int common_name_check(const char *common_name, struct hc_error *err)
{
	size_t length = strlen(common_name);

	if (!length || length > COMMON_NAME_MAX)
		return hc_fail(err, HC_INVALID, "common name \"%s\": must have 1 to %d bytes", common_name,
					   COMMON_NAME_MAX);
	return 0;
}

int crypto_authority_ensure(const char *certificate_path, const char *key_path, const char *common_name,
							struct hc_error *err)
{
	AUTO_OPENSSL(EVP_PKEY) key = NULL;
	AUTO_OPENSSL(X509) kept = NULL;
	AUTO_OPENSSL(X509) certificate = NULL;
	struct hc_error local = {0};

	if (common_name_check(common_name, err) || key_ensure(key_path, &key, err))
		return -1;
	if (certificate_read(certificate_path, &kept, &local)) {
		if (local.class != HC_NOT_FOUND && local.class != HC_INVALID)
			return hc_fail(err, local.class, "%s", local.text);
	} else if (certificate_lasts(kept) && X509_check_ca(kept) && X509_check_private_key(kept, key)) {
		return 0;
	}
	ERR_clear_error();
	if (certificate_new(common_name, key, NULL, AUTHORITY_DAYS, &certificate, err) ||
		extension_add(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0", err) ||
		extension_add(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign", err))
		return -1;
	if (!X509_sign(certificate, key, EVP_sha256()))
		return fail_openssl(err, "sign the authority's certificate");
	return certificate_write(certificate, certificate_path, err);
}

/* Names go in as values, never through OpenSSL's configuration syntax, where a comma would begin another
 * name. */
static int alternative_names_add(X509 *certificate, const char *const *names, struct hc_error *err)
{
	AUTO_OPENSSL(GENERAL_NAMES) alternatives = GENERAL_NAMES_new();

	for (; alternatives && *names; names++) {
		AUTO_OPENSSL(GENERAL_NAME) alternative = GENERAL_NAME_new();
		unsigned char address[16];
		int length = address_parse(*names, address);
		ASN1_STRING *value = length ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
		const void *data = length ? (const void *)address : *names;

		if (!alternative || !value || !ASN1_STRING_set(value, data, length ? length : (int)strlen(*names))) {
			ASN1_STRING_free(value);
			return fail_openssl(err, "encode a subject alternative name");
		}
		GENERAL_NAME_set0_value(alternative, length ? GEN_IPADD : GEN_DNS, value);
		if (!sk_GENERAL_NAME_push(alternatives, alternative))
			return fail_openssl(err, "encode a subject alternative name");
		alternative = NULL; /* the stack owns it now */
	}
	if (!alternatives ||
		X509_add1_ext_i2d(certificate, NID_subject_alt_name, alternatives, 0, X509V3_ADD_DEFAULT) != 1)
		return fail_openssl(err, "add the subject alternative names");
	return 0;
}

static int names_check(const char *const *names, struct hc_error *err)
{
	if (!names[0])
		return hc_fail(err, HC_INVALID, "a certificate needs at least one name");
	for (; *names; names++) {
		size_t length = strlen(*names);

		if (!length || length > HC_LIMIT_HOST_BYTES)
			return hc_fail(err, HC_INVALID, "certificate name \"%s\": must have 1 to %d bytes", *names,
						   HC_LIMIT_HOST_BYTES);
		for (const char *at = *names; *at; at++)
			if (*at <= ' ' || *at > '~')
				return hc_fail(err, HC_INVALID,
							   "certificate name \"%s\": must be printable ASCII without blanks", *names);
	}
	return 0;
}

static int authority_read(const char *certificate_path, const char *key_path, X509 **ret_certificate,
						  EVP_PKEY **ret_key, struct hc_error *err)
{
	AUTO_OPENSSL(X509) certificate = NULL;
	AUTO_OPENSSL(EVP_PKEY) key = NULL;

	if (certificate_read(certificate_path, &certificate, err) || key_read(key_path, &key, err))
		return hc_wrap(err, "read the certificate authority");
	if (!X509_check_private_key(certificate, key)) {
		ERR_clear_error();
		return hc_fail(err, HC_INVALID, "%s does not belong to %s", key_path, certificate_path);
	}
	*ret_certificate = hc_take(&certificate);
	*ret_key = hc_take(&key);
	return 0;
}

int crypto_leaf_ensure(const char *authority_certificate_path, const char *authority_key_path,
					   const char *certificate_path, const char *key_path, const char *const *names,
					   struct hc_error *err)
{
	AUTO_OPENSSL(X509) authority = NULL;
	AUTO_OPENSSL(EVP_PKEY) authority_key = NULL;
	AUTO_OPENSSL(EVP_PKEY) key = NULL;
	AUTO_OPENSSL(X509) kept = NULL;
	AUTO_OPENSSL(X509) certificate = NULL;
	struct hc_error local = {0};

	if (names_check(names, err) ||
		authority_read(authority_certificate_path, authority_key_path, &authority, &authority_key, err) ||
		key_ensure(key_path, &key, err))
		return -1;
	if (certificate_read(certificate_path, &kept, &local)) {
		if (local.class != HC_NOT_FOUND && local.class != HC_INVALID)
			return hc_fail(err, local.class, "%s", local.text);
	} else if (certificate_lasts(kept) && X509_check_private_key(kept, key) &&
			   X509_check_issued(authority, kept) == X509_V_OK && X509_verify(kept, authority_key) == 1 &&
			   certificate_covers(kept, names)) {
		return 0;
	}
	ERR_clear_error();
	/* Clients look at the alternative names only; the subject is for people who list certificates. */
	if (certificate_new("Helvetia Cloud server", key, authority, LEAF_DAYS, &certificate, err) ||
		extension_add(certificate, authority, NID_basic_constraints, "critical,CA:FALSE", err) ||
		extension_add(certificate, authority, NID_key_usage, "critical,digitalSignature", err) ||
		extension_add(certificate, authority, NID_ext_key_usage, "serverAuth", err) ||
		alternative_names_add(certificate, names, err))
		return -1;
	if (!X509_sign(certificate, authority_key, EVP_sha256()))
		return fail_openssl(err, "sign a certificate");
	return certificate_write(certificate, certificate_path, err);
}
