/* See schema_fields.h.
 *
 * Every walk goes through schema_fields_members(), the only place that decides how a value is cut into paths.
 * So flattening, comparing, merging and pruning can't disagree about it. Recursion is as deep as the object
 * is, which the parsers bound (HC_LIMIT_DOCUMENT_DEPTH). */
#include "schema_fields.h"

#include "base/alloc.h"
#include "base/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SELF "."

const char *const schema_fields_server_metadata[] = {
	"name",
	"namespace",
	"uid",
	"resourceVersion",
	"generation",
	"selfLink",
	"clusterName",
	"managedFields",
	"creationTimestamp",
	"deletionTimestamp",
	"deletionGracePeriodSeconds",
	NULL,
};

/* --- cutting a value --- */

static bool is_scalar(const json_t *value)
{
	return !json_is_object(value) && !json_is_array(value) && !json_is_null(value);
}

static char *element_of_json(char letter, const json_t *value)
{
	HC_AUTO_FREE text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

	assert(text);
	return hc_xprintf("%c:%s", letter, text);
}

char *schema_fields_item_element(const struct schema_node *list, const json_t *item)
{
	char *element = NULL;
	json_t *keys;

	if (!list || list->list_type == SCHEMA_LIST_ATOMIC)
		return NULL;
	if (list->list_type == SCHEMA_LIST_SET)
		return is_scalar(item) ? element_of_json('v', item) : NULL;
	keys = json_object();
	for (size_t i = 0; i < list->key_count; i++) {
		json_t *key = json_object_get(item, list->keys[i]);

		if (key && is_scalar(key))
			json_object_set(keys, list->keys[i], key);
	}
	if (list->key_count && json_object_size(keys) == list->key_count)
		element = element_of_json('k', keys);
	json_decref(keys);
	return element;
}

static json_t *members_of_list(const struct schema_node *node, const json_t *list)
{
	json_t *members = json_object();
	json_t *item;
	size_t index;

	json_array_foreach(list, index, item)
	{
		HC_AUTO_FREE element = schema_fields_item_element(node, item);

		if (!element || json_object_get(members, element)) {
			json_decref(members);
			return NULL;
		}
		json_object_set(members, element, item);
	}
	return members;
}

json_t *schema_fields_members(const struct schema_node *node, const json_t *value)
{
	json_t *members;
	const char *name;
	json_t *child;

	if (json_is_array(value) && node && node->list_type != SCHEMA_LIST_ATOMIC)
		return members_of_list(node, value);
	if (!json_is_object(value) || (node && node->atomic_map))
		return NULL;
	members = json_object();
	json_object_foreach((json_t *)value, name, child)
	{
		HC_AUTO_FREE element = hc_xprintf("f:%s", name);

		json_object_set(members, element, child);
	}
	return members;
}

const struct schema_node *schema_fields_child_node(const struct schema_node *node, const char *element)
{
	if (element[0] == 'f')
		return schema_node_property(node, element + 2);
	return node ? node->items : NULL;
}

bool schema_fields_is_named(const struct schema_node *node, const char *element)
{
	if (!node || element[0] != 'f')
		return false;
	for (size_t i = 0; i < node->property_count; i++)
		if (strcmp(node->properties[i].name, element + 2) == 0)
			return true;
	return false;
}

/* --- sets --- */

static void add_self(json_t *set)
{
	json_object_set_new(set, SELF, json_true());
}

/* Steals child; an empty one is dropped. */
static void attach(json_t *set, const char *element, json_t *child)
{
	if (schema_fields_empty(child))
		json_decref(child);
	else
		json_object_set_new(set, element, child);
}

void schema_fields_add(json_t *set, const json_t *more)
{
	const char *element;
	json_t *child;

	json_object_foreach((json_t *)more, element, child)
	{
		json_t *mine = json_object_get(set, element);

		if (!mine)
			json_object_set_new(set, element, json_deep_copy(child));
		else if (json_is_object(mine))
			schema_fields_add(mine, child);
	}
}

