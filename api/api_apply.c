/* POST /apply: a stream of documents, applied with server-side-apply semantics in one transaction, all or
 * nothing.
 *
 *   read all → may this person write them? → make each object and collect everything that is wrong, of all
 * documents → one transaction: make them again from what is stored then, write, commit (or roll back: a dry
 * run)
 *
 * Making them first without a transaction costs little and means that applying the same again takes no lock
 * at all. */
#include "api_object.h"

#include "api_consequence.h"
#include "api_plan.h"
#include "api_prune.h"
#include "api_secret.h"
#include "base/limits.h"
#include "base/map.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PROBLEMS_MAX 200 /* told; the rest is counted */

struct item {
	struct api_draft draft;
	const struct schema_document *document;
	const char *consequence;
	const char **plan;
	size_t plan_count;
	const struct store_object *row; /* of a Service or Secret that exists */
	bool broken;                    /* has problems: not made any further */
};

struct problem {
	struct api_cause cause;
	const char *object; /* Service "shop" */
	bool unknown;
	bool conflict;
	bool absent;
};

struct apply {
	struct api_call *call;
	struct api_writer writer;
	struct schema_documents documents;
	struct item *items;
	size_t count;
	struct problem *problems;
	size_t problem_count;
	size_t problems_dropped;
	struct problem scratch; /* stands for one that is not told */
	struct api_prune prune;
	struct api_victims victims;
};

/* --- problems --- */

static struct problem *add_problem(struct apply *apply, struct item *item, const char *field,
								   const char *reason, const char *message)
{
	struct hc_arena *arena = apply->call->arena;
	const char *kind = json_string_value(json_object_get(item->document->value, "kind"));
	const char *name = item->draft.name;

	item->broken = true;
	if (apply->problem_count == PROBLEMS_MAX) {
		apply->problems_dropped++;
		return &apply->scratch;
	}
	struct problem *problem = &apply->problems[apply->problem_count++];
	*problem = (struct problem){.cause = {.field = hc_arena_strdup(arena, field),
										  .reason = hc_arena_strdup(arena, reason),
										  .message = hc_arena_strdup(arena, message),
										  .document = item->document->index + 1,
										  .line = item->document->line},
								.object = hc_arena_printf(arena, "%s \"%s\"", kind ? kind : "object",
														  name && *name ? name : "(no name)")};
	return problem;
}

static void add_causes(struct apply *apply, struct item *item, const struct schema_causes *causes,
					   bool unknown)
{
	for (size_t index = 0; index < causes->count; index++)
		add_problem(apply, item, causes->items[index].field, causes->items[index].reason,
					causes->items[index].message)
			->unknown = unknown;
	apply->problems_dropped += causes->dropped;
}

static const char *problem_line(const struct problem *problem, struct hc_arena *arena)
{
	const struct api_cause *cause = &problem->cause;

	return hc_arena_printf(arena, "document %d, line %d, %s: %s%s%s", cause->document, cause->line,
						   problem->object, problem->unknown ? "strict decoding error" : cause->field,
						   *cause->field ? ": " : "", cause->message);
}

static int code_of(const struct apply *apply)
{
	bool broken = false, unknown = false, conflict = false;

	for (size_t index = 0; index < apply->problem_count; index++) {
		const struct problem *problem = &apply->problems[index];
		broken = broken || !(problem->unknown || problem->conflict || problem->absent);
		unknown = unknown || problem->unknown;
		conflict = conflict || problem->conflict;
	}
	return broken ? 422 : unknown ? 400 : conflict ? 409 : 404;
}

/* By document; those of one stay in the order in which they were found. */
static void sort_problems(struct apply *apply)
{
	for (size_t index = 1; index < apply->problem_count; index++) {
		struct problem problem = apply->problems[index];
		size_t at = index;
		for (; at > 0 && apply->problems[at - 1].cause.document > problem.cause.document; at--)
			apply->problems[at] = apply->problems[at - 1];
		apply->problems[at] = problem;
	}
}

static void answer_problems(struct apply *apply)
{
	struct hc_arena *arena = apply->call->arena;
	size_t count = apply->problem_count;
	struct api_cause *causes = hc_arena_alloc_array(arena, count, sizeof(*causes));
	HC_AUTO_TEXT message = {0};

	sort_problems(apply);
	if (count == 1 && !apply->problems_dropped) {
		hc_text_append(&message, problem_line(&apply->problems[0], arena));
	} else {
		hc_text_printf(&message, "nothing was applied: %zu problems", count + apply->problems_dropped);
		for (size_t index = 0; index < count; index++)
			hc_text_printf(&message, "\n  %s", problem_line(&apply->problems[index], arena));
		if (apply->problems_dropped)
			hc_text_printf(&message, "\n  and %zu more", apply->problems_dropped);
	}
	for (size_t index = 0; index < count; index++)
		causes[index] = apply->problems[index].cause;
	api_answer_status(apply->call, &(struct api_status){.code = code_of(apply),
														.message = hc_text_string(&message),
														.causes = causes,
														.cause_count = count});
}

