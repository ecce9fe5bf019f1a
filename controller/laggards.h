/* Keys whose last pass failed after a long wait (an engine that is stuck on one container answers nothing
 * about it): only so many of them are worked on at once, so that the other threads have time for everybody
 * else. Thread-safe; time is an argument. */
#ifndef LAGGARDS_H
#define LAGGARDS_H

#include "base/base.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAGGARDS_AFTER_MS 3000 /* a pass with a rollout's work lasts less */

struct laggards;

struct laggards *laggards_new(size_t at_once);
/* False: not now, too many of its kind are in hand. True: call laggards_end() after the pass. */
bool laggards_begin(struct laggards *laggards, const char *key);
void laggards_end(struct laggards *laggards, const char *key, bool failed, int64_t lasted_ms);
void laggards_free(struct laggards *laggards); /* accepts NULL */
HC_DEFINE_CLEANUP(laggards, laggards_free)

#endif
