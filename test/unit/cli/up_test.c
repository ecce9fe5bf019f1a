/* The supervisor's parts that need no platform: command lines, settings, ports, the archive, and one process
 * of each fate (adopted, replaced, ended, stopped). */
#include "../cmocka_all.h"

#include "cli/up.h"
#include "cli/up_tar.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define WORDS_MAX 8

static const struct {
	const char *words[WORDS_MAX];
	const char *error; /* NULL: accepted */
} COMMAND_LINES[] = {
	{{"up"}, NULL},
	{{"up", "--http-port", "8080", "--no-sample"}, NULL},
	{{"up", "--domain", "apps.example.org", "--docker-host", "embedded"}, NULL},
	{{"up", "--network-pool", "172.20.0.0/14"}, NULL},
	{{"up", "--http-port", "65536"}, "--http-port \"65536\": must be a whole number from 1 to 65535"},
	{{"up", "--api-port", "1x"}, "--api-port \"1x\": must be a whole number from 1 to 65535"},
	{{"up", "--domain", ""}, "--domain \"\": must have 1 to 189 characters"},
	{{"up", "--domain", "a-.b"}, "--domain \"a-.b\": every label must be a DNS label"},
	{{"up", "--domain", "a.b."}, "--domain \"a.b.\": every label must be a DNS label"},
	{{"up", "--domain", "a b"}, "--domain \"a b\": only a-z, 0-9, - and . are allowed"},
	{{"up", "--docker-host", "tcp://host"},
	 "--docker-host \"tcp://host\": must be unix:///PATH or \"embedded\""},
	{{"up", "--network-pool", "10.213.0.0"},
	 "--network-pool \"10.213.0.0\": must be an IPv4 network of /8 to /22, as 10.213.0.0/16"},
	{{"up", "--network-pool", "10.213.0.0/16x"},
	 "--network-pool \"10.213.0.0/16x\": must be an IPv4 network of /8 to /22, as 10.213.0.0/16"},
	{{"up", "--network-pool", "10.213.0.1/16"},
	 "--network-pool \"10.213.0.1/16\": must be an IPv4 network of /8 to /22, as 10.213.0.0/16"},
	{{"up", "more"}, "unexpected argument \"more\"; see --help"},
};

static void command_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < HC_COUNT(COMMAND_LINES); i++) {
		struct up_options options;
		struct hc_error err = {0};
		char *argv[WORDS_MAX + 1] = {NULL};
		int argc = 0;

		for (; COMMAND_LINES[i].words[argc]; argc++)
			argv[argc] = hc_xstrdup(COMMAND_LINES[i].words[argc]);
		assert_int_equal(up_options_parse(argc, argv, false, &options, &err),
						 COMMAND_LINES[i].error ? -1 : 0);
		assert_string_equal(err.text, COMMAND_LINES[i].error ? COMMAND_LINES[i].error : "");
		for (int word = 0; word < argc; word++)
			free(argv[word]);
	}
}

static void purge_needs_a_yes(void **state)
{
	char down[] = "down", purge[] = "--purge", yes[] = "--yes";
	struct up_options options;
	struct hc_error err = {0};

	(void)state;
	assert_int_equal(up_options_parse(2, (char *[]){down, purge, NULL}, true, &options, &err), -1);
	assert_non_null(strstr(err.text, "add --yes"));
	assert_int_equal(up_options_parse(3, (char *[]){down, purge, yes, NULL}, true, &options, &err), 0);
	assert_true(options.purge);
}

/* --- with a state folder --- */

static int make_up(void **state)
{
	static struct up up;
	char folder[] = "/tmp/helvetia-unit-XXXXXX";
	sigset_t signals;

	assert_non_null(mkdtemp(folder));
	up = (struct up){.arena = hc_arena_new(), .lock_fd = -1, .signal_fd = -1, .pool_fd = -1};
	up.state = hc_arena_strdup(up.arena, folder);
	for (size_t i = 0; i < UP_PART_COUNT; i++)
		up.process[i].pidfd = -1;
	assert_int_equal(hc_folder_make(up_path(&up, "run"), 0700, NULL), 0);
	assert_int_equal(hc_folder_make(up_path(&up, "log"), 0700, NULL), 0);
	sigemptyset(&signals);
	up.signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	*state = &up;
	return 0;
}

static int free_up(void **state)
{
	struct up *up = *state;
	int status = hc_folder_remove(up->state, NULL);

	up_done(up);
	return status;
}

