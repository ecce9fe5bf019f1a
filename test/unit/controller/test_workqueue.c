/* The contract of controller/workqueue.h: by cases, against a model over random histories, and with real
 * threads. */
#include "controller/workqueue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static struct workqueue *queue_new(void)
{
	return workqueue_new(&(struct workqueue_options){.seed = 42});
}

static void assert_taken(struct workqueue *queue, const char *key)
{
	HC_AUTO_FREE taken = workqueue_try_take(queue);

	if (!key) {
		assert_null(taken);
		return;
	}
	assert_non_null(taken);
	assert_string_equal(taken, key);
}

static void keys_come_once_and_in_order(void **state)
{
	HC_AUTO(workqueue) queue = queue_new();

	(void)state;
	assert_true(workqueue_add(queue, "service/a", WORKQUEUE_HINT));
	assert_true(workqueue_add(queue, "service/b", WORKQUEUE_HINT));
	assert_true(workqueue_add(queue, "service/a", WORKQUEUE_INTENT));
	assert_taken(queue, "service/a");
	assert_taken(queue, "service/b");
	assert_taken(queue, NULL);
}

static void a_key_added_while_it_runs_runs_once_more(void **state)
{
	HC_AUTO(workqueue) queue = queue_new();

	(void)state;
	(void)workqueue_add(queue, "a", WORKQUEUE_HINT);
	assert_taken(queue, "a");
	(void)workqueue_add(queue, "a", WORKQUEUE_HINT);
	(void)workqueue_add(queue, "a", WORKQUEUE_HINT);
	assert_taken(queue, NULL);
	assert_int_equal(workqueue_done(queue, "a", WORKQUEUE_SETTLED, 1000, 0), 0);
	assert_taken(queue, "a");
	(void)workqueue_done(queue, "a", WORKQUEUE_SETTLED, 1000, 0);
	assert_taken(queue, NULL);
	assert_int_equal(workqueue_count(queue).processing, 0);
}

static void a_dropped_key_that_was_added_meanwhile_runs(void **state)
{
	HC_AUTO(workqueue) queue = queue_new();

	(void)state;
	(void)workqueue_add(queue, "a", WORKQUEUE_HINT);
	assert_taken(queue, "a");
	(void)workqueue_add(queue, "a", WORKQUEUE_HINT);
	(void)workqueue_done(queue, "a", WORKQUEUE_DROPPED, 1000, 0);
	assert_taken(queue, "a");
	(void)workqueue_done(queue, "a", WORKQUEUE_DROPPED, 1000, 0);
	assert_taken(queue, NULL);
}

static void the_earliest_delay_wins(void **state)
{
	HC_AUTO(workqueue) queue = queue_new();

	(void)state;
	(void)workqueue_add_at(queue, "a", 5000);
	(void)workqueue_add_at(queue, "a", 3000);
	(void)workqueue_add_at(queue, "a", 4000);
	(void)workqueue_add_at(queue, "b", 3500);
	assert_int_equal(workqueue_due(queue, 2999), 3000);
	assert_taken(queue, NULL);
	assert_int_equal(workqueue_due(queue, 3000), 3500);
	assert_taken(queue, "a");
	assert_int_equal(workqueue_due(queue, 9000), 0);
	assert_taken(queue, "b");
	assert_taken(queue, NULL);
}

static void taking_a_key_drops_its_delay(void **state)
{
	HC_AUTO(workqueue) queue = queue_new();

	(void)state;
	(void)workqueue_add_at(queue, "a", 5000);
	(void)workqueue_add(queue, "a", WORKQUEUE_HINT);
	assert_taken(queue, "a");
	(void)workqueue_done(queue, "a", WORKQUEUE_SETTLED, 1000, 8000);
	assert_int_equal(workqueue_due(queue, 5000), 8000);
	assert_taken(queue, NULL);
}

