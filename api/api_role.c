/* The table of rights, see the header. A token of one namespace never reaches beyond it, whatever its role;
 * that an object is absent or foreign to him looks the same to its bearer. */
#include "api_role.h"

#include "base/text.h"

#define BIT(kind) (1U << (kind))
#define TENANT (BIT(STORE_SERVICE) | BIT(STORE_DEPLOYMENT) | BIT(STORE_BUILD) | BIT(STORE_EVENT))
#define EVERYTHING ((1U << STORE_KIND_COUNT) - 1)

static const struct {
	const char *role;
	unsigned kinds;
	unsigned verbs;
} rights[] = {
	{"admin", EVERYTHING, API_READ | API_WRITE},   {"developer", TENANT, API_READ},
	{"developer", BIT(STORE_SERVICE), API_WRITE},  {"developer", BIT(STORE_DEPLOYMENT), API_DELETE},
	{"developer", BIT(STORE_NAMESPACE), API_READ}, {"viewer", TENANT | BIT(STORE_NAMESPACE), API_READ},
};

/* Endpoints that are not for everyone with a token. */
static const struct {
	enum api_endpoint endpoint;
	const char *role; /* over all namespaces */
} endpoints[] = {
	{API_DELIVERIES, "admin"}, /* they name repositories of every namespace */
};

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
	if (!reaches(identity, kind, verb, namespace_name, name))
		return false;
	for (size_t index = 0; index < HC_COUNT(rights); index++)
		if (hc_streq(rights[index].role, identity->role) && (rights[index].kinds & BIT(kind->store_kind)) &&
			(rights[index].verbs & verb))
			return true;
	return false;
}

bool api_role_may_endpoint(const struct api_identity *identity, enum api_endpoint endpoint)
{
	for (size_t index = 0; index < HC_COUNT(endpoints); index++)
		if (endpoints[index].endpoint == endpoint &&
			(*identity->namespace_name || !hc_streq(endpoints[index].role, identity->role)))
			return false;
	return true;
}
