/* The database's side of the hints: LISTEN tells that something changed, the change log tells what, and
 * change.h tells which key that is. After a gap or a lost connection everything is looked at again. Belongs
 * to the loop. */
#ifndef WATCH_H
#define WATCH_H

#include "change.h"

#include <uv.h>

struct watch;

struct watch_options {
	uv_loop_t *loop;
	const char *database;
	void (*changed)(const struct change *change, void *payload);
	/* A worker did something that the Service of this key waits for. */
	void (*job)(const char *key, void *payload);
	/* Something may have been missed: list everything. */
	void (*missed)(void *payload);
	/* The newest resourceVersion that was seen. */
	void (*version)(int64_t resource_version, void *payload);
	void *payload;
};

int watch_start(const struct watch_options *options, struct watch **ret_watch, struct hc_error *err)
	HC_MUST_CHECK;
/* On the loop; run the loop until it has nothing left, then free. */
void watch_close(struct watch *watch);
void watch_free(struct watch *watch); /* accepts NULL */

#endif
