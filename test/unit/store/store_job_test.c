/* Jobs against a real PostgreSQL: claim, fence, lease, cancel, results, what a Build shows, logs, compaction.
 */
#include "base/random.h"
#include "store/store_job.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "store_fixture.h"
#include "store_test.h"

#define IMAGE "{\"imageId\":\"sha256:1\",\"builder\":\"buildkit\"}"
#define SOURCE "{\"commit\":\"c1\",\"branch\":\"main\",\"tree\":\"t1\",\"runtime\":\"node\"}"
#define AGAIN "{\"reason\":\"BuildFailed\",\"message\":\"the engine is away\",\"final\":false}"
#define BROKEN "{\"reason\":\"BuildFailed\",\"message\":\"line 3 is wrong\",\"final\":true}"

/* --- the world --- */

static struct store_object insert(enum store_kind kind, const char *namespace_name, const char *name,
								  const char *spec)
{
	struct store_object object;

	assert_ok(store_begin(store, &err));
	assert_ok(store_insert(store, arena, kind, namespace_name, name, &(struct store_write){.spec = spec},
						   &object, &err));
	assert_ok(store_commit(store, &err));
	return object;
}

static void delete_object(enum store_kind kind, const char *uid)
{
	struct store_object object;
	bool gone;

	assert_ok(store_begin(store, &err));
	assert_ok(store_delete(store, arena, kind, uid, &object, &gone, &err));
	assert_ok(store_commit(store, &err));
	assert_true(gone);
}

/* A namespace with one Service in it. */
static struct store_object make_service(const char *namespace_name)
{
	insert(STORE_NAMESPACE, "", namespace_name, NULL);
	return insert(STORE_SERVICE, namespace_name, "shop", "{\"repoUrl\":\"https://a/b\",\"branch\":\"main\"}");
}

static void deploy(const char *service_uid, const char *name, int64_t revision, const char *status)
{
	char uid[HC_UUID_SIZE];

	hc_random_uuid(uid);
	assert_ok(store_deployment_create(store, epoch, service_uid, name, uid, revision, "{}", status, &err));
}

static struct store_job get(enum job_kind kind, const char *key)
{
	struct store_job job;

	assert_ok(store_job_get(store, arena, kind, key, &job, &err));
	return job;
}

static struct store_job make(enum job_kind kind, const char *service_uid, const char *key)
{
	const struct store_job_want want = {.kind = kind,
										.key = key,
										.service_uid = service_uid,
										.input = "{\"n\":1}",
										.build_name = key,
										.build_spec = "{\"inputHash\":\"h\",\"service\":\"shop\"}"};

	assert_ok(store_job_create(store, epoch, &want, &err));
	return get(kind, key);
}

static struct store_job claim(const struct store_job *job, int64_t attempt)
{
	struct store_job claimed;

	assert_ok(store_job_claim(store, arena, job->view.id, attempt, "w1", &claimed, &err));
	return claimed;
}

static void finish(const struct store_job *job, int64_t attempt, bool success, const char *outcome)
{
	assert_ok(store_job_finish(store, job->view.id, attempt, "w1", success, outcome, &err));
}

static void reopen(const struct store_job *job, int64_t attempt, bool fresh, const char *input)
{
	assert_ok(store_job_reopen(store, epoch, job->view.id, attempt, fresh, input, &err));
}

/* The worker is silent for so long that the lease ran out. */
static void lose_lease(const struct store_job *job)
{
	char sql[160];

	(void)snprintf(sql, sizeof sql,
				   "UPDATE jobs SET lease_until = clock_timestamp() - interval '2 minutes' WHERE id = '%s'",
				   job->view.id);
	postgres_run(&server, sql);
}

static void assert_build(const char *name, const char *status)
{
	char sql[200];

	(void)snprintf(sql, sizeof sql,
				   "SELECT status || ' ' || attempt || ' ' || (object_status - "
				   "'{phase,attempt,startedAt,finishedAt}'::text[])"
				   " FROM builds WHERE name = '%s'",
				   name);
	assert_sql(&server, sql, status);
}

static long long changes(void)
{
	return postgres_number(&server, "SELECT count(*) FROM change_log");
}

/* --- a job's life --- */

