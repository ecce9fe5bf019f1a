/* One pass over one key: observe → decide → act in order until the first failure → report. No rule of any
 * kind is here; what an error class means for the queue is, and only here. */
#ifndef PASS_H
#define PASS_H

#include "workqueue.h"

#include "base/arena.h"
#include "base/error.h"
#include "reconcilers/kind.h"

struct pass_options {
	const struct kind *const *registry; /* NULL-terminated */
	/* Asked before every action and before the report: may this process still change anything? */
	bool (*may_act)(void *payload);
	void *payload;
	bool slow; /* this thread may take its time: it does a minute-long action itself, and nothing after it */
};

struct pass_result {
	enum workqueue_end end;
	int64_t wake_at_ms;  /* boot time; 0: only when something changes */
	bool hand_over;      /* the next action takes minutes: give the key to a slow thread, still processing */
	struct hc_error err; /* class HC_OK unless something failed */
};

/* key: "kind/uid". All memory is the arena's, which the caller resets. */
void pass_run(const struct pass_options *options, struct reconcile_context *context, const char *key,
			  struct hc_arena *arena, struct pass_result *ret_result);

#endif
