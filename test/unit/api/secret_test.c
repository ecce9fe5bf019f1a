/* The real program: Secrets are written, and their values never come back by any way. */
#include "cmocka_all.h"

#include "server_fixture.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRETS "/api/v1/namespaces/default/secrets"
#define SECRET(name, rest)                                                                                   \
	"{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"" name "\"}" rest "}"

/* "hunter2-walnut" and what it is in base64; no answer, row or line may hold either. */
#define VALUE "hunter2-walnut"
#define VALUE_BASE64 "aHVudGVyMi13YWxudXQ="
#define OTHER "another-pear"
#define OTHER_BASE64 "YW5vdGhlci1wZWFy"

static struct fixture fixture;

static void refuse_values(const char *where, const char *text)
{
	static const char *const values[] = {VALUE, VALUE_BASE64, OTHER, OTHER_BASE64};

	for (size_t index = 0; index < HC_COUNT(values); index++)
		if (text && strstr(text, values[index]))
			fail_msg("%s holds a value: %s", where, text);
}

/* The answer, searched for values. New reference. */
static json_t *told(const char *method, const char *path, const char *type, const char *body, long status)
{
	long seen = 0;
	json_t *answer = ask_as(fixture.client, method, path, type, body, &seen);
	HC_AUTO_FREE text = json_dumps(answer, 0);

	refuse_values(path, text);
	if (seen != status)
		fail_msg("%s %s: %ld instead of %ld: %s", method, path, seen, status, text);
	return answer;
}

static void tell(const char *method, const char *path, const char *type, const char *body, long status,
				 const char *at, const char *expected)
{
	json_t *answer = told(method, path, type, body, status);

	if (at && !strstr(text_at(answer, at), expected))
		fail_msg("%s %s: %s is \"%s\" and not \"%s\"", method, path, at, text_at(answer, at), expected);
	json_decref(answer);
}

static void has_keys(const char *name, const char *keys)
{
	HC_AUTO_FREE path = hc_xprintf(SECRETS "/%s", name);
	json_t *answer = told("GET", path, NULL, NULL, 200);
	HC_AUTO_FREE data = json_dumps(json_object_get(answer, "data"), JSON_SORT_KEYS | JSON_COMPACT);

	assert_string_equal(data ? data : "", keys);
	json_decref(answer);
}

static long long version_of(const char *name)
{
	HC_AUTO_FREE path = hc_xprintf(SECRETS "/%s", name);
	json_t *answer = told("GET", path, NULL, NULL, 200);
	long long version = strtoll(text_at(answer, "metadata.resourceVersion"), NULL, 10);

	json_decref(answer);
	return version;
}

/* Id of the value that a key has now. Caller frees. */
static char *value_id(const char *name, const char *key)
{
	HC_AUTO_FREE sql = hc_xprintf(
		"SELECT v.id FROM secret_versions v JOIN secrets s ON s.id = v.secret_id WHERE"
		" s.name = '%s' AND v.key = '%s' AND v.retired_at IS NULL",
		name, key);
	return postgres_text(&fixture.postgres, sql);
}

static void makes_and_reads(void **state)
{
	(void)state;
	tell("POST", SECRETS, NULL,
		 SECRET("keys", ",\"stringData\":{\"b\":\"" OTHER "\"},\"data\":{\"a\":\"" VALUE_BASE64 "\"}"), 201,
		 "type", "Opaque");
	has_keys("keys", "{\"a\":\"\",\"b\":\"\"}");
	tell("GET", SECRETS, NULL, NULL, 200, "items.0.data.a", "");
	tell("GET", "/api/v1/secrets?fieldSelector=type%3DOpaque", NULL, NULL, 200, "items.0.metadata.name",
		 "keys");
	tell("POST", SECRETS, NULL, SECRET("keys", ""), 409, "reason", "AlreadyExists");
	tell("POST", SECRETS, NULL, SECRET("ssh", ",\"type\":\"kubernetes.io/ssh-auth\""), 201, "type",
		 "kubernetes.io/ssh-auth");
	has_keys("ssh", "");
}

