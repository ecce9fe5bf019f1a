/* Ends what hangs while it starts in a container: the command of a health check, or of a person's exec.
 *
 * A container that is paused between the moment at which `runc exec` put its child into the container's
 * cgroup and the moment at which the child says that it is ready freezes the child, and `runc exec` waits for
 * ever. containerd's shim holds the process's lock meanwhile; the next exit that it reaps (that of `runc
 * pause` is one) waits for it, holding the lock of all its calls. So neither inspect nor unpause of that
 * container is ever answered, and nothing in the engine's API helps [seen with Engine 20.10.24, containerd
 * 1.6.20 and runc 1.1.5, at one of six pauses while a health check started each 100 ms].
 *
 * Ending `runc exec` (it isn't in the container, so that it isn't frozen) frees all of them, and what waited
 * is answered: an unpause continues the container as if nothing had been. Thawing the cgroup would end the
 * wait too, but leave a container that the engine calls paused and refuses to continue. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "docker_internal.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define COMMAND_LINE_MAX 16384

/* argv of runc and its likes: …, "exec", …, the container's full id. */
static bool starts_in(const char *command_line, size_t length, const char *container_id)
{
	const char *last = "";
	bool exec = false;

	for (size_t at = 0; at < length; at += strlen(command_line + at) + 1) {
		last = command_line + at;
		exec = exec || strcmp(last, "exec") == 0;
	}
	return exec && strcmp(last, container_id) == 0;
}

/* A tenant's process may call itself what it likes; it is in another pid namespace than ours. */
static bool in_our_namespace(pid_t pid)
{
	char path[64], ours[64], theirs[64];
	ssize_t our_length = readlink("/proc/self/ns/pid", ours, sizeof ours);
	ssize_t their_length;

	(void)snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)pid);
	their_length = readlink(path, theirs, sizeof theirs);
	return our_length > 0 && our_length == their_length && memcmp(ours, theirs, (size_t)our_length) == 0;
}

static bool is_start(pid_t pid, const char *container_id)
{
	char path[64];
	HC_AUTO_FREE text = NULL;
	size_t length = 0;

	(void)snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
	return hc_file_read(path, COMMAND_LINE_MAX, &text, &length, NULL) == 0 &&
		   starts_in(text, length, container_id) && in_our_namespace(pid);
}

/* The descriptor is opened before the process is looked at: its number can't have become another's. */
static bool end_start(pid_t pid, const char *container_id, int64_t older_than_ms)
{
	bool ended = false;
	char number[16];
	int fd;

	if (!is_start(pid, container_id))
		return false;
	fd = pidfd_open(pid, 0);
	if (fd < 0)
		return false;
	if (is_start(pid, container_id) && docker_process_age_ms(pid) >= older_than_ms)
		ended = pidfd_send_signal(fd, SIGKILL, NULL, 0) == 0;
	(void)close(fd);
	if (ended) {
		(void)snprintf(number, sizeof number, "%d", (int)pid);
		hc_log(HC_LOG_WARN, "ended a command that hung while it was started in a container", "container",
			   container_id, "pid", number, NULL);
	}
	return ended;
}

size_t docker_starts_end(const char *container_id, int64_t older_than_ms)
{
	DIR *folder = opendir("/proc");
	size_t count = 0;

	for (const struct dirent *entry; folder && (entry = readdir(folder));) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		count += pid > 0 && end_start(pid, container_id, older_than_ms);
	}
	if (folder)
		(void)closedir(folder);
	return count;
}

/* Asked of the list, which takes no container's lock, over a connection of its own. */
static bool is_paused(const struct docker *docker, const char *container_id)
{
	HC_AUTO(docker) other = NULL;
	HC_AUTO_TEXT filter = {0};
	HC_AUTO_TEXT path = {0};
	DOCKER_AUTO_JSON *json = NULL;
	struct hc_error ignored; /* not known is not paused */
	const char *state;

	hc_text_append(&filter, "{\"id\":[");
	hc_text_append_json_string(&filter, container_id);
	hc_text_append(&filter, "]}");
	hc_text_append(&path, "/containers/json?all=1");
	docker_path_query(&path, "filters", hc_text_string(&filter));
	if (docker_open(docker->host, &other, &ignored))
		return false;
	docker_limit_calls(other, DOCKER_PATIENCE_PAUSED_MS);
	if (docker_call(other, "GET", hc_text_string(&path), NULL, &json, &ignored))
		return false;
	state = json_string_value(docker_json_at(json_array_get(json, 0), "State"));
	return hc_streq(state, "paused");
}

void docker_starts_look(const struct docker *docker, const char *container_id, int64_t began_ms)
{
	int64_t waited_ms = hc_clock_boot_ms() - began_ms;
	int64_t patience_ms = DOCKER_PATIENCE_MS;

	if (waited_ms >= DOCKER_PATIENCE_PAUSED_MS && is_paused(docker, container_id))
		patience_ms = DOCKER_PATIENCE_PAUSED_MS;
	if (waited_ms >= patience_ms)
		(void)docker_starts_end(container_id, patience_ms);
}
