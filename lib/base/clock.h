/* Time. clock_gettime is called here and nowhere else; pure code takes a time as an argument.
 *
 * Deadlines are (boot id, boot milliseconds) pairs: CLOCK_BOOTTIME counts suspend and never steps, and a new
 * boot id means that the machine restarted and the timer starts again (design 5). Wall time is for people
 * only. */
#ifndef HC_CLOCK_H
#define HC_CLOCK_H

#include <stdint.h>
#include <time.h>

#define HC_TIME_TEXT_SIZE 32
#define HC_BOOT_ID_SIZE 40

int64_t hc_clock_wall_ms(void);     /* milliseconds since 1970 UTC */
int64_t hc_clock_boot_ms(void);     /* milliseconds since this boot, suspend included */
/* CLOCK_MONOTONIC in delay_ms from now: for the waits of a condition, which know no boot time. */
struct timespec hc_clock_monotonic_in(int64_t delay_ms);
const char *hc_clock_boot_id(void); /* the kernel's boot id, or "unknown"; lives as long as the process */

/* RFC 3339 in UTC with whole seconds, as Kubernetes prints times: 2026-01-02T03:04:05Z. */
void hc_clock_format(int64_t wall_ms, char text[HC_TIME_TEXT_SIZE]);
/* Reads RFC 3339 (fractions and numeric offsets too); -1 when it is something else. */
int hc_clock_parse(const char *text, int64_t *ret_wall_ms);

#endif
