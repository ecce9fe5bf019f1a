/* Command line of `up` and `down`, what an installation remembers (DIR/settings.json) and the lock of its
 * folder.
 *
 * An option given now wins over what is remembered, and that over a default. What was chosen once stays,
 * since the addresses of applications, the containers' subnets and the engine's data hang on it. */
#include "up.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_STATE "/var/lib/helvetia"
#define DEFAULT_DOMAIN "localhost"

static const char UP_HELP[] =
	"usage: helvetia up [OPTION…]\n\n"
	"Runs the platform in the foreground. Ctrl-C stops it and everything that it started; applications' "
	"volumes,\n"
	"images and the database are kept. Killed instead, it leaves applications running, and the next one "
	"adopts them.\n\n"
	"  --state DIR          all of its data (default " DEFAULT_STATE ")\n"
	"  --domain NAME        applications answer at https://SERVICE.NAME (default " DEFAULT_DOMAIN ")\n"
	"  --http-port N        default 80, or 8080 when that is taken at the first start\n"
	"  --https-port N       default 443, or 8443\n"
	"  --api-port N         of the API on 127.0.0.1; default 6443, or 16443\n"
	"  --docker-host URL    unix:///…, or \"embedded\" for an engine of its own inside the state folder; "
	"default:\n"
	"                       $DOCKER_HOST, an engine at /var/run/docker.sock, else embedded\n"
	"  --network-pool CIDR  networks of applications are taken from it (default 10.213.0.0/16, or the next "
	"free)\n"
	"  --traefik FILE       Traefik v3 (default: on PATH)\n"
	"  --allow-repository-prefix URL   repositories may also lie here (several may be given); default: "
	"https:// at\n"
	"                       public addresses\n"
	"  --no-sample          does not deploy the sample application\n";

static const char DOWN_HELP[] =
	"usage: helvetia down [--state DIR] [--purge --yes]\n\n"
	"Stops the platform of that state folder and removes its containers, networks and firewall rules, "
	"whether\n"
	"`helvetia up` still runs or was killed. Volumes, images and the database are kept.\n\n"
	"  --state DIR   default " DEFAULT_STATE "\n"
	"  --purge       removes all data, too: database, volumes, images of the embedded engine, secrets\n"
	"  --yes         confirms --purge\n";

enum option_id {
	OPTION_HTTP = 256,
	OPTION_HTTPS,
	OPTION_API,
	OPTION_NO_SAMPLE,
	OPTION_PREFIX,
	OPTION_PURGE,
	OPTION_YES
};

static const struct option UP_OPTIONS[] = {
	{"state", required_argument, NULL, 's'},
	{"domain", required_argument, NULL, 'd'},
	{"http-port", required_argument, NULL, OPTION_HTTP},
	{"https-port", required_argument, NULL, OPTION_HTTPS},
	{"api-port", required_argument, NULL, OPTION_API},
	{"docker-host", required_argument, NULL, 'e'},
	{"network-pool", required_argument, NULL, 'n'},
	{"traefik", required_argument, NULL, 't'},
	{"allow-repository-prefix", required_argument, NULL, OPTION_PREFIX},
	{"no-sample", no_argument, NULL, OPTION_NO_SAMPLE},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};
static const struct option DOWN_OPTIONS[] = {
	{"state", required_argument, NULL, 's'},
	{"purge", no_argument, NULL, OPTION_PURGE},
	{"yes", no_argument, NULL, OPTION_YES},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int parse_port(const char *name, const char *text, int *ret_port, struct hc_error *err)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < 1 || value > 65535)
		return hc_fail(err, HC_INVALID, "--%s \"%s\": must be a whole number from 1 to 65535", name, text);
	*ret_port = (int)value;
	return 0;
}