/* What reads and writes back keeps the values. */
static void keeps_what_it_does_not_tell(void **state)
{
	HC_AUTO_FREE before = value_id("keys", "a");
	json_t *object = told("GET", SECRETS "/keys", NULL, NULL, 200);

	(void)state;
	json_object_set_new(json_object_get(object, "metadata"), "labels", json_pack("{s:s}", "tier", "one"));
	HC_AUTO_FREE body = json_dumps(object, 0);
	json_decref(object);
	tell("PUT", SECRETS "/keys", NULL, body, 200, "metadata.labels.tier", "one");
	HC_AUTO_FREE after = value_id("keys", "a");
	assert_string_equal(before, after);
	/* The same value again is no change, another one is. */
	long long version = version_of("keys");
	tell("PATCH", SECRETS "/keys", "application/merge-patch+json",
		 "{\"stringData\":{\"a\":\"" VALUE "\"},\"data\":{\"b\":\"" OTHER_BASE64 "\"}}", 200, NULL, NULL);
	assert_int_equal(version_of("keys"), version);
	tell("PATCH", SECRETS "/keys", "application/merge-patch+json", "{\"stringData\":{\"a\":\"" OTHER "\"}}",
		 200, NULL, NULL);
	assert_true(version_of("keys") > version);
	HC_AUTO_FREE changed = value_id("keys", "a");
	assert_string_not_equal(before, changed);
	/* An empty value: of data it keeps, of stringData it is one; without the key it goes. */
	tell("PATCH", SECRETS "/keys", "application/merge-patch+json",
		 "{\"data\":{\"a\":\"\",\"c\":\"\"},\"stringData\":{\"b\":\"\"}}", 200, NULL, NULL);
	HC_AUTO_FREE kept = value_id("keys", "a");
	assert_string_equal(changed, kept);
	has_keys("keys", "{\"a\":\"\",\"b\":\"\",\"c\":\"\"}");
	tell("PATCH", SECRETS "/keys", "application/merge-patch+json", "{\"data\":{\"b\":null,\"c\":null}}", 200,
		 NULL, NULL);
	has_keys("keys", "{\"a\":\"\"}");
}

/* As kubectl does it. */
static void takes_what_kubectl_sends(void **state)
{
	static const char strategic[] = "application/strategic-merge-patch+json";

	(void)state;
	tell("POST", SECRETS, NULL, SECRET("kubectl", ",\"type\":\"\",\"data\":{\"a\":\"" VALUE_BASE64 "\"}"),
		 201, "type", "Opaque");
	tell("PATCH", SECRETS "/kubectl", strategic,
		 "{\"metadata\":{\"annotations\":{\"kubectl.kubernetes.io/last-applied-configuration\":\"" OTHER
		 "\"}},\"stringData\":{\"b\":\"" OTHER "\"}}",
		 200, "data.b", "");
	has_keys("kubectl", "{\"a\":\"\",\"b\":\"\"}");
	tell("PATCH", SECRETS "/kubectl", strategic, "{\"data\":{\"a\":null,\"$patch\":\"replace\"}}", 422,
		 "message", "must consist of");
	tell("PATCH", SECRETS "/kubectl", strategic, "{\"$patch\":\"delete\"}", 400, "message", "unknown field");
	tell("PATCH", SECRETS "/kubectl", "application/json-patch+json",
		 "[{\"op\":\"add\",\"path\":\"/data/c\",\"value\":\"" OTHER_BASE64
		 "\"},{\"op\":\"remove\",\"path\":\"/data/a\"}]",
		 200, NULL, NULL);
	has_keys("kubectl", "{\"b\":\"\",\"c\":\"\"}");
	tell("PATCH", SECRETS "/kubectl", "application/json-patch+json",
		 "[{\"op\":\"test\",\"path\":\"/data/c\",\"value\":\"" OTHER_BASE64 "\"}]", 422, NULL, NULL);
	tell("PATCH", SECRETS "/kubectl", "application/json-patch+json", "[{\"op\":\"add\" \"" VALUE "\"}]", 400,
		 "message", "line 1");
}

static void knows_owners(void **state)
{
#define APPLY(value) "apiVersion: v1\nkind: Secret\nmetadata: {name: owned}\nstringData: {a: " value "}\n"
#define PATH SECRETS "/owned?fieldManager="
	static const char type[] = "application/apply-patch+yaml";

	(void)state;
	tell("PATCH", PATH "one", type, APPLY(VALUE), 201, "metadata.managedFields.0.fieldsV1.f:data.f:a", "");
	tell("PATCH", PATH "two", type, APPLY(OTHER), 409, "details.causes.0.field", ".data.a");
	tell("PATCH", PATH "two", type, APPLY(VALUE), 200, NULL, NULL);
	tell("PATCH", PATH "two&force=true", type, APPLY(OTHER), 200, NULL, NULL);
	tell("PATCH", PATH "one", type, APPLY(VALUE), 409, NULL, NULL);
	/* What nobody applies any more goes. */
	tell("PATCH", PATH "two", type, "apiVersion: v1\nkind: Secret\nmetadata: {name: owned}\n", 200, NULL,
		 NULL);
	has_keys("owned", "");
#undef PATH
#undef APPLY
}

