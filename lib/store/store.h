/* The database: every SQL statement of the project stands behind this header, one typed function a statement
 * or named transaction. PostgreSQL rows are the truth; NOTIFY is a hint.
 *
 * Rules that hold for every write that the API can see (design 6):
 *   - its first statement takes one advisory lock, held to the commit, and the resourceVersion is drawn under
 * it, so that resourceVersions are in commit order and a reader of the change log can't miss one;
 *   - it appends one row to change_log with the whole object, old and new labels, and notifies once;
 *   - connections that write have idle_in_transaction_session_timeout = 2 s;
 *   - status writes are guarded by uid and leader epoch, never by the user's resourceVersion.
 *   - a write that changes nothing draws no resourceVersion and leaves no change.
 *
 * A struct store is one connection and belongs to one thread at a time. A lost connection is opened again by
 * the next call outside a transaction. Texts in results live in the caller's arena. Classes: NOT_FOUND (no
 * such row), CONFLICT (a guard did not hold, a unique key is taken), INVALID (the database refused the
 * value), TRANSIENT (no connection, shutdown, timeout, deadlock). */
#ifndef STORE_H
#define STORE_H

#include "base/arena.h"
#include "base/error.h"
#include "model/object.h"
#include "model/service.h"
#include "model/world.h"
#include <stdbool.h>
#include <stdint.h>

struct store;

enum store_kind {
	STORE_NAMESPACE, /* cluster-scoped: namespace argument is "" */
	STORE_SERVICE,
	STORE_DEPLOYMENT,
	STORE_BUILD,
	STORE_USER, /* cluster-scoped */
	STORE_TOKEN,
	STORE_EVENT,
	STORE_SECRET, /* its values: store_secret.h */
};
#define STORE_KIND_COUNT 8

/* url: a libpq connection URL; application: shown in pg_stat_activity. The connection is made at once. */
int store_open(const char *url, const char *application, struct store **ret_store, struct hc_error *err)
	HC_MUST_CHECK;
void store_close(struct store *store);
HC_DEFINE_CLEANUP(store, store_close)

/* Brings the schema up to date under a lock: numbered, append-only migrations, each in one transaction,
 * checked by SHA-256 against what was applied. INVALID when the database is newer than this program. */
int store_migrate(struct store *store, struct hc_error *err) HC_MUST_CHECK;

/* Random id of this installation, drawn by the first migration; never changes. 12 characters of [a-z0-9]. */
int store_installation(struct store *store, struct hc_arena *arena, const char **ret_id, struct hc_error *err)
	HC_MUST_CHECK;

/* --- objects, as the API reads and writes them ------------------------------------------------- */

struct store_object {
	const char *uid;
	const char *namespace_name;
	const char *name;
	const char *json; /* the whole object as it is served: apiVersion, kind, metadata, spec, status */
	int64_t resource_version;
	int64_t generation;
	bool deleting;
};

int store_get(struct store *store, struct hc_arena *arena, enum store_kind kind, const char *namespace_name,
			  const char *name, struct store_object *ret_object, struct hc_error *err) HC_MUST_CHECK;
/* Those of the named objects that exist, in no order: one statement for a whole manifest. names[i] lies in
 * namespaces[i]. */
int store_get_many(struct store *store, struct hc_arena *arena, enum store_kind kind,
				   const char *const *namespaces, const char *const *names, size_t count,
				   struct store_object **ret_objects, size_t *ret_count, struct hc_error *err) HC_MUST_CHECK;
/* Those that bear all of these labels (a JSON object), by namespace and name. namespace_name NULL: of all. */
int store_list_labelled(struct store *store, struct hc_arena *arena, enum store_kind kind,
						const char *namespace_name, const char *labels, struct store_object **ret_objects,
						size_t *ret_count, struct hc_error *err) HC_MUST_CHECK;
int store_get_uid(struct store *store, struct hc_arena *arena, enum store_kind kind, const char *uid,
				  struct store_object *ret_object, struct hc_error *err) HC_MUST_CHECK;

/* One transaction that writes objects: begin takes the lock; then any number of the calls below; commit or
 * abort. An error inside leaves it to the caller to abort; close aborts. */
int store_begin(struct store *store, struct hc_error *err) HC_MUST_CHECK;
/* The same for the controller: CONFLICT unless epoch is the leader's. */
int store_begin_guarded(struct store *store, int64_t epoch, struct hc_error *err) HC_MUST_CHECK;
int store_commit(struct store *store, struct hc_error *err) HC_MUST_CHECK;
void store_abort(struct store *store);

