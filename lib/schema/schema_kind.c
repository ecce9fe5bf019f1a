/* The registry of kinds: the embedded files, parsed and compiled once by schema_load(), read-only until
 * schema_unload(). */
#include "schema_internal.h"

#include "base/alloc.h"
#include <stdlib.h>
#include <string.h>

struct schema_kind {
	json_t *definition; /* the whole CustomResourceDefinition; owned */
	json_t *schema;     /* its openAPIV3Schema with Kubernetes' ObjectMeta in it; owned */
	struct schema_node *node;
	const char *group; /* texts are borrowed from the definition */
	const char *name;
	const char *plural;
	char *api_version;
	bool namespaced;
};

static struct schema_kind kinds[SCHEMA_KIND_COUNT];
static bool loaded;

static int read_file(const struct schema_file *file, json_t **ret_value, struct hc_error *err)
{
	struct schema_documents documents = {0};
	if (schema_documents_parse(file->text, (size_t)(file->end - file->text), &documents, err) < 0)
		return -1;
	int result = 0;
	if (documents.count == 1)
		*ret_value = json_incref(documents.items[0].value);
	else
		result = hc_fail(err, HC_BUG, "one document is expected, not %zu", documents.count);
	schema_documents_done(&documents);
	return result;
}

/* Puts ObjectMeta below what the file says of metadata, which may narrow it. */
static json_t *complete_schema(json_t *definition, const json_t *objectmeta)
{
	json_t *versions = json_object_get(json_object_get(definition, "spec"), "versions");
	json_t *schema = json_object_get(json_object_get(json_array_get(versions, 0), "schema"),
									 "openAPIV3Schema");
	json_t *complete = json_deep_copy(schema);
	json_t *properties = json_object_get(complete, "properties");
	json_t *metadata = json_deep_copy(objectmeta);
	json_object_update_recursive(metadata, json_object_get(properties, "metadata"));
	json_object_set_new(properties, "metadata", metadata);
	return complete;
}

static int load_kind(const struct schema_file *file, const json_t *objectmeta, struct schema_kind *kind,
					 struct hc_error *err)
{
	if (read_file(file, &kind->definition, err) < 0)
		return -1;
	const char *scope = NULL;
	const char *version = NULL;
	json_error_t problem;
	if (json_unpack_ex(kind->definition, &problem, 0, "{s:{s:s, s:s, s:{s:s, s:s}, s:[{s:s, s:{s:{s:o}}}]}}",
					   "spec", "group", &kind->group, "scope", &scope, "names", "kind", &kind->name, "plural",
					   &kind->plural, "versions", "name", &version, "schema", "openAPIV3Schema", "properties",
					   &(json_t *){NULL}) < 0)
		return hc_fail(err, HC_BUG, "%s", problem.text);
	kind->namespaced = strcmp(scope, "Namespaced") == 0;
	kind->api_version = *kind->group ? hc_xprintf("%s/%s", kind->group, version) : hc_xstrdup(version);
	kind->schema = complete_schema(kind->definition, objectmeta);
	return schema_compile(kind->schema, &kind->node, err);
}

int schema_load(struct hc_error *err)
{
	if (loaded)
		return 0;
	json_t *objectmeta = NULL;
	int result = read_file(&schema_file_objectmeta, &objectmeta, err);
	if (result < 0)
		(void)hc_wrap(err, "schema %s", schema_file_objectmeta.name);
	for (size_t i = 0; i < SCHEMA_KIND_COUNT && result == 0; i++) {
		result = load_kind(&schema_file_kinds[i], objectmeta, &kinds[i], err);
		if (result < 0)
			(void)hc_wrap(err, "schema %s", schema_file_kinds[i].name);
	}
	json_decref(objectmeta);
	if (result < 0) {
		schema_unload();
		if (err)
			err->class = HC_BUG; /* our own file is wrong, whatever the reader called it */
		return -1;
	}
	loaded = true;
	return 0;
}

