/* Defaults, top down: a default that is a mapping is filled in its turn. Lists are not entered: a default
 * inside an item would make client-side apply see a difference for ever. A null member of a field that can't
 * be null is removed, as in Kubernetes, so that a default takes its place; that is done in items too. */
#include "schema_internal.h"

static void default_value(const struct schema_node *node, json_t *value, bool fill)
{
	if (json_is_array(value)) {
		for (size_t i = 0; i < json_array_size(value) && node->items; i++)
			default_value(node->items, json_array_get(value, i), false);
		return;
	}
	if (!json_is_object(value) || node->type != SCHEMA_OBJECT)
		return;

	const char *name = NULL;
	json_t *member = NULL;
	void *next = NULL;
	json_object_foreach_safe(value, next, name, member)
	{
		const struct schema_node *child = schema_node_property(node, name);
		if (child && json_is_null(member) && !child->nullable)
			json_object_del(value, name);
	}
	for (size_t i = 0; i < node->property_count && fill; i++) {
		const struct schema_property *property = &node->properties[i];
		if (property->node->default_value && !json_object_get(value, property->name))
			json_object_set_new(value, property->name, json_deep_copy(property->node->default_value));
	}
	json_object_foreach(value, name, member)
	{
		const struct schema_node *child = schema_node_property(node, name);
		if (child)
			default_value(child, member, fill);
	}
}

void schema_default(const struct schema_kind *kind, json_t *object)
{
	default_value(schema_kind_node(kind), object, true);
}
