/* Deployments and statuses between JSON and structs. What is written here is what is read here: reading a
 * Deployment that was written gives an equal view, but for what the row and the Service know (uid, name,
 * created, current, deleting). */
#include "schema_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include <string.h>

/* --- Deployment
 * ----------------------------------------------------------------------------------------------- */

static int read_spec(const json_t *spec, struct hc_arena *arena, struct deployment_view *view,
					 struct hc_error *err)
{
	view->hash = schema_text_read(spec, "hash", arena);
	view->hash_version = (int)schema_integer_read(spec, "hashVersion", 0);
	view->reason_created = schema_text_read(spec, "reason", arena);
	view->image_written = schema_text_read(spec, "image", arena);
	view->revision = schema_integer_read(spec, "revision", 0);
	view->rollback_of = schema_integer_read(spec, "rollbackOf", 0);
	if (schema_template_read(json_object_get(spec, "template"), arena, &view->template, err) < 0)
		return hc_wrap(err, "spec.template");
	return 0;
}

static int read_status(const json_t *status, struct hc_arena *arena, struct deployment_view *view,
					   struct hc_error *err)
{
	const char *phase = json_string_value(json_object_get(status, "phase"));
	const char *stage = json_string_value(json_object_get(status, "stage"));
	const json_t *restart = json_object_get(status, "restart");
	if (phase && deployment_phase_parse(phase, &view->phase) < 0)
		return hc_fail(err, HC_INVALID, "status.phase is \"%s\"", phase);
	if (stage && deployment_stage_parse(stage, &view->stage) < 0)
		return hc_fail(err, HC_INVALID, "status.stage is \"%s\"", stage);
	view->image_id = schema_text_read(status, "imageId", arena);
	view->build = schema_text_read(status, "build", arena);
	view->tree = schema_text_read(status, "tree", arena);
	const char *reason = schema_text_read(status, "reason", arena);
	const char *message = schema_text_read(status, "message", arena);
	view->reason = reason ? reason : "";
	view->message = message ? message : "";
	view->stage_since = schema_moment_read(json_object_get(status, "stageSince"), arena);
	view->started = schema_moment_read(json_object_get(status, "started"), arena);
	view->released = json_is_true(json_object_get(status, "released"));
	view->restart_attempts = (int)schema_integer_read(restart, "attempts", 0);
	view->restart_not_before = schema_moment_read(json_object_get(restart, "notBefore"), arena);
	return 0;
}

int schema_deployment_view(const json_t *object, struct hc_arena *arena, struct deployment_view *ret_view,
						   struct hc_error *err)
{
	const json_t *metadata = json_object_get(object, "metadata");
	const char *created = json_string_value(json_object_get(metadata, "creationTimestamp"));
	struct deployment_view view = {
		.uid = schema_text_read(metadata, "uid", arena),
		.name = schema_text_read(metadata, "name", arena),
		.deleting = json_is_string(json_object_get(metadata, "deletionTimestamp")),
	};
	if (created && hc_clock_parse(created, &view.created_wall_ms) < 0)
		return hc_fail(err, HC_INVALID, "metadata.creationTimestamp is \"%s\"", created);
	if (read_spec(json_object_get(object, "spec"), arena, &view, err) < 0)
		return -1;
	if (read_status(json_object_get(object, "status"), arena, &view, err) < 0)
		return -1;
	*ret_view = view;
	return 0;
}

json_t *schema_deployment_spec_json(const struct deployment_view *view, const char *service)
{
	json_t *spec = json_object();
	schema_text_set(spec, "service", service);
	schema_text_set(spec, "commitHash", view->template.commit);
	schema_text_set(spec, "image", view->image_written);
	json_object_set_new(spec, "revision", json_integer(view->revision));
	if (view->rollback_of != 0)
		json_object_set_new(spec, "rollbackOf", json_integer(view->rollback_of));
	schema_text_set(spec, "reason", view->reason_created);
	schema_text_set(spec, "hash", view->hash);
	json_object_set_new(spec, "hashVersion", json_integer(view->hash_version));
	json_object_set_new(spec, "template", schema_template_json(&view->template));
	return spec;
}

static void set_unless_empty(json_t *object, const char *key, const char *text)
{
	if (text && *text)
		schema_text_set(object, key, text);
}

