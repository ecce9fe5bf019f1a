/* Tables for the pure parts of lib/docker: refusals, versions, paths, lines, frames, JSON. */
#include "../cmocka_all.h"

#include "docker/docker_internal.h"

#include <string.h>

static void test_error_class(void **state)
{
	static const struct {
		long status;
		const char *message;
		enum hc_class class;
	} rows[] = {
		{404, "No such container: x", HC_NOT_FOUND},
		{409, "removal of container x is already in progress", HC_CONFLICT},
		{500, "driver failed: Bind for 0.0.0.0:80 failed: port is already allocated", HC_CONFLICT},
		{403, "Address already in use", HC_CONFLICT},
		{500, "Conflict. The container name \"/a\" is already in use by container \"b\"", HC_CONFLICT},
		{403, "Pool overlaps with other one on this address space", HC_CONFLICT},
		{403, "error while removing network: network x id y has active endpoints", HC_CONFLICT},
		{403, "endpoint with name a already exists in network b", HC_CONFLICT},
		{500, "container a is not connected to network b", HC_NOT_FOUND},
		{403, "this is not for you", HC_DENIED},
		{401, "who are you", HC_DENIED},
		{400, "invalid mount config for type \"bind\": bind source path does not exist: /x", HC_INVALID},
		{406, "not acceptable", HC_INVALID},
		{429, "slowly", HC_TRANSIENT},
		{500, "something broke", HC_TRANSIENT},
		{503, NULL, HC_TRANSIENT},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++)
		if (docker_error_class(rows[index].status, rows[index].message) != rows[index].class)
			fail_msg("%ld %s", rows[index].status, rows[index].message);
}

static void test_pull_class(void **state)
{
	static const struct {
		const char *message;
		enum hc_class class;
	} rows[] = {
		{"manifest for 127.0.0.1:5000/a:9 not found: manifest unknown: manifest unknown", HC_NOT_FOUND},
		{"repository name not known to registry", HC_NOT_FOUND},
		{"no matching manifest for linux/amd64 in the manifest list entries", HC_NOT_FOUND},
		{"pull access denied for a, repository does not exist or may require 'docker login'", HC_DENIED},
		{"Head \"https://r/v2/a/manifests/1\": unauthorized: authentication required", HC_DENIED},
		{"Get \"https://r/v2/\": dial tcp: lookup r on 10.0.0.2:53: no such host", HC_TRANSIENT},
		{"Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused", HC_TRANSIENT},
		{"net/http: TLS handshake timeout", HC_TRANSIENT},
		{"toomanyrequests: You have reached your pull rate limit", HC_TRANSIENT},
		{"invalid reference format: repository name must be lowercase", HC_INVALID},
		{"unexpected EOF", HC_TRANSIENT},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++)
		if (docker_pull_class(rows[index].message) != rows[index].class)
			fail_msg("%s", rows[index].message);
}

static void test_version(void **state)
{
	static const struct {
		const char *engine;
		const char *chosen; /* NULL: refused */
	} rows[] = {
		{"1.41", "1.41"}, {"1.47", "1.47"}, {"1.48", "1.47"}, {"1.56", "1.47"},
		{"1.40", NULL},   {"1.9", NULL},    {"2.0", NULL},    {"", NULL},
		{"1", NULL},      {"1.", NULL},     {"1.4x", NULL},   {"v1.41", NULL},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		struct hc_error err = {0};
		char chosen[16] = "";
		int result = docker_version_choose(rows[index].engine, chosen, &err);

		if (rows[index].chosen) {
			assert_int_equal(result, 0);
			assert_string_equal(chosen, rows[index].chosen);
		} else {
			assert_int_equal(result, -1);
			assert_int_equal(err.class, HC_INVALID);
		}
	}
}

