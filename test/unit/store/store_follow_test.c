/* Followed branches, deliveries of webhooks, who is notified of a job, and the step from the first migration,
 * against a real PostgreSQL. */
#include "base/clock.h"
#include "store/store_job.h"
#include "store/store_migrate.h"
#include "store/store_stream.h"

#include <libpq-fe.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "store_fixture.h"
#include "store_test.h"

#define DEADLINE_MS 20000

static struct store_object insert(enum store_kind kind, const char *namespace_name, const char *name,
								  const struct store_write *write)
{
	struct store_object object;

	assert_ok(store_begin(store, &err));
	assert_ok(store_insert(store, arena, kind, namespace_name, name, write, &object, &err));
	assert_ok(store_commit(store, &err));
	return object;
}

static struct store_object make_service(const char *namespace_name, const char *spec)
{
	insert(STORE_NAMESPACE, "", namespace_name, &(struct store_write){0});
	return insert(STORE_SERVICE, namespace_name, "shop", &(struct store_write){.spec = spec});
}

static void update_spec(const char *uid, const char *spec)
{
	struct store_object object;

	assert_ok(store_begin(store, &err));
	assert_ok(
		store_update(store, arena, STORE_SERVICE, uid, &(struct store_write){.spec = spec}, &object, &err));
	assert_ok(store_commit(store, &err));
}

static struct store_follow follow(const char *uid)
{
	struct store_follow result;

	assert_ok(store_follow_get(store, uid, &result, &err));
	return result;
}

/* --- following --- */

static void test_follow(void **state)
{
	struct store_object service = make_service("follow", "{\"repoUrl\":\"https://a/b\"}");
	static const char nobody[] = "00000000-0000-4000-8000-000000000000";
	struct store_follow seen = follow(service.uid);
	long long before = postgres_number(&server, "SELECT count(*) FROM change_log");

	(void)state;
	assert_int_equal(seen.wanted, 0);
	assert_int_equal(seen.checked, 0);
	assert_int_equal(seen.checked_ago_ms, -1);
	assert_false(seen.webhook_verified);
	assert_ok(store_follow_want(store, service.uid, false, &err));
	seen = follow(service.uid);
	assert_int_equal(seen.wanted, 0);
	assert_true(seen.webhook_verified);
	assert_int_equal(seen.checked_ago_ms, -1);
	assert_ok(store_follow_want(store, service.uid, true, &err));
	assert_ok(store_follow_want(store, service.uid, true, &err));
	assert_int_equal(follow(service.uid).wanted, 2);
	assert_error(store_follow_checked(store, epoch - 1, service.uid, 2, &err), HC_CONFLICT, "is over");
	assert_ok(store_follow_checked(store, epoch, service.uid, 2, &err));
	assert_ok(store_follow_checked(store, epoch, service.uid, 1, &err)); /* a late answer to an older one */
	seen = follow(service.uid);
	assert_int_equal(seen.checked, 2);
	assert_in_range(seen.checked_ago_ms, 0, 10000);
	/* Another repository has not shown a webhook yet; what is wanted of it stays. */
	update_spec(service.uid, "{\"repoUrl\":\"https://a/b\",\"branch\":\"next\"}");
	assert_true(follow(service.uid).webhook_verified);
	update_spec(service.uid, "{\"repoUrl\":\"https://a/c\"}");
	seen = follow(service.uid);
	assert_false(seen.webhook_verified);
	assert_int_equal(seen.wanted, 2);
	/* Not visible in the API but for the two specs. */
	assert_int_equal(postgres_number(&server, "SELECT count(*) FROM change_log") - before, 2);
	assert_error(store_follow_get(store, nobody, &seen, &err), HC_NOT_FOUND, "not found");
	assert_ok(store_follow_want(store, nobody, true, &err));
	assert_ok(store_follow_checked(store, epoch, nobody, 1, &err));
	assert_int_equal(postgres_number(&server, "SELECT count(*) FROM follows"), 1);
}

