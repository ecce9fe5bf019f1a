/* See the header. The aggregated form groups subresources below their resource; the plain one lists both. */
#include "api_discovery.h"

#include "base/alloc.h"
#include "base/text.h"
#include "schema/schema.h"
#include <string.h>

#define HELVETIA "helvetia.cloud"
#define AUTHORIZATION "authorization.k8s.io"
#define AUTHENTICATION "authentication.k8s.io"

/* The order is kubectl's tie-break, behind the core. */
static const char *const groups[] = {HELVETIA, AUTHENTICATION, AUTHORIZATION};

/* Questions that are answered and never stored. */
static const struct {
	const char *group;
	const char *plural;
	const char *singular;
	const char *kind;
} reviews[] = {
	{AUTHENTICATION, "selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview"},
	{AUTHORIZATION, "selfsubjectaccessreviews", "selfsubjectaccessreview", "SelfSubjectAccessReview"},
	{AUTHORIZATION, "selfsubjectrulesreviews", "selfsubjectrulesreview", "SelfSubjectRulesReview"},
};

/* --- parts --- */

static json_t *verbs_json(unsigned verbs)
{
	/* As Kubernetes lists them, by alphabet. */
	static const enum api_verb order[] = {API_CREATE, API_DELETE, API_GET,  API_LIST,
										  API_PATCH,  API_UPDATE, API_WATCH};
	json_t *list = json_array();

	for (size_t index = 0; index < HC_COUNT(order); index++)
		if (verbs & order[index])
			json_array_append_new(list, json_string(api_verb_text(order[index])));
	return list;
}

static const json_t *names_of(const struct api_kind *kind)
{
	const struct schema_kind *schema = schema_kind_find(kind->api_version, kind->kind);
	const json_t *definition = schema ? schema_kind_definition(schema) : NULL;

	return json_object_get(json_object_get(definition, "spec"), "names");
}

/* Members of both forms; an empty list is left out. */
static void add_names(const struct api_kind *kind, json_t *row)
{
	static const char *const lists[] = {"shortNames", "categories"};
	const json_t *names = names_of(kind);

	for (size_t index = 0; index < HC_COUNT(lists); index++) {
		json_t *list = json_object_get(names, lists[index]);
		if (json_array_size(list))
			json_object_set(row, lists[index], list);
	}
}

static const char *singular_of(const struct api_kind *kind)
{
	const char *singular = json_string_value(json_object_get(names_of(kind), "singular"));

	return singular ? singular : "";
}

struct subresource {
	const char *name;
	const char *group; /* of what it answers */
	const char *version;
	const char *kind;
	unsigned verbs;
};

/* The next subresource of a kind; *at counts through the table. */
static bool next_subresource(const struct api_kind *kind, size_t *at, struct subresource *ret_row)
{
	enum api_subresource which;
	unsigned verbs;
	const char *name;

	while ((verbs = api_subresource_at((*at)++, &name, &which)) != 0) {
		if (!(kind->subresources & which))
			continue;
		*ret_row = (struct subresource){name, kind->group, "v1", kind->kind, verbs};
		if (which == API_SCALE) {
			ret_row->group = "autoscaling";
			ret_row->kind = "Scale";
		}
		return true;
	}
	return false;
}

/* --- the plain form --- */

static void add_rows(const struct api_kind *kind, json_t *rows)
{
	struct subresource sub;
	size_t at = 0;
	json_t *row = json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", kind->plural, "singularName",
							singular_of(kind), "namespaced", kind->namespaced, "kind", kind->kind, "verbs",
							verbs_json(kind->verbs));

	add_names(kind, row);
	json_array_append_new(rows, row);
	while (next_subresource(kind, &at, &sub)) {
		HC_AUTO_FREE name = hc_xprintf("%s/%s", kind->plural, sub.name);
		row = json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", name, "singularName", "", "namespaced",
						kind->namespaced, "kind", sub.kind, "verbs", verbs_json(sub.verbs));
		if (strcmp(sub.group, kind->group) != 0) {
			json_object_set_new(row, "group", json_string(sub.group));
			json_object_set_new(row, "version", json_string(sub.version));
		}
		json_array_append_new(rows, row);
	}
}

static json_t *resources_json(const char *group)
{
	json_t *rows = json_array();

	for (size_t index = 0; api_kind_at(index); index++)
		if (hc_streq(api_kind_at(index)->group, group))
			add_rows(api_kind_at(index), rows);
	for (size_t index = 0; index < HC_COUNT(reviews); index++)
		if (hc_streq(reviews[index].group, group))
			json_array_append_new(rows,
								  json_pack("{s:s, s:s, s:b, s:s, s:[s]}", "name", reviews[index].plural,
											"singularName", reviews[index].singular, "namespaced", 0, "kind",
											reviews[index].kind, "verbs", "create"));
	HC_AUTO_FREE version = *group ? hc_xprintf("%s/v1", group) : hc_xstrdup("v1");
	return json_pack("{s:s, s:s, s:s, s:o}", "kind", "APIResourceList", "apiVersion", "v1", "groupVersion",
					 version, "resources", rows);
}

