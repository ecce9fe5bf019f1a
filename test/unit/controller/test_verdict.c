/* Readiness from a series of answers, and the first bytes of an answer. */
#include "controller/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static void the_first_good_answer_makes_ready(void **state)
{
	struct verdict verdict;

	(void)state;
	verdict_reset(&verdict);
	assert_int_equal(verdict.now, PROBE_UNKNOWN);
	assert_true(verdict_answer(&verdict, false, 1000));
	assert_int_equal(verdict.now, PROBE_NOT_READY);
	assert_true(verdict_answer(&verdict, true, 1050));
	assert_int_equal(verdict.now, PROBE_READY);
	assert_false(verdict_answer(&verdict, true, 6050));
}

static void three_failures_over_five_seconds_make_unready(void **state)
{
	static const struct {
		const char *what;
		int64_t times_ms[8]; /* of failures; 0 ends */
		enum probe_verdict expected;
	} cases[] = {
		{"one", {1000, 0}, PROBE_NOT_READY},
		{"two far apart", {1000, 9000, 0}, PROBE_NOT_READY},
		{"three close together", {1000, 2000, 3000, 0}, PROBE_NOT_READY},
		{"many close together", {1000, 1500, 2000, 2500, 3000, 5999, 0}, PROBE_NOT_READY},
		{"three over five seconds", {1000, 3500, 6000, 0}, PROBE_UNREADY},
		{"four over five seconds", {1000, 2000, 3000, 6001, 0}, PROBE_UNREADY},
	};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(cases); n++) {
		struct verdict verdict;

		verdict_reset(&verdict);
		(void)verdict_answer(&verdict, true, 500);
		for (const int64_t *at_ms = cases[n].times_ms; *at_ms; at_ms++)
			(void)verdict_answer(&verdict, false, *at_ms);
		if (verdict.now != cases[n].expected)
			fail_msg("%s: got %d", cases[n].what, (int)verdict.now);
	}
}

static void a_good_answer_ends_the_series(void **state)
{
	struct verdict verdict;

	(void)state;
	verdict_reset(&verdict);
	(void)verdict_answer(&verdict, false, 1000);
	(void)verdict_answer(&verdict, false, 4000);
	(void)verdict_answer(&verdict, true, 5000);
	(void)verdict_answer(&verdict, false, 6100);
	assert_int_equal(verdict.now, PROBE_NOT_READY);
}

static void waiting_is_quick_at_first_and_slow_when_ready(void **state)
{
	static const int64_t expected_ms[] = {50, 100, 200, 400, 500, 500};
	struct verdict verdict;

	(void)state;
	verdict_reset(&verdict);
	for (size_t n = 0; n < HC_COUNT(expected_ms); n++) {
		(void)verdict_answer(&verdict, false, 1000);
		assert_int_equal(verdict_delay_ms(&verdict, true, n, 1000), expected_ms[n]);
	}
	assert_int_equal(verdict_delay_ms(&verdict, false, 0, 1234), 1000);
	(void)verdict_answer(&verdict, true, 2000);
	(void)verdict_answer(&verdict, false, 3000);
	assert_int_equal(verdict_delay_ms(&verdict, true, 0, 3000), 50);
}

static void the_slow_questions_fall_on_common_moments(void **state)
{
	struct verdict verdict;
	int64_t now_ms = 600000;
	int seconds[7] = {0};

	(void)state;
	verdict_reset(&verdict);
	(void)verdict_answer(&verdict, true, 2000);
	for (uint64_t random = 0; random < 4 * 2001; random++) {
		int64_t delay_ms = verdict_delay_ms(&verdict, true, random, now_ms);

		assert_in_range(delay_ms, 4000, 6000);
		seconds[delay_ms / 1000]++;
	}
	/* In the mean each 5 s, and those that were asked together part. */
	assert_in_range(seconds[4], 4 * 1000, 4 * 1001);
	assert_in_range(seconds[6], 4 * 1000, 4 * 1001);
	for (now_ms = 600001; now_ms < 602000; now_ms += 13) {
		int64_t delay_ms = verdict_delay_ms(&verdict, false, (uint64_t)now_ms * 7919, now_ms);

		assert_int_equal((now_ms + delay_ms) % 2000, 0);
		assert_in_range(delay_ms, 3000, 7000);
	}
}

static void status_lines(void **state)
{
	static const struct {
		const char *bytes;
		enum verdict_bytes expected;
		int status;
	} cases[] = {
		{"", VERDICT_BYTES_MORE, 0},
		{"HTT", VERDICT_BYTES_MORE, 0},
		{"HTTP/1.1 20", VERDICT_BYTES_MORE, 0},
		{"HTTP/1.1 200", VERDICT_BYTES_HTTP, 200},
		{"HTTP/1.1 200 OK\r\nServer: x", VERDICT_BYTES_HTTP, 200},
		{"HTTP/1.0 503 Service Unavailable", VERDICT_BYTES_HTTP, 503},
		{"HTTP/2 200", VERDICT_BYTES_OTHER, 0},
		{"HTTP/1.1 2x0", VERDICT_BYTES_OTHER, 0},
		{"-ERR unknown command", VERDICT_BYTES_OTHER, 0},
		{"\x15\x03\x01", VERDICT_BYTES_OTHER, 0},
	};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(cases); n++) {
		int status = 0;

		if (verdict_status_line(cases[n].bytes, strlen(cases[n].bytes), &status) != cases[n].expected ||
			status != cases[n].status)
			fail_msg("\"%s\": status %d", cases[n].bytes, status);
	}
}

static void an_explicit_path_wants_success(void **state)
{
	static const struct {
		int status;
		bool without_path;
		bool with_path;
	} cases[] = {
		{200, true, true},  {204, true, true},  {302, true, true},   {404, true, false},
		{401, true, false}, {499, true, false}, {500, false, false}, {503, false, false},
	};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(cases); n++) {
		assert_int_equal(verdict_status_good(cases[n].status, false), cases[n].without_path);
		assert_int_equal(verdict_status_good(cases[n].status, true), cases[n].with_path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_good_answer_makes_ready),
		cmocka_unit_test(three_failures_over_five_seconds_make_unready),
		cmocka_unit_test(a_good_answer_ends_the_series),
		cmocka_unit_test(waiting_is_quick_at_first_and_slow_when_ready),
		cmocka_unit_test(the_slow_questions_fall_on_common_moments),
		cmocka_unit_test(status_lines),
		cmocka_unit_test(an_explicit_path_wants_success),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
