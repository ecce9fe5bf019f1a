/* spec.rollbackTo (design 4.3): which revision may be named, and until when it holds. Pool threads. */
#ifndef API_ROLLBACK_H
#define API_ROLLBACK_H

#include "api_object.h"

/* An apply took the revision away: what the server had put beside it goes too. Before the checks. */
void api_rollback_clear(json_t *object);

/* Of a checked and defaulted Service: a rollback that this write asks for gets the hash of the template that
 * it sets aside; one that the write's other changes release is taken out, unless the applied manifest itself
 * names it (named): then it stays, without effect. A revision that can't be run again is left in causes:
 * INVALID. */
int api_rollback_settle(const struct api_writer *writer, struct api_draft *draft, bool named,
						struct hc_error *err) HC_MUST_CHECK;

#endif
