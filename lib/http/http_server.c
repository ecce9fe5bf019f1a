/* libmicrohttpd under a libuv loop, and the life of connections.
 *
 * libmicrohttpd runs without a thread of its own: its epoll descriptor stands under uv_poll and its timeout
 * under uv_timer; each time one of them fires it gets one MHD_run(). It owns the sockets. What it does not do
 * is done here:
 *   - its timeout counts idle time only, so a head that drips in lives for ever: an absolute deadline a
 * connection;
 *   - it does not poll suspended connections: the socket gets a second poll that waits for a hang-up;
 *   - it must not be stopped while connections are suspended: http_server_stop() wakes them first. */
#include "http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"

#define CONNECTION_IDLE_SECONDS 75 /* a peer that takes nothing of its answer for so long is closed */
#define CONNECTIONS_LEAVING 256    /* beyond the limit: told to go, and not closed yet */
#define LISTEN_BACKLOG 512
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* --- connections --- */

static void peer_handle_closed(uv_handle_t *handle)
{
	struct http_peer *peer = handle->data;

	if (--peer->handles_open == 0)
		free(peer);
}

static void peer_deadline_passed(uv_timer_t *timer)
{
	struct http_peer *peer = timer->data;

	shutdown(peer->fd, SHUT_RDWR); /* libmicrohttpd reads the end and closes */
}

void http_peer_deadline(struct http_peer *peer, int milliseconds)
{
	if (milliseconds > 0)
		uv_timer_start(&peer->deadline, peer_deadline_passed, (uint64_t)milliseconds, 0);
	else
		uv_timer_stop(&peer->deadline);
}

static void peer_hung_up(uv_poll_t *poll, int status, int events)
{
	struct http_peer *peer = poll->data;

	if (status == 0 && !(events & UV_DISCONNECT))
		return;
	uv_poll_stop(poll);
	if (peer->request)
		http_request_hang_up(peer->request);
}

void http_peer_watch(struct http_peer *peer)
{
	if (!peer->hangup_ready) {
		if (uv_poll_init(peer->server->loop, &peer->hangup, peer->fd))
			return;
		peer->hangup.data = peer;
		peer->hangup_ready = true;
		peer->handles_open++;
	}
	uv_poll_start(&peer->hangup, UV_DISCONNECT, peer_hung_up);
}

void http_peer_unwatch(struct http_peer *peer)
{
	if (peer->hangup_ready)
		uv_poll_stop(&peer->hangup);
}

/* --- idle connections --- */

static void idle_end(struct http_peer *peer)
{
	struct http_server *server = peer->server;

	if (!peer->idle)
		return;
	peer->idle = false;
	*(peer->idle_previous ? &peer->idle_previous->idle_next : &server->idle_first) = peer->idle_next;
	*(peer->idle_next ? &peer->idle_next->idle_previous : &server->idle_last) = peer->idle_previous;
	peer->idle_next = peer->idle_previous = NULL;
}

void http_peer_busy(struct http_peer *peer)
{
	idle_end(peer);
}

static void idle_begin(struct http_peer *peer)
{
	struct http_server *server = peer->server;

	idle_end(peer);
	peer->idle = true;
	peer->idle_previous = server->idle_last;
	*(server->idle_last ? &server->idle_last->idle_next : &server->idle_first) = peer;
	server->idle_last = peer;
}

/* Who comes when all places are taken gets that of the one that has done nothing for the longest time; what
 * is being asked or answered keeps its place. */
static void make_room(struct http_server *server)
{
	struct http_peer *peer = server->idle_first;

	if (server->connections <= server->options.connections_max || !peer)
		return;
	idle_end(peer);
	shutdown(peer->fd, SHUT_RDWR);
}

