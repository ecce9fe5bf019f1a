/* Every test/bad-manifests/NN-name.yaml gives exactly the lines of NN-name.expected; every file of manifests/
 * gives none. `corpus_test --print FILE` prints the lines, for whoever adds a file. */
#include "../cmocka_all.h"

#include "base/file.h"
#include "corpus.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CORPUS_FILES_MIN 45

static int is_manifest(const struct dirent *entry)
{
	return hc_ends_with(entry->d_name, ".yaml") || hc_ends_with(entry->d_name, ".yml");
}

static char *read_file(const char *path, size_t *ret_length)
{
	char *text = NULL;
	struct hc_error err = {0};
	if (hc_file_read(path, HC_LIMIT_REQUEST_BODY_BYTES, &text, ret_length, &err) < 0)
		fail_msg("%s: %s", path, err.text);
	return text;
}

static void judge_file(const char *path, struct hc_text *text)
{
	size_t length = 0;
	HC_AUTO_FREE data = read_file(path, &length);
	(void)corpus_judge(data, length, text);
}

static void test_bad_manifests(void **state)
{
	(void)state;
	struct dirent **entries = NULL;
	int count = scandir(BAD_MANIFESTS_FOLDER, &entries, is_manifest, alphasort);
	assert_true(count >= CORPUS_FILES_MIN);
	int wrong = 0;
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		HC_AUTO_TEXT path = {0};
		HC_AUTO_TEXT lines = {0};
		hc_text_printf(&path, "%s/%s", BAD_MANIFESTS_FOLDER, name);
		judge_file(path.data, &lines);
		hc_text_done(&path);
		hc_text_printf(&path, "%s/%.*s.expected", BAD_MANIFESTS_FOLDER, (int)(strlen(name) - strlen(".yaml")),
					   name);
		size_t length = 0;
		HC_AUTO_FREE expected = read_file(path.data, &length);
		if (length == 0 || strcmp(expected, hc_text_string(&lines)) != 0) {
			wrong++;
			print_error("%s\nexpected:\n%sgot:\n%s", name, expected, hc_text_string(&lines));
		}
		free(entries[i]);
	}
	free(entries);
	assert_int_equal(wrong, 0);
}

static void test_good_manifests(void **state)
{
	(void)state;
	struct dirent **entries = NULL;
	int count = scandir(GOOD_MANIFESTS_FOLDER, &entries, is_manifest, alphasort);
	assert_true(count >= 0);
	for (int i = 0; i < count; i++) {
		HC_AUTO_TEXT path = {0};
		HC_AUTO_TEXT lines = {0};
		hc_text_printf(&path, "%s/%s", GOOD_MANIFESTS_FOLDER, entries[i]->d_name);
		judge_file(path.data, &lines);
		if (lines.length > 0)
			print_error("%s:\n", entries[i]->d_name);
		assert_string_equal(hc_text_string(&lines), "");
		free(entries[i]);
	}
	free(entries);
}

static int load(void **state)
{
	(void)state;
	struct hc_error err = {0};
	if (schema_load(&err) == 0)
		return 0;
	print_error("%s\n", err.text);
	return -1;
}

static int unload(void **state)
{
	(void)state;
	schema_unload();
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--print") == 0) {
		HC_AUTO_TEXT lines = {0};
		if (load(NULL) < 0)
			return 1;
		judge_file(argv[2], &lines);
		(void)fputs(hc_text_string(&lines), stdout);
		schema_unload();
		return 0;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_manifests),
		cmocka_unit_test(test_good_manifests),
	};
	return cmocka_run_group_tests(tests, load, unload);
}
