/* The plan of a dry run: the controller's own decisions on a world made of rows. Pool threads, inside a
 * transaction. */
#ifndef API_PLAN_H
#define API_PLAN_H

#include "api_object.h"

/* Lines in the arena: what was assumed, then each pass as plan_print() writes it, until the first pass that
 * would act outside of the database. draft was stored in this transaction. */
int api_plan_lines(const struct api_writer *writer, const struct api_draft *draft, const char ***ret_lines,
				   size_t *ret_count, struct hc_error *err) HC_MUST_CHECK;

#endif
