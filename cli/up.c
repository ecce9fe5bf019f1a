/* `helvetia up` and `helvetia down`: the steps in order, then one loop that waits for a signal, the end of a
 * process or the time to start one again. */
#include "up.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "command.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define RESTART_FIRST_MS 200
#define RESTART_LAST_MS 30000
#define STEADY_MS 60000 /* alive for so long: the next end is the first in a row again */
#define HOUSEKEEPING_MS 30000
#define DOWN_WAIT_MS 120000

static void describe_parts(struct up *up)
{
	static const struct {
		const char *name;
		const char *title;
	} PARTS[UP_PART_COUNT] = {
		[UP_POSTGRES] = {"postgres", "PostgreSQL"}, [UP_REDIS] = {"redis", "Redis"},
		[UP_ENGINE] = {"dockerd", "Docker Engine"}, [UP_API] = {"api", "API"},
		[UP_TRAEFIK] = {"traefik", "Traefik"},      [UP_CONTROLLER] = {"controller", "controller"},
		[UP_WORKER] = {"worker", "worker"},         [UP_GIT] = {"git", "Git server"},
	};

	for (size_t i = 0; i < UP_PART_COUNT; i++) {
		up->process[i].name = PARTS[i].name;
		up->process[i].title = PARTS[i].title;
		up->process[i].stop_signal = i == UP_POSTGRES ? SIGINT : SIGTERM;
		up->process[i].stop_wait_ms = 20000;
		up->process[i].ready_within_ms = 30000;
	}
}

/* Signals are read from a descriptor, so that every wait can end early and nothing is interrupted half-way.
 */
static int signals_open(struct up *up, struct hc_error *err)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &signals, NULL))
		return hc_fail(err, HC_BUG, "sigprocmask: %s", strerror(errno));
	up->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return up->signal_fd < 0 ? hc_fail(err, HC_BUG, "signalfd: %s", strerror(errno)) : 0;
}

static int open_supervisor(struct up *up, const struct up_options *options, struct hc_error *err)
{
	if (up_init(up, options, err) || up_require_root(err))
		return -1;
	describe_parts(up);
	return signals_open(up, err);
}

int up_folders_make(struct up *up, struct hc_error *err)
{
	/* run is walked through by postgres to its socket; secrets only by us. */
	return hc_folder_make(up_path(up, "run"), 0711, err) || hc_folder_make(up_path(up, "log"), 0750, err) ||
				   hc_folder_make(up_path(up, "secrets"), 0700, err)
			   ? -1
			   : 0;
}

/* --- steps --- */

static int step_state(struct up *up, struct hc_error *err)
{
	up_step_begin(up, "State");
	if (up_lock(up, err) || up_folders_make(up, err))
		return -1;
	if (up_settings_load(up, err) && err->class != HC_NOT_FOUND)
		return -1;
	if (up_composed_refuse(up, false, err) || up_settings_choose(up, err) || up_sample_choose(up, err) ||
		up_settings_save(up, err) || hc_file_write(up_path(up, "run/active"), "", 0, 0644, err))
		return -1;
	up_step_end(up, hc_arena_printf(up->arena, "%s locked", up->state));
	return 0;
}

static int step_process(struct up *up, enum up_part part, int (*prepare)(struct up *, struct hc_error *),
						struct hc_error *err)
{
	bool adopted = false;

	up_step_begin(up, up->process[part].title);
	if (prepare(up, err) || up_process_ensure(up, part, &adopted, err))
		return -1;
	if (part == UP_API && up_api_learn(up, err))
		return -1;
	up_step_end(
		up, adopted ? hc_arena_printf(up->arena, "still runs (process %d), adopted", up->process[part].pid)
					: "ready");
	return 0;
}

static int step_engine(struct up *up, struct hc_error *err)
{
	if (up->embedded_engine) {
		if (step_process(up, UP_ENGINE, up_engine_prepare, err))
			return -1;
		up_engine_note_bridge(up);
		return 0;
	}
	up_step_begin(up, "Docker Engine");
	if (up_engine_check(up, err))
		return -1;
	up_step_end(up, hc_arena_printf(up->arena, "%s answers", up->docker_host));
	return 0;
}

static int step_certificates(struct up *up, struct hc_error *err)
{
	up_step_begin(up, "Certificates");
	if (up_certificates_ensure(up, err))
		return -1;
	up_step_end(up, "ready");
	return 0;
}

static int step_sample(struct up *up, struct hc_error *err)
{
	up_step_begin(up, "Sample application");
	return up_sample_deploy(up, err);
}

