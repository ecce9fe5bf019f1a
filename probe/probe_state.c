/* The state machine of the health check. Pure. See probe.h and README.md. */
#include "probe.h"

#include <string.h>

void probe_memory_load(const void *data, size_t length, struct probe_memory *ret_memory)
{
	*ret_memory = (struct probe_memory){.magic = PROBE_MEMORY_MAGIC, .reported = PROBE_REPORTED_NOTHING};
	if (length == 0)
		return;
	if (length == sizeof *ret_memory)
		memcpy(ret_memory, data, length);
	if (length != sizeof *ret_memory || ret_memory->magic != PROBE_MEMORY_MAGIC || ret_memory->reported < 0 ||
		ret_memory->reported > PROBE_REPORTED_OPEN)
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
