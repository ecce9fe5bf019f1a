/* Values of Secrets that a build gets: opened in the child, given to BuildKit's session, and masked in the
 * log. */
#ifndef WORKER_CHILD_SECRET_H
#define WORKER_CHILD_SECRET_H

#include "child.h"
#include "docker/docker_build.h"
#include "mask.h"

struct store;

struct child_secrets {
	struct docker_build_secret *items; /* ids are the names of the variables; the array is the arena's */
	size_t count;
	struct mask *mask;   /* owned; knows all of them */
	const char *version; /* changes with any value: for steps that are to be run again then */
};

/* INVALID names variable, Secret and key of what is gone; TRANSIENT: the key file can't be used now. The
 * caller calls child_secrets_done() in any case. */
int child_secrets_open(const struct child_job *job, struct store *store, struct child_secrets *ret_secrets,
					   struct hc_error *err) HC_MUST_CHECK;
void child_secrets_done(struct child_secrets *secrets);

#endif
