/* The one constructor of container specs, and what counts as drift. */
#include "../cmocka_all.h"
#include "fixture.h"

#include "base/text.h"
#include "model/names.h"

#include <inttypes.h>
#include <string.h>

static const struct container_spec *make(struct fixture *fixture, struct service_template template)
{
	struct deployment_view *view = fixture_deployment(fixture, 7, "app:1", DEPLOYMENT_BUILDING,
													  STAGE_STARTING);

	template.image = "app:1";
	template.internal_port = 8080;
	view->template = template;
	return deployment_container(&fixture->world, view, 1, "10.1.2.9", fixture->arena);
}

static void print_list(struct hc_text *text, const char *field, const char **list)
{
	for (size_t index = 0; list && list[index]; index++)
		hc_text_printf(text, "%s %s\n", field, list[index]);
}

static void print_spec(struct hc_text *text, const struct container_spec *spec)
{
	hc_text_printf(text, "%s image %s network %s alias %s address %s stop %d\n", spec->name, spec->image_id,
				   spec->network, spec->alias, spec->address, spec->stop_seconds);
	hc_text_printf(text, "memory %" PRId64 " cpu %" PRId64 " pids %" PRId64 " port %d\n", spec->memory_bytes,
				   spec->cpu_millis, spec->pids, spec->port);
	print_list(text, "command", spec->command);
	print_list(text, "entrypoint", spec->entrypoint);
	print_list(text, "env", spec->env);
	for (size_t index = 0; index < spec->secret_count; index++)
		hc_text_printf(text, "secret %s: %s of %s, %s, of %s\n", spec->secrets[index].env,
					   spec->secrets[index].key, spec->secrets[index].name, spec->secrets[index].version,
					   spec->namespace_uid);
	print_list(text, "probe", spec->probe);
	for (size_t index = 0; index < spec->label_count; index++) {
		if (strcmp(spec->labels[index].name, LABEL_HASH) != 0)
			hc_text_printf(text, "%s=%s\n", spec->labels[index].name, spec->labels[index].value);
	}
	for (size_t index = 0; index < spec->mount_count; index++)
		hc_text_printf(text, "mount %s %s%s%s\n", spec->mounts[index].source, spec->mounts[index].target,
					   spec->mounts[index].volume ? " volume" : "",
					   spec->mounts[index].read_only ? " ro" : "");
}

static void test_public(void **state)
{
	static const char *domains[] = {"example.com", "www.example.com"};
	static struct env_entry env[] = {
		{.name = "A", .value = "1 2"},
		{.name = "B", .value = "b", .scope = ENV_SCOPE_BUILD},
		{.name = "C", .value = "", .scope = ENV_SCOPE_BOTH},
		{.name = "D", .secret_name = "keys", .secret_key = "d", .secret_version = "v1"},
		{.name = "E",
		 .secret_name = "keys",
		 .secret_key = "e",
		 .secret_version = "v2",
		 .scope = ENV_SCOPE_BUILD},
	};
	HC_AUTO_TEXT text = {0};
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	print_spec(&text,
			   make(&fixture, (struct service_template){
								  .domains = domains,
								  .domain_count = 2,
								  .env = env,
								  .env_count = HC_COUNT(env),
								  .health_check = {.path = "/up"},
								  .resources = {.memory_bytes = 1 << 28, .cpu_millis = 500, .pids = 64}}));
	assert_string_equal(
		hc_text_string(&text),
		"shop-r7-1-eb0c3431 image sha256:app:1 network helvetia-default alias shop address 10.1.2.9 stop 30\n"
		"memory 268435456 cpu 500 pids 64 port 8080\n"
		"env PORT=8080\nenv HELVETIA_SERVICE=shop\nenv HELVETIA_REVISION=7\nenv A=1 2\nenv C=\n"
		"secret D: d of keys, v1, of n\n"
		"probe /.helvetia/probe\nprobe watch\nprobe /.helvetia/gate\nprobe 3000\nprobe 8080\nprobe /up\n"
		"probe shop.example.org\n"
		"cloud.helvetia.address=10.1.2.9\ncloud.helvetia.deployment=d7\ncloud.helvetia.folder=shop-r7-1-"
		"eb0c3431\n"
		"cloud.helvetia.installation=install\ncloud.helvetia.namespace=default\ncloud.helvetia.ordinal=1\n"
		"cloud.helvetia.revision=7\ncloud.helvetia.service=shop\ncloud.helvetia.service-uid=service\n"
		"traefik.docker.network=helvetia-default\ntraefik.enable=true\n"
		"traefik.http.middlewares.shop-r7-eb0c3431-retry.retry.attempts=3\n"
		"traefik.http.middlewares.shop-r7-eb0c3431-retry.retry.initialinterval=5ms\n"
		"traefik.http.routers.shop-r7-eb0c3431.entrypoints=web,websecure\n"
		"traefik.http.routers.shop-r7-eb0c3431.middlewares=shop-r7-eb0c3431-retry\n"
		"traefik.http.routers.shop-r7-eb0c3431.priority=1000007\n"
		"traefik.http.routers.shop-r7-eb0c3431.rule=Host(`shop.example.org`) || Host(`example.com`) || "
		"Host(`www.example.com`)\n"
		"traefik.http.routers.shop-r7-eb0c3431.service=shop-r7-eb0c3431\n"
		"traefik.http.services.shop-r7-eb0c3431.loadbalancer.server.port=8080\n"
		"mount /state/containers/shop-r7-1-eb0c3431 /.helvetia ro\n");
	fixture_done(&fixture);
}

