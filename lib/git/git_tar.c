/* One folder of a commit as a tar stream, by libarchive in the restricted pax format. Depth first over the
 * tree's objects; a file is loaded, written and forgotten, so memory is one file's at most. Times are the
 * commit's, as `git archive` does, so that the same commit gives the same bytes. */
#include "base/alloc.h"
#include "base/clock.h"
#include "git_internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TIME_MIN 315532800LL  /* 1980: ZIP files can't say less, and builds make some */
#define TIME_MAX 4102444800LL /* 2100 */

struct writer {
	struct git_cache *cache;
	const struct git_source *source;
	const struct git_tar *tar;
	git_repository *repository;
	git_odb *odb;
	struct archive *archive;
	struct archive_entry *entry;
	struct git_ignore *ignore; /* NULL: none */
	bool exceptions;
	time_t time;
	char path[HC_LIMIT_GIT_PATH_BYTES + 1]; /* of what is being written */
	size_t told;                            /* prefix of path whose folders are written */
	int64_t bytes;                          /* of the tar so far */
	int64_t entries;
	int64_t progress_ms;
	bool ended; /* nothing more goes out */
	struct hc_error *err;
};

/* Once the stream ended early, the rest is swallowed: libarchive frees its buffers only when it is closed in
 * good order. */
static la_ssize_t give(struct archive *archive, void *payload, const void *data, size_t length)
{
	struct writer *writer = payload;

	(void)archive;
	if (writer->ended)
		return (la_ssize_t)length;
	writer->bytes += (int64_t)length;
	if (writer->bytes > writer->cache->limits.tar_bytes) {
		writer->ended = true;
		(void)hc_fail(writer->err, HC_INVALID,
					  "the build context is larger than %" PRId64 " MiB; leave files out with .dockerignore",
					  writer->cache->limits.tar_bytes / (1024 * 1024));
	} else if (writer->tar->write(data, length, writer->tar->payload)) {
		writer->ended = true;
		(void)hc_fail(writer->err, HC_CANCELED, "canceled while the build context was sent");
	}
	return (la_ssize_t)length;
}

static int fail_archive(struct writer *writer)
{
	const char *text = archive_error_string(writer->archive);

	return hc_fail(writer->err, HC_BUG, "writing %s into a tar: %s", writer->path,
				   text ? text : "unknown error");
}

static void begin_entry(struct writer *writer, const char *name, unsigned type, unsigned mode, int64_t size)
{
	struct archive_entry *entry = archive_entry_clear(writer->entry);

	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, type);
	archive_entry_set_perm(entry, (mode_t)mode);
	archive_entry_set_size(entry, size);
	archive_entry_set_uid(entry, 0);
	archive_entry_set_gid(entry, 0);
	archive_entry_set_mtime(entry, writer->time, 0);
}

static int end_entry(struct writer *writer, const void *data, size_t size)
{
	int code = archive_write_header(writer->archive, writer->entry);

	/* A warning is about a name that is no UTF-8: its bytes are kept as they are. */
	if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
		return fail_archive(writer);
	if (size > 0 && archive_write_data(writer->archive, data, size) != (la_ssize_t)size)
		return fail_archive(writer);
	return writer->ended ? -1 : 0;
}

/* Folders above what is to be written that were not written yet: they are left out until something in them
 * stays. */
static int write_folders(struct writer *writer, size_t length)
{
	for (size_t at = writer->told; at < length; at++)
		if (writer->path[at] == '/') {
			HC_AUTO_FREE name = hc_xprintf("%.*s/", (int)at, writer->path);

			begin_entry(writer, name, AE_IFDIR, 0755, 0);
			if (end_entry(writer, NULL, 0))
				return -1;
			writer->told = at + 1;
		}
	return 0;
}

static int write_link(struct writer *writer, const git_blob *blob, size_t size)
{
	HC_AUTO_FREE target = hc_xalloc(size + 1);

	if (size > HC_LIMIT_GIT_PATH_BYTES || memchr(git_blob_rawcontent(blob), '\0', size) || size == 0)
		return hc_fail(writer->err, HC_INVALID, "symbolic link %s has an unusable target", writer->path);
	memcpy(target, git_blob_rawcontent(blob), size);
	begin_entry(writer, writer->path, AE_IFLNK, 0777, 0);
	archive_entry_set_symlink(writer->entry, target);
	return end_entry(writer, NULL, 0);
}