static void connection_changed(void *payload, struct MHD_Connection *connection, void **socket_context,
							   enum MHD_ConnectionNotificationCode code)
{
	struct http_server *server = payload;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection,
																	   MHD_CONNECTION_INFO_CONNECTION_FD);
		struct http_peer *peer = hc_xalloc(sizeof(*peer));
		peer->server = server;
		peer->connection = connection;
		peer->fd = info ? info->connect_fd : -1;
		uv_timer_init(server->loop, &peer->deadline);
		peer->deadline.data = peer;
		peer->handles_open = 1;
		http_peer_deadline(peer, server->options.header_deadline_ms);
		*socket_context = peer;
		server->connections++;
		make_room(server);
		idle_begin(peer);
		return;
	}
	struct http_peer *peer = *socket_context;
	if (!peer)
		return;
	*socket_context = NULL;
	server->connections--;
	idle_end(peer);
	if (peer->hangup_ready) {
		uv_poll_stop(&peer->hangup);
		uv_close((uv_handle_t *)&peer->hangup, peer_handle_closed);
	}
	uv_close((uv_handle_t *)&peer->deadline, peer_handle_closed);
}

/* First line read: the request begins. What is returned becomes its context. */
static void *request_begun(void *payload, const char *target, struct MHD_Connection *connection)
{
	struct http_server *server = payload;
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection,
																   MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct http_peer *peer = info->socket_context;

	http_peer_deadline(peer, server->options.header_deadline_ms);
	idle_begin(peer); /* now last: it has begun to ask */
	peer->request = http_request_new(server, peer, target);
	server->answering++;
	return peer->request;
}

static enum MHD_Result request_continued(void *payload, struct MHD_Connection *connection, const char *url,
										 const char *method, const char *version, const char *data,
										 size_t *length, void **context)
{
	(void)payload;
	(void)url;
	return http_request_continue(*context, connection, method, version, data, length);
}

static void request_completed(void *payload, struct MHD_Connection *connection, void **context,
							  enum MHD_RequestTerminationCode code)
{
	struct http_server *server = payload;
	struct http_request *request = *context;

	(void)connection;
	(void)code;
	*context = NULL;
	if (!request)
		return;
	server->answering--;
	struct http_peer *peer = request->peer;
	peer->request = NULL;
	http_peer_unwatch(peer);
	http_peer_deadline(peer, server->options.idle_deadline_ms);
	idle_begin(peer);
	http_request_detach(request);
}

static size_t keep_escapes(void *payload, struct MHD_Connection *connection, char *text)
{
	(void)payload;
	(void)connection;
	return strlen(text); /* the handler decodes the target as it was sent */
}

static void log_message(void *payload, const char *format, va_list arguments)
{
	char text[512];

	(void)payload;
	vsnprintf(text, sizeof(text), format, arguments);
	text[strcspn(text, "\n")] = '\0';
	hc_log(HC_LOG_DEBUG, "libmicrohttpd", "text", text, NULL);
}

/* --- the loop --- */

static void run(struct http_server *server);

static void polled(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	run(poll->data);
}

static void timed(uv_timer_t *timer)
{
	run(timer->data);
}

static void run(struct http_server *server)
{
	MHD_UNSIGNED_LONG_LONG timeout = 0;

	MHD_run(server->daemon);
	if (MHD_get_timeout(server->daemon, &timeout) == MHD_YES)
		uv_timer_start(&server->timer, timed, timeout, 0);
	else
		uv_timer_stop(&server->timer);
}

void http_server_run_soon(struct http_server *server)
{
	uv_timer_start(&server->timer, timed, 0, 0);
}

static void tell_gone(uv_timer_t *timer)
{
	struct http_server *server = timer->data;

	/* A callback may finish any request, so the walk begins anew after each. */
	for (struct http_request *request = server->requests; request;) {
		bool wanted = (request->gone_wanted || server->stopping) && !request->gone_told && request->on_gone;
		if (wanted) {
			http_request_tell_gone(request);
			request = server->requests;
		} else {
			request = request->next;
		}
	}
}

void http_server_gone_soon(struct http_server *server)
{
	uv_timer_start(&server->gone, tell_gone, 0, 0);
}

/* --- start --- */

