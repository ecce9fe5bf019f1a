/* Waiting and telling: readiness, signals, the end of a process, and the lines that a person sees. */
#include "up.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_TAIL_BYTES 600
#define LOG_TAIL_LINES 6

void up_step_begin(struct up *up, const char *title)
{
	up->step++;
	up->step_started_ms = hc_clock_boot_ms();
	printf("[%d/%d] %s … ", up->step, UP_STEP_COUNT, title);
	fflush(stdout);
}

void up_step_end(struct up *up, const char *outcome)
{
	printf("%s in %.1f s\n", outcome, (double)(hc_clock_boot_ms() - up->step_started_ms) / 1000);
	fflush(stdout);
}

static bool line_open; /* the terminal's last line is to be written over */

static void line_begin(void)
{
	fputs(line_open ? "\r\033[2K      " : "      ", stdout);
	line_open = false;
}

void up_live_line(bool last, bool changed, const char *format, ...)
{
	bool terminal = isatty(STDOUT_FILENO);
	va_list arguments;

	if (!terminal && !last && !changed)
		return;
	line_begin();
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	line_open = terminal && !last;
	if (!line_open)
		putchar('\n');
	fflush(stdout);
}

void up_say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	line_begin();
	vprintf(format, arguments);
	putchar('\n');
	va_end(arguments);
	fflush(stdout);
}

void up_pause(struct up *up, int milliseconds)
{
	struct pollfd waited = {.fd = up->signal_fd, .events = POLLIN};
	struct signalfd_siginfo signal;

	if (poll(&waited, 1, milliseconds) == 1 && read(up->signal_fd, &signal, sizeof(signal)) == sizeof(signal))
		up->stop_requested = true;
}

bool up_wait_pidfd(int pidfd, int milliseconds)
{
	struct pollfd waited = {.fd = pidfd, .events = POLLIN};
	int64_t until = hc_clock_boot_ms() + milliseconds;
	int got;

	do
		got = poll(&waited, 1, milliseconds);
	while (got < 0 && errno == EINTR && (milliseconds = (int)(until - hc_clock_boot_ms())) > 0);
	return got == 1;
}

void up_add_log_tail(struct up *up, const char *name, struct hc_error *err)
{
	const char *path = up_path(up, "log/%s.log", name);
	HC_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	char tail[LOG_TAIL_BYTES + 1];
	struct stat status;
	const char *from = tail;
	ssize_t length;
	int lines = 0;
	char *at;

	if (fd < 0 || fstat(fd, &status))
		return;
	length = pread(fd, tail, LOG_TAIL_BYTES,
				   status.st_size > LOG_TAIL_BYTES ? status.st_size - LOG_TAIL_BYTES : 0);
	if (length <= 0)
		return;
	while (length && tail[length - 1] == '\n')
		length--;
	tail[length] = '\0';
	for (at = tail + length; at > tail; at--)
		if (at[-1] == '\n' && ++lines == LOG_TAIL_LINES)
			break;
	from = at;
	if (err) {
		HC_AUTO_FREE text = hc_xprintf("%s\nlast lines of %s:\n%s", err->text, path, from);

		hc_fail(err, err->class, "%s", text);
	}
}

int up_wait_ready(struct up *up, struct up_process *process, struct hc_error *err)
{
	int64_t until = hc_clock_boot_ms() + process->ready_within_ms;
	int pause_ms = 10;

	for (;;) {
		struct hc_error last = {0};
		char how[128];

		if (!process->ready(up, &last))
			return 0;
		if (up_process_ended(process, how, sizeof(how))) {
			hc_fail(err, HC_TRANSIENT, "%s %s", process->title, how);
			up_add_log_tail(up, process->name, err);
			return -1;
		}
		if (hc_clock_boot_ms() > until) {
			hc_fail(err, HC_TRANSIENT, "%s is not ready after %d s: %s", process->title,
					process->ready_within_ms / 1000, last.text);
			up_add_log_tail(up, process->name, err);
			return -1;
		}
		up_pause(up, pause_ms);
		if (up->stop_requested)
			return hc_fail(err, HC_CANCELED, "stopped while waiting for %s", process->title);
		pause_ms = pause_ms < 160 ? pause_ms * 2 : 200;
	}
}
