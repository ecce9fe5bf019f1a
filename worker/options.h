/* The command line of helvetia-worker; its children get the same one and --child PID. */
#ifndef WORKER_OPTIONS_H
#define WORKER_OPTIONS_H

#include "base/error.h"
#include <stdbool.h>

#define WORKER_PREFIXES_MAX 64
#define WORKER_CONCURRENCY_MAX 16

/* Texts are borrowed from argv. */
struct worker_options {
	const char *database;
	const char *redis;
	const char *queue;
	const char *docker;
	const char *state;
	const char *secret_key_file;                   /* NULL: below the state directory */
	const char *git_ca_file;                       /* NULL: the system's */
	const char *name;                              /* shown in rows and in BullMQ; NULL: host name and pid */
	const char *prefixes[WORKER_PREFIXES_MAX + 1]; /* allowed repository URLs, NULL-terminated */
	int concurrency;                               /* 0: by memory */
	int child; /* process number of the worker whose child this is; 0: it is a worker */
	bool help;
};

/* INVALID names the option and its rule. */
int worker_options_parse(int argc, char **argv, struct worker_options *ret_options, struct hc_error *err)
	HC_MUST_CHECK;
extern const char worker_usage[];

#endif