static int start_all(struct up *up, struct hc_error *err)
{
	if (step_state(up, err) || step_process(up, UP_POSTGRES, up_postgres_prepare, err) ||
		step_process(up, UP_REDIS, up_redis_prepare, err) || step_engine(up, err) ||
		step_certificates(up, err) || step_process(up, UP_API, up_api_prepare, err) ||
		step_process(up, UP_TRAEFIK, up_traefik_prepare, err) ||
		step_process(up, UP_CONTROLLER, up_controller_prepare, err) ||
		step_process(up, UP_WORKER, up_worker_prepare, err))
		return -1;
	return up_kubeconfig_write(up, err) || step_sample(up, err) || up_endpoints_write(up, err) ? -1 : 0;
}

static void print_addresses(struct up *up)
{
	printf("\nHelvetia Cloud is ready.\n\n"
		   "  sample         %s\n%s"
		   "  applications   %s and http://SERVICE.%s:%d\n"
		   "  API            https://127.0.0.1:%d (CA %s)\n"
		   "  kubeconfig     %s\n"
		   "  everything     %s\n"
		   "  Docker Engine  %s%s\n\n"
		   "Ctrl-C stops it; volumes, images and the database are kept.\n",
		   up->sample ? up_sample_url(up) : "none",
		   up->sample ? hc_arena_printf(up->arena, "                 git clone %s, edit, commit, git push\n",
										up_git_url(up))
					  : "",
		   up_url(up, hc_arena_printf(up->arena, "SERVICE.%s", up->domain)), up->domain, up->http_port,
		   up->api_port, up_path(up, "certificates/ca.crt"), up_path(up, "kubeconfig"),
		   up_path(up, "endpoints.json"), up->docker_host, up->embedded_engine ? " (embedded)" : "");
	fflush(stdout);
}

/* --- main loop --- */

static void plan_restart(struct up_process *process, const char *how)
{
	int64_t now_ms = hc_clock_boot_ms();
	int64_t delay_ms = RESTART_FIRST_MS;

	if (now_ms - process->started_ms > STEADY_MS)
		process->failures = 0;
	for (int i = 0; i < process->failures && delay_ms < RESTART_LAST_MS; i++)
		delay_ms *= 2;
	if (delay_ms > RESTART_LAST_MS)
		delay_ms = RESTART_LAST_MS;
	process->failures++;
	process->restart_at_ms = now_ms + delay_ms;
	up_say("%s %s; it is started again in %.1f s", process->title, how, (double)delay_ms / 1000);
}

static void restart(struct up *up, struct up_process *process)
{
	struct hc_error err = {0};

	if (!up_process_start(up, process, &err)) {
		up_say("%s was started again (process %d)", process->title, (int)process->pid);
		if (up_endpoints_write(up, &err))
			up_say("%s", err.text);
		return;
	}
	plan_restart(process, err.text);
}

/* One turn: waits for the nearest of all that can happen, and handles it. */
static void turn(struct up *up)
{
	struct pollfd waited[UP_PART_COUNT + 2];
	int64_t now_ms = hc_clock_boot_ms();
	int64_t wait_ms = up_live_turn(up, HOUSEKEEPING_MS);
	nfds_t count = 0;
	char how[128];

	waited[count++] = (struct pollfd){.fd = up->signal_fd, .events = POLLIN};
	waited[count++] = (struct pollfd){.fd = up->live.fd, .events = POLLIN}; /* -1 is passed over */
	for (size_t i = 0; i < UP_PART_COUNT; i++) {
		struct up_process *process = &up->process[i];

		if (process->pid)
			waited[count++] = (struct pollfd){.fd = process->pidfd, .events = POLLIN};
		if (process->restart_at_ms && process->restart_at_ms - now_ms < wait_ms)
			wait_ms = process->restart_at_ms > now_ms ? process->restart_at_ms - now_ms : 0;
	}
	poll(waited, count, (int)wait_ms);
	up_pause(up, 0); /* takes a signal that came */
	for (size_t i = 0; i < UP_PART_COUNT && !up->stop_requested; i++) {
		struct up_process *process = &up->process[i];

		if (process->wanted && up_process_ended(process, how, sizeof(how)))
			plan_restart(process, how);
		if (process->restart_at_ms && process->restart_at_ms <= hc_clock_boot_ms())
			restart(up, process);
		up_process_rotate_log(up, process);
	}
}

static int stop_and_tell(struct up *up, struct hc_error *err)
{
	int64_t begin_ms = hc_clock_boot_ms();

	printf("\nStopping …\n");
	fflush(stdout);
	if (up_stop(up, err))
		return -1;
	printf("Stopped in %.1f s. Data is kept in %s.\n", (double)(hc_clock_boot_ms() - begin_ms) / 1000,
		   up->state);
	return 0;
}

