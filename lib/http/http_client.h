/* Small blocking HTTP client over libcurl, for the command line: JSON requests to one server with one token.
 * A struct http_client is one keep-alive connection and belongs to one thread. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "base/error.h"

struct http_client;

struct http_client_options {
	const char *base_url;    /* https://127.0.0.1:6443, without a path */
	const char *ca_file;     /* PEM; NULL: the system's authorities */
	const char *ca_text;     /* PEM itself, instead of ca_file */
	const char *token;       /* bearer token; NULL: none. Sent to base_url only */
	const char *unix_socket; /* path to connect to instead of base_url's host; NULL: none */
	const char *user_agent;  /* NULL: helvetia */
	long timeout_ms;         /* of one request; 0: 30 s. Streams have none */
};

/* Copies the options. */
int http_client_open(const struct http_client_options *options, struct http_client **ret_client,
					 struct hc_error *err) HC_MUST_CHECK;
void http_client_close(struct http_client *client); /* accepts NULL */
HC_DEFINE_CLEANUP(http_client, http_client_close)

struct http_response {
	char *body; /* terminated; owned by the response */
	size_t length;
	long status;
};
void http_response_done(struct http_response *response);

/* path begins with `/` and is already escaped. content_type and body may be NULL. Any HTTP status is success
 * here. Classes: TRANSIENT (nobody answers, time-out), DENIED (the certificate isn't trusted), INVALID
 * (answer over HC_LIMIT_HTTP_ANSWER_BYTES). */
int http_client_request(struct http_client *client, const char *method, const char *path,
						const char *content_type, const char *body, size_t length,
						struct http_response *ret_response, struct hc_error *err) HC_MUST_CHECK;

struct http_field {
	const char *name;
	const char *value;
};
/* The same with header fields of the caller's. */
int http_client_send(struct http_client *client, const char *method, const char *path,
					 const struct http_field *fields, size_t field_count, const char *body, size_t length,
					 struct http_response *ret_response, struct hc_error *err) HC_MUST_CHECK;

/* GET whose body comes in pieces. Pieces are given on only when the status is 200; else the body is collected
 * into *ret_response. A non-zero return of piece ends the call with CANCELED. */
typedef int http_piece(const char *data, size_t length, void *payload);
int http_client_stream(struct http_client *client, const char *path, http_piece *piece, void *payload,
					   struct http_response *ret_response, struct hc_error *err) HC_MUST_CHECK;

/* Percent-encodes one path or query part (RFC 3986 unreserved characters stay). Caller frees. */
char *http_escape(const char *part);

#endif