static json_t *group_json(const char *group)
{
	HC_AUTO_FREE version = hc_xprintf("%s/v1", group);

	return json_pack("{s:s, s:[{s:s, s:s}], s:{s:s, s:s}}", "name", group, "versions", "groupVersion",
					 version, "version", "v1", "preferredVersion", "groupVersion", version, "version", "v1");
}

static json_t *groups_json(void)
{
	json_t *list = json_array();

	for (size_t index = 0; index < HC_COUNT(groups); index++)
		json_array_append_new(list, group_json(groups[index]));
	return json_pack("{s:s, s:s, s:o}", "kind", "APIGroupList", "apiVersion", "v1", "groups", list);
}

static json_t *plain(const char *path)
{
	static const char prefix[] = "apis/";
	const char *group = path + strlen(prefix);

	if (hc_streq(path, "api"))
		return json_pack("{s:s, s:[s], s:[]}", "kind", "APIVersions", "versions", "v1",
						 "serverAddressByClientCIDRs");
	if (hc_streq(path, "api/v1"))
		return resources_json("");
	if (hc_streq(path, "apis"))
		return groups_json();
	for (size_t index = 0; index < HC_COUNT(groups); index++) {
		size_t length = strlen(groups[index]);
		if (strncmp(group, groups[index], length) != 0)
			continue;
		if (group[length] == '/')
			return resources_json(groups[index]);
		json_t *one = group_json(groups[index]);
		json_object_set_new(one, "kind", json_string("APIGroup"));
		json_object_set_new(one, "apiVersion", json_string("v1"));
		return one;
	}
	return json_object();
}

/* --- the aggregated form --- */

static json_t *response_kind(const char *group, const char *version, const char *kind)
{
	return json_pack("{s:s, s:s, s:s}", "group", group, "version", version, "kind", kind);
}

static json_t *aggregated_resource(const struct api_kind *kind)
{
	struct subresource sub;
	size_t at = 0;
	json_t *subresources = json_array();
	json_t *row = json_pack("{s:s, s:o, s:s, s:s, s:o}", "resource", kind->plural, "responseKind",
							response_kind(kind->group, "v1", kind->kind), "scope",
							kind->namespaced ? "Namespaced" : "Cluster", "singularResource",
							singular_of(kind), "verbs", verbs_json(kind->verbs));

	add_names(kind, row);
	while (next_subresource(kind, &at, &sub))
		json_array_append_new(subresources,
							  json_pack("{s:s, s:o, s:o}", "subresource", sub.name, "responseKind",
										response_kind(sub.group, sub.version, sub.kind), "verbs",
										verbs_json(sub.verbs)));
	if (json_array_size(subresources))
		json_object_set(row, "subresources", subresources);
	json_decref(subresources);
	return row;
}

static json_t *aggregated_group(const char *group)
{
	json_t *rows = json_array();

	for (size_t index = 0; api_kind_at(index); index++)
		if (hc_streq(api_kind_at(index)->group, group))
			json_array_append_new(rows, aggregated_resource(api_kind_at(index)));
	for (size_t index = 0; index < HC_COUNT(reviews); index++)
		if (hc_streq(reviews[index].group, group))
			json_array_append_new(
				rows, json_pack("{s:s, s:o, s:s, s:s, s:[s]}", "resource", reviews[index].plural,
								"responseKind", response_kind(group, "v1", reviews[index].kind), "scope",
								"Cluster", "singularResource", reviews[index].singular, "verbs", "create"));
	json_t *metadata = *group ? json_pack("{s:s}", "name", group) : json_object();
	return json_pack("{s:o, s:[{s:s, s:o, s:s}]}", "metadata", metadata, "versions", "version", "v1",
					 "resources", rows, "freshness", "Current");
}

static json_t *aggregated(const char *path, const char *version)
{
	json_t *items = json_array();
	HC_AUTO_FREE api_version = hc_xprintf("apidiscovery.k8s.io/%s", version);

	if (hc_streq(path, "api"))
		json_array_append_new(items, aggregated_group(""));
	else
		for (size_t index = 0; index < HC_COUNT(groups); index++)
			json_array_append_new(items, aggregated_group(groups[index]));
	return json_pack("{s:s, s:s, s:{}, s:o}", "kind", "APIGroupDiscoveryList", "apiVersion", api_version,
					 "metadata", "items", items);
}

char *api_discovery_json(const char *path, const struct api_accept *accept, const char **ret_content_type)
{
	static const char v2[] = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
	static const char v2beta1[] = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
	bool both = hc_streq(path, "api") || hc_streq(path, "apis");
	bool aggregate = both && accept->form == API_FORM_DISCOVERY;
	json_t *document = aggregate ? aggregated(path, accept->version) : plain(path);

	*ret_content_type = !aggregate ? NULL : hc_streq(accept->version, "v2") ? v2 : v2beta1;
	char *text = json_dumps(document, JSON_COMPACT);
	json_decref(document);
	return text;
}
