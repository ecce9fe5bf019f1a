/* See task.h. */
#include "task.h"

#include "base/text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static int uuid_check(const char *text)
{
	if (strlen(text) != 36)
		return -1;
	for (size_t n = 0; n < 36; n++) {
		bool dash = n == 8 || n == 13 || n == 18 || n == 23;

		if (dash ? text[n] != '-' : !strchr("0123456789abcdef", text[n]))
			return -1;
	}
	return 0;
}

static int reference_read(const json_t *root, struct task_reference *ret_reference, struct hc_error *err)
{
	const char *id = json_string_value(json_object_get(root, "id"));
	const json_t *attempt = json_object_get(root, "attempt");

	if (!id || uuid_check(id))
		return hc_fail(err, HC_INVALID, "data.id must be the UUID of a job's row");
	if (!json_is_integer(attempt) || json_integer_value(attempt) < 1)
		return hc_fail(err, HC_INVALID, "data.attempt must be a number from 1 on");
	memcpy(ret_reference->id, id, sizeof ret_reference->id);
	ret_reference->attempt = json_integer_value(attempt);
	return 0;
}

int task_reference_parse(const char *name, const char *data, enum job_kind *ret_kind,
						 struct task_reference *ret_reference, struct hc_error *err)
{
	json_error_t why;
	json_t *root;
	int result;

	if (hc_streq(name, "resolve"))
		*ret_kind = JOB_RESOLVE;
	else if (hc_streq(name, "build"))
		*ret_kind = JOB_BUILD;
	else
		return hc_fail(err, HC_INVALID, "this worker takes jobs named resolve and build, and no other");
	if (!data || strlen(data) > TASK_DATA_BYTES_MAX)
		return hc_fail(err, HC_INVALID, "data must be {\"id\", \"attempt\"} of at most %d bytes",
					   TASK_DATA_BYTES_MAX);
	root = json_loads(data, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		return hc_fail(err, HC_INVALID, "data is no JSON object: %s", why.text);
	result = reference_read(root, ret_reference, err);
	json_decref(root);
	return result;
}

/* --- input -------------------------------------------------------------------------------------------------
 */

static const char *text_of(const json_t *root, const char *name, struct hc_arena *arena)
{
	const char *value = json_string_value(json_object_get(root, name));

	return value && *value ? hc_arena_strdup(arena, value) : NULL;
}

static int pairs_read(const json_t *root, const char *name, struct hc_arena *arena,
					  struct task_pair **ret_pairs, size_t *ret_count, struct hc_error *err)
{
	const json_t *list = json_object_get(root, name), *item;
	struct task_pair *pairs;
	size_t index;

	*ret_pairs = NULL;
	*ret_count = 0;
	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list))
		return hc_fail(err, HC_INVALID, "%s must be a list", name);
	pairs = hc_arena_alloc_array(arena, json_array_size(list) + 1, sizeof *pairs);
	json_array_foreach(list, index, item)
	{
		const char *value = json_string_value(json_object_get(item, "value"));

		pairs[index].name = text_of(item, "name", arena);
		pairs[index].value = hc_arena_strdup(arena, value ? value : "");
		if (!pairs[index].name)
			return hc_fail(err, HC_INVALID, "%s[%zu] has no name", name, index);
	}
	*ret_pairs = pairs;
	*ret_count = json_array_size(list);
	return 0;
}

static int secrets_read(const json_t *root, struct hc_arena *arena, struct task_input *input,
						struct hc_error *err)
{
	const json_t *list = json_object_get(root, "buildSecrets"), *item;
	size_t index;

	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list))
		return hc_fail(err, HC_INVALID, "buildSecrets must be a list");
	input->secrets = hc_arena_alloc_array(arena, json_array_size(list) + 1, sizeof *input->secrets);
	json_array_foreach(list, index, item)
	{
		struct task_secret *secret = &input->secrets[index];

		*secret = (struct task_secret){.name = text_of(item, "name", arena),
									   .secret = text_of(item, "secret", arena),
									   .key = text_of(item, "key", arena),
									   .version = text_of(item, "version", arena)};
		if (!secret->name || !secret->secret || !secret->key || !secret->version)
			return hc_fail(err, HC_INVALID, "buildSecrets[%zu] names no variable, secret, key or version",
						   index);
	}
	input->secret_count = json_array_size(list);
	return 0;
}

