/* See build_log.h. Control characters would let a build repaint its reader's terminal, so that they are
 * dropped here, colours too. */
#include "build_log.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FLUSH_MS 200
#define FLUSH_BYTES (64U * 1024)
#define PENDING_BYTES_MAX                                                                                    \
	(4U * 1024 * 1024) /* kept while the database is away; then the newest are dropped */

/* Length of an escape sequence at the start (CSI … letter, or two bytes), 0 when there is none. */
static size_t escape_length(const char *text, size_t length)
{
	size_t at = 2;

	if (length < 2 || text[0] != '\033')
		return 0;
	if (text[1] != '[')
		return 2;
	while (at < length && (text[at] < '@' || text[at] > '~'))
		at++;
	return at < length ? at + 1 : length;
}

void build_log_line(struct build_log *log, const char *line, size_t length)
{
	if (log->pending.length + log->masked.length + length > PENDING_BYTES_MAX)
		return;
	for (size_t at = 0; at < length;) {
		size_t skip = escape_length(line + at, length - at);

		if (skip)
			at += skip;
		else if ((unsigned char)line[at] < ' ' && line[at] != '\t')
			at++;
		else
			hc_text_append_bytes(&log->pending, &line[at++], 1);
	}
	hc_text_append(&log->pending, "\n");
	if (log->pending.length >= FLUSH_BYTES)
		build_log_flush(log, true);
}

void build_log_printf(struct build_log *log, const char *format, ...)
{
	char line[1024];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	if (length > 0)
		build_log_line(log, line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
}

/* The one way out: nothing is written that did not come through here. */
static void take_pending(struct build_log *log, bool end)
{
	size_t taken = log->pending.length;

	if (!taken)
		return;
	if (log->mask)
		taken = mask_apply(log->mask, log->pending.data, taken, end, &log->masked);
	else
		hc_text_append_bytes(&log->masked, log->pending.data, taken);
	log->pending.length -= taken;
	memmove(log->pending.data, log->pending.data + taken, log->pending.length);
}

static void write_masked(struct build_log *log)
{
	struct hc_error err;

	if (!log->masked.length)
		return;
	if (!store_job_log(log->store, log->id, log->attempt, log->masked.data, log->masked.length, &err)) {
		log->masked.length = 0;
		return;
	}
	if (err.class == HC_CONFLICT || err.class == HC_NOT_FOUND)
		log->fenced = true;
	else
		hc_log(HC_LOG_DEBUG, "a piece of a build's log waits", "error", err.text, NULL);
}

void build_log_flush(struct build_log *log, bool all)
{
	int64_t now_ms = hc_clock_boot_ms();

	if (!log->pending.length && !log->masked.length)
		return;
	if (!all && now_ms - log->written_ms < FLUSH_MS)
		return;
	log->written_ms = now_ms;
	take_pending(log, false);
	write_masked(log);
}

void build_log_done(struct build_log *log)
{
	take_pending(log, true);
	write_masked(log);
	hc_text_done(&log->pending);
	hc_text_done(&log->masked);
}