void schema_fields_subtract(json_t *set, const json_t *less)
{
	const char *element;
	json_t *child;

	json_object_foreach((json_t *)less, element, child)
	{
		json_t *mine = json_object_get(set, element);

		if (!mine)
			continue;
		if (json_is_object(mine))
			schema_fields_subtract(mine, child);
		if (!json_is_object(mine) || schema_fields_empty(mine))
			json_object_del(set, element);
	}
}

json_t *schema_fields_intersect(const json_t *left, const json_t *right)
{
	json_t *set = json_object();
	const char *element;
	json_t *child;

	json_object_foreach((json_t *)left, element, child)
	{
		json_t *other = json_object_get(right, element);

		if (!other)
			continue;
		if (json_is_object(child))
			attach(set, element, schema_fields_intersect(child, other));
		else
			add_self(set);
	}
	return set;
}

void schema_fields_strip(json_t *set)
{
	json_t *metadata = json_object_get(set, "f:metadata");

	json_object_del(set, SELF);
	json_object_del(set, "f:apiVersion");
	json_object_del(set, "f:kind");
	if (!metadata)
		return;
	json_object_del(metadata, SELF);
	for (size_t i = 0; schema_fields_server_metadata[i]; i++) {
		HC_AUTO_FREE element = hc_xprintf("f:%s", schema_fields_server_metadata[i]);

		json_object_del(metadata, element);
	}
	if (schema_fields_empty(metadata))
		json_object_del(set, "f:metadata");
}

/* --- flattening and comparing --- */

static bool is_hollow(const json_t *value)
{
	return json_is_null(value) || (json_is_object(value) && json_object_size(value) == 0) ||
		   (json_is_array(value) && json_array_size(value) == 0);
}

json_t *schema_fields_of(const struct schema_node *node, const json_t *value)
{
	json_t *members = schema_fields_members(node, value);
	json_t *set = json_object();
	const char *element;
	json_t *child;

	if (!members)
		add_self(set);
	json_object_foreach(members, element, child)
	{
		json_t *below = schema_fields_of(schema_fields_child_node(node, element), child);

		if (is_hollow(child) || !schema_fields_is_named(node, element))
			add_self(below);
		attach(set, element, below);
	}
	json_decref(members);
	return set;
}

static struct schema_changes changes_new(void)
{
	return (struct schema_changes){
		.added = json_object(), .removed = json_object(), .modified = json_object()};
}

void schema_changes_done(struct schema_changes *changes)
{
	json_decref(changes->added);
	json_decref(changes->removed);
	json_decref(changes->modified);
	*changes = (struct schema_changes){0};
}

bool schema_changes_empty(const struct schema_changes *changes)
{
	return schema_fields_empty(changes->added) && schema_fields_empty(changes->removed) &&
		   schema_fields_empty(changes->modified);
}

static void compare_member(const struct schema_node *node, const char *element, const json_t *old_value,
						   const json_t *new_value, struct schema_changes *changes)
{
	struct schema_changes below = schema_fields_compare(schema_fields_child_node(node, element), old_value,
														new_value);

	attach(changes->added, element, hc_take(&below.added));
	attach(changes->removed, element, hc_take(&below.removed));
	attach(changes->modified, element, hc_take(&below.modified));
}

/* old_members and new_members: NULL for a value that isn't there or is one path. */
static void compare_members(const struct schema_node *node, const json_t *old_members,
							const json_t *new_members, struct schema_changes *changes)
{
	const char *element;
	json_t *child;

	json_object_foreach((json_t *)old_members, element, child)
		compare_member(node, element, child, json_object_get(new_members, element), changes);
	json_object_foreach((json_t *)new_members, element, child) if (!json_object_get(old_members, element))
		compare_member(node, element, NULL, child, changes);
}

/* One of two values that are there is cut into members and the other not, or both into different sorts of
 * them. */
static bool differs_in_sort(const json_t *old_value, const json_t *old_members, const json_t *new_value,
							const json_t *new_members)
{
	return (old_members != NULL) != (new_members != NULL) ||
		   (old_members && json_typeof(old_value) != json_typeof(new_value));
}

