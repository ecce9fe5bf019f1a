/* Shared by the files of lib/docker only. docker_perform() is the one place where bytes go to the engine;
 * above it stand paths, JSON and results. */
#ifndef DOCKER_INTERNAL_H
#define DOCKER_INTERNAL_H

#include "base/limits.h"
#include "base/text.h"
#include "docker.h"

#include <curl/curl.h>
#include <jansson.h>
#include <sys/types.h>

#define DOCKER_API_MAJOR 1
#define DOCKER_API_MINOR_LEAST 41 /* Engine 20.10 */
#define DOCKER_API_MINOR_MOST 47  /* Engine 27; later engines speak it too */
#define DOCKER_CALL_TIMEOUT_MS 60000
#define DOCKER_STOP_LOOK_MS 200
#define DOCKER_STREAM_WAIT_MS 60000 /* with a descriptor that says when to look, else the former */
/* A call on one container that isn't answered for so long may wait for a command that hangs while it starts
 * there, which is then ended if it is as old (docker_start.c). In a paused container no other starts. */
#define DOCKER_PATIENCE_MS 8000
#define DOCKER_PATIENCE_PAUSED_MS 1000
#define DOCKER_CONTAINER_TIMEOUT_MS 12000 /* of calls on one container that the engine answers at once */

struct docker {
	CURL *easy;           /* keep-alive handle of all calls that are not streams */
	char *host;           /* as given, for messages */
	const char *socket;   /* borrowed from host: the path in it */
	char api_version[16]; /* "" until negotiated, and again after a connection failed */
	int64_t call_timeout_ms;
	int wake_fd; /* borrowed: docker_wake_by(); -1: none */
};

static inline void docker_json_cleanup(json_t **value)
{
	json_decref(*value);
	*value = NULL;
}
#define DOCKER_AUTO_JSON __attribute__((cleanup(docker_json_cleanup))) json_t

/* --- one request (docker_transport.c)
 * ------------------------------------------------------------------------- */

/* Gets the body of a 2xx answer as it comes. Non-zero ends the request; what it put in err is what the caller
 * sees, and CANCELED when it put nothing. */
typedef int docker_piece(const char *data, size_t length, void *payload, struct hc_error *err);

struct docker_request {
	const char *method;
	const char *path;   /* begins with "/", without the version, escaped (docker_path.c) */
	const json_t *body; /* borrowed; NULL: none */
	int upload_fd;      /* body from here when upload_length > 0; stays the caller's */
	int64_t upload_length;
	int64_t timeout_ms;    /* 0: that of the struct docker; < 0: none */
	const char *container; /* id of the one that the call is about, or NULL; not of a stream */
	bool quick;          /* the engine answers at once, or it is stuck: at most DOCKER_CONTAINER_TIMEOUT_MS */
	bool unversioned;    /* of /_ping only */
	bool stream;         /* own connection, so that the struct stays usable meanwhile */
	docker_piece *piece; /* NULL: the body is collected in the answer */
	void (*accepted)(void *payload); /* the engine's headers said 2xx; may be NULL */
	void *payload;
	const volatile int *stop; /* looked at while streaming; may be NULL */
};

struct docker_answer {
	struct hc_text body;
	char api_version[16]; /* of the header, "" when absent */
	curl_socket_t socket; /* of the kept connection: good until the next request */
	long status;
};

/* Fails for any status but 2xx and 304, with the class by docker_error_class(). answer must be zeroed before
 * and docker_answer_done() after, also on failure; answer may be NULL. */
int docker_perform(struct docker *docker, const struct docker_request *request, struct docker_answer *answer,
				   struct hc_error *err) HC_MUST_CHECK;
void docker_answer_done(struct docker_answer *answer);

/* As docker_perform(), and reads the body as JSON. *ret_json is the caller's. */
int docker_ask(struct docker *docker, const struct docker_request *request, json_t **ret_json,
			   struct hc_error *err) HC_MUST_CHECK;
/* The same from its parts. body is stolen, also on failure. */
int docker_call(struct docker *docker, const char *method, const char *path, json_t *body, json_t **ret_json,
				struct hc_error *err) HC_MUST_CHECK;
/* The same for calls whose body says nothing. */
int docker_do(struct docker *docker, const char *method, const char *path, json_t *body, struct hc_error *err)
	HC_MUST_CHECK;
/* A body that could not be built: a text in it is not UTF-8. */
int docker_body_invalid(const char *what, struct hc_error *err);

/* --- paths (docker_path.c)
 * ------------------------------------------------------------------------------------ */