static void test_repositories(void **state)
{
	struct store_repository_service *list;
	struct store_object going, object;
	size_t count, seen = 0;
	bool gone;

	(void)state;
	make_service("repo-a", "{\"image\":\"nginx\"}");
	make_service("repo-b", "{\"repoUrl\":\"https://h/x\",\"branch\":\"main\"}");
	make_service("repo-c", "{\"repoUrl\":\"https://h/y\"}");
	insert(STORE_NAMESPACE, "", "repo-d", &(struct store_write){0});
	going = insert(STORE_SERVICE, "repo-d", "shop",
				   &(struct store_write){.metadata = "{\"finalizers\":[\"a/b\"]}",
										 .spec = "{\"repoUrl\":\"https://h/z\"}"});
	assert_ok(store_begin(store, &err));
	assert_ok(store_delete(store, arena, STORE_SERVICE, going.uid, &object, &gone, &err));
	assert_ok(store_commit(store, &err));
	assert_ok(store_services_with_repository(store, arena, &list, &count, &err));
	for (size_t index = 0; index < count; index++) {
		if (strncmp(list[index].namespace_name, "repo-", 5) != 0)
			continue;
		assert_string_equal(list[index].name, "shop");
		assert_string_equal(list[index].namespace_name, seen ? "repo-c" : "repo-b");
		assert_string_equal(list[index].repo_url, seen ? "https://h/y" : "https://h/x");
		assert_string_equal(list[index].branch, seen ? "" : "main");
		seen++;
	}
	assert_int_equal(seen, 2);
}

static void test_deliveries(void **state)
{
	struct store_delivery delivery = {.id = "d",
									  .event = "push",
									  .repository = "a/b",
									  .outcome = "accepted",
									  .message = "shop follows",
									  .received_wall_ms = 1767323045678,
									  .status = 200},
						  *list;
	char id[16];
	size_t count;

	(void)state;
	assert_ok(store_deliveries(store, arena, 10, &list, &count, &err));
	assert_int_equal(count, 0);
	assert_ok(store_delivery_record(store, &delivery, &err));
	assert_ok(store_delivery_record(store, &delivery, &err)); /* sent again: it is told again */
	assert_ok(store_deliveries(store, arena, 10, &list, &count, &err));
	assert_int_equal(count, 2);
	assert_string_equal(list[0].id, "d");
	assert_string_equal(list[0].event, "push");
	assert_string_equal(list[0].repository, "a/b");
	assert_string_equal(list[0].outcome, "accepted");
	assert_string_equal(list[0].message, "shop follows");
	assert_int_equal(list[0].received_wall_ms, 1767323045678);
	assert_int_equal(list[0].status, 200);
	postgres_run(
		&server,
		"INSERT INTO webhook_deliveries (id, event, repository, outcome, message, status, received_at)"
		" SELECT 'x', '', '', '', '', 200, now() FROM generate_series(1, 1100)");
	for (int index = 0; index < 3; index++) {
		(void)snprintf(id, sizeof id, "new-%d", index);
		delivery.id = id;
		delivery.repository = NULL; /* of a refused one nothing is known */
		assert_ok(store_delivery_record(store, &delivery, &err));
	}
	assert_int_equal(postgres_number(&server, "SELECT count(*) FROM webhook_deliveries"), 1000);
	assert_ok(store_deliveries(store, arena, 2, &list, &count, &err));
	assert_int_equal(count, 2);
	assert_string_equal(list[0].id, "new-2");
	assert_string_equal(list[0].repository, "");
	assert_string_equal(list[1].id, "new-1");
}

/* --- notifications --- */

struct heard {
	char keys[512]; /* each with a blank behind it */
	int changes;
};

static void on_changes(void *payload)
{
	((struct heard *)payload)->changes++;
}

static void on_job(const char *key, void *payload)
{
	struct heard *heard = payload;
	size_t length = strlen(heard->keys);

	(void)snprintf(heard->keys + length, sizeof heard->keys - length, "%s ", key);
}

/* Until everything that was sent so far has come: a change of objects is sent last. */
static void listen_to_end(struct store_listener *listener, struct heard *heard)
{
	int64_t deadline = hc_clock_boot_ms() + DEADLINE_MS;
	int before = heard->changes;

	postgres_run(&server, "NOTIFY helvetia_changes");
	while (heard->changes == before) {
		struct pollfd item = {.fd = store_listener_fd(listener), .events = POLLIN};

		assert_true(hc_clock_boot_ms() < deadline);
		(void)poll(&item, 1, 1000);
		store_listener_process(listener);
	}
}

