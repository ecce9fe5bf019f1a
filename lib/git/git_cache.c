/* The caches on disk: FOLDER/TENANT/HASH.git, bare, one a (tenant, URL), HASH by the URL. Beside each two
 * lock files: HASH.use is held shared while the repository is in use and exclusive to remove it; its time
 * tells the last use. HASH.fetch is held exclusive by the one who fetches. Readers need no lock against a
 * fetch, since that only adds packs. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "git_internal.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_LOOK_MS 50

int git_fail_library(struct hc_error *err, enum hc_class class, int code, const char *what)
{
	const git_error *last = git_error_last();

	return hc_fail(err, code == GIT_ENOTFOUND ? HC_NOT_FOUND : class, "%s: %s", what,
				   last && last->message ? last->message : "unknown error of libgit2");
}

char *git_clean(struct hc_arena *arena, const char *text, size_t length)
{
	char *clean;

	if (length > 300)
		length = 300;
	clean = hc_arena_strndup(arena, text, length);
	for (char *at = clean; *at; at++)
		if ((unsigned char)*at < ' ' || (unsigned char)*at >= 0x7f)
			*at = ' ';
	for (size_t end = strlen(clean); end > 0 && clean[end - 1] == ' '; end--)
		clean[end - 1] = '\0';
	return clean;
}

bool git_id_valid(const char *text)
{
	size_t length = 0;

	if (!text)
		return false;
	for (; text[length]; length++)
		if (!isdigit((unsigned char)text[length]) && (text[length] < 'a' || text[length] > 'f'))
			return false;
	return length == GIT_OID_HEXSZ;
}

static void copy_limits(struct git_limits *to, const struct git_limits *from)
{
	*to = *from;
	if (to->fetch_bytes <= 0)
		to->fetch_bytes = HC_LIMIT_GIT_FETCH_BYTES;
	if (to->blob_bytes <= 0)
		to->blob_bytes = HC_LIMIT_GIT_BLOB_BYTES;
	if (to->tree_entries <= 0)
		to->tree_entries = HC_LIMIT_GIT_TREE_ENTRIES;
	if (to->tar_bytes <= 0)
		to->tar_bytes = HC_LIMIT_GIT_TAR_BYTES;
	if (to->cache_bytes <= 0)
		to->cache_bytes = HC_LIMIT_GIT_CACHE_BYTES;
	if (to->connect_ms <= 0)
		to->connect_ms = HC_LIMIT_GIT_CONNECT_MS;
	if (to->total_ms <= 0)
		to->total_ms = HC_LIMIT_GIT_TOTAL_MS;
	if (to->stalled_ms <= 0)
		to->stalled_ms = HC_LIMIT_GIT_STALLED_MS;
}

static int check_prefixes(const struct git_options *options, struct hc_error *err)
{
	struct git_url parts;

	for (const char *const *each = options->allowed_prefixes; each && *each; each++)
		if (git_url_read(*each, &parts, err))
			return hc_wrap(err, "allowed repository prefix %s", *each);
	return 0;
}

/* Nothing of the machine's or a person's configuration of Git has a say here. */
static int start_library(struct hc_error *err)
{
	static const int levels[] = {GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG,
								 GIT_CONFIG_LEVEL_GLOBAL};

	if (git_libgit2_init() < 0)
		return git_fail_library(err, HC_BUG, -1, "starting libgit2");
	for (size_t i = 0; i < HC_COUNT(levels); i++)
		git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], "");
	git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
	git_libgit2_opts(GIT_OPT_SET_MWINDOW_SIZE, (size_t)32 * 1024 * 1024);
	git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, (size_t)256 * 1024 * 1024);
	return 0;
}

int git_cache_open(const struct git_options *options, struct git_cache **ret_cache, struct hc_error *err)
{
	struct git_cache *cache;
	size_t count = 0;

	*ret_cache = NULL;
	if (check_prefixes(options, err))
		return -1;
	if (hc_folder_make(options->folder, 0700, err))
		return hc_wrap(err, "folder of the Git caches");
	if (start_library(err))
		return -1;
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	cache = hc_xalloc(sizeof *cache);
	copy_limits(&cache->limits, &options->limits);
	cache->folder = hc_xstrdup(options->folder);
	cache->ca_file = hc_xstrdup(options->ca_file);
	cache->use_fd = -1;
	while (options->allowed_prefixes && options->allowed_prefixes[count])
		count++;
	cache->prefixes = hc_xalloc((count + 1) * sizeof *cache->prefixes);
	for (size_t i = 0; i < count; i++)
		cache->prefixes[i] = hc_xstrdup(options->allowed_prefixes[i]);
	cache->rules.allowed_prefixes = (const char *const *)cache->prefixes;
	*ret_cache = cache;
	return 0;
}

static void leave(struct git_cache *cache)
{
	git_repository_free(cache->repository);
	cache->repository = NULL;
	free(hc_take(&cache->name));
	if (cache->use_fd >= 0)
		close(cache->use_fd);
	cache->use_fd = -1;
}

