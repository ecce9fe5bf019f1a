/* Structure, defaults and rules on single fields: what is right passes (test/bad-manifests has what is
 * wrong). */
#include "../cmocka_all.h"

#include "corpus.h"
#include "schema/schema_internal.h"
#include <stdlib.h>
#include <string.h>

static json_t *read_object(const char *yaml)
{
	struct schema_documents documents = {0};
	struct hc_error err = {0};
	if (schema_documents_parse(yaml, strlen(yaml), &documents, &err) < 0)
		fail_msg("%s\n%s", yaml, err.text);
	assert_int_equal(documents.count, 1);
	json_t *object = json_incref(documents.items[0].value);
	schema_documents_done(&documents);
	return object;
}

static json_t *read_service(const char *name, const char *spec)
{
	HC_AUTO_TEXT yaml = {0};
	hc_text_printf(&yaml, "apiVersion: helvetia.cloud/v1\nkind: Service\nmetadata: {name: %s}\nspec: %s\n",
				   name, spec);
	return read_object(yaml.data);
}

static void test_kinds(void **state)
{
	(void)state;
	static const struct {
		const char *api_version;
		const char *kind;
		const char *group;
		const char *plural;
		bool namespaced;
	} kinds[] = {
		{"helvetia.cloud/v1", "Service", "helvetia.cloud", "services", true},
		{"helvetia.cloud/v1", "Deployment", "helvetia.cloud", "deployments", true},
		{"helvetia.cloud/v1", "Build", "helvetia.cloud", "builds", true},
		{"helvetia.cloud/v1", "User", "helvetia.cloud", "users", false},
		{"helvetia.cloud/v1", "Token", "helvetia.cloud", "tokens", true},
		{"v1", "Namespace", "", "namespaces", false},
		{"v1", "Secret", "", "secrets", true},
		{"v1", "Event", "", "events", true},
		{"v1", "Pod", "", "pods", true},
	};
	for (size_t i = 0; i < HC_COUNT(kinds); i++) {
		const struct schema_kind *kind = schema_kind_find(kinds[i].api_version, kinds[i].kind);
		assert_non_null(kind);
		assert_ptr_equal(kind, schema_kind_by_plural(kinds[i].group, kinds[i].plural));
		assert_ptr_equal(kind, schema_kind_at(i));
		assert_string_equal(schema_kind_name(kind), kinds[i].kind);
		assert_string_equal(schema_kind_plural(kind), kinds[i].plural);
		assert_string_equal(schema_kind_api_version(kind), kinds[i].api_version);
		assert_int_equal(schema_kind_namespaced(kind), kinds[i].namespaced);
		assert_non_null(json_object_get(schema_kind_definition(kind), "spec"));
	}
	assert_null(schema_kind_at(HC_COUNT(kinds)));
	assert_null(schema_kind_find("v1", "Service"));
	assert_null(schema_kind_find("helvetia.cloud/v1", "services"));
	assert_null(schema_kind_find(NULL, NULL));
	assert_null(schema_kind_by_plural("", "services"));
}

/* Which lists are what, as server-side apply sees them. */
static void test_nodes(void **state)
{
	(void)state;
	const struct schema_kind *kind = schema_kind_find("helvetia.cloud/v1", "Service");
	const struct schema_node *spec = schema_node_property(schema_kind_node(kind), "spec");
	const struct schema_node *env = schema_node_property(spec, "env");
	assert_int_equal(env->list_type, SCHEMA_LIST_MAP);
	assert_int_equal(env->key_count, 1);
	assert_string_equal(env->keys[0], "name");
	assert_int_equal(schema_node_property(spec, "volumes")->list_type, SCHEMA_LIST_MAP);
	assert_int_equal(schema_node_property(spec, "buildArgs")->list_type, SCHEMA_LIST_MAP);
	assert_int_equal(schema_node_property(spec, "domains")->list_type, SCHEMA_LIST_SET);
	const struct schema_node *metadata = schema_node_property(schema_kind_node(kind), "metadata");
	assert_int_equal(schema_node_property(metadata, "finalizers")->list_type, SCHEMA_LIST_SET);
	assert_int_equal(schema_node_property(metadata, "ownerReferences")->list_type, SCHEMA_LIST_MAP);
	assert_int_equal(schema_node_property(schema_node_property(metadata, "labels"), "any")->type,
					 SCHEMA_STRING);
	assert_int_equal(schema_node_property(metadata, "name")->length_max, HC_LIMIT_SERVICE_NAME_BYTES);
	assert_null(schema_node_property(spec, "imagee"));
	assert_null(schema_node_property(NULL, "spec"));
}

