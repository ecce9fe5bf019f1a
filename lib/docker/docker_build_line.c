/* Lines of a build's log. They come from programs that are not ours, in pieces of any length, with progress
 * bars that overwrite themselves. Pure. */
#include "docker_build_internal.h"

#include <string.h>

static void give(const char *prefix, int stream, const char *line, size_t length,
				 const struct docker_build_sink *sink)
{
	HC_AUTO_TEXT whole = {0};
	const char *overwritten;

	while (length && line[length - 1] == '\r')
		length--;
	overwritten = length ? memrchr(line, '\r', length) : NULL;
	if (overwritten) {
		length -= (size_t)(overwritten + 1 - line);
		line = overwritten + 1;
	}
	hc_text_append(&whole, prefix);
	hc_text_append_bytes(&whole, line, length);
	sink->line(stream, hc_text_string(&whole), whole.length, sink->payload);
}

void docker_build_lines_feed(struct docker_build_lines *lines, const char *prefix, int stream,
							 const void *data, size_t length, const struct docker_build_sink *sink)
{
	const char *at = data;

	while (length) {
		const char *newline = memchr(at, '\n', length);
		size_t part = newline ? (size_t)(newline - at) : length;
		size_t room = HC_LIMIT_LOG_LINE_BYTES - lines->pending.length;
		bool full = part > room;

		if (full)
			part = room;
		hc_text_append_bytes(&lines->pending, at, part);
		at += part;
		length -= part;
		if (!full && !newline)
			return;
		if (!full) {
			at++;
			length--;
		}
		give(prefix, stream, hc_text_string(&lines->pending), lines->pending.length, sink);
		lines->pending.length = 0;
	}
}

void docker_build_lines_end(struct docker_build_lines *lines, const char *prefix, int stream,
							const struct docker_build_sink *sink)
{
	if (lines->pending.length)
		give(prefix, stream, hc_text_string(&lines->pending), lines->pending.length, sink);
	lines->pending.length = 0;
}

void docker_build_lines_done(struct docker_build_lines *lines)
{
	hc_text_done(&lines->pending);
}
