/* The child's side: reads one job on standard input, does it, says the outcome on file descriptor 3. */
#ifndef WORKER_CHILD_H
#define WORKER_CHILD_H

#include "options.h"
#include "task.h"

#include <stdint.h>

struct child_job {
	const struct worker_options *options;
	struct hc_arena *arena;
	const char *id;
	int64_t attempt;
	struct task_input input;
};

/* The whole child; returns its exit code. */
int child_main(const struct worker_options *options);

/* Each returns whether it succeeded, with the outcome as JSON text; caller frees. */
bool child_resolve(const struct child_job *job, char **ret_outcome);
bool child_build(const struct child_job *job, char **ret_outcome);

/* Failure of a class: what may be cured by repeating is not final. Caller frees. */
char *child_failure(const char *reason, const struct hc_error *err);

#endif
