/* Named volumes. See docker.h. */
#include "docker_internal.h"

int docker_volume_create(struct docker *docker, const char *name, const struct docker_pair *labels,
						 size_t label_count, struct hc_error *err)
{
	json_t *body = json_pack("{s:s, s:s, s:o}", "Name", name, "Driver", "local", "Labels",
							 docker_json_from_pairs(labels, label_count));

	if (!body)
		return docker_body_invalid("volume", err);
	return docker_do(docker, "POST", "/volumes/create", body, err) ? hc_wrap(err, "volume %s", name) : 0;
}

int docker_volume_remove(struct docker *docker, const char *name, struct hc_error *err)
{
	HC_AUTO_TEXT path = {0};

	if (docker_path(&path, "/volumes/", name, "", err))
		return -1;
	return docker_do(docker, "DELETE", hc_text_string(&path), NULL, err);
}
