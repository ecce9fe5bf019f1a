/* The sample application: a Service of the repository that up_git.c makes and serves, built as everybody's,
 * applied through the same API, and awaited at its public address. Once only: who deleted or changed it wants
 * it so. The image on which it stands is made from our own static program, so that no registry is asked. */
#include "up.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "docker/docker.h"
#include "up_tar.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_WITHIN_MS 120000
#define SERVICES_PATH "/apis/helvetia.cloud/v1/namespaces/default/services"

/* helvetia/hello is the one of manifests/hello.yaml, helvetia/page the base of the sample's Dockerfile. */
static const struct {
	const char *repository;
	const char *tag;
	const char *changes[4];
} IMAGES[] = {
	{"helvetia/hello", "1", {"ENTRYPOINT [\"/hello\"]", "ENV VERSION=1", "USER 10001"}},
	{"helvetia/page", "1", {"ENTRYPOINT [\"/hello\"]", "USER 10001"}},
};

/* --- decided before anything is started --- */

/* An older version deployed a sample from an image and left this mark; that one stays as it is. */
static bool older_sample(struct up *up)
{
	return hc_file_exists(up_path(up, "sample-deployed")) &&
		   !hc_file_exists(up_path(up, UP_SAMPLE_REPOSITORY));
}

int up_sample_choose(struct up *up, struct hc_error *err)
{
	up->sample = !up->options.no_sample && !older_sample(up);
	if (!up->sample)
		return 0;
	if (!up->git_port || (!up_port_free(up->git_port, true) && !up_process_recorded(up, "git")))
		do
			up->git_port = up_port_any();
		while (up->git_port && (up->git_port == up->redis_port || up->git_port == up->traefik_port));
	return up->git_port ? 0 : hc_fail(err, HC_TRANSIENT, "no free port on 127.0.0.1");
}

/* --- images --- */

static int ensure_images(struct up *up, struct hc_error *err)
{
	const char *program = hc_arena_printf(up->arena, "%s/helvetia-hello", up->programs);
	const char *tar = up_path(up, "run/hello.tar");
	HC_AUTO(docker) docker = NULL;
	int status = 0;

	if (docker_open(up->docker_host, &docker, err))
		return -1;
	for (size_t i = 0; i < HC_COUNT(IMAGES) && !status; i++) {
		const char *name = hc_arena_printf(up->arena, "%s:%s", IMAGES[i].repository, IMAGES[i].tag);
		struct docker_image image;
		const char *id;

		if (!docker_image_inspect(docker, up->arena, name, &image, err))
			continue;
		if (err->class != HC_NOT_FOUND || up_tar_write(tar, "hello", program, err))
			return hc_wrap(err, "image %s", name);
		status = docker_image_import(docker, up->arena, tar, IMAGES[i].repository, IMAGES[i].tag,
									 IMAGES[i].changes, &id, err);
		unlink(tar);
	}
	return status;
}

/* --- the Service --- */

static struct up_request api_request(struct up *up, const char *path)
{
	return (struct up_request){.url = hc_arena_printf(up->arena, "http://localhost%s", path),
							   .unix_socket = up_api_socket(up),
							   .timeout_ms = 10000};
}

static int send(struct up_request *request, json_t *body, struct hc_error *err)
{
	HC_AUTO_FREE text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct up_answer answer;
	int status = 0;

	json_decref(body);
	request->body = text;
	if (up_http(request, &answer, err))
		return -1;
	if (answer.status != 200)
		status = hc_fail(err, HC_INVALID, "%s %s: HTTP %ld: %.400s", request->method, request->url,
						 answer.status, hc_text_string(&answer.body));
	hc_text_done(&answer.body);
	return status;
}

static int apply(struct up *up, struct hc_error *err)
{
	struct up_request request = api_request(up, "/apply?fieldManager=helvetia-up&namespace=default");

	request.method = "POST";
	request.content_type = "application/yaml"; /* of which JSON is a part */
	return send(&request,
				json_pack("{s:s, s:s, s:{s:s}, s:{s:s, s:s, s:i, s:{s:s}}}", "apiVersion",
						  "helvetia.cloud/v1", "kind", "Service", "metadata", "name", UP_SAMPLE_NAME, "spec",
						  "repoUrl", up_git_url(up), "branch", UP_SAMPLE_BRANCH, "internalPort", 3000,
						  "healthCheck", "path", "/"),
				err);
}

