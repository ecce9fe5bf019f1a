/* Images by label. The engine counts in seconds here and has null for "no labels". */
#include "docker_build.h"
#include "docker_internal.h"

#include <stdlib.h>
#include <string.h>

#define UNTAGGED "<none>:<none>" /* how engines before 23 say that there is no tag */

static int by_id(const void *left, const void *right)
{
	return strcmp(((const struct docker_image_row *)left)->id, ((const struct docker_image_row *)right)->id);
}

static void read_row(struct hc_arena *arena, const json_t *json, struct docker_image_row *row)
{
	*row = (struct docker_image_row){
		.id = docker_json_text(arena, json, "Id"),
		.tags = docker_json_texts(arena, docker_json_at(json, "RepoTags")),
		.size_bytes = docker_json_number(json, "Size"),
		.created_wall_ms = docker_json_number(json, "Created") * 1000,
	};
	if (row->tags[0] && strcmp(row->tags[0], UNTAGGED) == 0)
		row->tags[0] = NULL;
	docker_json_pairs(arena, docker_json_at(json, "Labels"), &row->labels, &row->label_count);
}

int docker_image_list(struct docker *docker, struct hc_arena *arena, const struct docker_pair *label_filters,
					  size_t filter_count, struct docker_image_row **ret_list, size_t *ret_count,
					  struct hc_error *err)
{
	HC_AUTO_TEXT path = {0};
	DOCKER_AUTO_JSON *json = NULL;
	struct docker_image_row *rows;
	size_t count;

	hc_text_append(&path, "/images/json");
	if (docker_path_label_filter(&path, label_filters, filter_count, err) ||
		docker_call(docker, "GET", hc_text_string(&path), NULL, &json, err))
		return -1;
	count = json_array_size(json);
	rows = hc_arena_alloc_array(arena, count + 1, sizeof *rows);
	for (size_t index = 0; index < count; index++)
		read_row(arena, json_array_get(json, index), &rows[index]);
	qsort(rows, count, sizeof *rows, by_id);
	*ret_list = rows;
	*ret_count = count;
	return 0;
}