static int input_read(enum job_kind kind, const json_t *root, struct hc_arena *arena,
					  struct task_input *input, struct hc_error *err)
{
	*input = (struct task_input){
		.namespace_uid = text_of(root, "namespaceUid", arena),
		.repo_url = text_of(root, "repoUrl", arena),
		.branch = text_of(root, "branch", arena),
		.commit = text_of(root, "commit", arena),
		.path = text_of(root, "path", arena),
		.dockerfile = text_of(root, "dockerfile", arena),
		.head_only = json_is_true(json_object_get(root, "headOnly")),
		.tree = text_of(root, "tree", arena),
		.target = text_of(root, "target", arena),
		.runtime = text_of(root, "runtime", arena),
		.build_command = text_of(root, "buildCommand", arena),
		.start_command = text_of(root, "startCommand", arena),
		.output_dir = text_of(root, "outputDir", arena),
		.image = text_of(root, "image", arena),
		.installation = text_of(root, "installation", arena),
		.build = text_of(root, "build", arena),
		.internal_port = (int)json_integer_value(json_object_get(root, "internalPort")),
	};
	if (!input->namespace_uid || !input->repo_url)
		return hc_fail(err, HC_INVALID, "the job names no namespaceUid or repoUrl");
	if (kind == JOB_RESOLVE)
		return 0;
	if (!input->commit || !input->tree || !input->image || !input->runtime || !input->installation ||
		!input->build)
		return hc_fail(err, HC_INVALID,
					   "the job names no commit, tree, runtime, image, installation or build");
	if (pairs_read(root, "buildArgs", arena, &input->build_args, &input->build_arg_count, err) ||
		secrets_read(root, arena, input, err))
		return -1;
	return pairs_read(root, "buildEnv", arena, &input->build_env, &input->build_env_count, err);
}

int task_input_parse(enum job_kind kind, const char *json, struct hc_arena *arena,
					 struct task_input *ret_input, struct hc_error *err)
{
	json_error_t why;
	json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &why);
	int result;

	if (!root)
		return hc_fail(err, HC_INVALID, "the job's input is no JSON: %s", why.text);
	result = input_read(kind, root, arena, ret_input, err);
	json_decref(root);
	return result;
}

/* --- results -----------------------------------------------------------------------------------------------
 */

char *task_failure(const char *reason, const char *message, bool final)
{
	struct hc_text text = {0};

	hc_text_append(&text, "{\"reason\":");
	hc_text_append_json_string(&text, reason);
	hc_text_append(&text, ",\"message\":");
	hc_text_append_json_string(&text, message);
	hc_text_printf(&text, ",\"final\":%s}", final ? "true" : "false");
	return hc_text_take(&text);
}

char *task_result(bool success, const char *outcome)
{
	struct hc_text text = {0};

	hc_text_printf(&text, "{\"success\":%s,\"outcome\":%s}", success ? "true" : "false", outcome);
	return hc_text_take(&text);
}

int task_result_parse(const char *text, bool *ret_success, char **ret_outcome, struct hc_error *err)
{
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const json_t *success = json_object_get(root, "success"), *outcome = json_object_get(root, "outcome");

	*ret_outcome = NULL;
	if (json_is_boolean(success) && json_is_object(outcome)) {
		*ret_success = json_is_true(success);
		*ret_outcome = json_dumps(outcome, JSON_COMPACT);
	}
	json_decref(root);
	if (!*ret_outcome)
		return hc_fail(err, HC_INVALID, "the child's answer is no {\"success\", \"outcome\"}");
	return 0;
}