static void settings_come_back(void **state)
{
	struct up *up = *state;
	struct hc_error err = {0};

	up->domain = "apps.example.org";
	up->docker_host = "unix:///run/docker.sock";
	up->network_pool = "10.214.0.0/16";
	up->installation = "abc123def456";
	up->http_port = 80;
	up->https_port = 443;
	up->api_port = 6443;
	up->redis_port = 20001;
	up->traefik_port = 20002;
	assert_int_equal(up_settings_save(up, &err), 0);
	up->domain = up->docker_host = up->network_pool = up->installation = NULL;
	up->http_port = up->traefik_port = 0;
	up->embedded_engine = true;
	assert_int_equal(up_settings_load(up, &err), 0);
	assert_string_equal(up->domain, "apps.example.org");
	assert_string_equal(up->docker_host, "unix:///run/docker.sock");
	assert_string_equal(up->network_pool, "10.214.0.0/16");
	assert_string_equal(up->installation, "abc123def456");
	assert_int_equal(up->http_port, 80);
	assert_int_equal(up->traefik_port, 20002);
	assert_false(up->embedded_engine);

	assert_int_equal(hc_file_write(up_path(up, "settings.json"), "{\n\"domain\": 1}", 14, 0600, &err), 0);
	assert_int_equal(up_settings_load(up, &err), -1);
	assert_int_equal(err.class, HC_INVALID);
	assert_non_null(strstr(err.text, "settings.json"));
}

static void a_taken_port_is_named_with_its_holder(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	HC_AUTO_FD fd = socket(AF_INET, SOCK_STREAM, 0);
	HC_AUTO_FREE process = hc_xprintf("(process %d)", (int)getpid());
	struct hc_error err = {0};
	int port;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	port = ntohs(address.sin_port);
	assert_false(up_port_free(port, true));
	assert_false(up_port_free(port, false));
	assert_int_equal(up_port_require(port, true, "the API", "--api-port", &err), -1);
	assert_int_equal(err.class, HC_CONFLICT);
	assert_non_null(strstr(err.text, process));
	assert_non_null(strstr(err.text, "--api-port"));
	assert_true(up_port_free(up_port_any(), true));
}

static void a_pool_is_claimed_by_one(void **state)
{
	struct up *up = *state;
	struct up other = {.arena = up->arena, .pool_fd = -1};
	struct hc_error err = {0};
	uint8_t random;

	hc_random_bytes(&random, 1);
	up->options.network_pool = hc_arena_printf(up->arena, "172.16.%d.0/22", random & 0xfc);
	other.options.network_pool = up->options.network_pool;
	assert_int_equal(up_pool_choose(up, &err), 0);
	assert_int_equal(up_pool_choose(&other, &err), -1);
	assert_int_equal(err.class, HC_CONFLICT);
	close(up->pool_fd);
	up->pool_fd = -1;
	assert_int_equal(up_pool_choose(&other, &err), 0);
	close(other.pool_fd);
}

static void an_archive_is_as_posix_says(void **state)
{
	struct up *up = *state;
	struct hc_error err = {0};
	HC_AUTO_FREE tar = NULL;
	size_t length;
	unsigned sum = 0;

	assert_int_equal(hc_file_write(up_path(up, "program"), "#!x\n", 4, 0755, &err), 0);
	assert_int_equal(up_tar_write(up_path(up, "a.tar"), "hello", up_path(up, "program"), &err), 0);
	assert_int_equal(hc_file_read(up_path(up, "a.tar"), 65536, &tar, &length, &err), 0);
	assert_int_equal(length, 4 * 512);
	assert_string_equal(tar, "hello");
	assert_string_equal(tar + 100, "0000755");
	assert_string_equal(tar + 124, "00000000004");
	assert_int_equal(tar[156], '0');
	assert_memory_equal(tar + 257,
						"ustar\0"
						"00",
						8);
	assert_memory_equal(tar + 512, "#!x\n\0", 5);
	for (int i = 0; i < 512; i++)
		sum += i >= 148 && i < 156 ? ' ' : (unsigned char)tar[i];
	assert_int_equal(strtol(tar + 148, NULL, 8), sum);
	assert_int_equal(up_tar_write(up_path(up, "b.tar"), "hello", up_path(up, "absent"), &err), -1);
	assert_int_equal(err.class, HC_NOT_FOUND);
}

/* --- processes --- */

static int always_ready(struct up *up, struct hc_error *err)
{
	(void)up;
	(void)err;
	return 0;
}

static int never_ready(struct up *up, struct hc_error *err)
{
	(void)up;
	return hc_fail(err, HC_TRANSIENT, "it does not answer");
}

