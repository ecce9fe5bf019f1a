/* The prober against real sockets of this process, and what is read of Traefik's API. */
#include "controller/prober.h"
#include "controller/traefik.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_MS 4000

/* A server that answers each connection with the same bytes, on the prober's own loop. */
struct server {
	uv_loop_t loop;
	uv_tcp_t listener;
	const char *answer; /* NULL: close without a byte */
	char request[1024];
	int connections;
	int port;
	struct prober *prober;
	struct prober_interface interface;
	char woken[64];
	int wakes;
	uv_timer_t patience;
	bool impatient;
};

static void enqueue(const char *key, void *payload)
{
	struct server *server = payload;

	(void)snprintf(server->woken, sizeof server->woken, "%s", key);
	server->wakes++;
}

static void connection_closed(uv_handle_t *handle)
{
	free(handle);
}

static void written(uv_write_t *write, int status)
{
	(void)status;
	uv_close((uv_handle_t *)write->handle, connection_closed);
	free(write);
}

static void buffer(uv_handle_t *handle, size_t size, uv_buf_t *ret_buffer)
{
	struct server *server = handle->data;

	(void)size;
	*ret_buffer = uv_buf_init(server->request, sizeof server->request - 1);
}

static void got_request(uv_stream_t *stream, ssize_t length, const uv_buf_t *data)
{
	struct server *server = stream->data;
	uv_write_t *write;
	uv_buf_t answer;

	if (length <= 0 || !server->answer) {
		uv_close((uv_handle_t *)stream, connection_closed);
		return;
	}
	data->base[length] = '\0';
	(void)uv_read_stop(stream);
	write = malloc(sizeof *write);
	answer = uv_buf_init((char *)(uintptr_t)server->answer, (unsigned)strlen(server->answer));
	assert_int_equal(uv_write(write, stream, &answer, 1, written), 0);
}

static void accepted(uv_stream_t *listener, int status)
{
	struct server *server = listener->data;
	uv_tcp_t *connection = malloc(sizeof *connection);

	assert_int_equal(status, 0);
	server->connections++;
	(void)uv_tcp_init(&server->loop, connection);
	connection->data = server;
	assert_int_equal(uv_accept(listener, (uv_stream_t *)connection), 0);
	(void)uv_read_start((uv_stream_t *)connection, buffer, got_request);
}

static void server_begin(struct server *server, const char *answer)
{
	struct sockaddr_in address;
	int length = sizeof address;

	memset(server, 0, sizeof *server);
	server->answer = answer;
	(void)uv_loop_init(&server->loop);
	(void)uv_tcp_init(&server->loop, &server->listener);
	(void)uv_timer_init(&server->loop, &server->patience);
	server->listener.data = server;
	server->patience.data = server;
	(void)uv_ip4_addr("127.0.0.1", 0, &address);
	assert_int_equal(uv_tcp_bind(&server->listener, (const struct sockaddr *)&address, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&server->listener, 16, accepted), 0);
	(void)uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &length);
	server->port = ntohs(address.sin_port);
	server->prober = prober_new(
		&(struct prober_options){.loop = &server->loop, .enqueue = enqueue, .payload = server});
	server->interface = prober_interface(server->prober);
}

static void server_end(struct server *server)
{
	prober_close(server->prober);
	uv_close((uv_handle_t *)&server->listener, NULL);
	uv_close((uv_handle_t *)&server->patience, NULL);
	(void)uv_run(&server->loop, UV_RUN_DEFAULT);
	prober_free(server->prober);
	assert_int_equal(uv_loop_close(&server->loop), 0);
}

static void impatient(uv_timer_t *timer)
{
	((struct server *)timer->data)->impatient = true;
}

static struct probe_answer watch(struct server *server, const char *path, int port, int64_t started_ms)
{
	struct probe_answer answer;

