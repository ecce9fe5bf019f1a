/* Parts of lib/git for one another: the cache's struct, HTTP exchange, pkt-lines, refs, trees, ignore rules.
 * Texts in errors never hold credentials: a URL with credentials is refused before anything else, and the
 * password goes to libcurl alone. */
#ifndef GIT_INTERNAL_H
#define GIT_INTERNAL_H

#include "base/limits.h"
#include "base/text.h"
#include "git.h"

#include <curl/curl.h>
/* libgit2 has a type of the name of our function git_tree(); here it is called git2_tree. */
#define git_tree git2_tree
#include <git2.h>
#undef git_tree
#include <sys/socket.h>

struct git_cache {
	struct git_limits limits; /* defaults filled in */
	char *folder;
	char *ca_file;            /* or NULL */
	char **prefixes;          /* NULL-terminated */
	struct git_options rules; /* the copied prefixes, for git_url_check */

	/* The repository in use. Its `use` lock is held (shared), so that nobody clears it away. */
	git_repository *repository;
	char *name; /* tenant/hash */
	int use_fd;

	/* The HTTP connection, kept for one (tenant, URL) only: what may be connected to depends on the URL. */
	CURL *easy;
	char *easy_for;
};

/* Repository of the source, opened or made; the one that was open before is closed. Borrowed. */
int git_cache_use(struct git_cache *cache, const struct git_source *source, git_repository **ret_repository,
				  struct hc_error *err) HC_MUST_CHECK;
/* Empties the repository in use and opens it again; *ret_done false when another process uses it. */
int git_cache_renew(struct git_cache *cache, const struct git_source *source, bool *ret_done,
					struct hc_error *err) HC_MUST_CHECK;
/* Marks the repository in use as broken when err says so, so that the next git_fetch throws it away. */
void git_cache_blame(struct git_cache *cache, const struct hc_error *err);
bool git_cache_blamed(const struct git_cache *cache);
/* Lock of those who fetch into the repository in use. The descriptor is the lock: close it. */
int git_cache_lock(struct git_cache *cache, const struct git_source *source, int *ret_fd,
				   struct hc_error *err) HC_MUST_CHECK;
/* Removes the repositories used least lately until all take less than the limit. Best effort. */
void git_cache_trim(struct git_cache *cache);
size_t git_cache_packs(struct git_cache *cache); /* of the repository in use */

/* libgit2's last error as text, its class by its code: -3 NOT_FOUND, else as given. */
int git_fail_library(struct hc_error *err, enum hc_class class, int code, const char *what);
/* Begins the text of an error that a new fetch may repair. */
#define GIT_CACHE_BROKEN "the Git cache is not whole"
/* Text of a foreign machine: printable, short. */
char *git_clean(struct hc_arena *arena, const char *text, size_t length);

/* URLs. */
struct git_url {
	char scheme[8];
	char host[256]; /* lower case, IPv6 without brackets */
	int port;
	char origin[300]; /* scheme://host:port */
};
int git_url_read(const char *url, struct git_url *ret_url, struct hc_error *err) HC_MUST_CHECK;
bool git_url_listed(const struct git_options *options, const char *url);
/* True when anybody on the Internet may have that address: not private, loopback, link-local, shared,
 * multicast, documentation, or one of these inside an IPv6 address. */
bool git_address_public(const struct sockaddr *address);
void git_address_text(const struct sockaddr *address, char *text, size_t size);

/* One HTTP exchange. */
struct git_exchange {
	const char *suffix;       /* after the repository's URL */
	const char *content_type; /* that the answer must have */
	const char *body;         /* NULL: GET */
	size_t body_length;
	int64_t max_bytes;  /* of the answer */
	const char *phrase; /* for progress */
	int (*piece)(const void *data, size_t length, void *payload, struct hc_error *err);
	void *payload;
};
int git_http(struct git_cache *cache, const struct git_source *source, const struct git_exchange *exchange,
			 struct hc_error *err) HC_MUST_CHECK;

