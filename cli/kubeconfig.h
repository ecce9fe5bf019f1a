/* kubectl's file of clusters, users and contexts: read so that `helvetia` goes where kubectl goes, written
 * for a person who is invited. */
#ifndef KUBECONFIG_H
#define KUBECONFIG_H

#include "base/error.h"
#include <jansson.h>

/* A context, resolved. All owned; NULL when the file does not say. */
struct kubeconfig_context {
	char *name;
	char *server;
	char *authority; /* PEM text */
	char *token;
	char *namespace_name;
};

/* files: paths separated by colons, as in $KUBECONFIG; of two entries of one name the first counts. context
 * NULL: the current one. NOT_FOUND: no file, or no such context; INVALID: what can't be used, with the file's
 * name. */
int kubeconfig_read(const char *files, const char *context, struct kubeconfig_context *ret_context,
					struct hc_error *err) HC_MUST_CHECK;
/* The current context of one file's text. */
int kubeconfig_parse(const char *text, size_t length, struct kubeconfig_context *ret_context,
					 struct hc_error *err) HC_MUST_CHECK;
void kubeconfig_done(struct kubeconfig_context *context);

/* $KUBECONFIG, else ~/.kube/config; caller frees. NULL: neither. */
char *kubeconfig_default_files(void);

/* A whole file with one context, which is the current one; cluster and user have its name. context->name,
 * server and token are required. New reference. */
json_t *kubeconfig_make(const struct kubeconfig_context *context);
/* Writes it with mode 0600, into what the file holds already: entries of the same names are replaced, others
 * stay. A file that is not there is made, with its folder. */
int kubeconfig_merge(const char *path, const json_t *added, struct hc_error *err) HC_MUST_CHECK;
/* As YAML; caller frees. */
char *kubeconfig_text(const json_t *config);

#endif
