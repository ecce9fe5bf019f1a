/* A build job: tree → tar → Docker → image, with its log on the way to the database.
 *
 * The walk over the tree pushes and Docker's upload pulls, so the walk has a thread and a pipe between them:
 * memory stays flat whatever the size of the tree. */
#include "build_log.h"
#include "child_secret.h"
#include "child_source.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/limits.h"
#include "docker/docker_build.h"
#include "dockerfile/dockerfile.h"
#include "model/names.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A little before the worker's own deadline, so that the log says so. */
#define BUILD_TIMEOUT_MS (HC_LIMIT_BUILD_MS - 5 * 60 * 1000)
#define PIPE_BYTES (1024 * 1024)

struct build {
	const struct child_job *job;
	struct git_options git;
	struct git_source source;
	struct build_log log;
	struct child_secrets secrets;
	const struct docker_pair *arguments;
	size_t argument_count;
	const char *generated;       /* Dockerfile, or NULL */
	enum docker_builder builder; /* the one that did it */
	int pipe[2];
	struct hc_error tar_error; /* of the thread; read after it was joined */
	bool tar_failed;
};

/* --- the context
 * -------------------------------------------------------------------------------------------- */

static int tar_write(const void *data, size_t length, void *payload)
{
	struct build *build = payload;
	const char *bytes = data;

	while (length) {
		ssize_t count = write(build->pipe[1], bytes, length);

		if (count < 0 && errno != EINTR)
			return -1; /* the reader is gone */
		if (count > 0) {
			bytes += count;
			length -= (size_t)count;
		}
	}
	hc_fault("child-build-send");
	return 0;
}

static void *tar_main(void *payload)
{
	struct build *build = payload;
	const struct task_input *input = &build->job->input;
	const struct git_extra_file extra = {.name = "Dockerfile",
										 .data = build->generated,
										 .length = build->generated ? strlen(build->generated) : 0};
	const struct git_tar tar = {
		.commit = input->commit,
		.path = input->path,
		.dockerfile = input->dockerfile,
		.extra = &extra,
		.extra_count = build->generated ? 1 : 0,
		.write = tar_write,
		.payload = build,
	};
	HC_AUTO(git_cache) cache = NULL;
	HC_AUTO(hc_arena) arena = hc_arena_new();

	build->tar_failed = git_cache_open(&build->git, &cache, &build->tar_error) ||
						git_tar(cache, arena, &build->source, &tar, &build->tar_error);
	(void)close(build->pipe[1]);
	return NULL;
}

static int context_read(void *data, size_t length, size_t *ret_length, void *payload)
{
	struct build *build = payload;
	ssize_t count;

	do
		count = read(build->pipe[0], data, length);
	while (count < 0 && errno == EINTR);
	*ret_length = count > 0 ? (size_t)count : 0;
	return count < 0 ? -1 : 0;
}

/* --- the log
 * ------------------------------------------------------------------------------------------------ */

static void line(int stream, const char *text, size_t length, void *payload)
{
	struct build *build = payload;

	(void)stream; /* the log is one text; the builder marks its steps */
	build_log_line(&build->log, text, length);
	build_log_flush(&build->log, false);
	hc_fault("child-build-step");
}

static int poll_log(void *payload)
{
	struct build *build = payload;

	build_log_flush(&build->log, false);
	return build->log.fenced ? -1 : 0;
}

static int fetch_progress(const char *phrase, void *payload)
{
	struct build *build = payload;

	build_log_printf(&build->log, "fetch: %s", phrase);
	build_log_flush(&build->log, false);
	return build->log.fenced ? -1 : 0;
}

/* --- what to build
 * ------------------------------------------------------------------------------------------- */

/* Build arguments, and the environment of scope build: a Dockerfile sees what it declares with ARG. */
static void fill_arguments(struct build *build)
{
	const struct child_job *job = build->job;
	const struct task_input *input = &job->input;
	size_t count = input->build_arg_count + input->build_env_count, n = 0;
	struct docker_pair *pairs = hc_arena_alloc_array(job->arena, count + 2, sizeof *pairs);

	for (size_t index = 0; index < input->build_env_count; index++)
		pairs[n++] = (struct docker_pair){input->build_env[index].name, input->build_env[index].value};
	for (size_t index = 0; index < input->build_arg_count; index++)
		pairs[n++] = (struct docker_pair){input->build_args[index].name, input->build_args[index].value};
	/* A builder does not look at a secret's value to know whether a step is to be run again. */
	if (build->secrets.count)
		pairs[n++] = (struct docker_pair){DOCKERFILE_SECRETS_VERSION, build->secrets.version};
	build->arguments = pairs;
	build->argument_count = n;
}

