/* The sample application: an image made from our own static program (no registry is asked), applied through
 * the same API as everybody's, and awaited at its public address. Once only: who deleted or changed it wants
 * it so. */
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

#define IMAGE_REPOSITORY "helvetia/hello"
#define IMAGE_TAG "1"
#define SAMPLE_NAME "hello"
#define ANSWER_WITHIN_MS 120000

extern const char up_sample_manifest[]; /* manifests/hello.yaml, embedded by CMake */

static int make_image(struct up *up, struct docker *docker, struct hc_error *err)
{
	static const char *const CHANGES[] = {"ENTRYPOINT [\"/hello\"]", "ENV VERSION=" IMAGE_TAG, "USER 10001",
										  NULL};
	const char *program = hc_arena_printf(up->arena, "%s/helvetia-hello", up->programs);
	const char *tar = up_path(up, "run/hello.tar");
	const char *id;
	int status;

	if (up_tar_write(tar, "hello", program, err))
		return -1;
	status = docker_image_import(docker, up->arena, tar, IMAGE_REPOSITORY, IMAGE_TAG, CHANGES, &id, err);
	unlink(tar);
	return status;
}

static int ensure_image(struct up *up, struct hc_error *err)
{
	HC_AUTO(docker) docker = NULL;
	struct docker_image image;

	if (docker_open(up->docker_host, &docker, err))
		return -1;
	if (!docker_image_inspect(docker, up->arena, IMAGE_REPOSITORY ":" IMAGE_TAG, &image, err))
		return 0;
	return err->class == HC_NOT_FOUND ? make_image(up, docker, err) : -1;
}

static struct up_request api_request(struct up *up, const char *path)
{
	return (struct up_request){.url = hc_arena_printf(up->arena, "http://localhost%s", path),
							   .unix_socket = up_api_socket(up),
							   .timeout_ms = 10000};
}

static int apply(struct up *up, struct hc_error *err)
{
	struct up_request request = api_request(up, "/apply?fieldManager=helvetia-up&namespace=default");
	struct up_answer answer;
	int status = 0;

	request.method = "POST";
	request.body = up_sample_manifest;
	request.content_type = "application/yaml";
	if (up_http(&request, &answer, err))
		return -1;
	if (answer.status != 200)
		status = hc_fail(err, HC_INVALID, "POST /apply: HTTP %ld: %.400s", answer.status,
						 hc_text_string(&answer.body));
	hc_text_done(&answer.body);
	return status;
}

/* "DEPLOYING, Starting: waiting for …" from the object's status; in the arena. */
static char *stage(struct up *up)
{
	struct up_request request = api_request(
		up, "/apis/helvetia.cloud/v1/namespaces/default/services/" SAMPLE_NAME);
	const char *phase = "", *reason = "", *message = "";
	json_t *root, *condition;
	struct up_answer answer;
	char *text;
	size_t index;

	if (up_http(&request, &answer, NULL))
		return hc_arena_strdup(up->arena, "the API does not answer");
	root = json_loads(hc_text_string(&answer.body), 0, NULL);
	hc_text_done(&answer.body);
	if (root)
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
		.resolve = hc_arena_printf(up->arena, SAMPLE_NAME ".%s:%d:127.0.0.1", up->domain, up->https_port)};
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
			up_say(SAMPLE_NAME ": %s (%.1f s)", now, elapsed);
		last = now;
		if (elapsed * 1000 > ANSWER_WITHIN_MS)
			return hc_fail(err, HC_TRANSIENT, "%s does not answer after %d s: %s; it is %s", url,
						   ANSWER_WITHIN_MS / 1000, problem.text, now);
		up_pause(up, 100);
		if (up->stop_requested)
			return hc_fail(err, HC_CANCELED, "stopped while waiting for the sample");
	}
}

int up_sample_deploy(struct up *up, struct hc_error *err)
{
	const char *mark = up_path(up, "sample-deployed");
	const char *host = hc_arena_printf(up->arena, SAMPLE_NAME ".%s", up->domain);

	if (up->options.no_sample) {
		up_step_end(up, "not wanted (--no-sample)");
		return 0;
	}
	if (hc_file_exists(mark)) {
		up_step_end(up, "left as it is (it was deployed before)");
		return 0;
	}
	if (ensure_image(up, err))
		return hc_wrap(err, "make image " IMAGE_REPOSITORY ":" IMAGE_TAG);
	if (apply(up, err))
		return -1;
	putchar('\n');
	if (await(up, up_url(up, host), err))
		return -1;
	up_say("%s answers, %.1f s after it was applied", up_url(up, host),
		   (double)(hc_clock_boot_ms() - up->step_started_ms) / 1000);
	return hc_file_write(mark, "", 0, 0644, err);
}
