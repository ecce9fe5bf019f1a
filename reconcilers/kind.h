/* What the controller knows of a reconciler: a name and three steps. Kinds never call each other; they meet
 * through rows. registry.c lists them. See README.md for how to add one.
 *
 *   observe   world → snapshot (blocking reads; no choice)
 *   decide    snapshot → plan  (pure, cannot fail)
 *   act       one action → one idempotent call (no domain `if`) */
#ifndef KIND_H
#define KIND_H

#include "base/arena.h"
#include "base/error.h"
#include "model/plan.h"
#include "model/world.h"

struct store;
struct docker;

/* The controller's prober as reconcilers see it (controller/prober.c implements it). Thread-safe. */
struct probe_target {
	const char *container_id;
	const char *address;
	const char *host; /* Host header: the public name, or the service's name */
	const char *path; /* NULL: "/" and any status < 500; TCP when it isn't HTTP */
	int port;
	bool fast;               /* starting: each 50 ms at first; else each 5 s */
	int64_t started_wall_ms; /* a new start forgets the old answers */
	const char *key;         /* queue key to enqueue when the verdict changes */
};
struct probe_answer {
	enum probe_verdict verdict;
	char message[160];
};
struct prober_interface {
	void *self;
	/* Registers or refreshes the target and gives the last verdict. */
	void (*watch)(void *self, const struct probe_target *target, struct probe_answer *ret_answer);
	void (*forget)(void *self, const char *container_id);
};

/* Traefik as reconcilers see it (controller/traefik.c implements it). One struct per pool thread. */
struct traefik_interface {
	void *self;
	/* Servers of NAME@docker in Traefik's own API; 0 when it answers 404. -1 when Traefik doesn't answer. */
	int (*servers)(void *self, const char *route_name);
	/* One GET of https://HOST/PATH by the public way. 0 and the status; -1 when nobody answers. */
	int (*get)(void *self, const char *host, const char *path, int *ret_status);
	/* The same with the servers' addresses ("10.213.0.5", without scheme and port): only they tell which
	 * replica is still listed. Fills an array in the arena; 0 of them when it answers 404; -1 when Traefik
	 * doesn't answer. NULL where it isn't offered: then every replica of a listed route counts as listed. */
	int (*listed)(void *self, const char *route_name, struct hc_arena *arena, const char ***ret_addresses,
				  size_t *ret_count);
};

/* The queue in Redis as reconcilers see it (controller/queue.c implements it). One struct per pool thread;
 * NULL functions never. */
struct queue_interface {
	void *self;
	/* Adds "{kind}-{id}-{attempt}"; already there is success. */
	int (*add)(void *self, const char *kind, const char *id, int64_t attempt, struct hc_error *err);
	/* What the queue knows of it; JOB_QUEUE_AWAY instead of an error. */
	enum job_queue_state (*state)(void *self, const char *kind, const char *id, int64_t attempt);
};

/* Addresses that no two passes may choose at once (controller/addresses.c implements it). Thread-safe. */
struct address_interface {
	void *self;
	/* Reserves up to count free addresses of the subnet for 60 s, skipping those in `used` and those released
	 * within the last 60 s. Texts in the arena. */
	size_t (*reserve)(void *self, struct hc_arena *arena, const char *subnet, const char *const *used,
					  size_t used_count, size_t count, const char **ret_addresses);
	/* The address was given back: not again for 60 s. */
	void (*release)(void *self, const char *address);
};

/* One per pool thread; connections are its own. */
struct reconcile_context {
	struct store *store;
	struct docker *docker;
	const struct prober_interface *prober;
	const struct traefik_interface *traefik;
	const struct address_interface *addresses;
	const struct queue_interface *work; /* jobs for workers */
	bool work_configured;               /* there is a queue behind it */
	const char *installation;
	const char *domain;
	const char *containers_folder;
	const char *probe_path; /* host path of helvetia-probe */
	const char *network_pool;
	const char *secret_key_file; /* what opens the values of Secrets */
	int64_t epoch;               /* the leader's; every row write is guarded by it */
	bool https_public;
	int url_port;
	bool database_trusted;
};

struct kind {
	const char *name; /* "service": also the prefix of its queue keys, "service/UID" */
	/* Fills *ret_world (kind's own struct) in the arena. NOT_FOUND: the object is gone, nothing to do. */
	int (*observe)(struct reconcile_context *context, const char *uid, struct hc_arena *arena,
				   void **ret_world, struct hc_error *err);
	void (*decide)(const void *world, struct plan *plan);
	int (*act)(struct reconcile_context *context, const void *world, const struct action *action,
			   struct hc_arena *arena, struct hc_error *err);
	/* Writes the plan's derived status where it differs; NULL when the kind has none. */
	int (*report)(struct reconcile_context *context, const void *world, const struct plan *plan,
				  struct hc_arena *arena, struct hc_error *err);
	int64_t resync_ms; /* looked at again this often even when nothing happened */
	bool singleton;    /* one key "NAME/" instead of one an object */
};

/* NULL-terminated. service covers Service and Deployment: both tables are decided from one snapshot of the
 * Service, so that the old and the new revision are never judged from two different views. */
extern const struct kind *const reconciler_registry[];

#endif
