/* lib/base: errors, arenas, text, map, queue, clock, files, ids. */
#include "../cmocka_all.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/map.h"
#include "base/options.h"
#include "base/queue.h"
#include "base/random.h"
#include "base/text.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void error_wraps_and_keeps_the_class(void **state)
{
	struct hc_error err;

	(void)state;
	assert_int_equal(hc_fail(&err, HC_NOT_FOUND, "no such image: %s", "shop:1"), -1);
	assert_int_equal(hc_wrap(&err, "start %s", "shop-r7-0"), -1);
	assert_int_equal(hc_wrap(&err, "deploy shop"), -1);
	assert_int_equal(err.class, HC_NOT_FOUND);
	assert_string_equal(err.text, "deploy shop: start shop-r7-0: no such image: shop:1");
	assert_int_equal(hc_fail(NULL, HC_BUG, "nobody listens"), -1);
	assert_int_equal(hc_wrap(NULL, "nobody listens"), -1);
}

static void error_keeps_the_root_cause_when_it_is_full(void **state)
{
	struct hc_error err;
	char context[HC_ERROR_TEXT_MAX * 2];

	(void)state;
	memset(context, 'x', sizeof context - 1);
	context[sizeof context - 1] = '\0';
	hc_fail(&err, HC_TRANSIENT, "the cause");
	for (int depth = 0; depth < 3; depth++)
		hc_wrap(&err, "%s", context);
	assert_true(hc_ends_with(err.text, ": the cause"));
	assert_true(strlen(err.text) < sizeof err.text);

	hc_fail(&err, HC_TRANSIENT, "%s", context);
	hc_wrap(&err, "no room");
	assert_int_equal(strlen(err.text), sizeof err.text - 1);
	assert_int_equal(err.text[0], 'x');
}

static void error_classes_have_names(void **state)
{
	(void)state;
	assert_string_equal(hc_class_name(HC_CONFLICT), "conflict");
	assert_string_equal(hc_class_name(HC_BUG), "bug");
}

static void arena_gives_zeroed_memory_and_can_be_reset(void **state)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t size = 1; size < 100000; size = size * 3 + 1) {
			unsigned char *memory = hc_arena_alloc(arena, size);

			assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
			for (size_t at = 0; at < size; at++)
				assert_int_equal(memory[at], 0);
			memset(memory, 0xaa, size);
		}
		assert_string_equal(hc_arena_printf(arena, "%s-%d", "shop", 7), "shop-7");
		assert_string_equal(hc_arena_strndup(arena, "shopping", 4), "shop");
		assert_null(hc_arena_strdup(arena, NULL));
		hc_arena_reset(arena);
	}
}

static void text_grows_and_escapes(void **state)
{
	HC_AUTO_TEXT text = {0};

	(void)state;
	assert_string_equal(hc_text_string(&text), "");
	for (int index = 0; index < 1000; index++)
		hc_text_printf(&text, "%d,", index);
	assert_true(hc_ends_with(text.data, "998,999,"));
	hc_text_done(&text);
	hc_text_append_json_string(&text, "a\"b\\c\n\t\r\x01z");
	assert_string_equal(text.data, "\"a\\\"b\\\\c\\n\\t\\r\\u0001z\"");
}

