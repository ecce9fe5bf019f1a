/* A connection of an event loop: made, lost and made again without ever blocking (name look-up excepted, so
 * use a socket or an address where that matters).
 *
 * What the loop polls is an epoll instance that holds the connection's socket and a timer. It stays the same
 * through all reconnects (a socket's number can come back for another socket, and a loop that doesn't notice
 * waits for ever) and is readable whenever there is something to do, also when it is to write or to try
 * again. */
#ifndef STORE_LINK_H
#define STORE_LINK_H

#include "base/error.h"
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

enum store_link_state { STORE_LINK_DOWN, STORE_LINK_CONNECTING, STORE_LINK_UP };

struct store_link {
	PGconn *connection; /* NULL while down */
	char *url;
	char *application;
	int64_t retry_at_ms;   /* down: boot time of the next attempt */
	int64_t give_up_at_ms; /* connecting */
	int backoff_ms;
	int epoll;
	int timer;
	int socket; /* registered in epoll, or -1 */
	bool watching_write;
	bool ticking; /* the timer runs */
	bool awaits;  /* up: an answer, which has a deadline */
	PostgresPollingStatusType polling;
	enum store_link_state state;
	struct hc_error lost; /* why it is down */
};

/* Begins to connect. The link must not move in memory. */
int store_link_init(struct store_link *link, const char *url, const char *application, struct hc_error *err)
	HC_MUST_CHECK;
void store_link_done(struct store_link *link);

enum store_link_event {
	STORE_LINK_NOTHING,
	STORE_LINK_OPENED, /* nonblocking, and nothing was asked yet */
	STORE_LINK_FAILED, /* an attempt to connect failed: link->lost */
};
/* Does what can be done now. */
enum store_link_event store_link_process(struct store_link *link);

/* The session works: the next loss begins with the shortest back-off. */
void store_link_confirm(struct store_link *link);
/* While an answer is awaited the loop is woken each second, so that its deadline is looked at. */
void store_link_await(struct store_link *link, bool awaits);
/* Gives the connection up and plans the next attempt. Never connects itself. */
void store_link_lose(struct store_link *link, const char *reason);
/* Sends what libpq holds; false when the connection is broken (then lose it). */
bool store_link_flush(struct store_link *link);

#endif
