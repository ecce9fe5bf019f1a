/* git_head and git_fetch. A commit counts as fetched when refs/fetched/SHA exists: that is written after
 * every object of its tree was seen. refs/latest is what the next fetch offers the server as known. */
#include "base/alloc.h"
#include "git_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LATEST "refs/latest"

static int check_branch(const char *branch, struct hc_error *err)
{
	HC_AUTO_FREE ref = hc_xprintf("refs/heads/%s", branch);
	int valid = 0;

	if (strlen(branch) > HC_LIMIT_GIT_BRANCH_BYTES)
		return hc_fail(err, HC_INVALID, "the branch's name is longer than %d bytes",
					   HC_LIMIT_GIT_BRANCH_BYTES);
	if (branch[0] == '-' || git_reference_name_is_valid(&valid, ref) < 0 || !valid)
		return hc_fail(err, HC_INVALID, "\"%s\" is not a name that a branch can have", branch);
	return 0;
}

int git_head(struct git_cache *cache, struct hc_arena *arena, const struct git_source *source,
			 const char *branch, const char **ret_commit, const char **ret_branch, struct hc_error *err)
{
	bool named = branch && branch[0] != '\0';
	const char *ref = named ? hc_arena_printf(arena, "refs/heads/%s", branch) : "HEAD";
	const char *id = NULL;
	const char *target = NULL;

	*ret_commit = *ret_branch = NULL;
	if (named && check_branch(branch, err))
		return -1;
	if (git_wire_refs(cache, arena, source, ref, &id, &target, err))
		return -1;
	if (!id && named)
		return hc_fail(err, HC_NOT_FOUND, "%s has no branch %s", source->url, branch);
	if (!id)
		return hc_fail(err, HC_NOT_FOUND,
					   "%s has no default branch yet: it is empty, or its HEAD names a branch "
					   "that does not exist; push a commit, or name a branch",
					   source->url);
	*ret_commit = id;
	if (named)
		*ret_branch = hc_arena_strdup(arena, branch);
	else
		*ret_branch = target && hc_starts_with(target, "refs/heads/") ? target + strlen("refs/heads/") : "";
	return 0;
}

/* Looked at each time: it costs milliseconds, and a cache that lost a file would fail each build for ever. */
static bool fetched_before(struct git_cache *cache, const char *commit)
{
	struct hc_error ignored;
	char name[64];
	git_oid id;

	(void)snprintf(name, sizeof name, "refs/fetched/%s", commit);
	return !git_cache_blamed(cache) && git_reference_name_to_id(&id, cache->repository, name) == 0 &&
		   git_tree_verify(cache->repository, commit, cache->limits.tree_entries, &ignored) == 0;
}

static int write_ref(git_repository *repository, const char *name, const git_oid *id, struct hc_error *err)
{
	git_reference *ref = NULL;
	int code = git_reference_create(&ref, repository, name, id, 1, NULL);

	git_reference_free(ref);
	return code < 0 ? git_fail_library(err, HC_TRANSIENT, code, "writing into the Git cache") : 0;
}

/* The list of commits whose parents are absent, as Git itself keeps it. */
static int write_shallow(git_repository *repository, const char *commit, struct hc_error *err)
{
	HC_AUTO_FREE path = hc_xprintf("%s/shallow", git_repository_path(repository));
	HC_AUTO_FREE line = hc_xprintf("%s\n", commit);
	HC_AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line))
		return hc_fail(err, HC_TRANSIENT, "writing into the Git cache: %m");
	return 0;
}

static int mark_fetched(git_repository *repository, const char *commit, struct hc_error *err)
{
	char name[64];
	git_oid id;

	(void)snprintf(name, sizeof name, "refs/fetched/%s", commit);
	if (git_oid_fromstr(&id, commit) < 0)
		return git_fail_library(err, HC_BUG, -1, "commit");
	if (write_shallow(repository, commit, err) || write_ref(repository, LATEST, &id, err))
		return -1;
	return write_ref(repository, name, &id, err);
}

static int fetch_once(struct git_cache *cache, struct hc_arena *arena, const struct git_source *source,
					  const char *commit, const char *have, struct hc_error *err)
{
	git_repository *repository = cache->repository;

	if (git_wire_fetch(cache, arena, source, repository, commit, have, err))
		return -1;
	if (git_tree_verify(repository, commit, cache->limits.tree_entries, err))
		return -1;
	return mark_fetched(repository, commit, err);
}

/* A cache that is broken or has many packs is thrown away: to fetch one commit again costs less than to
 * repair. */
static int fetch_locked(struct git_cache *cache, struct hc_arena *arena, const struct git_source *source,
						const char *commit, struct hc_error *err)
{
	char have[GIT_OID_HEXSZ + 1];
	bool renewed = false;
	git_oid id;

	if ((git_cache_packs(cache) >= HC_LIMIT_GIT_PACKS || git_cache_blamed(cache)) &&
		git_cache_renew(cache, source, &renewed, err))
		return -1;
	if (git_reference_name_to_id(&id, cache->repository, LATEST) < 0)
		return fetch_once(cache, arena, source, commit, NULL, err);
	git_oid_tostr(have, sizeof have, &id);
	if (fetch_once(cache, arena, source, commit, have, err) == 0)
		return 0;
	if (err->class != HC_TRANSIENT || !strstr(err->text, GIT_CACHE_BROKEN))
		return -1;
	if (git_cache_renew(cache, source, &renewed, err))
		return -1;
	return fetch_once(cache, arena, source, commit, NULL, err);
}

int git_fetch(struct git_cache *cache, struct hc_arena *arena, const struct git_source *source,
			  const char *commit, struct hc_error *err)
{
	git_repository *repository;
	struct hc_error own;
	int fd = -1;
	int result = 0;

	if (!err)
		err = &own;
	if (!git_id_valid(commit))
		return hc_fail(err, HC_INVALID, "\"%s\" is not a full commit id (40 lower-case hexadecimal digits)",
					   commit ? commit : "");
	if (git_url_check(&cache->rules, source->url, err) || git_cache_use(cache, source, &repository, err))
		return -1;
	if (fetched_before(cache, commit))
		return 0;
	if (git_cache_lock(cache, source, &fd, err))
		return -1;
	if (!fetched_before(cache, commit)) /* by the one we waited for */
		result = fetch_locked(cache, arena, source, commit, err);
	close(fd);
	if (result && err->class == HC_NOT_FOUND && strstr(err->text, "not our ref"))
		return hc_fail(err, HC_NOT_FOUND, "%s has no commit %s; was it pushed, or removed by a forced push?",
					   source->url, commit);
	if (result == 0)
		git_cache_trim(cache);
	return result;
}
