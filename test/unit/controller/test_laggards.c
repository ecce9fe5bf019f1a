/* Which keys wait because others like them are in hand. */
#include "../cmocka_all.h"

#include "controller/laggards.h"

static void lag(struct laggards *laggards, const char *key)
{
	assert_true(laggards_begin(laggards, key));
	laggards_end(laggards, key, true, LAGGARDS_AFTER_MS);
}

static void test_at_once(void **state)
{
	HC_AUTO(laggards) laggards = laggards_new(2);

	(void)state;
	lag(laggards, "a");
	lag(laggards, "b");
	lag(laggards, "c"); /* nobody knew of it before */
	assert_true(laggards_begin(laggards, "a"));
	assert_true(laggards_begin(laggards, "b"));
	assert_false(laggards_begin(laggards, "c"));
	for (int count = 0; count < 10; count++)
		assert_true(laggards_begin(laggards, "well"));
	laggards_end(laggards, "well", false, 0);
	assert_false(laggards_begin(laggards, "c"));
	laggards_end(laggards, "a", true, LAGGARDS_AFTER_MS); /* still one */
	assert_true(laggards_begin(laggards, "c"));
	assert_false(laggards_begin(laggards, "a"));
}

static void test_forgiven(void **state)
{
	static const struct {
		bool failed;
		int64_t lasted_ms;
		bool waits;
	} rows[] = {
		{true, LAGGARDS_AFTER_MS, true},
		{true, LAGGARDS_AFTER_MS - 1, false},
		{false, 10 * LAGGARDS_AFTER_MS, false},
	};

	(void)state;
	for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
		HC_AUTO(laggards) laggards = laggards_new(1);

		lag(laggards, "a");
		lag(laggards, "b");
		assert_true(laggards_begin(laggards, "b"));
		laggards_end(laggards, "b", rows[index].failed, rows[index].lasted_ms);
		assert_true(laggards_begin(laggards, "a"));
		assert_int_equal(laggards_begin(laggards, "b"), !rows[index].waits);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_at_once), cmocka_unit_test(test_forgiven)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
