/* See options.h. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESYNC_SECONDS_MAX 86400

const char controller_usage[] =
	"usage: helvetia-controller --database URL --state DIR --domain DOMAIN --docker unix:///PATH\n"
	"           --traefik-api http://HOST:PORT --public-http HOST:PORT --public-https HOST:PORT\n"
	"           --probe FILE --socket PATH --network-pool CIDR [--embedded-engine] [--resync-seconds N]\n"
	"           [--redis redis://… --queue NAME] [--secret-key-file FILE]\n";

enum {
	OPTION_DATABASE = 256,
	OPTION_STATE,
	OPTION_DOMAIN,
	OPTION_DOCKER,
	OPTION_TRAEFIK_API,
	OPTION_PUBLIC_HTTP,
	OPTION_PUBLIC_HTTPS,
	OPTION_PROBE,
	OPTION_SOCKET,
	OPTION_NETWORK_POOL,
	OPTION_REDIS,
	OPTION_QUEUE,
	OPTION_SECRET_KEY_FILE,
	OPTION_EMBEDDED_ENGINE,
	OPTION_RESYNC_SECONDS,
	OPTION_HELP,
};

static const struct option names[] = {
	{"database", required_argument, NULL, OPTION_DATABASE},
	{"state", required_argument, NULL, OPTION_STATE},
	{"domain", required_argument, NULL, OPTION_DOMAIN},
	{"docker", required_argument, NULL, OPTION_DOCKER},
	{"traefik-api", required_argument, NULL, OPTION_TRAEFIK_API},
	{"public-http", required_argument, NULL, OPTION_PUBLIC_HTTP},
	{"public-https", required_argument, NULL, OPTION_PUBLIC_HTTPS},
	{"probe", required_argument, NULL, OPTION_PROBE},
	{"socket", required_argument, NULL, OPTION_SOCKET},
	{"network-pool", required_argument, NULL, OPTION_NETWORK_POOL},
	{"redis", required_argument, NULL, OPTION_REDIS},
	{"queue", required_argument, NULL, OPTION_QUEUE},
	{"secret-key-file", required_argument, NULL, OPTION_SECRET_KEY_FILE},
	{"embedded-engine", no_argument, NULL, OPTION_EMBEDDED_ENGINE},
	{"resync-seconds", required_argument, NULL, OPTION_RESYNC_SECONDS},
	{"help", no_argument, NULL, OPTION_HELP},
	{NULL, 0, NULL, 0},
};

static const char **text_of(struct controller_options *options, int option)
{
	switch (option) {
	case OPTION_DATABASE:
		return &options->database;
	case OPTION_STATE:
		return &options->state;
	case OPTION_DOMAIN:
		return &options->domain;
	case OPTION_DOCKER:
		return &options->docker;
	case OPTION_TRAEFIK_API:
		return &options->traefik_api;
	case OPTION_PUBLIC_HTTP:
		return &options->public_http;
	case OPTION_PUBLIC_HTTPS:
		return &options->public_https;
	case OPTION_PROBE:
		return &options->probe;
	case OPTION_SOCKET:
		return &options->socket;
	case OPTION_NETWORK_POOL:
		return &options->network_pool;
	case OPTION_REDIS:
		return &options->redis;
	case OPTION_QUEUE:
		return &options->queue;
	case OPTION_SECRET_KEY_FILE:
		return &options->secret_key_file;
	default:
		return NULL;
	}
}

static int parse_resync(const char *text, int64_t *ret_ms, struct hc_error *err)
{
	char *end;
	long seconds;

	errno = 0;
	seconds = strtol(text, &end, 10);
	if (errno || end == text || *end || seconds < 1 || seconds > RESYNC_SECONDS_MAX)
		return hc_fail(err, HC_INVALID, "--resync-seconds: \"%s\" must be a number from 1 to %d", text,
					   RESYNC_SECONDS_MAX);
	*ret_ms = seconds * 1000;
	return 0;
}

static int check(const struct controller_options *options, struct hc_error *err)
{
	const struct {
		const char *name;
		const char *value;
	} required[] = {
		{"--database", options->database},
		{"--state", options->state},
		{"--domain", options->domain},
		{"--docker", options->docker},
		{"--probe", options->probe},
		{"--socket", options->socket},
		{"--traefik-api", options->traefik_api},
		{"--network-pool", options->network_pool},
		{"--public-https", options->public_https},
		{"--public-http", options->public_http},
	};
	char host[64];
	int port;

	for (size_t n = 0; n < HC_COUNT(required); n++) {
		if (!required[n].value || !*required[n].value)
			return hc_fail(err, HC_INVALID, "%s is required", required[n].name);
	}
	if (!options->redis != !options->queue)
		return hc_fail(err, HC_INVALID, "--redis and --queue are given both, or neither");
	if (options->state[0] != '/')
		return hc_fail(err, HC_INVALID,
					   "--state: \"%s\" must be an absolute path: containers mount folders of it",
					   options->state);
	if (options->probe[0] != '/')
		return hc_fail(err, HC_INVALID, "--probe: \"%s\" must be an absolute path", options->probe);
	if (controller_reach(options->public_https, host, &port, err))
		return hc_wrap(err, "--public-https");
	if (controller_reach(options->public_http, host, &port, err))
		return hc_wrap(err, "--public-http");
	return 0;
}

int controller_options_parse(int argc, char **argv, struct controller_options *ret_options,
							 struct hc_error *err)
{
	struct controller_options options = {0};
	int option;

	optind = 0; /* glibc: begin anew, so that a test may parse twice */
	opterr = 0;
	while ((option = getopt_long(argc, argv, "+", names, NULL)) != -1) {
		const char **text = text_of(&options, option);

		if (text)
			*text = optarg;
		else if (option == OPTION_EMBEDDED_ENGINE)
			options.embedded_engine = true;
		else if (option == OPTION_HELP)
			options.help = true;
		else if (option != OPTION_RESYNC_SECONDS)
			return hc_fail(err, HC_INVALID, "%s: unknown option, or its value is missing", argv[optind - 1]);
		else if (parse_resync(optarg, &options.resync_ms, err))
			return -1;
	}
	if (optind < argc)
		return hc_fail(err, HC_INVALID, "\"%s\": there are no arguments beside options", argv[optind]);
	if (!options.help && check(&options, err))
		return -1;
	*ret_options = options;
	return 0;
}

int controller_reach(const char *listen, char ret_host[64], int *ret_port, struct hc_error *err)
{
	const char *colon = strrchr(listen, ':');
	size_t length = colon ? (size_t)(colon - listen) : 0;
	char *end = NULL;
	long port = colon ? strtol(colon + 1, &end, 10) : 0;

	if (!colon || end == colon + 1 || *end || port < 1 || port > 65535 || length >= 64)
		return hc_fail(err, HC_INVALID, "\"%s\" must be HOST:PORT", listen);
	(void)snprintf(ret_host, 64, "%.*s", (int)length, listen);
	if (length == 0 || strcmp(ret_host, "0.0.0.0") == 0 || strcmp(ret_host, "*") == 0)
		(void)snprintf(ret_host, 64, "127.0.0.1");
	else if (strcmp(ret_host, "[::]") == 0)
		(void)snprintf(ret_host, 64, "[::1]");
	*ret_port = (int)port;
	return 0;
}
