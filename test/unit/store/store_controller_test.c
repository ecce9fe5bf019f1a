/* The controller's side against a real PostgreSQL: epochs, Deployments, statuses, finalizing, events, logs,
 * compaction. */
#include "base/limits.h"
#include "base/random.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "store_fixture.h"
#include "store_test.h"

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

static void request_deletion(enum store_kind kind, const char *uid)
{
	struct store_object object;
	bool gone;

	assert_ok(store_begin(store, &err));
	assert_ok(store_delete(store, arena, kind, uid, &object, &gone, &err));
	assert_ok(store_commit(store, &err));
	assert_false(gone);
}

static const char *deploy(const char *service_uid, const char *name, int64_t revision)
{
	char *uid = hc_arena_alloc(arena, HC_UUID_SIZE);

	hc_random_uuid(uid);
	assert_ok(store_deployment_create(store, epoch, service_uid, name, uid, revision,
									  "{\"service\":\"shop\",\"commitHash\":\"abc\"}",
									  "{\"phase\":\"BUILDING\"}", &err));
	return uid;
}

#define OUR_FINALIZER "{\"finalizers\":[\"" STORE_SERVICE_FINALIZER "\"]}"

static void test_epoch(void **state)
{
	struct store *other = NULL;
	struct store_object service;
	int64_t next;

	(void)state;
	insert(STORE_NAMESPACE, "", "epoch", NULL);
	service = insert(STORE_SERVICE, "epoch", "shop", NULL);
	assert_ok(store_open(server.url, "other", &other, &err));
	assert_ok(store_epoch_take(other, "host-b", &next, &err));
	assert_int_equal(next, epoch + 1);
	assert_error(store_service_status(store, epoch, service.uid, "{\"phase\":\"ACTIVE\"}", &err), HC_CONFLICT,
				 "host-b leads with epoch");
	assert_sql(&server, "SELECT status FROM services WHERE namespace = 'epoch'", "IDLE");
	assert_ok(store_service_status(other, next, service.uid, "{\"phase\":\"ACTIVE\"}", &err));
	assert_ok(store_epoch_take(store, "host-a", &epoch, &err));
	store_close(other);
}

static void test_leader_lock(void **state)
{
	struct store *first = NULL, *second = NULL;
	bool held;

	(void)state;
	assert_ok(store_open(server.url, "first", &first, &err));
	assert_ok(store_open(server.url, "second", &second, &err));
	assert_ok(store_leader_lock(first, &held, &err));
	assert_true(held);
	assert_ok(store_leader_lock(second, &held, &err));
	assert_false(held);
	assert_ok(store_ping(first, &err));
	assert_ok(store_ping(second, &err));
	/* The session of the lock dies: the ping must not be fooled by the new connection. */
	postgres_run(&server, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
						  " WHERE application_name = 'first'");
	assert_error(store_ping(first, &err), HC_TRANSIENT, "the session that held the leader's lock was lost");
	assert_error(store_ping(first, &err), HC_TRANSIENT, "the session that held the leader's lock was lost");
	assert_ok(store_leader_lock(second, &held, &err));
	assert_true(held);
	assert_ok(store_leader_lock(first, &held, &err));
	assert_false(held);
	assert_ok(store_ping(first, &err));
	store_close(first);
	store_close(second);
}

