/* See mask.h. A pattern is a sequence of bytes; at each place of the text every pattern is tried in each way
 * of writing. Few patterns and one look at a table of first bytes keep that cheap. */
#include "mask.h"

#include "base/alloc.h"
#include "base/base64.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STARS "***"
#define LINE_BYTES_MIN 8    /* of a value of several lines */
#define ENCODED_BYTES_MIN 6 /* of what is certain in base64 */

enum writing { WRITING_PLAIN, WRITING_URL, WRITING_JSON };
#define WRITINGS 3

struct pattern {
	char *bytes;
	size_t length;
};

struct mask {
	struct pattern *patterns;
	size_t count;
	bool first[256]; /* a pattern begins with it, or an escape does */
};

/* --- what is known --- */

struct mask *mask_new(void)
{
	struct mask *mask = hc_xalloc(sizeof *mask);

	mask->first['%'] = mask->first['\\'] = true;
	return mask;
}

void mask_free(struct mask *mask)
{
	if (!mask)
		return;
	for (size_t index = 0; index < mask->count; index++) {
		explicit_bzero(mask->patterns[index].bytes, mask->patterns[index].length);
		free(mask->patterns[index].bytes);
	}
	free(mask->patterns);
	free(mask);
}

static void add_pattern(struct mask *mask, const char *bytes, size_t length)
{
	struct pattern pattern = {.bytes = hc_xalloc(length + 1), .length = length};

	memcpy(pattern.bytes, bytes, length);
	mask->patterns = hc_xrealloc_array(mask->patterns, mask->count + 1, sizeof *mask->patterns);
	mask->patterns[mask->count++] = pattern;
	mask->first[(unsigned char)bytes[0]] = true;
	if (bytes[0] == ' ')
		mask->first['+'] = true;
}

static void add_url_safe(struct mask *mask, char *text, size_t length)
{
	bool differs = false;

	for (size_t at = 0; at < length; at++) {
		differs = differs || text[at] == '+' || text[at] == '/';
		text[at] = text[at] == '+' ? '-' : text[at] == '/' ? '_' : text[at];
	}
	if (differs)
		add_pattern(mask, text, length);
}

/* Behind 0, 1 or 2 other bytes: the digits that depend on the value alone. */
static void add_encoded(struct mask *mask, const char *value, size_t length)
{
	static const size_t skipped[] = {0, 2, 3}; /* digits that have bits of what is before */

	for (size_t before = 0; before < HC_COUNT(skipped); before++) {
		HC_AUTO_TEXT whole = {0};
		HC_AUTO_TEXT encoded = {0};
		size_t digits = (before + length) * 8 / 6;

		hc_text_append_bytes(&whole, "\0\0", before);
		hc_text_append_bytes(&whole, value, length);
		hc_base64_encode(&encoded, whole.data, whole.length);
		if (digits >= skipped[before] + ENCODED_BYTES_MIN) {
			add_pattern(mask, encoded.data + skipped[before], digits - skipped[before]);
			add_url_safe(mask, encoded.data + skipped[before], digits - skipped[before]);
		}
		explicit_bzero(whole.data, whole.size);
		explicit_bzero(encoded.data, encoded.size);
	}
}

bool mask_add(struct mask *mask, const void *value, size_t length)
{
	const char *bytes = value;

	while (length && (bytes[length - 1] == '\n' || bytes[length - 1] == '\r'))
		length--;
	if (length < MASK_BYTES_MIN)
		return false;
	add_pattern(mask, bytes, length);
	add_encoded(mask, bytes, length);
	if (!memchr(bytes, '\n', length))
		return true;
	for (size_t from = 0; from < length;) {
		const char *end = memchr(bytes + from, '\n', length - from);
		size_t line = end ? (size_t)(end - bytes) - from : length - from;
		if (line >= LINE_BYTES_MIN)
			add_pattern(mask, bytes + from, line);
		from += line + 1;
	}
	return true;
}

/* --- looking --- */

enum look { LOOK_NO, LOOK_YES, LOOK_CUT }; /* CUT: the text ends before it can be said */

struct place {
	const char *text;
	size_t length;
	size_t at;
};

