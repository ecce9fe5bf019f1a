/* Small helpers. Nothing here allocates. */
#include "probe.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

int64_t probe_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void probe_sleep_ms(int64_t ms)
{
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (nanosleep(&pause, &pause) && errno == EINTR)
		continue;
}

void probe_say(int fd, const char *text)
{
	struct iovec parts[] = {
		{.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)},
		{.iov_base = (void *)(uintptr_t) "\n", .iov_len = 1},
	};
	ssize_t ignored = writev(fd, parts, 2); /* nobody may be reading, and that changes no verdict */

	(void)ignored;
}

bool probe_number(const char *text, int64_t most, int64_t *ret_number)
{
	int64_t number = 0;

	if (!*text || strlen(text) > 12)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		number = number * 10 + (*text - '0');
	}
	*ret_number = number;
	return number <= most;
}