/* prefix + escaped part + suffix. INVALID for an empty part, "." and "..", which the engine would take for
 * another path. An image's name may have slashes. */
int docker_path(struct hc_text *path, const char *prefix, const char *part, const char *suffix,
				struct hc_error *err) HC_MUST_CHECK;
void docker_path_query(struct hc_text *path, const char *name,
					   const char *value); /* nothing for a NULL value */
int docker_path_label_filter(struct hc_text *path, const struct docker_pair *filters, size_t count,
							 struct hc_error *err) HC_MUST_CHECK;
/* "name:tag", "name@digest" or "name": tag is "latest" for the last, or else the engine pulls all tags. */
void docker_image_split(struct hc_arena *arena, const char *name, const char **ret_repository,
						const char **ret_tag);

/* --- JSON (docker_json.c)
 * ------------------------------------------------------------------------------------- */

/* Reading never fails: absent, null and of another type give NULL, "", 0 or false, since engines leave out
 * what is empty. at is a path of keys with '/': "State/Health/Status". Texts are copied into the arena. */
const json_t *docker_json_at(const json_t *json, const char *at);
const char *docker_json_text(struct hc_arena *arena, const json_t *json, const char *at);
int64_t docker_json_number(const json_t *json, const char *at);
bool docker_json_bool(const json_t *json, const char *at);
int64_t docker_json_wall_ms(const json_t *json, const char *at); /* RFC 3339; 0 for the zero time */
void docker_json_pairs(struct hc_arena *arena, const json_t *object, struct docker_pair **ret_pairs,
					   size_t *ret_count);                                   /* sorted by name */
const char **docker_json_texts(struct hc_arena *arena, const json_t *array); /* NULL-terminated */
const char **docker_json_keys(struct hc_arena *arena, const json_t *object); /* sorted, NULL-terminated */

/* Building gives NULL when a text is not UTF-8; a NULL input gives an absent key with the "*" formats of
 * json_pack. */
json_t *docker_json_from_pairs(const struct docker_pair *pairs, size_t count);
json_t *docker_json_from_texts(const char *const *texts);

/* What an endpoint of a network is created with; either may be NULL. */
json_t *docker_endpoint_body(const char *address, const char *alias);

/* --- streams of lines and frames
 * ------------------------------------------------------------------------------ */

/* Cuts a stream into lines (docker_line.c). Owner: whoever declared it; docker_line_done() at the end. */
struct docker_line {
	struct hc_text pending;
	int (*line)(const char *line, size_t length, void *payload, struct hc_error *err);
	void *payload;
};
int docker_line_feed(struct docker_line *reader, const char *data, size_t length, struct hc_error *err)
	HC_MUST_CHECK;
int docker_line_end(struct docker_line *reader, struct hc_error *err)
	HC_MUST_CHECK; /* the last one, without newline */
void docker_line_done(struct docker_line *reader);

/* Takes the engine's multiplexed stream apart (docker_demux.c): frames of {stream, 0, 0, 0, length as 4 bytes
 * big endian} and the bytes. Zeroed at the start. */
struct docker_demux {
	unsigned char header[8];
	size_t header_length;
	size_t remaining;
};
/* Gives each run of bytes of one stream as it is; a frame may come in several. CANCELED when piece says so,
 * BUG when the bytes are no such stream. */
int docker_demux_feed(struct docker_demux *demux, const char *data, size_t length, docker_log_piece *piece,
					  void *payload, struct hc_error *err) HC_MUST_CHECK;
bool docker_demux_complete(const struct docker_demux *demux); /* not in the middle of a frame */

/* --- meanings
 * ------------------------------------------------------------------------------------------------- */

enum hc_class docker_error_class(long status, const char *message);
enum hc_class docker_pull_class(const char *message);
/* min(engine's, what we understand); INVALID when it is too old or no version. */
int docker_version_choose(const char *engine, char chosen[16], struct hc_error *err) HC_MUST_CHECK;
/* -1 when there is no such process. */
int64_t docker_process_age_ms(pid_t pid);
/* Ends commands that are being started in the container for so long; returns how many. */
size_t docker_starts_end(const char *container_id, int64_t older_than_ms);
/* To be asked each second while a call on the container isn't answered, since began_ms: does the above when
 * it is time. */
void docker_starts_look(const struct docker *docker, const char *container_id, int64_t began_ms);
/* Which process answers on this socket, and since when; leaves instance and start empty when it can't be
 * known. */
void docker_engine_instance(struct hc_arena *arena, int socket_fd, struct docker_info *info);

#endif
