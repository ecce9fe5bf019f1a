/* See the header. */
#include "api_prune.h"

#include "base/limits.h"
#include "base/map.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* In this order: what is served goes before what it uses. */
static const enum store_kind pruned_kinds[] = {STORE_SERVICE, STORE_SECRET};

static bool is_label(const char *text)
{
	size_t length = strlen(text);

	return length > 0 && length <= HC_LIMIT_NAME_BYTES &&
		   strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == length && text[0] != '-' &&
		   text[length - 1] != '-';
}

int api_prune_parse(const struct http_query *query, struct hc_arena *arena, struct api_prune *ret_prune,
					struct hc_error *err)
{
	const char *set = http_query_get(query, "set");
	const char *home = http_query_get(query, "namespace");
	int prune = 0;

	if (http_query_flag(query, "prune", &prune, err))
		return -1;
	if (!set && prune)
		return hc_fail(err, HC_INVALID,
					   "prune: needs set=NAME: only what was applied as a part of a set can be pruned");
	home = home && *home ? home : "default";
	if (set && !is_label(set))
		return hc_fail(err, HC_INVALID,
					   "set: Invalid value: \"%.80s\": must consist of lower case letters, digits and \"-\"",
					   set);
	if (set && !is_label(home))
		return hc_fail(err, HC_INVALID, "namespace: Invalid value: \"%.80s\": not the name of a namespace",
					   home);
	*ret_prune = (struct api_prune){.set = set ? hc_arena_strdup(arena, set) : NULL,
									.home = hc_arena_strdup(arena, home),
									.prune = prune};
	return 0;
}

static bool is_pruned_kind(enum store_kind kind)
{
	for (size_t index = 0; index < HC_COUNT(pruned_kinds); index++)
		if (pruned_kinds[index] == kind)
			return true;
	return false;
}

void api_prune_label(const struct api_prune *prune, const struct api_kind *kind, json_t *applied)
{
	json_t *metadata = json_object_get(applied, "metadata");
	json_t *labels = json_object_get(metadata, "labels");

	if (!prune->set || !is_pruned_kind(kind->store_kind) || !json_is_object(metadata))
		return;
	if (!labels || json_is_null(labels)) {
		labels = json_object();
		json_object_set_new(metadata, "labels", labels);
	}
	if (!json_is_object(labels))
		return;
	json_object_set_new(labels, API_PRUNE_SET, json_string(prune->set));
	json_object_set_new(labels, API_PRUNE_HOME, json_string(prune->home));
}

/* --- finding --- */

static const char *key_of(struct hc_arena *arena, enum store_kind kind, const char *namespace_name,
						  const char *name)
{
	return hc_arena_printf(arena, "%d/%s/%s", (int)kind, namespace_name, name);
}

static bool deletes_data(const char *json)
{
	json_t *object = json_loads(json, 0, NULL);
	const json_t *volume;
	size_t index;
	bool found = false;

	json_array_foreach(json_object_get(json_object_get(object, "spec"), "volumes"), index, volume)
	{
		found = found || hc_streq(json_string_value(json_object_get(volume, "onDelete")), "Delete");
	}
	json_decref(object);
	return found;
}

static const char *consequence_of(enum store_kind kind, const char *json)
{
	if (kind != STORE_SERVICE)
		return "remove";
	return deletes_data(json) ? "remove, data at risk" : "remove";
}

static int find_kind(const struct api_writer *writer, const struct api_identity *identity, const char *labels,
					 enum store_kind kind, const struct hc_map *kept, struct api_victims *victims,
					 struct hc_error *err)
{
	struct store_object *rows = NULL;
	size_t count = 0;

	if (store_list_labelled(writer->store, writer->arena, kind,
							*identity->namespace_name ? identity->namespace_name : NULL, labels, &rows,
							&count, err))
		return -1;
	struct api_victim *items = hc_arena_alloc_array(writer->arena, victims->count + count + 1,
													sizeof(*items));
	if (victims->count)
		memcpy(items, victims->items, victims->count * sizeof(*items));
	victims->items = items;
	for (size_t index = 0; index < count; index++) {
		const struct store_object *row = &rows[index];
		if (row->deleting || hc_map_get(kept, key_of(writer->arena, kind, row->namespace_name, row->name)))
			continue;
		items[victims->count++] = (struct api_victim){
			.kind = api_kind_of(kind), .row = *row, .consequence = consequence_of(kind, row->json)};
	}
	return 0;
}

int api_prune_find(const struct api_writer *writer, const struct api_identity *identity,
				   const struct api_prune *prune, const struct api_draft *const *drafts, size_t count,
				   struct api_victims *ret_victims, struct hc_error *err)
{
	HC_AUTO(hc_map) kept = hc_map_new();

	*ret_victims = (struct api_victims){0};
	if (!prune->prune)
		return 0;
	for (size_t index = 0; index < count; index++)
		hc_map_set(kept,
				   key_of(writer->arena, drafts[index]->kind->store_kind, drafts[index]->namespace_name,
						  drafts[index]->name),
				   kept);
	/* Both are DNS labels: nothing in them needs an escape. */
	const char *labels = hc_arena_printf(writer->arena,
										 "{\"" API_PRUNE_SET "\":\"%s\",\"" API_PRUNE_HOME "\":\"%s\"}",
										 prune->set, prune->home);
	for (size_t index = 0; index < HC_COUNT(pruned_kinds); index++)
		if (find_kind(writer, identity, labels, pruned_kinds[index], kept, ret_victims, err))
			return -1;
	return 0;
}

int api_prune_delete(const struct api_writer *writer, const struct api_identity *identity,
					 struct api_victims *victims, struct hc_error *err)
{
	for (size_t index = 0; index < victims->count; index++) {
		struct api_victim *victim = &victims->items[index];
		bool gone = false;
		if (!api_role_may(identity, victim->kind, API_DELETE, victim->row.namespace_name, victim->row.name))
			return hc_fail(err, HC_DENIED,
						   "%s \"%s\" is forbidden: User \"%s\" cannot prune it in the namespace \"%s\": its "
						   "role is %s",
						   victim->kind->qualified, victim->row.name, identity->name,
						   victim->row.namespace_name, identity->role);
		if (store_delete(writer->store, writer->arena, victim->kind->store_kind, victim->row.uid,
						 &victim->row, &gone, err))
			return hc_wrap(err, "prune %s \"%s\"", victim->kind->plural, victim->row.name);
	}
	return 0;
}

json_t *api_prune_json(const struct api_victim *victim)
{
	char version[24];

	snprintf(version, sizeof(version), "%" PRId64, victim->row.resource_version);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:[], s:[], s:s}", "kind", victim->kind->kind,
					 "namespace", victim->row.namespace_name, "name", victim->row.name, "action", "pruned",
					 "uid", victim->row.uid, "resourceVersion", version, "warnings", "diff", "consequence",
					 victim->consequence);
}
