/* helvetia-worker: takes build jobs from the queue (design 8). This file wires the slots to the signals;
 * README.md says what happens when something goes wrong. */
#include "child.h"
#include "options.h"
#include "slot.h"

#include "base/alloc.h"
#include "base/log.h"
#include "bullmq/bullmq.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define SMALL_MEMORY_BYTES (4ULL * 1024 * 1024 * 1024)

/* A build may take as much memory as it likes: one at a time on a small machine. */
static int concurrency_of(const struct worker_options *options)
{
	struct sysinfo info;

	if (options->concurrency)
		return options->concurrency;
	return !sysinfo(&info) && (unsigned long long)info.totalram * info.mem_unit < SMALL_MEMORY_BYTES ? 1 : 2;
}

static char **child_arguments(int argc, char **argv)
{
	char **copy = hc_xalloc((size_t)(argc + 3) * sizeof *copy);

	copy[0] = hc_xstrdup("/proc/self/exe");
	for (int n = 1; n < argc; n++)
		copy[n] = argv[n];
	copy[argc] = hc_xstrdup("--child");
	copy[argc + 1] = hc_xprintf("%d", (int)getpid());
	return copy;
}

static void advise(const struct worker_options *options)
{
	struct bullmq_options queue = {.url = options->redis, .queue = options->queue};
	HC_AUTO(hc_arena) arena = hc_arena_new();
	HC_AUTO(bullmq) connection = NULL;
	const char *advice = "";
	struct hc_error err;

	if (bullmq_open(&queue, &connection, &err) || bullmq_advice(connection, arena, &advice, &err))
		hc_log(HC_LOG_WARN, "look at the queue", "error", err.text, NULL);
	else if (*advice)
		hc_log(HC_LOG_WARN, advice, NULL);
}

static int run(const struct worker_options *options, const char *name, char **child_argv)
{
	struct slot *slots[WORKER_CONCURRENCY_MAX] = {0};
	int count = concurrency_of(options), started = 0, result = 0, signal_number;
	HC_AUTO_FD stop = eventfd(0, EFD_CLOEXEC);
	struct hc_error err;
	sigset_t ends;

	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &ends, NULL); /* before the threads: they inherit it */
	advise(options);
	for (; started < count && !result; started++) {
		const struct slot_options slot = {
			.worker = options, .name = name, .child_argv = child_argv, .stop_fd = stop, .number = started};

		result = slot_start(&slot, &slots[started], &err);
	}
	if (result)
		hc_log(HC_LOG_ERROR, "start", "error", err.text, NULL);
	else
		hc_log(HC_LOG_INFO, "ready", "name", name, "queue", options->queue, NULL);
	if (!result)
		(void)sigwait(&ends, &signal_number);
	(void)eventfd_write(stop, 1);
	for (int n = 0; n < started; n++)
		slot_join(slots[n]);
	return result ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct worker_options options;
	HC_AUTO_FREE name = NULL;
	char host[256] = "worker";
	struct hc_error err;
	char **child_argv;
	int result;

	hc_log_init("helvetia-worker");
	if (worker_options_parse(argc, argv, &options, &err)) {
		(void)fprintf(stderr, "helvetia-worker: %s\n%s", err.text, worker_usage);
		return 2;
	}
	if (options.help)
		return fputs(worker_usage, stdout) < 0;
	if (options.child)
		return child_main(&options);
	(void)signal(SIGPIPE, SIG_IGN);
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return 1;
	(void)gethostname(host, sizeof host - 1);
	name = options.name ? hc_xstrdup(options.name) : hc_xprintf("%s-%d", host, (int)getpid());
	child_argv = child_arguments(argc, argv);
	result = run(&options, name, child_argv);
	free(child_argv[argc]);
	free(child_argv[argc + 1]);
	free(child_argv[0]);
	free(child_argv);
	return result;
}
