/* See the header. */
#include "api_review.h"

#include "base/text.h"
#include <string.h>

#define ANY "*"

static const enum api_verb verbs[] = {API_GET,    API_LIST,  API_WATCH, API_CREATE,
									  API_UPDATE, API_PATCH, API_DELETE};

/* What everyone with a token may read. */
static const char *const open_paths[] = {"/api",   "/api/*",     "/apis",   "/apis/*", "/healthz",
										 "/livez", "/openapi/*", "/readyz", "/version"};

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* --- may I? --- */

static unsigned verbs_of_text(const char *text)
{
	unsigned all = 0;

	for (size_t index = 0; index < HC_COUNT(verbs); index++) {
		if (strcmp(text, api_verb_text(verbs[index])) == 0)
			return verbs[index];
		all |= verbs[index];
	}
	return strcmp(text, ANY) == 0 ? all : 0;
}

/* What would become of a request: the same question as the one that decides. */
static bool may(const struct api_identity *identity, const struct api_kind *kind, enum api_subresource part,
				enum api_verb verb, const char *namespace_name, const char *name)
{
	struct api_route route = {.endpoint = API_OBJECTS,
							  .kind = kind,
							  .verb = verb,
							  .subresource = part,
							  .namespace_name = kind->namespaced ? namespace_name : NULL,
							  .name = name};

	return api_role_may_route(identity, &route);
}

/* Verbs that a part has, whoever asks; 0: the kind has none of that name. "*" is the object itself. */
static unsigned part_of(const struct api_kind *kind, const char *wanted, enum api_subresource *ret_part)
{
	const char *name = NULL;
	unsigned found;

	*ret_part = API_MAIN;
	if (!*wanted || strcmp(wanted, ANY) == 0)
		return API_READ | API_WRITE;
	for (size_t index = 0; (found = api_subresource_at(index, &name, ret_part)) != 0; index++)
		if (strcmp(name, wanted) == 0 && (kind->subresources & *ret_part))
			return found;
	return 0;
}

static bool may_kind(const struct api_identity *identity, const struct api_kind *kind,
					 const json_t *attributes)
{
	const char *namespace_name = text_of(attributes, "namespace"), *name = text_of(attributes, "name");
	unsigned wanted = verbs_of_text(text_of(attributes, "verb"));
	enum api_subresource part;

	if (wanted == 0 || (wanted & part_of(kind, text_of(attributes, "subresource"), &part)) != wanted)
		return false;
	for (size_t index = 0; index < HC_COUNT(verbs); index++)
		if ((wanted & verbs[index]) && !may(identity, kind, part, verbs[index],
											*namespace_name ? namespace_name : NULL, *name ? name : NULL))
			return false;
	return true;
}

static bool may_resource(const struct api_identity *identity, const json_t *attributes)
{
	const char *group = text_of(attributes, "group"), *resource = text_of(attributes, "resource");
	size_t asked = 0;

	for (size_t index = 0; api_kind_at(index); index++) {
		const struct api_kind *kind = api_kind_at(index);
		if ((strcmp(resource, ANY) != 0 && strcmp(resource, kind->plural) != 0) ||
			(strcmp(group, ANY) != 0 && strcmp(group, kind->group) != 0))
			continue;
		if (!may_kind(identity, kind, attributes))
			return false;
		asked++;
	}
	return asked > 0;
}

static bool may_path(const json_t *attributes)
{
	const char *path = text_of(attributes, "path");

	if (strcmp(text_of(attributes, "verb"), "get") != 0)
		return false;
	for (size_t index = 0; index < HC_COUNT(open_paths); index++) {
		size_t length = strlen(open_paths[index]);
		bool below = open_paths[index][length - 1] == '*';
		if (below ? strncmp(path, open_paths[index], length - 1) == 0 : strcmp(path, open_paths[index]) == 0)
			return true;
	}
	return false;
}

