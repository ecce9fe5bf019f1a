/* See child_source.h. */
#include "child_source.h"

struct git_options child_git_options(const struct child_job *job)
{
	return (struct git_options){
		.folder = hc_arena_printf(job->arena, "%s/git", job->options->state),
		.allowed_prefixes = job->options->prefixes,
		.ca_file = job->options->git_ca_file,
	};
}

struct git_source child_git_source(const struct child_job *job)
{
	return (struct git_source){.tenant = job->input.namespace_uid, .url = job->input.repo_url};
}

const char *child_path(const struct child_job *job, const char *name)
{
	return job->input.path ? hc_arena_printf(job->arena, "%s/%s", job->input.path, name) : name;
}

int child_names(struct git_cache *cache, const struct child_job *job, const struct git_source *source,
				const char *commit, const char ***ret_names, size_t *ret_count, struct hc_error *err)
{
	struct git_entry *entries;
	const char **names;

	if (git_list(cache, job->arena, source, commit, job->input.path, &entries, ret_count, err))
		return -1;
	names = hc_arena_alloc_array(job->arena, *ret_count + 1, sizeof *names);
	for (size_t n = 0; n < *ret_count; n++)
		names[n] = entries[n].name;
	*ret_names = names;
	return 0;
}
