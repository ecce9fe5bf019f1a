/* See the header. */
#include "api_delivery.h"

#include "base/clock.h"
#include "base/text.h"
#include <string.h>

#define WORD_BYTES_MAX 64
#define TEXT_BYTES_MAX 1024

bool api_refusals_take(struct api_refusals *refusals, int64_t boot_ms, unsigned *ret_folded)
{
	for (size_t index = 0; index < HC_COUNT(refusals->taken_boot_ms); index++) {
		int64_t *taken = &refusals->taken_boot_ms[index];
		if (*taken && boot_ms - *taken < API_REFUSALS_EVERY_MS)
			continue;
		*taken = boot_ms;
		*ret_folded = refusals->folded;
		refusals->folded = 0;
		return true;
	}
	refusals->folded++;
	return false;
}

const char *api_delivery_word(const char *header, const char *fallback, struct hc_arena *arena)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	size_t length = header ? strlen(header) : 0;

	if (!length || length > WORD_BYTES_MAX || strspn(header, allowed) != length)
		return fallback;
	return hc_arena_strdup(arena, header);
}

const char *api_delivery_text(const char *text, struct hc_arena *arena)
{
	size_t length = strnlen(text, TEXT_BYTES_MAX + 1);

	/* Cut before a character, not in it. */
	if (length > TEXT_BYTES_MAX)
		for (length = TEXT_BYTES_MAX; length && ((unsigned char)text[length] & 0xc0) == 0x80;)
			length--;
	char *clean = hc_arena_strndup(arena, text, length);
	if (hc_utf8_valid(clean, strlen(clean)))
		return clean;
	for (char *at = clean; *at; at++)
		if ((unsigned char)*at >= 0x80)
			*at = '?';
	return clean;
}

json_t *api_delivery_list(const struct store_delivery *deliveries, size_t count)
{
	json_t *items = json_array();

	for (size_t index = 0; index < count; index++) {
		const struct store_delivery *delivery = &deliveries[index];
		char received[HC_TIME_TEXT_SIZE];
		hc_clock_format(delivery->received_wall_ms, received);
		json_array_append_new(items, json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:s}", "id", delivery->id,
											   "event", delivery->event, "repository", delivery->repository,
											   "outcome", delivery->outcome, "message", delivery->message,
											   "status", delivery->status, "receivedAt", received));
	}
	return json_pack("{s:s, s:s, s:o}", "kind", "WebhookDeliveryList", "apiVersion", "helvetia.cloud/v1",
					 "items", items);
}
