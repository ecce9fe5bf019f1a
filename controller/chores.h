/* Work that blocks and belongs to no key, on one thread: listing all keys, the periodic resync, the file of
 * claimed hosts, the firewall, compaction. A chore that fails is tried again a little later. Only a leader
 * does chores. */
#ifndef CHORES_H
#define CHORES_H

#include "leader.h"
#include "options.h"
#include "stop.h"
#include "workqueue.h"

struct chores;

enum chore {
	CHORE_LIST = 1,     /* enqueue every key there is, as an intent: something was missed, or is back */
	CHORE_HOSTS = 2,    /* write the file of claimed hosts */
	CHORE_FIREWALL = 4, /* refresh our table */
	CHORE_COMPACT = 8,
};
#define CHORES_ALL (CHORE_LIST | CHORE_HOSTS | CHORE_FIREWALL | CHORE_COMPACT)

struct chores_options {
	const struct controller_options *controller; /* borrowed, as all below */
	struct workqueue *queue;
	struct leader *leader;
	struct stop *stop;
};

int chores_start(const struct chores_options *options, struct chores **ret_chores, struct hc_error *err)
	HC_MUST_CHECK;
void chores_request(struct chores *chores, unsigned wanted); /* bits of enum chore; from any thread */
void chores_join(struct chores *chores);                     /* after stop was set; accepts NULL */

#endif
