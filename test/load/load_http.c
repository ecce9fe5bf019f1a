/* Requests by libcurl's multi interface. libcurl repeats by itself what a kept connection dropped before the
 * first byte; that is seen in its own words and counted, since here it is a dropped request. */
#include "load.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

const struct load_kind load_kinds[] = {
	{.name = "HTTP/1.1 kept", .share = 367},
	{.name = "HTTP/1.1 new", .share = 120, .fresh = true},
	{.name = "HTTP/1.1 POST", .share = 80, .body_bytes = 3000},
	{.name = "HTTP/1.1 new POST", .share = 20, .fresh = true, .body_bytes = 3000},
	{.name = "HTTPS/1.1 new", .share = 30, .secure = true, .fresh = true},
	{.name = "HTTP/2 kept", .share = 300, .secure = true, .http2 = true},
	{.name = "HTTP/2 new", .share = 20, .secure = true, .http2 = true, .fresh = true},
	{.name = "HTTP/2 POST", .share = 60, .secure = true, .http2 = true, .body_bytes = 20000},
	{.name = "HTTP/1.1 10 s", .share = 2, .duration_ms = 10000},
	{.name = "HTTP/2 10 s", .share = 1, .secure = true, .http2 = true, .duration_ms = 10000},
};
const size_t load_kind_count = sizeof load_kinds / sizeof load_kinds[0];

struct request {
	struct request *next; /* idle ones */
	struct load_http *http;
	CURL *easy;
	size_t kind;
	int host;
	int64_t begun_ms;
	int64_t floor;
	int64_t revision;
	int64_t id;       /* goes along, and has to come back */
	int64_t answered; /* the id that came back */
	struct curl_slist *headers;
	bool retried;
	char body[32]; /* of the answer, as far as it matters */
	size_t body_length;
};

struct load_http {
	struct load *load;
	CURLM *multi;
	struct curl_slist *addresses;
	int64_t last_id;
	struct request *idle[LOAD_KINDS_MOST];
	char *upload;
	int in_flight;
};

/* The number of a header line with that name; else the one that is known. */
static int64_t header_number(const char *data, size_t length, const char *name, int64_t known)
{
	size_t name_length = strlen(name);
	char text[64];

	if (length >= sizeof text || length <= name_length || strncasecmp(data, name, name_length) != 0)
		return known;
	memcpy(text, data, length);
	text[length] = '\0';
	return strtoll(text + name_length, NULL, 10);
}

static size_t take_header(char *data, size_t size, size_t count, void *payload)
{
	struct request *request = payload;
	size_t length = size * count;

	request->revision = header_number(data, length, "hello-revision:", request->revision);
	request->answered = header_number(data, length, "hello-id:", request->answered);
	return length;
}

static size_t take_body(char *data, size_t size, size_t count, void *payload)
{
	struct request *request = payload;
	size_t length = size * count, room = sizeof request->body - 1 - request->body_length;
	size_t part = length < room ? length : room;

	memcpy(request->body + request->body_length, data, part);
	request->body_length += part;
	request->body[request->body_length] = '\0';
	return length;
}

static int take_words(CURL *easy, curl_infotype type, char *data, size_t length, void *payload)
{
	static const char words[] = "retrying a fresh connect";
	struct request *request = payload;

	(void)easy;
	if (type == CURLINFO_TEXT && memmem(data, length, words, sizeof words - 1))
		request->retried = true;
	return 0;
}

static struct request *request_new(struct load_http *http, size_t kind)
{
	const struct load_kind *what = &load_kinds[kind];
	struct request *request = calloc(1, sizeof *request);
	CURL *easy = curl_easy_init();

	if (!request || !easy)
		abort();
	request->http = http;
	request->easy = easy;
	request->kind = kind;
	(void)curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
	(void)curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, take_words);
	(void)curl_easy_setopt(easy, CURLOPT_DEBUGDATA, request);
	(void)curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)LOAD_TIMEOUT_MS);
	(void)curl_easy_setopt(easy, CURLOPT_RESOLVE, http->addresses);
	(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
	(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	(void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
						   what->http2 ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(easy, CURLOPT_PIPEWAIT, what->http2 && !what->fresh ? 1L : 0L);
	(void)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, what->fresh ? 1L : 0L);
	(void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, what->fresh ? 1L : 0L);
	if (what->body_bytes) {
		(void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
		(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, http->upload);
		(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)what->body_bytes);
	}
	return request;
}

void load_http_begin(struct load_http *http, size_t kind, int host)
{
	const struct load_kind *what = &load_kinds[kind];
	struct load *load = http->load;
	struct request *request = http->idle[kind];
	char url[512], path[64] = "/version";

	if (http->in_flight >= LOAD_IN_FLIGHT_MOST) {
		load->unsent++;
		return;
	}
	if (request)
		http->idle[kind] = request->next;
	else
		request = request_new(http, kind);
	if (what->body_bytes)
		(void)snprintf(path, sizeof path, "/echo");
	else if (what->duration_ms)
		(void)snprintf(path, sizeof path, "/slow?ms=%d", what->duration_ms);
	(void)snprintf(url, sizeof url, "%s://%s:%d%s", what->secure ? "https" : "http", load->hosts[host].name,
				   what->secure ? load->https_port : load->http_port, path);
	(void)curl_easy_setopt(request->easy, CURLOPT_URL, url);
	request->host = host;
	request->begun_ms = load_now_ms();
	request->floor = load_floor(load, host);
	request->revision = request->answered = 0;
	request->id = ++http->last_id;
	(void)snprintf(path, sizeof path, "Hello-Id: %lld", (long long)request->id);
	curl_slist_free_all(request->headers);
	request->headers = curl_slist_append(curl_slist_append(NULL, "Expect:"), path);
	(void)curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, request->headers);
	request->retried = false;
	request->body_length = 0;
	http->in_flight++;
	if (curl_multi_add_handle(http->multi, request->easy))
		abort();
}

