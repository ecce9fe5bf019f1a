/* The threads that do passes. Four fast ones take keys from the work queue; two slow ones take over keys
 * whose next action lasts minutes (an image pull), so that a slow registry stops nobody else. A key that was
 * handed over is still processing, so nobody else works on it.
 *
 * Every thread owns its database connection, Docker handle and connections to Traefik, opened when first
 * needed. */
#ifndef POOL_H
#define POOL_H

#include "addresses.h"
#include "leader.h"
#include "options.h"
#include "prober.h"
#include "stop.h"
#include "workqueue.h"

struct pool;

struct pool_options {
	const struct controller_options *controller; /* borrowed, as all below */
	struct workqueue *queue;
	struct leader *leader;
	struct prober *prober;
	struct addresses *addresses;
	void (*thread_ended)(void *payload); /* from the ending thread, after the last use of everything */
	void *payload;
};
#define POOL_FAST_THREADS 4
#define POOL_SLOW_THREADS 2
#define POOL_THREADS (POOL_FAST_THREADS + POOL_SLOW_THREADS)

int pool_start(const struct pool_options *options, struct pool **ret_pool, struct hc_error *err)
	HC_MUST_CHECK;
/* Asks the threads to end after the action in hand; the work queue must be shut down too. */
void pool_stop(struct pool *pool);
/* After every thread has ended. */
void pool_free(struct pool *pool); /* accepts NULL */

#endif
