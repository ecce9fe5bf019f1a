/* One HTTP request over libcurl: for readiness checks, the API and the engine's socket. Bodies are bounded.
 */
#include "up.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

static size_t take_body(char *data, size_t size, size_t count, void *payload)
{
	struct hc_text *body = payload;

	if (body->length + size * count > HC_LIMIT_HTTP_ANSWER_BYTES)
		return 0;
	hc_text_append_bytes(body, data, size * count);
	return size * count;
}

static void set_options(CURL *handle, const struct up_request *request, struct curl_slist *resolve)
{
	curl_easy_setopt(handle, CURLOPT_URL, request->url);
	curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, (long)(request->timeout_ms ? request->timeout_ms : 2000));
	if (request->method)
		curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request->method);
	if (request->unix_socket)
		curl_easy_setopt(handle, CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
	if (request->authority)
		curl_easy_setopt(handle, CURLOPT_CAINFO, request->authority);
	if (request->insecure) {
		curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (resolve)
		curl_easy_setopt(handle, CURLOPT_RESOLVE, resolve);
	if (request->body) {
		curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE, (long)strlen(request->body));
		curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request->body);
	}
}

int up_http(const struct up_request *request, struct up_answer *ret_answer, struct hc_error *err)
{
	struct curl_slist *headers = NULL, *resolve = NULL;
	CURL *handle = curl_easy_init();
	char detail[CURL_ERROR_SIZE] = "";
	struct up_answer answer = {0};
	CURLcode code;

	if (!handle)
		return hc_fail(err, HC_BUG, "libcurl can't be initialised");
	if (request->token) {
		HC_AUTO_FREE line = hc_xprintf("Authorization: Bearer %s", request->token);

		headers = curl_slist_append(headers, line);
	}
	if (request->content_type) {
		HC_AUTO_FREE line = hc_xprintf("Content-Type: %s", request->content_type);

		headers = curl_slist_append(headers, line);
	}
	if (request->resolve)
		resolve = curl_slist_append(NULL, request->resolve);
	set_options(handle, request, resolve);
	curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, detail);
	curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(handle, CURLOPT_WRITEDATA, &answer.body);
	code = curl_easy_perform(handle);
	curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &answer.status);
	curl_easy_cleanup(handle);
	curl_slist_free_all(headers);
	curl_slist_free_all(resolve);
	if (code != CURLE_OK) {
		hc_text_done(&answer.body);
		return hc_fail(err, HC_TRANSIENT, "%s %s: %s", request->method ? request->method : "GET",
					   request->url, *detail ? detail : curl_easy_strerror(code));
	}
	*ret_answer = answer;
	return 0;
}

int up_http_expect_ok(const struct up_request *request, struct hc_error *err)
{
	struct up_answer answer;
	int status = 0;

	if (up_http(request, &answer, err))
		return -1;
	if (answer.status != 200)
		status = hc_fail(err, HC_TRANSIENT, "GET %s: HTTP %ld: %.200s", request->url, answer.status,
						 hc_text_string(&answer.body));
	hc_text_done(&answer.body);
	return status;
}
