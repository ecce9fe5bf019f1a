/* Reads for a process with one event loop: a libpq pipeline that never blocks, and LISTEN.
 *
 * The loop belongs to the caller: it polls store_stream_fd() for reading and calls store_stream_process().
 * The fd stays the same as long as the stream lives: it is readable whenever there is something to do, also
 * to write, to reconnect or to give up (so no timer of the caller is needed). Answers come as callbacks from
 * inside process(), in the order of the questions; a callback may ask again, and must not close the stream.
 * When the connection is lost, every open question is answered with TRANSIENT, and the stream reconnects by
 * itself. What is asked while there is no connection waits for the outcome of the next attempt, about a
 * second at most. */
#ifndef STORE_STREAM_H
#define STORE_STREAM_H

#include "store.h"

struct store_stream;

struct store_row {
	const char *json; /* whole object text; length bytes */
	size_t length;
	const char *namespace_name;
	const char *name;
	const char *type;          /* of a change: ADDED, MODIFIED, DELETED; NULL for objects */
	const char *labels;        /* of a change: labels after it, JSON */
	const char *labels_before; /* of a change: labels before it, JSON or NULL */
	int64_t resource_version;
	enum store_kind kind;
};

struct store_answer {
	const struct store_row *rows; /* borrowed until the callback returns */
	size_t row_count;
	int64_t resource_version;        /* of the snapshot: the list is exactly the state after this one */
	int64_t oldest;                  /* oldest resourceVersion that the change log can continue from */
	bool more;                       /* a page was cut: ask again after its last name */
	const struct store_token *token; /* of store_stream_token; NULL when there is none */
	const struct hc_error *error;    /* NULL unless the question failed; NOT_FOUND for a get */
};
typedef void store_answered(const struct store_answer *answer, void *payload);

int store_stream_open(const char *url, const char *application, struct store_stream **ret_stream,
					  struct hc_error *err) HC_MUST_CHECK;
int store_stream_fd(const struct store_stream *stream); /* never changes; owned by the stream */
bool store_stream_wants_write(
	const struct store_stream *stream); /* always false: the fd becomes readable instead */
bool store_stream_connected(const struct store_stream *stream);
void store_stream_process(struct store_stream *stream);
void store_stream_close(
	struct store_stream *stream); /* open questions are answered with CANCELED: ask no more then */

void store_stream_get(struct store_stream *stream, enum store_kind kind, const char *namespace_name,
					  const char *name, store_answered *answered, void *payload);

struct store_list_options {
	enum store_kind kind;
	const char *namespace_name;  /* NULL: all */
	const char *name;            /* NULL: all; else that one only (fieldSelector metadata.name) */
	const char *after_namespace; /* with after_name: continue behind this object */
	const char *after_name;
	int limit; /* 0: HC_LIMIT_LIST_PAGE */
	/* Equality requirements on labels as a JSON object text ({"app":"web"}), NULL: none. */
	const char *labels;
};
/* Objects sorted by namespace and name, with the resourceVersion of the snapshot they were read from. */
void store_stream_list(struct store_stream *stream, const struct store_list_options *options,
					   store_answered *answered, void *payload);
/* Changes of all kinds after a resourceVersion, in order, at most limit (0: HC_LIMIT_LIST_PAGE). None when it
 * is behind answer.oldest (the reader must list again) or ahead of answer.resource_version (the database is a
 * restored one). */
void store_stream_changes(struct store_stream *stream, int64_t after, int limit, store_answered *answered,
						  void *payload);
void store_stream_token(struct store_stream *stream, const char *hash, store_answered *answered,
						void *payload);
/* The newest resourceVersion and the oldest that can be continued from; no rows. Serves as the readiness
 * check. */
void store_stream_version(struct store_stream *stream, store_answered *answered, void *payload);

/* --- LISTEN: its own connection, never in a transaction ---------------------------------------- */

struct store_listener;
typedef void
store_notified(void *payload); /* something changed, or the connection is there or back: re-read */

int store_listener_open(const char *url, const char *application, store_notified *notified, void *payload,
						struct store_listener **ret_listener, struct hc_error *err) HC_MUST_CHECK;
int store_listener_fd(const struct store_listener *listener); /* as store_stream_fd */
/* Reads what is there; reconnects when it was lost. notified is called from here, once for any number of
 * notifications. */
void store_listener_process(struct store_listener *listener);
/* Also hears channel helvetia_job (store_job.h): job is called with each key that it names, as
 * "service/UID", before notified. The key is borrowed until it returns. Call this right after open. What is
 * lost with a connection is not repeated: notified tells of the new one, and everything is to be looked at.
 */
typedef void store_job_notified(const char *key, void *payload);
void store_listener_hear_jobs(struct store_listener *listener, store_job_notified *job);
void store_listener_close(struct store_listener *listener);

#endif