void git_cache_close(struct git_cache *cache)
{
	if (!cache)
		return;
	leave(cache);
	if (cache->easy)
		curl_easy_cleanup(cache->easy);
	free(cache->easy_for);
	for (char **each = cache->prefixes; *each; each++)
		free(*each);
	free(cache->prefixes);
	free(cache->folder);
	free(cache->ca_file);
	free(cache);
	curl_global_cleanup();
	git_libgit2_shutdown();
}

static int make_name(const struct git_source *source, char **ret_name, struct hc_error *err)
{
	char hash[GIT_OID_HEXSZ + 1];
	const char *tenant = source->tenant;
	git_oid id;

	if (!tenant || tenant[0] == '\0' || strlen(tenant) > HC_LIMIT_NAME_BYTES)
		return hc_fail(err, HC_BUG, "a Git source without a tenant");
	for (const char *at = tenant; *at; at++)
		if (!isalnum((unsigned char)*at) && *at != '-')
			return hc_fail(err, HC_BUG, "tenant %s is no uid", tenant);
	if (git_odb_hash(&id, source->url, strlen(source->url), GIT_OBJECT_BLOB) < 0)
		return git_fail_library(err, HC_BUG, -1, "hashing the URL");
	git_oid_tostr(hash, sizeof hash, &id);
	*ret_name = hc_xprintf("%s/%s", tenant, hash);
	return 0;
}

static int open_lock(const char *path, int *ret_fd, struct hc_error *err)
{
	*ret_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return *ret_fd >= 0 ? 0 : hc_fail(err, HC_TRANSIENT, "%s: %s", path, strerror(errno));
}

/* Waits with looks, so that a cancel is heard and a wait ends. */
static int take_lock(const struct git_cache *cache, const struct git_source *source, int fd, int kind,
					 struct hc_error *err)
{
	int64_t began_ms = hc_clock_boot_ms();
	int64_t told_ms = began_ms;

	while (flock(fd, kind | LOCK_NB) != 0) {
		int64_t now = hc_clock_boot_ms();

		if (errno != EWOULDBLOCK && errno != EINTR)
			return hc_fail(err, HC_TRANSIENT, "lock of the Git cache: %s", strerror(errno));
		if (now - began_ms > cache->limits.total_ms)
			return hc_fail(err, HC_TRANSIENT, "another fetch of %s holds the cache", source->url);
		if (now - told_ms >= 1000 && source->progress) {
			told_ms = now;
			if (source->progress("Waiting for another fetch of this repository", source->payload))
				return hc_fail(err, HC_CANCELED, "canceled while waiting for another fetch");
		}
		usleep(LOCK_LOOK_MS * 1000);
	}
	return 0;
}

static int open_repository(struct git_cache *cache, struct hc_error *err)
{
	HC_AUTO_FREE path = hc_xprintf("%s/%s.git", cache->folder, cache->name);
	git_repository_init_options options = {.version = GIT_REPOSITORY_INIT_OPTIONS_VERSION};
	int code = git_repository_open_ext(&cache->repository, path,
									   GIT_REPOSITORY_OPEN_BARE | GIT_REPOSITORY_OPEN_NO_SEARCH, NULL);

	if (code == 0)
		return 0;
	options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_NO_REINIT | GIT_REPOSITORY_INIT_MKDIR;
	code = git_repository_init_ext(&cache->repository, path, &options);
	if (code == GIT_EEXISTS) { /* another process made it in between */
		code = git_repository_open_ext(&cache->repository, path,
									   GIT_REPOSITORY_OPEN_BARE | GIT_REPOSITORY_OPEN_NO_SEARCH, NULL);
	}
	return code < 0 ? git_fail_library(err, HC_TRANSIENT, code, "opening the Git cache") : 0;
}

int git_cache_use(struct git_cache *cache, const struct git_source *source, git_repository **ret_repository,
				  struct hc_error *err)
{
	HC_AUTO_FREE name = NULL;
	HC_AUTO_FREE folder = NULL;
	HC_AUTO_FREE path = NULL;

	if (make_name(source, &name, err))
		return -1;
	if (!cache->repository || !hc_streq(cache->name, name)) {
		leave(cache);
		folder = hc_xprintf("%s/%s", cache->folder, source->tenant);
		path = hc_xprintf("%s/%s.use", cache->folder, name);
		if (hc_folder_make(folder, 0700, err) || open_lock(path, &cache->use_fd, err) ||
			take_lock(cache, source, cache->use_fd, LOCK_SH, err))
			return -1;
		(void)futimens(cache->use_fd, NULL);
		cache->name = hc_take(&name);
		if (open_repository(cache, err))
			return -1;
	}
	*ret_repository = cache->repository;
	return 0;
}

/* To change a lock's kind may lose it for a moment, in which another process may take the repository away: so
 * it is opened anew in any case. */
int git_cache_renew(struct git_cache *cache, const struct git_source *source, bool *ret_done,
					struct hc_error *err)
{
	HC_AUTO_FREE path = hc_xprintf("%s/%s.git", cache->folder, cache->name);

