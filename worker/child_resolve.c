/* A resolve job: which commit, which tree, what runs it. Reads the remote, changes nothing. */
#include "child_source.h"

#include "base/alloc.h"
#include "base/fault.h"
#include "base/text.h"
#include "dockerfile/dockerfile.h"

#include <stdlib.h>

static void field(struct hc_text *text, const char *name, const char *value)
{
	hc_text_printf(text, "%s\"%s\":", text->length ? "," : "{", name);
	hc_text_append_json_string(text, value ? value : "");
}

static int runtime_of(struct git_cache *cache, const struct child_job *job, const struct git_source *source,
					  const char *commit, const char **ret_runtime, struct hc_error *err)
{
	const struct task_input *input = &job->input;
	const char **names, *data;
	size_t count, length;

	if (input->dockerfile) {
		*ret_runtime = DOCKERFILE_RUNTIME_DOCKERFILE;
		return git_file(cache, job->arena, source, commit, child_path(job, input->dockerfile),
						CHILD_FILE_BYTES_MAX, &data, &length, err);
	}
	if (child_names(cache, job, source, commit, &names, &count, err))
		return -1;
	*ret_runtime = dockerfile_runtime(names, count);
	if (!*ret_runtime)
		return hc_fail(
			err, HC_INVALID,
			"%s of the repository has no Dockerfile, package.json or index.html: add a Dockerfile, or set "
			"spec.path",
			input->path ? input->path : "the root");
	return 0;
}

static int resolve(struct git_cache *cache, const struct child_job *job, const struct git_source *source,
				   struct hc_text *outcome, struct hc_error *err)
{
	const struct task_input *input = &job->input;
	const char *commit = input->commit, *branch = input->branch, *tree, *runtime;

	if (!commit && git_head(cache, job->arena, source, branch, &commit, &branch, err))
		return -1;
	field(outcome, "commit", commit);
	field(outcome, "branch", branch);
	if (!input->head_only) {
		hc_fault("child-resolve-fetch");
		if (git_fetch(cache, job->arena, source, commit, err) ||
			git_tree(cache, job->arena, source, commit, input->path, &tree, err) ||
			runtime_of(cache, job, source, commit, &runtime, err))
			return -1;
		field(outcome, "tree", tree);
		field(outcome, "runtime", runtime);
	}
	hc_text_append(outcome, "}");
	return 0;
}

bool child_resolve(const struct child_job *job, char **ret_outcome)
{
	const struct git_options options = child_git_options(job);
	const struct git_source source = child_git_source(job);
	HC_AUTO(git_cache) cache = NULL;
	HC_AUTO_TEXT outcome = {0};
	struct hc_error err;

	if (git_cache_open(&options, &cache, &err) || resolve(cache, job, &source, &outcome, &err)) {
		*ret_outcome = child_failure("SourceFailed", &err);
		return false;
	}
	*ret_outcome = hc_text_take(&outcome);
	return true;
}
