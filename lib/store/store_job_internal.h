/* What the files of jobs share: one list of columns, and its reader. */
#ifndef STORE_JOB_INTERNAL_H
#define STORE_JOB_INTERNAL_H

#include "store_internal.h"
#include "store_job.h"

/* j is a row of jobs, b its Build or nulls. An outcome's texts are those of the state that they belong to. */
#define STORE_JOB_COLUMNS                                                                                    \
	"j.id, j.kind, j.key, coalesce(b.name, ''), j.state, j.worker, j.attempt, j.claims, j.failures,"         \
	" (extract(epoch FROM j.lease_until - clock_timestamp()) * 1000)::bigint,"                               \
	" greatest((extract(epoch FROM clock_timestamp() - j.state_since) * 1000)::bigint, 0),"                  \
	" CASE WHEN j.state = 'SUCCEEDED' THEN j.outcome ->> 'commit' END,"                                      \
	" CASE WHEN j.state = 'SUCCEEDED' THEN j.outcome ->> 'branch' END,"                                      \
	" CASE WHEN j.state = 'SUCCEEDED' THEN j.outcome ->> 'tree' END,"                                        \
	" CASE WHEN j.state = 'SUCCEEDED' THEN j.outcome ->> 'runtime' END,"                                     \
	" CASE WHEN j.state = 'SUCCEEDED' THEN j.outcome ->> 'imageId' END,"                                     \
	" CASE WHEN j.state = 'FAILED' THEN coalesce(j.outcome ->> 'reason',"                                    \
	"  CASE j.kind WHEN 'build' THEN 'BuildFailed' ELSE 'SourceFailed' END) END,"                            \
	" CASE WHEN j.state = 'FAILED' THEN coalesce(j.outcome ->> 'message', '') END,"                          \
	" j.state = 'FAILED' AND NOT job_retriable(j), j.cancel, j.input::text, j.outcome::text,"                \
	" j.namespace_id, coalesce(j.service_id::text, '')"
int store_job_read(struct hc_arena *arena, const struct pg_result *result, int row, struct store_job *ret_job,
				   struct hc_error *err) HC_MUST_CHECK;

#endif
