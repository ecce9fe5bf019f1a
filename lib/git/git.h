/* Git sources: one commit by sha or a branch's head, out of a bare cache a repository, and its tree as a tar
 * stream. libgit2 for objects; HTTP goes through libcurl (one place for address rules, caps and time limits).
 * No git program, no shell, no work tree. Blocking; one struct git_cache per thread. Texts live in the
 * caller's arena.
 *
 * Classes: INVALID (URL not allowed, malformed), NOT_FOUND (no such repository, branch, commit, path; the
 * text says which), DENIED (the host wants credentials or refuses them), TRANSIENT (host away, time-out,
 * 5xx), and INVALID again, final, for a cap that was passed (repository larger than …). Credentials appear in
 * no text. */
#ifndef GIT_H
#define GIT_H

#include "base/arena.h"
#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

struct git_limits {
	int64_t fetch_bytes;  /* of one answer; 0: 2 GiB */
	int64_t blob_bytes;   /* of one file; 0: 256 MiB: loaded whole */
	int64_t tree_entries; /* 0: 200000 */
	int64_t tar_bytes;    /* 0: 4 GiB */
	int64_t cache_bytes;  /* of all caches together, least used go first; 0: 10 GiB */
	int connect_ms;       /* 0: 10000 */
	int total_ms;         /* of one HTTP exchange; 0: 600000 */
	int stalled_ms;       /* without a byte; 0: 30000 */
};

struct git_options {
	const char *folder; /* of the caches; made when absent; one bare repository a (namespace, URL) below it */
	/* Allowed URL prefixes of the operator, NULL-terminated; NULL or empty: https:// to public addresses
	 * only. A URL that matches a listed prefix may lead to private and loopback addresses; any other must be
	 * https:// and every address that it resolves to public (checked at connect, so that a name can't change
	 * in between); redirects keep to the same host. */
	const char *const *allowed_prefixes;
	const char *ca_file; /* NULL: the system's */
	struct git_limits limits;
};
struct git_credentials {
	const char *username; /* NULL: "x-access-token" when there is a password */
	const char *password; /* NULL: none */
};

struct git_cache;
int git_cache_open(const struct git_options *options, struct git_cache **ret_cache, struct hc_error *err)
	HC_MUST_CHECK;
void git_cache_close(struct git_cache *cache);
HC_DEFINE_CLEANUP(git_cache, git_cache_close)

/* The rule on URLs alone, no network: scheme, no credentials, no ext::, no leading dash, allowed by prefix.
 */
int git_url_check(const struct git_options *options, const char *url, struct hc_error *err) HC_MUST_CHECK;

struct git_source {
	const char *tenant; /* uid of the namespace: caches are not shared between tenants */
	const char *url;
	const struct git_credentials *credentials; /* NULL: none */
	/* Called about each second of a long fetch with one phrase; non-zero ends with CANCELED. May be NULL. */
	int (*progress)(const char *phrase, void *payload);
	void *payload;
};

/* Head of a branch ("" or NULL: the remote's HEAD): 40 hexadecimal digits; the branch's name as *ret_branch.
 */
int git_head(struct git_cache *cache, struct hc_arena *arena, const struct git_source *source,
			 const char *branch, const char **ret_commit, const char **ret_branch, struct hc_error *err)
	HC_MUST_CHECK;
/* Makes the commit's whole tree available in the cache; no network when it is there already. Full 40-digit
 * sha. */
int git_fetch(struct git_cache *cache, struct hc_arena *arena, const struct git_source *source,
			  const char *commit, struct hc_error *err) HC_MUST_CHECK;

struct git_entry {
	const char *name; /* of one level */
	const char *sha;
	int64_t size; /* of a file; 0 else */
	bool folder;
};
/* After git_fetch. Sha of the tree at path ("" or NULL: the root). */
int git_tree(struct git_cache *cache, struct hc_arena *arena, const struct git_source *source,
			 const char *commit, const char *path, const char **ret_tree, struct hc_error *err) HC_MUST_CHECK;
/* One level of the folder at path, sorted as Git sorts. */
int git_list(struct git_cache *cache, struct hc_arena *arena, const struct git_source *source,
			 const char *commit, const char *path, struct git_entry **ret_entries, size_t *ret_count,
			 struct hc_error *err) HC_MUST_CHECK;
/* One file, NUL-terminated beside its length. INVALID when larger than max_bytes. Symbolic links are followed
 * inside the tree only. */
int git_file(struct git_cache *cache, struct hc_arena *arena, const struct git_source *source,
			 const char *commit, const char *path, size_t max_bytes, const char **ret_data,
			 size_t *ret_length, struct hc_error *err) HC_MUST_CHECK;

struct git_extra_file {
	const char *name; /* in the tar; wins over a file of the tree */
	const char *data;
	size_t length;
};
struct git_tar {
	const char *commit;
	const char *path;       /* folder that becomes the tar's root; NULL or "": the repository */
	const char *dockerfile; /* never excluded by .dockerignore, as `docker build`; NULL: "Dockerfile" */
	const struct git_extra_file *extra; /* a generated Dockerfile */
	size_t extra_count;
	/* Takes the bytes; non-zero ends with CANCELED. */
	int (*write)(const void *data, size_t length, void *payload);
	void *payload;
};
/* Streams the tree as tar: modes and symbolic links kept, fixed times (deterministic), .dockerignore obeyed
 * (Docker's rules, also NAME.dockerignore beside the Dockerfile), flat memory. Submodules: INVALID with a
 * sentence (not fetched yet); Git LFS pointers: INVALID naming the file. */
int git_tar(struct git_cache *cache, struct hc_arena *arena, const struct git_source *source,
			const struct git_tar *tar, struct hc_error *err) HC_MUST_CHECK;

#endif
