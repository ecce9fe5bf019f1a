/* What is kept of deliveries. */
#include "cmocka_all.h"

#include "api/api_delivery.h"
#include "base/alloc.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>

#define MINUTE (60 * 1000)

/* In order: at which minute, and what becomes of it. */
static const struct {
	int minute;
	bool recorded;
	unsigned folded;
} refusals[] = {
	{1, true, 0},  {1, true, 0},   {1, true, 0},   {1, true, 0},   {2, true, 0},  {2, false, 0},
	{3, false, 0}, {9, false, 0},  {10, false, 0}, {11, true, 4},  {11, true, 0}, {11, true, 0},
	{11, true, 0}, {11, false, 0}, {12, true, 1},  {12, false, 0}, {60, true, 1},
};

static void refusals_are_folded(void **state)
{
	struct api_refusals bucket = {0};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(refusals); index++) {
		unsigned folded = 0;
		bool recorded = api_refusals_take(&bucket, (int64_t)refusals[index].minute * MINUTE, &folded);
		if (recorded != refusals[index].recorded || folded != refusals[index].folded)
			fail_msg("row %zu: %d, %u", index, recorded, folded);
	}
}

static void a_flood_leaves_few_records(void **state)
{
	struct api_refusals bucket = {0};
	unsigned recorded = 0, folded_all = 0, folded = 0;

	(void)state;
	for (int64_t ms = 1; ms < 24LL * 60 * MINUTE; ms += 1000) {
		folded = 0;
		recorded += api_refusals_take(&bucket, ms, &folded);
		folded_all += folded;
	}
	assert_true(recorded <= 5 * 24 * 6);
	assert_int_equal(recorded + folded_all + bucket.folded, 24 * 3600);
}

static void words_of_strangers_are_checked(void **state)
{
	static const struct {
		const char *header;
		const char *expected;
	} rows[] = {
		{"push", "push"},
		{"72d3162e-cc78-11e3-81ab-4c9367dc0958", "72d3162e-cc78-11e3-81ab-4c9367dc0958"},
		{"check_run", "check_run"},
		{NULL, "?"},
		{"", "?"},
		{"a b", "?"},
		{"a\"b", "?"},
		{"ż", "?"},
		{"\xff", "?"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "?"},
	};
	HC_AUTO(hc_arena) arena = hc_arena_new();

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++)
		assert_string_equal(api_delivery_word(rows[index].header, "?", arena), rows[index].expected);
}

static void texts_are_cut_to_utf8(void **state)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	char most[1200];

	(void)state;
	assert_string_equal(api_delivery_text("a/ż", arena), "a/ż");
	assert_string_equal(api_delivery_text("a\xffż", arena), "a???");
	memset(most, 'x', sizeof(most));
	most[1199] = '\0';
	assert_int_equal(strlen(api_delivery_text(most, arena)), 1024);
	memcpy(most + 1023, "ż", 2);
	assert_int_equal(strlen(api_delivery_text(most, arena)), 1023);
	memcpy(most + 1022, "żx", 3);
	assert_int_equal(strlen(api_delivery_text(most, arena)), 1024);
	most[1024] = '\0';
	assert_int_equal(strlen(api_delivery_text(most, arena)), 1024);
}

static void lists_are_served(void **state)
{
	struct store_delivery delivery = {.id = "1",
									  .event = "push",
									  .repository = "a/b",
									  .outcome = "accepted",
									  .message = "m",
									  .received_wall_ms = 0,
									  .status = 200};

	(void)state;
	json_t *list = api_delivery_list(&delivery, 1);
	HC_AUTO_FREE text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	assert_string_equal(
		text,
		"{\"kind\":\"WebhookDeliveryList\",\"apiVersion\":\"helvetia.cloud/v1\",\"items\":[{\"id\":\"1\","
		"\"event\":\"push\",\"repository\":\"a/b\",\"outcome\":\"accepted\",\"message\":\"m\",\"status\":200,"
		"\"receivedAt\":\"1970-01-01T00:00:00Z\"}]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_are_folded),
		cmocka_unit_test(a_flood_leaves_few_records),
		cmocka_unit_test(words_of_strangers_are_checked),
		cmocka_unit_test(texts_are_cut_to_utf8),
		cmocka_unit_test(lists_are_served),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
