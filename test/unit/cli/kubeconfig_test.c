/* cli/kubeconfig.c and which way cli/access.c takes. */
#include "../cmocka_all.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/access.h"
#include "cli/invitation.h"
#include "cli/kubeconfig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static char *put(const char *name, const char *text)
{
	char *path = hc_xprintf("%s/%s", folder, name);
	struct hc_error err = {0};

	assert_int_equal(hc_file_write(path, text, strlen(text), 0600, &err), 0);
	return path;
}

#define FIRST                                                                                                \
	"apiVersion: v1\nkind: Config\nclusters:\n"                                                              \
	"- name: one\n  cluster:\n    server: https://one.example.org:6443/\n"                                   \
	"    certificate-authority-data: UEVN\n"                                                                 \
	"- name: file\n  cluster: {server: 'https://file', certificate-authority: ca.pem}\n"                     \
	"users:\n- name: ann\n  user: {token: hv_ann}\n- name: lazy\n  user: {tokenFile: lazy.token}\n"          \
	"- name: cert\n  user: {client-certificate-data: eA==}\n"                                                \
	"contexts:\n"                                                                                            \
	"- name: c1\n  context: {cluster: one, user: ann, namespace: team}\n"                                    \
	"- name: c2\n  context: {cluster: file, user: lazy}\n"                                                   \
	"- name: c3\n  context: {cluster: one, user: cert}\n"                                                    \
	"- name: c4\n  context: {cluster: absent, user: ann}\n"                                                  \
	"current-context: c1\n"

#define SECOND                                                                                               \
	"clusters: [{name: one, cluster: {server: 'https://not-this'}}, {name: two, cluster: {server: "          \
	"'https://two'}}]\n"                                                                                     \
	"users: [{name: bob, user: {token: other}}]\n"                                                           \
	"contexts: [{name: c1, context: {cluster: two, user: bob}}, {name: d1, context: {cluster: two, user: "   \
	"bob}}]\n"                                                                                               \
	"current-context: d1\n"

static void contexts_are_found_or_told_of(void **state)
{
	static const struct {
		const char *context;
		int class; /* HC_OK: found */
		const char *server;
		const char *authority;
		const char *token;
		const char *namespace_name;
		const char *sentence;
	} rows[] = {
		{NULL, HC_OK, "https://one.example.org:6443", "PEM", "hv_ann", "team", NULL},
		{"c2", HC_OK, "https://file", "a certificate", "hv_lazy", NULL, NULL},
		{"d1", HC_OK, "https://two", NULL, "other", NULL, NULL},
		{"c3", HC_INVALID, NULL, NULL, NULL, NULL, "has no token"},
		{"c4", HC_INVALID, NULL, NULL, NULL, NULL, "has no server"},
		{"none", HC_NOT_FOUND, NULL, NULL, NULL, NULL, "no context \"none\""},
	};

	(void)state;
	HC_AUTO_FREE first = put("first", FIRST);
	HC_AUTO_FREE second = put("second", SECOND);
	HC_AUTO_FREE authority = put("ca.pem", "a certificate");
	HC_AUTO_FREE token = put("lazy.token", "hv_lazy\n");
	HC_AUTO_FREE files = hc_xprintf("%s:%s/absent:%s", first, folder, second);
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		struct kubeconfig_context context;
		struct hc_error err = {0};
		int result = kubeconfig_read(files, rows[index].context, &context, &err);
		if ((result != 0) != (rows[index].class != HC_OK) ||
			(result && ((int)err.class != rows[index].class || !strstr(err.text, rows[index].sentence))))
			fail_msg("row %zu: %d %s", index, result, err.text);
		if (result)
			continue;
		assert_string_equal(context.server, rows[index].server);
		assert_true(hc_streq(context.authority, rows[index].authority));
		assert_string_equal(context.token, rows[index].token);
		assert_true(hc_streq(context.namespace_name, rows[index].namespace_name));
		kubeconfig_done(&context);
	}
}

static void broken_files_are_named(void **state)
{
	static const struct {
		const char *text;
		const char *sentence;
	} rows[] = {
		{"a: [", "broken"},
		{"- a\n", "broken"},
		{"a: 1\n---\nb: 1\n", "more than one"},
		{"contexts: 7\n", "no current context"},
		{"current-context: x\ncontexts: [{name: x, context: 3}]\n", "has no server"},
		{"clusters: [{name: k, cluster: {server: 'https://a', certificate-authority-data: '*'}}]\n"
		 "contexts: [{name: x, context: {cluster: k}}]\ncurrent-context: x\n",
		 "not base64"},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		HC_AUTO_FREE path = put("broken", rows[index].text);
		struct kubeconfig_context context;
		struct hc_error err = {0};
		assert_int_equal(kubeconfig_read(path, NULL, &context, &err), -1);
		if (!strstr(err.text, rows[index].sentence))
			fail_msg("row %zu: %s", index, err.text);
	}
	struct kubeconfig_context context;
	struct hc_error err = {0};
	HC_AUTO_FREE absent = hc_xprintf("%s/absent", folder);
	assert_int_equal(kubeconfig_read(absent, NULL, &context, &err), -1);
	assert_int_equal(err.class, HC_NOT_FOUND);
}

