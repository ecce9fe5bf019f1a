/* What every decide function of a Service derives first from its snapshot: which Deployment serves, which one
 * is being tried, and what each container is to us. Pure; results live in the arena of the pass.
 *
 * Internal to reconcilers/service and reconcilers/deployment. */
#ifndef ROLLOUT_H
#define ROLLOUT_H

#include "../decide.h"

/* Times that decide works with, in milliseconds; each has its reason in README.md. */
#define ROLLOUT_NUDGE_AFTER_MS 2000   /* open gates, and Traefik doesn't list all */
#define ROLLOUT_GATE_SETTLE_MS 5000   /* a nudged gate opens again after this at the latest */
#define ROLLOUT_FROZEN_AFTER_MS 3000  /* gate shut, and still "healthy": the health monitor hangs */
#define ROLLOUT_REVIVE_EVERY_MS 30000 /* gate open, application answers, and not "healthy" */
#define ROLLOUT_UNLISTED_MS 5000      /* published, healthy, and not in Traefik's list: it missed a change */
#define ROLLOUT_KILL_EVERY_MS 10000   /* a process that survives SIGKILL is waiting for a disk */
#define ROLLOUT_PLAIN_UP_MS 10000     /* a process without a port is ready when it is up this long */
#define ROLLOUT_STABLE_MS 60000       /* up this long: the back-off of restarts begins anew */
#define ROLLOUT_RESTART_DELAY_MAX_MS 60000
#define ROLLOUT_NETWORK_POLL_MS 200
#define ROLLOUT_IMAGE_POLL_MS 10000   /* an image that no registry has may be loaded by hand */
#define ROLLOUT_EXPLAIN_AFTER_MS 5000 /* an attempt that doesn't answer for so long is explained */
#define ROLLOUT_YOUNG_MS 60000        /* so long a new replica may take without being called broken */

enum container_role {
	ROLE_WANTED, /* to be up and published */
	ROLE_KEPT, /* not wanted, but left alone for now: draining, or stands in for a replica that isn't back yet
				*/
	ROLE_STOPPING, /* wanted, but got SIGTERM already: let it end, then start it again */
	ROLE_PARKED,   /* Recreate: stopped and out of the way, to be started again if the new one fails */
	ROLE_UNWANTED, /* withdraw, stop, remove */
};

struct rollout {
	const struct service_world *world;
	struct hc_arena *arena;
	const struct deployment_view *newest;  /* highest revision, or NULL */
	const struct deployment_view *attempt; /* the one that isn't terminal, or NULL */
	const struct deployment_view *current; /* what status.currentDeployment is to name, or NULL */
	/* The finished Deployment whose containers are kept up: current, or while current is the attempt itself
	 * the one to fall back to. NULL: none. */
	const struct deployment_view *serving;
	enum container_role *roles; /* world->container_count of them */
	/* The snapshot that a rollback repeats, while one is active (design 4.3); else NULL. */
	const struct deployment_view *rollback;
	const char *desired_hash; /* of what is wanted now: the spec's, or the rollback's own */
	int replicas;             /* wanted now; 0 when switched off */
	int surge;                /* ordinal that stands in while a drifted replica is made anew, or -1 */
	bool on;                  /* not deleted, not suspended, replicas > 0 */
	bool recreate;
	bool frozen; /* the database is a restored backup, and containers run that it knows nothing of (C-60) */
	bool rollback_lost; /* a rollback is active, and what it is to repeat is not kept or never ran */
};

void rollout_look(const struct service_world *world, struct hc_arena *arena, struct rollout *ret_rollout);

/* What a new Deployment is a snapshot of: the spec, or during a rollback the old snapshot with the spec's
 * domains and volumes. */
struct service_template rollout_template(const struct rollout *rollout);
/* For "image %s": its name as written, or "of commit 1a2b3c4". */
const char *rollout_image_text(const struct rollout *rollout, const struct deployment_view *deployment);

/* A wanted ordinal of what serves that isn't there because it was just asked for: nobody lost it. */
bool rollout_unmade(const struct rollout *rollout, int ordinal);
/* The container of a Deployment's ordinal, or NULL; of two, the one with the right name. */
const struct container_view *rollout_find(const struct rollout *rollout,
										  const struct deployment_view *deployment, int ordinal);
enum container_role rollout_role(const struct rollout *rollout, const struct container_view *container);
const struct deployment_view *rollout_deployment_of(const struct service_world *world,
													const struct container_view *container);

