/* See manifest.h. */
#include "manifest.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "client.h"
#include "command.h"
#include "schema/schema.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int add_text(struct manifest *manifest, const char *source, const char *text, size_t length,
					struct hc_error *err)
{
	struct schema_documents documents = {0};

	if (schema_documents_parse(text, length, &documents, err))
		return hc_wrap(err, "%s", source);
	for (size_t index = 0; index < documents.count; index++) {
		manifest->items = hc_xrealloc_array(manifest->items, manifest->count + 1, sizeof *manifest->items);
		manifest->items[manifest->count++] = (struct manifest_item){
			.object = json_incref(documents.items[index].value),
			.source = hc_xprintf("%s:%d", source, documents.items[index].line),
		};
	}
	schema_documents_done(&documents);
	return 0;
}

static int add_file(struct manifest *manifest, const char *path, struct hc_error *err)
{
	HC_AUTO_FREE text = NULL;
	size_t length;

	if (hc_file_read(path, HC_LIMIT_REQUEST_BODY_BYTES, &text, &length, err))
		return -1;
	return add_text(manifest, path, text, length, err);
}

static int is_manifest(const struct dirent *entry)
{
	return entry->d_name[0] != '.' &&
		   (hc_ends_with(entry->d_name, ".yaml") || hc_ends_with(entry->d_name, ".yml") ||
			hc_ends_with(entry->d_name, ".json"));
}

static int add_folder(struct manifest *manifest, const char *path, struct hc_error *err)
{
	struct dirent **entries;
	int count = scandir(path, &entries, is_manifest, alphasort);
	int result = 0;

	if (count < 0)
		return hc_fail(err, HC_INVALID, "%s: the folder can't be read", path);
	for (int index = 0; index < count; index++) {
		HC_AUTO_FREE file = hc_xprintf("%s/%s", path, entries[index]->d_name);

		if (!result)
			result = add_file(manifest, file, err);
		free(entries[index]);
	}
	free(entries);
	if (!result && !count)
		return hc_fail(err, HC_INVALID, "%s: no *.yaml, *.yml or *.json in this folder", path);
	return result;
}

static int add_standard_input(struct manifest *manifest, struct hc_error *err)
{
	HC_AUTO_TEXT text = {0};
	char piece[8192];
	size_t got;

	while ((got = fread(piece, 1, sizeof piece, stdin)) > 0) {
		hc_text_append_bytes(&text, piece, got);
		if (text.length > HC_LIMIT_REQUEST_BODY_BYTES)
			return hc_fail(err, HC_INVALID, "standard input: more than %u bytes",
						   HC_LIMIT_REQUEST_BODY_BYTES);
	}
	return add_text(manifest, "standard input", hc_text_string(&text), text.length, err);
}

static int add_path(struct manifest *manifest, const char *path, struct hc_error *err)
{
	struct stat status;

	if (strcmp(path, "-") == 0)
		return add_standard_input(manifest, err);
	if (stat(path, &status))
		return hc_fail(err, HC_INVALID, "%s: there is no such file or folder", path);
	return S_ISDIR(status.st_mode) ? add_folder(manifest, path, err) : add_file(manifest, path, err);
}

int manifest_read(const struct arguments *arguments, struct manifest *ret_manifest)
{
	struct hc_error err = {0};

	*ret_manifest = (struct manifest){0};
	if (!arguments->file_count) {
		fputs("helvetia: name a manifest with -f FILE, a folder with -f DIR, or -f - for standard input\n",
			  stderr);
		return COMMAND_USAGE;
	}
	for (size_t index = 0; index < arguments->file_count; index++) {
		if (add_path(ret_manifest, arguments->files[index], &err)) {
			manifest_done(ret_manifest);
			fprintf(stderr, "helvetia: %s\n", err.text);
			return COMMAND_INVALID;
		}
	}
	if (!ret_manifest->count) {
		fputs("helvetia: the manifest holds no document\n", stderr);
		return COMMAND_INVALID;
	}
	return COMMAND_DONE;
}

void manifest_done(struct manifest *manifest)
{
	for (size_t index = 0; index < manifest->count; index++) {
		json_decref(manifest->items[index].object);
		free(manifest->items[index].source);
	}
	free(manifest->items);
	*manifest = (struct manifest){0};
}
