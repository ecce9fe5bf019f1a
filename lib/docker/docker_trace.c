/* BuildKit's trace, made readable. Each line of the answer carries a StatusResponse (moby/buildkit,
 * api/services/control): vertexes{1 digest, 3 name, 4 cached, 5 started, 6 completed, 7 error}, statuses, and
 * logs{1 vertex, 3 stream, 4 msg}; a vertex is repeated with what has become of it. Stages run at the same
 * time, so that every line begins with its step's number. Pure but for the sink. */
#include "base/alloc.h"
#include "docker_build_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 10000 /* a Dockerfile of so many steps is no mistake that we must survive */
/* BuildKit's housekeeping: told only when it fails. */
#define OWN_STEP "[internal]"
#define OWN_COPY "copy /context /"

enum { RESPONSE_VERTEX = 1, RESPONSE_LOG = 3 };
enum {
	VERTEX_DIGEST = 1,
	VERTEX_NAME = 3,
	VERTEX_CACHED = 4,
	VERTEX_STARTED = 5,
	VERTEX_COMPLETED = 6,
	VERTEX_ERROR = 7
};
enum { LOG_VERTEX = 1, LOG_STREAM = 3, LOG_MESSAGE = 4 };

struct docker_trace_step {
	char *digest;
	char *name;
	char *error;
	int number; /* 0: not told yet */
	int64_t started_ms;
	int64_t completed_ms;
	bool cached;
	bool ended; /* told too */
	struct docker_build_lines output[2];
};

struct feeding {
	struct docker_trace *trace;
	const struct docker_build_sink *sink;
};

static char *text_of(const struct docker_proto_field *field)
{
	return hc_xprintf("%.*s", (int)field->length, field->data ? (const char *)field->data : "");
}

static struct docker_trace_step *step_of(struct docker_trace *trace, const struct docker_proto_field *digest)
{
	for (size_t index = trace->step_count; index-- > 0;) {
		struct docker_trace_step *step = &trace->steps[index];

		if (strlen(step->digest) == digest->length && memcmp(step->digest, digest->data, digest->length) == 0)
			return step;
	}
	if (trace->step_count >= STEPS_MAX)
		return NULL;
	trace->steps = hc_xrealloc_array(trace->steps, trace->step_count + 1, sizeof *trace->steps);
	trace->steps[trace->step_count] = (struct docker_trace_step){.digest = text_of(digest)};
	return &trace->steps[trace->step_count++];
}

static int64_t time_of(const struct docker_proto_field *field)
{
	struct docker_proto proto = docker_proto_of(field->data, field->length);
	struct docker_proto_field part;
	int64_t ms = 0;

	while (docker_proto_next(&proto, &part)) {
		if (part.number == 1)
			ms += (int64_t)(part.value % INT32_MAX) * 1000;
		else if (part.number == 2)
			ms += (int64_t)(part.value / 1000000 % 1000);
	}
	return ms;
}

static void say(struct feeding *feeding, const struct docker_trace_step *step, const char *format, ...)
	HC_PRINTF(3, 4);
static void say(struct feeding *feeding, const struct docker_trace_step *step, const char *format, ...)
{
	HC_AUTO_FREE more = NULL;
	HC_AUTO_TEXT line = {0};
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&more, format, arguments) < 0)
		abort();
	va_end(arguments);
	for (char *at = more; *at; at++)
		if (*at == '\n' || *at == '\r')
			*at = ' ';
	hc_text_printf(&line, "#%d %s", step->number, more);
	feeding->sink->line(1, hc_text_string(&line), line.length, feeding->sink->payload);
}

static void replace(char **text, const struct docker_proto_field *field)
{
	free(*text);
	*text = text_of(field);
}

static void keep_field(struct docker_trace_step *step, const struct docker_proto_field *field)
{
	switch (field->number) {
	case VERTEX_NAME:
		replace(&step->name, field);
		break;
	case VERTEX_CACHED:
		step->cached = field->value != 0;
		break;
	case VERTEX_STARTED:
		if (!step->started_ms)
			step->started_ms = time_of(field);
		break;
	case VERTEX_COMPLETED:
		step->completed_ms = time_of(field);
		break;
	case VERTEX_ERROR:
		if (field->length)
			replace(&step->error, field);
		break;
	default:
		break;
	}
}

static struct docker_trace_step *find(struct feeding *feeding, struct docker_proto message, uint64_t number)
{
	struct docker_proto_field field;

	while (docker_proto_next(&message, &field))
		if (field.number == number && field.data)
			return step_of(feeding->trace, &field);
	return NULL;
}

static bool is_own(const char *name)
{
	return hc_starts_with(name, OWN_STEP) || strcmp(name, OWN_COPY) == 0;
}

