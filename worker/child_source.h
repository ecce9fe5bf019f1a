/* What both kinds of job ask of the repository: where it is, what its folder has, one small file of it.
 * Results live in the job's arena. */
#ifndef WORKER_CHILD_SOURCE_H
#define WORKER_CHILD_SOURCE_H

#include "child.h"
#include "git/git.h"

#define CHILD_FILE_BYTES_MAX (1024 * 1024) /* of a Dockerfile, package.json and such */

struct git_options child_git_options(const struct child_job *job);
/* Without progress. */
struct git_source child_git_source(const struct child_job *job);
/* A name inside the folder of the application (spec.path). */
const char *child_path(const struct child_job *job, const char *name);
/* Names in that folder. */
int child_names(struct git_cache *cache, const struct child_job *job, const struct git_source *source,
				const char *commit, const char ***ret_names, size_t *ret_count, struct hc_error *err)
	HC_MUST_CHECK;

#endif
