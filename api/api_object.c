/* The way of one object into the database, see the header. */
#include "api_object.h"

#include "api_rollback.h"
#include "api_secret.h"
#include "base/alloc.h"
#include "base/text.h"
#include "schema/schema_commit.h"
#include "store/store_secret.h"
#include <stdlib.h>
#include <string.h>

/* What people own of metadata; the rest is the store's. */
static const char *const owned_metadata[] = {"labels",          "annotations",   "finalizers",
											 "ownerReferences", "managedFields", "generateName"};

void api_draft_done(struct api_draft *draft)
{
	json_decref(draft->live);
	json_decref(draft->object);
	schema_causes_done(&draft->causes);
	schema_causes_done(&draft->unknown);
	schema_conflicts_done(&draft->conflicts);
	api_secret_done(draft);
	draft->live = draft->object = NULL;
}

/* --- the request's way of writing --- */

static const char *manager_of(struct api_call *call, const char *default_manager)
{
	const char *given = http_query_get(&call->query, "fieldManager");
	const char *agent = http_request_header(call->request, "User-Agent");

	if (given && *given)
		return given;
	if (default_manager)
		return default_manager;
	if (agent && *agent && *agent != '/')
		return hc_arena_strndup(call->arena, agent, strcspn(agent, "/ "));
	return "unknown";
}

static int validation_of(const struct http_query *query, enum api_validation *ret_validation,
						 struct hc_error *err)
{
	static const char *const names[] = {"Strict", "Warn", "Ignore"};
	const char *given = http_query_get(query, "fieldValidation");

	*ret_validation = API_STRICT;
	if (!given || !*given)
		return 0;
	for (size_t index = 0; index < HC_COUNT(names); index++)
		if (hc_streq(given, names[index])) {
			*ret_validation = (enum api_validation)index;
			return 0;
		}
	return hc_fail(err, HC_INVALID, "fieldValidation: \"%s\" is none of Strict, Warn, Ignore", given);
}

/* dryRun=All is Kubernetes' form, dryRun=true ours. */
static int dry_run_of(const struct http_query *query, bool *ret_dry_run, struct hc_error *err)
{
	const char *given = http_query_get(query, "dryRun");
	int flag = 0;

	if (hc_streq(given, "All")) {
		*ret_dry_run = true;
		return 0;
	}
	if (http_query_flag(query, "dryRun", &flag, err))
		return hc_fail(err, HC_INVALID, "dryRun: \"%s\" is none of All, true, false", given);
	*ret_dry_run = flag;
	return 0;
}

int api_writer_init(struct api_writer *writer, struct api_call *call, struct store *store,
					const char *default_manager, struct hc_error *err)
{
	int force = 0;

	*writer = (struct api_writer){.options = &call->api->options,
								  .installation = call->api->installation,
								  .store = store,
								  .arena = call->arena,
								  .user_uid = call->identity.user_uid,
								  .manager = manager_of(call, default_manager)};
	hc_clock_format(hc_clock_wall_ms(), writer->now);
	if (validation_of(&call->query, &writer->validation, err) ||
		dry_run_of(&call->query, &writer->dry_run, err) ||
		http_query_flag(&call->query, "force", &force, err))
		return -1;
	writer->force = force;
	return 0;
}

/* --- reading --- */

int api_draft_found(const struct api_writer *writer, struct api_draft *draft, const struct store_object *row,
					struct hc_error *err)
{
	json_decref(draft->live);
	draft->live = NULL;
	if (row) {
		draft->row = *row;
		draft->live = json_loads(row->json, 0, NULL);
	}
	if (row && !draft->live)
		return hc_fail(err, HC_BUG, "%s \"%s\": what is stored is not JSON", draft->kind->qualified,
					   draft->name);
	return api_secret_found(writer, draft, err);
}