/* The domain goes into Traefik's rules, certificates and URLs: lower-case labels only. */
static int check_domain(const char *domain, struct hc_error *err)
{
	size_t label = 0;

	if (!*domain || strlen(domain) > HC_LIMIT_HOST_BYTES - HC_LIMIT_NAME_BYTES - 1)
		return hc_fail(err, HC_INVALID, "--domain \"%s\": must have 1 to %d characters", domain,
					   HC_LIMIT_HOST_BYTES - HC_LIMIT_NAME_BYTES - 1);
	for (const char *at = domain;; at++) {
		if (*at == '.' || !*at) {
			if (!label || label > HC_LIMIT_NAME_BYTES || at[-1] == '-')
				return hc_fail(err, HC_INVALID, "--domain \"%s\": every label must be a DNS label", domain);
			label = 0;
			if (!*at)
				return 0;
		} else if ((*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || (*at == '-' && label)) {
			label++;
		} else {
			return hc_fail(err, HC_INVALID, "--domain \"%s\": only a-z, 0-9, - and . are allowed", domain);
		}
	}
}

static int take_option(int id, struct up_options *options, struct hc_error *err)
{
	switch (id) {
	case 's':
		options->state = optarg;
		return 0;
	case 'd':
		options->domain = optarg;
		return check_domain(optarg, err);
	case 'e':
		options->docker_host = optarg;
		if (hc_streq(optarg, "embedded") || hc_starts_with(optarg, "unix:///"))
			return 0;
		return hc_fail(err, HC_INVALID, "--docker-host \"%s\": must be unix:///PATH or \"embedded\"", optarg);
	case 'n':
		options->network_pool = optarg;
		return up_pool_check(optarg, err);
	case 't':
		options->traefik = optarg;
		return 0;
	case OPTION_HTTP:
		return parse_port("http-port", optarg, &options->http_port, err);
	case OPTION_HTTPS:
		return parse_port("https-port", optarg, &options->https_port, err);
	case OPTION_API:
		return parse_port("api-port", optarg, &options->api_port, err);
	case OPTION_PREFIX:
		if (options->prefix_count == UP_PREFIXES_MAX)
			return hc_fail(err, HC_INVALID, "--allow-repository-prefix: at most %d of them", UP_PREFIXES_MAX);
		options->prefixes[options->prefix_count++] = optarg;
		return 0;
	case OPTION_NO_SAMPLE:
		options->no_sample = true;
		return 0;
	case OPTION_PURGE:
		options->purge = true;
		return 0;
	case OPTION_YES:
		options->yes = true;
		return 0;
	default:
		return hc_fail(err, HC_INVALID, "see --help");
	}
}

int up_options_parse(int argc, char **argv, bool down, struct up_options *ret_options, struct hc_error *err)
{
	struct up_options options = {.state = DEFAULT_STATE};
	int id;

	optind = 1;
	while ((id = getopt_long(argc, argv, "", down ? DOWN_OPTIONS : UP_OPTIONS, NULL)) != -1) {
		if (id == 'h') {
			fputs(down ? DOWN_HELP : UP_HELP, stdout);
			return 1;
		}
		if (take_option(id, &options, err))
			return -1;
	}
	if (optind < argc)
		return hc_fail(err, HC_INVALID, "unexpected argument \"%s\"; see --help", argv[optind]);
	if (options.purge && !options.yes)
		return hc_fail(err, HC_INVALID,
					   "--purge removes the database, volumes and secrets in %s for ever; "
					   "add --yes if that is what you want",
					   options.state);
	*ret_options = options;
	return 0;
}

/* --- state folder --- */

/* The path goes into configuration files of four programs and into socket addresses of at most 107 bytes. */
#define STATE_BYTES_MAX 64

static int check_state(const char *path, struct hc_error *err)
{
	static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-";

	if (strlen(path) > STATE_BYTES_MAX)
		return hc_fail(err, HC_INVALID,
					   "--state %s: sockets lie in it, so its path must have at most %d bytes", path,
					   STATE_BYTES_MAX);
	if (path[strspn(path, ALLOWED)] || hc_streq(path, "/"))
		return hc_fail(
			err, HC_INVALID,
			"--state %s: must be a folder whose path has only letters, digits, '.', '_', '-' and '/'", path);
	return 0;
}

char *up_path(struct up *up, const char *format, ...)
{
	va_list arguments;
	char *tail;

	va_start(arguments, format);
	tail = hc_arena_vprintf(up->arena, format, arguments);
	va_end(arguments);
	return hc_arena_printf(up->arena, "%s/%s", up->state, tail);
}

/* Users postgres and redis must be able to walk to their folders. */
static int check_reachable(struct up *up, struct hc_error *err)
{
	char *path = hc_arena_strdup(up->arena, up->state);

	for (;;) {
		struct stat status;
		char *slash = strrchr(path, '/');

		if (!slash || slash == path)
			return 0;
		*slash = '\0';
		if (!stat(path, &status) && !(status.st_mode & S_IXOTH))
			return hc_fail(
				err, HC_DENIED,
				"the users postgres and redis can't enter %s (mode %04o), in which the state folder "
				"lies: `chmod o+x %s`, or take another --state",
				path, (unsigned)(status.st_mode & 07777), path);
	}
}

static int locate_programs(struct up *up, struct hc_error *err)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (length <= 0)
		return hc_fail(err, HC_BUG, "read /proc/self/exe: %s", strerror(errno));
	path[length] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return hc_fail(err, HC_BUG, "/proc/self/exe is \"%s\"", path);
	*slash = '\0';
	up->programs = hc_arena_strdup(up->arena, path);
	return 0;
}

