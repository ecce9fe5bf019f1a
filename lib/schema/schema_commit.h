/* Who decides which commit of its repository a Service runs (design 4.2). spec.commit is an ordinary field
 * with ordinary owners: the platform writes it as the field manager "helvetia-git" and never by force, so
 * that a commit that somebody else owns is a pin. An empty commit is unresolved, whoever owns it, and pins
 * nothing. */
#ifndef SCHEMA_COMMIT_H
#define SCHEMA_COMMIT_H

#include "base/arena.h"
#include "base/error.h"
#include "model/service.h"
#include <jansson.h>
#include <stdbool.h>

struct schema_kind;

/* Applies spec.commit = commit to the stored object live. *ret_object is a new reference to the whole object,
 * as of schema_apply; another commit ends a rollback, so that spec.rollbackTo is taken out with its
 * ownership. CONFLICT when it is pinned: *ret_owner is then the manager that owns it (the caller
 * frees), else NULL; ret_owner may be NULL. INVALID for a commit that isn't 40 or 64 lower-case hexadecimal
 * digits. now: as for schema_apply. */
int schema_commit_apply(const struct schema_kind *service_kind, const json_t *live, const char *commit,
						const char *now, json_t **ret_object, char **ret_owner, struct hc_error *err)
	HC_MUST_CHECK;

/* The manager that owns spec.commit, in the arena: somebody else than the platform if there is one. NULL when
 * nobody does, and when the commit is empty or absent. */
const char *schema_commit_owner(const json_t *object, struct hc_arena *arena);

/* For a write of people's, after ownership was settled: object is what will be stored, live what is (NULL: a
 * new one). When the write changes repoUrl or branch, and the commit is the platform's own, the commit
 * belongs to a source that isn't followed any more: it is taken out, with its ownership. True when it was. */
bool schema_commit_release(const json_t *live, json_t *object);

#endif
