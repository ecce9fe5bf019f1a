/* Folders and marks on a real file system, and the memory of the process. */
#include "../cmocka_all.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "reconcilers/deployment/deployment_marks.h"
#include "reconcilers/deployment/deployment_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
	char state[64];
	char *containers;
	char *probe;
};

static int place_open(void **state)
{
	struct place *place = hc_xalloc(sizeof *place);
	struct hc_error err;

	(void)snprintf(place->state, sizeof place->state, "/tmp/helvetia-marks-XXXXXX");
	assert_non_null(mkdtemp(place->state));
	place->containers = hc_xprintf("%s/containers", place->state);
	place->probe = hc_xprintf("%s/helvetia-probe", place->state);
	assert_int_equal(hc_file_write(place->probe, "probe", 5, 0755, &err), 0);
	*state = place;
	return 0;
}

static int place_close(void **state)
{
	struct place *place = *state;
	struct hc_error err;

	assert_int_equal(hc_folder_remove(place->state, &err), 0);
	free(place->containers);
	free(place->probe);
	free(place);
	return 0;
}

static struct container_view read_view(const struct place *place, int64_t started)
{
	struct container_view view = {.folder = "shop-r1-0", .started_wall_ms = started};

	marks_read(place->containers, &view);
	return view;
}

static void test_gate(void **state)
{
	struct place *place = *state;
	struct container_view view = read_view(place, 5);
	struct hc_error err;

	assert_false(view.gate_folder || view.gate_open || view.gate_used || view.gate_changed_boot_ms);
	assert_int_equal(marks_prepare(place->containers, "shop-r1-0", place->probe, &err), 0);
	view = read_view(place, 5);
	assert_true(view.gate_folder);
	assert_false(view.gate_open || view.gate_used);

	for (int twice = 0; twice < 2; twice++)
		assert_int_equal(marks_gate(place->containers, "shop-r1-0", true, &err), 0);
	view = read_view(place, 5);
	assert_true(view.gate_open && view.gate_used);
	assert_in_range(view.gate_changed_boot_ms, hc_clock_boot_ms() - 5000, hc_clock_boot_ms());

	for (int twice = 0; twice < 2; twice++)
		assert_int_equal(marks_gate(place->containers, "shop-r1-0", false, &err), 0);
	view = read_view(place, 5);
	assert_false(view.gate_open);
	assert_true(view.gate_used && view.gate_changed_boot_ms);

	/* A new container of the same name begins with a shut gate that was never open. */
	assert_int_equal(marks_gate(place->containers, "shop-r1-0", true, &err), 0);
	assert_int_equal(marks_prepare(place->containers, "shop-r1-0", place->probe, &err), 0);
	view = read_view(place, 5);
	assert_false(view.gate_open || view.gate_used || view.gate_changed_boot_ms);
}

static void test_signals(void **state)
{
	struct place *place = *state;
	struct container_view view;
	struct hc_error err;

	assert_int_equal(marks_signal(place->containers, "shop-r1-0", false, 5, &err), 0);
	view = read_view(place, 5);
	assert_true(view.term_sent_boot_ms);
	assert_false(view.kill_sent_boot_ms);
	assert_int_equal(marks_signal(place->containers, "shop-r1-0", true, 5, &err), 0);
	assert_true(read_view(place, 5).kill_sent_boot_ms);
	/* The container was started again since: the signal was for another process. */
	view = read_view(place, 6);
	assert_false(view.term_sent_boot_ms || view.kill_sent_boot_ms);
}

static void test_other_boot(void **state)
{
	struct place *place = *state;
	HC_AUTO_FREE gate = hc_xprintf("%s/marks/shop-r1-0/gate", place->state);
	HC_AUTO_FREE terminated = hc_xprintf("%s/marks/shop-r1-0/terminated", place->state);
	static const char text[] = "another-boot 100 5\n";
	struct container_view view;
	struct hc_error err;

	assert_int_equal(marks_signal(place->containers, "shop-r1-0", false, 5, &err), 0);
	assert_int_equal(hc_file_write(gate, text, strlen(text), 0600, &err), 0);
	assert_int_equal(hc_file_write(terminated, text, strlen(text), 0600, &err), 0);
	view = read_view(place, 5);
	assert_true(view.gate_used);
	assert_false(view.gate_changed_boot_ms || view.term_sent_boot_ms);
	/* Half a mark, as a full disk leaves it, is no mark. */
	assert_int_equal(hc_file_write(terminated, "half", 4, 0600, &err), 0);
	assert_false(read_view(place, 5).term_sent_boot_ms);
}