/* pkt-lines, in pieces as they come. */
#define GIT_PACKET_BYTES 65520
enum git_packet_kind { GIT_PACKET_DATA, GIT_PACKET_FLUSH, GIT_PACKET_DELIMITER, GIT_PACKET_END };
struct git_packets {
	int (*packet)(enum git_packet_kind kind, const char *data, size_t length, void *payload,
				  struct hc_error *err); /* data is followed by a NUL that length does not count */
	void *payload;
	size_t have; /* of head and data */
	size_t want; /* 0 while the length is read */
	char data[GIT_PACKET_BYTES + 1];
};
int git_packets_take(struct git_packets *packets, const void *data, size_t length, struct hc_error *err)
	HC_MUST_CHECK;
bool git_packets_whole(const struct git_packets *packets); /* nothing half read */
void git_packet_append(struct hc_text *text, const char *format, ...) HC_PRINTF(2, 3);

/* The two commands of protocol version 2. */
int git_wire_refs(struct git_cache *cache, struct hc_arena *arena, const struct git_source *source,
				  const char *ref, const char **ret_id, const char **ret_target, struct hc_error *err)
	HC_MUST_CHECK;
int git_wire_fetch(struct git_cache *cache, struct hc_arena *arena, const struct git_source *source,
				   git_repository *repository, const char *commit, const char *have, struct hc_error *err)
	HC_MUST_CHECK;

/* Trees. */
/* Path without ".", empty and trailing parts, in arena; INVALID when it leaves the root. "" is the root. */
int git_path_clean(struct hc_arena *arena, const char *path, const char **ret_path, struct hc_error *err)
	HC_MUST_CHECK;
struct git_place {
	git_oid id;
	git_filemode_t mode;
	const char *path; /* with links followed */
};
int git_place_find(git_repository *repository, struct hc_arena *arena, const char *commit, const char *path,
				   struct git_place *ret_place, struct hc_error *err) HC_MUST_CHECK;
int git_commit_open(struct git_cache *cache, const struct git_source *source, const char *commit,
					git_repository **ret_repository, struct hc_error *err) HC_MUST_CHECK;
/* Looks that every object of the commit's tree is there; at most max_entries of them. */
int git_tree_verify(git_repository *repository, const char *commit, int64_t max_entries, struct hc_error *err)
	HC_MUST_CHECK;
bool git_name_safe(const char *name); /* a file's name that a tar may carry */
bool git_id_valid(const char *text);  /* 40 lower-case hexadecimal digits */

/* .dockerignore. */
struct git_ignore;
int git_ignore_new(const char *text, size_t length, const char *name, struct git_ignore **ret_ignore,
				   struct hc_error *err) HC_MUST_CHECK;
void git_ignore_add(struct git_ignore *ignore, const char *path, bool keep); /* one exact path */
bool git_ignore_match(struct git_ignore *ignore, const char *path);          /* true: left out */
bool git_ignore_exceptions(const struct git_ignore *ignore);                 /* has a `!` line */
void git_ignore_free(struct git_ignore *ignore);                             /* accepts NULL */
HC_DEFINE_CLEANUP(git_ignore, git_ignore_free)

/* Cleanups for libgit2's types, used as __attribute__((cleanup(...))). */
static inline void git_commit_free_(git_commit **value)
{
	git_commit_free(*value);
}
static inline void git_tree_free_(git2_tree **value)
{
	git_tree_free(*value);
}
static inline void git_blob_free_(git_blob **value)
{
	git_blob_free(*value);
}
static inline void git_odb_free_(git_odb **value)
{
	git_odb_free(*value);
}
#define GIT_AUTO(type) __attribute__((cleanup(git_##type##_free_))) git_##type *
#define GIT_AUTO_TREE __attribute__((cleanup(git_tree_free_))) git2_tree *

#endif
