/* See schema_commit.h. */
#include "schema_commit.h"

#include "base/alloc.h"
#include "base/text.h"
#include "schema.h"
#include "schema_managers.h"

#include <stdlib.h>
#include <string.h>

static const char *spec_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(json_object_get(object, "spec"), name));

	return text ? text : "";
}

static const json_t *managed_fields(const json_t *object)
{
	return json_object_get(json_object_get(object, "metadata"), "managedFields");
}

static bool owns_commit(const struct schema_manager *manager)
{
	return json_object_get(json_object_get(manager->set, "f:spec"), "f:commit");
}

static bool is_ours(const struct schema_manager *manager)
{
	return hc_streq(schema_manager_member(manager, "manager"), COMMIT_MANAGER);
}

/* Somebody else before the platform, else NULL. */
static const struct schema_manager *find_owner(const struct schema_managers *managers)
{
	const struct schema_manager *owner = NULL;

	for (size_t i = 0; i < managers->count; i++)
		if (owns_commit(&managers->items[i]) && (!owner || is_ours(owner)))
			owner = &managers->items[i];
	return owner;
}

const char *schema_commit_owner(const json_t *object, struct hc_arena *arena)
{
	struct schema_managers managers = {0};
	const struct schema_manager *owner;
	const char *name;

	if (!*spec_text(object, "commit") || schema_managers_read(managed_fields(object), &managers, NULL))
		return NULL;
	owner = find_owner(&managers);
	name = owner ? hc_arena_strdup(arena, schema_manager_member(owner, "manager")) : NULL;
	schema_managers_done(&managers);
	return name;
}

static int check_commit(const char *commit, struct hc_error *err)
{
	size_t length = strlen(commit);

	if ((length == 40 || length == 64) && strspn(commit, "0123456789abcdef") == length)
		return 0;
	return hc_fail(
		err, HC_INVALID,
		"spec.commit: \"%.80s\": must be a full commit id of 40 or 64 lower-case hexadecimal digits", commit);
}

/* Another commit is what a rollback waited for (design 4.3). Nobody owns what is gone. */
static int end_rollback(const struct schema_kind *kind, json_t *object, const char *now, struct hc_error *err)
{
	json_t *before = json_deep_copy(object);
	int result = 0;

	if (json_object_del(json_object_get(object, "spec"), "rollbackTo") == 0)
		result = schema_update_ownership(kind, before, object, COMMIT_MANAGER, NULL, now, err);
	json_decref(before);
	return result;
}

int schema_commit_apply(const struct schema_kind *service_kind, const json_t *live, const char *commit,
						const char *now, json_t **ret_object, char **ret_owner, struct hc_error *err)
{
	struct schema_conflicts conflicts = {0};
	json_t *applied;
	bool unresolved = !*spec_text(live, "commit");
	int result;

	*ret_object = NULL;
	if (ret_owner)
		*ret_owner = NULL;
	if (check_commit(commit, err))
		return -1;
	applied = json_pack("{s:{s:s}}", "spec", "commit", commit);
	result = schema_apply(service_kind, live, applied, COMMIT_MANAGER, unresolved, now, ret_object,
						  &conflicts, err);
	json_decref(applied);
	if (result && conflicts.count && ret_owner)
		*ret_owner = hc_xstrdup(conflicts.items[0].manager);
	schema_conflicts_done(&conflicts);
	if (result == 0 && !hc_streq(spec_text(live, "commit"), commit))
		result = end_rollback(service_kind, *ret_object, now, err);
	if (result)
		json_decref(hc_take(ret_object));
	return result;
}

static bool source_changed(const json_t *live, const json_t *object)
{
	return !hc_streq(spec_text(live, "repoUrl"), spec_text(object, "repoUrl")) ||
		   !hc_streq(spec_text(live, "branch"), spec_text(object, "branch"));
}

/* The set without spec.commit; a node that became empty goes too. */
static void disown(json_t *set)
{
	json_t *spec = json_object_get(set, "f:spec");

	json_object_del(spec, "f:commit");
	if (spec && json_object_size(spec) == 0)
		json_object_del(set, "f:spec");
}

bool schema_commit_release(const json_t *live, json_t *object)
{
	struct schema_managers managers = {0};
	const struct schema_manager *owner;
	bool released;

	if (!live || !*spec_text(object, "commit") || !source_changed(live, object) ||
		schema_managers_read(managed_fields(object), &managers, NULL))
		return false;
	owner = find_owner(&managers);
	released = owner && is_ours(owner);
	for (size_t i = 0; released && i < managers.count; i++)
		disown(managers.items[i].set);
	/* Fewer owners than before can't be too many. */
	released = released && schema_managers_write(&managers, object, NULL) == 0;
	if (released)
		json_object_del(json_object_get(object, "spec"), "commit");
	schema_managers_done(&managers);
	return released;
}
