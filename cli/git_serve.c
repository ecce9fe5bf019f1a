/* `helvetia git-serve`: Git's smart HTTP on loopback for the repositories of one folder. Not a Git server of
 * our own: each request is given to `git http-backend` by CGI (RFC 3875), and what that writes goes back as
 * it comes.
 *
 * Anybody who reaches the port may push, so it listens on loopback only, and a request must name this host: a
 * web page in a browser that had another name pointed at 127.0.0.1 gets nothing. Only the three addresses of
 * the protocol are passed on.
 *
 * One loop. A request and its process end together; see struct exchange. */
#include "git_serve.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "command.h"
#include "http/http_server.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define EXCHANGES_MAX 16
#define EXCHANGE_MS 120000
#define CONNECTIONS_MAX 64
#define READ_BYTES 65536
#define PENDING_BYTES_MAX (1024 * 1024) /* then the process waits for the peer */
#define STOP_GRACE_MS 5000
#define ENVIRONMENT_MAX 20

struct git_serve {
	uv_loop_t loop;
	uv_signal_t signals[2];
	struct http_server *server;
	const char *root;
	struct exchange *exchanges;
	unsigned exchange_count;
};

/* One request and its process. Freed when the request is finished and the last of its handles is closed. */
struct exchange {
	struct exchange *next;
	struct git_serve *serve;
	struct http_request *request; /* NULL: finished */
	uv_process_t process;
	uv_pipe_t input;
	uv_pipe_t output;
	uv_timer_t deadline;
	uv_write_t write;
	struct hc_text head;
	int handles_open;
	bool spawned;
	bool answering; /* the head was read */
	bool output_ended;
	bool exited;
	bool failed;   /* killed, or its head can't be read */
	bool discards; /* the peer has left a push, which is brought to its end */
	char buffer[READ_BYTES];
};

static void reply_text(struct http_request *request, int status, const char *text)
{
	const struct http_reply reply = {
		.status = status, .content_type = "text/plain", .body = text, .length = strlen(text)};

	http_reply(request, &reply);
}

/* --- the end of an exchange --- */

static void on_closed(uv_handle_t *handle)
{
	struct exchange *exchange = handle->data;
	struct exchange **link = &exchange->serve->exchanges;

	if (--exchange->handles_open)
		return;
	while (*link != exchange)
		link = &(*link)->next;
	*link = exchange->next;
	exchange->serve->exchange_count--;
	hc_text_done(&exchange->head);
	free(exchange);
}

static void close_handle(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, on_closed);
}

static void finish_request(struct exchange *exchange)
{
	struct http_request *request = exchange->request;

	exchange->request = NULL;
	if (!request)
		return;
	http_request_on_gone(request, NULL);
	if (!exchange->answering)
		reply_text(request, 500, "git http-backend gave no answer\n");
	else if (exchange->failed)
		http_stream_cut(request);
	else
		http_stream_end(request);
}

/* Both, since neither alone says that all was read and that the process is gone. */
static void end_if_over(struct exchange *exchange)
{
	if (!exchange->output_ended || !exchange->exited)
		return;
	finish_request(exchange);
	close_handle((uv_handle_t *)&exchange->process);
	close_handle((uv_handle_t *)&exchange->input);
	close_handle((uv_handle_t *)&exchange->output);
	close_handle((uv_handle_t *)&exchange->deadline);
}

/* It leads a session of its own, so that its children end with it. */
static void kill_process(struct exchange *exchange)
{
	exchange->failed = true;
	if (exchange->spawned && !exchange->exited)
		kill(-exchange->process.pid, SIGKILL);
}

static void on_deadline(uv_timer_t *timer)
{
	struct exchange *exchange = timer->data;

	hc_log(HC_LOG_WARN, "a request took too long and is ended", NULL);
	kill_process(exchange);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer);
static void on_output(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer);

/* Reading was stopped, perhaps: because the peer was slow. */
static void go_on_reading(struct exchange *exchange)
{
	if (!exchange->output_ended)
		uv_read_start((uv_stream_t *)&exchange->output, on_allocate, on_output);
}

