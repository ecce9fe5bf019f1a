/* What the transport makes of an engine that misbehaves: a thread on a unix socket gives prepared answers,
 * one a connection. What a good engine answers is in docker_engine_test. */
#include "../cmocka_all.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "docker/docker_internal.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PING "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK"
#define JSON_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"

struct engine {
	const char
		*answers[4]; /* of the first, second, … connection; NULL: none is given and the line stays open */
	char requests[4][512];
	char folder[32];
	char path[64];
	pthread_t thread;
	struct docker *docker;
	struct hc_arena *arena;
	size_t count;  /* of prepared answers */
	size_t repeat; /* the last answer's body is this many bytes of 'a' more */
	int fd;
};

static void *serve(void *payload)
{
	struct engine *engine = payload;
	int held[4];
	size_t held_count = 0;

	for (size_t index = 0; index < engine->count; index++) {
		int fd = accept4(engine->fd, NULL, NULL, SOCK_CLOEXEC);
		const char *answer = engine->answers[index];
		ssize_t got;

		if (fd < 0)
			break;
		got = recv(fd, engine->requests[index], sizeof engine->requests[index] - 1, 0);
		if (!answer || got <= 0) {
			held[held_count++] = fd;
			continue;
		}
		(void)send(fd, answer, strlen(answer), MSG_NOSIGNAL);
		if (index + 1 == engine->count && engine->repeat) {
			char block[65536];

			memset(block, 'a', sizeof block);
			for (size_t sent = 0; sent < engine->repeat; sent += sizeof block)
				if (send(fd, block, sizeof block, MSG_NOSIGNAL) < 0)
					break;
		}
		(void)close(fd);
	}
	if (held_count) { /* until the test shuts the listener */
		int fd = accept4(engine->fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			(void)close(fd);
	}
	while (held_count)
		(void)close(held[--held_count]);
	return NULL;
}

static void begin(struct engine *engine)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	HC_AUTO_FREE host = NULL;
	struct hc_error err;

	(void)snprintf(engine->folder, sizeof engine->folder, "/tmp/helvetia-engine-XXXXXX");
	assert_non_null(mkdtemp(engine->folder));
	(void)snprintf(engine->path, sizeof engine->path, "%s/s", engine->folder);
	memcpy(address.sun_path, engine->path, strlen(engine->path) + 1);
	engine->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(engine->fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(engine->fd, 8), 0);
	while (engine->count < HC_COUNT(engine->answers) && engine->answers[engine->count])
		engine->count++;
	engine->arena = hc_arena_new();
	host = hc_xprintf("unix://%s", engine->path);
	assert_int_equal(docker_open(host, &engine->docker, &err), 0);
}

static void run(struct engine *engine)
{
	begin(engine);
	assert_int_equal(pthread_create(&engine->thread, NULL, serve, engine), 0);
}

/* After the answers one more connection that gets none. */
static void run_silent(struct engine *engine)
{
	begin(engine);
	engine->count++;
	assert_int_equal(pthread_create(&engine->thread, NULL, serve, engine), 0);
}

static void end(struct engine *engine)
{
	struct hc_error err;

	(void)shutdown(engine->fd, SHUT_RDWR);
	assert_int_equal(pthread_join(engine->thread, NULL), 0);
	(void)close(engine->fd);
	docker_close(engine->docker);
	hc_arena_free(engine->arena);
	assert_int_equal(hc_folder_remove(engine->folder, &err), 0);
}

static void expect(const struct hc_error *err, enum hc_class class, const char *text)
{
	if (err->class != class || !strstr(err->text, text))
		fail_msg("%s: %s", hc_class_name(err->class), err->text);
}

static void test_request(void **state)
{
	struct engine engine = {.answers = {PING, JSON_HEAD "\r\n{\"Id\":\"i\"}"}};
	struct docker_network_config config = {.name = "n", .subnet = "10.0.0.0/24"};
	struct hc_error err = {0};
	const char *id = NULL;

	(void)state;
	run(&engine);
	assert_int_equal(docker_network_create(engine.docker, engine.arena, &config, &id, &err), 0);
	assert_string_equal(id, "i");
	end(&engine);
	assert_memory_equal(engine.requests[0], "GET /_ping HTTP/1.1\r\n", 21);
	assert_memory_equal(engine.requests[1], "POST /v1.41/networks/create HTTP/1.1\r\n", 38);
	assert_non_null(strstr(engine.requests[1], "\r\nContent-Type: application/json\r\n"));
	assert_null(strstr(engine.requests[1], "Expect:"));
}

