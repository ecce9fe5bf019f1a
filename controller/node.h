/* The node endpoint: what the API asks the controller over a unix socket, as a kube-apiserver asks a kubelet.
 *
 *   GET /healthz   200 "ok"
 *   GET /leader    {"leader":true,"epoch":7,"installation":"…","databaseTrusted":true}
 *   GET /log?deployment=UID&follow=…&tailLines=N&timestamps=…   lines of all replicas; 404 when there is none
 *
 * Belongs to the loop. */
#ifndef NODE_H
#define NODE_H

#include "leader.h"

#include <uv.h>

struct node;

struct node_options {
	uv_loop_t *loop;
	const char *socket_path; /* borrowed, as all below */
	const char *docker_host;
	struct leader *leader;
};

int node_start(const struct node_options *options, struct node **ret_node, struct hc_error *err)
	HC_MUST_CHECK;
/* Run the loop until it has nothing left, then free. */
void node_close(struct node *node);
void node_free(struct node *node); /* accepts NULL */

#endif
