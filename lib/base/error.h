/* Errors: a class for the machine, a chain of contexts for the person.
 *
 * A fallible function returns 0 or -1 and fills a caller-owned struct hc_error; nothing is allocated on an
 * error path. Each layer that knows more wraps: "deploy shop: start shop-r7-0: POST /containers/…: no such
 * image". Only the controller and the API map a class to a consequence (retry, HTTP status). */
#ifndef HC_ERROR_H
#define HC_ERROR_H

#include "base.h"
#include <stdarg.h>

enum hc_class {
	HC_OK = 0,
	HC_NOT_FOUND, /* the thing named does not exist */
	HC_CONFLICT,  /* it exists already, or changed since it was read */
	HC_INVALID,   /* the input breaks a rule; repeating it can't help */
	HC_DENIED,    /* the other side refused for who we are */
	HC_TRANSIENT, /* may work later: network, restart, load */
	HC_CANCELED,  /* we stopped it ourselves */
	HC_BUG,       /* an assumption of ours does not hold */
};

#define HC_ERROR_TEXT_MAX 1024

struct hc_error {
	enum hc_class class;
	char text[HC_ERROR_TEXT_MAX]; /* always terminated */
};

const char *hc_class_name(enum hc_class class);

/* Sets class and text; returns -1, so that a caller can `return hc_fail(err, HC_INVALID, "…")`.
 * err may be NULL. */
int hc_fail(struct hc_error *err, enum hc_class class, const char *format, ...) HC_PRINTF(3, 4);

/* Puts "context: " in front of the text, keeps the class; returns -1. When both do not fit, the
 * end of the context is cut, never the root cause. */
int hc_wrap(struct hc_error *err, const char *format, ...) HC_PRINTF(2, 3);

#endif
