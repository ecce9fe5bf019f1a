/* helvetia-api: one loop thread owns everything below; blocking work (parsing, validating, writing) runs on
 * libuv's pool with a store connection of its own.
 *
 * A request becomes a struct api_call: authenticated, routed, then handled by one of api_read (get, list),
 * api_watch, api_log, api_write, api_apply. Who handles it answers it exactly once: api_reply(), or by taking
 * the request over for a stream. */
#ifndef API_H
#define API_H

#include "api_role.h"
#include "api_route.h"
#include "api_status.h"
#include "base/arena.h"
#include "http/http_query.h"
#include "http/http_server.h"
#include "store/store.h"
#include "store/store_stream.h"
#include <uv.h>

#define API_STORES_MAX 4 /* connections for writes: as many as libuv has threads */

struct api_options {
	const char *database_url;
	const char *state;
	const char *domain;
	const char *listen;
	const char *certificate_file;
	const char *key_file;
	const char *controller_socket;
	const char *admin_token_file;
	const char *socket;               /* NULL: api.sock in the state folder */
	const char *webhook_secret_file;  /* NULL: every delivery is refused */
	const char *secret_key_file;      /* what seals Secrets */
	const char **repository_prefixes; /* NULL-terminated, or NULL for the built-in ones */
};

struct api_auth;
struct api_use;
struct api_hub;
struct api_log;
struct api_openapi;
struct api_webhook;

struct api {
	uv_loop_t loop;
	struct api_options options;
	struct http_server *server;
	struct http_server *local; /* on the unix socket, for the administrator of this machine */
	struct store_stream *stream;
	struct store_listener *listener;
	struct api_auth *auth;
	struct api_use *use;
	struct api_hub *hub;
	struct api_webhook *webhook;
	struct api_openapi *openapi;
	uv_poll_t stream_poll;
	uv_poll_t listener_poll;
	uv_timer_t retry; /* of the first start, until the database answers */
	uv_mutex_t stores_lock;
	struct store *stores[API_STORES_MAX]; /* idle ones */
	const char *installation;             /* set before ready; owned by arena */
	struct hc_arena *arena;               /* of the process */
	struct api_log *logs;                 /* open log streams */
	size_t streams;                       /* open watches and logs */
	bool ready;                           /* the database has our schema and the first objects */
	bool stopping;
	bool trim_wanted; /* a job has left free memory behind */
};

/* What is sent back. Everything is owned by it. */
struct api_answer {
	int code;
	char *body;
	size_t length;
	const char *content_type; /* constant; NULL is JSON */
	struct http_header headers[24];
	size_t header_count; /* values live in the call's arena */
};

struct api_call {
	struct api *api;
	struct http_request *request;
	struct hc_arena *arena; /* all of the request; dies with the reply */
	struct http_query query;
	struct api_route route;
	struct api_identity identity;
	struct api_answer answer;
	void *state;                                             /* of the handler, in the arena */
	void (*job)(struct api_call *call, struct store *store); /* of api_work */
	uv_work_t work;
};

/* --- answers: filled by any thread, sent by the loop --- */

void api_answer_status(struct api_call *call, const struct api_status *status);
void api_answer_fail(struct api_call *call, int code, const char *format, ...) HC_PRINTF(3, 4);
/* By class; text is err's. INTERNAL errors are logged. */
void api_answer_error(struct api_call *call, const struct hc_error *err);
void api_answer_json(struct api_call *call, int code, char *body_take, size_t length);
/* The value must outlive the call; beyond what fits it is dropped. */
void api_answer_header(struct api_call *call, const char *name, const char *value);
/* Warning: 299 - "text". Beyond what fits it is dropped. */
void api_answer_warn(struct api_call *call, const char *text);
/* Sends the answer and frees the call. Loop thread. */
void api_reply(struct api_call *call);
/* Frees the call without a reply: the request was taken over. */
void api_call_free(struct api_call *call);

/* --- steps --- */

void api_handle(struct http_request *request, void *api); /* the http_handler */
void api_dispatch(struct api_call *call);                 /* authenticated: on to the handler */

/* Runs job on a pool thread with a connection, then replies. */
void api_work(struct api_call *call, void (*job)(struct api_call *call, struct store *store));
/* A connection for a job of one's own; NULL with err. Any thread. */
struct store *api_store_take(struct api *api, struct hc_error *err);
void api_store_put(struct api *api, struct store *store);
void api_stores_close(struct api *api);

void api_read(struct api_call *call); /* get, list */
void api_watch(struct api_call *call);
void api_log(struct api_call *call);
void api_write(struct api_call *call); /* create, update, patch, delete */
void api_apply(struct api_call *call); /* POST /apply */

/* --- parts with state --- */

/* Authenticates, then api_dispatch() or a 401. */
void api_auth_check(struct api_call *call);
struct api_auth *api_auth_new(void);
void api_auth_forget(struct api_auth *auth); /* a token changed */
void api_auth_free(struct api_auth *auth);

/* When tokens were used last. */
struct api_use *api_use_new(struct api *api);
void api_use_note(struct api_use *use, const char *token_uid);
void api_use_close(struct api_use *use); /* its handle; freed when the loop is empty */
void api_use_free(struct api_use *use);

struct api_hub *api_hub_new(struct api *api);
void api_hub_hint(struct api_hub *hub); /* something changed, perhaps */
/* Ends its timers; watchers were ended by the server's stop. closed is called when nothing of it is left. */
void api_hub_close(struct api_hub *hub);

/* Waits for the database, brings it up to date, makes the first objects; sets api->ready. */
void api_bootstrap(struct api *api);

#endif
