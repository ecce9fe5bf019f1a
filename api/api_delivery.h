/* Deliveries of webhooks on record: what is kept of a refused one, and how they are listed. Pure. */
#ifndef API_DELIVERY_H
#define API_DELIVERY_H

#include "base/arena.h"
#include "store/store_job.h"
#include <jansson.h>

/* Anybody can send what is refused, so few of those are recorded: the others are counted, and the next one
 * that is recorded tells how many there were. Zeroed: full. */
struct api_refusals {
	int64_t taken_boot_ms[5]; /* when each place was taken last; 0: never */
	unsigned folded;
};
#define API_REFUSALS_EVERY_MS (10 * 60 * 1000) /* a place is free again */

/* Whether this one is recorded; *ret_folded: how many before it were not. */
bool api_refusals_take(struct api_refusals *refusals, int64_t boot_ms, unsigned *ret_folded);

/* A header of the sender's as it may be stored and shown: letters, digits, "-" and "_", at most 64; else
 * fallback. */
const char *api_delivery_word(const char *header, const char *fallback, struct hc_arena *arena);
/* Text that may hold anything and be of any length, as UTF-8 of at most 1024 bytes. */
const char *api_delivery_text(const char *text, struct hc_arena *arena);

/* The list as it is served. New reference. */
json_t *api_delivery_list(const struct store_delivery *deliveries, size_t count);

#endif