static void base64_is_that_of_rfc_4648(void **state)
{
	static const char *const pairs[][2] = {{"", ""},
										   {"f", "Zg=="},
										   {"fo", "Zm8="},
										   {"foo", "Zm9v"},
										   {"foob", "Zm9vYg=="},
										   {"fooba", "Zm9vYmE="},
										   {"foobar", "Zm9vYmFy"},
										   {"\xff\xfe\xfd", "//79"}};
	static const char *const wrong[] = {
		"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "=", "====", "Zg==Zg==", "Zm9v-A==", "Zm 9v", "Z=g="};

	(void)state;
	for (size_t i = 0; i < HC_COUNT(pairs); i++) {
		HC_AUTO_TEXT encoded = {0};
		HC_AUTO_TEXT decoded = {0};

		hc_base64_encode(&encoded, pairs[i][0], strlen(pairs[i][0]));
		assert_string_equal(hc_text_string(&encoded), pairs[i][1]);
		assert_int_equal(hc_base64_decode(&decoded, pairs[i][1], strlen(pairs[i][1])), 0);
		assert_string_equal(hc_text_string(&decoded), pairs[i][0]);
	}
	for (size_t i = 0; i < HC_COUNT(wrong); i++) {
		HC_AUTO_TEXT decoded = {0};

		if (hc_base64_decode(&decoded, wrong[i], strlen(wrong[i])) == 0)
			fail_msg("%s is taken", wrong[i]);
	}
	HC_AUTO_TEXT folded = {0};
	assert_int_equal(hc_base64_decode(&folded, "Zm9v\r\nYg==\n", 11), 0);
	assert_string_equal(hc_text_string(&folded), "foob");
}

static void utf8_is_judged_by_rfc_3629(void **state)
{
	static const struct {
		const char *bytes;
		bool valid;
	} rows[] = {
		{"", true},
		{"plain", true},
		{"gr\xc3\xbc\xc3\x9f", true},
		{"\xe2\x82\xac", true},
		{"\xf0\x9f\x9a\x80", true},
		{"\xf4\x8f\xbf\xbf", true},
		{"\xf4\x90\x80\x80", false}, /* above U+10FFFF */
		{"\xc0\xaf", false},         /* overlong */
		{"\xe0\x80\xaf", false},
		{"\xf0\x80\x80\xaf", false},
		{"\xed\xa0\x80", false}, /* surrogate */
		{"\x80", false},
		{"\xc3", false},
		{"\xe2\x82", false},
		{"a\xff", false},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++)
		assert_int_equal(hc_utf8_valid(rows[index].bytes, strlen(rows[index].bytes)), rows[index].valid);
}

static int count_pairs(const char *key, void *value, void *payload)
{
	(void)key;
	(void)value;
	(*(size_t *)payload)++;
	return 0;
}

static void map_sets_replaces_and_removes(void **state)
{
	HC_AUTO(hc_map) map = hc_map_new();
	int values[100];
	size_t count = 0;

	(void)state;
	for (int index = 0; index < 100; index++) {
		char key[16];

		(void)snprintf(key, sizeof key, "key-%d", index);
		hc_map_set(map, key, &values[index]);
	}
	assert_ptr_equal(hc_map_get(map, "key-42"), &values[42]);
	hc_map_set(map, "key-42", &values[0]);
	assert_ptr_equal(hc_map_get(map, "key-42"), &values[0]);
	assert_int_equal(hc_map_count(map), 100);
	assert_ptr_equal(hc_map_remove(map, "key-42"), &values[0]);
	assert_null(hc_map_remove(map, "key-42"));
	assert_null(hc_map_get(map, "key-42"));
	assert_int_equal(hc_map_each(map, count_pairs, &count), 0);
	assert_int_equal(count, 99);
}

static void *produce(void *payload)
{
	static int items[1000];

	for (int index = 0; index < 1000; index++) {
		items[index] = index;
		if (!hc_queue_push(payload, &items[index]))
			return NULL;
	}
	hc_queue_close(payload);
	return NULL;
}

static void queue_is_bounded_and_ordered(void **state)
{
	HC_AUTO(hc_queue) queue = hc_queue_new(4);
	int item = 1;
	pthread_t producer;

	(void)state;
	for (int index = 0; index < 4; index++)
		assert_true(hc_queue_try_push(queue, &item));
	assert_false(hc_queue_try_push(queue, &item));
	assert_int_equal(hc_queue_count(queue), 4);
	for (int index = 0; index < 4; index++)
		assert_ptr_equal(hc_queue_try_pop(queue), &item);
	assert_null(hc_queue_try_pop(queue));
	assert_int_equal(pthread_create(&producer, NULL, produce, queue), 0);
	for (int index = 0; index < 1000; index++)
		assert_int_equal(*(int *)hc_queue_pop(queue), index);
	assert_null(hc_queue_pop(queue));
	assert_false(hc_queue_push(queue, &item));
	pthread_join(producer, NULL);
}

static void times_are_read_and_written_as_rfc_3339(void **state)
{
	static const struct {
		const char *text;
		int64_t wall_ms; /* -1: refused */
	} rows[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2026-01-02T03:04:05Z", 1767323045000},
		{"2026-01-02T03:04:05.25Z", 1767323045250},
		{"2026-01-02T04:04:05+01:00", 1767323045000},
		{"2026-01-02", -1},
		{"2026-01-02T03:04:05", -1},
		{"2026-01-02T03:04:05+1", -1},
		{"tomorrow", -1},
	};
	char text[HC_TIME_TEXT_SIZE];

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		int64_t wall_ms = -1;
		int failed = hc_clock_parse(rows[index].text, &wall_ms);

		assert_int_equal(failed, rows[index].wall_ms == -1 ? -1 : 0);
		assert_int_equal(wall_ms, rows[index].wall_ms);
	}
	hc_clock_format(1767323045000, text);
	assert_string_equal(text, "2026-01-02T03:04:05Z");
	assert_true(hc_clock_boot_ms() > 0);
	assert_in_range(hc_clock_monotonic_in(1999).tv_sec - hc_clock_monotonic_in(0).tv_sec, 1, 3);
	assert_in_range(hc_clock_monotonic_in(999).tv_nsec, 0, 999999999);
	assert_true(strlen(hc_clock_boot_id()) > 0);
}

