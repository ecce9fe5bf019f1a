/* A plan: the ordered list of actions that closes the difference, the conditions, and when to look again.
 *
 * An action is data and maps to exactly one Docker, SQL, file or Redis call that is idempotent by a
 * deterministic name. The executor performs actions in order and stops at the first failure: what follows
 * needs what precedes it. After a plan with effects the key is looked at again at once, so a plan never has
 * to think two steps ahead. plan_print() is the dry run, the oracle of the tests and the debug log, so it is
 * deterministic. */
#ifndef MODEL_PLAN_H
#define MODEL_PLAN_H

#include "base/arena.h"
#include "container.h"
#include "world.h"

/* NAME, "text in a printed plan", true when it changes the world (Docker, files), false for rows only. */
#define ACTION_KINDS(X)                                                                                      \
	X(ACTION_DEPLOYMENT_CREATE, "create deployment", false)                                                  \
	X(ACTION_DEPLOYMENT_STATUS, "set deployment", false)                                                     \
	X(ACTION_DEPLOYMENT_DELETE, "delete deployment", false)                                                  \
	X(ACTION_SERVICE_FINALIZE, "finalize service", false)                                                    \
	X(ACTION_NAMESPACE_FINALIZE, "finalize namespace", false)                                                \
	X(ACTION_EVENT, "record event", false)                                                                   \
	X(ACTION_JOB_CREATE, "create job", false)                                                                \
	X(ACTION_JOB_ENQUEUE, "enqueue job", true)                                                               \
	X(ACTION_JOB_REOPEN, "reopen job", false)                                                                \
	X(ACTION_JOB_CANCEL, "cancel job", false)                                                                \
	X(ACTION_JOB_GIVE_UP, "give up job", false)                                                              \
	X(ACTION_COMMIT_SET, "set commit", false)                                                                \
	X(ACTION_FOLLOW_CHECKED, "note look at branch", false)                                                   \
	X(ACTION_IMAGE_REMOVE, "remove image", true)                                                             \
	X(ACTION_IMAGE_PULL, "pull image", true)                                                                 \
	X(ACTION_NETWORK_CREATE, "create network", true)                                                         \
	X(ACTION_NETWORK_REMOVE, "remove network", true)                                                         \
	X(ACTION_NETWORK_CONNECT, "connect network", true)                                                       \
	X(ACTION_NETWORK_DISCONNECT, "disconnect network", true)                                                 \
	X(ACTION_VOLUME_CREATE, "create volume", true)                                                           \
	X(ACTION_VOLUME_REMOVE, "remove volume", true)                                                           \
	X(ACTION_FOLDER_PREPARE, "prepare folder", true)                                                         \
	X(ACTION_FOLDER_REMOVE, "remove folder", true)                                                           \
	X(ACTION_CONTAINER_CREATE, "create container", true)                                                     \
	X(ACTION_CONTAINER_START, "start container", true)                                                       \
	X(ACTION_CONTAINER_UNPAUSE, "unpause container", true)                                                   \
	X(ACTION_CONTAINER_REVIVE, "revive health check of", true)                                               \
	X(ACTION_CONTAINER_RENAME, "rename container", true)                                                     \
	X(ACTION_CONTAINER_UPDATE, "update container", true)                                                     \
	X(ACTION_GATE_OPEN, "open gate", true)                                                                   \
	X(ACTION_GATE_CLOSE, "close gate", true)                                                                 \
	X(ACTION_RESTART_ON, "set restart unless-stopped", true)                                                 \
	X(ACTION_RESTART_OFF, "set restart no", true)                                                            \
	X(ACTION_CONTAINER_TERMINATE, "terminate container", true)                                               \
	X(ACTION_CONTAINER_KILL, "kill container", true)                                                         \
	X(ACTION_LOG_KEEP, "keep log of", false)                                                                 \
	X(ACTION_CONTAINER_REMOVE, "remove container", true)

#define ACTION_ENUM(name, text, effect) name,
enum action_kind { ACTION_KINDS(ACTION_ENUM) };

