/* See child_secret.h. Opened values are in memory of their own, wiped at the end. */
#include "child_secret.h"

#include "base/alloc.h"
#include "crypto/crypto.h"
#include "crypto/crypto_seal.h"
#include "store/store_secret.h"

#include <stdlib.h>

static int open_one(const struct child_job *job, struct store *store, const struct crypto_keys *keys,
					const struct task_secret *wanted, struct child_secrets *secrets, struct hc_error *err)
{
	struct store_secret_value value;
	char *opened = NULL;
	size_t length = 0;

	if (store_secret_value(store, job->arena, job->input.namespace_uid, wanted->version, &value, err)) {
		if (err->class != HC_NOT_FOUND)
			return -1;
		return hc_fail(err, HC_INVALID,
					   "env %s: key %s of Secret %s has no more the value that this build was begun with",
					   wanted->name, wanted->key, wanted->secret);
	}
	if (crypto_open(keys, value.key_version, wanted->version, value.sealed, value.sealed_length, &opened,
					&length, err)) {
		err->class = HC_TRANSIENT; /* the operator's to mend */
		return hc_wrap(err, "env %s: key %s of Secret %s", wanted->name, wanted->key, wanted->secret);
	}
	secrets->items[secrets->count++] = (struct docker_build_secret){
		.id = wanted->name, .data = opened, .length = length};
	(void)mask_add(secrets->mask, opened, length);
	return 0;
}

/* Ids of values say nothing of them. */
static const char *version_of(const struct child_job *job)
{
	HC_AUTO_TEXT text = {0};
	char *hash = hc_arena_alloc(job->arena, CRYPTO_SHA256_HEX_SIZE);

	for (size_t index = 0; index < job->input.secret_count; index++)
		hc_text_printf(&text, "%s=%s\n", job->input.secrets[index].name, job->input.secrets[index].version);
	crypto_sha256_hex(hc_text_string(&text), text.length, hash);
	return hash;
}

int child_secrets_open(const struct child_job *job, struct store *store, struct child_secrets *ret_secrets,
					   struct hc_error *err)
{
	const struct task_input *input = &job->input;
	HC_AUTO_FREE default_path = hc_xprintf("%s/" CRYPTO_KEYS_PATH, job->options->state);
	const char *path = job->options->secret_key_file ? job->options->secret_key_file : default_path;
	HC_AUTO(crypto_keys) keys = NULL;

	*ret_secrets = (struct child_secrets){.mask = mask_new()};
	if (!input->secret_count)
		return 0;
	ret_secrets->items = hc_arena_alloc_array(job->arena, input->secret_count, sizeof *ret_secrets->items);
	ret_secrets->version = version_of(job);
	if (crypto_keys_load(path, &keys, err)) {
		err->class = HC_TRANSIENT;
		return hc_wrap(err, "Secrets can't be opened");
	}
	for (size_t index = 0; index < input->secret_count; index++)
		if (open_one(job, store, keys, &input->secrets[index], ret_secrets, err))
			return -1;
	return 0;
}

void child_secrets_done(struct child_secrets *secrets)
{
	for (size_t index = 0; index < secrets->count; index++)
		crypto_wipe_free((void *)(uintptr_t)secrets->items[index].data, secrets->items[index].length);
	secrets->count = 0;
	mask_free(secrets->mask);
	secrets->mask = NULL;
}
