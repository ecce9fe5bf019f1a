/* Snapshots: what an observe step saw, and all that a decide step may know. Plain data in the arena of the
 * pass, arrays sorted (Deployments by revision, containers by revision and ordinal), so that equal worlds
 * give equal plans. */
#ifndef MODEL_WORLD_H
#define MODEL_WORLD_H

#include "container.h"
#include "job.h"
#include "service.h"

struct deployment_view {
	const char *uid;
	const char *name; /* shop-r7 */
	const char *hash; /* template hash */
	int hash_version;
	const char *reason_created; /* apply, rollback, webhook, … */
	const char *image_id;       /* NULL until known */
	const char *image_written;
	const char *build;                /* name of its Build, or NULL */
	const char *tree;                 /* Git tree of its source, or NULL */
	struct service_template template; /* the snapshot */
	int64_t revision;
	int64_t rollback_of; /* 0: none */
	int64_t created_wall_ms;
	enum deployment_phase phase;
	enum deployment_stage stage;
	struct moment stage_since; /* when this stage began */
	struct moment started;     /* when Starting began: the deadline counts from here */
	const char *reason;        /* terminal reason or reason of waiting, "" when there is none */
	const char *message;       /* one sentence, or "" */
	bool current;              /* the Service's status.currentDeployment names it */
	bool deleting;
	bool released;             /* its release command ended well */
	int restart_attempts; /* of the back-off of dead containers */
	struct moment restart_not_before;
};

/* An image that a Deployment or the spec names. */
struct image_view {
	bool known; /* false: nobody looked in this pass */
	bool present;
	const char *id;
	const char *reserved_label;   /* a traefik.* or cloud.helvetia.* label of it, or NULL */
	const char *uncovered_volume; /* a VOLUME path that no volume of the spec covers, or NULL */
	const char *error;            /* why it could not be had, or "" */
	bool error_final;             /* repeating can't help (no such image) */
	struct moment retry_at;       /* next try of a pull */
	int pull_attempts;
	bool health_check; /* it has a HEALTHCHECK of its own, which ours replaces */
};

/* Following a branch (design 4.2). */
struct follow_view {
	const char *commit_owner; /* field manager of spec.commit, or NULL: nobody; "helvetia-git" is us */
	int64_t wanted;           /* a look at the remote is wanted while this is more than checked */
	int64_t checked;
	int64_t checked_ago_ms; /* -1: never */
	bool webhook_verified;
};

/* What Traefik's own API says of one revision. */
struct route_view {
	int64_t revision;
	int servers; /* 0: not listed (404) */
};

/* A container that the engine refused to make or start, for a reason that repeating can't cure. Remembered by
 * the controller's process only: after a restart it is simply tried once more. */
struct refusal_view {
	const char *folder;  /* of the container: it has the revision in its name */
	const char *message; /* the engine's own words */
};

struct service_view {
	const char *uid;
	const char *name;
	const char *namespace_name;
	const char *namespace_uid;
	int64_t generation;
	int64_t observed_generation;
	struct service_spec spec;
	const char *desired_hash; /* of spec.template; rollout.desired_hash is what is wanted while a rollback is
								 active */
	const char *current_deployment; /* name in status, or NULL */
	enum service_phase phase;       /* stored */
	const char *status_json;        /* stored status, for the "did it change" test of the writer */
	struct moment unready_since;    /* since when no replica is ready; not set while one is */
	int64_t revision_max;           /* highest of rows and container labels */
	const char *lost_host;          /* a host of the spec that another Service holds, or NULL */
	bool deleting;
	bool finalizer_present;
};

struct service_world {
	struct service_view service;
	struct deployment_view *deployments;
	size_t deployment_count;
	struct container_view *containers;
	size_t container_count;
	struct route_view *routes;
	size_t route_count;
	struct image_view image; /* of the attempt while it is Queued; else not known */
	/* Of the current Deployment, when a container of it must be made; else not known. */
	struct image_view current_image;
	/* By ordinal below spec.replicas, of the serving Deployment: nothing was made for it yet, or we took it
	 * away ourselves; what else is missing was lost. NULL: nothing is known, all of it was lost. */
	const bool *unmade;
	/* Of the attempt, when it is built from a repository: where its source is resolved, and its build. id
	 * NULL: no such row. key is filled always. */
	struct job_view resolve;
	struct job_view build; /* tree and runtime are those of resolve; key is NULL until that is known */
	/* The same of what serves, while its image is gone from the engine. */
	struct job_view serving_resolve;
	struct job_view serving_build;
	/* Somebody else needs the attempt's work too: another Service's attempt, or what the spec says now. */
	bool work_shared;
	/* A build that a superseded or cancelled Deployment of the Service had begun is still being stopped. */
	bool earlier_build_runs;
	/* The look at the branch's head, while autoDeploy follows one or the commit is unresolved. */
	struct job_view head;
	int64_t head_wanted; /* value of follow.wanted when that look was asked for */
	bool head_matches;   /* it looks at the repository and branch that the spec names now */
	struct follow_view follow;
	bool queue_configured; /* there is a job queue at all */
	struct refusal_view *refusals;
	size_t refusal_count;
	const char **free_addresses; /* reserved for this pass; as many as replicas could need */
	size_t free_address_count;
	const char *installation;
	const char *domain;            /* public domain: {name}.{domain} */
	const char *containers_folder; /* host folder with one folder a container: probe, gate */
	const char *network_name;
	const char *network_subnet; /* 10.213.4.0/24, "" when it isn't known */
	const char *boot_id;
	int64_t boot_ms; /* now */
	int64_t wall_ms; /* now, for people only */
	bool network_present;
	bool database_behind; /* a restored backup that no person has accepted yet */
	bool traefik_answers;
	bool public_answers; /* the GET by the public way for the attempt in Publishing: < 500 and not the 503
							page */
	const char *public_answer; /* what it said, one phrase, "" when it was not asked */
	bool https_public;         /* status.url is https */
	int url_port;              /* appended to status.url unless it is the scheme's own */
};

/* --- network: one per namespace ----------------------------------------------------------------------------
 */
struct network_view {
	const char *id;
	const char *name;
	const char *subnet; /* 10.213.4.0/24 */
	bool ours;          /* carries our installation's label */
};

struct network_world {
	const char *namespace_name;
	const char *namespace_uid;
	const char *installation;
	const char *name;              /* wanted */
	const char *bridge;            /* wanted interface name */
	struct network_view *networks; /* all of the engine, sorted by name */
	size_t network_count;
	const char *pool;    /* 10.213.0.0/16: /24 subnets are cut from it */
	int service_count;   /* in the namespace, those being deleted too */
	int container_count; /* ours attached to the network */
	bool namespace_deleting;
};

/* --- gc: what nobody owns
 * -------------------------------------------------------------------------------------- */
struct folder_view {
	const char *name;
	int64_t removed_boot_ms; /* when its container went; 0: in another boot, or unknown */
};

struct gc_image {
	const char *id;
	const char *name;      /* a tag of it, or its id */
	int64_t unused_for_ms; /* as long as this process has seen it */
};

struct gc_world {
	struct container_view *containers; /* ours, whose Service row does not exist */
	size_t container_count;
	struct folder_view *folders; /* folders of containers and marks without a container */
	size_t folder_count;
	struct gc_image *images; /* built by us; no row names them and no container of ours runs them */
	size_t image_count;
	int64_t boot_ms;
	bool traefik_answers;
	bool database_trusted; /* false: the database is behind what the state directory saw; destroy nothing */
};

#endif
