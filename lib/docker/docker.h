/* Client of the Docker Engine API over its unix socket, version negotiated by /_ping (1.41 … 1.56 tried).
 * Source: docs.docker.com/reference/api/engine (v1.41). Own plain types; nothing of jansson or libcurl shows
 * here.
 *
 * A struct docker is one keep-alive libcurl handle and belongs to one thread at a time. Every call blocks,
 * with a time limit (default 60 s; streams have none). Texts in results live in the caller's arena. Classes:
 * NOT_FOUND (404), CONFLICT (409, also "already in use"), INVALID (400), DENIED (403), TRANSIENT (no socket,
 * time-out, 5xx), and the text names method, path and the engine's own message. */
#ifndef DOCKER_H
#define DOCKER_H

#include "base/arena.h"
#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

struct docker;

/* host: unix:///path/to/docker.sock. Connects lazily; the first call negotiates the version. */
int docker_open(const char *host, struct docker **ret_docker, struct hc_error *err) HC_MUST_CHECK;
/* Another limit than 60 s for the calls from here on; for those who take an engine down that may be stuck. */
void docker_limit_calls(struct docker *docker, int64_t timeout_ms);
void docker_close(struct docker *docker);
HC_DEFINE_CLEANUP(docker, docker_close)

struct docker_info {
	const char *engine_id;
	const char *version;     /* 20.10.24 */
	const char *api_version; /* as negotiated, 1.41 */
	const char *data_root;
	const char *operating_system;
	/* Which process answers: equal texts are the same run of the engine, another text is a restart. "" when
	 * it can't be known (its process is in another pid namespace): then a broken stream must count as a
	 * restart. */
	const char *instance;
	int64_t started_wall_ms; /* 0: unknown; for people, since the wall clock may step: compare instance */
	int version_major;
	bool live_restore;
};
int docker_info(struct docker *docker, struct hc_arena *arena, struct docker_info *ret_info,
				struct hc_error *err) HC_MUST_CHECK;
int docker_ping(struct docker *docker, struct hc_error *err) HC_MUST_CHECK;

struct docker_pair {
	const char *name;
	const char *value;
};

/* --- containers
 * ----------------------------------------------------------------------------------------------- */

struct docker_mount {
	const char *source;
	const char *target;
	bool volume; /* a named volume; else a bind mount */
	bool read_only;
};

struct docker_container_config {
	const char *name;
	const char *image;
	const char **command;    /* NULL-terminated; NULL: the image's own */
	const char **entrypoint; /* NULL-terminated; NULL: the image's own */
	const char **env;        /* NULL-terminated */
	const char *user;        /* NULL: the image's own */
	const struct docker_pair *labels;
	size_t label_count;
	const struct docker_mount *mounts;
	size_t mount_count;
	const char *network; /* NULL: network mode none */
	const char *alias;
	const char *address;         /* fixed IPv4; NULL: the engine chooses */
	const char **health_command; /* NULL-terminated argv (CMD); NULL: the image's own check stays */
	int64_t health_interval_ms;
	int64_t health_timeout_ms;
	int health_retries;
	const char **capabilities_dropped; /* NULL-terminated */
	const char **security_options;     /* NULL-terminated */
	int64_t memory_bytes;              /* 0: no limit; swap is set equal, so that there is none beside it */
	int64_t nano_cpus;
	int64_t pids_limit;
	const char *log_driver;
	const struct docker_pair *log_options;
	size_t log_option_count;
	int stop_timeout_seconds;
	bool init;
	bool restart_unless_stopped;
};
int docker_container_create(struct docker *docker, struct hc_arena *arena,
							const struct docker_container_config *config, const char **ret_id,
							struct hc_error *err) HC_MUST_CHECK;
/* 304 (already so) is success for start, and for stop-like calls on a stopped container. */
int docker_container_start(struct docker *docker, const char *id, struct hc_error *err) HC_MUST_CHECK;
int docker_container_kill(struct docker *docker, const char *id, const char *signal, struct hc_error *err)
	HC_MUST_CHECK;
/* Takes the container's anonymous volumes along, never a named one. NOT_FOUND when it is gone already. */
int docker_container_remove(struct docker *docker, const char *id, bool force, struct hc_error *err)
	HC_MUST_CHECK;