/* What to write of one object. JSON texts; NULL keeps what is stored (for an insert: {}). metadata holds what
 * people own: labels, annotations, finalizers, ownerReferences, managedFields, generateName; uid,
 * resourceVersion, generation and times are the store's. */
struct store_write {
	const char *metadata;
	const char *spec;
	const char *status;
	bool generation_up; /* the spec changed: generation + 1 */
	/* A Service only: the hosts it claims (lower case). They belong to the spec: a write that gives one or
	 * the other replaces its former hosts (with none, when host_count is 0). CONFLICT names host and holder.
	 */
	const char *const *hosts;
	size_t host_count;
	/* A Service only: hash of its template, kept beside it. */
	const char *template_hash;
	const char *user_uid; /* A Service only: the User who made it, when it was one. */
	/* A Token only. */
	const char *token_hash; /* SHA-256, hexadecimal */
};

/* Inside store_begin … store_commit. *ret_object is the object as stored. An insert answers NOT_FOUND without
 * the namespace, CONFLICT when the name is taken or the namespace is being deleted. An update that takes the
 * last finalizer off an object that is being deleted removes it: *ret_object is then its last state. The
 * store's own fields inside metadata (uid, resourceVersion, …) are ignored. */
int store_insert(struct store *store, struct hc_arena *arena, enum store_kind kind,
				 const char *namespace_name, const char *name, const struct store_write *write,
				 struct store_object *ret_object, struct hc_error *err) HC_MUST_CHECK;
int store_update(struct store *store, struct hc_arena *arena, enum store_kind kind, const char *uid,
				 const struct store_write *write, struct store_object *ret_object, struct hc_error *err)
	HC_MUST_CHECK;
/* Without finalizers the row goes (DELETED in the log; a Service with its hosts and Deployments, a Namespace
 * with its Events, Tokens, Builds and Secrets, and CONFLICT while it has anything else); with some, deletionTimestamp
 * is set and generation goes up (MODIFIED). A second delete changes nothing. *ret_gone says which. */
int store_delete(struct store *store, struct hc_arena *arena, enum store_kind kind, const char *uid,
				 struct store_object *ret_object, bool *ret_gone, struct hc_error *err) HC_MUST_CHECK;
/* Number of objects of a kind in a namespace ("" for all). */
int store_count(struct store *store, enum store_kind kind, const char *namespace_name, int64_t *ret_count,
				struct hc_error *err) HC_MUST_CHECK;

/* --- tokens ------------------------------------------------------------------------------------ */

struct store_token {
	const char *uid;
	const char *name;
	const char *namespace_name; /* "" for every namespace */
	const char *role;           /* admin, developer, viewer: the lesser of the token's and its User's */
	int64_t expires_wall_ms;    /* 0: never */
	const char *user_name;      /* the User whose it is; NULL: a program's */
	const char *user_uid;       /* NULL with it */
};
/* By the SHA-256 of the token (hexadecimal). NOT_FOUND; expiry is the caller's to judge. */
int store_token_find(struct store *store, struct hc_arena *arena, const char *hash,
					 struct store_token *ret_token, struct hc_error *err) HC_MUST_CHECK;

/* Notes that these tokens are used now, beside the objects: no resourceVersion, no change. A token that was
 * noted within the last minute, or is gone, is left alone. uids are the store's own. */
int store_tokens_used(struct store *store, const char *const *uids, size_t count,
					  struct hc_error *err) HC_MUST_CHECK;

/* Whether there is a token of this role. */
int store_token_exists(struct store *store, const char *role, bool *ret_exists, struct hc_error *err)
	HC_MUST_CHECK;

/* --- the controller's reads -------------------------------------------------------------------- */

struct store_service {
	struct store_object object;
	const char *spec_json;
	const char *status_json;
	const char *template_hash;
	const char *namespace_uid;
	bool finalizer_present; /* "helvetia.cloud/containers" */
};
#define STORE_SERVICE_FINALIZER "helvetia.cloud/containers"

/* One Service with its namespace. NOT_FOUND when it is gone. */
int store_service_get(struct store *store, struct hc_arena *arena, const char *uid,
					  struct store_service *ret_service, struct hc_error *err) HC_MUST_CHECK;

struct store_deployment {
	struct store_object object;
	const char *spec_json;
	const char *status_json;
	int64_t revision;
};
/* All Deployments of a Service, by revision; at most HC_LIMIT_DEPLOYMENTS_PER_SERVICE, the newest ones. */
int store_deployments_of(struct store *store, struct hc_arena *arena, const char *service_uid,
						 struct store_deployment **ret_deployments, size_t *ret_count, struct hc_error *err)
	HC_MUST_CHECK;

