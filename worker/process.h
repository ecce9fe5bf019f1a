/* One child process for one job: started in a session of its own, fed on standard input, heard on file
 * descriptor 3, looked after once a second, killed as a group. */
#ifndef WORKER_PROCESS_H
#define WORKER_PROCESS_H

#include "base/error.h"
#include <stdint.h>

enum process_wish {
	PROCESS_GO_ON,
	PROCESS_CANCEL, /* nobody wants it any more */
	PROCESS_LOST,   /* the fence was lost: another has the job */
};

enum process_end {
	PROCESS_ENDED, /* by itself; answer holds what it said */
	PROCESS_DIED,  /* by a signal or with an exit code; message says which */
	PROCESS_CANCELED,
	PROCESS_FENCED,
	PROCESS_STOPPED, /* this worker is ending */
	PROCESS_TIMEOUT,
};

struct process_task {
	char *const *argv; /* NULL-terminated */
	const char *input; /* for its standard input */
	int64_t deadline_ms;
	int stop_fd;                              /* readable when the worker ends */
	enum process_wish (*tick)(void *payload); /* each second, from the calling thread */
	void *payload;
};
struct process_result {
	enum process_end end;
	char *answer;      /* caller frees; NULL unless ENDED */
	char message[128]; /* of DIED */
};
/* Blocks until the child is gone, whatever happens. TRANSIENT: it could not be started. */
int process_run(const struct process_task *task, struct process_result *ret_result, struct hc_error *err)
	HC_MUST_CHECK;

#endif
