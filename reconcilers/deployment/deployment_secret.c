/* See deployment_secret.h. Neither arena nor log ever holds an opened value. */
#include "deployment_secret.h"

#include "base/alloc.h"
#include "crypto/crypto_seal.h"
#include "store/store_secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail_value(const struct container_secret *secret, const char *why, struct hc_error *err)
{
	return hc_fail(err, HC_INVALID, "env %s: key %s of Secret %s %s", secret->env, secret->key, secret->name,
				   why);
}

/* Puts NAME=value into *env. */
static int open_value(struct reconcile_context *context, const struct crypto_keys *keys,
					  const struct container_spec *spec, const struct container_secret *secret,
					  struct hc_arena *arena, struct secret_env *env, struct hc_error *err)
{
	struct store_secret_value value;
	char *opened = NULL;
	size_t length = 0;

	if (store_secret_value(context->store, arena, spec->namespace_uid, secret->version, &value, err) < 0)
		return err->class == HC_NOT_FOUND
				   ? fail_value(secret, "has no more the value that this revision was made with", err)
				   : -1;
	if (crypto_open(keys, value.key_version, secret->version, value.sealed, value.sealed_length, &opened,
					&length, err) < 0) {
		err->class = HC_DENIED; /* the operator's to mend: it is tried again */
		return hc_wrap(err, "env %s: key %s of Secret %s", secret->env, secret->key, secret->name);
	}
	if (strlen(opened) != length) {
		crypto_wipe_free(opened, length);
		return fail_value(secret, "holds a NUL byte, which no environment variable can", err);
	}
	size_t size = strlen(secret->env) + length + 2;
	char *text = hc_xalloc(size);
	(void)snprintf(text, size, "%s=%s", secret->env, opened);
	crypto_wipe_free(opened, length);
	env->opened[env->count] = text;
	env->lengths[env->count++] = size;
	return 0;
}

int secret_env_open(struct reconcile_context *context, const struct container_spec *spec,
					struct hc_arena *arena, struct secret_env *ret_env, struct hc_error *err)
{
	HC_AUTO(crypto_keys) keys = NULL;
	size_t plain = 0;

	*ret_env = (struct secret_env){.env = spec->env};
	if (!spec->secret_count)
		return 0;
	while (spec->env && spec->env[plain])
		plain++;
	ret_env->opened = hc_arena_alloc_array(arena, spec->secret_count, sizeof(char *));
	ret_env->lengths = hc_arena_alloc_array(arena, spec->secret_count, sizeof(size_t));
	if (crypto_keys_load(context->secret_key_file, &keys, err) < 0) {
		err->class = HC_DENIED;
		return hc_wrap(err, "Secrets can't be opened");
	}
	for (size_t index = 0; index < spec->secret_count; index++)
		if (open_value(context, keys, spec, &spec->secrets[index], arena, ret_env, err) < 0)
			return -1;
	ret_env->env = hc_arena_alloc_array(arena, plain + ret_env->count + 1, sizeof(char *));
	for (size_t index = 0; index < plain; index++)
		ret_env->env[index] = spec->env[index];
	for (size_t index = 0; index < ret_env->count; index++)
		ret_env->env[plain + index] = ret_env->opened[index];
	return 0;
}

void secret_env_done(struct secret_env *env)
{
	for (size_t index = 0; index < env->count; index++)
		crypto_wipe_free(env->opened[index], env->lengths[index]);
	env->count = 0;
}
