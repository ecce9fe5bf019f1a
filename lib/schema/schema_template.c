/* The fields that a Service's spec and a Deployment's template share, between JSON and struct
 * service_template. The struct knows no defaults; the JSON it is read from has them filled in, or is a
 * snapshot that was written from a struct. Reading what schema_template_json() wrote gives an equal struct.
 */
#include "schema_internal.h"

#include "base/alloc.h"
#include "crypto/crypto.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* The plain texts: one row a field, both directions. */
static const struct {
	const char *key;
	size_t offset;
} texts[] = {
	{"repoUrl", offsetof(struct service_template, repo_url)},
	{"branch", offsetof(struct service_template, branch)},
	{"path", offsetof(struct service_template, path)},
	{"commit", offsetof(struct service_template, commit)},
	{"image", offsetof(struct service_template, image)},
	{"buildCommand", offsetof(struct service_template, build_command)},
	{"startCommand", offsetof(struct service_template, start_command)},
	{"dockerfile", offsetof(struct service_template, dockerfile)},
	{"target", offsetof(struct service_template, target)},
	{"outputDir", offsetof(struct service_template, output_dir)},
	{"releaseCommand", offsetof(struct service_template, release_command)},
	{"redeployNonce", offsetof(struct service_template, redeploy_nonce)},
};

static const char **text_field(struct service_template *template, size_t offset)
{
	return (const char **)(void *)((char *)template + offset);
}

const char *schema_text_read(const json_t *object, const char *key, struct hc_arena *arena)
{
	return hc_arena_strdup(arena, json_string_value(json_object_get(object, key)));
}

int64_t schema_integer_read(const json_t *object, const char *key, int64_t fallback)
{
	const json_t *value = json_object_get(object, key);
	return json_is_integer(value) ? json_integer_value(value) : fallback;
}

void schema_text_set(json_t *object, const char *key, const char *text)
{
	if (text)
		json_object_set_new(object, key, json_string(text));
}

struct moment schema_moment_read(const json_t *object, struct hc_arena *arena)
{
	return (struct moment){
		.boot_id = schema_text_read(object, "bootId", arena),
		.at_ms = schema_integer_read(object, "atMs", 0),
	};
}

void schema_moment_set(json_t *object, const char *key, const struct moment *moment)
{
	if (!moment->boot_id && moment->at_ms == 0)
		return;
	json_t *value = json_object();
	schema_text_set(value, "bootId", moment->boot_id);
	json_object_set_new(value, "atMs", json_integer(moment->at_ms));
	json_object_set_new(object, key, value);
}

/* --- reading
 * -------------------------------------------------------------------------------------------------- */

static int read_env(const json_t *list, struct hc_arena *arena, struct env_entry **ret_entries,
					size_t *ret_count, struct hc_error *err)
{
	size_t count = json_array_size(list);
	struct env_entry *entries = hc_arena_alloc_array(arena, count, sizeof(*entries));
	for (size_t i = 0; i < count; i++) {
		const json_t *item = json_array_get(list, i);
		const json_t *reference = json_object_get(item, "secretRef");
		const char *scope = json_string_value(json_object_get(item, "scope"));
		entries[i] = (struct env_entry){
			.name = schema_text_read(item, "name", arena),
			.value = schema_text_read(item, "value", arena),
			.secret_name = schema_text_read(reference, "name", arena),
			.secret_key = schema_text_read(reference, "key", arena),
			.secret_version = schema_text_read(reference, "version", arena),
			.scope = ENV_SCOPE_RUN,
		};
		if (!entries[i].name)
			return hc_fail(err, HC_INVALID, "[%zu].name is missing", i);
		if (scope && env_scope_parse(scope, &entries[i].scope) < 0)
			return hc_fail(err, HC_INVALID, "[%zu].scope is \"%s\"", i, scope);
	}
	*ret_entries = entries;
	*ret_count = count;
	return 0;
}

static int read_volumes(const json_t *list, struct hc_arena *arena, struct service_template *template,
						struct hc_error *err)
{
	size_t count = json_array_size(list);
	struct volume_entry *volumes = hc_arena_alloc_array(arena, count, sizeof(*volumes));
	for (size_t i = 0; i < count; i++) {
		const json_t *item = json_array_get(list, i);
		const char *path = json_string_value(json_object_get(item, "path"));
		const char *on_delete = json_string_value(json_object_get(item, "onDelete"));
		size_t length = path ? strlen(path) : 0;
		while (length > 1 && path[length - 1] == '/')
			length--;
		volumes[i] = (struct volume_entry){
			.name = schema_text_read(item, "name", arena),
			.path = path ? hc_arena_strndup(arena, path, length) : NULL,
			.read_only = json_is_true(json_object_get(item, "readOnly")),
			.delete_with_service = on_delete && strcmp(on_delete, "Delete") == 0,
		};
		if (!volumes[i].name || !volumes[i].path)
			return hc_fail(err, HC_INVALID, "[%zu]: name or path is missing", i);
	}
	template->volumes = volumes;
	template->volume_count = count;
	return 0;
}

