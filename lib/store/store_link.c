/* See store_link.h. */
#include "store_link.h"
#include "store_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define BACKOFF_FIRST_MS (HC_LIMIT_STORE_BACKOFF_MS / 20)
#define TICK_MS 1000 /* for deadlines of answers */

/* Wakes the loop once after first_ms, then with each tick. */
static void timer_set(struct store_link *link, int first_ms)
{
	const struct itimerspec spec = {
		.it_value = {.tv_sec = first_ms / 1000, .tv_nsec = first_ms % 1000 * 1000000L},
		.it_interval = {.tv_sec = TICK_MS / 1000, .tv_nsec = TICK_MS % 1000 * 1000000L},
	};
	int rc = timerfd_settime(link->timer, 0, &spec, NULL);

	assert(rc == 0);
	(void)rc;
	link->ticking = true;
}

static void timer_stop(struct store_link *link)
{
	int rc = timerfd_settime(link->timer, 0, &(struct itimerspec){0}, NULL);

	assert(rc == 0);
	(void)rc;
	link->ticking = false;
}

/* True when a tick was due. */
static bool timer_drain(struct store_link *link)
{
	uint64_t count;
	ssize_t rc = read(link->timer, &count, sizeof count);

	assert(rc == (ssize_t)sizeof count || (rc < 0 && (errno == EAGAIN || errno == EINTR)));
	return rc > 0;
}

/* Registers the connection's socket for what is awaited. libpq may have closed the old one and got another
 * with the same number, so the old registration is never trusted: the kernel drops it with the socket. */
static void watch(struct store_link *link, bool write)
{
	struct epoll_event event = {.events = EPOLLIN | (write ? (unsigned int)EPOLLOUT : 0)};
	int fd = PQsocket(link->connection);

	if (link->state == STORE_LINK_UP && link->socket == fd && link->watching_write == write)
		return; /* a connection that is up keeps its socket */
	link->watching_write = write;
	if (link->socket >= 0 && link->socket != fd)
		(void)epoll_ctl(link->epoll, EPOLL_CTL_DEL, link->socket, NULL);
	link->socket = fd;
	if (fd < 0)
		return;
	event.data.fd = fd;
	if (epoll_ctl(link->epoll, EPOLL_CTL_MOD, fd, &event) < 0)
		(void)epoll_ctl(link->epoll, EPOLL_CTL_ADD, fd, &event);
}

void store_link_lose(struct store_link *link, const char *reason)
{
	size_t length;

	hc_fail(&link->lost, HC_TRANSIENT, "PostgreSQL: %s", reason);
	length = strlen(link->lost.text);
	while (length > 0 && link->lost.text[length - 1] == '\n')
		link->lost.text[--length] = '\0';
	PQfinish(link->connection);
	link->connection = NULL;
	link->socket = -1;
	link->state = STORE_LINK_DOWN;
	link->retry_at_ms = hc_clock_boot_ms() + link->backoff_ms;
	timer_set(link, link->backoff_ms);
	link->backoff_ms = link->backoff_ms * 2 > HC_LIMIT_STORE_BACKOFF_MS ? HC_LIMIT_STORE_BACKOFF_MS
																		: link->backoff_ms * 2;
}

void store_link_confirm(struct store_link *link)
{
	link->backoff_ms = BACKOFF_FIRST_MS;
}

/* --- connecting -------------------------------------------------------------------------------- */

static bool start(struct store_link *link)
{
	struct store_keywords keywords;

	store_keywords(link->url, link->application, &keywords);
	link->connection = PQconnectStartParams(keywords.names, keywords.values, 1);
	if (PQstatus(link->connection) == CONNECTION_BAD)
		return false;
	(void)PQsetNoticeReceiver(link->connection, store_ignore_notice, NULL);
	link->state = STORE_LINK_CONNECTING;
	link->polling = PGRES_POLLING_WRITING; /* what libpq asks to assume before the first PQconnectPoll */
	link->give_up_at_ms = hc_clock_boot_ms() + HC_LIMIT_STORE_CONNECT_MS;
	watch(link, true);
	return true;
}

