/* What http_server.c (daemon, loop, connections) and http_request.c (requests, answers, streams) share. */
#ifndef HTTP_INTERNAL_H
#define HTTP_INTERNAL_H

#include "http_server.h"

#include <microhttpd.h>

struct http_server {
	uv_loop_t *loop;
	struct MHD_Daemon *daemon;
	struct http_server_options options; /* with defaults filled in; texts are not kept */
	uv_poll_t poll;                     /* libmicrohttpd's epoll */
	uv_timer_t timer;                   /* its timeout */
	uv_timer_t gone;  /* 0 ms: tells requests that they are gone, outside of anybody's call */
	uv_timer_t grace; /* of a stop */
	int handles_open; /* of the four above, while closing */
	char *unix_path;  /* NULL for TCP; removed at the end */
	int port;
	unsigned connections;         /* open ones */
	struct http_peer *idle_first; /* without a whole request, the longest so first */
	struct http_peer *idle_last;
	unsigned answering; /* requests that a connection is busy with */
	int grace_left_ms;
	size_t large_bytes;            /* held by bodies beyond options.body_bytes_max */
	struct http_request *requests; /* attached or not, dispatched to the handler and not finished */
	bool stopping;
	bool closing; /* the end of stopping: connections are closed */
	http_stopped *stopped;
	void *stopped_payload;
};

/* One connection. Owned by libmicrohttpd's notifications; freed when its uv handles are closed. */
struct http_peer {
	struct http_server *server;
	struct MHD_Connection *connection;
	struct http_request *request; /* the one being read or answered, NULL between two */
	struct http_peer *idle_next;  /* in the server's list of those that we wait for */
	struct http_peer *idle_previous;
	bool idle;
	uv_timer_t deadline;
	uv_poll_t hangup; /* libmicrohttpd does not poll a suspended connection, so we do */
	bool hangup_ready;
	int handles_open;
	int fd;
};

struct http_chunk {
	size_t references;
	size_t length;
	char data[];
};

struct http_piece {
	struct http_chunk *chunk;
	struct http_piece *next;
};

struct http_request {
	struct http_server *server; /* NULL once the server is gone */
	struct http_peer *peer;     /* NULL once the connection is done with it */
	struct http_request *next;  /* in server->requests */
	struct http_request **link;
	char *target;
	char *method;
	struct http_header *headers;
	size_t header_count;
	char *body;
	size_t body_length;
	size_t body_size;
	size_t body_max;   /* the most that this one may have */
	size_t body_large; /* its part of server->large_bytes */
	size_t discarded;
	struct MHD_Response *response;
	unsigned status;
	void *payload;
	http_gone *on_gone;
	http_drained *on_drained;
	struct http_piece *first;
	struct http_piece **last;
	size_t offset; /* in the first piece */
	size_t pending_bytes;
	size_t pending_chunks;
	bool head_seen;
	bool too_large;
	bool starved; /* no room for its large body now */
	bool refused;
	bool dispatched;
	bool in_handler;
	bool suspended;
	bool closing; /* answer the next callback with "close" */
	bool streaming;
	bool written; /* since drained was told */
	bool ended;
	bool cut;
	bool finished; /* the handler gave it back */
	bool gone_wanted;
	bool gone_told;
};

struct http_request *http_request_new(struct http_server *server, struct http_peer *peer, const char *target);
/* libmicrohttpd is done with it: told to the handler unless it has finished, freed when both are done. */
void http_request_detach(struct http_request *request);
void http_request_tell_gone(struct http_request *request);
/* Body of MHD's access handler once the request exists. */
enum MHD_Result http_request_continue(struct http_request *request, struct MHD_Connection *connection,
									  const char *method, const char *version, const char *data,
									  size_t *length);
void http_request_wake(struct http_request *request); /* resumes a suspended connection */
void http_request_hang_up(struct http_request *request);
void http_server_run_soon(struct http_server *server); /* a connection was resumed */
void http_server_gone_soon(struct http_server *server);
void http_peer_deadline(struct http_peer *peer, int milliseconds); /* 0: none */
void http_peer_busy(struct http_peer *peer);                       /* its request is whole */
void http_peer_watch(struct http_peer *peer);                      /* for a hang-up, while suspended */
void http_peer_unwatch(struct http_peer *peer);

#endif
