/* Readiness of one container from a series of answers (design 7.3). Pure: the prober asks, this judges. */
#ifndef VERDICT_H
#define VERDICT_H

#include "model/container.h"
#include <stdbool.h>
#include <stdint.h>

/* Three failures in a row, the first and the last at least this far apart, make a replica unready: slow must
 * not become gone. */
#define VERDICT_FAILURES 3
#define VERDICT_FAILURES_SPAN_MS 5000

struct verdict {
	enum probe_verdict now;
	int failures; /* in a row */
	int64_t first_failure_ms;
	int64_t quick_delay_ms; /* last delay between two quick questions */
};

/* Everything unknown: a new container, or one that was started again. */
void verdict_reset(struct verdict *verdict);
/* Takes one answer; true when the verdict changed. */
bool verdict_answer(struct verdict *verdict, bool good, int64_t now_ms);
/* How long to wait before the next question. fast: somebody waits for this container to become ready. The
 * slow ones fall on each second second, so that one wake-up of the loop serves many: each question alone costs
 * twice as much. random spreads them over those moments. */
int64_t verdict_delay_ms(struct verdict *verdict, bool fast, uint64_t random, int64_t now_ms);

/* What the first bytes of an answer are. */
enum verdict_bytes { VERDICT_BYTES_MORE, VERDICT_BYTES_HTTP, VERDICT_BYTES_OTHER };
/* HTTP with *ret_status once the status line is whole; OTHER when it can't become one. */
enum verdict_bytes verdict_status_line(const char *bytes, size_t length, int *ret_status);
/* Is this HTTP status good: with an explicit path 2xx and 3xx, else anything below 500? */
bool verdict_status_good(int status, bool explicit_path);

#endif
