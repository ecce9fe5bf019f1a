/* What the three parts of a log stream share: which one is wanted (api_log.c), a build's (api_log_build.c),
 * the containers' (api_log_controller.c). Loop thread, but for the jobs. */
#ifndef API_LOG_H
#define API_LOG_H

#include "api_watch.h"

#include "http/http_answer.h"
#include "store/store_job.h"

#define API_LOG_READ_BYTES 16384

struct api_log {
	struct api_log *next;
	struct api_log **link; /* NULL: not begun, or ended */
	struct api_call *call; /* its arena holds us */
	const char *uid;       /* of the Deployment; NULL for the log of a Build by itself */
	const char *deployment;
	const char *build;     /* its Build's name; NULL: none is known */
	const char *build_uid; /* NULL until it was found */
	const char *ordinal;   /* of one container of it: a Pod's log; NULL: of all, and its build's */
	int64_t tail_lines;    /* -1: all */
	int64_t since_wall_s;  /* 0: from the beginning */
	int follow;
	int timestamps;
	int holders;     /* handles, jobs and questions that will call back; the last one frees us */
	bool building;   /* the Deployment: not yet among containers, so its build is shown */
	bool unfinished; /* the Deployment: neither SUCCESS nor FAILED */
	bool begun;
	bool finished; /* the request is */
	uv_timer_t timer;

	/* api_log_build.c */
	struct store_log_place place;
	int idle_ms; /* before the next look */
	bool paused; /* until the peer has taken what waits */
	uv_work_t work;
	void (*job)(struct api_log *log, struct store *store);
	void (*job_done)(struct api_log *log);
	struct hc_arena *piece_arena; /* of one job */
	const char *piece;
	size_t piece_length;
	bool piece_ended;
	bool piece_anew; /* it is the beginning of another log than was read before */
	struct hc_error piece_error;

	/* api_log_controller.c */
	uv_pipe_t pipe;
	uv_connect_t connect;
	uv_write_t write;
	char *question;
	struct http_answer answer;
	const char *kept; /* of containers that are gone: the call's arena; NULL: not read yet */
	size_t kept_length;
	bool kept_written;
	bool pipe_open;
	char buffer[API_LOG_READ_BYTES];
};

/* --- api_log.c --- */

void api_log_begin(struct api_log *log); /* the head of the answer; no harm when it was sent */
/* Ends the log. whole false: the peer learns that something is missing. */
void api_log_end(struct api_log *log, bool whole);
void api_log_refuse(struct api_log *log, int code, const char *sentence);
/* Gives up one hold; false: that was the last one of an ended log, which is gone now. */
bool api_log_release(struct api_log *log);
void api_log_look(struct api_log *log); /* at the Deployment again, and goes on accordingly */
/* The last lines of a text. */
const char *api_log_last_lines(const char *text, size_t length, int64_t lines);
/* Runs job on a pool thread, then job_done unless the log has ended meanwhile. */
void api_log_work(struct api_log *log, void (*job)(struct api_log *log, struct store *store),
				  void (*job_done)(struct api_log *log));

/* --- the sources --- */

void api_log_build(struct api_log *log); /* reads on; then waits, ends, or goes on to the controller */
void api_log_build_drained(struct api_log *log);
void api_log_wait(struct api_log *log); /* for a change, then looks again */

void api_log_controller(struct api_log *log);
void api_log_controller_drained(struct api_log *log);
void api_log_controller_close(struct api_log *log); /* its pipe, if it is open */

#endif
