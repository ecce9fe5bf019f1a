/* Command lines of the client commands: one table of options, of which each command allows some. */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARGUMENTS_FILES_MAX 32

enum output_format { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_YAML };

/* Texts belong to argv. */
struct arguments {
	const char *state;          /* folder of the platform's state; NULL: the environment or the default */
	const char *kubeconfig;     /* --kubeconfig; NULL: not given */
	const char *context;        /* of a kubeconfig; NULL: the current one */
	const char *namespace_name; /* never NULL */
	const char *field_manager;  /* never NULL */
	const char *files[ARGUMENTS_FILES_MAX];
	size_t file_count;
	const char *role; /* never NULL */
	const char *user;
	const char *expires; /* a time, or how long from now */
	const char *description;
	const char *output_file;
	const char *server;
	const char *set;  /* of --prune */
	char **positions; /* what is no option, in order */
	int position_count;
	enum output_format output;
	int timeout_seconds;
	int64_t tail_lines; /* -1: all */
	bool all_namespaces;
	bool namespace_given; /* --namespace */
	bool dry_run;
	bool wait;
	bool follow;
	bool timestamps;
	bool build;
	bool force;
	bool without_socket; /* set by commands: the token is wanted, not the unix socket */
	bool merge;
	bool prune;
	bool exact;
};

/* What a command takes: letters of the option table ("nof" …), the least and most positions, and its help. */
struct arguments_spec {
	const char *usage;   /* usage: helvetia apply … */
	const char *help;    /* a paragraph or two, "" */
	const char *letters; /* options beside those that every command takes */
	int positions_min;
	int positions_max;
};

/* 0; 1: help was printed; -1: a usage error was printed. */
int arguments_parse(int argc, char **argv, const struct arguments_spec *spec, struct arguments *ret_arguments)
	HC_MUST_CHECK;

#endif
