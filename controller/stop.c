/* See stop.h. Event descriptors (eventfd), because poll() can wait for two of them and a time-out at once. */
#include "stop.h"

#include "base/alloc.h"

#include <assert.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct stop {
	int fd; /* readable for ever once set */
	atomic_bool set;
};

struct waker {
	int fd;
	atomic_uint bits;
};

static int event_new(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		abort(); /* no descriptor at the start of the process: nothing can work */
	return fd;
}

static void event_raise(int fd)
{
	const uint64_t one = 1;
	ssize_t written = write(fd, &one, sizeof one);

	(void)written; /* EAGAIN: it is raised already */
}

struct stop *stop_new(void)
{
	struct stop *stop = hc_xalloc(sizeof *stop);

	stop->fd = event_new();
	return stop;
}

void stop_set(struct stop *stop)
{
	atomic_store(&stop->set, true);
	event_raise(stop->fd);
}

bool stop_is_set(const struct stop *stop)
{
	return atomic_load(&stop->set);
}

bool stop_wait(const struct stop *stop, int timeout_ms)
{
	struct pollfd wait = {.fd = stop->fd, .events = POLLIN};

	(void)poll(&wait, 1, timeout_ms);
	return stop_is_set(stop);
}

void stop_free(struct stop *stop)
{
	if (!stop)
		return;
	(void)close(stop->fd);
	free(stop);
}

struct waker *waker_new(void)
{
	struct waker *waker = hc_xalloc(sizeof *waker);

	waker->fd = event_new();
	return waker;
}

void waker_wake(struct waker *waker, unsigned bits)
{
	assert(bits);
	(void)atomic_fetch_or(&waker->bits, bits);
	event_raise(waker->fd);
}

unsigned waker_wait(struct waker *waker, const struct stop *stop, int timeout_ms)
{
	return waker_wait_fd(waker, stop, -1, timeout_ms);
}

unsigned waker_wait_fd(struct waker *waker, const struct stop *stop, int fd, int timeout_ms)
{
	struct pollfd wait[] = {{.fd = waker->fd, .events = POLLIN},
							{.fd = stop->fd, .events = POLLIN},
							{.fd = fd, .events = POLLIN}};
	uint64_t count;
	ssize_t got;

	(void)poll(wait, HC_COUNT(wait), timeout_ms);
	got = read(waker->fd, &count, sizeof count);
	(void)got; /* EAGAIN: nobody woke us */
	return atomic_exchange(&waker->bits, 0);
}

void waker_free(struct waker *waker)
{
	if (!waker)
		return;
	(void)close(waker->fd);
	free(waker);
}
