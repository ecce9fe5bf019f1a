/* What list and watch have in common: selectors, the fields that a kind can be selected by, continue tokens.
 * Pure but for the arena. */
#ifndef API_LIST_H
#define API_LIST_H

#include "api_route.h"
#include "api_selector.h"

struct api_filter {
	struct api_selector labels;
	struct api_selector fields;
	const char *name;           /* of fieldSelector metadata.name=…, or NULL */
	const char *namespace_name; /* of the path, or of fieldSelector metadata.namespace=… */
	/* Which parts the database filters by; the rest is ours. */
	const char *labels_json; /* equality requirements, or NULL */
	bool labels_complete;
	bool fields_complete; /* metadata.name and metadata.namespace only */
};

/* From the query of a list or watch. INVALID. */
int api_filter_parse(const struct api_route *route, const struct http_query *query, struct hc_arena *arena,
					 struct api_filter *ret_filter, struct hc_error *err) HC_MUST_CHECK;

/* A place between two pages: opaque text for the client. */
struct api_continue {
	int64_t resource_version; /* of the first page: a watch from it misses nothing */
	const char *namespace_name;
	const char *name;
};
char *api_continue_text(const struct api_continue *place, struct hc_arena *arena);
int api_continue_parse(const char *text, struct hc_arena *arena, struct api_continue *ret_place,
					   struct hc_error *err) HC_MUST_CHECK;

/* A number without sign, or INVALID naming the parameter; absent gives other. */
int api_query_number(const struct http_query *query, const char *name, int64_t other, int64_t *ret_number,
					 struct hc_error *err) HC_MUST_CHECK;

#endif
