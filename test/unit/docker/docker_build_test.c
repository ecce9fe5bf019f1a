/* The pure parts of building images: protobuf and base64, lines, BuildKit's trace (messages made here, field
 * by field), both builders' answers, what their refusals mean, and the session's answers. */
#include "../cmocka_all.h"

#include "base/random.h"
#include "docker/docker_build_internal.h"

#include <stdlib.h>
#include <string.h>

/* Everything told so far: "1|line\n". */
static struct hc_text told;
static void tell(int stream, const char *line, size_t length, void *payload)
{
	(void)payload;
	hc_text_printf(&told, "%d|%.*s\n", stream, (int)length, line);
}
static const struct docker_build_sink sink = {.line = tell};

static void expect_told(const char *wanted)
{
	assert_string_equal(hc_text_string(&told), wanted);
	hc_text_done(&told);
}

/* --- messages */

static void put_text(struct hc_text *message, unsigned int number, const char *text)
{
	docker_proto_put(message, number, text, strlen(text));
}

static void put_time(struct hc_text *message, unsigned int number, unsigned int ms)
{
	HC_AUTO_TEXT time = {0};

	docker_proto_put_number(&time, 1, 1700000000U + ms / 1000);
	docker_proto_put_number(&time, 2, (uint64_t)(ms % 1000) * 1000000);
	docker_proto_put(message, number, time.data, time.length);
}

struct vertex {
	const char *digest;
	const char *name;
	const char *error;
	unsigned int started_ms;
	unsigned int completed_ms;
	bool cached;
};

static void put_vertex(struct hc_text *response, struct vertex vertex)
{
	HC_AUTO_TEXT message = {0};

	put_text(&message, 1, vertex.digest);
	put_text(&message, 2, "sha256:an-input");
	put_text(&message, 3, vertex.name);
	if (vertex.cached)
		docker_proto_put_number(&message, 4, 1);
	if (vertex.started_ms)
		put_time(&message, 5, vertex.started_ms);
	if (vertex.completed_ms)
		put_time(&message, 6, vertex.completed_ms);
	if (vertex.error)
		put_text(&message, 7, vertex.error);
	docker_proto_put(response, 1, message.data, message.length);
}

static void put_log(struct hc_text *response, const char *digest, unsigned int stream, const char *text)
{
	HC_AUTO_TEXT message = {0};

	put_text(&message, 1, digest);
	put_time(&message, 2, 5000);
	docker_proto_put_number(&message, 3, stream);
	put_text(&message, 4, text);
	docker_proto_put(response, 3, message.data, message.length);
}

static void feed(struct docker_trace *trace, struct hc_text *response)
{
	struct hc_error err = {0};

	if (docker_trace_feed(trace, response->data, response->length, &sink, &err))
		fail_msg("%s", err.text);
	hc_text_done(response);
}

/* --- tests */

