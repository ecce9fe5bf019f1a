/* lib/dockerfile: runtime and lockfile by names, whole files, versions of Node, and texts that try to get out
 * of their string. The reader of the file below knows what a builder does: one instruction a line, JSON for
 * RUN. */
#include "../cmocka_all.h"

#include "base/text.h"
#include "dockerfile/dockerfile.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static struct hc_arena *arena;

static int begin(void **state)
{
	(void)state;
	arena = hc_arena_new();
	return 0;
}

static int end(void **state)
{
	(void)state;
	hc_arena_free(arena);
	return 0;
}

static const char *generate(const struct dockerfile_input *input, const char ***ret_warnings)
{
	const char *text = NULL;
	struct hc_error err = {0};

	if (dockerfile_generate(input, arena, &text, ret_warnings, &err))
		fail_msg("%s", err.text);
	return text;
}

static void test_names(void **state)
{
	static const struct {
		const char *names[4];
		const char *runtime;
		enum dockerfile_lockfile lockfile;
	} rows[] = {
		{{"src", NULL}, NULL, DOCKERFILE_LOCK_NONE},
		{{"Dockerfile", "package.json", "index.html", NULL}, "dockerfile", DOCKERFILE_LOCK_NONE},
		{{"index.html", "package.json", NULL}, "node", DOCKERFILE_LOCK_NONE},
		{{"index.html", NULL}, "static", DOCKERFILE_LOCK_NONE},
		{{"dockerfile", NULL}, NULL, DOCKERFILE_LOCK_NONE},
		{{"package.json", "package-lock.json", NULL}, "node", DOCKERFILE_LOCK_NPM},
		{{"package.json", "npm-shrinkwrap.json", NULL}, "node", DOCKERFILE_LOCK_NPM},
		{{"package-lock.json", "package.json", "pnpm-lock.yaml", NULL}, "node", DOCKERFILE_LOCK_PNPM},
		{{"package.json", "yarn.lock", NULL}, "node", DOCKERFILE_LOCK_YARN},
		{{"package.json", "bun.lock", NULL}, "node", DOCKERFILE_LOCK_BUN},
		{{"package.json", "bun.lockb", NULL}, "node", DOCKERFILE_LOCK_BUN},
	};

	(void)state;
	for (size_t row = 0; row < HC_COUNT(rows); row++) {
		size_t count = 0;

		while (rows[row].names[count])
			count++;
		assert_true(hc_streq(dockerfile_runtime(rows[row].names, count), rows[row].runtime));
		assert_int_equal(dockerfile_lockfile_of(rows[row].names, count), rows[row].lockfile);
	}
	assert_null(dockerfile_runtime(NULL, 0));
}

/* Mounted for the commands that may need them, and for nothing else. */
static void test_secrets(void **state)
{
	static const char *const secrets[] = {"NPM_TOKEN", "KEY_2", NULL};
	struct dockerfile_input input = {
		.runtime = "node",
		.package_json = "{\"scripts\":{\"start\":\"node server.js\",\"build\":\"tsc\"}}",
		.lockfile = DOCKERFILE_LOCK_NPM,
		.secret_names = secrets,
	};
	const char **warnings;
	const char *text;

	(void)state;
	text = generate(&input, &warnings);
	assert_non_null(strstr(
		text, "ARG HELVETIA_SECRETS_VERSION\n"
			  "RUN --mount=type=secret,id=NPM_TOKEN,required=true --mount=type=secret,id=KEY_2,required=true "
			  "[\"/bin/sh\",\"-euc\",\"NPM_TOKEN=\\\"$(cat /run/secrets/NPM_TOKEN && printf x)\\\"; "
			  "export NPM_TOKEN=\\\"${NPM_TOKEN%x}\\\"; "
			  "KEY_2=\\\"$(cat /run/secrets/KEY_2 && printf x)\\\"; export KEY_2=\\\"${KEY_2%x}\\\"; "
			  "npm ci --include=dev --no-audit --no-fund\"]\n"));
	assert_non_null(strstr(text, "export KEY_2=\\\"${KEY_2%x}\\\"; npm run build\"]\n"));
	assert_non_null(strstr(text, "RUN [\"/bin/sh\",\"-euc\",\"npm prune"));
	assert_null(strstr(strstr(text, "npm prune"), "secret"));
}

