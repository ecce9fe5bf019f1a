/* Networks with fixed addresses, and volumes. */
#include "docker_engine.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void test_network(void **state)
{
	const char *name = fixture_name("other");
	const char *bridge = hc_arena_printf(fixture.arena, "hvt%s", fixture.run);
	const char *subnet = hc_arena_printf(fixture.arena, "10.211.%d.0/24", (int)getpid() % 250);
	const char *gateway = hc_arena_printf(fixture.arena, "10.211.%d.254", (int)getpid() % 250);
	struct docker_pair label = {TEST_LABEL, fixture.run};
	struct docker_network_config config = {.name = name,
										   .subnet = subnet,
										   .gateway = gateway,
										   .bridge = bridge,
										   .labels = &label,
										   .label_count = 1};
	struct docker_network network;
	struct docker_network *list;
	size_t count;
	size_t found = 0;
	const char *id;
	struct hc_error err;

	(void)state;
	assert_done(docker_network_create(fixture.docker, fixture.arena, &config, &id, &err));
	assert_done(docker_network_inspect(fixture.docker, fixture.arena, name, &network, &err));
	assert_string_equal(network.id, id);
	assert_string_equal(network.name, name);
	assert_string_equal(network.driver, "bridge");
	assert_string_equal(network.subnet, subnet);
	assert_int_equal(network.label_count, 1);
	assert_string_equal(network.labels[0].value, fixture.run);
	assert_int_equal(network.container_count, 0);
	assert_int_equal(access(hc_arena_printf(fixture.arena, "/sys/class/net/%s", bridge), F_OK), 0);
	assert_class(docker_network_create(fixture.docker, fixture.arena, &config, &id, &err), HC_CONFLICT);
	config.name = fixture_name("overlap");
	config.bridge = NULL;
	assert_class(docker_network_create(fixture.docker, fixture.arena, &config, &id, &err), HC_CONFLICT);
	config.subnet = "ten";
	assert_class(docker_network_create(fixture.docker, fixture.arena, &config, &id, &err), HC_INVALID);
	assert_done(docker_network_list(fixture.docker, fixture.arena, &list, &count, &err));
	for (size_t index = 0; index < count; index++)
		found += strcmp(list[index].name, name) == 0 && strcmp(list[index].subnet, subnet) == 0;
	assert_int_equal(found, 1);
	assert_done(docker_network_remove(fixture.docker, name, &err));
	assert_class(docker_network_inspect(fixture.docker, fixture.arena, name, &network, &err), HC_NOT_FOUND);
	assert_class(docker_network_remove(fixture.docker, name, &err), HC_NOT_FOUND);
}

static void test_connect(void **state)
{
	struct docker_container_config config = {.network = fixture.network, .address = fixture.address};
	const char *first = fixture_container("first", config);
	const char *second = fixture_container("second", config);
	const char *free_address = hc_arena_printf(fixture.arena, "10.212.%d.78", (int)getpid() % 250);
	struct docker_container container;
	struct docker_network network;
	struct hc_error err;

	(void)state;
	assert_done(docker_container_start(fixture.docker, first, &err));
	assert_class(docker_container_start(fixture.docker, second, &err), HC_CONFLICT); /* the address */
	assert_class(docker_network_remove(fixture.docker, fixture.network, &err), HC_CONFLICT);
	assert_done(docker_network_disconnect(fixture.docker, fixture.network, first, false, &err));
	assert_class(docker_network_disconnect(fixture.docker, fixture.network, first, false, &err),
				 HC_NOT_FOUND);
	assert_done(docker_network_connect(fixture.docker, fixture.network, first, free_address, "again", &err));
	assert_class(docker_network_connect(fixture.docker, fixture.network, first, free_address, "again", &err),
				 HC_CONFLICT);
	assert_done(docker_container_inspect(fixture.docker, fixture.arena, first, &container, &err));
	assert_int_equal(container.network_count, 1);
	assert_string_equal(container.networks[0].address, free_address);
	assert_done(docker_network_inspect(fixture.docker, fixture.arena, fixture.network, &network, &err));
	assert_int_equal(network.container_count, 1);
	assert_class(docker_network_connect(fixture.docker, "no-such-network", first, NULL, NULL, &err),
				 HC_NOT_FOUND);
	assert_done(docker_container_remove(fixture.docker, second, true, &err));
	assert_done(docker_container_remove(fixture.docker, first, true, &err));
}

/* A named volume outlives the container that had it. */
static void test_volume(void **state)
{
	const char *name = fixture_name("volume");
	struct docker_pair label = {TEST_LABEL, fixture.run};
	struct docker_mount mount = {.source = name, .target = "/data", .volume = true};
	const char *id;
	struct hc_error err;

	(void)state;
	assert_done(docker_volume_create(fixture.docker, name, &label, 1, &err));
	assert_done(docker_volume_create(fixture.docker, name, &label, 1, &err));
	id = fixture_container("mounted", (struct docker_container_config){.mounts = &mount, .mount_count = 1});
	assert_done(docker_container_start(fixture.docker, id, &err));
	assert_class(docker_volume_remove(fixture.docker, name, &err), HC_CONFLICT);
	assert_done(docker_container_remove(fixture.docker, id, true, &err));
	assert_done(docker_volume_remove(fixture.docker, name, &err)); /* was still there */
	assert_class(docker_volume_remove(fixture.docker, name, &err), HC_NOT_FOUND);
}

int network_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_network),
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_volume),
	};

	return cmocka_run_group_tests_name("networks and volumes", tests, NULL, NULL);
}
