/* POST, PUT, PATCH and DELETE of single objects, and the scale of a Service. Each runs on a pool thread: read
 * what is stored under the write lock, make the new object of it, write, commit. */
#include "api_object.h"

#include "api_body.h"
#include "api_scale.h"
#include "api_token.h"
#include "base/random.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define GENERATED_SUFFIX 5

/* --- answers --- */

static void answer_object(struct api_call *call, int code, const struct store_object *object)
{
	char *body = strdup(object->json);

	api_answer_json(call, code, body, strlen(body));
}

static void answer_text(struct api_call *call, int code, const char *reason, const struct hc_text *message)
{
	api_answer_status(call, &(struct api_status){.code = code,
												 .reason = reason,
												 .message = hc_text_string(message),
												 .kind = call->route.kind,
												 .name = call->route.name});
}

static void answer_absent(struct api_call *call, const char *name)
{
	HC_AUTO_TEXT message = {0};

	api_status_text_absent(call->route.kind, name, &message);
	answer_text(call, 404, NULL, &message);
}

static void answer_stale(struct api_call *call, const char *name)
{
	HC_AUTO_TEXT message = {0};

	api_status_text_stale(call->route.kind, name, &message);
	answer_text(call, 409, NULL, &message);
}

static void answer_causes(struct api_call *call, const struct api_draft *draft)
{
	HC_AUTO_TEXT message = {0};
	struct api_cause causes[HC_LIMIT_VALIDATION_CAUSES];

	/* Unknown fields alone are 400, as Kubernetes' strict decoding. */
	if (!draft->causes.count) {
		size_t count = api_body_causes(&draft->unknown, causes, 0);
		hc_text_append(&message, "strict decoding error: ");
		for (size_t index = 0; index < count; index++)
			hc_text_printf(&message, "%s%s", index ? ", " : "", causes[index].message);
		api_answer_status(call, &(struct api_status){.code = 400,
													 .message = hc_text_string(&message),
													 .kind = draft->kind,
													 .name = draft->name,
													 .causes = causes,
													 .cause_count = count});
		return;
	}
	size_t count = api_body_causes(&draft->causes, causes, 0);
	count = api_body_causes(&draft->unknown, causes, count);
	api_status_text_invalid(draft->kind, draft->name, causes, count, &message);
	if (draft->causes.dropped)
		hc_text_printf(&message, " and %zu more", draft->causes.dropped);
	api_answer_status(call, &(struct api_status){.code = 422,
												 .message = hc_text_string(&message),
												 .kind = draft->kind,
												 .name = draft->name,
												 .causes = causes,
												 .cause_count = count});
}

static void answer_conflicts(struct api_call *call, const struct api_draft *draft)
{
	char *message = schema_conflicts_text(&draft->conflicts);
	size_t count = draft->conflicts.count;
	struct api_cause *causes = hc_arena_alloc_array(call->arena, count, sizeof(*causes));

	for (size_t index = 0; index < count; index++)
		causes[index] = (struct api_cause){.field = draft->conflicts.items[index].field,
										   .reason = "FieldManagerConflict",
										   .message = draft->conflicts.items[index].message};
	api_answer_status(call, &(struct api_status){.code = 409,
												 .message = message,
												 .kind = draft->kind,
												 .name = draft->name,
												 .causes = causes,
												 .cause_count = count});
	free(message);
}

/* A step on the way failed. */
static void answer_failure(struct api_call *call, const struct api_writer *writer,
						   const struct api_draft *draft, const struct hc_error *err)
{
	if (err->class == HC_INVALID && api_draft_refused(writer, draft)) {
		answer_causes(call, draft);
	} else if (draft->conflicts.count) {
		answer_conflicts(call, draft);
	} else if (err->class == HC_INVALID) {
		api_answer_fail(call, 422, "%s", err->text);
	} else {
		api_answer_error(call, err);
	}
}

static void warn_unknown(struct api_call *call, const struct api_writer *writer,
						 const struct api_draft *draft)
{
	for (size_t index = 0; writer->validation == API_WARN && index < draft->unknown.count; index++)
		api_answer_warn(call, draft->unknown.items[index].message);
	if (draft->row.deleting && draft->live)
		api_answer_warn(call, "the object is currently being deleted");
}

