/* One process of the platform: started in a session of its own, recorded in DIR/run/NAME.json, found again by
 * that record, stopped. A record counts only when boot, pid and the kernel's start time of the process agree,
 * so that a reused pid is never taken for ours. */
#include "up.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RECORD_BYTES_MAX 4096
#define START_ATTEMPTS 3
#define START_PAUSE_MS 500
#define LOG_BYTES_MAX (16 * 1024 * 1024) /* of one log file before it is moved to NAME.log.1 */

uint64_t up_pid_start_ticks(pid_t pid)
{
	HC_AUTO_FREE path = hc_xprintf("/proc/%d/stat", (int)pid);
	HC_AUTO_FREE text = NULL;
	unsigned long long ticks = 0;
	char state = 'Z';
	const char *tail;

	if (hc_file_read(path, RECORD_BYTES_MAX, &text, NULL, NULL))
		return 0;
	tail = strrchr(text, ')'); /* the name before it may hold anything */
	if (!tail ||
		sscanf(tail + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
			   &state, &ticks) != 2)
		return 0;
	return state == 'Z' || state == 'X' ? 0 : ticks;
}

bool up_pid_is(pid_t pid, uint64_t start_ticks)
{
	return pid > 0 && start_ticks && up_pid_start_ticks(pid) == start_ticks;
}

char *up_find_program(struct up *up, const char *name)
{
	const char *path = getenv("PATH");
	HC_AUTO_FREE folders = hc_xprintf("%s:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
									  path ? path : "");
	char *position = NULL;

	for (char *folder = strtok_r(folders, ":", &position); folder; folder = strtok_r(NULL, ":", &position)) {
		HC_AUTO_FREE candidate = hc_xprintf("%s/%s", folder, name);

		if (folder[0] == '/' && !access(candidate, X_OK))
			return hc_arena_strdup(up->arena, candidate);
	}
	return NULL;
}

char **up_arguments(struct up *up, const char *const *argv)
{
	size_t count = 0;
	char **copy;

	while (argv[count])
		count++;
	copy = hc_arena_alloc_array(up->arena, count + 1, sizeof(*copy));
	for (size_t i = 0; i < count; i++)
		copy[i] = hc_arena_strdup(up->arena, argv[i]);
	return copy;
}

char **up_arguments_with_prefixes(struct up *up, const char *const *argv)
{
	const char **all;
	size_t count = 0, prefixes = 0;

	while (argv[count])
		count++;
	all = hc_arena_alloc_array(up->arena, count + 2 * UP_PREFIXES_MAX + 3, sizeof(*all));
	memcpy(all, argv, count * sizeof(*all));
	for (; up->prefixes[prefixes]; prefixes++) {
		all[count++] = "--allow-repository-prefix";
		all[count++] = up->prefixes[prefixes];
	}
	if (up->sample) {
		all[count++] = "--allow-repository-prefix";
		all[count++] = up_git_prefix(up);
	}
	return up_arguments(up, all);
}

/* --- records --- */

static char *record_path(struct up *up, const char *name)
{
	return up_path(up, "run/%s.json", name);
}

static int record_write(struct up *up, const struct up_process *process, struct hc_error *err)
{
	HC_AUTO_FREE text = hc_xprintf(
		"{\"pid\": %d, \"startTicks\": %llu, \"boot\": \"%s\", \"fingerprint\": \"%s\"}\n", (int)process->pid,
		(unsigned long long)process->start_ticks, hc_clock_boot_id(), process->fingerprint);

	return hc_file_write(record_path(up, process->name), text, strlen(text), 0644, err);
}

/* Fills pid, start_ticks and fingerprint from a record whose process lives. */
static bool record_read(struct up *up, const char *name, struct up_process *ret_process)
{
	HC_AUTO_FREE text = NULL;
	const char *boot, *fingerprint;
	json_int_t pid, ticks;
	json_t *root;
	bool alive = false;

	if (hc_file_read(record_path(up, name), RECORD_BYTES_MAX, &text, NULL, NULL))
		return false;
	root = json_loads(text, 0, NULL);
	if (root && !json_unpack(root, "{s:I, s:I, s:s, s:s}", "pid", &pid, "startTicks", &ticks, "boot", &boot,
							 "fingerprint", &fingerprint))
		alive = hc_streq(boot, hc_clock_boot_id()) && up_pid_is((pid_t)pid, (uint64_t)ticks);
	if (alive) {
		ret_process->pid = (pid_t)pid;
		ret_process->start_ticks = (uint64_t)ticks;
		snprintf(ret_process->fingerprint, sizeof(ret_process->fingerprint), "%s", fingerprint);
	}
	json_decref(root);
	return alive;
}

bool up_process_recorded(struct up *up, const char *name)
{
	struct up_process found = {0};

	return record_read(up, name, &found);
}

void up_process_adopt_record(struct up *up, struct up_process *process)
{
	if (process->pid || !record_read(up, process->name, process))
		return;
	process->pidfd = pidfd_open(process->pid, 0);
	/* Between reading the record and getting the handle it may have ended, and its pid may be another's. */
	if (process->pidfd >= 0 && !up_pid_is(process->pid, process->start_ticks)) {
		close(process->pidfd);
		process->pidfd = -1;
	}
	if (process->pidfd < 0)
		process->pid = 0;
	process->adopted = process->pid != 0;
	process->started_ms = hc_clock_boot_ms();
}

