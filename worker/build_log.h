/* Log of a build on its way to the database: lines are collected and written at most every 200 ms, or when
 * there is much. The database caps it (STORE_BUILD_LOG_BYTES). One thread. */
#ifndef WORKER_BUILD_LOG_H
#define WORKER_BUILD_LOG_H

#include "base/error.h"
#include "base/text.h"
#include "mask.h"
#include "store/store_job.h"
#include <stdbool.h>

struct build_log {
	struct store *store; /* borrowed */
	const char *id;
	const struct mask *mask; /* borrowed; NULL: there is nothing to hide */
	struct hc_text pending;  /* as it came */
	struct hc_text masked;   /* to be written */
	int64_t attempt;
	int64_t written_ms;
	bool fenced; /* the job is another's now: end */
};

void build_log_line(struct build_log *log, const char *line, size_t length);
void build_log_printf(struct build_log *log, const char *format, ...) HC_PRINTF(2, 3);
/* Writes what is due; all: now. An unreachable database keeps it for later, within a limit. What ends in what
 * may be the beginning of a secret waits for its end. */
void build_log_flush(struct build_log *log, bool all);
/* All that is left, and frees what it kept. */
void build_log_done(struct build_log *log);

#endif
