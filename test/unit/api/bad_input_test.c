/* Broken, hostile and enormous requests against the real program, byte by byte on its unix socket: each gets
 * the right status and a Status object, none costs memory for good, and nobody else waits for them. */
#include "cmocka_all.h"

#include "server_fixture.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SERVICES "/apis/helvetia.cloud/v1/namespaces/default/services"
#define HOST "Host: localhost\r\n"
#define ANSWER_MS 20000

static struct fixture fixture;

/* What is sent: head, then `count` times `unit` (NULL: nothing), then tail. {length} in head is replaced by
 * the length of all that follows it. */
struct attempt {
	const char *name;
	const char *head;
	const char *unit;
	size_t count;
	const char *tail;
	int status;
	bool bare; /* the refusal is so early that it has no Status object */
};

#define POST(path, type)                                                                                     \
	"POST " path " HTTP/1.1\r\n" HOST "Content-Type: " type "\r\nContent-Length: {length}\r\n\r\n"
#define JSON "application/json"
#define SERVICE_HEAD                                                                                         \
	"{\"apiVersion\":\"helvetia.cloud/v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"x\"},\"spec\":"

static const struct attempt attempts[] = {
	{"two lengths", "POST /apply HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", NULL,
	 0, "", 400, 0},
	{"length and encoding",
	 "POST /apply HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", NULL,
	 0, "", 400, 0},
	{"two hosts", "GET /version HTTP/1.1\r\n" HOST "Host: other\r\n\r\n", NULL, 0, "", 400, 0},
	{"no host", "GET /version HTTP/1.1\r\n\r\n", NULL, 0, "", 400, 0},
	{"a header too large", "GET /version HTTP/1.1\r\n" HOST "X: ", "0123456789abcdef", 2000, "\r\n\r\n", 431,
	 1},
	{"too many headers", "GET /version HTTP/1.1\r\n" HOST, "X: y\r\n", 5000, "\r\n", 431, 1},
	{"a target too long", "GET /", "0123456789abcdef", 2000, " HTTP/1.1\r\n" HOST "\r\n", 414, 1},
	{"an unknown method", "BREW /version HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 501, 0},
	{"another protocol", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NULL, 0, "", 0, 1},
	{"an announced length too large", "POST /apply HTTP/1.1\r\n" HOST "Content-Length: 99999999999\r\n\r\n",
	 NULL, 0, "", 413, 0},
	{"a body too large", POST("/apply", JSON), "0123456789abcdef", (3 << 20) / 16 + 1, "", 413, 0},
	{"an escape that is none", "GET /api/v1/namespaces/%zz HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 400, 0},
	{"an escaped NUL", "GET /api/v1/namespaces/a%00b HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 400, 0},
	{"escaped bytes that are no text", "GET /api/v1/namespaces/%ff%fe HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "",
	 400, 0},
	{"a climb", "GET /api/v1/namespaces/../../etc/passwd HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 400, 0},
	{"no JSON", POST(SERVICES, JSON) "{\"a\":", NULL, 0, "", 400, 0},
	{"no UTF-8 in JSON", POST(SERVICES, JSON) "{\"a\":\"\xff\xfe\"}", NULL, 0, "", 400, 0},
	{"no UTF-8 in YAML", POST("/apply", "application/yaml") "a: \xff\xfe\n", NULL, 0, "", 400, 0},
	{"deep JSON", POST(SERVICES, JSON) SERVICE_HEAD, "[", 100000, "", 400, 0},
	{"deep objects", POST("/apply", JSON), "{\"a\":", 100000, "1", 400, 0},
	{"deep YAML", POST("/apply", "application/yaml"), "[", 100000, "", 400, 0},
	{"many documents", POST("/apply", "application/yaml"), "---\na: b\n", 100000, "", 400, 0},
	{"many keys", POST(SERVICES, JSON) "{\"a\":{", "\"b\":1,", 300000, "\"c\":1}}", 400, 0},
	{"a number too large", POST(SERVICES, JSON) SERVICE_HEAD "{\"image\":\"a\",\"replicas\":1", "0", 400,
	 "}}", 400, 0},
	{"a media type that is none", POST(SERVICES, "text/plain") "{}", NULL, 0, "", 415, 0},
	{"a form", POST(SERVICES, "application/x-www-form-urlencoded") "a=b", NULL, 0, "", 400, 0},
	{"a strategic merge patch",
	 "PATCH " SERVICES "/x HTTP/1.1\r\n" HOST
	 "Content-Type: application/strategic-merge-patch+json\r\nContent-Length: 2\r\n\r\n{}",
	 NULL, 0, "", 415, 0},
	{"a protobuf that is none",
	 POST("/api/v1/namespaces", "application/vnd.kubernetes.protobuf") "k8s\x01\xff\xff\xff\xff\xff", NULL, 0, "", 400,
	 0},
	{"a selector that is none", "GET " SERVICES "?labelSelector=a%20in%20( HTTP/1.1\r\n" HOST "\r\n", NULL, 0,
	 "", 400, 0},
	{"an enormous selector", "GET " SERVICES "?labelSelector=a", "%3Da,b", 2000, " HTTP/1.1\r\n" HOST "\r\n",
	 400, 0},
	{"a continue token that is none", "GET " SERVICES "?limit=1&continue=nonsense HTTP/1.1\r\n" HOST "\r\n",
	 NULL, 0, "", 400, 0},
	{"a limit that is none", "GET " SERVICES "?limit=-1 HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 400, 0},
	{"a version that is none", "GET " SERVICES "?watch=1&resourceVersion=x HTTP/1.1\r\n" HOST "\r\n", NULL, 0,
	 "", 400, 0},
	{"a token too long", "GET " SERVICES " HTTP/1.1\r\n" HOST "Authorization: Bearer ", "0123456789abcdef",
	 100, "\r\n\r\n", 401, 0},
	{"another scheme", "GET " SERVICES " HTTP/1.1\r\n" HOST "Authorization: Basic cm9vdDo=\r\n\r\n", NULL, 0,
	 "", 401, 0},
};

static int connect_local(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/api.sock", fixture.folder);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		fail_msg("%s does not answer", address.sun_path);
	return fd;
}

static void build(const struct attempt *attempt, struct hc_text *bytes)
{
	const char *place = strstr(attempt->head, "{length}");
	const char *body = place ? strstr(place, "\r\n\r\n") + 4 : "";

	if (place) {
		hc_text_append_bytes(bytes, attempt->head, (size_t)(place - attempt->head));
		hc_text_printf(bytes, "%zu",
					   strlen(body) + attempt->count * (attempt->unit ? strlen(attempt->unit) : 0) +
						   strlen(attempt->tail));
		hc_text_append(bytes, place + strlen("{length}"));
	} else {
		hc_text_append(bytes, attempt->head);
	}
	for (size_t index = 0; index < attempt->count; index++)
		hc_text_append(bytes, attempt->unit);
	hc_text_append(bytes, attempt->tail);
}

/* Sends what the peer takes and reads until it has said enough: a peer that refuses need not read on. */
static void exchange(const struct attempt *attempt, struct hc_text *answer)
{
	HC_AUTO_TEXT bytes = {0};
	int64_t deadline_ms = hc_clock_boot_ms() + ANSWER_MS;
	int fd = connect_local();
	size_t sent = 0;
	char piece[4096];

	build(attempt, &bytes);
	while (hc_clock_boot_ms() < deadline_ms) {
		struct pollfd it = {.fd = fd, .events = (short)(POLLIN | (sent < bytes.length ? POLLOUT : 0))};
		(void)poll(&it, 1, 1000);
		if (it.revents & POLLIN) {
			ssize_t count = recv(fd, piece, sizeof(piece), 0);
			if (count <= 0)
				break;
			hc_text_append_bytes(answer, piece, (size_t)count);
			if (strstr(hc_text_string(answer), "\r\n\r\n") &&
				(attempt->bare || strchr(hc_text_string(answer), '}')))
				break;
		} else if (it.revents & POLLOUT) {
			ssize_t count = send(fd, bytes.data + sent, bytes.length - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
			sent = count < 0 ? bytes.length
							 : sent + (size_t)count; /* it has hung up: its answer can be read */
		} else if (it.revents) {
			break;
		}
	}
	close(fd);
}

static void attempt_one(const struct attempt *attempt)
{
	HC_AUTO_TEXT answer = {0};

	exchange(attempt, &answer);
	const char *text = hc_text_string(&answer);
	long status = hc_starts_with(text, "HTTP/1.1 ") ? strtol(text + 9, NULL, 10) : 0;
	const char *body = strstr(text, "\r\n\r\n");
	/* 0: closing without an answer will do, an answer of success won't. */
	if (attempt->status ? status != attempt->status : status && status < 400)
		fail_msg("%s: %ld instead of %d: %.400s", attempt->name, status, attempt->status, text);
	if (!attempt->bare && !(body && strstr(body, "\"kind\":\"Status\"")))
		fail_msg("%s: no Status object: %.600s", attempt->name, text);
	if (body && strlen(body) > 20000)
		fail_msg("%s: the refusal has %zu bytes", attempt->name, strlen(body));
}

static void each_gets_its_status(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(attempts); index++)
		attempt_one(&attempts[index]);
	expect(&fixture, "GET", "/version", NULL, 200, NULL, NULL);
	assert_int_equal(postgres_number(&fixture.postgres, "SELECT count(*) FROM services"), 0);
}

static long resident_kib(void)
{
	char path[64], line[128];
	long kib = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)fixture.pid);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	fclose(file);
	return kib;
}

/* With connections that drip all the while, and another client that wants to be served. */
static void they_cost_no_memory_and_nobody_waits(void **state)
{
	int drips[200];
	long before = 0;

	(void)state;
	for (size_t index = 0; index < HC_COUNT(drips); index++) {
		static const char *const heads[] = {"", "GET /version HTTP/1.1\r\nX: ",
											"POST /apply HTTP/1.1\r\n" HOST
											"Content-Length: 3000000\r\n\r\n{"};
		drips[index] = connect_local();
		const char *head = heads[index % HC_COUNT(heads)];
		assert_int_equal(send(drips[index], head, strlen(head), MSG_NOSIGNAL), (ssize_t)strlen(head));
	}
	for (int round = 0; round < 12; round++) {
		for (size_t index = 0; index < HC_COUNT(attempts); index++) {
			int64_t begun_ms = hc_clock_boot_ms();
			attempt_one(&attempts[index]);
			expect(&fixture, "GET", SERVICES, NULL, 200, "kind", "ServiceList");
			assert_in_range(hc_clock_boot_ms() - begun_ms, 0, ANSWER_MS);
		}
		if (round == 3)
			before = resident_kib();
	}
	long after = resident_kib();
	print_message("resident: %ld KiB after 4 rounds, %ld KiB after 12\n", before, after);
	assert_true(after - before < 8 * 1024);
	for (size_t index = 0; index < HC_COUNT(drips); index++)
		close(drips[index]);
}

static int start(void **state)
{
	(void)state;
	fixture_start(&fixture);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	fixture_stop(&fixture);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_gets_its_status),
		cmocka_unit_test(they_cost_no_memory_and_nobody_waits),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
