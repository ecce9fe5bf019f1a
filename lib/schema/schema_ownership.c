/* Server-side apply and the bookkeeping of all other writes. The algorithm is Kubernetes'
 * (structured-merge-diff) in the size that one version of few, structural schemas needs:
 *
 *   Update: what changed is taken from everybody and given to the writer; what vanished belongs to nobody.
 *   Apply: the result is live with the applied merged in, less what this manager applied last time, does not
 * now, and nobody else owns. Whoever owns something that thereby changes is in conflict, unless forced; then
 * he loses it. The manager owns exactly what he applied, also what already had that value: such fields have
 * several owners.
 *
 * Everything is computed on a copy. Sets and their paths: schema_fields.h; values: schema_merge.c. */
#include "schema.h"

#include "base/alloc.h"
#include "base/text.h"
#include "schema_fields.h"
#include "schema_managers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* kubectl keeps the manifest of a client-side apply in this annotation. */
#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"
#define KUBECTL "kubectl"

static int check_name(const char *manager, struct hc_error *err)
{
	size_t length = manager ? strlen(manager) : 0;

	if (!length || length > HC_LIMIT_FIELD_MANAGER_BYTES)
		return hc_fail(err, HC_INVALID, "fieldManager: must have 1 to %d bytes",
					   HC_LIMIT_FIELD_MANAGER_BYTES);
	/* It comes out of a URL, and goes into JSON. */
	if (!hc_utf8_valid(manager, length))
		return hc_fail(err, HC_INVALID, "fieldManager: must be UTF-8");
	for (const char *at = manager; *at; at++)
		if ((unsigned char)*at < ' ' || *at == '\x7f' || *at == '"')
			return hc_fail(err, HC_INVALID, "fieldManager: must be printable and without quotes");
	return 0;
}

static const json_t *managed_fields(const json_t *object)
{
	return json_object_get(json_object_get(object, "metadata"), "managedFields");
}

/* What we stored ourselves must be readable. */
static int read_stored(const json_t *live, struct schema_managers *ret_managers, struct hc_error *err)
{
	if (schema_managers_read(managed_fields(live), ret_managers, err) == 0)
		return 0;
	if (err)
		err->class = HC_BUG;
	return hc_wrap(err, "stored object");
}

/* Status has its own endpoint; the main one neither reads nor owns it. */
static void leave_status(struct schema_changes *changes)
{
	json_object_del(changes->added, "f:status");
	json_object_del(changes->removed, "f:status");
	json_object_del(changes->modified, "f:status");
}

static struct schema_changes changes_of(const struct schema_kind *kind, const json_t *live,
										const json_t *object, bool with_status)
{
	struct schema_changes changes = schema_fields_compare(schema_kind_node(kind), live, object);

	schema_fields_strip(changes.added);
	schema_fields_strip(changes.removed);
	schema_fields_strip(changes.modified);
	if (!with_status)
		leave_status(&changes);
	return changes;
}

static void take_from(json_t *set, const struct schema_changes *changes)
{
	schema_fields_subtract(set, changes->added);
	schema_fields_subtract(set, changes->removed);
	schema_fields_subtract(set, changes->modified);
}

/* Ends a write: the time moves only when the manager's set or one of its values did, so that repeating a
 * write changes nothing at all. */
static void set_manager(struct schema_manager *manager, json_t *set_take, const char *api_version,
						bool changed, const char *now)
{
	if (changed || !json_equal(manager->set, set_take))
		json_object_set_new(manager->entry, "time", json_string(now));
	json_object_set_new(manager->entry, "apiVersion", json_string(api_version));
	json_decref(manager->set);
	manager->set = set_take;
}

/* --- update --- */

/* Managers before the write. Clients may write managedFields themselves (kubectl does when it moves an object
 * from client-side to server-side apply): a list of one empty object forgets all owners; an absent or empty
 * list, as sent by clients that know nothing of it, leaves the stored one. A subresource's body has no say.
 */