/* --- transactions --- */

/* Commits, or forgets a dry run. */
static int finish(const struct api_writer *writer, struct hc_error *err)
{
	if (!writer->dry_run)
		return store_commit(writer->store, err);
	store_abort(writer->store);
	return 0;
}

static int store_draft(struct api_call *call, const struct api_writer *writer, struct api_draft *draft,
					   struct hc_error *err)
{
	char *token = NULL;

	if (!api_token_may_write(call, draft, draft->object))
		return 0;
	if (draft->kind->store_kind == STORE_TOKEN && !draft->live)
		api_token_draw(call, draft, &token);
	if (api_draft_store(writer, draft, err) || finish(writer, err))
		return -1;
	warn_unknown(call, writer, draft);
	/* A dry run has made no token, so there is no text to show. */
	if (token && !writer->dry_run)
		api_token_answer(call, draft, token);
	else
		answer_object(call, draft->live ? 200 : 201, &draft->stored);
	return 0;
}

/* --- create --- */

static const char *generated_name(const json_t *metadata, struct hc_arena *arena)
{
	const char *prefix = json_string_value(json_object_get(metadata, "generateName"));
	char suffix[GENERATED_SUFFIX + 1];

	if (!prefix || !*prefix)
		return NULL;
	hc_random_token(suffix, GENERATED_SUFFIX);
	return hc_arena_printf(arena, "%s%s", prefix, suffix);
}

static void answer_exists(struct api_call *call, const struct api_draft *draft)
{
	HC_AUTO_TEXT message = {0};

	api_status_text_exists(draft->kind, draft->name, &message);
	api_answer_status(call, &(struct api_status){.code = 409,
												 .reason = "AlreadyExists",
												 .message = hc_text_string(&message),
												 .kind = draft->kind,
												 .name = draft->name});
}

static void answer_not_stored(struct api_call *call, const struct api_writer *writer,
							  const struct api_draft *draft, const struct hc_error *err)
{
	/* The store says NOT_FOUND of a namespace, and CONFLICT of one that is going. */
	if (err->class == HC_NOT_FOUND && *draft->namespace_name)
		api_body_answer_no_namespace(call, draft->namespace_name);
	else if (err->class == HC_CONFLICT && strstr(err->text, "is being deleted"))
		api_answer_fail(call, 403,
						"%s \"%s\" is forbidden: unable to create new content in namespace %s because it is "
						"being terminated",
						draft->kind->qualified, draft->name, draft->namespace_name);
	else
		answer_failure(call, writer, draft, err);
}

static void create(struct api_call *call, const struct api_writer *writer, struct api_draft *draft,
				   json_t *object)
{
	json_t *metadata = json_object_get(object, "metadata");
	const char *name = json_string_value(json_object_get(metadata, "name"));
	struct hc_error err = {0};

	if (!name || !*name) {
		name = generated_name(metadata, call->arena);
		if (name)
			json_object_set_new(metadata, "name", json_string(name));
	}
	draft->name = hc_arena_strdup(call->arena, name ? name : "");
	call->route.name = draft->name;
	if (api_draft_replace(writer, draft, json_incref(object), NULL, &err)) {
		answer_failure(call, writer, draft, &err);
	} else if (store_begin(writer->store, &err) || api_draft_read(writer, draft, &err)) {
		api_answer_error(call, &err);
	} else if (draft->live) {
		answer_exists(call, draft);
	} else if (store_draft(call, writer, draft, &err)) {
		answer_not_stored(call, writer, draft, &err);
	}
}

/* --- update and patch --- */

/* A resourceVersion in the body is a precondition. */
static bool stale(const struct api_draft *draft, const json_t *sent)
{
	const char *version = json_string_value(
		json_object_get(json_object_get(sent, "metadata"), "resourceVersion"));
	const char *uid = json_string_value(json_object_get(json_object_get(sent, "metadata"), "uid"));

	return (version && *version && strtoll(version, NULL, 10) != draft->row.resource_version) ||
		   (uid && *uid && !hc_streq(uid, draft->row.uid));
}

