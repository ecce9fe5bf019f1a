/* A slot: a thread that takes one job at a time from the queue, has a child do it, and reports. */
#ifndef WORKER_SLOT_H
#define WORKER_SLOT_H

#include "options.h"

struct slot;

struct slot_options {
	const struct worker_options *worker; /* borrowed, as all below */
	const char *name;                    /* of this worker */
	char *const *child_argv;             /* NULL-terminated */
	int stop_fd;                         /* readable from the moment on that the worker ends */
	int number;
};

int slot_start(const struct slot_options *options, struct slot **ret_slot, struct hc_error *err)
	HC_MUST_CHECK;
void slot_join(struct slot *slot); /* after stop_fd became readable; frees */

#endif
