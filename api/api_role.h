/* Who may do what: one table. Pure. */
#ifndef API_ROLE_H
#define API_ROLE_H

#include "api_route.h"
#include <stdint.h>

/* Whose request it is: a copy of the token's row. Texts are borrowed from whoever filled it. */
struct api_identity {
	const char *uid;
	const char *name;
	const char *role;           /* admin, developer, viewer */
	const char *namespace_name; /* "" for all */
	int64_t expires_wall_ms;    /* 0: never */
};

/* namespace_name NULL: over all namespaces, or the kind has none. name NULL: the collection. */
bool api_role_may(const struct api_identity *identity, const struct api_kind *kind, enum api_verb verb,
				  const char *namespace_name, const char *name);

/* What has no objects: /apply judges each document itself, deliveries are the administrator's. */
bool api_role_may_endpoint(const struct api_identity *identity, enum api_endpoint endpoint);

#endif
