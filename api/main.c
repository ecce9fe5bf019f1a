/* helvetia-api: the process. Makes the loop and everything on it, and takes it down in order:
 *
 *   signal → the servers stop (streams end, answers are sent) → database reads end → hub and signals close →
 * the loop is empty
 */
#include "api_watch.h"

#include "api_openapi.h"
#include "api_webhook.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "options.h"
#include "schema/schema.h"
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define STOP_GRACE_MS 5000
#define PEM_BYTES_MAX (256 * 1024)
#define FILES_WANTED (2 * (HC_LIMIT_CONNECTIONS + 256) + 256) /* of both servers, and our own */

struct process {
	struct api api;
	uv_signal_t terminated;
	uv_signal_t interrupted;
	int servers; /* that have not stopped yet */
};

static void stream_ready(uv_poll_t *poll, int status, int events)
{
	struct api *api = poll->data;

	(void)status;
	(void)events;
	store_stream_process(api->stream);
}

static void listener_ready(uv_poll_t *poll, int status, int events)
{
	struct api *api = poll->data;

	(void)status;
	(void)events;
	store_listener_process(api->listener);
}

static void notified(void *payload)
{
	struct api *api = payload;

	api_hub_hint(api->hub);
}

static void server_stopped(void *payload)
{
	struct process *process = payload;
	struct api *api = &process->api;

	if (--process->servers > 0)
		return;
	uv_close((uv_handle_t *)&api->stream_poll, NULL);
	uv_close((uv_handle_t *)&api->listener_poll, NULL);
	store_listener_close(hc_take(&api->listener));
	store_stream_close(hc_take(&api->stream)); /* open questions are answered, so their calls end */
	free(api->retry.data);                     /* a start that waits */
	uv_close((uv_handle_t *)&api->retry, NULL);
	api_hub_close(api->hub);
	api_use_close(api->use);
	uv_close((uv_handle_t *)&process->terminated, NULL);
	uv_close((uv_handle_t *)&process->interrupted, NULL);
}

static void signaled(uv_signal_t *handle, int number)
{
	struct process *process = handle->data;

	if (process->api.stopping)
		return;
	hc_log(HC_LOG_INFO, "stopping", "signal", number == SIGINT ? "SIGINT" : "SIGTERM", NULL);
	process->api.stopping = true;
	process->servers = 2;
	http_server_stop(process->api.server, STOP_GRACE_MS, server_stopped, process);
	http_server_stop(process->api.local, STOP_GRACE_MS, server_stopped, process);
}

static int open_database(struct api *api, struct hc_error *err)
{
	if (store_stream_open(api->options.database_url, "helvetia-api", &api->stream, err) ||
		store_listener_open(api->options.database_url, "helvetia-api", notified, api, &api->listener, err))
		return hc_wrap(err, "--database");
	uv_poll_init(&api->loop, &api->stream_poll, store_stream_fd(api->stream));
	uv_poll_init(&api->loop, &api->listener_poll, store_listener_fd(api->listener));
	api->stream_poll.data = api->listener_poll.data = api;
	uv_poll_start(&api->stream_poll, UV_READABLE, stream_ready);
	uv_poll_start(&api->listener_poll, UV_READABLE, listener_ready);
	return 0;
}

static size_t body_limit(const char *method, const char *target, void *payload)
{
	(void)payload;
	return api_route_body_limit(method, target, HC_LIMIT_REQUEST_BODY_BYTES);
}

static int open_server(struct api *api, struct hc_error *err)
{
	HC_AUTO_FREE certificate = NULL;
	HC_AUTO_FREE key = NULL;
	size_t length = 0;

	if (hc_file_read(api->options.certificate_file, PEM_BYTES_MAX, &certificate, &length, err) ||
		hc_file_read(api->options.key_file, PEM_BYTES_MAX, &key, &length, err))
		return hc_wrap(err, "TLS");
	struct http_server_options options = {.loop = &api->loop,
										  .listen = api->options.listen,
										  .tls_certificate = certificate,
										  .tls_key = key,
										  .handler = api_handle,
										  .body_limit = body_limit,
										  .payload = api,
										  .refusal = api_status_refusal};
	int result = http_server_start(&options, &api->server, err);
	explicit_bzero(key, strlen(key));
	if (result)
		return -1;
	HC_AUTO_FREE port = hc_xprintf("%d", http_server_port(api->server));
	hc_log(HC_LOG_INFO, "listening", "address", api->options.listen, "port", port, NULL);
	return 0;
}

