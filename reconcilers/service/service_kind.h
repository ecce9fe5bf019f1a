/* The steps of the kind `service`, for registry.c. It covers Service and Deployment rows: both tables are
 * decided from one snapshot. */
#ifndef SERVICE_KIND_H
#define SERVICE_KIND_H

#include "../kind.h"

int service_observe(struct reconcile_context *context, const char *uid, struct hc_arena *arena,
					void **ret_world, struct hc_error *err) HC_MUST_CHECK;
int service_act(struct reconcile_context *context, const void *world, const struct action *action,
				struct hc_arena *arena, struct hc_error *err) HC_MUST_CHECK;
int service_report(struct reconcile_context *context, const void *world, const struct plan *plan,
				   struct hc_arena *arena, struct hc_error *err) HC_MUST_CHECK;

#endif
