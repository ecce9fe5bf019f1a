/* The pure decisions, one function a kind: linked against lib/base and lib/model only (target
 * helvetia_decide). The API links them too, so that a dry run says what the controller would do. */
#ifndef DECIDE_H
#define DECIDE_H

#include "model/plan.h"
#include "model/world.h"

/* Deployment rows that the Service wants, history, finalizer, and the Service's derived status. */
void service_decide(const struct service_world *world, struct plan *plan);
/* Containers, gates and the progress of every Deployment of the Service (state table of the design). */
void deployment_decide(const struct service_world *world, struct plan *plan);
/* The commit that follows a branch. After the others: it may wait for a Git host. */
void service_follow_decide(const struct service_world *world, struct plan *plan);
void network_decide(const struct network_world *world, struct plan *plan);
void gc_decide(const struct gc_world *world, struct plan *plan);

/* The one constructor of container specs. */
const struct container_spec *deployment_container(const struct service_world *world,
												  const struct deployment_view *deployment, int ordinal,
												  const char *address, struct hc_arena *arena);
/* Name of the Docker volume of a Service's volume. */
const char *deployment_volume_name(const struct service_world *world, const char *volume,
								   struct hc_arena *arena);
/* What differs between the wanted spec and a container, one phrase, or NULL. *ret_in_place says whether an
 * update, rename or network connect cures it; else the container is made anew. */
const char *deployment_drift(const struct container_spec *wanted, const struct container_view *container,
							 struct hc_arena *arena, bool *ret_in_place);

#endif
