/* Shared by the tests of lib/schema: judges input as the API does and prints every broken rule as one line,
 * "reason field: message", or "BadRequest: …" when the stream can't be read. */
#ifndef CORPUS_H
#define CORPUS_H

#include "base/text.h"
#include "schema/schema.h"

#define CORPUS_DOMAIN "apps.example.org"

/* Appends nothing when all is right. Returns how many objects were read. */
size_t corpus_judge(const char *data, size_t length, struct hc_text *text);
/* One object; defaults are filled in when its structure is right. */
void corpus_judge_object(json_t *object, struct hc_text *text);

#endif
