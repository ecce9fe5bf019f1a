/* The engine's side of the hints, on one thread: subscribe first, then everything is listed, then follow. An
 * event of a container of ours wakes the Service that its label names. While this process does not lead,
 * nothing is followed.
 *
 * An engine before version 23 does not resume the health monitors of containers that lived through its
 * restart (design 7.7): when another run of the engine answers than the last time, each container of ours
 * that is older than that run and lives is paused and unpaused, which starts its monitor again.
 * STATE/engine.json remembers the run. */
#ifndef EVENTS_H
#define EVENTS_H

#include "leader.h"
#include "stop.h"
#include "workqueue.h"

struct events;

struct events_options {
	const char *docker_host; /* borrowed, as all below */
	const char *state_folder;
	struct workqueue *queue;
	struct leader *leader;
	struct stop *stop;
	void (*missed)(void *payload); /* list everything; called by this thread, as the next one */
	void (*destroyed)(const char *container_id, void *payload); /* a container of ours is gone */
	void *payload;
};

int events_start(const struct events_options *options, struct events **ret_events, struct hc_error *err)
	HC_MUST_CHECK;
void events_follow(struct events *events, bool leads); /* from any thread */
void events_join(struct events *events);               /* after stop was set; accepts NULL */

#endif