static int fail(const char *command, const struct hc_error *err, int code)
{
	fflush(stdout);
	fprintf(stderr, "helvetia %s: %s\n", command, err->text);
	return code;
}

static int run_up(int argc, char **argv)
{
	struct up_options options;
	struct hc_error err = {0};
	struct up up;
	int code = COMMAND_DONE;
	int parsed = up_options_parse(argc, argv, false, &options, &err);

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : fail("up", &err, COMMAND_USAGE);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (open_supervisor(&up, &options, &err))
		code = fail("up", &err, err.class == HC_INVALID ? COMMAND_USAGE : COMMAND_FAILED);
	else if (!start_all(&up, &err)) {
		print_addresses(&up);
		up_live_open(&up);
		while (!up.stop_requested)
			turn(&up);
		err = (struct hc_error){0};
		if (stop_and_tell(&up, &err))
			code = fail("up", &err, COMMAND_FAILED);
	} else if (up.stop_requested && up.lock_fd >= 0) {
		err = (struct hc_error){0};
		if (stop_and_tell(&up, &err))
			code = fail("up", &err, COMMAND_FAILED);
	} else {
		putchar('\n');
		code = fail("up", &err,
					err.class == HC_INVALID && !up.process[UP_POSTGRES].pid ? COMMAND_USAGE : COMMAND_FAILED);
		if (up.lock_fd >= 0)
			up_abandon(&up);
	}
	up_done(&up);
	curl_global_cleanup();
	return code;
}

/* --- down --- */

/* A supervisor that runs does the work itself. */
static int end_holder(struct up *up, pid_t holder, struct hc_error *err)
{
	int64_t until = hc_clock_boot_ms() + DOWN_WAIT_MS;

	printf("Asking `helvetia up` (process %d) to stop …\n", (int)holder);
	fflush(stdout);
	if (kill(holder, SIGTERM) && errno != ESRCH)
		return hc_fail(err, HC_DENIED, "signal process %d: %s", (int)holder, strerror(errno));
	while (up_lock_holder(up) == holder) {
		if (hc_clock_boot_ms() > until)
			return hc_fail(err, HC_TRANSIENT, "process %d still runs after %d s", (int)holder,
						   DOWN_WAIT_MS / 1000);
		up_pause(up, 50);
		if (up->stop_requested)
			return hc_fail(err, HC_CANCELED, "stopped while waiting for process %d", (int)holder);
	}
	return 0;
}

/* After a kill the embedded engine may be gone with containers still running: it is needed to remove them. */
static int engine_for_removal(struct up *up, struct hc_error *err)
{
	if (!up->embedded_engine || !up->installation)
		return 0;
	return up_engine_prepare(up, err) || up_process_ensure(up, UP_ENGINE, NULL, err) ? -1 : 0;
}

static int take_down(struct up *up, struct hc_error *err)
{
	pid_t holder;

	if (!hc_file_exists(up_path(up, "settings.json")))
		return hc_fail(err, HC_NOT_FOUND, "%s is no state folder of Helvetia Cloud", up->state);
	holder = up_lock_holder(up);
	if (holder && end_holder(up, holder, err))
		return -1;
	if (up_lock(up, err) || up_settings_load(up, err) || up_composed_refuse(up, true, err) ||
		up_folders_make(up, err))
		return -1;
	if (hc_file_exists(up_path(up, "run/active"))) {
		if (engine_for_removal(up, err) || stop_and_tell(up, err))
			return -1;
	} else {
		printf(holder ? "Stopped.\n" : "Nothing runs.\n");
	}
	if (!up->options.purge)
		return 0;
	if (up_purge(up, err))
		return -1;
	printf("Removed %s.\n", up->state);
	return 0;
}

static int run_down(int argc, char **argv)
{
	struct up_options options;
	struct hc_error err = {0};
	struct up up;
	int code = COMMAND_DONE;
	int parsed = up_options_parse(argc, argv, true, &options, &err);

	if (parsed)
		return parsed > 0 ? COMMAND_DONE : fail("down", &err, COMMAND_USAGE);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (open_supervisor(&up, &options, &err) || take_down(&up, &err))
		code = fail("down", &err, COMMAND_FAILED);
	up_done(&up);
	curl_global_cleanup();
	return code;
}

const struct command command_up = {"up", "run the platform here, in the foreground", run_up};
const struct command command_down = {"down", "stop a platform and what it runs; its data is kept", run_down};
