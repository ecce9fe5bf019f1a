/* The spec of a Service and of a Deployment as plain structs (design 4). lib/schema fills them from validated
 * JSON with all defaults applied, so that nobody else knows a default. */
#ifndef MODEL_SERVICE_H
#define MODEL_SERVICE_H

#include "object.h"
#include <stddef.h>

struct env_entry {
	const char *name;
	const char *value;       /* NULL when it comes from a secret */
	const char *secret_name; /* NULL unless it comes from a secret */
	const char *secret_key;
	const char *secret_version; /* the value that the key had; NULL: there is no such Secret or key */
	enum env_scope scope;
};

struct volume_entry {
	const char *name;
	const char *path; /* in the container */
	bool read_only;
	bool delete_with_service; /* onDelete: Delete */
};

struct health_check {
	const char *path; /* NULL: any status < 500 of "/" counts, TCP if it isn't HTTP */
};

struct resources {
	int64_t memory_bytes;
	int64_t cpu_millis; /* thousandths of a core */
	int64_t pids;
};

/* What affects running containers; a Deployment keeps a snapshot of exactly this. */
struct service_template {
	const char *image;    /* as written, or NULL when built from a repository */
	const char *repo_url; /* the other source; NULL for a prebuilt image */
	const char *branch;
	const char *path;
	const char *commit; /* NULL: unresolved */
	const char *build_command;
	const char *start_command; /* NULL: the image's own */
	const char *dockerfile;
	const char *target;
	const char *output_dir;
	const char *release_command;
	const char *redeploy_nonce;
	struct env_entry *build_args; /* name and value only */
	size_t build_arg_count;
	struct env_entry *env;
	size_t env_count;
	struct volume_entry *volumes;
	size_t volume_count;
	const char **domains; /* sorted; without {name}.{domain} */
	size_t domain_count;
	struct health_check health_check;
	struct resources resources;
	enum exposure expose;
	int internal_port;
};

struct service_spec {
	struct service_template template;
	enum strategy strategy;
	int replicas;
	int min_ready_seconds; /* default 2 */
	int drain_seconds;     /* default 10 */
	int grace_seconds;     /* between SIGTERM and SIGKILL; default 30 */
	int deadline_seconds;  /* of a rollout; default 600 */
	int history_limit;     /* terminal Deployments kept beside the current one; default 10 */
	bool auto_deploy;
	bool suspend;
	int64_t rollback_to_revision;       /* 0: none */
	const char *rollback_rejected_hash; /* NULL: none */
};

/* Field manager under which the platform itself writes spec.commit (design 4.2). */
#define COMMIT_MANAGER "helvetia-git"

/* Version of the function below. A Deployment stores the version that made its hash, and later comparisons
 * use that version's function, so that an upgrade of our code restarts nobody (design 4.1). */
#define TEMPLATE_HASH_VERSION 1

struct hc_text;
/* Appends the canonical text whose SHA-256 is the template hash: one "field=json string" line a field, sorted
 * where order has no meaning, absent fields left out. Not in it: replicas, suspend, autoDeploy, strategy,
 * limits of time, historyLimit. Returns -1 for a version it doesn't know. */
int service_template_text(const struct service_template *template, int version, struct hc_text *text)
	HC_MUST_CHECK;

#endif
