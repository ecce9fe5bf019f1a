/* `helvetia prepare` and `helvetia part`: the platform where compose runs its parts (compose/compose.yaml).
 *
 * What parts share (settings, secrets, certificates, Traefik's files, endpoints.json) is written by the same
 * functions as for `helvetia up`, and the command lines of our own programs are those of up_api.c,
 * up_controller.c and up_worker.c: there is one place for each. The state folder lies at the same path inside
 * and outside of the containers. settings.json says "composed", so that `up` leaves such a folder alone.
 *
 * `prepare` runs twice, each time to an end: before PostgreSQL starts, and as `prepare --routes` when the API
 * answers, which alone knows the installation's id, the key of Traefik's constraint. `part NAME` becomes the
 * program NAME; `part NAME --check` is its health check.
 *
 * PostgreSQL and Redis have no network: they listen in run/postgres and run/redis, and the folders' modes
 * decide who gets in. The API isn't root: it shares a group with the folders that it needs. */
#include "up.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/limits.h"
#include "command.h"

#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char PREPARE_HELP[] =
	"usage: helvetia prepare [--routes] [--state DIR] [--api-user N] [--postgres-user N] [--redis-user N]\n"
	"           [--domain NAME] [--http-port N] [--https-port N] [--api-port N] [--docker-host unix:///…]\n"
	"           [--network-pool CIDR] [--allow-repository-prefix URL]…\n\n"
	"Writes what the parts of a platform share, for parts that compose runs. Ends when it is done; may be "
	"repeated.\n\n"
	"  --routes            the second half, when the API answers: Traefik's files, kubeconfig, "
	"endpoints.json\n"
	"  --api-user N        user and group of the API (default 0)\n"
	"  --postgres-user N   user of PostgreSQL (default 0)\n"
	"  --redis-user N      user of Redis (default 0)\n\n"
	"The others are those of `helvetia up`; an empty one counts as not given.\n";

static const char PART_HELP[] =
	"usage: helvetia part api|controller|worker [--check] [--state DIR]\n\n"
	"Becomes that program of a platform that `helvetia prepare` has prepared.\n\n"
	"  --check   asks API or controller whether it is ready instead: exit code 0 or 1\n";

#define USER_MAX 2147483647L
#define ARGUMENTS_MAX 64

struct prepare {
	uid_t api_user;
	uid_t postgres_user;
	uid_t redis_user;
	bool routes;
	char *rest[ARGUMENTS_MAX + 1]; /* what is `up`'s; texts of the command line */
	int rest_count;
};

static int fail(const char *command, const struct hc_error *err)
{
	fprintf(stderr, "helvetia %s: %s\n", command, err->text);
	return err->class == HC_INVALID ? COMMAND_USAGE : COMMAND_FAILED;
}

/* --- what both know --- */

/* Nobody but who may enter these folders reaches them. */
static void set_addresses(struct up *up)
{
	up->database_url = hc_arena_printf(up->arena, "postgresql://helvetia@/helvetia?host=%s",
									   up_path(up, "run/postgres"));
	up->redis_url = hc_arena_printf(up->arena, "unix://%s", up_path(up, "run/redis/redis.sock"));
}

static int load(struct up *up, struct hc_error *err)
{
	if (up_settings_load(up, err))
		return hc_wrap(err, "`helvetia prepare` comes first");
	if (!up->composed)
		return hc_fail(err, HC_CONFLICT, "%s belongs to `helvetia up`, not to compose", up->state);
	set_addresses(up);
	return 0;
}

int up_composed_refuse(struct up *up, bool down, struct hc_error *err)
{
	struct up_request request = {.url = "http://controller/healthz",
								 .unix_socket = up_path(up, "run/controller.sock")};
	struct hc_error away = {0};

	if (!up->composed)
		return 0;
	if (!down)
		return hc_fail(err, HC_CONFLICT,
					   "compose runs the platform in %s: `docker-compose up`, or take another --state",
					   up->state);
	if (up->options.purge)
		return hc_fail(
			err, HC_INVALID,
			"--purge: compose runs the platform in %s; remove that folder yourself when it is down",
			up->state);
	if (!up_http_expect_ok(&request, &away))
		return hc_fail(
			err, HC_CONFLICT,
			"the controller still runs and would make again what is removed: `docker-compose stop` first");
	return 0;
}

/* --- the command line --- */

/* The value of --NAME VALUE or --NAME=VALUE; NULL: it is another option. */
static const char *value_of(int argc, char **argv, int *at, const char *name)
{
	size_t length = strlen(name);

	if (!hc_starts_with(argv[*at], name))
		return NULL;
	if (argv[*at][length] == '=')
		return argv[*at] + length + 1;
	if (argv[*at][length] || *at + 1 >= argc)
		return NULL;
	return argv[++*at];
}

