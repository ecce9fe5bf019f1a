/* The supervisor behind `helvetia up` and `helvetia down`: parts, paths and helpers that its files share.
 *
 *   up.c            the steps in order, the main loop, the two commands
 *   up_options.c    command line, settings.json, the lock of the state folder
 *   up_ports.c      which ports are free, and who holds one
 *   up_pool.c       the address range of applications' networks
 *   up_process.c    start, adopt, watch and stop one process; its record and log
 *   up_wait.c       waiting for readiness, for a signal, for the end
 *   up_postgres.c up_redis.c up_engine.c up_api.c up_traefik.c up_controller.c up_worker.c    one part each
 *   up_bridge.c     the bridge for the steps of builds
 *   up_leftover.c   what outlives the embedded engine
 *   up_files.c      secrets, kubeconfig, endpoints.json
 *   up_git.c        the sample's repository, its hook and its server
 *   up_sample.c     the sample application
 *   up_live.c       pushes to it, told while they go live
 *   up_stop.c       taking it all down, in order
 *   up_http.c       one HTTP request over libcurl
 *   prepare.c       files and command lines for parts that compose runs
 *
 * One thread. Every process runs in a session of its own with its log in a file, so that neither Ctrl-C in
 * the terminal nor the death of the supervisor reaches it. What runs is recorded in DIR/run/NAME.json with
 * the start time and a fingerprint of program, arguments and configuration: the next `up` adopts what still
 * runs as it would start it now, and replaces the rest. */
#ifndef UP_H
#define UP_H

#include "base/arena.h"
#include "base/base.h"
#include "base/error.h"
#include "base/text.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define UP_FINGERPRINT_SIZE 65
#define UP_PREFIXES_MAX 16
#define QUEUE_NAME "helvetia-builds"
#define UP_SAMPLE_NAME "sample"
#define UP_SAMPLE_BRANCH "main"
#define UP_SAMPLE_REPOSITORY "sample/sample.git" /* in the state folder */
#define UP_COMMIT_SIZE 41

enum up_part {
	UP_POSTGRES,
	UP_REDIS,
	UP_ENGINE,
	UP_API,
	UP_TRAEFIK,
	UP_CONTROLLER,
	UP_WORKER,
	UP_GIT, /* only with a sample */
	UP_PART_COUNT
};

struct up;

struct up_process {
	const char *name;  /* of its record and log file; constant */
	const char *title; /* for people; constant */
	const char *user;  /* runs as; NULL: as we do; constant */
	int stop_signal;
	int stop_wait_ms;          /* then SIGKILL to its process group */
	char **argv;               /* NULL-terminated, in the arena of struct up; argv[0] is an absolute path */
	const char *configuration; /* texts of the files it reads, for the fingerprint; in the arena */
	int (*before_start)(struct up *up,
						struct hc_error *err);         /* may be NULL; each time before it is started */
	int (*ready)(struct up *up, struct hc_error *err); /* 0 when it answers */
	int ready_within_ms;

	pid_t pid; /* 0: does not run */
	int pidfd; /* -1: does not run */
	uint64_t start_ticks;
	char fingerprint[UP_FINGERPRINT_SIZE];
	bool adopted;
	bool wanted;           /* the main loop starts it again when it ends */
	int failures;          /* in a row */
	int64_t started_ms;    /* boot clock */
	int64_t restart_at_ms; /* 0: no start is due */
};

/* Command line; what is not given is 0 or NULL. Texts belong to argv. */
struct up_options {
	const char *state;
	const char *domain;
	const char *docker_host;
	const char *traefik;
	const char *network_pool;
	const char *prefixes[UP_PREFIXES_MAX + 1]; /* --allow-repository-prefix, NULL-terminated */
	size_t prefix_count;
	int http_port;
	int https_port;
	int api_port;
	bool no_sample;
	bool purge;
	bool yes;
};