int api_draft_read(const struct api_writer *writer, struct api_draft *draft, struct hc_error *err)
{
	struct store_object row;

	if (store_get(writer->store, writer->arena, draft->kind->store_kind, draft->namespace_name, draft->name,
				  &row, err))
		return err->class == HC_NOT_FOUND ? api_draft_found(writer, draft, NULL, err) : -1;
	return api_draft_found(writer, draft, &row, err);
}

/* --- checks --- */

static json_t *metadata_of(json_t *object)
{
	json_t *metadata = json_object_get(object, "metadata");

	if (!json_is_object(metadata)) {
		metadata = json_object();
		json_object_set_new(object, "metadata", metadata);
	}
	return metadata;
}

bool api_draft_refused(const struct api_writer *writer, const struct api_draft *draft)
{
	return draft->causes.count || (writer->validation == API_STRICT && draft->unknown.count);
}

static int fail_checks(const struct api_writer *writer, const struct api_draft *draft, struct hc_error *err)
{
	return api_draft_refused(writer, draft) ? hc_fail(err, HC_INVALID, "the object breaks rules") : 0;
}

static enum schema_unknown policy(const struct api_writer *writer)
{
	return writer->validation == API_STRICT ? SCHEMA_UNKNOWN_REFUSE : SCHEMA_UNKNOWN_PRUNE;
}

static void move_cause(struct schema_causes *causes, const struct schema_cause *cause)
{
	schema_causes_add(causes, cause->field, cause->reason, "%s", cause->message);
}

/* What is applied to a live object may be a part of one: what it lacks is judged after merging. */
static void check_applied(const struct api_writer *writer, struct api_draft *draft, json_t *applied)
{
	struct schema_causes causes = {0};

	schema_check(draft->schema, applied, policy(writer), &causes, &draft->unknown);
	for (size_t index = 0; index < causes.count; index++) {
		bool part = draft->live && hc_streq(causes.items[index].reason, "FieldValueRequired") &&
					!hc_starts_with(causes.items[index].field, "metadata");
		if (!part || strchr(causes.items[index].field, '['))
			move_cause(&draft->causes, &causes.items[index]);
	}
	draft->causes.dropped += causes.dropped;
	schema_causes_done(&causes);
}

/* Of the whole object, after merging: rules, and the defaults behind them. */
static void check_whole(const struct api_writer *writer, struct api_draft *draft)
{
	struct schema_causes unknown = {0}; /* told already, or pruned */

	schema_check(draft->schema, draft->object, policy(writer), &draft->causes, &unknown);
	schema_causes_done(&unknown);
	if (draft->causes.count)
		return;
	schema_default(draft->schema, draft->object);
	if (draft->kind->store_kind == STORE_SERVICE)
		schema_service_rules(draft->object, writer->options->domain, writer->options->repository_prefixes,
							 &draft->causes);
	if (api_secret_is(draft))
		api_secret_rules(draft);
}

/* --- what the server adds --- */

/* Our finalizer stands on every Service and Namespace from the first write until the controller takes it off;
 * nobody else can. */
static void keep_finalizer(const struct api_draft *draft)
{
	json_t *metadata = metadata_of(draft->object);
	json_t *finalizers = json_object_get(metadata, "finalizers");
	json_t *live = json_object_get(json_object_get(draft->live, "metadata"), "finalizers");
	bool ours = !draft->live;
	json_t *value;
	size_t index;

	json_array_foreach(live, index, value)
		ours = ours || hc_streq(json_string_value(value), STORE_SERVICE_FINALIZER);
	json_array_foreach(finalizers, index,
					   value) if (hc_streq(json_string_value(value), STORE_SERVICE_FINALIZER))
	{
		if (ours)
			return;
		json_array_remove(finalizers, index);
		return;
	}
	if (!ours)
		return;
	if (!json_is_array(finalizers)) {
		finalizers = json_array();
		json_object_set_new(metadata, "finalizers", finalizers);
	}
	json_array_append_new(finalizers, json_string(STORE_SERVICE_FINALIZER));
}

