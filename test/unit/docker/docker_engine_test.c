/* lib/docker against a real engine. DOCKER_HOST names it; without it the test fails, it never skips. */
#include "docker_engine.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct fixture fixture;

void fixture_pause_ms(int ms)
{
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	(void)nanosleep(&pause, NULL);
}

const char *fixture_name(const char *what)
{
	return hc_arena_printf(fixture.arena, "helvetia-test-%s-%s", fixture.run, what);
}

/* POSIX ustar, one entry. */
void fixture_tar(const char *path, const char *program)
{
	char header[512] = {0};
	HC_AUTO_FREE data = NULL;
	HC_AUTO_TEXT tar = {0};
	static const char zeros[1024];
	unsigned int sum = 0;
	size_t length;
	struct hc_error err;

	assert_done(hc_file_read(program, 16U * 1024 * 1024, &data, &length, &err));
	(void)snprintf(header, 100, "hello");
	(void)snprintf(header + 100, 8, "%07o", 0755U);
	(void)snprintf(header + 108, 8, "%07o", 0U);
	(void)snprintf(header + 116, 8, "%07o", 0U);
	(void)snprintf(header + 124, 12, "%011zo", length);
	(void)snprintf(header + 136, 12, "%011o", 0U);
	memset(header + 148, ' ', 8);
	header[156] = '0';
	memcpy(header + 257,
		   "ustar\0"
		   "00",
		   8);
	for (size_t index = 0; index < sizeof header; index++)
		sum += (unsigned char)header[index];
	(void)snprintf(header + 148, 8, "%06o", sum);
	hc_text_append_bytes(&tar, header, sizeof header);
	hc_text_append_bytes(&tar, data, length);
	hc_text_append_bytes(&tar, zeros, (512 - length % 512) % 512);
	hc_text_append_bytes(&tar, zeros, sizeof zeros);
	assert_done(hc_file_write(path, tar.data, tar.length, 0644, &err));
}

const char *fixture_container(const char *what, struct docker_container_config config)
{
	struct docker_pair labels[] = {{TEST_LABEL, fixture.run}, {"what", what}};
	const char *id = NULL;
	struct hc_error err;

	config.name = fixture_name(what);
	config.image = fixture.image_id;
	config.labels = labels;
	config.label_count = HC_COUNT(labels);
	assert_done(docker_container_create(fixture.docker, fixture.arena, &config, &id, &err));
	assert_int_equal(strlen(id), 64);
	return id;
}

static void wait_field(const char *id, const char *wanted, bool health)
{
	int64_t end_ms = hc_clock_boot_ms() + DEADLINE_MS;
	struct docker_container container;
	struct hc_error err;

	for (;;) {
		const char *now;

		assert_done(docker_container_inspect(fixture.docker, fixture.arena, id, &container, &err));
		now = health ? container.health : container.state;
		if (strcmp(now, wanted) == 0)
			return;
		if (hc_clock_boot_ms() > end_ms)
			fail_msg("%s is %s, not %s", container.name, now, wanted);
		fixture_pause_ms(10);
	}
}

void fixture_wait_health(const char *id, const char *health)
{
	wait_field(id, health, true);
}

void fixture_wait_state(const char *id, const char *state)
{
	wait_field(id, state, false);
}

