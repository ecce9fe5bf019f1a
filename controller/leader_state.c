/* See leader_state.h. */
#include "leader_state.h"

#include "base/alloc.h"
#include "base/file.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX 4096

int leader_state_read(const char *path, struct leader_state *ret_state, struct hc_error *err)
{
	HC_AUTO_FREE text = NULL;
	struct leader_state state = {0};
	struct hc_error read_err;
	const char *installation = NULL;
	json_error_t json_err;
	json_int_t epoch = 0;
	json_int_t version = 0;
	json_t *json;
	int result;

	if (hc_file_read(path, FILE_BYTES_MAX, &text, NULL, &read_err)) {
		if (read_err.class == HC_NOT_FOUND) {
			*ret_state = state;
			return 0;
		}
		if (err)
			*err = read_err;
		return -1;
	}
	json = json_loads(text, 0, &json_err);
	result = json ? json_unpack_ex(json, &json_err, 0, "{s:s,s:I,s:I}", "installation", &installation,
								   "epoch", &epoch, "resourceVersion", &version)
				  : -1;
	if (!result) {
		(void)snprintf(state.installation, sizeof state.installation, "%s", installation);
		state.epoch = epoch;
		state.resource_version = version;
		*ret_state = state;
	}
	json_decref(json);
	return result ? hc_fail(err, HC_INVALID, "%s: %s", path, json_err.text) : 0;
}

int leader_state_write(const char *path, const struct leader_state *state, struct hc_error *err)
{
	json_t *json = json_pack("{s:s,s:I,s:I}", "installation", state->installation, "epoch",
							 (json_int_t)state->epoch, "resourceVersion",
							 (json_int_t)state->resource_version);
	HC_AUTO_FREE text = json_dumps(json, JSON_COMPACT);

	json_decref(json);
	if (!text)
		return hc_fail(err, HC_BUG, "leader.json can't be printed");
	return hc_file_write(path, text, strlen(text), 0600, err);
}

bool leader_state_continues(const struct leader_state *seen, const struct leader_state *now)
{
	if (strcmp(seen->installation, now->installation) != 0)
		return true;
	return now->epoch > seen->epoch && now->resource_version >= seen->resource_version;
}
