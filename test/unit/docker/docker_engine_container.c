/* Containers, health by the gate, logs, exec and events. */
#include "docker_engine.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Events of this run's containers, gathered by a thread of its own. */
struct gathered {
	pthread_mutex_t mutex;
	struct hc_text text; /* "name action\n"… */
	struct hc_error err;
	int stop;
	int subscribed;
	int result;
};

static void on_subscribed(void *payload)
{
	struct gathered *gathered = payload;

	__atomic_store_n(&gathered->subscribed, 1, __ATOMIC_RELEASE);
}

static int on_event(const struct docker_event *event, void *payload)
{
	struct gathered *gathered = payload;

	(void)pthread_mutex_lock(&gathered->mutex);
	hc_text_printf(&gathered->text, "%s %s %s\n", event->type, event->name, event->action);
	(void)pthread_mutex_unlock(&gathered->mutex);
	return event->time_nano <= 0 || strlen(event->id) != 64;
}

static void *gather(void *payload)
{
	struct gathered *gathered = payload;
	struct docker_pair filter = {TEST_LABEL, fixture.run};
	HC_AUTO(docker) docker = NULL;

	gathered->result = docker_open(fixture.host, &docker, &gathered->err);
	if (!gathered->result)
		gathered->result = docker_events(docker, &filter, 1, 0, on_subscribed, on_event, gathered,
										 (const volatile int *)&gathered->stop, &gathered->err);
	return NULL;
}

static void wait_event(struct gathered *gathered, const char *line)
{
	int64_t end_ms = hc_clock_boot_ms() + DEADLINE_MS;

	for (;;) {
		bool seen;

		(void)pthread_mutex_lock(&gathered->mutex);
		seen = strstr(hc_text_string(&gathered->text), line) != NULL;
		(void)pthread_mutex_unlock(&gathered->mutex);
		if (seen)
			return;
		if (hc_clock_boot_ms() > end_ms)
			fail_msg("no event \"%s\" in:\n%s", line, hc_text_string(&gathered->text));
		fixture_pause_ms(10);
	}
}

static const char *event_line(const char *what, const char *action)
{
	return hc_arena_printf(fixture.arena, "container %s %s\n", fixture_name(what), action);
}

/* The folder that is mounted at /.helvetia. */
static const char *gate_mount(const char *what)
{
	const char *folder = hc_arena_printf(fixture.arena, "%s/%s", fixture.folder, what);
	HC_AUTO_FREE probe = NULL;
	size_t length;
	struct hc_error err;

	assert_done(hc_folder_make(hc_arena_printf(fixture.arena, "%s/gate", folder), 0755, &err));
	assert_done(hc_file_read(fixture.probe_program, 4U * 1024 * 1024, &probe, &length, &err));
	assert_true(length <= 700U * 1024);
	assert_done(hc_file_write(hc_arena_printf(fixture.arena, "%s/probe", folder), probe, length, 0755, &err));
	return folder;
}

static void set_gate(const char *folder, bool open)
{
	const char *gate = hc_arena_printf(fixture.arena, "%s/gate/open", folder);
	struct hc_error err;

	if (open)
		assert_done(hc_file_write(gate, "", 0, 0644, &err));
	else
		assert_int_equal(unlink(gate), 0);
}

/* As the platform makes them: no capability, a user that owns nothing. */
static const char *gated_container(const char *what, const char *folder, const char **env)
{
	static const char *health[] = {"/.helvetia/probe", "watch", "/.helvetia/gate", "3000", "3000",
								   "/healthz",         NULL};
	static const char *dropped[] = {"ALL", NULL};
	static const char *security[] = {"no-new-privileges", NULL};
	struct docker_mount mount = {.source = folder, .target = "/.helvetia", .read_only = true};
	struct docker_pair log_option = {"max-size", "10m"};
	struct docker_container_config config = {
		.env = env,
		.user = "10001:10001",
		.mounts = &mount,
		.mount_count = 1,
		.network = fixture.network,
		.alias = "shop",
		.address = fixture.address,
		.health_command = health,
		.health_interval_ms = 100,
		.health_timeout_ms = 3600000,
		.health_retries = 1,
		.capabilities_dropped = dropped,
		.security_options = security,
		.memory_bytes = 64LL * 1024 * 1024,
		.nano_cpus = 500000000,
		.pids_limit = 32,
		.log_driver = "local",
		.log_options = &log_option,
		.log_option_count = 1,
		.stop_timeout_seconds = 30,
	};

	return fixture_container(what, config);
}

