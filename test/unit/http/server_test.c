/* The server over real sockets: the loop runs in the test's thread, a client thread speaks raw bytes.
 *
 * Handler: /echo answers at once, /later after 20 ms, /twice streams two pieces, /flood streams until its
 * peer has taken 4 MiB, /wait streams nothing and waits to be told that the peer is gone, /slow is answered
 * by nobody until the server stops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "http/http_query.h"
#include "http/http_server.h"

#define BODY_MAX 1000
#define LARGE_BODY_MAX (25U << 20) /* of /large */
#define FLOOD_BYTES (4U << 20)

struct fixture {
	uv_loop_t loop;
	struct http_server *server;
	int port;
	int handled;
	int gone;
	size_t flooded;
	size_t pending_max;
	bool hasty; /* deadlines that a case can wait for; else none that a busy machine reaches */
	unsigned connections_max;
	bool stopped;
	uv_async_t done;
	void (*client)(struct fixture *fixture);
	char failure[1024]; /* first one seen by the client thread, where cmocka's jumps must not be used */
};

static void failed(struct fixture *fixture, const char *format, ...) HC_PRINTF(2, 3);

static void failed(struct fixture *fixture, const char *format, ...)
{
	va_list arguments;

	if (fixture->failure[0])
		return;
	va_start(arguments, format);
	vsnprintf(fixture->failure, sizeof(fixture->failure), format, arguments);
	va_end(arguments);
}