static void on_gone(struct http_request *request)
{
	struct exchange *exchange = http_request_payload(request);

	if (strstr(http_request_target(request), "git-receive-pack"))
		exchange->discards = true;
	else
		kill_process(exchange);
	go_on_reading(exchange);
}

static void on_process_exit(uv_process_t *process, int64_t code, int signal_number)
{
	struct exchange *exchange = process->data;

	exchange->exited = true;
	if (signal_number)
		exchange->failed = true;
	else if (code && !exchange->answering)
		hc_log(HC_LOG_WARN, "git http-backend failed", "target",
			   exchange->request ? http_request_target(exchange->request) : "", NULL);
	end_if_over(exchange);
}

/* --- what the process says --- */

static void on_drained(struct http_request *request)
{
	go_on_reading(http_request_payload(request));
}

static void give(struct exchange *exchange, const char *data, size_t length)
{
	if (!exchange->request || exchange->discards || !length)
		return;
	http_stream_write(exchange->request, data, length);
	if (http_stream_pending_bytes(exchange->request) > PENDING_BYTES_MAX)
		uv_read_stop((uv_stream_t *)&exchange->output);
}

static void take(struct exchange *exchange, const char *data, size_t length)
{
	struct git_serve_head head;
	struct http_reply reply;
	long head_length;

	if (exchange->answering || exchange->failed) {
		give(exchange, data, exchange->failed ? 0 : length);
		return;
	}
	hc_text_append_bytes(&exchange->head, data, length);
	head_length = git_serve_head_parse(&exchange->head, &head);
	if (head_length == 0)
		return;
	if (head_length < 0) {
		kill_process(exchange);
		return;
	}
	reply = (struct http_reply){.status = head.status,
								.content_type = head.content_type,
								.headers = head.headers,
								.header_count = head.header_count};
	exchange->answering = true;
	http_stream_begin(exchange->request, &reply);
	http_stream_on_drained(exchange->request, on_drained);
	give(exchange, exchange->head.data + head_length, exchange->head.length - (size_t)head_length);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
	struct exchange *exchange = handle->data;

	(void)suggested;
	*ret_buffer = uv_buf_init(exchange->buffer, sizeof(exchange->buffer));
}

static void on_output(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
	struct exchange *exchange = stream->data;

	if (length > 0) {
		take(exchange, buffer->base, (size_t)length);
	} else if (length < 0) {
		uv_read_stop(stream);
		exchange->output_ended = true;
		end_if_over(exchange);
	}
}

/* --- its start --- */

static void on_written(uv_write_t *write, int status)
{
	struct exchange *exchange = write->data;

	(void)status; /* who does not read its input says why in its answer */
	close_handle((uv_handle_t *)&exchange->input);
}

static const char *header_or_empty(const struct http_request *request, const char *name)
{
	const char *value = http_request_header(request, name);

	return value ? value : "";
}

struct environment {
	char *texts[ENVIRONMENT_MAX + 1];
	size_t count;
};

static void environment_add(struct environment *environment, const char *name, const char *value)
{
	if (environment->count < ENVIRONMENT_MAX)
		environment->texts[environment->count++] = hc_xprintf("%s=%s", name, value);
}