static void test_create(void **state)
{
	struct store_object service = make_service("create");
	struct store_job job, again;
	long long before = changes();

	(void)state;
	assert_error(store_job_get(store, arena, JOB_BUILD, "create-1", &job, &err), HC_NOT_FOUND,
				 "\"create-1\" not found");
	job = make(JOB_BUILD, service.uid, "create-1");
	assert_int_equal(changes() - before, 1); /* one object, whole from the start */
	assert_int_equal(job.view.state, JOB_QUEUED);
	assert_int_equal(job.view.kind, JOB_BUILD);
	assert_int_equal(job.view.attempt, 1);
	assert_int_equal(job.view.claims, 0);
	assert_int_equal(job.view.queue, JOB_QUEUE_UNASKED);
	assert_string_equal(job.view.name, "create-1");
	assert_string_equal(job.view.worker, "");
	assert_string_equal(job.service_uid, service.uid);
	assert_string_equal(job.input, "{\"n\": 1}");
	assert_null(job.outcome);
	assert_null(job.view.image_id);
	assert_build("create-1", "QUEUED 1 {}");
	again = make(JOB_BUILD, service.uid, "create-1");
	assert_string_equal(again.view.id, job.view.id);
	assert_int_equal(changes() - before, 1);
	assert_error(store_job_create(store, epoch,
								  &(struct store_job_want){.kind = JOB_BUILD,
														   .key = "create-other",
														   .service_uid = service.uid,
														   .input = "{}",
														   .build_name = "create-1",
														   .build_spec = "{}"},
								  &err),
				 HC_CONFLICT, "it is job \"create-1\"");
	assert_error(store_job_get(store, arena, JOB_BUILD, "create-other", &job, &err), HC_NOT_FOUND,
				 "not found");
	assert_error(store_job_create(
					 store, epoch,
					 &(struct store_job_want){.key = "k", .service_uid = again.view.id, .input = "{}"}, &err),
				 HC_NOT_FOUND, "services");
	assert_error(store_job_create(
					 store, epoch - 1,
					 &(struct store_job_want){.key = "k", .service_uid = service.uid, .input = "{}"}, &err),
				 HC_CONFLICT, "is over");
	/* A Build whose job somebody deleted is in nobody's way. */
	postgres_run(&server, "DELETE FROM jobs WHERE key = 'create-1'");
	again = make(JOB_BUILD, service.uid, "create-1");
	assert_string_not_equal(again.view.id, job.view.id);
	assert_build("create-1", "QUEUED 1 {}");
}

static void test_claim_and_fence(void **state)
{
	struct store_object service = make_service("claim");
	struct store_job job = make(JOB_BUILD, service.uid, "claim-1"), claimed;
	bool cancel = true;

	(void)state;
	assert_error(store_job_claim(store, arena, service.uid, 1, "w1", &claimed, &err), HC_NOT_FOUND,
				 "not found");
	assert_error(store_job_claim(store, arena, "nonsense", 1, "w1", &claimed, &err), HC_INVALID, "uuid");
	assert_error(store_job_claim(store, arena, job.view.id, 2, "w1", &claimed, &err), HC_CONFLICT,
				 "attempt 2 of job");
	assert_error(store_job_heartbeat(store, job.view.id, 1, "w1", &cancel, &err), HC_CONFLICT, "is QUEUED");
	claimed = claim(&job, 1);
	assert_int_equal(claimed.view.state, JOB_RUNNING);
	assert_int_equal(claimed.view.claims, 1);
	assert_string_equal(claimed.view.worker, "w1");
	assert_string_equal(claimed.view.name, "claim-1");
	assert_string_equal(claimed.input, "{\"n\": 1}");
	assert_in_range(claimed.view.lease_left_ms, STORE_JOB_LEASE_MS - 1000, STORE_JOB_LEASE_MS);
	assert_build("claim-1", "RUNNING 1 {}");
	assert_sql(&server, "SELECT object_status ? 'startedAt' FROM builds WHERE name = 'claim-1'", "t");
	assert_error(store_job_claim(store, arena, job.view.id, 1, "w2", &claimed, &err), HC_CONFLICT,
				 "run by worker \"w1\" already");
	assert_error(store_job_claim(store, arena, job.view.id, 1, "w1", &claimed, &err), HC_CONFLICT, "already");
	assert_ok(store_job_heartbeat(store, job.view.id, 1, "w1", &cancel, &err));
	assert_false(cancel);
	assert_error(store_job_heartbeat(store, job.view.id, 1, "w2", &cancel, &err), HC_CONFLICT,
				 "worker \"w1\"");
	assert_error(store_job_finish(store, job.view.id, 1, "w2", true, IMAGE, &err), HC_CONFLICT,
				 "worker \"w1\"");
	/* Its next attempt shuts the former one out of everything. */
	reopen(&job, 1, false, NULL);
	reopen(&job, 1, false, NULL); /* said twice, done once */
	assert_int_equal(get(JOB_BUILD, "claim-1").view.attempt, 2);
	assert_build("claim-1", "QUEUED 2 {}");
	claim(&job, 2);
	assert_error(store_job_heartbeat(store, job.view.id, 1, "w1", &cancel, &err), HC_CONFLICT, "is over");
	assert_error(store_job_log(store, job.view.id, 1, "x", 1, &err), HC_CONFLICT, "is over");
	assert_error(store_job_finish(store, job.view.id, 1, "w1", true, IMAGE, &err), HC_CONFLICT, "is over");
	assert_error(store_job_reopen(store, epoch - 1, job.view.id, 2, false, NULL, &err), HC_CONFLICT,
				 "is over");
	assert_int_equal(get(JOB_BUILD, "claim-1").view.claims, 2);
	finish(&job, 2, true, IMAGE);
	assert_error(store_job_claim(store, arena, job.view.id, 2, "w1", &claimed, &err), HC_CONFLICT,
				 "is SUCCEEDED");
	assert_error(store_job_heartbeat(store, job.view.id, 2, "w1", &cancel, &err), HC_CONFLICT,
				 "is SUCCEEDED");
}