/* --- documents --- */

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* Kind, name and namespace of a document. */
static void identify(struct apply *apply, struct item *item)
{
	json_t *value = item->document->value;
	const json_t *metadata = json_object_get(value, "metadata");
	const char *name = text_of(metadata, "name");
	const char *given = text_of(metadata, "namespace");
	const char *default_namespace = http_query_get(&apply->call->query, "namespace");
	struct schema_causes causes = {0};

	item->draft.name = name ? hc_arena_strdup(apply->call->arena, name) : ""; /* the document changes below */
	item->draft.namespace_name = "";
	item->draft.schema = schema_kind_of(value, &causes);
	add_causes(apply, item, &causes, false);
	schema_causes_done(&causes);
	if (!item->draft.schema)
		return;
	item->draft.kind = api_kind_find(schema_kind_api_version(item->draft.schema),
									 schema_kind_name(item->draft.schema));
	bool writable = item->draft.kind && (item->draft.kind->store_kind == STORE_SERVICE ||
										 item->draft.kind->store_kind == STORE_NAMESPACE ||
										 item->draft.kind->store_kind == STORE_SECRET);
	if (!writable) {
		/* The rules of its schema are told all the same, so that a manifest is not corrected in vain. */
		schema_check(item->draft.schema, value, SCHEMA_UNKNOWN_REFUSE, &item->draft.causes,
					 &item->draft.unknown);
		add_causes(apply, item, &item->draft.causes, false);
		add_causes(apply, item, &item->draft.unknown, true);
		if (!item->broken)
			add_problem(
				apply, item, "kind", "FieldValueForbidden",
				hc_arena_printf(apply->call->arena,
								"Forbidden: a %s can't be applied; only Service, Secret and Namespace can",
								schema_kind_name(item->draft.schema)));
		return;
	}
	if (!given || !*given)
		given = default_namespace && *default_namespace ? default_namespace : "default";
	if (item->draft.kind->namespaced)
		item->draft.namespace_name = hc_arena_strdup(apply->call->arena, given);
	api_prune_label(&apply->prune, item->draft.kind, value);
}

static void find_twins(struct apply *apply)
{
	for (size_t index = 1; index < apply->count; index++) {
		struct item *item = &apply->items[index];
		for (size_t before = 0; before < index && item->draft.kind && *item->draft.name; before++) {
			const struct item *other = &apply->items[before];
			if (other->draft.kind != item->draft.kind || !hc_streq(other->draft.name, item->draft.name) ||
				!hc_streq(other->draft.namespace_name, item->draft.namespace_name))
				continue;
			add_problem(apply, item, "metadata.name", "FieldValueDuplicate",
						hc_arena_printf(apply->call->arena,
										"Duplicate value: \"%s\": document %d is the same object",
										item->draft.name, other->document->index + 1));
			break;
		}
	}
}

static bool forbidden(struct apply *apply)
{
	const struct api_identity *identity = &apply->call->identity;

	for (size_t index = 0; index < apply->count; index++) {
		const struct api_draft *draft = &apply->items[index].draft;
		if (!draft->kind)
			continue;
		const char *namespace_name = draft->kind->namespaced ? draft->namespace_name : NULL;
		if (api_role_may(identity, draft->kind, API_CREATE, namespace_name, draft->name))
			continue;
		api_answer_status(
			apply->call,
			&(struct api_status){.code = 403,
								 .kind = draft->kind,
								 .name = draft->name,
								 .message = hc_arena_printf(
									 apply->call->arena,
									 "%s \"%s\" is forbidden: User \"%s\" cannot apply it%s%s%s: its role is "
									 "%s%s%s",
									 draft->kind->qualified, draft->name, identity->name,
									 namespace_name ? " in the namespace \"" : "",
									 namespace_name ? namespace_name : "", namespace_name ? "\"" : "",
									 identity->role, *identity->namespace_name ? " of namespace " : "",
									 identity->namespace_name)});
		return true;
	}
	return false;
}

/* --- objects --- */

