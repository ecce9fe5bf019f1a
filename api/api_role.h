/* Who may do what: one table. Pure. */
#ifndef API_ROLE_H
#define API_ROLE_H

#include "api_route.h"
#include <jansson.h>
#include <stdint.h>

/* Whose request it is: a copy of the token's row. Texts are borrowed from whoever filled it. */
struct api_identity {
	const char *uid;            /* of the token; "" for the administrator on this machine */
	const char *name;           /* the User's, or the token's when it is a program's */
	const char *role;           /* admin, developer, viewer */
	const char *namespace_name; /* "" for all */
	const char *user_uid;       /* NULL: a program's */
	int64_t expires_wall_ms;    /* 0: never */
};

/* Whether this is the uid of its token or of its User. */
bool api_role_concerns(const struct api_identity *identity, const char *uid);

/* The verbs of a role in the namespaces that it reaches; 0 for a role that does not exist. The table's own
 * answer, also for subresources. */
unsigned api_role_verbs(const char *role, enum store_kind kind, enum api_subresource subresource);

/* namespace_name NULL: over all namespaces, or the kind has none. name NULL: the collection. */
bool api_role_may(const struct api_identity *identity, const struct api_kind *kind, enum api_verb verb,
				  const char *namespace_name, const char *name);
/* The same with the subresource that a route names; for an endpoint without objects, whether it is open to
 * this role (/apply judges each document itself). */
bool api_role_may_route(const struct api_identity *identity, const struct api_route *route);

/* What has no objects: /apply judges each document itself, deliveries are the administrator's. */
bool api_role_may_endpoint(const struct api_identity *identity, enum api_endpoint endpoint);

/* What a right to write tokens does not include. live NULL: it is to be made; object NULL: to be deleted. A
 * sentence (constant), and the HTTP status (403 or 422) and field that go with it; NULL: nothing is against
 * it. */
struct api_grant {
	const char *sentence;
	const char *field;
	int status;
};
struct api_grant api_role_grant(const struct api_identity *identity, const json_t *live, const json_t *object,
								int64_t now_wall_ms);

#endif
