/* Which addresses are offered, and which rest. */
#include "controller/addresses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

#define SUBNET "10.213.4.0/29" /* hosts .2 to .6 */

struct bench {
	struct addresses *addresses;
	struct hc_arena *arena;
	const char *got[64];
};

static int set_up(void **state)
{
	static struct bench bench;

	bench.addresses = addresses_new(0);
	bench.arena = hc_arena_new();
	*state = &bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;

	addresses_free(bench->addresses);
	hc_arena_free(bench->arena);
	return 0;
}

/* What an owner is offered, joined by blanks. */
static const char *offered(struct bench *bench, unsigned owner, int64_t now_ms, const char *used,
						   size_t count)
{
	const char *list[] = {used};
	size_t got = addresses_reserve(bench->addresses, owner, now_ms, bench->arena, SUBNET, list, used ? 1 : 0,
								   count, bench->got);
	const char *text = "";

	for (size_t n = 0; n < got; n++)
		text = hc_arena_printf(bench->arena, "%s%s%s", text, n ? " " : "", strrchr(bench->got[n], '.'));
	return text;
}

static void owners_get_different_addresses(void **state)
{
	struct bench *bench = *state;

	assert_string_equal(offered(bench, 1, 1000, NULL, 2), ".2 .3");
	assert_string_equal(offered(bench, 2, 1000, NULL, 2), ".4 .5");
	assert_string_equal(offered(bench, 3, 1000, NULL, 2), ".6");
	assert_string_equal(offered(bench, 4, 1000, NULL, 2), "");
}

static void an_owner_that_asks_again_gets_its_own(void **state)
{
	struct bench *bench = *state;

	for (int pass = 0; pass < 100; pass++)
		assert_string_equal(offered(bench, 1, 1000 + pass, NULL, 2), ".2 .3");
	assert_string_equal(offered(bench, 1, 1100, "10.213.4.2", 2), ".3 .4");
}

static void a_reservation_ends(void **state)
{
	struct bench *bench = *state;

	assert_string_equal(offered(bench, 1, 1000, NULL, 5), ".2 .3 .4 .5 .6");
	assert_string_equal(offered(bench, 2, 60999, NULL, 1), "");
	assert_string_equal(offered(bench, 2, 61000, NULL, 1), ".2");
}

static void a_given_back_address_rests(void **state)
{
	struct bench *bench = *state;

	assert_string_equal(offered(bench, 1, 1000, NULL, 1), ".2");
	addresses_release(bench->addresses, 2000, "10.213.4.2");
	assert_string_equal(offered(bench, 1, 2000, NULL, 5), ".3 .4 .5 .6");
	assert_string_equal(offered(bench, 1, 61999, NULL, 5), ".3 .4 .5 .6");
	assert_string_equal(offered(bench, 1, 62000, NULL, 5), ".3 .4 .5 .6 .2");
}

static void an_address_that_vanished_rests_too(void **state)
{
	struct bench *bench = *state;

	assert_string_equal(offered(bench, 1, 1000, "10.213.4.2", 1), ".3");
	assert_string_equal(offered(bench, 1, 60999, NULL, 5), ".3 .4 .5 .6");
	assert_string_equal(offered(bench, 1, 61000, NULL, 5), ".3 .4 .5 .6 .2");
}

static void nonsense_offers_nothing(void **state)
{
	static const char *const subnets[] = {"",           "10.213.4.0", "10.213.4.0/31",
										  "10.0.0.0/8", "x/24",       "10.213.4.0/24x"};
	struct bench *bench = *state;

	for (size_t n = 0; n < HC_COUNT(subnets); n++)
		assert_int_equal(
			addresses_reserve(bench->addresses, 1, 1000, bench->arena, subnets[n], NULL, 0, 5, bench->got),
			0);
	addresses_release(bench->addresses, 1000, "nonsense");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(owners_get_different_addresses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_owner_that_asks_again_gets_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reservation_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_given_back_address_rests, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_address_that_vanished_rests_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nonsense_offers_nothing, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