	server->interface.watch(server->interface.self,
							&(struct probe_target){.container_id = "c1",
												   .address = "127.0.0.1",
												   .host = "shop.localhost",
												   .path = path,
												   .port = port,
												   .fast = true,
												   .started_wall_ms = started_ms,
												   .key = "service/u1"},
							&answer);
	return answer;
}

/* Runs the loop until the verdict has changed so often. */
static void run_until_wakes(struct server *server, int wakes)
{
	server->impatient = false;
	(void)uv_timer_start(&server->patience, impatient, PATIENCE_MS, 0);
	while (server->wakes < wakes && !server->impatient)
		(void)uv_run(&server->loop, UV_RUN_ONCE);
	assert_int_equal(server->wakes, wakes);
}

static void answers_give_verdicts(void **state)
{
	static const struct {
		const char *answer;
		const char *path;
		enum probe_verdict verdict;
		const char *message;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\n\r\nhello", NULL, PROBE_READY, "GET / on 127.0.0.1:%d answered 200"},
		{"HTTP/1.1 404 Not Found\r\n\r\n", NULL, PROBE_READY, "GET / on 127.0.0.1:%d answered 404"},
		{"HTTP/1.1 503 Busy\r\n\r\n", NULL, PROBE_NOT_READY, "GET / on 127.0.0.1:%d answered 503"},
		{"HTTP/1.1 204 Empty\r\n\r\n", "/healthz", PROBE_READY, "GET /healthz on 127.0.0.1:%d answered 204"},
		{"HTTP/1.1 404 Not Found\r\n\r\n", "/healthz", PROBE_NOT_READY,
		 "GET /healthz on 127.0.0.1:%d answered 404"},
		{"-ERR unknown command\r\n", NULL, PROBE_READY, "port %d accepts connections"},
		{"-ERR unknown command\r\n", "/healthz", PROBE_NOT_READY,
		 "GET /healthz on 127.0.0.1:%d: the answer is no HTTP"},
		{NULL, NULL, PROBE_READY, "port %d accepts connections"},
		{NULL, "/healthz", PROBE_NOT_READY, "GET /healthz on 127.0.0.1:%d: the answer is no HTTP"},
	};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(cases); n++) {
		struct server server;
		struct probe_answer answer;
		char message[160];

		server_begin(&server, cases[n].answer);
		assert_int_equal(watch(&server, cases[n].path, server.port, 1).verdict, PROBE_UNKNOWN);
		run_until_wakes(&server, 1);
		assert_string_equal(server.woken, "service/u1");
		answer = watch(&server, cases[n].path, server.port, 1);
		(void)snprintf(message, sizeof message, cases[n].message, server.port);
		assert_int_equal(answer.verdict, cases[n].verdict);
		assert_string_equal(answer.message, message);
		server_end(&server);
	}
}

static void the_request_names_the_public_host(void **state)
{
	struct server server;

	(void)state;
	server_begin(&server, "HTTP/1.1 200 OK\r\n\r\n");
	(void)watch(&server, "/x?y=1", server.port, 1);
	run_until_wakes(&server, 1);
	assert_string_equal(server.request,
						"GET /x?y=1 HTTP/1.1\r\nHost: shop.localhost\r\n"
						"User-Agent: helvetia-controller\r\nAccept: */*\r\nConnection: close\r\n\r\n");
	server_end(&server);
}

static void a_refused_connection_is_not_ready_until_somebody_listens(void **state)
{
	struct server server;
	struct server other;
	char message[64];
	int port;

	(void)state;
	server_begin(&other, NULL);
	port = other.port;
	server_end(&other); /* a port that nobody has */
	server_begin(&server, "HTTP/1.1 200 OK\r\n\r\n");
	(void)watch(&server, NULL, port, 1);
	run_until_wakes(&server, 1);
	(void)snprintf(message, sizeof message, "connection refused on port %d", port);
	assert_string_equal(watch(&server, NULL, port, 1).message, message);
	assert_int_equal(watch(&server, NULL, port, 1).verdict, PROBE_NOT_READY);
	/* Another port is another question; so is another start. */
	assert_int_equal(watch(&server, NULL, server.port, 1).verdict, PROBE_UNKNOWN);
	run_until_wakes(&server, 2);
	assert_int_equal(watch(&server, NULL, server.port, 1).verdict, PROBE_READY);
	assert_int_equal(watch(&server, NULL, server.port, 2).verdict, PROBE_UNKNOWN);
	run_until_wakes(&server, 3);
	server_end(&server);
}

