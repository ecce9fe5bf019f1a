/* See log.h. One write() a line, so that lines of several threads and processes never mix. */
#include "log.h"
#include "clock.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static enum hc_log_level least_level = HC_LOG_INFO;
static const char *program_name = "helvetia";

void hc_log_init(const char *program)
{
	const char *wanted = getenv("HELVETIA_LOG");

	program_name = program;
	for (size_t level = 0; wanted && level < HC_COUNT(level_names); level++) {
		if (strcmp(wanted, level_names[level]) == 0)
			least_level = (enum hc_log_level)level;
	}
}

void hc_log(enum hc_log_level level, const char *message, ...)
{
	HC_AUTO_TEXT line = {0};
	char when[HC_TIME_TEXT_SIZE];
	int64_t now_ms;
	va_list pairs;
	const char *key;

	if (level < least_level)
		return;
	now_ms = hc_clock_wall_ms();
	hc_clock_format(now_ms, when);
	when[19] = '\0'; /* the Z comes after the milliseconds */
	hc_text_printf(&line, "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"program\":", when, (int)(now_ms % 1000),
				   level_names[level]);
	hc_text_append_json_string(&line, program_name);
	hc_text_append(&line, ",\"message\":");
	hc_text_append_json_string(&line, message);
	va_start(pairs, message);
	while ((key = va_arg(pairs, const char *))) {
		const char *value = va_arg(pairs, const char *);

		hc_text_append(&line, ",");
		hc_text_append_json_string(&line, key);
		hc_text_append(&line, ":");
		if (value)
			hc_text_append_json_string(&line, value);
		else
			hc_text_append(&line, "null");
	}
	va_end(pairs);
	hc_text_append(&line, "}\n");
	if (write(STDERR_FILENO, line.data, line.length) < 0)
		return; /* nobody is left to tell */
}