/* The container's folder is readable by its tenant, the marks are ours only. */
static void test_modes(void **state)
{
	struct place *place = *state;
	HC_AUTO_FREE gate = hc_xprintf("%s/shop-r1-0/gate", place->containers);
	HC_AUTO_FREE marks = hc_xprintf("%s/marks/shop-r1-0", place->state);
	struct hc_error err;
	struct stat info;

	assert_int_equal(marks_prepare(place->containers, "shop-r1-0", place->probe, &err), 0);
	assert_int_equal(marks_gate(place->containers, "shop-r1-0", true, &err), 0);
	assert_int_equal(stat(gate, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0755);
	assert_int_equal(stat(marks, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0700);
}

static void test_list(void **state)
{
	struct place *place = *state;
	HC_AUTO(hc_arena) arena = hc_arena_new();
	HC_AUTO_FREE container = hc_xprintf("%s/shop-r1-0", place->containers);
	struct mark_folder *folders;
	struct hc_error err;
	size_t count;

	assert_int_equal(marks_list(place->containers, arena, &folders, &count, &err), 0);
	assert_int_equal(count, 0);
	assert_int_equal(marks_prepare(place->containers, "shop-r1-1", place->probe, &err), 0);
	assert_int_equal(marks_prepare(place->containers, "shop-r1-0", place->probe, &err), 0);
	assert_int_equal(marks_gate(place->containers, "shop-r1-0", true, &err), 0);
	assert_int_equal(marks_remove(place->containers, "shop-r1-0", &err), 0);
	assert_false(hc_file_exists(container));
	assert_int_equal(marks_list(place->containers, arena, &folders, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_string_equal(folders[0].name, "shop-r1-0");
	assert_string_equal(folders[1].name, "shop-r1-1");
	/* Removed just now, and made just now: both are too young to go. */
	assert_true(folders[0].removed_boot_ms && folders[1].removed_boot_ms);
	assert_int_equal(marks_forget(place->containers, "shop-r1-0", &err), 0);
	assert_int_equal(marks_forget(place->containers, "shop-r1-1", &err), 0);
	assert_int_equal(marks_list(place->containers, arena, &folders, &count, &err), 0);
	assert_int_equal(count, 0);
}

static void test_pulls(void **state)
{
	static const int64_t delays[] = {5, 10, 20, 40, 80, 160, 320, 600, 600};
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct image_view image = {0};

	(void)state;
	memory_pull("d1", "b", arena, &image);
	assert_string_equal(image.error, "");
	for (size_t index = 0; index < HC_COUNT(delays); index++) {
		memory_pull_failed("d1", "connection refused", false, 1000);
		memory_pull("d1", "b", arena, &image);
		assert_string_equal(image.error, "connection refused");
		assert_int_equal(image.retry_at.at_ms, 1000 + delays[index] * 1000);
		assert_int_equal(image.pull_attempts, index + 1);
		assert_false(image.error_final);
	}
	memory_pull_failed("d1", "manifest unknown", true, 1000);
	memory_pull("d1", "b", arena, &image);
	assert_true(image.error_final);
	image = (struct image_view){0};
	memory_pull("d2", "b", arena, &image); /* another Deployment asks anew */
	assert_string_equal(image.error, "");
	memory_pull_done("d1");
	memory_pull("d1", "b", arena, &image);
	assert_string_equal(image.error, "");
}

static void test_memory(void **state)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();

	(void)state;
	assert_null(memory_refusal("shop-r1-0", arena));
	memory_refuse("shop-r1-0", "too many CPUs");
	memory_refuse("shop-r1-0", "too much memory");
	assert_string_equal(memory_refusal("shop-r1-0", arena), "too much memory");
	assert_int_equal(memory_unlisted("shop-r1-0", false, 5), 0);
	assert_int_equal(memory_unlisted("shop-r1-0", true, 7), 7);
	assert_int_equal(memory_unlisted("shop-r1-0", true, 9), 7);
	assert_int_equal(memory_unlisted("shop-r1-0", false, 10), 0);
	assert_int_equal(memory_unlisted("shop-r1-0", true, 11), 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_gate, place_open, place_close),
		cmocka_unit_test_setup_teardown(test_signals, place_open, place_close),
		cmocka_unit_test_setup_teardown(test_other_boot, place_open, place_close),
		cmocka_unit_test_setup_teardown(test_modes, place_open, place_close),
		cmocka_unit_test_setup_teardown(test_list, place_open, place_close),
		cmocka_unit_test(test_pulls),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
