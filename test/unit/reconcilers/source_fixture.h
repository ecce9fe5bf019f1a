/* Worlds of a Service whose image is built from a repository, on top of fixture.h. */
#ifndef SOURCE_FIXTURE_H
#define SOURCE_FIXTURE_H

#include "fixture.h"

#define URL "https://example.org/shop.git"
#define COMMIT_1 "1111111111111111111111111111111111111111"
#define COMMIT_2 "2222222222222222222222222222222222222222"

/* The Service wants a commit (its hash is "h:" and the commit), which it follows from main. NULL: none yet.
 */
void source_wants(struct fixture *fixture, const char *commit);
/* A Deployment of a commit; no image is known before Starting. */
struct deployment_view *source_built(struct fixture *fixture, int64_t revision, const char *commit,
									 enum deployment_phase phase, enum deployment_stage stage);
/* Revision 1 serves commit 1; revision 2, the answer, is to run commit 2. */
struct deployment_view *source_attempt(struct fixture *fixture, enum deployment_stage stage);
/* The job of revision 2, in the queue since 100 ms, with what it found out. */
struct job_view source_job(enum job_kind kind, enum job_state state);

/* What the first action of a plan has beside its text. */
struct source_field {
	void (*arrange)(struct fixture *fixture);
	fixture_decide *decide;
	enum action_kind kind;
	bool fresh;
	int64_t wanted;
};
void source_fields_run(const struct source_field *cases, size_t count);

#endif