static void test_node(void **state)
{
	static const char *const arguments[] = {"API_URL", NULL};
	struct dockerfile_input input = {
		.runtime = "node",
		.package_json = "{\"scripts\":{\"start\":\"node server.js\",\"build\":\"tsc\"}}",
		.lockfile = DOCKERFILE_LOCK_NPM,
		.argument_names = arguments,
		.port = 8081,
	};
	const char **warnings;

	(void)state;
	assert_string_equal(
		generate(&input, &warnings),
		"# Made by Helvetia Cloud, generator 1, runtime node.\n"
		"FROM node:24-bookworm AS build\n"
		"WORKDIR /app\n"
		"ENV COREPACK_ENABLE_DOWNLOAD_PROMPT=0\n"
		"COPY package.json .npmrc* package-lock.json* npm-shrinkwrap.json* ./\n"
		"RUN [\"/bin/sh\",\"-euc\",\"npm ci --include=dev --no-audit --no-fund\"]\n"
		"COPY . ./\n"
		"ARG API_URL\n"
		"RUN [\"/bin/sh\",\"-euc\",\"npm run build\"]\n"
		"RUN [\"/bin/sh\",\"-euc\",\"npm prune --omit=dev --ignore-scripts --no-audit --no-fund\"]\n"
		"FROM node:24-bookworm-slim\n"
		"RUN [\"/bin/sh\",\"-euc\",\"mkdir -p /app && chown 10001:10001 /app\"]\n"
		"WORKDIR /app\n"
		"COPY --from=build --chown=10001:10001 /app/ ./\n"
		"ENV NODE_ENV=production HOME=/tmp PORT=8081 PATH=/app/node_modules/.bin:$PATH\n"
		"USER 10001:10001\n"
		"EXPOSE 8081\n"
		"ENTRYPOINT []\n"
		"CMD [\"/bin/sh\",\"-euc\",\"exec node server.js\"]\n");
	assert_null(warnings[0]);
}

/* What must and must not be in the file, by package.json and lockfile. */
static void test_managers(void **state)
{
	static const struct {
		enum dockerfile_lockfile lockfile;
		const char *package_json;
		const char *has[3];
		const char *has_not;
		int warnings;
	} rows[] = {
		{DOCKERFILE_LOCK_NONE,
		 "{\"main\":\"a.js\"}",
		 {"\"npm install --include=dev", "CMD [\"node\",\".\"]"},
		 "npm ci",
		 1},
		{DOCKERFILE_LOCK_NONE, "{}", {"CMD [\"node\",\".\"]"}, "npm run build", 2},
		{DOCKERFILE_LOCK_PNPM,
		 "{\"main\":\"a.js\"}",
		 {"corepack enable", "pnpm install --frozen-lockfile", "CI=true pnpm prune --prod"},
		 "npm ci",
		 0},
		{DOCKERFILE_LOCK_YARN, "{\"main\":\"a.js\"}", {"yarn install --frozen-lockfile"}, "--immutable", 0},
		{DOCKERFILE_LOCK_YARN,
		 "{\"main\":\"a.js\",\"packageManager\":\"yarn@4.5.1\"}",
		 {"yarn install --immutable", "COPY . ./"},
		 "--frozen-lockfile",
		 0},
		{DOCKERFILE_LOCK_BUN,
		 "{\"main\":\"a.js\"}",
		 {"npm install --global bun", "bun install --frozen-lockfile"},
		 "npm ci",
		 0},
		{DOCKERFILE_LOCK_NPM,
		 "{\"scripts\":{\"start\":\"a && b\"}}",
		 {"CMD [\"npm\",\"run\",\"start\"]"},
		 "exec",
		 0},
		{DOCKERFILE_LOCK_NPM,
		 "{\"scripts\":{\"start\":\"A=1 node b\"}}",
		 {"CMD [\"npm\",\"run\",\"start\"]"},
		 "exec",
		 0},
		{DOCKERFILE_LOCK_NPM,
		 "{\"scripts\":{\"start\":\"node b --x=1\",\"prestart\":\"c\"}}",
		 {"CMD [\"npm\",\"run\",\"start\"]"},
		 "exec",
		 0},
		{DOCKERFILE_LOCK_NPM,
		 "{\"scripts\":{\"start\":\"node b --x=1\"}}",
		 {"exec node b --x=1"},
		 "run\",\"start",
		 0},
		/* Sources before the install, where it may need them. */
		{DOCKERFILE_LOCK_NPM,
		 "{\"main\":\"a\",\"scripts\":{\"postinstall\":\"x\"}}",
		 {"COPY . ./"},
		 "COPY package.json",
		 0},
		{DOCKERFILE_LOCK_NPM,
		 "{\"main\":\"a\",\"workspaces\":[\"p/*\"]}",
		 {"COPY . ./"},
		 "COPY package.json",
		 0},
		{DOCKERFILE_LOCK_NPM,
		 "{\"main\":\"a\",\"dependencies\":{\"b\":\"file:./b\"}}",
		 {"COPY . ./"},
		 "COPY package.json",
		 0},
		{DOCKERFILE_LOCK_NPM,
		 "{\"main\":\"a\",\"dependencies\":{\"b\":\"^1.0.0\"}}",
		 {"COPY package.json"},
		 "yarn",
		 0},
	};

	(void)state;
	for (size_t row = 0; row < HC_COUNT(rows); row++) {
		struct dockerfile_input input = {
			.runtime = "node", .package_json = rows[row].package_json, .lockfile = rows[row].lockfile};
		const char **warnings;
		const char *text = generate(&input, &warnings);
		int count = 0;

		for (size_t index = 0; index < HC_COUNT(rows[row].has) && rows[row].has[index]; index++)
			if (!strstr(text, rows[row].has[index]))
				fail_msg("row %zu lacks %s:\n%s", row, rows[row].has[index], text);
		if (strstr(text, rows[row].has_not))
			fail_msg("row %zu has %s:\n%s", row, rows[row].has_not, text);
		while (warnings[count])
			count++;
		if (count != rows[row].warnings)
			fail_msg("row %zu: %d warnings, the last: %s", row, count, count ? warnings[count - 1] : "");
	}
}