static int managers_before(const json_t *live, const json_t *object, const char *subresource,
						   struct schema_managers *ret_managers, struct hc_error *err)
{
	const json_t *sent = subresource ? NULL : managed_fields(object);

	if (json_array_size(sent) == 1 && json_is_object(json_array_get(sent, 0)) &&
		json_object_size(json_array_get(sent, 0)) == 0) {
		*ret_managers = (struct schema_managers){0};
		return 0;
	}
	if (schema_managers_read(sent, ret_managers, err))
		return -1;
	if (!schema_managers_empty(ret_managers))
		return 0;
	schema_managers_done(ret_managers);
	return read_stored(live, ret_managers, err);
}

int schema_update_ownership(const struct schema_kind *kind, const json_t *live, json_t *object,
							const char *manager, const char *subresource, const char *now,
							struct hc_error *err)
{
	struct schema_managers managers = {0};
	struct schema_changes changes;
	struct schema_manager *own;
	json_t *set;
	int result;

	assert(kind && json_is_object(object) && now);
	if (check_name(manager, err) || managers_before(live, object, subresource, &managers, err))
		return -1;
	changes = changes_of(kind, live, object, hc_streq(subresource, "status"));
	own = schema_managers_get(&managers, manager, "Update", subresource);
	set = json_deep_copy(own->set);
	schema_fields_subtract(set, changes.removed);
	schema_fields_add(set, changes.modified);
	schema_fields_add(set, changes.added);
	for (size_t i = 0; i < managers.count; i++)
		if (&managers.items[i] != own)
			take_from(managers.items[i].set, &changes);
	set_manager(own, set, schema_kind_api_version(kind),
				!schema_fields_empty(changes.added) || !schema_fields_empty(changes.modified), now);
	result = schema_managers_write(&managers, object, err);
	schema_changes_done(&changes);
	schema_managers_done(&managers);
	return result;
}

/* --- conflicts --- */

void schema_conflicts_done(struct schema_conflicts *conflicts)
{
	for (size_t i = 0; i < conflicts->count; i++) {
		free(conflicts->items[i].field);
		free(conflicts->items[i].manager);
		free(conflicts->items[i].message);
	}
	free(conflicts->items);
	*conflicts = (struct schema_conflicts){0};
}

struct conflict_visit {
	struct schema_conflicts *conflicts;
	const struct schema_manager *manager;
};

static void conflict_add(const char *path, void *payload)
{
	struct conflict_visit *visit = payload;
	struct schema_conflicts *conflicts = visit->conflicts;
	HC_AUTO_FREE who = schema_manager_text(visit->manager);

	conflicts->items = hc_xrealloc_array(conflicts->items, conflicts->count + 1, sizeof *conflicts->items);
	conflicts->items[conflicts->count++] = (struct schema_conflict){
		.field = hc_xstrdup(path),
		.manager = hc_xstrdup(schema_manager_member(visit->manager, "manager")),
		.message = hc_xprintf("conflict with %s", who),
	};
}

static int compare_conflicts(const void *left, const void *right)
{
	const struct schema_conflict *first = left;
	const struct schema_conflict *second = right;
	int order = strcmp(first->message, second->message);

	return order ? order : strcmp(first->field, second->field);
}

/* What others own and the write would change, less what is allowed (NULL: nothing). */
static void conflicts_find(const struct schema_managers *managers, const struct schema_manager *own,
						   const struct schema_changes *changes, const json_t *allowed,
						   struct schema_conflicts *conflicts)
{
	json_t *written = json_deep_copy(changes->added);

	schema_fields_add(written, changes->modified);
	for (size_t i = 0; i < managers->count; i++) {
		struct conflict_visit visit = {.conflicts = conflicts, .manager = &managers->items[i]};
		json_t *both;

		if (visit.manager == own)
			continue;
		both = schema_fields_intersect(visit.manager->set, written);
		schema_fields_subtract(both, allowed);
		schema_fields_each(both, conflict_add, &visit);
		json_decref(both);
	}
	json_decref(written);
	if (conflicts->count)
		qsort(conflicts->items, conflicts->count, sizeof *conflicts->items, compare_conflicts);
}

