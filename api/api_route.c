/* The table of kinds, and how paths are laid out: Kubernetes' own. */
#include "api_route.h"

#include "base/limits.h"
#include "base/text.h"
#include <string.h>

#define GROUP "helvetia.cloud"
#define VERSION GROUP "/v1"

static const struct api_kind kinds[] = {
	{"", "v1", "namespaces", "Namespace", "namespaces", STORE_NAMESPACE, API_READ | API_WRITE, API_MAIN,
	 false, false},
	{GROUP, VERSION, "services", "Service", "services." GROUP, STORE_SERVICE, API_READ | API_WRITE,
	 API_MAIN | API_LOG | API_SCALE | API_STATUS, true, false},
	{GROUP, VERSION, "deployments", "Deployment", "deployments." GROUP, STORE_DEPLOYMENT,
	 API_READ | API_DELETE, API_MAIN | API_LOG | API_STATUS, true, false},
	{GROUP, VERSION, "builds", "Build", "builds." GROUP, STORE_BUILD, API_READ,
	 API_MAIN | API_LOG | API_STATUS, true, false},
	{GROUP, VERSION, "users", "User", "users." GROUP, STORE_USER, API_READ | API_WRITE, API_MAIN, false,
	 false},
	{GROUP, VERSION, "tokens", "Token", "tokens." GROUP, STORE_TOKEN, API_READ | API_WRITE, API_MAIN, true,
	 false},
	{"", "v1", "secrets", "Secret", "secrets", STORE_SECRET, API_READ | API_WRITE, API_MAIN, true, false},
	{"", "v1", "events", "Event", "events", STORE_EVENT, API_READ, API_MAIN, true, false},
	/* Behind the kind whose containers they are: rights are those of Deployments. */
	{"", "v1", "pods", "Pod", "pods", STORE_DEPLOYMENT, API_GET | API_LIST, API_MAIN | API_LOG, true, true},
};

/* What may be done to a subresource, whatever the kind allows for the object. */
static const struct {
	const char *name;
	enum api_subresource subresource;
	unsigned verbs;
} subresources[] = {
	{"log", API_LOG, API_GET},
	{"scale", API_SCALE, API_GET | API_UPDATE | API_PATCH},
	{"status", API_STATUS, API_GET},
};

#define WEBHOOK_PATH "webhooks/github"
#define AUTHORIZATION "apis/authorization.k8s.io"
#define AUTHENTICATION "apis/authentication.k8s.io"

/* Paths without objects, segment by segment. */
static const struct {
	const char *path;
	enum api_endpoint endpoint;
	const char *method;
} endpoints[] = {
	{"healthz", API_HEALTHZ, "GET"},
	{"livez", API_HEALTHZ, "GET"},
	{"readyz", API_READYZ, "GET"},
	{"version", API_VERSION, "GET"},
	{"apply", API_APPLY, "POST"},
	{WEBHOOK_PATH, API_WEBHOOK, "POST"},
	{"webhooks/deliveries", API_DELIVERIES, "GET"},
	{"api", API_DISCOVERY, "GET"},
	{"api/v1", API_DISCOVERY, "GET"},
	{"apis", API_DISCOVERY, "GET"},
	{"apis/" GROUP, API_DISCOVERY, "GET"},
	{"apis/" VERSION, API_DISCOVERY, "GET"},
	{AUTHORIZATION, API_DISCOVERY, "GET"},
	{AUTHORIZATION "/v1", API_DISCOVERY, "GET"},
	{AUTHENTICATION, API_DISCOVERY, "GET"},
	{AUTHENTICATION "/v1", API_DISCOVERY, "GET"},
	{"openapi/v3", API_OPENAPI, "GET"},
	{"openapi/v3/api/v1", API_OPENAPI, "GET"},
	{"openapi/v3/apis/" VERSION, API_OPENAPI, "GET"},
	{AUTHORIZATION "/v1/selfsubjectaccessreviews", API_REVIEW, "POST"},
	{AUTHORIZATION "/v1/selfsubjectrulesreviews", API_REVIEW, "POST"},
	{AUTHENTICATION "/v1/selfsubjectreviews", API_REVIEW, "POST"},
};

static const struct {
	enum api_verb verb;
	const char *text;
} verbs[] = {
	{API_GET, "get"},       {API_LIST, "list"},   {API_WATCH, "watch"},   {API_CREATE, "create"},
	{API_UPDATE, "update"}, {API_PATCH, "patch"}, {API_DELETE, "delete"},
};

const char *api_verb_text(enum api_verb verb)
{
	for (size_t index = 0; index < HC_COUNT(verbs); index++)
		if (verbs[index].verb == verb)
			return verbs[index].text;
	return "use";
}

const struct api_kind *api_kind_of(enum store_kind kind)
{
	for (size_t index = 0; index < HC_COUNT(kinds); index++)
		if (kinds[index].store_kind == kind)
			return &kinds[index];
	return NULL;
}

const struct api_kind *api_kind_at(size_t index)
{
	return index < HC_COUNT(kinds) ? &kinds[index] : NULL;
}

unsigned api_subresource_at(size_t index, const char **ret_name, enum api_subresource *ret_subresource)
{
	if (index >= HC_COUNT(subresources))
		return 0;
	*ret_name = subresources[index].name;
	*ret_subresource = subresources[index].subresource;
	return subresources[index].verbs;
}