static int bind_unix(const char *path, int mode, int *ret_fd, struct hc_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat status;

	if (strlen(path) >= sizeof(address.sun_path))
		return hc_fail(err, HC_INVALID, "listen unix:%s: the path is longer than %zu bytes", path,
					   sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode))
		unlink(path);
	HC_AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return hc_fail(err, HC_TRANSIENT, "listen unix:%s: %s", path, strerror(errno));
	/* The mode is set before anybody can connect: nobody listens yet. */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || chmod(path, (mode_t)(mode ? mode : 0600)) ||
		listen(fd, LISTEN_BACKLOG))
		return hc_fail(err, HC_TRANSIENT, "listen unix:%s: %s", path, strerror(errno));
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int bind_address(const struct addrinfo *info, int *ret_fd)
{
	int yes = 1;
	HC_AUTO_FD fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, info->ai_addr, info->ai_addrlen) || listen(fd, LISTEN_BACKLOG))
		return -1;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int bind_tcp(const char *listen_text, int *ret_fd, int *ret_port, struct hc_error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *infos = NULL;
	HC_AUTO_FREE host = hc_xstrdup(listen_text);
	char *colon = strrchr(host, ':');
	char *name = host;

	if (!colon)
		return hc_fail(err, HC_INVALID, "listen \"%s\": must be HOST:PORT or unix:PATH", listen_text);
	*colon = '\0';
	if (*name == '[' && colon > name && colon[-1] == ']') {
		colon[-1] = '\0';
		name++;
	}
	int code = getaddrinfo(*name ? name : NULL, colon + 1, &hints, &infos);
	if (code)
		return hc_fail(err, HC_INVALID, "listen \"%s\": %s", listen_text, gai_strerror(code));
	int failed = bind_address(infos, ret_fd);
	int number = errno;
	freeaddrinfo(infos);
	if (failed)
		return hc_fail(err, HC_TRANSIENT, "listen %s: %s", listen_text, strerror(number));
	struct sockaddr_in6 bound = {0};
	socklen_t size = sizeof(bound);
	getsockname(*ret_fd, (struct sockaddr *)&bound,
				&size); /* the port lies at the same place in both families */
	*ret_port = ntohs(bound.sin6_port);
	return 0;
}

static int start_daemon(struct http_server *server, int fd, struct hc_error *err)
{
	const struct http_server_options *options = &server->options;
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)options->tls_certificate},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)options->tls_key},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)TLS_PRIORITIES},
		{MHD_OPTION_END, 0, NULL},
	};
	bool secure = options->tls_certificate && options->tls_key;
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;

	server->daemon = MHD_start_daemon(
		flags | (secure ? MHD_USE_TLS : 0U), 0, NULL, NULL, request_continued, server,
		MHD_OPTION_EXTERNAL_LOGGER, log_message, server, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_NOTIFY_CONNECTION, connection_changed, server, MHD_OPTION_URI_LOG_CALLBACK, request_begun,
		server, MHD_OPTION_NOTIFY_COMPLETED, request_completed, server, MHD_OPTION_UNESCAPE_CALLBACK,
		keep_escapes, server, MHD_OPTION_CONNECTION_LIMIT, options->connections_max + CONNECTIONS_LEAVING,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HC_LIMIT_HEADER_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 0,
		secure ? MHD_OPTION_ARRAY : MHD_OPTION_END, tls, MHD_OPTION_END);
	if (!server->daemon)
		return hc_fail(err, HC_INVALID, "libmicrohttpd does not start%s",
					   secure ? ": is the TLS certificate the one of the key?" : "");
	return 0;
}

static void fill_defaults(struct http_server_options *options)
{
	if (!options->body_bytes_max)
		options->body_bytes_max = HC_LIMIT_REQUEST_BODY_BYTES;
	if (!options->header_deadline_ms)
		options->header_deadline_ms = HC_LIMIT_HEADER_DEADLINE_MS;
	if (!options->body_deadline_ms)
		options->body_deadline_ms = HC_LIMIT_BODY_DEADLINE_MS;
	if (!options->idle_deadline_ms)
		options->idle_deadline_ms = HC_LIMIT_KEEP_ALIVE_MS;
	if (!options->connections_max)
		options->connections_max = HC_LIMIT_CONNECTIONS;
}

