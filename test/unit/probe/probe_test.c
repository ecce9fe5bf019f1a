/* Tables for the pure parts of the probe: what it says, and what an answer means. */
#include "../cmocka_all.h"

#include "probe/probe.h"

#include <string.h>

#define NOTHING PROBE_REPORTED_NOTHING
#define SHUT PROBE_REPORTED_SHUT
#define OPEN PROBE_REPORTED_OPEN

static void test_decide(void **state)
{
	static const struct {
		const char *name;
		enum probe_reported reported;
		struct probe_view view;
		enum probe_step step;
		bool asks;
	} rows[] = {
		{"just started, shut", NOTHING, {.gate_open = false}, PROBE_STAY, false},
		{"just started, open, fails", NOTHING, {.gate_open = true}, PROBE_STAY, true},
		{"just started, open, answers", NOTHING, {.gate_open = true, .answers = true}, PROBE_SAY_OPEN, true},
		{"shut, still shut", SHUT, {.gate_open = false}, PROBE_STAY, false},
		{"shut, answers but shut", SHUT, {.gate_open = false, .answers = true}, PROBE_STAY, false},
		{"shut, opened, fails", SHUT, {.gate_open = true}, PROBE_STAY, true},
		{"shut, opened, answers", SHUT, {.gate_open = true, .answers = true}, PROBE_SAY_OPEN, true},
		{"open, still open", OPEN, {.gate_open = true}, PROBE_STAY, false},
		{"open, closed", OPEN, {.gate_open = false}, PROBE_SAY_SHUT, false},
		{"open, time over", OPEN, {.gate_open = true, .time_over = true}, PROBE_SAY_OPEN, false},
		{"shut, time over", SHUT, {.time_over = true}, PROBE_SAY_SHUT, false},
		{"started, time over", NOTHING, {.time_over = true}, PROBE_SAY_SHUT, false},
		{"shut, opened, fails, time over",
		 SHUT,
		 {.gate_open = true, .time_over = true},
		 PROBE_SAY_SHUT,
		 true},
		{"open, uncertain", OPEN, {.gate_open = true, .uncertain = true}, PROBE_SAY_OPEN, false},
		{"open, closed, uncertain", OPEN, {.uncertain = true}, PROBE_SAY_SHUT, false},
		{"shut, uncertain", SHUT, {.uncertain = true}, PROBE_SAY_SHUT, false},
		{"shut, opened, fails, uncertain",
		 SHUT,
		 {.gate_open = true, .uncertain = true},
		 PROBE_SAY_SHUT,
		 true},
		{"nothing, opened, answers, uncertain",
		 NOTHING,
		 {.gate_open = true, .answers = true, .uncertain = true},
		 PROBE_SAY_OPEN,
		 true},
	};

	(void)state;
	for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
		struct probe_memory memory = {.magic = PROBE_MEMORY_MAGIC, .reported = (int32_t)rows[index].reported};

		if (probe_decide(&memory, &rows[index].view) != rows[index].step ||
			probe_must_ask(&memory, rows[index].view.gate_open) != rows[index].asks)
			fail_msg("%s", rows[index].name);
	}
}

static void test_uncertain(void **state)
{
	static const struct {
		const char *name;
		struct probe_memory memory;
		int64_t now_ms;
		bool busy;
		bool uncertain;
	} rows[] = {
		{"no memory", {.reported = NOTHING}, 50000, false, false},
		{"no memory, but another holds the lock", {.reported = NOTHING}, 50000, true, true},
		{"reported 100 ms ago", {.reported = OPEN, .reported_ms = 49900}, 50000, false, false},
		{"reported 2 s ago", {.reported = SHUT, .reported_ms = 48000}, 50000, false, false},
		{"reported more than 2 s ago", {.reported = OPEN, .reported_ms = 47999}, 50000, false, true},
		{"reported in the future", {.reported = OPEN, .reported_ms = 50001}, 50000, false, true},
		{"killed while resident",
		 {.reported = OPEN, .resident = 7, .reported_ms = 49900},
		 50000,
		 false,
		 true},
		{"killed before its first report", {.reported = NOTHING, .resident = 7}, 50000, false, true},
		{"lock held", {.reported = OPEN, .reported_ms = 49900}, 50000, true, true},
	};

	(void)state;
	for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++)
		if (probe_uncertain(&rows[index].memory, rows[index].busy, rows[index].now_ms) !=
			rows[index].uncertain)
			fail_msg("%s", rows[index].name);
}

static void test_memory(void **state)
{
	struct probe_memory good = {.magic = PROBE_MEMORY_MAGIC, .reported = OPEN, .reported_ms = 5};
	struct probe_memory memory;

	(void)state;
	probe_memory_load(NULL, 0, &memory);
	assert_int_equal(memory.reported, NOTHING);
	assert_int_equal(memory.resident, 0);
	probe_memory_load(&good, sizeof good, &memory);
	assert_memory_equal(&memory, &good, sizeof good);
	probe_memory_load(&good, sizeof good - 1, &memory); /* cut */
	assert_int_equal(memory.reported, SHUT);
	assert_true(probe_uncertain(&memory, false, 0));
	good.reported = 9;
	probe_memory_load(&good, sizeof good, &memory); /* written by somebody else */
	assert_int_equal(memory.reported, SHUT);
	assert_true(probe_uncertain(&memory, false, 0));
}

