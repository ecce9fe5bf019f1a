/* Accept headers, discovery in both forms, and the OpenAPI documents. */
#include "cmocka_all.h"

#include "api/api_discovery.h"
#include "api/api_openapi.h"
#include "base/text.h"
#include "schema/schema.h"
#include <stdlib.h>
#include <string.h>

#define TABLE "application/json;as=Table;v=v1;g=meta.k8s.io"
#define DISCOVERY(version) "application/json;g=apidiscovery.k8s.io;v=" version ";as=APIGroupDiscoveryList"

static const struct {
	const char *accept;
	enum api_form form;
	const char *version;
} accepts[] = {
	{NULL, API_FORM_OBJECT, ""},
	{"", API_FORM_OBJECT, ""},
	{"*/*", API_FORM_OBJECT, ""},
	{"application/json", API_FORM_OBJECT, ""},
	{"text/html, application/xml;q=0.9", API_FORM_OBJECT, ""},
	{TABLE ",application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", API_FORM_TABLE, "v1"},
	{"application/json;as=Table;v=v1beta1;g=meta.k8s.io", API_FORM_OBJECT, ""},
	{" Application/JSON ; as = Table ; g=meta.k8s.io ; v=v1 ", API_FORM_TABLE, "v1"},
	{"application/json;as=Table;v=v9;g=meta.k8s.io," TABLE, API_FORM_TABLE, "v1"},
	{"application/json;as=Table;v=v1;g=other," TABLE, API_FORM_TABLE, "v1"},
	{"application/json," TABLE, API_FORM_OBJECT, ""},
	{"application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io," TABLE, API_FORM_TABLE, "v1"},
	{"application/vnd.kubernetes.protobuf, */*", API_FORM_OBJECT, ""},
	{"application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", API_FORM_PARTIAL, "v1"},
	{"application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", API_FORM_PARTIAL, "v1"},
	{DISCOVERY("v2") "," DISCOVERY("v2beta1") ",application/json", API_FORM_DISCOVERY, "v2"},
	{DISCOVERY("v2beta1") ",application/json", API_FORM_DISCOVERY, "v2beta1"},
	{"application/json;as", API_FORM_OBJECT, ""},
	{";;;,,,=", API_FORM_OBJECT, ""},
};

static void accepts_are_read(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(accepts); index++) {
		struct api_accept accept;
		api_accept_parse(accepts[index].accept, &accept);
		if (accept.form != accepts[index].form || strcmp(accept.version, accepts[index].version) != 0)
			fail_msg("%s: form %d version %s", accepts[index].accept, accept.form, accept.version);
	}
}

/* Caller owns the reference. */
static json_t *discovered(const char *path, const char *header, const char **ret_type)
{
	struct api_accept accept;

	api_accept_parse(header, &accept);
	char *text = api_discovery_json(path, &accept, ret_type);
	json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	assert_non_null(document);
	return document;
}

static const json_t *named(const json_t *list, const char *key, const char *value)
{
	const json_t *item;
	size_t index;

	json_array_foreach(list, index, item)
	{
		if (hc_streq(json_string_value(json_object_get(item, key)), value))
			return item;
	}
	fail_msg("no %s %s", key, value);
	return NULL;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "(none)";
}