static void files_are_replaced_whole_and_bounded(void **state)
{
	char folder[] = "/tmp/base-test-XXXXXX";
	struct hc_error err;
	HC_AUTO_FREE path = NULL;
	HC_AUTO_FREE text = NULL;
	size_t length;
	struct stat status;

	(void)state;
	assert_non_null(mkdtemp(folder));
	path = hc_xprintf("%s/a/b/file", folder);
	assert_int_equal(hc_file_write(path, "x", 1, 0600, &err), -1);
	assert_int_equal(err.class, HC_NOT_FOUND);
	*strrchr(path, '/') = '\0';
	assert_int_equal(hc_folder_make(path, 0755, &err), 0);
	assert_int_equal(hc_folder_make(path, 0755, &err), 0);
	path[strlen(path)] = '/';
	assert_int_equal(hc_file_write(path, "first", 5, 0600, &err), 0);
	assert_int_equal(hc_file_write(path, "second", 6, 0640, &err), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640);
	assert_int_equal(hc_file_read(path, 5, &text, &length, &err), -1);
	assert_int_equal(err.class, HC_INVALID);
	assert_int_equal(hc_file_read(path, 6, &text, &length, &err), 0);
	assert_int_equal(length, 6);
	assert_string_equal(text, "second");
	assert_int_equal(hc_folder_remove(folder, &err), 0);
	assert_false(hc_file_exists(folder));
	assert_int_equal(hc_folder_remove(folder, &err), 0);
}

static void ids_are_well_formed_and_differ(void **state)
{
	char first[HC_UUID_SIZE];
	char second[HC_UUID_SIZE];
	char token[33];

	(void)state;
	hc_random_uuid(first);
	hc_random_uuid(second);
	assert_int_equal(strlen(first), 36);
	assert_int_equal(first[14], '4');
	assert_non_null(strchr("89ab", first[19]));
	assert_string_not_equal(first, second);
	hc_random_token(token, 32);
	assert_int_equal(strspn(token, "abcdefghijklmnopqrstuvwxyz0123456789"), 32);
}

/* What becomes of a child that comes by a point: the signal that ended or stopped it, 0 when nothing did. */
static int signal_at_point(bool in_its_child)
{
	int status = 0, stopped = 0;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		pid_t grandchild = in_its_child ? fork() : 0;

		if (grandchild) {
			(void)waitpid(grandchild, &status, 0);
			_exit(0);
		}
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		hc_fault("test-point");
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, WUNTRACED), child);
	if (WIFSTOPPED(status)) {
		stopped = WSTOPSIG(status);
		assert_int_equal(kill(child, SIGCONT), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
	}
	return WIFSIGNALED(status) ? WTERMSIG(status) : stopped;
}

