/* A PostgreSQL, a certificate and the real helvetia-api of one test program, in a folder of its own. */
#ifndef SERVER_FIXTURE_H
#define SERVER_FIXTURE_H

#include "http/http_client.h"
#include "store_postgres.h"
#include <jansson.h>
#include <stdbool.h>

struct fixture {
	struct postgres postgres;
	char folder[64];
	pid_t pid;
	int port;
	char *token; /* the administrator's */
	struct http_client *client;
	bool without_secret; /* of webhooks; as it is when the API is started */
};
#define FIXTURE_SECRET "It's a Secret to Everybody"

/* All fail the test (or abort) when something is wrong. */
void fixture_start(struct fixture *fixture); /* database and API, waits until it is ready */
void fixture_stop(struct fixture *fixture);
void fixture_api_spawn(struct fixture *fixture); /* until it listens */
void fixture_api_ready(struct fixture *fixture); /* until the database has answered it */
void fixture_api_start(struct fixture *fixture); /* both */
int fixture_api_stop(struct fixture *fixture);   /* by SIGTERM; its exit code */

/* A client with another token; NULL: none. Caller closes. */
struct http_client *fixture_client(struct fixture *fixture, const char *token);
/* Puts a token's hash into the database. */
void fixture_token(struct fixture *fixture, const char *name, const char *namespace_name, const char *token,
				   const char *spec);

/* One request; content_type NULL: application/json when there is a body. *ret_status may be NULL. New
 * reference, NULL when the answer isn't JSON. */
json_t *ask_as(struct http_client *client, const char *method, const char *path, const char *content_type,
			   const char *body, long *ret_status);
json_t *ask(struct fixture *fixture, const char *method, const char *path, const char *body,
			long *ret_status);
/* Asks, and fails unless the status is the one, and the path (a.b.c, numbers index lists) has this text. */
void expect_as(struct http_client *client, const char *method, const char *path, const char *body,
			   long status, const char *at, const char *text);
void expect(struct fixture *fixture, const char *method, const char *path, const char *body, long status,
			const char *at, const char *text);
/* Text of a place in a value; numbers and booleans are written; "" when it is absent. Lives until the next
 * call. */
const char *text_at(const json_t *value, const char *at);
/* Waits until a GET answers with this status. */
void eventually(struct fixture *fixture, const char *path, long status);

#endif
