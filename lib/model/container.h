/* A container as we want it, and as it is. The one constructor of wanted specs is
 * reconcilers/deployment/deployment_container.c; nobody else fills a struct container_spec. */
#ifndef MODEL_CONTAINER_H
#define MODEL_CONTAINER_H

#include "base/arena.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct label {
	const char *name;
	const char *value;
};

struct mount {
	const char *source; /* host folder, or name of a volume */
	const char *target;
	bool volume; /* a named volume; else a bind mount */
	bool read_only;
};

/* An environment variable whose value is sealed: it is named here, and opened by the call that makes the
 * container. */
struct container_secret {
	const char *env;
	const char *name; /* of the Secret */
	const char *key;
	const char *version; /* id of the value */
};

/* Everything that `POST /containers/create` gets. Fixed security settings (capabilities, no-new-privileges,
 * log driver, init) are not fields: lib/docker's caller in deployment_act writes them from constants, the
 * same for all. */
struct container_spec {
	const char *name;
	const char *image_id; /* sha256:…; never a tag, which could move */
	const char *network;
	const char *alias;                      /* DNS name in the network: the service's name */
	const char *address;                    /* fixed IPv4 */
	const char **command;                   /* NULL: the image's own */
	const char **entrypoint;                /* NULL: the image's own */
	const char **env;                       /* NAME=value */
	const struct container_secret *secrets; /* more of env */
	size_t secret_count;
	const char *namespace_uid; /* whose they are */
	const char **probe;        /* health check argv */
	struct label *labels;      /* sorted by name */
	size_t label_count;
	struct mount *mounts;
	size_t mount_count;
	int64_t memory_bytes;
	int64_t cpu_millis;
	int64_t pids;
	int stop_seconds;
	int port;
};

enum container_state {
	CONTAINER_CREATED,
	CONTAINER_RUNNING,
	CONTAINER_PAUSED,
	CONTAINER_RESTARTING,
	CONTAINER_REMOVING,
	CONTAINER_EXITED,
	CONTAINER_DEAD,
};
enum container_health { HEALTH_NONE, HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY };

/* What the controller's own readiness check last saw (design 7.3). */
enum probe_verdict {
	PROBE_UNKNOWN,   /* not asked yet, or the container was started since */
	PROBE_READY,     /* it answered as it should */
	PROBE_NOT_READY, /* it did not, fewer than three times or for less than 5 s */
	PROBE_UNREADY,   /* three failures over at least 5 s */
};

/* A port that something in the container listens on. */
struct listen_view {
	const char *address;
	int port;
};

const char *container_state_text(enum container_state state);
const char *probe_verdict_text(enum probe_verdict verdict);

/* A container that carries our installation's labels, as inspect shows it. Of a paused one only what a list
 * shows is known: no error, limits, times, exit code, health or restart policy. */
struct container_view {
	const char *id;
	const char *name;
	const char *deployment_uid;
	const char *spec_hash; /* of LABEL_HASH */
	const char *folder;    /* of LABEL_FOLDER: its folder with probe and gate */
	const char *image_id;
	const char *address;       /* now, "" when it has none */
	const char *fixed_address; /* of LABEL_ADDRESS */
	const char *error;         /* the engine's own text about the last start, or "" */
	const char *probe_message; /* last answer or failure, one phrase, or "" */
	const char
		*log_tail; /* last lines on one line, of a dead one of the attempt or of what serves; else NULL */
	const struct listen_view *listens; /* of one that doesn't answer: listen_count, if listens_known */
	size_t listen_count;
	struct label *labels; /* sorted by name; without the image's own */
	size_t label_count;
	int64_t revision;
	int64_t memory_bytes;
	int64_t cpu_millis;
	int64_t pids;
	int64_t started_wall_ms;
	int64_t finished_wall_ms;
	int64_t pid;                  /* of its first process; 0: it doesn't run */
	int64_t term_sent_boot_ms;    /* 0: SIGTERM not sent in this boot */
	int64_t kill_sent_boot_ms;    /* 0: SIGKILL not sent in this boot */
	int64_t unlisted_since_ms;    /* since when this process sees it unlisted though its gate is open; 0: it
									 doesn't */
	int64_t gate_changed_boot_ms; /* when we last opened or closed its gate; 0: never, or in another boot */
	int ordinal;
	int exit_code;
	int restarts; /* by the engine, since it was made */
	enum container_state state;
	enum container_health health;
	enum probe_verdict probe;
	bool out_of_memory;
	bool gate_open;
	bool gate_used;        /* its gate has been open at some time: Traefik may know it */
	bool gate_folder;      /* the per-container folder with the probe exists */
	bool listed;           /* Traefik's API lists its address; false while Traefik doesn't answer */
	bool restarts_alone;   /* restart policy unless-stopped */
	bool network_attached; /* to the namespace's network */
	bool listens_known;
	bool own_health_check; /* the image had a HEALTHCHECK that ours replaced */
};

#endif