static void test_versions(void **state)
{
	static const struct {
		const char *engines;
		const char *nvmrc;
		const char *tag;
		bool warned;
	} rows[] = {
		{NULL, NULL, "24", false},
		{"20", NULL, "20", false},
		{"20.x", NULL, "20", false},
		{"20.11", NULL, "20.11", false},
		{"v20.11.1", NULL, "20.11.1", false},
		{">=18", NULL, "24", false},
		{">= 18", NULL, "24", false},
		{">=18 <21", NULL, "20", false},
		{">=18.0.0 <=20", NULL, "20", false},
		{"^18.2.0", NULL, "18", false},
		{"~22.3.1", NULL, "22", false},
		{"^18 || ^20 || >=22", NULL, "24", false},
		{"^18||^20", NULL, "20", false},
		{">20 <22", NULL, "21", false},
		{"<22", NULL, "20", false},
		{">=26", NULL, "26", false},
		{"*", NULL, "24", false},
		{"8", NULL, "24", true},
		{"nonsense; rm -rf /", NULL, "24", true},
		{"20\nRUN evil", NULL, "20", false},
		{NULL, "v20.11.1\n", "20.11.1", false},
		{NULL, "lts/iron", "20", false},
		{NULL, "lts/*\n", "24", false},
		{NULL, "22 # as in production", "22", false},
		{NULL, "lts/unknown", "24", true},
		{">=18", "20.1", "20.1", false},
		{">=22", "20.1", "24", false},
		{"22", "20", "22", false},
		{NULL, "99999999999999999999", "24", true},
	};

	(void)state;
	for (size_t row = 0; row < HC_COUNT(rows); row++) {
		json_t *package = json_pack("{s:s}", "main", "a.js");
		struct dockerfile_input input = {
			.runtime = "node", .lockfile = DOCKERFILE_LOCK_NPM, .nvmrc = rows[row].nvmrc};
		const char *from = hc_arena_printf(arena, "\nFROM node:%s-bookworm AS build\n", rows[row].tag);
		const char **warnings;
		const char *text;
		char *dumped;

		if (rows[row].engines)
			(void)json_object_set_new(package, "engines", json_pack("{s:s}", "node", rows[row].engines));
		dumped = json_dumps(package, 0);
		input.package_json = dumped;
		text = generate(&input, &warnings);
		if (!strstr(text, from))
			fail_msg("row %zu: not %s in\n%s", row, rows[row].tag, text);
		if ((warnings[0] != NULL) != rows[row].warned)
			fail_msg("row %zu: %s", row, warnings[0] ? warnings[0] : "no warning");
		free(dumped);
		json_decref(package);
	}
}