struct racer {
	pthread_t thread;
	struct store *store;
	const char *id;
	char name[8];
	bool won;
	enum hc_class class;
};

static void *race(void *payload)
{
	struct racer *racer = payload;
	struct hc_arena *own = hc_arena_new();
	struct hc_error err = {0};
	struct store_job job;

	racer->won = store_job_claim(racer->store, own, racer->id, 1, racer->name, &job, &err) == 0;
	racer->class = err.class;
	hc_arena_free(own);
	return NULL;
}

static void test_one_claim_wins(void **state)
{
	struct store_object service = make_service("race");
	struct store_job job = make(JOB_BUILD, service.uid, "race-1");
	struct racer racers[8] = {0};
	int winners = 0;

	(void)state;
	for (size_t index = 0; index < HC_COUNT(racers); index++) {
		racers[index].id = job.view.id;
		(void)snprintf(racers[index].name, sizeof racers[index].name, "r%zu", index);
		assert_ok(store_open(server.url, "racer", &racers[index].store, &err));
	}
	for (size_t index = 0; index < HC_COUNT(racers); index++)
		assert_int_equal(pthread_create(&racers[index].thread, NULL, race, &racers[index]), 0);
	for (size_t index = 0; index < HC_COUNT(racers); index++) {
		(void)pthread_join(racers[index].thread, NULL);
		store_close(racers[index].store);
		if (racers[index].won)
			assert_string_equal(get(JOB_BUILD, "race-1").view.worker, racers[index].name);
		else
			assert_int_equal(racers[index].class, HC_CONFLICT);
		winners += racers[index].won;
	}
	assert_int_equal(winners, 1);
	assert_int_equal(get(JOB_BUILD, "race-1").view.claims, 1);
}

