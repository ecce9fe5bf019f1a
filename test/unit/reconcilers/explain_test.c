/* Why a replica isn't up: cases E-1 … E-31 of reconcilers/deployment/README.md, one a row, and the kernel's
 * lists of listening sockets. */
#include "../cmocka_all.h"
#include "fixture.h"

#include "base/base.h"
#include "reconcilers/deployment/deployment_listen.h"
#include "reconcilers/deployment/rollout.h"

#include <stdio.h>
#include <string.h>

/* --- ended
 * -----------------------------------------------------------------------------------------------------------------
 */

static void test_ended(void **state)
{
	static const struct {
		const char *error;
		int exit_code;
		bool out_of_memory;
		const char *tail;
		const char *expected;
	} rows[] = {
		{"exec format error", 0, false, NULL,
		 "can't be started: exec format error; its program is built for another kind of processor: build the "
		 "image for this machine's"},
		{"exec: \"/app\": stat /app: no such file or directory: unknown", 0, false, NULL,
		 "can't be started: exec: \"/app\": stat /app: no such file or directory: unknown; there is no such "
		 "program in the image: see spec.startCommand and the image's entry point"},
		{"exec: \"/app\": permission denied", 0, false, NULL,
		 "can't be started: exec: \"/app\": permission denied; its user may not do that: see owner and mode "
		 "of the file in the image"},
		{NULL, 127, false, "[FATAL tini (7)] exec /app failed: No such file or directory",
		 "can't be started: [FATAL tini (7)] exec /app failed: No such file or directory; there is no such "
		 "program in the image: see spec.startCommand and the image's entry point"},
		{NULL, 126, false, "[FATAL tini (7)] exec /app failed: Exec format error",
		 "can't be started: [FATAL tini (7)] exec /app failed: Exec format error; its program is built for "
		 "another kind of processor: build the image for this machine's"},
		{NULL, 137, true, "working",
		 "was killed because it needed more than its 64 MiB of memory: raise spec.resources.memory"},
		{NULL, 137, false, "working",
		 "exited with code 137 (killed by hand, or because the machine's memory ran out) after 1.2 s; last "
		 "lines: working"},
		{NULL, 139, false, "",
		 "exited with code 139 (it crashed: segmentation fault) after 1.2 s; it wrote nothing: a service "
		 "must stay in the foreground"},
		{NULL, 134, false, "free(): invalid pointer",
		 "exited with code 134 (it aborted) after 1.2 s; last lines: free(): invalid pointer"},
		{NULL, 143, false, "bye",
		 "exited with code 143 (somebody sent it SIGTERM) after 1.2 s; last lines: bye"},
		{NULL, 0, false, "migrated",
		 "exited with code 0 after 1.2 s; last lines: migrated; a service must stay in the foreground; what "
		 "runs once is spec.releaseCommand"},
		{NULL, 0, false, "",
		 "exited with code 0 after 1.2 s; it wrote nothing: a service must stay in the foreground"},
		{NULL, 1, false, "Traceback:|KeyError: 'DATABASE_URL'",
		 "exited with code 1 after 1.2 s; last lines: Traceback:|KeyError: 'DATABASE_URL'; it asks for the "
		 "variable DATABASE_URL: give it in spec.env"},
		{NULL, 1, false, "starting|Error: SECRET_KEY is required",
		 "exited with code 1 after 1.2 s; last lines: starting|Error: SECRET_KEY is required; it asks for "
		 "the variable SECRET_KEY: give it in spec.env"},
		{NULL, 1, false, "ERR_MODULE_NOT_FOUND is not set",
		 "exited with code 1 after 1.2 s; last lines: ERR_MODULE_NOT_FOUND is not set"},
		{NULL, 1, false, "Error: listen EADDRINUSE: address already in use :::3000",
		 "exited with code 1 after 1.2 s; last lines: Error: listen EADDRINUSE: address already in use "
		 ":::3000; its port is taken inside its own container: start one server only"},
		{NULL, 1, false, "write /data/x: No space left on device",
		 "exited with code 1 after 1.2 s; last lines: write /data/x: No space left on device; the disk is "
		 "full: free space on the machine"},
		{NULL, 1, false, "Error: Cannot find module 'express'|Require stack:",
		 "exited with code 1 after 1.2 s; last lines: Error: Cannot find module 'express'|Require stack:; a "
		 "module is missing in the image: add it to the dependencies that the build installs"},
		{NULL, 1, false, "connect ECONNREFUSED 10.0.0.4:5432",
		 "exited with code 1 after 1.2 s; last lines: connect ECONNREFUSED 10.0.0.4:5432; something that it "
		 "needs refuses connections: see the address in spec.env, and whether that runs"},
		{NULL, 1, false, "dial tcp: lookup database: no such host",
		 "exited with code 1 after 1.2 s; last lines: dial tcp: lookup database: no such host; a host name "
		 "that it needs is unknown: an internal Service is reached by its name"},
		{NULL, 1, false, "open /var/log/app: permission denied",
		 "exited with code 1 after 1.2 s; last lines: open /var/log/app: permission denied; its user may not "
		 "do that: see owner and mode of the file in the image"},
		{NULL, 2, false, "something else", "exited with code 2 after 1.2 s; last lines: something else"},
	};
	int failed = 0;

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		HC_AUTO(hc_arena) arena = hc_arena_new();
		struct container_view container = {
			.name = "shop-r1-0",
			.error = rows[index].error,
			.exit_code = rows[index].exit_code,
			.out_of_memory = rows[index].out_of_memory,
			.log_tail = rows[index].tail,
			.memory_bytes = 64 << 20,
			.started_wall_ms = WALL,
			.finished_wall_ms = WALL + 1234,
		};
		const char *is = explain_ended(&container, arena);

		if (strcmp(is, rows[index].expected) != 0) {
			printf("ended %zu: %s\n", index, is);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

/* --- up, and no answer
 * ----------------------------------------------------------------------------------------------------- */

static const struct listen_view loopback[] = {{"127.0.0.1", 3000}};
static const struct listen_view loopback6[] = {{"::1", 3000}};
static const struct listen_view other[] = {{"0.0.0.0", 8080}};
static const struct listen_view other_inside[] = {{"127.0.0.1", 8080}};
static const struct listen_view both[] = {{"127.0.0.1", 9229}, {"::", 8080}};

static void test_mute(void **state)
{
	static const struct {
		const char *seen;
		const char *path;
		const struct listen_view *listens;
		size_t count;
		bool known;
		const char *expected;
	} rows[] = {
		{"connection refused on port 3000", NULL, NULL, 0, false,
		 "connection refused on port 3000; it must listen on 0.0.0.0 (not 127.0.0.1) and the port in PORT"},
		{"connection refused on port 3000", NULL, NULL, 0, true,
		 "it listens on no port: it must listen on 0.0.0.0 and the port in PORT (3000)"},
		{"connection refused on port 3000", NULL, loopback, 1, true,
		 "it listens on 127.0.0.1:3000 only, which nobody outside its container reaches: listen on 0.0.0.0"},
		{"connection refused on port 3000", NULL, loopback6, 1, true,
		 "it listens on ::1:3000 only, which nobody outside its container reaches: listen on 0.0.0.0"},
		{"connection refused on port 3000", NULL, other, 1, true,
		 "it listens on port 8080: set spec.internalPort to 8080, or listen on the port in PORT"},
		{"connection refused on port 3000", NULL, other_inside, 1, true,
		 "it listens on 127.0.0.1:8080: listen on 0.0.0.0 and the port in PORT (3000)"},
		{"connection refused on port 3000", NULL, both, 2, true,
		 "it listens on port 8080: set spec.internalPort to 8080, or listen on the port in PORT"},
		{"GET /nowhere on 10.1.2.3:3000 answered 404", "/nowhere", NULL, 0, false,
		 "GET /nowhere on 10.1.2.3:3000 answered 404: there is no /nowhere in it: correct "
		 "spec.healthCheck.path"},
		{"GET /admin on 10.1.2.3:3000 answered 401", "/admin", NULL, 0, false,
		 "GET /admin on 10.1.2.3:3000 answered 401: spec.healthCheck.path must be one that asks for no "
		 "login"},
		{"GET /health on 10.1.2.3:3000 answered 503", "/health", NULL, 0, false,
		 "GET /health on 10.1.2.3:3000 answered 503, not 2xx or 3xx: see its log"},
		{"GET / on 10.1.2.3:3000 answered 500", NULL, NULL, 0, false,
		 "GET / on 10.1.2.3:3000 answered 500: the application itself fails, see its log"},
		{"GET / on 10.1.2.3:3000: no answer within 2 s", NULL, NULL, 0, false,
		 "GET / on 10.1.2.3:3000: no answer within 2 s; it accepts connections, and is busy or waits for "
		 "something: see its log"},
		{"GET /x on 10.1.2.3:3000: the answer is no HTTP", "/x", NULL, 0, false,
		 "GET /x on 10.1.2.3:3000: the answer is no HTTP"},
		{NULL, NULL, NULL, 0, false, ""},
	};
	int failed = 0;

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		HC_AUTO(hc_arena) arena = hc_arena_new();
		struct deployment_view deployment = {
			.template = {.internal_port = 3000, .health_check = {.path = rows[index].path}}};
		struct container_view container = {
			.probe_message = rows[index].seen,
			.listens = rows[index].listens,
			.listen_count = rows[index].count,
			.listens_known = rows[index].known,
		};
		const char *is = explain_mute(&deployment, &container, arena);

		if (strcmp(is, rows[index].expected) != 0) {
			printf("mute %zu: %s\n", index, is);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

/* --- sockets
 * ---------------------------------------------------------------------------------------------------------------
 */

static const char tcp[] =
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	"   0: 0B00007F:8D4F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 "
	"0 10 0\n"
	"   1: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 "
	"0 10 0\n"
	"   2: 0200D50A:0BB8 0100D50A:C350 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 100 0 "
	"0 10 0\n"
	"   3: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4 1 0 100 0 "
	"0 10 0";
static const char tcp6[] =
	"  sl  local_address                         remote_address                        st tx_queue\n"
	"   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000\n"
	"   1: 00000000000000000000000001000000:0051 00000000000000000000000000000000:0000 0A "
	"00000000:00000000\n";

static void test_listen(void **state)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct listen_view views[4];

	(void)state;
	assert_int_equal(listen_parse(tcp, arena, views, 4), 2);
	assert_string_equal(views[0].address, "127.0.0.1");
	assert_int_equal(views[0].port, 3000);
	assert_string_equal(views[1].address, "0.0.0.0");
	assert_int_equal(views[1].port, 8080);
	assert_int_equal(listen_parse(tcp6, arena, views, 4), 2);
	assert_string_equal(views[0].address, "::");
	assert_int_equal(views[0].port, 80);
	assert_string_equal(views[1].address, "::1");
	assert_int_equal(listen_parse(tcp, arena, views, 1), 1);
	assert_int_equal(listen_parse("", arena, views, 4), 0);
	assert_int_equal(listen_parse("nonsense\n 0: zz\n", arena, views, 4), 0);
}

static void test_gone(void **state)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct container_view view = {0};

	(void)state;
	listen_read(0, arena, &view);
	assert_false(view.listens_known);
	listen_read(INT64_MAX, arena, &view);
	assert_false(view.listens_known);
}

/* --- conditions
 * ------------------------------------------------------------------------------------------------------------
 */

static struct container_view *serving(struct fixture *fixture)
{
	struct deployment_view *current = fixture_current(fixture, 1, "app:1");

	current->restart_attempts = 3;
	current->restart_not_before = (struct moment){.boot_id = "b", .at_ms = NOW + 8000};
	return fixture_published(fixture, current, 0);
}

static void crash_loop(struct fixture *fixture)
{
	struct container_view *container = serving(fixture);

	container->state = CONTAINER_EXITED;
	container->exit_code = 1;
	container->log_tail = "KeyError: 'API_KEY'";
	container->finished_wall_ms = container->started_wall_ms + 200;
}

static void engine_restarts(struct fixture *fixture)
{
	crash_loop(fixture);
	fixture->containers[0].state = CONTAINER_RESTARTING;
	fixture->containers[0].restarts = 7;
}

static void hangs(struct fixture *fixture)
{
	struct container_view *container = serving(fixture);

	container->probe = PROBE_UNREADY;
	container->probe_message = "GET / on 10.1.2.2:3000: no answer within 2 s";
}

static void starts_wrong(struct fixture *fixture)
{
	struct deployment_view *attempt = fixture_deployment(fixture, 1, "app:1", DEPLOYMENT_BUILDING,
														 STAGE_STARTING);
	struct container_view *container = fixture_container(fixture, attempt, 0);

	container->probe = PROBE_UNREADY;
	container->probe_message = "connection refused on port 3000";
	container->listens = other;
	container->listen_count = 1;
	container->listens_known = true;
}

static void starts_just_now(struct fixture *fixture)
{
	starts_wrong(fixture);
	fixture->containers[0].started_wall_ms = WALL - 2000;
}

static void whole_decide(const struct service_world *world, struct plan *plan)
{
	service_decide(world, plan);
	plan->action_count = 0; /* the conditions only */
}

static const struct fixture_case conditions[] = {
	{"E-30 crash loop", crash_loop,
	 "  phase ACTIVE\n"
	 "  Built=True Prebuilt: image app:1\n"
	 "  Available=False NoReplicaReady: no replica answers\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=False Degraded: 0 of 1 replicas answer: shop-r1-0-eb0c3431 exited with code 1 after 0.2 s; "
	 "last lines: KeyError: 'API_KEY'; it asks for the variable API_KEY: give it in spec.env; it is started "
	 "again at 22:13:28 UTC, try 4\n"
	 "  wake at +10000ms\n"},
	{"E-30 the engine restarts it", engine_restarts,
	 "  phase ACTIVE\n"
	 "  Built=True Prebuilt: image app:1\n"
	 "  Available=False NoReplicaReady: no replica answers\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=False Degraded: 0 of 1 replicas answer: shop-r1-0-eb0c3431 exited with code 1 after 0.2 s; "
	 "last lines: KeyError: 'API_KEY'; it asks for the variable API_KEY: give it in spec.env; the engine has "
	 "started it 7 times and does so again within a minute\n"
	 "  wake at +10000ms\n"},
	{"E-30 hangs", hangs,
	 "  phase ACTIVE\n"
	 "  Built=True Prebuilt: image app:1\n"
	 "  Available=False NoReplicaReady: no replica answers\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=False Degraded: 0 of 1 replicas answer: shop-r1-0-eb0c3431 does not answer and stays routed, "
	 "as the last one: GET / on 10.1.2.2:3000: no answer within 2 s; it accepts connections, and is busy or "
	 "waits for something: see its log\n"
	 "  wake at +10000ms\n"},
	{"E-31 listens elsewhere", starts_wrong,
	 "  phase DEPLOYING\n"
	 "  Built=True Prebuilt: image app:1\n"
	 "  Available=False NoReplicaReady: no replica answers\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=Unknown Starting: revision 1: shop-r1-0-eb0c3431 does not answer on port 3000 yet: it listens "
	 "on port 8080: set spec.internalPort to 8080, or listen on the port in PORT; given up at 22:23:19 "
	 "UTC\n"},
	{"E-31 not yet", starts_just_now,
	 "  phase DEPLOYING\n"
	 "  Built=True Prebuilt: image app:1\n"
	 "  Available=False NoReplicaReady: no replica answers\n"
	 "  Routed=False NotListed: Traefik lists no replica\n"
	 "  Ready=Unknown Starting: revision 1 is on its way\n"
	 "  wake at +3000ms\n"},
};

static void test_conditions(void **state)
{
	(void)state;
	fixture_run(conditions, HC_COUNT(conditions), whole_decide);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ended), cmocka_unit_test(test_mute),       cmocka_unit_test(test_listen),
		cmocka_unit_test(test_gone),  cmocka_unit_test(test_conditions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