static void test_proto(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
		int fields;
		bool broken;
	} rows[] = {
		{"", 0, 0, false},
		{"\x08\x01", 2, 1, false},
		{"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, 1, false},
		{"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, 0,
		 true}, /* a number of more than 10 bytes */
		{"\x08", 1, 0, true},
		{"\x0a\x03"
		 "abc",
		 5, 1, false},
		{"\x0a\x04"
		 "abc",
		 5, 0, true},
		{"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, 0, true},
		{"\x09"
		 "12345678",
		 9, 1, false},
		{"\x0d"
		 "1234",
		 5, 1, false},
		{"\x0d"
		 "123",
		 4, 0, true},
		{"\x0b\x08\x01", 3, 0, true}, /* groups are of the past */
	};

	(void)state;
	for (size_t row = 0; row < HC_COUNT(rows); row++) {
		struct docker_proto proto = docker_proto_of(rows[row].bytes, rows[row].length);
		struct docker_proto_field field;
		int fields = 0;

		while (docker_proto_next(&proto, &field))
			fields++;
		if (fields != rows[row].fields || proto.broken != rows[row].broken)
			fail_msg("row %zu: %d fields, %s", row, fields, proto.broken ? "broken" : "whole");
	}
}

static void test_base64(void **state)
{
	static const struct {
		const char *data;
		const char *text;
	} rows[] = {{"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
				{"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xfb\xff\xfe", "+//+"}};
	static const char *const bad[] = {"Zg", "Zg=", "Z===", "Z g=", "Zg==Zg==", "====", "-__-"};

	(void)state;
	for (size_t row = 0; row < HC_COUNT(rows); row++) {
		HC_AUTO_TEXT text = {0};
		HC_AUTO_TEXT data = {0};

		docker_base64(&text, rows[row].data, strlen(rows[row].data), false);
		assert_string_equal(hc_text_string(&text), rows[row].text);
		assert_int_equal(docker_base64_decode(&data, rows[row].text, strlen(rows[row].text)), 0);
		assert_string_equal(hc_text_string(&data), rows[row].data);
	}
	for (size_t row = 0; row < HC_COUNT(bad); row++) {
		HC_AUTO_TEXT data = {0};

		if (!docker_base64_decode(&data, bad[row], strlen(bad[row])))
			fail_msg("%s was taken", bad[row]);
	}
	{
		HC_AUTO_TEXT text = {0};

		docker_base64(&text, "\xfb\xff\xfe", 3, true);
		assert_string_equal(hc_text_string(&text), "-__-");
	}
}

static void test_lines(void **state)
{
	static const char text[] = "one\ntwo\r\n\nbar 1%\rbar 2%\rbar 100%\nend";
	static char longer[HC_LIMIT_LOG_LINE_BYTES + 10];

	(void)state;
	for (size_t piece = 1; piece <= sizeof text; piece++) {
		struct docker_build_lines lines = {0};

		for (size_t at = 0; at < sizeof text - 1; at += piece) {
			size_t left = sizeof text - 1 - at;

			docker_build_lines_feed(&lines, "#1 ", 1, text + at, left < piece ? left : piece, &sink);
		}
		docker_build_lines_end(&lines, "#1 ", 1, &sink);
		docker_build_lines_end(&lines, "#1 ", 1, &sink);
		docker_build_lines_done(&lines);
		expect_told("1|#1 one\n1|#1 two\n1|#1 \n1|#1 bar 100%\n1|#1 end\n");
	}
	{
		struct docker_build_lines lines = {0};

		memset(longer, 'x', sizeof longer);
		docker_build_lines_feed(&lines, "", 2, longer, sizeof longer, &sink);
		docker_build_lines_feed(&lines, "", 2, "\n", 1, &sink);
		docker_build_lines_done(&lines);
		assert_int_equal(told.length, sizeof longer + 2 * strlen("2|\n"));
		hc_text_done(&told);
	}
}

static void test_trace(void **state)
{
	struct docker_trace trace = {0};
	struct hc_text response = {0};

	(void)state;
	put_vertex(&response,
			   (struct vertex){.digest = "i", .name = "[internal] load .dockerignore", .started_ms = 1000});
	put_vertex(&response, (struct vertex){.digest = "a", .name = "[1/3] FROM base"});
	put_vertex(&response, (struct vertex){.digest = "b", .name = "[2/3] RUN make"});
	feed(&trace, &response);
	expect_told(""); /* nothing has begun */

	put_vertex(&response, (struct vertex){.digest = "a", .name = "[1/3] FROM base", .cached = true});
	put_vertex(&response, (struct vertex){.digest = "b", .name = "[2/3] RUN make", .started_ms = 1000});
	feed(&trace, &response);
	expect_told("1|#1 [1/3] FROM base\n1|#2 [2/3] RUN make\n1|#1 CACHED\n");

	put_log(&response, "b", 1, "cc a");
	put_log(&response, "b", 2, "warning\nmore ");
	feed(&trace, &response);
	put_log(&response, "b", 1, ".c\n");
	put_log(&response, "unknown", 1, "lost\n");
	feed(&trace, &response);
	expect_told("2|#2 warning\n1|#2 cc a.c\n1|#3 a step without a name\n1|#3 lost\n");

	/* Completed in front of its last output in the same message. */
	put_vertex(
		&response,
		(struct vertex){.digest = "b", .name = "[2/3] RUN make", .started_ms = 1000, .completed_ms = 3500});
	put_log(&response, "b", 1, "last");
	feed(&trace, &response);
	feed(&trace, &response); /* an empty message */
	expect_told("1|#2 last\n2|#2 more \n1|#2 DONE 2.5s\n");
	assert_int_equal(trace.failed.length, 0);
	docker_trace_end(&trace, &sink);
	docker_trace_done(&trace);
	expect_told("");
}

static void test_trace_failure(void **state)
{
	struct docker_trace trace = {0};
	struct hc_text response = {0};

	(void)state;
	put_vertex(&response, (struct vertex){.digest = "c",
										  .name = "[other 1/1] RUN sleep 9",
										  .started_ms = 1,
										  .completed_ms = 2,
										  .error = "context canceled"});
	put_vertex(&response, (struct vertex){.digest = "b",
										  .name = "[2/3] RUN make\nUSER",
										  .started_ms = 1,
										  .completed_ms = 2,
										  .error = "exit code: 2"});
	put_vertex(&response, (struct vertex){.digest = "i",
										  .name = "[internal] load metadata for x",
										  .started_ms = 1,
										  .completed_ms = 2,
										  .error = "x: not found"});
	feed(&trace, &response);
	expect_told(
		"1|#1 [other 1/1] RUN sleep 9\n1|#2 [2/3] RUN make USER\n1|#3 [internal] load metadata for x\n"
		"1|#1 CANCELED\n1|#2 ERROR: exit code: 2\n1|#3 ERROR: x: not found\n");
	assert_string_equal(hc_text_string(&trace.failed), "[2/3] RUN make\nUSER");
	docker_trace_done(&trace);
}

/* No bytes make it read what isn't there; the sanitizers look. */
static void test_trace_garbage(void **state)
{
	struct hc_text whole = {0};
	struct hc_error err;
	int refused = 0;

	(void)state;
	put_vertex(&whole,
			   (struct vertex){.digest = "b", .name = "RUN make", .started_ms = 1, .completed_ms = 2});
	put_log(&whole, "b", 1, "text\n");
	for (size_t length = 0; length < whole.length; length++) {
		struct docker_trace trace = {0};
		char *copy = malloc(length ? length : 1); /* so that one byte behind is seen */

		memcpy(copy, whole.data, length);
		refused += docker_trace_feed(&trace, copy, length, &sink, &err) != 0;
		free(copy);
		docker_trace_done(&trace);
	}
	for (int round = 0; round < 20000; round++) {
		struct docker_trace trace = {0};
		unsigned char noise[2];
		struct hc_text bytes = {0};

		hc_random_bytes(noise, sizeof noise);
		hc_text_append_bytes(&bytes, whole.data, whole.length);
		bytes.data[noise[0] % bytes.length] = (char)noise[1];
		refused += docker_trace_feed(&trace, bytes.data, bytes.length, &sink, &err) != 0;
		docker_trace_end(&trace, &sink);
		docker_trace_done(&trace);
		hc_text_done(&bytes);
	}
	{
		struct docker_trace trace = {0};

		assert_int_equal(docker_trace_feed(&trace, "\x0a\x7f", 2, &sink, &err), -1);
		assert_int_equal(err.class, HC_INVALID);
		docker_trace_done(&trace);
	}
	assert_true(refused > 1000);
	hc_text_done(&whole);
	hc_text_done(&told);
}

static void feed_log(struct docker_build_log *log, const char *text, size_t piece)
{
	struct hc_error err = {0};

	for (size_t at = 0; at < strlen(text); at += piece) {
		size_t left = strlen(text) - at;

		if (docker_build_log_feed(log, text + at, left < piece ? left : piece, &err))
			fail_msg("%s", err.text);
	}
	if (docker_build_log_end(log, &err))
		fail_msg("%s", err.text);
}

static void test_log_classic(void **state)
{
	static const char text[] =
		"{\"stream\":\"Step 1/2 : FROM base\"}\r\n{\"stream\":\"\\n\"}\r\n"
		"{\"status\":\"Pulling from library/base\",\"id\":\"1\"}\r\n"
		"{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1},\"id\":\"a\"}\r\n"
		"{\"stream\":\"Step 2/2 : RUN make\"}\r\n{\"stream\":\"\\n\"}\r\n"
		"{\"stream\":\"a\\nb\"}\r\n{\"stream\":\"\\u001b[91mred\\n\\u001b[0m\"}\r\n{\"stream\":\"\\nrest\"}"
		"\r\n"
		"{\"stream\":\" ---\\u003e 1234\\n\"}\r\n"
		"{\"aux\":{\"ID\":\"sha256:1234\"}}\r\n"
		"{\"errorDetail\":{\"code\":2,\"message\":\"The command '/bin/sh -c make' returned a non-zero code: "
		"2\"},"
		"\"error\":\"other\"}\r\n";

	(void)state;
	for (size_t piece = 1; piece < sizeof text; piece += 7) {
		struct docker_build_log log = {.sink = sink};

		feed_log(&log, text, piece);
		expect_told("1|Step 1/2 : FROM base\n1|1: Pulling from library/base\n1|Step 2/2 : RUN "
					"make\n1|a\n2|red\n1|b\n1|rest\n1| ---> 1234\n");
		assert_string_equal(log.image_id, "sha256:1234");
		assert_string_equal(hc_text_string(&log.step), "RUN make");
		assert_string_equal(hc_text_string(&log.error),
							"The command '/bin/sh -c make' returned a non-zero code: 2");
		docker_build_log_done(&log);
	}
}

static void test_log_buildkit(void **state)
{
	struct docker_build_log log = {.sink = sink};
	HC_AUTO_TEXT response = {0};
	HC_AUTO_TEXT text = {0};
	static const char *const bad[] = {"[]\n", "no json\n", "{\"id\":\"moby.buildkit.trace\",\"aux\":\"*\"}\n",
									  "{\"id\":\"moby.buildkit.trace\",\"aux\":\"Cn8=\"}\n"};

	(void)state;
	put_vertex(&response,
			   (struct vertex){.digest = "b", .name = "RUN make", .started_ms = 100, .completed_ms = 400});
	hc_text_append(&text, "{\"id\":\"moby.buildkit.trace\",\"aux\":\"");
	docker_base64(&text, response.data, response.length, false);
	hc_text_append(&text, "\"}\n{\"id\":\"moby.image.id\",\"aux\":{\"ID\":\"sha256:abcd\"}}\n\n"
						  "{\"stream\":\"Successfully tagged a:1\\n\"}");
	feed_log(&log, hc_text_string(&text), 5);
	expect_told("1|#1 RUN make\n1|#1 DONE 0.3s\n1|Successfully tagged a:1\n");
	assert_string_equal(log.image_id, "sha256:abcd");
	docker_build_log_done(&log);
	for (size_t row = 0; row < HC_COUNT(bad); row++) {
		struct docker_build_log broken = {.sink = sink};
		struct hc_error err = {0};

		if (!docker_build_log_feed(&broken, bad[row], strlen(bad[row]), &err))
			fail_msg("%s was taken", bad[row]);
		docker_build_log_done(&broken);
	}
	hc_text_done(&told);
}

/* Texts as Engine 20.10.24 gave them. */
static void test_errors(void **state)
{
	static const struct {
		const char *message;
		const char *step;
		enum hc_class class;
		const char *text;
	} rows[] = {
		{"executor failed running [/bin/sh -c make]: exit code: 2", "[build 2/3] RUN make", HC_INVALID,
		 "RUN make: exit code 2"},
		{"process \"/bin/sh -c make\" did not complete successfully: exit code: 137", "[2/3] RUN make",
		 HC_INVALID, "RUN make: exit code 137 (killed; perhaps it needs more memory)"},
		{"The command '/bin/sh -c make' returned a non-zero code: 2", "RUN make", HC_INVALID,
		 "RUN make: exit code 2"},
		{"failed to solve with frontend dockerfile.v0: failed to create LLB definition: dockerfile parse "
		 "error line 3: "
		 "unknown instruction: FRM",
		 "", HC_INVALID, "Dockerfile parse error line 3: unknown instruction: FRM"},
		{"dockerfile parse error line 3: unknown instruction: FRM", NULL, HC_INVALID,
		 "Dockerfile parse error line 3: unknown instruction: FRM"},
		{"localhost:5999/nosuch:1: not found", "[internal] load metadata for localhost:5999/nosuch:1",
		 HC_INVALID, "base image localhost:5999/nosuch:1: not found"},
		{"pull access denied, repository does not exist",
		 "[internal] load metadata for docker.io/library/a:1", HC_INVALID,
		 "base image docker.io/library/a:1: pull access denied, repository does not exist"},
		{"dial tcp: lookup registry-1.docker.io: no such host",
		 "[internal] load metadata for docker.io/library/a:1", HC_TRANSIENT,
		 "base image docker.io/library/a:1: dial tcp: lookup registry-1.docker.io: no such host"},
		{"manifest unknown", "FROM localhost:1/a:1", HC_INVALID, "FROM localhost:1/a:1: manifest unknown"},
		{"failed to read dockerfile: open /var/lib/docker/tmp/buildkit-mount792807791/app/Dockerfile: no "
		 "such file or "
		 "directory",
		 "", HC_INVALID, "failed to read dockerfile: open app/Dockerfile: no such file or directory"},
		{"/x/buildkit-mount1", "", HC_OK, ""},
		{"Cannot locate specified Dockerfile: Dockerfile", NULL, HC_INVALID,
		 "Cannot locate specified Dockerfile: Dockerfile"},
		{"write /var/lib/docker/x: no space left on device", "", HC_TRANSIENT,
		 "write /var/lib/docker/x: no space left on device"},
		{"executor failed running [/bin/sh -c curl http://a]: network bridge not found",
		 "[2/2] RUN curl http://a", HC_TRANSIENT,
		 "executor failed running [/bin/sh -c curl http://a]: network bridge not found"},
		{"executor failed running [/bin/sh -c echo connection refused; exit 1]: exit code: 1",
		 "[2/2] RUN echo connection refused; exit 1", HC_INVALID,
		 "RUN echo connection refused; exit 1: exit code 1"},
		{"something new", "", HC_OK, "something new"},
	};

	(void)state;
	for (size_t row = 0; row < HC_COUNT(rows); row++) {
		HC_AUTO_TEXT text = {0};

		docker_build_message(&text, rows[row].message, rows[row].step);
		assert_string_equal(hc_text_string(&text), rows[row].text);
		if (docker_build_class(rows[row].message) != rows[row].class)
			fail_msg("row %zu: %s", row, hc_class_name(docker_build_class(rows[row].message)));
	}
}

static void test_session(void **state)
{
	static const struct docker_registry_auth auths[] = {{"docker.io", "hub", "pw1"},
														{"r.example:5000", "u", "pw2"}};
	static const struct docker_build_secret secrets[] = {{"token", "a\0b", 3}};
	static const struct docker_build build = {
		.auths = auths, .auth_count = 2, .secrets = secrets, .secret_count = 1};
	static const struct {
		const char *path;
		const char *question;
		const char *answer;
		size_t length;
		int status;
	} rows[] = {
		{"/grpc.health.v1.Health/Check", "", "\x08\x01", 2, 0},
		{"/moby.filesync.v1.Auth/Credentials", "registry-1.docker.io", "\x0a\x03hub\x12\x03pw1", 10, 0},
		{"/moby.filesync.v1.Auth/Credentials", "r.example:5000", "\x0a\x01u\x12\x03pw2", 8, 0},
		{"/moby.filesync.v1.Auth/Credentials", "r.example", "", 0, 0},
		{"/moby.buildkit.secrets.v1.Secrets/GetSecret", "token",
		 "\x0a\x03"
		 "a\0b",
		 5, 0},
		{"/moby.buildkit.secrets.v1.Secrets/GetSecret", "other", "", 0, 5},
		{"/moby.filesync.v1.Auth/FetchToken", "", "", 0, 12},
		{"", "", "", 0, 12},
	};

	(void)state;
	for (size_t row = 0; row < HC_COUNT(rows); row++) {
		HC_AUTO_TEXT question = {0};
		HC_AUTO_TEXT answer = {0};

		put_text(&question, 1, rows[row].question);
		assert_int_equal(
			docker_session_answer(&build, rows[row].path, question.data, question.length, &answer),
			rows[row].status);
		assert_int_equal(answer.length, rows[row].length);
		assert_memory_equal(hc_text_string(&answer), rows[row].answer, rows[row].length);
	}
	{
		HC_AUTO_TEXT answer = {0};

		assert_int_equal(docker_session_answer(&build, rows[0].path, "\x0a\x7f", 2, &answer), 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_proto),         cmocka_unit_test(test_base64),
		cmocka_unit_test(test_lines),         cmocka_unit_test(test_trace),
		cmocka_unit_test(test_trace_failure), cmocka_unit_test(test_trace_garbage),
		cmocka_unit_test(test_log_classic),   cmocka_unit_test(test_log_buildkit),
		cmocka_unit_test(test_errors),        cmocka_unit_test(test_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
