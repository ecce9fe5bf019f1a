/* What a change of a Service means for what runs, in the words of a dry run. Pure. */
#ifndef API_CONSEQUENCE_H
#define API_CONSEQUENCE_H

#include "base/arena.h"
#include <jansson.h>

/* Worst first, joined by ", ": "data at risk", "route change", "rebuild", "restart", "stop", "start",
 * "scale", "settings", "no-op"; "create" when live is NULL. In the arena. Objects are whole, checked and
 * defaulted. */
const char *api_consequence(const json_t *live, const json_t *wanted, struct hc_arena *arena);

#endif
