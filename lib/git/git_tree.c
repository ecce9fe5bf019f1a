/* Reading the cache: places in a commit's tree by path, with symbolic links followed inside the tree; one
 * folder's list; one file; the check that a commit is whole. */
#include "git_internal.h"

#include <stdlib.h>
#include <string.h>

bool git_name_safe(const char *name)
{
	return name && name[0] != '\0' && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int git_path_clean(struct hc_arena *arena, const char *path, const char **ret_path, struct hc_error *err)
{
	char *clean;
	size_t used = 0;

	path = path ? path : "";
	if (strlen(path) > HC_LIMIT_GIT_PATH_BYTES)
		return hc_fail(err, HC_INVALID, "a path is longer than %d bytes", HC_LIMIT_GIT_PATH_BYTES);
	clean = hc_arena_alloc(arena, strlen(path) + 2);
	while (*path) {
		size_t length = strcspn(path, "/");

		if (length == 2 && memcmp(path, "..", 2) == 0) {
			char *slash;

			if (used == 0)
				return hc_fail(err, HC_INVALID, "path %s leaves the repository", clean[0] ? clean : "..");
			clean[used] = '\0';
			slash = strrchr(clean, '/');
			used = slash ? (size_t)(slash - clean) : 0;
		} else if (length > 0 && !(length == 1 && path[0] == '.')) {
			if (used > 0)
				clean[used++] = '/';
			memcpy(clean + used, path, length);
			used += length;
		}
		path += length;
		path += *path == '/';
	}
	clean[used] = '\0';
	*ret_path = clean;
	return 0;
}

int git_commit_open(struct git_cache *cache, const struct git_source *source, const char *commit,
					git_repository **ret_repository, struct hc_error *err)
{
	if (!git_id_valid(commit))
		return hc_fail(err, HC_INVALID, "\"%s\" is not a full commit id (40 lower-case hexadecimal digits)",
					   commit ? commit : "");
	return git_cache_use(cache, source, ret_repository, err);
}

static int root_of(git_repository *repository, const char *commit, git2_tree **ret_tree, struct hc_error *err)
{
	GIT_AUTO(commit) found = NULL;
	git_oid id;
	int code;

	if (git_oid_fromstr(&id, commit) < 0)
		return git_fail_library(err, HC_INVALID, -1, "commit");
	code = git_commit_lookup(&found, repository, &id);
	if (code == GIT_ENOTFOUND)
		return hc_fail(err, HC_NOT_FOUND, "commit %s is not there", commit);
	if (code < 0)
		return hc_fail(err, HC_INVALID, "%s is not a commit", commit);
	code = git_commit_tree(ret_tree, found);
	return code < 0 ? git_fail_library(err, HC_TRANSIENT, code, GIT_CACHE_BROKEN) : 0;
}

static int read_link(git_repository *repository, struct hc_arena *arena, const git_tree_entry *entry,
					 const char *path, const char **ret_target, struct hc_error *err)
{
	GIT_AUTO(blob) blob = NULL;
	int code = git_blob_lookup(&blob, repository, git_tree_entry_id(entry));
	git_object_size_t size;

	if (code < 0)
		return git_fail_library(err, HC_TRANSIENT, -1, GIT_CACHE_BROKEN);
	size = git_blob_rawsize(blob);
	if (size == 0 || size > HC_LIMIT_GIT_PATH_BYTES || memchr(git_blob_rawcontent(blob), '\0', (size_t)size))
		return hc_fail(err, HC_INVALID, "symbolic link %s has an unusable target", path);
	*ret_target = hc_arena_strndup(arena, git_blob_rawcontent(blob), (size_t)size);
	return (*ret_target)[0] == '/'
			   ? hc_fail(err, HC_INVALID, "symbolic link %s leads out of the repository (%s)", path,
						 *ret_target)
			   : 0;
}

/* One walk from the root. *ret_again is the path to start over with, when a link was met. */
static int walk_once(git_repository *repository, struct hc_arena *arena, git2_tree *root, const char *path,
					 struct git_place *place, const char **ret_again, struct hc_error *err)
{
	GIT_AUTO_TREE owned = NULL;
	const git2_tree *tree = root;
	const char *rest = path;

	*ret_again = NULL;
	git_oid_cpy(&place->id, git_tree_id(root));
	place->mode = GIT_FILEMODE_TREE;
	place->path = path;
	while (*rest) {
		size_t length = strcspn(rest, "/");
		const char *name = hc_arena_strndup(arena, rest, length);
		const char *so_far = hc_arena_strndup(arena, path, (size_t)(rest - path) + length);
		const git_tree_entry *entry = git_tree_entry_byname(tree, name);
		const char *target = NULL;

		rest += length + (rest[length] == '/');
		if (!entry)
			return hc_fail(err, HC_NOT_FOUND, "there is no %s in the repository", path);
		place->mode = git_tree_entry_filemode(entry);
		git_oid_cpy(&place->id, git_tree_entry_id(entry));
		if (place->mode == GIT_FILEMODE_LINK) {
			if (read_link(repository, arena, entry, so_far, &target, err))
				return -1;
			*ret_again = hc_arena_printf(arena, "%.*s%s/%s", (int)(strlen(so_far) - length), so_far, target,
										 rest);
			return 0;
		}
		if (*rest) {
			git2_tree *next = NULL;

			if (place->mode != GIT_FILEMODE_TREE)
				return hc_fail(err, HC_NOT_FOUND, "there is no %s in the repository: %s is no folder", path,
							   so_far);
			if (git_tree_lookup(&next, repository, &place->id) < 0)
				return git_fail_library(err, HC_TRANSIENT, -1, GIT_CACHE_BROKEN);
			git_tree_free(owned);
			tree = owned = next;
		}
	}
	return 0;
}

int git_place_find(git_repository *repository, struct hc_arena *arena, const char *commit, const char *path,
				   struct git_place *ret_place, struct hc_error *err)
{
	GIT_AUTO_TREE root = NULL;
	const char *again = path ? path : "";

	if (root_of(repository, commit, &root, err))
		return -1;
	for (int links = 0; again; links++) {
		if (links > HC_LIMIT_GIT_LINKS)
			return hc_fail(err, HC_INVALID, "%s leads through too many symbolic links", path);
		if (git_path_clean(arena, again, &again, err) ||
			walk_once(repository, arena, root, again, ret_place, &again, err))
			return -1;
	}
	return 0;
}

static int find_folder(struct git_cache *cache, struct hc_arena *arena, const struct git_source *source,
					   const char *commit, const char *path, git_repository **ret_repository,
					   struct git_place *ret_place, struct hc_error *err)
{
	if (git_commit_open(cache, source, commit, ret_repository, err) ||
		git_place_find(*ret_repository, arena, commit, path, ret_place, err))
		return -1;
	return ret_place->mode == GIT_FILEMODE_TREE
			   ? 0
			   : hc_fail(err, HC_NOT_FOUND, "%s in the repository is %s, not a folder", path,
						 ret_place->mode == GIT_FILEMODE_COMMIT ? "a submodule" : "a file");
}

int git_tree(struct git_cache *cache, struct hc_arena *arena, const struct git_source *source,
			 const char *commit, const char *path, const char **ret_tree, struct hc_error *err)
{
	git_repository *repository;
	struct git_place place;
	char *text;

	if (find_folder(cache, arena, source, commit, path, &repository, &place, err))
		return -1;
	text = hc_arena_alloc(arena, GIT_OID_HEXSZ + 1);
	git_oid_tostr(text, GIT_OID_HEXSZ + 1, &place.id);
	*ret_tree = text;
	return 0;
}

static int fill_entry(git_odb *odb, struct hc_arena *arena, const git_tree_entry *from,
					  struct git_entry *entry, struct hc_error *err)
{
	char *sha = hc_arena_alloc(arena, GIT_OID_HEXSZ + 1);
	size_t size = 0;
	git_object_t type;
	int code;

	git_oid_tostr(sha, GIT_OID_HEXSZ + 1, git_tree_entry_id(from));
	entry->name = hc_arena_strdup(arena, git_tree_entry_name(from));
	entry->sha = sha;
	entry->folder = git_tree_entry_filemode(from) == GIT_FILEMODE_TREE;
	if (git_tree_entry_type(from) != GIT_OBJECT_BLOB)
		return 0;
	code = git_odb_read_header(&size, &type, odb, git_tree_entry_id(from));
	entry->size = (int64_t)size;
	return code < 0 ? git_fail_library(err, HC_TRANSIENT, -1, GIT_CACHE_BROKEN) : 0;
}

int git_list(struct git_cache *cache, struct hc_arena *arena, const struct git_source *source,
			 const char *commit, const char *path, struct git_entry **ret_entries, size_t *ret_count,
			 struct hc_error *err)
{
	GIT_AUTO_TREE tree = NULL;
	GIT_AUTO(odb) odb = NULL;
	git_repository *repository;
	struct git_place place;
	size_t count;

	if (find_folder(cache, arena, source, commit, path, &repository, &place, err))
		return -1;
	if (git_tree_lookup(&tree, repository, &place.id) < 0 || git_repository_odb(&odb, repository) < 0)
		return git_fail_library(err, HC_TRANSIENT, -1, GIT_CACHE_BROKEN);
	count = git_tree_entrycount(tree);
	*ret_entries = hc_arena_alloc_array(arena, count + 1, sizeof **ret_entries);
	for (size_t i = 0; i < count; i++)
		if (fill_entry(odb, arena, git_tree_entry_byindex(tree, i), &(*ret_entries)[i], err))
			return -1;
	*ret_count = count;
	return 0;
}

int git_file(struct git_cache *cache, struct hc_arena *arena, const struct git_source *source,
			 const char *commit, const char *path, size_t max_bytes, const char **ret_data,
			 size_t *ret_length, struct hc_error *err)
{
	GIT_AUTO(blob) blob = NULL;
	GIT_AUTO(odb) odb = NULL;
	git_repository *repository;
	struct git_place place;
	size_t size = 0;
	git_object_t type;

	if (git_commit_open(cache, source, commit, &repository, err) ||
		git_place_find(repository, arena, commit, path, &place, err))
		return -1;
	if (place.mode != GIT_FILEMODE_BLOB && place.mode != GIT_FILEMODE_BLOB_EXECUTABLE)
		return hc_fail(err, HC_NOT_FOUND, "%s in the repository is %s, not a file", path,
					   place.mode == GIT_FILEMODE_COMMIT ? "a submodule" : "a folder");
	if (git_repository_odb(&odb, repository) < 0 || git_odb_read_header(&size, &type, odb, &place.id) < 0)
		return git_fail_library(err, HC_TRANSIENT, -1, GIT_CACHE_BROKEN);
	if (size > max_bytes)
		return hc_fail(err, HC_INVALID, "%s has %zu bytes, at most %zu are read", path, size, max_bytes);
	if (git_blob_lookup(&blob, repository, &place.id) < 0)
		return git_fail_library(err, HC_TRANSIENT, -1, GIT_CACHE_BROKEN);
	*ret_data = hc_arena_strndup(arena, "", 0);
	if (size > 0) {
		char *copy = hc_arena_alloc(arena, size + 1);

		memcpy(copy, git_blob_rawcontent(blob), size);
		*ret_data = copy;
	}
	*ret_length = size;
	return 0;
}

/* Depth first, with the path's depth bounded, so that a hostile tree of trees ends. */
static int verify_tree(git_repository *repository, git_odb *odb, const git_oid *id, int depth, int64_t *left,
					   struct hc_error *err)
{
	GIT_AUTO_TREE tree = NULL;
	size_t count;

	if (depth > HC_LIMIT_GIT_DEPTH)
		return hc_fail(err, HC_INVALID, "the repository's folders are nested deeper than %d",
					   HC_LIMIT_GIT_DEPTH);
	if (git_tree_lookup(&tree, repository, id) < 0)
		return git_fail_library(err, HC_TRANSIENT, -1, GIT_CACHE_BROKEN);
	count = git_tree_entrycount(tree);
	*left -= (int64_t)count;
	if (*left < 0)
		return hc_fail(err, HC_INVALID, "the repository has too many files");
	for (size_t i = 0; i < count; i++) {
		const git_tree_entry *entry = git_tree_entry_byindex(tree, i);
		git_object_t type = git_tree_entry_type(entry);

		if (type == GIT_OBJECT_TREE &&
			verify_tree(repository, odb, git_tree_entry_id(entry), depth + 1, left, err))
			return -1;
		if (type == GIT_OBJECT_BLOB &&
			!git_odb_exists_ext(odb, git_tree_entry_id(entry), GIT_ODB_LOOKUP_NO_REFRESH))
			return hc_fail(err, HC_TRANSIENT, "%s: file %s is absent", GIT_CACHE_BROKEN,
						   git_tree_entry_name(entry));
	}
	return 0;
}

int git_tree_verify(git_repository *repository, const char *commit, int64_t max_entries, struct hc_error *err)
{
	GIT_AUTO_TREE root = NULL;
	GIT_AUTO(odb) odb = NULL;
	int64_t left = max_entries;

	if (root_of(repository, commit, &root, err))
		return -1;
	if (git_repository_odb(&odb, repository) < 0)
		return git_fail_library(err, HC_TRANSIENT, -1, GIT_CACHE_BROKEN);
	if (verify_tree(repository, odb, git_tree_id(root), 0, &left, err))
		return left < 0 ? hc_fail(err, HC_INVALID, "the repository has more than %lld files and folders",
								  (long long)max_entries)
						: -1;
	return 0;
}
