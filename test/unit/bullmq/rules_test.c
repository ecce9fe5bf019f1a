/* lib/bullmq, the pure parts: URLs, rules of values, MessagePack, back-off, codes. */
#include "../cmocka_all.h"

#include "bullmq/bullmq_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void urls_are_read(void **state)
{
	static const struct {
		const char *url, *host, *path, *user, *password;
		int port, database;
	} cases[] = {
		{"redis://localhost", "localhost", NULL, NULL, NULL, 6379, 0},
		{"redis://127.0.0.1:7000/3", "127.0.0.1", NULL, NULL, NULL, 7000, 3},
		{"redis://:secret@host", "host", NULL, NULL, "secret", 6379, 0},
		{"redis://me:p%40ss%3a@host:1/", "host", NULL, "me", "p@ss:", 1, 0},
		{"redis://me:a@b@host", "host", NULL, "me", "a@b", 6379, 0},
		{"redis://[::1]:6380/15", "::1", NULL, NULL, NULL, 6380, 15},
		{"redis://[fe80::1]", "fe80::1", NULL, NULL, NULL, 6379, 0},
		{"redis://host?db=2", "host", NULL, NULL, NULL, 6379, 2},
		{"unix:///run/redis.sock", NULL, "/run/redis.sock", NULL, NULL, 0, 0},
		{"unix:///run/a%20b?db=4", NULL, "/run/a b", NULL, NULL, 0, 4},
		{"redis+unix:///run/redis.sock", NULL, "/run/redis.sock", NULL, NULL, 0, 0},
	};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(cases); n++) {
		struct bullmq_address address;
		struct hc_error err = {0};

		if (bullmq_address_parse(cases[n].url, &address, &err))
			fail_msg("%s: %s", cases[n].url, err.text);
		assert_true(hc_streq(address.host, cases[n].host));
		assert_true(hc_streq(address.path, cases[n].path));
		assert_true(hc_streq(address.user, cases[n].user));
		assert_true(hc_streq(address.password, cases[n].password));
		assert_int_equal(address.port, cases[n].port);
		assert_int_equal(address.database, cases[n].database);
		bullmq_address_done(&address);
	}
}

static void bad_urls_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *url, *says;
	} cases[] = {
		{"", "empty"},
		{"localhost:6379", "must begin with"},
		{"rediss://host", "TLS"},
		{"redis-sentinel://host", "Sentinel"},
		{"redis://", "no host"},
		{"redis://:6379", "no host"},
		{"redis://host:0", "port \"0\""},
		{"redis://host:65536", "port"},
		{"redis://host:+1", "port"},
		{"redis://host:12x", "port"},
		{"redis://host/x", "database \"x\""},
		{"redis://host/-1", "database"},
		{"redis://host?timeout=3", "only ?db=NUMBER"},
		{"redis://me@host", "password"},
		{"redis://:a%2@host", "escape"},
		{"redis://:a%00b@host", "escape"},
		{"redis://[::1", "IPv6"},
		{"redis://[::1]x", "IPv6"},
		{"unix://run/redis.sock", "absolute"},
		{"unix:///", "absolute"},
	};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(cases); n++) {
		struct bullmq_address address;
		struct hc_error err = {0};

		assert_int_equal(bullmq_address_parse(cases[n].url, &address, &err), -1);
		assert_int_equal(err.class, HC_INVALID);
		if (!strstr(err.text, cases[n].says))
			fail_msg("%s: \"%s\" does not say \"%s\"", cases[n].url, err.text, cases[n].says);
	}
}

static void ids_keep_clear_of_the_counter_and_of_keys(void **state)
{
	static const struct {
		const char *id;
		int result;
	} cases[] = {
		{"build-1", 0}, {"1a", 0},   {"-1", 0},   {"a b", 0},    {"", -1},   {"0", -1},
		{"123", -1},    {"a:b", -1}, {"0:x", -1}, {"00012", -1}, {NULL, -1},
	};
	char text[600];

	(void)state;
	for (size_t n = 0; n < HC_COUNT(cases); n++) {
		struct hc_error err = {0};

		assert_int_equal(bullmq_check_id(cases[n].id, &err), cases[n].result);
		assert_int_equal(err.class, cases[n].result ? HC_INVALID : HC_OK);
	}
	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_int_equal(bullmq_check_id(text, NULL), -1);
}

