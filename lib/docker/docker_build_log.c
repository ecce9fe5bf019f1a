/* The answer to POST /build: JSON lines, of the classic builder {"stream": output} and {"aux": {"ID":
 * image}}, of BuildKit {"id": "moby.buildkit.trace", "aux": base64} and {"id": "moby.image.id", "aux": {"ID":
 * image}}, of both
 * {"errorDetail": {"message": …}}. The status was 200 long before, so that the last line decides. */
#include "docker_build_internal.h"

#include <string.h>

/* "Step 2/3 : RUN make" is the classic builder's own line. */
static void note_step(struct docker_build_log *log, const char *text)
{
	const char *colon = hc_starts_with(text, "Step ") ? strstr(text, " : ") : NULL;

	if (!colon)
		return;
	log->step.length = 0;
	hc_text_append_bytes(&log->step, colon + 3, strcspn(colon + 3, "\r\n"));
}

static int trace_comes(struct docker_build_log *log, const char *text, size_t length, struct hc_error *err)
{
	HC_AUTO_TEXT data = {0};

	if (docker_base64_decode(&data, text, length))
		return hc_fail(err, HC_BUG, "the engine sent a trace that is not in base64");
	return docker_trace_feed(&log->trace, hc_text_string(&data), data.length, &log->sink, err);
}

static void end_output(struct docker_build_log *log)
{
	docker_build_lines_end(&log->output[0], "", 1, &log->sink);
	docker_build_lines_end(&log->output[1], "", 2, &log->sink);
}

/* What the classic builder says itself begins a line, whatever the command has left. */
static bool is_builders_own(const char *text)
{
	return hc_starts_with(text, "Step ") || hc_starts_with(text, " ---> ") ||
		   hc_starts_with(text, "Removing intermediate container ");
}

/* The classic builder paints what a command writes to its standard error red, one piece at a time. */
static void output_comes(struct docker_build_log *log, const char *text, size_t length)
{
	static const char red[] = "\033[91m";
	static const char plain[] = "\033[0m";
	size_t before = sizeof red - 1;
	size_t after = sizeof plain - 1;
	int stream = 1;

	if (is_builders_own(text))
		end_output(log);
	if (length >= before + after && memcmp(text, red, before) == 0 &&
		memcmp(text + length - after, plain, after) == 0) {
		stream = 2;
		text += before;
		length -= before + after;
	}
	docker_build_lines_feed(&log->output[stream - 1], "", stream, text, length, &log->sink);
}

/* The classic builder tells the progress of a pull like the pull itself; only its ends are worth a line. */
static void pull_comes(struct docker_build_log *log, const json_t *json)
{
	const char *status = json_string_value(json_object_get(json, "status"));
	const char *layer = json_string_value(json_object_get(json, "id"));
	HC_AUTO_TEXT line = {0};

	if (!status || json_object_get(json, "progressDetail"))
		return;
	if (layer)
		hc_text_printf(&line, "%s: ", layer);
	hc_text_append(&line, status);
	log->sink.line(1, hc_text_string(&line), line.length, log->sink.payload);
}

static int take_line(struct docker_build_log *log, struct hc_error *err)
{
	const char *text = hc_text_string(&log->pending);
	DOCKER_AUTO_JSON *json = NULL;
	const json_t *stream;
	const json_t *aux;
	const char *id;
	const char *image;
	const char *error;

	if (text[strspn(text, " \r\t")] == '\0')
		return 0;
	json = json_loadb(text, log->pending.length, JSON_ALLOW_NUL, NULL);
	if (!json_is_object(json))
		return hc_fail(err, HC_BUG, "the engine sent a line of a build that is no JSON object");
	log->begun = true;
	stream = json_object_get(json, "stream");
	aux = json_object_get(json, "aux");
	id = json_string_value(json_object_get(json, "id"));
	image = json_string_value(docker_json_at(json, "aux/ID"));
	error = json_string_value(docker_json_at(json, "errorDetail/message"));
	if (!error)
		error = json_string_value(json_object_get(json, "error"));
	if (error && !log->error.length)
		hc_text_append(&log->error, *error ? error : "the builder failed without a message");
	if (image && strlen(image) < sizeof log->image_id)
		(void)memcpy(log->image_id, image, strlen(image) + 1);
	if (json_is_string(stream)) {
		note_step(log, json_string_value(stream));
		output_comes(log, json_string_value(stream), json_string_length(stream));
	}
	if (id && strcmp(id, "moby.buildkit.trace") == 0 && json_is_string(aux))
		return trace_comes(log, json_string_value(aux), json_string_length(aux), err);
	pull_comes(log, json);
	return 0;
}

int docker_build_log_feed(struct docker_build_log *log, const char *data, size_t length, struct hc_error *err)
{
	while (length) {
		const char *newline = memchr(data, '\n', length);
		size_t part = newline ? (size_t)(newline - data) : length;
		int result;

		if (log->pending.length + part > HC_LIMIT_DOCKER_ANSWER_BYTES)
			return hc_fail(err, HC_BUG, "the engine sent a line of a build of more than %u bytes",
						   HC_LIMIT_DOCKER_ANSWER_BYTES);
		hc_text_append_bytes(&log->pending, data, part);
		if (!newline)
			return 0;
		result = take_line(log, err);
		log->pending.length = 0;
		if (result)
			return -1;
		data += part + 1;
		length -= part + 1;
	}
	return 0;
}

int docker_build_log_end(struct docker_build_log *log, struct hc_error *err)
{
	int result = log->pending.length ? take_line(log, err) : 0;

	log->pending.length = 0;
	end_output(log);
	docker_trace_end(&log->trace, &log->sink);
	return result;
}

void docker_build_log_done(struct docker_build_log *log)
{
	docker_trace_done(&log->trace);
	docker_build_lines_done(&log->output[0]);
	docker_build_lines_done(&log->output[1]);
	hc_text_done(&log->pending);
	hc_text_done(&log->step);
	hc_text_done(&log->error);
}
