/* Cases N-1 … N-5 of reconcilers/network/README.md and G-1 … G-4 of reconcilers/gc/README.md. */
#include "../cmocka_all.h"
#include "fixture.h"

#include "base/text.h"

#include <string.h>

static void check(const struct plan *plan, int64_t now, const char *expected)
{
	HC_AUTO_TEXT text = {0};

	plan_print(plan, now, &text);
	assert_string_equal(hc_text_string(&text), expected);
}

static void network(struct network_world *world, const char *subnet, const char *expected)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct plan plan;

	world->namespace_name = "default";
	world->namespace_uid = "n";
	world->name = "helvetia-default";
	world->bridge = "hv-1";
	if (!world->pool)
		world->pool = "10.213.0.0/16";
	plan_init(&plan, arena);
	network_decide(world, &plan);
	check(&plan, 0, expected);
	if (subnet)
		assert_string_equal(plan.actions[0].subnet, subnet);
}

#define CREATE "  1. create network helvetia-default: namespace default has Services\n"

static void test_create(void **state)
{
	struct network_view others[] = {
		{.name = "bridge", .subnet = "172.17.0.0/16"}, {.name = "a", .subnet = "10.213.0.0/24"},
		{.name = "b", .subnet = "10.213.1.128/25"},    {.name = "none", .subnet = ""},
		{.name = "six", .subnet = "fd00::/64"},        {.name = "odd", .subnet = "10.213.300.0/99"},
	};
	struct network_view wide[] = {{.name = "vpn", .subnet = "10.0.0.0/8"}};

	(void)state;
	network(&(struct network_world){.service_count = 1}, "10.213.0.0/24", CREATE);
	network(
		&(struct network_world){.service_count = 1, .networks = others, .network_count = HC_COUNT(others)},
		"10.213.2.0/24", CREATE);
	network(
		&(struct network_world){.service_count = 1, .networks = wide, .network_count = 1}, NULL,
		"  1. record event NetworkPoolFull: No /24 of pool 10.213.0.0/16 is free for namespace default\n");
	network(&(struct network_world){.service_count = 1, .pool = "10.9.9.0/24"}, "10.9.9.0/24", CREATE);
	network(&(struct network_world){.service_count = 1, .pool = "255.255.255.0/24"}, "255.255.255.0/24",
			CREATE);
	network(&(struct network_world){.service_count = 1, .pool = "nonsense"}, NULL,
			"  1. record event NetworkPoolFull: No /24 of pool nonsense is free for namespace default\n");
	network(&(struct network_world){.service_count = 0}, NULL, "");
}

static void test_remove(void **state)
{
	struct network_view ours[] = {
		{.id = "1", .name = "helvetia-default", .subnet = "10.213.0.0/24", .ours = true}};
	struct network_view foreign[] = {{.id = "1", .name = "helvetia-default", .subnet = "10.213.0.0/24"}};

	(void)state;
	network(&(struct network_world){.service_count = 1, .networks = ours, .network_count = 1}, NULL, "");
	network(&(struct network_world){.networks = ours, .network_count = 1}, NULL,
			"  1. remove network helvetia-default: namespace default has no Service\n");
	network(&(struct network_world){.networks = ours, .network_count = 1, .container_count = 1}, NULL, "");
	network(&(struct network_world){.networks = foreign, .network_count = 1, .service_count = 1}, NULL,
			"  1. record event NetworkForeign: Network helvetia-default exists and is not ours: remove it, "
			"so that "
			"namespace default gets its own\n");
	network(&(struct network_world){.namespace_deleting = true}, NULL,
			"  1. finalize namespace default: it is being deleted, and nothing of it is left\n");
	network(&(struct network_world){.namespace_deleting = true, .container_count = 1}, NULL, "");
}

static void test_gc(void **state)
{
	struct fixture fixture;
	struct folder_view folders[] = {{"fresh", NOW - 59000}, {"old", NOW - 60000}, {"unknown", 0}};
	struct gc_image images[2];
	struct gc_world world;
	struct plan plan;

	(void)state;
	fixture_init(&fixture);
	fixture_published(&fixture, fixture_current(&fixture, 1, "app:1"), 0);
	world = (struct gc_world){.containers = fixture.containers,
							  .container_count = 1,
							  .folders = folders,
							  .folder_count = HC_COUNT(folders),
							  .boot_ms = NOW,
							  .traefik_answers = true,
							  .database_trusted = true};
	plan_init(&plan, fixture.arena);
	gc_decide(&world, &plan);
	check(&plan, NOW,
		  "  1. close gate shop-r1-0-eb0c3431: its Service does not exist\n"
		  "  2. remove folder old: it has no container\n"
		  "  3. remove folder unknown: it has no container\n"
		  "  wake at +50ms\n");

	/* INV-4 holds for orphans too. */
	fixture.containers[0].gate_open = false;
	fixture.containers[0].gate_changed_boot_ms = NOW - 100;
	fixture.containers[0].health = HEALTH_UNHEALTHY;
	world.folder_count = 0;
	plan_init(&plan, fixture.arena);
	gc_decide(&world, &plan);
	check(&plan, NOW, "  wake at +50ms\n");

	images[0] = (struct gc_image){"sha256:a", "helvetia-i/shop-n:1", 3600000};
	images[1] = (struct gc_image){"sha256:b", "helvetia-i/shop-n:2", 3599000};
	world.container_count = 0;
	world.images = images;
	world.image_count = HC_COUNT(images);
	plan_init(&plan, fixture.arena);
	gc_decide(&world, &plan);
	check(&plan, NOW,
		  "  1. remove image helvetia-i/shop-n:1: no revision and no Build names it for an hour\n"
		  "  wake at +1000ms\n");

	world.container_count = 1;
	world.database_trusted = false;
	plan_init(&plan, fixture.arena);
	gc_decide(&world, &plan);
	check(&plan, NOW, "");
	fixture_done(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_gc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