static void applies_streams(void **state)
{
#define STREAM(value)                                                                                        \
	"apiVersion: v1\nkind: Secret\nmetadata:\n  name: streamed\n  annotations:\n"                            \
	"    kubectl.kubernetes.io/last-applied-configuration: '{\"stringData\":{\"a\":\"" value "\"}}'\n"       \
	"stringData: {a: " value "}\n"

	(void)state;
	tell("POST", "/apply?dryRun=true", NULL, STREAM(VALUE), 200, "items.0.diff.0", "data.a: (none)");
	tell("GET", SECRETS "/streamed", NULL, NULL, 404, NULL, NULL);
	tell("POST", "/apply", NULL, STREAM(VALUE), 200, "items.0.action", "created");
	tell("POST", "/apply", NULL, STREAM(VALUE), 200, "items.0.action", "unchanged");
	tell("POST", "/apply", NULL, STREAM(OTHER), 200, "items.0.diff.0", "data.a: \"(sealed)\"");
	json_t *object = told("GET", SECRETS "/streamed", NULL, NULL, 200);
	assert_null(json_object_get(json_object_get(object, "metadata"), "annotations"));
	json_decref(object);
#undef STREAM
}

static void refuses_without_repeating(void **state)
{
	static const struct {
		const char *body;
		long status;
		const char *words;
	} cases[] = {
		{SECRET("bad", ",\"data\":{\"a\":\"" VALUE "\"}"), 422, "data.a: Invalid value: must be base64"},
		{SECRET("bad", ",\"data\":\"" VALUE "\""), 422, "data: Invalid value: must be a mapping"},
		{SECRET("bad", ",\"stringData\":[\"" VALUE "\"]"), 422,
		 "stringData: Invalid value: must be a mapping"},
		{SECRET("bad", ",\"stringData\":{\"a\":{\"b\":\"" VALUE "\"}}"), 422,
		 "must be text; put it in quotes"},
		{SECRET("bad", ",\"stringData\":{\"A=" VALUE "\":\"x\"}"), 422, "key number 1 must consist of"},
		{SECRET("bad", ",\"stringdata\":{\"a\":\"" VALUE "\"}"), 400, "unknown field \"stringdata\""},
		{SECRET("bad", ",\"stringData\":{\"a\":\"" VALUE "\""), 400, "line 1"},
		{SECRET("bad", ",\"stringData\":{\"a\" \"" VALUE "\"}"), 400, "line 1"},
		{SECRET("bad", ",\"stringData\":{\"a\":\"" VALUE "\"},\"type\":7"), 422, "type: Invalid value"},
		{SECRET("Bad", ",\"stringData\":{\"a\":\"" VALUE "\"}"), 422, "metadata.name"},
		{"apiVersion: v1\nkind: Secret\nmetadata: {name: bad}\nstringData:\n  a: " VALUE "\n b: [\n", 400,
		 "line"},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(cases); index++) {
		tell("POST", SECRETS, NULL, cases[index].body, cases[index].status, "message", cases[index].words);
		tell("POST", "/apply", NULL, cases[index].body, cases[index].status, "message", "");
	}
}

static void holds_what_is_immutable(void **state)
{
	(void)state;
	tell("POST", SECRETS, NULL, SECRET("fixed", ",\"immutable\":true,\"stringData\":{\"a\":\"" VALUE "\"}"),
		 201, NULL, NULL);
	tell("PATCH", SECRETS "/fixed", "application/merge-patch+json", "{\"stringData\":{\"a\":\"" OTHER "\"}}",
		 422, "message", "immutable");
	tell("PATCH", SECRETS "/fixed", "application/merge-patch+json", "{\"immutable\":false}", 422, "message",
		 "immutable");
	tell("PATCH", SECRETS "/fixed", "application/merge-patch+json", "{\"type\":\"x/y\"}", 422, "message",
		 "field is immutable");
	tell("PATCH", SECRETS "/fixed", "application/merge-patch+json",
		 "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}", 200, NULL, NULL);
	tell("DELETE", SECRETS "/fixed", NULL, NULL, 200, "status", "Success");
	tell("GET", SECRETS "/fixed", NULL, NULL, 404, NULL, NULL);
}

static void is_for_those_who_may(void **state)
{
	struct http_client *viewer, *developer;

	(void)state;
	fixture_token(&fixture, "viewer", "default", "hv_viewer", "{\"role\":\"viewer\"}");
	fixture_token(&fixture, "developer", "default", "hv_developer", "{\"role\":\"developer\"}");
	viewer = fixture_client(&fixture, "hv_viewer");
	developer = fixture_client(&fixture, "hv_developer");
	expect_as(viewer, "GET", SECRETS "/keys", NULL, 403, NULL, NULL);
	expect_as(viewer, "DELETE", SECRETS "/keys", NULL, 403, NULL, NULL);
	expect_as(developer, "GET", SECRETS "/keys", NULL, 200, NULL, NULL);
	expect_as(developer, "GET", "/api/v1/namespaces/other/secrets", NULL, 403, NULL, NULL);
	http_client_close(viewer);
	http_client_close(developer);
}

