/* What a row of the change log means for the controller: which key to look at, and what else may be out of
 * date. Pure: parses the object's JSON, asks nobody. */
#ifndef CHANGE_H
#define CHANGE_H

#include "workqueue.h"

#include "store/store_stream.h"

#define CHANGE_KEY_SIZE 80 /* "deployment/" and a uid, with room */

struct change {
	char key[CHANGE_KEY_SIZE]; /* "" when no reconciler cares */
	enum workqueue_urgency urgency;
	bool hosts;   /* the set of claimed hosts may differ now */
	bool network; /* a Service came or went: its namespace's network is to be looked at */
};

/* Services wake themselves; a Deployment wakes the Service that owns it; a Namespace wakes its network. The
 * user's new wish (another generation than the one observed, a creation, a deletion) is an intent, the rest
 * are hints. */
void change_read(const struct store_row *row, struct change *ret_change);
/* Uid of an object's JSON into uid, or "" when it has none. */
void change_uid(const char *json, size_t length, char uid[CHANGE_KEY_SIZE]);

#endif
