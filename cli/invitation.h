/* What `helvetia invite`, `kubeconfig` and `login` share. */
#ifndef INVITATION_H
#define INVITATION_H

#include "client.h"

/* A kubeconfig that leads to where the client is, for this token: to --server if it was given, else to the
 * public address of a platform that has one, else to the one that we use. New reference; prints what is wrong
 * and returns the exit code. */
int invitation_config(struct client *client, const char *token, const char *namespace_name,
					  json_t **ret_config) HC_MUST_CHECK;

/* --expires: RFC 3339 or a count of m, h, d, w, y from now; -1: printed. */
int invitation_expiry(const char *text, int64_t now_wall_ms, char *time, size_t size) HC_MUST_CHECK;

#endif
