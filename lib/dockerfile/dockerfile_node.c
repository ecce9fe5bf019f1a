/* Node: version, dependencies by lockfile, build, and the lean stage that runs it. */
#include "dockerfile_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LTS 24
#define MAJOR_LEAST 16 /* the oldest with an image on Debian 12 */
#define MAJOR_MOST 99

/* --- version */

/* "20", "20.11", "v20.11.1", "20.x", "20.*": a number and what of the rest is a number too. */
static const char *exact_version(struct hc_arena *arena, const char *text)
{
	const char *at = text + (*text == 'v' || *text == '=');
	size_t length = 0;
	int parts = 0;

	for (;;) {
		size_t digits = strspn(at + length, "0123456789");

		if (!digits || digits > 4)
			break;
		length += digits;
		if (++parts == 3 || at[length] != '.' || !isdigit((unsigned char)at[length + 1]))
			break;
		length++;
	}
	if (!parts || (at[length] && strcmp(at + length, ".x") != 0 && strcmp(at + length, ".*") != 0 &&
				   strcmp(at + length, ".x.x") != 0))
		return NULL;
	return hc_arena_strndup(arena, at, length);
}

/* Whether some version with this major may satisfy one comparator; minor numbers are not looked at. */
static bool comparator_allows(const char *comparator, int major)
{
	size_t sign = strspn(comparator, "<>=^~v");
	char *end;
	long bound = strtol(comparator + sign, &end, 10);
	bool whole = end[0] != '.' || strspn(end, ".0x*") == strlen(end);

	if (comparator[sign] == '*' || comparator[sign] == 'x')
		return true;
	if (hc_starts_with(comparator, ">="))
		return major >= bound;
	if (hc_starts_with(comparator, ">"))
		return major > bound || (major == bound && !whole);
	if (hc_starts_with(comparator, "<="))
		return major <= bound;
	if (hc_starts_with(comparator, "<"))
		return major < bound || (major == bound && !whole);
	return major == bound;
}

/* A range is alternatives ("||") of comparators that must all hold. -1: not understood. */
static int range_allows(const char *range, int major)
{
	char copy[256];
	char *next = copy;
	bool known = false;

	if (strlen(range) >= sizeof copy || strspn(range, "0123456789.<>=^~vx*| ") != strlen(range) ||
		strstr(range, " - "))
		return -1;
	(void)snprintf(copy, sizeof copy, "%s", range);
	while (next) {
		char *alternative = next;
		bool all = true;
		bool some = false;

		next = strstr(alternative, "||");
		if (next) {
			*next = '\0';
			next += 2;
		}
		while (*(alternative += strspn(alternative, " |"))) {
			size_t length = strspn(alternative, "<>=^~v");

			length += strspn(alternative + length, " "); /* ">= 18" */
			length += strcspn(alternative + length, " ");
			if (alternative[length])
				alternative[length++] = '\0';
			all = all && comparator_allows(alternative, major);
			some = true;
			alternative += length;
		}
		known = known || some;
		if (some && all)
			return 1;
	}
	return known ? 0 : -1;
}

/* The LTS when the range has it, else the newest even number below, else above. */
static const char *range_version(struct hc_arena *arena, const char *range)
{
	for (int major = LTS; major >= MAJOR_LEAST; major -= 2)
		if (range_allows(range, major) == 1)
			return hc_arena_printf(arena, "%d", major);
	for (int major = LTS + 1; major <= MAJOR_MOST; major++)
		if (range_allows(range, major) == 1)
			return hc_arena_printf(arena, "%d", major);
	for (int major = LTS - 1; major >= MAJOR_LEAST; major -= 2)
		if (range_allows(range, major) == 1)
			return hc_arena_printf(arena, "%d", major);
	return NULL;
}

static const char *trimmed(struct hc_arena *arena, const char *text)
{
	size_t length;

	text += strspn(text, " \t\r\n");
	length = strcspn(text, "\r\n#");
	while (length && isspace((unsigned char)text[length - 1]))
		length--;
	return hc_arena_strndup(arena, text, length);
}

static const char *named_version(const char *text)
{
	static const struct {
		const char *name;
		const char *version;
	} names[] = {{"lts/gallium", "16"}, {"lts/hydrogen", "18"}, {"lts/iron", "20"}, {"lts/jod", "22"},
				 {"lts/krypton", "24"}, {"lts/*", "24"},        {"node", "24"},     {"*", "24"},
				 {"latest", "24"}};

	for (size_t index = 0; index < HC_COUNT(names); index++)
		if (strcasecmp(names[index].name, text) == 0)
			return names[index].version;
	return NULL;
}

static bool supported(const char *version)
{
	long major = version ? strtol(version, NULL, 10) : 0;

	return major >= MAJOR_LEAST && major <= MAJOR_MOST;
}

