/* Changing one Service by a merge patch of its spec: what several commands do. */
#ifndef CHANGE_H
#define CHANGE_H

#include "arguments.h"
#include <jansson.h>

/* Sends the patch as field manager `manager`, prints "service/NAME DONE" (or the object), waits if --wait was
 * given. Returns an exit code. Takes spec. */
int change_spec(const struct arguments *arguments, const char *name, const char *manager, json_t *spec_take,
				const char *done) HC_MUST_CHECK;

#endif
