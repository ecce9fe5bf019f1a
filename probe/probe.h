/* helvetia-probe: a static program that runs inside users' containers, as any user, with no capability, in an
 * image that may hold nothing else. Internal header; libc only.
 *
 *   probe.c         command line
 *   probe_watch.c   the health check: memory, lock, directory, loop
 *   probe_state.c   what to say (pure)
 *   probe_ask.c     asks the application over its own address
 *   probe_answer.c  what an answer means (pure)
 *   probe_listen.c  what listens here
 *   probe_text.c    texts, numbers, time */
#ifndef PROBE_H
#define PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- probe_state.c
 * -------------------------------------------------------------------------------------------- */

enum probe_reported {
	PROBE_REPORTED_NOTHING, /* Docker says "starting", which is not routed */
	PROBE_REPORTED_SHUT,
	PROBE_REPORTED_OPEN,
};

#define PROBE_MEMORY_MAGIC 0x68767062U
#define PROBE_REPORT_AGE_MOST_MS 2000 /* Docker starts the next probe 100 ms after the last has ended */

/* What one run leaves to the next; the content of a file in /dev/shm, which is new at each start of the
 * container. */
struct probe_memory {
	uint32_t magic;
	int32_t reported;    /* enum probe_reported */
	int32_t resident;    /* process id while one is resident, 0 once it has reported */
	int32_t repeats;     /* how often the last report was repeated without need */
	int64_t reported_ms; /* since boot */
};

struct probe_view {
	bool gate_open;
	bool answers;   /* the application; looked at only when probe_must_ask() */
	bool uncertain; /* whether Docker knows what we reported last */
	bool time_over; /* resident for long enough */
};

enum probe_step { PROBE_STAY, PROBE_SAY_SHUT, PROBE_SAY_OPEN };

/* Memory from the bytes of the file: none is "nothing reported"; strange bytes count as a run that was
 * killed. */
void probe_memory_load(const void *data, size_t length, struct probe_memory *ret_memory);
/* True when Docker's status may differ from the memory: another run was still resident (the engine restarted
 * and no longer hears it), the last one was killed, or its report is old (the container was paused). */
bool probe_uncertain(const struct probe_memory *memory, bool lock_was_busy, int64_t now_ms);
/* Once open, the application is not asked any more: liveness is the controller's (design 7.3). */
bool probe_must_ask(const struct probe_memory *memory, bool gate_open);
enum probe_step probe_decide(const struct probe_memory *memory, const struct probe_view *view);
/* How long this run stays when nothing changes. A pause in the 100 ms between two runs makes Docker say
 * unhealthy, and no run sees it; so "healthy" is repeated after 2 s, then 16, 128, 1024 s, and then each
 * resident_ms. */
int64_t probe_stay_ms(const struct probe_memory *memory, int64_t resident_ms);
/* Notes a report; the memory is then what the next run finds. */
void probe_note(struct probe_memory *memory, enum probe_step step, const struct probe_view *view,
				int64_t now_ms);

/* --- probe_answer.c
 * ------------------------------------------------------------------------------------------- */

enum probe_verdict {
	PROBE_ANSWER_MORE, /* more bytes are needed */
	PROBE_ANSWER_YES,
	PROBE_ANSWER_NO,
};
/* What the bytes received so far mean. ended: no more will come (closed, or silent for long enough).
 * explicit_path: the manifest names a path, so HTTP 2xx or 3xx is wanted; else any HTTP status below 500 and
 * anything that isn't HTTP. */
enum probe_verdict probe_judge(const char *data, size_t length, bool ended, bool explicit_path,
							   int *ret_status);

/* --- probe_ask.c
 * ---------------------------------------------------------------------------------------------- */

#define PROBE_WHY_BYTES 160

struct probe_target {
	const char *path; /* NULL: "/" and a lenient judgement */
	const char *host; /* Host header; NULL: the address */
	int port;         /* 0: nothing to ask, always fine */
};
/* One question; why says what was wrong. Takes at most 6 s. */
bool probe_ask(const struct probe_target *target, char why[PROBE_WHY_BYTES]);
int probe_ready(const struct probe_target *target, int64_t deadline_ms); /* exit code */

/* --- the other commands
 * --------------------------------------------------------------------------------------- */

int probe_watch(const char *gate_folder, int64_t resident_ms, const struct probe_target *target);
int probe_listeners(void);

/* --- probe_text.c
 * --------------------------------------------------------------------------------------------- */

int64_t probe_now_ms(void); /* since boot */
void probe_sleep_ms(int64_t ms);
void probe_say(int fd, const char *text); /* the text and a newline */
bool probe_number(const char *text, int64_t most, int64_t *ret_number);

#endif
