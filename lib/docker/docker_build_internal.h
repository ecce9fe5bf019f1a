/* Shared by the files of lib/docker that build images. docker_build.c asks the engine and waits; beside it
 * stand the session that BuildKit asks back through, and the log: bytes of the answer in, whole lines out. */
#ifndef DOCKER_BUILD_INTERNAL_H
#define DOCKER_BUILD_INTERNAL_H

#include "docker_build.h"
#include "docker_internal.h"

#define DOCKER_BUILD_LOOK_MS 200
#define DOCKER_BUILD_HEADER_MS 10000   /* for the engine's answer to the wish for a session */
#define DOCKER_BUILD_CONTINUE_MS 60000 /* for "100 Continue": the builder is ready to read the context */

/* --- protobuf (docker_proto.c): the wire format only; the messages are known to who reads them
 * --------------------- */

struct docker_proto {
	const unsigned char *at; /* borrowed */
	const unsigned char *end;
	bool broken;
};
struct docker_proto_field {
	uint64_t number;
	uint64_t value;            /* of a varint */
	const unsigned char *data; /* of a text, bytes or a message; borrowed; NULL otherwise */
	size_t length;
};
struct docker_proto docker_proto_of(const void *data, size_t length);
/* false at the end and when the bytes are no message (broken is set). */
bool docker_proto_next(struct docker_proto *proto, struct docker_proto_field *field);
void docker_proto_put(struct hc_text *message, unsigned int number, const void *data, size_t length);
void docker_proto_put_number(struct hc_text *message, unsigned int number, uint64_t value);

/* RFC 4648 with padding; url: "-_" instead of "+/". Decoding takes the plain alphabet; -1 for anything else.
 */
void docker_base64(struct hc_text *text, const void *data, size_t length, bool url);
int docker_base64_decode(struct hc_text *data, const char *text, size_t length) HC_MUST_CHECK;

/* --- lines (docker_build_line.c) ---------------------------------------------------------------------------
 */

struct docker_build_sink {
	void (*line)(int stream, const char *line, size_t length, void *payload);
	void *payload;
};
/* What a program writes, cut into lines. A carriage return overwrites what stands before it in the line, as
 * on a terminal; a line longer than HC_LIMIT_LOG_LINE_BYTES comes in pieces. Zeroed at the start. */
struct docker_build_lines {
	struct hc_text pending;
};
void docker_build_lines_feed(struct docker_build_lines *lines, const char *prefix, int stream,
							 const void *data, size_t length, const struct docker_build_sink *sink);
void docker_build_lines_end(struct docker_build_lines *lines, const char *prefix, int stream,
							const struct docker_build_sink *sink);
void docker_build_lines_done(struct docker_build_lines *lines);

/* --- BuildKit's trace (docker_trace.c) ---------------------------------------------------------------------
 */

struct docker_trace_step;
struct docker_trace {
	struct docker_trace_step *steps; /* owned */
	size_t step_count;
	int number;            /* of the last step that was told */
	struct hc_text failed; /* name of the first step that failed */
};
/* One StatusResponse. Gives "#5 [2/3] RUN make", "#5 its output", "#5 DONE 0.3s"; steps of BuildKit's own
 * housekeeping are only told when they fail. INVALID when the bytes are no such message. */
int docker_trace_feed(struct docker_trace *trace, const void *data, size_t length,
					  const struct docker_build_sink *sink, struct hc_error *err) HC_MUST_CHECK;
void docker_trace_end(struct docker_trace *trace,
					  const struct docker_build_sink *sink); /* lines without a newline */
void docker_trace_done(struct docker_trace *trace);

/* --- the answer to a build (docker_build_log.c)
 * ------------------------------------------------------------- */

struct docker_build_log {
	struct docker_build_sink sink;
	struct docker_trace trace;
	struct docker_build_lines output[2]; /* of the classic builder */
	struct hc_text pending;              /* a JSON line that has begun */
	struct hc_text step;                 /* "RUN make": the step that the classic builder does */
	struct hc_text error;                /* as the builder said it; empty: none */
	char image_id[80];
	bool begun; /* the builder said something */
};
int docker_build_log_feed(struct docker_build_log *log, const char *data, size_t length, struct hc_error *err)
	HC_MUST_CHECK;
int docker_build_log_end(struct docker_build_log *log, struct hc_error *err) HC_MUST_CHECK;
void docker_build_log_done(struct docker_build_log *log);

/* --- what a builder's refusal means (docker_build_error.c)
 * --------------------------------------------------- */

/* INVALID: the user's own; TRANSIENT: the engine's or the network's; HC_OK: the text doesn't tell. */
enum hc_class docker_build_class(const char *message);
/* "RUN make: exit code 2" out of the builder's message and the name of the step that failed; both as they
 * came. */
void docker_build_message(struct hc_text *text, const char *message, const char *step);

/* --- the session (docker_session.c)
 * ------------------------------------------------------------------------- */

struct docker_session;
/* HC_INVALID: the engine has no sessions, which is to say no BuildKit. build is borrowed until it is closed.
 */
int docker_session_open(const struct docker *docker, const struct docker_build *build,
						struct docker_session **ret_session, struct hc_error *err) HC_MUST_CHECK;
const char *docker_session_id(const struct docker_session *session);
int docker_session_fd(const struct docker_session *session); /* -1 when the engine has ended it */
bool docker_session_wants_write(const struct docker_session *session);
void docker_session_step(
	struct docker_session *session); /* reads, answers and writes what can be without waiting */
void docker_session_close(struct docker_session *session);
HC_DEFINE_CLEANUP(docker_session, docker_session_close)
/* The answer to one call of the engine: a gRPC status; 0 with the message in answer. */
int docker_session_answer(const struct docker_build *build, const char *path, const void *message,
						  size_t length, struct hc_text *answer);

#endif