void schema_unload(void)
{
	for (size_t i = 0; i < SCHEMA_KIND_COUNT; i++) {
		schema_node_free(kinds[i].node);
		json_decref(kinds[i].schema);
		json_decref(kinds[i].definition);
		free(kinds[i].api_version);
		kinds[i] = (struct schema_kind){0};
	}
	loaded = false;
}

const struct schema_kind *schema_kind_find(const char *api_version, const char *kind)
{
	for (size_t i = 0; i < SCHEMA_KIND_COUNT && loaded; i++)
		if (hc_streq(kinds[i].api_version, api_version) && hc_streq(kinds[i].name, kind))
			return &kinds[i];
	return NULL;
}

const struct schema_kind *schema_kind_by_plural(const char *group, const char *plural)
{
	for (size_t i = 0; i < SCHEMA_KIND_COUNT && loaded; i++)
		if (hc_streq(kinds[i].group, group) && hc_streq(kinds[i].plural, plural))
			return &kinds[i];
	return NULL;
}

const struct schema_kind *schema_kind_at(size_t index)
{
	return loaded && index < SCHEMA_KIND_COUNT ? &kinds[index] : NULL;
}

const char *schema_kind_name(const struct schema_kind *kind)
{
	return kind->name;
}

const char *schema_kind_plural(const struct schema_kind *kind)
{
	return kind->plural;
}

const char *schema_kind_api_version(const struct schema_kind *kind)
{
	return kind->api_version;
}

bool schema_kind_namespaced(const struct schema_kind *kind)
{
	return kind->namespaced;
}

const json_t *schema_kind_definition(const struct schema_kind *kind)
{
	return kind->definition;
}

const json_t *schema_kind_openapi(const struct schema_kind *kind)
{
	return kind->schema;
}

const struct schema_node *schema_kind_node(const struct schema_kind *kind)
{
	return kind->node;
}

/* api_version NULL: the versions; else the kinds of that version. */
static void supported_list(const char *api_version, struct hc_text *text)
{
	for (size_t i = 0; i < SCHEMA_KIND_COUNT; i++) {
		if (api_version && strcmp(kinds[i].api_version, api_version) != 0)
			continue;
		if (!api_version && i > 0 && strcmp(kinds[i].api_version, kinds[i - 1].api_version) == 0)
			continue;
		hc_text_printf(text, "%s\"%s\"", text->length ? ", " : "",
					   api_version ? kinds[i].name : kinds[i].api_version);
	}
}

static void add_unsupported(struct schema_causes *causes, const char *field, const json_t *value,
							const char *api_version)
{
	HC_AUTO_TEXT supported = {0};
	HC_AUTO_TEXT shown = {0};
	supported_list(api_version, &supported);
	if (!value || json_is_null(value)) {
		schema_causes_add(causes, field, "FieldValueRequired", "Required value: supported values: %s",
						  hc_text_string(&supported));
		return;
	}
	schema_value_text(value, &shown);
	schema_causes_add(causes, field, "FieldValueNotSupported", "Unsupported value: %s: supported values: %s",
					  hc_text_string(&shown), hc_text_string(&supported));
}

const struct schema_kind *schema_kind_of(const json_t *object, struct schema_causes *causes)
{
	const json_t *version = json_object_get(object, "apiVersion");
	const json_t *name = json_object_get(object, "kind");
	const struct schema_kind *kind = schema_kind_find(json_string_value(version), json_string_value(name));
	if (kind)
		return kind;

	const char *known = NULL;
	for (size_t i = 0; i < SCHEMA_KIND_COUNT && loaded; i++)
		if (hc_streq(kinds[i].api_version, json_string_value(version)))
			known = kinds[i].api_version;
	if (!known)
		add_unsupported(causes, "apiVersion", version, NULL);
	if (known || !json_is_string(name))
		add_unsupported(causes, "kind", name, known ? known : "helvetia.cloud/v1");
	return NULL;
}
