/* See log_lines.h. */
#include "log_lines.h"

#include "base/limits.h"

#include <string.h>

static void line_out(struct log_lines *lines, struct hc_text *partial, struct hc_text *out)
{
	hc_text_append(out, lines->prefix);
	hc_text_append_bytes(out, hc_text_string(partial), partial->length);
	hc_text_append(out, "\n");
	partial->length = 0;
}

void log_lines_feed(struct log_lines *lines, int stream, const char *data, size_t length, struct hc_text *out)
{
	struct hc_text *partial = &lines->partial[stream == 2];

	if (!lines->prefix) {
		hc_text_append_bytes(out, data, length);
		return;
	}
	while (length > 0) {
		const char *end = memchr(data, '\n', length);
		size_t piece = end ? (size_t)(end - data) : length;
		size_t room = HC_LIMIT_LOG_LINE_BYTES - partial->length;

		if (piece > room) {
			piece = room;
			end = NULL;
		}
		hc_text_append_bytes(partial, data, piece);
		if (end || partial->length == HC_LIMIT_LOG_LINE_BYTES)
			line_out(lines, partial, out);
		data += piece + (end != NULL);
		length -= piece + (end != NULL);
	}
}

void log_lines_end(struct log_lines *lines, struct hc_text *out)
{
	for (size_t n = 0; n < HC_COUNT(lines->partial); n++) {
		if (lines->partial[n].length > 0)
			line_out(lines, &lines->partial[n], out);
	}
}

void log_lines_done(struct log_lines *lines)
{
	for (size_t n = 0; n < HC_COUNT(lines->partial); n++)
		hc_text_done(&lines->partial[n]);
}
