/* The real program over TLS against a real PostgreSQL: objects, applying, who may what, wrong input. */
#include "cmocka_all.h"

#include "server_fixture.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "store/store.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SERVICES "/apis/helvetia.cloud/v1/namespaces/default/services"
#define DEPLOYMENTS "/apis/helvetia.cloud/v1/namespaces/default/deployments"
#define SERVICE(name, spec)                                                                                  \
	"{\"apiVersion\":\"helvetia.cloud/v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"" name              \
	"\"},\"spec\":{" spec "}}"
#define IMAGE(image) "\"image\":\"" image "\""

static struct fixture fixture;

static long long stored(void)
{
	return postgres_number(&fixture.postgres, "SELECT count(*) FROM services");
}

static void starts_with_an_administrator(void **state)
{
	HC_AUTO_FREE path = hc_xprintf("%s/token", fixture.folder);
	struct stat status;

	(void)state;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	expect(&fixture, "GET", "/api/v1/namespaces/default", NULL, 200, "status.phase", "Active");
	expect(&fixture, "GET", "/version", NULL, 200, "major", "1");
	assert_int_equal(postgres_number(&fixture.postgres, "SELECT count(*) FROM tokens"), 1);
}

static void asks_for_a_token(void **state)
{
	HC_AUTO(http_client) none = fixture_client(&fixture, NULL);
	HC_AUTO(http_client) wrong = fixture_client(&fixture, "hv_wrong");
	HC_AUTO(http_client) expired = fixture_client(&fixture, "hv_expired");

	(void)state;
	fixture_token(&fixture, "old", "", "hv_expired",
				  "{\"role\":\"admin\",\"expiresAt\":\"2020-01-01T00:00:00Z\"}");
	expect_as(none, "GET", SERVICES, NULL, 401, "message",
			  "Unauthorized: send a token as \"Authorization: Bearer TOKEN\"");
	expect_as(wrong, "GET", SERVICES, NULL, 401, "message", "Unauthorized: the token is not known");
	expect_as(expired, "GET", SERVICES, NULL, 401, "message", "Unauthorized: the token has expired");
	expect_as(wrong, "POST", "/apply", SERVICE("x", IMAGE("a")), 401, "reason", "Unauthorized");
	expect_as(none, "GET", "/healthz", NULL, 200, NULL, NULL);
	assert_int_equal(stored(), 0);
}

static void keeps_roles_apart(void **state)
{
	HC_AUTO(http_client) viewer = fixture_client(&fixture, "hv_viewer");
	HC_AUTO(http_client) developer = fixture_client(&fixture, "hv_developer");

	(void)state;
	expect(&fixture, "POST", "/api/v1/namespaces",
		   "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"team\"}}", 201,
		   "metadata.name", "team");
	fixture_token(&fixture, "viewer", "default", "hv_viewer", "{\"role\":\"viewer\"}");
	fixture_token(&fixture, "developer", "team", "hv_developer", "{\"role\":\"developer\"}");
	expect_as(viewer, "GET", SERVICES, NULL, 200, "kind", "ServiceList");
	expect_as(viewer, "POST", SERVICES, SERVICE("x", IMAGE("a")), 403, "reason", "Forbidden");
	expect_as(viewer, "POST", "/apply", SERVICE("x", IMAGE("a")), 403, "reason", "Forbidden");
	expect_as(viewer, "GET", "/apis/helvetia.cloud/v1/services", NULL, 403, "reason", "Forbidden");
	expect_as(developer, "GET", SERVICES, NULL, 403, "message",
			  "services.helvetia.cloud \"\" is forbidden: User \"developer\" cannot list resource "
			  "\"services\" in API group "
			  "\"helvetia.cloud\" in the namespace \"default\": its role is developer of namespace team");
	/* A foreign object and an absent one look alike. */
	expect_as(developer, "GET", SERVICES "/absent", NULL, 403, "reason", "Forbidden");
	expect_as(developer, "POST", "/apply?namespace=team", SERVICE("mine", IMAGE("a")), 200, "items.0.action",
			  "created");
	expect_as(developer, "POST", "/apply", SERVICE("mine", IMAGE("a")), 403, "reason", "Forbidden");
	expect_as(developer, "GET", "/api/v1/namespaces/team", NULL, 200, "metadata.name", "team");
	expect_as(developer, "DELETE", "/api/v1/namespaces/team", NULL, 403, "reason", "Forbidden");
	expect_as(developer, "GET", "/apis/helvetia.cloud/v1/namespaces/team/tokens", NULL, 403, "reason",
			  "Forbidden");
	/* A revoked token ends at once. */
	postgres_run(&fixture.postgres, "DELETE FROM tokens WHERE name = 'viewer'");
	for (long status = 200; status != 401;)
		json_decref(ask_as(viewer, "GET", SERVICES, NULL, NULL, &status));
	postgres_run(&fixture.postgres, "DELETE FROM services");
}