static void failures_wait_longer_each_time(void **state)
{
	HC_AUTO(workqueue) queue = queue_new();
	int64_t now_ms = 1000;
	int64_t expected_ms = 5;

	(void)state;
	(void)workqueue_add(queue, "a", WORKQUEUE_HINT);
	for (int n = 1; n < 20; n++) {
		int64_t next_ms;

		assert_taken(queue, "a");
		assert_int_equal(workqueue_done(queue, "a", WORKQUEUE_TRANSIENT, now_ms, 0), n);
		next_ms = workqueue_due(queue, now_ms);
		assert_in_range(next_ms - now_ms, expected_ms * 8 / 10, expected_ms * 12 / 10 + 1);
		now_ms = next_ms;
		(void)workqueue_due(queue, now_ms);
		expected_ms = expected_ms * 2 < 60000 ? expected_ms * 2 : 60000;
	}
	assert_taken(queue, "a");
	assert_int_equal(workqueue_done(queue, "a", WORKQUEUE_SETTLED, now_ms, 0), 0);
}

static void a_hint_does_not_cut_a_back_off_short(void **state)
{
	HC_AUTO(workqueue) queue = queue_new();

	(void)state;
	(void)workqueue_add(queue, "a", WORKQUEUE_HINT);
	assert_taken(queue, "a");
	(void)workqueue_add(queue, "a", WORKQUEUE_HINT);
	(void)workqueue_done(queue, "a", WORKQUEUE_HOPELESS, 1000, 0);
	assert_taken(queue, NULL);
	(void)workqueue_add(queue, "a", WORKQUEUE_HINT);
	(void)workqueue_add_at(queue, "a", 1001);
	assert_in_range(workqueue_due(queue, 1002), 1000 + 48000, 1000 + 72001);
	assert_taken(queue, NULL);
}

static void an_intent_forgets_failures(void **state)
{
	HC_AUTO(workqueue) queue = queue_new();

	(void)state;
	(void)workqueue_add(queue, "a", WORKQUEUE_HINT);
	assert_taken(queue, "a");
	(void)workqueue_done(queue, "a", WORKQUEUE_HOPELESS, 1000, 0);
	(void)workqueue_add(queue, "a", WORKQUEUE_INTENT);
	assert_taken(queue, "a");
	(void)workqueue_add(queue, "a", WORKQUEUE_INTENT);
	assert_int_equal(workqueue_done(queue, "a", WORKQUEUE_HOPELESS, 1000, 0), 0);
	assert_taken(queue, "a");
}

static void conflicts_run_at_once_a_few_times(void **state)
{
	HC_AUTO(workqueue) queue = queue_new();
	int at_once = 0;
	int failures = 0;

	(void)state;
	(void)workqueue_add(queue, "a", WORKQUEUE_HINT);
	while (!failures) {
		assert_taken(queue, "a");
		failures = workqueue_done(queue, "a", WORKQUEUE_CONFLICT, 1000, 0);
		at_once++;
		assert_true(at_once < 20);
	}
	assert_int_equal(at_once, 6);
	assert_taken(queue, NULL);
	assert_true(workqueue_due(queue, 1000) > 1000);
}

static void endless_changes_are_slowed_down(void **state)
{
	HC_AUTO(workqueue) queue = queue_new();
	int at_once = 0;

	(void)state;
	(void)workqueue_add(queue, "a", WORKQUEUE_HINT);
	for (;;) {
		HC_AUTO_FREE key = workqueue_try_take(queue);

		if (!key)
			break;
		(void)workqueue_done(queue, key, WORKQUEUE_AGAIN, 1000, 0);
		assert_true(at_once++ < 1000);
	}
	assert_int_equal(at_once, 51);
	assert_int_equal(workqueue_due(queue, 1000), 1100);
}

static void a_full_queue_says_so(void **state)
{
	HC_AUTO(workqueue) queue = workqueue_new(&(struct workqueue_options){.keys_max = 2});

	(void)state;
	assert_true(workqueue_add(queue, "a", WORKQUEUE_HINT));
	assert_true(workqueue_add_at(queue, "b", 10));
	assert_false(workqueue_add(queue, "c", WORKQUEUE_HINT));
	assert_true(workqueue_add(queue, "b", WORKQUEUE_HINT));
	assert_taken(queue, "a");
	(void)workqueue_done(queue, "a", WORKQUEUE_SETTLED, 0, 0);
	assert_true(workqueue_add(queue, "c", WORKQUEUE_HINT));
	workqueue_shut_down(queue);
	assert_false(workqueue_add(queue, "a", WORKQUEUE_HINT));
	assert_null(workqueue_take(queue));
}

static void count_call(void *payload)
{
	(*(int *)payload)++;
}