struct store_reference {
	const char *uid;
	const char *namespace_name;
	const char *namespace_uid;
	const char *name;
	bool deleting; /* a deletion is wanted */
};
/* Uids of all Services, also those being deleted; of all namespaces. Sorted by uid. */
int store_services_all(struct store *store, struct hc_arena *arena, struct store_reference **ret_list,
					   size_t *ret_count, struct hc_error *err) HC_MUST_CHECK;
int store_namespaces_all(struct store *store, struct hc_arena *arena, struct store_reference **ret_list,
						 size_t *ret_count, struct hc_error *err) HC_MUST_CHECK;

/* Every host that a Service claims, sorted. */
int store_hosts_all(struct store *store, struct hc_arena *arena, const char ***ret_hosts, size_t *ret_count,
					struct hc_error *err) HC_MUST_CHECK;

/* --- the controller's writes: one transaction each, CONFLICT when the epoch is stale --------------- */

/* Takes the next epoch. Call it only while both locks of the leader are held. */
int store_epoch_take(struct store *store, const char *holder, int64_t *ret_epoch, struct hc_error *err)
	HC_MUST_CHECK;
/* Session advisory lock of this installation's leader; *ret_held false when another session has it. */
int store_leader_lock(struct store *store, bool *ret_held, struct hc_error *err) HC_MUST_CHECK;
/* Cheap proof that the session of the lock still lives: once a session that held it was lost, every ping
 * fails with TRANSIENT until store_leader_lock is called again. */
int store_ping(struct store *store, struct hc_error *err) HC_MUST_CHECK;
/* The connection's socket, -1 without one: while no statement runs, it can be read when the session ended. The
 * next call may change it. */
int store_fd(const struct store *store);

/* A new Deployment. spec_json and status_json as served. CONFLICT when the revision exists. The row is owned
 * by the Service (ownerReferences) and labelled helvetia.cloud/service=NAME. */
int store_deployment_create(struct store *store, int64_t epoch, const char *service_uid, const char *name,
							const char *uid, int64_t revision, const char *spec_json, const char *status_json,
							struct hc_error *err) HC_MUST_CHECK;
/* Its new status. becomes_current also writes its name into the Service's status.currentDeployment, in the
 * same transaction. NOT_FOUND when the row is gone. */
int store_deployment_status(struct store *store, int64_t epoch, const char *uid, const char *status_json,
							bool becomes_current, struct hc_error *err) HC_MUST_CHECK;
/* No error when it is gone already. */
int store_deployment_delete(struct store *store, int64_t epoch, const char *uid, struct hc_error *err)
	HC_MUST_CHECK;
/* The Service's derived status. Conditions' lastTransitionTime is the caller's to carry over. generation is
 * the one that the status was derived from. NOT_FOUND when the row is gone. */
int store_service_status(struct store *store, int64_t epoch, const char *uid, const char *status_json,
						 struct hc_error *err) HC_MUST_CHECK;
/* Takes our finalizer off; the row goes when it was the last one and a deletion is wanted, and what is left
 * of its Deployments and hosts with it. */
int store_service_finalize(struct store *store, int64_t epoch, const char *uid, struct hc_error *err)
	HC_MUST_CHECK;
/* The same for a namespace that is being deleted and empty. */
int store_namespace_finalize(struct store *store, int64_t epoch, const char *uid, struct hc_error *err)
	HC_MUST_CHECK;

struct store_event {
	const char *namespace_name;
	const char *kind; /* Service, Deployment */
	const char *name;
	const char *uid;
	const char *reason;  /* constant CamelCase word */
	const char *message; /* one sentence */
	bool warning;
};
/* An Event as core/v1 has it. The same (object, reason, message) within one hour raises count and
 * lastTimestamp. */
int store_event_record(struct store *store, int64_t epoch, const struct store_event *event,
					   struct hc_error *err) HC_MUST_CHECK;

/* Appends bytes to the log of a Deployment, of which the last HC_LIMIT_LOG_TAIL_BYTES are kept. NOT_FOUND
 * when the row is gone. */
int store_log_append(struct store *store, int64_t epoch, const char *deployment_uid, const void *data,
					 size_t length, struct hc_error *err) HC_MUST_CHECK;
/* What is kept, bytes as they were appended; terminated by a NUL that length does not count. Empty when there
 * is none. */
int store_log_read(struct store *store, struct hc_arena *arena, const char *deployment_uid,
				   const char **ret_text, size_t *ret_length, struct hc_error *err) HC_MUST_CHECK;

/* Drops change-log rows beyond the limits of base/limits.h, Events older than 24 h, and retired values of Secrets
 * that no Deployment names. */
int store_compact(struct store *store, int64_t epoch, struct hc_error *err) HC_MUST_CHECK;

#endif
