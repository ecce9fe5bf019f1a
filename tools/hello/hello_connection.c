/* One connection: reads a request, waits if it is /slow, writes the answer, then the next request. Bytes of a
 * following request stay in the buffer meanwhile. */
#include "hello.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum step { STEP_HEAD, STEP_BODY, STEP_DELAY, STEP_WRITE, STEP_FRAMES };

struct hello_connection {
	struct hello_connection *next;
	struct hello_connection *previous;
	struct hello_request request;
	struct hello_body body;
	int64_t due_ms; /* of the delayed answer, or when idle is too long */
	size_t in_length;
	size_t out_length;
	size_t out_at;
	const char *tail; /* sent after out; borrowed from the settings */
	size_t tail_length;
	int fd;
	enum step step;
	bool keep_alive;
	bool upgraded; /* frames follow */
	char in[HELLO_HEAD_BYTES];
	char out[HELLO_ANSWER_BYTES];
};

/* Connections beyond the limit wait in the kernel's queue. */
static void listener_watch(const struct hello_server *server, bool wanted)
{
	struct epoll_event event = {.events = wanted ? EPOLLIN : 0, .data.ptr = (void *)(uintptr_t)server};

	if (server->listener >= 0)
		(void)epoll_ctl(server->epoll, EPOLL_CTL_MOD, server->listener, &event);
}

static void drop(struct hello_server *server, struct hello_connection *connection)
{
	if (connection->previous)
		connection->previous->next = connection->next;
	else
		server->connections = connection->next;
	if (connection->next)
		connection->next->previous = connection->previous;
	if (server->connection_count-- == HELLO_CONNECTIONS_MOST)
		listener_watch(server, true);
	(void)close(connection->fd);
	free(connection);
}

static void watch(const struct hello_server *server, struct hello_connection *connection)
{
	struct epoll_event event = {.data.ptr = connection};

	if (connection->step == STEP_WRITE)
		event.events = EPOLLOUT;
	else if (connection->step != STEP_DELAY)
		event.events = EPOLLIN;
	(void)epoll_ctl(server->epoll, EPOLL_CTL_MOD, connection->fd, &event);
}

void hello_connection_accept(struct hello_server *server)
{
	while (server->connection_count < HELLO_CONNECTIONS_MOST) {
		struct epoll_event event = {.events = EPOLLIN};
		struct hello_connection *connection;
		int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		connection = calloc(1, sizeof *connection);
		event.data.ptr = connection;
		if (!connection || epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event)) {
			free(connection);
			(void)close(fd);
			return;
		}
		connection->fd = fd;
		connection->due_ms = hello_now_ms() + HELLO_IDLE_MS;
		connection->next = server->connections;
		if (connection->next)
			connection->next->previous = connection;
		server->connections = connection;
		if (++server->connection_count == HELLO_CONNECTIONS_MOST)
			listener_watch(server, false);
	}
}

static void begin_answer(struct hello_server *server, struct hello_connection *connection)
{
	if (hello_crashes(&connection->request))
		_exit(1);
	connection->keep_alive = connection->request.keep_alive && !server->ending;
	connection->out_length = hello_answer(&server->settings, &connection->request, connection->body.total,
										  connection->keep_alive, connection->out);
	connection->out_at = 0;
	connection->tail_length = hello_answer_tail(&server->settings, &connection->request, &connection->tail);
	connection->step = STEP_WRITE;
	connection->upgraded = hello_upgrades(&connection->request);
}

/* Sends what is there. False: the connection is gone. */
static bool write_out(struct hello_server *server, struct hello_connection *connection)
{
	while (connection->out_at < connection->out_length + connection->tail_length) {
		bool head = connection->out_at < connection->out_length;
		size_t at = head ? connection->out_at : connection->out_at - connection->out_length;
		ssize_t sent = send(connection->fd, (head ? connection->out : connection->tail) + at,
							(head ? connection->out_length : connection->tail_length) - at,
							head && connection->tail_length ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN)
			return true;
		if (sent < 0) {
			drop(server, connection);
			return false;
		}
		connection->out_at += (size_t)sent;
	}
	if (connection->upgraded) {
		connection->step = STEP_FRAMES;
		connection->due_ms = hello_now_ms() + HELLO_IDLE_MS;
		return true;
	}
	if (!connection->keep_alive || (server->ending && !connection->in_length)) {
		(void)shutdown(connection->fd, SHUT_WR);
		drop(server, connection);
		return false;
	}
	connection->step = STEP_HEAD;
	connection->due_ms = hello_now_ms() + HELLO_IDLE_MS;
	return true;
}

