/* The promise of the change log: with eight writers at once, a reader that continues from the last version it
 * saw gets every change, once, in order, and a list is exactly the state at its version. */
#include "base/clock.h"
#include "store/store.h"
#include "store/store_stream.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "store_test.h"

#define WRITERS 8
#define ROUNDS 40
#define DEADLINE_MS 60000

static struct postgres server;
static atomic_int failures;
static atomic_int finished;

static int setup(void **state)
{
	struct store *store = NULL;
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct store_object object;

	(void)state;
	postgres_init(&server);
	assert_ok(store_open(server.url, "setup", &store, &err));
	assert_ok(store_migrate(store, &err));
	assert_ok(store_begin(store, &err));
	assert_ok(
		store_insert(store, arena, STORE_NAMESPACE, "", "default", &(struct store_write){0}, &object, &err));
	assert_ok(store_commit(store, &err));
	store_close(store);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	postgres_done(&server);
	return 0;
}

/* --- writers ----------------------------------------------------------------------------------- */

/* Rows are touched in different orders by different writers, which would deadlock without the lock. */
static int write_round(struct store *store, struct hc_arena *arena, char *const uids[2], int writer,
					   int round, struct hc_error *err)
{
	char spec[64];
	struct store_object object;

	(void)snprintf(spec, sizeof spec, "{\"writer\":%d,\"round\":%d}", writer, round);
	if (store_begin(store, err) < 0)
		return -1;
	for (int index = 0; index < 2; index++) {
		const char *uid = uids[(index + writer) % 2];

		if (store_update(store, arena, STORE_SERVICE, uid,
						 &(struct store_write){.spec = spec, .generation_up = true}, &object, err) < 0)
			return -1;
	}
	if (round % 7 == 3) {
		store_abort(store);
		return 0;
	}
	return store_commit(store, err);
}

static char *shared_uids[2];

static void *writer_run(void *payload)
{
	int writer = *(const int *)payload;
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct store *store = NULL;
	struct hc_error err = {0};

	if (store_open(server.url, "writer", &store, &err) < 0)
		failures++;
	for (int round = 0; store && round < ROUNDS; round++) {
		if (write_round(store, arena, shared_uids, writer, round, &err) < 0) {
			(void)fprintf(stderr, "writer %d: %s\n", writer, err.text);
			store_abort(store);
			failures++;
		}
	}
	store_close(store);
	finished++;
	return NULL;
}

/* --- the reader -------------------------------------------------------------------------------- */

struct reader {
	struct store_stream *stream;
	int64_t seen;
	int64_t newest;
	int changes;
	int skipped;
	bool asked;
};

static void changes_answered(const struct store_answer *answer, void *payload)
{
	struct reader *reader = payload;

	reader->asked = false;
	if (answer->error)
		fail_msg("%s", answer->error->text);
	for (size_t index = 0; index < answer->row_count; index++) {
		const struct store_row *row = &answer->rows[index];

		assert_true(row->resource_version > reader->seen);
		reader->skipped += row->resource_version != reader->seen + 1;
		reader->seen = row->resource_version;
		reader->changes++;
	}
	reader->newest = answer->resource_version;
	/* What the answer's snapshot has is there whole, unless the page was cut. */
	if (!answer->more)
		assert_int_equal(reader->seen, answer->resource_version);
}

static void ask(struct reader *reader)
{
	if (reader->asked)
		return;
	reader->asked = true;
	store_stream_changes(reader->stream, reader->seen, 50, changes_answered, reader);
}

static void notified(void *payload)
{
	atomic_int *count = payload;

	(*count)++;
}

static void wait_for_work(struct store_stream *stream, struct store_listener *listener)
{
	struct pollfd items[] = {{.fd = store_stream_fd(stream), .events = POLLIN},
							 {.fd = listener ? store_listener_fd(listener) : -1, .events = POLLIN}};

	(void)poll(items, 2, 1000);
	store_stream_process(stream);
	if (listener)
		store_listener_process(listener);
}

static void make_services(void)
{
	static const char *const names[] = {"a", "b"};
	struct store *store = NULL;
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct store_object object;

	assert_ok(store_open(server.url, "setup", &store, &err));
	assert_ok(store_begin(store, &err));
	for (int index = 0; index < 2; index++) {
		assert_ok(store_insert(store, arena, STORE_SERVICE, "default", names[index], &(struct store_write){0},
							   &object, &err));
		shared_uids[index] = strdup(object.uid);
	}
	assert_ok(store_commit(store, &err));
	store_close(store);
}

