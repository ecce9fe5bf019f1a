/* Bounded queue of pointers between threads: one mutex, two conditions. The pointers are borrowed; who takes
 * one out owns what it points to by agreement of both sides. */
#ifndef HC_QUEUE_H
#define HC_QUEUE_H

#include "base.h"
#include <stdbool.h>

struct hc_queue;

struct hc_queue *hc_queue_new(size_t capacity);
bool hc_queue_try_push(struct hc_queue *queue, void *item); /* false when full or closed */
bool hc_queue_push(struct hc_queue *queue, void *item);     /* waits for room; false when closed */
void *hc_queue_pop(struct hc_queue *queue);                 /* waits; NULL once closed and empty */
void *hc_queue_try_pop(struct hc_queue *queue);             /* NULL when empty */
void hc_queue_close(struct hc_queue *queue);                /* wakes all; what is in it can still be popped */
size_t hc_queue_count(struct hc_queue *queue);
void hc_queue_free(struct hc_queue *queue); /* nobody may be waiting; accepts NULL */
HC_DEFINE_CLEANUP(hc_queue, hc_queue_free)

#endif
