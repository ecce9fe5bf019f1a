/* See fault.h. */
#include "fault.h"

#include "base.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PATH_BYTES 512

static bool asked(const char *folder, const char *point, const char *action)
{
	char path[PATH_BYTES];
	int length = snprintf(path, sizeof path, "%s/%s.%s", folder, point, action);

	return length > 0 && (size_t)length < sizeof path && unlink(path) == 0;
}

void hc_fault(const char *point)
{
	const char *folder = getenv("HELVETIA_FAULTS");

	if (!folder)
		return;
	if (asked(folder, point, "kill"))
		(void)raise(SIGKILL);
	if (asked(folder, point, "stop"))
		(void)kill(getpid(), SIGSTOP); /* the whole process, not the thread */
	if (asked(folder, point, "kill-parent")) {
		(void)kill(getppid(), SIGKILL);
		for (;;)
			(void)pause();
	}
}
