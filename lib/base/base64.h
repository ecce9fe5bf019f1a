/* Base64 of RFC 4648 section 4: with padding. */
#ifndef HC_BASE64_H
#define HC_BASE64_H

#include "text.h"

void hc_base64_encode(struct hc_text *text, const void *data, size_t length);
/* Appends what the text stands for; line breaks in it say nothing. -1 when it is not base64: then data has
 * got a part of it. */
int hc_base64_decode(struct hc_text *data, const char *text, size_t length) HC_MUST_CHECK;

#endif