static void test_hidden(void **state)
{
	static struct volume_entry volumes[] = {{.name = "data", .path = "/data"},
											{.name = "conf", .path = "/conf", .read_only = true}};
	HC_AUTO_TEXT text = {0};
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	print_spec(&text, make(&fixture, (struct service_template){
										 .expose = EXPOSE_NONE, .volumes = volumes, .volume_count = 2}));
	assert_string_equal(
		hc_text_string(&text),
		"shop-1-eb0c3431 image sha256:app:1 network helvetia-default alias shop address 10.1.2.9 stop 30\n"
		"memory 0 cpu 0 pids 0 port 8080\n"
		"env HELVETIA_SERVICE=shop\nenv HELVETIA_REVISION=7\n"
		"probe /.helvetia/probe\nprobe watch\nprobe /.helvetia/gate\nprobe 3000\nprobe 0\nprobe -\n"
		"cloud.helvetia.address=10.1.2.9\ncloud.helvetia.deployment=d7\ncloud.helvetia.folder=shop-r7-1-"
		"eb0c3431\n"
		"cloud.helvetia.installation=install\ncloud.helvetia.namespace=default\ncloud.helvetia.ordinal=1\n"
		"cloud.helvetia.revision=7\ncloud.helvetia.service=shop\ncloud.helvetia.service-uid=service\n"
		"traefik.enable=false\n"
		"mount /state/containers/shop-r7-1-eb0c3431 /.helvetia ro\n"
		"mount shop.data.n /data volume\nmount shop.conf.n /conf volume ro\n");
	fixture_done(&fixture);
}

static void test_commands(void **state)
{
	static const struct {
		const char *command;
		const char *argv;
		bool group; /* signals go to the whole process group */
	} cases[] = {
		{NULL, "", false},
		{"/app", "entrypoint /app\n", false},
		{"  node  server.js\t--port=1 ", "entrypoint node\nentrypoint server.js\nentrypoint --port=1\n",
		 false},
		{"a && b", "entrypoint /bin/sh\nentrypoint -c\nentrypoint a && b\n", true},
		{"echo $HOME", "entrypoint /bin/sh\nentrypoint -c\nentrypoint echo $HOME\n", true},
		{"X=1 app", "entrypoint /bin/sh\nentrypoint -c\nentrypoint X=1 app\n", true},
		{"app 'a b'", "entrypoint /bin/sh\nentrypoint -c\nentrypoint app 'a b'\n", true},
		{"a\nb", "entrypoint /bin/sh\nentrypoint -c\nentrypoint a\nb\n", true},
		{"   ", "", false},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(cases); index++) {
		HC_AUTO_TEXT text = {0};
		HC_AUTO_TEXT env = {0};
		const struct container_spec *spec;
		struct fixture fixture;

		fixture_init(&fixture);
		spec = make(&fixture, (struct service_template){.start_command = cases[index].command});
		print_list(&text, "entrypoint", spec->entrypoint);
		print_list(&env, "env", spec->env);
		assert_string_equal(hc_text_string(&text), cases[index].argv);
		assert_null(spec->command);
		assert_int_equal(strstr(hc_text_string(&env), "TINI_KILL_PROCESS_GROUP=1") != NULL,
						 cases[index].group);
		fixture_done(&fixture);
	}
}

static const char *hash_of(const struct container_spec *spec)
{
	for (size_t index = 0; index < spec->label_count; index++) {
		if (strcmp(spec->labels[index].name, LABEL_HASH) == 0)
			return spec->labels[index].value;
	}
	return NULL;
}

/* Two specs that differ in anything that can't be changed in place have different hashes. */
static void test_hash(void **state)
{
	static struct env_entry env = {.name = "A", .value = "1"};
	static struct env_entry first = {
		.name = "A", .secret_name = "s", .secret_key = "k", .secret_version = "v1"};
	static struct env_entry second = {
		.name = "A", .secret_name = "s", .secret_key = "k", .secret_version = "v2"};
	static const char *domains[] = {"a.example"};
	static struct volume_entry volume = {.name = "data", .path = "/data", .read_only = true};
	const struct service_template templates[] = {
		{.internal_port = 0},
		{.start_command = "a"},
		{.start_command = "a b"},
		{.env = &env, .env_count = 1},
		{.env = &first, .env_count = 1},
		{.env = &second, .env_count = 1},
		{.domains = domains, .domain_count = 1},
		{.volumes = &volume, .volume_count = 1},
		{.health_check = {.path = "/"}},
		{.expose = EXPOSE_INTERNAL},
	};
	const char *hashes[HC_COUNT(templates)];
	struct fixture fixtures[HC_COUNT(templates)];

	(void)state;
	for (size_t index = 0; index < HC_COUNT(templates); index++) {
		const struct container_spec *spec;

		fixture_init(&fixtures[index]);
		spec = make(&fixtures[index], templates[index]);
		hashes[index] = hash_of(spec);
		for (size_t other = 0; other < index; other++)
			assert_string_not_equal(hashes[index], hashes[other]);
	}
	for (size_t index = 0; index < HC_COUNT(templates); index++)
		fixture_done(&fixtures[index]);
}