static void test_lease(void **state)
{
	struct store_object service = make_service("lease");
	struct store_job job = make(JOB_RESOLVE, service.uid, "lease-1");
	long long before = changes();
	bool cancel;

	(void)state;
	claim(&job, 1);
	lose_lease(&job);
	assert_true(get(JOB_RESOLVE, "lease-1").view.lease_left_ms < 0);
	/* Nobody took it meanwhile: it is still his. */
	assert_ok(store_job_heartbeat(store, job.view.id, 1, "w1", &cancel, &err));
	assert_true(get(JOB_RESOLVE, "lease-1").view.lease_left_ms > 0);
	assert_int_equal(changes(), before); /* neither heartbeats nor resolve jobs can be seen in the API */
	for (int64_t attempt = 1; attempt <= STORE_JOB_CLAIMS_MAX; attempt++) {
		if (attempt > 1)
			claim(&job, attempt);
		assert_int_equal(get(JOB_RESOLVE, "lease-1").view.claims, attempt);
		if (attempt < STORE_JOB_CLAIMS_MAX)
			reopen(&job, attempt, false, NULL);
	}
	assert_ok(
		store_job_give_up(store, epoch, job.view.id, 2, "too late", &err)); /* another attempt: nothing */
	assert_int_equal(get(JOB_RESOLVE, "lease-1").view.state, JOB_RUNNING);
	assert_ok(store_job_give_up(store, epoch, job.view.id, 3, "its worker was lost three times", &err));
	job = get(JOB_RESOLVE, "lease-1");
	assert_int_equal(job.view.state, JOB_FAILED);
	assert_true(job.view.final);
	assert_string_equal(job.view.reason, "SourceFailed");
	assert_string_equal(job.view.message, "its worker was lost three times");
	assert_error(store_job_finish(store, job.view.id, 3, "w1", true, SOURCE, &err), HC_CONFLICT, "is FAILED");
	reopen(&job, 3, true, "{\"n\":2}");
	job = get(JOB_RESOLVE, "lease-1");
	assert_int_equal(job.view.claims, 0);
	assert_int_equal(job.view.attempt, 4);
	assert_string_equal(job.input, "{\"n\": 2}");
	assert_null(job.outcome);
}

/* --- results --- */

static void test_finish(void **state)
{
	struct store_object service = make_service("finish");
	struct store_job source = make(JOB_RESOLVE, service.uid, "finish-source"),
					 build = make(JOB_BUILD, service.uid, "finish-1");

	(void)state;
	claim(&source, 1);
	finish(&source, 1, true, SOURCE);
	source = get(JOB_RESOLVE, "finish-source");
	assert_int_equal(source.view.state, JOB_SUCCEEDED);
	assert_string_equal(source.view.commit, "c1");
	assert_string_equal(source.view.branch, "main");
	assert_string_equal(source.view.tree, "t1");
	assert_string_equal(source.view.runtime, "node");
	assert_null(source.view.reason);
	claim(&build, 1);
	assert_error(store_job_finish(store, build.view.id, 1, "w1", true, "{}", &err), HC_INVALID,
				 "outcome.imageId");
	assert_error(store_job_finish(store, build.view.id, 1, "w1", true, "[]", &err), HC_INVALID, "an object");
	assert_error(
		store_job_finish(store, build.view.id, 1, "w1", false, "{\"message\":\"x\",\"final\":1}", &err),
		HC_INVALID, "outcome.final");
	assert_error(store_job_finish(store, build.view.id, 1, "w1", true, "nonsense", &err), HC_INVALID, "json");
	finish(&build, 1, true, IMAGE);
	finish(&build, 1, true, IMAGE); /* its answer was lost: the same again is no error */
	assert_error(store_job_finish(store, build.view.id, 1, "w1", false, BROKEN, &err), HC_CONFLICT,
				 "is SUCCEEDED");
	build = get(JOB_BUILD, "finish-1");
	assert_string_equal(build.view.image_id, "sha256:1");
	assert_int_equal(build.view.claims, 0);
	assert_build("finish-1", "SUCCESS 1 {\"builder\": \"buildkit\", \"imageId\": \"sha256:1\"}");
	assert_sql(&server, "SELECT image_id FROM builds WHERE name = 'finish-1'", "sha256:1");
	assert_sql(&server, "SELECT object_status ? 'finishedAt' FROM builds WHERE name = 'finish-1'", "t");
}

/* As the manual tells others to do it, in SQL alone. */
static void test_foreign_worker(void **state)
{
	struct store_object service = make_service("foreign");
	struct store_job job = make(JOB_BUILD, service.uid, "foreign-1");
	char *id = hc_arena_printf(arena, "'%s', 1", job.view.id);

	(void)state;
	assert_sql(&server, hc_arena_printf(arena, "SELECT kind || input::text FROM job_claim(%s, 'theirs')", id),
			   "build{\"n\": 1}");
	assert_sql(&server, hc_arena_printf(arena, "SELECT job_heartbeat(%s, 'theirs')", id), "f");
	assert_sql(&server, hc_arena_printf(arena, "SELECT job_log(%s, 'hello')", id), "");
	assert_sql(
		&server,
		hc_arena_printf(arena, "SELECT job_finish(%s, 'theirs', true, '{\"imageId\":\"sha256:9\"}')", id),
		"");
	assert_sql(&server, "SELECT status || ' ' || b.logs FROM builds b WHERE name = 'foreign-1'",
			   "SUCCESS hello");
	assert_string_equal(get(JOB_BUILD, "foreign-1").view.image_id, "sha256:9");
	postgres_run(&server, "DELETE FROM builds WHERE name = 'foreign-1'");
	assert_int_equal(postgres_number(&server, "SELECT count(*) FROM jobs WHERE key = 'foreign-1'"), 0);
}

