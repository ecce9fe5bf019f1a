/* JSON to structs and back: a Service's spec, quantities, a Deployment's round trip, statuses. */
#include "../cmocka_all.h"

#include "base/text.h"
#include "schema/schema_internal.h"
#include <stdlib.h>
#include <string.h>

static json_t *load_json(const char *text)
{
	json_error_t problem;
	json_t *value = json_loads(text, 0, &problem);
	if (!value)
		fail_msg("%s: %s", text, problem.text);
	return value;
}

static void test_quantities(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t scale;
		int64_t value; /* -1: none */
	} quantities[] = {
		{"\"512Mi\"", 1, 536870912},
		{"\"1Gi\"", 1, 1073741824},
		{"\"1.5Gi\"", 1, 1610612736},
		{"\"1G\"", 1, 1000000000},
		{"\"128k\"", 1, 128000},
		{"1024", 1, 1024},
		{"\"1024\"", 1, 1024},
		{"\"1500m\"", 1, 2},
		{"\"0.5\"", 1, 1},
		{"\"1\"", 1000, 1000},
		{"\"1.5\"", 1000, 1500},
		{"\"500m\"", 1000, 500},
		{"\".5\"", 1000, 500},
		{"2", 1000, 2000},
		{"\"0.0001\"", 1000, 1},
		{"0", 1000, 0},
		{"\"8191Pi\"", 1, INT64_C(8191) << 50},
		{"\"8192Pi\"", 1, -1},
		{"9223372036854775807", 1000, -1},
		{"\"1000000000000000000\"", 1, -1},
		{"-1", 1, -1},
		{"\"-1\"", 1, -1},
		{"\"\"", 1, -1},
		{"\".\"", 1, -1},
		{"\"Mi\"", 1, -1},
		{"\"1MB\"", 1, -1},
		{"\"1 Mi\"", 1, -1},
		{"\"1..5\"", 1, -1},
		{"\"1e3\"", 1, -1},
		{"\"0x10\"", 1, -1},
		{"true", 1, -1},
		{"0.5", 1, -1},
		{"null", 1, -1},
	};
	for (size_t i = 0; i < HC_COUNT(quantities); i++) {
		json_t *value = json_loads(quantities[i].text, JSON_DECODE_ANY, NULL);
		int64_t result = -1;
		int code = schema_quantity_parse(value, quantities[i].scale, &result);
		if (result != quantities[i].value || code != (quantities[i].value < 0 ? -1 : 0))
			fail_msg("%s: %lld", quantities[i].text, (long long)result);
		json_decref(value);
	}
}

static void test_quantity_texts(void **state)
{
	(void)state;
	static const struct {
		int64_t bytes;
		const char *text;
	} memory[] = {
		{536870912, "512Mi"}, {1073741824, "1Gi"}, {1610612736, "1536Mi"},   {1000, "1000"}, {0, "0"},
		{1025, "1025"},       {1024, "1Ki"},       {INT64_C(1) << 50, "1Pi"}};
	for (size_t i = 0; i < HC_COUNT(memory); i++) {
		HC_AUTO_FREE text = schema_quantity_memory_text(memory[i].bytes);
		assert_string_equal(text, memory[i].text);
	}
	static const struct {
		int64_t millis;
		const char *text;
	} cpu[] = {{1000, "1"}, {1500, "1500m"}, {10, "10m"}, {0, "0"}};
	for (size_t i = 0; i < HC_COUNT(cpu); i++) {
		HC_AUTO_FREE text = schema_quantity_cpu_text(cpu[i].millis);
		assert_string_equal(text, cpu[i].text);
	}
}

static void read_spec(const char *text, struct hc_arena *arena, struct service_spec *ret_spec)
{
	json_t *object = json_pack("{s:o}", "spec", load_json(text));
	schema_default(schema_kind_find("helvetia.cloud/v1", "Service"), object);
	struct hc_error err = {0};
	if (schema_service_spec(json_object_get(object, "spec"), arena, ret_spec, &err) < 0)
		fail_msg("%s", err.text);
	json_decref(object); /* everything is in the arena */
}