static void write_live(struct api_call *call, const struct api_writer *writer, struct api_draft *draft,
					   json_t *object_take)
{
	struct hc_error err = {0};

	if (stale(draft, object_take)) {
		json_decref(object_take);
		answer_stale(call, draft->name);
	} else if (api_draft_replace(writer, draft, object_take, NULL, &err) ||
			   store_draft(call, writer, draft, &err)) {
		answer_failure(call, writer, draft, &err);
	}
}

/* false: answered. */
static bool read_live(struct api_call *call, const struct api_writer *writer, struct api_draft *draft)
{
	struct hc_error err = {0};

	if (store_begin(writer->store, &err) || api_draft_read(writer, draft, &err)) {
		api_answer_error(call, &err);
		return false;
	}
	return true;
}

static void update(struct api_call *call, const struct api_writer *writer, struct api_draft *draft,
				   json_t *object)
{
	if (!read_live(call, writer, draft))
		return;
	if (!draft->live)
		answer_absent(call, draft->name);
	else
		write_live(call, writer, draft, json_incref(object));
}

static void patch(struct api_call *call, const struct api_writer *writer, struct api_draft *draft,
				  enum api_body_type type, const json_t *sent)
{
	if (!read_live(call, writer, draft))
		return;
	if (!draft->live) {
		answer_absent(call, draft->name);
		return;
	}
	json_t *merged = api_body_patched(call, type, draft->live, sent);
	if (merged && !api_body_check_identity(call, merged))
		json_decref(merged);
	else if (merged)
		write_live(call, writer, draft, merged);
}

static void apply_patch(struct api_call *call, const struct api_writer *writer, struct api_draft *draft,
						json_t *applied)
{
	struct hc_error err = {0};

	if (!http_query_get(&call->query, "fieldManager")) {
		api_answer_fail(call, 422,
						"PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required "
						"for apply patch");
		return;
	}
	if (!read_live(call, writer, draft))
		return;
	if (draft->live && stale(draft, applied))
		answer_stale(call, draft->name);
	else if (api_draft_apply(writer, draft, applied, &err))
		answer_failure(call, writer, draft, &err);
	else if (store_draft(call, writer, draft, &err))
		answer_not_stored(call, writer, draft, &err);
}

/* --- delete --- */

static void answer_deleted(struct api_call *call, const struct store_object *object)
{
	api_answer_status(
		call, &(struct api_status){
				  .code = 200, .kind = call->route.kind, .name = call->route.name, .uid = object->uid});
}

/* Only what has come to its end, and does not serve. false: answered. */
static bool may_delete_deployment(struct api_call *call, const struct api_writer *writer,
								  const struct api_draft *draft, struct hc_error *err)
{
	struct store_object service;
	const char *name = json_string_value(json_object_get(json_object_get(draft->live, "spec"), "service"));
	const char *phase = json_string_value(json_object_get(json_object_get(draft->live, "status"), "phase"));

	if (!hc_streq(phase, "SUCCESS") && !hc_streq(phase, "FAILED")) {
		api_answer_fail(
			call, 409, "deployment \"%s\" is still being rolled out (%s): only a finished one can be deleted",
			draft->name, phase ? phase : "no phase yet");
		return false;
	}
	if (store_get(writer->store, writer->arena, STORE_SERVICE, draft->namespace_name, name ? name : "",
				  &service, err)) {
		if (err->class == HC_NOT_FOUND)
			return true;
		api_answer_error(call, err);
		return false;
	}
	json_t *object = json_loads(service.json, 0, NULL);
	const char *current = json_string_value(
		json_object_get(json_object_get(object, "status"), "currentDeployment"));
	bool serves = hc_streq(current, draft->name);
	json_decref(object);
	if (serves)
		api_answer_fail(call, 409,
						"deployment \"%s\" is the current one of service \"%s\": deploy another or delete "
						"the service",
						draft->name, name);
	return !serves;
}

/* All Services of a namespace are marked; the controller takes each down, and then the namespace. */
static int delete_contents(const struct api_writer *writer, const struct api_draft *draft, size_t *ret_count,
						   struct hc_error *err)
{
	struct store_reference *services = NULL;
	size_t count = 0;