struct schema_changes schema_fields_compare(const struct schema_node *node, const json_t *old_value,
											const json_t *new_value)
{
	struct schema_changes changes = changes_new();
	json_t *old_members = schema_fields_members(node, old_value);
	json_t *new_members = schema_fields_members(node, new_value);

	compare_members(node, old_members, new_members, &changes);
	if (!old_value && new_value)
		add_self(changes.added);
	else if (old_value && !new_value)
		add_self(changes.removed);
	else if (old_value && (differs_in_sort(old_value, old_members, new_value, new_members) ||
						   (!old_members && !json_equal(old_value, new_value))))
		add_self(changes.modified);
	json_decref(old_members);
	json_decref(new_members);
	return changes;
}

/* --- FieldsV1 --- */

/* The element with its JSON in canonical form, NULL when it is none. Caller frees. */
static char *element_canonical(const char *element)
{
	char *canonical = NULL;
	json_t *value;

	if (strncmp(element, "f:", 2) == 0)
		return hc_xstrdup(element);
	if (strncmp(element, "k:", 2) != 0 && strncmp(element, "v:", 2) != 0)
		return NULL;
	value = json_loads(element + 2, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	if (value && (element[0] == 'k' ? json_object_size(value) > 0 : is_scalar(value)))
		canonical = element_of_json(element[0], value);
	json_decref(value);
	return canonical;
}

int schema_fields_decode(const json_t *fields_v1, json_t **ret_set, struct hc_error *err)
{
	json_t *set = json_object();
	const char *element;
	json_t *child;

	json_object_foreach((json_t *)fields_v1, element, child)
	{
		HC_AUTO_FREE canonical = element_canonical(element);
		json_t *below = NULL;
		int result = 0;

		if (!json_is_object(child))
			result = hc_fail(err, HC_INVALID, "fieldsV1: \"%.200s\": must be an object", element);
		else if (strcmp(element, SELF) == 0)
			add_self(set);
		else if (!canonical)
			result = hc_fail(err, HC_INVALID,
							 "fieldsV1: \"%.200s\": must be \".\", f:NAME, k:{KEYS} or v:VALUE", element);
		else if ((result = schema_fields_decode(child, &below, err)) == 0) {
			if (json_object_size(child) == 0)
				add_self(below);
			json_object_set_new(set, canonical, below);
		}
		if (result) {
			json_decref(set);
			return -1;
		}
	}
	*ret_set = set;
	return 0;
}

json_t *schema_fields_encode(const json_t *set)
{
	json_t *fields_v1 = json_object();
	const char *element;
	json_t *child;

	json_object_foreach((json_t *)set, element, child)
	{
		bool alone = json_object_size(child) == 1 && json_object_get(child, SELF);

		json_object_set_new(fields_v1, element,
							json_is_object(child) && !alone ? schema_fields_encode(child) : json_object());
	}
	return fields_v1;
}

/* --- for people --- */

char *schema_fields_path_join(const char *path, const char *element)
{
	HC_AUTO_TEXT text = {0};
	const char *name;
	const char *separator = "[";
	json_t *keys;
	json_t *value;

	if (element[0] == 'f')
		return hc_xprintf("%s.%s", path, element + 2);
	if (element[0] == 'v')
		return hc_xprintf("%s[=%s]", path, element + 2);
	hc_text_append(&text, path);
	keys = json_loads(element + 2, 0, NULL);
	json_object_foreach(keys, name, value)
	{
		HC_AUTO_FREE json = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

		hc_text_printf(&text, "%s%s=%s", separator, name, json);
		separator = ",";
	}
	hc_text_append(&text, "]");
	json_decref(keys);
	return hc_text_take(&text);
}

static void each_below(const json_t *set, const char *path, void (*visit)(const char *path, void *payload),
					   void *payload)
{
	const char *element;
	json_t *child;

	json_object_foreach((json_t *)set, element, child)
	{
		HC_AUTO_FREE below = NULL;

		if (!json_is_object(child)) {
			visit(path, payload);
			continue;
		}
		below = schema_fields_path_join(path, element);
		each_below(child, below, visit, payload);
	}
}

void schema_fields_each(const json_t *set, void (*visit)(const char *path, void *payload), void *payload)
{
	each_below(set, "", visit, payload);
}
