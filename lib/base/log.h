/* Log lines: one JSON object a line on standard error. Libraries do not log (debug excepted); loops and
 * request handlers log a failure once, with what it was about. Keys are constant strings, values come from
 * anywhere. */
#ifndef HC_LOG_H
#define HC_LOG_H

#include "base.h"
#include <stdarg.h>

enum hc_log_level { HC_LOG_DEBUG, HC_LOG_INFO, HC_LOG_WARN, HC_LOG_ERROR };

/* Sets the least level that is written (from HELVETIA_LOG=debug|info|warn|error, default info) and the name
 * of the program, borrowed for the life of the process. */
void hc_log_init(const char *program);

/* key, value pairs of strings end with NULL: hc_log(HC_LOG_INFO, "pass done", "service", name, NULL).
 * A NULL value is written as null. */
void hc_log(enum hc_log_level level, const char *message, ...) __attribute__((sentinel));

#endif