static void json_is_what_every_listener_can_read(void **state)
{
	static const char *const good[] = {
		"null", "{}", "[1,2]", "\"x\"", "3", "true", "{\"a\":\"\\u0000\"}", "123456789012345678901234567890",
		" {} "};
	static const char *const bad[] = {"", "undefined", "{", "{}x", "'x'", "NaN", "{a:1}", "[1,]", "\"\xff\""};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(good); n++)
		assert_int_equal(bullmq_check_json("data", good[n], NULL), 0);
	for (size_t n = 0; n < HC_COUNT(bad); n++)
		assert_int_equal(bullmq_check_json("data", bad[n], NULL), -1);
	assert_int_equal(bullmq_check_json("data", NULL, NULL), -1);
}

static void jobs_are_checked_whole(void **state)
{
	const struct bullmq_add good = {.name = "x", .data = "{}", .keep_completed = -1, .keep_failed = 0};
	struct bullmq_add bad[] = {good, good, good, good, good, good, good, good};

	(void)state;
	bad[0].name = "";
	bad[1].data = "x";
	bad[2].id = "7";
	bad[3].priority = 1 << 21;
	bad[4].delay_ms = -1;
	bad[5].keep_failed = -2;
	bad[6].attempts = -1;
	bad[7].delay_ms = 100000000000000; /* 15 digits: cjson would round it */
	assert_int_equal(bullmq_check_add(&good, NULL), 0);
	for (size_t n = 0; n < HC_COUNT(bad); n++)
		assert_int_equal(bullmq_check_add(&bad[n], NULL), -1);
	assert_int_equal(bullmq_check_queue("builds", "bull", NULL), 0);
	assert_int_equal(bullmq_check_queue("a:b", "bull", NULL), -1);
	assert_int_equal(bullmq_check_queue("", "bull", NULL), -1);
	assert_int_equal(bullmq_check_queue("a", "", NULL), -1);
}

/* --- MessagePack -------------------------------------------------------------------------------------------
 */

/* Reads it back and prints it as msgpack-c does: close to JSON. */
static void assert_packed(msgpack_sbuffer *buffer, const char *expected)
{
	msgpack_unpacked unpacked;
	char text[1024] = "";
	size_t offset = 0;

	msgpack_unpacked_init(&unpacked);
	assert_int_equal(msgpack_unpack_next(&unpacked, buffer->data, buffer->size, &offset),
					 MSGPACK_UNPACK_SUCCESS);
	assert_int_equal(offset, buffer->size);
	(void)msgpack_object_print_buffer(text, sizeof text, unpacked.data);
	assert_string_equal(text, expected);
	msgpack_unpacked_destroy(&unpacked);
	msgpack_sbuffer_clear(buffer);
}

static void adds_are_packed(void **state)
{
	const struct bullmq_add plain = {.name = "n", .data = "{}", .keep_completed = -1, .keep_failed = -1};
	const struct bullmq_add full = {
		.id = "b-1",
		.name = "n",
		.data = "{}",
		.attempts = 3,
		.delay_ms = 5,
		.priority = 2,
		.lifo = true,
		.backoff_ms = 500,
		.backoff_exponential = true,
		.keep_completed = 0,
		.keep_failed = 100,
	};
	BULLMQ_AUTO_BUFFER buffer = {0};

	(void)state;
	bullmq_pack_add(&buffer, "bull:q:", &plain, 1795421428159);
	assert_packed(&buffer, "[\"bull:q:\", \"\", \"n\", 1795421428159, nil, nil, nil, nil, nil, nil]");
	bullmq_pack_add(&buffer, "bull:q:", &full, 7);
	assert_packed(&buffer, "[\"bull:q:\", \"b-1\", \"n\", 7, nil, nil, nil, nil, nil, nil]");
	bullmq_pack_add_options(&buffer, &plain);
	assert_packed(&buffer, "{\"attempts\"=>0}");
	bullmq_pack_add_options(&buffer, &full);
	assert_packed(&buffer,
				  "{\"attempts\"=>3, \"jobId\"=>\"b-1\", \"delay\"=>5, \"priority\"=>2, \"lifo\"=>true, "
				  "\"backoff\"=>{\"type\"=>\"exponential\", \"delay\"=>500}, "
				  "\"removeOnComplete\"=>true, \"removeOnFail\"=>100}");
}

