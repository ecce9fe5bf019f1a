/* helvetia-worker: its command line. It has no port: it is ready when its process is still there a moment
 * after its start, and says in its log what keeps it from working. */
#include "up.h"

#include <signal.h>

static int ready(struct up *up, struct hc_error *err)
{
	const struct up_process *process = &up->process[UP_WORKER];

	if (process->pid > 0 && !kill(process->pid, 0))
		return 0;
	return hc_fail(err, HC_TRANSIENT, "it has ended");
}

int up_worker_prepare(struct up *up, struct hc_error *err)
{
	struct up_process *process = &up->process[UP_WORKER];
	const char *argv[] = {hc_arena_printf(up->arena, "%s/helvetia-worker", up->programs),
						  "--database",
						  up->database_url,
						  "--redis",
						  up->redis_url,
						  "--queue",
						  QUEUE_NAME,
						  "--docker",
						  up->docker_host,
						  "--state",
						  up->state,
						  NULL};

	(void)err;
	process->argv = up_arguments_with_prefixes(up, argv);
	process->ready = ready;
	return 0;
}