	git_repository_free(cache->repository);
	cache->repository = NULL;
	*ret_done = flock(cache->use_fd, LOCK_EX | LOCK_NB) == 0;
	if ((*ret_done && hc_folder_remove(path, err)) || take_lock(cache, source, cache->use_fd, LOCK_SH, err))
		return -1;
	return open_repository(cache, err);
}

#define BROKEN "helvetia-broken"

void git_cache_blame(struct git_cache *cache, const struct hc_error *err)
{
	HC_AUTO_FREE path = NULL;
	struct hc_error ignored;

	if (!cache->repository || !err || !strstr(err->text, GIT_CACHE_BROKEN))
		return;
	path = hc_xprintf("%s" BROKEN, git_repository_path(cache->repository));
	if (hc_file_write(path, "", 0, 0600, &ignored))
		return; /* then the next one to read it says it again */
}

bool git_cache_blamed(const struct git_cache *cache)
{
	HC_AUTO_FREE path = hc_xprintf("%s" BROKEN, git_repository_path(cache->repository));

	return hc_file_exists(path);
}

int git_cache_lock(struct git_cache *cache, const struct git_source *source, int *ret_fd,
				   struct hc_error *err)
{
	HC_AUTO_FREE path = hc_xprintf("%s/%s.fetch", cache->folder, cache->name);

	if (open_lock(path, ret_fd, err))
		return -1;
	if (take_lock(cache, source, *ret_fd, LOCK_EX, err) == 0)
		return 0;
	close(*ret_fd);
	*ret_fd = -1;
	return -1;
}

/* Bytes of the packs and their number. */
static int64_t measure(const char *repository, size_t *ret_packs)
{
	HC_AUTO_FREE path = hc_xprintf("%s/objects/pack", repository);
	DIR *folder = opendir(path);
	struct dirent *entry;
	struct stat facts;
	int64_t bytes = 0;

	*ret_packs = 0;
	if (!folder)
		return 0;
	while ((entry = readdir(folder))) {
		*ret_packs += hc_ends_with(entry->d_name, ".pack");
		if (fstatat(dirfd(folder), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(facts.st_mode))
			bytes += facts.st_size;
	}
	closedir(folder);
	return bytes;
}

size_t git_cache_packs(struct git_cache *cache)
{
	HC_AUTO_FREE path = hc_xprintf("%s/%s.git", cache->folder, cache->name);
	size_t packs;

	(void)measure(path, &packs);
	return packs;
}

struct cached {
	char *path; /* without .git */
	int64_t bytes;
	int64_t used; /* nanoseconds */
};
struct cached_list {
	struct cached *items;
	size_t count;
	int64_t bytes;
};

static void list_tenant(const char *folder, struct cached_list *list)
{
	DIR *entries = opendir(folder);
	struct dirent *entry;

	if (!entries)
		return;
	while ((entry = readdir(entries))) {
		HC_AUTO_FREE repository = NULL;
		struct stat facts;
		struct cached *cached;
		size_t packs;
		size_t length = strlen(entry->d_name);

		if (!hc_ends_with(entry->d_name, ".use") ||
			fstatat(dirfd(entries), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		list->items = hc_xrealloc_array(list->items, list->count + 1, sizeof *list->items);
		cached = &list->items[list->count++];
		cached->path = hc_xprintf("%s/%.*s", folder, (int)(length - 4), entry->d_name);
		repository = hc_xprintf("%s.git", cached->path);
		cached->bytes = measure(repository, &packs);
		cached->used = (int64_t)facts.st_mtim.tv_sec * 1000000000 + facts.st_mtim.tv_nsec;
		list->bytes += cached->bytes;
	}
	closedir(entries);
}

static int by_use(const void *left, const void *right)
{
	int64_t a = ((const struct cached *)left)->used;
	int64_t b = ((const struct cached *)right)->used;

	return (a > b) - (a < b);
}

/* The lock files stay: to remove one while somebody waits at it would give two different locks. */
static bool remove_cached(const struct cached *cached)
{
	HC_AUTO_FREE lock = hc_xprintf("%s.use", cached->path);
	HC_AUTO_FREE repository = hc_xprintf("%s.git", cached->path);
	struct hc_error ignored;
	HC_AUTO_FD fd = open(lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0)
		return false;
	return hc_folder_remove(repository, &ignored) == 0;
}

void git_cache_trim(struct git_cache *cache)
{
	struct cached_list list = {0};
	DIR *tenants = opendir(cache->folder);
	struct dirent *entry;

	if (!tenants)
		return;
	while ((entry = readdir(tenants)))
		if (entry->d_name[0] != '.') {
			HC_AUTO_FREE folder = hc_xprintf("%s/%s", cache->folder, entry->d_name);

			list_tenant(folder, &list);
		}
	closedir(tenants);
	if (list.count > 1)
		qsort(list.items, list.count, sizeof *list.items, by_use);
	for (size_t i = 0; i < list.count; i++) {
		if (list.bytes > cache->limits.cache_bytes && list.items[i].bytes > 0 &&
			remove_cached(&list.items[i]))
			list.bytes -= list.items[i].bytes;
		free(list.items[i].path);
	}
	free(list.items);
}
