/* Puts a name in front of every line of a log, so that the logs of several replicas can be read as one. Pure.
 */
#ifndef LOG_LINES_H
#define LOG_LINES_H

#include "base/text.h"

struct log_lines {
	const char *prefix;        /* borrowed; NULL: bytes pass as they are */
	struct hc_text partial[2]; /* standard output and error each have an unfinished line */
};

/* stream: 1 or 2, as the engine numbers them. Whole lines are appended to out. */
void log_lines_feed(struct log_lines *lines, int stream, const char *data, size_t length,
					struct hc_text *out);
/* What is unfinished becomes a line. */
void log_lines_end(struct log_lines *lines, struct hc_text *out);
void log_lines_done(struct log_lines *lines);

#endif
