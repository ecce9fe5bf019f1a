/* The stream and the listener of an event loop: every question, order, limits, and a PostgreSQL that goes
 * away. */
#include "base/clock.h"
#include "base/limits.h"
#include "store/store.h"
#include "store/store_stream.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "store_test.h"

#define DEADLINE_MS 30000

static struct postgres server;
static struct store *store;
static struct store_stream *stream;
static struct hc_arena *arena;

static int setup(void **state)
{
	(void)state;
	arena = hc_arena_new();
	postgres_init(&server);
	assert_ok(store_open(server.url, "setup", &store, &err));
	assert_ok(store_migrate(store, &err));
	assert_ok(store_stream_open(server.url, "stream", &stream, &err));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_stream_close(stream);
	store_close(store);
	hc_arena_free(arena);
	postgres_done(&server);
	return 0;
}

static struct store_object insert(enum store_kind kind, const char *namespace_name, const char *name,
								  const char *metadata)
{
	struct store_object object;

	assert_ok(store_begin(store, &err));
	assert_ok(store_insert(store, arena, kind, namespace_name, name,
						   &(struct store_write){.metadata = metadata}, &object, &err));
	assert_ok(store_commit(store, &err));
	return object;
}

/* --- asking ------------------------------------------------------------------------------------ */

/* An answer as one line: "names of rows | more | class of the error", with its numbers beside. */
struct seen {
	char text[2048];
	int64_t resource_version;
	int64_t oldest;
	int answers;
	enum hc_class class;
};

static void answered(const struct store_answer *answer, void *payload)
{
	struct seen *seen = payload;
	size_t length = 0;

	seen->text[0] = '\0';
	for (size_t index = 0; index < answer->row_count && length < sizeof seen->text - 200; index++) {
		const struct store_row *row = &answer->rows[index];

		assert_int_equal(row->length, strlen(row->json));
		length += (size_t)snprintf(seen->text + length, sizeof seen->text - length, "%s%s%s%s/%s",
								   index ? " " : "", row->type ? row->type : "", row->type ? ":" : "",
								   row->namespace_name, row->name);
	}
	if (answer->token)
		length += (size_t)snprintf(seen->text, sizeof seen->text, "%s %s %s %lld", answer->token->name,
								   answer->token->namespace_name, answer->token->role,
								   (long long)answer->token->expires_wall_ms);
	if (answer->more)
		(void)snprintf(seen->text + length, sizeof seen->text - length, " more");
	seen->class = answer->error ? answer->error->class : HC_OK;
	if (answer->error)
		(void)snprintf(seen->text, sizeof seen->text, "%s", answer->error->text);
	seen->resource_version = answer->resource_version;
	seen->oldest = answer->oldest;
	seen->answers++;
}

static void wait_for_answer(const struct seen *seen)
{
	int64_t deadline = hc_clock_boot_ms() + DEADLINE_MS;

	while (seen->answers == 0) {
		struct pollfd item = {.fd = store_stream_fd(stream), .events = POLLIN};

		assert_true(hc_clock_boot_ms() < deadline);
		(void)poll(&item, 1, DEADLINE_MS); /* no timer of ours: the fd alone must be enough */
		store_stream_process(stream);
	}
	assert_int_equal(seen->answers, 1);
}

static struct seen get(enum store_kind kind, const char *namespace_name, const char *name)
{
	struct seen seen = {0};

	store_stream_get(stream, kind, namespace_name, name, answered, &seen);
	wait_for_answer(&seen);
	return seen;
}

static struct seen list(const struct store_list_options *options)
{
	struct seen seen = {0};

	store_stream_list(stream, options, answered, &seen);
	wait_for_answer(&seen);
	return seen;
}

static struct seen changes(int64_t after, int limit)
{
	struct seen seen = {0};

	store_stream_changes(stream, after, limit, answered, &seen);
	wait_for_answer(&seen);
	return seen;
}

static struct seen version(void)
{
	struct seen seen = {0};