const char *action_kind_text(enum action_kind kind);
bool action_has_effect(enum action_kind kind);

/* Only the fields that a kind needs are set; which, is said here. */
struct action {
	enum action_kind kind;
	const char *target; /* always: name of the container, network, Deployment, … */
	const char *cause;  /* always: why, one phrase: "replica 0 of revision 7 is missing" */
	const char *id;     /* Docker id or row uid, where one exists */

	/* CONTAINER_CREATE, CONTAINER_UPDATE (limits) */
	const struct container_spec *spec;
	/* DEPLOYMENT_CREATE, DEPLOYMENT_STATUS: the row as it is to be; LOG_KEEP: whose log it is */
	const struct deployment_view *deployment;
	/* DEPLOYMENT_STATUS: this one becomes the Service's current in the same transaction */
	bool becomes_current;
	/* JOB_*: the job (JOB_CREATE: kind and key of one that isn't there); JOB_CREATE, JOB_ENQUEUE, JOB_REOPEN
	 * of a Deployment's work: deployment, whose template is the input. JOB_REOPEN: fresh begins anew. */
	const struct job_view *job;
	bool fresh;
	/* COMMIT_SET: 40 hexadecimal digits; branch it was read from. FOLLOW_CHECKED: the value of wanted it
	 * answers. */
	const char *commit;
	const char *branch;
	int64_t wanted;
	/* NETWORK_CREATE */
	const char *subnet;
	const char *bridge;
	/* NETWORK_CONNECT and NETWORK_DISCONNECT: network in target, container in id. CONTAINER_REMOVE and
	 * FOLDER_REMOVE: the address that is given back. */
	const char *address;
	const char *alias;
	/* FOLDER_*, GATE_*, CONTAINER_TERMINATE, CONTAINER_KILL, CONTAINER_REVIVE: folder of the container, which
	 * keeps the name it was made with when the container is renamed */
	const char *folder;
	/* CONTAINER_RENAME */
	const char *new_name;
	/* EVENT: reason in target, message in cause */
	bool warning;
};

struct plan {
	struct hc_arena *arena; /* owner of all that the plan points to */
	struct action *actions; /* action_count of them, at most HC_LIMIT_PLAN_ACTIONS */
	size_t action_count;
	size_t action_size;

	/* The Service's status as derived; written by the status writer when it differs from the stored one. */
	bool has_status;
	enum service_phase phase;
	struct condition conditions[CONDITIONS_MAX];
	size_t condition_count;
	const char *current_deployment; /* NULL: none */
	const char *url;                /* NULL: none */
	int ready_replicas;
	int replicas; /* running ones */
	struct moment unready_since;

	int64_t wake_at_boot_ms; /* look again then at the latest; 0: only when something changes */
};

void plan_init(struct plan *plan, struct hc_arena *arena);
/* Appends an action; beyond HC_LIMIT_PLAN_ACTIONS it is dropped and the plan wakes at once (returns a scratch
 * action, never NULL). cause is printf-formatted into the arena. */
struct action *plan_add(struct plan *plan, enum action_kind kind, const char *target, const char *cause, ...)
	HC_PRINTF(4, 5);
void plan_event(struct plan *plan, bool warning, const char *reason, const char *message, ...)
	HC_PRINTF(4, 5);
void plan_condition(struct plan *plan, const char *type, enum condition_status status, const char *reason,
					const char *message, ...) HC_PRINTF(5, 6);
void plan_wake_at(struct plan *plan, int64_t boot_ms); /* keeps the earliest */
bool plan_has_effects(const struct plan *plan);        /* an action other than an Event */
bool plan_is_empty(const struct plan *plan);           /* no action at all; conditions don't count */

struct hc_text;
/* One line an action ("  1. create container shop-r7-0-…: replica 0 of revision 7 is missing"), then
 * conditions
 * ("  Ready=Unknown Starting: …"), then "  wake at +NNNms" relative to now_boot_ms. Deterministic. */
void plan_print(const struct plan *plan, int64_t now_boot_ms, struct hc_text *text);

#endif
