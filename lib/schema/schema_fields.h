/* Sets of paths into an object: who owns which field. Private to lib/schema.
 *
 * A set is a json_t object that mirrors the object it speaks about. Its members are path elements as in
 * Kubernetes' FieldsV1: `f:name` a member of an object, `k:{"name":"http"}` an item of a list map,
 * `v:"a.example.org"` an item of a set. A node that has the member "." belongs to the set itself; the others
 * only lead to deeper ones, and no node is empty. FieldsV1 on the wire abbreviates: there `{}` means
 * `{".":{}}`. All sets here are in the long form with canonical elements, so that equal sets are equal JSON
 * (json_equal).
 *
 * What is one path and what is several: objects (unless x-kubernetes-map-type: atomic), list maps and sets
 * are walked; scalars, null, other lists and atomic maps are one path. A list map with an item that has no
 * key, or two with the same, is one path too. NULL schema nodes are as schema_node.h says.
 *
 * json_t results are new references. */
#ifndef SCHEMA_FIELDS_H
#define SCHEMA_FIELDS_H

#include "base/error.h"
#include "schema_node.h"

#include <jansson.h>
#include <stdbool.h>

/* Children of a value: path element → child value (shared, not copied). NULL for what is one path. */
json_t *schema_fields_members(const struct schema_node *node, const json_t *value);
/* The element of a list's item, NULL when it has none or the list is one path. Caller frees. */
char *schema_fields_item_element(const struct schema_node *list, const json_t *item);
const struct schema_node *schema_fields_child_node(const struct schema_node *node, const char *element);
/* True for a member that the schema names; false for items and keys of free-form maps, which are owned by
 * themselves and not only through what is in them. */
bool schema_fields_is_named(const struct schema_node *node, const char *element);

/* All paths of an object: its leaves, items, free-form keys, and empty objects and lists. */
json_t *schema_fields_of(const struct schema_node *node, const json_t *value);

struct schema_changes {
	json_t *added; /* sets, owned by the struct */
	json_t *removed;
	json_t *modified;
};
/* What changed between two objects; either may be NULL. Objects and items that appear or go count as
 * themselves too. */
struct schema_changes schema_fields_compare(const struct schema_node *node, const json_t *old_value,
											const json_t *new_value);
void schema_changes_done(struct schema_changes *changes);
bool schema_changes_empty(const struct schema_changes *changes);

void schema_fields_add(json_t *set, const json_t *more);
void schema_fields_subtract(json_t *set, const json_t *less);
json_t *schema_fields_intersect(const json_t *left, const json_t *right);
static inline bool schema_fields_empty(const json_t *set)
{
	return json_object_size(set) == 0;
}
/* Takes out what nobody owns: apiVersion, kind, and the members of metadata that the server writes. */
void schema_fields_strip(json_t *set);
/* The members of metadata that schema_fields_strip leaves out; NULL-terminated. */
extern const char *const schema_fields_server_metadata[];

/* --- merging (schema_merge.c) --- */

/* INVALID when an item of a list map has no key, one of a set is no scalar, or two are the same. */
int schema_merge_check(const struct schema_node *node, const json_t *value, struct hc_error *err)
	HC_MUST_CHECK;
/* Takes out members that are null where the schema knows the member and does not allow null: they count as
 * absent. */
void schema_merge_drop_nulls(const struct schema_node *node, json_t *value);
/* A copy of live with what is applied: objects member by member, list maps by key, sets united, the rest
 * replaced. Lists keep live's order, new items follow in the order in which they are applied. */
json_t *schema_merge(const struct schema_node *node, const json_t *live, const json_t *applied);
/* Removes from value, in place, the paths of `last` that are not in `owned`. An item of a list or a free-form
 * key goes only when nothing in it is owned either; the keys of an item that stays, stay. An object that the
 * schema names goes when nothing is left in it but defaults that nobody owns. */
void schema_merge_prune(const struct schema_node *node, json_t *value, const json_t *last,
						const json_t *owned);

/* --- on the wire --- */

/* FieldsV1 ⇄ set. Decoding also makes elements canonical; INVALID names what is wrong. */
int schema_fields_decode(const json_t *fields_v1, json_t **ret_set, struct hc_error *err) HC_MUST_CHECK;
json_t *schema_fields_encode(const json_t *set);

/* Calls visit with each path as Kubernetes prints it: .spec.env[name="A"].value,
 * .spec.domains[="a.example.org"]. */
void schema_fields_each(const json_t *set, void (*visit)(const char *path, void *payload), void *payload);
/* Appends an element in that form to a path. Returns the new path; caller frees. */
char *schema_fields_path_join(const char *path, const char *element);

#endif
