/* Between api_watch.c and the rest of the process. */
#ifndef API_WATCH_H
#define API_WATCH_H

#include "api.h"

#define API_WHOLE_LIST_MAX 1000000 /* objects of a list without limit */

/* The database is ready: finds out where the change log stands, then sets api->ready. */
void api_hub_start(struct api_hub *hub);
/* Ends the log streams of a token or a User that changed; uid NULL: all. */
void api_log_end_of(struct api *api, const char *uid);
/* Those whose token has expired by now. */
void api_log_end_expired(struct api *api, int64_t now_wall_ms);

#endif