json_t *schema_deployment_status_json(const struct deployment_view *view)
{
	json_t *status = json_object();
	schema_text_set(status, "phase", deployment_phase_text(view->phase));
	schema_text_set(status, "stage", deployment_stage_text(view->stage));
	schema_text_set(status, "imageId", view->image_id);
	schema_text_set(status, "build", view->build);
	schema_text_set(status, "tree", view->tree);
	set_unless_empty(status, "reason", view->reason);
	set_unless_empty(status, "message", view->message);
	schema_moment_set(status, "stageSince", &view->stage_since);
	schema_moment_set(status, "started", &view->started);
	if (view->released)
		json_object_set_new(status, "released", json_true());
	if (view->restart_attempts != 0 || view->restart_not_before.at_ms != 0 ||
		view->restart_not_before.boot_id) {
		json_t *restart = json_object();
		json_object_set_new(restart, "attempts", json_integer(view->restart_attempts));
		schema_moment_set(restart, "notBefore", &view->restart_not_before);
		json_object_set_new(status, "restart", restart);
	}
	return status;
}

/* --- Service
 * -------------------------------------------------------------------------------------------------- */

static const char *old_transition(const json_t *old_status, const struct condition *condition)
{
	const json_t *conditions = json_object_get(old_status, "conditions");
	for (size_t i = 0; i < json_array_size(conditions); i++) {
		const json_t *old = json_array_get(conditions, i);
		if (hc_streq(json_string_value(json_object_get(old, "type")), condition->type) &&
			hc_streq(json_string_value(json_object_get(old, "status")),
					 condition_status_text(condition->status)))
			return json_string_value(json_object_get(old, "lastTransitionTime"));
	}
	return NULL;
}

static json_t *condition_json(const struct condition *condition, int64_t generation, const json_t *old_status,
							  int64_t now_wall_ms)
{
	char now[HC_TIME_TEXT_SIZE];
	hc_clock_format(now_wall_ms, now);
	const char *since = old_transition(old_status, condition);
	json_t *object = json_object();
	schema_text_set(object, "type", condition->type);
	schema_text_set(object, "status", condition_status_text(condition->status));
	json_object_set_new(object, "observedGeneration", json_integer(generation));
	schema_text_set(object, "lastTransitionTime", since ? since : now);
	schema_text_set(object, "reason", condition->reason ? condition->reason : "");
	schema_text_set(object, "message", condition->message ? condition->message : "");
	return object;
}

json_t *schema_service_status_json(const struct plan *plan, int64_t generation, const json_t *old_status,
								   int64_t now_wall_ms)
{
	json_t *status = json_object();
	schema_text_set(status, "phase", service_phase_text(plan->phase));
	json_object_set_new(status, "observedGeneration", json_integer(generation));
	json_t *conditions = json_array();
	for (size_t i = 0; i < plan->condition_count; i++)
		json_array_append_new(conditions,
							  condition_json(&plan->conditions[i], generation, old_status, now_wall_ms));
	json_object_set_new(status, "conditions", conditions);
	schema_text_set(status, "currentDeployment", plan->current_deployment);
	schema_text_set(status, "url", plan->url);
	json_object_set_new(status, "replicas", json_integer(plan->replicas));
	json_object_set_new(status, "readyReplicas", json_integer(plan->ready_replicas));
	if (plan->unready_since.at_ms != 0)
		schema_moment_set(status, "unreadySince", &plan->unready_since);
	return status;
}

void schema_service_status_read(const json_t *status, struct hc_arena *arena, struct service_view *view)
{
	const char *phase = json_string_value(json_object_get(status, "phase"));
	view->phase = SERVICE_IDLE;
	if (phase)
		(void)service_phase_parse(phase, &view->phase); /* an unknown one is derived anew in the same pass */
	view->current_deployment = schema_text_read(status, "currentDeployment", arena);
	view->observed_generation = schema_integer_read(status, "observedGeneration", 0);
	view->unready_since = schema_moment_read(json_object_get(status, "unreadySince"), arena);
}

json_t *schema_service_status_pending(const json_t *status, int64_t generation, const char *now)
{
	json_t *pending = status ? json_deep_copy(status) : json_object();
	json_t *conditions = json_array();
	json_t *condition;
	const char *since = now;
	size_t index;

	json_array_foreach(json_object_get(status, "conditions"), index, condition)
	{
		if (!hc_streq(json_string_value(json_object_get(condition, "type")), "Ready")) {
			json_array_append(conditions, condition);
			continue;
		}
		const char *stored = json_string_value(json_object_get(condition, "lastTransitionTime"));
		if (stored && hc_streq(json_string_value(json_object_get(condition, "status")), "Unknown"))
			since = stored;
	}
	json_array_append_new(conditions, json_pack("{s:s, s:s, s:I, s:s, s:s, s:s}", "type", "Ready", "status",
												"Unknown", "observedGeneration", (json_int_t)generation,
												"lastTransitionTime", since, "reason", "Pending", "message",
												"The controller has not looked at this generation yet."));
	json_object_set_new(pending, "conditions", conditions);
	if (!json_object_get(pending, "phase"))
		json_object_set_new(pending, "phase", json_string("IDLE"));
	return pending;
}
