/* Each rule of ownership once, as a story of writes: who writes what, what the object is then, who owns what.
 * JSON is written with single quotes. The random walk beside a model is in ownership_property_test.c. */
#include "../cmocka_all.h"

#include "base/alloc.h"
#include "base/text.h"
#include "schema/schema_fields.h"
#include "schema/schema_internal.h"
#include "schema/schema_managers.h"

#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 5

enum how { END, APPLY, FORCE, UPDATE, STATUS, SCALE };

struct step {
	enum how how;
	const char *manager;
	const char *body;   /* without apiVersion, kind and name */
	const char *object; /* what is stored then, likewise and without managedFields; NULL: as before */
	const char *owners; /* NULL: not looked at; one line an entry */
	const char *error;  /* NULL: it succeeds */
};

static json_t *parse(const char *quoted)
{
	HC_AUTO_FREE text = hc_xstrdup(quoted);
	json_error_t problem;
	json_t *value;

	for (char *at = text; *at; at++)
		if (*at == '\'')
			*at = '"';
	value = json_loads(text, JSON_REJECT_DUPLICATES, &problem);
	if (!value)
		fail_msg("%s: %s", text, problem.text);
	return value;
}

static const struct schema_kind *kind_of(const char *name)
{
	return schema_kind_find(strcmp(name, "Namespace") == 0 ? "v1" : "helvetia.cloud/v1", name);
}

static json_t *whole(const struct schema_kind *kind, const char *body)
{
	json_t *object = parse(body);

	json_object_set_new(object, "apiVersion", json_string(schema_kind_api_version(kind)));
	json_object_set_new(object, "kind", json_string(schema_kind_name(kind)));
	if (!json_object_get(object, "metadata"))
		json_object_set_new(object, "metadata", json_object());
	json_object_set_new(json_object_get(object, "metadata"), "name", json_string("shop"));
	return object;
}

struct lines {
	char *items[64];
	size_t count;
};

static void collect(const char *path, void *payload)
{
	struct lines *lines = payload;

	assert_true(lines->count < HC_COUNT(lines->items));
	lines->items[lines->count++] = hc_xstrdup(path);
}

