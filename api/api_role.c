/* The table of rights, see the header. A token of one namespace never reaches beyond it, whatever its role;
 * that an object is absent or foreign to him looks the same to its bearer.
 *
 * Kinds, subresources and endpoints are looked up by switches without a default: one that has no row does not
 * compile. */
#include "api_role.h"

#include "base/clock.h"
#include "base/text.h"

/* Verbs of each role. */
struct rights {
	unsigned admin;
	unsigned developer;
	unsigned viewer;
};

#define ALL (API_READ | API_WRITE)

/* Beside what the kind does not offer to anybody (api_route.c). */
static struct rights rights_of_kind(enum store_kind kind)
{
	switch (kind) {
	case STORE_SERVICE:
		return (struct rights){ALL, ALL, API_READ};
	case STORE_DEPLOYMENT:
		return (struct rights){ALL, API_READ | API_DELETE, API_READ};
	case STORE_BUILD:
		return (struct rights){ALL, API_READ, API_READ};
	case STORE_EVENT:
		return (struct rights){ALL, API_READ, API_READ};
	case STORE_NAMESPACE:
		return (struct rights){ALL, API_READ, API_READ};
	case STORE_SECRET: /* the values are nobody's to read */
		return (struct rights){ALL, ALL, 0};
	case STORE_TOKEN:
		return (struct rights){ALL, 0, 0};
	case STORE_USER:
		return (struct rights){ALL, 0, 0};
	}
	return (struct rights){0};
}

/* What of the object's rights goes for a part of it. */
static unsigned verbs_of_subresource(enum api_subresource subresource)
{
	switch (subresource) {
	case API_MAIN:
	case API_SCALE:
	case API_STATUS:
		return ALL;
	case API_LOG:
		return API_READ;
	}
	return 0;
}

/* Endpoints without objects: the least role, and whether it has to reach all namespaces. */
struct gate {
	const char *role; /* NULL: any token */
	bool everywhere;
};

static struct gate gate_of(enum api_endpoint endpoint)
{
	switch (endpoint) {
	case API_OBJECTS:
	case API_HEALTHZ:
	case API_READYZ:
	case API_VERSION:
	case API_DISCOVERY:
	case API_OPENAPI:
	case API_REVIEW:  /* of the one who asks */
	case API_APPLY:   /* judges each document */
	case API_WEBHOOK: /* signed */
		return (struct gate){NULL, false};
	case API_DELIVERIES: /* they name repositories of every namespace */
		return (struct gate){"admin", true};
	}
	return (struct gate){"admin", true};
}

bool api_role_concerns(const struct api_identity *identity, const char *uid)
{
	return hc_streq(identity->uid, uid) || hc_streq(identity->user_uid, uid);
}

unsigned api_role_verbs(const char *role, enum store_kind kind, enum api_subresource subresource)
{
	struct rights rights = rights_of_kind(kind);
	unsigned verbs = hc_streq(role, "admin")       ? rights.admin
					 : hc_streq(role, "developer") ? rights.developer
					 : hc_streq(role, "viewer")    ? rights.viewer
												   : 0;

	return verbs & verbs_of_subresource(subresource);
}

static bool reaches(const struct api_identity *identity, const struct api_kind *kind, enum api_verb verb,
					const char *namespace_name, const char *name)
{
	if (!*identity->namespace_name)
		return true;
	if (kind->namespaced)
		return hc_streq(identity->namespace_name, namespace_name);
	/* Of what has no namespace, only its own namespace's object, to be read. */
	return kind->store_kind == STORE_NAMESPACE && verb == API_GET && hc_streq(identity->namespace_name, name);
}

bool api_role_may(const struct api_identity *identity, const struct api_kind *kind, enum api_verb verb,
				  const char *namespace_name, const char *name)
{
	return reaches(identity, kind, verb, namespace_name, name) &&
		   (api_role_verbs(identity->role, kind->store_kind, API_MAIN) & verb);
}

bool api_role_may_endpoint(const struct api_identity *identity, enum api_endpoint endpoint)
{
	struct gate gate = gate_of(endpoint);

	return !(gate.role && !hc_streq(gate.role, identity->role)) &&
		   !(gate.everywhere && *identity->namespace_name);
}

bool api_role_may_route(const struct api_identity *identity, const struct api_route *route)
{
	if (!api_role_may_endpoint(identity, route->endpoint))
		return false;
	if (route->endpoint != API_OBJECTS || !route->kind)
		return true;
	return reaches(identity, route->kind, route->verb, route->namespace_name, route->name) &&
		   (api_role_verbs(identity->role, route->kind->store_kind, route->subresource) & route->verb);
}

/* --- granting --- */

static bool is_wide(const json_t *token)
{
	return json_is_true(json_object_get(json_object_get(token, "spec"), "allNamespaces"));
}

static bool differs(const json_t *live, const json_t *object, const char *field)
{
	const json_t *before = json_object_get(json_object_get(live, "spec"), field);
	const json_t *after = json_object_get(json_object_get(object, "spec"), field);

	return before != after && !(before && after && json_equal(before, after));
}

static struct api_grant judge_new(const struct api_identity *identity, const json_t *object,
								  int64_t now_wall_ms)
{
	const json_t *spec = json_object_get(object, "spec");
	const char *expires = json_string_value(json_object_get(spec, "expiresAt"));
	int64_t expires_ms = 0;

	if (json_object_get(spec, "user") && *identity->namespace_name)
		return (struct api_grant){"only an administrator of all namespaces may make a User's token",
								  "spec.user", 403};
	if (expires && hc_clock_parse(expires, &expires_ms) == 0 && expires_ms <= now_wall_ms)
		return (struct api_grant){"must be in the future", "spec.expiresAt", 422};
	return (struct api_grant){0};
}

struct api_grant api_role_grant(const struct api_identity *identity, const json_t *live, const json_t *object,
								int64_t now_wall_ms)
{
	/* What a token is good for is fixed: who knows its text must not find it grown. */
	static const struct {
		const char *name;
		const char *path;
	} fixed[] = {{"role", "spec.role"}, {"allNamespaces", "spec.allNamespaces"}, {"user", "spec.user"}};

	if (*identity->namespace_name && (is_wide(live) || is_wide(object)))
		return (struct api_grant){
			"it is good for all namespaces: only an administrator of all of them may make, change or revoke "
			"it",
			"spec.allNamespaces", 403};
	if (!live)
		return judge_new(identity, object, now_wall_ms);
	for (size_t index = 0; object && index < HC_COUNT(fixed); index++)
		if (differs(live, object, fixed[index].name))
			return (struct api_grant){"can't be changed: make another token and revoke this one",
									  fixed[index].path, 422};
	return (struct api_grant){0};
}