static void check_inspect(const char *id)
{
	struct docker_container container;
	struct hc_error err;

	assert_done(
		docker_container_inspect(fixture.docker, fixture.arena, fixture_name("gated"), &container, &err));
	assert_string_equal(container.id, id);
	assert_string_equal(container.name, fixture_name("gated"));
	assert_string_equal(container.image_id, fixture.image_id);
	assert_string_equal(container.image_name, fixture.image_id);
	assert_string_equal(container.state, "running");
	assert_string_equal(container.restart_policy, "no");
	assert_string_equal(container.error, "");
	assert_int_equal(container.label_count, 4); /* two are the image's own */
	assert_string_equal(container.labels[0].name, TEST_LABEL);
	assert_string_equal(container.labels[3].name, "what");
	assert_int_equal(container.network_count, 1);
	assert_string_equal(container.networks[0].name, fixture.network);
	assert_string_equal(container.networks[0].address, fixture.address);
	assert_int_equal(container.memory_bytes, 64LL * 1024 * 1024);
	assert_int_equal(container.nano_cpus, 500000000);
	assert_int_equal(container.pids_limit, 32);
	assert_true(container.pid > 0);
	assert_true(container.created_wall_ms > 0 && container.started_wall_ms >= container.created_wall_ms);
	assert_int_equal(container.finished_wall_ms, 0);
	assert_false(container.out_of_memory || container.tty);
}

static void check_exec(const char *id)
{
	static const char *const ready[] = {"/.helvetia/probe", "ready", "3000", "-", "10000", NULL};
	static const char *const listeners[] = {"/.helvetia/probe", "listeners", NULL};
	static const char *const unready[] = {"/.helvetia/probe", "ready", "3001", "-", "1", NULL};
	static const char *const absent[] = {"/nothing", NULL};
	const char *output = NULL;
	int exit_code = -1;
	struct hc_error err;

	assert_done(docker_exec(fixture.docker, fixture.arena, id, ready, 1000, &exit_code, &output, &err));
	assert_int_equal(exit_code, 0);
	assert_done(docker_exec(fixture.docker, fixture.arena, id, listeners, 1000, &exit_code, &output, &err));
	assert_int_equal(exit_code, 0);
	assert_non_null(strstr(output, "0.0.0.0 3000\n"));
	assert_done(docker_exec(fixture.docker, fixture.arena, id, listeners, 5, &exit_code, &output, &err));
	assert_int_equal(strlen(output), 5); /* cut, and read to its end all the same */
	assert_done(docker_exec(fixture.docker, fixture.arena, id, unready, 1000, &exit_code, &output, &err));
	assert_int_equal(exit_code, 1);
	assert_non_null(strstr(output, "nothing listens there"));
	if (!docker_exec(fixture.docker, fixture.arena, id, absent, 1000, &exit_code, &output, &err))
		assert_in_range(exit_code, 126, 127);
	else
		assert_int_equal(err.class, HC_INVALID);
}

static void check_pause(const char *id)
{
	struct hc_error err;

	assert_done(docker_container_pause(fixture.docker, id, &err));
	fixture_wait_state(id, "paused");
	assert_done(docker_container_pause(fixture.docker, id, &err));
	assert_done(docker_container_unpause(fixture.docker, id, &err));
	assert_done(docker_container_unpause(fixture.docker, id, &err));
	fixture_wait_state(id, "running");
	/* The engine said unhealthy at the pause, without an event. It came right after the first report, the one
	 * moment at which no probe was there to be killed. */
	fixture_wait_health(id, "healthy");
}