static void test_static(void **state)
{
	struct dockerfile_input input = {.runtime = "static"};
	const char **warnings;
	const char *text = generate(&input, &warnings);

	(void)state;
	assert_non_null(strstr(text, "\nFROM nginx:stable-alpine\n"));
	assert_non_null(strstr(text, "    listen 3000;\\n"));
	assert_non_null(strstr(text, "try_files $uri $uri.html $uri/ =404;"));
	assert_non_null(strstr(text, "\nCOPY [\"./\",\"/srv/\"]\n"));
	assert_non_null(strstr(text, "\nUSER 10001:10001\n"));
	assert_null(strstr(text, "node:"));
	assert_null(warnings[0]);

	input = (struct dockerfile_input){.runtime = "static", .output_dir = "public", .port = 8080, .spa = true};
	text = generate(&input, &warnings);
	assert_non_null(strstr(text, "    listen 8080;\\n"));
	assert_non_null(strstr(text, "try_files $uri $uri.html $uri/ /index.html;"));
	assert_non_null(strstr(text, "\nCOPY [\"public/\",\"/srv/\"]\n"));

	input.build_command = "hugo";
	(void)generate(&input, &warnings);
	assert_non_null(warnings[0]);

	input = (struct dockerfile_input){.runtime = "node",
									  .package_json = "{\"scripts\":{\"build\":\"vite build\"}}",
									  .lockfile = DOCKERFILE_LOCK_NPM,
									  .output_dir = "dist"};
	text = generate(&input, &warnings);
	assert_non_null(strstr(text, "\nCOPY --from=build [\"/app/dist/\",\"/srv/\"]\n"));
	assert_non_null(strstr(text, "npm run build"));
	assert_null(strstr(text, "prune"));
	assert_null(strstr(text, "slim"));
}

/* The command comes out of the file as it went in, and no line is more than it should be. */
static void check_command(const char *text, const char *command)
{
	static const char *const instructions[] = {"# ",      "FROM ",       "WORKDIR ", "ENV ",
											   "COPY ",   "RUN [",       "ARG ",     "USER ",
											   "EXPOSE ", "ENTRYPOINT ", "CMD [",    "STOPSIGNAL "};
	bool found = false;

	while (*text) {
		size_t length = strcspn(text, "\n");
		bool known = false;

		for (size_t index = 0; index < HC_COUNT(instructions); index++)
			known = known || hc_starts_with(text, instructions[index]);
		if (!known)
			fail_msg("an instruction that nobody wrote: %.*s", (int)length, text);
		if (hc_starts_with(text, "RUN ")) {
			json_t *json = json_loadb(text + 4, length - 4, 0, NULL);

			assert_int_equal(json_array_size(json), 3);
			found = found || hc_streq(json_string_value(json_array_get(json, 2)), command);
			json_decref(json);
			assert_null(memmem(text, length, "<<", 2));
		}
		text += length + 1;
	}
	assert_true(found);
}

static void test_injection(void **state)
{
	static const char *const commands[] = {
		"make",
		"make\nRUN rm -rf /",
		"make\r\nUSER root",
		"make\"]\nUSER root\nRUN [\"x",
		"echo \"a\" 'b' `c` $D ${E} \\",
		"trailing \\\\",
		"cat <<END >a\nx\nEND",
		"\x01\x02\t\x1b[31m",
		"äöü \xe2\x80\xa8 USER root",
		"",
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(commands); index++) {
		struct dockerfile_input input = {.runtime = "node",
										 .package_json = "{\"main\":\"a\"}",
										 .lockfile = DOCKERFILE_LOCK_NPM,
										 .build_command = commands[index]};
		const char **warnings;
		const char *text = generate(&input, &warnings);

		check_command(text, *commands[index] ? commands[index] : "npm ci --include=dev --no-audit --no-fund");
	}
	{
		json_t *package = json_pack("{s:{s:s, s:s}, s:s, s:{s:s}}", "scripts", "start", "node a\nUSER root",
									"build", "x\nUSER root", "packageManager", "yarn@4\nUSER root", "engines",
									"node", "20\nUSER root");
		char *dumped = json_dumps(package, 0);
		struct dockerfile_input input = {.runtime = "node",
										 .package_json = dumped,
										 .nvmrc = "20\nUSER root",
										 .lockfile = DOCKERFILE_LOCK_YARN};
		const char **warnings;
		const char *text = generate(&input, &warnings);

		check_command(text, "yarn run build");
		assert_null(strstr(text, "USER root"));
		free(dumped);
		json_decref(package);
	}
}

