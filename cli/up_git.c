/* The sample's repository: made once in DIR/sample, seeded with manifests/sample, and served by `helvetia
 * git-serve` on a port of loopback for as long as the platform runs. Its post-receive hook tells the API of a
 * push, signed with the platform's own webhook secret. Git is run as a program, never through a shell: the
 * hook too is no script but a file of options, which the kernel gives to `helvetia webhook-send`. */
#include "up.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* manifests/sample, embedded by CMake. */
extern const char up_sample_dockerfile[];
extern const char up_sample_index[];
extern const char up_sample_readme[];

static const struct {
	const char *path;
	const char *text;
} SEED[] = {
	{"Dockerfile", up_sample_dockerfile},
	{"README.md", up_sample_readme},
	{"index.html", up_sample_index},
};

char *up_git_prefix(struct up *up)
{
	return hc_arena_printf(up->arena, "http://127.0.0.1:%d/", up->git_port);
}

char *up_git_url(struct up *up)
{
	return hc_arena_printf(up->arena, "%ssample.git", up_git_prefix(up));
}

/* --- the repository --- */

static void append_file(struct hc_text *stream, const char *path, const char *text)
{
	hc_text_printf(stream, "M 100644 inline %s\ndata %zu\n%s\n", path, strlen(text), text);
}

/* For `git fast-import`: one commit, so that no work tree is needed. */
static void seed_stream(struct hc_text *stream)
{
	static const char MESSAGE[] = "A page";

	hc_text_printf(stream,
				   "commit refs/heads/" UP_SAMPLE_BRANCH
				   "\ncommitter Helvetia Cloud <helvetia@localhost> %lld "
				   "+0000\ndata %zu\n%s\n",
				   (long long)(hc_clock_wall_ms() / 1000), strlen(MESSAGE), MESSAGE);
	for (size_t i = 0; i < HC_COUNT(SEED); i++)
		append_file(stream, SEED[i].path, SEED[i].text);
	hc_text_append(stream, "done\n");
}

/* Pushes are allowed, up to a size; nothing is cleaned up in the background, where it would outlive us. */
static int write_configuration(const char *repository, struct hc_error *err)
{
	HC_AUTO_FREE path = hc_xprintf("%s/config", repository);
	HC_AUTO_FREE text = hc_xprintf("[core]\n"
								   "\trepositoryformatversion = 0\n"
								   "\tbare = true\n"
								   "[http]\n"
								   "\treceivepack = true\n"
								   "[receive]\n"
								   "\tautogc = false\n"
								   "\tmaxInputSize = %u\n"
								   "[gc]\n"
								   "\tauto = 0\n"
								   "[uploadpack]\n"
								   "\tallowAnySHA1InWant = true\n",
								   HC_LIMIT_GIT_PUSH_BYTES);

	return hc_file_write(path, text, strlen(text), 0644, err);
}

/* Under another name until it is whole. */
static int make_repository(struct up *up, const char *git, const char *path, struct hc_error *err)
{
	const char *fresh = up_path(up, "sample/new.git");
	const char *init[] = {
		git, "init", "--quiet", "--bare", "--template=", "--initial-branch=" UP_SAMPLE_BRANCH, fresh, NULL};
	const char *import[] = {git, "-C", fresh, "fast-import", "--quiet", "--done", NULL};
	HC_AUTO_TEXT stream = {0};

	seed_stream(&stream);
	if (hc_folder_remove(fresh, err) || up_run(up, "git-init", NULL, init, NULL, err) ||
		up_run(up, "git-init", NULL, import, hc_text_string(&stream), err) || write_configuration(fresh, err))
		return hc_wrap(err, "make the sample's repository");
	if (rename(fresh, path))
		return hc_fail(err, HC_TRANSIENT, "rename %s: %s", fresh, strerror(errno));
	return 0;
}

/* --- the hook --- */

/* The first line must have no blank in its path; the programs' folder may have one, the state folder has
 * none. */
static int link_program(struct up *up, const char *path, struct hc_error *err)
{
	const char *fresh = hc_arena_printf(up->arena, "%s.new", path);
	const char *program = hc_arena_printf(up->arena, "%s/helvetia", up->programs);

	if ((unlink(fresh) && errno != ENOENT) || symlink(program, fresh) || rename(fresh, path))
		return hc_fail(err, HC_TRANSIENT, "link %s: %s", path, strerror(errno));
	return 0;
}

/* Written anew each time, since ports may have changed. */
static int write_hook(struct up *up, const char *repository, struct hc_error *err)
{
	const char *program = up_path(up, "sample/helvetia");
	const char *folder = hc_arena_printf(up->arena, "%s/hooks", repository);
	const char *text = hc_arena_printf(
		up->arena,
		"#!%s webhook-send\n"
		"# Tells the platform of a push, as GitHub does. Options, one a line.\n"
		"--stdin\n"
		"--url https://127.0.0.1:%d/webhooks/github\n"
		"--ca-file %s\n"
		"--secret-file %s\n"
		"--repository %s\n"
		"--default-branch " UP_SAMPLE_BRANCH "\n",
		program, up->api_port, up_path(up, "certificates/ca.crt"), up_path(up, "secrets/webhook-secret"),
		up_git_url(up));

	if (hc_folder_make(folder, 0755, err) || link_program(up, program, err))
		return -1;
	return hc_file_write(hc_arena_printf(up->arena, "%s/post-receive", folder), text, strlen(text), 0755,
						 err);
}

int up_git_repository(struct up *up, struct hc_error *err)
{
	const char *git = up_find_program(up, "git");
	const char *path = up_path(up, UP_SAMPLE_REPOSITORY);

	if (!git)
		return hc_fail(
			err, HC_NOT_FOUND,
			"git is not installed, and the sample is deployed from a repository: apt-get install git, "
			"or --no-sample");
	if (hc_folder_make(up_path(up, "sample"), 0755, err))
		return -1;
	if (!hc_file_exists(path) && make_repository(up, git, path, err))
		return -1;
	return write_hook(up, path, err);
}

/* --- the server --- */

static int ready(struct up *up, struct hc_error *err)
{
	struct up_request request = {
		.url = hc_arena_printf(up->arena, "%s/info/refs?service=git-upload-pack", up_git_url(up))};

	return up_http_expect_ok(&request, err);
}

static int before_start(struct up *up, struct hc_error *err)
{
	return up_port_require(up->git_port, true, "the sample's repository", NULL, err);
}

int up_git_prepare(struct up *up, struct hc_error *err)
{
	struct up_process *process = &up->process[UP_GIT];
	const char *argv[] = {hc_arena_printf(up->arena, "%s/helvetia", up->programs),
						  "git-serve",
						  "--root",
						  up_path(up, "sample"),
						  "--listen",
						  hc_arena_printf(up->arena, "127.0.0.1:%d", up->git_port),
						  NULL};

	if (up_git_repository(up, err))
		return -1;
	process->argv = up_arguments(up, argv);
	process->before_start = before_start;
	process->ready = ready;
	return 0;
}
