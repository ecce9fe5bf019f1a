/* Patches and applies: two JSON values in a row, the second one done to the first as merge patch (RFC 7396),
 * JSON patch (RFC 6902) and server-side apply. Aborts when the first one is changed by it, or when a merge
 * patch done twice is not the same as once. */
#include "fuzz.h"

#include "schema/schema.h"

#include <stdlib.h>
#include <string.h>

#define NOW "2026-01-02T03:04:05Z"

const char *const fuzz_words[] = {"null",
								  "{}",
								  "[]",
								  "{\"op\":\"add\",\"path\":\"/a/-\",\"value\":1}",
								  "{\"op\":\"remove\",\"path\":\"/a/0\"}",
								  "{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b\"}",
								  "{\"op\":\"test\",\"path\":\"\",\"value\":",
								  "{\"op\":\"copy\",\"from\":\"\",\"path\":\"/c\"}",
								  "\"~0~1\"",
								  "/",
								  "\"metadata\":{",
								  "\"spec\":{",
								  "\"name\":\"x\"",
								  "\"env\":[{\"name\":\"A\",\"value\":\"b\"}]",
								  "\"managedFields\":[",
								  "\"manager\":\"m\"",
								  "\"fieldsV1\":{\"f:spec\":{}}",
								  "k:{\\\"name\\\":\\\"A\\\"}",
								  "\"apiVersion\":\"helvetia.cloud/v1\",\"kind\":\"Service\"",
								  ",",
								  NULL};

static void try_merge(const json_t *target, const json_t *patch)
{
	json_t *once = schema_merge_patch(target, patch);
	json_t *twice = schema_merge_patch(once, patch);

	if (!json_equal(once, twice))
		abort();
	json_decref(once);
	json_decref(twice);
}

static void try_steps(const json_t *target, const json_t *steps)
{
	struct hc_error err = {0};
	json_t *done = schema_json_patch(target, steps, &err);

	json_decref(done);
}

static void try_apply(const json_t *target, const json_t *applied)
{
	struct schema_conflicts conflicts = {0};
	struct hc_error err = {0};
	json_t *object = NULL;
	const struct schema_kind *kind = schema_kind_find("helvetia.cloud/v1", "Service");

	for (int force = 0; force < 2; force++) {
		if (schema_apply(kind, json_is_object(target) ? target : NULL, applied, "m", force, NOW, &object,
						 &conflicts, &err) == 0)
			json_decref(object);
		schema_conflicts_done(&conflicts);
		conflicts = (struct schema_conflicts){0};
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_error_t place;
	struct hc_error err = {0};

	if (schema_load(&err) < 0)
		abort();
	json_t *target = json_loadb((const char *)data, size, JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, &place);
	if (!target)
		return 0;
	size_t used = (size_t)place.position;
	json_t *patch = used <= size ? json_loadb((const char *)data + used, size - used, JSON_DECODE_ANY, &place)
								 : NULL;
	json_t *before = json_deep_copy(target);
	if (patch) {
		try_merge(target, patch);
		try_steps(target, patch);
		if (json_is_object(patch))
			try_apply(target, patch);
	}
	if (!json_equal(before, target))
		abort();
	json_decref(before);
	json_decref(target);
	json_decref(patch);
	return 0;
}
