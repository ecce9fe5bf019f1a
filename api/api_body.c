/* See the header. */
#include "api_body.h"

#include "api_protobuf.h"
#include "base/limits.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	enum api_body_type type;
	bool patch;
} types[] = {
	{"application/json", API_BODY_OBJECT, false},
	{"application/yaml", API_BODY_OBJECT, false},
	{"application/x-yaml", API_BODY_OBJECT, false},
	{"text/yaml", API_BODY_OBJECT, false},
	{"application/x-www-form-urlencoded", API_BODY_OBJECT, false}, /* what curl says without being asked */
	{API_PROTOBUF_TYPE, API_BODY_PROTOBUF, false},
	{"application/json-patch+json", API_BODY_JSON_PATCH, true},
	{"application/merge-patch+json", API_BODY_MERGE_PATCH, true},
	{"application/apply-patch+yaml", API_BODY_APPLY_PATCH, true},
};

int api_body_type_of(const char *content_type, bool patch, enum api_body_type *ret_type)
{
	size_t length = content_type ? strcspn(content_type, "; \t") : 0;

	if (length == 0 && !patch) {
		*ret_type = API_BODY_OBJECT;
		return 0;
	}
	for (size_t index = 0; index < HC_COUNT(types); index++) {
		if (types[index].patch == patch && strlen(types[index].name) == length &&
			strncasecmp(types[index].name, content_type, length) == 0) {
			*ret_type = types[index].type;
			return 0;
		}
	}
	return -1;
}

static void refuse_type(struct api_call *call, const char *content_type, bool patch)
{
	const char *hint = "";

	if (content_type && strstr(content_type, "strategic"))
		hint = "; strategic merge patch is not served: use --type merge";
	api_answer_fail(call, 415,
					"the body of the request was in an unknown format - accepted media types include: %s%s",
					patch ? "application/json-patch+json, application/merge-patch+json, "
							"application/apply-patch+yaml"
						  : "application/json, application/yaml",
					hint);
}

static json_t *read_document(struct api_call *call, const char *body, size_t length)
{
	struct schema_documents documents = {0};
	struct hc_error err = {0};
	json_t *value = NULL;

	if (schema_documents_parse(body, length, &documents, &err)) {
		api_answer_fail(call, 400, "%s", err.text);
		return NULL;
	}
	if (documents.count == 1)
		value = json_incref(documents.items[0].value);
	else
		api_answer_fail(call, 400, "the body must be exactly one object, not %zu", documents.count);
	schema_documents_done(&documents);
	return value;
}

/* Depth is bounded by jansson, and by schema_json_patch for what gets into an object. */
static json_t *read_steps(struct api_call *call, const char *body, size_t length)
{
	json_error_t problem;
	json_t *value = json_loadb(body, length, JSON_REJECT_DUPLICATES, &problem);

	/* What it is near to may be the value of a Secret. */
	const char *near = strstr(problem.text, " near '");
	if (!value)
		api_answer_fail(call, 400, "line %d, column %d: %.*s", problem.line, problem.column,
						(int)(near ? (size_t)(near - problem.text) : strlen(problem.text)), problem.text);
	return value;
}

static json_t *read_protobuf(struct api_call *call, const char *body, size_t length)
{
	struct hc_error err = {0};
	json_t *value = api_protobuf_decode(body, length, &err);

	if (!value)
		api_answer_fail(call, 400, "%s", err.text);
	return value;
}

/* kubectl sends a strategic merge patch for a built-in kind, whatever is offered. A Secret consists of
 * mappings of texts, of which both ways of merging make the same; what goes beyond that ("$patch",
 * "$setElementOrder/…") is an unknown field, and refused as such. */
static bool strategic_is_merge(const struct api_call *call, const char *content_type)
{
	static const char name[] = "application/strategic-merge-patch+json";

	return call->route.kind && call->route.kind->store_kind == STORE_SECRET && content_type &&
		   strncasecmp(content_type, name, strlen(name)) == 0;
}