static void the_timer_is_told_of_an_earlier_moment_only(void **state)
{
	int calls = 0;
	HC_AUTO(workqueue)
	queue = workqueue_new(&(struct workqueue_options){.earlier = count_call, .payload = &calls});

	(void)state;
	(void)workqueue_add_at(queue, "a", 5000);
	assert_int_equal(calls, 1);
	(void)workqueue_add_at(queue, "b", 6000);
	assert_int_equal(calls, 1);
	(void)workqueue_add_at(queue, "b", 4000);
	assert_int_equal(calls, 2);
	assert_int_equal(workqueue_due(queue, 4000), 5000);
	(void)workqueue_add_at(queue, "c", 4500);
	assert_int_equal(calls, 3);
}

/* --- a random history against a model
 * ---------------------------------------------------------------------------- */

#define MODEL_KEYS 12
#define MODEL_STEPS 20000

/* What must be true of a key, told without any queue. */
struct model_key {
	bool wanted; /* a plain add since it was last taken, not held back by a back-off */
	bool processing;
	int64_t due_from_ms; /* the earliest moment of a delay; 0: none */
	int64_t due_to_ms;   /* it must be ready from here on */
	bool backing_off;
	int failures;
	int conflicts;
	int streak;
	bool added;       /* while processing */
	bool intent;      /* while processing */
	int64_t delay_ms; /* set while processing; 0: none */
};

struct model {
	struct workqueue *queue;
	struct model_key keys[MODEL_KEYS];
	int64_t now_ms;
};

static void model_name(int index, char name[16])
{
	(void)snprintf(name, 16, "key/%d", index);
}

static void model_add(struct model *model, int index, bool intent)
{
	struct model_key *key = &model->keys[index];
	char name[16];

	model_name(index, name);
	assert_true(workqueue_add(model->queue, name, intent ? WORKQUEUE_INTENT : WORKQUEUE_HINT));
	if (key->processing) {
		key->added = true;
		key->intent = key->intent || intent;
		return;
	}
	if (intent)
		key->failures = key->conflicts = key->streak = 0;
	if (key->backing_off && !intent)
		return;
	key->wanted = true;
	key->backing_off = false;
	key->due_from_ms = key->due_to_ms = 0;
}

static void model_add_at(struct model *model, int index, int64_t at_ms)
{
	struct model_key *key = &model->keys[index];
	char name[16];

	model_name(index, name);
	assert_true(workqueue_add_at(model->queue, name, at_ms));
	if (key->wanted || key->backing_off)
		return;
	if (key->processing) {
		if (!key->delay_ms || at_ms < key->delay_ms)
			key->delay_ms = at_ms;
		return;
	}
	if (!key->due_from_ms || at_ms < key->due_from_ms)
		key->due_from_ms = key->due_to_ms = at_ms;
}

static void model_advance(struct model *model, int64_t by_ms)
{
	model->now_ms += by_ms;
	(void)workqueue_due(model->queue, model->now_ms);
	for (int index = 0; index < MODEL_KEYS; index++) {
		struct model_key *key = &model->keys[index];

		if (key->processing && key->delay_ms && key->delay_ms <= model->now_ms) {
			key->added = true;
			key->delay_ms = 0;
		}
		if (key->due_to_ms && key->due_to_ms <= model->now_ms) {
			key->wanted = true;
			key->backing_off = false;
			key->due_from_ms = key->due_to_ms = 0;
		}
	}
}

static int model_take(struct model *model)
{
	HC_AUTO_FREE name = workqueue_try_take(model->queue);
	struct model_key *key;
	int index;

	if (!name) {
		for (index = 0; index < MODEL_KEYS; index++)
			assert_false(model->keys[index].wanted); /* nothing wanted is withheld */
		return -1;
	}
	index = (int)strtol(name + strlen("key/"), NULL, 10);
	key = &model->keys[index];
	assert_false(key->processing); /* never two workers on one key */
	assert_true(key->wanted ||
				(key->due_from_ms && key->due_from_ms <= model->now_ms)); /* nor for no reason */
	*key = (struct model_key){
		.processing = true, .failures = key->failures, .conflicts = key->conflicts, .streak = key->streak};
	return index;
}

