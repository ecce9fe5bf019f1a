/* helvetia-load: open-loop visitors. Requests begin at their times whether or not earlier ones were answered,
 * so a platform that stalls is seen; a closed loop would only send less.
 *
 *   load.c         options, the schedule, commands on standard input, the report
 *   load_http.c    requests by libcurl: HTTP/1.1 and HTTP/2, kept and new connections, GET and POST, 10 s
 *   load_socket.c  one WebSocket after another, in a thread
 *
 * All counters belong to struct load; its mutex guards what the WebSocket's thread shares. */
#ifndef LOAD_H
#define LOAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define LOAD_HOSTS_MOST 16
#define LOAD_KINDS_MOST 16
#define LOAD_IN_FLIGHT_MOST 500
#define LOAD_TIMEOUT_MS 30000
#define LOAD_FAILURES_SHOWN 20
#define LOAD_MS_MOST 30001

struct load_kind {
	const char *name;
	int share; /* of a thousand requests */
	bool secure;
	bool http2;
	bool fresh;      /* a connection of its own */
	int body_bytes;  /* 0: GET */
	int duration_ms; /* that the application takes */
};

struct load_count {
	int64_t requests;
	int64_t failed; /* not answered as they should be: refused, reset, cut, another status */
	int64_t
		late; /* not answered within LOAD_TIMEOUT_MS: the platform's fault, or of this program's machine */
	int64_t retried; /* answered by libcurl's second try: the first one was dropped */
	int64_t stale;   /* answered by a revision below the floor that held when they began */
};

struct load_host {
	const char *name;
	int64_t floor; /* revision that visitors reach at least, of requests that begin from now on */
};

struct load {
	pthread_mutex_t mutex;
	struct load_host hosts[LOAD_HOSTS_MOST];
	int host_count;
	int http_port;
	int https_port;
	int rate;                                  /* requests a second */
	struct load_count counts[LOAD_KINDS_MOST]; /* by kind */
	struct load_count sockets;                 /* sessions */
	int64_t messages;                          /* of WebSockets */
	int64_t unsent;                            /* too many were in flight: this program's own limit */
	int64_t lag_ms;                            /* how late one began at the most */
	int64_t milliseconds[LOAD_MS_MOST]; /* answered in so many; those that take long by themselves apart */
	char failures[LOAD_FAILURES_SHOWN][256];
	int failure_count;
	bool ending; /* nothing new begins */
};

int64_t load_now_ms(void);
int64_t load_floor(struct load *load, int host);
/* Notes one that ended. problem NULL: answered as it should be. */
void load_note(struct load *load, struct load_count *count, const char *kind, int host, int64_t floor,
			   int64_t revision, bool late, const char *problem);

/* --- load_http.c */

struct load_http;
extern const struct load_kind load_kinds[];
extern const size_t load_kind_count;

struct load_http *load_http_open(struct load *load);
void load_http_close(struct load_http *http);
void load_http_begin(struct load_http *http, size_t kind, int host);
/* Works until something happens, at most so long; input_fd is watched too. True: that has something. */
bool load_http_work(struct load_http *http, int timeout_ms, int input_fd);
int load_http_in_flight(const struct load_http *http);

/* --- load_socket.c */

void *load_socket_run(void *load); /* until load->ending */

#endif
