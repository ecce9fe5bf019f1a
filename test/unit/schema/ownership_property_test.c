/* Server-side apply against a small model, over random sequences of applies, updates and defaults by three
 * managers.
 *
 * The model knows no JSON and no schema. An object is a table of places (below) with a number at each: 0 is
 * absent, a place with others below it has 1. A manager's set is a row of flags. What the rules of ownership
 * say is written down here a second time, over that table, and the two must agree about the object, every
 * set, every time and every conflict after every step. */
#include "../cmocka_all.h"

#include "base/alloc.h"
#include "base/text.h"
#include "schema/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEQUENCES 1000
#define STEPS 12
#define MANAGERS 3
#define ENTRIES (2 * MANAGERS) /* i: applies, MANAGERS + i: updates */

enum sort {
	OBJECT, /* named by the schema, has members */
	MAP,    /* free-form: its members are owned by themselves */
	LIST,   /* a list map or a set: its items are owned by themselves */
	LEAF,
	KEY,         /* member of a MAP */
	VALUE,       /* item of a set */
	ITEM,        /* item of a list map */
	ITEM_NAME,   /* its key */
	SORT_MEMBER, /* another member of an item */
};

enum {
	METADATA,
	LABELS,
	LABEL_A,
	LABEL_B,
	SPEC,
	IMAGE,
	REPLICAS,
	HEALTH,
	HEALTH_PATH,
	STRATEGY,
	MIN_READY,
	DEADLINE,
	DOMAINS,
	DOMAIN_X,
	DOMAIN_Y,
	DOMAIN_Z,
	ENV,
	ENV_A,
	ENV_A_NAME,
	ENV_A_VALUE,
	ENV_A_SCOPE,
	ENV_B,
	ENV_B_NAME,
	ENV_B_VALUE,
	ENV_B_SCOPE,
	PLACES,
};

static const struct place {
	int parent;
	enum sort sort;
	const char *name;    /* of the member, or what identifies the item */
	const char *element; /* in FieldsV1 */
	const char *path;    /* in conflicts */
	bool number;
	int by_default;
} places[PLACES] = {
	[METADATA] = {-1, OBJECT, "metadata", "f:metadata", ".metadata", 0, 0},
	[LABELS] = {METADATA, MAP, "labels", "f:labels", ".metadata.labels", 0, 0},
	[LABEL_A] = {LABELS, KEY, "a", "f:a", ".metadata.labels.a", 0, 0},
	[LABEL_B] = {LABELS, KEY, "b", "f:b", ".metadata.labels.b", 0, 0},
	[SPEC] = {-1, OBJECT, "spec", "f:spec", ".spec", 0, 0},
	[IMAGE] = {SPEC, LEAF, "image", "f:image", ".spec.image", 0, 0},
	[REPLICAS] = {SPEC, LEAF, "replicas", "f:replicas", ".spec.replicas", true, 1},
	[HEALTH] = {SPEC, OBJECT, "healthCheck", "f:healthCheck", ".spec.healthCheck", 0, 0},
	[HEALTH_PATH] = {HEALTH, LEAF, "path", "f:path", ".spec.healthCheck.path", 0, 0},
	[STRATEGY] = {SPEC, OBJECT, "strategy", "f:strategy", ".spec.strategy", 0, 0},
	[MIN_READY] = {STRATEGY, LEAF, "minReadySeconds", "f:minReadySeconds", ".spec.strategy.minReadySeconds",
				   true, 2},
	[DEADLINE] = {STRATEGY, LEAF, "deadlineSeconds", "f:deadlineSeconds", ".spec.strategy.deadlineSeconds",
				  true, 600},
	[DOMAINS] = {SPEC, LIST, "domains", "f:domains", ".spec.domains", 0, 0},
	[DOMAIN_X] = {DOMAINS, VALUE, "x.org", "v:\"x.org\"", ".spec.domains[=\"x.org\"]", 0, 0},
	[DOMAIN_Y] = {DOMAINS, VALUE, "y.org", "v:\"y.org\"", ".spec.domains[=\"y.org\"]", 0, 0},
	[DOMAIN_Z] = {DOMAINS, VALUE, "z.org", "v:\"z.org\"", ".spec.domains[=\"z.org\"]", 0, 0},
	[ENV] = {SPEC, LIST, "env", "f:env", ".spec.env", 0, 0},
	[ENV_A] = {ENV, ITEM, "A", "k:{\"name\":\"A\"}", ".spec.env[name=\"A\"]", 0, 0},
	[ENV_A_NAME] = {ENV_A, ITEM_NAME, "name", "f:name", ".spec.env[name=\"A\"].name", 0, 0},
	[ENV_A_VALUE] = {ENV_A, SORT_MEMBER, "value", "f:value", ".spec.env[name=\"A\"].value", 0, 0},
	[ENV_A_SCOPE] = {ENV_A, SORT_MEMBER, "scope", "f:scope", ".spec.env[name=\"A\"].scope", 0, 0},
	[ENV_B] = {ENV, ITEM, "B", "k:{\"name\":\"B\"}", ".spec.env[name=\"B\"]", 0, 0},
	[ENV_B_NAME] = {ENV_B, ITEM_NAME, "name", "f:name", ".spec.env[name=\"B\"].name", 0, 0},
	[ENV_B_VALUE] = {ENV_B, SORT_MEMBER, "value", "f:value", ".spec.env[name=\"B\"].value", 0, 0},
	[ENV_B_SCOPE] = {ENV_B, SORT_MEMBER, "scope", "f:scope", ".spec.env[name=\"B\"].scope", 0, 0},
};

