/* Secret values in a text that streams by: each becomes "***", whether it is written as it is, in base64
 * (also inside of something longer), URL-encoded or escaped as in JSON, and also where a line's end or the
 * beginning of a builder's line ("#5 0.123 ") comes between. Pure. */
#ifndef WORKER_MASK_H
#define WORKER_MASK_H

#include "base/text.h"
#include <stdbool.h>
#include <stddef.h>

/* Shorter ones are in every text: masking them would make it unreadable and tell what they are. */
#define MASK_BYTES_MIN 4

struct mask;

struct mask *mask_new(void);
void mask_free(struct mask *mask); /* wipes what it knows; accepts NULL */

/* From now on this is masked; of one of several lines also each line that is long enough to mean something.
 * false: it is too short. Copied. */
bool mask_add(struct mask *mask, const void *value, size_t length);

/* Appends text to *ret_text, masked. What ends in what may be the beginning of a value is not taken yet,
 * unless this is the end of all. Returns how many bytes of text were taken. */
size_t mask_apply(const struct mask *mask, const char *text, size_t length, bool end,
				  struct hc_text *ret_text);

/* Masks a whole text in place, which is never made longer. */
void mask_whole(const struct mask *mask, char *text);

#endif