int docker_container_rename(struct docker *docker, const char *id, const char *name, struct hc_error *err)
	HC_MUST_CHECK;
/* Already paused, or not paused, is success. */
int docker_container_pause(struct docker *docker, const char *id, struct hc_error *err) HC_MUST_CHECK;
int docker_container_unpause(struct docker *docker, const char *id, struct hc_error *err) HC_MUST_CHECK;
int docker_container_restart_policy(struct docker *docker, const char *id, bool unless_stopped,
									struct hc_error *err) HC_MUST_CHECK;
/* A limit of 0 stays as it is: the engine can't take a limit away from a container that has one. */
int docker_container_limits(struct docker *docker, const char *id, int64_t memory_bytes, int64_t nano_cpus,
							int64_t pids_limit, struct hc_error *err) HC_MUST_CHECK;

struct docker_network_attachment {
	const char *name; /* of the network */
	const char *address;
};
struct docker_container {
	const char *id;
	const char *name; /* without the leading slash */
	const char *image_id;
	const char *image_name;
	const char *state;  /* created running paused restarting removing exited dead */
	const char *health; /* none starting healthy unhealthy */
	const char *error;
	const char *restart_policy; /* no, unless-stopped, … */
	struct docker_pair *labels; /* sorted by name */
	size_t label_count;
	struct docker_network_attachment *networks; /* sorted by name */
	size_t network_count;
	int64_t created_wall_ms;
	int64_t started_wall_ms; /* 0: never */
	int64_t finished_wall_ms;
	int64_t memory_bytes;
	int64_t nano_cpus;
	int64_t pids_limit;
	int64_t pid;
	int exit_code;
	int restart_count;
	bool out_of_memory;
	bool tty;
};
int docker_container_inspect(struct docker *docker, struct hc_arena *arena, const char *id_or_name,
							 struct docker_container *ret_container, struct hc_error *err) HC_MUST_CHECK;

/* A row of the list: id, name, image_id, state, health, labels, created and networks are filled; the rest is
 * zero. */
int docker_container_list(struct docker *docker, struct hc_arena *arena,
						  const struct docker_pair *label_filters, size_t filter_count,
						  struct docker_container **ret_list, size_t *ret_count, struct hc_error *err)
	HC_MUST_CHECK;

/* Log of a container. Called for each piece as it comes; stream is 1 (stdout) or 2 (stderr); a non-zero
 * return ends the call with CANCELED. */
typedef int docker_log_piece(int stream, const char *data, size_t length, void *payload);
struct docker_log_options {
	bool follow;
	bool timestamps;
	int64_t tail_lines;       /* < 0: all */
	int64_t since_wall_s;     /* 0: from the beginning */
	const volatile int *stop; /* as of docker_events(); may be NULL */
};
int docker_container_logs(struct docker *docker, const char *id, const struct docker_log_options *options,
						  docker_log_piece *piece, void *payload, struct hc_error *err) HC_MUST_CHECK;

/* Runs argv in a container and gives back exit code and output (both streams, at most output_bytes_max). */
int docker_exec(struct docker *docker, struct hc_arena *arena, const char *id, const char *const *argv,
				size_t output_bytes_max, int *ret_exit_code, const char **ret_output, struct hc_error *err)
	HC_MUST_CHECK;

/* --- events
 * --------------------------------------------------------------------------------------------------- */

struct docker_event {
	const char *type;   /* container, network, image, volume */
	const char *action; /* start, die, health_status: healthy, … */
	const char *id;
	const char *name;
	struct docker_pair *labels; /* the actor's attributes */
	size_t label_count;
	int64_t time_nano;
};
typedef int docker_event_seen(const struct docker_event *event,
							  void *payload); /* non-zero ends with CANCELED */
/* A label filter lets only events of containers, images and volumes with that label pass; networks have no
 * labels in their events, so that a caller who wants those passes no filter. Follows /events until the stream
 * ends (TRANSIENT) or seen says stop. subscribed is called once the engine has accepted (headers are in):
 * list after that, not before. since_nano: 0 (from one second ago, since the engine answers before it
 * subscribes), or continue from there. *stop, when not NULL, is looked at about each 200 ms and ends the call
 * with CANCELED when non-zero. */