int up_init(struct up *up, const struct up_options *options, struct hc_error *err)
{
	char *state;

	*up = (struct up){.arena = hc_arena_new(),
					  .options = *options,
					  .lock_fd = -1,
					  .pool_fd = -1,
					  .signal_fd = -1,
					  .live.fd = -1};
	for (size_t i = 0; i < UP_PART_COUNT; i++)
		up->process[i].pidfd = -1;
	if (options->state[0] == '/') {
		state = hc_arena_strdup(up->arena, options->state);
	} else {
		HC_AUTO_FREE here = getcwd(NULL, 0);

		if (!here)
			return hc_fail(err, HC_INVALID, "the current folder has no path: %s", strerror(errno));
		state = hc_arena_printf(up->arena, "%s/%s", here, options->state);
	}
	while (hc_ends_with(state, "/") && state[1])
		state[strlen(state) - 1] = '\0';
	up->state = state;
	if (check_state(state, err) || locate_programs(up, err))
		return -1;
	return 0;
}

int up_require_root(struct hc_error *err)
{
	if (geteuid() != 0)
		return hc_fail(err, HC_DENIED,
					   "must run as root: it manages network bridges, firewall rules and users' "
					   "processes");
	return 0;
}

void up_done(struct up *up)
{
	for (size_t i = 0; i < UP_PART_COUNT; i++)
		if (up->process[i].pidfd >= 0)
			close(up->process[i].pidfd);
	up_live_close(up);
	if (up->signal_fd >= 0)
		close(up->signal_fd);
	if (up->pool_fd >= 0)
		close(up->pool_fd);
	if (up->lock_fd >= 0)
		close(up->lock_fd);
	hc_arena_free(up->arena);
	up->arena = NULL;
}

/* The lock is the kernel's (it ends with its holder); the text in the file only says who holds it. */
int up_lock(struct up *up, struct hc_error *err)
{
	char text[64];
	const char *path = up_path(up, "lock");
	int length;

	if (hc_folder_make(up->state, 0711, err) || check_reachable(up, err))
		return -1;
	if (chmod(up->state, 0711))
		return hc_fail(err, HC_DENIED, "chmod %s: %s", up->state, strerror(errno));
	up->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (up->lock_fd < 0)
		return hc_fail(err, HC_DENIED, "open %s: %s", path, strerror(errno));
	if (flock(up->lock_fd, LOCK_EX | LOCK_NB)) {
		pid_t holder = up_lock_holder(up);

		close(up->lock_fd);
		up->lock_fd = -1;
		return hc_fail(err, HC_CONFLICT,
					   "process %d runs on %s already (`helvetia down --state %s` stops it)", (int)holder,
					   up->state, up->state);
	}
	length = snprintf(text, sizeof(text), "%d %llu\n", (int)getpid(),
					  (unsigned long long)up_pid_start_ticks(getpid()));
	if (ftruncate(up->lock_fd, 0) || pwrite(up->lock_fd, text, (size_t)length, 0) != length)
		return hc_fail(err, HC_TRANSIENT, "write %s: %s", path, strerror(errno));
	return 0;
}

pid_t up_lock_holder(struct up *up)
{
	HC_AUTO_FREE text = NULL;
	int pid = 0;
	unsigned long long ticks = 0;

	if (hc_file_read(up_path(up, "lock"), 256, &text, NULL, NULL))
		return 0;
	if (sscanf(text, "%d %llu", &pid, &ticks) != 2 || !up_pid_is(pid, ticks))
		return 0;
	return pid;
}

/* --- settings --- */

/* Absent in what an older version wrote: then there are none. */
static void load_prefixes(struct up *up, const json_t *list)
{
	const json_t *item;
	size_t index;

	json_array_foreach(list, index, item)
	{
		if (index < UP_PREFIXES_MAX && json_is_string(item))
			up->prefixes[index] = hc_arena_strdup(up->arena, json_string_value(item));
	}
}

static json_t *save_prefixes(const struct up *up)
{
	json_t *list = json_array();

	for (size_t i = 0; up->prefixes[i]; i++)
		json_array_append_new(list, json_string(up->prefixes[i]));
	return list;
}