static void test_failures(void **state)
{
	struct store_object service = make_service("failures");
	struct store_job job = make(JOB_BUILD, service.uid, "failures-1");

	(void)state;
	for (int64_t attempt = 1; attempt <= 4; attempt++) {
		claim(&job, attempt);
		finish(&job, attempt, false, AGAIN);
		job = get(JOB_BUILD, "failures-1");
		assert_int_equal(job.view.state, JOB_FAILED);
		assert_false(job.view.final);
		assert_int_equal(job.view.failures, attempt);
		assert_int_equal(job.view.claims, 0); /* no worker was lost */
		assert_string_equal(job.view.message, "the engine is away");
		reopen(&job, attempt, false, NULL);
	}
	claim(&job, 5);
	finish(&job, 5, false, AGAIN);
	/* It waits, and says why. */
	assert_build("failures-1", "QUEUED 5 {\"reason\": \"BuildFailed\", \"message\": \"the engine is away\"}");
	reopen(&job, 5, false, NULL);
	claim(&job, 6);
	finish(&job, 6, false, BROKEN);
	job = get(JOB_BUILD, "failures-1");
	assert_true(job.view.final);
	assert_string_equal(job.view.reason, "BuildFailed");
	assert_build("failures-1", "FAILED 6 {\"reason\": \"BuildFailed\", \"message\": \"line 3 is wrong\"}");
}

static void test_cancel(void **state)
{
	struct store_object service = make_service("cancel");
	struct store_job waiting = make(JOB_BUILD, service.uid, "cancel-1"),
					 running = make(JOB_BUILD, service.uid, "cancel-2"),
					 lost = make(JOB_BUILD, service.uid, "cancel-3"),
					 failed = make(JOB_BUILD, service.uid, "cancel-4"), claimed;
	bool cancel;

	(void)state;
	assert_ok(store_job_cancel(store, epoch, waiting.view.id, &err));
	assert_int_equal(get(JOB_BUILD, "cancel-1").view.state, JOB_CANCELED);
	assert_build("cancel-1", "CANCELED 1 {\"reason\": \"Canceled\", \"message\": \"it is wanted no more\"}");
	assert_error(store_job_claim(store, arena, waiting.view.id, 1, "w1", &claimed, &err), HC_CONFLICT,
				 "is CANCELED");
	claim(&running, 1);
	assert_ok(store_job_cancel(store, epoch, running.view.id, &err));
	assert_int_equal(get(JOB_BUILD, "cancel-2").view.state, JOB_RUNNING);
	assert_true(get(JOB_BUILD, "cancel-2").view.cancel);
	assert_ok(store_job_heartbeat(store, running.view.id, 1, "w1", &cancel, &err));
	assert_true(cancel);
	finish(&running, 1, true, IMAGE);
	assert_int_equal(get(JOB_BUILD, "cancel-2").view.state, JOB_CANCELED);
	assert_null(get(JOB_BUILD, "cancel-2").view.image_id);
	/* Nobody will hear the flag of a worker that is lost. */
	claim(&lost, 1);
	lose_lease(&lost);
	assert_ok(store_job_cancel(store, epoch, lost.view.id, &err));
	assert_int_equal(get(JOB_BUILD, "cancel-3").view.state, JOB_CANCELED);
	assert_error(store_job_finish(store, lost.view.id, 1, "w1", true, IMAGE, &err), HC_CONFLICT,
				 "is CANCELED");
	claim(&failed, 1);
	finish(&failed, 1, false, AGAIN);
	assert_ok(store_job_cancel(store, epoch, failed.view.id, &err));
	assert_int_equal(get(JOB_BUILD, "cancel-4").view.state, JOB_CANCELED);
	reopen(&failed, 1, true, NULL);
	claim(&failed, 2);
	finish(&failed, 2, true, IMAGE);
	assert_ok(store_job_cancel(store, epoch, failed.view.id, &err)); /* too late: nothing happens */
	assert_int_equal(get(JOB_BUILD, "cancel-4").view.state, JOB_SUCCEEDED);
}