int docker_events(struct docker *docker, const struct docker_pair *label_filters, size_t filter_count,
				  int64_t since_nano, void (*subscribed)(void *payload), docker_event_seen *seen,
				  void *payload, const volatile int *stop, struct hc_error *err) HC_MUST_CHECK;
/* From now on the streams of this struct look at their *stop when fd can be read, instead of each 200 ms: what
 * waits for hours then wakes for nothing. fd is borrowed, is to be readable for as long as *stop is set and
 * not otherwise, and is only looked at. */
void docker_wake_by(struct docker *docker, int fd);

/* --- networks
 * ------------------------------------------------------------------------------------------------- */

struct docker_network {
	const char *id;
	const char *name;
	const char *driver;
	const char *subnet; /* first IPv4 subnet, or "" */
	struct docker_pair *labels;
	size_t label_count;
	size_t container_count; /* attached and running, of inspect only */
};
struct docker_network_config {
	const char *name;
	const char *subnet;
	const char *gateway; /* NULL: the engine chooses */
	const char *bridge;  /* name of the interface, <= 15 bytes; NULL: the engine chooses */
	const struct docker_pair *labels;
	size_t label_count;
};
int docker_network_create(struct docker *docker, struct hc_arena *arena,
						  const struct docker_network_config *config, const char **ret_id,
						  struct hc_error *err) HC_MUST_CHECK;
int docker_network_list(struct docker *docker, struct hc_arena *arena, struct docker_network **ret_list,
						size_t *ret_count, struct hc_error *err) HC_MUST_CHECK;
int docker_network_inspect(struct docker *docker, struct hc_arena *arena, const char *id_or_name,
						   struct docker_network *ret_network, struct hc_error *err) HC_MUST_CHECK;
int docker_network_connect(struct docker *docker, const char *network, const char *container,
						   const char *address, const char *alias, struct hc_error *err) HC_MUST_CHECK;
int docker_network_disconnect(struct docker *docker, const char *network, const char *container, bool force,
							  struct hc_error *err) HC_MUST_CHECK;
int docker_network_remove(struct docker *docker, const char *id_or_name, struct hc_error *err) HC_MUST_CHECK;

/* --- images
 * --------------------------------------------------------------------------------------------------- */

struct docker_image {
	const char *id;       /* sha256:… */
	const char **tags;    /* NULL-terminated */
	const char **digests; /* NULL-terminated, name@sha256:… */
	const char **volumes; /* NULL-terminated paths of VOLUME, sorted */
	struct docker_pair *labels;
	size_t label_count;
	int64_t size_bytes;
	bool health_check;
};
int docker_image_inspect(struct docker *docker, struct hc_arena *arena, const char *name,
						 struct docker_image *ret_image, struct hc_error *err) HC_MUST_CHECK;
/* Pulls; progress (may be NULL) gets one line of text a step. NOT_FOUND: the registry says there is none
 * (final); DENIED: it wants credentials; TRANSIENT otherwise. */
int docker_image_pull(struct docker *docker, const char *name, int64_t timeout_ms,
					  void (*progress)(const char *line, void *payload), void *payload, struct hc_error *err)
	HC_MUST_CHECK;
/* Makes an image of one layer from a tar file on disk, as `docker import` does. changes: Dockerfile
 * instructions
 * ("ENTRYPOINT [\"/hello\"]"), NULL-terminated. */
int docker_image_import(struct docker *docker, struct hc_arena *arena, const char *tar_path,
						const char *repository, const char *tag, const char *const *changes,
						const char **ret_id, struct hc_error *err) HC_MUST_CHECK;
int docker_image_tag(struct docker *docker, const char *id, const char *repository, const char *tag,
					 struct hc_error *err) HC_MUST_CHECK;
int docker_image_remove(struct docker *docker, const char *id, struct hc_error *err) HC_MUST_CHECK;

/* --- volumes
 * -------------------------------------------------------------------------------------------------- */

int docker_volume_create(struct docker *docker, const char *name, const struct docker_pair *labels,
						 size_t label_count, struct hc_error *err) HC_MUST_CHECK; /* idempotent */
int docker_volume_remove(struct docker *docker, const char *name, struct hc_error *err) HC_MUST_CHECK;

#endif
