/* Between api_watch.c and the rest of the process. */
#ifndef API_WATCH_H
#define API_WATCH_H

#include "api.h"

#define API_WHOLE_LIST_MAX 1000000 /* objects of a list without limit */

/* The database is ready: finds out where the change log stands, then sets api->ready. */
void api_hub_start(struct api_hub *hub);
/* Ends all log streams: a token changed. */
void api_log_end_all(struct api *api);

#endif