bool rollout_alive(
	const struct container_view *container); /* a process runs, perhaps paused or about to restart */
bool rollout_running(const struct container_view *container);
/* Answers as it should: the controller's own check; for a process without a port: up long enough. */
bool rollout_answers(const struct service_world *world, const struct container_view *container,
					 enum exposure expose);
/* Takes part in serving: its gate is open and nothing says that it doesn't answer. */
bool rollout_ready(const struct container_view *container);
/* The same, and visitors reach it: Traefik lists it, where Traefik has a say. */
bool rollout_published(const struct service_world *world, const struct container_view *container);
bool rollout_is_public(const struct container_view *container); /* by its labels */
int rollout_ready_count(const struct rollout *rollout, const struct deployment_view *deployment);

/* Milliseconds since a moment; 0 when it isn't set or is of another boot. */
int64_t rollout_elapsed(const struct service_world *world, const struct moment *moment);
bool rollout_this_boot(const struct service_world *world, const struct moment *moment);
struct moment rollout_now(const struct service_world *world);
/* When to look again at something that Traefik will do and tells nobody, waiting since since_ms. */
int64_t rollout_poll_at(int64_t now_ms, int64_t since_ms);

/* A new status of a Deployment, as a copy to change; the action is in the plan. */
struct deployment_view *rollout_status(const struct rollout *rollout,
									   const struct deployment_view *deployment, struct plan *plan,
									   bool becomes_current, const char *cause, ...) HC_PRINTF(5, 6);

/* Steps of a withdrawal (INV-4), the same for a Service's own containers and for orphans. */
struct withdrawal {
	int64_t boot_ms;
	int64_t drain_ms; /* between the gate and SIGTERM, for what visitors could reach */
	int64_t grace_ms; /* between SIGTERM and SIGKILL */
	bool traefik_answers;
	bool keep_log;
	const struct deployment_view *deployment; /* whose log it is, or NULL */
};
void withdraw_container(const struct withdrawal *withdrawal, const struct container_view *container,
						enum container_role role, const char *parked_name, const char *cause,
						struct plan *plan);
/* May Traefik send a visitor to it? Traefik being away counts as yes. */
bool withdraw_reachable(const struct container_view *container, bool traefik_answers);

/* Work for workers (deployment_work.c). What is to be done next for a job is put into the plan. */
enum work_end {
	WORK_WAITS,  /* it is on its way, or can't be just now */
	WORK_DONE,   /* its outcome is in the job */
	WORK_FAILED, /* for good: the job says why */
};
struct work_wait {
	const char *reason;  /* "" while there is nothing to say: a worker does it, or will in a moment */
	const char *message; /* one sentence with its fix */
};
/* deployment: whose template is the job's input; NULL: the look at the branch's head. stale: a failure of it
 * is of an earlier wish, and doesn't count. ret_wait may be NULL. */
enum work_end work_decide(const struct rollout *rollout, const struct job_view *job,
						  const struct deployment_view *deployment, bool stale, struct plan *plan,
						  struct work_wait *ret_wait);
/* The same words without a plan. */
struct work_wait work_explain(const struct service_world *world, const struct job_view *job,
							  struct hc_arena *arena);
bool work_open(const struct job_view *job); /* queued, running, or to be repeated */
void work_reopen(const struct job_view *job, const struct deployment_view *deployment, bool fresh,
				 const char *cause, struct plan *plan);

/* Resolving, and Queued of what is built from a repository (deployment_source.c). */
void source_decide(const struct rollout *rollout, struct plan *plan);
/* The attempt is given up: its work ends, unless it is shared. */
void source_cancel(const struct rollout *rollout, struct plan *plan);
/* The image of what serves is gone, and can be built again. */
void source_rebuild(const struct rollout *rollout, struct plan *plan);

/* The commit that follows a branch (service_follow.c): what Ready says while there is none; false: there is
 * one, or none is needed. */
bool follow_unresolved(const struct rollout *rollout, struct work_wait *ret_wait);
/* Why a newer commit would not be seen just now, or NULL. */
const char *follow_trouble(const struct rollout *rollout);

/* The parts of deployment_decide. */
void attempt_decide(const struct rollout *rollout, struct plan *plan);
void publish_decide(const struct rollout *rollout, struct plan *plan); /* Publishing and Stabilizing */
void heal_dead_decide(const struct rollout *rollout,
					  struct plan *plan); /* create and start again, with back-off */
