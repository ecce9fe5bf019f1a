/* Building images through the Engine API: BuildKit (version=2) with a minimal session where the engine has
 * it, the classic builder (version=1) otherwise. Sources: docs.docker.com/reference/api/engine (ImageBuild),
 * the session protocol of moby/buildkit as measured in the facts. Same rules as docker.h: own plain types,
 * one handle per thread, classes. A failure of the user's own steps is INVALID and its text is the builder's
 * own message; anything of the engine's is TRANSIENT. */
#ifndef DOCKER_BUILD_H
#define DOCKER_BUILD_H

#include "docker.h"

enum docker_builder {
	DOCKER_BUILDER_AUTO, /* BuildKit; classic when the engine refuses it before the first step */
	DOCKER_BUILDER_BUILDKIT,
	DOCKER_BUILDER_CLASSIC,
};

struct docker_registry_auth {
	const char *host;
	const char *username;
	const char *password;
};
struct docker_build_secret {
	const char *id;
	const void *data;
	size_t length;
};

struct docker_build {
	/* The context, pulled: fills at most length bytes, *ret_length 0 at its end; non-zero ends with CANCELED.
	 * Called from the calling thread. */
	int (*read)(void *data, size_t length, size_t *ret_length, void *payload);
	/* One whole line of the log without its newline; stream 1 or 2. Steps are readable: "#5 [2/3] RUN make" …
	 */
	void (*line)(int stream, const char *line, size_t length, void *payload);
	/* Looked at while nothing comes, about each 200 ms; non-zero ends with CANCELED. May be NULL. */
	int (*poll)(void *payload);
	void *payload;
	const char *tag;        /* repository:tag */
	const char *dockerfile; /* path inside the context; NULL: Dockerfile */
	const char *target;     /* NULL: the last stage */
	const struct docker_pair *arguments;
	size_t argument_count;
	const struct docker_pair *labels;
	size_t label_count;
	const struct docker_registry_auth *auths;
	size_t auth_count;
	const struct docker_build_secret *secrets; /* BuildKit only */
	size_t secret_count;
	const char
		*network; /* of the steps: NULL: the engine's own bridge; "none"; a network's name: classic only */
	const char *cache_namespace; /* BUILDKIT_CACHE_MOUNT_NS: uid of the tenant's namespace */
	int64_t memory_bytes;        /* classic builder only; 0: none */
	int64_t timeout_ms;
	enum docker_builder builder;
	enum docker_builder *ret_builder; /* the one that did it or failed; may be NULL */
	bool no_cache;
	bool pull;
};
/* *ret_image_id is sha256:…, taken from the builder's answer and checked by inspecting it; the tag points to
 * it. */
int docker_image_build(struct docker *docker, struct hc_arena *arena, const struct docker_build *build,
					   const char **ret_image_id, struct hc_error *err) HC_MUST_CHECK;

/* Images with a label, sorted by id. Only id, tags, labels and size_bytes are filled, and created_wall_ms. */
struct docker_image_row {
	const char *id;
	const char **tags; /* NULL-terminated */
	struct docker_pair *labels;
	size_t label_count;
	int64_t size_bytes;
	int64_t created_wall_ms;
};
int docker_image_list(struct docker *docker, struct hc_arena *arena, const struct docker_pair *label_filters,
					  size_t filter_count, struct docker_image_row **ret_list, size_t *ret_count,
					  struct hc_error *err) HC_MUST_CHECK;

#endif