static void test_concurrent_writers(void **state)
{
	const int expected = WRITERS * 2 * (ROUNDS - (ROUNDS + 3) / 7);
	struct reader reader = {.seen = postgres_number(&server, "SELECT resource_version FROM resource_clock") +
									2};
	struct store_listener *listener = NULL;
	atomic_int notifications = 0;
	int last_notifications = -1;
	pthread_t threads[WRITERS];
	int numbers[WRITERS];
	int64_t deadline = hc_clock_boot_ms() + DEADLINE_MS;

	(void)state;
	make_services();
	assert_ok(store_stream_open(server.url, "reader", &reader.stream, &err));
	assert_ok(store_listener_open(server.url, "listener", notified, &notifications, &listener, &err));
	for (int index = 0; index < WRITERS; index++) {
		numbers[index] = index;
		assert_int_equal(pthread_create(&threads[index], NULL, writer_run, &numbers[index]), 0);
	}
	/* Asks only when it was notified, so a lost notification would show as a hang. */
	while (finished < WRITERS || reader.changes < expected) {
		assert_true(hc_clock_boot_ms() < deadline);
		if (notifications != last_notifications || reader.seen < reader.newest) {
			if (!reader.asked)
				last_notifications = notifications;
			ask(&reader);
		}
		wait_for_work(reader.stream, listener);
	}
	for (int index = 0; index < WRITERS; index++)
		assert_int_equal(pthread_join(threads[index], NULL), 0);
	assert_int_equal(failures, 0);
	assert_int_equal(reader.changes, expected);
	assert_int_equal(reader.skipped, 0);
	assert_int_equal(reader.seen, postgres_number(&server, "SELECT resource_version FROM resource_clock"));
	store_stream_close(reader.stream);
	store_listener_close(listener);
}

/* --- a list and the changes after it ----------------------------------------------------------- */

struct mirror {
	struct store_stream *stream;
	char rows[4][4096]; /* JSON of the services a, b, in order of the list */
	size_t count;
	int64_t version;
	int lists;
	bool waiting;
};

static void mirror_changes(const struct store_answer *answer, void *payload)
{
	struct mirror *mirror = payload;

	mirror->waiting = false;
	assert_null(answer->error);
	for (size_t index = 0; index < answer->row_count; index++) {
		const struct store_row *row = &answer->rows[index];
		size_t place = row->name[0] == 'a' ? 0 : 1;

		assert_int_equal(row->kind, STORE_SERVICE);
		assert_string_equal(row->type, "MODIFIED");
		assert_true(row->length < sizeof mirror->rows[0]);
		memcpy(mirror->rows[place], row->json, row->length + 1);
		mirror->version = row->resource_version;
	}
}

/* The list must be what list + changes gave, if both are brought to the same version. */
static void mirror_listed(const struct store_answer *answer, void *payload)
{
	struct mirror *mirror = payload;

	mirror->waiting = false;
	assert_null(answer->error);
	assert_int_equal(answer->row_count, 2);
	if (mirror->lists > 0 && mirror->version == answer->resource_version) {
		assert_string_equal(answer->rows[0].json, mirror->rows[0]);
		assert_string_equal(answer->rows[1].json, mirror->rows[1]);
		mirror->lists++;
	}
	for (size_t index = 0; mirror->lists == 0 && index < answer->row_count; index++)
		memcpy(mirror->rows[index], answer->rows[index].json, answer->rows[index].length + 1);
	if (mirror->lists == 0) {
		mirror->version = answer->resource_version;
		mirror->lists = 1;
	}
}

static void mirror_wait(struct mirror *mirror)
{
	int64_t deadline = hc_clock_boot_ms() + DEADLINE_MS;

	mirror->waiting = true;
	while (mirror->waiting) {
		assert_true(hc_clock_boot_ms() < deadline);
		wait_for_work(mirror->stream, NULL);
	}
}

static void test_list_and_changes(void **state)
{
	static struct mirror mirror;
	const struct store_list_options options = {.kind = STORE_SERVICE};
	pthread_t thread;
	int number = 3;

	(void)state;
	finished = 0;
	assert_ok(store_stream_open(server.url, "mirror", &mirror.stream, &err));
	store_stream_list(mirror.stream, &options, mirror_listed, &mirror);
	mirror_wait(&mirror);
	assert_int_equal(pthread_create(&thread, NULL, writer_run, &number), 0);
	while (finished == 0) {
		store_stream_changes(mirror.stream, mirror.version, 0, mirror_changes, &mirror);
		mirror_wait(&mirror);
		store_stream_list(mirror.stream, &options, mirror_listed, &mirror);
		mirror_wait(&mirror);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	store_stream_changes(mirror.stream, mirror.version, 0, mirror_changes, &mirror);
	mirror_wait(&mirror);
	store_stream_list(mirror.stream, &options, mirror_listed, &mirror);
	mirror_wait(&mirror);
	assert_true(mirror.lists >= 2); /* at least the last one was compared */
	store_stream_close(mirror.stream);
	free(shared_uids[0]);
	free(shared_uids[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_concurrent_writers),
		cmocka_unit_test(test_list_and_changes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