static void test_deployments(void **state)
{
	struct store_object service;
	struct store_service read;
	struct store_deployment *list;
	struct store_reference *references;
	const char *uid;
	size_t count;

	(void)state;
	insert(STORE_NAMESPACE, "", "deployments", NULL);
	service = insert(STORE_SERVICE, "deployments", "shop", OUR_FINALIZER);
	deploy(service.uid, "shop-r10", 10);
	uid = deploy(service.uid, "shop-r2", 2);
	assert_ok(store_deployments_of(store, arena, service.uid, &list, &count, &err));
	assert_int_equal(count, 2);
	assert_int_equal(list[0].revision, 2);
	assert_int_equal(list[1].revision, 10);
	assert_string_equal(list[0].object.uid, uid);
	assert_contains(list[0].object.json, "\"helvetia.cloud/service\": \"shop\"");
	assert_contains(list[0].object.json, "\"controller\": true");
	assert_contains(list[0].spec_json, "\"commitHash\": \"abc\"");
	assert_error(store_deployment_create(store, epoch, service.uid, "shop-x",
										 "00000000-0000-4000-8000-000000000001", 2, "{}", "{}", &err),
				 HC_CONFLICT, "revision 2 already exists");
	assert_error(store_deployment_create(store, epoch, "00000000-0000-4000-8000-000000000001", "x",
										 "00000000-0000-4000-8000-000000000002", 1, "{}", "{}", &err),
				 HC_NOT_FOUND, "not found");
	assert_ok(store_deployment_status(store, epoch, uid, "{\"phase\":\"SUCCESS\"}", true, &err));
	assert_ok(store_deployment_status(store, epoch, uid, "{\"phase\":\"SUCCESS\"}", true, &err));
	assert_error(store_deployment_status(store, epoch, uid, "{\"phase\":\"GREAT\"}", true, &err), HC_INVALID,
				 "GREAT");
	assert_error(store_deployment_status(store, epoch, service.uid, "{}", true, &err), HC_NOT_FOUND,
				 "not found");
	assert_sql(&server,
			   "SELECT string_agg(revision || ' ' || status || ' ' || commit_hash, ', ' ORDER BY revision)"
			   " FROM deployments WHERE namespace = 'deployments'",
			   "2 SUCCESS abc, 10 BUILDING abc");
	assert_ok(store_service_get(store, arena, service.uid, &read, &err));
	assert_string_equal(read.status_json, "{\"currentDeployment\": \"shop-r2\"}");
	assert_string_equal(read.spec_json, "{}");
	assert_true(read.finalizer_present);
	assert_int_equal(strlen(read.namespace_uid), 36);
	assert_ok(store_services_all(store, arena, &references, &count, &err));
	assert_true(count >= 1);
	for (size_t index = 1; index < count; index++)
		assert_true(strcmp(references[index - 1].uid, references[index].uid) < 0);
	assert_ok(store_deployment_delete(store, epoch, uid, &err));
	assert_ok(store_deployment_delete(store, epoch, uid, &err));
	assert_ok(store_deployments_of(store, arena, service.uid, &list, &count, &err));
	assert_int_equal(count, 1);
}

static void test_service_status(void **state)
{
	struct store_object service;
	long long version;

	(void)state;
	insert(STORE_NAMESPACE, "", "status", NULL);
	service = insert(STORE_SERVICE, "status", "shop", NULL);
	assert_ok(store_service_status(store, epoch, service.uid, "{\"phase\":\"DEPLOYING\"}", &err));
	version = postgres_number(&server, "SELECT resource_version FROM resource_clock");
	assert_ok(store_service_status(store, epoch, service.uid, "{ \"phase\" : \"DEPLOYING\" }", &err));
	assert_int_equal(postgres_number(&server, "SELECT resource_version FROM resource_clock"), version);
	assert_error(store_service_status(store, epoch, "00000000-0000-4000-8000-000000000001", "{}", &err),
				 HC_NOT_FOUND, "not found");
}

