/* The Docker Engine: one that is there already, or an embedded one whose socket, data and state all lie in
 * DIR/docker and DIR/run. The embedded one has live-restore on, so that its restart stops no application, and
 * no firewall and no default bridge: networks and rules of ours are the controller's alone.
 *
 * dockerd starts containerd itself; containerd's shims hold the containers and outlive both on purpose. So
 * after the embedded engine was stopped for good, what is left of them and of its mounts is cleared here by
 * our own paths. */
#include "up.h"

#include "base/alloc.h"
#include "base/file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define SYSTEM_SOCKET "unix:///var/run/docker.sock"
#define PROC_FILE_BYTES_MAX (4U * 1024 * 1024)

static const char *socket_of(const char *docker_host)
{
	return docker_host + strlen("unix://");
}

static int ping(const char *docker_host, struct hc_error *err)
{
	struct up_request request = {.url = "http://docker/_ping", .unix_socket = socket_of(docker_host)};

	return up_http_expect_ok(&request, err);
}

int up_engine_choose(struct up *up, struct hc_error *err)
{
	const char *wanted = up->options.docker_host;
	const char *environment = getenv("DOCKER_HOST");

	if (!wanted && up->docker_host)
		return 0; /* as remembered: the containers are there */
	if (!wanted && environment && *environment) {
		if (!hc_starts_with(environment, "unix:///"))
			return hc_fail(err, HC_INVALID, "DOCKER_HOST \"%s\": must be unix:///PATH; or give --docker-host",
						   environment);
		wanted = environment;
	}
	if (!wanted && !ping(SYSTEM_SOCKET, NULL))
		wanted = SYSTEM_SOCKET;
	up->embedded_engine = !wanted || hc_streq(wanted, "embedded");
	up->docker_host = up->embedded_engine
						  ? hc_arena_printf(up->arena, "unix://%s", up_path(up, "run/docker.sock"))
						  : wanted;
	return 0;
}

static int ready(struct up *up, struct hc_error *err)
{
	return ping(up->docker_host, err);
}

/* --- what outlives the embedded engine --- */

/* True when one argument of the process is exactly that text. */
static bool has_argument(const char *pid, const char *wanted)
{
	HC_AUTO_FREE path = hc_xprintf("/proc/%s/cmdline", pid);
	HC_AUTO_FREE text = NULL;
	size_t length = 0;

	if (hc_file_read(path, PROC_FILE_BYTES_MAX, &text, &length, NULL))
		return false;
	for (size_t at = 0; at < length; at += strlen(text + at) + 1)
		if (!strcmp(text + at, wanted))
			return true;
	return false;
}

/* Processes with exactly that argument: SIGTERM, then SIGKILL. */
static void end_with_argument(const char *wanted)
{
	struct dirent *entry;
	DIR *folder = opendir("/proc");

	while (folder && (entry = readdir(folder))) {
		HC_AUTO_FD pidfd = -1;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		pidfd = pidfd_open((int)strtol(entry->d_name, NULL, 10), 0);
		if (pidfd < 0 || !has_argument(entry->d_name, wanted))
			continue;
		pidfd_send_signal(pidfd, SIGTERM, NULL, 0);
		if (!up_wait_pidfd(pidfd, 3000)) {
			pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
			up_wait_pidfd(pidfd, 3000);
		}
	}
	if (folder)
		closedir(folder);
}

/* containerd has our --config path, its shims our -address; no other process has either as an argument. */
static const char *containerd_argument(struct up *up)
{
	return up_path(up, "docker/exec/containerd/containerd.toml");
}

static const char *shim_argument(struct up *up)
{
	return up_path(up, "docker/exec/containerd/containerd.sock");
}

static int forget_pid(const char *path, struct hc_error *err)
{
	if (unlink(path) && errno != ENOENT)
		return hc_fail(err, HC_TRANSIENT, "remove %s: %s", path, strerror(errno));
	return 0;
}

/* We know that dockerd does not run, and that its containerd ends with it. dockerd itself would only ask
 * whether some process has the number in the file: another's, or one that nobody has reaped yet, and then
 * wait for it in vain. */
static int before_start(struct up *up, struct hc_error *err)
{
	end_with_argument(containerd_argument(up));
	return forget_pid(up_path(up, "run/docker.pid"), err) ||
				   forget_pid(up_path(up, "docker/exec/containerd/containerd.pid"), err)
			   ? -1
			   : 0;
}