static void objects_live_and_die(void **state)
{
	(void)state;
	expect(&fixture, "POST", SERVICES, SERVICE("shop", IMAGE("nginx:1")), 201, "metadata.generation", "1");
	expect(&fixture, "GET", SERVICES "/shop", NULL, 200, "status.conditions.0.reason", "Pending");
	expect(&fixture, "GET", SERVICES "/shop", NULL, 200, "metadata.finalizers.0",
		   "helvetia.cloud/containers");
	expect(&fixture, "GET", SERVICES "/shop", NULL, 200, "spec.internalPort", "3000");
	expect(&fixture, "POST", SERVICES, SERVICE("shop", IMAGE("nginx:1")), 409, "reason", "AlreadyExists");
	expect(&fixture, "PATCH", SERVICES "/shop", "{\"spec\":{\"image\":\"nginx:2\"}}", 200,
		   "metadata.generation", "2");
	expect(&fixture, "PATCH", SERVICES "/shop", "{\"spec\":{\"image\":\"nginx:2\"}}", 200,
		   "metadata.generation", "2");
	expect(&fixture, "PATCH", SERVICES "/shop", "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}", 200,
		   "metadata.generation", "2");
	expect(&fixture, "PATCH", SERVICES "/shop?dryRun=All", "{\"spec\":{\"image\":\"nginx:3\"}}", 200,
		   "spec.image", "nginx:3");
	expect(&fixture, "GET", SERVICES "/shop", NULL, 200, "spec.image", "nginx:2");
	expect(&fixture, "PATCH", SERVICES "/shop", "{\"metadata\":{\"resourceVersion\":\"1\"}}", 409, "reason",
		   "Conflict");
	expect(&fixture, "PATCH", SERVICES "/shop", "{\"metadata\":{\"finalizers\":null}}", 200,
		   "metadata.finalizers.0", "helvetia.cloud/containers");
	expect(&fixture, "PUT", SERVICES "/shop", SERVICE("other", IMAGE("a")), 400, "reason", "BadRequest");
	expect(&fixture, "PUT", SERVICES "/shop", SERVICE("shop", IMAGE("a")), 200, "spec.image", "a");
	expect(&fixture, "PUT", SERVICES "/absent", SERVICE("absent", IMAGE("a")), 404, "reason", "NotFound");
	expect(&fixture, "PATCH", SERVICES "/shop/scale", "{\"spec\":{\"replicas\":3}}", 200, "spec.replicas",
		   "3");
	expect(&fixture, "DELETE", SERVICES "/shop", "{\"dryRun\":[\"All\"]}", 200, "metadata.name", "shop");
	expect(&fixture, "GET", SERVICES "/shop", NULL, 200, "metadata.deletionTimestamp", "");
	expect(&fixture, "DELETE", SERVICES "/shop", "{\"preconditions\":{\"uid\":\"x\"}}", 409, "reason",
		   "Conflict");
	expect(&fixture, "DELETE", SERVICES "/shop", "dryRun", 400, "reason", "BadRequest");
	expect(&fixture, "DELETE", SERVICES "/shop", NULL, 200, "kind", "Service");
	assert_int_equal(stored(), 1); /* until its finalizer is taken off */
	postgres_run(&fixture.postgres, "UPDATE services SET object_metadata = object_metadata - 'finalizers'");
	expect(&fixture, "GET", SERVICES "/shop", NULL, 404, "message",
		   "services.helvetia.cloud \"shop\" not found");
	expect(&fixture, "DELETE", SERVICES "/shop", NULL, 404, "reason", "NotFound");
}

