/* What GitHub says of a push, and what follows from it for a Service. Pure.
 *
 * A payload is believed only as far as it fits what is stored: late, replayed and reordered deliveries then
 * do no harm (design 4.2). */
#ifndef API_PUSH_H
#define API_PUSH_H

#include "base/arena.h"
#include "base/error.h"
#include <jansson.h>
#include <stdbool.h>

#define API_PUSH_URLS_MAX 4

/* X-Hub-Signature-256 against the raw body; constant in time for every header of the right length. */
bool api_push_signed(const char *secret, size_t secret_length, const char *header, const char *body,
					 size_t length);

/* The JSON object of a body: as it is, or in the form field `payload`. New reference; INVALID. */
int api_push_payload(const char *content_type, const char *body, size_t length, json_t **ret_payload,
					 struct hc_error *err) HC_MUST_CHECK;
/* repository.full_name, or "". Borrowed. */
const char *api_push_repository(const json_t *payload);

/* Texts live in the arena. */
struct api_push {
	const char *repository;              /* owner/name, for people */
	const char *default_branch;          /* "" when it isn't said */
	const char *urls[API_PUSH_URLS_MAX]; /* clone_url, git_url, ssh_url, html_url, as far as there are any */
	size_t url_count;
	const char *ref;
	const char *branch; /* NULL: it isn't one */
	const char *before; /* "" for a new branch */
	const char *after;  /* "" for a deleted one */
	bool forced;
};
/* INVALID names the field that is missing or wrong. */
int api_push_parse(const json_t *payload, struct hc_arena *arena, struct api_push *ret_push,
				   struct hc_error *err) HC_MUST_CHECK;

/* A repository's address in one form: scheme and host in lower case, no user, no default port, no ".git", no
 * slash at the end; host:path is ssh. GitHub takes paths in any case, so there they are in lower case too. */
const char *api_push_normal_url(const char *url, struct hc_arena *arena);
/* Whether the push concerns this source. branch "": the repository's default branch. */
bool api_push_concerns(const struct api_push *push, const char *repo_url, const char *branch,
					   struct hc_arena *arena);

enum api_push_step {
	API_PUSH_SET,    /* the payload is believed: write its commit */
	API_PUSH_LOOK,   /* it doesn't follow what is stored: the remote is asked */
	API_PUSH_HAS,    /* that commit is the desired one already */
	API_PUSH_PINNED, /* somebody else owns the commit */
	API_PUSH_MANUAL, /* autoDeploy is false */
};
/* commit: stored, "" when there is none; owner: its field manager or NULL. */
enum api_push_step api_push_decide(const struct api_push *push, const char *commit, const char *owner,
								   bool auto_deploy);

#endif
