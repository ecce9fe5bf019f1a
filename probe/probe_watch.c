/* The resident health check. Docker starts it, waits for its exit, and takes 0 as healthy, anything else as
 * unhealthy; 100 ms later it starts the next. So a run stays until the verdict has to change, and a change is
 * known at once.
 *
 * Memory: one small file in /dev/shm, named by a hash of the gate's folder. Its record lock is held while
 * resident; the lock also names the holder, so that a run that the engine no longer hears can be ended. Where
 * the file can't be had or written, each run lasts a second at most and reports whatever it sees.
 *
 * The directory is watched by dnotify (inotify instances run out at 128 a user). It is a hint: the gate is
 * looked at every 2 s anyway, and every 100 ms where the kernel or the file system has no dnotify. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define GATE_FILE "open"
#define LOOK_WATCHED_MS 2000
#define LOOK_UNWATCHED_MS 100
#define ASK_QUICK_MS 100       /* while the application is expected to come up … */
#define ASK_QUICK_FOR_MS 10000 /* … for this long, then */
#define ASK_SLOW_MS 500
#define FORGETFUL_MS 1000
#define LOCK_WAIT_MS 5000
#define LOCK_PAUSE_MS 10

struct watch {
	const char *folder;
	char gate[512];
	char memory_path[64];
	int memory_fd; /* -1: without memory */
	int folder_fd; /* -1: not watched */
	dev_t folder_device;
	ino_t folder_inode;
	struct probe_memory memory;
	bool uncertain;
	int64_t begin_ms;
};

/* FNV-1a 32 bit: the same folder gives the same name. */
static uint32_t hash(const char *text)
{
	uint32_t value = 2166136261U;

	for (; *text; text++)
		value = (value ^ (unsigned char)*text) * 16777619U;
	return value;
}

