/* Command lines of programs as one table: "--name VALUE" and "--name" into the fields of a struct. */
#ifndef HC_OPTIONS_H
#define HC_OPTIONS_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

#define HC_OPTIONS_MAX 32

enum hc_option_kind {
	HC_OPTION_TEXT,   /* const char *, borrowed from argv */
	HC_OPTION_TEXTS,  /* const char *[most + 1], in the order given, NULL-terminated */
	HC_OPTION_NUMBER, /* int, from 1 to most */
	HC_OPTION_FLAG,   /* bool */
};

/* An option with a field of its own; TEXT is not empty when required. */
struct hc_option {
	const char *name; /* without the dashes */
	enum hc_option_kind kind;
	size_t offset; /* of the field */
	int most;      /* TEXTS: how many; NUMBER: the greatest */
	bool required; /* TEXT */
};

/* Fills the fields of *ret_fields, a struct that is all zero. INVALID names the option and its rule. Required
 * ones are asked for, in the order of the table, by hc_options_require. Not for two threads at once (getopt).
 */
int hc_options_parse(const struct hc_option *table, size_t count, int argc, char **argv, void *ret_fields,
					 struct hc_error *err) HC_MUST_CHECK;
int hc_options_require(const struct hc_option *table, size_t count, const void *fields, struct hc_error *err)
	HC_MUST_CHECK;

#endif