static bool socket_ready(const struct store_link *link)
{
	struct pollfd item = {.fd = PQsocket(link->connection),
						  .events = link->polling == PGRES_POLLING_WRITING ? POLLOUT : POLLIN};

	return poll(&item, 1, 0) > 0;
}

/* PQconnectPoll may be called only when the socket is ready for what it asked for. */
static void advance(struct store_link *link)
{
	while ((link->polling == PGRES_POLLING_READING || link->polling == PGRES_POLLING_WRITING) &&
		   socket_ready(link)) {
		link->polling = PQconnectPoll(link->connection);
		watch(link, link->polling == PGRES_POLLING_WRITING);
	}
}

enum store_link_event store_link_process(struct store_link *link)
{
	bool ticked = link->ticking && timer_drain(link);

	if (link->state == STORE_LINK_UP) {
		/* A connection in which nothing is awaited wakes nobody. */
		if (ticked && !link->awaits)
			timer_stop(link);
		return STORE_LINK_NOTHING;
	}
	if (link->state == STORE_LINK_DOWN) {
		if (hc_clock_boot_ms() < link->retry_at_ms)
			return STORE_LINK_NOTHING;
		if (!start(link)) {
			store_link_lose(link, PQerrorMessage(link->connection));
			return STORE_LINK_FAILED;
		}
	}
	advance(link);
	if (link->polling == PGRES_POLLING_OK && PQsetnonblocking(link->connection, 1) == 0) {
		link->state = STORE_LINK_UP;
		watch(link, false);
		return STORE_LINK_OPENED;
	}
	if (link->polling == PGRES_POLLING_OK || link->polling == PGRES_POLLING_FAILED) {
		store_link_lose(link, PQerrorMessage(link->connection));
		return STORE_LINK_FAILED;
	}
	if (hc_clock_boot_ms() >= link->give_up_at_ms) {
		store_link_lose(link, "no answer to the attempt to connect");
		return STORE_LINK_FAILED;
	}
	return STORE_LINK_NOTHING;
}

bool store_link_flush(struct store_link *link)
{
	int rest = PQflush(link->connection);

	if (rest < 0)
		return false;
	watch(link, rest > 0);
	return true;
}

void store_link_await(struct store_link *link, bool awaits)
{
	link->awaits = awaits;
	if (awaits && !link->ticking)
		timer_set(link, TICK_MS);
}

/* --- life -------------------------------------------------------------------------------------- */

int store_link_init(struct store_link *link, const char *url, const char *application, struct hc_error *err)
{
	*link = (struct store_link){.epoll = -1, .timer = -1, .socket = -1, .backoff_ms = BACKOFF_FIRST_MS};
	if (store_url_check(url, err) < 0)
		return -1;
	link->epoll = epoll_create1(EPOLL_CLOEXEC);
	link->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (link->epoll < 0 || link->timer < 0 ||
		epoll_ctl(link->epoll, EPOLL_CTL_ADD, link->timer, &(struct epoll_event){.events = EPOLLIN}) < 0) {
		hc_fail(err, HC_TRANSIENT, "epoll or timer: %s", strerror(errno));
		store_link_done(link);
		return -1;
	}
	link->url = hc_xstrdup(url);
	link->application = hc_xstrdup(application);
	hc_fail(&link->lost, HC_TRANSIENT, "PostgreSQL: not connected yet");
	timer_set(link, 1); /* the first attempt begins with the first process() */
	return 0;
}

void store_link_done(struct store_link *link)
{
	PQfinish(link->connection);
	if (link->epoll >= 0)
		close(link->epoll);
	if (link->timer >= 0)
		close(link->timer);
	free(link->url);
	free(link->application);
	*link = (struct store_link){.epoll = -1, .timer = -1, .socket = -1};
}
