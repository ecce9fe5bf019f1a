/* helvetia-hello: a small HTTP server without any library, for the sample and for tests. Internal header.
 *
 *   hello.c             settings, listening, the loop, the end
 *   hello_connection.c  one connection: bytes in, one request at a time, bytes out
 *   hello_request.c     head and body of a request (pure)
 *   hello_answer.c      paths and what they answer
 *   hello_websocket.c   /ws: greeting and frames (pure)
 *
 * One thread and epoll, so that thousands of connections fit under a small process limit. */
#ifndef HELLO_H
#define HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HELLO_CONNECTIONS_MOST 4096
#define HELLO_HEAD_BYTES 8192     /* request line and headers */
#define HELLO_IDLE_MS 120000      /* a connection that says nothing is closed */
#define HELLO_SLOW_MOST_MS 600000 /* of /slow */
#define HELLO_ANSWER_BYTES 8192
#define HELLO_PAGE_BYTES 1048576 /* of the file that HELLO_PAGE names */

struct hello_settings {
	const char *version;  /* of VERSION, "" when unset */
	const char *revision; /* of HELVETIA_REVISION, "" when unset */
	const char *host;     /* the machine's name: in a container, its own */
	const char *page;     /* text of the file that HELLO_PAGE names, answered at /; NULL when unset */
	size_t page_length;
	int port;
	int slowstart_ms; /* listens this much later */
	bool never;       /* never listens */
	bool exits;       /* ends at once */
	bool loopback;    /* listens on 127.0.0.1 only */
	bool wants_env;   /* ends unless HELLO_SECRET is set */
	bool otherport;   /* listens on the next port */
	bool error500;    /* every answer is 500 */
};

/* --- hello_request.c
 * ------------------------------------------------------------------------------------------ */

struct hello_request {
	char method[16];
	char path[256];  /* without the query */
	char query[512]; /* without the question mark */
	uint64_t body_length;
	bool chunked;
	bool keep_alive;
	bool expect_continue;
	bool websocket;         /* Upgrade: websocket */
	char websocket_key[64]; /* "" when there is none */
	char id[24];            /* Hello-Id, which goes back with the answer */
};
/* 0: more bytes are needed; -1: no HTTP/1 request; else the length of the head. */
long hello_request_parse(const char *data, size_t length, struct hello_request *ret_request);
/* Value of a query parameter, percent-decoded; false when absent or too long. */
bool hello_query(const struct hello_request *request, const char *name, char *value, size_t size);

struct hello_body {
	uint64_t left;  /* of a body with a length, or of the current chunk */
	uint64_t total; /* bytes seen */
	enum {
		BODY_LENGTH,
		BODY_SIZE,
		BODY_SIZE_REST,
		BODY_DATA,
		BODY_DATA_END,
		BODY_TRAILER,
		BODY_TRAILER_REST
	} state;
	bool last;
	bool digits;
	bool done;
};
void hello_body_begin(struct hello_body *body, const struct hello_request *request);
/* Takes bytes of the body; returns how many, -1 for a broken chunk. body->done says that it is complete. */
long hello_body_feed(struct hello_body *body, const char *data, size_t length);

/* --- hello_answer.c
 * ------------------------------------------------------------------------------------------- */

/* Milliseconds to wait before the answer. */
int hello_delay_ms(const struct hello_request *request);
/* Writes a whole answer (head and body) of at most HELLO_ANSWER_BYTES; returns its length. */
size_t hello_answer(const struct hello_settings *settings, const struct hello_request *request,
					uint64_t body_bytes, bool keep_alive, char *answer);
/* What follows behind that: the page of HELLO_PAGE, borrowed from the settings; 0: nothing. */
size_t hello_answer_tail(const struct hello_settings *settings, const struct hello_request *request,
						 const char **ret_tail);
bool hello_crashes(const struct hello_request *request);
bool hello_upgrades(const struct hello_request *request); /* the answer is 101, and frames follow */

/* --- hello_websocket.c
 * ---------------------------------------------------------------------------------------- */

#define HELLO_ACCEPT_BYTES 29
void hello_websocket_accept(const char *key, char accept[HELLO_ACCEPT_BYTES]);
/* One frame of a client, and the one to answer with (at most 127 bytes). 0: more bytes are needed; -1: none
 * that we speak; else the bytes taken. */
long hello_websocket_frame(const char *data, size_t length, char *reply, size_t *ret_reply, bool *ret_close);

/* --- hello_connection.c
 * --------------------------------------------------------------------------------------- */

struct hello_connection;
struct hello_server {
	struct hello_settings settings;
	struct hello_connection *connections; /* list; owned */
	size_t connection_count;
	int epoll;
	int listener; /* -1: not listening */
	bool ending;  /* running requests are finished, idle connections closed */
};
void hello_connection_accept(struct hello_server *server);
void hello_connection_event(struct hello_server *server, struct hello_connection *connection,
							uint32_t events);
/* Sends delayed answers, closes idle connections; returns milliseconds until it has to be called again, or
 * -1. */
int hello_connection_timers(struct hello_server *server);
int64_t hello_now_ms(void);

#endif
