/* A question to the controller over its unix socket, on the loop: one GET, one answer that is kept whole.
 * (Logs, which grow, have their own way: api_log_controller.c.) */
#ifndef API_NODE_H
#define API_NODE_H

#include "api.h"

/* status 0: it was not reached or broke off, and problem says how ("does not run"); else the answer's own,
 * and problem is NULL. body is borrowed until the callback returns. */
typedef void api_node_answered(int status, const char *body, size_t length, const char *problem,
							   void *payload);

/* target: path and query, escaped already; copied. Calls back exactly once, never before it returns. */
void api_node_ask(struct api *api, const char *target, api_node_answered *answered, void *payload);

#endif
