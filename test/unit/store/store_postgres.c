/* See store_postgres.h. PostgreSQL refuses to run as root, so a test that runs as root becomes the user
 * postgres. */
#include "store_postgres.h"

#include "base/clock.h"
#include "base/file.h"
#include <fcntl.h>
#include <glob.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_DEADLINE_MS 60000

static void die(const char *what, const char *detail)
{
	(void)fprintf(stderr, "store_postgres: %s: %s\n", what, detail);
	abort();
}

/* The newest version that Debian's packages have put there, else PATH decides. */
static void program_path(const char *name, char *path, size_t size)
{
	char pattern[128];
	glob_t found;

	(void)snprintf(pattern, sizeof pattern, "/usr/lib/postgresql/*/bin/%s", name);
	if (glob(pattern, 0, NULL, &found) == 0) {
		(void)snprintf(path, size, "%s", found.gl_pathv[found.gl_pathc - 1]);
		globfree(&found);
	} else {
		(void)snprintf(path, size, "%s", name);
	}
}

static pid_t spawn(const struct postgres *server, const char *const *arguments)
{
	const struct passwd *user = getpwnam("postgres");
	char path[256];
	pid_t pid;

	program_path(arguments[0], path, sizeof path);
	pid = fork();
	if (pid < 0)
		die("fork", arguments[0]);
	if (pid > 0)
		return pid;
	if (geteuid() == 0 && (!user || setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0))
		_exit(126);
	(void)prctl(PR_SET_PDEATHSIG, SIGQUIT);
	if (chdir(server->folder) < 0 ||
		dup2(open("log", O_WRONLY | O_CREAT | O_APPEND, 0600), STDERR_FILENO) < 0 ||
		dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		_exit(126);
	execvp(path, (char *const *)arguments);
	_exit(127);
}

static void show_log(const struct postgres *server)
{
	char path[96];
	char *text = NULL;
	size_t length;
	struct hc_error err = {0};

	(void)snprintf(path, sizeof path, "%s/log", server->folder);
	if (hc_file_read(path, 1 << 20, &text, &length, &err) == 0)
		(void)fprintf(stderr, "%s", text);
	free(text);
}

void postgres_start(struct postgres *server)
{
	int64_t deadline = hc_clock_boot_ms() + START_DEADLINE_MS;

	server->pid = spawn(server, (const char *const[]){"postgres", "-D", server->data, "-k", server->folder,
													  "-c", "listen_addresses=", "-c", "fsync=off", "-c",
													  "max_connections=40", NULL});
	while (PQping(server->url) != PQPING_OK) {
		if (hc_clock_boot_ms() > deadline || waitpid(server->pid, NULL, WNOHANG) != 0) {
			show_log(server);
			die("postgres", "did not start");
		}
		(void)usleep(20000);
	}
}

void postgres_init(struct postgres *server)
{
	const struct passwd *user = getpwnam("postgres");
	const char *parent = getenv("TMPDIR");
	int status;
	pid_t pid;

	(void)signal(SIGPIPE, SIG_IGN);
	*server = (struct postgres){0};
	(void)snprintf(server->folder, sizeof server->folder, "%s/helvetia-store-XXXXXX",
				   parent ? parent : P_tmpdir);
	if (!mkdtemp(server->folder))
		die("mkdtemp", server->folder);
	if (geteuid() == 0 && (!user || chown(server->folder, user->pw_uid, user->pw_gid) < 0))
		die("chown", server->folder);
	(void)snprintf(server->data, sizeof server->data, "%s/data", server->folder);
	(void)snprintf(server->url, sizeof server->url, "postgresql:///postgres?host=%s&user=postgres",
				   server->folder);
	pid = spawn(server, (const char *const[]){"initdb", "-D", server->data, "-U", "postgres", "-A", "trust",
											  "-E", "UTF8", "--locale=C", "--no-sync", NULL});
	if (waitpid(pid, &status, 0) != pid || status != 0) {
		show_log(server);
		die("initdb", "failed");
	}
	postgres_start(server);
}

void postgres_stop(struct postgres *server)
{
	if (server->pid <= 0)
		return;
	(void)kill(server->pid, SIGINT);
	(void)waitpid(server->pid, NULL, 0);
	server->pid = 0;
}

void postgres_done(struct postgres *server)
{
	struct hc_error err = {0};

	postgres_stop(server);
	if (hc_folder_remove(server->folder, &err) < 0)
		die("remove", err.text);
}

static PGresult *ask(const struct postgres *server, const char *sql)
{
	PGconn *connection = PQconnectdb(server->url);
	PGresult *result = PQexec(connection, sql);
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		die(sql, PQerrorMessage(connection));
	PQfinish(connection);
	return result;
}

void postgres_run(const struct postgres *server, const char *sql)
{
	PQclear(ask(server, sql));
}

long long postgres_number(const struct postgres *server, const char *sql)
{
	PGresult *result = ask(server, sql);
	long long number = strtoll(PQgetvalue(result, 0, 0), NULL, 10);

	PQclear(result);
	return number;
}

char *postgres_text(const struct postgres *server, const char *sql)
{
	PGresult *result = ask(server, sql);
	char *text = strdup(PQgetvalue(result, 0, 0));

	PQclear(result);
	return text;
}