static void ended(struct load_http *http, struct request *request, CURLcode code)
{
	const struct load_kind *what = &load_kinds[request->kind];
	struct load *load = http->load;
	struct load_count *count = &load->counts[request->kind];
	int64_t took_ms = load_now_ms() - request->begun_ms;
	char problem[160] = "";
	long status = 0;

	(void)curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK)
		(void)snprintf(problem, sizeof problem, "%s after %d ms", curl_easy_strerror(code), (int)took_ms);
	else if (status != 200)
		(void)snprintf(problem, sizeof problem, "status %ld after %d ms: %s", status, (int)took_ms,
					   request->body);
	else if (!request->revision)
		(void)snprintf(problem, sizeof problem, "answered by nobody of ours: %s", request->body);
	else if (request->answered != request->id)
		(void)snprintf(problem, sizeof problem, "got the answer of request %lld instead of %lld",
					   (long long)request->answered, (long long)request->id);
	else if (what->body_bytes && strtol(request->body, NULL, 10) != what->body_bytes)
		(void)snprintf(problem, sizeof problem, "%s bytes arrived of %d", request->body, what->body_bytes);
	load_note(load, count, what->name, request->host, request->floor, request->revision,
			  code == CURLE_OPERATION_TIMEDOUT, problem[0] ? problem : NULL);
	count->retried += request->retried;
	if (!problem[0] && !what->duration_ms)
		load->milliseconds[took_ms < LOAD_MS_MOST ? took_ms : LOAD_MS_MOST - 1]++;
	(void)curl_multi_remove_handle(http->multi, request->easy);
	http->in_flight--;
	request->next = http->idle[request->kind];
	http->idle[request->kind] = request;
}

bool load_http_work(struct load_http *http, int timeout_ms, int input_fd)
{
	struct curl_waitfd input = {.fd = input_fd, .events = CURL_WAIT_POLLIN};
	struct CURLMsg *message;
	int running, left;

	(void)curl_multi_perform(http->multi, &running);
	while ((message = curl_multi_info_read(http->multi, &left))) {
		struct request *request;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
		ended(http, request, message->data.result);
	}
	(void)curl_multi_poll(http->multi, &input, input_fd >= 0 ? 1 : 0, timeout_ms, NULL);
	return input_fd >= 0 && input.revents;
}

int load_http_in_flight(const struct load_http *http)
{
	return http->in_flight;
}

struct load_http *load_http_open(struct load *load)
{
	struct load_http *http = calloc(1, sizeof *http);

	if (!http || curl_global_init(CURL_GLOBAL_DEFAULT))
		abort();
	http->load = load;
	http->multi = curl_multi_init();
	http->upload = calloc(1, 65536);
	if (!http->multi || !http->upload)
		abort();
	memset(http->upload, 'x', 65535);
	(void)curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	(void)curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 400L);
	for (int host = 0; host < load->host_count; host++) {
		char text[300];

		(void)snprintf(text, sizeof text, "%s:%d:127.0.0.1", load->hosts[host].name, load->http_port);
		http->addresses = curl_slist_append(http->addresses, text);
		(void)snprintf(text, sizeof text, "%s:%d:127.0.0.1", load->hosts[host].name, load->https_port);
		http->addresses = curl_slist_append(http->addresses, text);
	}
	return http;
}

void load_http_close(struct load_http *http)
{
	for (size_t kind = 0; kind < load_kind_count; kind++) {
		for (struct request *request = http->idle[kind], *next; request; request = next) {
			next = request->next;
			curl_easy_cleanup(request->easy);
			curl_slist_free_all(request->headers);
			free(request);
		}
	}
	(void)curl_multi_cleanup(http->multi);
	curl_slist_free_all(http->addresses);
	free(http->upload);
	free(http);
	curl_global_cleanup();
}