/* A push that is told while it goes live. */
struct up_live {
	int fd; /* tells that a branch has moved; -1: nothing is told */
	bool following;
	char commit[UP_COMMIT_SIZE]; /* of the branch, as last seen */
	char *said;                  /* words of the last line; owned */
	const char *url;             /* of the page; in the arena */
	const char *authority;
	int64_t since_ms; /* boot clock, as look_at_ms */
	int64_t look_at_ms;
};

struct up {
	struct hc_arena *arena; /* lives as long as the supervisor; owns every text below */
	struct up_options options;
	const char *state;       /* absolute, without a trailing slash */
	const char *programs;    /* folder of our executables */
	const char *domain;      /* as settings.json keeps them, from here … */
	const char *docker_host; /* unix:///… */
	const char *network_pool;
	const char *installation; /* NULL until the API has told it */
	const char
		*prefixes[UP_PREFIXES_MAX + 1]; /* of repository URLs, beside the usual ones; NULL-terminated */
	int http_port;
	int https_port;
	int api_port;
	int redis_port;
	int traefik_port;
	int git_port; /* of the sample's repository; 0: never had one */
	bool embedded_engine;
	bool composed; /* compose runs the parts, `helvetia prepare` what they share; … to here */
	const char *postgres_programs; /* folder of initdb and postgres */
	const char *database_url;
	const char *redis_url;
	const char *redis_password;
	const char *token; /* the administrator's */
	struct up_process process[UP_PART_COUNT];
	int lock_fd;
	int signal_fd;
	int pool_fd; /* claims the network pool on this machine */
	bool stop_requested;
	bool sample; /* wanted, and not one of an older version */
	struct up_live live;
	int step;
	int64_t step_started_ms;
};

/* DIR/… in the arena. */
char *up_path(struct up *up, const char *format, ...) HC_PRINTF(2, 3);

/* --- progress --- */

#define UP_STEP_COUNT 10
void up_step_begin(struct up *up, const char *title); /* "[3/9] PostgreSQL … " */
void up_step_end(struct up *up, const char *outcome); /* "ready in 0.8 s": outcome and the time it took */
void up_say(const char *format, ...) HC_PRINTF(1, 2); /* one indented line */

/* One line that is written over on a terminal until it is the last one; elsewhere only when it changed or is
 * last. */
void up_live_line(bool last, bool changed, const char *format, ...) HC_PRINTF(3, 4);

/* --- options, settings, lock --- */

/* 0; 1: help was printed; -1: usage error. */
int up_options_parse(int argc, char **argv, bool down, struct up_options *ret_options, struct hc_error *err)
	HC_MUST_CHECK;
int up_init(struct up *up, const struct up_options *options, struct hc_error *err) HC_MUST_CHECK;
int up_require_root(struct hc_error *err) HC_MUST_CHECK;
int up_folders_make(struct up *up, struct hc_error *err) HC_MUST_CHECK; /* run, log, secrets */
void up_done(struct up *up);
int up_lock(struct up *up, struct hc_error *err) HC_MUST_CHECK; /* CONFLICT: the text says who holds it */
/* Process that holds the lock of the state folder; 0: nobody. */
pid_t up_lock_holder(struct up *up);
int up_settings_load(struct up *up, struct hc_error *err)
	HC_MUST_CHECK; /* NOT_FOUND: nothing was ever here */
int up_settings_choose(struct up *up, struct hc_error *err)
	HC_MUST_CHECK; /* options over settings over defaults */
int up_settings_save(struct up *up, struct hc_error *err) HC_MUST_CHECK;

/* --- ports --- */

bool up_port_free(int port, bool loopback_only);
int up_port_any(void); /* a free one on loopback; 0 when there is none */
/* CONFLICT when it is taken: who holds it, and which option changes it. */
int up_port_require(int port, bool loopback_only, const char *what, const char *option, struct hc_error *err)
	HC_MUST_CHECK;
bool up_network_routed(uint32_t network,
					   int prefix); /* some interface has a route into it; host byte order */

/* --- network pool --- */

int up_pool_check(const char *text, struct hc_error *err) HC_MUST_CHECK; /* the option's syntax */
/* Sets network_pool and claims it until up_done; a pool that another platform has claimed is left to it. */
int up_pool_choose(struct up *up, struct hc_error *err) HC_MUST_CHECK;

