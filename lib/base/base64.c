/* See base64.h. */
#include "base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void hc_base64_encode(struct hc_text *text, const void *data, size_t length)
{
	const unsigned char *bytes = data;

	for (size_t at = 0; at < length; at += 3) {
		size_t left = length - at;
		uint32_t group = (uint32_t)bytes[at] << 16 | (left > 1 ? (uint32_t)bytes[at + 1] << 8 : 0) |
						 (left > 2 ? bytes[at + 2] : 0);
		char four[4] = {alphabet[group >> 18], alphabet[group >> 12 & 63],
						left > 1 ? alphabet[group >> 6 & 63] : '=', left > 2 ? alphabet[group & 63] : '='};
		hc_text_append_bytes(text, four, sizeof four);
	}
}

static int value_of(char digit)
{
	const char *found = digit ? strchr(alphabet, digit) : NULL;

	return found ? (int)(found - alphabet) : -1;
}

int hc_base64_decode(struct hc_text *data, const char *text, size_t length)
{
	uint32_t group = 0;
	int digits = 0, padding = 0;

	for (size_t at = 0; at < length; at++) {
		if (text[at] == '\n' || text[at] == '\r')
			continue;
		int value = text[at] == '=' ? 0 : value_of(text[at]);
		padding += text[at] == '=';
		if (value < 0 || padding > 2 || (padding && (text[at] != '=' || digits < 2)))
			return -1;
		group = group << 6 | (uint32_t)value;
		if (++digits < 4)
			continue;
		/* What the padding cuts off must be nothing. */
		if ((padding == 1 && group & 0xff) || (padding == 2 && group & 0xffff))
			return -1;
		const char three[3] = {(char)(group >> 16), (char)(group >> 8), (char)group};
		hc_text_append_bytes(data, three, (size_t)(3 - padding));
		group = 0;
		digits = 0;
		padding = padding ? 3 : 0; /* nothing may follow */
	}
	return digits ? -1 : 0;
}