/* What can be changed in place is not hashed. And the hash of one spec stands here: when it moves without
 * SPEC_VERSION, an upgrade makes every container anew. */
static void test_hash_is_stable(void **state)
{
	const struct container_spec *spec, *other;
	struct deployment_view *view;
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	view = fixture_current(&fixture, 7, "app:1");
	spec = deployment_container(&fixture.world, view, 0, "10.1.2.9", fixture.arena);
	assert_string_equal(hash_of(spec), "1-6be82f74f7724aca");
	view->template.resources = (struct resources){.memory_bytes = 1, .cpu_millis = 2, .pids = 3};
	fixture.world.service.spec.replicas = 9;
	fixture.world.service.spec.grace_seconds = 1;
	other = deployment_container(&fixture.world, view, 0, "10.1.2.77", fixture.arena);
	assert_string_equal(hash_of(spec), hash_of(other));
	fixture_done(&fixture);
}

static const char *drift(struct fixture *fixture, bool *ret_in_place)
{
	struct container_view *view = &fixture->containers[0];
	const struct container_spec *wanted = deployment_container(&fixture->world, &fixture->deployments[0], 0,
															   view->fixed_address, fixture->arena);

	return deployment_drift(wanted, view, fixture->arena, ret_in_place);
}

/* What can't be put right in place. */
static void test_drift(void **state)
{
	struct fixture fixture;
	struct label added[40];
	struct container_view *view;
	bool in_place;

	(void)state;
	fixture_init(&fixture);
	view = fixture_published(&fixture, fixture_current(&fixture, 1, "app:1"), 0);
	assert_null(drift(&fixture, &in_place));

	view->image_id = "sha256:other";
	assert_string_equal(drift(&fixture, &in_place), "image is sha256:other, not sha256:app:1");
	assert_false(in_place);
	view->image_id = "sha256:app:1";

	memcpy(added, view->labels, view->label_count * sizeof added[0]);
	added[view->label_count] = (struct label){"traefik.http.routers.x.rule", "Host(`bank.example`)"};
	view->labels = added;
	view->label_count++;
	assert_string_equal(drift(&fixture, &in_place), "label traefik.http.routers.x.rule was added");
	assert_false(in_place);
	added[view->label_count - 1].name = "maintainer"; /* of the image: nobody's business */
	assert_null(drift(&fixture, &in_place));

	added[0] = (struct label){"other", ""};
	assert_string_equal(drift(&fixture, &in_place), "label cloud.helvetia.address is missing");
	assert_false(in_place);
	fixture_done(&fixture);
}

static void spoil_name(struct container_view *view)
{
	view->name = "mine";
}

static void spoil_network(struct container_view *view)
{
	view->network_attached = false;
}

static void spoil_address(struct container_view *view)
{
	view->address = "10.1.2.77";
}

static void spoil_memory(struct container_view *view)
{
	view->memory_bytes = 1;
}

static void spoil_cpu(struct container_view *view)
{
	view->cpu_millis = 1;
}

static void spoil_pids(struct container_view *view)
{
	view->pids = -1;
}

/* What is put right in place, each alone; and what needs a new container is said first. */
static void test_drift_in_place(void **state)
{
	static const struct {
		void (*spoil)(struct container_view *view);
		const char *differs;
	} cases[] = {
		{spoil_name, "name is mine, not shop-r1-0-eb0c3431"},
		{spoil_network, "it is not attached to network helvetia-default"},
		{spoil_address, "address is 10.1.2.77, not 10.1.2.2"},
		{spoil_memory, "memory limit is 1 bytes, not 268435456"},
		{spoil_cpu, "CPU limit is 1 thousandths, not 1000"},
		{spoil_pids, "process limit is -1, not 100"},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(cases); index++) {
		struct fixture fixture;
		struct container_view *view;
		bool in_place = false;

		fixture_init(&fixture);
		view = fixture_published(&fixture, fixture_current(&fixture, 1, "app:1"), 0);
		cases[index].spoil(view);
		assert_string_equal(drift(&fixture, &in_place), cases[index].differs);
		assert_true(in_place);
		view->image_id = "sha256:other";
		assert_string_equal(drift(&fixture, &in_place), "image is sha256:other, not sha256:app:1");
		assert_false(in_place);
		fixture_done(&fixture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_public),         cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_commands),       cmocka_unit_test(test_hash),
		cmocka_unit_test(test_hash_is_stable), cmocka_unit_test(test_drift),
		cmocka_unit_test(test_drift_in_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
