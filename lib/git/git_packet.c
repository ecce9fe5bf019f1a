/* pkt-lines: four hexadecimal digits of length, which counts itself, then the data; 0000, 0001 and 0002 are
 * marks. Pure. */
#include "git_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static int read_length(const char *text, size_t *ret_length, struct hc_error *err)
{
	size_t length = 0;

	for (int i = 0; i < 4; i++) {
		int value = digit(text[i]);

		if (value < 0)
			return hc_fail(err, HC_TRANSIENT, "the Git server's answer is malformed: no packet length");
		length = length * 16 + (size_t)value;
	}
	if (length == 3 || length > GIT_PACKET_BYTES)
		return hc_fail(err, HC_TRANSIENT, "the Git server's answer is malformed: packet length %zu", length);
	*ret_length = length;
	return 0;
}

static int end_packet(struct git_packets *packets, struct hc_error *err)
{
	size_t length = packets->have - 4;

	packets->have = packets->want = 0;
	packets->data[4 + length] = '\0';
	return packets->packet(GIT_PACKET_DATA, packets->data + 4, length, packets->payload, err);
}

static int end_length(struct git_packets *packets, struct hc_error *err)
{
	static const enum git_packet_kind marks[] = {GIT_PACKET_FLUSH, GIT_PACKET_DELIMITER, GIT_PACKET_END};
	size_t length = 0;

	if (read_length(packets->data, &length, err))
		return -1;
	if (length < 3) {
		packets->have = 0;
		return packets->packet(marks[length], "", 0, packets->payload, err);
	}
	packets->want = length;
	return length == 4 ? end_packet(packets, err) : 0;
}

int git_packets_take(struct git_packets *packets, const void *data, size_t length, struct hc_error *err)
{
	const char *from = data;

	while (length > 0) {
		size_t missing = (packets->want ? packets->want : 4) - packets->have;
		size_t now = length < missing ? length : missing;

		memcpy(packets->data + packets->have, from, now);
		packets->have += now;
		from += now;
		length -= now;
		if (now < missing)
			return 0;
		if (packets->want ? end_packet(packets, err) : end_length(packets, err))
			return -1;
	}
	return 0;
}

bool git_packets_whole(const struct git_packets *packets)
{
	return packets->have == 0;
}

void git_packet_append(struct hc_text *text, const char *format, ...)
{
	va_list arguments;
	char buffer[4096];
	int length;

	va_start(arguments, format);
	length = vsnprintf(buffer, sizeof buffer, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= sizeof buffer)
		abort(); /* what we say is short: ids and a branch, whose length is limited */
	hc_text_printf(text, "%04x", (unsigned)length + 4);
	hc_text_append_bytes(text, buffer, (size_t)length);
}
