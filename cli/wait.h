/* Waiting until Services are as declared, with one live line an object: stage and elapsed time. */
#ifndef WAIT_H
#define WAIT_H

#include "client.h"

struct wait_target {
	char *namespace_name; /* owned */
	char *name;           /* owned */
	bool gone;            /* wait for its end instead */
};
struct wait_targets {
	struct wait_target *items;
	size_t count;
};
void wait_targets_add(struct wait_targets *targets, const char *namespace_name, const char *name, bool gone);
void wait_targets_done(struct wait_targets *targets);

/* Returns an exit code: COMMAND_DONE when all are Ready (or gone), COMMAND_ROLLOUT_FAILED, COMMAND_TIMEOUT,
 * or what a request said. Lines go to standard error, so that standard output stays for programs. */
int wait_for(struct client *client, const struct wait_targets *targets, int timeout_seconds) HC_MUST_CHECK;

#endif