static bool made_here(const struct apply *apply, const char *namespace_name)
{
	for (size_t index = 0; index < apply->count; index++) {
		const struct api_draft *draft = &apply->items[index].draft;
		if (draft->kind && draft->kind->store_kind == STORE_NAMESPACE &&
			hc_streq(draft->name, namespace_name))
			return true;
	}
	return false;
}

static int check_namespace(struct apply *apply, struct item *item, struct hc_error *err)
{
	struct store_object object;
	const char *name = item->draft.namespace_name;

	/* A name that can't be one is told of by the schema. */
	bool plausible = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name);
	if (item->draft.live || !item->draft.kind->namespaced || !plausible || made_here(apply, name))
		return 0;
	if (store_get(apply->writer.store, apply->call->arena, STORE_NAMESPACE, "", name, &object, err) == 0)
		return 0;
	if (err->class != HC_NOT_FOUND)
		return -1;
	add_problem(apply, item, "metadata.namespace", "FieldValueNotFound",
				hc_arena_printf(
					apply->call->arena,
					"namespaces \"%s\" not found: make it with `kubectl create namespace %s`, or put a "
					"document `{apiVersion: v1, kind: Namespace, metadata: {name: %s}}` into what you apply",
					name, name, name))
		->absent = true;
	return 0;
}

static void collect(struct apply *apply, struct item *item, const struct hc_error *err)
{
	struct api_draft *draft = &item->draft;
	size_t before = apply->problem_count;

	add_causes(apply, item, &draft->causes, false);
	if (apply->writer.validation == API_STRICT)
		add_causes(apply, item, &draft->unknown, true);
	for (size_t index = 0; index < draft->conflicts.count; index++)
		add_problem(apply, item, draft->conflicts.items[index].field, "FieldManagerConflict",
					draft->conflicts.items[index].message)
			->conflict = true;
	if (apply->problem_count == before && !apply->problems_dropped)
		add_problem(apply, item, "", "FieldValueInvalid", err->text)->conflict = err->class == HC_CONFLICT;
}

/* All of a kind in one statement: a manifest of many documents costs one round trip. */
static int read_rows(struct apply *apply, enum store_kind kind, struct hc_error *err)
{
	struct hc_arena *arena = apply->call->arena;
	const char **namespaces = hc_arena_alloc_array(arena, apply->count, sizeof(char *));
	const char **names = hc_arena_alloc_array(arena, apply->count, sizeof(char *));
	struct store_object *rows = NULL;
	size_t count = 0, found = 0;
	HC_AUTO(hc_map) map = hc_map_new();

	for (size_t index = 0; index < apply->count; index++) {
		const struct item *item = &apply->items[index];
		if (item->broken || item->draft.kind->store_kind != kind)
			continue;
		namespaces[count] = item->draft.namespace_name;
		names[count++] = item->draft.name;
	}
	if (count &&
		store_get_many(apply->writer.store, arena, kind, namespaces, names, count, &rows, &found, err))
		return -1;
	for (size_t index = 0; index < found; index++)
		hc_map_set(map, hc_arena_printf(arena, "%s/%s", rows[index].namespace_name, rows[index].name),
				   &rows[index]);
	for (size_t index = 0; index < apply->count; index++) {
		struct item *item = &apply->items[index];
		if (!item->draft.kind || item->draft.kind->store_kind != kind)
			continue;
		item->row = hc_map_get(map,
							   hc_arena_printf(arena, "%s/%s", item->draft.namespace_name, item->draft.name));
	}
	return 0;
}

static int read_item(struct apply *apply, struct item *item, struct hc_error *err)
{
	if (!item->draft.kind->namespaced)
		return *item->draft.name ? api_draft_read(&apply->writer, &item->draft, err) : 0;
	return api_draft_found(&apply->writer, &item->draft, item->row, err) || check_namespace(apply, item, err)
			   ? -1
			   : 0;
}

/* Makes one object. -1: nothing can be made, the database is away or we are wrong. */
static int make(struct apply *apply, struct item *item, struct hc_error *err)
{
	struct api_draft *draft = &item->draft;

	if (item->broken)
		return 0;
	schema_causes_done(&draft->unknown);
	draft->unknown = (struct schema_causes){0};
	if (read_item(apply, item, err))
		return -1;
	if (item->broken || api_draft_apply(&apply->writer, draft, item->document->value, err) == 0)
		return 0;
	if (err->class != HC_INVALID && err->class != HC_CONFLICT)
		return -1;
	collect(apply, item, err);
	return 0;
}