static void media_types_are_told(void **state)
{
	long status = 0;

	(void)state;
	json_decref(ask_as(fixture.client, "PATCH", SERVICES "/x", "application/strategic-merge-patch+json", "{}",
					   &status));
	assert_int_equal(status, 415);
	json_decref(ask_as(fixture.client, "PATCH", SERVICES "/x", "application/json-patch+json", "[]", &status));
	assert_int_equal(status, 404); /* nothing to patch */
	json_decref(
		ask_as(fixture.client, "POST", SERVICES, "application/vnd.kubernetes.protobuf", "k8s", &status));
	assert_int_equal(status, 415);
	json_decref(ask_as(fixture.client, "PATCH", SERVICES "/x", "application/apply-patch+yaml",
					   SERVICE("x", IMAGE("a")), &status));
	assert_int_equal(status, 422); /* fieldManager is missing */
	json_t *made = ask_as(fixture.client, "PATCH", SERVICES "/x?fieldManager=one",
						  "application/apply-patch+yaml", SERVICE("x", IMAGE("a")), &status);
	assert_int_equal(status, 201);
	json_decref(made);
	json_t *refused = ask_as(fixture.client, "PATCH", SERVICES "/x?fieldManager=two",
							 "application/apply-patch+yaml", SERVICE("x", IMAGE("b")), &status);
	assert_int_equal(status, 409);
	assert_string_equal(text_at(refused, "message"),
						"Apply failed with 1 conflict: conflict with \"one\": .spec.image");
	json_decref(refused);
	postgres_run(&fixture.postgres, "DELETE FROM services");
}

static void json_patches_change_objects(void **state)
{
	static const struct {
		const char *steps;
		long status;
	} rows[] = {
		{"[{\"op\":\"replace\",\"path\":\"/spec/image\",\"value\":\"b\"}]", 200},
		{"[{\"op\":\"test\",\"path\":\"/spec/image\",\"value\":\"a\"}]", 422},
		{"[{\"op\":\"remove\",\"path\":\"/spec/nothing\"}]", 422},
		{"[{\"op\":\"add\",\"path\":\"/spec/imagee\",\"value\":1}]", 400},
		{"[{\"op\":\"replace\",\"path\":\"/metadata/name\",\"value\":\"y\"}]", 400},
		{"[{\"op\":\"replace\",\"path\":\"/metadata/resourceVersion\",\"value\":\"1\"}]", 409},
		{"[{\"op\":\"replace\",\"path\":\"\",\"value\":[]}]", 400},
		{"{}", 400},
		{"[", 400},
	};
	long status = 0;

	(void)state;
	json_decref(ask(&fixture, "POST", SERVICES, SERVICE("x", IMAGE("a")), &status));
	assert_int_equal(status, 201);
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		json_decref(ask_as(fixture.client, "PATCH", SERVICES "/x", "application/json-patch+json",
						   rows[index].steps, &status));
		if (status != rows[index].status)
			fail_msg("%s: %ld", rows[index].steps, status);
	}
	json_t *now = ask(&fixture, "GET", SERVICES "/x", NULL, &status);
	assert_string_equal(text_at(json_object_get(now, "spec"), "image"), "b");
	json_decref(now);
	postgres_run(&fixture.postgres, "DELETE FROM services");
}