static const char *file_text(struct build *build, struct git_cache *cache, const char *name)
{
	const struct child_job *job = build->job;
	const char *data = NULL;
	size_t length;
	struct hc_error err;

	if (git_file(cache, job->arena, &build->source, job->input.commit, child_path(job, name),
				 CHILD_FILE_BYTES_MAX, &data, &length, &err))
		return NULL; /* absent, or too large to mean anything */
	return data;
}

/* What a generated file declares with ARG, so that its commands see it. */
static const char **argument_names(const struct build *build)
{
	const char **names = hc_arena_alloc_array(build->job->arena, build->argument_count + 1, sizeof *names);

	for (size_t n = 0, count = 0; n < build->argument_count; n++)
		if (strcmp(build->arguments[n].name, DOCKERFILE_SECRETS_VERSION))
			names[count++] = build->arguments[n].name;
	return names;
}

static const char **secret_names(const struct build *build)
{
	const char **names = hc_arena_alloc_array(build->job->arena, build->secrets.count + 1, sizeof *names);

	for (size_t n = 0; n < build->secrets.count; n++)
		names[n] = build->secrets.items[n].id;
	return names;
}

/* The Dockerfile for what has none, by the files that its folder has. */
static int generate(struct build *build, struct git_cache *cache, struct hc_error *err)
{
	const struct child_job *job = build->job;
	const struct task_input *input = &job->input;
	struct dockerfile_input wanted = {
		.runtime = input->runtime,
		.build_command = input->build_command,
		.output_dir = input->output_dir,
		.argument_names = argument_names(build),
		.secret_names = secret_names(build),
		.port = input->internal_port,
	};
	const char **warnings = NULL, **names;
	size_t count;

	if (child_names(cache, job, &build->source, input->commit, &names, &count, err))
		return -1;
	wanted.lockfile = dockerfile_lockfile_of(names, count);
	wanted.package_json = file_text(build, cache, "package.json");
	wanted.nvmrc = file_text(build, cache, ".nvmrc");
	if (dockerfile_generate(&wanted, job->arena, &build->generated, &warnings, err))
		return hc_wrap(err, "generate a Dockerfile");
	for (size_t n = 0; warnings && warnings[n]; n++)
		build_log_printf(&build->log, "warning: %s", warnings[n]);
	build_log_printf(&build->log, "there is no Dockerfile: built as %s", input->runtime);
	return 0;
}

/* The repository's own: what would read it is checked before anything is built. */
static int check_dockerfile(struct build *build, struct git_cache *cache, struct hc_error *err)
{
	const struct child_job *job = build->job;
	const struct task_input *input = &job->input;
	const char *name = input->dockerfile ? input->dockerfile : "Dockerfile", *text;
	size_t length;

	if (git_file(cache, job->arena, &build->source, input->commit, child_path(job, name),
				 CHILD_FILE_BYTES_MAX, &text, &length, err))
		return -1;
	if (dockerfile_syntax_check(text, length, err))
		return hc_wrap(err, "%s", name);
	if (input->build_command)
		build_log_printf(&build->log, "spec.buildCommand is not used: there is a %s", name);
	return 0;
}

/* The commit is in the cache, and is the tree that was asked for. */
static int prepare(struct build *build, struct hc_error *err)
{
	const struct child_job *job = build->job;
	const struct task_input *input = &job->input;
	HC_AUTO(git_cache) cache = NULL;
	const char *tree;

	if (git_cache_open(&build->git, &cache, err) ||
		git_fetch(cache, job->arena, &build->source, input->commit, err) ||
		git_tree(cache, job->arena, &build->source, input->commit, input->path, &tree, err))
		return -1;
	if (strcmp(tree, input->tree))
		return hc_fail(err, HC_INVALID, "commit %s has tree %s and not the %s that was resolved",
					   input->commit, tree, input->tree);
	build_log_printf(&build->log, "commit %s, tree %s", input->commit, tree);
	if (strcmp(input->runtime, DOCKERFILE_RUNTIME_DOCKERFILE))
		return generate(build, cache, err);
	return check_dockerfile(build, cache, err);
}

