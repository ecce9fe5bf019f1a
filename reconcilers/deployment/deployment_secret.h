/* Environment variables whose values are sealed (design 9): opened here, for the one call that makes a
 * container, and by nobody else of the controller. */
#ifndef DEPLOYMENT_SECRET_H
#define DEPLOYMENT_SECRET_H

#include "../kind.h"

struct secret_env {
	const char **env; /* NAME=value of the whole spec, NULL-terminated; the array is the arena's */
	char **opened;    /* those of them that hold secrets: owned and wiped by secret_env_done */
	size_t *lengths;
	size_t count;
};

/* The spec's env with its secrets. INVALID: such a container can't be made, with the variable, the Secret and
 * its key, never the value; DENIED: the key file is missing or wrong. The caller calls secret_env_done() in
 * any case. */
int secret_env_open(struct reconcile_context *context, const struct container_spec *spec,
					struct hc_arena *arena, struct secret_env *ret_env, struct hc_error *err) HC_MUST_CHECK;
void secret_env_done(struct secret_env *env);

#endif
