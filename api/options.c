/* The command line, one table. */
#include "options.h"

#include "base/alloc.h"
#include "crypto/crypto_seal.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DATABASE,
	STATE,
	DOMAIN,
	LISTEN,
	CERTIFICATE,
	KEY,
	CONTROLLER,
	TOKEN_FILE,
	PREFIX,
	SECRET_FILE,
	SECRET_KEY_FILE,
	SOCKET,
	HELP
};

static const struct option options_long[] = {
	{"database", required_argument, NULL, DATABASE},
	{"state", required_argument, NULL, STATE},
	{"domain", required_argument, NULL, DOMAIN},
	{"listen", required_argument, NULL, LISTEN},
	{"tls-certificate", required_argument, NULL, CERTIFICATE},
	{"tls-key", required_argument, NULL, KEY},
	{"controller-socket", required_argument, NULL, CONTROLLER},
	{"admin-token-file", required_argument, NULL, TOKEN_FILE},
	{"allow-repository-prefix", required_argument, NULL, PREFIX},
	{"webhook-secret-file", required_argument, NULL, SECRET_FILE},
	{"secret-key-file", required_argument, NULL, SECRET_KEY_FILE},
	{"socket", required_argument, NULL, SOCKET},
	{"help", no_argument, NULL, HELP},
	{NULL, 0, NULL, 0},
};

static const char usage[] =
	"usage: helvetia-api --database URL --state DIR --domain D --listen HOST:PORT --tls-certificate FILE "
	"--tls-key FILE\n"
	"         --controller-socket PATH --admin-token-file FILE [--allow-repository-prefix PREFIX]…\n"
	"         [--webhook-secret-file FILE] [--secret-key-file FILE] [--socket PATH]\n"
	"\n"
	"Serves the Kubernetes-shaped API of Helvetia Cloud. Logs JSON lines on standard error "
	"(HELVETIA_LOG=debug for more).\n"
	"  --admin-token-file         where the administrator's token is written when there is none yet\n"
	"  --socket                   where root and the user of this process are the administrator without a "
	"token\n"
	"                             (default: api.sock in the state folder)\n"
	"  --allow-repository-prefix  a repoUrl may begin with this too, beside https:// and ssh://\n"
	"  --webhook-secret-file      what deliveries to /webhooks/github are signed with; without it all are "
	"refused\n"
	"  --secret-key-file          the keys that seal Secrets (STATE/" CRYPTO_KEYS_PATH
	"); made when there is "
	"nothing sealed yet\n"
	"Exit code: 0 after SIGTERM or SIGINT, 2 for a wrong command line, 1 when it can't listen.\n";

static const char **field_of(struct api_options *options, int code)
{
	switch (code) {
	case DATABASE:
		return &options->database_url;
	case STATE:
		return &options->state;
	case DOMAIN:
		return &options->domain;
	case LISTEN:
		return &options->listen;
	case CERTIFICATE:
		return &options->certificate_file;
	case KEY:
		return &options->key_file;
	case CONTROLLER:
		return &options->controller_socket;
	case TOKEN_FILE:
		return &options->admin_token_file;
	case SOCKET:
		return &options->socket;
	case SECRET_KEY_FILE:
		return &options->secret_key_file;
	case SECRET_FILE:
		return &options->webhook_secret_file;
	default:
		return NULL;
	}
}

static void add_prefix(struct api_options *options, const char *prefix)
{
	size_t count = 0;

	while (options->repository_prefixes && options->repository_prefixes[count])
		count++;
	options->repository_prefixes = hc_xrealloc_array(options->repository_prefixes, count + 2,
													 sizeof(*options->repository_prefixes));
	options->repository_prefixes[count] = prefix;
	options->repository_prefixes[count + 1] = NULL;
}

int api_options_parse(int argc, char **argv, struct api_options *options)
{
	int code;

	*options = (struct api_options){0};
	while ((code = getopt_long(argc, argv, "", options_long, NULL)) != -1) {
		const char **field = field_of(options, code);
		if (field)
			*field = optarg;
		else if (code == PREFIX)
			add_prefix(options, optarg);
		else if (code == HELP)
			return printf("%s", usage) < 0 ? -1 : 1;
		else
			return -1;
	}
	if (optind < argc) {
		fprintf(stderr, "helvetia-api: unexpected argument \"%s\"\n", argv[optind]);
		return -1;
	}
	for (int index = DATABASE; index <= TOKEN_FILE; index++) {
		const char **field = field_of(options, index);
		if (!*field || !**field) {
			fprintf(stderr, "helvetia-api: --%s is missing\n%s", options_long[index].name, usage);
			return -1;
		}
	}
	if (!options->secret_key_file)
		options->secret_key_file = hc_xprintf("%s/" CRYPTO_KEYS_PATH, options->state);
	return 0;
}