static void test_spec_defaults(void **state)
{
	(void)state;
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct service_spec spec;
	read_spec("{\"image\": \"nginx\"}", arena, &spec);
	assert_string_equal(spec.template.image, "nginx");
	assert_null(spec.template.repo_url);
	assert_null(spec.template.start_command);
	assert_null(spec.template.health_check.path);
	assert_int_equal(spec.template.internal_port, 3000);
	assert_int_equal(spec.template.expose, EXPOSE_PUBLIC);
	assert_int_equal(spec.template.resources.memory_bytes, 512 << 20);
	assert_int_equal(spec.template.resources.cpu_millis, 1000);
	assert_int_equal(spec.template.resources.pids, 512);
	assert_int_equal(spec.strategy, STRATEGY_ROLLING_UPDATE);
	assert_int_equal(spec.replicas, 1);
	assert_int_equal(spec.min_ready_seconds, 2);
	assert_int_equal(spec.drain_seconds, 10);
	assert_int_equal(spec.grace_seconds, 30);
	assert_int_equal(spec.deadline_seconds, 600);
	assert_int_equal(spec.history_limit, 10);
	assert_true(spec.auto_deploy);
	assert_false(spec.suspend);
	assert_int_equal(spec.rollback_to_revision, 0);
	assert_null(spec.rollback_rejected_hash);
}

static void test_spec_fields(void **state)
{
	(void)state;
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct service_spec spec;
	read_spec(
		"{\"repoUrl\": \"https://git.example.org/shop\", \"branch\": \"main\", \"path\": \"apps/shop\","
		"\"commit\": \"\", \"buildCommand\": \"make\", \"startCommand\": \"./shop\", \"dockerfile\": \"D\","
		"\"target\": \"run\", \"outputDir\": \"dist\", \"releaseCommand\": \"migrate\", \"redeployNonce\": "
		"\"7\","
		"\"buildArgs\": [{\"name\": \"V\", \"value\": \"1\"}],"
		"\"env\": [{\"name\": \"A\", \"value\": \"\"},"
		"{\"name\": \"B\", \"secretRef\": {\"name\": \"keys\", \"key\": \"b\"}, \"scope\": \"both\"}],"
		"\"volumes\": [{\"name\": \"data\", \"path\": \"/data//\", \"onDelete\": \"Delete\"},"
		"{\"name\": \"conf\", \"path\": \"/conf\", \"readOnly\": true}],"
		"\"domains\": [\"b.Example.com\", \"a.example.com\"], \"healthCheck\": {\"path\": \"/up\"},"
		"\"resources\": {\"memory\": \"1.5Gi\", \"cpu\": \"250m\", \"pids\": 9}, \"expose\": \"internal\","
		"\"internalPort\": 8080, \"replicas\": 0, \"suspend\": true, \"autoDeploy\": false,"
		"\"historyLimit\": 0, \"rollbackTo\": {\"revision\": 4, \"rejectedHash\": \"h\"},"
		"\"strategy\": {\"minReadySeconds\": 0, \"drainSeconds\": 1, \"graceSeconds\": 3, "
		"\"deadlineSeconds\": 4}}",
		arena, &spec);
	const struct service_template *template = &spec.template;
	assert_string_equal(template->repo_url, "https://git.example.org/shop");
	assert_string_equal(template->path, "apps/shop");
	assert_null(template->commit);
	assert_string_equal(template->release_command, "migrate");
	assert_string_equal(template->redeploy_nonce, "7");
	assert_int_equal(template->build_arg_count, 1);
	assert_int_equal(template->env_count, 2);
	assert_string_equal(template->env[0].value, "");
	assert_int_equal(template->env[0].scope, ENV_SCOPE_RUN);
	assert_null(template->env[1].value);
	assert_string_equal(template->env[1].secret_name, "keys");
	assert_string_equal(template->env[1].secret_key, "b");
	assert_int_equal(template->env[1].scope, ENV_SCOPE_BOTH);
	assert_string_equal(template->volumes[0].path, "/data");
	assert_true(template->volumes[0].delete_with_service);
	assert_false(template->volumes[0].read_only);
	assert_true(template->volumes[1].read_only);
	assert_string_equal(template->domains[0], "a.example.com");
	assert_string_equal(template->domains[1], "b.example.com");
	assert_int_equal(template->resources.memory_bytes, INT64_C(1536) << 20);
	assert_int_equal(template->resources.cpu_millis, 250);
	assert_int_equal(spec.strategy, STRATEGY_RECREATE); /* forced by the writable volume */
	assert_int_equal(spec.replicas, 0);
	assert_true(spec.suspend);
	assert_false(spec.auto_deploy);
	assert_int_equal(spec.grace_seconds, 3);
	assert_int_equal(spec.rollback_to_revision, 4);
	assert_string_equal(spec.rollback_rejected_hash, "h");
}

