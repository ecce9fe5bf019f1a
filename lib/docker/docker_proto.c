/* The wire format of protocol buffers and base64, as far as BuildKit's trace and session need them: varints,
 * and bytes with a length; the two fixed sizes are only skipped (protobuf.dev, "Encoding"). Pure. */
#include "docker_build_internal.h"

enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct docker_proto docker_proto_of(const void *data, size_t length)
{
	const unsigned char *at = data;

	return (struct docker_proto){.at = at, .end = at ? at + length : at};
}

static bool varint(struct docker_proto *proto, uint64_t *ret_value)
{
	*ret_value = 0;
	for (unsigned int shift = 0; shift < 64 && proto->at < proto->end; shift += 7) {
		unsigned char byte = *proto->at++;

		*ret_value |= (uint64_t)(byte & 0x7F) << shift;
		if (!(byte & 0x80))
			return true;
	}
	proto->broken = true;
	return false;
}

static bool take(struct docker_proto *proto, uint64_t length, struct docker_proto_field *field)
{
	if (length > (uint64_t)(proto->end - proto->at)) {
		proto->broken = true;
		return false;
	}
	field->data = proto->at;
	field->length = (size_t)length;
	proto->at += length;
	return true;
}

bool docker_proto_next(struct docker_proto *proto, struct docker_proto_field *field)
{
	uint64_t key;
	bool fine = false;

	*field = (struct docker_proto_field){0};
	if (proto->broken || proto->at == proto->end || !varint(proto, &key))
		return false;
	field->number = key >> 3;
	switch (key & 7) {
	case WIRE_VARINT:
		return varint(proto, &field->value);
	case WIRE_BYTES:
		return varint(proto, &field->value) && take(proto, field->value, field);
	case WIRE_FIXED64:
		fine = take(proto, 8, field);
		break;
	case WIRE_FIXED32:
		fine = take(proto, 4, field);
		break;
	default:
		proto->broken = true;
	}
	field->data = NULL;
	field->length = 0;
	return fine;
}

static void put_varint(struct hc_text *message, uint64_t value)
{
	unsigned char bytes[10];
	size_t length = 0;

	do {
		bytes[length++] = (unsigned char)((value & 0x7F) | (value > 0x7F ? 0x80 : 0));
		value >>= 7;
	} while (value);
	hc_text_append_bytes(message, bytes, length);
}

void docker_proto_put(struct hc_text *message, unsigned int number, const void *data, size_t length)
{
	put_varint(message, (uint64_t)number << 3 | WIRE_BYTES);
	put_varint(message, length);
	hc_text_append_bytes(message, data, length);
}

void docker_proto_put_number(struct hc_text *message, unsigned int number, uint64_t value)
{
	put_varint(message, (uint64_t)number << 3 | WIRE_VARINT);
	put_varint(message, value);
}

void docker_base64(struct hc_text *text, const void *data, size_t length, bool url)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *digits = url ? safe : plain;
	const unsigned char *bytes = data;

	for (size_t at = 0; at < length; at += 3) {
		size_t here = length - at < 3 ? length - at : 3;
		unsigned int group = (unsigned int)bytes[at] << 16;
		char four[4];

		if (here > 1)
			group |= (unsigned int)bytes[at + 1] << 8;
		if (here > 2)
			group |= bytes[at + 2];
		four[0] = digits[group >> 18];
		four[1] = digits[group >> 12 & 63];
		four[2] = here > 1 ? digits[group >> 6 & 63] : '=';
		four[3] = here > 2 ? digits[group & 63] : '=';
		hc_text_append_bytes(text, four, sizeof four);
	}
}

static int digit_of(char character)
{
	if (character >= 'A' && character <= 'Z')
		return character - 'A';
	if (character >= 'a' && character <= 'z')
		return character - 'a' + 26;
	if (character >= '0' && character <= '9')
		return character - '0' + 52;
	return character == '+' ? 62 : character == '/' ? 63 : -1;
}

int docker_base64_decode(struct hc_text *data, const char *text, size_t length)
{
	unsigned int group = 0;
	unsigned int bits = 0;
	size_t digits = length;

	while (digits && length - digits < 2 && text[digits - 1] == '=')
		digits--;
	if (length % 4 || digits % 4 == 1)
		return -1;
	for (size_t at = 0; at < digits; at++) {
		int digit = digit_of(text[at]);

		if (digit < 0)
			return -1;
		group = (group << 6 | (unsigned int)digit) & 0xFFFFFF;
		bits += 6;
		if (bits >= 8) {
			unsigned char byte = (unsigned char)(group >> (bits - 8));

			bits -= 8;
			hc_text_append_bytes(data, &byte, 1);
		}
	}
	return 0;
}
