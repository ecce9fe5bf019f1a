/* tools/bullmq: includes are resolved as BullMQ's own build does it. That all scripts come out byte for byte
 * as the package has them resolved is checked by test/bullmq. */
#include "../cmocka_all.h"

#include "base/file.h"
#include "bullmq-build/resolve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[64];

static void put(const char *name, const char *text)
{
	struct hc_error err;
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	assert_int_equal(hc_file_write(path, text, strlen(text), 0600, &err), 0);
}

static int folder_make(void **state)
{
	struct hc_error err;
	char path[128];

	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/helvetia-resolve.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(path, sizeof path, "%s/includes/deep", folder);
	return hc_folder_make(path, 0700, &err);
}

static int folder_drop(void **state)
{
	struct hc_error err;

	(void)state;
	return hc_folder_remove(folder, &err);
}

static void an_include_comes_once_and_before_its_user(void **state)
{
	HC_AUTO_TEXT text = {0};
	struct hc_error err;

	(void)state;
	put("a-1.lua", "first\n\n--- @include \"includes/x\"\n-- @include 'includes/y'\n  \t\nlast\n");
	put("includes/x.lua", "--- @include \"y\"\nx\n");
	put("includes/y.lua", "--- @include \"./deep/../z\" ;\ny"); /* no end of line */
	put("includes/z.lua", "z\n--- @include \"x\"\n");
	assert_int_equal(resolve_script(folder, "a-1", &text, &err), 0);
	assert_string_equal(hc_text_string(&text), "first\nz\ny\nx\nlast\n");
}

static void lines_that_only_look_like_includes_stay(void **state)
{
	static const char *const lines[] = {
		"- @include \"x\"",  "---- @include \"x\"", " --- @include \"x\"",  "--- @include x",
		"--- @include \"x'", "--- @include \"\"",   "--- @include \"x\" y", "--- @includes \"x\"",
	};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(lines); n++) {
		HC_AUTO_TEXT text = {0};
		struct hc_error err;

		put("b-1.lua", lines[n]);
		assert_int_equal(resolve_script(folder, "b-1", &text, &err), 0);
		assert_string_equal(hc_text_string(&text), lines[n]); /* and no end of line is added */
	}
}

static void a_missing_file_names_both_sides(void **state)
{
	HC_AUTO_TEXT text = {0};
	struct hc_error err;

	(void)state;
	put("c-1.lua", "--- @include \"includes/none\"\n");
	assert_int_equal(resolve_script(folder, "c-1", &text, &err), -1);
	assert_int_equal(err.class, HC_NOT_FOUND);
	assert_non_null(strstr(err.text, "includes/none.lua, included by c-1.lua"));
}

static void an_include_stays_in_the_folder(void **state)
{
	HC_AUTO_TEXT text = {0};
	struct hc_error err;

	(void)state;
	put("d-1.lua", "--- @include \"includes/../../etc\"\n");
	assert_int_equal(resolve_script(folder, "d-1", &text, &err), -1);
	assert_int_equal(err.class, HC_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_include_comes_once_and_before_its_user),
		cmocka_unit_test(lines_that_only_look_like_includes_stay),
		cmocka_unit_test(a_missing_file_names_both_sides),
		cmocka_unit_test(an_include_stays_in_the_folder),
	};

	return cmocka_run_group_tests(tests, folder_make, folder_drop);
}