/* The object as the store serves it. */
static json_t *deployment_object(const struct deployment_view *view)
{
	return json_pack("{s:s, s:s, s:{s:s, s:s, s:s}, s:o, s:o}", "apiVersion", "helvetia.cloud/v1", "kind",
					 "Deployment", "metadata", "name", view->name, "uid", view->uid, "creationTimestamp",
					 "2026-01-02T03:04:05Z", "spec", schema_deployment_spec_json(view, "shop"), "status",
					 schema_deployment_status_json(view));
}

static void check_round_trip(const struct deployment_view *view)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct hc_error err = {0};
	struct schema_causes causes = {0};
	json_t *object = deployment_object(view);
	schema_check(schema_kind_find("helvetia.cloud/v1", "Deployment"), object, SCHEMA_UNKNOWN_REFUSE, &causes,
				 &causes);
	if (causes.count > 0)
		fail_msg("%s: %s", causes.items[0].field, causes.items[0].message);
	struct deployment_view back;
	if (schema_deployment_view(object, arena, &back, &err) < 0)
		fail_msg("%s", err.text);

	/* Every member by way of the JSON, which names each; the rest by hand. */
	json_t *again = deployment_object(&back);
	HC_AUTO_FREE first = schema_dump(object);
	HC_AUTO_FREE second = schema_dump(again);
	assert_string_equal(first, second);
	assert_string_equal(back.uid, view->uid);
	assert_string_equal(back.name, view->name);
	assert_int_equal(back.created_wall_ms, 1767323045000);
	assert_true(hc_streq(back.image_id, view->image_id));
	assert_true(hc_streq(back.image_written, view->image_written));
	assert_true(hc_streq(back.build, view->build));
	assert_true(hc_streq(back.tree, view->tree));
	assert_string_equal(back.reason, view->reason);
	assert_string_equal(back.message, view->message);
	assert_int_equal(back.phase, view->phase);
	assert_int_equal(back.stage, view->stage);
	assert_true(hc_streq(back.stage_since.boot_id, view->stage_since.boot_id));
	assert_int_equal(back.stage_since.at_ms, view->stage_since.at_ms);
	assert_int_equal(back.restart_not_before.at_ms, view->restart_not_before.at_ms);
	assert_int_equal(back.restart_attempts, view->restart_attempts);
	assert_int_equal(back.template.volume_count, view->template.volume_count);
	assert_int_equal(back.template.resources.memory_bytes, view->template.resources.memory_bytes);

	/* What the hash is made of is equal too. */
	HC_AUTO_TEXT before = {0};
	HC_AUTO_TEXT after = {0};
	assert_int_equal(service_template_text(&view->template, TEMPLATE_HASH_VERSION, &before), 0);
	assert_int_equal(service_template_text(&back.template, TEMPLATE_HASH_VERSION, &after), 0);
	assert_string_equal(hc_text_string(&before), hc_text_string(&after));
	json_decref(object);
	json_decref(again);
}