/* --- processes --- */

char **up_arguments(struct up *up, const char *const *argv); /* NULL-terminated copy in the arena */
/* The same, and `--allow-repository-prefix P` for each allowed prefix. */
char **up_arguments_with_prefixes(struct up *up, const char *const *argv);
/* Fingerprint, then: adopts the recorded process when it is the same, else stops it and starts a new one;
 * waits until it is ready. ret_adopted may be NULL. */
int up_process_ensure(struct up *up, enum up_part part, bool *ret_adopted, struct hc_error *err)
	HC_MUST_CHECK;
int up_process_start(struct up *up, struct up_process *process, struct hc_error *err) HC_MUST_CHECK;
/* Stops what runs, by handle or by record, and removes the record. */
void up_process_stop(struct up *up, struct up_process *process);
bool up_process_recorded(struct up *up, const char *name);               /* a live process has this record */
void up_process_adopt_record(struct up *up, struct up_process *process); /* by record alone; for stopping */
bool up_process_ended(struct up_process *process, char *how,
					  size_t size); /* "exit code 1"; frees the handle */
void up_process_rotate_log(struct up *up, struct up_process *process);
/* Runs a program to its end with an optional text on its standard input; its output goes to DIR/log/NAME.log.
 */
int up_run(struct up *up, const char *name, const char *user, const char *const *argv, const char *input,
		   struct hc_error *err) HC_MUST_CHECK;
bool up_pid_is(pid_t pid, uint64_t start_ticks);
uint64_t up_pid_start_ticks(pid_t pid);                 /* 0: no such process */
char *up_find_program(struct up *up, const char *name); /* on PATH and in sbin; NULL: absent */
int up_folder_for(struct up *up, const char *path, const char *user, mode_t mode, struct hc_error *err)
	HC_MUST_CHECK; /* made, owned by that user */
int up_file_for(const char *path, const char *user, const char *text, struct hc_error *err) HC_MUST_CHECK;

/* --- waiting --- */

/* Sleeps, but a signal that asks us to stop ends it early; then, and ever after, stop_requested is true. */
void up_pause(struct up *up, int milliseconds);
int up_wait_ready(struct up *up, struct up_process *process, struct hc_error *err) HC_MUST_CHECK;
bool up_wait_pidfd(int pidfd, int milliseconds); /* true: it has ended */
/* Adds the last lines of a log file to the error. */
void up_add_log_tail(struct up *up, const char *name, struct hc_error *err);

/* --- HTTP --- */

struct up_request {
	const char *method; /* NULL: GET */
	const char *url;
	const char *unix_socket; /* NULL: TCP */
	const char *authority;   /* file of the CA that must have signed; NULL: not needed */
	const char *token;
	const char *body;
	const char *content_type;
	const char *resolve; /* "host:port:address" */
	bool insecure;       /* takes any certificate */
	int timeout_ms;      /* 0: 2 s */
};
struct up_answer {
	long status;
	struct hc_text body; /* the caller calls hc_text_done */
};
int up_http(const struct up_request *request, struct up_answer *ret_answer, struct hc_error *err)
	HC_MUST_CHECK;
/* One GET that must answer 200. */
int up_http_expect_ok(const struct up_request *request, struct hc_error *err) HC_MUST_CHECK;

/* --- parts --- */

int up_postgres_prepare(struct up *up, struct hc_error *err) HC_MUST_CHECK;
int up_redis_prepare(struct up *up, struct hc_error *err) HC_MUST_CHECK;
int up_engine_choose(struct up *up, struct hc_error *err)
	HC_MUST_CHECK; /* sets docker_host, embedded_engine */
int up_engine_prepare(struct up *up, struct hc_error *err) HC_MUST_CHECK;
int up_engine_check(struct up *up, struct hc_error *err) HC_MUST_CHECK; /* it answers; says what it lacks */
void up_engine_note_bridge(struct up *up); /* says when the embedded engine has no bridge for builds */
/* The embedded engine's bridge for builds: made or taken over, with its subnet of the pool; removed when it
 * exists. */
