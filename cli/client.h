/* The client commands' way to the API (access.h says where it is): requests with JSON answers, and what an
 * answer means for the person and for the exit code. */
#ifndef CLIENT_H
#define CLIENT_H

#include "access.h"
#include "base/error.h"
#include "http/http_client.h"
#include <jansson.h>

struct client {
	struct http_client *http;
	const struct arguments *arguments;
	struct access_way way;
	const char *domain; /* way's; NULL when unknown */
};

/* Prints what is wrong and returns the exit code; 0 when connected (lazily). */
int client_open(struct client *client, const struct arguments *arguments) HC_MUST_CHECK;
void client_close(struct client *client);

#define NO_BODY NULL
#define MERGE_PATCH "application/merge-patch+json"

/* Performs a request. Answers below 300 with JSON are given back (new reference in *ret_json). Everything
 * else is printed as one clear sentence, with its causes and what to do, and its exit code is returned. body
 * may be NULL. */
int client_request(struct client *client, const char *method, const char *path, const char *content_type,
				   const json_t *body, json_t **ret_json) HC_MUST_CHECK;
int client_request_text(struct client *client, const char *method, const char *path, const char *content_type,
						const char *body, size_t length, json_t **ret_json) HC_MUST_CHECK;
/* GET that may find nothing: *ret_json is NULL then and nothing is printed. */
int client_find(struct client *client, const char *path, json_t **ret_json) HC_MUST_CHECK;
/* Prints a refused answer (a Status) and returns the exit code. */
int client_refused(const struct http_response *response);
/* Prints an error of our own side and returns the exit code. */
int client_failed(const struct hc_error *err);

/* /apis/helvetia.cloud/v1/namespaces/NS/PLURAL[/NAME] and its kin; caller frees. namespace_name NULL: all. */
char *client_path(const char *plural, const char *namespace_name, const char *name);
/* Plural of what a person calls a kind ("svc", "service", "services" → "services"), or NULL. */
const char *client_plural(const char *word);

/* Text at a path of keys ("status", "phase", NULL), or "" when it isn't there. Borrowed. */
const char *json_text_at(const json_t *value, ...) __attribute__((sentinel));
json_int_t json_number_at(const json_t *value, ...) __attribute__((sentinel));
const json_t *json_condition(const json_t *object, const char *type); /* borrowed; NULL when absent */

/* "12s", "5m30s", "3h10m", "2d4h": how long ago an RFC 3339 time was, as kubectl prints it. */
void client_age(const char *time, char *text, size_t size);

#endif
