/* Jobs of a Service in the database and the queue: what is known of them, and the actions on them. */
#ifndef SERVICE_WORK_H
#define SERVICE_WORK_H

#include "../kind.h"

/* The jobs of a Deployment that is built from a repository. ret_build->key stays NULL until its source is
 * known. */
int work_observe(struct reconcile_context *context, const struct service_view *service,
				 const struct deployment_view *deployment, struct hc_arena *arena,
				 struct job_view *ret_resolve, struct job_view *ret_build, struct hc_error *err)
	HC_MUST_CHECK;
/* world->work_shared, earlier_build_runs and, while the attempt waits for its build, the build of what serves
 * (NULL: nothing does), after the attempt's jobs; wanted: what the spec says now, NULL:
 * nothing. */
int work_observe_others(struct reconcile_context *context, struct service_world *world,
						const struct deployment_view *attempt, const struct deployment_view *serving,
						const struct service_template *wanted, struct hc_arena *arena, struct hc_error *err)
	HC_MUST_CHECK;
/* follow and head of a Service with a repository; object: the whole Service as JSON. */
int work_observe_follow(struct reconcile_context *context, struct service_world *world, const char *object,
						struct hc_arena *arena, struct hc_error *err) HC_MUST_CHECK;

/* ACTION_JOB_*, ACTION_COMMIT_SET, ACTION_FOLLOW_CHECKED. */
int work_act(struct reconcile_context *context, const struct service_world *world,
			 const struct action *action, struct hc_arena *arena, struct hc_error *err) HC_MUST_CHECK;
/* spec.commit in one transaction. CONFLICT with *ret_owner (in the arena) when somebody has pinned it, and
 * without when the source is another one by now. */
int work_commit_set(struct reconcile_context *context, const struct service_world *world, const char *commit,
					struct hc_arena *arena, const char **ret_owner, struct hc_error *err) HC_MUST_CHECK;

#endif