static int build_image(struct build *build, const char **ret_image_id, struct hc_error *err)
{
	const struct child_job *job = build->job;
	const struct task_input *input = &job->input;
	const struct docker_pair labels[] = {{LABEL_IMAGE_INSTALLATION, input->installation},
										 {LABEL_IMAGE_BUILD, input->build}};
	struct docker_build wanted = {
		.read = context_read,
		.line = line,
		.poll = poll_log,
		.payload = build,
		.tag = input->image,
		.dockerfile = build->generated ? NULL : input->dockerfile,
		.target = input->target,
		.arguments = build->arguments,
		.argument_count = build->argument_count,
		.labels = labels,
		.label_count = HC_COUNT(labels),
		.secrets = build->secrets.items,
		.secret_count = build->secrets.count,
		/* The other one would have to get them as arguments, which stay in the image. */
		.builder = build->secrets.count ? DOCKER_BUILDER_BUILDKIT : DOCKER_BUILDER_AUTO,
		.cache_namespace = input->namespace_uid,
		.timeout_ms = BUILD_TIMEOUT_MS,
		.ret_builder = &build->builder,
	};
	HC_AUTO(docker) docker = NULL;

	if (docker_open(job->options->docker, &docker, err))
		return -1;
	if (docker_image_build(docker, job->arena, &wanted, ret_image_id, err))
		return build->secrets.count ? hc_wrap(err, "with secrets, by BuildKit") : -1;
	hc_fault("child-build-tag");
	return 0;
}

/* --- the whole
 * ------------------------------------------------------------------------------------------------ */

static int build_run(struct build *build, const char **ret_image_id, struct hc_error *err)
{
	pthread_t thread;
	int result;

	if (prepare(build, err))
		return -1;
	if (pipe2(build->pipe, O_CLOEXEC))
		return hc_fail(err, HC_TRANSIENT, "make a pipe: %s", strerror(errno));
	(void)fcntl(build->pipe[0], F_SETPIPE_SZ, PIPE_BYTES);
	if (pthread_create(&thread, NULL, tar_main, build)) {
		(void)close(build->pipe[0]);
		(void)close(build->pipe[1]);
		return hc_fail(err, HC_TRANSIENT, "start a thread: too many of them");
	}
	result = build_image(build, ret_image_id, err);
	(void)close(build->pipe[0]); /* ends the walk when Docker wanted no more */
	(void)pthread_join(thread, NULL);
	/* A tree that could not be read is the cause of whatever Docker said of half a context. */
	if (build->tar_failed && build->tar_error.class != HC_CANCELED) {
		*err = build->tar_error;
		return -1;
	}
	return result;
}

bool child_build(const struct child_job *job, char **ret_outcome)
{
	struct build build = {
		.job = job,
		.git = child_git_options(job),
		.source = child_git_source(job),
	};
	HC_AUTO(store) store = NULL;
	const char *image_id = NULL;
	struct hc_error err = {0};
	int result;

	build.source.progress = fetch_progress;
	build.source.payload = &build;
	if (store_open(job->options->database, "helvetia-worker build", &store, &err)) {
		*ret_outcome = child_failure("BuildFailed", &err);
		return false;
	}
	build.log = (struct build_log){
		.store = store, .id = job->id, .attempt = job->attempt, .written_ms = hc_clock_boot_ms()};
	result = child_secrets_open(job, store, &build.secrets, &err);
	build.log.mask = build.secrets.mask;
	fill_arguments(&build);
	if (!result)
		result = build_run(&build, &image_id, &err);
	/* The builder's own words are in it. */
	mask_whole(build.secrets.mask, err.text);
	if (result)
		build_log_printf(&build.log, "failed: %s", err.text);
	else
		build_log_printf(&build.log, "image %s", image_id);
	build_log_done(&build.log);
	child_secrets_done(&build.secrets);
	*ret_outcome = result ? child_failure("BuildFailed", &err)
						  : hc_xprintf("{\"imageId\":\"%s\",\"builder\":\"%s\"}", image_id,
									   build.builder == DOCKER_BUILDER_CLASSIC ? "classic" : "buildkit");
	return !result;
}