struct object {
	int at[PLACES];
};
struct set {
	bool has[PLACES];
};
struct model {
	bool created;
	struct object object;
	struct set sets[ENTRIES];
	int times[ENTRIES];
};

static bool has_members(int place)
{
	return places[place].sort == OBJECT || places[place].sort == MAP || places[place].sort == LIST ||
		   places[place].sort == ITEM;
}

static bool is_below(int place, int ancestor)
{
	for (; place >= 0; place = places[place].parent)
		if (place == ancestor)
			return true;
	return false;
}

/* --- the model --- */

static bool hollow(const struct object *object, int place)
{
	for (int i = 0; i < PLACES; i++)
		if (places[i].parent == place && object->at[i])
			return false;
	return true;
}

static void remove_below(struct object *object, int ancestor)
{
	for (int i = 0; i < PLACES; i++)
		if (is_below(i, ancestor))
			object->at[i] = 0;
}

static struct set set_of(const struct object *config)
{
	struct set set = {{false}};

	for (int i = 0; i < PLACES; i++) {
		bool named_container = places[i].sort == OBJECT || places[i].sort == MAP || places[i].sort == LIST;

		set.has[i] = config->at[i] && i != METADATA && (!named_container || hollow(config, i));
	}
	return set;
}

static bool touches(const struct set *set, int ancestor)
{
	for (int i = 0; i < PLACES; i++)
		if (set->has[i] && is_below(i, ancestor))
			return true;
	return false;
}

static bool only_defaults(const struct object *object, int place)
{
	for (int i = 0; i < PLACES; i++) {
		if (places[i].parent != place || !object->at[i])
			continue;
		if (places[i].sort == LEAF ? object->at[i] != places[i].by_default
								   : places[i].sort >= KEY || !only_defaults(object, i))
			return false;
	}
	return true;
}

/* owned: by anybody after the write. Later places lie below earlier ones, so the walk is from the end. */
static void prune(struct object *object, const struct set *last, const struct set *owned)
{
	for (int i = PLACES - 1; i >= 0; i--) {
		enum sort sort = places[i].sort;
		bool container = sort == OBJECT || sort == MAP || sort == LIST;

		if (i == METADATA || sort == ITEM_NAME || touches(owned, i))
			continue;
		if (container ? touches(last, i) && only_defaults(object, i) : last->has[i])
			remove_below(object, i);
	}
}

struct difference {
	struct set written; /* added or modified */
	struct set removed;
	bool any;
	bool any_written;
};

static struct difference differ(const struct object *before, const struct object *after)
{
	struct difference difference = {0};

	for (int i = 0; i < PLACES; i++) {
		difference.written.has[i] = after->at[i] && after->at[i] != before->at[i];
		difference.removed.has[i] = before->at[i] && !after->at[i];
		if (i == METADATA)
			difference.written.has[i] = difference.removed.has[i] = false;
		difference.any_written |= difference.written.has[i];
		difference.any |= difference.written.has[i] || difference.removed.has[i];
	}
	return difference;
}

static void model_take(struct model *model, int entry, const struct difference *difference)
{
	for (int other = 0; other < ENTRIES; other++)
		for (int i = 0; i < PLACES && other != entry; i++)
			if (difference->written.has[i] || difference->removed.has[i])
				model->sets[other].has[i] = false;
}

static void model_set(struct model *model, int entry, const struct set *set, bool changed, int now)
{
	if (changed || memcmp(set, &model->sets[entry], sizeof *set) != 0)
		model->times[entry] = now;
	model->sets[entry] = *set;
}

