/* The two halves of server-side apply that touch values: merging what is applied into what is live, and
 * removing what its manager applied before and does not any more. See schema_fields.h. */
#include "schema_fields.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

/* --- checks --- */

static int check_list(const struct schema_node *node, const json_t *list, struct hc_error *err)
{
	json_t *seen = json_object();
	json_t *item;
	size_t index;
	int result = 0;

	json_array_foreach(list, index, item)
	{
		HC_AUTO_FREE element = schema_fields_item_element(node, item);
		HC_AUTO_FREE path = hc_xprintf("[%zu]", index);

		if (!element && node->list_type == SCHEMA_LIST_MAP)
			result = hc_fail(err, HC_INVALID, "%s: must be an object with the key \"%s\"", path,
							 node->key_count ? node->keys[0] : "");
		else if (!element)
			result = hc_fail(err, HC_INVALID, "%s: must be a single value", path);
		else if (json_object_get(seen, element))
			result = hc_fail(err, HC_INVALID, "%s: is a duplicate of an earlier item: %.200s", path,
							 element + 2);
		else
			result = schema_merge_check(node->items, item, err) ? hc_wrap(err, "%s", path) : 0;
		if (result)
			break;
		json_object_set_new(seen, element, json_true());
	}
	json_decref(seen);
	return result;
}

int schema_merge_check(const struct schema_node *node, const json_t *value, struct hc_error *err)
{
	const char *name;
	json_t *child;

	if (json_is_array(value) && node && node->list_type != SCHEMA_LIST_ATOMIC)
		return check_list(node, value, err);
	json_object_foreach((json_t *)value, name,
						child) if (schema_merge_check(schema_node_property(node, name), child,
													  err)) return hc_wrap(err, "%s", name);
	return 0;
}

void schema_merge_drop_nulls(const struct schema_node *node, json_t *value)
{
	const char *name;
	json_t *child;
	void *next;
	size_t index;

	json_object_foreach_safe(value, next, name, child)
	{
		const struct schema_node *below = schema_node_property(node, name);

		if (json_is_null(child) && below && !below->nullable)
			json_object_del(value, name);
		else
			schema_merge_drop_nulls(below, child);
	}
	json_array_foreach(value, index, child) schema_merge_drop_nulls(node ? node->items : NULL, child);
}

/* --- merging --- */

static json_t *merge_object(const struct schema_node *node, const json_t *live, const json_t *applied)
{
	json_t *merged = json_deep_copy(live);
	const char *name;
	json_t *child;

	json_object_foreach((json_t *)applied, name, child) json_object_set_new(
		merged, name, schema_merge(schema_node_property(node, name), json_object_get(live, name), child));
	return merged;
}

static json_t *merge_list(const struct schema_node *node, const json_t *live_members,
						  const json_t *applied_members)
{
	json_t *merged = json_array();
	const char *element;
	json_t *item;

	json_object_foreach((json_t *)live_members, element, item)
	{
		json_t *applied = json_object_get(applied_members, element);

		json_array_append_new(merged,
							  applied ? schema_merge(node->items, item, applied) : json_deep_copy(item));
	}
	json_object_foreach((json_t *)applied_members, element, item) if (!json_object_get(live_members, element))
		json_array_append_new(merged, json_deep_copy(item));
	return merged;
}

json_t *schema_merge(const struct schema_node *node, const json_t *live, const json_t *applied)
{
	json_t *live_members = schema_fields_members(node, live);
	json_t *applied_members = schema_fields_members(node, applied);
	json_t *merged;

	if (!live_members || !applied_members || json_typeof(live) != json_typeof(applied))
		merged = json_deep_copy(applied);
	else if (json_is_object(live))
		merged = merge_object(node, live, applied);
	else
		merged = merge_list(node, live_members, applied_members);
	json_decref(live_members);
	json_decref(applied_members);
	return merged;
}

/* --- pruning --- */

static void member_remove(const struct schema_node *node, json_t *value, const char *element)
{
	size_t index;
	json_t *item;

	if (json_is_object(value)) {
		json_object_del(value, element + 2);
		return;
	}
	json_array_foreach(value, index, item)
	{
		HC_AUTO_FREE mine = schema_fields_item_element(node, item);

		if (mine && strcmp(mine, element) == 0) {
			json_array_remove(value, index);
			return;
		}
	}
}

/* Nothing is in it, or only what schema_default() put there. */
static bool is_default(const struct schema_node *node, const json_t *value)
{
	const char *name;
	json_t *child;

	if (node && node->default_value && json_equal(node->default_value, value))
		return true;
	if (json_is_array(value))
		return json_array_size(value) == 0;
	if (!json_is_object(value))
		return false;
	json_object_foreach((json_t *)value, name,
						child) if (!is_default(schema_node_property(node, name), child)) return false;
	return true;
}

static bool is_key(const struct schema_node *list, const char *element)
{
	for (size_t i = 0; list && element[0] == 'f' && i < list->key_count; i++)
		if (strcmp(list->keys[i], element + 2) == 0)
			return true;
	return false;
}

static bool is_cut(const struct schema_node *node, const json_t *value)
{
	json_t *members = schema_fields_members(node, value);
	bool cut = members != NULL;

	json_decref(members);
	return cut;
}

/* list: the list that value is an item of, else NULL. */
static void prune(const struct schema_node *list, const struct schema_node *node, json_t *value,
				  const json_t *last, const json_t *owned)
{
	json_t *members = schema_fields_members(node, value);
	const char *element;
	json_t *below;

	json_object_foreach((json_t *)last, element, below)
	{
		const struct schema_node *child_node = schema_fields_child_node(node, element);
		json_t *child = json_object_get(members, element);
		json_t *kept = json_object_get(owned, element);
		bool named = schema_fields_is_named(node, element);
		bool cut = is_cut(child_node, child);

		if (!child || !json_is_object(below) || is_key(list, element))
			continue;
		if (!kept && json_object_get(below, ".") && !(named && cut)) {
			member_remove(node, value, element);
			continue;
		}
		prune(json_is_array(value) ? node : NULL, child_node, child, below, kept);
		if (!kept && named && cut && is_default(child_node, child))
			member_remove(node, value, element);
	}
	json_decref(members);
}

void schema_merge_prune(const struct schema_node *node, json_t *value, const json_t *last,
						const json_t *owned)
{
	prune(NULL, node, value, last, owned);
}