static int read_user(const char *name, const char *text, uid_t *ret_user, struct hc_error *err)
{
	char *end;
	long number = strtol(text, &end, 10);

	if (end == text || *end || number < 0 || number > USER_MAX)
		return hc_fail(err, HC_INVALID, "%s \"%s\": must be a user's number", name, text);
	*ret_user = (uid_t)number;
	return 0;
}

/* Compose fills in a variable that is not set as nothing. */
static bool is_empty_option(const char *word)
{
	return hc_starts_with(word, "--") && hc_ends_with(word, "=");
}

static int read_arguments(int argc, char **argv, struct prepare *ret_prepare, struct hc_error *err)
{
	struct prepare prepare = {.rest = {argv[0]}, .rest_count = 1};
	struct {
		const char *name;
		uid_t *user;
	} users[] = {{"--api-user", &prepare.api_user},
				 {"--postgres-user", &prepare.postgres_user},
				 {"--redis-user", &prepare.redis_user}};

	for (int at = 1; at < argc; at++) {
		bool routes = hc_streq(argv[at], "--routes");
		bool taken = routes || is_empty_option(argv[at]);

		prepare.routes = prepare.routes || routes;
		for (size_t i = 0; i < HC_COUNT(users) && !taken; i++) {
			const char *name = users[i].name, *value = value_of(argc, argv, &at, name);

			taken = value != NULL;
			if (value && read_user(name, value, users[i].user, err))
				return -1;
		}
		if (taken)
			continue;
		if (prepare.rest_count == ARGUMENTS_MAX)
			return hc_fail(err, HC_INVALID, "more than %d arguments", ARGUMENTS_MAX);
		prepare.rest[prepare.rest_count++] = argv[at];
	}
	*ret_prepare = prepare;
	return 0;
}

static bool asks_for_help(int argc, char **argv)
{
	for (int at = 1; at < argc; at++)
		if (hc_streq(argv[at], "--help"))
			return true;
	return false;
}

/* --- the first half --- */

static int give(const char *path, uid_t user, gid_t group, mode_t mode, struct hc_error *err)
{
	if (lchown(path, user, group) || chmod(path, mode))
		return hc_fail(err, HC_DENIED, "give %s to user %d: %s", path, (int)user, strerror(errno));
	return 0;
}

static int give_folder(const char *path, uid_t user, gid_t group, mode_t mode, struct hc_error *err)
{
	return hc_folder_make(path, mode & 0777, err) || give(path, user, group, mode, err) ? -1 : 0;
}

/* The API reads them and writes the administrator's token beside; root reads them anyway. */
static int give_secrets(struct up *up, uid_t user, struct hc_error *err)
{
	const char *folder = up_path(up, "secrets");
	struct dirent *entry;
	DIR *list;
	int status = give(folder, user, (gid_t)user, 0700, err);

	if (status || !(list = opendir(folder)))
		return status ? -1 : hc_fail(err, HC_DENIED, "open %s: %s", folder, strerror(errno));
	while (!status && (entry = readdir(list)))
		if (entry->d_name[0] != '.')
			status = give(up_path(up, "secrets/%s", entry->d_name), user, (gid_t)user, 0600, err);
	closedir(list);
	return status;
}

/* run: sockets made in it get the API's group; sticky, so that nobody removes another's. */
static int give_all(struct up *up, const struct prepare *prepare, struct hc_error *err)
{
	uid_t api = prepare->api_user, postgres = prepare->postgres_user, redis = prepare->redis_user;

	if (give(up_path(up, "run"), 0, (gid_t)api, 03771, err) ||
		give_folder(up_path(up, "postgres"), postgres, (gid_t)postgres, 0700, err) ||
		give_folder(up_path(up, "run/postgres"), postgres, (gid_t)api, 0750, err) ||
		give_folder(up_path(up, "redis"), redis, (gid_t)redis, 0700, err) ||
		give_folder(up_path(up, "run/redis"), redis, (gid_t)redis, 0700, err) ||
		give(up_path(up, "certificates/api.key"), api, (gid_t)api, 0600, err))
		return -1;
	return give_secrets(up, api, err);
}