json_t *api_body_read(struct api_call *call, enum api_body_type *ret_type)
{
	bool patch = call->route.verb == API_PATCH;
	const char *content_type = http_request_header(call->request, "Content-Type");
	size_t length = 0;

	if (patch && strategic_is_merge(call, content_type))
		content_type = "application/merge-patch+json";
	/* Protobuf is of the built-in kinds only, as in Kubernetes. */
	if (api_body_type_of(content_type, patch, ret_type) ||
		(*ret_type == API_BODY_PROTOBUF && call->route.kind && *call->route.kind->group)) {
		refuse_type(call, content_type, patch);
		return NULL;
	}
	const char *body = http_request_body(call->request, &length);
	if (*ret_type == API_BODY_PROTOBUF)
		return read_protobuf(call, body, length);
	return *ret_type == API_BODY_JSON_PATCH ? read_steps(call, body, length)
											: read_document(call, body, length);
}

/* Whether a JSON patch changes the list of owners itself. */
static bool names_owners(enum api_body_type type, const json_t *patch)
{
	static const char path[] = "/metadata/managedFields";
	const json_t *step;
	size_t index;

	if (type == API_BODY_MERGE_PATCH)
		return json_object_get(json_object_get(patch, "metadata"), "managedFields") != NULL;
	json_array_foreach(patch, index, step)
	{
		const char *changed = json_string_value(json_object_get(step, "path"));
		if (changed && (hc_starts_with(changed, path) || hc_streq(changed, "/metadata") || !*changed) &&
			!hc_streq(json_string_value(json_object_get(step, "op")), "test"))
			return true;
	}
	return false;
}

static void refuse_steps(struct api_call *call, const struct hc_error *err)
{
	/* As Kubernetes: not about the object, so that kubectl says "The request is invalid". */
	struct api_cause cause = {.field = "patch", .reason = "FieldValueInvalid", .message = err->text};
	bool misfit = err->class == HC_CONFLICT;

	api_answer_status(call, &(struct api_status){.code = misfit ? 422 : 400,
												 .message = err->text,
												 .causes = &cause,
												 .cause_count = misfit ? 1 : 0});
}