static void test_path(void **state)
{
	static const struct {
		const char *prefix;
		const char *part;
		const char *path; /* NULL: refused */
	} rows[] = {
		{"/containers/", "shop-r7-0", "/containers/shop-r7-0/json"},
		{"/containers/", "a b?c#d%2F", "/containers/a%20b%3Fc%23d%252F/json"},
		{"/containers/", "\xc3\xa9", "/containers/%C3%A9/json"},
		{"/containers/", "a/b", NULL},
		{"/containers/", "", NULL},
		{"/containers/", NULL, NULL},
		{"/containers/", ".", NULL},
		{"/containers/", "..", NULL},
		{"/containers/", "...", "/containers/.../json"},
		{"/images/", "127.0.0.1:5000/team/shop:1@sha256:ab",
		 "/images/127.0.0.1%3A5000/team/shop%3A1%40sha256%3Aab/json"},
		{"/images/", "a/../containers/b", NULL},
		{"/images/", "/a", NULL},
		{"/images/", "a//b", NULL},
		{"/images/", "a/", NULL},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		HC_AUTO_TEXT path = {0};
		struct hc_error err = {0};
		int result = docker_path(&path, rows[index].prefix, rows[index].part, "/json", &err);

		if (rows[index].path) {
			assert_int_equal(result, 0);
			assert_string_equal(hc_text_string(&path), rows[index].path);
		} else {
			assert_int_equal(result, -1);
			assert_int_equal(err.class, HC_INVALID);
		}
	}
}

static void test_query(void **state)
{
	static const struct docker_pair filters[] = {{"a", "x=y"}, {"b", NULL}, {"q\"", "&"}};
	HC_AUTO_TEXT path = {0};

	(void)state;
	hc_text_append(&path, "/x");
	docker_path_query(&path, "one", NULL);
	docker_path_query(&path, "two", "a&b=c/d");
	assert_int_equal(docker_path_label_filter(&path, filters, 3, NULL), 0);
	assert_string_equal(
		hc_text_string(&path),
		"/x?two=a%26b%3Dc%2Fd&filters=%7B%22label%22%3A%5B%22a%3Dx%3Dy%22%2C%22b%22%2C%22q%5C%22%3D%26%22"
		"%5D%7D");
}

static void test_image_split(void **state)
{
	static const struct {
		const char *name;
		const char *repository;
		const char *tag;
	} rows[] = {
		{"nginx", "nginx", "latest"},
		{"nginx:1.27", "nginx", "1.27"},
		{"r:5000/a/b", "r:5000/a/b", "latest"},
		{"r:5000/a/b:c", "r:5000/a/b", "c"},
		{"r:5000/a@sha256:12", "r:5000/a", "sha256:12"},
	};
	HC_AUTO(hc_arena) arena = hc_arena_new();

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		const char *repository;
		const char *tag;

		docker_image_split(arena, rows[index].name, &repository, &tag);
		assert_string_equal(repository, rows[index].repository);
		assert_string_equal(tag, rows[index].tag);
	}
}

static int collect_line(const char *line, size_t length, void *payload, struct hc_error *err)
{
	assert_int_equal(strlen(line), length);
	if (strcmp(line, "stop") == 0)
		return hc_fail(err, HC_CANCELED, "asked to");
	hc_text_printf(payload, "[%s]", line);
	return 0;
}

static void test_lines(void **state)
{
	static const char input[] = "one\r\n\ntwo\nthr";

	(void)state;
	for (size_t step = 1; step < sizeof input; step++) {
		HC_AUTO_TEXT seen = {0};
		struct docker_line reader = {.line = collect_line, .payload = &seen};
		struct hc_error err = {0};

		for (size_t at = 0; at < sizeof input - 1; at += step) {
			size_t part = sizeof input - 1 - at < step ? sizeof input - 1 - at : step;

			assert_int_equal(docker_line_feed(&reader, input + at, part, &err), 0);
		}
		assert_string_equal(hc_text_string(&seen), "[one][two]");
		assert_int_equal(docker_line_end(&reader, &err), 0);
		assert_string_equal(hc_text_string(&seen), "[one][two][thr]");
		assert_int_equal(docker_line_feed(&reader, "stop\nmore\n", 10, &err), -1);
		assert_int_equal(err.class, HC_CANCELED);
		docker_line_done(&reader);
	}
}

