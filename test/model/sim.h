/* A small world for the real decide functions: rows, an engine, Traefik, a registry, applications and a
 * clock, all as plain data in one struct. Time moves in ticks of 10 ms; nothing in here knows what decide
 * will do.
 *
 * sim_check_*() hold the invariants of reconcilers/deployment/README.md after every action and every tick. */
#ifndef SIM_H
#define SIM_H

#include "base/arena.h"
#include "base/text.h"
#include "model/plan.h"
#include "model/world.h"
#include "reconcilers/decide.h"

#define SIM_TICK_MS 10
#define SIM_CONTAINERS_MAX 64
#define SIM_FOLDERS_MAX 256
#define SIM_DEPLOYMENTS_MAX 64
#define SIM_COMMITS_MAX 64
#define SIM_JOBS_MAX 192 /* one a commit, one a tree, one a branch */
#define SIM_WORKERS 2
#define SIM_MIN_READY_MS 2000
#define SIM_DRAIN_MS 3000
#define SIM_ADDRESS_COOL_MS 60000

/* What the program in an image does. */
enum sim_app {
	APP_GOOD,    /* listens after 100 ms, ends 50 ms after SIGTERM */
	APP_BETTER,  /* the same: another image to change to */
	APP_SLOW,    /* listens after 3 s */
	APP_RUDE,    /* ignores SIGTERM */
	APP_EXITS,   /* exits with code 3 after 100 ms */
	APP_NEVER,   /* runs and never listens */
	APP_FADES,   /* listens, and exits 1 s later */
	APP_NOSTART, /* the engine can't start it */
	APP_REFUSED, /* the engine refuses to make the container */
	APP_LABELS,  /* the image carries a reserved label */
	APP_VOLUME,  /* the image declares a VOLUME */
	APP_ABSENT,  /* no such image in the registry */
	APP_COUNT,
};
bool sim_app_is_good(enum sim_app app);

/* What its release command does. */
enum sim_release {
	RELEASE_NONE,
	RELEASE_GOOD, /* ends after 500 ms with 0 */
	RELEASE_BAD,  /* with 5 */
	RELEASE_HANGS,
	RELEASE_COUNT,
};

struct sim_spec {
	enum sim_release release;
	enum sim_app app; /* of a prebuilt image */
	enum exposure expose;
	int commit; /* with repository; 0: unresolved */
	int nonce;
	int replicas;
	bool suspend;
	bool volume; /* a writable one: Recreate */
	bool repository;
	bool pinned; /* the commit is somebody else's */
};

/* What a commit of the repository holds. */
struct sim_commit {
	enum sim_app app;
	int tree;
	bool broken; /* its build fails */
};

/* A row of jobs, and what the queue has of it. */
struct sim_job {
	struct job_view view; /* without times; texts in the arena of the sim */
	int64_t state_since_ms;
	int64_t lease_until_ms;
	int64_t queued_attempt; /* the newest name that was added; 0: none */
	enum job_queue_state queue;
	int64_t wanted; /* of a look at the branch */
	int subject;    /* commit or tree */
	bool exists;
};

struct sim_worker {
	struct sim_job *job; /* NULL: idle */
	int64_t attempt;
	int64_t end_ms;
	int64_t beat_ms;
};

struct sim_deployment {
	struct deployment_view row;
	struct sim_spec spec;
	char uid[16], hash[64];
	bool exists;
};

struct sim_container {
	struct container_view view; /* texts in the arena of the sim */
	enum sim_app app;
	int64_t started_boot_ms;   /* of this run */
	int64_t dying_at_ms;       /* SIGTERM was heard; 0: no */
	int64_t restart_at_ms;     /* the engine restarts it */
	int64_t failing_since_ms;  /* readiness */
	int64_t unlisted_since_ms; /* memory of the controller */
	int64_t mark_started_ms;   /* start time that the SIGTERM mark was written for */
	enum sim_release release;  /* it runs the release command */
	bool stopped_by_hand;      /* cancels unless-stopped */
	bool frozen;               /* the engine forgot its health monitor */
	bool hung;                 /* the application hangs */
	bool listed;               /* truth: Traefik sends visitors there */
	bool public;
	bool has_port;
	bool volume;
	bool foreign; /* somebody else's: no snapshot shows it, and no action may reach it */
	bool exists;
};

struct sim {
	struct hc_arena *arena;
	int64_t boot_ms, wall_ms;
	char boot_id[8];
	int boots;

