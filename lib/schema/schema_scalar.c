/* Plain (unquoted) YAML scalars: what they are by the core schema of YAML 1.2, and which texts need quotes so
 * that readers of YAML 1.1 see text too. */
#include "schema_internal.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool one_of(const char *text, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return false;
}

static bool is_null(const char *text)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};
	return one_of(text, words, HC_COUNT(words));
}

static bool is_true(const char *text)
{
	static const char *const words[] = {"true", "True", "TRUE"};
	return one_of(text, words, HC_COUNT(words));
}

static bool is_false(const char *text)
{
	static const char *const words[] = {"false", "False", "FALSE"};
	return one_of(text, words, HC_COUNT(words));
}

static bool is_infinite(const char *text)
{
	static const char *const words[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"};
	if (*text == '-' || *text == '+')
		return one_of(text + 1, words, 3);
	return one_of(text, words, HC_COUNT(words));
}

/* Base of an integer, 0 when it is none: [-+]?[0-9]+, 0o[0-7]+, 0x[0-9a-fA-F]+ */
static int integer_base(const char *text)
{
	if (text[0] == '0' && text[1] == 'o' && text[2])
		return text[2 + strspn(text + 2, "01234567")] ? 0 : 8;
	if (text[0] == '0' && text[1] == 'x' && text[2])
		return text[2 + strspn(text + 2, "0123456789abcdefABCDEF")] ? 0 : 16;
	if (*text == '-' || *text == '+')
		text++;
	return *text && text[strspn(text, "0123456789")] == '\0' ? 10 : 0;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_real(const char *text)
{
	if (*text == '-' || *text == '+')
		text++;
	size_t whole = strspn(text, "0123456789");
	text += whole;
	if (*text == '.') {
		size_t fraction = strspn(text + 1, "0123456789");
		if (whole + fraction == 0)
			return false;
		text += 1 + fraction;
	} else if (whole == 0) {
		return false;
	}
	if (*text == 'e' || *text == 'E') {
		text++;
		if (*text == '-' || *text == '+')
			text++;
		if (!isdigit((unsigned char)*text))
			return false;
		text += strspn(text, "0123456789");
	}
	return *text == '\0';
}

json_t *schema_scalar_plain(const char *text, size_t length, const char **ret_problem)
{
	if (is_null(text))
		return json_null();
	if (is_true(text))
		return json_true();
	if (is_false(text))
		return json_false();
	if (is_infinite(text)) {
		*ret_problem = "a number must be finite; put it in quotes when it is text";
		return NULL;
	}
	int base = integer_base(text);
	if (base > 0) {
		errno = 0;
		long long value = strtoll(base == 10 ? text : text + 2, NULL, base);
		if (errno == 0)
			return json_integer(value);
	} else if (is_real(text)) {
		double value = strtod(text, NULL);
		if (isfinite(value))
			return json_real(value);
	} else {
		return json_stringn(text, length);
	}
	*ret_problem = "a number must fit into 64 bits; put it in quotes when it is text";
	return NULL;
}

bool schema_scalar_ambiguous(const char *text)
{
	static const char *const words[] = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"};
	for (size_t i = 0; i < HC_COUNT(words); i++)
		if (strcasecmp(text, words[i]) == 0)
			return true;
	if (is_null(text) || is_infinite(text) || integer_base(text) > 0 || is_real(text))
		return true;
	if (strcmp(text, "<<") == 0 || strcmp(text, "=") == 0)
		return true;
	/* Numbers with underscores, base 2 and 60, dates: they begin like a number and have only these
	 * characters. */
	const char *rest = *text == '-' || *text == '+' ? text + 1 : text;
	return (isdigit((unsigned char)*rest) || *rest == '.') &&
		   rest[strspn(rest, "0123456789abcdefABCDEFxobTtZz_.:+- ")] == '\0';
}
