/* The multiplexed stream of logs and exec, as a pure function over a small state. See docker_internal.h. */
#include "docker_internal.h"

#include <string.h>

static size_t frame_length(const unsigned char header[8])
{
	return (size_t)header[4] << 24 | (size_t)header[5] << 16 | (size_t)header[6] << 8 | header[7];
}

int docker_demux_feed(struct docker_demux *demux, const char *data, size_t length, docker_log_piece *piece,
					  void *payload, struct hc_error *err)
{
	while (length) {
		size_t part;

		if (demux->header_length < sizeof demux->header) {
			part = sizeof demux->header - demux->header_length;
			part = part < length ? part : length;
			memcpy(demux->header + demux->header_length, data, part);
			demux->header_length += part;
			if (demux->header_length == sizeof demux->header) {
				if (demux->header[0] > 2 || demux->header[1] || demux->header[2] || demux->header[3])
					return hc_fail(err, HC_BUG, "the engine's output is no multiplexed stream");
				demux->remaining = frame_length(demux->header);
			}
		} else {
			part = demux->remaining < length ? demux->remaining : length;
			demux->remaining -= part;
			if (part && piece(demux->header[0], data, part, payload))
				return hc_fail(err, HC_CANCELED, "stopped by the reader");
		}
		if (demux->header_length == sizeof demux->header && !demux->remaining)
			demux->header_length = 0;
		data += part;
		length -= part;
	}
	return 0;
}

bool docker_demux_complete(const struct docker_demux *demux)
{
	return demux->header_length == 0;
}