static struct up_process *program(struct up *up, const char *path, const char *argument)
{
	struct up_process *process = &up->process[UP_REDIS];

	process->name = "thing";
	process->title = "Thing";
	process->stop_signal = SIGTERM;
	process->stop_wait_ms = 5000;
	process->ready_within_ms = 300;
	process->ready = always_ready;
	process->argv = up_arguments(up, (const char *[]){path, argument, NULL});
	return process;
}

/* What a supervisor that was killed leaves: a process, its record, and nobody who knows them. */
static void forget(struct up_process *process)
{
	close(process->pidfd);
	process->pidfd = -1;
	process->pid = 0;
}

static void the_same_is_adopted_and_another_is_replaced(void **state)
{
	struct up *up = *state;
	struct up_process *process = program(up, "/bin/sleep", "1000");
	struct hc_error err = {0};
	bool adopted = true;
	pid_t first;

	assert_int_equal(up_process_ensure(up, UP_REDIS, &adopted, &err), 0);
	assert_false(adopted);
	first = process->pid;
	forget(process);
	assert_int_equal(up_process_ensure(up, UP_REDIS, &adopted, &err), 0);
	assert_true(adopted);
	assert_int_equal(process->pid, first);
	forget(process);
	process = program(up, "/bin/sleep", "2000");
	assert_int_equal(up_process_ensure(up, UP_REDIS, &adopted, &err), 0);
	assert_false(adopted);
	assert_int_not_equal(process->pid, first);
	assert_int_equal(up_pid_start_ticks(first), 0);
	up_process_stop(up, process);
	assert_int_equal(process->pid, 0);
	assert_false(hc_file_exists(up_path(up, "run/thing.json")));
}

static void a_record_of_another_process_is_not_believed(void **state)
{
	struct up *up = *state;
	struct up_process *process = program(up, "/bin/sleep", "1000");
	uint64_t ticks = up_pid_start_ticks(getpid());
	const struct {
		const char *boot;
		uint64_t ticks;
		bool believed;
	} records[] = {{hc_clock_boot_id(), ticks, true},
				   {hc_clock_boot_id(), ticks + 1, false},
				   {"another boot", ticks, false}};

	(void)process;
	for (size_t i = 0; i < HC_COUNT(records); i++) {
		HC_AUTO_FREE text = hc_xprintf(
			"{\"pid\": %d, \"startTicks\": %llu, \"boot\": \"%s\", \"fingerprint\": \"x\"}", (int)getpid(),
			(unsigned long long)records[i].ticks, records[i].boot);

		assert_int_equal(hc_file_write(up_path(up, "run/thing.json"), text, strlen(text), 0600, NULL), 0);
		assert_int_equal(up_process_recorded(up, "thing"), records[i].believed);
	}
	assert_int_equal(hc_file_write(up_path(up, "run/thing.json"), "{", 1, 0600, NULL), 0);
	assert_false(up_process_recorded(up, "thing"));
}

static void what_ends_at_once_is_an_error_with_its_log(void **state)
{
	struct up *up = *state;
	struct up_process *process = program(up, "/bin/ls", "/nowhere/at/all");
	struct hc_error err = {0};

	process->ready = never_ready;
	process->ready_within_ms = 5000;
	assert_int_equal(up_process_ensure(up, UP_REDIS, NULL, &err), -1);
	assert_non_null(strstr(err.text, "Thing ended with exit code 2"));
	assert_non_null(strstr(err.text, "/nowhere/at/all"));

	process = program(up, "/nowhere/at/all", NULL);
	assert_int_equal(up_process_ensure(up, UP_REDIS, NULL, &err), -1);
	assert_string_equal(err.text, "start /nowhere/at/all: No such file or directory");
}

static void what_never_answers_is_an_error_and_can_be_stopped(void **state)
{
	struct up *up = *state;
	struct up_process *process = program(up, "/bin/sleep", "1000");
	struct hc_error err = {0};

	process->ready = never_ready;
	assert_int_equal(up_process_ensure(up, UP_REDIS, NULL, &err), -1);
	assert_non_null(strstr(err.text, "is not ready after"));
	assert_non_null(strstr(err.text, "it does not answer"));
	assert_int_not_equal(process->pid, 0);
	up_process_stop(up, process);
	assert_int_equal(process->pid, 0);
}

