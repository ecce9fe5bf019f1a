/* See clock.h. */
#include "clock.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t hc_clock_wall_ms(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t hc_clock_boot_ms(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

struct timespec hc_clock_monotonic_in(int64_t delay_ms)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += delay_ms / 1000;
	at.tv_nsec += delay_ms % 1000 * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

static char boot_id[HC_BOOT_ID_SIZE] = "unknown";

static void read_boot_id(void)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file)
		return;
	if (fscanf(file, "%39s", boot_id) != 1)
		(void)snprintf(boot_id, sizeof boot_id, "unknown");
	(void)fclose(file);
}

const char *hc_clock_boot_id(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, read_boot_id);
	return boot_id;
}

void hc_clock_format(int64_t wall_ms, char text[HC_TIME_TEXT_SIZE])
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm parts;

	if (!gmtime_r(&seconds, &parts) || !strftime(text, HC_TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts))
		text[0] = '\0';
}

int hc_clock_parse(const char *text, int64_t *ret_wall_ms)
{
	struct tm parts = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
	int64_t milliseconds = 0;
	int64_t offset_minutes = 0;

	if (!rest)
		return -1;
	if (*rest == '.') {
		int64_t scale = 100;

		for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
			milliseconds += (*rest - '0') * scale;
	}
	if (*rest == '+' || *rest == '-') {
		unsigned int hours;
		unsigned int minutes;
		int used = 0;

		if (sscanf(rest + 1, "%2u:%2u%n", &hours, &minutes, &used) != 2 || rest[1 + used] || hours > 23 ||
			minutes > 59)
			return -1;
		offset_minutes = (int64_t)(hours * 60 + minutes) * (*rest == '+' ? 1 : -1);
	} else if (strcmp(rest, "Z") != 0) {
		return -1;
	}
	*ret_wall_ms = ((int64_t)timegm(&parts) - offset_minutes * 60) * 1000 + milliseconds;
	return 0;
}