/* .nvmrc names what the developers use, engines what is allowed: the first wins within the second. */
void dockerfile_node_version(struct dockerfile_writer *writer)
{
	struct hc_arena *arena = writer->arena;
	const char *engines = trimmed(arena, dockerfile_package_text(writer, "engines", "node"));
	const char *nvmrc = trimmed(arena, writer->input->nvmrc ? writer->input->nvmrc : "");
	const char *used = named_version(nvmrc) ? named_version(nvmrc) : exact_version(arena, nvmrc);
	const char *version = exact_version(arena, engines);

	writer->node_version = hc_arena_printf(arena, "%d", LTS);
	if (supported(used) && !version &&
		range_allows(*engines ? engines : "*", (int)strtol(used, NULL, 10)) != 0) {
		writer->node_version = used;
		return;
	}
	if (*nvmrc && !supported(used))
		dockerfile_warn(writer, ".nvmrc: \"%.60s\" names no version of Node from %d on, and is ignored.",
						nvmrc, MAJOR_LEAST);
	if (!*engines)
		return;
	if (!version)
		version = named_version(engines) ? named_version(engines) : range_version(arena, engines);
	if (supported(version))
		writer->node_version = version;
	else
		dockerfile_warn(
			writer,
			"package.json engines.node: \"%.60s\" names no version of Node from %d on; Node %d is used.",
			engines, MAJOR_LEAST, LTS);
}

/* --- dependencies */

struct manager {
	const char *files; /* copied before the install, beside package.json */
	const char *tool;  /* makes the manager available; NULL: it is in the image */
	const char *install;
	const char *prune;
	const char *run;
};

static const char corepack[] =
	"command -v corepack >/dev/null || npm install --global corepack\ncorepack enable";

static const struct manager managers[] = {
	[DOCKERFILE_LOCK_NONE] = {"", NULL, "npm install --include=dev --no-audit --no-fund",
							  "npm prune --omit=dev --ignore-scripts --no-audit --no-fund", "npm run"},
	[DOCKERFILE_LOCK_NPM] = {" package-lock.json* npm-shrinkwrap.json*", NULL,
							 "npm ci --include=dev --no-audit --no-fund",
							 "npm prune --omit=dev --ignore-scripts --no-audit --no-fund", "npm run"},
	[DOCKERFILE_LOCK_PNPM] = {" pnpm-lock.yaml .pnpmfile.cjs* pnpm-workspace.yaml*", corepack,
							  "pnpm install --frozen-lockfile --prod=false",
							  "CI=true pnpm prune --prod --ignore-scripts", "pnpm run"},
	[DOCKERFILE_LOCK_YARN] = {" yarn.lock .yarnrc*", corepack,
							  "yarn install --frozen-lockfile --production=false",
							  "yarn install --frozen-lockfile --production --ignore-scripts --prefer-offline",
							  "yarn run"},
	[DOCKERFILE_LOCK_BUN] =
		{" bun.lock* bunfig.toml*", "npm install --global bun@1", "bun install --frozen-lockfile",
		 "rm -rf node_modules\nbun install --frozen-lockfile --production --ignore-scripts", "bun run"},
};
/* Yarn 2 and later have other options, and files beside the lockfile that we can't name. */
static const struct manager yarn_berry = {"", corepack, "yarn install --immutable", NULL, "yarn run"};

static bool is_berry(const struct dockerfile_writer *writer)
{
	const char *manager = dockerfile_package_text(writer, NULL, "packageManager");

	return hc_starts_with(manager, "yarn@") && strtol(manager + 5, NULL, 10) >= 2;
}

static const struct manager *manager_of(const struct dockerfile_writer *writer)
{
	if (writer->input->lockfile == DOCKERFILE_LOCK_YARN && is_berry(writer))
		return &yarn_berry;
	return &managers[writer->input->lockfile];
}

/* Dependencies get a layer of their own, which lives as long as the lockfile stays the same. Not when
 * installing them may need the sources: hooks, workspaces, packages that are folders, patches. */
static bool separate_layer(const struct dockerfile_writer *writer)
{
	static const char *const hooks[] = {"preinstall", "install",    "postinstall", "prepare",
										"prepublish", "preprepare", "postprepare"};
	static const char *const local[] = {
		"\"file:", "\"link:", "\"portal:", "\"patch:", "\"workspace:", "\"./", "\"../"};
	static const char *const objects[] = {"workspaces", "pnpm", "patchedDependencies"};

	if (writer->input->lockfile == DOCKERFILE_LOCK_NONE || is_berry(writer))
		return false;
	for (size_t index = 0; index < HC_COUNT(hooks); index++)
		if (*dockerfile_package_text(writer, "scripts", hooks[index]))
			return false;
	for (size_t index = 0; index < HC_COUNT(objects); index++)
		if (json_object_get(writer->package, objects[index]))
			return false;
	for (size_t index = 0; index < HC_COUNT(local); index++) {
		static const char *const lists[] = {"dependencies", "devDependencies", "optionalDependencies",
											"overrides", "resolutions"};

		for (size_t list = 0; list < HC_COUNT(lists); list++) {
			HC_AUTO_FREE text = json_dumps(json_object_get(writer->package, lists[list]), JSON_COMPACT);

			if (text && strstr(text, local[index]))
				return false;
		}
	}
	return true;
}