static void environment_fill(struct environment *environment, const struct git_serve *serve,
							 const struct http_request *request)
{
	const char *target = http_request_target(request);
	const char *query = strchr(target, '?');
	HC_AUTO_FREE path = hc_xprintf("%.*s", (int)strcspn(target, "?"), target);
	HC_AUTO_FREE length = NULL;
	size_t body_length;

	(void)http_request_body(request, &body_length);
	length = hc_xprintf("%zu", body_length);
	environment_add(environment, "GIT_PROJECT_ROOT", serve->root);
	environment_add(environment, "GIT_HTTP_EXPORT_ALL", "1");
	environment_add(environment, "GIT_CONFIG_NOSYSTEM", "1");
	environment_add(environment, "GIT_CONFIG_GLOBAL", "/dev/null");
	environment_add(environment, "HOME", serve->root);
	environment_add(environment, "PATH", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
	environment_add(environment, "GATEWAY_INTERFACE", "CGI/1.1");
	environment_add(environment, "SERVER_PROTOCOL", "HTTP/1.1");
	environment_add(environment, "REMOTE_ADDR", "127.0.0.1");
	environment_add(environment, "REQUEST_METHOD", http_request_method(request));
	environment_add(environment, "PATH_INFO", path);
	environment_add(environment, "QUERY_STRING", query ? query + 1 : "");
	environment_add(environment, "CONTENT_TYPE", header_or_empty(request, "Content-Type"));
	environment_add(environment, "CONTENT_LENGTH", length);
	environment_add(environment, "HTTP_CONTENT_ENCODING", header_or_empty(request, "Content-Encoding"));
	environment_add(environment, "GIT_PROTOCOL", header_or_empty(request, "Git-Protocol"));
}

static int spawn(struct exchange *exchange)
{
	struct environment environment = {.count = 0};
	char program[] = "git", command[] = "http-backend";
	char *arguments[] = {program, command, NULL};
	uv_stdio_container_t stdio[] = {
		{.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&exchange->input},
		{.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&exchange->output},
		{.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO}};
	uv_process_options_t options = {.exit_cb = on_process_exit,
									.file = program,
									.args = arguments,
									.env = environment.texts,
									.flags = UV_PROCESS_DETACHED,
									.stdio_count = HC_COUNT(stdio),
									.stdio = stdio};
	int status;

	environment_fill(&environment, exchange->serve, exchange->request);
	status = uv_spawn(&exchange->serve->loop, &exchange->process, &options);
	for (size_t i = 0; i < environment.count; i++)
		free(environment.texts[i]);
	return status;
}

static struct exchange *exchange_new(struct git_serve *serve, struct http_request *request)
{
	struct exchange *exchange = hc_xalloc(sizeof(*exchange));

	exchange->serve = serve;
	exchange->request = request;
	exchange->next = serve->exchanges;
	serve->exchanges = exchange;
	serve->exchange_count++;
	uv_pipe_init(&serve->loop, &exchange->input, 0);
	uv_pipe_init(&serve->loop, &exchange->output, 0);
	uv_timer_init(&serve->loop, &exchange->deadline);
	exchange->handles_open = 4; /* uv_spawn takes its handle even when it fails */
	exchange->process.data = exchange->input.data = exchange->output.data = exchange->deadline
																				.data = exchange;
	exchange->write.data = exchange;
	return exchange;
}

static void begin(struct git_serve *serve, struct http_request *request)
{
	struct exchange *exchange = exchange_new(serve, request);
	const char *body;
	size_t length;
	uv_buf_t buffer;
	int status = spawn(exchange);

	exchange->spawned = status == 0;
	if (status) {
		hc_log(HC_LOG_ERROR, "git does not start", "error", uv_strerror(status), NULL);
		exchange->exited = exchange->output_ended = true;
		end_if_over(exchange);
		return;
	}
	http_request_set_payload(request, exchange);
	http_request_on_gone(request, on_gone);
	uv_timer_start(&exchange->deadline, on_deadline, EXCHANGE_MS, 0);
	go_on_reading(exchange);
	body = http_request_body(request, &length);
	buffer = uv_buf_init((char *)(uintptr_t)body, (unsigned)length);
	if (uv_write(&exchange->write, (uv_stream_t *)&exchange->input, &buffer, 1, on_written))
		close_handle((uv_handle_t *)&exchange->input);
}

static void on_request(struct http_request *request, void *payload)
{
	struct git_serve *serve = payload;
	const char *host = header_or_empty(request, "Host");
	HC_AUTO_FREE address = hc_xprintf("127.0.0.1:%d", http_server_port(serve->server));
	HC_AUTO_FREE name = hc_xprintf("localhost:%d", http_server_port(serve->server));

	if (!hc_streq(host, address) && !hc_streq(host, name))
		reply_text(request, 403, "this is a Git server for this machine only\n");
	else if (!git_serve_wanted(http_request_method(request), http_request_target(request)))
		reply_text(request, 404, "there is only Git's smart HTTP here: git clone http://HOST/NAME.git\n");
	else if (serve->exchange_count >= EXCHANGES_MAX)
		reply_text(request, 503, "too many requests at once; try again\n");
	else
		begin(serve, request);
}

static size_t body_limit(const char *method, const char *target, void *payload)
{
	(void)method;
	(void)payload;
	return strstr(target, "/git-receive-pack") ? HC_LIMIT_GIT_PUSH_BYTES : HC_LIMIT_REQUEST_BODY_BYTES;
}

/* --- the program --- */

static void on_stopped(void *payload)
{
	struct git_serve *serve = payload;

	serve->server = NULL;
	for (struct exchange *exchange = serve->exchanges; exchange; exchange = exchange->next)
		kill_process(exchange);
}

static void on_signal(uv_signal_t *signal, int number)
{
	struct git_serve *serve = signal->data;

	(void)number;
	for (size_t i = 0; i < HC_COUNT(serve->signals); i++)
		uv_close((uv_handle_t *)&serve->signals[i], NULL);
	http_server_stop(serve->server, STOP_GRACE_MS, on_stopped, serve);
}

static const char SERVE_USAGE[] = "usage: helvetia git-serve --root DIR --listen 127.0.0.1:PORT\n"
								  "Serves the bare repositories DIR/NAME.git over smart HTTP, for reading "
								  "and pushing, to this machine only.\n";

/* 0; 1: help was printed; -1: a usage error was printed. */
static int read_options(int argc, char **argv, const char **ret_root, const char **ret_listen)
{
	static const struct option options[] = {{"root", required_argument, NULL, 'r'},
											{"listen", required_argument, NULL, 'l'},
											{"help", no_argument, NULL, 'h'},
											{NULL, 0, NULL, 0}};
	int id;

	optind = 1;
	while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (id == 'h')
			return fputs(SERVE_USAGE, stdout) < 0 ? -1 : 1;
		if (id == 'r')
			*ret_root = optarg;
		else if (id == 'l')
			*ret_listen = optarg;
		else
			return -1;
	}
	if (optind == argc && *ret_root && **ret_root == '/' && *ret_listen &&
		hc_starts_with(*ret_listen, "127.0.0.1:"))
		return 0;
	fprintf(stderr, "helvetia git-serve: --root must be an absolute path and --listen 127.0.0.1:PORT\n%s",
			SERVE_USAGE);
	return -1;
}

