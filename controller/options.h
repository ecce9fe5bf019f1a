/* The command line of helvetia-controller. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

/* Texts are borrowed from argv. */
struct controller_options {
	const char *database;
	const char *state;
	const char *domain;
	const char *docker;
	const char *traefik_api;  /* http://127.0.0.1:PORT */
	const char *public_http;  /* HOST:PORT where Traefik listens; NULL: none */
	const char *public_https; /* the same; NULL: none */
	const char *probe;        /* helvetia-probe, a file on the engine's host */
	const char *socket;       /* of the node endpoint */
	const char *network_pool;
	const char *redis;           /* of the job queue; NULL: there is none, and nothing is built */
	const char *queue;           /* its name; NULL without redis */
	const char *secret_key_file; /* what opens the values of Secrets; NULL: below the state directory */
	int resync_seconds;          /* as written; below in milliseconds */
	int64_t resync_ms;           /* 0: each kind's own */
	bool embedded_engine;
	bool help;
};

/* INVALID names the option and its rule. */
int controller_options_parse(int argc, char **argv, struct controller_options *ret_options,
							 struct hc_error *err) HC_MUST_CHECK;
extern const char controller_usage[];

/* "0.0.0.0:8443" → an address of this machine that reaches it, and the port. Text: at least 64 bytes. */
int controller_reach(const char *listen, char ret_host[64], int *ret_port, struct hc_error *err)
	HC_MUST_CHECK;

#endif