static int open_local(struct api *api, struct hc_error *err)
{
	HC_AUTO_FREE listen = api->options.socket ? hc_xprintf("unix:%s", api->options.socket)
											  : hc_xprintf("unix:%s/api.sock", api->options.state);
	struct http_server_options options = {.loop = &api->loop,
										  .listen = listen,
										  .unix_mode = 0600,
										  .handler = api_handle,
										  .body_limit = body_limit,
										  .payload = api,
										  .refusal = api_status_refusal};

	return http_server_start(&options, &api->local, err);
}

static void open_signals(struct process *process)
{
	uv_signal_init(&process->api.loop, &process->terminated);
	uv_signal_init(&process->api.loop, &process->interrupted);
	process->terminated.data = process->interrupted.data = process;
	uv_signal_start(&process->terminated, signaled, SIGTERM);
	uv_signal_start(&process->interrupted, signaled, SIGINT);
}

/* A connection is a file: the usual soft limit of 1024 is less than what we let in. */
static void raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= FILES_WANTED)
		return;
	limit.rlim_cur = limit.rlim_max < FILES_WANTED ? limit.rlim_max : FILES_WANTED;
	int failed = setrlimit(RLIMIT_NOFILE, &limit);
	HC_AUTO_FREE count = hc_xprintf("%llu", (unsigned long long)limit.rlim_cur);
	if (failed || limit.rlim_cur < FILES_WANTED)
		hc_log(HC_LOG_WARN, "few files may be open: not all connections will find room", "limit", count,
			   NULL);
}

static int start(struct process *process, struct hc_error *err)
{
	struct api *api = &process->api;

	if (schema_load(err) || api_webhook_new(api->options.webhook_secret_file, &api->webhook, err))
		return -1;
	uv_loop_init(&api->loop);
	uv_mutex_init(&api->stores_lock);
	api->arena = hc_arena_new();
	api->openapi = api_openapi_new();
	api->auth = api_auth_new();
	api->use = api_use_new(api);
	api->hub = api_hub_new(api);
	uv_timer_init(&api->loop, &api->retry);
	/* The servers last: with them comes the first request. */
	return open_database(api, err) || open_local(api, err) || open_server(api, err);
}

static void finish(struct process *process)
{
	struct api *api = &process->api;

	api_stores_close(api);
	api_auth_free(api->auth);
	api_use_free(api->use);
	api_webhook_free(api->webhook);
	api_openapi_free(api->openapi);
	uv_mutex_destroy(&api->stores_lock);
	hc_arena_free(api->arena);
	schema_unload();
	free(api->options.repository_prefixes);
}

int main(int argc, char **argv)
{
	static struct process process; /* handles must not move */
	struct hc_error err = {0};

	hc_log_init("helvetia-api");
	int parsed = api_options_parse(argc, argv, &process.api.options);
	if (parsed) {
		free(process.api.options.repository_prefixes);
		return parsed > 0 ? 0 : 2;
	}
	signal(SIGPIPE, SIG_IGN);
	raise_files();
	mallopt(M_ARENA_MAX, 2); /* the pool's threads work in bursts; an arena each would keep what they freed */
	if (start(&process, &err)) {
		hc_log(HC_LOG_ERROR, "can't start", "error", err.text, NULL);
		return 1;
	}
	open_signals(&process);
	api_bootstrap(&process.api);
	uv_run(&process.api.loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&process.api.loop))
		hc_log(HC_LOG_ERROR, "the loop was left with open handles", NULL);
	finish(&process);
	hc_log(HC_LOG_INFO, "stopped", NULL);
	return 0;
}