static void a_target_that_breaks_the_request_is_never_sent(void **state)
{
	struct server server;

	(void)state;
	server_begin(&server, "HTTP/1.1 200 OK\r\n\r\n");
	(void)watch(&server, "/ HTTP/1.1\r\nX: y", server.port, 1);
	run_until_wakes(&server, 1);
	assert_int_equal(watch(&server, "/ HTTP/1.1\r\nX: y", server.port, 1).verdict, PROBE_NOT_READY);
	assert_int_equal(server.connections, 0);
	server_end(&server);
}

static void a_forgotten_target_is_asked_no_more(void **state)
{
	struct server server;

	(void)state;
	server_begin(&server, "HTTP/1.1 503 Busy\r\n\r\n");
	(void)watch(&server, NULL, server.port, 1);
	server.interface.forget(server.interface.self, "c1");
	server.interface.forget(server.interface.self, "c1");
	(void)uv_timer_start(&server.patience, impatient, 200, 0);
	while (!server.impatient)
		(void)uv_run(&server.loop, UV_RUN_ONCE);
	assert_int_equal(server.connections, 0);
	assert_int_equal(watch(&server, NULL, server.port, 1).verdict, PROBE_UNKNOWN);
	run_until_wakes(&server, 1);
	server_end(&server);
}

static void servers_of_traefik(void **state)
{
	static const struct {
		const char *json;
		int count; /* -1: refused */
		const char *first;
	} cases[] = {
		{"{\"loadBalancer\":{\"servers\":[{\"url\":\"http://10.213.0.5:3000\"},{\"url\":\"http://"
		 "10.213.0.6:3000\"}]},"
		 "\"status\":\"enabled\",\"serverStatus\":{\"http://10.213.0.5:3000\":\"UP\",\"http://"
		 "10.213.0.6:3000\":\"UP\"}}",
		 2, "10.213.0.5"},
		{"{\"loadBalancer\":{\"servers\":[{\"url\":\"http://10.213.0.5:3000\"},{\"url\":\"http://"
		 "10.213.0.6:3000\"}]},"
		 "\"serverStatus\":{\"http://10.213.0.5:3000\":\"DOWN\",\"http://10.213.0.6:3000\":\"UP\"}}",
		 1, "10.213.0.6"},
		{"{\"loadBalancer\":{\"servers\":[{\"url\":\"http://10.213.0.7:80\"}]}}", 1, "10.213.0.7"},
		{"{\"loadBalancer\":{}}", 0, NULL},
		{"{}", 0, NULL},
		{"[]", -1, NULL},
		{"", -1, NULL},
	};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(cases); n++) {
		HC_AUTO(hc_arena) arena = hc_arena_new();
		const char **addresses = NULL;
		size_t count = 0;
		int result = traefik_servers_parse(cases[n].json, strlen(cases[n].json), arena, &addresses, &count);

		assert_int_equal(result < 0 ? -1 : (int)count, cases[n].count);
		if (cases[n].first)
			assert_string_equal(addresses[0], cases[n].first);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_give_verdicts),
		cmocka_unit_test(the_request_names_the_public_host),
		cmocka_unit_test(a_refused_connection_is_not_ready_until_somebody_listens),
		cmocka_unit_test(a_target_that_breaks_the_request_is_never_sent),
		cmocka_unit_test(a_forgotten_target_is_asked_no_more),
		cmocka_unit_test(servers_of_traefik),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