static bool vertex_begins(struct feeding *feeding, struct docker_proto message)
{
	struct docker_trace_step *step = find(feeding, message, VERTEX_DIGEST);
	struct docker_proto_field field;

	while (step && docker_proto_next(&message, &field))
		keep_field(step, &field);
	if (!step || message.broken)
		return !message.broken;
	if (!step->number && step->name && (step->started_ms || step->cached || step->error) &&
		(!is_own(step->name) || step->error)) {
		step->number = ++feeding->trace->number;
		say(feeding, step, "%s", step->name);
	}
	return true;
}

static bool vertex_ends(struct feeding *feeding, struct docker_proto message)
{
	struct docker_trace_step *step = find(feeding, message, VERTEX_DIGEST);

	if (!step || !step->number || step->ended || (!step->completed_ms && !step->cached && !step->error))
		return true;
	for (int stream = 1; stream <= 2; stream++) {
		HC_AUTO_FREE prefix = hc_xprintf("#%d ", step->number);

		docker_build_lines_end(&step->output[stream - 1], prefix, stream, feeding->sink);
	}
	step->ended = true;
	if (step->error && strstr(step->error, "context canceled"))
		say(feeding, step, "CANCELED");
	else if (step->error)
		say(feeding, step, "ERROR: %s", step->error);
	else if (step->cached)
		say(feeding, step, "CACHED");
	else
		say(feeding, step, "DONE %.1fs",
			step->started_ms ? (double)(step->completed_ms - step->started_ms) / 1000.0 : 0.0);
	if (step->error && !strstr(step->error, "context canceled") && !feeding->trace->failed.length)
		hc_text_append(&feeding->trace->failed, step->name ? step->name : "");
	return true;
}

static bool log_comes(struct feeding *feeding, struct docker_proto message)
{
	struct docker_trace_step *step = find(feeding, message, LOG_VERTEX);
	struct docker_proto_field field;
	struct docker_proto_field text = {0};
	int stream = 1;

	while (docker_proto_next(&message, &field)) {
		if (field.number == LOG_STREAM)
			stream = field.value == 2 ? 2 : 1;
		else if (field.number == LOG_MESSAGE)
			text = field;
	}
	if (step && text.data && !message.broken) {
		HC_AUTO_FREE prefix = NULL;

		if (!step->number) {
			step->number = ++feeding->trace->number;
			say(feeding, step, "%s", step->name ? step->name : "a step without a name");
		}
		prefix = hc_xprintf("#%d ", step->number);
		docker_build_lines_feed(&step->output[stream - 1], prefix, stream, text.data, text.length,
								feeding->sink);
	}
	return !message.broken;
}

/* A step is named before its output and ends after it, whatever their order in the message. */
int docker_trace_feed(struct docker_trace *trace, const void *data, size_t length,
					  const struct docker_build_sink *sink, struct hc_error *err)
{
	static const struct {
		uint64_t number;
		bool (*take)(struct feeding *feeding, struct docker_proto message);
	} passes[] = {
		{RESPONSE_VERTEX, vertex_begins}, {RESPONSE_LOG, log_comes}, {RESPONSE_VERTEX, vertex_ends}};
	struct feeding feeding = {.trace = trace, .sink = sink};

	for (size_t pass = 0; pass < HC_COUNT(passes); pass++) {
		struct docker_proto message = docker_proto_of(data, length);
		struct docker_proto_field field;
		bool fine = true;

		while (fine && docker_proto_next(&message, &field))
			if (field.number == passes[pass].number && field.data)
				fine = passes[pass].take(&feeding, docker_proto_of(field.data, field.length));
		if (!fine || message.broken)
			return hc_fail(err, HC_INVALID, "%zu bytes that are no status of a build", length);
	}
	return 0;
}

void docker_trace_end(struct docker_trace *trace, const struct docker_build_sink *sink)
{
	for (size_t index = 0; index < trace->step_count; index++) {
		struct docker_trace_step *step = &trace->steps[index];
		HC_AUTO_FREE prefix = hc_xprintf("#%d ", step->number);

		docker_build_lines_end(&step->output[0], prefix, 1, sink);
		docker_build_lines_end(&step->output[1], prefix, 2, sink);
	}
}

void docker_trace_done(struct docker_trace *trace)
{
	for (size_t index = 0; index < trace->step_count; index++) {
		struct docker_trace_step *step = &trace->steps[index];

		free(step->digest);
		free(step->name);
		free(step->error);
		docker_build_lines_done(&step->output[0]);
		docker_build_lines_done(&step->output[1]);
	}
	free(trace->steps);
	hc_text_done(&trace->failed);
	*trace = (struct docker_trace){0};
}
