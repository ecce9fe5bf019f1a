/* Manifests from files, folders and standard input, read here so that a wrong line is named with its file. */
#ifndef MANIFEST_H
#define MANIFEST_H

#include "arguments.h"
#include "base/error.h"
#include <jansson.h>

struct manifest_item {
	json_t *object; /* owned */
	char *source;   /* "shop.yaml:12"; owned */
};
struct manifest {
	struct manifest_item *items;
	size_t count;
};

/* All files of --file in order; a folder gives its *.yaml, *.yml and *.json sorted by name. Prints what is
 * wrong and returns the exit code. */
int manifest_read(const struct arguments *arguments, struct manifest *ret_manifest) HC_MUST_CHECK;
void manifest_done(struct manifest *manifest);

#endif