	*ret_count = 0;
	if (store_services_all(writer->store, writer->arena, &services, &count, err))
		return -1;
	for (size_t index = 0; index < count; index++) {
		struct store_object object;
		bool gone = false;
		if (!hc_streq(services[index].namespace_name, draft->name))
			continue;
		++*ret_count;
		if (store_delete(writer->store, writer->arena, STORE_SERVICE, services[index].uid, &object, &gone,
						 err))
			return -1;
	}
	return 0;
}

static int delete_draft(struct api_call *call, const struct api_writer *writer, struct api_draft *draft,
						enum store_propagation propagation, struct hc_error *err)
{
	bool gone = false;
	size_t services = 0;

	if (draft->kind->store_kind == STORE_NAMESPACE && delete_contents(writer, draft, &services, err))
		return -1;
	if (store_owner_prepare(writer->store, draft->kind->store_kind, draft->row.uid, draft->namespace_name,
							propagation, err) ||
		store_delete(writer->store, writer->arena, draft->kind->store_kind, draft->row.uid, &draft->stored,
					 &gone, err) ||
		finish(writer, err))
		return -1;
	if (gone)
		answer_deleted(call, &draft->stored);
	else
		answer_object(call, 200, &draft->stored);
	return 0;
}

static void delete (struct api_call *call, struct api_writer *writer, struct api_draft *draft)
{
	struct hc_error err = {0};
	struct api_delete_options options;

	if (!api_body_delete_options(call, &options))
		return;
	writer->dry_run = writer->dry_run || options.dry_run;
	if (!read_live(call, writer, draft))
		return;
	if (!draft->live) {
		answer_absent(call, draft->name);
	} else if (draft->kind->store_kind == STORE_NAMESPACE && hc_streq(draft->name, "default")) {
		api_answer_fail(call, 403, "namespaces \"default\" is forbidden: this namespace may not be deleted");
	} else if ((options.uid && !hc_streq(options.uid, draft->row.uid)) ||
			   (options.resource_version && options.resource_version != draft->row.resource_version)) {
		answer_stale(call, draft->name);
	} else if (!api_token_may_write(call, draft, NULL)) {
		return;
	} else if (draft->kind->store_kind == STORE_DEPLOYMENT &&
			   !may_delete_deployment(call, writer, draft, &err)) {
		return;
	} else if (delete_draft(call, writer, draft, options.propagation, &err)) {
		api_answer_error(call, &err);
	}
}

/* --- the job --- */

static void write_body(struct api_call *call, struct api_writer *writer, struct api_draft *draft)
{
	enum api_body_type type;
	json_t *body = api_body_read(call, &type);

	if (!body)
		return;
	if (call->route.subresource == API_SCALE)
		api_scale_write(call, writer, draft, type, body);
	else if (type == API_BODY_MERGE_PATCH || type == API_BODY_JSON_PATCH)
		patch(call, writer, draft, type, body);
	else if (!api_body_check_identity(call, body))
		; /* answered */
	else if (call->route.verb == API_CREATE)
		create(call, writer, draft, body);
	else if (type == API_BODY_APPLY_PATCH)
		apply_patch(call, writer, draft, body);
	else
		update(call, writer, draft, body);
	json_decref(body);
}

static void job(struct api_call *call, struct store *store)
{
	const struct api_route *route = &call->route;
	struct api_writer writer;
	struct hc_error err = {0};
	struct api_draft draft = {.kind = route->kind,
							  .schema = schema_kind_find(route->kind->api_version, route->kind->kind),
							  .namespace_name = route->namespace_name ? route->namespace_name : "",
							  .name = route->name};

	if (api_writer_init(&writer, call, store, NULL, &err))
		api_answer_fail(call, 400, "%s", err.text);
	else if (route->verb == API_DELETE)
		delete (call, &writer, &draft);
	else if (route->verb == API_GET)
		api_scale_read(call, &writer, &draft);
	else
		write_body(call, &writer, &draft);
	store_abort(store); /* nothing, after a commit */
	api_draft_done(&draft);
}

void api_write(struct api_call *call)
{
	api_work(call, job);
}
