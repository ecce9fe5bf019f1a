/* Work that a worker does for a Service: to resolve a source, to build an image. Rows of the database; the
 * queue in Redis only carries their names (design 8). */
#ifndef MODEL_JOB_H
#define MODEL_JOB_H

#include <stdbool.h>
#include <stdint.h>

enum job_kind { JOB_RESOLVE, JOB_BUILD };
enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_SUCCEEDED, JOB_FAILED, JOB_CANCELED };

/* What the queue knows of "{kind}-{id}-{attempt}". */
enum job_queue_state {
	JOB_QUEUE_UNASKED, /* nobody looked */
	JOB_QUEUE_AWAY,    /* Redis does not answer */
	JOB_QUEUE_ABSENT,
	JOB_QUEUE_PENDING, /* waiting or delayed */
	JOB_QUEUE_TAKEN,   /* active: a worker has it, or had it when it was lost */
	JOB_QUEUE_ENDED,   /* completed or failed: a new attempt needs a new name */
};

struct job_view {
	const char *id; /* NULL: no such row */
	const char *key;
	const char *name;   /* of the Build object; "" for a resolve */
	const char *worker; /* who runs it, or "" */
	int64_t attempt;
	int claims;            /* times that a worker took it since one last came back with a result */
	int failures;          /* failures in a row that may be cured by repeating */
	int64_t lease_left_ms; /* RUNNING: < 0 when its worker is lost */
	int64_t state_ago_ms;  /* since this state began */
	/* SUCCEEDED */
	const char *commit;
	const char *branch;
	const char *tree;
	const char *runtime; /* dockerfile, node, static */
	const char *image_id;
	/* FAILED */
	const char *reason;  /* SourceFailed, BuildFailed, … */
	const char *message; /* one sentence */
	bool final;          /* repeating can't help */
	bool cancel;         /* its end is wanted */
	enum job_kind kind;
	enum job_state state;
	enum job_queue_state queue;
};

const char *job_kind_text(enum job_kind kind);    /* "resolve", "build": also the BullMQ job's name */
const char *job_state_text(enum job_state state); /* "QUEUED", … */

#endif