static bool is_lfs_pointer(const char *data, size_t size)
{
	static const char head[] = "version https://git-lfs.github.com/spec/v1\n";

	return size > sizeof head && size < 1024 && memcmp(data, head, sizeof head - 1) == 0 &&
		   memmem(data, size, "\noid sha256:", 12);
}

static int write_blob(struct writer *writer, const git_tree_entry *entry)
{
	GIT_AUTO(blob) blob = NULL;
	git_filemode_t mode = git_tree_entry_filemode(entry);
	size_t size = 0;
	git_object_t type;
	const char *data;

	if (git_odb_read_header(&size, &type, writer->odb, git_tree_entry_id(entry)) < 0)
		return git_fail_library(writer->err, HC_TRANSIENT, -1, GIT_CACHE_BROKEN);
	if ((int64_t)size > writer->cache->limits.blob_bytes)
		return hc_fail(writer->err, HC_INVALID, "file %s is larger than %" PRId64 " MiB", writer->path,
					   writer->cache->limits.blob_bytes / (1024 * 1024));
	if (git_blob_lookup(&blob, writer->repository, git_tree_entry_id(entry)) < 0)
		return git_fail_library(writer->err, HC_TRANSIENT, -1, GIT_CACHE_BROKEN);
	data = git_blob_rawcontent(blob);
	if (write_folders(writer, strlen(writer->path)))
		return -1;
	if (mode == GIT_FILEMODE_LINK)
		return write_link(writer, blob, size);
	if (is_lfs_pointer(data, size))
		return hc_fail(writer->err, HC_INVALID,
					   "file %s is kept in Git LFS, which is not fetched; put the file itself "
					   "into the repository, or leave it out with .dockerignore",
					   writer->path);
	begin_entry(writer, writer->path, AE_IFREG, mode == GIT_FILEMODE_BLOB_EXECUTABLE ? 0755 : 0644,
				(int64_t)size);
	return end_entry(writer, data, size);
}

static bool is_extra(const struct writer *writer)
{
	for (size_t i = 0; i < writer->tar->extra_count; i++)
		if (hc_streq(writer->tar->extra[i].name, writer->path))
			return true;
	return false;
}

static int tell_progress(struct writer *writer)
{
	int64_t now = hc_clock_boot_ms();
	char phrase[96];

	if (!writer->source->progress || now - writer->progress_ms < 1000)
		return 0;
	writer->progress_ms = now;
	(void)snprintf(phrase, sizeof phrase, "Packing the build context: %" PRId64 " files", writer->entries);
	return writer->source->progress(phrase, writer->source->payload)
			   ? hc_fail(writer->err, HC_CANCELED, "canceled while the build context was packed")
			   : 0;
}

static int walk(struct writer *writer, const git_oid *id, size_t base, int depth);

static int write_one(struct writer *writer, const git_tree_entry *entry, size_t base, int depth)
{
	const char *name = git_tree_entry_name(entry);
	size_t length = strlen(name);
	git_object_t type = git_tree_entry_type(entry);
	bool out;

	if (!git_name_safe(name) || base + length + 1 > HC_LIMIT_GIT_PATH_BYTES)
		return hc_fail(writer->err, HC_INVALID,
					   "the repository has a file whose name can't be used, in folder %.*s", (int)base,
					   base ? writer->path : "/");
	memcpy(writer->path + base, name, length + 1);
	if (writer->told > base)
		writer->told = base;
	if (++writer->entries > writer->cache->limits.tree_entries)
		return hc_fail(writer->err, HC_INVALID, "the build context has more than %" PRId64 " files",
					   writer->cache->limits.tree_entries);
	if (tell_progress(writer))
		return -1;
	out = is_extra(writer) || (writer->ignore && git_ignore_match(writer->ignore, writer->path));
	if (type == GIT_OBJECT_TREE) {
		if (is_extra(writer) || (out && !writer->exceptions))
			return 0;
		writer->path[base + length] = '/';
		writer->path[base + length + 1] = '\0';
		if (!out && write_folders(writer, base + length + 1))
			return -1;
		return walk(writer, git_tree_entry_id(entry), base + length + 1, depth + 1);
	}
	if (out)
		return 0;
	if (type == GIT_OBJECT_COMMIT)
		return hc_fail(writer->err, HC_INVALID,
					   "folder %s is a Git submodule, which is not fetched; put its files into "
					   "the repository, or leave it out with .dockerignore",
					   writer->path);
	return type == GIT_OBJECT_BLOB
			   ? write_blob(writer, entry)
			   : hc_fail(writer->err, HC_INVALID, "%s is of an unknown kind", writer->path);
}

