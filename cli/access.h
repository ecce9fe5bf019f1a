/* Where the API is and who we are there. In this order:
 *   --kubeconfig or --context      kubectl's files
 *   --state                        endpoints.json of that folder: a platform on this machine
 *   called as kubectl-helvetia     kubectl's files
 *   HELVETIA_API                   with HELVETIA_CA and HELVETIA_TOKEN
 *   HELVETIA_STATE                 endpoints.json of that folder
 *   /var/lib/helvetia              if it has an endpoints.json
 *   $KUBECONFIG or ~/.kube/config  if its current context is one of ours
 * A platform on this machine is spoken to by its unix socket, without a token, by whoever may write to it. */
#ifndef ACCESS_H
#define ACCESS_H

#include "arguments.h"
#include "base/error.h"
#include <jansson.h>

/* All owned; NULL: not known, not needed. */
struct access_way {
	char *server; /* https://… */
	char *ca_file;
	char *ca_text; /* PEM */
	char *token;
	char *unix_socket;
	char *namespace_name; /* of a context */
	char *public_server;  /* the API as others reach it, where the platform's domain is a real one */
	char *domain;
	const char *source; /* constant words, for messages */
};

/* The program goes by the name of a kubectl plugin. */
void access_as_plugin(void);
bool access_is_plugin(void);

int access_find(const struct arguments *arguments, struct access_way *ret_way, struct hc_error *err)
	HC_MUST_CHECK;
void access_done(struct access_way *way);

/* The namespace of the context that these arguments lead to; caller frees. NULL: none, or no context. */
char *access_namespace(const struct arguments *arguments);

#endif
