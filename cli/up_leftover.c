/* What outlives the embedded engine. dockerd starts containerd itself; containerd's shims hold the containers
 * and outlive both on purpose. After the engine was stopped for good they are found by our own paths in their
 * arguments, containers that the engine could not end any more by their control groups, and mounts by the
 * state folder. */
#include "up.h"

#include "base/alloc.h"
#include "base/file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define PROC_FILE_BYTES_MAX (4U * 1024 * 1024)
#define CONTAINER_ID_LENGTH 64

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

void up_end_containerd(struct up *up)
{
	end_with_argument(containerd_argument(up));
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

/* --- control groups --- */

static void write_word(const char *path, const char *word)
{
	HC_AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);

	/* An absent file is the other version of control groups; what matters is whether processes are left. */
	if (fd >= 0 && write(fd, word, strlen(word)) < 0)
		up_say("write %s: %s", path, strerror(errno));
}

/* A frozen process takes no signal, so it is thawed after the signal was sent. */
static void end_group(const char *group)
{
	HC_AUTO_FREE list = hc_xprintf("%s/cgroup.procs", group);
	HC_AUTO_FREE old_freezer = hc_xprintf("%s/freezer.state", group);
	HC_AUTO_FREE freezer = hc_xprintf("%s/cgroup.freeze", group);
	HC_AUTO_FREE text = NULL;
	char *position = NULL;

	if (hc_file_read(list, PROC_FILE_BYTES_MAX, &text, NULL, NULL))
		return;
	for (char *line = strtok_r(text, "\n", &position); line; line = strtok_r(NULL, "\n", &position)) {
		HC_AUTO_FD pidfd = pidfd_open((int)strtol(line, NULL, 10), 0);

		if (pidfd < 0)
			continue;
		pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
		write_word(old_freezer, "THAWED");
		write_word(freezer, "0");
		up_wait_pidfd(pidfd, 3000);
	}
	rmdir(group);
}

/* The ids are those of our engine's own containers; dockerd names their groups by them, with either driver.
 */
static void end_containers(struct up *up)
{
	static const char *const GROUPS[] = {"/sys/fs/cgroup/freezer/docker/%s", "/sys/fs/cgroup/docker/%s",
										 "/sys/fs/cgroup/freezer/system.slice/docker-%s.scope",
										 "/sys/fs/cgroup/system.slice/docker-%s.scope"};
	DIR *folder = opendir(up_path(up, "docker/data/containers"));
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		if (strlen(entry->d_name) != CONTAINER_ID_LENGTH)
			continue;
		for (size_t i = 0; i < HC_COUNT(GROUPS); i++) {
			HC_AUTO_FREE group = hc_xprintf(GROUPS[i], entry->d_name);

			end_group(group);
		}
	}
	if (folder)
		closedir(folder);
}

/* --- all of it --- */

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
	end_containers(up);
	unmount_all(up);
	if (hc_folder_remove(up_path(up, "docker/exec"), &err))
		up_say("%s", err.text);
	err = (struct hc_error){0};
	if (up_bridge_remove(up, &err))
		up_say("%s", err.text);
}