static void test_small_deployment(void **state)
{
	(void)state;
	struct deployment_view small = {
		.uid = "u",
		.name = "shop-r1",
		.hash = "h",
		.hash_version = 1,
		.reason_created = "apply",
		.revision = 1,
		.reason = "",
		.message = "",
		.template = {.expose = EXPOSE_NONE, .internal_port = 1},
	};
	check_round_trip(&small);
}

static void test_full_deployment(void **state)
{
	(void)state;
	struct env_entry arguments[] = {{.name = "V", .value = "1"}};
	struct env_entry env[] = {
		{.name = "A", .value = ""},
		{.name = "B", .secret_name = "keys", .secret_key = "b", .scope = ENV_SCOPE_BUILD},
	};
	struct volume_entry volumes[] = {
		{.name = "data", .path = "/data", .delete_with_service = true},
		{.name = "conf", .path = "/conf", .read_only = true},
	};
	const char *domains[] = {"a.example.com", "b.example.com"};
	struct deployment_view full = {
		.uid = "0b1c",
		.name = "shop-r7",
		.hash = "abc",
		.hash_version = 1,
		.reason_created = "rollback",
		.image_id = "sha256:1",
		.build = "shop-0123456789",
		.tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
		.image_written = "nginx:1.27",
		.template =
			{
				.image = "nginx:1.27",
				.repo_url = "https://git.example.org/shop",
				.branch = "main",
				.path = "",
				.commit = "0123456789abcdef0123456789abcdef01234567",
				.build_command = "make \"all\"\n",
				.start_command = "./é",
				.dockerfile = "D",
				.target = "run",
				.output_dir = "dist",
				.release_command = "migrate",
				.redeploy_nonce = "",
				.build_args = arguments,
				.build_arg_count = HC_COUNT(arguments),
				.env = env,
				.env_count = HC_COUNT(env),
				.volumes = volumes,
				.volume_count = HC_COUNT(volumes),
				.domains = domains,
				.domain_count = HC_COUNT(domains),
				.health_check = {.path = "/up"},
				.resources = {.memory_bytes = 536870913, .cpu_millis = 1501, .pids = 100},
				.expose = EXPOSE_INTERNAL,
				.internal_port = 8080,
			},
		.revision = INT64_C(5000000000),
		.rollback_of = 3,
		.phase = DEPLOYMENT_FAILED,
		.stage = STAGE_DONE,
		.stage_since = {.boot_id = "boot", .at_ms = 12},
		.started = {.boot_id = "boot", .at_ms = 11},
		.reason = "Unstable",
		.message = "replica 0 died",
		.restart_attempts = 3,
		.restart_not_before = {.boot_id = "boot", .at_ms = 99},
	};
	check_round_trip(&full);
}

static void test_deployment_refused(void **state)
{
	(void)state;
	static const char *const objects[][2] = {
		{"{}", "spec.template: must be a mapping"},
		{"{\"spec\": {\"template\": {}}}", "spec.template: expose is \"\""},
		{"{\"spec\": {\"template\": {\"expose\": \"public\", \"resources\": {}}}}",
		 "spec.template: resources: memory is not a quantity"},
		{"{\"spec\": {\"template\": {\"expose\": \"none\", \"resources\": {\"memory\": 1, \"cpu\": 1}}},"
		 " \"status\": {\"phase\": \"DONE\"}}",
		 "status.phase is \"DONE\""},
		{"{\"metadata\": {\"creationTimestamp\": \"now\"}}", "metadata.creationTimestamp is \"now\""},
	};
	HC_AUTO(hc_arena) arena = hc_arena_new();
	for (size_t i = 0; i < HC_COUNT(objects); i++) {
		json_t *object = load_json(objects[i][0]);
		struct deployment_view view;
		struct hc_error err = {0};
		assert_int_equal(schema_deployment_view(object, arena, &view, &err), -1);
		assert_int_equal(err.class, HC_INVALID);
		assert_string_equal(err.text, objects[i][1]);
		json_decref(object);
	}
}

