/* Shared by the files of docker_engine_test: one engine, one image, one network, and helpers that wait for a
 * state with a deadline. Everything made is named after this process and removed at the end. */
#ifndef DOCKER_ENGINE_H
#define DOCKER_ENGINE_H

#include "../cmocka_all.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "docker/docker.h"

#define DEADLINE_MS 30000
#define TEST_LABEL "cloud.helvetia.test"

struct fixture {
	struct docker *docker;
	struct hc_arena *arena;
	const char *host;
	const char *probe_program;
	const char *hello_program;
	char folder[64]; /* temporary; holds the tar and the mounted folder */
	char run[32];    /* value of TEST_LABEL, and part of every name */
	char image[64];  /* name:tag */
	char image_id[80];
	char network[64];
	char subnet[32];
	char address[32]; /* of the container that is under test */
};
extern struct fixture fixture;

/* Fails the test with the error's text. */
#define assert_done(call)                                                                                    \
	do {                                                                                                     \
		if (call)                                                                                            \
			fail_msg("%s: %s", #call, err.text);                                                             \
	} while (0)
#define assert_class(call, expected)                                                                         \
	do {                                                                                                     \
		err = (struct hc_error){0};                                                                          \
		if (!(call))                                                                                         \
			fail_msg("%s: succeeded", #call);                                                                \
		if (err.class != (expected))                                                                         \
			fail_msg("%s: %s: %s", #call, hc_class_name(err.class), err.text);                               \
	} while (0)

const char *fixture_name(const char *what); /* "helvetia-test-PID-what" in the arena */
/* A tar of one executable file at /hello. */
void fixture_tar(const char *path, const char *program);
/* A container of the test image with the label, the gate and the probe; not started. */
const char *fixture_container(const char *what, struct docker_container_config config);
void fixture_wait_health(const char *id, const char *health);
void fixture_wait_state(const char *id, const char *state);
void fixture_pause_ms(int ms);

int container_life_tests(void);
int image_tests(void);
int network_tests(void);

#endif
