/* The Docker Engine: one that is there already, or an embedded one whose socket, data and state all lie in
 * DIR/docker and DIR/run. The embedded one has live-restore on, so that its restart stops no application, no
 * firewall, since rules of ours are the controller's alone, and as its default bridge ours (up_bridge.c).
 *
 * What outlives it is cleared by up_leftover.c. */
#include "up.h"

#include "base/alloc.h"
#include "base/file.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSTEM_SOCKET "unix:///var/run/docker.sock"

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
	const char *subnet;

	up_end_containerd(up);
	return up_bridge_ensure(up, &subnet, err) || forget_pid(up_path(up, "run/docker.pid"), err) ||
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

	const char *subnet;

	if (!argv[0] || !up_find_program(up, "containerd"))
		return hc_fail(err, HC_NOT_FOUND,
					   "no Docker Engine answers, and dockerd is not installed: apt-get install "
					   "docker.io, or name an engine with --docker-host");
	if (up_bridge_ensure(up, &subnet, err))
		return -1;
	/* The subnet is the bridge's anyway; written down, its change is one of what is run. */
	process->configuration = hc_arena_printf(up->arena,
											 "{\n"
											 "  \"live-restore\": true,\n"
											 "  \"log-level\": \"warn\",\n"
											 "  \"userland-proxy\": false,\n"
											 "  \"iptables\": false,\n"
											 "  \"ip6tables\": false,\n"
											 "  \"ip-masq\": false,\n"
											 "  \"bridge\": \"%s\",\n"
											 "  \"fixed-cidr\": \"%s\"\n"
											 "}\n",
											 up_bridge_name(up), subnet);
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

/* An engine that is started while containers of ours still run keeps the networks that it had: one without
 * our bridge, from an older version, gets it at the next start without containers only. */
void up_engine_note_bridge(struct up *up)
{
	struct up_request request = {.url = "http://docker/networks/bridge",
								 .unix_socket = socket_of(up->docker_host)};
	struct up_answer answer;

	if (up_http(&request, &answer, NULL))
		return; /* what comes next needs the engine and says more */
	if (answer.status == 404)
		up_say(
			"note: this engine has no bridge for builds yet, so their RUN steps wait; stop the platform and "
			"start it again once");
	hc_text_done(&answer.body);
}
