/* The command line, the state file of the leader, and prefixed logs. */
#include "controller/leader_state.h"
#include "controller/log_lines.h"
#include "controller/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int parse(const char *changes, struct controller_options *ret_options, struct hc_error *err)
{
	static char defaults[] =
		"--database postgresql://x --state /s --domain d --docker unix:///d --traefik-api http://a:1 "
		"--public-http 0.0.0.0:80 --public-https 0.0.0.0:443 --probe /p --socket /c "
		"--network-pool 10.213.0.0/16";
	static char line[2048];
	char *argv[64] = {(char[]){"helvetia-controller"}};
	int argc = 1;
	char *rest = NULL;

	(void)snprintf(line, sizeof line, "%s %s", defaults, changes);
	for (char *word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		argv[argc++] = word;
	argv[argc] = NULL;
	return controller_options_parse(argc, argv, ret_options, err);
}

static void all_options_are_read(void **state)
{
	struct controller_options options;
	struct hc_error err;

	(void)state;
	assert_int_equal(parse("--embedded-engine --resync-seconds 30", &options, &err), 0);
	assert_string_equal(options.network_pool, "10.213.0.0/16");
	assert_int_equal(options.resync_ms, 30000);
	assert_true(options.embedded_engine);
	assert_int_equal(parse("", &options, &err), 0);
	assert_false(options.embedded_engine);
	assert_int_equal(options.resync_ms, 0);
	assert_null(options.redis);
	assert_int_equal(parse("--redis redis://127.0.0.1 --queue builds", &options, &err), 0);
	assert_string_equal(options.redis, "redis://127.0.0.1");
	assert_string_equal(options.queue, "builds");
}

static void a_wrong_option_is_named(void **state)
{
	static const struct {
		const char *changes;
		const char *text;
	} cases[] = {
		{"--nonsense", "--nonsense: unknown option, or its value is missing"},
		{"--domain", "--domain: unknown option, or its value is missing"},
		{"word", "\"word\": there are no arguments beside options"},
		{"--resync-seconds 0", "--resync-seconds: \"0\" must be a number from 1 to 86400"},
		{"--resync-seconds 5x", "--resync-seconds: \"5x\" must be a number from 1 to 86400"},
		{"--state relative",
		 "--state: \"relative\" must be an absolute path: containers mount folders of it"},
		{"--redis redis://x", "--redis and --queue are given both, or neither"},
		{"--queue builds", "--redis and --queue are given both, or neither"},
		{"--public-https localhost", "--public-https: \"localhost\" must be HOST:PORT"},
		{"--public-http localhost:99999", "--public-http: \"localhost:99999\" must be HOST:PORT"},
	};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(cases); n++) {
		struct controller_options options;
		struct hc_error err;

		assert_int_equal(parse(cases[n].changes, &options, &err), -1);
		assert_int_equal(err.class, HC_INVALID);
		assert_string_equal(err.text, cases[n].text);
	}
}

static void an_address_to_listen_on_is_reached_by_loopback(void **state)
{
	static const struct {
		const char *listen;
		const char *host;
		int port;
	} cases[] = {{"0.0.0.0:443", "127.0.0.1", 443},
				 {":8443", "127.0.0.1", 8443},
				 {"[::]:443", "[::1]", 443},
				 {"10.0.0.1:1", "10.0.0.1", 1},
				 {"*:80", "127.0.0.1", 80}};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(cases); n++) {
		struct hc_error err;
		char host[64];
		int port;

		assert_int_equal(controller_reach(cases[n].listen, host, &port, &err), 0);
		assert_string_equal(host, cases[n].host);
		assert_int_equal(port, cases[n].port);
	}
}

