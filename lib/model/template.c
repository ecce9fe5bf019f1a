/* Canonical text of a template, whose SHA-256 is the template hash (design 4.1).
 *
 * Version 1 is frozen: once a Deployment stored a hash of it, changing a byte of this text would restart
 * every application at the next upgrade. A new rule needs a new version beside it. */
#include "base/arena.h"
#include "base/text.h"
#include "service.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void line_text(struct hc_text *text, const char *field, const char *value)
{
	if (!value)
		return;
	hc_text_printf(text, "%s=", field);
	hc_text_append_json_string(text, value);
	hc_text_append(text, "\n");
}

static void line_number(struct hc_text *text, const char *field, int64_t value)
{
	hc_text_printf(text, "%s=%" PRId64 "\n", field, value);
}

/* Lists whose order has no meaning are sorted by name; the entries themselves stay where they are. */
static int compare_env(const void *left, const void *right)
{
	const struct env_entry *const *left_entry = left;
	const struct env_entry *const *right_entry = right;

	return strcmp((*left_entry)->name, (*right_entry)->name);
}

static int compare_volume(const void *left, const void *right)
{
	const struct volume_entry *const *left_entry = left;
	const struct volume_entry *const *right_entry = right;

	return strcmp((*left_entry)->name, (*right_entry)->name);
}

static int compare_text(const void *left, const void *right)
{
	const char *const *left_text = left;
	const char *const *right_text = right;

	return strcmp(*left_text, *right_text);
}

static void env_lines(struct hc_text *text, const char *field, const struct env_entry *entries, size_t count,
					  struct hc_arena *arena)
{
	const struct env_entry **sorted = hc_arena_alloc_array(arena, count, sizeof(struct env_entry *));

	for (size_t index = 0; index < count; index++)
		sorted[index] = &entries[index];
	qsort(sorted, count, sizeof(struct env_entry *), compare_env);
	for (size_t index = 0; index < count; index++) {
		hc_text_printf(text, "%s.scope=%s\n", field, env_scope_text(sorted[index]->scope));
		line_text(text, field, sorted[index]->name);
		line_text(text, "value", sorted[index]->value);
		line_text(text, "secret", sorted[index]->secret_name);
		line_text(text, "key", sorted[index]->secret_key);
		line_text(text, "secretVersion", sorted[index]->secret_version);
	}
}

static void volume_lines(struct hc_text *text, const struct service_template *template,
						 struct hc_arena *arena)
{
	const struct volume_entry **sorted = hc_arena_alloc_array(arena, template->volume_count,
															  sizeof(struct volume_entry *));

	for (size_t index = 0; index < template->volume_count; index++)
		sorted[index] = &template->volumes[index];
	qsort(sorted, template->volume_count, sizeof(struct volume_entry *), compare_volume);
	for (size_t index = 0; index < template->volume_count; index++) {
		line_text(text, "volume", sorted[index]->name);
		line_text(text, "path", sorted[index]->path);
		line_number(text, "readOnly", sorted[index]->read_only);
	}
}

static void domain_lines(struct hc_text *text, const struct service_template *template,
						 struct hc_arena *arena)
{
	const char **sorted = hc_arena_alloc_array(arena, template->domain_count, sizeof(char *));

	for (size_t index = 0; index < template->domain_count; index++)
		sorted[index] = template->domains[index];
	qsort(sorted, template->domain_count, sizeof(char *), compare_text);
	for (size_t index = 0; index < template->domain_count; index++)
		line_text(text, "domain", sorted[index]);
}

int service_template_text(const struct service_template *template, int version, struct hc_text *text)
{
	HC_AUTO(hc_arena) arena = NULL;

	if (version != 1)
		return -1;
	arena = hc_arena_new();
	line_text(text, "image", template->image);
	line_text(text, "repoUrl", template->repo_url);
	line_text(text, "branch", template->branch);
	line_text(text, "path", template->path);
	line_text(text, "commit", template->commit);
	line_text(text, "buildCommand", template->build_command);
	line_text(text, "startCommand", template->start_command);
	line_text(text, "dockerfile", template->dockerfile);
	line_text(text, "target", template->target);
	line_text(text, "outputDir", template->output_dir);
	line_text(text, "releaseCommand", template->release_command);
	line_text(text, "redeployNonce", template->redeploy_nonce);
	env_lines(text, "buildArg", template->build_args, template->build_arg_count, arena);
	env_lines(text, "env", template->env, template->env_count, arena);
	volume_lines(text, template, arena);
	domain_lines(text, template, arena);
	line_text(text, "healthPath", template->health_check.path);
	line_number(text, "memory", template->resources.memory_bytes);
	line_number(text, "cpu", template->resources.cpu_millis);
	line_number(text, "pids", template->resources.pids);
	line_text(text, "expose", exposure_text(template->expose));
	line_number(text, "internalPort", template->internal_port);
	return 0;
}