int http_server_start(const struct http_server_options *options, struct http_server **ret_server,
					  struct hc_error *err)
{
	HC_AUTO_FD fd = -1;
	int port = 0;
	const char *path = hc_starts_with(options->listen, "unix:") ? options->listen + strlen("unix:") : NULL;

	if (path ? bind_unix(path, options->unix_mode, &fd, err) : bind_tcp(options->listen, &fd, &port, err))
		return -1;
	struct http_server *server = hc_xalloc(sizeof(*server));
	server->loop = options->loop;
	server->options = *options;
	server->port = port;
	fill_defaults(&server->options);
	if (start_daemon(server, fd, err)) {
		free(server);
		return hc_wrap(err, "listen %s", options->listen);
	}
	fd = -1; /* libmicrohttpd's now */
	server->options.listen = server->options.tls_certificate = server->options.tls_key = NULL; /* not kept */
	server->unix_path = hc_xstrdup(path);
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	uv_poll_init(server->loop, &server->poll, info->epoll_fd);
	uv_timer_init(server->loop, &server->timer);
	uv_timer_init(server->loop, &server->gone);
	uv_timer_init(server->loop, &server->grace);
	server->poll.data = server->timer.data = server->gone.data = server->grace.data = server;
	server->handles_open = 4;
	uv_poll_start(&server->poll, UV_READABLE, polled);
	*ret_server = server;
	return 0;
}

int http_server_port(const struct http_server *server)
{
	return server->port;
}

/* --- stop --- */

static void server_handle_closed(uv_handle_t *handle)
{
	struct http_server *server = handle->data;
	http_stopped *stopped = server->stopped;
	void *payload = server->stopped_payload;

	if (--server->handles_open > 0)
		return;
	free(server->unix_path);
	free(server);
	if (stopped)
		stopped(payload);
}

static void wake_all(struct http_server *server)
{
	for (struct http_request *request = server->requests; request; request = request->next) {
		request->closing = true;
		request->cut = true;
		http_request_wake(request);
	}
}

static void destroy(struct http_server *server)
{
	server->closing = true; /* nothing is dispatched, and so suspended, any more */
	wake_all(server);
	MHD_run(server->daemon);
	MHD_stop_daemon(server->daemon);
	server->daemon = NULL;
	/* Requests that a handler still holds outlive us, without a peer. */
	while (server->requests) {
		struct http_request *request = server->requests;
		server->requests = request->next;
		request->link = NULL;
		request->next = NULL;
		request->server = NULL;
	}
	uv_poll_stop(&server->poll);
	uv_close((uv_handle_t *)&server->poll, server_handle_closed);
	uv_close((uv_handle_t *)&server->timer, server_handle_closed);
	uv_close((uv_handle_t *)&server->gone, server_handle_closed);
	uv_close((uv_handle_t *)&server->grace, server_handle_closed);
}

/* Checked often while stopping: an idle keep-alive connection is not waited for, an unfinished request or an
 * answer that is still being sent is. */
#define STOP_CHECK_MS 20

static void stop_checked(uv_timer_t *timer)
{
	struct http_server *server = timer->data;

	server->grace_left_ms -= STOP_CHECK_MS;
	if (server->answering && server->grace_left_ms > 0)
		return;
	uv_timer_stop(timer);
	destroy(server);
}

void http_server_stop(struct http_server *server, int grace_ms, http_stopped *stopped, void *payload)
{
	server->stopping = true;
	server->grace_left_ms = grace_ms;
	server->stopped = stopped;
	server->stopped_payload = payload;
	MHD_socket fd = MHD_quiesce_daemon(server->daemon);
	if (fd >= 0)
		close(fd);
	if (server->unix_path)
		unlink(server->unix_path);
	http_server_gone_soon(server);
	uv_timer_start(&server->grace, stop_checked, 0, STOP_CHECK_MS);
}
