/* See options.h. */
#include "options.h"

#include "base.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#define FIRST 256 /* beyond any character, which getopt keeps for itself */

static int put_text_of_many(const struct hc_option *option, const char **texts, const char *value,
							struct hc_error *err)
{
	int count = 0;

	while (texts[count])
		count++;
	if (count == option->most)
		return hc_fail(err, HC_INVALID, "--%s: at most %d of them", option->name, option->most);
	texts[count] = value;
	return 0;
}

static int put_number(const struct hc_option *option, int *field, const char *value, struct hc_error *err)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(value, &end, 10);
	if (errno || end == value || *end || number < 1 || number > option->most)
		return hc_fail(err, HC_INVALID, "--%s: \"%s\" must be a number from 1 to %d", option->name, value,
					   option->most);
	*field = (int)number;
	return 0;
}

static int put(const struct hc_option *option, void *fields, const char *value, struct hc_error *err)
{
	void *field = (char *)fields + option->offset;

	switch (option->kind) {
	case HC_OPTION_TEXT:
		*(const char **)field = value;
		return 0;
	case HC_OPTION_TEXTS:
		return put_text_of_many(option, field, value, err);
	case HC_OPTION_NUMBER:
		return put_number(option, field, value, err);
	case HC_OPTION_FLAG:
		*(bool *)field = true;
		return 0;
	}
	return 0;
}

int hc_options_parse(const struct hc_option *table, size_t count, int argc, char **argv, void *ret_fields,
					 struct hc_error *err)
{
	struct option names[HC_OPTIONS_MAX + 1] = {0};
	int found;

	if (count > HC_OPTIONS_MAX)
		return hc_fail(err, HC_BUG, "more than %d options", HC_OPTIONS_MAX);
	for (size_t n = 0; n < count; n++)
		names[n] = (struct option){table[n].name,
								   table[n].kind == HC_OPTION_FLAG ? no_argument : required_argument, NULL,
								   FIRST + (int)n};
	optind = 0; /* glibc: begin anew, so that a test may parse twice */
	opterr = 0;
	while ((found = getopt_long(argc, argv, "+", names, NULL)) != -1) {
		if (found < FIRST)
			return hc_fail(err, HC_INVALID, "%s: unknown option, or its value is missing", argv[optind - 1]);
		if (put(&table[found - FIRST], ret_fields, optarg, err))
			return -1;
	}
	if (optind < argc)
		return hc_fail(err, HC_INVALID, "\"%s\": there are no arguments beside options", argv[optind]);
	return 0;
}

int hc_options_require(const struct hc_option *table, size_t count, const void *fields, struct hc_error *err)
{
	for (size_t n = 0; n < count; n++) {
		const char *const *text = (const void *)((const char *)fields + table[n].offset);

		if (table[n].required && (!*text || !**text))
			return hc_fail(err, HC_INVALID, "--%s is required", table[n].name);
	}
	return 0;
}