static void no_default_in_items(const struct schema_node *node, bool in_list)
{
	if (!node)
		return;
	assert_true(!in_list || !node->default_value);
	for (size_t i = 0; i < node->property_count; i++)
		no_default_in_items(node->properties[i].node, in_list);
	no_default_in_items(node->additional, in_list);
	no_default_in_items(node->items, true);
}

static void test_no_default_in_items(void **state)
{
	(void)state;
	for (size_t i = 0; schema_kind_at(i); i++)
		no_default_in_items(schema_kind_node(schema_kind_at(i)), false);
}

/* The limits that the schema files state are those that the code reserves room for. */
static void test_limits_agree(void **state)
{
	(void)state;
	const struct schema_kind *kind = schema_kind_find("helvetia.cloud/v1", "Service");
	const struct schema_node *spec = schema_node_property(schema_kind_node(kind), "spec");
	assert_int_equal(schema_node_property(spec, "replicas")->maximum, HC_LIMIT_REPLICAS);
	assert_int_equal(schema_node_property(spec, "domains")->items_max, HC_LIMIT_DOMAINS);
	assert_int_equal(schema_node_property(spec, "env")->items_max, HC_LIMIT_ENV_ENTRIES);
	assert_int_equal(schema_node_property(spec, "volumes")->items_max, HC_LIMIT_VOLUMES);
	assert_true(schema_node_property(spec, "historyLimit")->maximum < HC_LIMIT_DEPLOYMENTS_PER_SERVICE);
}

static void test_defaults(void **state)
{
	(void)state;
	/* {spec, spec with defaults as sorted JSON} */
	static const char rest[] =
		"\"autoDeploy\":true,\"expose\":\"public\",\"historyLimit\":10,\"image\":\"a\","
		"\"internalPort\":3000,\"replicas\":1,\"resources\":{\"cpu\":\"1\",\"memory\":\"512Mi\","
		"\"pids\":512},\"strategy\":{\"deadlineSeconds\":600,\"drainSeconds\":10,"
		"\"graceSeconds\":30,\"minReadySeconds\":2,\"type\":\"RollingUpdate\"},\"suspend\":false}";
	static const char *const same[] = {
		"{image: a}",
		"{image: a, branch: null, replicas: null, resources: null}",
		"{image: a, resources: {}, strategy: {type: null}}",
	};
	for (size_t i = 0; i < HC_COUNT(same); i++) {
		json_t *object = read_service("shop", same[i]);
		HC_AUTO_TEXT lines = {0};
		corpus_judge_object(object, &lines);
		assert_string_equal(hc_text_string(&lines), "");
		HC_AUTO_FREE dump = schema_dump(json_object_get(object, "spec"));
		assert_string_equal(dump + 1, rest);
		schema_default(schema_kind_find("helvetia.cloud/v1", "Service"), object);
		HC_AUTO_FREE again = schema_dump(json_object_get(object, "spec"));
		assert_string_equal(again, dump);
		json_decref(object);
	}
	json_t *object = read_service("shop", "{image: a, env: [{name: A, value: x, scope: null}], replicas: 0}");
	schema_default(schema_kind_find("helvetia.cloud/v1", "Service"), object);
	HC_AUTO_FREE env = schema_dump(json_object_get(json_object_get(object, "spec"), "env"));
	assert_string_equal(env, "[{\"name\":\"A\",\"value\":\"x\"}]");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(object, "spec"), "replicas")), 0);
	json_decref(object);
}

