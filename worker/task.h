/* What a job says, as plain structs. The BullMQ job is a stranger's until its row agrees; the row's input was
 * written by the controller, and is checked all the same. Pure. Texts live in the arena. */
#ifndef WORKER_TASK_H
#define WORKER_TASK_H

#include "base/arena.h"
#include "base/error.h"
#include "model/job.h"
#include <stdbool.h>
#include <stdint.h>

#define TASK_DATA_BYTES_MAX 4096 /* of a BullMQ job's data */
#define TASK_INPUT_BYTES_MAX                                                                                 \
	(4U * 1024 * 1024) /* of a row's input: env and build args are the most of it                            \
						*/
#define TASK_OUTCOME_BYTES_MAX 65536

struct task_reference {
	char id[37]; /* UUID, lower case */
	int64_t attempt;
};
/* name and data of a BullMQ job. INVALID says what is wrong with it. */
int task_reference_parse(const char *name, const char *data, enum job_kind *ret_kind,
						 struct task_reference *ret_reference, struct hc_error *err) HC_MUST_CHECK;

struct task_pair {
	const char *name;
	const char *value;
};

/* A value of a Secret, by the id of its row. */
struct task_secret {
	const char *name; /* of the variable */
	const char *secret;
	const char *key;
	const char *version;
};

/* Fields that are absent or null are NULL. */
struct task_input {
	const char *namespace_uid;
	const char *repo_url;
	const char *branch;
	const char *commit;
	const char *path;
	const char *dockerfile;
	bool head_only;
	/* JOB_BUILD */
	const char *tree;
	const char *target;
	const char *runtime;
	const char *build_command;
	const char *start_command;
	const char *output_dir;
	const char *image; /* repository:tag */
	const char *installation;
	const char *build;
	struct task_pair *build_args;
	size_t build_arg_count;
	struct task_pair *build_env;
	size_t build_env_count;
	struct task_secret *secrets;
	size_t secret_count;
	int internal_port;
};
int task_input_parse(enum job_kind kind, const char *json, struct hc_arena *arena,
					 struct task_input *ret_input, struct hc_error *err) HC_MUST_CHECK;

/* {"reason":…,"message":…,"final":…}. Caller frees. */
char *task_failure(const char *reason, const char *message, bool final);
/* {"success":…,"outcome":{…}}: what a child says and what a BullMQ job gets as its result. Caller frees. */
char *task_result(bool success, const char *outcome);
/* Reads that; INVALID when it is something else. *ret_outcome is its outcome as text; caller frees. */
int task_result_parse(const char *text, bool *ret_success, char **ret_outcome, struct hc_error *err)
	HC_MUST_CHECK;

#endif