static void model_update(struct model *model, int manager, const struct object *after, int now)
{
	int entry = MANAGERS + manager;
	struct difference difference = differ(&model->object, after);
	struct set set = model->sets[entry];

	for (int i = 0; i < PLACES; i++)
		set.has[i] = (set.has[i] && !difference.removed.has[i]) || difference.written.has[i];
	model_take(model, entry, &difference);
	model_set(model, entry, &set, difference.any_written, now);
	model->object = *after;
	model->created = true;
}

/* Returns the number of conflicts; they are set in conflicts[entry]. Without force nothing changes when there
 * are. */
static int model_apply(struct model *model, int manager, const struct object *config, bool force, int now,
					   struct set conflicts[ENTRIES])
{
	struct set set = set_of(config);
	struct set owned = set;
	struct object merged = model->object;
	struct difference difference;
	int count = 0;

	for (int i = 0; i < PLACES; i++) {
		merged.at[i] = config->at[i] ? config->at[i] : merged.at[i];
		for (int other = 0; other < ENTRIES; other++)
			owned.has[i] |= other != manager && model->sets[other].has[i];
	}
	if (model->created)
		prune(&merged, &model->sets[manager], &owned);
	difference = differ(&model->object, &merged);
	memset(conflicts, 0, ENTRIES * sizeof *conflicts);
	for (int other = 0; other < ENTRIES && !force; other++)
		for (int i = 0; i < PLACES && other != manager; i++) {
			conflicts[other].has[i] = model->sets[other].has[i] && difference.written.has[i];
			count += conflicts[other].has[i];
		}
	if (count)
		return count;
	model_take(model, manager, &difference);
	model_set(model, manager, &set, difference.any, now);
	model->object = merged;
	model->created = true;
	return 0;
}

/* --- from and to JSON --- */

static json_t *render(const struct object *object, int place)
{
	json_t *value;

	if (places[place].number)
		return json_integer(object->at[place]);
	if (places[place].sort == VALUE)
		return json_string(places[place].name);
	if (places[place].sort == ITEM_NAME)
		return json_string(places[places[place].parent].name);
	if (!has_members(place))
		return json_sprintf("v%d", object->at[place]);
	value = places[place].sort == LIST ? json_array() : json_object();
	for (int i = 0; i < PLACES; i++) {
		if (places[i].parent != place || !object->at[i])
			continue;
		if (places[place].sort == LIST)
			json_array_append_new(value, render(object, i));
		else
			json_object_set_new(value, places[i].name, render(object, i));
	}
	return value;
}

static json_t *render_whole(const struct object *object)
{
	json_t *value = json_pack("{s:s, s:s, s:o}", "apiVersion", "helvetia.cloud/v1", "kind", "Service",
							  "metadata", render(object, METADATA));

	json_object_set_new(json_object_get(value, "metadata"), "name", json_string("shop"));
	if (object->at[SPEC])
		json_object_set_new(value, "spec", render(object, SPEC));
	return value;
}

static const json_t *find(const json_t *whole, int place)
{
	const json_t *parent = places[place].parent < 0 ? whole : find(whole, places[place].parent);
	json_t *item;
	size_t index;

	if (!json_is_array(parent))
		return json_object_get(parent, places[place].name);
	json_array_foreach(parent, index, item)
	{
		const char *name = json_string_value(json_is_object(item) ? json_object_get(item, "name") : item);

		if (name && strcmp(name, places[place].name) == 0)
			return item;
	}
	return NULL;
}

static const json_t *entry_of(const json_t *whole, int entry)
{
	const json_t *list = json_object_get(json_object_get(whole, "metadata"), "managedFields");
	char name[8];
	json_t *item;
	size_t index;

	(void)snprintf(name, sizeof name, "m%d", entry % MANAGERS);
	json_array_foreach(list, index,
					   item) if (strcmp(json_string_value(json_object_get(item, "manager")), name) == 0 &&
								 strcmp(json_string_value(json_object_get(item, "operation")),
										entry < MANAGERS ? "Apply" : "Update") == 0) return item;
	return NULL;
}

static const json_t *fields_at(const json_t *fields, int place)
{
	const json_t *parent = places[place].parent < 0 ? fields : fields_at(fields, places[place].parent);

	return json_object_get(parent, places[place].element);
}

static size_t members_in(const json_t *fields)
{
	size_t count = json_object_size(fields) == 0;
	const char *element;
	json_t *child;

	json_object_foreach((json_t *)fields, element, child)
		count += strcmp(element, ".") == 0 ? 1 : members_in(child);
	return count;
}