static void test_finalize(void **state)
{
	struct store_object namespace, service, object;
	struct store_service read;

	(void)state;
	namespace = insert(STORE_NAMESPACE, "", "finalize", OUR_FINALIZER);
	service = insert(STORE_SERVICE, "finalize", "shop", OUR_FINALIZER);
	deploy(service.uid, "shop-r1", 1);
	assert_error(store_namespace_finalize(store, epoch, namespace.uid, &err), HC_CONFLICT,
				 "nobody wants it deleted");
	request_deletion(STORE_NAMESPACE, namespace.uid);
	assert_error(store_namespace_finalize(store, epoch, namespace.uid, &err), HC_CONFLICT,
				 "not empty: services 1, deployments 1");
	request_deletion(STORE_SERVICE, service.uid);
	assert_ok(store_service_finalize(store, epoch, service.uid, &err));
	assert_ok(store_service_finalize(store, epoch, service.uid, &err));
	assert_error(store_service_get(store, arena, service.uid, &read, &err), HC_NOT_FOUND, "not found");
	assert_ok(store_namespace_finalize(store, epoch, namespace.uid, &err));
	assert_ok(store_namespace_finalize(store, epoch, namespace.uid, &err));
	assert_error(store_get(store, arena, STORE_NAMESPACE, "", "finalize", &object, &err), HC_NOT_FOUND,
				 "not found");
	assert_sql(&server,
			   "SELECT string_agg(kind, ' ' ORDER BY resource_version) FROM change_log WHERE type = 'DELETED'"
			   " AND 'finalize' IN (namespace, name)",
			   "Deployment Service Namespace");
	/* A foreign finalizer stays. */
	insert(STORE_NAMESPACE, "", "foreign", NULL);
	service = insert(STORE_SERVICE, "foreign", "shop",
					 "{\"finalizers\":[\"other/one\",\"" STORE_SERVICE_FINALIZER "\"]}");
	request_deletion(STORE_SERVICE, service.uid);
	assert_ok(store_service_finalize(store, epoch, service.uid, &err));
	assert_ok(store_service_get(store, arena, service.uid, &read, &err));
	assert_false(read.finalizer_present);
	assert_contains(read.object.json, "\"finalizers\": [\"other/one\"]");
}

static void test_events(void **state)
{
	struct store_event event = {.namespace_name = "events",
								.kind = "Service",
								.name = "shop",
								.uid = "00000000-0000-4000-8000-000000000001",
								.reason = "Deployed",
								.message = "revision 7 serves"};
	int64_t count;

	(void)state;
	insert(STORE_NAMESPACE, "", "events", NULL);
	assert_ok(store_event_record(store, epoch, &event, &err));
	assert_ok(store_event_record(store, epoch, &event, &err));
	event.warning = true;
	event.reason = "Failed";
	assert_ok(store_event_record(store, epoch, &event, &err));
	assert_ok(store_count(store, STORE_EVENT, "events", &count, &err));
	assert_int_equal(count, 2);
	assert_sql(
		&server,
		"SELECT string_agg(concat_ws(' ', j ->> 'kind', j ->> 'apiVersion', j ->> 'type', j ->> 'count',"
		" j #>> '{involvedObject,kind}', j #>> '{involvedObject,apiVersion}', j #>> '{source,component}',"
		" j -> 'metadata' ? 'generation'), ', ' ORDER BY j ->> 'type')"
		" FROM events e, LATERAL (SELECT object_text(e)::jsonb AS j) AS o WHERE namespace = 'events'",
		"Event v1 Normal 2 Service helvetia.cloud/v1 helvetia-controller f,"
		" Event v1 Warning 1 Service helvetia.cloud/v1 helvetia-controller f");
	event.namespace_name = "nowhere";
	assert_error(store_event_record(store, epoch, &event, &err), HC_NOT_FOUND,
				 "namespace \"nowhere\" not found");
}