	struct sim_spec spec;
	bool deleting, gone;
	int history_limit;
	struct sim_deployment deployments[SIM_DEPLOYMENTS_MAX];
	size_t deployment_count;
	char current[64];
	enum service_phase phase;
	struct moment unready_since;
	char unready_boot[8];
	int64_t revision_max;

	struct sim_container containers[SIM_CONTAINERS_MAX];
	size_t container_high; /* slots beyond were never used */
	bool image_present[APP_COUNT];
	bool registry_away, traefik_away, network_present;

	struct sim_commit commits[SIM_COMMITS_MAX]; /* from 1 on */
	int head;
	bool image_built[SIM_COMMITS_MAX]; /* by tree */
	struct sim_job jobs[SIM_JOBS_MAX];
	size_t job_count;
	struct sim_worker workers[SIM_WORKERS];
	int64_t wanted, checked, checked_ms; /* of the follow; checked_ms -1: never */
	int rollback_to;                     /* revision; 0: none */
	char rollback_rejected[64];
	bool redis_away, git_away, workers_away, database_behind;
	bool traefik_misses_next; /* one refresh is lost */
	int64_t traefik_refresh_at;
	int64_t pull_retry_at; /* memory of the controller, of pull_image */
	const char *pull_image;
	int pull_attempts;
	int64_t refused;       /* memory of the controller: revision that the engine refused to make */
	bool application_hurt; /* by hand, at some time: a good image may have failed for it */
	int64_t address_freed[256];
	const char *folders[SIM_FOLDERS_MAX]; /* of containers; NULL: an unused slot */
	int next_id;

	bool changed; /* something happened that wakes the controller, unless events are lost */
	bool events_lost;
	int actions;      /* performed so far */
	int crash_at;     /* this action is not performed, and the controller starts anew; -1: never */
	int fail_at;      /* this action fails without effect */
	int late_fail_at; /* this action has its effect, and its answer is lost */

	char broken[512]; /* first invariant that did not hold, or "" */
	struct hc_text trace;
};

void sim_init(struct sim *sim);
bool sim_folder(const struct sim *sim, const char *name);
void sim_done(struct sim *sim);
void sim_break(struct sim *sim, const char *invariant, const char *format, ...) HC_PRINTF(3, 4);

void sim_observe(struct sim *sim, struct hc_arena *arena, struct service_world *ret_world);
int sim_apply(struct sim *sim, const struct service_world *world,
			  const struct action *action); /* -1: it failed */
void sim_tick(struct sim *sim, int64_t ms);
bool sim_calm(const struct sim *sim); /* nothing is about to happen by itself: time may jump */
void sim_forget(struct sim *sim);     /* the controller was restarted */
void sim_reboot(struct sim *sim);
struct sim_container *sim_container_find(struct sim *sim, const char *id_or_name);
bool sim_listens(const struct sim *sim, const struct sim_container *container);
bool sim_published(const struct sim *sim, const struct sim_container *container);
void sim_kill(struct sim *sim, struct sim_container *container, int exit_code, bool by_hand);

void sim_check_action(struct sim *sim, const struct service_world *world, const struct action *action);
void sim_check_tick(struct sim *sim);
/* What the world has to look like when nothing happens any more. */
void sim_check_settled(struct sim *sim);

/* --- work for workers: sim_work.c */
void sim_work_tick(struct sim *sim);
bool sim_work_calm(const struct sim *sim);
void sim_work_observe(struct sim *sim, struct hc_arena *arena, struct service_world *world);
int sim_work_apply(struct sim *sim, const struct action *action);
void sim_work_check(struct sim *sim);
/* Nothing is queued or runs, and the newest commit is the one that the spec has where it is followed. */
bool sim_work_rests(const struct sim *sim);
void sim_work_flush(struct sim *sim);
void sim_work_workers(struct sim *sim, bool there); /* away: killed with what they do */
void sim_work_eat(struct sim *sim, bool end);       /* a stranger's worker takes, or ends, what waits */
void sim_work_service_gone(struct sim *sim);
const char *sim_commit_text(int commit, struct hc_arena *arena);
enum sim_app sim_wanted_app(const struct sim *sim, const struct sim_spec *spec);
const char *sim_hash(const struct sim_spec *spec, struct hc_arena *arena);

/* One look: observe, decide, act. Returns the moment to look again at the latest; 0: when something happens.
 */
int64_t sim_pass(struct sim *sim, bool *ret_acted);
/* Time passes for so long, with passes whenever they are due. */
void sim_run(struct sim *sim, int64_t duration_ms);
/* Until nothing changes and no plan has anything to do; breaks INV-11 when that takes more than half an hour.
 */
void sim_settle(struct sim *sim);

#endif