static void test_invalid(void **state)
{
	static const char *const bad_name[] = {"A B", NULL};
	static const char *const bad_line[] = {"A\nUSER root", NULL};
	const struct {
		struct dockerfile_input input;
		const char *says;
	} rows[] = {
		{{.runtime = "python"}, "runtime"},
		{{.runtime = NULL}, "runtime"},
		{{.runtime = "dockerfile"}, "runtime"},
		{{.runtime = "node"}, "package.json"},
		{{.runtime = "node", .package_json = "{"}, "package.json: line 1"},
		{{.runtime = "node", .package_json = "[]"}, "package.json: must be"},
		{{.runtime = "static", .output_dir = "/etc"}, "outputDir"},
		{{.runtime = "static", .output_dir = "a/../../b"}, "outputDir"},
		{{.runtime = "static", .output_dir = ".."}, "outputDir"},
		{{.runtime = "static", .output_dir = "a\",\"/etc\"]\nUSER root"}, "outputDir"},
		{{.runtime = "static", .output_dir = "$HOME"}, "outputDir"},
		{{.runtime = "static", .output_dir = "*"}, "outputDir"},
		{{.runtime = "static", .output_dir = ""}, "outputDir"},
		{{.runtime = "static", .argument_names = bad_name}, "build argument"},
		{{.runtime = "static", .argument_names = bad_line}, "build argument"},
		{{.runtime = "static", .secret_names = bad_name}, "secret of the build"},
		{{.runtime = "static", .secret_names = bad_line}, "secret of the build"},
		{{.runtime = "static", .port = 70000}, "internalPort"},
		{{.runtime = "static", .port = -1}, "internalPort"},
		{{.runtime = "static", .build_command = "a\xff"}, "buildCommand"},
	};

	(void)state;
	for (size_t row = 0; row < HC_COUNT(rows); row++) {
		const char *text = NULL;
		const char **warnings;
		struct hc_error err = {0};

		assert_int_equal(dockerfile_generate(&rows[row].input, arena, &text, &warnings, &err), -1);
		assert_int_equal(err.class, HC_INVALID);
		if (!strstr(err.text, rows[row].says))
			fail_msg("row %zu: %s", row, err.text);
	}
}

static void test_syntax(void **state)
{
	static const struct {
		const char *text;
		bool fine;
	} rows[] = {
		{"", true},
		{"FROM a\n", true},
		{"# syntax=docker/dockerfile:1\nFROM a\n", true},
		{"#syntax = docker/dockerfile:1.7.0 \r\nFROM a\n", true},
		{"# syntax=docker.io/docker/dockerfile:1\n", true},
		{"# a comment\n# syntax=evil/frontend\n", true}, /* a comment ends the directives */
		{"FROM a\n# syntax=evil/frontend\n", true},
		{"\n# syntax=evil/frontend\n", true},
		{"# syntax=evil/frontend\n", false},
		{"# syntax=evil/frontend", false},
		{"  #\tSYNTAX=evil/frontend\n", false},
		{"// syntax=evil/frontend\n", false},
		{"#!/bin/x\n# syntax=evil/frontend\n", false},
		{"\xef\xbb\xbf# syntax=evil/frontend\n", false},
		{"# escape=`\n# syntax=evil/frontend\n", false},
		{"# check=skip=all\n# syntax=evil/frontend\n", false},
		{"# syntax=docker/dockerfile:1\n# syntax=evil/frontend\n", false},
		{"# syntax=docker/dockerfile:1-labs\n", false},
		{"# syntax=docker/dockerfile:10\n", false},
		{"# syntax=docker/dockerfile\n", false},
		{"# syntax=docker/dockerfile:1@sha256:0\n", false},
		{"# syntax=evil/docker/dockerfile:1\n", false},
		{"# syntax=docker/dockerfile:1 evil\n", false},
		{"{\"syntax\":\"evil/frontend\"}", false},
	};

	(void)state;
	for (size_t row = 0; row < HC_COUNT(rows); row++) {
		struct hc_error err = {0};
		int result = dockerfile_syntax_check(rows[row].text, strlen(rows[row].text), &err);

		if ((result == 0) != rows[row].fine)
			fail_msg("row %zu: %s", row, result ? err.text : "was taken");
		assert_int_equal(err.class, result ? HC_INVALID : HC_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),     cmocka_unit_test(test_secrets),  cmocka_unit_test(test_node),
		cmocka_unit_test(test_managers),  cmocka_unit_test(test_versions), cmocka_unit_test(test_static),
		cmocka_unit_test(test_injection), cmocka_unit_test(test_invalid),  cmocka_unit_test(test_syntax),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