static void fingerprint_make(const struct up_process *process, char fingerprint[UP_FINGERPRINT_SIZE])
{
	HC_AUTO_TEXT text = {0};
	struct stat status = {0};

	if (!stat(process->argv[0], &status))
		hc_text_printf(&text, "%lld %lld.%ld\n", (long long)status.st_ino, (long long)status.st_mtim.tv_sec,
					   status.st_mtim.tv_nsec);
	for (char **argument = process->argv; *argument; argument++)
		hc_text_append_bytes(&text, *argument, strlen(*argument) + 1);
	if (process->configuration)
		hc_text_append(&text, process->configuration);
	crypto_sha256_hex(hc_text_string(&text), text.length, fingerprint);
}

/* --- start --- */

/* In the child, after fork: only what may fail in the kernel is left to do. Reports errno through the pipe.
 */
static void child_exec(char *const *argv, const struct passwd *user, int input_fd, int output_fd,
					   int report_fd) __attribute__((noreturn));

static void child_exec(char *const *argv, const struct passwd *user, int input_fd, int output_fd,
					   int report_fd)
{
	sigset_t none;
	ssize_t ignored;
	int number;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	umask(022);
	if (dup2(input_fd, 0) < 0 || dup2(output_fd, 1) < 0 || dup2(output_fd, 2) < 0 || chdir("/"))
		goto failed;
	if (user && (initgroups(user->pw_name, user->pw_gid) || setgid(user->pw_gid) || setuid(user->pw_uid)))
		goto failed;
	execv(argv[0], argv);
failed:
	number = errno;
	ignored = write(report_fd, &number, sizeof(number));
	(void)ignored;
	_exit(127);
}

static int spawn(char *const *argv, const char *user_name, int input_fd, int output_fd, pid_t *ret_pid,
				 struct hc_error *err)
{
	struct passwd *user = user_name ? getpwnam(user_name) : NULL;
	int ends[2];
	int number = 0;
	ssize_t got;
	pid_t pid;

	if (user_name && !user)
		return hc_fail(err, HC_NOT_FOUND, "start %s: this machine has no user \"%s\"", argv[0], user_name);
	if (pipe2(ends, O_CLOEXEC))
		return hc_fail(err, HC_TRANSIENT, "start %s: pipe: %s", argv[0], strerror(errno));
	pid = fork();
	if (pid == 0)
		child_exec(argv, user, input_fd, output_fd, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return hc_fail(err, HC_TRANSIENT, "start %s: fork: %s", argv[0], strerror(errno));
	}
	do
		got = read(ends[0], &number, sizeof(number));
	while (got < 0 && errno == EINTR);
	close(ends[0]);
	if (got != 0) {
		waitpid(pid, NULL, 0);
		return hc_fail(err, HC_NOT_FOUND, "start %s: %s", argv[0], strerror(number));
	}
	*ret_pid = pid;
	return 0;
}

static int log_open(struct up *up, const char *name, struct hc_error *err)
{
	const char *path = up_path(up, "log/%s.log", name);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

	if (fd < 0)
		return hc_fail(err, HC_TRANSIENT, "open %s: %s", path, strerror(errno));
	return fd;
}

int up_process_start(struct up *up, struct up_process *process, struct hc_error *err)
{
	HC_AUTO_FD input = open("/dev/null", O_RDONLY | O_CLOEXEC);
	HC_AUTO_FD output = -1;

	if (process->before_start && process->before_start(up, err))
		return -1;
	up_process_rotate_log(up, process);
	output = log_open(up, process->name, err);
	if (output < 0 || spawn(process->argv, process->user, input, output, &process->pid, err))
		return -1;
	process->pidfd = pidfd_open(process->pid, 0);
	process->start_ticks = up_pid_start_ticks(process->pid);
	process->started_ms = hc_clock_boot_ms();
	process->adopted = false;
	process->restart_at_ms = 0;
	fingerprint_make(process, process->fingerprint);
	if (process->pidfd < 0)
		return hc_fail(err, HC_BUG, "pidfd_open %d: %s", (int)process->pid, strerror(errno));
	return record_write(up, process, err);
}

/* What a process that was killed a moment ago leaves (its children, its shared memory) can end its successor.
 */
static int start_and_wait(struct up *up, struct up_process *process, struct hc_error *err)
{
	for (int attempt = 1;; attempt++) {
		if (up_process_start(up, process, err))
			return -1;
		if (!up_wait_ready(up, process, err))
			return 0;
		if (process->pid || up->stop_requested || attempt == START_ATTEMPTS)
			return -1;
		up_pause(up, START_PAUSE_MS);
	}
}

