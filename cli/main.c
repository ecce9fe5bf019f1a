/* `helvetia`: finds the subcommand and runs it. What a subcommand does stands in its own file. */
#include "access.h"
#include "base/base.h"
#include "base/log.h"
#include "command.h"

#include <stdio.h>
#include <string.h>

/* In the order of `helvetia help`. */
static const struct command *const COMMANDS[] = {
	&command_up,       &command_down,       &command_status,   &command_apply,        &command_diff,
	&command_plan,     &command_get,        &command_describe, &command_explain,      &command_events,
	&command_logs,     &command_scale,      &command_suspend,  &command_resume,       &command_rollback,
	&command_redeploy, &command_delete,     &command_secret,   &command_invite,       &command_login,
	&command_token,    &command_kubeconfig, &command_webhooks, &command_webhook_send, &command_prepare,
	&command_part,     &command_git_serve,
};

static void print_help(FILE *stream)
{
	fputs("Helvetia Cloud: your repositories as running web applications.\n\n"
		  "usage: helvetia COMMAND [OPTION…]\n\n",
		  stream);
	for (size_t i = 0; i < HC_COUNT(COMMANDS); i++)
		if (COMMANDS[i]->summary)
			fprintf(stream, "  %-10s %s\n", COMMANDS[i]->name, COMMANDS[i]->summary);
	fputs("\n`helvetia COMMAND --help` says more about one of them.\n", stream);
}

/* `kubectl helvetia …` runs a program of this name: then kubectl's files say where the API is. */
static bool is_plugin(const char *program)
{
	const char *slash = strrchr(program, '/');

	return strcmp(slash ? slash + 1 : program, "kubectl-helvetia") == 0;
}

int main(int argc, char **argv)
{
	hc_log_init("helvetia");
	if (argc > 0 && is_plugin(argv[0]))
		access_as_plugin();
	if (argc < 2) {
		print_help(stderr);
		return COMMAND_USAGE;
	}
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		print_help(stdout);
		return COMMAND_DONE;
	}
	for (size_t i = 0; i < HC_COUNT(COMMANDS); i++)
		if (!strcmp(argv[1], COMMANDS[i]->name))
			return COMMANDS[i]->run(argc - 1, argv + 1);
	fprintf(stderr, "helvetia: there is no command \"%s\"; `helvetia help` lists them\n", argv[1]);
	return COMMAND_USAGE;
}
