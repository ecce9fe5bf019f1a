/* The steps of the kind `network`: one key a namespace. */
#ifndef NETWORK_KIND_H
#define NETWORK_KIND_H

#include "../kind.h"

int network_observe(struct reconcile_context *context, const char *uid, struct hc_arena *arena,
					void **ret_world, struct hc_error *err) HC_MUST_CHECK;
int network_act(struct reconcile_context *context, const void *world, const struct action *action,
				struct hc_arena *arena, struct hc_error *err) HC_MUST_CHECK;

#endif
