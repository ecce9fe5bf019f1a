/* See options.h. */
#include "options.h"

#include "base/options.h"

#include <limits.h>
#include <stddef.h>

const char worker_usage[] =
	"usage: helvetia-worker --database URL --redis URL --queue NAME --docker unix:///PATH --state DIR\n"
	"           [--allow-repository-prefix URL]... [--git-ca-file FILE] [--concurrency N] [--name TEXT]\n"
	"           [--secret-key-file FILE]\n";

#define FIELD(field) offsetof(struct worker_options, field)

static const struct hc_option table[] = {
	{"database", HC_OPTION_TEXT, FIELD(database), 0, true},
	{"redis", HC_OPTION_TEXT, FIELD(redis), 0, true},
	{"queue", HC_OPTION_TEXT, FIELD(queue), 0, true},
	{"docker", HC_OPTION_TEXT, FIELD(docker), 0, true},
	{"state", HC_OPTION_TEXT, FIELD(state), 0, true},
	{"allow-repository-prefix", HC_OPTION_TEXTS, FIELD(prefixes), WORKER_PREFIXES_MAX, false},
	{"git-ca-file", HC_OPTION_TEXT, FIELD(git_ca_file), 0, false},
	{"concurrency", HC_OPTION_NUMBER, FIELD(concurrency), WORKER_CONCURRENCY_MAX, false},
	{"name", HC_OPTION_TEXT, FIELD(name), 0, false},
	{"secret-key-file", HC_OPTION_TEXT, FIELD(secret_key_file), 0, false},
	{"child", HC_OPTION_NUMBER, FIELD(child), INT_MAX, false},
	{"help", HC_OPTION_FLAG, FIELD(help), 0, false},
};

int worker_options_parse(int argc, char **argv, struct worker_options *ret_options, struct hc_error *err)
{
	struct worker_options options = {0};

	if (hc_options_parse(table, HC_COUNT(table), argc, argv, &options, err) ||
		(!options.help && hc_options_require(table, HC_COUNT(table), &options, err)))
		return -1;
	if (!options.help && options.state[0] != '/')
		return hc_fail(err, HC_INVALID, "--state: \"%s\" must be an absolute path", options.state);
	*ret_options = options;
	return 0;
}