	store_stream_version(stream, answered, &seen);
	wait_for_answer(&seen);
	return seen;
}

static struct seen token(const char *hash)
{
	struct seen seen = {0};

	store_stream_token(stream, hash, answered, &seen);
	wait_for_answer(&seen);
	return seen;
}

/* --- tests ------------------------------------------------------------------------------------- */

/* An API that starts before the database was migrated: every question fails, and works as soon as it was. */
static void test_before_migration(void **state)
{
	struct seen seen;

	(void)state;
	postgres_run(&server, "ALTER TABLE resource_clock RENAME TO hidden");
	seen = version();
	assert_int_equal(seen.class, HC_TRANSIENT);
	assert_contains(seen.text, "resource_clock");
	seen = version();
	assert_int_equal(seen.class, HC_TRANSIENT);
	postgres_run(&server, "ALTER TABLE hidden RENAME TO resource_clock");
	assert_int_equal(version().class, HC_OK);
}

static void test_get(void **state)
{
	struct seen seen;

	(void)state;
	insert(STORE_NAMESPACE, "", "get", NULL);
	insert(STORE_SERVICE, "get", "shop", NULL);
	seen = get(STORE_SERVICE, "get", "shop");
	assert_string_equal(seen.text, "get/shop");
	assert_int_equal(seen.resource_version,
					 postgres_number(&server, "SELECT resource_version FROM resource_clock"));
	seen = get(STORE_NAMESPACE, "", "get");
	assert_string_equal(seen.text, "/get");
	seen = get(STORE_SERVICE, "get", "absent");
	assert_int_equal(seen.class, HC_NOT_FOUND);
	assert_string_equal(seen.text, "services \"absent\" not found");
	assert_true(store_stream_connected(stream));
}

static void test_list(void **state)
{
	struct seen seen;

	(void)state;
	insert(STORE_NAMESPACE, "", "list-a", NULL);
	insert(STORE_NAMESPACE, "", "list-b", NULL);
	insert(STORE_BUILD, "list-b", "one", NULL);
	insert(STORE_BUILD, "list-a", "two", "{\"labels\":{\"app\":\"web\",\"tier\":\"x\"}}");
	insert(STORE_BUILD, "list-a", "one", "{\"labels\":{\"app\":\"db\"}}");
	insert(STORE_BUILD, "list-a", "Zed", NULL);
	seen = list(&(struct store_list_options){.kind = STORE_BUILD});
	assert_string_equal(seen.text, "list-a/Zed list-a/one list-a/two list-b/one");
	assert_int_equal(seen.resource_version,
					 postgres_number(&server, "SELECT resource_version FROM resource_clock"));
	assert_int_equal(seen.oldest, 1);
	seen = list(&(struct store_list_options){.kind = STORE_BUILD, .namespace_name = "list-b"});
	assert_string_equal(seen.text, "list-b/one");
	seen = list(&(struct store_list_options){.kind = STORE_BUILD, .name = "one"});
	assert_string_equal(seen.text, "list-a/one list-b/one");
	seen = list(&(struct store_list_options){.kind = STORE_BUILD, .labels = "{\"app\":\"web\"}"});
	assert_string_equal(seen.text, "list-a/two");
	seen = list(&(struct store_list_options){.kind = STORE_BUILD, .limit = 3});
	assert_string_equal(seen.text, "list-a/Zed list-a/one list-a/two more");
	seen = list(&(struct store_list_options){
		.kind = STORE_BUILD, .limit = 3, .after_namespace = "list-a", .after_name = "two"});
	assert_string_equal(seen.text, "list-b/one");
	seen = list(&(struct store_list_options){.kind = STORE_NAMESPACE, .after_name = "list-a"});
	assert_string_equal(seen.text, "/list-b");
	seen = list(&(struct store_list_options){.kind = STORE_USER});
	assert_string_equal(seen.text, "");
	assert_int_equal(seen.class, HC_OK);
	assert_true(seen.resource_version > 1);
}