static int make_all(struct apply *apply, struct hc_error *err)
{
	if (read_rows(apply, STORE_SERVICE, err) || read_rows(apply, STORE_SECRET, err))
		return -1;
	for (size_t index = 0; index < apply->count; index++) {
		struct item *item = &apply->items[index];
		if (item->draft.kind && item->draft.kind->namespaced && !item->broken)
			json_object_set_new(json_object_get(item->document->value, "metadata"), "namespace",
								json_string(item->draft.namespace_name));
		if (make(apply, item, err))
			return -1;
	}
	return 0;
}

static int store_item(struct apply *apply, struct item *item, struct hc_error *err)
{
	if (api_draft_store(&apply->writer, &item->draft, err) == 0)
		return 0;
	if (err->class == HC_CONFLICT || err->class == HC_INVALID) {
		bool conflict = err->class == HC_CONFLICT;
		add_problem(apply, item, "", conflict ? "FieldValueDuplicate" : "FieldValueInvalid", err->text)
			->conflict = conflict;
		return -1;
	}
	return hc_wrap(err, "document %d", item->document->index + 1);
}

/* Namespaces first: others may lie in them. */
static int store_all(struct apply *apply, struct hc_error *err)
{
	for (int round = 0; round < 2; round++)
		for (size_t index = 0; index < apply->count; index++) {
			struct item *item = &apply->items[index];
			if ((item->draft.kind->store_kind == STORE_NAMESPACE) != (round == 0))
				continue;
			if (store_item(apply, item, err))
				return -1;
		}
	return 0;
}

static int plan_all(struct apply *apply, struct hc_error *err)
{
	for (size_t index = 0; index < apply->count; index++) {
		struct item *item = &apply->items[index];
		if (item->draft.kind->store_kind == STORE_SERVICE &&
			api_plan_lines(&apply->writer, &item->draft, &item->plan, &item->plan_count, err))
			return -1;
	}
	return 0;
}

/* --- the answer --- */

/* Our own finalizer is nobody's wish, so it is no difference to tell. */
static json_t *lines_json(const char *const *lines, size_t count)
{
	json_t *list = json_array();

	for (size_t index = 0; index < count; index++)
		if (!strstr(lines[index], "[\"" STORE_SERVICE_FINALIZER "\"]"))
			json_array_append_new(list, json_string(lines[index]));
	return list;
}

static json_t *warnings_json(const struct apply *apply, const struct item *item)
{
	json_t *list = json_array();

	for (size_t index = 0; apply->writer.validation == API_WARN && index < item->draft.unknown.count; index++)
		json_array_append_new(list, json_string(item->draft.unknown.items[index].message));
	if (item->draft.live && item->draft.row.deleting)
		json_array_append_new(list, json_string("the object is being deleted; what is applied goes with it"));
	return list;
}

static void diff_lines(const struct api_draft *draft, struct hc_arena *arena, const char ***ret_lines,
					   size_t *ret_count)
{
	bool secret = api_secret_is(draft);
	json_t *live = secret ? api_secret_shown(draft, draft->live) : json_incref(draft->live);
	json_t *object = secret ? api_secret_shown(draft, draft->object) : json_incref(draft->object);

	schema_diff(live, object, arena, ret_lines, ret_count);
	json_decref(live);
	json_decref(object);
}

static json_t *item_json(const struct apply *apply, struct item *item)
{
	struct api_draft *draft = &item->draft;
	const char **diff = NULL;
	size_t diff_count = 0;
	char version[24];
	bool service = draft->kind->store_kind == STORE_SERVICE;
	const struct store_object *shown = apply->writer.dry_run ? &draft->row : &draft->stored;

	snprintf(version, sizeof(version), "%" PRId64, shown->resource_version);
	if (draft->changed)
		diff_lines(draft, apply->call->arena, &diff, &diff_count);
	json_t *value = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:s}", "kind", draft->kind->kind,
							  "namespace", draft->namespace_name, "name", draft->name, "action",
							  !draft->live     ? "created"
							  : draft->changed ? "configured"
											   : "unchanged",
							  "uid", shown->uid ? shown->uid : "", "resourceVersion",
							  shown->uid ? version : "", "warnings", warnings_json(apply, item), "diff",
							  lines_json(diff, diff_count), "consequence",
							  service ? api_consequence(draft->live, draft->object, apply->call->arena) : "");
	if (apply->writer.dry_run)
		json_object_set_new(value, "plan", lines_json(item->plan, item->plan_count));
	return value;
}