static int by_text(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

/* "apply a: .spec.image .spec.env[name="A"]\n…" Caller frees. */
static char *owners_text(const json_t *object)
{
	struct schema_managers managers;
	struct hc_error err = {0};
	HC_AUTO_TEXT text = {0};

	assert_int_equal(
		schema_managers_read(json_object_get(json_object_get(object, "metadata"), "managedFields"), &managers,
							 &err),
		0);
	for (size_t i = 0; i < managers.count; i++) {
		const struct schema_manager *manager = &managers.items[i];
		struct lines lines = {0};

		hc_text_printf(&text, "%s %s%s%s:", schema_manager_member(manager, "operation"),
					   schema_manager_member(manager, "manager"),
					   *schema_manager_member(manager, "subresource") ? "/" : "",
					   schema_manager_member(manager, "subresource"));
		schema_fields_each(manager->set, collect, &lines);
		qsort(lines.items, lines.count, sizeof *lines.items, by_text);
		for (size_t at = 0; at < lines.count; at++) {
			hc_text_printf(&text, " %s", lines.items[at]);
			free(lines.items[at]);
		}
		hc_text_append(&text, "\n");
	}
	schema_managers_done(&managers);
	return hc_text_take(&text);
}

static int write_once(const struct schema_kind *kind, const struct step *step, json_t *live, const char *now,
					  json_t **ret_object, struct hc_error *err)
{
	json_t *body = whole(kind, step->body);
	int result;

	if (step->how == APPLY || step->how == FORCE) {
		struct schema_conflicts conflicts = {0};

		result = schema_apply(kind, live, body, step->manager, step->how == FORCE, now, ret_object,
							  &conflicts, err);
		assert_int_equal(conflicts.count > 0, result && err->class == HC_CONFLICT);
		schema_conflicts_done(&conflicts);
		json_decref(body);
		return result;
	}
	result = schema_update_ownership(kind, live, body, step->manager,
									 step->how == STATUS  ? "status"
									 : step->how == SCALE ? "scale"
														  : NULL,
									 now, err);
	if (result)
		json_decref(body);
	else
		*ret_object = body;
	return result;
}

static void assert_stored(const struct schema_kind *kind, const struct step *step, const json_t *object,
						  const char *name)
{
	if (step->object) {
		json_t *bare = json_deep_copy(object);
		json_t *wanted = whole(kind, step->object);
		HC_AUTO_FREE is = NULL;

		json_object_del(json_object_get(bare, "metadata"), "managedFields");
		is = json_dumps(bare, JSON_SORT_KEYS);
		if (!json_equal(bare, wanted))
			fail_msg("%s: %s: stored is %s", name, step->body, is);
		json_decref(bare);
		json_decref(wanted);
	}
	if (step->owners) {
		HC_AUTO_FREE owners = owners_text(object);

		if (strcmp(owners, step->owners) != 0)
			fail_msg("%s: %s: owners are\n%s", name, step->body, owners);
	}
}

static void tell(const char *name, const char *kind_name, const struct step *steps)
{
	const struct schema_kind *kind = kind_of(kind_name);
	json_t *live = NULL;

	for (size_t i = 0; i < STEPS_MAX && steps[i].how != END; i++) {
		struct hc_error err = {0};
		json_t *object = NULL;
		HC_AUTO_FREE now = hc_xprintf("2026-01-01T00:00:0%zuZ", i);
		int result = write_once(kind, &steps[i], live, now, &object, &err);

		if (result && (!steps[i].error || strcmp(err.text, steps[i].error) != 0))
			fail_msg("%s: %s: %s", name, steps[i].body, err.text);
		if (result)
			assert_int_equal(err.class, hc_starts_with(err.text, "Apply failed") ? HC_CONFLICT : HC_INVALID);
		if (!result && steps[i].error)
			fail_msg("%s: %s: no error", name, steps[i].body);
		if (!result) {
			json_decref(live);
			live = object;
		}
		assert_stored(kind, &steps[i], live, name);
	}
	json_decref(live);
}

struct story {
	const char *name;
	const char *kind;
	struct step steps[STEPS_MAX];
};

static void tell_all(const struct story *stories, size_t count)
{
	for (size_t i = 0; i < count; i++)
		tell(stories[i].name, stories[i].kind ? stories[i].kind : "Service", stories[i].steps);
}

/* --- apply --- */

static const struct story apply_stories[] = {
	{"what is applied is owned: leaves, items, free-form keys, empty collections",
	 NULL,
	 {{APPLY, "a",
	   "{'metadata':{'labels':{'x':'1'},'annotations':{}},"
	   "'spec':{'image':'i','domains':['d.org'],'env':[{'name':'A','value':'1'}],'volumes':[]}}",
	   "{'metadata':{'labels':{'x':'1'},'annotations':{}},"
	   "'spec':{'image':'i','domains':['d.org'],'env':[{'name':'A','value':'1'}],'volumes':[]}}",
	   "Apply a: .metadata.annotations .metadata.labels.x .spec.domains[=\"d.org\"] .spec.env[name=\"A\"]"
	   " .spec.env[name=\"A\"].name .spec.env[name=\"A\"].value .spec.image .spec.volumes\n",
	   NULL}}},
	{"what is not applied any more goes",
	 NULL,
	 {{APPLY, "a",
	   "{'metadata':{'labels':{'x':'1','y':'1'}},"
	   "'spec':{'image':'i','healthCheck':{'path':'/"
	   "'},'domains':['d.org'],'env':[{'name':'A'},{'name':'B'}]}}",
	   NULL, NULL, NULL},
	  {APPLY, "a", "{'metadata':{'labels':{'y':'1'}},'spec':{'image':'i','env':[{'name':'B'}]}}",
	   "{'metadata':{'labels':{'y':'1'}},'spec':{'image':'i','env':[{'name':'B'}]}}",
	   "Apply a: .metadata.labels.y .spec.env[name=\"B\"] .spec.env[name=\"B\"].name .spec.image\n", NULL},
	  {APPLY, "a", "{'spec':{'image':'i'}}", "{'spec':{'image':'i'}}", "Apply a: .spec.image\n", NULL}}},
	{"equal values have several owners, and stay while one is left",
	 NULL,
	 {{APPLY, "a", "{'spec':{'image':'i','branch':'b'}}", NULL, NULL, NULL},
	  {APPLY, "b", "{'spec':{'image':'i'}}", NULL,
	   "Apply a: .spec.branch .spec.image\nApply b: .spec.image\n", NULL},
	  {APPLY, "a", "{'spec':{'branch':'b'}}", "{'spec':{'image':'i','branch':'b'}}",
	   "Apply b: .spec.image\nApply a: .spec.branch\n", NULL},
	  {APPLY, "b", "{}", "{'spec':{'branch':'b'}}", "Apply a: .spec.branch\n", NULL}}},
	{"another's value is a conflict; nothing is written",
	 NULL,
	 {{APPLY, "a", "{'spec':{'image':'i'}}", NULL, NULL, NULL},
	  {APPLY, "b", "{'spec':{'image':'j','branch':'b'}}", "{'spec':{'image':'i'}}", "Apply a: .spec.image\n",
	   "Apply failed with 1 conflict: conflict with \"a\": .spec.image"},
	  {FORCE, "b", "{'spec':{'image':'j','branch':'b'}}", "{'spec':{'image':'j','branch':'b'}}",
	   "Apply b: .spec.branch .spec.image\n", NULL}}},
	{"several conflicts are told by manager; an update says when",
	 NULL,
	 {{APPLY, "a", "{'spec':{'image':'i','env':[{'name':'A','value':'1'}]}}", NULL, NULL, NULL},
	  {UPDATE, "u", "{'spec':{'image':'i','branch':'b','env':[{'name':'A','value':'1'}]}}", NULL,
	   "Apply a: .spec.env[name=\"A\"] .spec.env[name=\"A\"].name .spec.env[name=\"A\"].value .spec.image\n"
	   "Update u: .spec.branch\n",
	   NULL},
	  {APPLY, "b", "{'spec':{'image':'j','branch':'c','env':[{'name':'A','value':'2'}]}}", NULL, NULL,
	   "Apply failed with 3 conflicts: conflicts with \"a\":\n- .spec.env[name=\"A\"].value\n- .spec.image\n"
	   "conflicts with \"u\" using helvetia.cloud/v1 at 2026-01-01T00:00:01Z:\n- .spec.branch"}}},
	{"lists of two managers are merged, in the order of their arrival",
	 NULL,
	 {{APPLY, "a", "{'spec':{'domains':['b.org','a.org'],'env':[{'name':'B','value':'1'},{'name':'A'}]}}",
	   NULL, NULL, NULL},
	  {APPLY, "b",
	   "{'spec':{'domains':['z.org','a.org','c.org'],'env':[{'name':'Z'},{'name':'B','scope':'run'}]}}",
	   "{'spec':{'domains':['b.org','a.org','z.org','c.org'],"
	   "'env':[{'name':'B','value':'1','scope':'run'},{'name':'A'},{'name':'Z'}]}}",
	   NULL, NULL},
	  {APPLY, "a", "{'spec':{}}",
	   "{'spec':{'domains':['a.org','z.org','c.org'],'env':[{'name':'B','scope':'run'},{'name':'Z'}]}}", NULL,
	   NULL}}},
	{"an item stays while somebody owns something in it, with its key",
	 NULL,
	 {{APPLY, "a", "{'spec':{'env':[{'name':'A','value':'1'}]}}", NULL, NULL, NULL},
	  {UPDATE, "u", "{'spec':{'env':[{'name':'A','value':'1','scope':'run'}]}}", NULL, NULL, NULL},
	  {APPLY, "a", "{'spec':{}}", "{'spec':{'env':[{'name':'A','scope':'run'}]}}",
	   "Apply a: .spec\nUpdate u: .spec.env[name=\"A\"].scope\n", NULL}}},
	{"a forced field is held against its first owner until it is given back",
	 NULL,
	 {{APPLY, "g", "{'spec':{'commit':'c1'}}", NULL, NULL, NULL},
	  {FORCE, "a", "{'spec':{'commit':'c0','image':'i'}}", NULL, "Apply a: .spec.commit .spec.image\n", NULL},
	  {APPLY, "g", "{'spec':{'commit':'c2'}}", "{'spec':{'commit':'c0','image':'i'}}", NULL,
	   "Apply failed with 1 conflict: conflict with \"a\": .spec.commit"},
	  {APPLY, "a", "{'spec':{'image':'i'}}", "{'spec':{'image':'i'}}", "Apply a: .spec.image\n", NULL},
	  {APPLY, "g", "{'spec':{'commit':'c2'}}", "{'spec':{'commit':'c2','image':'i'}}",
	   "Apply a: .spec.image\nApply g: .spec.commit\n", NULL}}},
	{"null counts as absent",
	 NULL,
	 {{APPLY, "a", "{'spec':{'image':'i','branch':null,'env':[{'name':'A','value':null}]}}",
	   "{'spec':{'image':'i','env':[{'name':'A'}]}}",
	   "Apply a: .spec.env[name=\"A\"] .spec.env[name=\"A\"].name .spec.image\n", NULL},
	  {APPLY, "a", "{'spec':{'image':null,'branch':'b'}}", "{'spec':{'branch':'b'}}",
	   "Apply a: .spec.branch\n", NULL}}},
	{"status and the server's metadata are not applied",
	 NULL,
	 {{APPLY, "a", "{'metadata':{'uid':'u','generation':7},'spec':{'image':'i'},'status':{'phase':'IDLE'}}",
	   "{'spec':{'image':'i'}}", "Apply a: .spec.image\n", NULL},
	  {STATUS, "c", "{'metadata':{'uid':'real'},'spec':{'image':'i'},'status':{'phase':'ACTIVE'}}", NULL,
	   "Apply a: .spec.image\nUpdate c/status: .status .status.phase\n", NULL},
	  {APPLY, "a",
	   "{'metadata':{'uid':'other','resourceVersion':'9'},'spec':{'image':'j'},'status':{'phase':'IDLE'}}",
	   "{'metadata':{'uid':'real'},'spec':{'image':'j'},'status':{'phase':'ACTIVE'}}", NULL, NULL}}},
	{"defaults that nobody owns go with the object that they were in",
	 NULL,
	 {{APPLY, "a", "{'spec':{'image':'i','strategy':{'deadlineSeconds':5}}}", NULL, NULL, NULL},
	  /* What schema_default() adds is in live without an owner: told here by an update that forgets all, then
		 applied. */
	  {UPDATE, "u",
	   "{'metadata':{'managedFields':[{'manager':'a','operation':'Apply','fieldsV1':{'f:spec':{'f:image':{},"
	   "'f:strategy':{'f:deadlineSeconds':{}}}}}]},'spec':{'image':'i','strategy':{'deadlineSeconds':5}}}",
	   NULL, "Apply a: .spec.image .spec.strategy.deadlineSeconds\n", NULL},
	  {APPLY, "a", "{'spec':{'image':'i'}}", "{'spec':{'image':'i'}}", NULL, NULL}}},
	{"atomic lists are one value, unknown objects are merged",
	 "Namespace",
	 {{APPLY, "a", "{'spec':{'list':[1,2],'deep':{'x':{'y':1}}}}", NULL,
	   "Apply a: .spec.deep .spec.deep.x .spec.deep.x.y .spec.list\n", NULL},
	  {APPLY, "b", "{'spec':{'list':[1],'deep':{'x':{'z':null}}}}", NULL, NULL,
	   "Apply failed with 1 conflict: conflict with \"a\": .spec.list"},
	  {FORCE, "b", "{'spec':{'list':[1],'deep':{'x':{'z':null}}}}",
	   "{'spec':{'list':[1],'deep':{'x':{'y':1,'z':null}}}}",
	   "Apply a: .spec.deep .spec.deep.x .spec.deep.x.y\n"
	   "Apply b: .spec.deep .spec.deep.x .spec.deep.x.z .spec.list\n",
	   NULL},
	  {FORCE, "b", "{'spec':{'deep':7}}", "{'spec':{'deep':7}}", "Apply b: .spec.deep\n", NULL}}},
	{"an owner reference is one value, known by its uid",
	 NULL,
	 {{APPLY, "a", "{'metadata':{'ownerReferences':[{'uid':'1','kind':'K','name':'n','apiVersion':'v1'}]}}",
	   NULL, "Apply a: .metadata.ownerReferences[uid=\"1\"]\n", NULL},
	  {APPLY, "b", "{'metadata':{'ownerReferences':[{'uid':'1','kind':'L','name':'n','apiVersion':'v1'}]}}",
	   NULL, NULL,
	   "Apply failed with 1 conflict: conflict with \"a\": .metadata.ownerReferences[uid=\"1\"]"}}},
};

static void test_apply(void **state)
{
	(void)state;
	tell_all(apply_stories, HC_COUNT(apply_stories));
}

/* --- update --- */

static const struct story update_stories[] = {
	{"a writer owns what he changed, and nothing that he only sent",
	 NULL,
	 {{UPDATE, "a", "{'metadata':{'labels':{'x':'1'}},'spec':{'image':'i','env':[{'name':'A'}]}}", NULL,
	   "Update a: .metadata.labels .metadata.labels.x .spec .spec.env .spec.env[name=\"A\"]"
	   " .spec.env[name=\"A\"].name .spec.image\n",
	   NULL},
	  {UPDATE, "b", "{'metadata':{'labels':{'x':'1'}},'spec':{'image':'j'}}", NULL,
	   "Update a: .metadata.labels .metadata.labels.x .spec\nUpdate b: .spec.image\n", NULL},
	  {UPDATE, "b", "{'metadata':{'labels':{'x':'1'}},'spec':{'image':'j'}}", NULL,
	   "Update a: .metadata.labels .metadata.labels.x .spec\nUpdate b: .spec.image\n", NULL}}},
	{"it takes fields from appliers without asking; they find out when they apply again",
	 NULL,
	 {{APPLY, "a", "{'spec':{'image':'i','replicas':1}}", NULL, NULL, NULL},
	  {SCALE, "s", "{'spec':{'image':'i','replicas':3}}", NULL,
	   "Apply a: .spec.image\nUpdate s/scale: .spec.replicas\n", NULL},
	  {APPLY, "a", "{'spec':{'image':'i','replicas':1}}", NULL, NULL,
	   "Apply failed with 1 conflict: conflict with \"s\" with subresource \"scale\" using helvetia.cloud/v1 "
	   "at "
	   "2026-01-01T00:00:01Z: .spec.replicas"},
	  {APPLY, "a", "{'spec':{'image':'i'}}", "{'spec':{'image':'i','replicas':3}}", NULL, NULL}}},
	{"one name that applies and updates is two owners",
	 NULL,
	 {{APPLY, "a", "{'spec':{'image':'i'}}", NULL, NULL, NULL},
	  {UPDATE, "a", "{'spec':{'image':'j'}}", NULL, "Update a: .spec.image\n", NULL},
	  {APPLY, "a", "{'spec':{'image':'i'}}", NULL, NULL,
	   "Apply failed with 1 conflict: conflict with \"a\" using helvetia.cloud/v1 at 2026-01-01T00:00:01Z: "
	   ".spec.image"},
	  {APPLY, "a", "{'spec':{'image':'j'}}", NULL, "Apply a: .spec.image\nUpdate a: .spec.image\n", NULL}}},
	{"status belongs to nobody on the main endpoint, and a scale without it loses nothing",
	 NULL,
	 {{UPDATE, "a", "{'spec':{'image':'i'},'status':{'phase':'IDLE'}}", NULL, "Update a: .spec .spec.image\n",
	   NULL},
	  {STATUS, "c", "{'spec':{'image':'i'},'status':{'phase':'ACTIVE'}}", NULL,
	   "Update a: .spec .spec.image\nUpdate c/status: .status.phase\n", NULL},
	  {SCALE, "s", "{'spec':{'image':'i','replicas':2}}", NULL,
	   "Update a: .spec .spec.image\nUpdate c/status: .status.phase\nUpdate s/scale: .spec.replicas\n",
	   NULL}}},
	{"a kind that changes is modified, with all that was in it",
	 "Namespace",
	 {{UPDATE, "a", "{'spec':{'x':{'y':1}}}", NULL, "Update a: .spec .spec.x .spec.x.y\n", NULL},
	  {UPDATE, "b", "{'spec':{'x':7}}", NULL, "Update a: .spec\nUpdate b: .spec.x\n", NULL},
	  {UPDATE, "c", "{'spec':{'x':{'z':1}}}", NULL, "Update a: .spec\nUpdate c: .spec.x .spec.x.z\n", NULL}}},
};

static void test_update(void **state)
{
	(void)state;
	tell_all(update_stories, HC_COUNT(update_stories));
}

/* --- managedFields from clients --- */

#define SENT(list) "{'metadata':{'managedFields':" list "},'spec':{'image':'i'}}"

static const struct story sent_stories[] = {
	{"a client may write managedFields, in any spelling; [{}] forgets, [] keeps",
	 NULL,
	 {{APPLY, "a", "{'spec':{'image':'i'}}", NULL, "Apply a: .spec.image\n", NULL},
	  {UPDATE, "u",
	   "{'metadata':{'managedFields':[{'manager':'m','operation':'Update','apiVersion':'helvetia.cloud/v1',"
	   "'time':'2020-01-01T00:00:00Z','fieldsType':'FieldsV1','fieldsV1':{'f:apiVersion':{},'f:metadata':{'.'"
	   ":{},"
	   "'f:name':{},'f:labels':{'f:x':{}}},'f:spec':{'f:image':{},'f:env':{'k:{ \\'name\\' : \\'A\\' "
	   "}':{}}}}}]},"
	   "'spec':{'image':'i'}}",
	   NULL, "Update m: .metadata.labels.x .spec.env[name=\"A\"] .spec.image\n", NULL},
	  {UPDATE, "u", SENT("[]"), NULL, "Update m: .metadata.labels.x .spec.env[name=\"A\"] .spec.image\n",
	   NULL},
	  {SCALE, "s", SENT("[{}]"), NULL, "Update m: .metadata.labels.x .spec.env[name=\"A\"] .spec.image\n",
	   NULL},
	  {UPDATE, "u", SENT("[{}]"), "{'spec':{'image':'i'}}", "", NULL}}},
	{"what a client says that he owns and that is not there conflicts when it comes",
	 NULL,
	 {{UPDATE, "u", SENT("[{'manager':'m','operation':'Apply','fieldsV1':{'f:spec':{'f:branch':{}}}}]"), NULL,
	   NULL, NULL},
	  {APPLY, "a", "{'spec':{'branch':'b'}}", NULL, NULL,
	   "Apply failed with 1 conflict: conflict with \"m\": .spec.branch"},
	  {FORCE, "a", "{'spec':{'branch':'b'}}", NULL, "Apply a: .spec.branch\nUpdate u: .spec .spec.image\n",
	   NULL}}},
	{"nobody who says that he applied status takes it away by not applying it",
	 NULL,
	 {{STATUS, "c", "{'status':{'phase':'IDLE'}}", NULL, NULL, NULL},
	  {UPDATE, "u",
	   "{'metadata':{'managedFields':[{'manager':'a','operation':'Apply','fieldsV1':{'f:status':{'f:phase':{}"
	   "}}}]},"
	   "'status':{'phase':'IDLE'}}",
	   NULL, NULL, NULL},
	  {APPLY, "a", "{}", "{'status':{'phase':'IDLE'}}", "", NULL}}},
	{"what can't be read is refused",
	 NULL,
	 {{UPDATE, "u", SENT("[7]"), NULL, NULL, "metadata.managedFields[0]: must be an object"},
	  {UPDATE, "u", SENT("[{'operation':'Apply'}]"), NULL, NULL,
	   "metadata.managedFields[0]: manager: must have 1 to 128 bytes"},
	  {UPDATE, "u", SENT("[{},{'manager':'m','operation':'Steal'}]"), NULL, NULL,
	   "metadata.managedFields[0]: manager: must have 1 to 128 bytes"},
	  {UPDATE, "u", SENT("[{'manager':'m','operation':'Steal'}]"), NULL, NULL,
	   "metadata.managedFields[0]: operation \"Steal\": must be Apply or Update"},
	  {UPDATE, "u", SENT("7"), NULL, NULL, "metadata.managedFields: must be a list"}}},
	{"so are paths that are none",
	 NULL,
	 {{UPDATE, "u", SENT("[{'manager':'m','operation':'Apply','fieldsV1':{'spec':{}}}]"), NULL, NULL,
	   "metadata.managedFields[0]: fieldsV1: \"spec\": must be \".\", f:NAME, k:{KEYS} or v:VALUE"},
	  {UPDATE, "u", SENT("[{'manager':'m','operation':'Apply','fieldsV1':{'f:spec':{'k:{}':{}}}}]"), NULL,
	   NULL, "metadata.managedFields[0]: fieldsV1: \"k:{}\": must be \".\", f:NAME, k:{KEYS} or v:VALUE"},
	  {UPDATE, "u", SENT("[{'manager':'m','operation':'Apply','fieldsV1':{'f:spec':1}}]"), NULL, NULL,
	   "metadata.managedFields[0]: fieldsV1: \"f:spec\": must be an object"},
	  {UPDATE, "u", SENT("[{'manager':'m','operation':'Apply','fieldsType':'FieldsV2'}]"), NULL, NULL,
	   "metadata.managedFields[0]: fieldsType \"FieldsV2\": must be FieldsV1"},
	  {UPDATE, "u", SENT("[{'manager':'m','operation':'Apply','fieldsV1':[]}]"), NULL, NULL,
	   "metadata.managedFields[0]: fieldsV1: must be an object"}}},
};

static void test_sent(void **state)
{
	(void)state;
	tell_all(sent_stories, HC_COUNT(sent_stories));
}

/* --- what can't be merged --- */

static const struct story refused_stories[] = {
	{"items that can't be told apart",
	 NULL,
	 {{APPLY, "a", "{'spec':{'env':[{'name':'A'},{'name':'A'}]}}", NULL, NULL,
	   "spec: env: [1]: is a duplicate of an earlier item: {\"name\":\"A\"}"},
	  {APPLY, "a", "{'spec':{'env':[{'value':'A'}]}}", NULL, NULL,
	   "spec: env: [0]: must be an object with the key \"name\""},
	  {APPLY, "a", "{'spec':{'domains':['a.org','a.org']}}", NULL, NULL,
	   "spec: domains: [1]: is a duplicate of an earlier item: \"a.org\""},
	  {APPLY, "a", "{'spec':{'domains':[{}]}}", NULL, NULL, "spec: domains: [0]: must be a single value"},
	  {APPLY, "a", "{'metadata':{'managedFields':[{}]}}", NULL, NULL,
	   "metadata.managedFields: must not be applied"}}},
	{"managers without a name",
	 NULL,
	 {{APPLY, "", "{}", NULL, NULL, "fieldManager: must have 1 to 128 bytes"},
	  {UPDATE, "", "{}", NULL, NULL, "fieldManager: must have 1 to 128 bytes"},
	  {UPDATE, "a\xff", "{}", NULL, NULL, "fieldManager: must be UTF-8"},
	  {APPLY, "a\nb", "{}", NULL, NULL, "fieldManager: must be printable and without quotes"},
	  {APPLY,
	   "1234567890123456789012345678901234567890123456789012345678901234"
	   "12345678901234567890123456789012345678901234567890123456789012345",
	   "{}", NULL, NULL, "fieldManager: must have 1 to 128 bytes"}}},
};

static void test_refused(void **state)
{
	(void)state;
	tell_all(refused_stories, HC_COUNT(refused_stories));
}

static void test_too_many_managers(void **state)
{
	const struct schema_kind *kind = kind_of("Service");
	json_t *applied = whole(kind, "{'spec':{'image':'i'}}");
	json_t *live = NULL;
	struct hc_error err = {0};
	int count = 0;
	int result;

	(void)state;
	do {
		HC_AUTO_FREE name = hc_xprintf("m%d", count);
		json_t *object = NULL;

		result = schema_apply(kind, live, applied, name, false, "2026-01-01T00:00:00Z", &object, NULL, &err);
		if (result == 0) {
			json_decref(live);
			live = object;
			count++;
		}
	} while (result == 0 && count < 1000);
	assert_int_equal(count, HC_LIMIT_FIELD_MANAGERS);
	assert_int_equal(err.class, HC_INVALID);
	assert_string_equal(err.text, "metadata.managedFields: more than 100 managers would own fields");
	json_decref(live);
	json_decref(applied);
}

/* --- kubectl --- */

#define LAST "kubectl.kubernetes.io/last-applied-configuration"
#define ANNOTATED(text, spec) "{'metadata':{'annotations':{'" LAST "':'" text "'}},'spec':" spec "}"
#define MANIFEST "{\\'spec\\':{\\'branch\\':\\'b\\',\\'image\\':\\'i\\'}}"

/* The first server-side apply after client-side ones; the annotation follows afterwards. */
static const struct story kubectl_stories[] = {
	{"kubectl takes over what the last manifest says",
	 NULL,
	 {{UPDATE, "kubectl-client-side-apply", ANNOTATED(MANIFEST, "{'image':'i','branch':'b'}"), NULL, NULL,
	   NULL},
	  {APPLY, "other", "{'spec':{'image':'j'}}", NULL, NULL,
	   "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using helvetia.cloud/v1 at "
	   "2026-01-01T00:00:00Z: .spec.image"},
	  {APPLY, "kubectl", "{'spec':{'image':'j','branch':'b'}}",
	   ANNOTATED("{\\'apiVersion\\':\\'helvetia.cloud/"
				 "v1\\',\\'kind\\':\\'Service\\',\\'metadata\\':{\\'name\\':\\'shop\\'},"
				 "\\'spec\\':{\\'branch\\':\\'b\\',\\'image\\':\\'j\\'}}\\n",
				 "{'image':'j','branch':'b'}"),
	   "Apply kubectl: .spec.branch .spec.image\nUpdate kubectl-client-side-apply: .metadata.annotations"
	   " .metadata.annotations." LAST " .spec .spec.branch\n",
	   NULL}}},
	{"but not what somebody changed since",
	 NULL,
	 {{UPDATE, "kubectl-client-side-apply", ANNOTATED(MANIFEST, "{'image':'i','branch':'b'}"), NULL, NULL,
	   NULL},
	  {UPDATE, "webhook", ANNOTATED(MANIFEST, "{'image':'k','branch':'b'}"), NULL, NULL, NULL},
	  {APPLY, "kubectl", "{'spec':{'image':'j','branch':'c'}}", NULL, NULL,
	   "Apply failed with 1 conflict: conflict with \"webhook\" using helvetia.cloud/v1 at "
	   "2026-01-01T00:00:01Z: "
	   ".spec.image"}}},
	{"others leave the annotation alone, and it is made for nobody",
	 NULL,
	 {{UPDATE, "kubectl-client-side-apply", ANNOTATED(MANIFEST, "{'image':'i'}"), NULL, NULL, NULL},
	  {FORCE, "other", "{'spec':{'image':'j'}}", ANNOTATED(MANIFEST, "{'image':'j'}"), NULL, NULL},
	  {UPDATE, "other", "{'spec':{'image':'j'}}", NULL, NULL, NULL},
	  {FORCE, "kubectl", "{'spec':{'image':'k'}}", "{'spec':{'image':'k'}}", NULL, NULL}}},
};

static void test_kubectl(void **state)
{
	(void)state;
	tell_all(kubectl_stories, HC_COUNT(kubectl_stories));
}

/* --- forms --- */

static void test_form(void **state)
{
	const struct schema_kind *kind = kind_of("Service");
	json_t *applied = whole(kind, "{'spec':{'image':'i','env':[{'name':'A'}]}}");
	json_t *wanted = parse(
		"[{'manager':'a','operation':'Apply','apiVersion':'helvetia.cloud/v1',"
		"'time':'2026-01-01T00:00:00Z','fieldsType':'FieldsV1','fieldsV1':{'f:spec':{'f:image':{},"
		"'f:env':{'k:{\\'name\\':\\'A\\'}':{'.':{},'f:name':{}}}}}}]");
	json_t *object = NULL;
	struct hc_error err = {0};
	struct schema_conflicts conflicts;

	(void)state;
	assert_int_equal(
		schema_apply(kind, NULL, applied, "a", false, "2026-01-01T00:00:00Z", &object, &conflicts, &err), 0);
	assert_int_equal(conflicts.count, 0);
	assert_true(json_equal(json_object_get(json_object_get(object, "metadata"), "managedFields"), wanted));

	/* What we stored ourselves and can't read is our mistake, not the user's. */
	json_array_append_new(json_object_get(json_object_get(object, "metadata"), "managedFields"),
						  json_integer(7));
	assert_int_equal(schema_apply(kind, object, applied, "a", false, "x", &object, NULL, &err), -1);
	assert_int_equal(err.class, HC_BUG);
	json_decref(object);
	json_decref(wanted);
	json_decref(applied);
}

/* A default in a list item would make every client-side apply of the same manifest a change. */
static void assert_no_default(const struct schema_node *node, bool in_item, const char *kind)
{
	if (!node)
		return;
	if (in_item && node->default_value)
		fail_msg("%s has a default in a list item", kind);
	for (size_t i = 0; i < node->property_count; i++)
		assert_no_default(node->properties[i].node, in_item, kind);
	assert_no_default(node->additional, in_item, kind);
	assert_no_default(node->items, true, kind);
}

static void test_no_default_in_items(void **state)
{
	static const char *const names[] = {"Service", "Deployment", "Build", "User", "Token"};

	(void)state;
	for (size_t i = 0; i < HC_COUNT(names); i++)
		assert_no_default(schema_kind_node(kind_of(names[i])), false, names[i]);
}

/* Applying a manifest to what is stored, defaults and all, changes nothing. */
static void test_defaults_change_nothing(void **state)
{
	const struct schema_kind *kind = kind_of("Service");
	json_t *applied = whole(kind,
							"{'spec':{'image':'i','env':[{'name':'A'}],'strategy':{'drainSeconds':1}}}");
	json_t *live = NULL;
	json_t *again = NULL;
	struct hc_error err = {0};

	(void)state;
	assert_int_equal(schema_apply(kind, NULL, applied, "a", false, "2026-01-01T00:00:00Z", &live, NULL, &err),
					 0);
	schema_default(kind, live);
	assert_int_equal(
		schema_apply(kind, live, applied, "a", false, "2026-01-01T00:00:09Z", &again, NULL, &err), 0);
	assert_true(json_equal(live, again));
	json_decref(again);
	json_decref(applied);

	/* Without strategy its defaults go too, and come back whole. */
	applied = whole(kind, "{'spec':{'image':'i','env':[{'name':'A'}]}}");
	assert_int_equal(
		schema_apply(kind, live, applied, "a", false, "2026-01-01T00:00:09Z", &again, NULL, &err), 0);
	assert_null(json_object_get(json_object_get(again, "spec"), "strategy"));
	schema_default(kind, again);
	assert_int_equal(json_integer_value(json_object_get(
						 json_object_get(json_object_get(again, "spec"), "strategy"), "drainSeconds")),
					 10);
	json_decref(again);
	json_decref(applied);
	json_decref(live);
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
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apply),
		cmocka_unit_test(test_update),
		cmocka_unit_test(test_sent),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_many_managers),
		cmocka_unit_test(test_kubectl),
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_no_default_in_items),
		cmocka_unit_test(test_defaults_change_nothing),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