static void test_service_goes(void **state)
{
	struct store_object namespace = insert(STORE_NAMESPACE, "", "goes", NULL);
	struct store_object service = insert(STORE_SERVICE, "goes", "shop", NULL),
						other = insert(STORE_SERVICE, "goes", "other", NULL);
	struct store_job queued = make(JOB_RESOLVE, service.uid, "goes-source"),
					 running = make(JOB_BUILD, service.uid, "goes-1"),
					 shared = make(JOB_BUILD, service.uid, "goes-2");
	bool cancel;

	(void)state;
	claim(&running, 1);
	deploy(service.uid, "shop-r1", 1, "{\"phase\":\"BUILDING\",\"build\":\"goes-1\"}");
	deploy(other.uid, "other-r1", 1, "{\"phase\":\"BUILDING\",\"build\":\"goes-2\"}");
	delete_object(STORE_SERVICE, service.uid);
	assert_int_equal(get(JOB_RESOLVE, "goes-source").view.state, JOB_CANCELED);
	assert_string_equal(get(JOB_RESOLVE, "goes-source").service_uid, "");
	assert_ok(store_job_heartbeat(store, running.view.id, 1, "w1", &cancel, &err));
	assert_true(cancel);
	assert_int_equal(get(JOB_BUILD, "goes-2").view.state, JOB_QUEUED); /* another waits for it */
	delete_object(STORE_SERVICE, other.uid);
	delete_object(STORE_NAMESPACE, namespace.uid); /* with Builds, jobs and logs */
	assert_error(store_job_heartbeat(store, running.view.id, 1, "w1", &cancel, &err), HC_NOT_FOUND,
				 "not found");
	assert_error(store_job_get(store, arena, JOB_RESOLVE, queued.view.key, &queued, &err), HC_NOT_FOUND,
				 "not found");
	assert_error(store_job_get(store, arena, JOB_BUILD, shared.view.key, &shared, &err), HC_NOT_FOUND,
				 "not found");
	assert_sql(&server,
			   "SELECT string_agg(name, ' ' ORDER BY name) FROM change_log WHERE kind = 'Build'"
			   " AND type = 'DELETED' AND namespace = 'goes'",
			   "goes-1 goes-2");
}

/* --- logs --- */

static void assert_log(const char *uid, int64_t position, size_t max, const char *expected, bool ended)
{
	struct store_log_place place = {.position = position};
	const char *data;
	size_t length;
	bool seen;

	assert_ok(store_build_log_read(store, arena, uid, &place, max, &data, &length, &seen, &err));
	assert_int_equal(place.position, position);
	assert_int_equal(length, strlen(expected));
	assert_string_equal(data, expected);
	assert_int_equal(seen, ended);
}

static void say(const struct store_job *job, int64_t attempt, const char *text)
{
	assert_ok(store_job_log(store, job->view.id, attempt, text, strlen(text), &err));
}

static void test_log(void **state)
{
	struct store_object service = make_service("log");
	struct store_job job = make(JOB_BUILD, service.uid, "log-1"),
					 source = make(JOB_RESOLVE, service.uid, "log-source");
	const char *data;
	size_t length;
	bool ended;
	long long before;

	(void)state;
	assert_log(job.view.id, 0, 100, "", false);
	assert_error(store_job_log(store, job.view.id, 1, "x", 1, &err), HC_CONFLICT, "is QUEUED");
	claim(&job, 1);
	claim(&source, 1);
	before = changes();
	say(&job, 1, "one\n");
	say(&job, 1, "");
	say(&job, 1, "two\n");
	say(&job, 1, "three\n");
	assert_int_equal(changes(), before);
	assert_log(job.view.id, 0, 100, "one\ntwo\nthree\n", false);
	assert_log(job.view.id, 5, 100, "wo\nthree\n", false);
	assert_log(job.view.id, 2, 4, "e\ntw", false);
	assert_log(job.view.id, 4, 4, "two\n", false);
	assert_log(job.view.id, 14, 100, "", false);
	assert_log(job.view.id, 999, 100, "", false);
	assert_error(store_job_log(store, source.view.id, 1, "x", 1, &err), HC_INVALID, "has no log");
	assert_error(store_build_log_read(store, arena, service.uid, &(struct store_log_place){0}, 9, &data,
									  &length, &ended, &err),
				 HC_NOT_FOUND, "not found");
	finish(&job, 1, false, AGAIN);
	assert_log(job.view.id, 14, 100, "", false); /* to be tried again: more will come */
	reopen(&job, 1, false, NULL);
	claim(&job, 2);
	say(&job, 2, "\xff\n"); /* bytes, not text */
	finish(&job, 2, true, IMAGE);
	assert_log(job.view.id, 0, 4, "one\n", false); /* not all of it was read */
	assert_log(job.view.id, 14, 100, "\n--- attempt 2 ---\n\xff\n", true);
	assert_log(job.view.id, 999, 100, "", true);
	assert_sql(&server, "SELECT logs FROM build_logs WHERE name = 'log-1'",
			   "one\ntwo\nthree\n\n--- attempt 2 ---\n\\377\n");
	reopen(&job, 2, true, NULL);
	assert_log(job.view.id, 0, 100, "", false);
	claim(&job, 3);
	say(&job, 3, "anew\n");
	assert_log(job.view.id, 0, 100, "anew\n", false);
}

