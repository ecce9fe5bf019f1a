/* See service_input.h. */
#include "service_input.h"

#include "base/text.h"
#include "crypto/crypto.h"
#include "dockerfile/dockerfile.h"
#include "model/names.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define NAME_HASH_DIGITS 10
#define TAG_HASH_DIGITS 20

/* --- keys
 * ------------------------------------------------------------------------------------------------------- */

static void line(struct hc_text *text, const char *value)
{
	hc_text_append(text, value ? value : "");
	hc_text_append(text, "\n");
}

const char *input_resolve_key(const struct service_view *service, const struct service_template *template,
							  struct hc_arena *arena)
{
	HC_AUTO_TEXT text = {0};
	char hash[CRYPTO_SHA256_HEX_SIZE];

	line(&text, template->repo_url);
	line(&text, template->commit);
	line(&text, template->path);
	line(&text, template->dockerfile);
	crypto_sha256_hex(hc_text_string(&text), text.length, hash);
	return hc_arena_printf(arena, "commit/%s/%s", service->namespace_uid, hash);
}

const char *input_head_key(const struct service_view *service, struct hc_arena *arena)
{
	return hc_arena_printf(arena, "head/%s", service->uid);
}

static bool for_build(const struct env_entry *entry)
{
	return entry->value && entry->scope != ENV_SCOPE_RUN;
}

static bool secret_for_build(const struct env_entry *entry)
{
	return entry->secret_version && entry->scope != ENV_SCOPE_RUN;
}

static int compare_env(const void *left, const void *right)
{
	const struct env_entry *const *left_entry = left;
	const struct env_entry *const *right_entry = right;

	return strcmp((*left_entry)->name, (*right_entry)->name);
}

/* The order in which they are written has no meaning, so it has no say. */
static void hash_env(struct hc_text *text, const char *field, const struct env_entry *entries, size_t count,
					 bool all, struct hc_arena *arena)
{
	const struct env_entry **sorted = hc_arena_alloc_array(arena, count + 1, sizeof *sorted);
	size_t used = 0;

	for (size_t index = 0; index < count; index++) {
		if (all || for_build(&entries[index]))
			sorted[used++] = &entries[index];
	}
	qsort(sorted, used, sizeof *sorted, compare_env);
	for (size_t index = 0; index < used; index++) {
		hc_text_printf(text, "%s=", field);
		hc_text_append_json_string(text, sorted[index]->name);
		hc_text_append(text, ":");
		hc_text_append_json_string(text, sorted[index]->value ? sorted[index]->value : "");
		hc_text_append(text, "\n");
	}
}

/* Another value is another build; which, its id says without telling it. */
static void hash_secrets(struct hc_text *text, const struct service_template *template,
						 struct hc_arena *arena)
{
	const struct env_entry **sorted = hc_arena_alloc_array(arena, template->env_count + 1, sizeof *sorted);
	size_t used = 0;

	for (size_t index = 0; index < template->env_count; index++) {
		if (secret_for_build(&template->env[index]))
			sorted[used++] = &template->env[index];
	}
	qsort(sorted, used, sizeof *sorted, compare_env);
	for (size_t index = 0; index < used; index++) {
		hc_text_append(text, "secret=");
		hc_text_append_json_string(text, sorted[index]->name);
		hc_text_printf(text, ":%s\n", sorted[index]->secret_version);
	}
}

static void hash_field(struct hc_text *text, const char *field, const char *value)
{
	if (!value)
		return;
	hc_text_printf(text, "%s=", field);
	hc_text_append_json_string(text, value);
	hc_text_append(text, "\n");
}

const char *input_build_key(const struct service_view *service, const struct service_template *template,
							const char *tree, const char *runtime, struct hc_arena *arena,
							const char **ret_name)
{
	HC_AUTO_TEXT text = {0};
	char hash[CRYPTO_SHA256_HEX_SIZE];

	hc_text_printf(&text, "generator=%d\ninternalPort=%d\n", DOCKERFILE_GENERATOR_VERSION,
				   template->internal_port);
	hash_field(&text, "tree", tree);
	hash_field(&text, "runtime", runtime);
	hash_field(&text, "path", template->path);
	hash_field(&text, "dockerfile", template->dockerfile);
	hash_field(&text, "target", template->target);
	hash_field(&text, "buildCommand", template->build_command);
	hash_field(&text, "outputDir", template->output_dir);
	hash_env(&text, "buildArg", template->build_args, template->build_arg_count, true, arena);
	hash_env(&text, "env", template->env, template->env_count, false, arena);
	hash_secrets(&text, template, arena);
	crypto_sha256_hex(hc_text_string(&text), text.length, hash);
	*ret_name = hc_arena_printf(arena, "%s-%.*s", service->name, NAME_HASH_DIGITS, hash);
	return hc_arena_printf(arena, "build/%s/%s", service->namespace_uid, hash);
}

static const char *hash_of(const struct job_view *job)
{
	const char *slash = strrchr(job->key, '/');

	return slash ? slash + 1 : job->key;
}

/* --- JSON
 * ------------------------------------------------------------------------------------------------------- */

