/* Events of a watch as text, and which event a change is for a selector. Pure. */
#ifndef API_EVENT_H
#define API_EVENT_H

#include "api_list.h"
#include "api_table.h"
#include "base/text.h"
#include "store/store_stream.h"

enum api_event { API_EVENT_NONE, API_EVENT_ADDED, API_EVENT_MODIFIED, API_EVENT_DELETED };
#define API_EVENT_COUNT 4

/* What a change is for somebody who sees only what the filter matches: an object that enters it is ADDED, one
 * that leaves it is DELETED. */
enum api_event api_event_of(const struct store_row *change, const struct api_kind *kind,
							const struct api_filter *filter);
/* One line: {"type":…,"object":…} */
void api_event_append(enum api_event event, const struct api_kind *kind, const struct api_shape *shape,
					  const char *json, size_t length, int64_t now_ms, struct hc_text *text);
void api_event_append_bookmark(const struct api_kind *kind, const struct api_shape *shape,
							   int64_t resource_version, bool initial_end, struct hc_text *text);
/* {"type":"ERROR","object":Status} */
void api_event_append_expired(const char *message, struct hc_text *text);

#endif