static int hex_of(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit = (char)tolower((unsigned char)digit);
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Number of bytes at the place, -1: no such, 0: cut. */
static int hex_at(const struct place *place, size_t from, int digits, unsigned *ret_value)
{
	*ret_value = 0;
	for (int index = 0; index < digits; index++) {
		size_t at = place->at + from + (size_t)index;
		if (at >= place->length)
			return 0;
		int value = hex_of(place->text[at]);
		if (value < 0)
			return -1;
		*ret_value = *ret_value << 4 | (unsigned)value;
	}
	return digits;
}

/* Reads the byte that stands at the place in this way of writing, and goes behind it. */
static enum look read_byte(struct place *place, enum writing writing, unsigned char *ret_byte)
{
	static const char escapes[][2] = {{'n', '\n'}, {'t', '\t'}, {'r', '\r'}, {'b', '\b'}, {'f', '\f'}};
	char byte = place->text[place->at];
	unsigned value;

	*ret_byte = (unsigned char)byte;
	if (writing == WRITING_URL && byte == '%') {
		int digits = hex_at(place, 1, 2, &value);
		if (digits == 0)
			return LOOK_CUT;
		*ret_byte = digits > 0 ? (unsigned char)value : (unsigned char)byte;
		place->at += digits > 0 ? 3 : 1;
		return LOOK_YES;
	}
	if (writing != WRITING_JSON || byte != '\\') {
		place->at++;
		return LOOK_YES;
	}
	if (place->at + 1 >= place->length)
		return LOOK_CUT;
	char letter = place->text[place->at + 1];
	if (letter == 'u') {
		int digits = hex_at(place, 2, 4, &value);
		if (digits == 0)
			return LOOK_CUT;
		*ret_byte = (unsigned char)value;
		place->at += 6;
		return digits > 0 && value < 0x80 ? LOOK_YES : LOOK_NO;
	}
	*ret_byte = (unsigned char)letter;
	for (size_t index = 0; index < HC_COUNT(escapes); index++)
		if (escapes[index][0] == letter)
			*ret_byte = (unsigned char)escapes[index][1];
	place->at += 2;
	return LOOK_YES;
}

/* Over a line's end, and what the builder begins its next line with: "#5 0.123 ". false: cut in it. */
static bool skip_break(struct place *place)
{
	struct place next = *place;

	while (next.at < next.length && (next.text[next.at] == '\n' || next.text[next.at] == '\r'))
		next.at++;
	*place = next;
	for (int words = 0; words < 2; words++) {
		size_t from = next.at;
		if (words == 0 && next.at < next.length && next.text[next.at] != '#')
			return true;
		next.at += words == 0;
		while (next.at < next.length &&
			   (isdigit((unsigned char)next.text[next.at]) || next.text[next.at] == '.'))
			next.at++;
		if (next.at >= next.length)
			return false;
		if (next.at == from || next.text[next.at] != ' ')
			return true;
		next.at++;
	}
	*place = next;
	return true;
}

static bool equal(unsigned char byte, char wanted, enum writing writing)
{
	return byte == (unsigned char)wanted || (writing == WRITING_URL && byte == '+' && wanted == ' ');
}

static enum look look(const struct pattern *pattern, enum writing writing, struct place *place)
{
	size_t matched = 0;

	while (matched < pattern->length) {
		unsigned char byte;
		if (place->at >= place->length)
			return matched ? LOOK_CUT : LOOK_NO;
		if (matched && place->text[place->at] == '\n') {
			while (matched < pattern->length &&
				   (pattern->bytes[matched] == '\n' || pattern->bytes[matched] == '\r'))
				matched++;
			if (!skip_break(place))
				return LOOK_CUT;
			continue;
		}
		enum look read = read_byte(place, writing, &byte);
		if (read != LOOK_YES)
			return read;
		if (!equal(byte, pattern->bytes[matched], writing))
			return LOOK_NO;
		matched++;
	}
	return LOOK_YES;
}

/* The longest of all that begin here. */
static enum look look_all(const struct mask *mask, const char *text, size_t length, size_t *ret_length)
{
	enum look found = LOOK_NO;

	*ret_length = 0;
	if (!mask->first[(unsigned char)*text])
		return LOOK_NO;
	for (size_t index = 0; index < mask->count; index++)
		for (int writing = 0; writing < WRITINGS; writing++) {
			struct place place = {.text = text, .length = length};
			enum look one = look(&mask->patterns[index], (enum writing)writing, &place);
			if (one == LOOK_YES && place.at > *ret_length)
				*ret_length = place.at;
			if (one == LOOK_CUT)
				found = LOOK_CUT;
		}
	return found == LOOK_CUT ? LOOK_CUT : *ret_length ? LOOK_YES : LOOK_NO;
}

size_t mask_apply(const struct mask *mask, const char *text, size_t length, bool end,
				  struct hc_text *ret_text)
{
	size_t at = 0, plain = 0;

	while (at < length) {
		size_t masked;
		enum look found = look_all(mask, text + at, length - at, &masked);
		if (found == LOOK_CUT && !end)
			break;
		if (!masked) {
			at++;
			continue;
		}
		hc_text_append_bytes(ret_text, text + plain, at - plain);
		hc_text_append(ret_text, STARS);
		at += masked;
		plain = at;
	}
	hc_text_append_bytes(ret_text, text + plain, at - plain);
	return at;
}

void mask_whole(const struct mask *mask, char *text)
{
	HC_AUTO_TEXT masked = {0};
	size_t length = strlen(text);

	(void)mask_apply(mask, text, length, true, &masked);
	(void)snprintf(text, length + 1, "%s", hc_text_string(&masked));
}