/* Everything that the database has, and the log. */
static void leaves_no_trace(void **state)
{
	static const char *const sources[] = {
		"SELECT string_agg(t::text, ' ') FROM secrets t",
		"SELECT string_agg(t::text, ' ') FROM change_log t",
		"SELECT string_agg(t::text || encode(t.sealed, 'escape'), ' ') FROM secret_versions t",
	};
	HC_AUTO_FREE log_path = hc_xprintf("%s/log", fixture.folder);
	HC_AUTO_FREE log = NULL;
	struct hc_error err;

	(void)state;
	for (size_t index = 0; index < HC_COUNT(sources); index++) {
		HC_AUTO_FREE text = postgres_text(&fixture.postgres, sources[index]);
		assert_true(strlen(text) > 100);
		refuse_values(sources[index], text);
	}
	assert_int_equal(hc_file_read(log_path, 1 << 22, &log, NULL, &err), 0);
	assert_non_null(strstr(log, "made the key that seals Secrets"));
	refuse_values("the log", log);
}

/* A lost key file is told, and not replaced by another key. */
static void needs_its_key(void **state)
{
	HC_AUTO_FREE path = hc_xprintf("%s/secrets/secret-keys", fixture.folder);
	HC_AUTO_FREE aside = hc_xprintf("%s.aside", path);
	struct stat status;

	(void)state;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(rename(path, aside), 0);
	tell("PATCH", SECRETS "/keys", "application/merge-patch+json", "{\"stringData\":{\"a\":\"" VALUE "\"}}",
		 503, "message", "key file");
	assert_int_equal(fixture_api_stop(&fixture), 0);
	fixture_api_start(&fixture);
	assert_false(hc_file_exists(path));
	tell("GET", SECRETS "/keys", NULL, NULL, 200, NULL, NULL);
	assert_int_equal(rename(aside, path), 0);
	tell("PATCH", SECRETS "/keys", "application/merge-patch+json", "{\"stringData\":{\"a\":\"" VALUE "\"}}",
		 200, NULL, NULL);
}

/* One more line is the key of all that is written from then on, and the old one still opens. */
static void takes_a_new_key(void **state)
{
	static const char line[] = "2 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
	HC_AUTO_FREE path = hc_xprintf("%s/secrets/secret-keys", fixture.folder);
	HC_AUTO_FREE keys = NULL;
	HC_AUTO_FREE both = NULL;
	struct hc_error err;

	(void)state;
	tell("POST", SECRETS, NULL, SECRET("rotated", ",\"stringData\":{\"a\":\"" VALUE "\"}"), 201, NULL, NULL);
	HC_AUTO_FREE before = value_id("rotated", "a");
	assert_int_equal(hc_file_read(path, 4096, &keys, NULL, &err), 0);
	both = hc_xprintf("%s%s", keys, line);
	assert_int_equal(hc_file_write(path, both, strlen(both), 0600, &err), 0);
	tell("PATCH", SECRETS "/rotated", "application/merge-patch+json",
		 "{\"stringData\":{\"a\":\"" VALUE "\",\"b\":\"" OTHER "\"}}", 200, NULL, NULL);
	HC_AUTO_FREE after = value_id("rotated", "a");
	assert_string_equal(before, after); /* equal, so it was opened */
	HC_AUTO_FREE versions = postgres_text(
		&fixture.postgres, "SELECT string_agg(v.key || v.key_version, ' ' ORDER BY v.key) FROM"
						   " secret_versions v JOIN secrets s ON s.id = v.secret_id WHERE s.name ="
						   " 'rotated'");
	assert_string_equal(versions, "a1 b2");
}

static int begin(void **state)
{
	(void)state;
	fixture_start(&fixture);
	return 0;
}

static int end(void **state)
{
	(void)state;
	fixture_stop(&fixture);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_and_reads),          cmocka_unit_test(keeps_what_it_does_not_tell),
		cmocka_unit_test(takes_what_kubectl_sends), cmocka_unit_test(knows_owners),
		cmocka_unit_test(applies_streams),          cmocka_unit_test(refuses_without_repeating),
		cmocka_unit_test(holds_what_is_immutable),  cmocka_unit_test(is_for_those_who_may),
		cmocka_unit_test(leaves_no_trace),          cmocka_unit_test(needs_its_key),
		cmocka_unit_test(takes_a_new_key),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
