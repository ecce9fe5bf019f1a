/* Which kinds are served, as Kubernetes' discovery tells it: made out of the table of kinds and of the names
 * in crd-like-schemas/. Pure; after schema_load(). */
#ifndef API_DISCOVERY_H
#define API_DISCOVERY_H

#include "api_accept.h"
#include "api_route.h"

/* path: of an API_DISCOVERY route. Only "api" and "apis" have an aggregated form, in which all kinds are told
 * at once; *ret_content_type is then a constant of that form and NULL otherwise. Caller frees. */
char *api_discovery_json(const char *path, const struct api_accept *accept, const char **ret_content_type);

#endif
