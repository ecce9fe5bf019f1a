/* Readiness of running containers, asked by the controller over their bridge addresses (design 7.3): one GET
 * each 50 to 500 ms while somebody waits for the container, each 5 s later. Reconcilers register targets and
 * read verdicts; when a verdict changes, the target's key is enqueued. A target that nobody refreshed for 15
 * minutes is dropped.
 *
 * All sockets and timers belong to the loop's thread. The table of targets has a mutex, held for a few
 * instructions; any thread may call the interface. */
#ifndef PROBER_H
#define PROBER_H

#include "reconcilers/kind.h"
#include <uv.h>

struct prober;

struct prober_options {
	uv_loop_t *loop;
	void (*enqueue)(const char *key, void *payload); /* called on the loop */
	void *payload;
	int64_t forget_ms; /* 0: 15 minutes */
};

struct prober *prober_new(const struct prober_options *options);
struct prober_interface prober_interface(struct prober *prober);
/* On the loop: closes all handles. Run the loop until it has nothing left, then free. */
void prober_close(struct prober *prober);
void prober_free(struct prober *prober); /* accepts NULL */

#endif