static int first_half(struct up *up, const struct prepare *prepare, struct hc_error *err)
{
	const char *secret;
	bool known;

	if (up_lock(up, err))
		return -1;
	known = !up_settings_load(up, err);
	if (!known && err->class != HC_NOT_FOUND)
		return -1;
	if (known && !up->composed)
		return hc_fail(err, HC_CONFLICT, "%s belongs to `helvetia up`, not to compose", up->state);
	up->composed = true;
	memset(up->prefixes, 0, sizeof(up->prefixes)); /* what the compose file no longer says is over */
	if (up_settings_choose(up, err))
		return -1;
	if (up->embedded_engine)
		return hc_fail(err, HC_INVALID,
					   "--docker-host: compose needs the engine that runs it, as unix:///PATH");
	if (up_folders_make(up, err) || up_settings_save(up, err) ||
		hc_file_write(up_path(up, "run/active"), "", 0, 0644, err) || up_certificates_ensure(up, err) ||
		up_secret_ensure(up, "webhook-secret", &secret, err) || give_all(up, prepare, err))
		return -1;
	return up_engine_check(up, err);
}

/* --- the second half --- */

static int second_half(struct up *up, struct hc_error *err)
{
	if (up_lock(up, err) || load(up, err) || up_api_learn(up, err))
		return -1;
	if (up_traefik_write(up, err) || up_kubeconfig_write(up, err) || up_endpoints_write(up, err))
		return -1;
	printf("Helvetia Cloud: applications at %s, API at https://127.0.0.1:%d, kubeconfig %s\n",
		   up_url(up, hc_arena_printf(up->arena, "SERVICE.%s", up->domain)), up->api_port,
		   up_path(up, "kubeconfig"));
	return 0;
}

static int run_prepare(int argc, char **argv)
{
	struct up_options options;
	struct hc_error err = {0};
	struct prepare prepare;
	struct up up;
	int code = COMMAND_DONE;

	if (asks_for_help(argc, argv)) {
		fputs(PREPARE_HELP, stdout);
		return COMMAND_DONE;
	}
	if (read_arguments(argc, argv, &prepare, &err) ||
		up_options_parse(prepare.rest_count, prepare.rest, false, &options, &err))
		return fail("prepare", &err);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (up_init(&up, &options, &err) || up_require_root(&err) ||
		(prepare.routes ? second_half(&up, &err) : first_half(&up, &prepare, &err)))
		code = fail("prepare", &err);
	up_done(&up);
	curl_global_cleanup();
	return code;
}

/* --- part --- */

static const struct {
	const char *name;
	enum up_part part;
	int (*prepare)(struct up *up, struct hc_error *err);
} PARTS[] = {
	{"api", UP_API, up_api_prepare},
	{"controller", UP_CONTROLLER, up_controller_prepare},
	{"worker", UP_WORKER, up_worker_prepare},
};

/* Returns only when it failed, or checked. */
static int become(struct up *up, const char *name, bool check, struct hc_error *err)
{
	for (size_t i = 0; i < HC_COUNT(PARTS); i++) {
		struct up_process *process = &up->process[PARTS[i].part];

		if (!hc_streq(PARTS[i].name, name))
			continue;
		if (load(up, err) || PARTS[i].prepare(up, err))
			return -1;
		if (check && PARTS[i].part == UP_WORKER)
			return hc_fail(err, HC_INVALID, "--check: a worker listens nowhere, so it can't be asked");
		if (check)
			return process->ready(up, err);
		execv(process->argv[0], process->argv);
		return hc_fail(err, HC_NOT_FOUND, "start %s: %s", process->argv[0], strerror(errno));
	}
	return hc_fail(err, HC_INVALID, "there is no part \"%s\"; known are api, controller and worker", name);
}

static int run_part(int argc, char **argv)
{
	char *rest[ARGUMENTS_MAX + 1] = {argv[0]};
	struct up_options options;
	struct hc_error err = {0};
	struct up up;
	bool check = false;
	int count = 1, code = COMMAND_DONE;

	if (asks_for_help(argc, argv) || argc < 2) {
		fputs(PART_HELP, argc < 2 ? stderr : stdout);
		return argc < 2 ? COMMAND_USAGE : COMMAND_DONE;
	}
	for (int at = 2; at < argc && count < ARGUMENTS_MAX; at++) {
		if (hc_streq(argv[at], "--check"))
			check = true;
		else
			rest[count++] = argv[at];
	}
	if (up_options_parse(count, rest, false, &options, &err))
		return fail("part", &err);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (up_init(&up, &options, &err) || become(&up, argv[1], check, &err))
		code = fail("part", &err);
	up_done(&up);
	curl_global_cleanup();
	return code;
}

const struct command command_prepare = {"prepare", NULL, run_prepare};
const struct command command_part = {"part", NULL, run_part};