/* A question that fails must not take the others of the pipeline along. */
static void test_failed_question(void **state)
{
	struct seen before = {0}, bad = {0}, after = {0};

	(void)state;
	store_stream_version(stream, answered, &before);
	store_stream_list(stream, &(struct store_list_options){.kind = STORE_BUILD, .labels = "{broken"},
					  answered, &bad);
	store_stream_version(stream, answered, &after);
	wait_for_answer(&after);
	assert_int_equal(before.class, HC_OK);
	assert_int_equal(bad.class, HC_INVALID);
	assert_int_equal(after.class, HC_OK);
	assert_int_equal(before.answers + bad.answers, 2);
}

static void test_changes(void **state)
{
	int64_t start = version().resource_version;
	struct store_object object;
	struct seen seen;
	bool gone;

	(void)state;
	insert(STORE_NAMESPACE, "", "changes", NULL);
	object = insert(STORE_BUILD, "changes", "one", "{\"labels\":{\"app\":\"web\"}}");
	assert_ok(store_begin(store, &err));
	assert_ok(store_update(store, arena, STORE_BUILD, object.uid, &(struct store_write){.metadata = "{}"},
						   &object, &err));
	assert_ok(store_delete(store, arena, STORE_BUILD, object.uid, &object, &gone, &err));
	assert_ok(store_commit(store, &err));
	seen = changes(start, 0);
	assert_string_equal(seen.text,
						"ADDED:/changes ADDED:changes/one MODIFIED:changes/one DELETED:changes/one");
	seen = changes(start, 2);
	assert_string_equal(seen.text, "ADDED:/changes ADDED:changes/one more");
	seen = changes(start + 4, 0);
	assert_string_equal(seen.text, "");
	assert_int_equal(seen.resource_version, start + 4);
	/* Behind the log: no rows, and `oldest` says why. A kind of a newer program is left out. */
	postgres_run(&server, "UPDATE change_log SET kind = 'Volume' WHERE type = 'MODIFIED'");
	postgres_run(&server, "UPDATE resource_clock SET oldest = resource_version - 2");
	seen = changes(start, 0);
	assert_string_equal(seen.text, "");
	assert_int_equal(seen.oldest, start + 2);
	seen = changes(start + 2, 0);
	assert_string_equal(seen.text, "DELETED:changes/one");
	postgres_run(&server, "UPDATE resource_clock SET oldest = 1");
}