static void test_service_status(void **state)
{
	(void)state;
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct plan plan;
	plan_init(&plan, arena);
	plan.phase = SERVICE_DEPLOYING;
	plan.current_deployment = "shop-r7";
	plan.url = "https://shop.apps.example.org";
	plan.replicas = 2;
	plan.ready_replicas = 1;
	plan.unready_since = (struct moment){.boot_id = "boot", .at_ms = 5};
	plan_condition(&plan, "Available", CONDITION_TRUE, "Serving", "1 of 2");
	plan_condition(&plan, "Ready", CONDITION_UNKNOWN, "Starting", "%s", "");
	json_t *old = load_json(
		"{\"conditions\": ["
		"{\"type\": \"Available\", \"status\": \"True\", \"lastTransitionTime\": \"2026-01-01T00:00:00Z\"},"
		"{\"type\": \"Ready\", \"status\": \"True\", \"lastTransitionTime\": \"2026-01-01T00:00:00Z\"}]}");
	json_t *status = schema_service_status_json(&plan, 4, old, 1767323045000);
	HC_AUTO_FREE dump = schema_dump(status);
	assert_string_equal(
		dump, "{\"conditions\":[{\"lastTransitionTime\":\"2026-01-01T00:00:00Z\",\"message\":\"1 of 2\","
			  "\"observedGeneration\":4,\"reason\":\"Serving\",\"status\":\"True\",\"type\":\"Available\"},"
			  "{\"lastTransitionTime\":\"2026-01-02T03:04:05Z\",\"message\":\"\",\"observedGeneration\":4,"
			  "\"reason\":\"Starting\",\"status\":\"Unknown\",\"type\":\"Ready\"}],"
			  "\"currentDeployment\":\"shop-r7\",\"observedGeneration\":4,\"phase\":\"DEPLOYING\","
			  "\"readyReplicas\":1,"
			  "\"replicas\":2,\"unreadySince\":{\"atMs\":5,\"bootId\":\"boot\"},\"url\":\"https://"
			  "shop.apps.example.org\"}");

	struct service_view view = {0};
	schema_service_status_read(status, arena, &view);
	assert_int_equal(view.phase, SERVICE_DEPLOYING);
	assert_string_equal(view.current_deployment, "shop-r7");
	assert_int_equal(view.observed_generation, 4);
	assert_int_equal(view.unready_since.at_ms, 5);
	assert_string_equal(view.unready_since.boot_id, "boot");

	/* The same plan over its own status changes nothing, however late it is. */
	json_t *again = schema_service_status_json(&plan, 4, status, 1999999999000);
	assert_true(json_equal(again, status));

	json_t *object = json_pack("{s:{s:s}, s:{s:s}, s:O}", "metadata", "name", "shop", "spec", "image", "a",
							   "status", status);
	struct schema_causes causes = {0};
	schema_check(schema_kind_find("helvetia.cloud/v1", "Service"), object, SCHEMA_UNKNOWN_REFUSE, &causes,
				 &causes);
	assert_int_equal(causes.count, 0);
	json_decref(object);
	json_decref(again);
	json_decref(status);
	json_decref(old);

	view = (struct service_view){.phase = SERVICE_FAILED, .current_deployment = "x"};
	schema_service_status_read(NULL, arena, &view);
	assert_int_equal(view.phase, SERVICE_IDLE);
	assert_null(view.current_deployment);
	assert_int_equal(view.unready_since.at_ms, 0);
}

static int load(void **state)
{
	(void)state;
	struct hc_error err = {0};
	if (schema_load(&err) == 0)
		return 0;
	print_error("%s\n", err.text);
	return -1;
}

static int unload(void **state)
{
	(void)state;
	schema_unload();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quantities),         cmocka_unit_test(test_quantity_texts),
		cmocka_unit_test(test_spec_defaults),      cmocka_unit_test(test_spec_fields),
		cmocka_unit_test(test_small_deployment),   cmocka_unit_test(test_full_deployment),
		cmocka_unit_test(test_deployment_refused), cmocka_unit_test(test_service_status),
	};
	return cmocka_run_group_tests(tests, load, unload);
}
