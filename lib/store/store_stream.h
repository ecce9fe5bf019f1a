/* Reads for a process with one event loop: a libpq pipeline that never blocks, and LISTEN.
 *
 * The loop belongs to the caller: it polls store_stream_fd() for reading (and for writing while
 * store_stream_wants_write()) and calls store_stream_process(). Answers come as callbacks from inside process(), in
 * the order of the questions; a callback may ask again. When the connection is lost, every open question is answered
 * with TRANSIENT, and the stream reconnects by itself (call process() at least each second while
 * store_stream_connected() is false; the fd may change, so ask for it again after each process()). */
#ifndef STORE_STREAM_H
#define STORE_STREAM_H

#include "store.h"

struct store_stream;

struct store_row {
	const char *json;        /* whole object text; length bytes */
	size_t length;
	const char *namespace_name;
	const char *name;
	const char *type;        /* of a change: ADDED, MODIFIED, DELETED; NULL for objects */
	const char *labels;      /* of a change: labels after it, JSON */
	const char *labels_before; /* of a change: labels before it, JSON or NULL */
	int64_t resource_version;
	enum store_kind kind;
};

struct store_answer {
	const struct store_row *rows; /* borrowed until the callback returns */
	size_t row_count;
	int64_t resource_version; /* of the snapshot: the list is exactly the state after this one */
	int64_t oldest;           /* oldest resourceVersion that the change log can continue from */
	bool more;                /* a page was cut: ask again after its last name */
	const struct store_token *token; /* of store_stream_token; NULL when there is none */
	const struct hc_error *error;    /* NULL unless the question failed; NOT_FOUND for a get */
};
typedef void store_answered(const struct store_answer *answer, void *payload);

int store_stream_open(const char *url, const char *application, struct store_stream **ret_stream,
                      struct hc_error *err) HC_MUST_CHECK;
int store_stream_fd(const struct store_stream *stream); /* -1 while there is none */
bool store_stream_wants_write(const struct store_stream *stream);
bool store_stream_connected(const struct store_stream *stream);
void store_stream_process(struct store_stream *stream);
void store_stream_close(struct store_stream *stream); /* open questions are answered with CANCELED */

void store_stream_get(struct store_stream *stream, enum store_kind kind, const char *namespace_name, const char *name,
                      store_answered *answered, void *payload);

struct store_list_options {
	enum store_kind kind;
	const char *namespace_name; /* NULL: all */
	const char *name;           /* NULL: all; else that one only (fieldSelector metadata.name) */
	const char *after_namespace; /* with after_name: continue behind this object */
	const char *after_name;
	int limit; /* 0: HC_LIMIT_LIST_PAGE */
	/* Equality requirements on labels as a JSON object text ({"app":"web"}), NULL: none. */
	const char *labels;
};
/* Objects sorted by namespace and name, with the resourceVersion of the snapshot they were read from. */
void store_stream_list(struct store_stream *stream, const struct store_list_options *options,
                       store_answered *answered, void *payload);
/* Changes of all kinds after a resourceVersion, in order, at most limit. */
void store_stream_changes(struct store_stream *stream, int64_t after, int limit, store_answered *answered,
                          void *payload);
void store_stream_token(struct store_stream *stream, const char *hash, store_answered *answered, void *payload);
/* The newest resourceVersion and the oldest that can be continued from; no rows. Serves as the readiness check. */
void store_stream_version(struct store_stream *stream, store_answered *answered, void *payload);

/* --- LISTEN: its own connection, never in a transaction ------------------------------------------------------- */

struct store_listener;
typedef void store_notified(void *payload); /* something changed, or the connection was lost and is back: re-read */

int store_listener_open(const char *url, const char *application, store_notified *notified, void *payload,
                        struct store_listener **ret_listener, struct hc_error *err) HC_MUST_CHECK;
int store_listener_fd(const struct store_listener *listener); /* -1 while there is none */
/* Reads what is there; reconnects when it was lost (call at least each second while the fd is -1). */
void store_listener_process(struct store_listener *listener);
void store_listener_close(struct store_listener *listener);

#endif