static void applies_all_or_nothing(void **state)
{
	static const char good[] = SERVICE("one", IMAGE("a")) "\n" SERVICE("two", IMAGE("a"));
	static const char bad[] = SERVICE("three", IMAGE("a")) "\n" SERVICE("two", "\"replicas\":-1");
	static const char twin[] = SERVICE("three", IMAGE("a")) "\n" SERVICE(
		"four", IMAGE("a") ",\"domains\":[\"a.example.com\"]") "\n" SERVICE("five",
																			IMAGE("a") ",\"domains\":[\"A."
																					   "example.com\"]");

	(void)state;
	expect(&fixture, "POST", "/apply?dryRun=true", good, 200, "items.1.action", "created");
	assert_int_equal(stored(), 0);
	expect(&fixture, "POST", "/apply", good, 200, "items.1.action", "created");
	long long version = postgres_number(&fixture.postgres, "SELECT resource_version FROM resource_clock");
	expect(&fixture, "POST", "/apply", good, 200, "items.1.action", "unchanged");
	expect(&fixture, "POST", "/apply", good, 200, "items.0.consequence", "no-op");
	assert_int_equal(postgres_number(&fixture.postgres, "SELECT resource_version FROM resource_clock"),
					 version);
	expect(&fixture, "POST", "/apply", bad, 422, "details.causes.0.document", "2");
	expect(&fixture, "POST", "/apply", twin, 409, "details.causes.0.message",
		   "host \"a.example.com\" is already claimed by service default/four");
	assert_int_equal(stored(), 2);
	expect(&fixture, "POST", "/apply?fieldManager=other", SERVICE("one", IMAGE("b")), 409,
		   "details.causes.0.reason", "FieldManagerConflict");
	expect(&fixture, "POST", "/apply?fieldManager=other&force=true&dryRun=true", SERVICE("one", IMAGE("b")),
		   200, "items.0.diff.0", "spec.image: a → b");
	expect(&fixture, "POST", "/apply?fieldManager=other&force=true", SERVICE("one", IMAGE("b")), 200,
		   "items.0.consequence", "restart");
	postgres_run(&fixture.postgres, "DELETE FROM services");
}

static void says_how_to_make_a_namespace(void **state)
{
	static const char text[] =
		"{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"fresh\"}}\n"
		"{\"apiVersion\":\"helvetia.cloud/v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"x\","
		"\"namespace\":\"fresh\"},\"spec\":{\"image\":\"a\"}}";

	(void)state;
	json_t *refused = ask(&fixture, "POST", "/apply?namespace=absent", SERVICE("x", IMAGE("a")), NULL);
	assert_non_null(strstr(text_at(refused, "message"), "kubectl create namespace absent"));
	assert_string_equal(text_at(refused, "code"), "404");
	json_decref(refused);
	expect(&fixture, "POST", "/apis/helvetia.cloud/v1/namespaces/absent/services", SERVICE("x", IMAGE("a")),
		   404, "details.name", "absent");
	expect(&fixture, "POST", "/apply", text, 200, "items.1.action",
		   "created"); /* the namespace comes with it */
	expect(&fixture, "DELETE", "/api/v1/namespaces/fresh", NULL, 200, "status.phase", "Terminating");
	expect(&fixture, "GET", "/apis/helvetia.cloud/v1/namespaces/fresh/services/x", NULL, 200,
		   "metadata.deletionGracePeriodSeconds", "0");
	expect(&fixture, "POST", "/apis/helvetia.cloud/v1/namespaces/fresh/services", SERVICE("y", IMAGE("a")),
		   403, "reason", "Forbidden");
	expect(&fixture, "DELETE", "/api/v1/namespaces/default", NULL, 403, "reason", "Forbidden");
	postgres_run(&fixture.postgres, "DELETE FROM services");
}

static void plans_with_the_real_decisions(void **state)
{
	(void)state;
	json_t *result = ask(&fixture, "POST", "/apply?dryRun=true", SERVICE("shop", IMAGE("nginx:1")), NULL);
	HC_AUTO_FREE plan = hc_xstrdup(text_at(result, "items.0.plan"));

	json_decref(result);
	assert_non_null(strstr(plan, "create deployment shop-r1: the Service has none"));
	assert_non_null(strstr(plan, "create container shop-r1-0-"));
	assert_int_equal(postgres_number(&fixture.postgres, "SELECT count(*) FROM deployments"), 0);
}

/* --- Deployments, as the controller writes them --- */

static void make_deployment(struct store *store, int64_t epoch, const char *service_uid, int64_t revision,
							const char *phase, bool current)
{
	struct hc_error err = {0};
	HC_AUTO_FREE name = hc_xprintf("shop-r%lld", (long long)revision);
	HC_AUTO_FREE uid = hc_xprintf("00000000-0000-4000-8000-%012lld", (long long)revision);
	HC_AUTO_FREE spec = hc_xprintf("{\"service\":\"shop\",\"revision\":%lld}", (long long)revision);
	HC_AUTO_FREE status = hc_xprintf("{\"phase\":\"%s\",\"stage\":\"Done\"}", phase);

	if (store_deployment_create(store, epoch, service_uid, name, uid, revision, spec, status, &err) ||
		store_deployment_status(store, epoch, uid, status, current, &err))
		fail_msg("%s", err.text);
}