/* --- agreement --- */

static void time_text(int now, char text[32])
{
	(void)snprintf(text, 32, "2026-01-01T00:%02d:%02dZ", now / 60, now % 60);
}

static void agree_object(const struct object *object, const json_t *whole)
{
	json_t *wanted = render_whole(object);

	for (int i = 0; i < PLACES; i++) {
		const json_t *is = find(whole, i);
		const json_t *should = find(wanted, i);

		if ((is == NULL) != (should == NULL) || (is && !has_members(i) && !json_equal(is, should)))
			fail_msg("%s differs", places[i].path);
		if (is && json_array_size(is) + json_object_size(is) !=
					  json_array_size(should) + json_object_size(should) +
						  (i == METADATA && json_object_get(is, "managedFields")))
			fail_msg("%s has another number of members", places[i].path);
	}
	json_decref(wanted);
}

static void agree_entry(const struct model *model, int entry, const json_t *whole)
{
	const json_t *found = entry_of(whole, entry);
	const json_t *fields = json_object_get(found, "fieldsV1");
	size_t count = 0;
	char time[32];

	for (int i = 0; i < PLACES; i++) {
		const json_t *at = fields_at(fields, i);
		bool has = at && (json_object_size(at) == 0 || json_object_get(at, "."));

		count += has;
		if (has != model->sets[entry].has[i])
			fail_msg("entry %d %s %s", entry, has ? "owns" : "does not own", places[i].path);
	}
	if (!found)
		return;
	assert_int_equal(count, members_in(fields));
	assert_true(count > 0);
	time_text(model->times[entry], time);
	assert_string_equal(json_string_value(json_object_get(found, "time")), time);
}

static void agree(const struct model *model, const json_t *whole)
{
	agree_object(&model->object, whole);
	for (int entry = 0; entry < ENTRIES; entry++)
		agree_entry(model, entry, whole);
}

/* What was there keeps its order, what is new comes after it. */
static void agree_order(const json_t *before, const json_t *after, int list)
{
	json_t *order = json_array();
	json_t *item;
	size_t index;
	size_t kept = 0;

	for (int pass = 0; pass < 2; pass++)
		json_array_foreach(pass ? find(after, list) : find(before, list), index, item)
		{
			const json_t *name = json_is_object(item) ? json_object_get(item, "name") : item;
			bool in_both = false;

			for (int i = 0; i < PLACES; i++)
				if (places[i].parent == list && strcmp(json_string_value(name), places[i].name) == 0)
					in_both = find(before, i) && find(after, i);
			if (in_both && !pass)
				json_array_append(order, (json_t *)name);
			else if (in_both)
				assert_true(json_equal(json_array_get(order, kept), name) && kept++ == index);
		}
	assert_int_equal(kept, json_array_size(order));
	json_decref(order);
}

static void agree_conflicts(const struct set conflicts[ENTRIES], const struct schema_conflicts *found)
{
	for (int entry = 0; entry < ENTRIES; entry++)
		for (int i = 0; i < PLACES; i++) {
			size_t matches = 0;
			char name[8];

			(void)snprintf(name, sizeof name, "m%d", entry % MANAGERS);
			for (size_t at = 0; at < found->count; at++)
				matches += strcmp(found->items[at].field, places[i].path) == 0 &&
						   strcmp(found->items[at].manager, name) == 0 &&
						   (strstr(found->items[at].message, " using ") != NULL) == (entry >= MANAGERS);
			assert_int_equal(matches, conflicts[entry].has[i]);
		}
}

/* --- steps --- */

static uint64_t random_state;

static int below(int limit) /* xorshift64 */
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (int)((random_state >> 20) % (uint64_t)limit);
}

static int random_value(int place)
{
	if (has_members(place) || places[place].sort == VALUE || places[place].sort == ITEM_NAME)
		return 1;
	if (places[place].by_default && below(3) == 0)
		return places[place].by_default;
	return 1 + below(3);
}

/* Sets a place and what must be there with it. */
static void put(struct object *object, int place)
{
	object->at[place] = random_value(place);
	for (int i = places[place].parent; i >= 0; i = places[i].parent)
		object->at[i] = 1;
	for (int i = 0; i < PLACES; i++)
		if (places[i].sort == ITEM_NAME && object->at[places[i].parent])
			object->at[i] = 1;
}

static struct object random_config(void)
{
	struct object config = {.at[METADATA] = 1};
	int density = 1 + below(10);

