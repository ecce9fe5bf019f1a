/* See random.h. */
#include "random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void hc_random_bytes(void *data, size_t length)
{
	unsigned char *at = data;

	while (length) {
		ssize_t got = getrandom(at, length, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			abort(); /* no kernel of this century; an id that isn't random would be worse */
		at += got;
		length -= (size_t)got;
	}
}

void hc_random_uuid(char text[HC_UUID_SIZE])
{
	unsigned char bytes[16];
	size_t at = 0;

	hc_random_bytes(bytes, sizeof bytes);
	bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
	bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
	for (size_t index = 0; index < sizeof bytes; index++) {
		if (index == 4 || index == 6 || index == 8 || index == 10)
			text[at++] = '-';
		(void)snprintf(text + at, HC_UUID_SIZE - at, "%02x", bytes[index]);
		at += 2;
	}
}

void hc_random_token(char *text, size_t length)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	for (size_t at = 0; at < length;) {
		unsigned char byte;

		hc_random_bytes(&byte, 1);
		if (byte >= 252) /* 252 = 7 * 36: above it the alphabet would be uneven */
			continue;
		text[at++] = alphabet[byte % 36];
	}
	text[length] = '\0';
}