static void test_prune(void **state)
{
	(void)state;
	json_t *object = read_service("shop",
								  "{image: a, imagee: b, healthCheck: {path: /, every: 5}, Replicas: 2}");
	struct schema_causes causes = {0};
	struct schema_causes unknown = {0};
	schema_check(schema_kind_find("helvetia.cloud/v1", "Service"), object, SCHEMA_UNKNOWN_PRUNE, &causes,
				 &unknown);
	assert_int_equal(causes.count, 0);
	assert_int_equal(unknown.count, 3);
	assert_string_equal(unknown.items[0].message, "unknown field \"spec.imagee\"; did you mean \"image\"?");
	assert_string_equal(unknown.items[0].field, "spec.imagee");
	assert_string_equal(unknown.items[1].message, "unknown field \"spec.healthCheck.every\"");
	assert_string_equal(unknown.items[2].message,
						"unknown field \"spec.Replicas\"; did you mean \"replicas\"?");
	HC_AUTO_FREE dump = schema_dump(json_object_get(object, "spec"));
	assert_string_equal(dump, "{\"healthCheck\":{\"path\":\"/\"},\"image\":\"a\"}");
	schema_causes_done(&causes);
	schema_causes_done(&unknown);
	json_decref(object);
}

static void test_right_specs(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *spec;
	} specs[] = {
		{"shop", "{image: nginx}"},
		{"\"0\"", "{image: nginx}"},
		{"a-shop-with-a-name-of-forty-characters-x", "{image: nginx}"},
		{"shop",
		 "{image: "
		 "\"localhost:5000/team/app_x:1.2-rc.1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef01234"
		 "56789abcdef\"}"},
		{"shop", "{image: \"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}"},
		{"api", "{image: a, expose: internal}"},
		{"shop",
		 "{repoUrl: \"https://git.example.org:8443/team/shop.git\", branch: feature/x-1, path: apps/shop}"},
		{"shop", "{repoUrl: \"ssh://git@git.example.org/shop\", commit: \"\", path: \"\"}"},
		{"shop", "{repoUrl: \"ssh://git@[2001:db8::1]/shop\"}"},
		{"shop", "{image: a, domains: [www.Example.com, xn--bcher-kva.example, shop.apps.example.org, "
				 "1.example2.org]}"},
		{"shop",
		 "{image: a, resources: {memory: 1Gi, cpu: 2, pids: 1}, healthCheck: {path: \"/healthz?full=1\"}}"},
		{"shop", "{image: a, resources: {memory: 536870912, cpu: 250m}}"},
		{"shop", "{image: a, volumes: [{name: data, path: /var/data/, readOnly: true}], replicas: 2}"},
		{"shop", "{image: a, volumes: [{name: data, path: /process}], replicas: 1}"},
		{"shop", "{image: a, env: [{name: a.b-c, value: \"\"}, {name: P, secretRef: {name: keys, key: p.q}, "
				 "scope: both}]}"},
		{"shop", "{image: a, rollbackTo: {revision: 3}, redeployNonce: \"1\", startCommand: \"\"}"},
		{"shop", "{image: a, expose: none, suspend: true, replicas: 0}"},
	};
	for (size_t i = 0; i < HC_COUNT(specs); i++) {
		json_t *object = read_service(specs[i].name, specs[i].spec);
		HC_AUTO_TEXT lines = {0};
		corpus_judge_object(object, &lines);
		if (lines.length > 0)
			fail_msg("%s: %s", specs[i].spec, lines.data);
		json_decref(object);
	}
}