char *schema_conflicts_text(const struct schema_conflicts *conflicts)
{
	HC_AUTO_TEXT text = {0};
	const char *separator = "";

	if (conflicts->count == 1)
		return hc_xprintf("Apply failed with 1 conflict: %s: %s", conflicts->items[0].message,
						  conflicts->items[0].field);
	hc_text_printf(&text, "Apply failed with %zu conflicts: ", conflicts->count);
	for (size_t i = 0; i < conflicts->count; i++) {
		const struct schema_conflict *conflict = &conflicts->items[i];

		if (i == 0 || strcmp(conflict->message, conflict[-1].message) != 0) {
			hc_text_printf(&text, "%sconflicts%s:", separator, conflict->message + strlen("conflict"));
			separator = "\n";
		}
		hc_text_printf(&text, "\n- %s", conflict->field);
	}
	return hc_text_take(&text);
}

/* --- apply --- */

static const char *last_applied(const json_t *object)
{
	const json_t *annotations = json_object_get(json_object_get(object, "metadata"), "annotations");
	const char *text = json_string_value(json_object_get(annotations, LAST_APPLIED));

	return text && *text ? text : NULL;
}

/* An object that kubectl applied client-side belongs to its Update manager, so the user's first server-side
 * apply would be in conflict with himself. What still has the value of his last manifest he may take. New
 * reference. */
static json_t *allowed_by_last_applied(const struct schema_kind *kind, const json_t *live,
									   const char *manager)
{
	const char *text = strcmp(manager, KUBECTL) == 0 ? last_applied(live) : NULL;
	json_t *manifest = text ? json_loads(text, 0, NULL) : NULL;
	json_t *allowed = json_object();

	if (json_is_object(manifest)) {
		struct schema_changes changes = changes_of(kind, manifest, live, true);
		json_t *set = schema_fields_of(schema_kind_node(kind), manifest);

		schema_fields_add(allowed, set);
		json_decref(set);
		take_from(allowed, &changes);
		schema_changes_done(&changes);
	}
	json_decref(manifest);
	return allowed;
}

