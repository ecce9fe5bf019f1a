/* See options.h. */
#include "options.h"

#include "base/options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESYNC_SECONDS_MAX 86400

const char controller_usage[] =
	"usage: helvetia-controller --database URL --state DIR --domain DOMAIN --docker unix:///PATH\n"
	"           --traefik-api http://HOST:PORT --public-http HOST:PORT --public-https HOST:PORT\n"
	"           --probe FILE --socket PATH --network-pool CIDR [--embedded-engine] [--resync-seconds N]\n"
	"           [--redis redis://… --queue NAME] [--secret-key-file FILE]\n";

#define FIELD(field) offsetof(struct controller_options, field)

static const struct hc_option table[] = {
	{"database", HC_OPTION_TEXT, FIELD(database), 0, true},
	{"state", HC_OPTION_TEXT, FIELD(state), 0, true},
	{"domain", HC_OPTION_TEXT, FIELD(domain), 0, true},
	{"docker", HC_OPTION_TEXT, FIELD(docker), 0, true},
	{"probe", HC_OPTION_TEXT, FIELD(probe), 0, true},
	{"socket", HC_OPTION_TEXT, FIELD(socket), 0, true},
	{"traefik-api", HC_OPTION_TEXT, FIELD(traefik_api), 0, true},
	{"network-pool", HC_OPTION_TEXT, FIELD(network_pool), 0, true},
	{"public-https", HC_OPTION_TEXT, FIELD(public_https), 0, true},
	{"public-http", HC_OPTION_TEXT, FIELD(public_http), 0, true},
	{"redis", HC_OPTION_TEXT, FIELD(redis), 0, false},
	{"queue", HC_OPTION_TEXT, FIELD(queue), 0, false},
	{"secret-key-file", HC_OPTION_TEXT, FIELD(secret_key_file), 0, false},
	{"embedded-engine", HC_OPTION_FLAG, FIELD(embedded_engine), 0, false},
	{"resync-seconds", HC_OPTION_NUMBER, FIELD(resync_seconds), RESYNC_SECONDS_MAX, false},
	{"help", HC_OPTION_FLAG, FIELD(help), 0, false},
};

static int check(const struct controller_options *options, struct hc_error *err)
{
	char host[64];
	int port;

	if (hc_options_require(table, HC_COUNT(table), options, err))
		return -1;
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

	if (hc_options_parse(table, HC_COUNT(table), argc, argv, &options, err) ||
		(!options.help && check(&options, err)))
		return -1;
	options.resync_ms = options.resync_seconds * 1000LL;
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