/* The server's part of the object, so that it can be compared with the live one, and shown by a dry run. */
static void complete(const struct api_writer *writer, struct api_draft *draft)
{
	const json_t *live_metadata = json_object_get(draft->live, "metadata");
	json_t *metadata = metadata_of(draft->object);
	static const char *const stores[] = {"uid",
										 "resourceVersion",
										 "generation",
										 "creationTimestamp",
										 "deletionTimestamp",
										 "deletionGracePeriodSeconds",
										 "selfLink"};

	for (size_t index = 0; index < HC_COUNT(stores); index++) {
		json_t *value = json_object_get(live_metadata, stores[index]);
		if (value)
			json_object_set(metadata, stores[index], value);
		else
			json_object_del(metadata, stores[index]);
	}
	json_object_set_new(metadata, "name", json_string(draft->name));
	if (*draft->namespace_name)
		json_object_set_new(metadata, "namespace", json_string(draft->namespace_name));
	else
		json_object_del(metadata, "namespace");
	const json_t *spec = json_object_get(draft->object, "spec");
	const json_t *live_spec = json_object_get(draft->live, "spec");
	draft->spec_changed = draft->live && spec && !json_equal(spec, live_spec);
	json_t *status = json_object_get(draft->live, "status");
	if (status)
		json_object_set(draft->object, "status", status);
	else
		json_object_del(draft->object, "status");
	if (draft->kind->store_kind == STORE_SERVICE || draft->kind->store_kind == STORE_NAMESPACE)
		keep_finalizer(draft);
	if (draft->kind->store_kind == STORE_SERVICE) {
		if (!draft->live || draft->spec_changed)
			json_object_set_new(draft->object, "status",
								schema_service_status_pending(
									status, draft->live ? draft->row.generation + 1 : 1, writer->now));
	}
	draft->changed = !draft->live || !schema_equal(draft->live, draft->object);
}

/* Checked, defaulted and owned: what a Service's rollback needs, and the server's part. */
static int finish(const struct api_writer *writer, struct api_draft *draft, bool rollback_named,
				  struct hc_error *err)
{
	if (fail_checks(writer, draft, err))
		return -1;
	if (draft->kind->store_kind == STORE_SERVICE && api_rollback_settle(writer, draft, rollback_named, err))
		return -1;
	complete(writer, draft);
	return 0;
}

/* The platform's own commit belongs to the source that it was found in. */
static void release_commit(struct api_draft *draft)
{
	if (draft->kind->store_kind == STORE_SERVICE)
		(void)schema_commit_release(draft->live, draft->object);
}

/* --- drafts --- */

int api_draft_apply(const struct api_writer *writer, struct api_draft *draft, const json_t *applied,
					struct hc_error *err)
{
	json_t *wanted = json_deep_copy(applied);

	json_decref(draft->object);
	draft->object = NULL;
	json_object_del(wanted, "status");
	int result = api_secret_take(writer, draft, wanted, err);
	if (result == 0)
		check_applied(writer, draft, wanted);
	if (result == 0)
		result = fail_checks(writer, draft, err);
	if (result == 0)
		result = schema_apply(draft->schema, draft->live, wanted, writer->manager, writer->force, writer->now,
							  &draft->object, &draft->conflicts, err);
	bool rollback_named = json_object_get(json_object_get(wanted, "spec"), "rollbackTo") != NULL;
	json_decref(wanted);
	if (result)
		return result;
	if (!rollback_named)
		api_rollback_clear(draft->object);
	release_commit(draft);
	/* Applying the same again is what happens most: the live object obeys the rules already. */
	draft->changed = draft->spec_changed = false;
	if (draft->live && schema_equal(draft->live, draft->object))
		return 0;
	check_whole(writer, draft);
	return finish(writer, draft, rollback_named, err);
}

