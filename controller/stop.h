/* One signal to all threads of the process: end. A thread that has nothing to do sleeps in stop_wait(), which
 * an end interrupts. No clock is needed: poll() counts the time. */
#ifndef STOP_H
#define STOP_H

#include "base/base.h"
#include <stdbool.h>

struct stop;

struct stop *stop_new(void);
void stop_set(struct stop *stop); /* from any thread, also twice */
bool stop_is_set(const struct stop *stop);
/* Sleeps; true when the process ends. timeout_ms < 0: until then. */
bool stop_wait(const struct stop *stop, int timeout_ms);
void stop_free(struct stop *stop); /* accepts NULL */

/* The same sleep, which somebody can also interrupt to hand over work: a set of bits. */
struct waker;
struct waker *waker_new(void);
void waker_wake(struct waker *waker, unsigned bits); /* thread-safe; bits add up until they are taken */
/* Waits for bits, an end or the time-out; returns the bits and clears them. */
unsigned waker_wait(struct waker *waker, const struct stop *stop, int timeout_ms);
/* The same, and it ends when fd can be read; -1: there is none. */
unsigned waker_wait_fd(struct waker *waker, const struct stop *stop, int fd, int timeout_ms);
void waker_free(struct waker *waker); /* accepts NULL */

#endif
