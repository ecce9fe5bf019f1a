/* See the header. One document for each group and version: a path and its operations for each kind that is
 * served, and the kind's schema as a component. Nobody may be offered a strategic merge patch here, or
 * clients send one. */
#include "api_openapi.h"

#include "api_route.h"
#include "base/alloc.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "schema/schema.h"
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *path; /* of the route */
	const char *root; /* of the paths in it */
	const char *group;
	const char *component; /* prefix of the names of schemas */
} documents[] = {
	{"openapi/v3/api/v1", "api/v1", "", "io.k8s.api.core.v1"},
	{"openapi/v3/apis/helvetia.cloud/v1", "apis/helvetia.cloud/v1", "helvetia.cloud", "cloud.helvetia.v1"},
};

struct api_openapi {
	char *index;
	char *texts[HC_COUNT(documents)];
	char hashes[HC_COUNT(documents)][CRYPTO_SHA256_HEX_SIZE];
};

/* What a verb's operation looks like. kubectl reads parameters of patch to learn what the server understands.
 */
static const struct {
	enum api_verb verb;
	const char *method;
	const char *action; /* x-kubernetes-action */
	const char *parameters;
	bool collection;
} operations[] = {
	{API_LIST, "get", "list",
	 "labelSelector fieldSelector limit continue resourceVersion watch allowWatchBookmarks sendInitialEvents "
	 "timeoutSeconds",
	 true},
	{API_CREATE, "post", "post", "dryRun fieldManager fieldValidation", true},
	{API_GET, "get", "get", "", false},
	{API_UPDATE, "put", "put", "dryRun fieldManager fieldValidation", false},
	{API_PATCH, "patch", "patch", "dryRun fieldManager fieldValidation force", false},
	{API_DELETE, "delete", "delete", "dryRun gracePeriodSeconds propagationPolicy", false},
};

static const struct {
	const char *name;
	const char *type;
} parameter_types[] = {
	{"limit", "integer"},
	{"timeoutSeconds", "integer"},
	{"gracePeriodSeconds", "integer"},
	{"force", "boolean"},
	{"watch", "boolean"},
	{"allowWatchBookmarks", "boolean"},
	{"sendInitialEvents", "boolean"},
};

static const char *type_of(const char *parameter)
{
	for (size_t index = 0; index < HC_COUNT(parameter_types); index++)
		if (strcmp(parameter_types[index].name, parameter) == 0)
			return parameter_types[index].type;
	return "string";
}

static json_t *parameters_json(const char *names)
{
	json_t *list = json_array();

	for (const char *at = names; *at;) {
		size_t length = strcspn(at, " ");
		char name[64] = {0};
		memcpy(name, at, length < sizeof(name) ? length : sizeof(name) - 1);
		json_array_append_new(list, json_pack("{s:s, s:s, s:{s:s}}", "name", name, "in", "query", "schema",
											  "type", type_of(name)));
		at += length;
		at += strspn(at, " ");
	}
	return list;
}

static json_t *path_parameter(const char *name)
{
	return json_pack("{s:s, s:s, s:b, s:{s:s}}", "name", name, "in", "path", "required", 1, "schema", "type",
					 "string");
}

static json_t *gvk_json(const struct api_kind *kind)
{
	return json_pack("{s:s, s:s, s:s}", "group", kind->group, "version", "v1", "kind", kind->kind);
}

static json_t *content_json(enum api_verb verb, const char *component)
{
	static const char *const patches[] = {"application/json-patch+json", "application/merge-patch+json",
										  "application/apply-patch+yaml"};
	HC_AUTO_FREE reference = hc_xprintf("#/components/schemas/%s", component);
	json_t *content = json_object();

	if (verb == API_PATCH)
		for (size_t index = 0; index < HC_COUNT(patches); index++)
			json_object_set_new(content, patches[index], json_pack("{s:{}}", "schema"));
	else
		json_object_set_new(content, "application/json", json_pack("{s:{s:s}}", "schema", "$ref", reference));
	return json_pack("{s:o}", "content", content);
}

