/* See schema_managers.h. */
#include "schema_managers.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/text.h"
#include "schema_fields.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const char *schema_manager_member(const struct schema_manager *manager, const char *name)
{
	const char *value = json_string_value(json_object_get(manager->entry, name));

	return value ? value : "";
}

static bool is_manager(const struct schema_manager *manager, const char *name, const char *operation,
					   const char *subresource)
{
	return strcmp(schema_manager_member(manager, "manager"), name) == 0 &&
		   strcmp(schema_manager_member(manager, "operation"), operation) == 0 &&
		   strcmp(schema_manager_member(manager, "subresource"), subresource ? subresource : "") == 0;
}

struct schema_manager *schema_managers_get(struct schema_managers *managers, const char *name,
										   const char *operation, const char *subresource)
{
	struct schema_manager *manager;

	for (size_t i = 0; i < managers->count; i++)
		if (is_manager(&managers->items[i], name, operation, subresource))
			return &managers->items[i];
	managers->items = hc_xrealloc_array(managers->items, managers->count + 1, sizeof *managers->items);
	manager = &managers->items[managers->count++];
	manager->entry = json_pack("{s:s, s:s, s:s}", "manager", name, "operation", operation, "fieldsType",
							   "FieldsV1");
	assert(manager->entry);
	if (subresource && *subresource)
		json_object_set_new(manager->entry, "subresource", json_string(subresource));
	manager->set = json_object();
	return manager;
}

void schema_managers_done(struct schema_managers *managers)
{
	for (size_t i = 0; i < managers->count; i++) {
		json_decref(managers->items[i].entry);
		json_decref(managers->items[i].set);
	}
	free(managers->items);
	*managers = (struct schema_managers){0};
}

bool schema_managers_empty(const struct schema_managers *managers)
{
	for (size_t i = 0; i < managers->count; i++)
		if (!schema_fields_empty(managers->items[i].set))
			return false;
	return true;
}

static int check_entry(const char *name, const char *operation, const char *type, const json_t *fields,
					   struct hc_error *err)
{
	size_t length = strlen(name);

	if (!length || length > HC_LIMIT_FIELD_MANAGER_BYTES)
		return hc_fail(err, HC_INVALID, "manager: must have 1 to %d bytes", HC_LIMIT_FIELD_MANAGER_BYTES);
	if (strcmp(operation, "Apply") != 0 && strcmp(operation, "Update") != 0)
		return hc_fail(err, HC_INVALID, "operation \"%.60s\": must be Apply or Update", operation);
	if (strcmp(type, "FieldsV1") != 0)
		return hc_fail(err, HC_INVALID, "fieldsType \"%.60s\": must be FieldsV1", type);
	if (fields && !json_is_object(fields))
		return hc_fail(err, HC_INVALID, "fieldsV1: must be an object");
	return 0;
}

static int read_entry(json_t *entry, struct schema_managers *managers, struct hc_error *err)
{
	const char *name = "";
	const char *operation = "";
	const char *subresource = "";
	const char *type = "FieldsV1";
	const char *api_version = NULL;
	const char *time = NULL;
	json_t *fields = NULL;
	json_t *set = NULL;
	json_error_t problem;
	struct schema_manager *manager;

	if (!json_is_object(entry))
		return hc_fail(err, HC_INVALID, "must be an object");
	if (json_unpack_ex(entry, &problem, 0, "{s?s, s?s, s?s, s?s, s?s, s?s, s?o}", "manager", &name,
					   "operation", &operation, "subresource", &subresource, "fieldsType", &type,
					   "apiVersion", &api_version, "time", &time, "fieldsV1", &fields))
		return hc_fail(err, HC_INVALID, "%s", problem.text);
	if (check_entry(name, operation, type, fields, err) || schema_fields_decode(fields, &set, err))
		return -1;
	schema_fields_strip(set);
	manager = schema_managers_get(managers, name, operation, subresource);
	schema_fields_add(manager->set, set);
	json_decref(set);
	if (api_version)
		json_object_set_new(manager->entry, "apiVersion", json_string(api_version));
	if (time)
		json_object_set_new(manager->entry, "time", json_string(time));
	return 0;
}