int up_settings_load(struct up *up, struct hc_error *err)
{
	const char *path = up_path(up, "settings.json");
	const char *domain, *docker_host, *pool, *installation = "";
	HC_AUTO_FREE text = NULL;
	json_error_t problem;
	json_t *root;
	int embedded;
	int composed = 0;
	int status;

	if (hc_file_read(path, HC_LIMIT_REQUEST_BODY_BYTES, &text, NULL, err))
		return -1;
	root = json_loads(text, JSON_REJECT_DUPLICATES, &problem);
	if (!root)
		return hc_fail(err, HC_INVALID, "%s: line %d: %s", path, problem.line, problem.text);
	status = json_unpack_ex(root, &problem, 0, "{s:s, s:s, s:b, s:s, s:i, s:i, s:i, s:i, s:i, s?s, s?b}",
							"domain", &domain, "dockerHost", &docker_host, "embeddedEngine", &embedded,
							"networkPool", &pool, "httpPort", &up->http_port, "httpsPort", &up->https_port,
							"apiPort", &up->api_port, "redisPort", &up->redis_port, "traefikPort",
							&up->traefik_port, "installation", &installation, "composed", &composed);
	if (!status) {
		up->domain = hc_arena_strdup(up->arena, domain);
		up->docker_host = hc_arena_strdup(up->arena, docker_host);
		up->network_pool = hc_arena_strdup(up->arena, pool);
		up->installation = *installation ? hc_arena_strdup(up->arena, installation) : NULL;
		up->embedded_engine = embedded;
		up->composed = composed;
		load_prefixes(up, json_object_get(root, "repositoryPrefixes"));
		up->git_port = (int)json_integer_value(json_object_get(root, "gitPort")); /* absent: 0 */
	} else {
		hc_fail(err, HC_INVALID, "%s: %s", path, problem.text);
	}
	json_decref(root);
	return status ? -1 : 0;
}

int up_settings_save(struct up *up, struct hc_error *err)
{
	json_t *root = json_pack(
		"{s:s, s:s, s:b, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:b, s:o}", "domain", up->domain, "dockerHost",
		up->docker_host, "embeddedEngine", up->embedded_engine, "networkPool", up->network_pool, "httpPort",
		up->http_port, "httpsPort", up->https_port, "apiPort", up->api_port, "redisPort", up->redis_port,
		"traefikPort", up->traefik_port, "gitPort", up->git_port, "installation", up->installation ? up->installation : "", "composed",
		up->composed, "repositoryPrefixes", save_prefixes(up));
	HC_AUTO_FREE text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;

	json_decref(root);
	if (!text)
		return hc_fail(err, HC_BUG, "can't print the settings");
	return hc_file_write(up_path(up, "settings.json"), text, strlen(text), 0644, err);
}

/* The first of the usual port and its stand-in that is free; the usual one when neither is, so that the
 * complaint is about that. */
static int port_default(int usual, int stand_in, bool loopback_only)
{
	return !up_port_free(usual, loopback_only) && up_port_free(stand_in, loopback_only) ? stand_in : usual;
}

int up_settings_choose(struct up *up, struct hc_error *err)
{
	const struct up_options *options = &up->options;

	if (options->prefix_count)
		memcpy(up->prefixes, options->prefixes, sizeof(up->prefixes));
	if (options->domain)
		up->domain = options->domain;
	if (!up->domain)
		up->domain = DEFAULT_DOMAIN;
	if (up_pool_choose(up, err))
		return -1;
	up->http_port = options->http_port ? options->http_port : up->http_port;
	up->https_port = options->https_port ? options->https_port : up->https_port;
	up->api_port = options->api_port ? options->api_port : up->api_port;
	if (!up->http_port)
		up->http_port = port_default(80, 8080, false);
	if (!up->https_port)
		up->https_port = port_default(443, 8443, false);
	if (!up->api_port)
		up->api_port = port_default(6443, 16443, true);
	if (up->http_port == up->https_port || up->http_port == up->api_port || up->https_port == up->api_port)
		return hc_fail(err, HC_INVALID, "--http-port %d, --https-port %d and --api-port %d must differ",
					   up->http_port, up->https_port, up->api_port);
	/* Nobody outside knows the private ones, so they may change when somebody else has taken them meanwhile.
	 * Under compose the one who has Traefik's port is Traefik. */
	if (up->composed && up->redis_port && up->traefik_port)
		return up_engine_choose(up, err);
	if (!up->redis_port || (!up_port_free(up->redis_port, true) && !up_process_recorded(up, "redis")))
		up->redis_port = up_port_any();
	if (!up->traefik_port || (!up_port_free(up->traefik_port, true) && !up_process_recorded(up, "traefik")))
		do
			up->traefik_port = up_port_any();
		while (up->traefik_port && up->traefik_port == up->redis_port);
	if (!up->redis_port || !up->traefik_port)
		return hc_fail(err, HC_TRANSIENT, "no free port on 127.0.0.1");
	return up_engine_choose(up, err);
}