static void answer_result(struct apply *apply)
{
	json_t *items = json_array();

	for (size_t index = 0; index < apply->count; index++)
		json_array_append_new(items, item_json(apply, &apply->items[index]));
	for (size_t index = 0; index < apply->victims.count; index++)
		json_array_append_new(items, api_prune_json(&apply->victims.items[index]));
	json_t *result = json_pack("{s:s, s:s, s:b, s:o}", "kind", "ApplyResult", "apiVersion",
							   "helvetia.cloud/v1", "dryRun", apply->writer.dry_run, "items", items);
	char *body = json_dumps(result, JSON_COMPACT);
	json_decref(result);
	api_answer_json(apply->call, 200, body, strlen(body));
}

/* --- the job --- */

static bool any_change(const struct apply *apply)
{
	for (size_t index = 0; index < apply->count; index++)
		if (apply->items[index].draft.changed)
			return true;
	return false;
}

static int find_victims(struct apply *apply, struct hc_error *err)
{
	const struct api_draft **drafts = hc_arena_alloc_array(apply->call->arena, apply->count, sizeof(*drafts));

	for (size_t index = 0; index < apply->count; index++)
		drafts[index] = &apply->items[index].draft;
	return api_prune_find(&apply->writer, &apply->call->identity, &apply->prune, drafts, apply->count,
						  &apply->victims, err);
}

static int prune(struct apply *apply, struct hc_error *err)
{
	return find_victims(apply, err) ||
				   api_prune_delete(&apply->writer, &apply->call->identity, &apply->victims, err)
			   ? -1
			   : 0;
}

/* true: go on. Else it was answered. */
static bool made(struct apply *apply)
{
	struct hc_error err = {0};

	if (make_all(apply, &err)) {
		api_answer_error(apply->call, &err);
		return false;
	}
	if (apply->problem_count) {
		answer_problems(apply);
		return false;
	}
	return true;
}

static void write_all(struct apply *apply)
{
	struct hc_error err = {0};

	if (store_begin(apply->writer.store, &err)) {
		api_answer_error(apply->call, &err);
		return;
	}
	if (!made(apply))
		return;
	int result = store_all(apply, &err) || prune(apply, &err) ? -1 : 0;
	if (result == 0 && apply->writer.dry_run)
		result = plan_all(apply, &err);
	else if (result == 0)
		result = store_commit(apply->writer.store, &err);
	if (result == 0)
		answer_result(apply);
	else if (apply->problem_count)
		answer_problems(apply);
	else
		api_answer_error(apply->call, &err);
}

static void run(struct apply *apply)
{
	struct hc_error err = {0};

	for (size_t index = 0; index < apply->count; index++) {
		apply->items[index].document = &apply->documents.items[index];
		identify(apply, &apply->items[index]);
	}
	if (forbidden(apply))
		return;
	find_twins(apply);
	/* What is wrong without the database is told together with what is wrong with it. */
	if (!apply->writer.dry_run && !made(apply))
		return;
	if (!apply->writer.dry_run && find_victims(apply, &err)) {
		api_answer_error(apply->call, &err);
		return;
	}
	if (!apply->writer.dry_run && !any_change(apply) && !apply->victims.count) {
		for (size_t index = 0; index < apply->count; index++)
			apply->items[index].draft.stored = apply->items[index].draft.row;
		answer_result(apply);
		return;
	}
	write_all(apply);
}

static void job(struct api_call *call, struct store *store)
{
	struct apply apply = {.call = call};
	struct hc_error err = {0};
	size_t length = 0;
	const char *body = http_request_body(call->request, &length);

	if (api_writer_init(&apply.writer, call, store, "helvetia", &err) ||
		api_prune_parse(&call->query, call->arena, &apply.prune, &err) ||
		schema_documents_parse(body, length, &apply.documents, &err)) {
		api_answer_fail(call, 400, "%s", err.text);
	} else if (apply.documents.count == 0) {
		api_answer_fail(call, 400, "there is no document in the body");
	} else {
		apply.count = apply.documents.count;
		apply.items = hc_arena_alloc_array(call->arena, apply.count, sizeof(*apply.items));
		apply.problems = hc_arena_alloc_array(call->arena, PROBLEMS_MAX, sizeof(*apply.problems));
		run(&apply);
	}
	store_abort(store); /* a dry run, or what failed */
	for (size_t index = 0; index < apply.count; index++)
		api_draft_done(&apply.items[index].draft);
	schema_documents_done(&apply.documents);
}

void api_apply(struct api_call *call)
{
	api_work(call, job);
}