static void test_log(void **state)
{
	static char large[HC_LIMIT_LOG_TAIL_BYTES + 1000];
	struct store_object service;
	const char *uid, *text;
	size_t length;

	(void)state;
	insert(STORE_NAMESPACE, "", "log", NULL);
	service = insert(STORE_SERVICE, "log", "shop", NULL);
	uid = deploy(service.uid, "shop-r1", 1);
	assert_ok(store_log_read(store, arena, uid, &text, &length, &err));
	assert_int_equal(length, 0);
	assert_ok(store_log_append(store, epoch, uid, "Gr\xc3", 3, &err));
	assert_ok(store_log_append(store, epoch, uid,
							   "\xbc\xc3\x9f"
							   "e\n",
							   5, &err));
	assert_ok(store_log_read(store, arena, uid, &text, &length, &err));
	assert_int_equal(length, 8);
	assert_string_equal(text, "Gr\xc3\xbc\xc3\x9f"
							  "e\n");
	assert_sql(&server, "SELECT d.logs FROM deployments d WHERE namespace = 'log'",
			   "Gr\xc3\xbc\xc3\x9f"
			   "e\n");
	assert_ok(store_log_append(store, epoch, uid, "\0\xff", 2, &err));
	assert_sql(&server, "SELECT right(logs, 9) FROM deployment_logs WHERE namespace = 'log'", "\n\\000\\377");
	memset(large, 'x', sizeof large);
	large[sizeof large - 1] = 'y';
	assert_ok(store_log_append(store, epoch, uid, large, 1000, &err));
	assert_ok(store_log_append(store, epoch, uid, large, sizeof large, &err));
	assert_ok(store_log_read(store, arena, uid, &text, &length, &err));
	assert_int_equal(length, HC_LIMIT_LOG_TAIL_BYTES);
	assert_int_equal(text[length - 1], 'y');
	for (int round = 0; round < 6; round++)
		assert_ok(store_log_append(store, epoch, uid, large, 100000, &err));
	assert_ok(store_log_read(store, arena, uid, &text, &length, &err));
	assert_int_equal(length, HC_LIMIT_LOG_TAIL_BYTES);
	assert_true(postgres_number(&server, "SELECT sum(length(data)) FROM log_chunks") <= 300000);
	assert_error(store_log_append(store, epoch, service.uid, "x", 1, &err), HC_NOT_FOUND, "not found");
	assert_error(store_log_append(store, epoch - 1, uid, "x", 1, &err), HC_CONFLICT, "epoch");
}

static void test_compact(void **state)
{
	struct store_event event = {.namespace_name = "compact",
								.kind = "Service",
								.name = "shop",
								.uid = "00000000-0000-4000-8000-000000000001",
								.reason = "Old",
								.message = "old"};
	long long newest;

	(void)state;
	insert(STORE_NAMESPACE, "", "compact", NULL);
	assert_ok(store_event_record(store, epoch, &event, &err));
	assert_ok(store_compact(store, epoch, &err));
	assert_sql(&server, "SELECT oldest FROM resource_clock", "1");
	newest = postgres_number(&server, "SELECT resource_version FROM resource_clock");
	postgres_run(&server, "UPDATE events SET object_spec = object_spec || jsonb_build_object('lastTimestamp',"
						  " object_time(now() - interval '25 hours')) WHERE namespace = 'compact'");
	postgres_run(&server, "UPDATE change_log SET created_at = now() - interval '61 minutes'");
	assert_ok(store_compact(store, epoch, &err));
	/* The old rows are gone, the deletion of the Event is what remains, and the clock says so. */
	assert_int_equal(postgres_number(&server, "SELECT oldest FROM resource_clock"), newest + 1);
	assert_sql(&server, "SELECT string_agg(kind || ' ' || type, ', ') FROM change_log", "Event DELETED");
	assert_sql(&server, "SELECT count(*) FROM events WHERE namespace = 'compact'", "0");
	postgres_run(&server,
				 "INSERT INTO change_log (resource_version, kind, type, uid, namespace, name, labels, object)"
				 " SELECT resource_version + n, 'Service', 'ADDED', gen_random_uuid(), 'x', 'x', '{}', '{}'"
				 " FROM resource_clock, generate_series(1, 100100) AS n");
	postgres_run(&server, "UPDATE resource_clock SET resource_version = resource_version + 100100");
	assert_ok(store_compact(store, epoch, &err));
	assert_int_equal(postgres_number(&server, "SELECT count(*) FROM change_log"), HC_LIMIT_CHANGE_LOG_ROWS);
	assert_sql(&server, "SELECT min(l.resource_version) - max(c.oldest) FROM change_log l, resource_clock c",
			   "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_epoch),       cmocka_unit_test(test_leader_lock),
		cmocka_unit_test(test_deployments), cmocka_unit_test(test_service_status),
		cmocka_unit_test(test_finalize),    cmocka_unit_test(test_events),
		cmocka_unit_test(test_log),         cmocka_unit_test(test_compact),
	};

	return cmocka_run_group_tests(tests, store_fixture_setup, store_fixture_teardown);
}
