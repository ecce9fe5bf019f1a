/* Sticky rollbacks on their way into the database, see the header. */
#include "api_rollback.h"

#include "base/text.h"
#include <inttypes.h>

static json_t *rollback_of(const json_t *object)
{
	return json_object_get(json_object_get(object, "spec"), "rollbackTo");
}

static const char *hash_of(const json_t *rollback)
{
	const char *hash = json_string_value(json_object_get(rollback, "rejectedHash"));

	return hash ? hash : "";
}

static json_int_t revision_of(const json_t *rollback)
{
	return json_integer_value(json_object_get(rollback, "revision"));
}

void api_rollback_clear(json_t *object)
{
	const json_t *rollback = rollback_of(object);

	if (json_is_object(rollback) && !json_object_get(rollback, "revision"))
		json_object_del(json_object_get(object, "spec"), "rollbackTo");
}

/* --- which revision --- */

static bool can_run(const struct store_deployment *deployment)
{
	json_t *status = json_loads(deployment->status_json, 0, NULL);
	bool ran = hc_streq(json_string_value(json_object_get(status, "phase")), "SUCCESS");

	json_decref(status);
	return ran;
}

static void refuse(struct api_draft *draft, json_int_t revision, bool exists, const struct hc_text *others)
{
	schema_causes_add(&draft->causes, "spec.rollbackTo.revision", "FieldValueNotFound",
					  "Not found: %" JSON_INTEGER_FORMAT ": %s; %s%s", revision,
					  exists ? "that revision never ran well" : "there is no such revision",
					  others->length ? "revisions that can run again: " : "no revision has run well yet",
					  hc_text_string(others));
}

static int check_revision(const struct api_writer *writer, struct api_draft *draft, json_int_t revision,
						  struct hc_error *err)
{
	struct store_deployment *deployments = NULL;
	size_t count = 0;
	bool exists = false;
	HC_AUTO_TEXT others = {0};

	if (draft->live &&
		store_deployments_of(writer->store, writer->arena, draft->row.uid, &deployments, &count, err))
		return -1;
	for (size_t index = 0; index < count; index++) {
		bool ran = can_run(&deployments[index]);
		if (deployments[index].revision == revision && ran)
			return 0;
		exists = exists || deployments[index].revision == revision;
		if (ran)
			hc_text_printf(&others, "%s%" PRId64, others.length ? ", " : "", deployments[index].revision);
	}
	refuse(draft, revision, exists, &others);
	return hc_fail(err, HC_INVALID, "spec.rollbackTo.revision can't be run again");
}

/* --- until when --- */

/* Nobody owns what is gone. */
static int release(const struct api_writer *writer, struct api_draft *draft, struct hc_error *err)
{
	json_t *before = json_deep_copy(draft->object);

	json_object_del(json_object_get(draft->object, "spec"), "rollbackTo");
	int result = schema_update_ownership(draft->schema, before, draft->object, writer->manager, NULL,
										 writer->now, err);
	json_decref(before);
	return result;
}

int api_rollback_settle(const struct api_writer *writer, struct api_draft *draft, bool named,
						struct hc_error *err)
{
	json_t *rollback = rollback_of(draft->object);
	const json_t *live = rollback_of(draft->live);
	const char *hash = NULL;

	if (!json_is_object(rollback))
		return 0;
	if (api_template_hash(writer, draft, &hash, err))
		return -1;
	/* Only the server says what is set aside: anything else in that field is no more than a wish. */
	bool kept = live && revision_of(live) == revision_of(rollback) && *hash_of(rollback) &&
				hc_streq(hash_of(live), hash_of(rollback));
	if (kept && (named || hc_streq(hash_of(rollback), hash)))
		return 0;
	if (kept)
		return release(writer, draft, err);
	if (check_revision(writer, draft, revision_of(rollback), err))
		return -1;
	json_object_set_new(rollback, "rejectedHash", json_string(hash));
	return 0;
}
