/* Quantities as Kubernetes writes them: 512Mi, 1G, 500m, 1.5, 1e9. Read exactly in integers: digits are
 * scaled by a fraction numerator/denominator and rounded up, as Kubernetes does. */
#include "schema_internal.h"

#include "base/alloc.h"
#include <ctype.h>
#include <string.h>

#define DIGITS_MAX 18 /* that a 64-bit number takes without overflow */

struct suffix {
	const char *text;
	int64_t numerator;
	int64_t denominator;
};

static const struct suffix suffixes[] = {
	{"", 1, 1},
	{"m", 1, 1000},
	{"k", 1000, 1},
	{"M", 1000000, 1},
	{"G", 1000000000, 1},
	{"T", 1000000000000, 1},
	{"P", 1000000000000000, 1},
	{"Ki", INT64_C(1) << 10, 1},
	{"Mi", INT64_C(1) << 20, 1},
	{"Gi", INT64_C(1) << 30, 1},
	{"Ti", INT64_C(1) << 40, 1},
	{"Pi", INT64_C(1) << 50, 1},
};

static int scale_up(__int128 digits, __int128 denominator, int64_t factor, int64_t *ret_value)
{
	/* digits < 10^18 and factors <= 2^50 * 1000 stay below 2^127. */
	__int128 product = digits * factor;
	__int128 value = (product + denominator - 1) / denominator;
	if (value > INT64_MAX)
		return -1;
	*ret_value = (int64_t)value;
	return 0;
}

static int parse_text(const char *text, int64_t scale, int64_t *ret_value)
{
	__int128 digits = 0;
	__int128 denominator = 1;
	int count = 0;
	bool point = false;
	for (; isdigit((unsigned char)*text) || (*text == '.' && !point); text++) {
		if (*text == '.') {
			point = true;
			continue;
		}
		if (++count > DIGITS_MAX)
			return -1;
		digits = digits * 10 + (*text - '0');
		denominator *= point ? 10 : 1;
	}
	if (count == 0)
		return -1;
	for (size_t i = 0; i < HC_COUNT(suffixes); i++)
		if (strcmp(suffixes[i].text, text) == 0)
			return scale_up(digits * scale, denominator * suffixes[i].denominator, suffixes[i].numerator,
							ret_value);
	return -1;
}

int schema_quantity_parse(const json_t *value, int64_t scale, int64_t *ret_value)
{
	if (json_is_string(value))
		return parse_text(json_string_value(value), scale, ret_value);
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return -1;
	return scale_up(json_integer_value(value), 1, scale, ret_value);
}

char *schema_quantity_memory_text(int64_t bytes)
{
	size_t best = 0;
	for (size_t i = 0; i < HC_COUNT(suffixes); i++)
		if (bytes != 0 && suffixes[i].denominator == 1 && suffixes[i].text[0] && suffixes[i].text[1] == 'i' &&
			bytes % suffixes[i].numerator == 0)
			best = i;
	return hc_xprintf("%lld%s", (long long)(bytes / suffixes[best].numerator), suffixes[best].text);
}

char *schema_quantity_cpu_text(int64_t millis)
{
	if (millis % 1000 == 0)
		return hc_xprintf("%lld", (long long)(millis / 1000));
	return hc_xprintf("%lldm", (long long)millis);
}
