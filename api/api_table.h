/* Objects as the answers of get, list and watch show them: whole, metadata only, or as rows of a table whose
 * columns are the additionalPrinterColumns of crd-like-schemas/. Pure; after schema_load(). */
#ifndef API_TABLE_H
#define API_TABLE_H

#include "api_accept.h"
#include "api_route.h"
#include "base/text.h"
#include <jansson.h>
#include <stdint.h>

/* What a row carries beside its cells: includeObject of the query. */
enum api_include { API_INCLUDE_METADATA, API_INCLUDE_OBJECT, API_INCLUDE_NONE };

struct api_shape {
	enum api_form form;
	enum api_include include; /* of a table */
	bool head;                /* of an event: the table has its columns, too */
};
#define API_SHAPE_COUNT 8 /* different numbers of api_shape_number() */

/* From Accept and includeObject. INVALID. */
int api_shape_parse(const char *accept, const struct http_query *query, struct api_shape *ret_shape,
					struct hc_error *err) HC_MUST_CHECK;
size_t api_shape_number(const struct api_shape *shape);
bool api_shape_whole(const struct api_shape *shape); /* as stored: nothing needs to be parsed */

/* The beginning of a list up to the first item or row; resume NULL: there is no more. */
void api_shape_open(const struct api_shape *shape, const struct api_kind *kind, int64_t resource_version,
					const char *resume, struct hc_text *text);
/* One item or row of it, without the comma. json is the text of object. */
void api_shape_item(const struct api_shape *shape, const struct api_kind *kind, const json_t *object,
					const char *json, size_t length, int64_t now_ms, struct hc_text *text);
void api_shape_close(struct hc_text *text);
/* An object that stands alone: a table of one row. object may be NULL when the shape is whole. */
void api_shape_one(const struct api_shape *shape, const struct api_kind *kind, const json_t *object,
				   const char *json, size_t length, int64_t now_ms, struct hc_text *text);
/* What a bookmark shows. */
void api_shape_bookmark(const struct api_shape *shape, const struct api_kind *kind, int64_t resource_version,
						bool initial_end, struct hc_text *text);

/* "5m", "3h10m", "41d": as Kubernetes tells ages. */
void api_table_age(int64_t milliseconds, struct hc_text *text);
/* The value at a path such as .status.conditions[?(@.type=="Ready")].status; borrowed, NULL: there is none.
 * *ret_valid says whether the path itself is one that we understand. */
const json_t *api_table_value(const json_t *object, const char *path, bool *ret_valid);

#endif
