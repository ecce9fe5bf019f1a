/* A WebSocket that says everything again (RFC 6455). Pure: bytes in, bytes out. Messages of at most 125 bytes
 * in one frame, which is what a test sends; anything else ends the connection. */
#include "hello.h"

#include <stdio.h>
#include <string.h>

#define OPCODE_CLOSE 8
#define MESSAGE_MOST 125

/* --- the greeting: SHA-1 (RFC 3174) and base64
 * ----------------------------------------------------------------------------- */

static uint32_t rotate(uint32_t value, int bits)
{
	return value << bits | value >> (32 - bits);
}

static void sha1_block(uint32_t state[5], const unsigned char block[64])
{
	uint32_t words[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];

	for (int at = 0; at < 16; at++)
		words[at] = (uint32_t)block[4 * at] << 24 | (uint32_t)block[4 * at + 1] << 16 |
					(uint32_t)block[4 * at + 2] << 8 | block[4 * at + 3];
	for (int at = 16; at < 80; at++)
		words[at] = rotate(words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16], 1);
	for (int at = 0; at < 80; at++) {
		uint32_t mixed = at < 20   ? ((b & c) | (~b & d)) + 0x5a827999U
						 : at < 40 ? (b ^ c ^ d) + 0x6ed9eba1U
						 : at < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdcU
								   : (b ^ c ^ d) + 0xca62c1d6U;
		uint32_t next = rotate(a, 5) + mixed + e + words[at];

		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = next;
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
}

/* Of a text of at most 119 bytes: two blocks. */
static void sha1(const char *text, unsigned char digest[20])
{
	uint32_t state[5] = {0x67452301U, 0xefcdab89U, 0x98badcfeU, 0x10325476U, 0xc3d2e1f0U};
	unsigned char blocks[128] = {0};
	size_t length = strlen(text);
	size_t end = length + 9 <= 64 ? 64 : 128;

	memcpy(blocks, text, length);
	blocks[length] = 0x80;
	blocks[end - 1] = (unsigned char)(length * 8);
	blocks[end - 2] = (unsigned char)(length * 8 >> 8);
	for (size_t at = 0; at < end; at += 64)
		sha1_block(state, blocks + at);
	for (int at = 0; at < 20; at++)
		digest[at] = (unsigned char)(state[at / 4] >> (24 - 8 * (at % 4)));
}

void hello_websocket_accept(const char *key, char accept[HELLO_ACCEPT_BYTES])
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned char digest[21] = {0};
	char text[120];

	(void)snprintf(text, sizeof text, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
	sha1(text, digest);
	for (int at = 0; at < 7; at++) {
		uint32_t three = (uint32_t)digest[3 * at] << 16 | (uint32_t)digest[3 * at + 1] << 8 |
						 digest[3 * at + 2];

		for (int each = 0; each < 4; each++)
			accept[4 * at + each] = letters[three >> (18 - 6 * each) & 63];
	}
	accept[27] = '=';
	accept[28] = '\0';
}

/* --- frames
 * ----------------------------------------------------------------------------------------------------------------
 */

long hello_websocket_frame(const char *data, size_t length, char *reply, size_t *ret_reply, bool *ret_close)
{
	const unsigned char *frame = (const unsigned char *)data;
	size_t size;

	if (length < 2)
		return 0;
	size = frame[1] & 0x7f;
	if (!(frame[0] & 0x80) || !(frame[1] & 0x80) || size > MESSAGE_MOST)
		return -1;
	if (length < 6 + size)
		return 0;
	reply[0] = data[0];
	reply[1] = (char)size;
	for (size_t at = 0; at < size; at++)
		reply[2 + at] = (char)(frame[6 + at] ^ frame[2 + at % 4]);
	*ret_reply = 2 + size;
	*ret_close = (frame[0] & 0x0f) == OPCODE_CLOSE;
	return (long)(6 + size);
}
