/* Texts of the enums of job.h: as the database and the queue have them. */
#include "job.h"

#include "base/base.h"

static const char *const kind_texts[] = {[JOB_RESOLVE] = "resolve", [JOB_BUILD] = "build"};
static const char *const state_texts[] = {
	[JOB_QUEUED] = "QUEUED", [JOB_RUNNING] = "RUNNING",   [JOB_SUCCEEDED] = "SUCCEEDED",
	[JOB_FAILED] = "FAILED", [JOB_CANCELED] = "CANCELED",
};

const char *job_kind_text(enum job_kind kind)
{
	return (size_t)kind < HC_COUNT(kind_texts) ? kind_texts[kind] : "unknown";
}

const char *job_state_text(enum job_state state)
{
	return (size_t)state < HC_COUNT(state_texts) ? state_texts[state] : "unknown";
}
