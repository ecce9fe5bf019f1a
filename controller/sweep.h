/* The resync: one look at all that runs, compared with the look before. What differs is passed again, though
 * its event was lost; of what doesn't, a rotating tenth, since a list shows less than an inspect. So an idle
 * platform pays for one list and not for one pass a Service. Belongs to one thread. */
#ifndef SWEEP_H
#define SWEEP_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct docker;
struct store;
struct traefik;
struct sweep;

#define SWEEP_TURNS 10 /* so many looks until each object was passed once */

struct sweep_options {
	const char *installation; /* borrowed, as all here, for the time of the call */
	struct store *store;
	struct docker *docker;
	struct traefik *traefik;
	/* key is to be passed: SERVICE/uid or NETWORK/uid. */
	void (*changed)(const char *key, void *payload);
	void *payload;
};

struct sweep *sweep_new(void);
/* The first look finds that everything has changed. After a failure nothing was compared. */
int sweep_look(struct sweep *sweep, const struct sweep_options *options, struct hc_error *err) HC_MUST_CHECK;
/* Forgets what was seen. */
void sweep_reset(struct sweep *sweep);
void sweep_free(struct sweep *sweep); /* accepts NULL */

/* --- its pure part
 * --------------------------------------------------------------------------------------------- */

struct docker_container;

uint64_t sweep_digest(uint64_t digest, const char *text); /* FNV-1a; NULL is another text than "" */
/* What a row of the engine's list says of a container: everything but times. */
uint64_t sweep_digest_container(const struct docker_container *container);
/* A new look begins. */
void sweep_begin(struct sweep *sweep);
/* Is this key to be passed? index: its place among the keys of its kind, in an order that stays. */
bool sweep_differs(struct sweep *sweep, const char *key, size_t index, uint64_t digest);
/* Keys that were not seen in this look are forgotten. */
void sweep_end(struct sweep *sweep);

#endif