static void a_database_behind_its_witness_is_noticed(void **state)
{
	static const struct {
		struct leader_state seen;
		struct leader_state now;
		bool continues;
	} cases[] = {
		{{"", 0, 0}, {"a", 1, 10}, true},      /* nothing was seen */
		{{"a", 3, 100}, {"a", 4, 100}, true},  /* nothing happened since */
		{{"a", 3, 100}, {"a", 9, 5000}, true}, /* others led meanwhile */
		{{"a", 3, 100}, {"a", 4, 99}, false},  /* restored within an epoch */
		{{"a", 3, 100}, {"a", 3, 100}, false}, /* the epoch was given before */
		{{"a", 3, 100}, {"a", 2, 50}, false},  /* restored from long ago */
		{{"a", 3, 100}, {"b", 1, 1}, true},    /* another installation begins here */
	};

	(void)state;
	for (size_t n = 0; n < HC_COUNT(cases); n++) {
		if (leader_state_continues(&cases[n].seen, &cases[n].now) != cases[n].continues)
			fail_msg("case %zu", n);
	}
}

static void the_witness_is_kept_in_a_file(void **state)
{
	char folder[] = "/tmp/helvetia-test-XXXXXX";
	const struct leader_state written = {"abc", 7, 1234567890123};
	struct leader_state read = {"x", 1, 1};
	struct hc_error err;
	char path[64];
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof path, "%s/leader.json", folder);
	assert_int_equal(leader_state_read(path, &read, &err), 0);
	assert_string_equal(read.installation, "");
	assert_int_equal(leader_state_write(path, &written, &err), 0);
	assert_int_equal(leader_state_read(path, &read, &err), 0);
	assert_string_equal(read.installation, "abc");
	assert_int_equal(read.epoch, 7);
	assert_int_equal(read.resource_version, 1234567890123);
	file = fopen(path, "w");
	assert_non_null(file);
	(void)fputs("{\"epoch\":", file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(leader_state_read(path, &read, &err), -1);
	assert_int_equal(err.class, HC_INVALID);
	(void)unlink(path);
	(void)rmdir(folder);
}

static void lines_get_their_prefix_whole(void **state)
{
	struct log_lines lines = {.prefix = "[a-0] "};
	HC_AUTO_TEXT out = {0};

	(void)state;
	log_lines_feed(&lines, 1, "one\ntw", 6, &out);
	log_lines_feed(&lines, 2, "error", 5, &out);
	log_lines_feed(&lines, 1, "o\n\n", 3, &out);
	log_lines_feed(&lines, 2, "s\nlast", 6, &out);
	log_lines_end(&lines, &out);
	assert_string_equal(hc_text_string(&out), "[a-0] one\n[a-0] two\n[a-0] \n[a-0] errors\n[a-0] last\n");
	log_lines_done(&lines);
}

static void without_a_prefix_bytes_pass(void **state)
{
	struct log_lines lines = {.prefix = NULL};
	HC_AUTO_TEXT out = {0};

	(void)state;
	log_lines_feed(&lines, 1, "one\ntw", 6, &out);
	log_lines_end(&lines, &out);
	assert_string_equal(hc_text_string(&out), "one\ntw");
	log_lines_done(&lines);
}

static void an_endless_line_is_cut(void **state)
{
	static char data[200000];
	struct log_lines lines = {.prefix = "> "};
	HC_AUTO_TEXT out = {0};
	size_t count = 0;

	(void)state;
	memset(data, 'x', sizeof data);
	log_lines_feed(&lines, 1, data, sizeof data, &out);
	log_lines_end(&lines, &out);
	for (size_t n = 0; n < out.length; n++)
		count += out.data[n] == '\n';
	assert_int_equal(count, 4);
	assert_int_equal(out.length, sizeof data + count * strlen("> \n"));
	log_lines_done(&lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_options_are_read),
		cmocka_unit_test(a_wrong_option_is_named),
		cmocka_unit_test(an_address_to_listen_on_is_reached_by_loopback),
		cmocka_unit_test(a_database_behind_its_witness_is_noticed),
		cmocka_unit_test(the_witness_is_kept_in_a_file),
		cmocka_unit_test(lines_get_their_prefix_whole),
		cmocka_unit_test(without_a_prefix_bytes_pass),
		cmocka_unit_test(an_endless_line_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