static void test_line_limit(void **state)
{
	HC_AUTO_TEXT seen = {0};
	struct docker_line reader = {.line = collect_line, .payload = &seen};
	struct hc_error err = {0};
	char part[4096];
	size_t fed = 0;

	(void)state;
	memset(part, 'a', sizeof part);
	while (!docker_line_feed(&reader, part, sizeof part, &err))
		fed += sizeof part;
	assert_int_equal(fed, HC_LIMIT_DOCKER_LINE_BYTES);
	assert_int_equal(err.class, HC_BUG);
	docker_line_done(&reader);
}

struct heard {
	struct hc_text text;
	int stream;
	size_t pieces_left;
};

/* Joins the pieces of one stream, so that the result doesn't depend on how they were cut. */
static int hear(int stream, const char *data, size_t length, void *payload)
{
	struct heard *heard = payload;

	if (stream != heard->stream)
		hc_text_printf(&heard->text, "%d:", stream);
	heard->stream = stream;
	hc_text_append_bytes(&heard->text, data, length);
	return heard->pieces_left && --heard->pieces_left == 0;
}

static void test_demux(void **state)
{
	static const char input[] = "\1\0\0\0\0\0\0\5hello"
								"\2\0\0\0\0\0\0\3err"
								"\2\0\0\0\0\0\0\0"
								"\1\0\0\0\0\0\0\1!";

	(void)state;
	for (size_t step = 1; step < sizeof input; step++) {
		struct docker_demux demux = {0};
		struct heard heard = {0};

		for (size_t at = 0; at < sizeof input - 1; at += step) {
			size_t part = sizeof input - 1 - at < step ? sizeof input - 1 - at : step;

			assert_int_equal(docker_demux_feed(&demux, input + at, part, hear, &heard, NULL), 0);
		}
		assert_string_equal(hc_text_string(&heard.text), "1:hello2:err1:!");
		assert_true(docker_demux_complete(&demux));
		hc_text_done(&heard.text);
	}
}

static void test_demux_ends(void **state)
{
	struct docker_demux demux = {0};
	struct heard heard = {.pieces_left = 1};
	struct hc_error err = {0};

	(void)state;
	assert_int_equal(docker_demux_feed(&demux, "\1\0\0\0\0\0\0\2a", 9, hear, &heard, &err), -1);
	assert_int_equal(err.class, HC_CANCELED);
	demux = (struct docker_demux){0};
	assert_int_equal(docker_demux_feed(&demux, "plain text", 10, hear, &heard, &err), -1);
	assert_int_equal(err.class, HC_BUG);
	demux = (struct docker_demux){0};
	assert_int_equal(docker_demux_feed(&demux, "\1\0\0\0\0\0\1\0a", 9, hear, &heard, &err), 0);
	assert_false(docker_demux_complete(&demux));
	assert_int_equal(demux.remaining, 255);
	demux = (struct docker_demux){0};
	assert_int_equal(docker_demux_feed(&demux, "\1\0\0", 3, hear, &heard, &err), 0);
	assert_false(docker_demux_complete(&demux));
	hc_text_done(&heard.text);
}

