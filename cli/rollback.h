/* Choosing a revision to go back to. Pure. */
#ifndef ROLLBACK_H
#define ROLLBACK_H

#include <jansson.h>

/* Newest SUCCESS of the Service before the Deployment `current`, counted from what that one repeats; 0 when
 * there is none. deployments: a list as served. */
json_int_t rollback_revision_before(const json_t *deployments, const char *service, const char *current);
/* "7", "r7" or "shop-r7"; -1: it is none. */
int rollback_read_revision(const char *service, const char *text, json_int_t *ret_revision);

#endif