/* base: length of the path of the folder, with its slash. */
static int walk(struct writer *writer, const git_oid *id, size_t base, int depth)
{
	GIT_AUTO_TREE tree = NULL;
	size_t count;

	if (depth > HC_LIMIT_GIT_DEPTH)
		return hc_fail(writer->err, HC_INVALID, "folder %s is nested deeper than %d", writer->path,
					   HC_LIMIT_GIT_DEPTH);
	if (git_tree_lookup(&tree, writer->repository, id) < 0)
		return git_fail_library(writer->err, HC_TRANSIENT, -1, GIT_CACHE_BROKEN);
	count = git_tree_entrycount(tree);
	for (size_t i = 0; i < count; i++)
		if (write_one(writer, git_tree_entry_byindex(tree, i), base, depth))
			return -1;
	if (writer->told > base)
		writer->told = base;
	return 0;
}

static int write_extra(struct writer *writer)
{
	for (size_t i = 0; i < writer->tar->extra_count; i++) {
		const struct git_extra_file *extra = &writer->tar->extra[i];

		(void)snprintf(writer->path, sizeof writer->path, "%s", extra->name);
		begin_entry(writer, extra->name, AE_IFREG, 0644, (int64_t)extra->length);
		if (end_entry(writer, extra->data, extra->length))
			return -1;
	}
	return 0;
}

/* An ignore file: an extra one wins; NOT_FOUND when there is none. */
static int read_ignore(struct writer *writer, struct hc_arena *arena, const char *root, const char *name,
					   struct git_ignore **ret_ignore)
{
	const char *path = hc_arena_printf(arena, "%s/%s", root, name);
	const char *data;
	size_t length;

	for (size_t i = 0; i < writer->tar->extra_count; i++)
		if (hc_streq(writer->tar->extra[i].name, name))
			return git_ignore_new(writer->tar->extra[i].data, writer->tar->extra[i].length, name, ret_ignore,
								  writer->err);
	if (git_file(writer->cache, arena, writer->source, writer->tar->commit, path, HC_LIMIT_GIT_IGNORE_BYTES,
				 &data, &length, writer->err))
		return -1;
	return git_ignore_new(data, length, name, ret_ignore, writer->err);
}

/* NAME.dockerignore beside the Dockerfile, else .dockerignore. What the engine itself needs stays: it removes
 * these two again when the rules say so. */
static int prepare_ignore(struct writer *writer, struct hc_arena *arena, const char *root)
{
	const char *dockerfile;
	const char *given = writer->tar->dockerfile;
	int result;

	if (git_path_clean(arena, given && given[0] ? given : "Dockerfile", &dockerfile, writer->err))
		return -1;
	result = read_ignore(writer, arena, root, hc_arena_printf(arena, "%s.dockerignore", dockerfile),
						 &writer->ignore);
	if (result && writer->err->class == HC_NOT_FOUND)
		result = read_ignore(writer, arena, root, ".dockerignore", &writer->ignore);
	if (result)
		return writer->err->class == HC_NOT_FOUND ? 0 : -1;
	writer->exceptions = git_ignore_exceptions(writer->ignore);
	if (git_ignore_match(writer->ignore, dockerfile)) {
		git_ignore_add(writer->ignore, dockerfile, true);
		writer->exceptions = writer->exceptions || strchr(dockerfile, '/');
	}
	if (git_ignore_match(writer->ignore, ".dockerignore"))
		git_ignore_add(writer->ignore, ".dockerignore", true);
	return 0;
}