/* The range in which a failed key comes back; 0: at once. */
static int64_t model_backoff(const struct model_key *key, enum workqueue_end end)
{
	int64_t delay_ms = 5;

	if (end == WORKQUEUE_HOPELESS)
		return 60000;
	for (int n = 1; n < key->failures && delay_ms < 60000; n++)
		delay_ms *= 2;
	return delay_ms < 60000 ? delay_ms : 60000;
}

static void model_done_failed(struct model *model, struct model_key *key, enum workqueue_end end)
{
	int64_t delay_ms = 0;

	key->streak = 0;
	if (end == WORKQUEUE_CONFLICT && key->conflicts < 5) {
		key->conflicts++;
	} else {
		key->failures++;
		delay_ms = model_backoff(key, end);
	}
	if (key->intent)
		key->failures = key->conflicts = 0;
	if (key->intent || !delay_ms) {
		key->wanted = true;
		key->delay_ms = 0;
		return;
	}
	key->backing_off = true;
	key->delay_ms = 0;
	key->due_from_ms = model->now_ms + delay_ms * 8 / 10 - 1;
	key->due_to_ms = model->now_ms + delay_ms * 12 / 10 + 1;
}

static void model_done(struct model *model, int index, enum workqueue_end end, int64_t at_ms)
{
	struct model_key *key = &model->keys[index];
	bool run = key->added || key->intent;
	char name[16];
	int failures;

	model_name(index, name);
	failures = workqueue_done(model->queue, name, end, model->now_ms, at_ms);
	key->processing = false;
	if (end == WORKQUEUE_SETTLED || end == WORKQUEUE_DROPPED) {
		key->failures = key->conflicts = key->streak = 0;
		if (end == WORKQUEUE_SETTLED && at_ms && (!key->delay_ms || at_ms < key->delay_ms))
			key->delay_ms = at_ms;
		key->wanted = run;
		key->due_from_ms = key->due_to_ms = run ? 0 : key->delay_ms;
	} else if (end == WORKQUEUE_AGAIN) {
		key->failures = key->conflicts = 0;
		key->streak = key->intent ? 0 : key->streak + 1;
		key->wanted = true;
		if (key->streak > 50 && !run) {
			key->wanted = false;
			key->due_from_ms = key->due_to_ms = model->now_ms + 100 * (1 << (key->streak - 51));
		}
	} else {
		model_done_failed(model, key, end);
	}
	key->delay_ms = 0;
	key->added = key->intent = false;
	assert_int_equal(failures, key->failures);
}

static int model_processing(const struct model *model, unsigned pick)
{
	for (int n = 0; n < MODEL_KEYS; n++) {
		int index = (int)((pick + (unsigned)n) % MODEL_KEYS);

		if (model->keys[index].processing)
			return index;
	}
	return -1;
}

static void model_step(struct model *model, unsigned *random)
{
	int index = rand_r(random) % MODEL_KEYS;
	int busy = model_processing(model, (unsigned)index);
	enum workqueue_end end = (enum workqueue_end)(rand_r(random) % (WORKQUEUE_DROPPED + 1));
	int64_t at_ms = rand_r(random) % 2 ? model->now_ms + rand_r(random) % 300 + 1 : 0;

	switch (rand_r(random) % 8) {
	case 0:
	case 1:
		model_add(model, index, rand_r(random) % 4 == 0);
		break;
	case 2:
		model_add_at(model, index, model->now_ms + rand_r(random) % 200 + 1);
		break;
	case 3:
		model_advance(model, rand_r(random) % 100);
		break;
	case 4:
	case 5:
		(void)model_take(model);
		break;
	default:
		if (busy >= 0)
			model_done(model, busy, end, at_ms);
		break;
	}
}

/* Everything in hand is given back and time passes: each wanted key must come, and then nothing. */
static void model_drain(struct model *model)
{
	for (int index = 0; index < MODEL_KEYS; index++) {
		if (model->keys[index].processing)
			model_done(model, index, WORKQUEUE_SETTLED, 0);
	}
	for (int round = 0; round < 3; round++) {
		int index;

		model_advance(model, 100000);
		while ((index = model_take(model)) >= 0)
			model_done(model, index, WORKQUEUE_SETTLED, 0);
	}
	assert_int_equal(workqueue_count(model->queue).ready, 0);
	assert_int_equal(workqueue_count(model->queue).waiting, 0);
	assert_int_equal(workqueue_count(model->queue).processing, 0);
}