int up_engine_prepare(struct up *up, struct hc_error *err)
{
	struct up_process *process = &up->process[UP_ENGINE];
	char *configuration = up_path(up, "docker/daemon.json");
	const char *argv[] = {up_find_program(up, "dockerd"),
						  "--config-file",
						  configuration,
						  "--host",
						  up->docker_host,
						  "--data-root",
						  up_path(up, "docker/data"),
						  "--exec-root",
						  up_path(up, "docker/exec"),
						  "--pidfile",
						  up_path(up, "run/docker.pid"),
						  NULL};

	if (!argv[0] || !up_find_program(up, "containerd"))
		return hc_fail(err, HC_NOT_FOUND,
					   "no Docker Engine answers, and dockerd is not installed: apt-get install "
					   "docker.io, or name an engine with --docker-host");
	process->configuration = "{\n"
							 "  \"live-restore\": true,\n"
							 "  \"log-level\": \"warn\",\n"
							 "  \"userland-proxy\": false,\n"
							 "  \"iptables\": false,\n"
							 "  \"ip6tables\": false,\n"
							 "  \"ip-masq\": false,\n"
							 "  \"bridge\": \"none\"\n"
							 "}\n";
	if (hc_folder_make(up_path(up, "docker"), 0711, err) ||
		up_file_for(configuration, NULL, process->configuration, err))
		return -1;
	process->argv = up_arguments(up, argv);
	process->stop_wait_ms = 30000;
	process->ready_within_ms = 60000;
	process->before_start = before_start;
	process->ready = ready;
	return 0;
}

int up_engine_check(struct up *up, struct hc_error *err)
{
	struct up_request request = {
		.url = "http://docker/info", .unix_socket = socket_of(up->docker_host), .timeout_ms = 10000};
	struct up_answer answer;
	json_t *root;
	int live_restore = 1;

	if (up_http(&request, &answer, err))
		return hc_wrap(err, "Docker Engine at %s", up->docker_host);
	root = json_loads(hc_text_string(&answer.body), 0, NULL);
	if (root && !json_unpack(root, "{s:b}", "LiveRestoreEnabled", &live_restore) && !live_restore)
		up_say("note: this engine has live-restore off, so its restart stops applications; set "
			   "\"live-restore\": true "
			   "in its daemon.json");
	json_decref(root);
	hc_text_done(&answer.body);
	return 0;
}

/* Mount points under the state folder, the last mounted first. */
static void unmount_all(struct up *up)
{
	HC_AUTO_FREE text = NULL;
	HC_AUTO_FREE prefix = hc_xprintf("%s/", up->state);
	size_t length;

	if (hc_file_read("/proc/self/mounts", PROC_FILE_BYTES_MAX, &text, &length, NULL))
		return;
	while (length) {
		char *line, *target, *end;

		text[length - 1] = '\0'; /* the newline of the last line */
		line = strrchr(text, '\n');
		line = line ? line + 1 : text;
		length = (size_t)(line - text);
		target = strchr(line, ' ');
		end = target ? strchr(target + 1, ' ') : NULL;
		if (!end)
			continue;
		*end = '\0';
		if (hc_starts_with(target + 1, prefix) && umount2(target + 1, UMOUNT_NOFOLLOW) &&
			umount2(target + 1, UMOUNT_NOFOLLOW | MNT_DETACH))
			up_say("can't unmount %s: %s", target + 1, strerror(errno));
	}
}

static bool containers_run(struct up *up)
{
	const char *address = shim_argument(up);
	struct dirent *entry;
	DIR *folder = opendir("/proc");
	bool found = false;

	while (folder && !found && (entry = readdir(folder)))
		found = isdigit((unsigned char)entry->d_name[0]) && has_argument(entry->d_name, address);
	if (folder)
		closedir(folder);
	return found;
}

void up_engine_clear_if_idle(struct up *up)
{
	if (!containers_run(up))
		up_engine_clear(up);
}

void up_engine_clear(struct up *up)
{
	struct hc_error err = {0};

	end_with_argument(containerd_argument(up));
	end_with_argument(shim_argument(up));
	unmount_all(up);
	if (hc_folder_remove(up_path(up, "docker/exec"), &err))
		up_say("%s", err.text);
}
