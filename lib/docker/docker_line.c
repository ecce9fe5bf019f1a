/* Lines out of pieces. A line is bounded, because it comes from a program that is not ours. */
#include "docker_internal.h"

#include <string.h>

static int give(struct docker_line *reader, struct hc_error *err)
{
	HC_AUTO_TEXT line = reader->pending;
	size_t length = line.length;

	reader->pending = (struct hc_text){0};
	if (length && line.data[length - 1] == '\r')
		line.data[--length] = '\0';
	return length ? reader->line(line.data, length, reader->payload, err) : 0;
}

int docker_line_feed(struct docker_line *reader, const char *data, size_t length, struct hc_error *err)
{
	while (length) {
		const char *newline = memchr(data, '\n', length);
		size_t part = newline ? (size_t)(newline - data) : length;

		if (reader->pending.length + part > HC_LIMIT_DOCKER_LINE_BYTES)
			return hc_fail(err, HC_BUG, "the engine sent a line of more than %u bytes",
						   HC_LIMIT_DOCKER_LINE_BYTES);
		hc_text_append_bytes(&reader->pending, data, part);
		if (!newline)
			return 0;
		if (give(reader, err))
			return -1;
		data += part + 1;
		length -= part + 1;
	}
	return 0;
}

int docker_line_end(struct docker_line *reader, struct hc_error *err)
{
	return reader->pending.length ? give(reader, err) : 0;
}

void docker_line_done(struct docker_line *reader)
{
	hc_text_done(&reader->pending);
}
