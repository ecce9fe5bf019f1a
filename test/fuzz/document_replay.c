/* Runs the fuzz entry over every file of the folders given, and over each with a cut end and a changed byte,
 * so that the corpus is exercised in every build. */
#include "fuzz.h"

#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "schema/schema.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define VARIANTS_MAX 40 /* of one file */

static void run_variants(uint8_t *data, size_t size)
{
	static const uint8_t bytes[] = {0, '"', '{', '[', '&', '*', ':', '\n', 0xff, '9'};
	size_t step = size / VARIANTS_MAX + 1;
	(void)LLVMFuzzerTestOneInput(data, size);
	for (size_t at = 0; at < size; at += step) {
		uint8_t kept = data[at];
		(void)LLVMFuzzerTestOneInput(data, at);
		data[at] = bytes[at / step % HC_COUNT(bytes)];
		(void)LLVMFuzzerTestOneInput(data, size);
		data[at] = kept;
	}
}

static int run_folder(const char *folder, int *files)
{
	DIR *directory = opendir(folder);
	if (!directory) {
		(void)fprintf(stderr, "%s: no such folder\n", folder);
		return -1;
	}
	int result = 0;
	for (struct dirent *entry = readdir(directory); entry && result == 0; entry = readdir(directory)) {
		if (!hc_ends_with(entry->d_name, ".yaml") && !hc_ends_with(entry->d_name, ".json"))
			continue;
		HC_AUTO_TEXT path = {0};
		struct hc_error err = {0};
		char *text = NULL;
		size_t length = 0;
		hc_text_printf(&path, "%s/%s", folder, entry->d_name);
		result = hc_file_read(path.data, HC_LIMIT_REQUEST_BODY_BYTES, &text, &length, &err);
		if (result < 0) {
			(void)fprintf(stderr, "%s: %s\n", path.data, err.text);
			break;
		}
		run_variants((uint8_t *)text, length);
		free(text);
		(*files)++;
	}
	(void)closedir(directory);
	return result;
}

int main(int argc, char **argv)
{
	int files = 0;
	for (int i = 1; i < argc; i++)
		if (run_folder(argv[i], &files) < 0)
			return 1;
	schema_unload();
	(void)printf("%d files\n", files);
	return files > 0 ? 0 : 1;
}
