/* Logs of a container: with a terminal the bytes come as they are, else multiplexed. */
#include "docker_internal.h"

#include <inttypes.h>

struct log_reader {
	docker_log_piece *piece;
	void *payload;
	struct docker_demux demux;
	bool tty;
};

static int log_piece(const char *data, size_t length, void *payload, struct hc_error *err)
{
	struct log_reader *reader = payload;

	if (!reader->tty)
		return docker_demux_feed(&reader->demux, data, length, reader->piece, reader->payload, err);
	return reader->piece(1, data, length, reader->payload)
			   ? hc_fail(err, HC_CANCELED, "stopped by the reader")
			   : 0;
}

int docker_container_logs(struct docker *docker, const char *id, const struct docker_log_options *options,
						  docker_log_piece *piece, void *payload, struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	HC_AUTO_TEXT path = {0};
	struct log_reader reader = {.piece = piece, .payload = payload};
	struct docker_request request = {.method = "GET",
									 .timeout_ms = options->follow ? -1 : 0,
									 .stream = true,
									 .piece = log_piece,
									 .payload = &reader,
									 .stop = options->stop};
	struct docker_container container;

	if (docker_container_inspect(docker, arena, id, &container, err))
		return -1;
	reader.tty = container.tty;
	if (docker_path(&path, "/containers/", container.id, "/logs?stdout=1&stderr=1", err))
		return -1;
	hc_text_printf(&path, "&follow=%d&timestamps=%d", options->follow, options->timestamps);
	if (options->tail_lines >= 0)
		hc_text_printf(&path, "&tail=%" PRId64, options->tail_lines);
	if (options->since_wall_s > 0)
		hc_text_printf(&path, "&since=%" PRId64, options->since_wall_s);
	request.path = hc_text_string(&path);
	if (docker_perform(docker, &request, NULL, err))
		return -1;
	if (!reader.tty && !docker_demux_complete(&reader.demux))
		return hc_fail(err, HC_TRANSIENT,
					   "GET /containers/%s/logs: the engine ended in the middle of a frame", id);
	return 0;
}