static json_t *operation_json(size_t row, const struct api_kind *kind, const char *component)
{
	HC_AUTO_FREE reference = hc_xprintf("#/components/schemas/%s", component);
	enum api_verb verb = operations[row].verb;
	json_t *operation = json_pack("{s:o, s:s, s:o, s:{s:{s:s, s:{s:{s:{s:s}}}}}}", "parameters",
								  parameters_json(operations[row].parameters), "x-kubernetes-action",
								  operations[row].action, "x-kubernetes-group-version-kind", gvk_json(kind),
								  "responses", "200", "description", "OK", "content", "application/json",
								  "schema", "$ref", reference);

	if (verb == API_CREATE || verb == API_UPDATE || verb == API_PATCH)
		json_object_set_new(operation, "requestBody", content_json(verb, component));
	return operation;
}

static void add_path(json_t *paths, const char *root, const struct api_kind *kind, const char *component,
					 bool collection)
{
	HC_AUTO_FREE path = hc_xprintf("/%s%s/%s%s", root, kind->namespaced ? "/namespaces/{namespace}" : "",
								   kind->plural, collection ? "" : "/{name}");
	json_t *item = json_object();
	json_t *parameters = json_array();

	for (size_t row = 0; row < HC_COUNT(operations); row++)
		if (operations[row].collection == collection && (kind->verbs & operations[row].verb))
			json_object_set_new(item, operations[row].method, operation_json(row, kind, component));
	if (kind->namespaced)
		json_array_append_new(parameters, path_parameter("namespace"));
	if (!collection)
		json_array_append_new(parameters, path_parameter("name"));
	json_object_set_new(item, "parameters", parameters);
	json_object_set_new(paths, path, item);
}

static char *document_text(size_t number)
{
	json_t *paths = json_object(), *schemas = json_object();

	for (size_t index = 0; api_kind_at(index); index++) {
		const struct api_kind *kind = api_kind_at(index);
		const struct schema_kind *schema = schema_kind_find(kind->api_version, kind->kind);
		if (!schema || strcmp(kind->group, documents[number].group) != 0)
			continue;
		HC_AUTO_FREE component = hc_xprintf("%s.%s", documents[number].component, kind->kind);
		json_t *described = json_deep_copy(schema_kind_openapi(schema));
		json_object_set_new(described, "x-kubernetes-group-version-kind", json_pack("[o]", gvk_json(kind)));
		json_object_set_new(schemas, component, described);
		add_path(paths, documents[number].root, kind, component, true);
		add_path(paths, documents[number].root, kind, component, false);
	}
	json_t *document = json_pack("{s:s, s:{s:s, s:s}, s:o, s:{s:o}}", "openapi", "3.0.0", "info", "title",
								 "Helvetia Cloud", "version", "v1", "paths", paths, "components", "schemas",
								 schemas);
	char *text = json_dumps(document, JSON_COMPACT);
	json_decref(document);
	return text;
}

struct api_openapi *api_openapi_new(void)
{
	struct api_openapi *openapi = hc_xalloc(sizeof(*openapi));
	json_t *paths = json_object();

	for (size_t index = 0; index < HC_COUNT(documents); index++) {
		char *text = openapi->texts[index] = document_text(index);
		crypto_sha256_hex(text, strlen(text), openapi->hashes[index]);
		HC_AUTO_FREE url = hc_xprintf("/%s?hash=%s", documents[index].path, openapi->hashes[index]);
		json_object_set_new(paths, documents[index].root, json_pack("{s:s}", "serverRelativeURL", url));
	}
	json_t *all = json_pack("{s:o}", "paths", paths);
	openapi->index = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	return openapi;
}

void api_openapi_free(struct api_openapi *openapi)
{
	if (!openapi)
		return;
	for (size_t index = 0; index < HC_COUNT(documents); index++)
		free(openapi->texts[index]);
	free(openapi->index);
	free(openapi);
}

const char *api_openapi_document(const struct api_openapi *openapi, const char *path, const char **ret_hash)
{
	*ret_hash = NULL;
	for (size_t index = 0; index < HC_COUNT(documents); index++) {
		if (strcmp(documents[index].path, path) != 0)
			continue;
		*ret_hash = openapi->hashes[index];
		return openapi->texts[index];
	}
	return openapi->index;
}