static void test_other_kinds(void **state)
{
	(void)state;
	static const char *const objects[] = {
		"--- {apiVersion: v1, kind: Namespace, metadata: {name: team-a, labels: {example.org/tier: a_b.c}}, "
		"spec: {x: 1}}",
		"--- {apiVersion: v1, kind: Secret, metadata: {name: my.keys}, type: Opaque, stringData: {a: b}}",
		"--- {apiVersion: v1, kind: Event, metadata: {name: shop.17a2}, reason: Started, involvedObject: "
		"{name: "
		"shop}}",
		"--- {apiVersion: helvetia.cloud/v1, kind: User, metadata: {name: mira}, spec: {username: Mira-1, "
		"githubId: 7}}",
		"--- {apiVersion: helvetia.cloud/v1, kind: Token, metadata: {name: ci}, spec: {expiresAt: "
		"\"2030-01-31T12:00:00Z\"}}",
		"--- {apiVersion: helvetia.cloud/v1, kind: Token, metadata: {name: ci}}",
	};
	for (size_t i = 0; i < HC_COUNT(objects); i++) {
		json_t *object = read_object(objects[i]);
		HC_AUTO_TEXT lines = {0};
		corpus_judge_object(object, &lines);
		if (lines.length > 0)
			fail_msg("%s: %s", objects[i], lines.data);
		json_decref(object);
	}
}

static void test_url_prefixes(void **state)
{
	(void)state;
	static const char *const prefixes[] = {"http://git.local/", "file:///srv/git/", NULL};
	/* {URL, "" or a part of the message} */
	static const char *const urls[][2] = {
		{"http://git.local/shop", ""},
		{"file:///srv/git/shop", ""},
		{"https://git.example.org/shop", ""},
		{"http://git.other/shop", "must begin with"},
		{"http://me:x@git.local/shop", "must begin with"},
		{"https://user@git.example.org/shop", "must not contain credentials"},
		{"ssh://git:pw@git.example.org/shop", "must not contain credentials"},
		{"ssh://-oProxyCommand=id/shop", "must name a host"},
		{"ssh://git@-oProxyCommand=id/shop", "must name a host"},
		{"https:///shop", "must name a host"},
		{"https://git.example.org/shop?token=x", "must not have a query"},
		{"https://git.example.org/shop#x", "must not have a query"},
		{"EXT::id", "remote helper"},
		{"fd::17", "remote helper"},
	};
	for (size_t i = 0; i < HC_COUNT(urls); i++) {
		json_t *object = json_pack("{s:{s:s}, s:{s:s}}", "metadata", "name", "shop", "spec", "repoUrl",
								   urls[i][0]);
		struct schema_causes causes = {0};
		schema_service_rules(object, CORPUS_DOMAIN, prefixes, &causes);
		assert_int_equal(causes.count, *urls[i][1] ? 1 : 0);
		if (causes.count == 1 && !strstr(causes.items[0].message, urls[i][1]))
			fail_msg("%s: %s", urls[i][0], causes.items[0].message);
		/* A password or a token never comes back in an answer, which ends up in logs. */
		if (strchr(urls[i][0], '?') || strstr(urls[i][0], "pw@") || strstr(urls[i][0], "me:x"))
			assert_null(strstr(causes.items[0].message, urls[i][0]));
		schema_causes_done(&causes);
		json_decref(object);
	}
}

static void test_branches(void **state)
{
	(void)state;
	static const char *const right[] = {"main", "feature/x", "a.b", "é", "a@b", "x{y}", "1"};
	static const char *const wrong[] = {"-x",       "/x",   "x/",   "a//b", "a..b",  ".a",   "a/.b", "a.lock",
										"a.lock/b", "a.",   "a b",  "a~1",  "a^",    "a:b",  "a?",   "a*",
										"a[b",      "a\\b", "a@{b", "@",    "a\x7f", "HEAD", "a\nb"};
	for (size_t i = 0; i < HC_COUNT(right) + HC_COUNT(wrong); i++) {
		bool bad = i >= HC_COUNT(right);
		const char *branch = bad ? wrong[i - HC_COUNT(right)] : right[i];
		json_t *object = json_pack("{s:{s:s}, s:{s:s, s:s}}", "metadata", "name", "shop", "spec", "repoUrl",
								   "https://git.example.org/shop", "branch", branch);
		struct schema_causes causes = {0};
		schema_service_rules(object, CORPUS_DOMAIN, NULL, &causes);
		if (causes.count != bad)
			fail_msg("branch %s: %zu causes", branch, causes.count);
		schema_causes_done(&causes);
		json_decref(object);
	}
}

