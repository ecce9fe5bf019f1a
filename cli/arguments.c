/* See arguments.h. getopt_long does the reading; this file keeps the table and the words. */
#include "arguments.h"
#include "base/base.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct option_row {
	char letter; /* in arguments_spec.letters */
	char short_name;
	const char *long_name;
	const char *argument; /* NULL: a switch */
	const char *help;
};

static const struct option_row rows[] = {
	{'n', 'n', "namespace", "NS", "namespace (default: $HELVETIA_NAMESPACE or default)"},
	{'A', 'A', "all-namespaces", NULL, "objects of all namespaces"},
	{'o', 'o', "output", "FORMAT", "table (default), json or yaml"},
	{'f', 'f', "file", "FILE",
	 "manifest: a file, a folder of them, or - for standard input; may be repeated"},
	{'d', 0, "dry-run", NULL, "say what would change; write nothing"},
	{'w', 'w', "wait", NULL, "wait until it is so, with one live line an object"},
	{'t', 0, "timeout", "SECONDS", "how long to wait (default 600)"},
	{'x', 0, "force", NULL, "take over fields that somebody else owns"},
	{'m', 0, "field-manager", "NAME", "name under which the fields are owned (default helvetia)"},
	{'F', 'f', "follow", NULL, "go on as lines come"},
	{'T', 0, "tail", "LINES", "only the last lines"},
	{'b', 0, "build", NULL, "the log of the build instead of the containers'"},
	{'S', 0, "timestamps", NULL, "begin each line with its time"},
	{'s', 0, "state", "DIR", "state folder of the platform (default: $HELVETIA_STATE or /var/lib/helvetia)"},
	{'h', 'h', "help", NULL, "this text"},
};

static bool allowed(const struct arguments_spec *spec, const struct option_row *row)
{
	return row->letter == 's' || row->letter == 'h' || strchr(spec->letters, row->letter);
}

static void print_help(const struct arguments_spec *spec)
{
	printf("%s\n%s%s\noptions:\n", spec->usage, spec->help, spec->help[0] ? "\n" : "");
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		char name[64];

		if (!allowed(spec, &rows[index]))
			continue;
		(void)snprintf(name, sizeof name, "--%s%s%s", rows[index].long_name, rows[index].argument ? " " : "",
					   rows[index].argument ? rows[index].argument : "");
		if (rows[index].short_name)
			printf("  -%c, %-24s %s\n", rows[index].short_name, name, rows[index].help);
		else
			printf("      %-24s %s\n", name, rows[index].help);
	}
}

static int read_number(const char *option, const char *text, int64_t least, int64_t most, int64_t *ret_number)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno || *end || end == text || number < least || number > most) {
		fprintf(stderr, "helvetia: --%s: \"%s\" is not a whole number from %lld to %lld\n", option, text,
				(long long)least, (long long)most);
		return -1;
	}
	*ret_number = number;
	return 0;
}

static int read_output(const char *text, enum output_format *ret_output)
{
	static const char *const names[] = {"table", "json", "yaml"};

	for (size_t index = 0; index < HC_COUNT(names); index++) {
		if (strcmp(text, names[index]) == 0) {
			*ret_output = (enum output_format)index;
			return 0;
		}
	}
	fprintf(stderr, "helvetia: --output: \"%s\" is none of table, json, yaml\n", text);
	return -1;
}

static int set_option(struct arguments *arguments, char letter, const char *value)
{
	int64_t number = 0;

	switch (letter) {
	case 'n':
		arguments->namespace_name = value;
		return 0;
	case 'A':
		arguments->all_namespaces = true;
		return 0;
	case 'o':
		return read_output(value, &arguments->output);
	case 'f':
		if (arguments->file_count == ARGUMENTS_FILES_MAX) {
			fprintf(stderr, "helvetia: --file: more than %d; name a folder instead\n", ARGUMENTS_FILES_MAX);
			return -1;
		}
		arguments->files[arguments->file_count++] = value;
		return 0;
	case 'd':
		arguments->dry_run = true;
		return 0;
	case 'w':
		arguments->wait = true;
		return 0;
	case 't':
		if (read_number("timeout", value, 1, 86400, &number))
			return -1;
		arguments->timeout_seconds = (int)number;
		return 0;
	case 'x':
		arguments->force = true;
		return 0;
	case 'm':
		arguments->field_manager = value;
		return 0;
	case 'F':
		arguments->follow = true;
		return 0;
	case 'T':
		return read_number("tail", value, 0, 1000000, &arguments->tail_lines);
	case 'b':
		arguments->build = true;
		return 0;
	case 'S':
		arguments->timestamps = true;
		return 0;
	case 's':
		arguments->state = value;
		return 0;
	default:
		return -1;
	}
}

/* Fills getopt's two tables from ours. A long option answers with 256 + its row. */
static void fill_tables(const struct arguments_spec *spec, char *short_options, struct option *long_options)
{
	size_t count = 0;

	*short_options++ = ':'; /* a missing argument is told apart from an unknown option */
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		if (!allowed(spec, &rows[index]))
			continue;
		long_options[count++] = (struct option){.name = rows[index].long_name,
												.has_arg = rows[index].argument ? required_argument
																				: no_argument,
												.val = (int)(256 + index)};
		if (!rows[index].short_name)
			continue;
		*short_options++ = rows[index].short_name;
		if (rows[index].argument)
			*short_options++ = ':';
	}
	*short_options = '\0';
	long_options[count] = (struct option){0};
}

static const struct option_row *row_of(const struct arguments_spec *spec, int code)
{
	if (code >= 256)
		return &rows[code - 256];
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		if (allowed(spec, &rows[index]) && rows[index].short_name == code)
			return &rows[index];
	}
	return NULL;
}

static int usage_error(const struct arguments_spec *spec, const char *what, const char *value)
{
	fprintf(stderr, "helvetia: %s%s\n%s\n", what, value, spec->usage);
	return -1;
}

int arguments_parse(int argc, char **argv, const struct arguments_spec *spec, struct arguments *ret_arguments)
{
	struct option long_options[HC_COUNT(rows) + 1];
	char short_options[HC_COUNT(rows) * 2 + 2];
	const char *namespace_name = getenv("HELVETIA_NAMESPACE");
	int code;

	*ret_arguments = (struct arguments){.namespace_name = namespace_name && *namespace_name ? namespace_name
																							: "default",
										.field_manager = "helvetia",
										.timeout_seconds = 600,
										.tail_lines = -1};
	fill_tables(spec, short_options, long_options);
	opterr = 0;
	optind = 1;
	while ((code = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		const struct option_row *row;

		if (code == ':')
			return usage_error(spec, "a value is missing after ", argv[optind - 1]);
		row = code == '?' ? NULL : row_of(spec, code);
		if (!row)
			return usage_error(spec, "there is no option ", argv[optind - 1]);
		if (row->letter == 'h') {
			print_help(spec);
			return 1;
		}
		if (set_option(ret_arguments, row->letter, optarg))
			return -1;
	}
	ret_arguments->positions = argv + optind;
	ret_arguments->position_count = argc - optind;
	if (ret_arguments->position_count < spec->positions_min)
		return usage_error(spec, "something is missing", "");
	if (ret_arguments->position_count > spec->positions_max)
		return usage_error(spec, "too much: ", argv[optind + spec->positions_max]);
	return 0;
}