static void finishes_are_packed_without_a_gap(void **state)
{
	static const struct {
		const char *options, *keep;
		bool failed;
	} cases[] = {
		{"{}", "{\"count\"=>-1}", false},
		{"{\"removeOnComplete\":true}", "{\"count\"=>0}", false},
		{"{\"removeOnComplete\":false}", "{\"count\"=>-1}", false},
		{"{\"removeOnComplete\":7,\"removeOnFail\":8}", "{\"count\"=>7}", false},
		{"{\"removeOnComplete\":7,\"removeOnFail\":8}", "{\"count\"=>8}", true},
		{"{\"removeOnFail\":{\"age\":60}}", "{\"age\"=>60}", true},
	};
	const struct bullmq_worker worker = {.token = "t", .lock_ms = 30000};
	BULLMQ_AUTO_BUFFER buffer = {0};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(cases); n++) {
		json_t *options = json_loads(cases[n].options, 0, NULL);
		char expected[256];

		bullmq_pack_finish(&buffer, &worker, options, cases[n].failed, 2);
		json_decref(options);
		(void)snprintf(expected, sizeof expected,
					   "{\"token\"=>\"t\", \"lockDuration\"=>30000, \"keepJobs\"=>%s, \"attempts\"=>2, "
					   "\"maxMetricsSize\"=>\"\", \"fpof\"=>false, \"cpof\"=>false, \"idof\"=>false, "
					   "\"rdof\"=>false}",
					   cases[n].keep);
		assert_packed(&buffer, expected);
	}
	bullmq_pack_finish(&buffer, &(struct bullmq_worker){.token = "t", .name = "w", .lock_ms = 1}, NULL, true,
					   0);
	assert_packed(&buffer,
				  "{\"token\"=>\"t\", \"lockDuration\"=>1, \"name\"=>\"w\", \"keepJobs\"=>{\"count\"=>-1}, "
				  "\"attempts\"=>0, \"maxMetricsSize\"=>\"\", \"fpof\"=>false, \"cpof\"=>false, "
				  "\"idof\"=>false, \"rdof\"=>false}");
}

static void backoff_is_that_of_the_job(void **state)
{
	static const struct {
		const char *options;
		int64_t made;
		double random;
		int64_t delay_ms;
	} cases[] = {
		{"{}", 0, 0, 0},
		{"{\"backoff\":250}", 3, 0, 250},
		{"{\"backoff\":{\"type\":\"fixed\",\"delay\":100}}", 5, 0, 100},
		{"{\"backoff\":{\"type\":\"exponential\",\"delay\":200}}", 0, 0, 200},
		{"{\"backoff\":{\"type\":\"exponential\",\"delay\":200}}", 2, 0, 800},
		{"{\"backoff\":{\"type\":\"exponential\",\"delay\":200,\"jitter\":0.5}}", 1, 0, 200},
		{"{\"backoff\":{\"type\":\"exponential\",\"delay\":200,\"jitter\":0.5}}", 1, 0.5, 300},
		{"{\"backoff\":{\"type\":\"exponential\",\"delay\":200}}", 4000, 0, 10000000000000},
		{"{\"backoff\":{\"type\":\"fixed\",\"delay\":-5}}", 0, 0, 0},
	};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(cases); n++) {
		json_t *options = json_loads(cases[n].options, 0, NULL);

		assert_int_equal(bullmq_backoff(options, cases[n].made, cases[n].random), cases[n].delay_ms);
		json_decref(options);
	}
	assert_int_equal(bullmq_backoff(NULL, 1, 0), 0);
}

static void codes_have_a_class(void **state)
{
	static const struct {
		int64_t code;
		enum hc_class class;
	} cases[] = {
		{-1, HC_NOT_FOUND}, {-2, HC_CONFLICT},  {-3, HC_CONFLICT}, {-4, HC_CONFLICT}, {-6, HC_CONFLICT},
		{-9, HC_CONFLICT},  {-11, HC_CONFLICT}, {-12, HC_BUG},     {0, HC_BUG},       {3, HC_BUG},
	};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(cases); n++) {
		struct hc_error err;

		assert_int_equal(bullmq_fail_code(cases[n].code, "complete", "b-1", &err), -1);
		assert_int_equal(err.class, cases[n].class);
		assert_non_null(strstr(err.text, "complete job b-1"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_read),
		cmocka_unit_test(bad_urls_are_refused_with_a_reason),
		cmocka_unit_test(ids_keep_clear_of_the_counter_and_of_keys),
		cmocka_unit_test(json_is_what_every_listener_can_read),
		cmocka_unit_test(jobs_are_checked_whole),
		cmocka_unit_test(adds_are_packed),
		cmocka_unit_test(finishes_are_packed_without_a_gap),
		cmocka_unit_test(backoff_is_that_of_the_job),
		cmocka_unit_test(codes_have_a_class),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