static void deletes_finished_deployments_only(void **state)
{
	struct hc_error err = {0};
	HC_AUTO(store) store = NULL;
	int64_t epoch = 0;

	(void)state;
	json_t *made = ask(&fixture, "POST", SERVICES, SERVICE("shop", IMAGE("nginx:1")), NULL);
	HC_AUTO_FREE uid = hc_xstrdup(text_at(made, "metadata.uid"));
	json_decref(made);
	if (store_open(fixture.postgres.url, "test", &store, &err) ||
		store_epoch_take(store, "test", &epoch, &err))
		fail_msg("%s", err.text);
	make_deployment(store, epoch, uid, 1, "FAILED", false);
	make_deployment(store, epoch, uid, 2, "SUCCESS", true);
	make_deployment(store, epoch, uid, 3, "BUILDING", false);
	expect(&fixture, "GET", DEPLOYMENTS, NULL, 200, "items.2.metadata.name", "shop-r3");
	expect(&fixture, "GET", DEPLOYMENTS "?fieldSelector=status.phase%3DFAILED", NULL, 200,
		   "items.0.metadata.name", "shop-r1");
	expect(&fixture, "DELETE", DEPLOYMENTS "/shop-r3", NULL, 409, "reason", "Conflict");
	expect(&fixture, "DELETE", DEPLOYMENTS "/shop-r2", NULL, 409, "reason", "Conflict");
	expect(&fixture, "DELETE", DEPLOYMENTS "/shop-r1", NULL, 200, "status", "Success");
	expect(&fixture, "GET", DEPLOYMENTS "/shop-r1", NULL, 404, "reason", "NotFound");
	expect(&fixture, "POST", DEPLOYMENTS, "{}", 405, "reason", "MethodNotAllowed");
	postgres_run(&fixture.postgres, "DELETE FROM services");
}

/* --- lists --- */

static void lists_in_pages(void **state)
{
	(void)state;
	for (int index = 0; index < 5; index++) {
		HC_AUTO_FREE body = hc_xprintf(
			"{\"apiVersion\":\"helvetia.cloud/v1\",\"kind\":\"Service\",\"metadata\":{\"name\":"
			"\"s%d\",\"labels\":{\"odd\":\"%d\"}},\"spec\":{\"image\":\"a\"}}",
			index, index % 2);
		expect(&fixture, "POST", SERVICES, body, 201, NULL, NULL);
	}
	HC_AUTO_FREE path = hc_xstrdup(SERVICES "?limit=2");
	HC_AUTO_TEXT names = {0};
	while (path) {
		json_t *page = ask(&fixture, "GET", path, NULL, NULL);
		for (size_t index = 0; index < json_array_size(json_object_get(page, "items")); index++)
			hc_text_printf(
				&names, "%s ",
				json_string_value(json_object_get(
					json_object_get(json_array_get(json_object_get(page, "items"), index), "metadata"),
					"name")));
		const char *more = text_at(page, "metadata.continue");
		free(path);
		path = *more ? hc_xprintf(SERVICES "?limit=2&continue=%s", more) : NULL;
		json_decref(page);
	}
	assert_string_equal(hc_text_string(&names), "s0 s1 s2 s3 s4 ");
	expect(&fixture, "GET", SERVICES "?labelSelector=odd%3D1", NULL, 200, "items.1.metadata.name", "s3");
	expect(&fixture, "GET", SERVICES "?labelSelector=odd%20notin%20(1)", NULL, 200, "items.2.metadata.name",
		   "s4");
	expect(&fixture, "GET", SERVICES "?fieldSelector=metadata.name%3Ds2", NULL, 200, "items.0.metadata.name",
		   "s2");
	expect(&fixture, "GET", SERVICES "?fieldSelector=spec.image%3Da", NULL, 400, "message",
		   "field label not supported: spec.image");
	expect(&fixture, "GET", SERVICES "?limit=x", NULL, 400, "reason", "BadRequest");
	expect(&fixture, "GET", SERVICES "?continue=zz", NULL, 400, "reason", "BadRequest");
	postgres_run(&fixture.postgres, "DELETE FROM services");
}

