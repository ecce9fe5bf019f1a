/* Work for workers: resolve and build jobs, their lease and fence, the log of a build, deliveries of
 * webhooks.
 *
 * A job is one row of `jobs`, found by (kind, key); its BullMQ job is called "{kind}-{id}-{attempt}" with
 * data
 * {"id":…,"attempt":N}. Redis may lose it at any time: the row decides. attempt is the fence: claim,
 * heartbeat, log and finish with another attempt are refused (CONFLICT). The lease is kept by the database's
 * clock. The SQL functions job_claim, job_heartbeat, job_log and job_finish are the documented way for
 * foreign workers too (docs/operations.md).
 *
 * A build's job has the id of its Build object (kind Build of the API); claim and finish write the Build's
 * status too: phase QUEUED, RUNNING, SUCCESS, FAILED, CANCELED (a failure that will be repeated shows QUEUED,
 * with the reason: the last three are final). Every change of a job that a Service waits
 * for notifies channel helvetia_job with "service/UID" (a hint). */
#ifndef STORE_JOB_H
#define STORE_JOB_H

#include "model/job.h"
#include "store.h"

#define STORE_JOB_LEASE_MS 4000 /* after the last heartbeat; one is due each second */
#define STORE_JOB_CLAIMS_MAX 3  /* a job whose worker was lost so often has failed */
#define STORE_BUILD_LOG_BYTES (16U * 1024 * 1024)

struct store_job {
	struct job_view view; /* all but the queue's side */
	const char *input;    /* JSON, what the worker needs */
	const char *outcome;  /* JSON as reported, NULL before */
	const char *namespace_uid;
	const char *service_uid; /* who asked first; "" when that is gone */
};

/* --- the controller
 * ----------------------------------------------------------------------------------------- */

struct store_job_want {
	enum job_kind kind;
	const char *key;
	const char *service_uid; /* decides the namespace */
	const char *input;       /* JSON */
	const char *build_name;  /* of the Build object, for JOB_BUILD */
	const char *build_spec;  /* its spec as served */
};
/* By kind and key. NOT_FOUND. */
int store_job_get(struct store *store, struct hc_arena *arena, enum job_kind kind, const char *key,
				  struct store_job *ret_job, struct hc_error *err) HC_MUST_CHECK;
/* Makes the row QUEUED with attempt 1; an existing one is left alone. Guarded by epoch. */
int store_job_create(struct store *store, int64_t epoch, const struct store_job_want *want,
					 struct hc_error *err) HC_MUST_CHECK;
/* attempt + 1, QUEUED again, from any state, if the attempt is still `attempt` (else nothing happens). fresh:
 * begins anew: claims and failures are 0 again, a build's log is empty, and the input is replaced (NULL keeps
 * it). Otherwise the log goes on, with a line that names the attempt. */
int store_job_reopen(struct store *store, int64_t epoch, const char *id, int64_t attempt, bool fresh,
					 const char *input, struct hc_error *err) HC_MUST_CHECK;
/* Ends a job that nobody wants: QUEUED, a failure that would be repeated, and RUNNING whose lease ran out
 * become CANCELED at once; RUNNING gets its cancel flag, which the worker sees at its next heartbeat. The
 * database does the same for the jobs of a Service that goes, but for builds that another Service's attempt
 * names. */
int store_job_cancel(struct store *store, int64_t epoch, const char *id, struct hc_error *err) HC_MUST_CHECK;
/* Whether an attempt of another Service names the Build of this job: then it isn't to be cancelled. */
int store_build_wanted(struct store *store, const char *id, const char *except_service_uid, bool *ret_wanted,
					   struct hc_error *err) HC_MUST_CHECK;
/* Ends it as failed (its worker was lost too often), unless it has ended or is at another attempt. */
int store_job_give_up(struct store *store, int64_t epoch, const char *id, int64_t attempt,
					  const char *message, struct hc_error *err) HC_MUST_CHECK;
/* Removes jobs (and Builds with their logs) that ended more than age_ms ago and that no Deployment names in
 * its status.build; cancels those whose worker was lost when nobody is left to look after them, and those
 * that waited for so long: nobody does. */
int store_jobs_compact(struct store *store, int64_t epoch, int64_t age_ms, struct hc_error *err)
	HC_MUST_CHECK;
/* Image ids that a Deployment row (status.imageId) or a Build row names: what gc must keep. Sorted. */
int store_images_referenced(struct store *store, struct hc_arena *arena, const char ***ret_ids,
							size_t *ret_count, struct hc_error *err) HC_MUST_CHECK;

