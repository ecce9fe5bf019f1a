/* Containers as Kubernetes' Pods, for the API, which has no Docker: each answer is what the engine says at
 * that moment. A job on libuv's pool asks the engine. Belongs to the loop. */
#ifndef NODE_PODS_H
#define NODE_PODS_H

#include "docker/docker.h"
#include "http/http_server.h"
#include <jansson.h>
#include <uv.h>

struct node_pods_options {
	const char *docker_host;    /* borrowed for as long as the loop runs */
	const char *installation;   /* copied, as all texts below */
	const char *namespace_name; /* NULL: of all */
	const char *name;           /* of one Pod; NULL: all */
};

/* Finishes the request: {"items":[Pod…]}, empty when there is none; 503 when the engine can't be asked. */
void node_pods_serve(uv_loop_t *loop, struct http_request *request, const struct node_pods_options *options);

/* A Pod of an inspected container; new reference. Pure. */
json_t *node_pod_of(const struct docker_container *container);

#endif
