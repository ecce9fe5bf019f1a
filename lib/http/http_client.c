/* See http_client.h. The token goes out only with requests to base_url: redirects are not followed. */
#include "http_client.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/text.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct http_client {
	CURL *curl;
	char *base_url;
	char *ca_file;
	char *ca_text;
	char *unix_socket;   /* or NULL */
	char *authorization; /* whole header line, or NULL */
	char *user_agent;
	long timeout_ms;
	char detail[CURL_ERROR_SIZE];
};

struct transfer {
	CURL *curl;
	struct hc_text body;
	http_piece *piece; /* NULL: collect */
	void *payload;
	bool stopped;
	bool too_large;
};

int http_client_open(const struct http_client_options *options, struct http_client **ret_client,
					 struct hc_error *err)
{
	struct http_client *client = hc_xalloc(sizeof *client);

	client->curl = curl_easy_init();
	if (!client->curl) {
		free(client);
		return hc_fail(err, HC_BUG, "libcurl gives no handle");
	}
	client->base_url = hc_xstrdup(options->base_url);
	client->ca_file = hc_xstrdup(options->ca_file);
	client->ca_text = hc_xstrdup(options->ca_text);
	client->unix_socket = hc_xstrdup(options->unix_socket);
	client->user_agent = hc_xstrdup(options->user_agent ? options->user_agent : "helvetia");
	client->timeout_ms = options->timeout_ms ? options->timeout_ms : 30000;
	if (options->token)
		client->authorization = hc_xprintf("Authorization: Bearer %s", options->token);
	*ret_client = client;
	return 0;
}

void http_client_close(struct http_client *client)
{
	if (!client)
		return;
	curl_easy_cleanup(client->curl);
	free(client->base_url);
	free(client->ca_file);
	free(client->ca_text);
	free(client->unix_socket);
	free(client->authorization);
	free(client->user_agent);
	free(client);
}

void http_response_done(struct http_response *response)
{
	free(response->body);
	*response = (struct http_response){0};
}

static size_t receive(char *data, size_t size, size_t count, void *payload)
{
	struct transfer *transfer = payload;
	size_t length = size * count;
	long status = 0;

	(void)curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
	if (transfer->piece && status == 200) {
		if (transfer->piece(data, length, transfer->payload)) {
			transfer->stopped = true;
			return 0;
		}
		return length;
	}
	if (transfer->body.length + length > HC_LIMIT_HTTP_ANSWER_BYTES) {
		transfer->too_large = true;
		return 0;
	}
	hc_text_append_bytes(&transfer->body, data, length);
	return length;
}

static enum hc_class class_of(CURLcode code)
{
	return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ? HC_DENIED
																					  : HC_TRANSIENT;
}

static int perform(struct http_client *client, const char *method, const char *path,
				   struct curl_slist *headers, struct transfer *transfer, struct http_response *ret_response,
				   struct hc_error *err)
{
	HC_AUTO_FREE url = hc_xprintf("%s%s", client->base_url, path);
	CURLcode code;
	long status = 0;

	transfer->curl = client->curl;
	client->detail[0] = '\0';
	(void)curl_easy_setopt(client->curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(client->curl, CURLOPT_UNIX_SOCKET_PATH, client->unix_socket);
	(void)curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, method);
	(void)curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(client->curl, CURLOPT_PROTOCOLS_STR, "https,http");
	(void)curl_easy_setopt(client->curl, CURLOPT_NOPROXY, "*");
	(void)curl_easy_setopt(client->curl, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
	(void)curl_easy_setopt(client->curl, CURLOPT_USERAGENT, client->user_agent);
	(void)curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, client->detail);
	(void)curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, receive);
	(void)curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, transfer);
	if (client->ca_file)
		(void)curl_easy_setopt(client->curl, CURLOPT_CAINFO, client->ca_file);
	if (client->ca_text) {
		struct curl_blob blob = {.data = client->ca_text, .len = strlen(client->ca_text)};
		(void)curl_easy_setopt(client->curl, CURLOPT_CAINFO_BLOB, &blob); /* borrowed for the call */
	}
	code = curl_easy_perform(client->curl);
	(void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_reset(client->curl);
	if (transfer->stopped)
		return hc_fail(err, HC_CANCELED, "%s %s: stopped", method, path);
	if (transfer->too_large)
		return hc_fail(err, HC_INVALID, "%s %s: the answer is larger than %u bytes", method, path,
					   HC_LIMIT_HTTP_ANSWER_BYTES);
	if (code != CURLE_OK)
		return hc_fail(err, class_of(code), "%s %s: %s", method, url,
					   client->detail[0] ? client->detail : curl_easy_strerror(code));
	ret_response->status = status;
	ret_response->length = transfer->body.length;
	ret_response->body = hc_text_take(&transfer->body);
	return 0;
}

int http_client_send(struct http_client *client, const char *method, const char *path,
					 const struct http_field *fields, size_t field_count, const char *body, size_t length,
					 struct http_response *ret_response, struct hc_error *err)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
	struct transfer transfer = {0};
	int result;

	if (client->authorization)
		headers = curl_slist_append(headers, client->authorization);
	for (size_t index = 0; index < field_count; index++) {
		HC_AUTO_FREE header = hc_xprintf("%s: %s", fields[index].name, fields[index].value);

		headers = curl_slist_append(headers, header);
	}
	if (body) {
		(void)curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
		(void)curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, body);
	}
	(void)curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, client->timeout_ms);
	result = perform(client, method, path, headers, &transfer, ret_response, err);
	hc_text_done(&transfer.body);
	curl_slist_free_all(headers);
	return result;
}

int http_client_request(struct http_client *client, const char *method, const char *path,
						const char *content_type, const char *body, size_t length,
						struct http_response *ret_response, struct hc_error *err)
{
	struct http_field field = {"Content-Type", content_type};

	return http_client_send(client, method, path, &field, content_type ? 1 : 0, body, length, ret_response,
							err);
}

int http_client_stream(struct http_client *client, const char *path, http_piece *piece, void *payload,
					   struct http_response *ret_response, struct hc_error *err)
{
	struct curl_slist *headers = NULL;
	struct transfer transfer = {.piece = piece, .payload = payload};
	int result;

	if (client->authorization)
		headers = curl_slist_append(headers, client->authorization);
	result = perform(client, "GET", path, headers, &transfer, ret_response, err);
	hc_text_done(&transfer.body);
	curl_slist_free_all(headers);
	return result;
}

char *http_escape(const char *part)
{
	struct hc_text text = {0};

	for (const unsigned char *at = (const unsigned char *)part; *at; at++) {
		bool unreserved = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
						  (*at >= '0' && *at <= '9') || strchr("-._~", *at);

		if (unreserved)
			hc_text_append_bytes(&text, at, 1);
		else
			hc_text_printf(&text, "%%%02X", *at);
	}
	return hc_text_take(&text);
}