static void test_hosts(void **state)
{
	(void)state;
	static const char *const specs[][2] = {
		{"{image: a}", "shop.apps.example.org"},
		{"{image: a, domains: [www.Example.com, a.example.com]}",
		 "a.example.com shop.apps.example.org www.example.com"},
		{"{image: a, domains: [Shop.apps.example.org]}", "shop.apps.example.org"},
		{"{image: a, expose: internal, domains: [a.example.com]}", ""},
		{"{image: a, expose: none}", ""},
	};
	HC_AUTO(hc_arena) arena = hc_arena_new();
	for (size_t i = 0; i < HC_COUNT(specs); i++) {
		json_t *object = read_service("shop", specs[i][0]);
		const char **hosts = NULL;
		size_t count = 0;
		schema_service_hosts(object, CORPUS_DOMAIN, arena, &hosts, &count);
		HC_AUTO_TEXT text = {0};
		for (size_t host = 0; host < count; host++)
			hc_text_printf(&text, "%s%s", host ? " " : "", hosts[host]);
		assert_string_equal(hc_text_string(&text), specs[i][1]);
		json_decref(object);
	}
}

static void test_cause_limit(void **state)
{
	(void)state;
	HC_AUTO_TEXT yaml = {0};
	hc_text_append(&yaml, "{image: a");
	for (int i = 0; i < HC_LIMIT_VALIDATION_CAUSES + 5; i++)
		hc_text_printf(&yaml, ", x%d: 1", i);
	hc_text_append(&yaml, "}");
	json_t *object = read_service("shop", yaml.data);
	struct schema_causes causes = {0};
	schema_check(schema_kind_find("helvetia.cloud/v1", "Service"), object, SCHEMA_UNKNOWN_REFUSE, &causes,
				 &causes);
	assert_int_equal(causes.count, HC_LIMIT_VALIDATION_CAUSES);
	assert_int_equal(causes.dropped, 5);
	schema_causes_done(&causes);
	json_decref(object);
}

/* A value or a key of megabytes is cut in messages. */
static void test_long_values(void **state)
{
	(void)state;
	HC_AUTO_TEXT long_text = {0};
	for (int i = 0; i < 100000; i++)
		hc_text_append(&long_text, "é");
	json_t *object = json_pack("{s:s, s:s, s:{s:s, s:{s:s}}, s:{s:s, s:s, s:i}}", "apiVersion",
							   "helvetia.cloud/v1", "kind", "Service", "metadata", "name", "shop", "labels",
							   long_text.data, long_text.data, "spec", "image", "a", "expose", long_text.data,
							   long_text.data, 1);
	HC_AUTO_TEXT lines = {0};
	corpus_judge_object(object, &lines);
	assert_true(lines.length > 0 && lines.length < 4000);
	assert_true(hc_utf8_valid(lines.data, lines.length));
	json_decref(object);
}

static int load(void **state)
{
	(void)state;
	struct hc_error err = {0};
	if (schema_load(&err) == 0 && schema_load(&err) == 0)
		return 0;
	print_error("%s\n", err.text);
	return -1;
}

static int unload(void **state)
{
	(void)state;
	schema_unload();
	assert_null(schema_kind_find("helvetia.cloud/v1", "Service"));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_no_default_in_items),
		cmocka_unit_test(test_limits_agree),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_prune),
		cmocka_unit_test(test_right_specs),
		cmocka_unit_test(test_other_kinds),
		cmocka_unit_test(test_url_prefixes),
		cmocka_unit_test(test_branches),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_cause_limit),
		cmocka_unit_test(test_long_values),
	};
	return cmocka_run_group_tests(tests, load, unload);
}