static void plain_form_lists_resources(void **state)
{
	const char *type = "";
	json_t *versions = discovered("api", NULL, &type);
	json_t *groups = discovered("apis", NULL, &type);
	json_t *list = discovered("apis/helvetia.cloud/v1", NULL, &type);
	json_t *group = discovered("apis/helvetia.cloud", NULL, &type);

	(void)state;
	assert_null(type);
	assert_string_equal(text_of(versions, "kind"), "APIVersions");
	assert_string_equal(text_of(groups, "kind"), "APIGroupList");
	assert_string_equal(text_of(json_array_get(json_object_get(groups, "groups"), 0), "name"),
						"helvetia.cloud");
	assert_string_equal(text_of(group, "kind"), "APIGroup");
	assert_string_equal(text_of(list, "groupVersion"), "helvetia.cloud/v1");
	const json_t *rows = json_object_get(list, "resources");
	const json_t *services = named(rows, "name", "services");
	assert_string_equal(text_of(services, "singularName"), "service");
	assert_true(json_is_true(json_object_get(services, "namespaced")));
	assert_string_equal(json_string_value(json_array_get(json_object_get(services, "shortNames"), 0)), "svc");
	assert_int_equal(json_array_size(json_object_get(services, "verbs")), 7);
	const json_t *scale = named(rows, "name", "services/scale");
	assert_string_equal(text_of(scale, "group"), "autoscaling");
	assert_string_equal(text_of(scale, "kind"), "Scale");
	assert_true(json_is_false(json_object_get(named(rows, "name", "users"), "namespaced")));
	json_decref(versions);
	json_decref(groups);
	json_decref(list);
	json_decref(group);
}

static void aggregated_form_holds_the_same(void **state)
{
	const char *type = NULL;
	json_t *document = discovered("apis", DISCOVERY("v2"), &type);
	const json_t *items = json_object_get(document, "items");

	(void)state;
	assert_string_equal(type, DISCOVERY("v2"));
	assert_string_equal(text_of(document, "apiVersion"), "apidiscovery.k8s.io/v2");
	const json_t *group = json_array_get(items, 0);
	assert_string_equal(text_of(json_object_get(group, "metadata"), "name"), "helvetia.cloud");
	const json_t *version = json_array_get(json_object_get(group, "versions"), 0);
	const json_t *services = named(json_object_get(version, "resources"), "resource", "services");
	assert_string_equal(text_of(services, "scope"), "Namespaced");
	const json_t *scale = named(json_object_get(services, "subresources"), "subresource", "scale");
	assert_string_equal(text_of(json_object_get(scale, "responseKind"), "group"), "autoscaling");
	json_decref(document);
	/* Only the two roots have it. */
	document = discovered("apis/helvetia.cloud/v1", DISCOVERY("v2"), &type);
	assert_null(type);
	assert_string_equal(text_of(document, "kind"), "APIResourceList");
	json_decref(document);
}

static void openapi_describes_every_kind(void **state)
{
	struct api_openapi *openapi = api_openapi_new();
	const char *hash = NULL;
	json_t *index = json_loads(api_openapi_document(openapi, "openapi/v3", &hash), 0, NULL);

	(void)state;
	assert_null(hash);
	for (size_t number = 0; api_kind_at(number); number++) {
		const struct api_kind *kind = api_kind_at(number);
		bool core = !*kind->group;
		const char *root = core ? "api/v1" : "apis/helvetia.cloud/v1";
		const char *text = api_openapi_document(
			openapi, core ? "openapi/v3/api/v1" : "openapi/v3/apis/helvetia.cloud/v1", &hash);
		const char *url = text_of(json_object_get(json_object_get(index, "paths"), root),
								  "serverRelativeURL");
		assert_non_null(strstr(url, hash));
		assert_null(strstr(text, "strategic"));
		json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
		HC_AUTO_TEXT name = {0};
		hc_text_printf(&name, "%s.%s", core ? "io.k8s.api.core.v1" : "cloud.helvetia.v1", kind->kind);
		const json_t *schema = json_object_get(
			json_object_get(json_object_get(document, "components"), "schemas"), hc_text_string(&name));
		const json_t *gvk = json_array_get(json_object_get(schema, "x-kubernetes-group-version-kind"), 0);
		assert_string_equal(text_of(gvk, "kind"), kind->kind);
		json_decref(document);
	}
	json_decref(index);
	api_openapi_free(openapi);
}

static int load(void **state)
{
	struct hc_error err = {0};

	(void)state;
	return schema_load(&err);
}

static int unload(void **state)
{
	(void)state;
	schema_unload();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_are_read),
		cmocka_unit_test(plain_form_lists_resources),
		cmocka_unit_test(aggregated_form_holds_the_same),
		cmocka_unit_test(openapi_describes_every_kind),
	};
	return cmocka_run_group_tests(tests, load, unload);
}
