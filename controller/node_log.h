/* Logs of a Deployment's containers, streamed to one reader: a thread a stream asks the engine, the loop
 * writes to the reader. A slow reader holds up its own thread, nobody else. Belongs to the loop. */
#ifndef NODE_LOG_H
#define NODE_LOG_H

#include "http/http_server.h"
#include <stdint.h>
#include <uv.h>

struct node_logs;

struct node_log_options {
	const char *installation; /* copied, as all texts */
	const char *deployment;   /* uid */
	const char *ordinal;      /* of one container, as its label has it; NULL: of all */
	int64_t tail_lines;       /* < 0: all */
	int64_t since_wall_s;     /* 0: from the beginning */
	bool follow;
	bool timestamps;
};

struct node_logs *node_logs_new(uv_loop_t *loop, const char *docker_host); /* docker_host is borrowed */
/* Finishes the request, sooner or later. */
void node_logs_serve(struct node_logs *logs, struct http_request *request,
					 const struct node_log_options *options);
/* When the server has stopped; its handle closes with the last stream. */
void node_logs_close(struct node_logs *logs);
void node_logs_free(struct node_logs *logs); /* accepts NULL */

#endif