#define assert_heard(expected)                                                                               \
	do {                                                                                                     \
		listen_to_end(listener, &heard);                                                                     \
		assert_string_equal(heard.keys, (expected));                                                         \
		heard.keys[0] = '\0';                                                                                \
	} while (0)

static void test_notifications(void **state)
{
	struct store_object service = make_service("notify", "{\"repoUrl\":\"https://a/b\"}");
	char *key = hc_arena_printf(arena, "service/%s ", service.uid);
	struct store_listener *listener = NULL;
	struct heard heard = {0};
	struct store_job job;
	bool cancel;

	(void)state;
	assert_ok(store_listener_open(server.url, "listener", on_changes, &heard, &listener, &err));
	store_listener_hear_jobs(listener, on_job);
	while (heard.changes == 0) { /* being there counts */
		struct pollfd item = {.fd = store_listener_fd(listener), .events = POLLIN};

		(void)poll(&item, 1, 1000);
		store_listener_process(listener);
	}
	assert_ok(
		store_job_create(store, epoch,
						 &(struct store_job_want){
							 .kind = JOB_RESOLVE, .key = "notify", .service_uid = service.uid, .input = "{}"},
						 &err));
	assert_heard(""); /* who made it knows */
	assert_ok(store_job_get(store, arena, JOB_RESOLVE, "notify", &job, &err));
	assert_ok(store_job_claim(store, arena, job.view.id, 1, "w", &job, &err));
	assert_heard(key);
	assert_ok(store_job_heartbeat(store, job.view.id, 1, "w", &cancel, &err));
	assert_heard("");
	assert_ok(store_job_cancel(store, epoch, job.view.id, &err));
	assert_heard(key);
	assert_ok(store_job_finish(store, job.view.id, 1, "w", true, "{\"commit\":\"c\"}", &err));
	assert_heard(key);
	assert_ok(store_follow_want(store, service.uid, true, &err));
	assert_heard(key);
	store_listener_close(listener);
}

/* A build that two Services wait for tells both. */
static void test_shared_notification(void **state)
{
	struct store_object service = make_service("both", "{}"),
						other = insert(STORE_SERVICE, "both", "other", &(struct store_write){0});
	struct store_listener *listener = NULL;
	struct heard heard = {0};
	struct store_job job;

	(void)state;
	assert_ok(store_job_create(store, epoch,
							   &(struct store_job_want){.kind = JOB_BUILD,
														.key = "both",
														.service_uid = service.uid,
														.input = "{}",
														.build_name = "shop-0123456789",
														.build_spec = "{\"service\":\"shop\"}"},
							   &err));
	assert_ok(store_deployment_create(store, epoch, other.uid, "other-r1",
									  "00000000-0000-4000-8000-000000000001", 1, "{}",
									  "{\"phase\":\"BUILDING\",\"build\":\"shop-0123456789\"}", &err));
	assert_ok(store_job_get(store, arena, JOB_BUILD, "both", &job, &err));
	assert_ok(store_listener_open(server.url, "listener", on_changes, &heard, &listener, &err));
	store_listener_hear_jobs(listener, on_job);
	while (heard.changes == 0) {
		struct pollfd item = {.fd = store_listener_fd(listener), .events = POLLIN};

		(void)poll(&item, 1, 1000);
		store_listener_process(listener);
	}
	assert_ok(store_job_claim(store, arena, job.view.id, 1, "w", &job, &err));
	listen_to_end(listener, &heard);
	assert_contains(heard.keys, service.uid);
	assert_contains(heard.keys, other.uid);
	assert_int_equal(strlen(heard.keys), 2 * (strlen("service/ ") + strlen(service.uid)));
	store_listener_close(listener);
}

/* --- the step from a database of the first migration --- */