static void merging_keeps_what_is_there(void **state)
{
	struct kubeconfig_context mine = {.name = hc_xstrdup("helvetia"),
									  .server = hc_xstrdup("https://api.example.org"),
									  .authority = hc_xstrdup("-----BEGIN CERTIFICATE-----\nx\n"),
									  .token = hc_xstrdup("hv_1"),
									  .namespace_name = hc_xstrdup("team")};
	struct kubeconfig_context read;
	struct hc_error err = {0};
	struct stat status;

	(void)state;
	HC_AUTO_FREE path = put("merged", FIRST);
	for (int round = 0; round < 2; round++) {
		json_t *config = kubeconfig_make(&mine);
		assert_int_equal(kubeconfig_merge(path, config, &err), 0);
		json_decref(config);
		assert_int_equal(kubeconfig_read(path, NULL, &read, &err), 0);
		assert_string_equal(read.name, "helvetia");
		assert_string_equal(read.token, mine.token);
		assert_string_equal(read.authority, mine.authority);
		kubeconfig_done(&read);
		assert_int_equal(kubeconfig_read(path, "c1", &read, &err), 0);
		assert_string_equal(read.token, "hv_ann");
		kubeconfig_done(&read);
		free(mine.token);
		mine.token = hc_xstrdup("hv_2"); /* a second login takes the place of the first */
	}
	HC_AUTO_FREE text = NULL;
	size_t length = 0;
	assert_int_equal(hc_file_read(path, 1 << 20, &text, &length, &err), 0);
	assert_null(strstr(text, "hv_1"));
	HC_AUTO_FREE fresh = hc_xprintf("%s/new/.kube/config", folder);
	json_t *config = kubeconfig_make(&mine);
	assert_int_equal(kubeconfig_merge(fresh, config, &err), 0);
	json_decref(config);
	assert_int_equal(stat(fresh, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	/* A file that can't be read is not overwritten. */
	HC_AUTO_FREE broken = put("broken", "a: [");
	config = kubeconfig_make(&mine);
	assert_int_equal(kubeconfig_merge(broken, config, &err), -1);
	json_decref(config);
	kubeconfig_done(&mine);
}

static void the_way_is_chosen_in_order(void **state)
{
	struct arguments arguments = {.namespace_name = "default"};
	struct access_way way;
	struct hc_error err = {0};

	(void)state;
	HC_AUTO_FREE files = put("way", FIRST);
	HC_AUTO_FREE token = put("token", "hv_root\n");
	HC_AUTO_FREE endpoints = hc_xprintf("{\"api\":\"https://127.0.0.1:1\",\"tokenFile\":\"%s\","
										"\"apiSocket\":\"%s/absent\",\"domain\":\"example.org\","
										"\"webhookUrl\":\"https://api.example.org:8443/webhooks/github\"}",
										token, folder);
	free(put("endpoints.json", endpoints));
	assert_int_equal(setenv("KUBECONFIG", files, 1), 0);
	assert_int_equal(setenv("HELVETIA_API", "https://env", 1), 0);
	assert_int_equal(setenv("HELVETIA_STATE", folder, 1), 0);
	assert_int_equal(access_find(&arguments, &way, &err), 0);
	assert_string_equal(way.server, "https://env");
	access_done(&way);
	assert_int_equal(unsetenv("HELVETIA_API"), 0);
	assert_int_equal(access_find(&arguments, &way, &err), 0);
	assert_string_equal(way.token, "hv_root"); /* there is no socket */
	assert_string_equal(way.public_server, "https://api.example.org:8443");
	access_done(&way);
	arguments.context = "c2";
	assert_int_equal(access_find(&arguments, &way, &err), 0);
	assert_string_equal(way.server, "https://file");
	access_done(&way);
	arguments = (struct arguments){.state = folder};
	access_as_plugin();
	assert_int_equal(access_find(&arguments, &way, &err), 0);
	assert_string_equal(way.source, "endpoints.json");
	access_done(&way);
	arguments.state = NULL;
	HC_AUTO_FREE name = access_namespace(&arguments);
	assert_string_equal(name, "team");
}

static void expiries_are_times_or_durations(void **state)
{
	static const struct {
		const char *text;
		const char *time; /* NULL: refused */
	} rows[] = {
		{"2030-01-31T12:00:00Z", "2030-01-31T12:00:00Z"},
		{"90m", "1970-01-01T01:30:00Z"},
		{"12h", "1970-01-01T12:00:00Z"},
		{"30d", "1970-01-31T00:00:00Z"},
		{"1y", "1971-01-01T00:00:00Z"},
		{"", NULL},
		{"d", NULL},
		{"0d", NULL},
		{"-1d", NULL},
		{"1", NULL},
		{"1dd", NULL},
		{"5s", NULL},
		{"101y", NULL},
		{"99999999999999999999d", NULL},
		{"tomorrow", NULL},
	};
	char time[40];

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		int result = invitation_expiry(rows[index].text, 0, time, sizeof time);
		if ((result == 0) != (rows[index].time != NULL) || (result == 0 && !hc_streq(time, rows[index].time)))
			fail_msg("%s: %d %s", rows[index].text, result, result ? "" : time);
	}
}

static int start(void **state)
{
	const char *parent = getenv("TMPDIR");

	(void)state;
	(void)snprintf(folder, sizeof folder, "%s/helvetia-kube-XXXXXX", parent ? parent : P_tmpdir);
	return mkdtemp(folder) ? 0 : -1;
}

static int stop(void **state)
{
	struct hc_error err = {0};

	(void)state;
	return hc_folder_remove(folder, &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contexts_are_found_or_told_of), cmocka_unit_test(broken_files_are_named),
		cmocka_unit_test(merging_keeps_what_is_there),   cmocka_unit_test(expiries_are_times_or_durations),
		cmocka_unit_test(the_way_is_chosen_in_order),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