/* Who followed the old log is not to read on somewhere in the new one, were it longer by now. */
static void test_log_begun_anew(void **state)
{
	struct store_object service = make_service("anew");
	struct store_job job = make(JOB_BUILD, service.uid, "anew-1");
	struct store_log_place place = {0};
	const char *data;
	size_t length;
	bool ended;

	(void)state;
	claim(&job, 1);
	say(&job, 1, "old\n");
	assert_ok(store_build_log_read(store, arena, job.view.id, &place, 100, &data, &length, &ended, &err));
	assert_string_equal(data, "old\n");
	assert_int_equal(place.log, 1);
	place.position += (int64_t)length;
	reopen(&job, 1, false, NULL); /* its worker was lost: the log goes on */
	claim(&job, 2);
	assert_ok(store_build_log_read(store, arena, job.view.id, &place, 100, &data, &length, &ended, &err));
	assert_string_equal(data, "\n--- attempt 2 ---\n");
	place.position += (int64_t)length;
	reopen(&job, 2, true, NULL);
	assert_ok(store_build_log_read(store, arena, job.view.id, &place, 100, &data, &length, &ended, &err));
	assert_string_equal(data, "");
	assert_int_equal(place.log, 3);
	assert_int_equal(place.position, 0);
	place = (struct store_log_place){.log = 1, .position = 4};
	claim(&job, 3);
	say(&job, 3, "a new and longer log\n");
	assert_ok(store_build_log_read(store, arena, job.view.id, &place, 100, &data, &length, &ended, &err));
	assert_string_equal(data, "a new and longer log\n");
	assert_int_equal(place.log, 3);
	assert_int_equal(place.position, 0);
}

static void test_log_cap(void **state)
{
	static const char last[] = "\n[the log ends here: it has reached 16 MiB]\n";
	struct store_object service = make_service("cap");
	struct store_job job = make(JOB_BUILD, service.uid, "cap-1");
	size_t length = STORE_BUILD_LOG_BYTES - 10, read_length;
	char *much = malloc(length);
	const char *data;
	bool ended;

	(void)state;
	assert_non_null(much);
	memset(much, 'x', length);
	claim(&job, 1);
	assert_ok(store_job_log(store, job.view.id, 1, much, length, &err));
	free(much);
	say(&job, 1, "0123456789");
	assert_log(job.view.id, STORE_BUILD_LOG_BYTES - 12, 100, "xx0123456789", false);
	say(&job, 1, "beyond");
	say(&job, 1, "and more");
	struct store_log_place place = {.position = STORE_BUILD_LOG_BYTES};
	assert_ok(
		store_build_log_read(store, arena, job.view.id, &place, 100, &data, &read_length, &ended, &err));
	assert_string_equal(data, last);
	assert_sql(&server,
			   "SELECT sum(length(data)) FROM build_log_chunks c JOIN jobs j ON j.id = c.build_id"
			   " WHERE j.key = 'cap-1'",
			   "16777260");
	finish(&job, 1, true, IMAGE);
	assert_log(job.view.id, STORE_BUILD_LOG_BYTES + (int64_t)strlen(last), 100, "", true);
}

/* --- keeping --- */

