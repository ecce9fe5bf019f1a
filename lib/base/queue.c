/* See queue.h. A ring, so that push and pop never allocate. */
#include "queue.h"
#include "alloc.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct hc_queue {
	pthread_mutex_t mutex;
	pthread_cond_t not_empty;
	pthread_cond_t not_full;
	size_t capacity;
	size_t first;
	size_t count;
	bool closed;
	void *items[];
};

struct hc_queue *hc_queue_new(size_t capacity)
{
	struct hc_queue *queue = hc_xalloc(sizeof *queue + capacity * sizeof(void *));

	assert(capacity > 0);
	queue->capacity = capacity;
	(void)pthread_mutex_init(&queue->mutex, NULL);
	(void)pthread_cond_init(&queue->not_empty, NULL);
	(void)pthread_cond_init(&queue->not_full, NULL);
	return queue;
}

static bool push_locked(struct hc_queue *queue, void *item)
{
	if (queue->closed || queue->count == queue->capacity)
		return false;
	queue->items[(queue->first + queue->count) % queue->capacity] = item;
	queue->count++;
	(void)pthread_cond_signal(&queue->not_empty);
	return true;
}

static void *pop_locked(struct hc_queue *queue)
{
	void *item;

	if (!queue->count)
		return NULL;
	item = queue->items[queue->first];
	queue->first = (queue->first + 1) % queue->capacity;
	queue->count--;
	(void)pthread_cond_signal(&queue->not_full);
	return item;
}

bool hc_queue_try_push(struct hc_queue *queue, void *item)
{
	bool pushed;

	(void)pthread_mutex_lock(&queue->mutex);
	pushed = push_locked(queue, item);
	(void)pthread_mutex_unlock(&queue->mutex);
	return pushed;
}

bool hc_queue_push(struct hc_queue *queue, void *item)
{
	bool pushed;

	(void)pthread_mutex_lock(&queue->mutex);
	while (!queue->closed && queue->count == queue->capacity)
		(void)pthread_cond_wait(&queue->not_full, &queue->mutex);
	pushed = push_locked(queue, item);
	(void)pthread_mutex_unlock(&queue->mutex);
	return pushed;
}

void *hc_queue_pop(struct hc_queue *queue)
{
	void *item;

	(void)pthread_mutex_lock(&queue->mutex);
	while (!queue->closed && !queue->count)
		(void)pthread_cond_wait(&queue->not_empty, &queue->mutex);
	item = pop_locked(queue);
	(void)pthread_mutex_unlock(&queue->mutex);
	return item;
}

void *hc_queue_try_pop(struct hc_queue *queue)
{
	void *item;

	(void)pthread_mutex_lock(&queue->mutex);
	item = pop_locked(queue);
	(void)pthread_mutex_unlock(&queue->mutex);
	return item;
}

void hc_queue_close(struct hc_queue *queue)
{
	(void)pthread_mutex_lock(&queue->mutex);
	queue->closed = true;
	(void)pthread_cond_broadcast(&queue->not_empty);
	(void)pthread_cond_broadcast(&queue->not_full);
	(void)pthread_mutex_unlock(&queue->mutex);
}

size_t hc_queue_count(struct hc_queue *queue)
{
	size_t count;

	(void)pthread_mutex_lock(&queue->mutex);
	count = queue->count;
	(void)pthread_mutex_unlock(&queue->mutex);
	return count;
}

void hc_queue_free(struct hc_queue *queue)
{
	if (!queue)
		return;
	(void)pthread_mutex_destroy(&queue->mutex);
	(void)pthread_cond_destroy(&queue->not_empty);
	(void)pthread_cond_destroy(&queue->not_full);
	free(queue);
}