/* --- the worker
 * ----------------------------------------------------------------------------------------------- */

/* QUEUED → RUNNING under this worker. NOT_FOUND: no such row. CONFLICT: another attempt, already claimed,
 * cancelled, or ended. */
int store_job_claim(struct store *store, struct hc_arena *arena, const char *id, int64_t attempt,
					const char *worker, struct store_job *ret_job, struct hc_error *err) HC_MUST_CHECK;
/* Renews the lease, also one that ran out before anybody began another attempt. CONFLICT (NOT_FOUND: its
 * Build was removed): the lease was lost: kill the work. *ret_cancel: wanted no more. */
int store_job_heartbeat(struct store *store, const char *id, int64_t attempt, const char *worker,
						bool *ret_cancel, struct hc_error *err) HC_MUST_CHECK;
/* Appends to a build's log (a piece whose answer was lost with the connection may be there twice); beyond
 * STORE_BUILD_LOG_BYTES one line says so and the rest is dropped. */
int store_job_log(struct store *store, const char *id, int64_t attempt, const void *data, size_t length,
				  struct hc_error *err) HC_MUST_CHECK;
/* outcome (JSON): success {"commit","branch","tree","runtime"} or {"imageId","builder"}; failure
 * {"reason","message","final":bool} (final: true unless it says false). A cancelled job ends CANCELED
 * whatever it says. The same report again is no error. INVALID without imageId, commit or message. A worker
 * that came back has not been lost: claims is 0 then. */
int store_job_finish(struct store *store, const char *id, int64_t attempt, const char *worker, bool success,
					 const char *outcome, struct hc_error *err) HC_MUST_CHECK;

/* --- log of a build
 * ----------------------------------------------------------------------------------------------- */

struct store_log_place {
	int64_t log; /* which log of the build: the attempt that began it; 0: whichever there is */
	int64_t position;
};
/* From a place on, at most max bytes; *ret_ended: the build has ended, nothing more comes behind what was
 * read. When the build was begun anew meanwhile, what is read is the beginning of the new log. Fills
 * place->log, and sets place->position to where the bytes begin; the caller moves it on. NOT_FOUND: no such
 * build, or it was removed. */
int store_build_log_read(struct store *store, struct hc_arena *arena, const char *build_uid,
						 struct store_log_place *place, size_t max, const char **ret_data, size_t *ret_length,
						 bool *ret_ended, struct hc_error *err) HC_MUST_CHECK;

/* --- following a branch
 * ----------------------------------------------------------------------------------------------- */

struct store_follow {
	int64_t wanted;         /* raised by a webhook that could not be believed, and by people */
	int64_t checked;        /* value of wanted that the last look at the remote answered */
	int64_t checked_ago_ms; /* since the last look; -1: never */
	bool webhook_verified;  /* a signed delivery came for this Service once */
};
int store_follow_get(struct store *store, const char *service_uid, struct store_follow *ret_follow,
					 struct hc_error *err) HC_MUST_CHECK;
int store_follow_checked(struct store *store, int64_t epoch, const char *service_uid, int64_t wanted,
						 struct hc_error *err) HC_MUST_CHECK;

/* --- webhooks (API)
 * ----------------------------------------------------------------------------------------------- */

struct store_repository_service {
	const char *uid;
	const char *namespace_name;
	const char *name;
	const char *repo_url;
	const char *branch;
};
/* Every Service with a repository, not being deleted: the caller compares URLs. */
int store_services_with_repository(struct store *store, struct hc_arena *arena,
								   struct store_repository_service **ret_list, size_t *ret_count,
								   struct hc_error *err) HC_MUST_CHECK;
/* Marks a signed delivery, and raises wanted when look is set. Notifies. A Service that has gone is no error.
 */
int store_follow_want(struct store *store, const char *service_uid, bool look, struct hc_error *err)
	HC_MUST_CHECK;

struct store_delivery {
	const char *id;    /* X-GitHub-Delivery, or a random one */
	const char *event; /* push, ping, … */
	const char *repository;
	const char *outcome; /* one word: accepted, refused, ignored, ping */
	const char *message; /* one sentence */
	int64_t received_wall_ms;
	int status; /* HTTP */
};
/* Keeps the newest 1000. */
int store_delivery_record(struct store *store, const struct store_delivery *delivery, struct hc_error *err)
	HC_MUST_CHECK;
int store_deliveries(struct store *store, struct hc_arena *arena, int limit, struct store_delivery **ret_list,
					 size_t *ret_count, struct hc_error *err) HC_MUST_CHECK;

#endif
