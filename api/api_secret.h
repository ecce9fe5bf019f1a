/* Values of Secrets on their way into the database. Pool threads only.
 *
 * What is sent is taken out of an object before anything else looks at it, and a mark stands in its place,
 * "version:ID". A value that equals the stored one gets the mark of that, any other a new one; the stored
 * object has the marks of what is stored. So checks, merging, ownership, comparison, differences and messages
 * work as for any kind, and none of them ever holds a value. */
#ifndef API_SECRET_H
#define API_SECRET_H

#include "api_object.h"

bool api_secret_is(const struct api_draft *draft);

/* After the draft's live object was read: its marks. */
int api_secret_found(const struct api_writer *writer, struct api_draft *draft, struct hc_error *err)
	HC_MUST_CHECK;
/* Takes the values out of an object as it was sent, and what repeats them (kubectl's annotation). stringData
 * becomes data. Broken rules are left in draft->causes, without the value. */
int api_secret_take(const struct api_writer *writer, struct api_draft *draft, json_t *object,
					struct hc_error *err) HC_MUST_CHECK;
/* Rules between the live object and the new one. */
void api_secret_rules(struct api_draft *draft);
/* api_draft_store for a Secret: seals what is new, and writes. TRANSIENT when there is no key for it. */
int api_secret_store(const struct api_writer *writer, struct api_draft *draft, const char *metadata,
					 struct hc_error *err) HC_MUST_CHECK;
/* A copy with words in the place of marks: equal values have equal words. New reference, NULL for NULL. */
json_t *api_secret_shown(const struct api_draft *draft, const json_t *object);
/* Wipes what was taken. */
void api_secret_done(struct api_draft *draft);

/* At the start: sees that there is a key file, and makes the first one. Says in the log what is wrong with
 * it: everything but the writing of Secrets works without. */
void api_secret_key_ensure(const char *path, struct store *store);

#endif