int api_draft_replace(const struct api_writer *writer, struct api_draft *draft, json_t *object_take,
					  const char *subresource, struct hc_error *err)
{
	json_decref(draft->object);
	draft->object = object_take;
	json_object_del(draft->object, "status");
	if (api_secret_take(writer, draft, draft->object, err))
		return -1;
	schema_check(draft->schema, draft->object, policy(writer), &draft->causes, &draft->unknown);
	if (fail_checks(writer, draft, err))
		return -1;
	if (schema_update_ownership(draft->schema, draft->live, draft->object, writer->manager, subresource,
								writer->now, err))
		return -1;
	release_commit(draft);
	schema_default(draft->schema, draft->object);
	if (draft->kind->store_kind == STORE_SERVICE)
		schema_service_rules(draft->object, writer->options->domain, writer->options->repository_prefixes,
							 &draft->causes);
	if (api_secret_is(draft))
		api_secret_rules(draft);
	return finish(writer, draft, false, err);
}

int api_draft_commit(const struct api_writer *writer, struct api_draft *draft, const char *commit,
					 const char **ret_owner, struct hc_error *err)
{
	HC_AUTO_FREE owner = NULL;

	json_decref(draft->object);
	draft->object = NULL;
	draft->changed = draft->spec_changed = false;
	int result = schema_commit_apply(draft->schema, draft->live, commit, writer->now, &draft->object, &owner,
									 err);
	if (result)
		*ret_owner = hc_arena_strdup(writer->arena, owner);
	if (result || schema_equal(draft->live, draft->object))
		return result;
	return finish(writer, draft, false, err);
}

int api_template_hash(const struct api_writer *writer, const struct api_draft *draft, const char **ret_hash,
					  struct hc_error *err)
{
	struct service_spec spec;

	if (schema_service_spec(json_object_get(draft->object, "spec"), writer->arena, &spec, err) ||
		store_secret_resolve(writer->store, writer->arena, draft->namespace_name, spec.template.env,
							 spec.template.env_count, err))
		return -1;
	return schema_template_hash_of(&spec.template, writer->arena, ret_hash, err);
}

/* --- the row --- */

static char *owned_metadata_text(const json_t *object)
{
	const json_t *metadata = json_object_get(object, "metadata");
	json_t *owned = json_object();

	for (size_t index = 0; index < HC_COUNT(owned_metadata); index++) {
		json_t *value = json_object_get(metadata, owned_metadata[index]);
		if (value && !json_is_null(value))
			json_object_set(owned, owned_metadata[index], value);
	}
	char *text = json_dumps(owned, JSON_COMPACT);
	json_decref(owned);
	return text;
}

static char *part_text(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return value ? json_dumps(value, JSON_COMPACT) : NULL;
}

static int fill_service(const struct api_writer *writer, const struct api_draft *draft,
						struct store_write *write, struct hc_error *err)
{
	const char **hosts = NULL;

	schema_service_hosts(draft->object, writer->options->domain, writer->arena, &hosts, &write->host_count);
	write->hosts = hosts;
	return schema_template_hash(draft->object, writer->arena, &write->template_hash, err);
}

int api_draft_store(const struct api_writer *writer, struct api_draft *draft, struct hc_error *err)
{
	if (!draft->changed) {
		draft->stored = draft->row;
		return 0;
	}
	HC_AUTO_FREE metadata = owned_metadata_text(draft->object);
	if (api_secret_is(draft))
		return api_secret_store(writer, draft, metadata, err);
	HC_AUTO_FREE spec = part_text(draft->object, "spec");
	bool service = draft->kind->store_kind == STORE_SERVICE;
	HC_AUTO_FREE status = service ? part_text(draft->object, "status") : NULL;
	struct store_write write = {.metadata = metadata,
								.spec = spec,
								.status = !draft->live || draft->spec_changed ? status : NULL,
								.generation_up = draft->spec_changed,
								.token_hash = draft->token_hash,
								.user_uid = service && !draft->live ? writer->user_uid : NULL};

	if (service && fill_service(writer, draft, &write, err))
		return -1;
	if (!draft->live)
		return store_insert(writer->store, writer->arena, draft->kind->store_kind, draft->namespace_name,
							draft->name, &write, &draft->stored, err);
	return store_update(writer->store, writer->arena, draft->kind->store_kind, draft->row.uid, &write,
						&draft->stored, err);
}