static void random_histories_agree_with_the_model(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 20; seed++) {
		HC_AUTO(workqueue) queue = workqueue_new(&(struct workqueue_options){.seed = seed});
		struct model model = {.queue = queue, .now_ms = 1000};
		unsigned random = seed;

		for (int step = 0; step < MODEL_STEPS; step++)
			model_step(&model, &random);
		model_drain(&model);
	}
}

/* --- real threads
 * ------------------------------------------------------------------------------------------------ */

#define THREAD_KEYS 16
#define THREAD_ADDS 4000

struct crowd {
	struct workqueue *queue;
	atomic_int wanted[THREAD_KEYS]; /* counted up before each add */
	atomic_int seen[THREAD_KEYS];   /* the count that the last pass over the key saw */
	atomic_int inside[THREAD_KEYS];
	atomic_bool two_inside;
};

static void *crowd_work(void *payload)
{
	struct crowd *crowd = payload;

	for (;;) {
		HC_AUTO_FREE key = workqueue_take(crowd->queue);
		int index;

		if (!key)
			return NULL;
		index = (int)strtol(key, NULL, 10);
		if (atomic_fetch_add(&crowd->inside[index], 1) != 0)
			atomic_store(&crowd->two_inside, true);
		atomic_store(&crowd->seen[index], atomic_load(&crowd->wanted[index]));
		(void)sched_yield();
		(void)atomic_fetch_sub(&crowd->inside[index], 1);
		(void)workqueue_done(crowd->queue, key, WORKQUEUE_SETTLED, 1000, 0);
	}
}

static void *crowd_add(void *payload)
{
	struct crowd *crowd = payload;

	for (int n = 0; n < THREAD_ADDS; n++) {
		int index = n % THREAD_KEYS;
		char key[16];

		(void)snprintf(key, sizeof key, "%d", index);
		(void)atomic_fetch_add(&crowd->wanted[index], 1);
		(void)workqueue_add(crowd->queue, key, n % 3 ? WORKQUEUE_HINT : WORKQUEUE_INTENT);
	}
	return NULL;
}

static void threads_lose_no_key_and_never_share_one(void **state)
{
	HC_AUTO(workqueue) queue = queue_new();
	struct crowd crowd = {.queue = queue};
	pthread_t workers[4];
	pthread_t adders[2];

	(void)state;
	for (size_t n = 0; n < HC_COUNT(workers); n++)
		assert_int_equal(pthread_create(&workers[n], NULL, crowd_work, &crowd), 0);
	for (size_t n = 0; n < HC_COUNT(adders); n++)
		assert_int_equal(pthread_create(&adders[n], NULL, crowd_add, &crowd), 0);
	for (size_t n = 0; n < HC_COUNT(adders); n++)
		assert_int_equal(pthread_join(adders[n], NULL), 0);
	for (;;) {
		struct workqueue_counts counts = workqueue_count(queue);

		if (!counts.ready && !counts.processing)
			break;
		(void)sched_yield();
	}
	workqueue_shut_down(queue);
	for (size_t n = 0; n < HC_COUNT(workers); n++)
		assert_int_equal(pthread_join(workers[n], NULL), 0);
	assert_false(atomic_load(&crowd.two_inside));
	for (int n = 0; n < THREAD_KEYS; n++)
		assert_int_equal(atomic_load(&crowd.seen[n]), atomic_load(&crowd.wanted[n]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_come_once_and_in_order),
		cmocka_unit_test(a_key_added_while_it_runs_runs_once_more),
		cmocka_unit_test(a_dropped_key_that_was_added_meanwhile_runs),
		cmocka_unit_test(the_earliest_delay_wins),
		cmocka_unit_test(taking_a_key_drops_its_delay),
		cmocka_unit_test(failures_wait_longer_each_time),
		cmocka_unit_test(a_hint_does_not_cut_a_back_off_short),
		cmocka_unit_test(an_intent_forgets_failures),
		cmocka_unit_test(conflicts_run_at_once_a_few_times),
		cmocka_unit_test(endless_changes_are_slowed_down),
		cmocka_unit_test(a_full_queue_says_so),
		cmocka_unit_test(the_timer_is_told_of_an_earlier_moment_only),
		cmocka_unit_test(random_histories_agree_with_the_model),
		cmocka_unit_test(threads_lose_no_key_and_never_share_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