static void test_wanted(void **state)
{
	struct store_object one = make_service("wanted-one"), other = make_service("wanted-other");
	struct store_job job = make(JOB_BUILD, one.uid, "wanted-build");
	bool wanted;

	(void)state;
	deploy(one.uid, "wanted-one-r1", 1, "{\"phase\":\"BUILDING\",\"build\":\"wanted-build\"}");
	assert_ok(store_build_wanted(store, job.view.id, one.uid, &wanted, &err));
	assert_false(wanted);
	assert_ok(store_build_wanted(store, job.view.id, other.uid, &wanted, &err));
	assert_true(wanted);
	deploy(other.uid, "wanted-other-r1", 1, "{\"phase\":\"FAILED\",\"build\":\"wanted-build\"}");
	assert_ok(store_build_wanted(store, job.view.id, one.uid, &wanted, &err));
	assert_false(wanted);
}

static void test_compaction(void **state)
{
	struct store_object service = make_service("compact");
	struct store_job old = make(JOB_BUILD, service.uid, "compact-old"),
					 named = make(JOB_BUILD, service.uid, "compact-named"),
					 young = make(JOB_BUILD, service.uid, "compact-young"),
					 source = make(JOB_RESOLVE, service.uid, "compact-source"),
					 queued = make(JOB_RESOLVE, service.uid, "compact-queued"),
					 orphan = make(JOB_BUILD, service.uid, "compact-orphan");
	const struct store_job *const done[] = {&old, &named, &young};
	const char **ids;
	size_t count;

	(void)state;
	for (size_t index = 0; index < HC_COUNT(done); index++) {
		claim(done[index], 1);
		say(done[index], 1, "x");
		finish(done[index], 1, true, index ? "{\"imageId\":\"sha256:b\"}" : "{\"imageId\":\"sha256:a\"}");
	}
	claim(&source, 1);
	finish(&source, 1, true, SOURCE);
	claim(&orphan, 1);
	lose_lease(&orphan);
	postgres_run(&server, "UPDATE jobs SET service_id = NULL WHERE key = 'compact-orphan'");
	deploy(service.uid, "shop-r1", 1,
		   "{\"phase\":\"SUCCESS\",\"build\":\"compact-named\",\"imageId\":\"sha256:c\"}");
	assert_ok(store_images_referenced(store, arena, &ids, &count, &err));
	assert_int_equal(count, 4); /* and sha256:1 of other tests */
	assert_string_equal(ids[0], "sha256:1");
	assert_string_equal(ids[1], "sha256:a");
	assert_string_equal(ids[2], "sha256:b");
	assert_string_equal(ids[3], "sha256:c");
	postgres_run(&server,
				 "UPDATE jobs SET state_since = state_since - interval '2 hours'"
				 " WHERE key IN ('compact-old', 'compact-named', 'compact-source', 'compact-queued')");
	assert_error(store_jobs_compact(store, epoch - 1, 3600000, &err), HC_CONFLICT, "is over");
	assert_ok(store_jobs_compact(store, epoch, 3600000, &err));
	assert_sql(
		&server,
		"SELECT string_agg(key || ' ' || state, ', ' ORDER BY key) FROM jobs WHERE key LIKE 'compact-%'",
		"compact-named SUCCEEDED, compact-orphan CANCELED, compact-queued CANCELED, compact-young SUCCEEDED");
	assert_sql(&server, "SELECT count(*) FROM builds WHERE name = 'compact-old'", "0");
	assert_sql(
		&server,
		"SELECT count(*) FROM build_log_chunks c LEFT JOIN jobs j ON j.id = c.build_id WHERE j.id IS NULL",
		"0");
	(void)queued; /* nobody began it for two hours */
	assert_ok(store_images_referenced(store, arena, &ids, &count, &err));
	assert_string_equal(ids[1], "sha256:b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create),         cmocka_unit_test(test_claim_and_fence),
		cmocka_unit_test(test_one_claim_wins), cmocka_unit_test(test_lease),
		cmocka_unit_test(test_finish),         cmocka_unit_test(test_foreign_worker),
		cmocka_unit_test(test_failures),       cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_service_goes),   cmocka_unit_test(test_log),
		cmocka_unit_test(test_log_cap),        cmocka_unit_test(test_wanted),
		cmocka_unit_test(test_log_begun_anew), cmocka_unit_test(test_compaction),
	};

	return cmocka_run_group_tests(tests, store_fixture_setup, store_fixture_teardown);
}