static void apply_first(const struct postgres *old)
{
	char *quoted = hc_arena_printf(
		arena,
		"CREATE TABLE schema_migrations (version integer PRIMARY KEY, name text NOT NULL, sha256 text NOT "
		"NULL,"
		" applied_at timestamptz NOT NULL DEFAULT now());"
		" INSERT INTO schema_migrations (version, name, sha256) VALUES (1, '%s', '%s')",
		store_migrations[0].name, store_migrations[0].sha256);

	postgres_run(old, store_migrations[0].sql);
	postgres_run(old, quoted);
	postgres_run(
		old,
		"INSERT INTO namespaces (name) VALUES ('default');"
		"INSERT INTO services (namespace, name, object_spec) VALUES ('default', 'shop', "
		"'{\"repoUrl\":\"u\"}');"
		"INSERT INTO deployments (namespace, name, service_id, revision) SELECT 'default', 'shop-r1', id, 1 "
		"FROM services;"
		"INSERT INTO builds (namespace, name, object_spec, object_status) VALUES"
		" ('default', 'a', '{\"commit\":\"c\",\"inputHash\":\"h\"}', "
		"'{\"phase\":\"SUCCESS\",\"attempt\":2,\"imageId\":\"i\"}'),"
		" ('default', 'b', '{}', '{}'), ('default', 'c', '{}', '{\"phase\":\"Odd\",\"attempt\":\"x\"}')");
}

static void test_migration(void **state)
{
	struct postgres old = server;
	struct store *other = NULL;
	struct store_object service;
	struct store_job job;
	long long version;
	int64_t old_epoch;

	(void)state;
	postgres_run(&server, "CREATE DATABASE old");
	(void)snprintf(old.url, sizeof old.url, "postgresql:///old?host=%s&user=postgres", server.folder);
	apply_first(&old);
	version = postgres_number(&old, "SELECT resource_version FROM resource_clock");
	assert_ok(store_open(old.url, "helvetia-api", &other, &err));
	assert_ok(store_migrate(other, &err));
	assert_ok(store_migrate(other, &err));
	assert_int_equal(postgres_number(&old, "SELECT count(*) FROM schema_migrations"), store_migration_count);
	/* What watchers have seen is still so. */
	assert_int_equal(postgres_number(&old, "SELECT resource_version FROM resource_clock"), version);
	assert_sql(&old,
			   "SELECT string_agg(concat_ws(' ', name, status, attempt, image_id, commit_hash, input_hash), "
			   "', ' ORDER BY name)"
			   " FROM builds",
			   "a SUCCESS 2 i c h, b QUEUED, c QUEUED");
	assert_ok(store_epoch_take(other, "h", &old_epoch, &err));
	assert_ok(store_get(other, arena, STORE_SERVICE, "default", "shop", &service, &err));
	assert_ok(store_job_create(other, old_epoch,
							   &(struct store_job_want){.kind = JOB_BUILD,
														.key = "k",
														.service_uid = service.uid,
														.input = "{}",
														.build_name = "b", /* one without a job gives way */
														.build_spec = "{}"},
							   &err));
	assert_ok(store_job_get(other, arena, JOB_BUILD, "k", &job, &err));
	assert_ok(store_job_claim(other, arena, job.view.id, 1, "w", &job, &err));
	assert_sql(&old, "SELECT status FROM builds WHERE name = 'b'", "RUNNING");
	store_close(other);
}

/* --- a connection that dies --- */

static void test_lost_connection(void **state)
{
	struct store_object service = make_service("lost", "{}");
	struct store *worker = NULL;
	struct store_job job;
	bool cancel;

	(void)state;
	assert_ok(
		store_job_create(store, epoch,
						 &(struct store_job_want){
							 .kind = JOB_RESOLVE, .key = "lost", .service_uid = service.uid, .input = "{}"},
						 &err));
	assert_ok(store_job_get(store, arena, JOB_RESOLVE, "lost", &job, &err));
	assert_ok(store_open(server.url, "worker", &worker, &err));
#define KILL_WORKER()                                                                                        \
	postgres_run(&server, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"                     \
						  " WHERE application_name = 'worker'")
	KILL_WORKER();
	assert_ok(store_job_claim(worker, arena, job.view.id, 1, "w", &job, &err));
	assert_int_equal(job.view.claims, 1);
	KILL_WORKER();
	assert_ok(store_job_heartbeat(worker, job.view.id, 1, "w", &cancel, &err));
	KILL_WORKER();
	assert_ok(store_job_finish(worker, job.view.id, 1, "w", true, "{\"commit\":\"c\"}", &err));
	store_close(worker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_follow),
		cmocka_unit_test(test_repositories),
		cmocka_unit_test(test_deliveries),
		cmocka_unit_test(test_notifications),
		cmocka_unit_test(test_shared_notification),
		cmocka_unit_test(test_migration),
		cmocka_unit_test(test_lost_connection),
	};

	return cmocka_run_group_tests(tests, store_fixture_setup, store_fixture_teardown);
}
