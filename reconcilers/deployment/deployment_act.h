/* One action of a plan, one call: containers, folders, gates, images, volumes. Shared by the kinds service
 * and gc. */
#ifndef DEPLOYMENT_ACT_H
#define DEPLOYMENT_ACT_H

#include "../kind.h"

/* started_wall_ms: of the container's present start, for the mark of a signal. */
int deployment_act(struct reconcile_context *context, const struct action *action, int64_t started_wall_ms,
				   struct hc_arena *arena, struct hc_error *err) HC_MUST_CHECK;

#endif
