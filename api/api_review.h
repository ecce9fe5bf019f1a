/* Self-subject reviews: what a bearer may do, told out of the same table that decides (api_role.h). Pure. */
#ifndef API_REVIEW_H
#define API_REVIEW_H

#include "api_role.h"
#include <jansson.h>

/* path: of an API_REVIEW route; body: the review as sent. New reference: the review with its status. NULL
 * with INVALID: the body is another kind, or asks nothing. */
json_t *api_review_answer(const char *path, const struct api_identity *identity, const json_t *body,
						  struct hc_error *err) HC_MUST_CHECK;

#endif