void heal_off_decide(const struct rollout *rollout, struct plan *plan);
void heal_drift_decide(const struct rollout *rollout, struct plan *plan);
void withdraw_decide(const struct rollout *rollout, struct plan *plan);

/* What the attempt's replicas are like, after what could be done at once was put into the plan. */
struct attempt_replicas {
	const struct container_view *dead;       /* exited by itself, or NULL */
	const struct container_view *refused;    /* the engine couldn't start it, or NULL */
	const struct container_view *unready;    /* published and stopped answering, or NULL */
	const struct container_view *unanswered; /* one that doesn't answer yet, or NULL */
	const struct refusal_view *refusal;      /* of one that the engine refused to make, or NULL */
	int running;
	int answering;
	int open;
	int listed;
};
void attempt_replicas(const struct rollout *rollout, const struct deployment_view *attempt, struct plan *plan,
					  struct attempt_replicas *ret_replicas);
void attempt_fail(const struct rollout *rollout, struct plan *plan, const char *reason, const char *message,
				  ...) HC_PRINTF(4, 5);
/* The attempt's image is known to the engine: refused, unchanged, or Starting. */
void attempt_image(const struct rollout *rollout, struct plan *plan);
/* Keeps the stage and says why; nothing when that is said already. */
void attempt_wait(const struct rollout *rollout, const struct work_wait *wait, struct plan *plan);
/* Keeps the stage while Traefik doesn't answer; true when the pass is over with that. */
bool attempt_traefik_away(const struct rollout *rollout, struct plan *plan);
/* FAILED for what attempt_replicas found dead or refused; false when there is nothing like that. */
bool attempt_fail_replicas(const struct rollout *rollout, const struct attempt_replicas *replicas,
						   struct plan *plan);

/* Why a replica isn't up (deployment_explain.c, E-1 … E-31): a clause after its name that says what happened
 * and what helps. */
const char *explain_error(const char *error); /* what helps against the engine's error */
bool explain_never_began(const struct container_view *container);
const char *explain_ended(const struct container_view *container, struct hc_arena *arena);
const char *explain_mute(const struct deployment_view *deployment, const struct container_view *container,
						 struct hc_arena *arena);
/* Of the current revision's replicas that aren't up; NULL: nothing is known. */
const char *explain_serving(const struct rollout *rollout);
const char *explain_starting(const struct rollout *rollout,
							 struct plan *plan); /* the same of the attempt's */
/* A moment of this boot as a time of day: 14:05:20 UTC. */
const char *explain_clock(const struct service_world *world, int64_t boot_ms, struct hc_arena *arena);

/* The release command (deployment_release.c, C-25 … C-28). */
bool release_wanted(const struct deployment_view *attempt); /* one is to run, or runs */
bool release_container(const struct container_view *container);
/* The attempt's own runs just now: nothing but its end or its deadline ends it. */
bool release_runs(const struct rollout *rollout);
/* Runs it; true when it ended well, or there is none: the replicas may start. */
bool release_decide(const struct rollout *rollout, struct plan *plan);

/* Makes replicas that are missing: all are created (folder, volumes, container), then all are started. */
void replicas_make(const struct rollout *rollout, const struct deployment_view *deployment,
				   const int *ordinals, size_t count, struct plan *plan);
/* What the engine said when it refused to make one, or NULL. */
const struct refusal_view *replica_refusal(const struct rollout *rollout,
										   const struct deployment_view *attempt, int ordinal);
void replica_start(const struct container_view *container, const char *cause, struct plan *plan);
/* Opens the gate of a replica that answers and hasn't been nudged just now. */
void replica_publish(const struct rollout *rollout, const struct container_view *container,
					 enum exposure expose, const char *cause, struct plan *plan);
void replica_restart_on(const struct container_view *container, const char *cause, struct plan *plan);
/* Wakes when a process without a port will have been up long enough. */
void replica_wake_plain(const struct rollout *rollout, const struct container_view *container,
						enum exposure expose, struct plan *plan);
/* Its address or network can't be had any more: only a new container helps. */
bool replica_address_taken(const struct container_view *container);

/* Derived status of the Service: phase, conditions, counts. */
void service_status_decide(const struct rollout *rollout, struct plan *plan);

#endif
