/* One HTTP request over the engine's unix socket. Calls use the struct's own keep-alive handle; a stream gets
 * a handle of its own, driven by a multi handle so that `stop` is looked at while nothing comes. libcurl
 * repeats a request by itself when a kept connection turns out to be dead before a byte was answered. */
#include "base/clock.h"
#include "docker_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_MS 5000

struct transfer {
	const struct docker_request *request;
	struct docker_answer *answer;
	struct hc_error *err; /* of this request; set by a failing piece */
	CURL *easy;
	struct curl_slist *headers;
	char *body;
	char curl_text[CURL_ERROR_SIZE];
	const struct docker *docker;
	int64_t began_ms;
	int64_t look_at_ms; /* for commands that hang in request->container */
	bool ended_by_piece;
	bool too_large;
};

static long status_of(const struct transfer *transfer)
{
	long status = 0;

	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static bool good(long status)
{
	return status >= 200 && status < 300;
}

static size_t take_body(char *data, size_t size, size_t count, void *payload)
{
	struct transfer *transfer = payload;
	size_t length = size * count;
	bool fine = good(status_of(transfer));
	struct hc_text *body = &transfer->answer->body;
	size_t most = fine ? HC_LIMIT_DOCKER_ANSWER_BYTES : HC_LIMIT_DOCKER_ERROR_BYTES;

	if (fine && transfer->request->piece) {
		if (!transfer->request->piece(data, length, transfer->request->payload, transfer->err))
			return length;
		transfer->ended_by_piece = true;
		return length + 1; /* anything but length ends the transfer */
	}
	if (body->length + length > most) {
		transfer->too_large = true;
		return length + 1;
	}
	hc_text_append_bytes(body, data, length);
	return length;
}

static size_t take_header(char *data, size_t size, size_t count, void *payload)
{
	static const char name[] = "Api-Version:";
	struct transfer *transfer = payload;
	size_t length = size * count;

	if (length > sizeof name && strncasecmp(data, name, sizeof name - 1) == 0) {
		char *version = transfer->answer->api_version;
		size_t used = 0;

		for (size_t at = sizeof name - 1; at < length && used + 1 < sizeof transfer->answer->api_version;
			 at++)
			if (data[at] > ' ')
				version[used++] = data[at];
		version[used] = '\0';
	}
	if (length == 2 && data[0] == '\r' && transfer->request->accepted && good(status_of(transfer)))
		transfer->request->accepted(transfer->request->payload);
	return length;
}

static size_t give_upload(char *data, size_t size, size_t count, void *payload)
{
	const struct transfer *transfer = payload;
	ssize_t got;

	do {
		got = read(transfer->request->upload_fd, data, size * count);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

static int seek_upload(void *payload, curl_off_t offset, int origin)
{
	const struct transfer *transfer = payload;

	return lseek(transfer->request->upload_fd, offset, origin) < 0 ? CURL_SEEKFUNC_FAIL : CURL_SEEKFUNC_OK;
}

/* libcurl calls it about each second while nothing comes. */
static int waiting(void *payload, curl_off_t download_total, curl_off_t downloaded, curl_off_t upload_total,
				   curl_off_t uploaded)
{
	struct transfer *transfer = payload;
	const struct docker_request *request = transfer->request;

	(void)download_total, (void)downloaded, (void)upload_total, (void)uploaded;
	if (hc_clock_boot_ms() >= transfer->look_at_ms) {
		docker_starts_look(transfer->docker, request->container, transfer->began_ms);
		transfer->look_at_ms = hc_clock_boot_ms() + DOCKER_PATIENCE_PAUSED_MS;
	}
	return 0;
}

static void prepare_body(struct transfer *transfer)
{
	const struct docker_request *request = transfer->request;
	CURL *easy = transfer->easy;

	transfer->headers = curl_slist_append(transfer->headers, "Expect:");
	if (strcmp(request->method, "GET") == 0)
		return;
	(void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
	if (request->upload_length > 0) {
		transfer->headers = curl_slist_append(transfer->headers, "Content-Type: application/x-tar");
		(void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_upload);
		(void)curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
		(void)curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, seek_upload);
		(void)curl_easy_setopt(easy, CURLOPT_SEEKDATA, transfer);
		(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->upload_length);
	} else {
		transfer->headers = curl_slist_append(
			transfer->headers, request->body ? "Content-Type: application/json" : "Content-Type:");
		transfer->body = request->body ? json_dumps(request->body, JSON_COMPACT) : NULL;
		(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->body ? transfer->body : "");
		(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
							   (curl_off_t)(transfer->body ? strlen(transfer->body) : 0));
	}
	if (strcmp(request->method, "POST") != 0)
		(void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static void prepare(struct docker *docker, struct transfer *transfer)
{
	const struct docker_request *request = transfer->request;
	HC_AUTO_TEXT url = {0};
	CURL *easy = transfer->easy;
	int64_t timeout_ms = request->timeout_ms ? request->timeout_ms : docker->call_timeout_ms;

	if (request->quick && timeout_ms > DOCKER_CONTAINER_TIMEOUT_MS)
		timeout_ms = DOCKER_CONTAINER_TIMEOUT_MS;
	hc_text_append(&url, "http://docker");
	if (!request->unversioned)
		hc_text_printf(&url, "/v%s", docker->api_version);
	hc_text_append(&url, request->path);
	curl_easy_reset(easy);
	(void)curl_easy_setopt(easy, CURLOPT_URL, hc_text_string(&url));
	(void)curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, docker->socket);
	(void)curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
	(void)curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* http_proxy is for others */
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	if (timeout_ms > 0)
		(void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	if (request->container) {
		transfer->docker = docker;
		transfer->began_ms = hc_clock_boot_ms();
		transfer->look_at_ms = transfer->began_ms + DOCKER_PATIENCE_PAUSED_MS;
		(void)curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
		(void)curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, waiting);
		(void)curl_easy_setopt(easy, CURLOPT_XFERINFODATA, transfer);
	}
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_text);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	prepare_body(transfer);
	(void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
}

/* Runs one transfer and looks at stop between: when wake_fd can be read, and without one each moment.
 * CURLE_ABORTED_BY_CALLBACK stands for "stop said so". */
static CURLcode run_stream(CURL *easy, const volatile int *stop, int wake_fd)
{
	struct curl_waitfd wake = {.fd = wake_fd, .events = CURL_WAIT_POLLIN};
	bool told = wake_fd >= 0;
	CURLM *multi = curl_multi_init();
	CURLcode code = CURLE_ABORTED_BY_CALLBACK;
	int running = 1;

	if (!multi)
		return CURLE_OUT_OF_MEMORY;
	if (curl_multi_add_handle(multi, easy)) {
		(void)curl_multi_cleanup(multi);
		return CURLE_FAILED_INIT;
	}
	while (running && !(stop && __atomic_load_n(stop, __ATOMIC_ACQUIRE))) {
		if (curl_multi_perform(multi, &running)) {
			code = CURLE_RECV_ERROR;
			break;
		}
		if (running)
			(void)curl_multi_poll(multi, &wake, told, told ? DOCKER_STREAM_WAIT_MS : DOCKER_STOP_LOOK_MS,
								  NULL);
	}
	if (!running) {
		int left;
		CURLMsg *message = curl_multi_info_read(multi, &left);

		code = message && message->msg == CURLMSG_DONE ? message->data.result : CURLE_RECV_ERROR;
	}
	(void)curl_multi_remove_handle(multi, easy);
	(void)curl_multi_cleanup(multi);
	return code;
}

static int explain_failure(struct docker *docker, struct transfer *transfer, CURLcode code)
{
	const char *text = *transfer->curl_text ? transfer->curl_text : curl_easy_strerror(code);
	struct hc_error *err = transfer->err;
	long number = 0;

	if (transfer->ended_by_piece)
		return err->class ? -1 : hc_fail(err, HC_CANCELED, "stopped by the reader");
	if (transfer->too_large)
		return hc_fail(err, HC_BUG, "the engine's answer is larger than its limit (%u bytes)",
					   HC_LIMIT_DOCKER_ANSWER_BYTES);
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return hc_fail(err, HC_CANCELED, "stopped");
	docker->api_version[0] = '\0'; /* who answers next may be another engine */
	if (code == CURLE_OPERATION_TIMEDOUT)
		return hc_fail(err, HC_TRANSIENT, "the engine at %s did not answer in time (%s)", docker->host, text);
	if (code != CURLE_COULDNT_CONNECT)
		return hc_fail(err, HC_TRANSIENT, "the connection to the engine at %s broke: %s", docker->host, text);
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &number);
	if (number == EACCES)
		return hc_fail(err, HC_DENIED, "no permission to use the engine's socket %s", docker->host);
	return hc_fail(err, HC_TRANSIENT, "no Docker Engine answers at %s: %s", docker->host,
				   number ? strerror((int)number) : text);
}

static int explain_status(struct transfer *transfer, long status)
{
	const char *body = hc_text_string(&transfer->answer->body);
	DOCKER_AUTO_JSON *json = json_loads(body, 0, NULL);
	const char *message = json_string_value(json_object_get(json, "message"));

	if (!message)
		message = *body ? body : "no message";
	return hc_fail(transfer->err, docker_error_class(status, message), "%s (%ld)", message, status);
}

int docker_perform(struct docker *docker, const struct docker_request *request, struct docker_answer *answer,
				   struct hc_error *err)
{
	struct docker_answer unwanted = {0};
	struct hc_error own = {0};
	struct transfer transfer = {.request = request, .answer = answer ? answer : &unwanted, .err = &own};
	int path_length = (int)strcspn(request->path, "?");
	CURLcode code;
	int result = 0;

	if (!request->unversioned && !docker->api_version[0] && docker_ping(docker, err))
		return -1;
	transfer.easy = request->stream ? curl_easy_init() : docker->easy;
	if (!transfer.easy)
		return hc_fail(err, HC_TRANSIENT, "libcurl gives no handle");
	prepare(docker, &transfer);
	code = request->stream ? run_stream(transfer.easy, request->stop, docker->wake_fd)
						   : curl_easy_perform(transfer.easy);
	transfer.answer->status = status_of(&transfer);
	if (code)
		result = explain_failure(docker, &transfer, code);
	else if (!good(transfer.answer->status) && transfer.answer->status != 304)
		result = explain_status(&transfer, transfer.answer->status);
	if (result) {
		(void)hc_wrap(&own, "%s %.*s", request->method, path_length, request->path);
		if (err)
			*err = own;
	}
	transfer.answer->socket = CURL_SOCKET_BAD;
	(void)curl_easy_getinfo(transfer.easy, CURLINFO_ACTIVESOCKET, &transfer.answer->socket);
	if (request->stream)
		curl_easy_cleanup(transfer.easy);
	else
		curl_easy_reset(transfer.easy); /* it points into this frame */
	curl_slist_free_all(transfer.headers);
	free(transfer.body);
	docker_answer_done(&unwanted);
	return result;
}

void docker_answer_done(struct docker_answer *answer)
{
	hc_text_done(&answer->body);
}

int docker_ask(struct docker *docker, const struct docker_request *request, json_t **ret_json,
			   struct hc_error *err)
{
	struct docker_answer answer = {0};
	json_error_t json_error;
	int result = docker_perform(docker, request, &answer, err);

	if (!result) {
		*ret_json = json_loadb(hc_text_string(&answer.body), answer.body.length, 0, &json_error);
		if (!*ret_json)
			result = hc_fail(err, HC_BUG, "%s %s: the engine's answer is no JSON: %s", request->method,
							 request->path, json_error.text);
	}
	docker_answer_done(&answer);
	return result;
}

int docker_call(struct docker *docker, const char *method, const char *path, json_t *body, json_t **ret_json,
				struct hc_error *err)
{
	DOCKER_AUTO_JSON *owned = body;
	struct docker_request request = {.method = method, .path = path, .body = owned};

	return docker_ask(docker, &request, ret_json, err);
}

int docker_do(struct docker *docker, const char *method, const char *path, json_t *body, struct hc_error *err)
{
	DOCKER_AUTO_JSON *owned = body;
	struct docker_request request = {.method = method, .path = path, .body = owned};

	return docker_perform(docker, &request, NULL, err);
}

int docker_body_invalid(const char *what, struct hc_error *err)
{
	return hc_fail(err, HC_INVALID, "%s: a text in it is not UTF-8", what);
}
