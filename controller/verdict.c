/* See verdict.h. */
#include "verdict.h"

#include <assert.h>
#include <string.h>

#define QUICK_FIRST_MS 50
#define QUICK_MAX_MS 500
#define STEADY_MS 5000
#define SPREAD_MS 1000 /* sooner or later than that, so that what became ready together parts */
#define TICK_MS 2000
#define DOUBTFUL_MS 1000 /* was ready and fails now: soon sure, and soon seen when it comes back */

void verdict_reset(struct verdict *verdict)
{
	*verdict = (struct verdict){.now = PROBE_UNKNOWN};
}

static enum probe_verdict judge(const struct verdict *verdict, int64_t now_ms)
{
	if (!verdict->failures)
		return PROBE_READY;
	if (verdict->failures >= VERDICT_FAILURES &&
		now_ms - verdict->first_failure_ms >= VERDICT_FAILURES_SPAN_MS)
		return PROBE_UNREADY;
	return PROBE_NOT_READY;
}

bool verdict_answer(struct verdict *verdict, bool good, int64_t now_ms)
{
	enum probe_verdict before = verdict->now;

	if (good) {
		verdict->failures = 0;
		verdict->quick_delay_ms = 0;
	} else if (verdict->failures++ == 0) {
		verdict->first_failure_ms = now_ms;
	}
	verdict->now = judge(verdict, now_ms);
	return verdict->now != before;
}

/* To the tick that is next to the wanted moment. */
static int64_t steady_delay_ms(uint64_t random, int64_t now_ms)
{
	int64_t wanted_ms = now_ms + STEADY_MS - SPREAD_MS + (int64_t)(random % (2 * SPREAD_MS + 1));
	int64_t at_ms = wanted_ms + TICK_MS / 2;

	return at_ms - at_ms % TICK_MS - now_ms;
}

int64_t verdict_delay_ms(struct verdict *verdict, bool fast, uint64_t random, int64_t now_ms)
{
	if (verdict->now == PROBE_READY)
		return steady_delay_ms(random, now_ms);
	if (!fast)
		return DOUBTFUL_MS;
	verdict->quick_delay_ms = verdict->quick_delay_ms ? verdict->quick_delay_ms * 2 : QUICK_FIRST_MS;
	if (verdict->quick_delay_ms > QUICK_MAX_MS)
		verdict->quick_delay_ms = QUICK_MAX_MS;
	return verdict->quick_delay_ms;
}

static bool digit(char character)
{
	return character >= '0' && character <= '9';
}

/* RFC 9112 section 4: HTTP/1.1 SP 3DIGIT SP … */
enum verdict_bytes verdict_status_line(const char *bytes, size_t length, int *ret_status)
{
	static const char shape[] = "HTTP/1.# ###"; /* # is a digit */
	const size_t shape_length = sizeof shape - 1;

	for (size_t n = 0; n < length && n < shape_length; n++) {
		if (shape[n] == '#' ? !digit(bytes[n]) : bytes[n] != shape[n])
			return VERDICT_BYTES_OTHER;
	}
	if (length < shape_length)
		return VERDICT_BYTES_MORE;
	*ret_status = (bytes[9] - '0') * 100 + (bytes[10] - '0') * 10 + (bytes[11] - '0');
	return VERDICT_BYTES_HTTP;
}

bool verdict_status_good(int status, bool explicit_path)
{
	assert(status >= 0);
	if (explicit_path)
		return status >= 200 && status < 400;
	return status < 500;
}
