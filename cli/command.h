/* The subcommands of `helvetia`. A command is one constant, defined in its own command_NAME.c (or up.c for
 * the supervisor) and listed in main.c; argv[0] is the command's name, as for a program of its own. */
#ifndef COMMAND_H
#define COMMAND_H

/* Exit codes, the same for every command (README.md lists them). */
#define COMMAND_DONE 0
#define COMMAND_FAILED 1
#define COMMAND_USAGE 2
#define COMMAND_NOT_FOUND 3
#define COMMAND_CONFLICT 4       /* somebody else changed or owns it */
#define COMMAND_UNREACHABLE 5    /* the API or a part behind it does not answer */
#define COMMAND_TIMEOUT 6        /* --wait: not so within --timeout */
#define COMMAND_ROLLOUT_FAILED 7 /* --wait: the new revision failed; the old one serves on if there was one  \
								  */
#define COMMAND_INVALID 8        /* the input breaks a rule; nothing was stored */
#define COMMAND_DENIED 9         /* token absent, expired, or its role does not allow it */

struct command {
	const char *name;
	const char *summary; /* one line of `helvetia help`; NULL: for scripts, not listed */
	int (*run)(int argc, char **argv);
};

extern const struct command command_apply;
extern const struct command command_delete;
extern const struct command command_describe;
extern const struct command command_diff;
extern const struct command command_down;
extern const struct command command_events;
extern const struct command command_explain;
extern const struct command command_get;
extern const struct command command_git_serve;
extern const struct command command_invite;
extern const struct command command_kubeconfig;
extern const struct command command_login;
extern const struct command command_logs;
extern const struct command command_part;
extern const struct command command_plan;
extern const struct command command_prepare;
extern const struct command command_redeploy;
extern const struct command command_resume;
extern const struct command command_rollback;
extern const struct command command_scale;
extern const struct command command_secret;
extern const struct command command_status;
extern const struct command command_suspend;
extern const struct command command_token;
extern const struct command command_up;
extern const struct command command_webhook_send;
extern const struct command command_webhooks;

#endif