static int open_memory(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat status;

	if (fd >= 0 && (fstat(fd, &status) || !S_ISREG(status.st_mode))) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* Takes the record lock; who holds it is a run that nobody hears any more. */
static bool take_lock(int fd, bool *ret_was_busy)
{
	int64_t end_ms = probe_now_ms() + LOCK_WAIT_MS;

	*ret_was_busy = false;
	for (;;) {
		struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

		if (!fcntl(fd, F_SETLK, &lock))
			return true;
		if ((errno != EACCES && errno != EAGAIN) || probe_now_ms() > end_ms)
			return false;
		*ret_was_busy = true;
		if (!fcntl(fd, F_GETLK, &lock) && lock.l_type != F_UNLCK && lock.l_pid > 1)
			(void)kill(lock.l_pid, SIGKILL);
		probe_sleep_ms(LOCK_PAUSE_MS);
	}
}

static bool save_memory(const struct watch *watch)
{
	return pwrite(watch->memory_fd, &watch->memory, sizeof watch->memory, 0) == (ssize_t)sizeof watch->memory;
}

static void begin(struct watch *watch)
{
	char data[sizeof(struct probe_memory) + 1];
	bool was_busy = false;
	ssize_t length;

	watch->memory_fd = open_memory(watch->memory_path);
	if (watch->memory_fd >= 0 && take_lock(watch->memory_fd, &was_busy)) {
		length = pread(watch->memory_fd, data, sizeof data, 0);
		probe_memory_load(data, length > 0 ? (size_t)length : 0, &watch->memory);
		watch->uncertain = probe_uncertain(&watch->memory, was_busy, probe_now_ms());
		watch->memory.resident = getpid();
		if (save_memory(watch))
			return;
	}
	if (watch->memory_fd >= 0)
		(void)close(watch->memory_fd);
	watch->memory_fd = -1;
	probe_memory_load(NULL, 0, &watch->memory);
	watch->uncertain = true;
}

/* Asks for a signal at the next change in the folder. The folder may have been made anew since. */
static void watch_folder(struct watch *watch)
{
	struct stat status;

	if (watch->folder_fd >= 0 && !stat(watch->folder, &status) && status.st_dev == watch->folder_device &&
		status.st_ino == watch->folder_inode)
		return;
	if (watch->folder_fd >= 0)
		(void)close(watch->folder_fd);
	watch->folder_fd = open(watch->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (watch->folder_fd < 0)
		return;
	if (fstat(watch->folder_fd, &status) ||
		fcntl(watch->folder_fd, F_NOTIFY, DN_CREATE | DN_DELETE | DN_RENAME | DN_MULTISHOT)) {
		(void)close(watch->folder_fd);
		watch->folder_fd = -1;
		return;
	}
	watch->folder_device = status.st_dev;
	watch->folder_inode = status.st_ino;
}

static bool gate_open(const struct watch *watch)
{
	struct stat status;

	return !stat(watch->gate, &status);
}

/* Sleeps until the folder changes or the time is over. The signal is blocked, so one that came before is not
 * lost. */
static void wait_change(const sigset_t *signals, int64_t ms)
{
	struct timespec most = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	(void)sigtimedwait(signals, NULL, &most);
}

static int64_t next_look_ms(const struct watch *watch, bool asking, int64_t asking_since_ms, int64_t end_ms)
{
	int64_t now_ms = probe_now_ms();
	int64_t pause_ms = watch->folder_fd >= 0 ? LOOK_WATCHED_MS : LOOK_UNWATCHED_MS;

	if (asking)
		pause_ms = now_ms - asking_since_ms < ASK_QUICK_FOR_MS ? ASK_QUICK_MS : ASK_SLOW_MS;
	if (pause_ms > end_ms - now_ms)
		pause_ms = end_ms - now_ms;
	return pause_ms > 0 ? pause_ms : 0;
}

static int report(struct watch *watch, enum probe_step step, const struct probe_view *view, const char *why)
{
	probe_note(&watch->memory, step, view, probe_now_ms());
	if (watch->memory_fd >= 0)
		(void)save_memory(watch); /* pages are there since begin(); if not, the next run is uncertain */
	if (step == PROBE_SAY_OPEN)
		probe_say(STDOUT_FILENO, "published");
	else
		probe_say(STDOUT_FILENO, view->gate_open ? why : "gate shut");
	return step == PROBE_SAY_OPEN ? 0 : 1;
}

static int loop(struct watch *watch, int64_t resident_ms, const struct probe_target *target,
				const sigset_t *signals)
{
	int64_t end_ms = watch->begin_ms + probe_stay_ms(&watch->memory, resident_ms);
	int64_t asking_since_ms = watch->begin_ms;
	bool was_asking = false;

	for (;;) {
		struct probe_view view = {.uncertain = watch->uncertain};
		char why[PROBE_WHY_BYTES] = "";
		enum probe_step step;
		bool asking;

		watch_folder(watch); /* first watch, then look */
		asking = probe_must_ask(&watch->memory, gate_open(watch));
		if (asking && !was_asking)
			asking_since_ms = probe_now_ms();
		was_asking = asking;
		view.answers = asking && probe_ask(target, why);
		view.gate_open = gate_open(watch); /* again, since the question may have taken seconds */
		view.time_over = probe_now_ms() >= end_ms;
		step = probe_decide(&watch->memory, &view);
		if (step != PROBE_STAY)
			return report(watch, step, &view, why);
		wait_change(signals, next_look_ms(watch, asking, asking_since_ms, end_ms));
	}
}

int probe_watch(const char *gate_folder, int64_t resident_ms, const struct probe_target *target)
{
	struct watch watch = {.folder = gate_folder, .folder_fd = -1, .begin_ms = probe_now_ms()};
	sigset_t signals;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGIO); /* what dnotify sends */
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	(void)snprintf(watch.gate, sizeof watch.gate, "%s/" GATE_FILE, gate_folder);
	(void)snprintf(watch.memory_path, sizeof watch.memory_path, "/dev/shm/.helvetia-probe-%08x",
				   (unsigned int)hash(gate_folder));
	begin(&watch);
	if (watch.memory_fd < 0) {
		watch_folder(&watch);
		wait_change(&signals, FORGETFUL_MS);
	}
	return loop(&watch, resident_ms, target, &signals);
}