static void check_update(const char *id)
{
	struct docker_container container;
	struct hc_error err;

	assert_done(docker_container_restart_policy(fixture.docker, id, true, &err));
	assert_done(docker_container_limits(fixture.docker, id, 96LL * 1024 * 1024, 0, 48, &err));
	assert_done(docker_container_rename(fixture.docker, id, fixture_name("renamed"), &err));
	assert_done(docker_container_inspect(fixture.docker, fixture.arena, id, &container, &err));
	assert_string_equal(container.restart_policy, "unless-stopped");
	assert_string_equal(container.name, fixture_name("renamed"));
	assert_int_equal(container.memory_bytes, 96LL * 1024 * 1024);
	assert_int_equal(container.nano_cpus, 500000000);
	assert_int_equal(container.pids_limit, 48);
	assert_done(docker_container_restart_policy(fixture.docker, id, false, &err));
	assert_done(docker_container_rename(fixture.docker, id, fixture_name("gated"), &err));
}

static void check_end(const char *id, struct gathered *gathered)
{
	struct docker_container container;
	struct hc_error err;

	assert_done(docker_container_kill(fixture.docker, id, "SIGTERM", &err));
	wait_event(gathered, event_line("gated", "die"));
	fixture_wait_state(id, "exited");
	assert_done(docker_container_kill(fixture.docker, id, "SIGTERM", &err)); /* it is so already */
	assert_done(docker_container_inspect(fixture.docker, fixture.arena, id, &container, &err));
	assert_int_equal(container.exit_code, 0); /* the application ended by itself */
	assert_true(container.finished_wall_ms >= container.started_wall_ms);
	assert_done(docker_container_remove(fixture.docker, id, false, &err));
	wait_event(gathered, event_line("gated", "destroy"));
	assert_class(docker_container_inspect(fixture.docker, fixture.arena, id, &container, &err), HC_NOT_FOUND);
	assert_class(docker_container_remove(fixture.docker, id, false, &err), HC_NOT_FOUND);
	assert_class(docker_container_kill(fixture.docker, id, "SIGTERM", &err), HC_NOT_FOUND);
}

static void end_gathering(struct gathered *gathered, pthread_t thread)
{
	int64_t begin_ms = hc_clock_boot_ms();

	__atomic_store_n(&gathered->stop, 1, __ATOMIC_RELEASE);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_in_range(hc_clock_boot_ms() - begin_ms, 0, 2000);
	assert_int_equal(gathered->result, -1);
	assert_int_equal(gathered->err.class, HC_CANCELED);
	hc_text_done(&gathered->text);
}

static void test_life(void **state)
{
	struct gathered gathered = {.mutex = PTHREAD_MUTEX_INITIALIZER};
	const char *folder = gate_mount("gated");
	const char *id;
	pthread_t thread;
	struct hc_error err;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, gather, &gathered), 0);
	id = gated_container("gated", folder, NULL);
	assert_done(docker_container_start(fixture.docker, id, &err));
	assert_done(docker_container_start(fixture.docker, id, &err)); /* 304 */
	wait_event(&gathered, event_line("gated", "create"));
	wait_event(&gathered, event_line("gated", "start"));
	assert_int_equal(__atomic_load_n(&gathered.subscribed, __ATOMIC_ACQUIRE), 1);
	check_exec(id);
	check_inspect(id);
	fixture_wait_health(id, "starting");
	set_gate(folder, true);
	wait_event(&gathered, event_line("gated", "health_status: healthy"));
	fixture_wait_health(id, "healthy");
	check_pause(id);
	set_gate(folder, false);
	wait_event(&gathered, event_line("gated", "health_status: unhealthy"));
	set_gate(folder, true);
	fixture_wait_health(id, "healthy");
	check_update(id);
	check_end(id, &gathered);
	end_gathering(&gathered, thread);
}