static int read_time(struct writer *writer)
{
	GIT_AUTO(commit) commit = NULL;
	git_oid id;
	git_time_t time;

	if (git_oid_fromstr(&id, writer->tar->commit) < 0 ||
		git_commit_lookup(&commit, writer->repository, &id) < 0)
		return git_fail_library(writer->err, HC_TRANSIENT, -1, GIT_CACHE_BROKEN);
	time = git_commit_time(commit);
	writer->time = (time_t)(time < TIME_MIN ? TIME_MIN : time > TIME_MAX ? TIME_MAX : time);
	return 0;
}

static int write_archive(struct writer *writer, const git_oid *root)
{
	int result = -1;

	writer->archive = archive_write_new();
	writer->entry = archive_entry_new();
	if (!writer->archive || !writer->entry)
		abort();
	if (archive_write_set_format_pax_restricted(writer->archive) == ARCHIVE_OK &&
		archive_write_set_bytes_per_block(writer->archive, 65536) == ARCHIVE_OK &&
		archive_write_set_bytes_in_last_block(writer->archive, 512) == ARCHIVE_OK &&
		archive_write_open(writer->archive, writer, NULL, give, NULL) == ARCHIVE_OK)
		result = walk(writer, root, 0, 0) || write_extra(writer);
	else
		(void)fail_archive(writer);
	writer->ended = writer->ended || result;
	if (archive_write_close(writer->archive) != ARCHIVE_OK && result == 0)
		result = fail_archive(writer);
	result = result || writer->ended;
	archive_entry_free(writer->entry);
	archive_write_free(writer->archive);
	return result ? -1 : 0;
}

static int check_extra(const struct git_tar *tar, struct hc_arena *arena, struct hc_error *err)
{
	const char *clean;

	for (size_t i = 0; i < tar->extra_count; i++) {
		if (git_path_clean(arena, tar->extra[i].name, &clean, err))
			return -1;
		if (!hc_streq(clean, tar->extra[i].name) || clean[0] == '\0')
			return hc_fail(err, HC_BUG, "extra file %s is no plain path", tar->extra[i].name);
	}
	return 0;
}

int git_tar(struct git_cache *cache, struct hc_arena *arena, const struct git_source *source,
			const struct git_tar *tar, struct hc_error *err)
{
	struct hc_error own;
	struct writer writer = {.cache = cache, .source = source, .tar = tar, .err = err ? err : &own};
	GIT_AUTO(odb) odb = NULL;
	struct git_place place;
	locale_t mine;
	locale_t before;
	int result;

	writer.progress_ms = hc_clock_boot_ms();
	if (check_extra(tar, arena, writer.err) ||
		git_commit_open(cache, source, tar->commit, &writer.repository, writer.err) ||
		git_place_find(writer.repository, arena, tar->commit, tar->path, &place, writer.err))
		return -1;
	if (place.mode != GIT_FILEMODE_TREE)
		return hc_fail(writer.err, HC_NOT_FOUND, "%s in the repository is not a folder", tar->path);
	if (git_repository_odb(&odb, writer.repository) < 0)
		return git_fail_library(writer.err, HC_TRANSIENT, -1, GIT_CACHE_BROKEN);
	writer.odb = odb;
	if (read_time(&writer) || prepare_ignore(&writer, arena, place.path)) {
		git_ignore_free(writer.ignore);
		return -1;
	}
	/* libarchive asks the thread's locale how names are written; in "C" it would mark those beyond ASCII. */
	mine = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	before = mine ? uselocale(mine) : (locale_t)0;
	result = write_archive(&writer, &place.id);
	if (result)
		git_cache_blame(cache, writer.err);
	if (mine) {
		uselocale(before);
		freelocale(mine);
	}
	git_ignore_free(writer.ignore);
	return result;
}
