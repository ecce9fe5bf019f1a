/* What a resync passes again: what differs, and of the rest each object once in SWEEP_TURNS looks. */
#include "controller/sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "base/base.h"
#include "docker/docker.h"
#include <cmocka.h>
#include <stdio.h>

#define KEYS 25

static void key_of(size_t index, char key[32])
{
	(void)snprintf(key, 32, "service/u%zu", index);
}

/* One look at KEYS keys, of which `without` is not there; counts what is to be passed. */
static size_t look(struct sweep *sweep, const uint64_t digests[KEYS], size_t without, int passed[KEYS])
{
	size_t count = 0;

	sweep_begin(sweep);
	for (size_t n = 0; n < KEYS; n++) {
		char key[32];
		bool differs;

		key_of(n, key);
		differs = n != without && sweep_differs(sweep, key, n, digests[n]);
		passed[n] += differs;
		count += differs;
	}
	sweep_end(sweep);
	return count;
}

static void each_is_passed_once_in_a_round(void **state)
{
	struct sweep *sweep = sweep_new();
	uint64_t digests[KEYS] = {0};
	int passed[KEYS] = {0};

	(void)state;
	assert_int_equal(look(sweep, digests, KEYS, passed), KEYS); /* the first time all are new */
	for (int n = 0; n < SWEEP_TURNS; n++)
		assert_in_range(look(sweep, digests, KEYS, passed), KEYS / SWEEP_TURNS, KEYS / SWEEP_TURNS + 1);
	for (size_t n = 0; n < KEYS; n++)
		assert_int_equal(passed[n], 2);
	sweep_free(sweep);
}

static void what_differs_is_passed(void **state)
{
	struct sweep *sweep = sweep_new();
	uint64_t digests[KEYS] = {0};
	int passed[KEYS] = {0};

	(void)state;
	(void)look(sweep, digests, KEYS, passed);
	for (size_t n = 0; n < KEYS; n++) {
		int before = passed[n];

		digests[n]++;
		(void)look(sweep, digests, KEYS, passed);
		assert_int_equal(passed[n], before + 1);
	}
	/* One that was away is new when it comes again, though its digest is the same. */
	for (int n = 0; n < SWEEP_TURNS; n++) {
		int before;

		(void)look(sweep, digests, 3, passed);
		before = passed[3];
		(void)look(sweep, digests, KEYS, passed);
		assert_int_equal(passed[3], before + 1);
	}
	sweep_reset(sweep);
	assert_int_equal(look(sweep, digests, KEYS, passed), KEYS);
	sweep_free(sweep);
}

static void a_digest_sees_what_a_row_says(void **state)
{
	struct docker_pair labels[] = {{"a", "1"}, {"b", "2"}};
	struct docker_network_attachment networks[] = {{"n", "10.0.0.2"}};
	const struct docker_container base = {.id = "i",
										  .name = "n",
										  .image_id = "m",
										  .state = "running",
										  .health = "healthy",
										  .labels = labels,
										  .label_count = 2,
										  .networks = networks,
										  .network_count = 1};
	uint64_t digest = sweep_digest_container(&base);
	struct docker_container other[7];

	(void)state;
	for (size_t n = 0; n < HC_COUNT(other); n++)
		other[n] = base;
	other[0].id = "j";
	other[1].name = "o";
	other[2].image_id = "l";
	other[3].state = "exited";
	other[4].health = "unhealthy";
	other[5].label_count = 1;
	other[6].network_count = 0;
	for (size_t n = 0; n < HC_COUNT(other); n++)
		assert_true(sweep_digest_container(&other[n]) != digest);
	labels[1].value = "3";
	assert_true(sweep_digest_container(&base) != digest);
	labels[1].value = "2";
	networks[0].address = "10.0.0.3";
	assert_true(sweep_digest_container(&base) != digest);
	networks[0].address = "10.0.0.2";
	other[0] = base;
	other[0].created_wall_ms = 7;
	assert_true(sweep_digest_container(&other[0]) == digest);
	/* Where a text ends matters. */
	assert_true(sweep_digest(sweep_digest(0, "ab"), "c") != sweep_digest(sweep_digest(0, "a"), "bc"));
	assert_true(sweep_digest(0, NULL) != sweep_digest(0, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_passed_once_in_a_round),
		cmocka_unit_test(what_differs_is_passed),
		cmocka_unit_test(a_digest_sees_what_a_row_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
