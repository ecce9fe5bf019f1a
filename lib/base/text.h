/* Growable text. Always terminated; text_length never counts the terminator. Owner: whoever declared the
 * struct. */
#ifndef HC_TEXT_H
#define HC_TEXT_H

#include "base.h"
#include <stdarg.h>
#include <stdbool.h>

struct hc_text {
	char *data; /* NULL until the first append; use hc_text_string() to read */
	size_t length;
	size_t size;
};

void hc_text_append(struct hc_text *text, const char *more);
void hc_text_append_bytes(struct hc_text *text, const void *more, size_t length);
void hc_text_printf(struct hc_text *text, const char *format, ...) HC_PRINTF(2, 3);
void hc_text_append_json_string(struct hc_text *text, const char *value); /* quoted and escaped, RFC 8259 */
const char *hc_text_string(const struct hc_text *text);                   /* borrowed; "" when empty */
char *hc_text_take(struct hc_text *text); /* caller frees; text is empty after */
void hc_text_done(struct hc_text *text);

bool hc_starts_with(const char *text, const char *prefix);
bool hc_ends_with(const char *text, const char *suffix);
bool hc_streq(const char *left, const char *right); /* NULL equals NULL only */
bool hc_utf8_valid(const char *text,
				   size_t length); /* RFC 3629: no overlong form, no surrogate, <= U+10FFFF */

static inline void hc_text_cleanup(struct hc_text *text)
{
	hc_text_done(text);
}
#define HC_AUTO_TEXT __attribute__((cleanup(hc_text_cleanup))) struct hc_text

#endif
