/* See dockerfile.h: checks, the order of the stages, and how a command gets into the file. */
#include "dockerfile_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define COMMAND_BYTES_MAX 8192

static bool has(const char *const *names, size_t count, const char *name)
{
	for (size_t index = 0; index < count; index++)
		if (hc_streq(names[index], name))
			return true;
	return false;
}

const char *dockerfile_runtime(const char *const *names, size_t count)
{
	if (has(names, count, "Dockerfile"))
		return DOCKERFILE_RUNTIME_DOCKERFILE;
	if (has(names, count, "package.json"))
		return DOCKERFILE_RUNTIME_NODE;
	return has(names, count, "index.html") ? DOCKERFILE_RUNTIME_STATIC : NULL;
}

/* npm last: its lockfile is the one that is left behind when a project moves to another manager. */
enum dockerfile_lockfile dockerfile_lockfile_of(const char *const *names, size_t count)
{
	static const struct {
		const char *name;
		enum dockerfile_lockfile lockfile;
	} files[] = {
		{"pnpm-lock.yaml", DOCKERFILE_LOCK_PNPM},   {"yarn.lock", DOCKERFILE_LOCK_YARN},
		{"bun.lock", DOCKERFILE_LOCK_BUN},          {"bun.lockb", DOCKERFILE_LOCK_BUN},
		{"package-lock.json", DOCKERFILE_LOCK_NPM}, {"npm-shrinkwrap.json", DOCKERFILE_LOCK_NPM},
	};

	for (size_t index = 0; index < HC_COUNT(files); index++)
		if (has(names, count, files[index].name))
			return files[index].lockfile;
	return DOCKERFILE_LOCK_NONE;
}

void dockerfile_warn(struct dockerfile_writer *writer, const char *format, ...)
{
	va_list arguments;

	if (writer->warning_count == DOCKERFILE_WARNINGS_MAX)
		return;
	va_start(arguments, format);
	writer->warnings[writer->warning_count++] = hc_arena_vprintf(writer->arena, format, arguments);
	va_end(arguments);
}

const char *dockerfile_package_text(const struct dockerfile_writer *writer, const char *object,
									const char *key)
{
	const json_t *holder = object ? json_object_get(writer->package, object) : writer->package;
	const char *text = json_string_value(json_object_get(holder, key));

	return text ? text : "";
}

/* Newer builders look for here-documents ("<<") in the words of a RUN, also in its JSON form. */
void dockerfile_json_string(struct hc_text *text, const char *value)
{
	HC_AUTO_TEXT plain = {0};
	const char *at;

	hc_text_append_json_string(&plain, value);
	for (at = hc_text_string(&plain); *at; at++)
		if (*at == '<')
			hc_text_append(text, "\\u003c");
		else
			hc_text_append_bytes(text, at, 1);
}

void dockerfile_run(struct dockerfile_writer *writer, const char *command)
{
	hc_text_append(&writer->text, "RUN [\"/bin/sh\",\"-euc\",");
	dockerfile_json_string(&writer->text, command);
	hc_text_append(&writer->text, "]\n");
}

/* A mount is there for one instruction only. The x keeps the shell from cutting line ends off. */
void dockerfile_run_with_secrets(struct dockerfile_writer *writer, const char *command)
{
	HC_AUTO_TEXT script = {0};
	const char *const *names = writer->input->secret_names;

	if (!names || !*names) {
		dockerfile_run(writer, command);
		return;
	}
	hc_text_append(&writer->text, "RUN");
	for (const char *const *name = names; *name; name++) {
		hc_text_printf(&writer->text, " --mount=type=secret,id=%s,required=true", *name);
		hc_text_printf(&script, "%s=\"$(cat /run/secrets/%s && printf x)\"; export %s=\"${%s%%x}\"; ", *name,
					   *name, *name, *name);
	}
	hc_text_append(&script, command);
	hc_text_append(&writer->text, " [\"/bin/sh\",\"-euc\",");
	dockerfile_json_string(&writer->text, hc_text_string(&script));
	hc_text_append(&writer->text, "]\n");
}

/* --- checks */

static bool folder_valid(const char *folder)
{
	if (!*folder || *folder == '/' || strlen(folder) > 255)
		return false;
	for (const char *at = folder; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr("._-/@+ ", *at))
			return false;
	for (const char *at = folder; at; at = strchr(at, '/')) {
		at += *at == '/';
		if (at[0] == '.' && at[1] == '.' && (at[2] == '/' || !at[2]))
			return false;
	}
	return true;
}