/* The Service as it is now; NULL when there is none or nobody answers. */
static json_t *read_service(struct up *up)
{
	struct up_request request = api_request(up, SERVICES_PATH "/" UP_SAMPLE_NAME);
	struct up_answer answer;
	json_t *root = NULL;

	if (up_http(&request, &answer, NULL))
		return NULL;
	if (answer.status == 200)
		root = json_loads(hc_text_string(&answer.body), 0, NULL);
	hc_text_done(&answer.body);
	return root;
}

/* The repository's port was taken by somebody meanwhile, so it has another address now. */
static int follow_port(struct up *up, struct hc_error *err)
{
	json_t *service = read_service(up);
	const char *now = json_string_value(json_object_get(json_object_get(service, "spec"), "repoUrl"));
	bool moved = now && hc_starts_with(now, "http://127.0.0.1:") && hc_ends_with(now, "/sample.git") &&
				 !hc_streq(now, up_git_url(up));
	struct up_request request = api_request(up, SERVICES_PATH "/" UP_SAMPLE_NAME "?fieldManager=helvetia-up");

	json_decref(service);
	if (!moved)
		return 0;
	request.method = "PATCH";
	request.content_type = "application/merge-patch+json";
	return send(&request, json_pack("{s:{s:s}}", "spec", "repoUrl", up_git_url(up)), err);
}

/* "DEPLOYING, Starting: waiting for …" from the object's status; in the arena. */
static char *stage(struct up *up)
{
	const char *phase = "", *reason = "", *message = "";
	json_t *root = read_service(up), *condition;
	char *text;
	size_t index;

	if (!root)
		return hc_arena_strdup(up->arena, "the API does not answer");
	json_unpack(root, "{s:{s:s}}", "status", "phase", &phase);
	json_array_foreach(json_object_get(json_object_get(root, "status"), "conditions"), index, condition)
	{
		if (hc_streq(json_string_value(json_object_get(condition, "type")), "Ready"))
			json_unpack(condition, "{s?s, s?s}", "reason", &reason, "message", &message);
	}
	text = hc_arena_printf(up->arena, "%s%s%s%s%s", *phase ? phase : "accepted", *reason ? ", " : "", reason,
						   *message ? ": " : "", message);
	json_decref(root);
	return text;
}

static int await(struct up *up, const char *url, struct hc_error *err)
{
	/* The default certificate can't be checked for *.localhost: a wildcard under a top-level name is refused
	 * by every client. The connection goes to our own loopback. */
	struct up_request request = {
		.url = url,
		.insecure = true,
		.resolve = hc_arena_printf(up->arena, UP_SAMPLE_NAME ".%s:%d:127.0.0.1", up->domain, up->https_port)};
	int64_t begin = hc_clock_boot_ms();
	const char *last = "";

	for (;;) {
		double elapsed = (double)(hc_clock_boot_ms() - begin) / 1000;
		struct hc_error problem = {0};
		const char *now;

		if (!up_http_expect_ok(&request, &problem))
			return 0;
		now = stage(up);
		if (!hc_streq(now, last))
			up_say(UP_SAMPLE_NAME ": %s (%.1f s)", now, elapsed);
		last = now;
		if (elapsed * 1000 > ANSWER_WITHIN_MS)
			return hc_fail(err, HC_TRANSIENT, "%s does not answer after %d s: %s; it is %s", url,
						   ANSWER_WITHIN_MS / 1000, problem.text, now);
		up_pause(up, 100);
		if (up->stop_requested)
			return hc_fail(err, HC_CANCELED, "stopped while waiting for the sample");
	}
}

char *up_sample_url(struct up *up)
{
	return up_url(up, hc_arena_printf(up->arena, UP_SAMPLE_NAME ".%s", up->domain));
}

int up_sample_deploy(struct up *up, struct hc_error *err)
{
	const char *mark = up_path(up, "sample/deployed");

	if (!up->sample) {
		up_process_stop(up, &up->process[UP_GIT]); /* of an earlier run with a sample */
		up_step_end(up, up->options.no_sample ? "not wanted (--no-sample)"
											  : "left as it is (an older version deployed it from an image)");
		return 0;
	}
	if (ensure_images(up, err) || up_git_prepare(up, err) || up_process_ensure(up, UP_GIT, NULL, err))
		return -1;
	if (hc_file_exists(mark)) {
		if (follow_port(up, err))
			return hc_wrap(err, "the sample's repository is at another address now");
		up_step_end(up, "left as it is (it was deployed before)");
		return 0;
	}
	if (apply(up, err))
		return -1;
	putchar('\n');
	if (await(up, up_sample_url(up), err))
		return -1;
	up_say("%s answers, %.1f s after it was applied", up_sample_url(up),
		   (double)(hc_clock_boot_ms() - up->step_started_ms) / 1000);
	return hc_file_write(mark, "", 0, 0644, err);
}
