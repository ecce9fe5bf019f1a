/* The job queue in Redis as reconcilers see it: BullMQ jobs "{kind}-{id}-{attempt}" whose data only names the
 * row. One struct is one thread's: it holds a connection. While Redis is away nobody waits for it: after a
 * failure it isn't asked again for a second, and every answer is JOB_QUEUE_AWAY meanwhile. */
#ifndef QUEUE_H
#define QUEUE_H

#include "reconcilers/kind.h"

struct queue;

/* Connects lazily. url NULL: there is no queue; the interface then answers JOB_QUEUE_AWAY. INVALID: the URL
 * or the name breaks a rule, which repeating can't help. */
int queue_open(const char *url, const char *name, struct queue **ret_queue, struct hc_error *err)
	HC_MUST_CHECK;
void queue_close(struct queue *queue); /* accepts NULL */
HC_DEFINE_CLEANUP(queue, queue_close)

struct queue_interface queue_interface(struct queue *queue);

#endif