static void test_token(void **state)
{
	static const char hash[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	struct store_object object;
	struct seen seen;

	(void)state;
	insert(STORE_NAMESPACE, "", "token", NULL);
	assert_ok(store_begin(store, &err));
	assert_ok(store_insert(store, arena, STORE_TOKEN, "token", "ci",
						   &(struct store_write){.spec = "{\"role\":\"developer\"}", .token_hash = hash},
						   &object, &err));
	assert_ok(store_commit(store, &err));
	assert_string_equal(token(hash).text, "ci token developer 0");
	seen = token("absent");
	assert_string_equal(seen.text, "");
	assert_int_equal(seen.class, HC_OK);
}

static void test_pipeline_order(void **state)
{
	enum { COUNT = 2000 };
	static struct seen all[COUNT];

	(void)state;
	for (int index = 0; index < COUNT; index++)
		store_stream_get(stream, STORE_SERVICE, "get", index % 3 ? "shop" : "absent", answered, &all[index]);
	wait_for_answer(&all[COUNT - 1]);
	for (int index = 0; index < COUNT; index++) {
		assert_int_equal(all[index].answers, 1);
		assert_int_equal(all[index].class, index % 3 ? HC_OK : HC_NOT_FOUND);
	}
}

static void count_transient(const struct store_answer *answer, void *payload)
{
	int *counts = payload;

	counts[answer->error && answer->error->class == HC_TRANSIENT]++;
}

static void test_too_many_questions(void **state)
{
	struct seen last = {0};
	int counts[2] = {0};

	(void)state;
	for (int index = 0; index < HC_LIMIT_STORE_QUESTIONS + 10; index++)
		store_stream_version(stream, count_transient, counts);
	store_stream_version(stream, answered, &last);
	wait_for_answer(&last);
	assert_int_equal(counts[0], HC_LIMIT_STORE_QUESTIONS);
	assert_int_equal(counts[1], 10);
	assert_int_equal(last.class, HC_TRANSIENT);
	assert_contains(last.text, "questions to the database are open");
	assert_int_equal(version().class, HC_OK);
}

static void ask_again(const struct store_answer *answer, void *payload)
{
	assert_non_null(answer->error);
	assert_int_equal(answer->error->class, HC_TRANSIENT);
	store_stream_version(stream, answered, payload);
}

static void test_restart(void **state)
{
	struct seen again = {0};
	struct seen down;
	int64_t deadline = hc_clock_boot_ms() + DEADLINE_MS;

	(void)state;
	assert_int_equal(version().class, HC_OK);
	/* The server stops before it reads this: the question is lost, and what its callback asks comes through.
	 */
	postgres_stop(&server);
	store_stream_version(stream, ask_again, &again);
	while (store_stream_connected(stream)) {
		assert_true(hc_clock_boot_ms() < deadline);
		store_stream_process(stream);
	}
	wait_for_answer(&again);
	assert_int_equal(again.class, HC_TRANSIENT); /* the next attempt failed too */
	down = version();
	assert_int_equal(down.class, HC_TRANSIENT);
	assert_contains(down.text, "PostgreSQL");
	postgres_start(&server);
	while (version().class != HC_OK)
		assert_true(hc_clock_boot_ms() < deadline);
	assert_true(store_stream_connected(stream));
}

static void on_notified(void *payload)
{
	(*(int *)payload)++;
}

static void listen_until(struct store_listener *listener, const int *count, int wanted)
{
	int64_t deadline = hc_clock_boot_ms() + DEADLINE_MS;

	while (*count < wanted) {
		struct pollfd item = {.fd = store_listener_fd(listener), .events = POLLIN};

		assert_true(hc_clock_boot_ms() < deadline);
		(void)poll(&item, 1, DEADLINE_MS);
		store_listener_process(listener);
	}
}

static void test_listener(void **state)
{
	struct store_listener *listener = NULL;
	struct store_object object;
	int count = 0;

	(void)state;
	insert(STORE_NAMESPACE, "", "listener", NULL);
	assert_ok(store_listener_open(server.url, "listener", on_notified, &count, &listener, &err));
	listen_until(listener, &count, 1); /* being there counts */
	assert_ok(store_begin(store, &err));
	for (int index = 0; index < 5; index++) {
		char name[16];

		(void)snprintf(name, sizeof name, "b%d", index);
		assert_ok(store_insert(store, arena, STORE_BUILD, "listener", name, &(struct store_write){0}, &object,
							   &err));
	}
	assert_ok(store_commit(store, &err));
	listen_until(listener, &count, 2);
	store_listener_process(listener);
	assert_int_equal(count, 2); /* five writes, one transaction, one notification */
	postgres_stop(&server);
	store_listener_process(listener);
	postgres_start(&server);
	listen_until(listener, &count, 3); /* back: something may have been missed */
	insert(STORE_BUILD, "listener", "after", NULL);
	listen_until(listener, &count, 4);
	store_listener_close(listener);
}

static void test_close(void **state)
{
	struct store_stream *other = NULL;
	struct seen seen = {0};

	(void)state;
	assert_ok(store_stream_open("postgresql:///x?host=/nonexistent", "close", &other, &err));
	store_stream_version(other, answered, &seen);
	store_stream_close(other);
	assert_int_equal(seen.answers, 1);
	assert_int_equal(seen.class, HC_CANCELED);
	assert_error(store_stream_open("nonsense", "close", &other, &err), HC_INVALID, "database URL");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_migration),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_failed_question),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_pipeline_order),
		cmocka_unit_test(test_too_many_questions),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_listener),
		cmocka_unit_test(test_close),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
