/* See text.h. */
#include "text.h"
#include "alloc.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reserve(struct hc_text *text, size_t more)
{
	size_t needed = text->length + more + 1;

	if (needed <= text->size)
		return;
	text->size = text->size * 2 > needed ? text->size * 2 : needed + 64;
	text->data = hc_xrealloc(text->data, text->size);
}

void hc_text_append_bytes(struct hc_text *text, const void *more, size_t length)
{
	reserve(text, length);
	if (length)
		memcpy(text->data + text->length, more, length);
	text->length += length;
	text->data[text->length] = '\0';
}

void hc_text_append(struct hc_text *text, const char *more)
{
	hc_text_append_bytes(text, more, strlen(more));
}

void hc_text_printf(struct hc_text *text, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	assert(length >= 0);
	reserve(text, (size_t)length);
	va_start(arguments, format);
	(void)vsnprintf(text->data + text->length, (size_t)length + 1, format, arguments);
	va_end(arguments);
	text->length += (size_t)length;
}

void hc_text_append_json_string(struct hc_text *text, const char *value)
{
	hc_text_append(text, "\"");
	for (const unsigned char *at = (const unsigned char *)value; *at; at++) {
		switch (*at) {
		case '"':
			hc_text_append(text, "\\\"");
			break;
		case '\\':
			hc_text_append(text, "\\\\");
			break;
		case '\n':
			hc_text_append(text, "\\n");
			break;
		case '\r':
			hc_text_append(text, "\\r");
			break;
		case '\t':
			hc_text_append(text, "\\t");
			break;
		default:
			if (*at < 0x20)
				hc_text_printf(text, "\\u%04x", *at);
			else
				hc_text_append_bytes(text, at, 1);
		}
	}
	hc_text_append(text, "\"");
}

const char *hc_text_string(const struct hc_text *text)
{
	return text->data ? text->data : "";
}

char *hc_text_take(struct hc_text *text)
{
	char *data = text->data ? text->data : hc_xstrdup("");

	*text = (struct hc_text){0};
	return data;
}

void hc_text_done(struct hc_text *text)
{
	free(text->data);
	*text = (struct hc_text){0};
}

bool hc_starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool hc_ends_with(const char *text, const char *suffix)
{
	size_t length = strlen(text);
	size_t suffix_length = strlen(suffix);

	return length >= suffix_length && strcmp(text + length - suffix_length, suffix) == 0;
}

bool hc_streq(const char *left, const char *right)
{
	if (!left || !right)
		return left == right;
	return strcmp(left, right) == 0;
}

bool hc_utf8_valid(const char *text, size_t length)
{
	const unsigned char *at = (const unsigned char *)text;
	const unsigned char *end = at + length;

	while (at < end) {
		static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
		unsigned int following = *at < 0x80             ? 0
								 : (*at & 0xe0) == 0xc0 ? 1
								 : (*at & 0xf0) == 0xe0 ? 2
								 : (*at & 0xf8) == 0xf0 ? 3
														: 4;
		uint32_t code;

		if (following == 4 || (size_t)(end - at) <= following)
			return false;
		code = following == 0 ? *at : *at & (0x3fU >> following);
		for (unsigned int index = 1; index <= following; index++) {
			if ((at[index] & 0xc0) != 0x80)
				return false;
			code = code << 6 | (at[index] & 0x3fU);
		}
		if (code < smallest[following] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
			return false;
		at += following + 1;
	}
	return true;
}