/* An application on loopback only is never published, and one that starts again is asked again. */
static void test_gate_asks(void **state)
{
	static const char *loopback[] = {"HELLO_MODE=loopback", NULL};
	static const char *slow[] = {"HELLO_MODE=slowstart=1500", NULL};
	const char *folder = gate_mount("asks");
	const char *id = gated_container("asks", folder, loopback);
	struct hc_error err;
	struct docker_container container;
	int64_t end_ms;

	(void)state;
	set_gate(folder, true);
	assert_done(docker_container_start(fixture.docker, id, &err));
	for (end_ms = hc_clock_boot_ms() + 1500; hc_clock_boot_ms() < end_ms; fixture_pause_ms(50)) {
		assert_done(docker_container_inspect(fixture.docker, fixture.arena, id, &container, &err));
		assert_string_equal(container.health, "starting");
	}
	assert_done(docker_container_remove(fixture.docker, id, true, &err));
	id = gated_container("asks", folder, slow);
	assert_done(docker_container_start(fixture.docker, id, &err));
	fixture_wait_health(id, "healthy");
	assert_done(docker_container_kill(fixture.docker, id, "SIGKILL", &err));
	fixture_wait_state(id, "exited");
	assert_done(docker_container_start(fixture.docker, id, &err));
	for (end_ms = hc_clock_boot_ms() + 700; hc_clock_boot_ms() < end_ms; fixture_pause_ms(50)) {
		assert_done(docker_container_inspect(fixture.docker, fixture.arena, id, &container, &err));
		assert_string_equal(container.health, "starting"); /* 1.5 s until it listens again */
	}
	fixture_wait_health(id, "healthy");
	assert_done(docker_container_remove(fixture.docker, id, true, &err));
}

struct heard {
	struct hc_text text;
	int stop;
	bool cancel;
	bool stop_at_first;
};

static int hear(int stream, const char *data, size_t length, void *payload)
{
	struct heard *heard = payload;

	hc_text_printf(&heard->text, "%d:", stream);
	hc_text_append_bytes(&heard->text, data, length);
	if (heard->stop_at_first)
		__atomic_store_n(&heard->stop, 1, __ATOMIC_RELEASE);
	return heard->cancel;
}

static void test_logs(void **state)
{
	static const char *exits[] = {"HELLO_MODE=exit", NULL};
	struct docker_container_config config = {.env = exits, .log_driver = "local"};
	const char *out = fixture_container("logs-out", (struct docker_container_config){.log_driver = "local"});
	const char *bad = fixture_container("logs-err", config);
	struct docker_log_options all = {.tail_lines = -1};
	struct docker_log_options none = {.tail_lines = 0};
	struct docker_log_options stamped = {.tail_lines = 1, .timestamps = true};
	struct heard heard = {0};
	struct docker_log_options follow = {.tail_lines = -1, .follow = true, .stop = &heard.stop};
	struct docker_container container;
	struct hc_error err;

	(void)state;
	assert_done(docker_container_start(fixture.docker, bad, &err));
	fixture_wait_state(bad, "exited");
	assert_done(docker_container_inspect(fixture.docker, fixture.arena, bad, &container, &err));
	assert_int_equal(container.exit_code, 3);
	assert_done(docker_container_logs(fixture.docker, bad, &all, hear, &heard, &err));
	assert_string_equal(hc_text_string(&heard.text), "2:helvetia-hello: HELLO_MODE=exit\n");
	hc_text_done(&heard.text);
	assert_done(docker_container_logs(fixture.docker, bad, &none, hear, &heard, &err));
	assert_string_equal(hc_text_string(&heard.text), "");
	assert_done(docker_container_logs(fixture.docker, bad, &stamped, hear, &heard, &err));
	assert_memory_equal(hc_text_string(&heard.text), "2:20", 4);
	assert_non_null(strstr(hc_text_string(&heard.text), "Z helvetia-hello"));
	hc_text_done(&heard.text);

	assert_done(docker_container_start(fixture.docker, out, &err));
	heard.stop_at_first = true; /* nothing more comes, so that stop has to be noticed by itself */
	assert_class(docker_container_logs(fixture.docker, out, &follow, hear, &heard, &err), HC_CANCELED);
	assert_string_equal(hc_text_string(&heard.text),
						"1:helvetia-hello: version \"one\" listens on port 3000\n");
	hc_text_done(&heard.text);
	heard = (struct heard){.cancel = true};
	assert_class(docker_container_logs(fixture.docker, out, &follow, hear, &heard, &err), HC_CANCELED);
	hc_text_done(&heard.text);
	assert_done(docker_container_kill(fixture.docker, out, "SIGKILL", &err));
	heard = (struct heard){0};
	assert_done(docker_container_logs(fixture.docker, out, &follow, hear, &heard,
									  &err)); /* ends with the container */
	hc_text_done(&heard.text);
	assert_class(docker_container_logs(fixture.docker, "no-such-container", &all, hear, &heard, &err),
				 HC_NOT_FOUND);
}

