/* Shared by the files of docker_build_engine_test: a context made in memory, a build with what it told, and a
 * door in front of the engine that refuses what a test wants refused. */
#ifndef DOCKER_BUILD_ENGINE_H
#define DOCKER_BUILD_ENGINE_H

#include "../cmocka_all.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "docker/docker_build.h"

#include <pthread.h>

#define TEST_LABEL "helvetia-image.test"

struct rig {
	struct docker *docker;
	struct hc_arena *arena;
	const char *host;
	const char *shell_program; /* static busybox */
	const char *base;          /* image with a shell */
	char run[32];
};
extern struct rig rig;

const char *rig_name(const char *what); /* "helvetia-test-PID-what:1" */
void tar_file(struct hc_text *tar, const char *name, const void *data, size_t length, unsigned int mode);
void tar_end(struct hc_text *tar);

/* One build and what came of it. */
struct attempt {
	struct docker_build build; /* tag, read, line, poll and payload are set by attempt_run() */
	const char *dockerfile;    /* text; NULL: none in the context */
	size_t padding;            /* bytes of a further file, made while they are read */
	size_t cancel_after;       /* bytes of the context; 0: not at all */
	const char *cancel_at;     /* a line that holds this; NULL: not at all */
	struct hc_text context;
	size_t given;
	struct hc_text log; /* "1|line\n" */
	bool cancel;
	int64_t canceled_ms; /* boot */
	const char *image_id;
	struct hc_error err;
	int64_t took_ms;
	int result;
};
void attempt_run(struct docker *docker, const char *what, struct attempt *attempt);
void attempt_done(struct attempt *attempt);
/* Fails the test with log and error. */
void attempt_succeeded(const struct attempt *attempt);
void attempt_failed(const struct attempt *attempt, enum hc_class class, const char *says);
void attempt_told(const struct attempt *attempt, const char *text);

/* A unix socket that hands everything to the engine, but refuses requests whose first line holds a text. */
struct door {
	char path[108];
	char host[128];
	const char *refuse; /* NULL: nothing */
	const char *answer; /* whole HTTP answer to what is refused */
	int fd;
	int refused; /* how often */
	pthread_t thread;
};
void door_open(struct door *door, const char *refuse, const char *answer);
void door_close(struct door *door);

/* A registry on loopback: 401 until it sees this Authorization (NULL: at once 404). */
struct registry {
	const char *authorization;
	int fd;
	int port;
	bool authorized; /* it was seen */
	pthread_t thread;
};
void registry_open(struct registry *registry, const char *authorization);
void registry_close(struct registry *registry);

#endif
