/* See arguments.h. getopt_long does the reading; this file keeps the table and the words. */
#include "arguments.h"
#include "access.h"
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
	{'n', 'n', "namespace", "NS", "namespace (default: $HELVETIA_NAMESPACE, the context's, or default)"},
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
	{'r', 0, "role", "ROLE", "admin, developer (default) or viewer"},
	{'u', 0, "user", "NAME", "the User whose it is"},
	{'e', 0, "expires", "TIME", "when it ends: a time, or 12h, 30d, 1y from now (default: never)"},
	{'D', 0, "description", "TEXT", "what it is for"},
	{'O', 'o', "output", "FILE", "write it there, for you alone to read"},
	{'M', 0, "merge", NULL, "put it into $KUBECONFIG or ~/.kube/config"},
	{'U', 0, "server", "URL", "the API's address as the others reach it"},
	{'P', 0, "prune", NULL, "remove what the last apply of the same --set contained and this one does not"},
	{'E', 0, "set", "NAME", "name of what is applied together; only with it something can be pruned"},
	{'I', 0, "from-file", "[KEY=]FILE", "the value is what is in the file, as it is; may be repeated"},
	{'X', 0, "exact", NULL, "keep the line's end that standard input ends with"},
	{'k', 0, "kubeconfig", "FILE", "go where this file of kubectl's leads"},
	{'c', 0, "context", "NAME", "the same, by this context of it"},
	{'s', 0, "state", "DIR", "state folder of the platform (default: $HELVETIA_STATE or /var/lib/helvetia)"},
	{'h', 'h', "help", NULL, "this text"},
};

static bool allowed(const struct arguments_spec *spec, const struct option_row *row)
{
	return strchr("shkc", row->letter) || strchr(spec->letters, row->letter);
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

static int read_role(const char *text, const char **ret_role)
{
	static const char *const names[] = {"admin", "developer", "viewer"};

	for (size_t index = 0; index < HC_COUNT(names); index++) {
		if (strcmp(text, names[index]) == 0) {
			*ret_role = names[index];
			return 0;
		}
	}
	fprintf(stderr, "helvetia: --role: \"%s\" is none of admin, developer, viewer\n", text);
	return -1;
}

/* Where a text is put as it is; NULL: the option is not of that kind. */
static const char **text_of(struct arguments *arguments, char letter)
{
	switch (letter) {
	case 'n':
		return &arguments->namespace_name;
	case 'm':
		return &arguments->field_manager;
	case 's':
		return &arguments->state;
	case 'k':
		return &arguments->kubeconfig;
	case 'c':
		return &arguments->context;
	case 'u':
		return &arguments->user;
	case 'e':
		return &arguments->expires;
	case 'D':
		return &arguments->description;
	case 'O':
		return &arguments->output_file;
	case 'U':
		return &arguments->server;
	case 'E':
		return &arguments->set;
	default:
		return NULL;
	}
}

static bool *switch_of(struct arguments *arguments, char letter)
{
	switch (letter) {
	case 'A':
		return &arguments->all_namespaces;
	case 'd':
		return &arguments->dry_run;
	case 'w':
		return &arguments->wait;
	case 'x':
		return &arguments->force;
	case 'F':
		return &arguments->follow;
	case 'b':
		return &arguments->build;
	case 'S':
		return &arguments->timestamps;
	case 'M':
		return &arguments->merge;
	case 'P':
		return &arguments->prune;
	case 'X':
		return &arguments->exact;
	default:
		return NULL;
	}
}

static int set_option(struct arguments *arguments, char letter, const char *value)
{
	const char **text = text_of(arguments, letter);
	bool *flag = switch_of(arguments, letter);
	int64_t number = 0;

	if (text)
		*text = value;
	if (flag)
		*flag = true;
	if (text || flag)
		return 0;
	switch (letter) {
	case 'r':
		return read_role(value, &arguments->role);
	case 'o':
		return read_output(value, &arguments->output);
	case 'f':
	case 'I':
		if (arguments->file_count == ARGUMENTS_FILES_MAX) {
			fprintf(stderr, "helvetia: --%s: more than %d\n", letter == 'f' ? "file" : "from-file",
					ARGUMENTS_FILES_MAX);
			return -1;
		}
		arguments->files[arguments->file_count++] = value;
		return 0;
	case 't':
		if (read_number("timeout", value, 1, 86400, &number))
			return -1;
		arguments->timeout_seconds = (int)number;
		return 0;
	case 'T':
		return read_number("tail", value, 0, 1000000, &arguments->tail_lines);
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

/* Of the environment, else of the kubeconfig's context, else kubectl's own. */
static const char *default_namespace(const struct arguments *arguments)
{
	static char of_context[256]; /* a name has at most 63 */
	const char *set = getenv("HELVETIA_NAMESPACE");

	if (set && *set)
		return set;
	HC_AUTO_FREE name = access_namespace(arguments);
	if (!name || !*name)
		return "default";
	(void)snprintf(of_context, sizeof of_context, "%s", name);
	return of_context;
}

int arguments_parse(int argc, char **argv, const struct arguments_spec *spec, struct arguments *ret_arguments)
{
	struct option long_options[HC_COUNT(rows) + 1];
	char short_options[HC_COUNT(rows) * 2 + 2];
	int code;

	*ret_arguments = (struct arguments){
		.field_manager = "helvetia", .role = "developer", .timeout_seconds = 600, .tail_lines = -1};
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
	ret_arguments->namespace_given = ret_arguments->namespace_name != NULL;
	if (!ret_arguments->namespace_name)
		ret_arguments->namespace_name = default_namespace(ret_arguments);
	ret_arguments->positions = argv + optind;
	ret_arguments->position_count = argc - optind;
	if (ret_arguments->position_count < spec->positions_min)
		return usage_error(spec, "something is missing", "");
	if (ret_arguments->position_count > spec->positions_max)
		return usage_error(spec, "too much: ", argv[optind + spec->positions_max]);
	return 0;
}