json_t *api_body_patched(struct api_call *call, enum api_body_type type, const json_t *live,
						 const json_t *patch)
{
	struct hc_error err = {0};
	json_t *merged = type == API_BODY_JSON_PATCH ? schema_json_patch(live, patch, &err)
												 : schema_merge_patch(live, patch);

	if (!merged) {
		refuse_steps(call, &err);
	} else if (!json_is_object(merged)) {
		api_answer_fail(call, 400, "the patch leaves something that is no object");
		json_decref(merged);
		merged = NULL;
	} else if (!names_owners(type, patch)) {
		/* Owners are named anew only by who sends them: what is stored must not look as if it were sent. */
		json_object_del(json_object_get(merged, "metadata"), "managedFields");
	}
	return merged;
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

bool api_body_check_identity(struct api_call *call, json_t *object)
{
	const struct api_route *route = &call->route;
	json_t *metadata = json_object_get(object, "metadata");
	const char *name = text_of(metadata, "name");
	const char *namespace_name = text_of(metadata, "namespace");
	const char *api_version = text_of(object, "apiVersion");
	const char *kind = text_of(object, "kind");

	if (route->subresource == API_SCALE)
		return true;
	if (!hc_streq(api_version, route->kind->api_version) || !hc_streq(kind, route->kind->kind)) {
		api_answer_fail(call, 400, "the body is a %s of %s, but the path wants a %s of %s",
						kind ? kind : "(no kind)", api_version ? api_version : "(no apiVersion)",
						route->kind->kind, route->kind->api_version);
		return false;
	}
	if (route->name && name && *name && !hc_streq(name, route->name)) {
		api_answer_fail(call, 400, "the name of the object (%s) does not match the name on the URL (%s)",
						name, route->name);
		return false;
	}
	if (namespace_name && *namespace_name && !hc_streq(namespace_name, route->namespace_name)) {
		api_answer_fail(
			call, 400,
			"the namespace of the provided object does not match the namespace sent on the request");
		return false;
	}
	if (json_is_object(metadata) && route->name && !name)
		json_object_set_new(metadata, "name", json_string(route->name));
	if (json_is_object(metadata) && route->namespace_name)
		json_object_set_new(metadata, "namespace", json_string(route->namespace_name));
	return true;
}

static bool wants_dry_run(const json_t *body)
{
	const json_t *list = json_object_get(body, "dryRun");
	const json_t *value;
	size_t index;

	json_array_foreach(list, index, value)
	{
		if (hc_streq(json_string_value(value), "All"))
			return true;
	}
	return false;
}

/* DeleteOptions in either encoding; NULL: answered. A body that is not understood may hold a dryRun: nothing
 * is deleted on a guess. New reference. */
static json_t *read_delete_options(struct api_call *call, const char *text, size_t length)
{
	const char *content_type = http_request_header(call->request, "Content-Type");
	struct hc_error err = {0};
	json_error_t problem;

	if (content_type && strncasecmp(content_type, API_PROTOBUF_TYPE, strlen(API_PROTOBUF_TYPE)) == 0) {
		json_t *decoded = api_protobuf_decode(text, length, &err);
		if (!decoded)
			api_answer_fail(call, 400, "DeleteOptions: %s", err.text);
		return decoded;
	}
	json_t *body = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
	if (json_is_object(body))
		return body;
	api_answer_fail(call, 400, "DeleteOptions: %s", body ? "must be a JSON object" : problem.text);
	json_decref(body);
	return NULL;
}

static bool check_propagation(struct api_call *call, const char *policy, struct api_delete_options *options)
{
	options->propagation = hc_streq(policy, "Foreground") ? STORE_FOREGROUND
						   : hc_streq(policy, "Orphan")   ? STORE_ORPHAN
														  : STORE_BACKGROUND;
	if (!policy || !*policy || options->propagation != STORE_BACKGROUND || hc_streq(policy, "Background"))
		return true;
	api_answer_fail(call, 422,
					"propagationPolicy: Unsupported value: \"%.40s\": supported values: \"Background\", "
					"\"Foreground\", \"Orphan\"",
					policy);
	return false;
}

bool api_body_delete_options(struct api_call *call, struct api_delete_options *ret_options)
{
	const char *asked = http_query_get(&call->query, "propagationPolicy");
	size_t length = 0;
	const char *text = http_request_body(call->request, &length);

	*ret_options = (struct api_delete_options){0};
	if (strspn(text, " \t\r\n") == length)
		return check_propagation(call, asked, ret_options);
	json_t *body = read_delete_options(call, text, length);
	if (!body)
		return false;
	const json_t *preconditions = json_object_get(body, "preconditions");
	const char *version = text_of(preconditions, "resourceVersion");
	const char *policy = text_of(body, "propagationPolicy");
	ret_options->uid = hc_arena_strdup(call->arena, text_of(preconditions, "uid"));
	ret_options->resource_version = version ? strtoll(version, NULL, 10) : 0;
	ret_options->dry_run = wants_dry_run(body);
	bool fine = check_propagation(call, policy ? policy : asked, ret_options);
	json_decref(body);
	return fine;
}

size_t api_body_causes(const struct schema_causes *causes, struct api_cause *items, size_t count)
{
	for (size_t index = 0; index < causes->count && count < HC_LIMIT_VALIDATION_CAUSES; index++)
		items[count++] = (struct api_cause){.field = causes->items[index].field,
											.reason = causes->items[index].reason,
											.message = causes->items[index].message};
	return count;
}

void api_body_answer_no_namespace(struct api_call *call, const char *name)
{
	const char *message = hc_arena_printf(
		call->arena,
		"namespaces \"%s\" not found: make it with `kubectl create namespace %s`, or put a document "
		"`{apiVersion: v1, kind: Namespace, metadata: {name: %s}}` into what you apply",
		name, name, name);

	api_answer_status(
		call, &(struct api_status){
				  .code = 404, .message = message, .kind = api_kind_of(STORE_NAMESPACE), .name = name});
}