static bool name_valid(const char *name)
{
	if (!isalpha((unsigned char)*name) && *name != '_')
		return false;
	for (const char *at = name; *at; at++)
		if (!isalnum((unsigned char)*at) && *at != '_')
			return false;
	return strlen(name) <= 255;
}

static int check(const struct dockerfile_input *input, struct hc_error *err)
{
	const char *command = input->build_command;

	if (!hc_streq(input->runtime, DOCKERFILE_RUNTIME_NODE) &&
		!hc_streq(input->runtime, DOCKERFILE_RUNTIME_STATIC))
		return hc_fail(err, HC_INVALID, "runtime: \"%s\" has no generated Dockerfile; node and static have",
					   input->runtime ? input->runtime : "");
	if (command && (strlen(command) > COMMAND_BYTES_MAX || !hc_utf8_valid(command, strlen(command))))
		return hc_fail(err, HC_INVALID, "buildCommand: must be UTF-8 of at most %d bytes", COMMAND_BYTES_MAX);
	if (input->output_dir && !folder_valid(input->output_dir))
		return hc_fail(
			err, HC_INVALID,
			"outputDir: \"%.100s\" must be a folder inside the source: letters, digits, \"._-@+/\" and "
			"blanks, no \"..\" and no leading slash",
			input->output_dir);
	for (const char *const *name = input->argument_names; name && *name; name++)
		if (!name_valid(*name))
			return hc_fail(err, HC_INVALID, "build argument \"%.100s\": letters, digits and \"_\" only",
						   *name);
	for (const char *const *name = input->secret_names; name && *name; name++)
		if (!name_valid(*name))
			return hc_fail(err, HC_INVALID,
						   "env \"%.100s\", a secret of the build: letters, digits and \"_\" only", *name);
	if (input->port < 0 || input->port > 65535)
		return hc_fail(err, HC_INVALID, "internalPort: %d is no port", input->port);
	if (hc_streq(input->runtime, DOCKERFILE_RUNTIME_NODE) && !input->package_json)
		return hc_fail(err, HC_INVALID, "package.json: runtime node needs one");
	return 0;
}

static int read_package(struct dockerfile_writer *writer, struct hc_error *err)
{
	json_error_t json_error;

	if (!writer->input->package_json)
		return 0;
	writer->package = json_loads(writer->input->package_json, 0, &json_error);
	if (!writer->package)
		return hc_fail(err, HC_INVALID, "package.json: line %d: %s", json_error.line, json_error.text);
	if (!json_is_object(writer->package))
		return hc_fail(err, HC_INVALID, "package.json: must be a JSON object");
	return 0;
}

static void write_stages(struct dockerfile_writer *writer)
{
	const struct dockerfile_input *input = writer->input;
	bool node = hc_streq(input->runtime, DOCKERFILE_RUNTIME_NODE);
	bool built = node || (writer->package && input->build_command);

	hc_text_printf(&writer->text, "# Made by Helvetia Cloud, generator %d, runtime %s.\n",
				   DOCKERFILE_GENERATOR_VERSION, input->runtime);
	if (!built && input->build_command)
		dockerfile_warn(writer,
						"buildCommand is not run: there is no package.json; add a Dockerfile for another "
						"tool than Node.");
	if (built)
		dockerfile_node_build(writer);
	if (node && !input->output_dir)
		dockerfile_node_run(writer);
	else
		dockerfile_static_run(writer, built);
}

int dockerfile_generate(const struct dockerfile_input *input, struct hc_arena *arena, const char **ret_text,
						const char ***ret_warnings, struct hc_error *err)
{
	struct dockerfile_writer writer = {
		.input = input, .arena = arena, .port = input->port ? input->port : DOCKERFILE_PORT_DEFAULT};
	int result = check(input, err);

	if (!result)
		result = read_package(&writer, err);
	if (!result) {
		write_stages(&writer);
		*ret_text = hc_arena_strdup(arena, hc_text_string(&writer.text));
		*ret_warnings = hc_arena_alloc_array(arena, writer.warning_count + 1, sizeof **ret_warnings);
		if (writer.warning_count)
			(void)memcpy(*ret_warnings, writer.warnings, writer.warning_count * sizeof **ret_warnings);
	}
	json_decref(writer.package);
	hc_text_done(&writer.text);
	return result;
}