static void the_end_of_a_process_is_told(void **state)
{
	struct up *up = *state;
	struct up_process *process = program(up, "/bin/sleep", "1000");
	struct hc_error err = {0};
	char how[128] = "";

	assert_int_equal(up_process_start(up, process, &err), 0);
	assert_false(up_process_ended(process, how, sizeof(how)));
	assert_int_equal(kill(process->pid, SIGKILL), 0);
	assert_true(up_wait_pidfd(process->pidfd, 5000));
	assert_true(up_process_ended(process, how, sizeof(how)));
	assert_string_equal(how, "was ended by signal 9 (Killed)");
}

static void a_program_that_fails_says_why(void **state)
{
	struct up *up = *state;
	struct hc_error err = {0};

	assert_int_equal(up_run(up, "cat", NULL, (const char *[]){"/bin/cat", NULL}, "some input\n", &err), 0);
	assert_int_equal(up_run(up, "cat", NULL, (const char *[]){"/bin/cat", "/nowhere", NULL}, NULL, &err), -1);
	assert_non_null(strstr(err.text, "/bin/cat ended with exit code 1"));
	assert_non_null(strstr(err.text, "some input"));
	assert_non_null(strstr(err.text, "/nowhere"));
}

/* --- pushes to the sample --- */

#define DEPLOYMENT(service, revision, commit, status)                                                        \
	"{\"spec\":{\"service\":\"" service "\",\"revision\":" #revision ",\"commitHash\":\"" commit             \
	"\"},\"status\":{" status "}}"

static void a_push_is_told_by_its_deployment(void **state)
{
	static const struct {
		const char *items;
		const char *words;
		enum up_live_state state;
	} rows[] = {
		{"", "pushed", UP_LIVE_GOES_ON},
		{DEPLOYMENT("sample", 1, "b", "\"phase\":\"SUCCESS\""), "pushed", UP_LIVE_GOES_ON},
		{DEPLOYMENT("other", 1, "a", "\"phase\":\"SUCCESS\""), "pushed", UP_LIVE_GOES_ON},
		{DEPLOYMENT("sample", 1, "a", "\"phase\":\"BUILDING\",\"stage\":\"Queued\""), "building",
		 UP_LIVE_GOES_ON},
		{DEPLOYMENT("sample", 1, "a", "\"stage\":\"Queued\",\"message\":\"no worker\""),
		 "building: no worker", UP_LIVE_GOES_ON},
		{DEPLOYMENT("sample", 1, "a", "\"stage\":\"Stabilizing\""), "live at https://page", UP_LIVE_DONE},
		{DEPLOYMENT("sample", 1, "a", "\"phase\":\"SUCCESS\",\"reason\":\"Unchanged\""),
		 "live: nothing has to be built anew", UP_LIVE_DONE},
		{DEPLOYMENT("sample", 1, "a",
					"\"phase\":\"FAILED\",\"reason\":\"BuildFailed\",\"message\":\"no RUM\""),
		 "BuildFailed: no RUM", UP_LIVE_FAILED},
		/* of two attempts at a commit the newer one counts */
		{DEPLOYMENT("sample", 10, "a", "\"stage\":\"Starting\"") "," DEPLOYMENT("sample", 9, "a",
																				"\"phase\":\"FAILED\""),
		 "starting", UP_LIVE_GOES_ON},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		HC_AUTO_FREE text = hc_xprintf("{\"items\":[%s]}", rows[index].items);
		json_t *list = json_loads(text, 0, NULL);
		HC_AUTO_TEXT words = {0};

		assert_non_null(list);
		assert_int_equal(up_live_describe(up_live_find(list, "sample", "a"), "https://page", &words),
						 rows[index].state);
		json_decref(list);
		assert_string_equal(hc_text_string(&words), rows[index].words);
	}
}

int main(void)
{
#define WITH_UP(test) cmocka_unit_test_setup_teardown(test, make_up, free_up)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_lines),
		cmocka_unit_test(purge_needs_a_yes),
		cmocka_unit_test(a_push_is_told_by_its_deployment),
		WITH_UP(settings_come_back),
		WITH_UP(a_taken_port_is_named_with_its_holder),
		WITH_UP(a_pool_is_claimed_by_one),
		WITH_UP(an_archive_is_as_posix_says),
		WITH_UP(the_same_is_adopted_and_another_is_replaced),
		WITH_UP(a_record_of_another_process_is_not_believed),
		WITH_UP(what_ends_at_once_is_an_error_with_its_log),
		WITH_UP(what_never_answers_is_an_error_and_can_be_stopped),
		WITH_UP(the_end_of_a_process_is_told),
		WITH_UP(a_program_that_fails_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
