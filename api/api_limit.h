/* How many wrong tokens one address may show: each costs the database a look-up. A bucket an address, filled
 * again with time; right tokens that are known already never ask here. Pure: the time is an argument. */
#ifndef API_LIMIT_H
#define API_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define API_LIMIT_BURST 30       /* wrong tokens at once */
#define API_LIMIT_REFILL_MS 1000 /* then one in this time */
#define API_LIMIT_ADDRESSES                                                                                  \
	4096                       /* remembered; beyond that those that have been quiet longest are forgotten */
#define API_LIMIT_LOG_MS 60000 /* an address is written about once in this time */

struct api_limit;

struct api_limit *api_limit_new(void);
void api_limit_free(struct api_limit *limit); /* accepts NULL */

/* Whether a token from this address is looked up. */
bool api_limit_allows(const struct api_limit *limit, const char *address, int64_t now_ms);
/* One was wrong. *ret_failures: how many since the address was written about last; true: write about it. */
bool api_limit_failed(struct api_limit *limit, const char *address, int64_t now_ms, int64_t *ret_failures);

#endif