static void make_fixture(char **argv)
{
	static const char *const changes[] = {"ENTRYPOINT [\"/hello\"]", "LABEL maker=\"helvetia test\" other=2",
										  "VOLUME /data", "ENV VERSION=one", NULL};
	struct hc_error err;
	const char *id = NULL;
	const char *tar;
	struct docker_pair labels[] = {{TEST_LABEL, fixture.run}};
	struct docker_network_config network = {.labels = labels, .label_count = 1};

	fixture.probe_program = argv[1];
	fixture.hello_program = argv[2];
	fixture.arena = hc_arena_new();
	(void)snprintf(fixture.run, sizeof fixture.run, "%d", (int)getpid());
	(void)snprintf(fixture.folder, sizeof fixture.folder, "/tmp/helvetia-docker-test-XXXXXX");
	assert_non_null(mkdtemp(fixture.folder));
	assert_int_equal(chmod(fixture.folder, 0755), 0);
	assert_done(docker_open(fixture.host, &fixture.docker, &err));
	tar = hc_arena_printf(fixture.arena, "%s/hello.tar", fixture.folder);
	fixture_tar(tar, fixture.hello_program);
	assert_done(docker_image_import(fixture.docker, fixture.arena, tar, "helvetia-test", fixture.run, changes,
									&id, &err));
	(void)snprintf(fixture.image, sizeof fixture.image, "helvetia-test:%s", fixture.run);
	(void)snprintf(fixture.image_id, sizeof fixture.image_id, "%s", id);
	(void)snprintf(fixture.network, sizeof fixture.network, "%s", fixture_name("net"));
	(void)snprintf(fixture.subnet, sizeof fixture.subnet, "10.212.%d.0/24", (int)getpid() % 250);
	(void)snprintf(fixture.address, sizeof fixture.address, "10.212.%d.77", (int)getpid() % 250);
	network.name = fixture.network;
	network.subnet = fixture.subnet;
	assert_done(docker_network_create(fixture.docker, fixture.arena, &network, &id, &err));
}

/* Removes all that carries the label of this run; failures are told, since they leave things behind. */
static int remove_fixture(void)
{
	struct docker_pair filter = {TEST_LABEL, fixture.run};
	struct docker_container *list = NULL;
	struct docker_network *networks = NULL;
	size_t count = 0;
	struct hc_error err = {0};
	int failed = 0;

	if (!fixture.docker)
		return 0;
	failed |= docker_container_list(fixture.docker, fixture.arena, &filter, 1, &list, &count, &err);
	for (size_t index = 0; index < count; index++)
		failed |= docker_container_remove(fixture.docker, list[index].id, true, &err);
	count = 0;
	failed |= docker_network_list(fixture.docker, fixture.arena, &networks, &count, &err);
	for (size_t index = 0; index < count; index++)
		for (size_t label = 0; label < networks[index].label_count; label++)
			if (strcmp(networks[index].labels[label].name, TEST_LABEL) == 0 &&
				strcmp(networks[index].labels[label].value, fixture.run) == 0)
				failed |= docker_network_remove(fixture.docker, networks[index].id, &err);
	if (*fixture.image_id)
		failed |= docker_image_remove(fixture.docker, fixture.image, &err);
	failed |= hc_folder_remove(fixture.folder, &err);
	if (failed)
		(void)fprintf(stderr, "docker_engine_test: clean up: %s\n", err.text);
	docker_close(fixture.docker);
	hc_arena_free(fixture.arena);
	return failed;
}

static void test_fixture(void **state)
{
	make_fixture(*state);
}

static void test_info(void **state)
{
	struct docker_info info;
	struct docker_info again;
	struct hc_error err;

	(void)state;
	assert_done(docker_ping(fixture.docker, &err));
	assert_done(docker_info(fixture.docker, fixture.arena, &info, &err));
	assert_done(docker_info(fixture.docker, fixture.arena, &again, &err));
	assert_true(info.version_major >= 20);
	assert_memory_equal(info.api_version, "1.4", 3);
	assert_true(*info.engine_id && *info.version && *info.data_root && *info.operating_system);
	assert_string_equal(info.instance, again.instance);
	if (*info.instance)
		assert_in_range(info.started_wall_ms, 1, hc_clock_wall_ms());
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(test_fixture, argv),
		cmocka_unit_test(test_info),
	};
	int failed;

	fixture.host = getenv("DOCKER_HOST");
	if (argc != 3 || !fixture.host) {
		(void)fprintf(stderr,
					  "docker_engine_test needs DOCKER_HOST=unix:///path/to/docker.sock of a running engine, "
					  "and the arguments PROBE HELLO\n");
		return 2;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	if (!failed)
		failed = container_life_tests() + image_tests() + network_tests();
	return remove_fixture() || failed;
}
