/* The work queue: which key (an object's "kind/uid") is to be looked at next, by whom, and when.
 *
 * Contract:
 *   - fair: ready keys are taken first in, first out;
 *   - deduplicated: a key is in it once, however often it was added;
 *   - one worker a key: a taken key is given to nobody else until it is done; added meanwhile, it runs once
 * more;
 *   - a key that fails waits longer each time (5 ms doubling to 60 s, with jitter). A hint does not shorten
 * that wait, since the failing key's own half-done effects make events; a new intent of a user does;
 *   - of several delays of one key the earliest wins, and taking the key drops them all: the pass says anew
 * when to look again.
 *
 * Time is an argument everywhere. Workers sleep in workqueue_take(); somebody with a timer (the loop) calls
 * workqueue_due() when the moment has come that the last call named. Thread-safe. */
#ifndef WORKQUEUE_H
#define WORKQUEUE_H

#include "base/base.h"
#include <stdbool.h>
#include <stdint.h>

struct workqueue;

struct workqueue_options {
	uint64_t seed; /* of the jitter */
	size_t keys_max;
	/* Called with no lock held, from any thread, when the next moment of workqueue_due() moved earlier. */
	void (*earlier)(void *payload);
	void *payload;
};

enum workqueue_urgency {
	WORKQUEUE_HINT,   /* something may have changed; a key that is backing off goes on waiting */
	WORKQUEUE_INTENT, /* somebody wants something else now: forget earlier failures */
};

/* How a pass over a key ended. */
enum workqueue_end {
	WORKQUEUE_SETTLED, /* nothing to do until at_ms (0: until it is added again) */
	WORKQUEUE_AGAIN, /* it changed something: look again at once, or soon when that repeats without an end */
	WORKQUEUE_CONFLICT,  /* lost a race: again at once a few times, then back off */
	WORKQUEUE_TRANSIENT, /* back off */
	WORKQUEUE_HOPELESS,  /* repeating can't help by itself: slowly */
	WORKQUEUE_DROPPED,   /* not looked at (not leader); forget it unless it was added meanwhile */
};

struct workqueue *workqueue_new(const struct workqueue_options *options);

/* False when the queue is full or shut down; the periodic resync makes up for it. */
bool workqueue_add(struct workqueue *queue, const char *key, enum workqueue_urgency urgency);
bool workqueue_add_at(struct workqueue *queue, const char *key, int64_t at_ms);

/* Waits for a ready key; caller frees. NULL once the queue is shut down. */
char *workqueue_take(struct workqueue *queue);
char *workqueue_try_take(struct workqueue *queue); /* NULL when nothing is ready */
/* Gives a taken key back. Returns how often in a row it failed, 0 after a success. */
int workqueue_done(struct workqueue *queue, const char *key, enum workqueue_end end, int64_t now_ms,
				   int64_t at_ms);

/* Makes ready what is due; returns the next moment, or 0 when nothing waits. */
int64_t workqueue_due(struct workqueue *queue, int64_t now_ms);

struct workqueue_counts {
	size_t ready;
	size_t waiting;
	size_t processing;
};
struct workqueue_counts workqueue_count(struct workqueue *queue);

void workqueue_shut_down(struct workqueue *queue); /* wakes all takers; what is queued is dropped */
void workqueue_free(struct workqueue *queue);      /* nobody may be waiting; accepts NULL */
HC_DEFINE_CLEANUP(workqueue, workqueue_free)

#endif
