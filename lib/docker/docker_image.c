/* Images: inspect, pull, import, tag, remove. Pull and import answer 200 at once and tell success or failure
 * in JSON lines, the last of which decides. */
#include "docker_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int docker_image_inspect(struct docker *docker, struct hc_arena *arena, const char *name,
						 struct docker_image *ret_image, struct hc_error *err)
{
	HC_AUTO_TEXT path = {0};
	DOCKER_AUTO_JSON *json = NULL;
	const char *test;

	if (docker_path(&path, "/images/", name, "/json", err) ||
		docker_call(docker, "GET", hc_text_string(&path), NULL, &json, err))
		return -1;
	*ret_image = (struct docker_image){
		.id = docker_json_text(arena, json, "Id"),
		.tags = docker_json_texts(arena, docker_json_at(json, "RepoTags")),
		.digests = docker_json_texts(arena, docker_json_at(json, "RepoDigests")),
		.volumes = docker_json_keys(arena, docker_json_at(json, "Config/Volumes")),
		.size_bytes = docker_json_number(json, "Size"),
	};
	docker_json_pairs(arena, docker_json_at(json, "Config/Labels"), &ret_image->labels,
					  &ret_image->label_count);
	test = json_string_value(json_array_get(docker_json_at(json, "Config/Healthcheck/Test"), 0));
	ret_image->health_check = test && *test && strcmp(test, "NONE") != 0;
	return 0;
}

struct progress {
	void (*line)(const char *line, void *payload);
	void *payload;
	struct docker_line lines;
	char image_id[80]; /* last status that is one */
};

static int progress_line(const char *text, size_t length, void *payload, struct hc_error *err)
{
	struct progress *progress = payload;
	DOCKER_AUTO_JSON *json = json_loadb(text, length, 0, NULL);
	const char *error = json_string_value(docker_json_at(json, "errorDetail/message"));
	const char *status = json_string_value(json_object_get(json, "status"));
	const char *layer = json_string_value(json_object_get(json, "id"));
	const char *bar = json_string_value(json_object_get(json, "progress"));
	HC_AUTO_TEXT line = {0};

	if (!json)
		return hc_fail(err, HC_BUG, "the engine sent a line of progress that is no JSON");
	if (!error)
		error = json_string_value(json_object_get(json, "error"));
	if (error)
		return hc_fail(err, docker_pull_class(error), "%s", error);
	if (status && hc_starts_with(status, "sha256:") && strlen(status) < sizeof progress->image_id)
		(void)memcpy(progress->image_id, status, strlen(status) + 1);
	if (!status || !progress->line)
		return 0;
	hc_text_printf(&line, "%s%s%s%s%s", layer ? layer : "", layer ? ": " : "", status, bar ? " " : "",
				   bar ? bar : "");
	progress->line(hc_text_string(&line), progress->payload);
	return 0;
}

static int progress_piece(const char *data, size_t length, void *payload, struct hc_error *err)
{
	struct progress *progress = payload;

	return docker_line_feed(&progress->lines, data, length, err);
}

static int follow_progress(struct docker *docker, struct docker_request *request, struct progress *progress,
						   struct hc_error *err)
{
	int result;

	progress->lines = (struct docker_line){.line = progress_line, .payload = progress};
	request->method = "POST";
	request->piece = progress_piece;
	request->payload = progress;
	request->stream = true;
	result = docker_perform(docker, request, NULL, err);
	if (!result)
		result = docker_line_end(&progress->lines, err);
	docker_line_done(&progress->lines);
	return result;
}

int docker_image_pull(struct docker *docker, const char *name, int64_t timeout_ms,
					  void (*progress)(const char *line, void *payload), void *payload, struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	HC_AUTO_TEXT path = {0};
	struct progress state = {.line = progress, .payload = payload};
	struct docker_request request = {.timeout_ms = timeout_ms};
	const char *repository;
	const char *tag;
	struct hc_error own = {0};

	docker_image_split(arena, name, &repository, &tag);
	hc_text_append(&path, "/images/create");
	docker_path_query(&path, "fromImage", repository);
	docker_path_query(&path, "tag", tag);
	request.path = hc_text_string(&path);
	if (!follow_progress(docker, &request, &state, &own))
		return 0;
	/* What the registry said before the first byte comes as 404 or 500, whatever it was. */
	if (own.class == HC_NOT_FOUND || own.class == HC_TRANSIENT) {
		enum hc_class class = docker_pull_class(own.text);

		own.class = class == HC_TRANSIENT && own.class == HC_NOT_FOUND ? HC_NOT_FOUND : class;
	}
	if (err)
		*err = own;
	return hc_wrap(err, "pull %s", name);
}

int docker_image_import(struct docker *docker, struct hc_arena *arena, const char *tar_path,
						const char *repository, const char *tag, const char *const *changes,
						const char **ret_id, struct hc_error *err)
{
	HC_AUTO_FD fd = open(tar_path, O_RDONLY | O_CLOEXEC);
	HC_AUTO_TEXT path = {0};
	struct progress state = {0};
	struct docker_request request = {.timeout_ms = HC_LIMIT_DOCKER_IMPORT_MS};
	struct stat status;

	if (fd < 0 || fstat(fd, &status))
		return hc_fail(err, errno == ENOENT ? HC_NOT_FOUND : HC_INVALID, "open %s: %s", tar_path,
					   strerror(errno));
	if (!S_ISREG(status.st_mode) || status.st_size <= 0)
		return hc_fail(err, HC_INVALID, "%s: is no tar file", tar_path);
	hc_text_append(&path, "/images/create?fromSrc=-");
	docker_path_query(&path, "repo", repository);
	docker_path_query(&path, "tag", tag);
	for (; changes && *changes; changes++)
		docker_path_query(&path, "changes", *changes);
	request.path = hc_text_string(&path);
	request.upload_fd = fd;
	request.upload_length = status.st_size;
	if (follow_progress(docker, &request, &state, err))
		return hc_wrap(err, "import %s", tar_path);
	if (!*state.image_id)
		return hc_fail(err, HC_BUG, "import %s: the engine gave no image id", tar_path);
	*ret_id = hc_arena_strdup(arena, state.image_id);
	return 0;
}

int docker_image_tag(struct docker *docker, const char *id, const char *repository, const char *tag,
					 struct hc_error *err)
{
	HC_AUTO_TEXT path = {0};

	if (docker_path(&path, "/images/", id, "/tag", err))
		return -1;
	docker_path_query(&path, "repo", repository);
	docker_path_query(&path, "tag", tag);
	return docker_do(docker, "POST", hc_text_string(&path), NULL, err);
}

int docker_image_remove(struct docker *docker, const char *id, struct hc_error *err)
{
	HC_AUTO_TEXT path = {0};

	if (docker_path(&path, "/images/", id, "", err))
		return -1;
	return docker_do(docker, "DELETE", hc_text_string(&path), NULL, err);
}
