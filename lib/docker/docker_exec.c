/* A command in a running container: create, start (the output is the body of the answer, since nothing is
 * attached to its input), then read the exit code. */
#include "docker_internal.h"

#include <time.h>

#define EXIT_LOOKS_MOST 100
#define EXIT_LOOK_MS 20

struct exec_output {
	struct hc_text text;
	struct docker_demux demux;
	size_t bytes_max;
};

static int keep(int stream, const char *data, size_t length, void *payload)
{
	struct exec_output *output = payload;
	size_t room = output->bytes_max - output->text.length;

	(void)stream;
	hc_text_append_bytes(&output->text, data, length < room ? length : room);
	return 0; /* read on, or else the command would block at a full pipe */
}

static int exec_piece(const char *data, size_t length, void *payload, struct hc_error *err)
{
	struct exec_output *output = payload;

	return docker_demux_feed(&output->demux, data, length, keep, output, err);
}

static int exec_create(struct docker *docker, struct hc_arena *arena, const char *id, const char *const *argv,
					   const char **ret_exec, struct hc_error *err)
{
	HC_AUTO_TEXT path = {0};
	DOCKER_AUTO_JSON *json = NULL;
	json_t *body;

	if (docker_path(&path, "/containers/", id, "/exec", err))
		return -1;
	body = json_pack("{s:b, s:b, s:o}", "AttachStdout", 1, "AttachStderr", 1, "Cmd",
					 docker_json_from_texts(argv));
	if (!body)
		return docker_body_invalid("command", err);
	if (docker_call(docker, "POST", hc_text_string(&path), body, &json, err))
		return -1;
	*ret_exec = docker_json_text(arena, json, "Id");
	return 0;
}

/* The output ends a moment before the engine has noted the exit. */
static int exec_exit_code(struct docker *docker, const char *exec, int *ret_exit_code, struct hc_error *err)
{
	HC_AUTO_TEXT path = {0};

	if (docker_path(&path, "/exec/", exec, "/json", err))
		return -1;
	for (int look = 0; look < EXIT_LOOKS_MOST; look++) {
		DOCKER_AUTO_JSON *json = NULL;
		struct timespec pause = {.tv_nsec = EXIT_LOOK_MS * 1000000L};

		if (docker_call(docker, "GET", hc_text_string(&path), NULL, &json, err))
			return -1;
		if (!docker_json_bool(json, "Running") && json_is_integer(docker_json_at(json, "ExitCode"))) {
			*ret_exit_code = (int)docker_json_number(json, "ExitCode");
			return 0;
		}
		(void)nanosleep(&pause, NULL);
	}
	return hc_fail(err, HC_TRANSIENT, "GET %s: closed its output but has not exited", hc_text_string(&path));
}

int docker_exec(struct docker *docker, struct hc_arena *arena, const char *id, const char *const *argv,
				size_t output_bytes_max, int *ret_exit_code, const char **ret_output, struct hc_error *err)
{
	struct exec_output output = {.bytes_max = output_bytes_max};
	DOCKER_AUTO_JSON *body = json_pack("{s:b, s:b}", "Detach", 0, "Tty", 0);
	struct docker_request request = {
		.method = "POST", .body = body, .stream = true, .piece = exec_piece, .payload = &output};
	HC_AUTO_TEXT path = {0};
	const char *exec = NULL;
	int result = -1;

	if (!exec_create(docker, arena, id, argv, &exec, err) &&
		!docker_path(&path, "/exec/", exec, "/start", err)) {
		request.path = hc_text_string(&path);
		result = docker_perform(docker, &request, NULL, err);
	}
	if (!result)
		result = exec_exit_code(docker, exec, ret_exit_code, err);
	if (!result && ret_output)
		*ret_output = hc_arena_strndup(arena, hc_text_string(&output.text), output.text.length);
	hc_text_done(&output.text);
	return result;
}
