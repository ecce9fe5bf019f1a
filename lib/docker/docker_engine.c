/* Which run of the engine answers. The API does not tell when the engine started, and after a live restore an
 * engine before 23 leaves health monitors dead (design 7.7), so a restart must be noticed.
 *
 * The kernel knows who listens on the socket. Under systemd that is systemd itself (it made the socket and
 * handed it over); then the one process named dockerd is meant. With several, or none in sight, nothing is
 * claimed. */
#include "base/clock.h"
#include "base/file.h"
#include "docker_internal.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STAT_START_FIELD 22 /* proc(5), counted from 1 */

/* Ticks since boot at which the process began, or 0. The name in field 2 may hold anything, so count from its
 * last parenthesis. */
static int64_t start_ticks(pid_t pid, bool *ret_dockerd)
{
	char path[64];
	HC_AUTO_FREE text = NULL;
	const char *at;

	(void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (hc_file_read(path, 4096, &text, NULL, NULL))
		return 0;
	*ret_dockerd = strstr(text, " (dockerd) ") != NULL;
	at = strrchr(text, ')');
	for (int field = 3; at && field <= STAT_START_FIELD; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoll(at, NULL, 10) : 0;
}

static pid_t find_dockerd(void)
{
	DIR *folder = opendir("/proc");
	pid_t found = 0;
	int count = 0;

	for (const struct dirent *entry; folder && (entry = readdir(folder));) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		bool dockerd = false;

		if (pid > 0 && start_ticks(pid, &dockerd) > 0 && dockerd) {
			found = pid;
			count++;
		}
	}
	if (folder)
		(void)closedir(folder);
	return count == 1 ? found : 0;
}

int64_t docker_process_age_ms(pid_t pid)
{
	bool dockerd;
	int64_t ticks = start_ticks(pid, &dockerd);
	long hertz = sysconf(_SC_CLK_TCK);

	return ticks > 0 && hertz > 0 ? hc_clock_boot_ms() - ticks * 1000 / hertz : -1;
}

void docker_engine_instance(struct hc_arena *arena, int socket_fd, struct docker_info *info)
{
	struct ucred peer = {0};
	socklen_t length = sizeof peer;
	bool dockerd = false;
	int64_t ticks;
	long hertz = sysconf(_SC_CLK_TCK);

	if (socket_fd < 0 || getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &peer, &length))
		return;
	if (peer.pid == 1)
		peer.pid = find_dockerd();
	ticks = peer.pid > 0 ? start_ticks(peer.pid, &dockerd) : 0;
	if (ticks <= 0 || hertz <= 0)
		return;
	info->instance = hc_arena_printf(arena, "%s-%d-%" PRId64, hc_clock_boot_id(), (int)peer.pid, ticks);
	info->started_wall_ms = hc_clock_wall_ms() - hc_clock_boot_ms() + ticks * 1000 / hertz;
}