static void write_build(struct dockerfile_writer *writer, const struct manager *manager)
{
	const struct dockerfile_input *input = writer->input;

	for (const char *const *name = input->argument_names; name && *name; name++)
		hc_text_printf(&writer->text, "ARG %s\n", *name);
	if (input->build_command && *input->build_command)
		dockerfile_run_with_secrets(writer, input->build_command);
	else if (*dockerfile_package_text(writer, "scripts", "build"))
		dockerfile_run_with_secrets(writer, hc_arena_printf(writer->arena, "%s build", manager->run));
}

void dockerfile_node_build(struct dockerfile_writer *writer)
{
	const struct manager *manager = manager_of(writer);
	bool separate = separate_layer(writer);

	dockerfile_node_version(writer);
	hc_text_printf(&writer->text, "FROM node:%s-bookworm AS build\nWORKDIR /app\n", writer->node_version);
	hc_text_append(&writer->text, "ENV COREPACK_ENABLE_DOWNLOAD_PROMPT=0\n");
	if (manager->tool)
		dockerfile_run(writer, manager->tool);
	if (writer->input->lockfile == DOCKERFILE_LOCK_NONE)
		dockerfile_warn(writer,
						"There is no lockfile: npm install may choose other versions with each build; commit "
						"package-lock.json.");
	hc_text_printf(&writer->text, "COPY %s%s ./\n", separate ? "package.json .npmrc*" : ".",
				   separate ? manager->files : "");
	if (writer->input->secret_names && *writer->input->secret_names)
		hc_text_append(&writer->text, "ARG " DOCKERFILE_SECRETS_VERSION "\n");
	dockerfile_run_with_secrets(writer, manager->install);
	if (separate)
		hc_text_append(&writer->text, "COPY . ./\n");
	write_build(writer, manager);
	if (manager->prune && !writer->input->output_dir &&
		hc_streq(writer->input->runtime, DOCKERFILE_RUNTIME_NODE))
		dockerfile_run(writer, manager->prune);
}

/* --- run */

/* A program with arguments, which needs no shell: it can take the place of the shell, and gets SIGTERM
 * itself. */
static bool is_plain_command(const char *script)
{
	if (strspn(script, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._-/@:,+=") !=
		strlen(script))
		return false;
	return strcspn(script, "=") >= strcspn(script, " "); /* not "NAME=value program" */
}

static void write_command(struct dockerfile_writer *writer)
{
	const char *start = dockerfile_package_text(writer, "scripts", "start");
	bool hooks = *dockerfile_package_text(writer, "scripts", "prestart") ||
				 *dockerfile_package_text(writer, "scripts", "poststart");

	if (*start && !hooks && is_plain_command(start)) {
		hc_text_append(&writer->text, "CMD [\"/bin/sh\",\"-euc\",");
		dockerfile_json_string(&writer->text, hc_arena_printf(writer->arena, "exec %s", start));
		hc_text_append(&writer->text, "]\n");
	} else if (*start) {
		hc_text_append(&writer->text, "CMD [\"npm\",\"run\",\"start\"]\n");
	} else {
		if (!*dockerfile_package_text(writer, NULL, "main"))
			dockerfile_warn(writer,
							"package.json has neither scripts.start nor main: index.js is started unless "
							"startCommand is set.");
		hc_text_append(&writer->text, "CMD [\"node\",\".\"]\n");
	}
}

void dockerfile_node_run(struct dockerfile_writer *writer)
{
	const struct manager *manager = manager_of(writer);

	hc_text_printf(&writer->text, "FROM node:%s-bookworm-slim\n", writer->node_version);
	if (writer->input->lockfile == DOCKERFILE_LOCK_BUN)
		dockerfile_run(writer, manager->tool);
	dockerfile_run(writer, hc_arena_printf(writer->arena, "mkdir -p /app && chown %d:%d /app",
										   DOCKERFILE_USER, DOCKERFILE_USER));
	hc_text_printf(&writer->text,
				   "WORKDIR /app\nCOPY --from=build --chown=%d:%d /app/ ./\n"
				   "ENV NODE_ENV=production HOME=/tmp PORT=%d PATH=/app/node_modules/.bin:$PATH\n"
				   "USER %d:%d\nEXPOSE %d\nENTRYPOINT []\n",
				   DOCKERFILE_USER, DOCKERFILE_USER, writer->port, DOCKERFILE_USER, DOCKERFILE_USER,
				   writer->port);
	write_command(writer);
}