char *up_bridge_name(struct up *up);
int up_bridge_ensure(struct up *up, const char **ret_subnet, struct hc_error *err) HC_MUST_CHECK;
int up_bridge_remove(struct up *up, struct hc_error *err) HC_MUST_CHECK;
void up_end_containerd(struct up *up); /* of an embedded engine whose dockerd has ended */
void up_engine_clear(struct up *up);   /* after its end: containerd, shims and mounts that outlived it */
void up_engine_clear_if_idle(struct up *up); /* the same, unless containers still run */
int up_certificates_ensure(struct up *up, struct hc_error *err) HC_MUST_CHECK;
/* Where administrators of this machine reach it. */
char *up_api_socket(struct up *up);
int up_api_prepare(struct up *up, struct hc_error *err) HC_MUST_CHECK;
int up_api_learn(struct up *up, struct hc_error *err) HC_MUST_CHECK; /* token and installation */
/* traefik.toml and what it watches; the caller has learned the installation. */
int up_traefik_write(struct up *up, struct hc_error *err) HC_MUST_CHECK;
int up_traefik_prepare(struct up *up, struct hc_error *err) HC_MUST_CHECK;
int up_controller_prepare(struct up *up, struct hc_error *err) HC_MUST_CHECK;
int up_worker_prepare(struct up *up, struct hc_error *err) HC_MUST_CHECK;
int up_git_prepare(struct up *up, struct hc_error *err) HC_MUST_CHECK;
int up_git_repository(struct up *up, struct hc_error *err)
	HC_MUST_CHECK;                  /* made when absent, with its hook */
char *up_git_prefix(struct up *up); /* http://127.0.0.1:PORT/, which this run allows; in the arena */
char *up_git_url(struct up *up);
int up_sample_choose(struct up *up, struct hc_error *err) HC_MUST_CHECK; /* sets sample, git_port */
char *up_sample_url(struct up *up);                                      /* of the page; in the arena */
int up_sample_deploy(struct up *up, struct hc_error *err) HC_MUST_CHECK;

/* --- pushes to the sample --- */

void up_live_open(struct up *up);
void up_live_close(struct up *up);
/* Milliseconds until it wants to be called again, at most wait_ms. */
int64_t up_live_turn(struct up *up, int64_t wait_ms);
/* Of a list of Deployments the newest one of that commit, borrowed; NULL: none. */
const json_t *up_live_find(const json_t *list, const char *service, const char *commit);
enum up_live_state { UP_LIVE_GOES_ON, UP_LIVE_DONE, UP_LIVE_FAILED };
/* Appends what a line says of it; NULL: there is no Deployment yet. */
enum up_live_state up_live_describe(const json_t *deployment, const char *url, struct hc_text *text);

/* --- files --- */

/* Random text of 40 characters, made once and kept with mode 0600. */
int up_secret_ensure(struct up *up, const char *name, const char **ret_secret, struct hc_error *err)
	HC_MUST_CHECK;
int up_endpoints_write(struct up *up, struct hc_error *err) HC_MUST_CHECK;
int up_kubeconfig_write(struct up *up, struct hc_error *err) HC_MUST_CHECK;
/* https://HOST[:PORT], without the port when it is the scheme's own; in the arena. */
char *up_url(struct up *up, const char *host);

/* --- where compose runs the parts --- */

/* CONFLICT when the state folder is compose's, for `up`; for `down` only while the controller answers. */
int up_composed_refuse(struct up *up, bool down, struct hc_error *err) HC_MUST_CHECK;

/* --- stopping --- */

/* Processes in order, containers, networks, firewall table, engine, mounts. Goes on after a failure and
 * returns -1 with the first one. */
int up_stop(struct up *up, struct hc_error *err) HC_MUST_CHECK;
/* After a start that failed: ends the processes that this run started; what was adopted and the apps stay. */
void up_abandon(struct up *up);
int up_purge(struct up *up, struct hc_error *err) HC_MUST_CHECK;

#endif
