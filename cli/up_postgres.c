/* PostgreSQL: a cluster of its own in DIR/postgres, on a unix socket in DIR/run/postgres and on nothing else.
 *
 * The cluster is made in a folder beside and renamed when role and database exist, so a killed `up` leaves
 * either nothing or a whole one. Who may connect is decided by the kernel's peer credentials: root and
 * postgres. */
#include "up.h"

#include "base/alloc.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEBIAN_PROGRAMS "/usr/lib/postgresql"
#define USER "postgres"
#define PID_FILE_BYTES_MAX 4096

static const char HBA[] = "# written by helvetia up\n"
						  "local helvetia helvetia peer map=platform\n"
						  "local all postgres peer map=owner\n";
static const char IDENT[] = "# written by helvetia up\n"
							"platform root helvetia\n"
							"platform postgres helvetia\n"
							"owner postgres postgres\n"
							"owner root postgres\n";
static const char BOOTSTRAP[] = "CREATE ROLE helvetia LOGIN;\n"
								"CREATE DATABASE helvetia OWNER helvetia;\n";

/* The version that made the data, or the newest one installed. */
static int find_programs(struct up *up, struct hc_error *err)
{
	HC_AUTO_FREE wanted = NULL;
	struct dirent *entry;
	int newest = 0;
	DIR *folder;

	if (!hc_file_read(up_path(up, "postgres/PG_VERSION"), 64, &wanted, NULL, NULL)) {
		newest = (int)strtol(wanted, NULL, 10);
	} else {
		folder = opendir(DEBIAN_PROGRAMS);
		while (folder && (entry = readdir(folder)))
			if ((int)strtol(entry->d_name, NULL, 10) > newest)
				newest = (int)strtol(entry->d_name, NULL, 10);
		if (folder)
			closedir(folder);
	}
	up->postgres_programs = hc_arena_printf(up->arena, DEBIAN_PROGRAMS "/%d/bin", newest);
	if (newest && hc_file_exists(hc_arena_printf(up->arena, "%s/initdb", up->postgres_programs)))
		return 0;
	if (wanted)
		return hc_fail(err, HC_NOT_FOUND,
					   "%s was made by PostgreSQL %d, which is not installed: apt-get install "
					   "postgresql-%d",
					   up_path(up, "postgres"), newest, newest);
	return hc_fail(err, HC_NOT_FOUND, "PostgreSQL is not installed: apt-get install postgresql");
}

static int write_access(const char *data, struct hc_error *err)
{
	HC_AUTO_FREE hba = hc_xprintf("%s/pg_hba.conf", data);
	HC_AUTO_FREE ident = hc_xprintf("%s/pg_ident.conf", data);

	return up_file_for(hba, USER, HBA, err) || up_file_for(ident, USER, IDENT, err) ? -1 : 0;
}

static int make_cluster(struct up *up, struct hc_error *err)
{
	char *draft = up_path(up, "postgres.draft");
	char *postgres = hc_arena_printf(up->arena, "%s/postgres", up->postgres_programs);
	const char *initdb_argv[] = {hc_arena_printf(up->arena, "%s/initdb", up->postgres_programs),
								 "--pgdata",
								 draft,
								 "--username=" USER,
								 "--encoding=UTF8",
								 "--locale=C.UTF-8",
								 "--auth-local=peer",
								 "--auth-host=reject",
								 "--no-instructions",
								 NULL};
	const char *single_argv[] = {postgres, "--single",         "-D",       draft,
								 "-c",     "exit_on_error=on", "postgres", NULL};

	if (hc_folder_remove(draft, err) || up_folder_for(up, draft, USER, 0700, err))
		return -1;
	if (up_run(up, "initdb", USER, initdb_argv, NULL, err) ||
		up_run(up, "initdb", USER, single_argv, BOOTSTRAP, err))
		return -1;
	if (rename(draft, up_path(up, "postgres")))
		return hc_fail(err, HC_TRANSIENT, "rename %s: %s", draft, strerror(errno));
	return 0;
}

/* A postmaster that was killed and that nobody has reaped yet still has its number; its successor would take
 * it for a live one. Its shared memory is checked by the successor without the file, too. */
static int forget_dead_postmaster(const char *path, struct hc_error *err)
{
	HC_AUTO_FREE text = NULL;

	if (hc_file_read(path, PID_FILE_BYTES_MAX, &text, NULL, err))
		return err->class == HC_NOT_FOUND ? 0 : -1;
	if (!up_pid_start_ticks((int)strtol(text, NULL, 10)) && unlink(path) && errno != ENOENT)
		return hc_fail(err, HC_TRANSIENT, "remove %s: %s", path, strerror(errno));
	return 0;
}

static int before_start(struct up *up, struct hc_error *err)
{
	if (forget_dead_postmaster(up_path(up, "postgres/postmaster.pid"), err) ||
		forget_dead_postmaster(up_path(up, "run/postgres/.s.PGSQL.5432.lock"), err))
		return -1;
	return write_access(up_path(up, "postgres"), err);
}

static int ready(struct up *up, struct hc_error *err)
{
	const char *argv[] = {hc_arena_printf(up->arena, "%s/pg_isready", up->postgres_programs),
						  "--quiet",
						  "--host",
						  up_path(up, "run/postgres"),
						  "--username",
						  "helvetia",
						  "--dbname",
						  "helvetia",
						  NULL};

	return up_run(up, "pg_isready", NULL, argv, NULL, err);
}

int up_postgres_prepare(struct up *up, struct hc_error *err)
{
	struct up_process *process = &up->process[UP_POSTGRES];
	const char *sockets = up_path(up, "run/postgres");
	const char *argv[] = {NULL,
						  "-D",
						  up_path(up, "postgres"),
						  "-c",
						  "listen_addresses=",
						  "-c",
						  hc_arena_printf(up->arena, "unix_socket_directories=%s", sockets),
						  "-c",
						  "shared_buffers=32MB",
						  "-c",
						  "max_connections=100",
						  "-c",
						  "jit=off",
						  "-c",
						  "timezone=UTC",
						  "-c",
						  "log_timezone=UTC",
						  NULL};

	if (find_programs(up, err) || up_folder_for(up, sockets, USER, 0755, err))
		return -1;
	if (!hc_file_exists(up_path(up, "postgres")) && make_cluster(up, err))
		return hc_wrap(err, "make the database");
	argv[0] = hc_arena_printf(up->arena, "%s/postgres", up->postgres_programs);
	process->argv = up_arguments(up, argv);
	process->user = USER;
	process->stop_signal = SIGINT; /* fast: ends sessions; SIGTERM would wait for them */
	process->before_start = before_start;
	process->ready = ready;
	up->database_url = hc_arena_printf(up->arena, "postgresql://helvetia@/helvetia?host=%s", sockets);
	return 0;
}
