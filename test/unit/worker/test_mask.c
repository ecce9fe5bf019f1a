/* What is masked in a log, and that nothing else is. */
#include "worker/mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define VALUE "p/ss w\"rd+1\\" /* p/ss w"rd+1\ */
#define KEY "-----BEGIN KEY-----\nMIGHAgEAMBMGByqGSM49\nAgEGCCqGSM49\n-----END KEY-----\n"

static struct mask *mask;

static int begin(void **state)
{
	(void)state;
	mask = mask_new();
	assert_true(mask_add(mask, VALUE, strlen(VALUE)));
	assert_true(mask_add(mask, KEY, strlen(KEY)));
	assert_true(mask_add(mask, "walnut", 6));
	assert_false(mask_add(mask, "abc", 3));
	assert_false(mask_add(mask, "\n\n\n\n\n", 5));
	return 0;
}

static int end(void **state)
{
	(void)state;
	mask_free(mask);
	return 0;
}

static const struct {
	const char *text;
	const char *masked;
} rows[] = {
	{"", ""},
	{"nothing of interest\n", "nothing of interest\n"},
	{"a " VALUE " b", "a *** b"},
	{"walnutwalnut walnu", "****** walnu"},
	{"p/ss w\"rd+1", "p/ss w\"rd+1"}, /* not the whole */
	{"q=p%2Fss%20w%22rd%2B1%5C&x", "q=***&x"},
	{"q=p%2fss+w%22rd%2b1%5c&x", "q=***&x"},
	{"q=%70%2Fss%20w%22rd%2B1%5C", "q=***"},
	{"{\"a\":\"p/ss w\\\"rd+1\\\\\"}", "{\"a\":\"***\"}"},
	{"{\"a\":\"p\\/ss\\u0020w\\u0022rd+1\\\\\"}", "{\"a\":\"***\"}"},
	/* base64: alone, behind one and two bytes, and URL-safe */
	{"cC9zcyB3InJkKzFc", "***"},
	{"eHAvc3MgdyJyZCsxXHk=", "eH***Hk="},
	{"eHhwL3NzIHcicmQrMVx5", "eHh***x5"},
	{"d2FsbnV0", "***"},
	{"Basic dXNlcjp3YWxudXQ= x", "Basic dXNlcjp***Q= x"},
	/* lines */
	{"#7 0.101 wal\n#7 0.102 nut\n", "#7 0.101 ***\n"},
	{"wal\nnut\n", "***\n"},
	{"#7 0.1 " KEY, "#7 0.1 ***\n"},
	{"#7 0.1 -----BEGIN KEY-----\n#7 0.1 MIGHAgEAMBMGByqGSM49\n#7 0.2 AgEGCCqGSM49\n#7 0.3 -----END "
	 "KEY-----\n",
	 "#7 0.1 ***\n"},
	{"only MIGHAgEAMBMGByqGSM49 of it", "only *** of it"},
	{"100% of it, 50%2", "100% of it, 50%2"},
	{"walnu\\", "walnu\\"},
};

static void test_whole(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		HC_AUTO_TEXT masked = {0};
		size_t length = strlen(rows[index].text);

		assert_int_equal(mask_apply(mask, rows[index].text, length, true, &masked), length);
		assert_string_equal(hc_text_string(&masked), rows[index].masked);
	}
}

/* Wherever the text is cut in two, and also byte by byte, the same comes out. */
static void test_pieces(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		const char *text = rows[index].text;
		size_t length = strlen(text);

		for (size_t cut = 0; cut <= length; cut++) {
			HC_AUTO_TEXT masked = {0};
			size_t taken = mask_apply(mask, text, cut, false, &masked);

			assert_in_range(taken, 0, cut);
			taken += mask_apply(mask, text + taken, length - taken, true, &masked);
			assert_int_equal(taken, length);
			assert_string_equal(hc_text_string(&masked), rows[index].masked);
		}
		HC_AUTO_TEXT masked = {0};
		size_t taken = 0;
		for (size_t given = 1; given <= length; given++)
			taken += mask_apply(mask, text + taken, given - taken, given == length, &masked);
		assert_string_equal(hc_text_string(&masked), rows[index].masked);
	}
}

static void test_in_place(void **state)
{
	char text[] = "exit code: 1: walnut";
	char short_text[] = "a walnut";

	(void)state;
	mask_whole(mask, text);
	assert_string_equal(text, "exit code: 1: ***");
	mask_whole(mask, short_text);
	assert_string_equal(short_text, "a ***");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_in_place),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