#define EXPECT(condition)                                                                                    \
	((condition) ? (void)0 : failed(fixture, "line %d: %s does not hold", __LINE__, #condition))

/* --- the handler --- */

static void reply_text(struct http_request *request, const char *text, size_t length)
{
	struct http_header header = {"X-Line", "one\r\nX-Evil: two"};

	http_reply(request, &(struct http_reply){.status = 200,
											 .content_type = "text/plain",
											 .body = text,
											 .length = length,
											 .headers = &header,
											 .header_count = 1});
}

static void timer_closed(uv_handle_t *handle)
{
	free(handle);
}

static void later(uv_timer_t *timer)
{
	reply_text(timer->data, "later", 5);
	uv_close((uv_handle_t *)timer, timer_closed);
}

static void second_piece(uv_timer_t *timer)
{
	struct http_request *request = timer->data;

	http_stream_write(request, "two\n", 4);
	http_stream_end(request);
	uv_close((uv_handle_t *)timer, timer_closed);
}

static void start_timer(struct fixture *fixture, struct http_request *request, uv_timer_cb callback)
{
	uv_timer_t *timer = hc_xalloc(sizeof(*timer));

	uv_timer_init(&fixture->loop, timer);
	timer->data = request;
	uv_timer_start(timer, callback, 20, 0);
}

static void gone(struct http_request *request)
{
	struct fixture *fixture = http_request_payload(request);

	fixture->gone++;
	http_stream_end(request);
}

static void gone_slow(struct http_request *request)
{
	struct fixture *fixture = http_request_payload(request);

	fixture->gone++;
	reply_text(request, "stopping", 8);
}

static void flood(struct http_request *request)
{
	static const char piece[32768];
	struct fixture *fixture = http_request_payload(request);

	if (fixture->flooded >= FLOOD_BYTES) {
		http_stream_end(request);
		return;
	}
	http_stream_write(request, piece, sizeof(piece));
	fixture->flooded += sizeof(piece);
	if (http_stream_pending_bytes(request) > fixture->pending_max)
		fixture->pending_max = http_stream_pending_bytes(request);
}

static size_t limit_of(const char *method, const char *target, void *payload)
{
	(void)payload;
	return hc_streq(method, "POST") && hc_streq(target, "/large") ? LARGE_BODY_MAX : BODY_MAX;
}

static void handle(struct http_request *request, void *payload)
{
	struct fixture *fixture = payload;
	const char *target = http_request_target(request);
	struct http_reply head = {.status = 200, .content_type = "text/plain"};
	size_t length = 0;

	fixture->handled++;
	http_request_set_payload(request, fixture);
	if (hc_starts_with(target, "/echo")) {
		const char *body = http_request_body(request, &length);
		reply_text(request, body, length);
	} else if (hc_streq(target, "/later")) {
		start_timer(fixture, request, later);
	} else if (hc_streq(target, "/twice")) {
		http_stream_begin(request, &head);
		http_stream_write(request, "one\n", 4);
		start_timer(fixture, request, second_piece);
	} else if (hc_streq(target, "/wait")) {
		http_request_on_gone(request, gone);
		http_stream_begin(request, &head);
	} else if (hc_streq(target, "/cut")) {
		http_stream_begin(request, &head);
		http_stream_write(request, "half", 4);
		http_stream_cut(request);
	} else if (hc_streq(target, "/flood")) {
		http_stream_on_drained(request, flood);
		http_stream_begin(request, &head);
		flood(request);
	} else if (hc_streq(target, "/slow")) {
		http_request_on_gone(request, gone_slow);
	} else {
		http_reply(request, &(struct http_reply){.status = 404, .body = "{}", .length = 2});
	}
}

/* --- the client --- */

static int client_connect(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		abort();
	return fd;
}

static void client_send(int fd, const char *text)
{
	size_t length = strlen(text);

	while (length > 0) {
		ssize_t sent = send(fd, text, length, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		text += sent;
		length -= (size_t)sent;
	}
}

/* Reads until the server closes, until `until` was seen, or for 3 s. Caller frees. */
static char *client_read(int fd, const char *until)
{
	struct hc_text text = {0};
	char buffer[65536];
	int64_t deadline = hc_clock_boot_ms() + 3000;

	while (!until || !strstr(hc_text_string(&text), until)) {
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
		if (hc_clock_boot_ms() > deadline || poll(&poll_fd, 1, 500) < 0)
			break;
		if (!poll_fd.revents)
			continue;
		ssize_t count = recv(fd, buffer, sizeof(buffer), 0);
		if (count <= 0)
			break;
		hc_text_append_bytes(&text, buffer, (size_t)count);
	}
	return text.data ? hc_text_take(&text) : hc_xstrdup("");
}

static char *exchange(int port, const char *bytes, const char *until)
{
	int fd = client_connect(port);

	client_send(fd, bytes);
	char *answer = client_read(fd, until);
	close(fd);
	return answer;
}

static int count_served(const char *text)
{
	int count = 0;

	for (const char *at = strstr(text, "HTTP/1.1 200"); at; at = strstr(at + 1, "HTTP/1.1 200"))
		count++;
	return count;
}

/* --- the frame --- */

static void *client_thread(void *payload)
{
	struct fixture *fixture = payload;

	fixture->client(fixture);
	uv_async_send(&fixture->done);
	return NULL;
}

static void stopped(void *payload)
{
	struct fixture *fixture = payload;

	fixture->stopped = true;
	fixture->server = NULL;
}

static void client_done(uv_async_t *async)
{
	struct fixture *fixture = async->data;

	uv_close((uv_handle_t *)async, NULL);
	if (fixture->server)
		http_server_stop(fixture->server, 1000, stopped, fixture);
}

static void play(struct fixture *fixture, void (*client)(struct fixture *))
{
	struct http_server_options options = {
		.loop = &fixture->loop,
		.listen = "127.0.0.1:0",
		.handler = handle,
		.payload = fixture,
		.body_bytes_max = BODY_MAX,
		.body_limit = limit_of,
		.header_deadline_ms = fixture->hasty ? 200 : 20000,
		.body_deadline_ms = fixture->hasty ? 200 : 20000,
		.idle_deadline_ms = fixture->hasty ? 400 : 20000,
		.connections_max = fixture->connections_max,
	};
	struct hc_error err = {0};
	pthread_t thread;

	signal(SIGPIPE, SIG_IGN);
	fixture->client = client;
	uv_loop_init(&fixture->loop);
	if (http_server_start(&options, &fixture->server, &err))
		fail_msg("%s", err.text);
	fixture->port = http_server_port(fixture->server);
	uv_async_init(&fixture->loop, &fixture->done, client_done);
	fixture->done.data = fixture;
	assert_int_equal(pthread_create(&thread, NULL, client_thread, fixture), 0);
	uv_run(&fixture->loop, UV_RUN_DEFAULT);
	pthread_join(thread, NULL);
	if (fixture->failure[0])
		fail_msg("%s", fixture->failure);
	assert_true(fixture->stopped);
	assert_int_equal(uv_loop_close(&fixture->loop), 0);
}

/* --- cases --- */

struct vector {
	const char *name;
	const char *bytes;
	const char *begins; /* of the first answer */
	int served;         /* answers with 200: a smuggled request must have none */
	int handled;
};

#define GET_ECHO "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"
#define LAST "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

static const struct vector vectors[] = {
	{"two requests", GET_ECHO LAST, "HTTP/1.1 200", 2, 2},
	{"length and encoding",
	 "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: "
	 "chunked\r\n\r\n0\r\n\r\n" GET_ECHO,
	 "HTTP/1.1 400", 0, 0},
	{"two lengths",
	 "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 33\r\n\r\n" GET_ECHO,
	 "HTTP/1.1 400", 0, 0},
	{"two hosts", "GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" GET_ECHO, "HTTP/1.1 400", 0, 0},
	{"no host", "GET /echo HTTP/1.1\r\n\r\n" GET_ECHO, "HTTP/1.1 400", 0, 0},
	{"blank before colon", "GET /echo HTTP/1.1\r\nHost : a\r\n\r\n" GET_ECHO, "HTTP/1.1 400", 0, 0},
	{"encoding in disguise",
	 "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" GET_ECHO,
	 "HTTP/1.1 501", 0, 0},
	{"negative length", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n" GET_ECHO,
	 "HTTP/1.1 400", 0, 0},
	{"too large", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4001\r\n\r\n", "HTTP/1.1 413", 0, 0},
	{"bad chunk", "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	 "HTTP/1.1 400", 0, 0},
};

static void client_vectors(struct fixture *fixture)
{
	for (size_t index = 0; index < HC_COUNT(vectors); index++) {
		const struct vector *it = &vectors[index];
		int before = fixture->handled;
		HC_AUTO_FREE answer = exchange(fixture->port, it->bytes, NULL);

		if (!hc_starts_with(answer, it->begins) || count_served(answer) != it->served ||
			fixture->handled - before != it->handled)
			failed(fixture, "%s: served %d, handled %d: %.300s", it->name, count_served(answer),
				   fixture->handled - before, answer);
	}
}

static void client_answers(struct fixture *fixture)
{
	HC_AUTO_FREE echo = exchange(fixture->port,
								 "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
								 "Content-Length: 5\r\n\r\nhello",
								 NULL);
	EXPECT(hc_ends_with(echo, "\r\n\r\nhello"));
	EXPECT(!strstr(echo, "\nX-Evil"));
	HC_AUTO_FREE chunked = exchange(fixture->port,
									"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
									"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
									NULL);
	EXPECT(hc_ends_with(chunked, "\r\n\r\nhello"));
	HC_AUTO_FREE late = exchange(fixture->port, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n" LAST, NULL);
	EXPECT(strstr(late, "\r\n\r\nlater"));
	EXPECT(count_served(late) == 2);
	HC_AUTO_FREE twice = exchange(fixture->port,
								  "GET /twice HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", NULL);
	EXPECT(strstr(twice, "\r\n4\r\none\n\r\n4\r\ntwo\n\r\n0\r\n\r\n"));
	HC_AUTO_FREE cut = exchange(fixture->port, "GET /cut HTTP/1.1\r\nHost: a\r\n\r\n", NULL);
	EXPECT(!strstr(cut, "\r\n0\r\n\r\n"));
	HC_AUTO_FREE none = exchange(fixture->port, "GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
								 NULL);
	EXPECT(hc_starts_with(none, "HTTP/1.1 404"));
}

static void client_endless_body(struct fixture *fixture)
{
	int fd = client_connect(fixture->port);
	char chunk[600];

	client_send(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
	memset(chunk, 'x', sizeof(chunk));
	memcpy(chunk, "200\r\n", 5);
	chunk[5 + 0x200] = '\0';
	for (int index = 0; index < 3; index++) {
		client_send(fd, chunk);
		client_send(fd, "\r\n");
	}
	client_send(fd, "0\r\n\r\n");
	HC_AUTO_FREE answer = client_read(fd, NULL);
	close(fd);
	EXPECT(hc_starts_with(answer, "HTTP/1.1 413"));
	EXPECT(fixture->handled == 0);
}

/* Sends a head and as much of a body. */
static int begin_large(struct fixture *fixture, const char *target, size_t announced, size_t sent)
{
	HC_AUTO_FREE head = hc_xprintf(
		"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", target, announced);
	HC_AUTO_FREE body = hc_xalloc(sent + 1);
	int fd = client_connect(fixture->port);

	memset(body, 'x', sent);
	client_send(fd, head);
	client_send(fd, body);
	return fd;
}

static char *read_and_close(int fd)
{
	char *answer = client_read(fd, NULL);

	close(fd);
	return answer;
}

static void client_large_bodies(struct fixture *fixture)
{
	size_t most = LARGE_BODY_MAX;
	HC_AUTO_FREE whole = read_and_close(begin_large(fixture, "/large", most, most));
	HC_AUTO_FREE more = read_and_close(begin_large(fixture, "/large", most + 1, most + 1));
	HC_AUTO_FREE other = read_and_close(begin_large(fixture, "/other", BODY_MAX + 1, BODY_MAX + 1));

	EXPECT(hc_starts_with(whole, "HTTP/1.1 404"));
	EXPECT(fixture->handled == 1);
	EXPECT(hc_starts_with(more, "HTTP/1.1 413"));
	EXPECT(hc_starts_with(other, "HTTP/1.1 413"));
	EXPECT(fixture->handled == 1);
}

/* Bodies that stay unfinished hold room; who comes then is asked to come again, and room comes back. */
static void client_many_large_bodies(struct fixture *fixture)
{
	size_t most = LARGE_BODY_MAX;
	int fds[4];

	for (size_t index = 0; index < HC_COUNT(fds); index++)
		fds[index] = begin_large(fixture, "/large", most, most - 1);
	HC_AUTO_FREE busy = read_and_close(begin_large(fixture, "/large", most, most));
	for (size_t index = 0; index < HC_COUNT(fds); index++)
		close(fds[index]);
	EXPECT(hc_starts_with(busy, "HTTP/1.1 503"));
	EXPECT(fixture->handled == 0);
	for (int tries = 0; tries < 50 && fixture->handled == 0; tries++) {
		HC_AUTO_FREE again = read_and_close(begin_large(fixture, "/large", most, most));
		EXPECT(hc_starts_with(again, "HTTP/1.1 404") || hc_starts_with(again, "HTTP/1.1 503"));
	}
	EXPECT(fixture->handled == 1);
}

static void client_deadlines(struct fixture *fixture)
{
	static const struct {
		const char *name;
		const char *head;
		int least_ms;
	} drips[] = {
		{"nothing", "", 150},
		{"head", "GET /echo HTTP/1.1\r\nX: ", 150},
		{"body", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n", 150},
	};

	for (size_t index = 0; index < HC_COUNT(drips); index++) {
		int fd = client_connect(fixture->port);
		int64_t begin = hc_clock_boot_ms();
		bool closed = false;
		client_send(fd, drips[index].head);
		while (!closed && hc_clock_boot_ms() - begin < 2000) {
			struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
			char byte;
			poll(&poll_fd, 1, 20);
			if (poll_fd.revents)
				closed = recv(fd, &byte, 1, 0) <= 0;
			else if (index > 0)
				client_send(fd, "a"); /* a drip is not idle */
		}
		int64_t took = hc_clock_boot_ms() - begin;
		close(fd);
		if (!closed || took < drips[index].least_ms || took > 1500)
			failed(fixture, "%s: closed %d after %lld ms", drips[index].name, closed, (long long)took);
	}
	EXPECT(fixture->handled == 0);
}

static void client_leaves(struct fixture *fixture)
{
	int fds[20];

	for (size_t index = 0; index < HC_COUNT(fds); index++) {
		fds[index] = client_connect(fixture->port);
		client_send(fds[index], "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
		HC_AUTO_FREE head = client_read(fds[index], "\r\n\r\n");
		EXPECT(hc_starts_with(head, "HTTP/1.1 200"));
	}
	for (size_t index = 0; index < HC_COUNT(fds); index++)
		close(fds[index]);
	int64_t begin = hc_clock_boot_ms();
	while (__atomic_load_n(&fixture->gone, __ATOMIC_RELAXED) < (int)HC_COUNT(fds) &&
		   hc_clock_boot_ms() - begin < 3000)
		usleep(2000);
	EXPECT(fixture->gone == (int)(HC_COUNT(fds)));
	/* A peer that leaves before a late answer: the answer goes nowhere, nothing breaks. */
	int fd = client_connect(fixture->port);
	client_send(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
	close(fd);
}

static void client_slow_reader(struct fixture *fixture)
{
	int fd = client_connect(fixture->port);

	client_send(fd, "GET /flood HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	usleep(100000);
	char buffer[65536];
	size_t total = 0;
	for (ssize_t count; (count = recv(fd, buffer, sizeof(buffer), 0)) > 0;)
		total += (size_t)count;
	close(fd);
	EXPECT(total > FLOOD_BYTES);
	EXPECT(fixture->pending_max <= 32768);
}

/* Streams and unanswered requests are open when the server stops: both end in order. */
static int stop_fd[2];

#define PLACES 16
#define CROWD 300 /* more than the server lets in and has told to leave, together */

/* Silent ones, ones that drip a head and ones that drip a body, many more than there are places. */
static void client_crowd(struct fixture *fixture)
{
	static const char *const beginnings[] = {
		"", "GET /echo HTTP/1.1\r\nX: ", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\nx"};
	int fds[CROWD];
	int busy = client_connect(fixture->port);

	/* What is being answered keeps its place. */
	client_send(busy, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
	while (__atomic_load_n(&fixture->handled, __ATOMIC_RELAXED) < 1)
		usleep(1000);
	for (size_t index = 0; index < CROWD; index++) {
		fds[index] = client_connect(fixture->port);
		client_send(fds[index], beginnings[index % HC_COUNT(beginnings)]);
		if (index % 50)
			continue;
		int64_t begun_ms = hc_clock_boot_ms();
		HC_AUTO_FREE answer = exchange(fixture->port, LAST, NULL);
		EXPECT(count_served(answer) == 1);
		EXPECT(hc_clock_boot_ms() - begun_ms < 10000); /* not one of their deadlines */
	}
	/* The last ones to come still are heard, and soon. */
	int64_t asked_ms = hc_clock_boot_ms();
	client_send(fds[CROWD - 3], LAST);
	HC_AUTO_FREE late = client_read(fds[CROWD - 3], NULL);
	EXPECT(count_served(late) == 1);
	EXPECT(hc_clock_boot_ms() - asked_ms < 10000);
	EXPECT(fixture->gone == 0);
	for (size_t index = 0; index < CROWD; index++)
		close(fds[index]);
	stop_fd[0] = busy;
}

static void client_leaves_open(struct fixture *fixture)
{
	stop_fd[0] = client_connect(fixture->port);
	client_send(stop_fd[0], "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
	HC_AUTO_FREE head = client_read(stop_fd[0], "\r\n\r\n");
	stop_fd[1] = client_connect(fixture->port);
	client_send(stop_fd[1], "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
	while (__atomic_load_n(&fixture->handled, __ATOMIC_RELAXED) < 2)
		usleep(1000);
}

static void vectors_are_refused(void **state)
{
	struct fixture fixture = {0};

	(void)state;
	play(&fixture, client_vectors);
}

static void answers_arrive(void **state)
{
	struct fixture fixture = {0};

	(void)state;
	play(&fixture, client_answers);
}

static void endless_body_is_413(void **state)
{
	struct fixture fixture = {0};

	(void)state;
	play(&fixture, client_endless_body);
}

static void a_route_may_take_more(void **state)
{
	struct fixture fixture = {0};

	(void)state;
	play(&fixture, client_large_bodies);
}

static void large_bodies_share_their_room(void **state)
{
	struct fixture fixture = {0};

	(void)state;
	play(&fixture, client_many_large_bodies);
}

static void drips_are_cut(void **state)
{
	struct fixture fixture = {.hasty = true};

	(void)state;
	play(&fixture, client_deadlines);
}

static void leaving_peers_are_noticed(void **state)
{
	struct fixture fixture = {0};

	(void)state;
	play(&fixture, client_leaves);
}

static void slow_readers_hold_the_writer_back(void **state)
{
	struct fixture fixture = {0};

	(void)state;
	play(&fixture, client_slow_reader);
}

static void a_stop_ends_streams_in_order(void **state)
{
	struct fixture fixture = {0};

	(void)state;
	play(&fixture, client_leaves_open);
	HC_AUTO_FREE stream = client_read(stop_fd[0], NULL);
	HC_AUTO_FREE answer = client_read(stop_fd[1], NULL);
	close(stop_fd[0]);
	close(stop_fd[1]);
	assert_int_equal(fixture.gone, 2);
	assert_string_equal(stream, "0\r\n\r\n");
	assert_true(hc_ends_with(answer, "stopping"));
}

static void a_crowd_keeps_nobody_out(void **state)
{
	struct fixture fixture = {.connections_max = PLACES};

	(void)state;
	play(&fixture, client_crowd);
	HC_AUTO_FREE answer = client_read(stop_fd[0], NULL);
	close(stop_fd[0]);
	assert_true(hc_ends_with(answer, "stopping"));
}

static void bad_addresses_are_refused(void **state)
{
	static const char *const addresses[] = {"6443", "127.0.0.1:http", "no such host:1", "unix:"};
	uv_loop_t loop;

	(void)state;
	uv_loop_init(&loop);
	for (size_t index = 0; index < HC_COUNT(addresses); index++) {
		struct http_server_options options = {.loop = &loop, .listen = addresses[index], .handler = handle};
		struct http_server *server = NULL;
		struct hc_error err = {0};
		if (http_server_start(&options, &server, &err) == 0)
			fail_msg("%s was accepted", addresses[index]);
		assert_non_null(strstr(err.text, addresses[index]));
	}
	uv_loop_close(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_are_refused),           cmocka_unit_test(answers_arrive),
		cmocka_unit_test(endless_body_is_413),           cmocka_unit_test(drips_are_cut),
		cmocka_unit_test(leaving_peers_are_noticed),     cmocka_unit_test(slow_readers_hold_the_writer_back),
		cmocka_unit_test(a_stop_ends_streams_in_order),  cmocka_unit_test(bad_addresses_are_refused),
		cmocka_unit_test(a_crowd_keeps_nobody_out),      cmocka_unit_test(a_route_may_take_more),
		cmocka_unit_test(large_bodies_share_their_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
