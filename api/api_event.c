/* See the header. */
#include "api_event.h"

#include "api_status.h"
#include <stdlib.h>
#include <string.h>

static bool labels_match(const struct api_filter *filter, const char *text)
{
	if (filter->labels.count == 0)
		return true;
	json_t *labels = text ? json_loads(text, 0, NULL) : NULL;
	bool match = api_selector_match_labels(&filter->labels, labels);
	json_decref(labels);
	return match;
}

static bool fields_match(const struct api_filter *filter, const struct store_row *change)
{
	if (filter->fields_complete)
		return true;
	json_t *object = json_loadb(change->json, change->length, 0, NULL);
	bool match = api_selector_match_fields(&filter->fields, object);
	json_decref(object);
	return match;
}

enum api_event api_event_of(const struct store_row *change, const struct api_kind *kind,
							const struct api_filter *filter)
{
	if (change->kind != kind->store_kind ||
		(filter->namespace_name && !hc_streq(change->namespace_name, filter->namespace_name)) ||
		(filter->name && !hc_streq(change->name, filter->name)))
		return API_EVENT_NONE;
	bool added = hc_streq(change->type, "ADDED");
	bool deleted = hc_streq(change->type, "DELETED");
	bool before = !added &&
				  labels_match(filter, change->labels_before ? change->labels_before : change->labels);
	bool now = !deleted && labels_match(filter, change->labels);
	/* The log has no former fields: what does not match now may have matched before, and a DELETED of
	 * something that the reader never saw does no harm. An Event's fields never change. */
	if (!fields_match(filter, change)) {
		if (deleted || added || kind->store_kind == STORE_EVENT)
			return API_EVENT_NONE;
		now = false;
	}
	if (now)
		return before ? API_EVENT_MODIFIED : API_EVENT_ADDED;
	return before ? API_EVENT_DELETED : API_EVENT_NONE;
}

void api_event_append(enum api_event event, const struct api_kind *kind, const struct api_shape *shape,
					  const char *json, size_t length, int64_t now_ms, struct hc_text *text)
{
	static const char *const names[API_EVENT_COUNT] = {"", "ADDED", "MODIFIED", "DELETED"};
	json_t *object = api_shape_whole(shape) ? NULL : json_loadb(json, length, 0, NULL);

	hc_text_printf(text, "{\"type\":\"%s\",\"object\":", names[event]);
	api_shape_one(shape, kind, object, json, length, now_ms, text);
	hc_text_append(text, "}\n");
	json_decref(object);
}

void api_event_append_bookmark(const struct api_kind *kind, const struct api_shape *shape,
							   int64_t resource_version, bool initial_end, struct hc_text *text)
{
	hc_text_append(text, "{\"type\":\"BOOKMARK\",\"object\":");
	api_shape_bookmark(shape, kind, resource_version, initial_end, text);
	hc_text_append(text, "}\n");
}

void api_event_append_expired(const char *message, struct hc_text *text)
{
	char *status = api_status_json(&(struct api_status){.code = 410, .message = message});

	status[strcspn(status, "\n")] = '\0';
	hc_text_printf(text, "{\"type\":\"ERROR\",\"object\":%s}\n", status);
	free(status);
}