static json_t *access_status(const struct api_identity *identity, const json_t *spec, struct hc_error *err)
{
	const json_t *resource = json_object_get(spec, "resourceAttributes");
	const json_t *path = json_object_get(spec, "nonResourceAttributes");

	if (json_is_object(resource) == json_is_object(path)) {
		(void)hc_fail(err, HC_INVALID,
					  "spec.resourceAttributes: Required value: exactly one of nonResourceAttributes or "
					  "resourceAttributes must be specified");
		return NULL;
	}
	bool allowed = resource ? may_resource(identity, resource) : may_path(path);
	HC_AUTO_TEXT reason = {0};
	hc_text_printf(&reason, "the role of \"%s\" is %s%s%s", identity->name, identity->role,
				   *identity->namespace_name ? " of namespace " : "", identity->namespace_name);
	return json_pack("{s:b, s:s}", "allowed", allowed, "reason", hc_text_string(&reason));
}

/* --- what may I? --- */

static void add_rule(json_t *rules, const struct api_identity *identity, const struct api_kind *kind,
					 const char *namespace_name)
{
	json_t *allowed = json_array();

	/* An object of any name; of namespaces, the one that is asked about. */
	const char *name = kind->namespaced ? NULL : namespace_name;
	for (size_t index = 0; index < HC_COUNT(verbs); index++)
		if ((kind->verbs & verbs[index]) && may(identity, kind, API_MAIN, verbs[index], namespace_name, name))
			json_array_append_new(allowed, json_string(api_verb_text(verbs[index])));
	if (json_array_size(allowed))
		json_array_append_new(rules, json_pack("{s:O, s:[s], s:[s]}", "verbs", allowed, "apiGroups",
											   kind->group, "resources", kind->plural));
	json_decref(allowed);
}

static json_t *rules_status(const struct api_identity *identity, const json_t *spec)
{
	const char *namespace_name = text_of(spec, "namespace");
	json_t *rules = json_array(), *paths = json_array();

	for (size_t index = 0; api_kind_at(index); index++)
		add_rule(rules, identity, api_kind_at(index), *namespace_name ? namespace_name : "default");
	for (size_t index = 0; index < HC_COUNT(open_paths); index++)
		json_array_append_new(paths, json_string(open_paths[index]));
	return json_pack("{s:o, s:[{s:[s], s:o}], s:b}", "resourceRules", rules, "nonResourceRules", "verbs",
					 "get", "nonResourceURLs", paths, "incomplete", 0);
}

/* --- who am I? --- */

static json_t *subject_status(const struct api_identity *identity)
{
	HC_AUTO_TEXT group = {0};

	hc_text_printf(&group, "helvetia:%s", identity->role);
	return json_pack("{s:{s:s, s:s, s:[s]}}", "userInfo", "username", identity->name, "uid",
					 identity->uid ? identity->uid : "", "groups", hc_text_string(&group));
}

json_t *api_review_answer(const char *path, const struct api_identity *identity, const json_t *body,
						  struct hc_error *err)
{
	static const struct {
		const char *ending;
		const char *kind;
		const char *api_version;
	} rows[] = {
		{"/selfsubjectaccessreviews", "SelfSubjectAccessReview", "authorization.k8s.io/v1"},
		{"/selfsubjectrulesreviews", "SelfSubjectRulesReview", "authorization.k8s.io/v1"},
		{"/selfsubjectreviews", "SelfSubjectReview", "authentication.k8s.io/v1"},
	};
	const json_t *spec = json_object_get(body, "spec");
	json_t *status = NULL;
	size_t row = 0;

	while (row + 1 < HC_COUNT(rows) && !hc_ends_with(path, rows[row].ending))
		row++;
	if (!hc_streq(text_of(body, "kind"), rows[row].kind)) {
		(void)hc_fail(err, HC_INVALID, "kind: the body must be a %s", rows[row].kind);
		return NULL;
	}
	if (row == 0)
		status = access_status(identity, spec, err);
	else
		status = row == 1 ? rules_status(identity, spec) : subject_status(identity);
	if (!status)
		return NULL;
	return json_pack("{s:s, s:s, s:{}, s:O*, s:o}", "kind", rows[row].kind, "apiVersion",
					 rows[row].api_version, "metadata", "spec", spec, "status", status);
}