int schema_managers_read(const json_t *list, struct schema_managers *ret_managers, struct hc_error *err)
{
	struct schema_managers managers = {0};
	size_t index;
	json_t *entry;

	if (list && !json_is_array(list) && !json_is_null(list))
		return hc_fail(err, HC_INVALID, "metadata.managedFields: must be a list");
	if (json_array_size(list) > HC_LIMIT_FIELD_MANAGERS)
		return hc_fail(err, HC_INVALID, "metadata.managedFields: must have at most %d entries",
					   HC_LIMIT_FIELD_MANAGERS);
	json_array_foreach(list, index, entry)
	{
		if (read_entry(entry, &managers, err)) {
			schema_managers_done(&managers);
			return hc_wrap(err, "metadata.managedFields[%zu]", index);
		}
	}
	*ret_managers = managers;
	return 0;
}

/* Kubernetes' order: operation, time, manager, then what is left of the identity. */
static int compare_managers(const void *left, const void *right)
{
	static const char *const members[] = {"operation", "time", "manager", "subresource"};
	int order = 0;

	for (size_t i = 0; i < HC_COUNT(members) && !order; i++)
		order = strcmp(schema_manager_member(*(const struct schema_manager *const *)left, members[i]),
					   schema_manager_member(*(const struct schema_manager *const *)right, members[i]));
	return order;
}

static json_t *entry_encode(const struct schema_manager *manager)
{
	json_t *entry = json_copy(manager->entry);

	json_object_set_new(entry, "fieldsV1", schema_fields_encode(manager->set));
	return entry;
}

static json_t *metadata_of(json_t *object)
{
	json_t *metadata = json_object_get(object, "metadata");

	if (metadata)
		return metadata;
	json_object_set_new(object, "metadata", json_object());
	return json_object_get(object, "metadata");
}

int schema_managers_write(const struct schema_managers *managers, json_t *object, struct hc_error *err)
{
	const struct schema_manager **sorted = hc_xalloc((managers->count + 1) * sizeof(*sorted));
	json_t *list = json_array();
	size_t count = 0;

	for (size_t i = 0; i < managers->count; i++)
		if (!schema_fields_empty(managers->items[i].set))
			sorted[count++] = &managers->items[i];
	qsort(sorted, count, sizeof *sorted, compare_managers);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, entry_encode(sorted[i]));
	free(sorted);
	if (count > HC_LIMIT_FIELD_MANAGERS) {
		json_decref(list);
		return hc_fail(err, HC_INVALID, "metadata.managedFields: more than %d managers would own fields",
					   HC_LIMIT_FIELD_MANAGERS);
	}
	if (count)
		json_object_set_new(metadata_of(object), "managedFields", list);
	else {
		json_object_del(json_object_get(object, "metadata"), "managedFields");
		json_decref(list);
	}
	return 0;
}

char *schema_manager_text(const struct schema_manager *manager)
{
	HC_AUTO_TEXT text = {0};
	const char *subresource = schema_manager_member(manager, "subresource");
	const char *time = schema_manager_member(manager, "time");

	hc_text_printf(&text, "\"%s\"", schema_manager_member(manager, "manager"));
	if (*subresource)
		hc_text_printf(&text, " with subresource \"%s\"", subresource);
	/* When somebody applied is of no use; when something was updated by hand tells who it was. */
	if (strcmp(schema_manager_member(manager, "operation"), "Update") == 0) {
		hc_text_printf(&text, " using %s", schema_manager_member(manager, "apiVersion"));
		if (*time)
			hc_text_printf(&text, " at %s", time);
	}
	return hc_text_take(&text);
}