int up_process_ensure(struct up *up, enum up_part part, bool *ret_adopted, struct hc_error *err)
{
	struct up_process *process = &up->process[part];
	char fingerprint[UP_FINGERPRINT_SIZE];
	bool adopted = false;

	fingerprint_make(process, fingerprint);
	up_process_adopt_record(up, process);
	if (process->pid && !strcmp(fingerprint, process->fingerprint)) {
		/* An adopted process that does not answer is no better than none. */
		adopted = !up_wait_ready(up, process, err);
		if (!adopted && up->stop_requested)
			return -1;
	}
	if (!adopted) {
		up_process_stop(up, process);
		if (start_and_wait(up, process, err))
			return -1;
	}
	process->wanted = true;
	process->failures = 0;
	if (ret_adopted)
		*ret_adopted = adopted;
	return 0;
}

int up_run(struct up *up, const char *name, const char *user, const char *const *argv, const char *input,
		   struct hc_error *err)
{
	HC_AUTO_FD input_fd = input ? memfd_create("input", MFD_CLOEXEC)
								: open("/dev/null", O_RDONLY | O_CLOEXEC);
	HC_AUTO_FD output_fd = log_open(up, name, err);
	int status = 0;
	pid_t pid;

	if (output_fd < 0)
		return -1;
	if (input_fd < 0 || (input && (write(input_fd, input, strlen(input)) != (ssize_t)strlen(input) ||
								   lseek(input_fd, 0, SEEK_SET))))
		return hc_fail(err, HC_TRANSIENT, "run %s: input: %s", argv[0], strerror(errno));
	if (spawn((char *const *)(uintptr_t)argv, user, input_fd, output_fd, &pid, err))
		return -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	if (WIFEXITED(status))
		hc_fail(err, HC_INVALID, "%s ended with exit code %d", argv[0], WEXITSTATUS(status));
	else
		hc_fail(err, HC_INVALID, "%s was ended by signal %d", argv[0], WTERMSIG(status));
	up_add_log_tail(up, name, err);
	return -1;
}

/* --- end --- */

bool up_process_ended(struct up_process *process, char *how, size_t size)
{
	int status = 0;

	if (!process->pid || !up_wait_pidfd(process->pidfd, 0))
		return false;
	if (process->adopted || waitpid(process->pid, &status, WNOHANG) != process->pid)
		snprintf(how, size, "ended"); /* init has its exit code */
	else if (WIFSIGNALED(status))
		snprintf(how, size, "was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(how, size, "ended with exit code %d", WEXITSTATUS(status));
	close(process->pidfd);
	process->pidfd = -1;
	process->pid = 0;
	return true;
}

void up_process_stop(struct up *up, struct up_process *process)
{
	char how[128];

	process->wanted = false;
	process->restart_at_ms = 0;
	up_process_adopt_record(up, process);
	if (process->pid) {
		pid_t group = process->pid; /* every process of ours leads a session and group of its own */

		pidfd_send_signal(process->pidfd, process->stop_signal, NULL, 0);
		if (!up_wait_pidfd(process->pidfd, process->stop_wait_ms)) {
			up_say("%s did not stop within %d s and is killed", process->title, process->stop_wait_ms / 1000);
			pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0);
			kill(-group, SIGKILL);
			up_wait_pidfd(process->pidfd, 10000);
		}
		up_process_ended(process, how, sizeof(how));
	}
	unlink(record_path(up, process->name));
}

/* The process keeps its descriptor (opened for appending), so the text is copied and the file cut. */
void up_process_rotate_log(struct up *up, struct up_process *process)
{
	const char *path = up_path(up, "log/%s.log", process->name);
	HC_AUTO_FREE old_path = hc_xprintf("%s.1", path);
	HC_AUTO_FD from = open(path, O_RDWR | O_CLOEXEC);
	HC_AUTO_FD to = -1;
	struct stat status;
	off_t left;

	if (from < 0 || fstat(from, &status) || status.st_size < LOG_BYTES_MAX)
		return;
	to = open(old_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	for (left = status.st_size; to >= 0 && left > 0;) {
		ssize_t copied = copy_file_range(from, NULL, to, NULL, (size_t)left, 0);

		if (copied <= 0)
			break;
		left -= copied;
	}
	if (ftruncate(from, 0))
		up_say("can't cut %s: %s", path, strerror(errno));
}

/* --- files for other users --- */

static int give_to(const char *path, const char *user_name, struct hc_error *err)
{
	struct passwd *user = getpwnam(user_name);

	if (!user)
		return hc_fail(err, HC_NOT_FOUND, "this machine has no user \"%s\"", user_name);
	if (lchown(path, user->pw_uid, user->pw_gid))
		return hc_fail(err, HC_DENIED, "chown %s: %s", path, strerror(errno));
	return 0;
}

int up_folder_for(struct up *up, const char *path, const char *user, mode_t mode, struct hc_error *err)
{
	(void)up;
	if (hc_folder_make(path, mode, err))
		return -1;
	if (chmod(path, mode))
		return hc_fail(err, HC_DENIED, "chmod %s: %s", path, strerror(errno));
	return user ? give_to(path, user, err) : 0;
}

int up_file_for(const char *path, const char *user, const char *text, struct hc_error *err)
{
	if (hc_file_write(path, text, strlen(text), 0600, err))
		return -1;
	return user ? give_to(path, user, err) : 0;
}
