/* See options.h. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>

const char worker_usage[] =
	"usage: helvetia-worker --database URL --redis URL --queue NAME --docker unix:///PATH --state DIR\n"
	"           [--allow-repository-prefix URL]... [--git-ca-file FILE] [--concurrency N] [--name TEXT]\n"
	"           [--secret-key-file FILE]\n";

enum {
	OPTION_DATABASE = 256,
	OPTION_REDIS,
	OPTION_QUEUE,
	OPTION_DOCKER,
	OPTION_STATE,
	OPTION_PREFIX,
	OPTION_CA_FILE,
	OPTION_CONCURRENCY,
	OPTION_NAME,
	OPTION_SECRET_KEY_FILE,
	OPTION_CHILD,
	OPTION_HELP,
};

static const struct option names[] = {
	{"database", required_argument, NULL, OPTION_DATABASE},
	{"redis", required_argument, NULL, OPTION_REDIS},
	{"queue", required_argument, NULL, OPTION_QUEUE},
	{"docker", required_argument, NULL, OPTION_DOCKER},
	{"state", required_argument, NULL, OPTION_STATE},
	{"allow-repository-prefix", required_argument, NULL, OPTION_PREFIX},
	{"git-ca-file", required_argument, NULL, OPTION_CA_FILE},
	{"concurrency", required_argument, NULL, OPTION_CONCURRENCY},
	{"name", required_argument, NULL, OPTION_NAME},
	{"secret-key-file", required_argument, NULL, OPTION_SECRET_KEY_FILE},
	{"child", required_argument, NULL, OPTION_CHILD},
	{"help", no_argument, NULL, OPTION_HELP},
	{NULL, 0, NULL, 0},
};

static const char **text_of(struct worker_options *options, int option)
{
	switch (option) {
	case OPTION_DATABASE:
		return &options->database;
	case OPTION_REDIS:
		return &options->redis;
	case OPTION_QUEUE:
		return &options->queue;
	case OPTION_DOCKER:
		return &options->docker;
	case OPTION_STATE:
		return &options->state;
	case OPTION_CA_FILE:
		return &options->git_ca_file;
	case OPTION_NAME:
		return &options->name;
	case OPTION_SECRET_KEY_FILE:
		return &options->secret_key_file;
	default:
		return NULL;
	}
}

static int parse_number(const char *name, const char *text, int most, int *ret_count, struct hc_error *err)
{
	char *end;
	long count;

	errno = 0;
	count = strtol(text, &end, 10);
	if (errno || end == text || *end || count < 1 || count > most)
		return hc_fail(err, HC_INVALID, "%s: \"%s\" must be a number from 1 to %d", name, text, most);
	*ret_count = (int)count;
	return 0;
}

static int check(const struct worker_options *options, struct hc_error *err)
{
	const struct {
		const char *name;
		const char *value;
	} required[] = {
		{"--database", options->database}, {"--redis", options->redis}, {"--queue", options->queue},
		{"--docker", options->docker},     {"--state", options->state},
	};

	for (size_t n = 0; n < HC_COUNT(required); n++) {
		if (!required[n].value || !*required[n].value)
			return hc_fail(err, HC_INVALID, "%s is required", required[n].name);
	}
	if (options->state[0] != '/')
		return hc_fail(err, HC_INVALID, "--state: \"%s\" must be an absolute path", options->state);
	return 0;
}

int worker_options_parse(int argc, char **argv, struct worker_options *ret_options, struct hc_error *err)
{
	struct worker_options options = {0};
	size_t prefixes = 0;
	int option;

	optind = 0; /* glibc: begin anew, so that a test may parse twice */
	opterr = 0;
	while ((option = getopt_long(argc, argv, "+", names, NULL)) != -1) {
		const char **text = text_of(&options, option);

		if (text)
			*text = optarg;
		else if (option == OPTION_HELP)
			options.help = true;
		else if (option == OPTION_PREFIX && prefixes < WORKER_PREFIXES_MAX)
			options.prefixes[prefixes++] = optarg;
		else if (option == OPTION_PREFIX)
			return hc_fail(err, HC_INVALID, "--allow-repository-prefix: at most %d of them",
						   WORKER_PREFIXES_MAX);
		else if (option != OPTION_CONCURRENCY && option != OPTION_CHILD)
			return hc_fail(err, HC_INVALID, "%s: unknown option, or its value is missing", argv[optind - 1]);
		else if (option == OPTION_CHILD ? parse_number("--child", optarg, INT_MAX, &options.child, err)
										: parse_number("--concurrency", optarg, WORKER_CONCURRENCY_MAX,
													   &options.concurrency, err))
			return -1;
	}
	if (optind < argc)
		return hc_fail(err, HC_INVALID, "\"%s\": there are no arguments beside options", argv[optind]);
	if (!options.help && check(&options, err))
		return -1;
	*ret_options = options;
	return 0;
}