/* Keeps the annotation of an object that is applied both ways in step; nobody gets one who had none. */
static void refresh_last_applied(json_t *object, const json_t *applied, const char *manager)
{
	json_t *annotations = json_object_get(json_object_get(object, "metadata"), "annotations");
	json_t *manifest;
	HC_AUTO_FREE text = NULL;
	HC_AUTO_FREE line = NULL;

	if (strcmp(manager, KUBECTL) != 0 || !last_applied(object))
		return;
	manifest = json_deep_copy(applied);
	json_object_del(json_object_get(json_object_get(manifest, "metadata"), "annotations"), LAST_APPLIED);
	text = json_dumps(manifest, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(manifest);
	line = hc_xprintf("%s\n", text);
	if (strlen(line) > HC_LIMIT_LAST_APPLIED_BYTES)
		json_object_del(annotations, LAST_APPLIED);
	else
		json_object_set_new(annotations, LAST_APPLIED, json_string(line));
}

/* The part of an applied object that counts: no status, no nulls, none of the server's metadata. A new object
 * keeps its identity. */
static int prepare(const struct schema_kind *kind, const json_t *applied, bool create, json_t **ret_config,
				   struct hc_error *err)
{
	json_t *config;
	json_t *metadata;

	if (!json_is_object(applied))
		return hc_fail(err, HC_INVALID, "the applied object must be an object");
	if (json_array_size(managed_fields(applied)))
		return hc_fail(err, HC_INVALID, "metadata.managedFields: must not be applied");
	config = json_deep_copy(applied);
	json_object_del(config, "status");
	schema_merge_drop_nulls(schema_kind_node(kind), config);
	if (schema_merge_check(schema_kind_node(kind), config, err)) {
		json_decref(config);
		return -1;
	}
	metadata = json_object_get(config, "metadata");
	for (size_t i = 0; schema_fields_server_metadata[i]; i++) {
		const char *name = schema_fields_server_metadata[i];

		if (!create || (strcmp(name, "name") != 0 && strcmp(name, "namespace") != 0))
			json_object_del(metadata, name);
	}
	if (!create) {
		json_object_del(config, "apiVersion");
		json_object_del(config, "kind");
	}
	*ret_config = config;
	return 0;
}

/* Merges and prunes. own->set is still what was applied last time; set what is applied now. New reference. */
static json_t *result_of(const struct schema_kind *kind, const json_t *live, const json_t *config,
						 const struct schema_managers *managers, const struct schema_manager *own,
						 const json_t *set)
{
	const struct schema_node *node = schema_kind_node(kind);
	json_t *last = json_deep_copy(own->set);
	json_t *owned = json_deep_copy(set);
	json_t *object;

	for (size_t i = 0; i < managers->count; i++)
		if (&managers->items[i] != own)
			schema_fields_add(owned, managers->items[i].set);
	json_object_del(last, "f:status");
	object = live ? schema_merge(node, live, config) : json_deep_copy(config);
	schema_merge_prune(node, object, last, owned);
	json_decref(last);
	json_decref(owned);
	return object;
}

static int fail_conflict(struct schema_conflicts *found, struct schema_conflicts *conflicts,
						 struct hc_error *err)
{
	HC_AUTO_FREE text = schema_conflicts_text(found);

	if (conflicts)
		*conflicts = *found;
	else
		schema_conflicts_done(found);
	return hc_fail(err, HC_CONFLICT, "%s", text);
}

/* Passes ownership of what object changes; managers are then those after the write. set: what own applied. */
static int settle(const struct schema_kind *kind, const json_t *live, const json_t *object,
				  struct schema_managers *managers, struct schema_manager *own, json_t *set, bool force,
				  const char *now, struct schema_conflicts *conflicts, struct hc_error *err)
{
	struct schema_changes changes = changes_of(kind, live, object, true);
	struct schema_conflicts found = {0};

	if (!force) {
		json_t *allowed = allowed_by_last_applied(kind, live, schema_manager_member(own, "manager"));

		conflicts_find(managers, own, &changes, allowed, &found);
		json_decref(allowed);
	}
	if (found.count) {
		schema_changes_done(&changes);
		return fail_conflict(&found, conflicts, err);
	}
	for (size_t i = 0; i < managers->count; i++)
		if (&managers->items[i] != own)
			take_from(managers->items[i].set, &changes);
	set_manager(own, json_incref(set), schema_kind_api_version(kind), !schema_changes_empty(&changes), now);
	schema_changes_done(&changes);
	return 0;
}

int schema_apply(const struct schema_kind *kind, const json_t *live, const json_t *applied,
				 const char *manager, bool force, const char *now, json_t **ret_object,
				 struct schema_conflicts *conflicts, struct hc_error *err)
{
	struct schema_managers managers = {0};
	struct schema_manager *own;
	json_t *config = NULL;
	json_t *object;
	json_t *set;
	int result;

	assert(kind && now);
	if (conflicts)
		*conflicts = (struct schema_conflicts){0};
	if (check_name(manager, err) || prepare(kind, applied, !live, &config, err))
		return -1;
	if (read_stored(live, &managers, err)) {
		json_decref(config);
		return -1;
	}
	own = schema_managers_get(&managers, manager, "Apply", NULL);
	set = schema_fields_of(schema_kind_node(kind), config);
	schema_fields_strip(set);
	object = result_of(kind, live, config, &managers, own, set);
	result = settle(kind, live, object, &managers, own, set, force, now, conflicts, err);
	if (result == 0)
		result = schema_managers_write(&managers, object, err);
	if (result == 0) {
		refresh_last_applied(object, applied, manager);
		*ret_object = json_incref(object);
	}
	json_decref(object);
	json_decref(set);
	json_decref(config);
	schema_managers_done(&managers);
	return result;
}
