/* Deterministic names of what we make in Docker and Traefik. A name is a fence: Docker refuses a second one.
 * Every name carries a short hash of the namespace's uid, so that two namespaces and two installations on one
 * engine never collide. */
#ifndef MODEL_NAMES_H
#define MODEL_NAMES_H

#include "base/arena.h"
#include <stdint.h>

#define LABEL_PREFIX "cloud.helvetia."
#define LABEL_INSTALLATION "cloud.helvetia.installation"
#define LABEL_NAMESPACE "cloud.helvetia.namespace" /* name */
#define LABEL_SERVICE "cloud.helvetia.service"     /* name */
#define LABEL_SERVICE_UID "cloud.helvetia.service-uid"
#define LABEL_DEPLOYMENT "cloud.helvetia.deployment" /* uid */
#define LABEL_REVISION "cloud.helvetia.revision"
#define LABEL_ORDINAL "cloud.helvetia.ordinal"
#define LABEL_HASH "cloud.helvetia.hash"       /* of the container spec, for drift */
#define LABEL_ADDRESS "cloud.helvetia.address" /* the fixed address */
#define LABEL_FOLDER "cloud.helvetia.folder"   /* name of its folder with probe and gate; survives a rename */
/* Of images that our workers built. LABEL_PREFIX is refused on images: a container would get it. */
#define LABEL_IMAGE_INSTALLATION "helvetia-image.installation"
#define LABEL_IMAGE_BUILD "helvetia-image.build" /* name of the Build */
#define TRAEFIK_PREFIX "traefik."
#define ROUTE_PRIORITY_BASE 1000000 /* + revision: the newest published revision takes all new requests */

#define NAMESPACE_HASH_SIZE 9 /* 8 hexadecimal digits */
void name_namespace_hash(const char *namespace_uid, char hash[NAMESPACE_HASH_SIZE]); /* FNV-1a 32 bit */

/* Ordinal of the container that runs the release command: beyond that of any replica. */
#define RELEASE_ORDINAL 1000
int name_ordinal(const char *text); /* of LABEL_ORDINAL */

/* All results live in the arena. */
char *name_container(struct hc_arena *arena, const char *service, int64_t revision, int ordinal,
					 const char *namespace_uid); /* shop-r7-0-1a2b3c4d, shop-r7-release-1a2b3c4d */
char *name_ordinal_text(struct hc_arena *arena, int ordinal); /* 0, release */
char *name_container_recreate(struct hc_arena *arena, const char *service, int ordinal,
							  const char *namespace_uid); /* shop-0-1a2b3c4d: the fence against two writers */
char *name_route(struct hc_arena *arena, const char *service, int64_t revision, const char *namespace_uid);
char *name_deployment(struct hc_arena *arena, const char *service, int64_t revision); /* shop-r7 */
char *name_network(struct hc_arena *arena, const char *namespace_name, const char *namespace_uid);
char *name_bridge(struct hc_arena *arena, const char *namespace_uid); /* hv-1a2b3c4d: <= 15 bytes */

/* FNV-1a 64 bit of a text as 16 hexadecimal digits: for drift labels, not for security. */
#define SPEC_HASH_SIZE 17
void spec_hash(const char *text, char hash[SPEC_HASH_SIZE]);

#endif