static void faults_happen_once_and_only_where_asked(void **state)
{
	static const struct {
		const char *file;
		int signal;
		bool in_its_child;
	} rows[] = {
		{"test-point.kill", SIGKILL, false},
		{"test-point.stop", SIGSTOP, false},
		{"test-point.kill-parent", SIGKILL, true},
		{"other-point.kill", 0, false},
	};
	char folder[] = "/tmp/helvetia-base-test-XXXXXX";
	struct hc_error err = {0};

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (size_t n = 0; n < HC_COUNT(rows); n++) {
		HC_AUTO_FREE path = hc_xprintf("%s/%s", folder, rows[n].file);

		assert_int_equal(hc_file_write(path, "", 0, 0600, &err), 0);
		assert_int_equal(unsetenv("HELVETIA_FAULTS"), 0);
		assert_int_equal(signal_at_point(rows[n].in_its_child), 0);
		assert_int_equal(setenv("HELVETIA_FAULTS", folder, 1), 0);
		assert_int_equal(signal_at_point(rows[n].in_its_child), rows[n].signal);
		assert_int_equal(hc_file_exists(path), rows[n].signal == 0);
		assert_int_equal(signal_at_point(rows[n].in_its_child), 0);
	}
	assert_int_equal(unsetenv("HELVETIA_FAULTS"), 0);
	assert_int_equal(hc_folder_remove(folder, &err), 0);
}

static void a_command_line_is_read_by_its_table(void **state)
{
	struct fields {
		const char *text;
		const char *texts[3];
		int number;
		bool flag;
	} fields = {0};
	static const struct hc_option table[] = {
		{"text", HC_OPTION_TEXT, offsetof(struct fields, text), 0, true},
		{"texts", HC_OPTION_TEXTS, offsetof(struct fields, texts), 2, false},
		{"number", HC_OPTION_NUMBER, offsetof(struct fields, number), 9, false},
		{"flag", HC_OPTION_FLAG, offsetof(struct fields, flag), 0, false},
	};
	char *argv[] = {(char[]){"p"},       (char[]){"--texts"},
					(char[]){"a"},       (char[]){"--texts=b"},
					(char[]){"--flag"},  (char[]){"--number"},
					(char[]){"9"},       (char[]){"--texts"},
					(char[]){"another"}, NULL};
	struct hc_error err;

	(void)state;
	assert_int_equal(hc_options_parse(table, HC_COUNT(table), 7, argv, &fields, &err), 0);
	assert_string_equal(fields.texts[0], "a");
	assert_string_equal(fields.texts[1], "b");
	assert_null(fields.texts[2]);
	assert_int_equal(fields.number, 9);
	assert_true(fields.flag);
	assert_int_equal(hc_options_require(table, HC_COUNT(table), &fields, &err), -1);
	assert_string_equal(err.text, "--text is required");
	fields = (struct fields){.text = "t"};
	assert_int_equal(hc_options_require(table, HC_COUNT(table), &fields, &err), 0);
	assert_int_equal(hc_options_parse(table, HC_COUNT(table), 9, argv, &fields, &err), -1);
	assert_int_equal(err.class, HC_INVALID);
	assert_string_equal(err.text, "--texts: at most 2 of them");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_wraps_and_keeps_the_class),
		cmocka_unit_test(error_keeps_the_root_cause_when_it_is_full),
		cmocka_unit_test(error_classes_have_names),
		cmocka_unit_test(arena_gives_zeroed_memory_and_can_be_reset),
		cmocka_unit_test(text_grows_and_escapes),
		cmocka_unit_test(base64_is_that_of_rfc_4648),
		cmocka_unit_test(utf8_is_judged_by_rfc_3629),
		cmocka_unit_test(map_sets_replaces_and_removes),
		cmocka_unit_test(queue_is_bounded_and_ordered),
		cmocka_unit_test(times_are_read_and_written_as_rfc_3339),
		cmocka_unit_test(files_are_replaced_whole_and_bounded),
		cmocka_unit_test(ids_are_well_formed_and_differ),
		cmocka_unit_test(a_command_line_is_read_by_its_table),
		cmocka_unit_test(faults_happen_once_and_only_where_asked),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