static void consume(struct hello_connection *connection, size_t length)
{
	connection->in_length -= length;
	memmove(connection->in, connection->in + length, connection->in_length);
}

/* Takes what the buffer has. False: no HTTP. Stops when more bytes are needed or an answer is due. */
static bool take_request(struct hello_server *server, struct hello_connection *connection)
{
	static const char proceed[] = "HTTP/1.1 100 Continue\r\n\r\n";
	long taken;
	int delay_ms;

	if (connection->step == STEP_HEAD) {
		taken = hello_request_parse(connection->in, connection->in_length, &connection->request);
		if (taken < 0 || (taken == 0 && connection->in_length == sizeof connection->in))
			return false;
		if (taken == 0)
			return true;
		consume(connection, (size_t)taken);
		hello_body_begin(&connection->body, &connection->request);
		connection->step = STEP_BODY;
		if (connection->request.expect_continue && !connection->body.done)
			(void)send(connection->fd, proceed, sizeof proceed - 1, MSG_NOSIGNAL);
	}
	taken = hello_body_feed(&connection->body, connection->in, connection->in_length);
	if (taken < 0)
		return false;
	consume(connection, (size_t)taken);
	if (!connection->body.done)
		return true;
	delay_ms = hello_delay_ms(&connection->request);
	connection->step = STEP_DELAY;
	connection->due_ms = hello_now_ms() + delay_ms;
	if (!delay_ms)
		begin_answer(server, connection);
	return true;
}

/* Says one message again. False: no WebSocket. An upgraded connection outlives the end of the server until
 * its client closes it. */
static bool take_frame(struct hello_connection *connection)
{
	bool close_it = false;
	long taken = hello_websocket_frame(connection->in, connection->in_length, connection->out,
									   &connection->out_length, &close_it);

	if (taken <= 0)
		return taken == 0;
	consume(connection, (size_t)taken);
	connection->out_at = 0;
	connection->step = STEP_WRITE;
	if (close_it)
		connection->upgraded = connection->keep_alive = false;
	return true;
}

/* Goes on until bytes, room or time are needed. */
static void advance(struct hello_server *server, struct hello_connection *connection)
{
	enum step before;

	do {
		before = connection->step;
		if (connection->step == STEP_HEAD || connection->step == STEP_BODY) {
			if (!take_request(server, connection)) {
				drop(server, connection);
				return;
			}
		} else if (connection->step == STEP_FRAMES) {
			if (!take_frame(connection)) {
				drop(server, connection);
				return;
			}
		} else if (connection->step == STEP_WRITE && !write_out(server, connection)) {
			return;
		}
	} while (connection->step != before);
	watch(server, connection);
}

void hello_connection_event(struct hello_server *server, struct hello_connection *connection, uint32_t events)
{
	if (events & (EPOLLERR | EPOLLHUP)) {
		drop(server, connection);
		return;
	}
	if (events & EPOLLIN) {
		ssize_t got = recv(connection->fd, connection->in + connection->in_length,
						   sizeof connection->in - connection->in_length, 0);

		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			return;
		if (got <= 0) {
			drop(server, connection);
			return;
		}
		connection->in_length += (size_t)got;
		connection->due_ms = hello_now_ms() + HELLO_IDLE_MS;
	}
	advance(server, connection);
}

/* Between two requests, and the next one has not even begun to arrive. */
static bool is_idle(const struct hello_connection *connection)
{
	char byte;

	return connection->step == STEP_HEAD && !connection->in_length &&
		   recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

int hello_connection_timers(struct hello_server *server)
{
	int64_t now_ms = hello_now_ms();
	int64_t next_ms = INT64_MAX;
	struct hello_connection *following;

	for (struct hello_connection *connection = server->connections; connection; connection = following) {
		following = connection->next;
		if (connection->step == STEP_DELAY && connection->due_ms <= now_ms) {
			begin_answer(server, connection);
			advance(server, connection);
		} else if (connection->due_ms <= now_ms || (server->ending && is_idle(connection))) {
			drop(server, connection);
		} else if (connection->due_ms < next_ms) {
			next_ms = connection->due_ms;
		}
	}
	return next_ms == INT64_MAX ? -1 : next_ms - now_ms > 60000 ? 60000 : (int)(next_ms - now_ms);
}