	for (int i = 0; i < PLACES; i++)
		if (below(12) < (has_members(i) ? 1 : density / 2))
			put(&config, i);
	return config;
}

static struct object random_edit(const struct object *before)
{
	struct object after = *before;

	after.at[METADATA] = 1;
	for (int edits = below(5); edits >= 0; edits--) {
		int place = 1 + below(PLACES - 1);

		if (places[place].sort == ITEM_NAME)
			continue;
		if (below(3) == 0)
			remove_below(&after, place);
		else
			put(&after, place);
	}
	return after;
}

struct run {
	struct model model;
	json_t *live;
	int now;
	int forced;
	int refused;
};

static void step_apply(struct run *run)
{
	int manager = below(MANAGERS);
	bool force = below(3) == 0;
	struct object config = random_config();
	struct set conflicts[ENTRIES];
	struct schema_conflicts found = {0};
	struct hc_error err = {0};
	const struct schema_kind *kind = schema_kind_find("helvetia.cloud/v1", "Service");
	json_t *applied = render_whole(&config);
	json_t *object = NULL;
	json_t *again = NULL;
	char name[8];
	char time[32];
	int count = model_apply(&run->model, manager, &config, force, run->now, conflicts);
	int result;

	(void)snprintf(name, sizeof name, "m%d", manager);
	time_text(run->now, time);
	result = schema_apply(kind, run->live, applied, name, force, time, &object, &found, &err);
	assert_int_equal(result, count ? -1 : 0);
	assert_int_equal(found.count, count);
	agree_conflicts(conflicts, &found);
	schema_conflicts_done(&found);
	if (result) {
		assert_int_equal(err.class, HC_CONFLICT);
		run->refused++;
	} else {
		run->forced += force;
		agree_order(run->live, object, ENV);
		agree_order(run->live, object, DOMAINS);
		/* Applying it again, later, changes nothing at all. */
		assert_int_equal(
			schema_apply(kind, object, applied, name, false, "2027-01-01T00:00:00Z", &again, &found, &err),
			0);
		assert_true(json_equal(object, again));
		json_decref(again);
		json_decref(run->live);
		run->live = object;
	}
	json_decref(applied);
}

static void step_update(struct run *run)
{
	int manager = below(MANAGERS);
	struct object after = random_edit(&run->model.object);
	json_t *object = render_whole(&after);
	struct hc_error err = {0};
	char name[8];
	char time[32];

	(void)snprintf(name, sizeof name, "m%d", manager);
	time_text(run->now, time);
	assert_int_equal(schema_update_ownership(schema_kind_find("helvetia.cloud/v1", "Service"), run->live,
											 object, name, NULL, time, &err),
					 0);
	model_update(&run->model, manager, &after, run->now);
	json_decref(run->live);
	run->live = object;
}

/* As schema_default() does: values that nobody owns. */
static void step_default(struct run *run)
{
	static const int by_default[] = {REPLICAS, MIN_READY};

	for (size_t i = 0; run->live && run->model.object.at[SPEC] && i < HC_COUNT(by_default); i++) {
		int place = by_default[i];
		json_t *spec = json_object_get(run->live, "spec");

		if (run->model.object.at[place])
			continue;
		run->model.object.at[places[place].parent] = 1;
		run->model.object.at[place] = places[place].by_default;
		if (places[place].parent == STRATEGY && !json_object_get(spec, "strategy"))
			json_object_set_new(spec, "strategy", json_object());
		json_object_set_new(places[place].parent == STRATEGY ? json_object_get(spec, "strategy") : spec,
							places[place].name, json_integer(places[place].by_default));
	}
}

static void test_model(void **state)
{
	int forced = 0;
	int refused = 0;

	(void)state;
	for (int sequence = 0; sequence < SEQUENCES; sequence++) {
		struct run run = {0};

		random_state = 0x9e3779b97f4a7c15u * (uint64_t)(sequence + 1);
		for (run.now = 0; run.now < STEPS; run.now++) {
			int choice = below(8);

			if (choice < 5)
				step_apply(&run);
			else if (choice < 7)
				step_update(&run);
			else
				step_default(&run);
			if (run.live)
				agree(&run.model, run.live);
		}
		forced += run.forced;
		refused += run.refused;
		json_decref(run.live);
	}
	/* The walk went where it should. */
	assert_true(forced > SEQUENCES);
	assert_true(refused > SEQUENCES);
}

static int load(void **state)
{
	struct hc_error err;

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
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};

	return cmocka_run_group_tests(tests, load, unload);
}