static void test_stay(void **state)
{
	static const struct {
		enum probe_reported reported;
		int32_t repeats;
		int64_t stay_ms;
	} rows[] = {
		{NOTHING, 0, 3000000}, {SHUT, 0, 3000000}, {OPEN, 0, 2000},    {OPEN, 1, 16000},
		{OPEN, 2, 128000},     {OPEN, 3, 1024000}, {OPEN, 4, 3000000}, {OPEN, 8, 3000000},
	};

	(void)state;
	for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
		struct probe_memory memory = {.reported = (int32_t)rows[index].reported,
									  .repeats = rows[index].repeats};

		assert_int_equal(probe_stay_ms(&memory, 3000000), rows[index].stay_ms);
		assert_int_equal(probe_stay_ms(&memory, 1000), 1000);
	}
}

static void test_note(void **state)
{
	struct probe_memory memory = {.magic = PROBE_MEMORY_MAGIC, .resident = 9};
	struct probe_view certain = {.gate_open = true};
	struct probe_view uncertain = {.gate_open = true, .uncertain = true};

	(void)state;
	probe_note(&memory, PROBE_SAY_OPEN, &certain, 77);
	assert_int_equal(memory.reported, OPEN);
	assert_int_equal(memory.resident, 0);
	assert_int_equal(memory.reported_ms, 77);
	assert_int_equal(memory.repeats, 0);
	for (int32_t repeat = 1; repeat <= 20; repeat++) {
		probe_note(&memory, PROBE_SAY_OPEN, &certain, 77);
		assert_int_equal(memory.repeats, repeat < 8 ? repeat : 8);
	}
	probe_note(&memory, PROBE_SAY_OPEN, &uncertain, 78); /* what Docker knew is not known */
	assert_int_equal(memory.repeats, 0);
	probe_note(&memory, PROBE_SAY_OPEN, &certain, 78);
	probe_note(&memory, PROBE_SAY_SHUT, &certain, 79);
	assert_int_equal(memory.reported, SHUT);
	assert_int_equal(memory.repeats, 0);
}

static void test_judge(void **state)
{
	enum { MORE = PROBE_ANSWER_MORE, YES = PROBE_ANSWER_YES, NO = PROBE_ANSWER_NO };
	static const struct {
		const char *data;
		bool ended;
		int lenient;
		int explicit;
		int status;
	} rows[] = {
		{"", false, MORE, MORE, 0},
		{"", true, YES, NO, 0}, /* silent or closed: a connect is enough where no path is named */
		{"HTTP/1.1 20", false, MORE, MORE, 0},
		{"HTTP/1.1 20", true, YES, NO, 0},
		{"HTTP/1.1 200 OK\r\n", false, YES, YES, 200},
		{"HTTP/1.0 204", false, YES, YES, 204},
		{"HTTP/1.1 301 Moved", false, YES, YES, 301},
		{"HTTP/1.1 399 ", false, YES, YES, 399},
		{"HTTP/1.1 400 ", false, YES, NO, 400},
		{"HTTP/1.1 404 ", false, YES, NO, 404},
		{"HTTP/1.1 499 ", false, YES, NO, 499},
		{"HTTP/1.1 500 ", false, NO, NO, 500},
		{"HTTP/1.1 503 ", false, NO, NO, 503},
		{"HTTP/1.1 103 Early Hints\r\n", false, MORE, MORE, 0},
		{"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK", false, YES, YES, 200},
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 No", false, NO, NO, 500},
		{"HTTP/1.1 100 Continue\r\n\r\n", true, YES, NO, 0},
		{"HTTP/1.1 2x0 OK\r\n", false, YES, NO, 0},
		{"HTTPS is what I speak", false, YES, NO, 0},
		{"SSH-2.0-OpenSSH_9.2\r\n", false, YES, NO, 0},
		{"H", false, MORE, MORE, 0},
		{"-ERR unknown command\r\n", false, YES, NO, 0},
	};

	(void)state;
	for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
		size_t length = strlen(rows[index].data);
		int status;

		if ((int)probe_judge(rows[index].data, length, rows[index].ended, false, &status) !=
				rows[index].lenient ||
			status != rows[index].status ||
			(int)probe_judge(rows[index].data, length, rows[index].ended, true, &status) !=
				rows[index].explicit)
			fail_msg("row %zu: %s", index, rows[index].data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decide), cmocka_unit_test(test_uncertain), cmocka_unit_test(test_memory),
		cmocka_unit_test(test_stay),   cmocka_unit_test(test_note),      cmocka_unit_test(test_judge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
