/* Shared by the files of lib/dockerfile only: the file that is being written, and its parts. */
#ifndef DOCKERFILE_INTERNAL_H
#define DOCKERFILE_INTERNAL_H

#include "base/text.h"
#include "dockerfile.h"

#include <jansson.h>

#define DOCKERFILE_USER 10001 /* no user of any base image; files and process are its own */
#define DOCKERFILE_WARNINGS_MAX 16

struct dockerfile_writer {
	const struct dockerfile_input *input;
	struct hc_arena *arena;
	struct hc_text text;
	json_t *package; /* owned; NULL without a package.json */
	const char *warnings[DOCKERFILE_WARNINGS_MAX + 1];
	size_t warning_count;
	const char *node_version; /* tag of the official image: "24", "20.11.1" */
	int port;
};

void dockerfile_warn(struct dockerfile_writer *writer, const char *format, ...) HC_PRINTF(2, 3);
/* One instruction with a command of any text. */
void dockerfile_run(struct dockerfile_writer *writer, const char *command);
/* The same for one that sees the secrets of the build. */
void dockerfile_run_with_secrets(struct dockerfile_writer *writer, const char *command);
void dockerfile_json_string(struct hc_text *text, const char *value);
/* Text of package.json; "" when absent or no text. at: keys with '/'. Borrowed from the document. */
const char *dockerfile_package_text(const struct dockerfile_writer *writer, const char *object,
									const char *key);

/* From .nvmrc and engines.node; for a file with a Node stage, before it. */
void dockerfile_node_version(struct dockerfile_writer *writer);
/* The stage "build": sources in /app, dependencies installed, the build command run. */
void dockerfile_node_build(struct dockerfile_writer *writer);
/* The stage that runs an application. */
void dockerfile_node_run(struct dockerfile_writer *writer);
/* The stage that serves files: folder inside /app of the stage "build", or of the context without one. */
void dockerfile_static_run(struct dockerfile_writer *writer, bool built);

#endif
