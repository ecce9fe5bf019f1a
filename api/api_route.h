/* What a request asks for: method and path against one table of kinds. Pure. */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include "http/http_query.h"
#include "store/store.h"
#include <stdbool.h>

enum api_verb {
	API_GET = 1 << 0,
	API_LIST = 1 << 1,
	API_WATCH = 1 << 2,
	API_CREATE = 1 << 3,
	API_UPDATE = 1 << 4,
	API_PATCH = 1 << 5,
	API_DELETE = 1 << 6,
};
#define API_READ (API_GET | API_LIST | API_WATCH)
#define API_WRITE (API_CREATE | API_UPDATE | API_PATCH | API_DELETE)

enum api_subresource { API_MAIN = 1 << 0, API_LOG = 1 << 1, API_SCALE = 1 << 2, API_STATUS = 1 << 3 };

struct api_kind {
	const char *group; /* "" is core */
	const char *api_version;
	const char *plural;
	const char *kind;
	const char *qualified; /* services.helvetia.cloud, as messages name it */
	enum store_kind store_kind;
	unsigned verbs;
	unsigned subresources; /* beside the main one */
	bool namespaced;
	bool view; /* not stored: asked from the controller; store_kind is what it is a view of */
};

const struct api_kind *api_kind_of(enum store_kind kind);
const struct api_kind *api_kind_at(size_t index); /* 0, 1, …; NULL after the last */
/* The verbs of a kind of subresource; 0 after the last. */
unsigned api_subresource_at(size_t index, const char **ret_name, enum api_subresource *ret_subresource);
const struct api_kind *api_kind_find(const char *api_version, const char *kind); /* NULL: not served */

enum api_endpoint {
	API_OBJECTS,
	API_HEALTHZ,
	API_READYZ,
	API_VERSION,
	API_APPLY,
	API_WEBHOOK,    /* POST /webhooks/github: no token, but a signature */
	API_DELIVERIES, /* GET /webhooks/deliveries */
	API_DISCOVERY,  /* /api, /apis, and the resources of a group and version */
	API_OPENAPI,    /* /openapi/v3… */
	API_REVIEW,     /* POST of a self-subject review */
};

struct api_route {
	enum api_endpoint endpoint;
	const char *path; /* of an endpoint, without the first slash; NULL for objects */
	const struct api_kind *kind;
	const char *namespace_name; /* NULL: over all, or the kind has none */
	const char *name;           /* NULL: the collection */
	enum api_verb verb;
	enum api_subresource subresource;
};

/* 0, or the HTTP status (404, 405, 400) of why not; 405 still fills kind. */
int api_route_find(const char *method, const struct http_query *query, struct api_route *ret_route);

/* The most bytes of a body; body_max is everyone's but a webhook's. */
size_t api_route_body_limit(const char *method, const char *target, size_t body_max);

const char *api_verb_text(enum api_verb verb); /* get, list, … */

#endif