static void test_list(void **state)
{
	struct docker_pair filters[] = {{TEST_LABEL, fixture.run}, {"what", "listed"}};
	struct docker_pair by_name[] = {{TEST_LABEL, NULL}, {"what", "listed"}, {TEST_LABEL, fixture.run}};
	const char *id = fixture_container("listed", (struct docker_container_config){0});
	struct docker_container *list;
	size_t count;
	struct hc_error err;

	(void)state;
	assert_done(docker_container_list(fixture.docker, fixture.arena, filters, 2, &list, &count, &err));
	assert_int_equal(count, 1);
	assert_string_equal(list[0].id, id);
	assert_string_equal(list[0].name, fixture_name("listed"));
	assert_string_equal(list[0].state, "created");
	assert_string_equal(list[0].image_id, fixture.image_id);
	assert_int_equal(list[0].network_count, 1);
	assert_string_equal(list[0].networks[0].name, "none");
	assert_true(list[0].created_wall_ms > 0);
	assert_done(docker_container_list(fixture.docker, fixture.arena, by_name, 3, &list, &count, &err));
	assert_int_equal(count, 1);
	filters[1].value = "other";
	assert_done(docker_container_list(fixture.docker, fixture.arena, filters, 2, &list, &count, &err));
	assert_int_equal(count, 0);
}

static void test_refusals(void **state)
{
	struct docker_mount nowhere = {.source = "/nonexistent/folder", .target = "/x"};
	struct docker_container_config config = {.name = fixture_name("refused"), .image = "no-such-image:1"};
	const char *id = fixture_container("taken", (struct docker_container_config){0});
	struct hc_error err;

	(void)state;
	assert_class(docker_container_create(fixture.docker, fixture.arena, &config, &id, &err), HC_NOT_FOUND);
	assert_non_null(strstr(err.text, "POST /containers/create"));
	assert_non_null(strstr(err.text, "o such image"));
	config.image = fixture.image;
	config.name = fixture_name("taken");
	assert_class(docker_container_create(fixture.docker, fixture.arena, &config, &id, &err), HC_CONFLICT);
	config.name = fixture_name("refused");
	config.mounts = &nowhere;
	config.mount_count = 1;
	assert_class(docker_container_create(fixture.docker, fixture.arena, &config, &id, &err), HC_INVALID);
	assert_class(docker_container_start(fixture.docker, "no-such-container", &err), HC_NOT_FOUND);
	assert_class(docker_container_start(fixture.docker, "../images", &err), HC_INVALID);
}

int container_life_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life), cmocka_unit_test(test_gate_asks), cmocka_unit_test(test_logs),
		cmocka_unit_test(test_list), cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests_name("containers", tests, NULL, NULL);
}