const struct api_kind *api_kind_find(const char *api_version, const char *kind)
{
	for (size_t index = 0; index < HC_COUNT(kinds); index++)
		if (hc_streq(kinds[index].api_version, api_version) && hc_streq(kinds[index].kind, kind))
			return &kinds[index];
	return NULL;
}

static const struct api_kind *find_plural(const char *group, const char *plural)
{
	for (size_t index = 0; index < HC_COUNT(kinds); index++)
		if (hc_streq(kinds[index].group, group) && hc_streq(kinds[index].plural, plural))
			return &kinds[index];
	return NULL;
}

static bool is_read(const char *method)
{
	return hc_streq(method, "GET") || hc_streq(method, "HEAD");
}

static bool path_is(const struct http_query *query, const char *path)
{
	for (size_t index = 0; index < query->segment_count; index++) {
		size_t length = strlen(query->segments[index]);
		bool last = index + 1 == query->segment_count;
		if (strncmp(path, query->segments[index], length) != 0 || path[length] != (last ? '\0' : '/'))
			return false;
		path += length + 1;
	}
	return query->segment_count > 0;
}

static int find_endpoint(const char *method, const struct http_query *query, struct api_route *route)
{
	for (size_t index = 0; index < HC_COUNT(endpoints); index++) {
		if (!path_is(query, endpoints[index].path))
			continue;
		route->endpoint = endpoints[index].endpoint;
		route->path = endpoints[index].path;
		bool fits = hc_streq(endpoints[index].method, "GET") ? is_read(method)
															 : hc_streq(method, endpoints[index].method);
		return fits ? 0 : 405;
	}
	return 404;
}

/* 0 for a method that has no meaning here. */
static unsigned verb_of(const char *method, const struct http_query *query, bool named)
{
	int watch = 0;

	if (is_read(method)) {
		if (named)
			return API_GET;
		if (http_query_flag(query, "watch", &watch, NULL) < 0)
			watch = 0;
		return watch ? API_WATCH : API_LIST;
	}
	if (hc_streq(method, "POST"))
		return named ? 0 : API_CREATE;
	if (!named)
		return 0;
	if (hc_streq(method, "PUT"))
		return API_UPDATE;
	if (hc_streq(method, "PATCH"))
		return API_PATCH;
	return hc_streq(method, "DELETE") ? API_DELETE : 0;
}

static int find_subresource(const char *segment, struct api_route *route, unsigned *ret_allowed)
{
	for (size_t index = 0; index < HC_COUNT(subresources); index++) {
		if (hc_streq(segment, subresources[index].name) &&
			(route->kind->subresources & subresources[index].subresource)) {
			route->subresource = subresources[index].subresource;
			*ret_allowed = subresources[index].verbs;
			return 0;
		}
	}
	return 404;
}

/* rest: what follows group and version. */
static int find_objects(const char *method, const struct http_query *query, const char *group, size_t rest,
						struct api_route *route)
{
	size_t count = query->segment_count - rest;
	const char *const *segments = query->segments + rest;

	/* namespaces/NS/PLURAL… belongs to PLURAL; namespaces[/NAME] are objects themselves. */
	if (count >= 3 && hc_streq(segments[0], "namespaces") && find_plural(group, segments[2]) &&
		find_plural(group, segments[2])->namespaced) {
		route->namespace_name = segments[1];
		segments += 2;
		count -= 2;
	}
	route->kind = count > 0 ? find_plural(group, segments[0]) : NULL;
	if (!route->kind || count > 3)
		return 404;
	route->name = count > 1 ? segments[1] : NULL;
	unsigned allowed = route->kind->verbs;
	if (count == 3 && find_subresource(segments[2], route, &allowed))
		return 404;
	if (route->kind->namespaced && !route->namespace_name && route->name)
		return 404;
	unsigned verb = verb_of(method, query, route->name != NULL);
	if (!(verb & allowed))
		return 405;
	/* An object is made in a namespace. */
	if (verb == API_CREATE && route->kind->namespaced && !route->namespace_name)
		return 405;
	route->verb = verb;
	return 0;
}

size_t api_route_body_limit(const char *method, const char *target, size_t body_max)
{
	static const char path[] = "/" WEBHOOK_PATH;
	size_t length = strcspn(target, "?");
	bool webhook = hc_streq(method, "POST") && length == strlen(path) && memcmp(target, path, length) == 0;

	return webhook ? HC_LIMIT_WEBHOOK_BODY_BYTES : body_max;
}

int api_route_find(const char *method, const struct http_query *query, struct api_route *ret_route)
{
	struct api_route route = {.subresource = API_MAIN};
	int status = find_endpoint(method, query, &route);

	if (route.path)
		;
	else if (query->segment_count >= 3 && hc_streq(query->segments[0], "api") &&
			 hc_streq(query->segments[1], "v1"))
		status = find_objects(method, query, "", 2, &route);
	else if (query->segment_count >= 4 && hc_streq(query->segments[0], "apis") &&
			 hc_streq(query->segments[1], GROUP) && hc_streq(query->segments[2], "v1"))
		status = find_objects(method, query, GROUP, 3, &route);
	*ret_route = route;
	return status;
}
