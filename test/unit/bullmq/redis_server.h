/* A redis-server of the test's own: unix socket in a temporary folder, nothing saved but what append-only
 * keeps. */
#ifndef REDIS_SERVER_H
#define REDIS_SERVER_H

#include <sys/types.h>

struct redis_server {
	char folder[64];
	char url[128];
	char socket[96];
	pid_t pid;
};

/* Both abort the test program when the server can't be had: a test that doesn't run proves nothing. */
void redis_server_start(struct redis_server *server);   /* again after a stop: with the same data */
void redis_server_stop(struct redis_server *server);    /* SIGTERM, waits */
void redis_server_discard(struct redis_server *server); /* stop, and removes the folder */

#endif