static int run_git_serve(int argc, char **argv)
{
	static const int numbers[] = {SIGTERM, SIGINT};
	struct git_serve serve = {0};
	struct http_server_options options = {.loop = &serve.loop,
										  .handler = on_request,
										  .payload = &serve,
										  .body_limit = body_limit,
										  .connections_max = CONNECTIONS_MAX};
	struct hc_error err = {0};
	int parsed = read_options(argc, argv, &serve.root, &options.listen);

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : COMMAND_USAGE;
	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&serve.loop);
	for (size_t i = 0; i < HC_COUNT(numbers); i++) {
		uv_signal_init(&serve.loop, &serve.signals[i]);
		serve.signals[i].data = &serve;
		uv_signal_start(&serve.signals[i], on_signal, numbers[i]);
	}
	if (http_server_start(&options, &serve.server, &err)) {
		fprintf(stderr, "helvetia git-serve: %s\n", err.text);
		return COMMAND_FAILED;
	}
	hc_log(HC_LOG_INFO, "serving", "root", serve.root, "listen", options.listen, NULL);
	uv_run(&serve.loop, UV_RUN_DEFAULT);
	uv_loop_close(&serve.loop);
	return COMMAND_DONE;
}

const struct command command_git_serve = {"git-serve", NULL, run_git_serve};
