/* What each path answers. */
#include "hello.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
		{200, "OK"},
		{201, "Created"},
		{204, "No Content"},
		{301, "Moved"},
		{302, "Found"},
		{304, "Not Modified"},
		{400, "Bad Request"},
		{404, "Not Found"},
		{500, "Internal Server Error"},
		{502, "Bad Gateway"},
		{503, "Service Unavailable"},
	};

	for (size_t index = 0; index < sizeof reasons / sizeof reasons[0]; index++)
		if (reasons[index].status == status)
			return reasons[index].text;
	return "Status";
}

static void escape_html(const char *text, char *target, size_t size)
{
	size_t used = 0;

	for (; *text && used + 8 < size; text++) {
		const char *entity = *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : *text == '&' ? "&amp;" : NULL;

		if (entity)
			used += (size_t)snprintf(target + used, size - used, "%s", entity);
		else
			target[used++] = *text;
	}
	target[used] = '\0';
}

static const char page[] =
	"<!doctype html>\n"
	"<html lang=\"en\"><head><meta charset=\"utf-8\">"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<title>Hello from Helvetia Cloud</title>\n"
	"<style>body{font:17px/1.5 system-ui,sans-serif;max-width:40rem;margin:12vh auto;padding:0 "
	"1.2rem;color:#222}"
	"h1{font-size:1.7rem}dt{color:#666;float:left;width:7rem}dd{margin:0 0 .3rem 7rem}"
	"code{background:#f3f3f3;padding:.1rem .3rem;border-radius:3px}"
	"@media(prefers-color-scheme:dark){body{background:#161616;color:#e6e6e6}code{background:#2a2a2a}dt{"
	"color:#999}}"
	"</style></head><body>\n"
	"<h1>It works.</h1>\n"
	"<p>This is Helvetia Cloud's sample application. A manifest asked for it, the controller started it, and "
	"Traefik "
	"brought you here.</p>\n"
	"<dl><dt>answered by</dt><dd><code>%s</code></dd><dt>version</dt><dd><code>%s</code></dd>"
	"<dt>revision</dt><dd><code>%s</code></dd></dl>\n"
	"<p>Change <code>VERSION</code> in its manifest, apply it again, and reload: no request is lost on the "
	"way.</p>\n"
	"</body></html>\n";

static int answer_page(const struct hello_settings *settings, char *body, size_t size)
{
	char host[300];
	char version[300];
	char revision[100];

	escape_html(settings->host, host, sizeof host);
	escape_html(*settings->version ? settings->version : "not set", version, sizeof version);
	escape_html(*settings->revision ? settings->revision : "not set", revision, sizeof revision);
	return snprintf(body, size, page, host, version, revision);
}

static int number_query(const struct hello_request *request, const char *name, int least, int most,
						int otherwise)
{
	char text[16];
	char *end = NULL;
	long number;

	if (!hello_query(request, name, text, sizeof text))
		return otherwise;
	number = strtol(text, &end, 10);
	return *text && !*end && number >= least && number <= most ? (int)number : otherwise;
}

int hello_delay_ms(const struct hello_request *request)
{
	return strcmp(request->path, "/slow") == 0 ? number_query(request, "ms", 0, HELLO_SLOW_MOST_MS, 1000) : 0;
}

bool hello_crashes(const struct hello_request *request)
{
	return strcmp(request->path, "/crash") == 0;
}

bool hello_upgrades(const struct hello_request *request)
{
	return strcmp(request->path, "/ws") == 0 && request->websocket && request->websocket_key[0];
}

static size_t answer_upgrade(const struct hello_settings *settings, const struct hello_request *request,
							 char *answer)
{
	char accept[HELLO_ACCEPT_BYTES];

	hello_websocket_accept(request->websocket_key, accept);
	return (size_t)snprintf(
		answer, HELLO_ANSWER_BYTES,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Hello-Revision: %.20s\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		settings->revision, accept);
}

/* Fills body and its length, returns the status. */
static int choose(const struct hello_settings *settings, const struct hello_request *request,
				  uint64_t body_bytes, char *body, size_t size, int *ret_length, bool *ret_html)
{
	const char *path = request->path;
	char name[128];
	const char *value;
	int status = 200;

	*ret_html = false;
	if (settings->error500) {
		*ret_length = snprintf(body, size, "HELLO_MODE=error500: every answer is an error\n");
		return 500;
	}
	if (strcmp(path, "/") == 0) {
		*ret_html = true;
		*ret_length = answer_page(settings, body, size);
	} else if (strcmp(path, "/healthz") == 0) {
		*ret_length = snprintf(body, size, "ok\n");
	} else if (strcmp(path, "/version") == 0) {
		*ret_length = snprintf(body, size, "%s", settings->version);
	} else if (strcmp(path, "/slow") == 0) {
		*ret_length = snprintf(body, size, "answered after %d ms\n", hello_delay_ms(request));
	} else if (strcmp(path, "/echo") == 0) {
		*ret_length = snprintf(body, size, "%llu\n", (unsigned long long)body_bytes);
	} else if (strcmp(path, "/status") == 0) {
		status = number_query(request, "code", 200, 599, 400);
		*ret_length = snprintf(body, size, "status %d\n", status);
	} else if (strcmp(path, "/env") == 0 && hello_query(request, "name", name, sizeof name) &&
			   (value = getenv(name))) {
		*ret_length = snprintf(body, size, "%s", value);
	} else {
		status = 404;
		*ret_length = snprintf(body, size, "not found\n");
	}
	return status;
}

static bool wants_page(const struct hello_settings *settings, const struct hello_request *request)
{
	return settings->page && !settings->error500 && strcmp(request->path, "/") == 0;
}

size_t hello_answer_tail(const struct hello_settings *settings, const struct hello_request *request,
						 const char **ret_tail)
{
	*ret_tail = settings->page;
	return wants_page(settings, request) && strcmp(request->method, "HEAD") != 0 ? settings->page_length : 0;
}

size_t hello_answer(const struct hello_settings *settings, const struct hello_request *request,
					uint64_t body_bytes, bool keep_alive, char *answer)
{
	char body[HELLO_ANSWER_BYTES - 512];
	bool html = false, bodiless, page_follows = wants_page(settings, request);
	int length = 0, status, head;

	if (hello_upgrades(request))
		return answer_upgrade(settings, request, answer);
	status = choose(settings, request, body_bytes, body, sizeof body, &length, &html);
	bodiless = status == 204 || status == 304;

	if (length >= (int)sizeof body)
		length = (int)sizeof body - 1;
	if (bodiless)
		length = 0;
	head = snprintf(
		answer, 512,
		"HTTP/1.1 %d %s\r\nContent-Type: %s\r\nServer: helvetia-hello\r\nHello-Revision: %.20s\r\n", status,
		reason(status), html ? "text/html; charset=utf-8" : "text/plain; charset=utf-8", settings->revision);
	if (request->id[0])
		head += snprintf(answer + head, 512 - (size_t)head, "Hello-Id: %s\r\n", request->id);
	if (!bodiless)
		head += snprintf(answer + head, 512 - (size_t)head, "Content-Length: %zu\r\n",
						 page_follows ? settings->page_length : (size_t)length);
	head += snprintf(answer + head, 512 - (size_t)head, "Connection: %s\r\n\r\n",
					 keep_alive ? "keep-alive" : "close");
	if (strcmp(request->method, "HEAD") == 0 || page_follows)
		length = 0;
	memcpy(answer + head, body, (size_t)length);
	return (size_t)(head + length);
}