static int text_compare(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static int read_domains(const json_t *list, struct hc_arena *arena, struct service_template *template,
						struct hc_error *err)
{
	size_t count = json_array_size(list);
	const char **domains = hc_arena_alloc_array(arena, count, sizeof(*domains));
	for (size_t i = 0; i < count; i++) {
		char *domain = hc_arena_strdup(arena, json_string_value(json_array_get(list, i)));
		if (!domain)
			return hc_fail(err, HC_INVALID, "[%zu] is not text", i);
		for (char *at = domain; *at; at++)
			*at = (char)tolower((unsigned char)*at);
		domains[i] = domain;
	}
	if (count > 0)
		qsort(domains, count, sizeof(*domains), text_compare);
	template->domains = domains;
	template->domain_count = count;
	return 0;
}

static int read_resources(const json_t *object, struct resources *resources, struct hc_error *err)
{
	if (schema_quantity_parse(json_object_get(object, "memory"), 1, &resources->memory_bytes) < 0)
		return hc_fail(err, HC_INVALID, "memory is not a quantity");
	if (schema_quantity_parse(json_object_get(object, "cpu"), 1000, &resources->cpu_millis) < 0)
		return hc_fail(err, HC_INVALID, "cpu is not a quantity");
	resources->pids = schema_integer_read(object, "pids", 0);
	return 0;
}

int schema_template_read(const json_t *object, struct hc_arena *arena, struct service_template *ret_template,
						 struct hc_error *err)
{
	struct service_template template = {0};
	if (!json_is_object(object))
		return hc_fail(err, HC_INVALID, "must be a mapping");
	for (size_t i = 0; i < HC_COUNT(texts); i++)
		*text_field(&template, texts[i].offset) = schema_text_read(object, texts[i].key, arena);
	if (template.commit && !*template.commit)
		template.commit = NULL; /* an empty commit is an unresolved one */
	template.internal_port = (int)schema_integer_read(object, "internalPort", 0);
	template.health_check.path = schema_text_read(json_object_get(object, "healthCheck"), "path", arena);

	const char *expose = json_string_value(json_object_get(object, "expose"));
	if (!expose || exposure_parse(expose, &template.expose) < 0)
		return hc_fail(err, HC_INVALID, "expose is \"%s\"", expose ? expose : "");
	if (read_resources(json_object_get(object, "resources"), &template.resources, err) < 0)
		return hc_wrap(err, "resources");
	if (read_env(json_object_get(object, "buildArgs"), arena, &template.build_args, &template.build_arg_count,
				 err) < 0)
		return hc_wrap(err, "buildArgs");
	if (read_env(json_object_get(object, "env"), arena, &template.env, &template.env_count, err) < 0)
		return hc_wrap(err, "env");
	if (read_volumes(json_object_get(object, "volumes"), arena, &template, err) < 0)
		return hc_wrap(err, "volumes");
	if (read_domains(json_object_get(object, "domains"), arena, &template, err) < 0)
		return hc_wrap(err, "domains");
	*ret_template = template;
	return 0;
}

static bool has_writable_volume(const struct service_template *template)
{
	for (size_t i = 0; i < template->volume_count; i++)
		if (!template->volumes[i].read_only)
			return true;
	return false;
}

int schema_service_spec(const json_t *spec, struct hc_arena *arena, struct service_spec *ret_spec,
						struct hc_error *err)
{
	struct service_spec result = {0};
	if (schema_template_read(spec, arena, &result.template, err) < 0)
		return hc_wrap(err, "spec");
	const json_t *strategy = json_object_get(spec, "strategy");
	const char *type = json_string_value(json_object_get(strategy, "type"));
	if (!type || strategy_parse(type, &result.strategy) < 0)
		return hc_fail(err, HC_INVALID, "spec: strategy.type is \"%s\"", type ? type : "");
	/* Two containers must never write one volume at a time. */
	if (has_writable_volume(&result.template))
		result.strategy = STRATEGY_RECREATE;
	result.replicas = (int)schema_integer_read(spec, "replicas", 0);
	result.min_ready_seconds = (int)schema_integer_read(strategy, "minReadySeconds", 0);
	result.drain_seconds = (int)schema_integer_read(strategy, "drainSeconds", 0);
	result.grace_seconds = (int)schema_integer_read(strategy, "graceSeconds", 0);
	result.deadline_seconds = (int)schema_integer_read(strategy, "deadlineSeconds", 0);
	result.history_limit = (int)schema_integer_read(spec, "historyLimit", 0);
	result.auto_deploy = json_is_true(json_object_get(spec, "autoDeploy"));
	result.suspend = json_is_true(json_object_get(spec, "suspend"));
	const json_t *rollback = json_object_get(spec, "rollbackTo");
	result.rollback_to_revision = schema_integer_read(rollback, "revision", 0);
	result.rollback_rejected_hash = schema_text_read(rollback, "rejectedHash", arena);
	*ret_spec = result;
	return 0;
}

/* --- writing
 * -------------------------------------------------------------------------------------------------- */

static json_t *env_json(const struct env_entry *entries, size_t count, bool arguments)
{
	json_t *list = json_array();
	for (size_t i = 0; i < count; i++) {
		json_t *item = json_object();
		schema_text_set(item, "name", entries[i].name);
		schema_text_set(item, "value", entries[i].value);
		if (entries[i].secret_name || entries[i].secret_key) {
			json_t *reference = json_object();
			schema_text_set(reference, "name", entries[i].secret_name);
			schema_text_set(reference, "key", entries[i].secret_key);
			schema_text_set(reference, "version", entries[i].secret_version);
			json_object_set_new(item, "secretRef", reference);
		}
		if (!arguments && entries[i].scope != ENV_SCOPE_RUN)
			schema_text_set(item, "scope", env_scope_text(entries[i].scope));
		json_array_append_new(list, item);
	}
	return list;
}

static json_t *volumes_json(const struct service_template *template)
{
	json_t *list = json_array();
	for (size_t i = 0; i < template->volume_count; i++) {
		const struct volume_entry *volume = &template->volumes[i];
		json_t *item = json_object();
		schema_text_set(item, "name", volume->name);
		schema_text_set(item, "path", volume->path);
		if (volume->read_only)
			json_object_set_new(item, "readOnly", json_true());
		if (volume->delete_with_service)
			json_object_set_new(item, "onDelete", json_string("Delete"));
		json_array_append_new(list, item);
	}
	return list;
}

static json_t *resources_json(const struct resources *resources)
{
	HC_AUTO_FREE memory = schema_quantity_memory_text(resources->memory_bytes);
	HC_AUTO_FREE cpu = schema_quantity_cpu_text(resources->cpu_millis);
	json_t *object = json_object();
	schema_text_set(object, "memory", memory);
	schema_text_set(object, "cpu", cpu);
	json_object_set_new(object, "pids", json_integer(resources->pids));
	return object;
}

json_t *schema_template_json(const struct service_template *template)
{
	json_t *object = json_object();
	for (size_t i = 0; i < HC_COUNT(texts); i++)
		schema_text_set(object, texts[i].key,
						*text_field((struct service_template *)(uintptr_t) template, texts[i].offset));
	json_object_set_new(object, "internalPort", json_integer(template->internal_port));
	schema_text_set(object, "expose", exposure_text(template->expose));
	json_object_set_new(object, "resources", resources_json(&template->resources));
	if (template->health_check.path) {
		json_t *check = json_object();
		schema_text_set(check, "path", template->health_check.path);
		json_object_set_new(object, "healthCheck", check);
	}
	if (template->build_arg_count > 0)
		json_object_set_new(object, "buildArgs",
							env_json(template->build_args, template->build_arg_count, true));
	if (template->env_count > 0)
		json_object_set_new(object, "env", env_json(template->env, template->env_count, false));
	if (template->volume_count > 0)
		json_object_set_new(object, "volumes", volumes_json(template));
	if (template->domain_count > 0) {
		json_t *domains = json_array();
		for (size_t i = 0; i < template->domain_count; i++)
			json_array_append_new(domains, json_string(template->domains[i]));
		json_object_set_new(object, "domains", domains);
	}
	return object;
}

int schema_template_hash(const json_t *service, struct hc_arena *arena, const char **ret_hash,
						 struct hc_error *err)
{
	struct service_spec spec;

	if (schema_service_spec(json_object_get(service, "spec"), arena, &spec, err))
		return -1;
	return schema_template_hash_of(&spec.template, arena, ret_hash, err);
}

int schema_template_hash_of(const struct service_template *template, struct hc_arena *arena,
							const char **ret_hash, struct hc_error *err)
{
	HC_AUTO_TEXT text = {0};
	char *hash = hc_arena_alloc(arena, CRYPTO_SHA256_HEX_SIZE);

	if (service_template_text(template, TEMPLATE_HASH_VERSION, &text))
		return hc_fail(err, HC_BUG, "template hash version %d is not known", TEMPLATE_HASH_VERSION);
	crypto_sha256_hex(hc_text_string(&text), text.length, hash);
	*ret_hash = hash;
	return 0;
}