static void test_version(void **state)
{
	struct engine old = {.answers = {"HTTP/1.1 200 OK\r\nApi-Version: 1.40\r\nContent-Length: 0\r\n\r\n"}};
	struct engine none = {.answers = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}};
	struct engine next = {.answers = {"HTTP/1.1 200 OK\r\napi-version: 1.56\r\nContent-Length: 0\r\n"
									  "Connection: close\r\n\r\n",
									  JSON_HEAD "\r\n[]"}};
	struct docker_network *list;
	struct hc_error err = {0};
	size_t count;

	(void)state;
	run(&old);
	assert_int_equal(docker_network_list(old.docker, old.arena, &list, &count, &err), -1);
	expect(&err, HC_INVALID, "speaks API 1.40, needed is 1.41 (Docker Engine 20.10) or later");
	end(&old);
	run(&none);
	assert_int_equal(docker_ping(none.docker, &err), -1);
	expect(&err, HC_INVALID, "which is no version");
	end(&none);
	run(&next);
	assert_int_equal(docker_network_list(next.docker, next.arena, &list, &count, &err), 0);
	assert_int_equal(count, 0);
	end(&next);
	assert_memory_equal(next.requests[1], "GET /v1.47/networks ", 20);
}

static void test_bad_answers(void **state)
{
	static const struct {
		const char *answer;
		enum hc_class class;
		const char *text;
	} rows[] = {
		{JSON_HEAD "\r\n<html>", HC_BUG, "GET /containers/x/json: the engine's answer is no JSON"},
		{JSON_HEAD "\r\n{}", HC_BUG, "gave no id"},
		{JSON_HEAD "\r\n[[[", HC_BUG, "no JSON"},
		{JSON_HEAD "Content-Length: 100\r\n\r\n{", HC_TRANSIENT, "broke"},
		{"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n{\"message\":\"No such container: x\"}",
		 HC_NOT_FOUND, "GET /containers/x/json: No such container: x (404)"},
		{"HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\nplain words", HC_TRANSIENT, "plain words (500)"},
		{"HTTP/1.1 503 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", HC_TRANSIENT,
		 "no message (503)"},
		{"HTTP/1.1 301 Moved\r\nLocation: /other\r\nConnection: close\r\n\r\n", HC_TRANSIENT, "(301)"},
		{"nonsense\r\n\r\n", HC_TRANSIENT, "GET /containers/x/json"},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		struct engine engine = {.answers = {PING, rows[index].answer}};
		struct docker_container container;
		struct hc_error err = {0};

		run(&engine);
		assert_int_equal(docker_container_inspect(engine.docker, engine.arena, "x", &container, &err), -1);
		expect(&err, rows[index].class, rows[index].text);
		end(&engine);
	}
}

static void test_limits(void **state)
{
	struct engine large = {.answers = {PING, JSON_HEAD "\r\n\""}, .repeat = HC_LIMIT_DOCKER_ANSWER_BYTES};
	struct engine refusal = {.answers = {PING, "HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\n"},
							 .repeat = 2 * HC_LIMIT_DOCKER_ERROR_BYTES};
	struct docker_container container;
	struct hc_error err = {0};

	(void)state;
	run(&large);
	assert_int_equal(docker_container_inspect(large.docker, large.arena, "x", &container, &err), -1);
	expect(&err, HC_BUG, "larger than its limit");
	end(&large);
	run(&refusal);
	assert_int_equal(docker_container_inspect(refusal.docker, refusal.arena, "x", &container, &err), -1);
	expect(&err, HC_BUG, "larger than its limit");
	end(&refusal);
}

static void test_time_out(void **state)
{
	struct engine engine = {.answers = {PING}};
	struct docker_request request = {.method = "GET", .path = "/info", .timeout_ms = 100};
	struct hc_error err = {0};

	(void)state;
	run_silent(&engine);
	assert_int_equal(docker_perform(engine.docker, &request, NULL, &err), -1);
	expect(&err, HC_TRANSIENT, "did not answer in time");
	end(&engine);
}

static int see(const struct docker_event *event, void *payload)
{
	int *count = payload;

	assert_string_equal(event->name, "shop");
	assert_int_equal(event->time_nano, 1700000000123456789);
	return ++*count == 2;
}

static void count_subscribed(void *payload)
{
	*(int *)payload += 100;
}

#define EVENT                                                                                                \
	"{\"Type\":\"container\",\"Action\":\"start\",\"timeNano\":1700000000123456789,"                         \
	"\"Actor\":{\"ID\":\"i\",\"Attributes\":{\"name\":\"shop\"}}}\n"

