/* What a worker gets of a Service: keys that name work by all that its outcome depends on, and the JSON of
 * inputs (worker/task.h reads it). Texts live in the arena. */
#ifndef SERVICE_INPUT_H
#define SERVICE_INPUT_H

#include "base/arena.h"
#include "model/job.h"
#include "model/world.h"

/* "commit/NAMESPACE/SHA256": of one commit and folder. */
const char *input_resolve_key(const struct service_view *service, const struct service_template *template,
							  struct hc_arena *arena);
/* "head/SERVICE". */
const char *input_head_key(const struct service_view *service, struct hc_arena *arena);
/* "build/NAMESPACE/INPUTHASH" of a tree and how it is built; *ret_name of the Build object. */
const char *input_build_key(const struct service_view *service, const struct service_template *template,
							const char *tree, const char *runtime, struct hc_arena *arena,
							const char **ret_name);

const char *input_head(const struct service_view *service, int64_t wanted, struct hc_arena *arena);
const char *input_resolve(const struct service_view *service, const struct service_template *template,
						  struct hc_arena *arena);
/* job: key, name, tree and runtime of the build. */
const char *input_build(const struct service_world *world, const struct service_template *template,
						const struct job_view *job, struct hc_arena *arena);
/* spec of the Build object. */
const char *input_build_spec(const struct service_world *world, const struct service_template *template,
							 const struct job_view *job, struct hc_arena *arena);

/* What a stored look was asked for. */
void input_head_read(const char *input, const struct service_template *template, int64_t *ret_wanted,
					 bool *ret_matches);

#endif
