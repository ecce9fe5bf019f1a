/* The steps of the kind `gc`: one key for all. */
#ifndef GC_KIND_H
#define GC_KIND_H

#include "../kind.h"

int gc_observe(struct reconcile_context *context, const char *uid, struct hc_arena *arena, void **ret_world,
			   struct hc_error *err) HC_MUST_CHECK;
int gc_act(struct reconcile_context *context, const void *world, const struct action *action,
		   struct hc_arena *arena, struct hc_error *err) HC_MUST_CHECK;

#endif