static void test_json(void **state)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	DOCKER_AUTO_JSON *json = json_loads(
		"{\"a\":{\"b\":\"text\",\"n\":7,\"t\":true,\"null\":null},\"at\":\"2026-01-02T03:04:05.678901234Z\","
		"\"zero\":\"0001-01-01T00:00:00Z\",\"pairs\":{\"z\":\"1\",\"a\":\"2\",\"m\":null},\"list\":[\"x\",3,"
		"\"y\"]}",
		0, NULL);
	struct docker_pair *pairs;
	size_t count;
	const char **texts;

	(void)state;
	assert_string_equal(docker_json_text(arena, json, "a/b"), "text");
	assert_string_equal(docker_json_text(arena, json, "a/n"), "");
	assert_string_equal(docker_json_text(arena, json, "a/b/c"), "");
	assert_string_equal(docker_json_text(arena, json, "a/null"), "");
	assert_int_equal(docker_json_number(json, "a/n"), 7);
	assert_int_equal(docker_json_number(json, "a/null"), 0);
	assert_true(docker_json_bool(json, "a/t"));
	assert_false(docker_json_bool(json, "a/n"));
	assert_int_equal(docker_json_wall_ms(json, "at"), 1767323045678);
	assert_int_equal(docker_json_wall_ms(json, "zero"), 0);
	assert_int_equal(docker_json_wall_ms(json, "a/b"), 0);
	docker_json_pairs(arena, docker_json_at(json, "pairs"), &pairs, &count);
	assert_int_equal(count, 3);
	assert_string_equal(pairs[0].name, "a");
	assert_string_equal(pairs[1].value, "");
	assert_string_equal(pairs[2].name, "z");
	docker_json_pairs(arena, docker_json_at(json, "absent"), &pairs, &count);
	assert_int_equal(count, 0);
	texts = docker_json_texts(arena, docker_json_at(json, "list"));
	assert_string_equal(texts[1], "y");
	assert_null(texts[2]);
}

static void test_host(void **state)
{
	static const char *const rows[] = {NULL, "", "tcp://127.0.0.1:2375", "unix://docker.sock",
									   "/run/docker.sock"};
	struct docker *docker = NULL;
	struct hc_error err;

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		assert_int_equal(docker_open(rows[index], &docker, &err), -1);
		assert_int_equal(err.class, HC_INVALID);
	}
	assert_int_equal(docker_open("unix:///nonexistent/docker.sock", &docker, &err), 0);
	assert_int_equal(docker_ping(docker, &err), -1);
	assert_int_equal(err.class, HC_TRANSIENT);
	assert_non_null(strstr(err.text, "unix:///nonexistent/docker.sock"));
	docker_close(docker);
}

/* A text that is not UTF-8 is refused before anything is sent. */
static void test_not_utf8(void **state)
{
	static const char *const bad[] = {"\xff", NULL};
	struct docker_pair label = {"name", "\xff"};
	struct docker_mount mount = {.source = "\xff", .target = "/x"};
	struct docker_container_config rows[] = {
		{.image = "a", .env = (const char **)(uintptr_t)bad},
		{.image = "a", .command = (const char **)(uintptr_t)bad},
		{.image = "a", .health_command = (const char **)(uintptr_t)bad},
		{.image = "a", .labels = &label, .label_count = 1},
		{.image = "a", .mounts = &mount, .mount_count = 1},
		{.image = "a", .network = "n", .alias = "\xff"},
		{.image = "a", .log_driver = "local", .log_options = &label, .log_option_count = 1},
		{.image = "\xff"},
	};
	HC_AUTO(hc_arena) arena = hc_arena_new();
	HC_AUTO(docker) docker = NULL;
	const char *id;
	struct hc_error err;

	(void)state;
	assert_int_equal(docker_open("unix:///nonexistent/docker.sock", &docker, &err), 0);
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		assert_int_equal(docker_container_create(docker, arena, &rows[index], &id, &err), -1);
		if (err.class != HC_INVALID)
			fail_msg("row %zu: %s", index, err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error_class), cmocka_unit_test(test_pull_class),
		cmocka_unit_test(test_version),     cmocka_unit_test(test_path),
		cmocka_unit_test(test_query),       cmocka_unit_test(test_image_split),
		cmocka_unit_test(test_lines),       cmocka_unit_test(test_line_limit),
		cmocka_unit_test(test_demux),       cmocka_unit_test(test_demux_ends),
		cmocka_unit_test(test_json),        cmocka_unit_test(test_host),
		cmocka_unit_test(test_not_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
