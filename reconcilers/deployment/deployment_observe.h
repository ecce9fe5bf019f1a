/* Containers as the engine, the files, the prober and Traefik see them. Shared by the kinds service and gc.
 */
#ifndef DEPLOYMENT_OBSERVE_H
#define DEPLOYMENT_OBSERVE_H

#include "../kind.h"
#include "docker/docker.h"

/* One container of a list, without what the prober and Traefik know. NOT_FOUND when it is gone. */
int observe_container(struct reconcile_context *context, const struct docker_container *row,
					  const char *network_name, struct hc_arena *arena, struct container_view *ret_view,
					  struct hc_error *err) HC_MUST_CHECK;

/* All containers with one more label value beside our installation's, sorted by revision, ordinal and id. */
int observe_containers(struct reconcile_context *context, const char *label, const char *value,
					   const char *network_name, struct hc_arena *arena, struct container_view **ret_views,
					   size_t *ret_count, struct hc_error *err) HC_MUST_CHECK;

/* Asks Traefik for every public revision among the containers: sets listed and unlisted_since_ms. Returns
 * false when it doesn't answer. routes (may be NULL) gets one entry a revision; it has room for count. */
bool observe_routes(struct reconcile_context *context, struct hc_arena *arena, struct container_view *views,
					size_t count, int64_t boot_ms, struct route_view *routes, size_t *ret_route_count);

#endif
