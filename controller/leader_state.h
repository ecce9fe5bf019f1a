/* STATE/leader.json: epoch and resourceVersion that a leader here has seen last. It is the only witness,
 * outside of the database, of how far the database had come. */
#ifndef LEADER_STATE_H
#define LEADER_STATE_H

#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

struct leader_state {
	char installation[64]; /* "": there is no file yet */
	int64_t epoch;
	int64_t resource_version;
};

/* An absent file gives an empty state. INVALID when it is no such file. */
int leader_state_read(const char *path, struct leader_state *ret_state, struct hc_error *err) HC_MUST_CHECK;
int leader_state_write(const char *path, const struct leader_state *state, struct hc_error *err)
	HC_MUST_CHECK;
/* Is the database, as it is now, a continuation of what was seen? now.epoch is the new one. The database of
 * another installation has no past here. */
bool leader_state_continues(const struct leader_state *seen, const struct leader_state *now);

#endif