static void test_events(void **state)
{
	static const struct {
		const char *answer;
		int count;
		enum hc_class class;
		const char *text;
	} rows[] = {
		{JSON_HEAD "\r\n" EVENT, 101, HC_TRANSIENT, "the engine ended the stream"},
		{JSON_HEAD "\r\n" EVENT "{\"Type\":", 101, HC_TRANSIENT, "the engine ended the stream"},
		{JSON_HEAD "\r\n" EVENT "oops\n", 101, HC_BUG, "an event that is no JSON"},
		{JSON_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"Typ", 100, HC_TRANSIENT, "broke"},
		{"HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\n{\"message\":\"since\"}", 0, HC_INVALID,
		 "since (400)"},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		struct engine engine = {.answers = {PING, rows[index].answer}};
		struct hc_error err = {0};
		int count = 0;

		run(&engine);
		assert_int_equal(
			docker_events(engine.docker, NULL, 0, 5000000007, count_subscribed, see, &count, NULL, &err), -1);
		expect(&err, rows[index].class, rows[index].text);
		assert_int_equal(count, rows[index].count);
		end(&engine);
		assert_memory_equal(engine.requests[1], "GET /v1.41/events?since=5.000000007 ", 36);
	}
}

/* What the list says of health is in a text for people only. */
static void test_list_health(void **state)
{
	static const char *const rows[][2] = {
		{"Up 3 minutes (healthy)", "healthy"},          {"Up 3 minutes (unhealthy)", "unhealthy"},
		{"Up 1 second (health: starting)", "starting"}, {"Up 2 hours (Paused)", "none"},
		{"Exited (0) 5 seconds ago", "none"},           {"Up 2 hours", "none"}};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(rows); n++) {
		HC_AUTO_FREE answer = hc_xprintf(
			JSON_HEAD "\r\n[{\"Id\":\"i\",\"Names\":[\"/n\"],\"Status\":\"%s\"}]", rows[n][0]);
		struct engine engine = {.answers = {PING, answer}};
		struct docker_container *list;
		size_t count = 0;
		struct hc_error err = {0};

		run(&engine);
		assert_int_equal(docker_container_list(engine.docker, engine.arena, NULL, 0, &list, &count, &err), 0);
		assert_int_equal(count, 1);
		assert_string_equal(list[0].health, rows[n][1]);
		end(&engine);
	}
}

/* stop ends a stream in which nothing comes, and reading ends it too. */
static void test_events_end(void **state)
{
	struct engine silent = {.answers = {PING}};
	struct engine chatty = {.answers = {PING, JSON_HEAD "\r\n" EVENT}};
	int stop = 1;
	int count = 1;
	struct hc_error err = {0};
	int64_t begin_ms = hc_clock_boot_ms();

	(void)state;
	run_silent(&silent);
	assert_int_equal(
		docker_events(silent.docker, NULL, 0, 0, NULL, see, &count, (const volatile int *)&stop, &err), -1);
	expect(&err, HC_CANCELED, "stopped");
	assert_in_range(hc_clock_boot_ms() - begin_ms, 0, 2000);
	end(&silent);
	run(&chatty);
	assert_int_equal(docker_events(chatty.docker, NULL, 0, 0, NULL, see, &count, NULL, &err), -1);
	expect(&err, HC_CANCELED, "stopped by the reader");
	assert_int_equal(count, 2);
	end(&chatty);
}

struct halt {
	int stop;
	int fd;
};

static void *halt_soon(void *payload)
{
	struct halt *halt = payload;
	const uint64_t one = 1;

	(void)poll(NULL, 0, 50); /* by then it waits; if it doesn't yet, it ends all the same */
	__atomic_store_n(&halt->stop, 1, __ATOMIC_RELEASE);
	return write(halt->fd, &one, sizeof one) == (ssize_t)sizeof one ? halt : NULL;
}

/* With a descriptor nothing is looked at by the clock, and the end comes at once. */
static void test_events_wake(void **state)
{
	struct engine silent = {.answers = {PING}};
	struct halt halt = {.fd = eventfd(0, EFD_CLOEXEC)};
	struct hc_error err = {0};
	int64_t begin_ms = hc_clock_boot_ms();
	pthread_t thread;
	void *halted;
	int count = 0;

	(void)state;
	run_silent(&silent);
	docker_wake_by(silent.docker, halt.fd);
	assert_int_equal(pthread_create(&thread, NULL, halt_soon, &halt), 0);
	assert_int_equal(
		docker_events(silent.docker, NULL, 0, 0, NULL, see, &count, (const volatile int *)&halt.stop, &err),
		-1);
	expect(&err, HC_CANCELED, "stopped");
	assert_in_range(hc_clock_boot_ms() - begin_ms, 0, DOCKER_STREAM_WAIT_MS / 4);
	assert_int_equal(pthread_join(thread, &halted), 0);
	assert_ptr_equal(halted, &halt);
	(void)close(halt.fd);
	end(&silent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),     cmocka_unit_test(test_version),
		cmocka_unit_test(test_bad_answers), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_time_out),    cmocka_unit_test(test_events),
		cmocka_unit_test(test_list_health), cmocka_unit_test(test_events_end),
		cmocka_unit_test(test_events_wake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
