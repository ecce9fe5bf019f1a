/* The state machine of the health check. Pure. See probe.h and README.md. */
#include "probe.h"

#include <string.h>

#define REPEAT_FIRST_MS 2000
#define REPEAT_FACTOR 8
#define REPEATS_MOST 8

void probe_memory_load(const void *data, size_t length, struct probe_memory *ret_memory)
{
	*ret_memory = (struct probe_memory){.magic = PROBE_MEMORY_MAGIC, .reported = PROBE_REPORTED_NOTHING};
	if (length == 0)
		return;
	if (length == sizeof *ret_memory)
		memcpy(ret_memory, data, length);
	if (length != sizeof *ret_memory || ret_memory->magic != PROBE_MEMORY_MAGIC || ret_memory->reported < 0 ||
		ret_memory->reported > PROBE_REPORTED_OPEN || ret_memory->repeats < 0 ||
		ret_memory->repeats > REPEATS_MOST)
		*ret_memory = (struct probe_memory){
			.magic = PROBE_MEMORY_MAGIC, .reported = PROBE_REPORTED_SHUT, .resident = -1};
}

bool probe_uncertain(const struct probe_memory *memory, bool lock_was_busy, int64_t now_ms)
{
	if (lock_was_busy || memory->resident)
		return true;
	if (memory->reported == PROBE_REPORTED_NOTHING)
		return false;
	return now_ms - memory->reported_ms > PROBE_REPORT_AGE_MOST_MS || now_ms < memory->reported_ms;
}

bool probe_must_ask(const struct probe_memory *memory, bool gate_open)
{
	return gate_open && memory->reported != PROBE_REPORTED_OPEN;
}

enum probe_step probe_decide(const struct probe_memory *memory, const struct probe_view *view)
{
	bool was_open = memory->reported == PROBE_REPORTED_OPEN;
	bool want_open = view->gate_open && (was_open || view->answers);

	if (want_open == was_open && !view->uncertain && !view->time_over)
		return PROBE_STAY;
	return want_open ? PROBE_SAY_OPEN : PROBE_SAY_SHUT;
}

int64_t probe_stay_ms(const struct probe_memory *memory, int64_t resident_ms)
{
	int64_t stay_ms = REPEAT_FIRST_MS;

	if (memory->reported != PROBE_REPORTED_OPEN)
		return resident_ms; /* Docker never says healthy by itself */
	for (int32_t repeat = 0; repeat < memory->repeats && stay_ms < resident_ms; repeat++)
		stay_ms *= REPEAT_FACTOR;
	return stay_ms < resident_ms ? stay_ms : resident_ms;
}

void probe_note(struct probe_memory *memory, enum probe_step step, const struct probe_view *view,
				int64_t now_ms)
{
	int32_t reported = step == PROBE_SAY_OPEN ? PROBE_REPORTED_OPEN : PROBE_REPORTED_SHUT;

	if (reported != memory->reported || view->uncertain)
		memory->repeats = 0;
	else if (memory->repeats < REPEATS_MOST)
		memory->repeats++;
	memory->reported = reported;
	memory->resident = 0;
	memory->reported_ms = now_ms;
}
