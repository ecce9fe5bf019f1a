/* HTTP/1.1 server on a libuv loop: libmicrohttpd with an external epoll, with or without TLS, on TCP or a
 * unix socket. Used by the API (TLS) and by the controller's node endpoint (unix socket).
 *
 * All functions belong to the loop's thread. There are no routes here: one handler gets every request, whole
 * (body read, limits of base/limits.h kept, smuggling vectors refused), and answers it exactly once, now or
 * later:
 *
 *   http_reply()                              one answer with its body, or
 *   http_stream_begin(), http_stream_write()…, http_stream_end()    a body that grows (chunked).
 *
 * A struct http_request and everything read from it lives until the call that finishes it: http_reply(),
 * http_stream_end() or http_stream_cut(). That holds also when the peer has left meanwhile: then answers go
 * nowhere, but the request must still be finished. So a handler that waits for a database or a thread never
 * has to ask whether the peer is still there; one that waits for a long time (watch, log) registers
 * http_request_on_gone().
 *
 * Neighbours: http_guard.c says what a request may look like, http_query.h reads its target. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct http_server;
struct http_request;

/* Called once a request, from the loop. May finish it at once. */
typedef void http_handler(struct http_request *request, void *payload);

struct http_server_options {
	uv_loop_t *loop;
	/* "127.0.0.1:6443", "[::1]:6443" (port 0: any free one) or "unix:/path" (a left socket file is replaced).
	 */
	const char *listen;
	/* PEM texts, both or neither: NULL is plain HTTP. Copied. */
	const char *tls_certificate;
	const char *tls_key;
	int unix_mode; /* of the socket file; 0: 0600 */
	http_handler *handler;
	void *payload;
	/* JSON body (from malloc) of an answer that the server itself gives: a refused head, a body that is too
	 * large. NULL: the sentence as plain text. */
	char *(*refusal)(int status, const char *sentence);
	/* 0: of base/limits.h. Tests make them short. */
	size_t body_bytes_max;
	/* The most bytes of the body of this request, known by its head; NULL: body_bytes_max for all. What
	 * bodies have beyond body_bytes_max shares HC_LIMIT_LARGE_BODIES_BYTES: who finds it used up gets 503. */
	size_t (*body_limit)(const char *method, const char *target, void *payload);
	int header_deadline_ms;
	int body_deadline_ms;
	int idle_deadline_ms; /* between two requests of one connection */
	/* Beyond it who comes takes the place of the connection that has kept us waiting for a whole request for
	 * the longest time. The process needs as many file descriptors, and some. */
	unsigned connections_max;
};

/* Listens. The process should ignore SIGPIPE. INVALID: address or certificate; TRANSIENT: the address is in
 * use. */
int http_server_start(const struct http_server_options *options, struct http_server **ret_server,
					  struct hc_error *err) HC_MUST_CHECK;
int http_server_port(const struct http_server *server); /* 0 for a unix socket */
/* Stops listening; tells every open request that it is gone (its stream is still flushed when the handler
 * ends it); closes what is left after grace_ms; then calls stopped, in which the server is already freed.
 * Requests that are still in a handler's hands after that stay valid until they are finished. */
typedef void http_stopped(void *payload);
void http_server_stop(struct http_server *server, int grace_ms, http_stopped *stopped, void *payload);

/* --- the request: texts are borrowed from it --- */

const char *http_request_method(const struct http_request *request); /* GET, PATCH, … as sent */
const char *http_request_target(const struct http_request *request); /* path and query as sent, undecoded */
const char *http_request_header(const struct http_request *request, const char *name); /* NULL when absent */
const char *http_request_body(const struct http_request *request,
							  size_t *ret_length); /* terminated; never NULL */

/* The peer's address in digits, "unix" for a unix socket, "" when it has left. */
#define HTTP_PEER_SIZE 64
void http_request_peer(const struct http_request *request, char text[HTTP_PEER_SIZE]);
/* Who connected to the unix socket (SO_PEERCRED); false: it is none, or the peer has left. */
bool http_request_peer_user(const struct http_request *request, uid_t *ret_user);

/* Something of the handler's own, for the callbacks below. */
void http_request_set_payload(struct http_request *request, void *payload);
void *http_request_payload(const struct http_request *request);

/* The peer closed, or the server stops: called at most once, from the loop, never from inside a call of this
 * header by the handler. The handler stops its work and finishes the request, inside the callback or later.
 */
typedef void http_gone(struct http_request *request);
void http_request_on_gone(struct http_request *request, http_gone *gone);

/* --- answers --- */

struct http_header {
	const char *name;
	const char *value; /* without line breaks; a break is replaced by a blank */
};

struct http_reply {
	int status;
	const char *content_type; /* NULL: application/json */
	const void *body;         /* copied */
	char *body_take;          /* instead of body: from malloc, freed by the server */
	size_t length;
	const struct http_header *headers; /* copied */
	size_t header_count;
};
/* Finishes the request. */
void http_reply(struct http_request *request, const struct http_reply *reply);

/* Starts a body of unknown length. body fields of the reply are ignored. */
void http_stream_begin(struct http_request *request, const struct http_reply *reply);
void http_stream_write(struct http_request *request, const void *data, size_t length); /* copies */

/* A piece that many streams share without copies. */
struct http_chunk;
struct http_chunk *http_chunk_new(const void *data, size_t length); /* copies; caller holds one reference */
struct http_chunk *http_chunk_ref(struct http_chunk *chunk);
void http_chunk_unref(struct http_chunk *chunk);                               /* accepts NULL */
void http_stream_push(struct http_request *request, struct http_chunk *chunk); /* takes its own reference */

/* Back-pressure: what waits to be sent. The writer decides what is too much: it pauses its source until
 * drained is called (once for each time that nothing waits any more), or cuts. */
size_t http_stream_pending_bytes(const struct http_request *request);
size_t http_stream_pending_chunks(const struct http_request *request);
typedef void http_drained(struct http_request *request);
void http_stream_on_drained(struct http_request *request, http_drained *drained);

/* Finishes the request: end sends what waits and then the last chunk; cut closes the connection at once, so
 * that the peer knows that the body is not whole. */
void http_stream_end(struct http_request *request);
void http_stream_cut(struct http_request *request);

#endif