/* --- wrong input --- */

static void large_bodies_are_refused(void **state)
{
	size_t length = (3U << 20) + 1;
	HC_AUTO_FREE body = hc_xalloc(length + 1);

	(void)state;
	memset(body, ' ', length);
	expect(&fixture, "POST", "/apply", body, 413, "reason", "RequestEntityTooLarge");
	expect(&fixture, "POST", "/apply", "", 400, "message", "there is no document in the body");
	expect(&fixture, "GET", "/apis/helvetia.cloud/v1/namespaces/a%00b/services", NULL, 400, "reason",
		   "BadRequest");
}

/* Causes as the corpus writes them: one line each. */
static char *causes_of(const json_t *status)
{
	struct hc_text text = {0};
	const json_t *causes = json_object_get(json_object_get(status, "details"), "causes");

	for (size_t index = 0; index < json_array_size(causes); index++) {
		const json_t *cause = json_array_get(causes, index);
		hc_text_printf(&text, "%s %s: %s\n", json_string_value(json_object_get(cause, "reason")),
					   json_string_value(json_object_get(cause, "field")),
					   json_string_value(json_object_get(cause, "message")));
	}
	if (!json_array_size(causes))
		hc_text_printf(&text, "%s: %s\n", json_string_value(json_object_get(status, "reason")),
					   json_string_value(json_object_get(status, "message")));
	return hc_text_take(&text);
}

static void refuse_file(const char *name)
{
	HC_AUTO_FREE path = hc_xprintf("%s/%s", BAD_MANIFESTS, name);
	HC_AUTO_FREE expected_path = hc_xprintf("%.*s.expected", (int)(strlen(path) - strlen(".yaml")), path);
	HC_AUTO_FREE body = NULL;
	HC_AUTO_FREE expected = NULL;
	size_t length = 0, expected_length = 0;
	struct http_response response = {0};
	struct hc_error err = {0};

	if (hc_file_read(path, 8U << 20, &body, &length, &err) ||
		hc_file_read(expected_path, 1U << 20, &expected, &expected_length, &err) ||
		http_client_request(fixture.client, "POST", "/apply", "application/yaml", body, length, &response,
							&err))
		fail_msg("%s: %s", name, err.text);
	json_t *status = json_loads(response.body, 0, NULL);
	HC_AUTO_FREE told = causes_of(status);
	bool refused = response.status == 400 || response.status == 422;
	if (!refused || !hc_streq(told, expected))
		fail_msg("%s: %ld\n%s---- expected\n%s", name, response.status, told, expected);
	json_decref(status);
	http_response_done(&response);
}

static int is_manifest(const struct dirent *entry)
{
	return hc_ends_with(entry->d_name, ".yaml");
}

static void bad_manifests_are_refused_and_nothing_is_stored(void **state)
{
	struct dirent **entries = NULL;
	int count = scandir(BAD_MANIFESTS, &entries, is_manifest, alphasort);

	(void)state;
	assert_true(count >= 40);
	for (int index = 0; index < count; index++) {
		refuse_file(entries[index]->d_name);
		free(entries[index]);
	}
	free(entries);
	assert_int_equal(stored(), 0);
}

static int start(void **state)
{
	(void)state;
	fixture_start(&fixture);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	fixture_stop(&fixture);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_with_an_administrator),
		cmocka_unit_test(asks_for_a_token),
		cmocka_unit_test(keeps_roles_apart),
		cmocka_unit_test(objects_live_and_die),
		cmocka_unit_test(media_types_are_told),
		cmocka_unit_test(json_patches_change_objects),
		cmocka_unit_test(applies_all_or_nothing),
		cmocka_unit_test(says_how_to_make_a_namespace),
		cmocka_unit_test(plans_with_the_real_decisions),
		cmocka_unit_test(deletes_finished_deployments_only),
		cmocka_unit_test(lists_in_pages),
		cmocka_unit_test(large_bodies_are_refused),
		cmocka_unit_test(bad_manifests_are_refused_and_nothing_is_stored),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
