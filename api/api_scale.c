/* GET, PUT and merge patch of services/NAME/scale. */
#include "api_scale.h"

#include "base/limits.h"
#include <stdlib.h>
#include <string.h>

json_t *api_scale_of(const json_t *service)
{
	const json_t *metadata = json_object_get(service, "metadata");
	const char *name = json_string_value(json_object_get(metadata, "name"));
	const json_t *replicas = json_object_get(json_object_get(service, "spec"), "replicas");
	const json_t *running = json_object_get(json_object_get(service, "status"), "replicas");
	HC_AUTO_TEXT selector = {0};

	hc_text_printf(&selector, "helvetia.cloud/service=%s", name ? name : "");
	return json_pack(
		"{s:s, s:s, s:{s:O?, s:O?, s:O?, s:O?, s:O?}, s:{s:I}, s:{s:I, s:s}}", "kind", "Scale", "apiVersion",
		"autoscaling/v1", "metadata", "name", json_object_get(metadata, "name"), "namespace",
		json_object_get(metadata, "namespace"), "uid", json_object_get(metadata, "uid"), "resourceVersion",
		json_object_get(metadata, "resourceVersion"), "creationTimestamp",
		json_object_get(metadata, "creationTimestamp"), "spec", "replicas", json_integer_value(replicas),
		"status", "replicas", json_integer_value(running), "selector", hc_text_string(&selector));
}

static void answer(struct api_call *call, const char *service_text)
{
	json_t *service = json_loads(service_text, 0, NULL);
	json_t *scale = api_scale_of(service);
	char *body = json_dumps(scale, JSON_COMPACT);

	api_answer_json(call, 200, body, strlen(body));
	json_decref(scale);
	json_decref(service);
}

/* false: answered. */
static bool read_live(struct api_call *call, const struct api_writer *writer, struct api_draft *draft)
{
	HC_AUTO_TEXT message = {0};
	struct hc_error err = {0};

	if (api_draft_read(writer, draft, &err)) {
		api_answer_error(call, &err);
		return false;
	}
	if (draft->live)
		return true;
	api_status_text_absent(draft->kind, draft->name, &message);
	api_answer_fail(call, 404, "%s", hc_text_string(&message));
	return false;
}

void api_scale_read(struct api_call *call, const struct api_writer *writer, struct api_draft *draft)
{
	if (read_live(call, writer, draft))
		answer(call, draft->row.json);
}

static void refuse(struct api_call *call, const struct api_draft *draft, const struct hc_error *err)
{
	HC_AUTO_TEXT message = {0};
	struct api_cause causes[HC_LIMIT_VALIDATION_CAUSES];
	size_t count = 0;

	if (!draft->causes.count) {
		api_answer_error(call, err);
		return;
	}
	for (; count < draft->causes.count; count++)
		causes[count] = (struct api_cause){draft->causes.items[count].field,
										   draft->causes.items[count].reason,
										   draft->causes.items[count].message, 0, 0};
	api_status_text_invalid(draft->kind, draft->name, causes, count, &message);
	api_answer_status(call, &(struct api_status){.code = 422,
												 .message = hc_text_string(&message),
												 .kind = draft->kind,
												 .name = draft->name,
												 .causes = causes,
												 .cause_count = count});
}

static void write_replicas(struct api_call *call, const struct api_writer *writer, struct api_draft *draft,
						   json_t *replicas)
{
	json_t *object = json_deep_copy(draft->live);
	struct hc_error err = {0};

	json_object_set(json_object_get(object, "spec"), "replicas", replicas);
	if (api_draft_replace(writer, draft, object, "scale", &err) || api_draft_store(writer, draft, &err) ||
		(!writer->dry_run && store_commit(writer->store, &err))) {
		refuse(call, draft, &err);
		return;
	}
	answer(call, draft->stored.json);
}

void api_scale_write(struct api_call *call, const struct api_writer *writer, struct api_draft *draft,
					 enum api_body_type type, json_t *body)
{
	struct hc_error err = {0};
	HC_AUTO_TEXT stale = {0};

	if (store_begin(writer->store, &err)) {
		api_answer_error(call, &err);
		return;
	}
	if (!read_live(call, writer, draft))
		return;
	json_t *scale = api_scale_of(draft->live);
	json_t *wanted = call->route.verb == API_PATCH ? api_body_patched(call, type, scale, body)
												   : json_incref(body);
	const char *version = json_string_value(
		json_object_get(json_object_get(wanted, "metadata"), "resourceVersion"));
	json_t *replicas = json_object_get(json_object_get(wanted, "spec"), "replicas");
	if (!wanted) {
		; /* answered */
	} else if (version && *version && strtoll(version, NULL, 10) != draft->row.resource_version) {
		api_status_text_stale(draft->kind, draft->name, &stale);
		api_answer_fail(call, 409, "%s", hc_text_string(&stale));
	} else if (!json_is_integer(replicas)) {
		api_answer_fail(call, 422, "spec.replicas: Required value: must be a whole number");
	} else {
		write_replicas(call, writer, draft, replicas);
	}
	json_decref(wanted);
	json_decref(scale);
}
