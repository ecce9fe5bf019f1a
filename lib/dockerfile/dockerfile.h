/* The Dockerfile of a repository that has none (design 8). Pure: texts in, text out; nothing is read or
 * fetched.
 *
 * What a user wrote reaches the file in two ways only: as a JSON string in RUN ["/bin/sh","-euc", …], so that
 * no newline or quote can begin another instruction, and as names and paths that were checked against a list
 * of characters. Texts in results live in the caller's arena. */
#ifndef DOCKERFILE_H
#define DOCKERFILE_H

#include "base/arena.h"
#include "base/error.h"
#include <stdbool.h>

#define DOCKERFILE_GENERATOR_VERSION                                                                         \
	1 /* raised when the same input gives another file: it is built again                                    \
	   */
#define DOCKERFILE_PORT_DEFAULT 3000
#define DOCKERFILE_SECRETS_VERSION "HELVETIA_SECRETS_VERSION"

#define DOCKERFILE_RUNTIME_DOCKERFILE "dockerfile"
#define DOCKERFILE_RUNTIME_NODE "node"
#define DOCKERFILE_RUNTIME_STATIC "static"

enum dockerfile_lockfile {
	DOCKERFILE_LOCK_NONE,
	DOCKERFILE_LOCK_NPM,
	DOCKERFILE_LOCK_PNPM,
	DOCKERFILE_LOCK_YARN,
	DOCKERFILE_LOCK_BUN,
};

/* From the names in a folder. Borrowed constant text; NULL: nothing that we could build. */
const char *dockerfile_runtime(const char *const *names, size_t count);
enum dockerfile_lockfile dockerfile_lockfile_of(const char *const *names, size_t count);

struct dockerfile_input {
	const char *runtime;      /* node or static */
	const char *package_json; /* text; NULL: there is none */
	const char *nvmrc;        /* text; NULL: there is none */
	enum dockerfile_lockfile lockfile;
	const char *build_command; /* NULL: scripts.build, if it is there */
	/* What nginx serves: a folder inside the source, or made by the build. NULL: the whole folder for static;
	 * for node that it is an application with a process. */
	const char *output_dir;
	/* NULL-terminated, or NULL: names of build arguments that the build's commands see as environment. */
	const char *const *argument_names;
	/* The same of secrets of the build: the commands that install and build see them as environment, and no
	 * layer has them. With any, the build argument DOCKERFILE_SECRETS_VERSION says which values they have. */
	const char *const *secret_names;
	int port; /* 0: DOCKERFILE_PORT_DEFAULT */
	bool spa; /* unknown paths give index.html */
};
/* *ret_warnings is NULL-terminated, one sentence each. INVALID names the field and its rule. */
int dockerfile_generate(const struct dockerfile_input *input, struct hc_arena *arena, const char **ret_text,
						const char ***ret_warnings, struct hc_error *err) HC_MUST_CHECK;

/* For a Dockerfile of the user's: INVALID when its first lines name an image other than docker/dockerfile:1
 * to read it. text need not be terminated. */
int dockerfile_syntax_check(const char *text, size_t length, struct hc_error *err) HC_MUST_CHECK;

#endif