static void set(json_t *object, const char *name, const char *value)
{
	if (value && value[0])
		json_object_set_new(object, name, json_string(value));
}

/* Takes the value over. */
static const char *text_take(json_t *value, struct hc_arena *arena)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
	const char *copy = hc_arena_strdup(arena, text);

	free(text);
	json_decref(value);
	return copy;
}

const char *input_head(const struct service_view *service, int64_t wanted, struct hc_arena *arena)
{
	const struct service_template *template = &service->spec.template;
	json_t *object = json_object();

	set(object, "namespaceUid", service->namespace_uid);
	set(object, "repoUrl", template->repo_url);
	json_object_set_new(object, "branch", json_string(template->branch ? template->branch : ""));
	json_object_set_new(object, "commit", json_string(""));
	json_object_set_new(object, "headOnly", json_true());
	json_object_set_new(object, "wanted", json_integer(wanted));
	return text_take(object, arena);
}

void input_head_read(const char *input, const struct service_template *template, int64_t *ret_wanted,
					 bool *ret_matches)
{
	json_t *object = json_loads(input ? input : "{}", 0, NULL);
	const char *url = json_string_value(json_object_get(object, "repoUrl"));
	const char *branch = json_string_value(json_object_get(object, "branch"));

	*ret_wanted = json_integer_value(json_object_get(object, "wanted"));
	*ret_matches = hc_streq(url, template->repo_url) &&
				   hc_streq(branch ? branch : "", template->branch ? template->branch : "");
	json_decref(object);
}

const char *input_resolve(const struct service_view *service, const struct service_template *template,
						  struct hc_arena *arena)
{
	json_t *object = json_object();

	set(object, "namespaceUid", service->namespace_uid);
	set(object, "repoUrl", template->repo_url);
	set(object, "branch", template->branch);
	set(object, "commit", template->commit);
	set(object, "path", template->path);
	set(object, "dockerfile", template->dockerfile);
	json_object_set_new(object, "headOnly", json_false());
	return text_take(object, arena);
}

static json_t *pairs(const struct env_entry *entries, size_t count, bool all)
{
	json_t *list = json_array();

	for (size_t index = 0; index < count; index++) {
		if (all || for_build(&entries[index]))
			json_array_append_new(list, json_pack("{s:s,s:s}", "name", entries[index].name, "value",
												  entries[index].value ? entries[index].value : ""));
	}
	return list;
}

static json_t *secrets(const struct service_template *template)
{
	json_t *list = json_array();

	for (size_t index = 0; index < template->env_count; index++) {
		const struct env_entry *entry = &template->env[index];

		if (secret_for_build(entry))
			json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s}", "name", entry->name, "secret",
												  entry->secret_name, "key", entry->secret_key, "version",
												  entry->secret_version));
	}
	return list;
}

static const char *image_name(const struct service_world *world, const struct job_view *job,
							  struct hc_arena *arena)
{
	char hash[NAMESPACE_HASH_SIZE];

	name_namespace_hash(world->service.namespace_uid, hash);
	return hc_arena_printf(arena, "helvetia-%s/%s-%s:%.*s", world->installation, world->service.name, hash,
						   TAG_HASH_DIGITS, hash_of(job));
}

/* What the worker's input and the Build object have in common. */
static json_t *build_common(const struct service_world *world, const struct service_template *template,
							const struct job_view *job, struct hc_arena *arena)
{
	json_t *object = json_object();

	set(object, "repoUrl", template->repo_url);
	set(object, "commit", template->commit);
	set(object, "tree", job->tree);
	set(object, "path", template->path);
	set(object, "runtime", job->runtime);
	set(object, "dockerfile", template->dockerfile);
	set(object, "target", template->target);
	set(object, "outputDir", template->output_dir);
	set(object, "buildCommand", template->build_command);
	set(object, "image", image_name(world, job, arena));
	json_object_set_new(object, "internalPort", json_integer(template->internal_port));
	json_object_set_new(object, "buildArgs", pairs(template->build_args, template->build_arg_count, true));
	json_object_set_new(object, "buildEnv", pairs(template->env, template->env_count, false));
	return object;
}

const char *input_build(const struct service_world *world, const struct service_template *template,
						const struct job_view *job, struct hc_arena *arena)
{
	json_t *object = build_common(world, template, job, arena);

	set(object, "namespaceUid", world->service.namespace_uid);
	set(object, "branch", template->branch);
	set(object, "startCommand", template->start_command);
	set(object, "installation", world->installation);
	set(object, "build", job->name);
	json_object_set_new(object, "buildSecrets", secrets(template));
	return text_take(object, arena);
}

const char *input_build_spec(const struct service_world *world, const struct service_template *template,
							 const struct job_view *job, struct hc_arena *arena)
{
	json_t *object = build_common(world, template, job, arena);

	set(object, "inputHash", hash_of(job));
	set(object, "service", world->service.name);
	json_object_set_new(object, "generatorVersion", json_integer(DOCKERFILE_GENERATOR_VERSION));
	return text_take(object, arena);
}
