/* See workqueue.h.
 *
 * Every key that is known is one struct item in the map. It is in at most one of three places: the list of
 * ready keys, the heap of delays, or a worker's hands (processing). A key in a worker's hands can have a
 * delay beside it, set by somebody else meanwhile. An item that is in none of them and has no failures to
 * remember is freed. */
#include "workqueue.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/map.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define BACKOFF_FIRST_MS 5
#define BACKOFF_MAX_MS 60000
#define CONFLICTS_AT_ONCE 5
/* So many passes in a row may each change something before we suspect that two rules undo each other. */
#define STREAK_FREE 50
#define STREAK_DELAY_FIRST_MS 100
#define STREAK_DELAY_MAX_MS 5000

#define NOT_IN_HEAP SIZE_MAX

struct item {
	char *key;
	struct item *next; /* in the ready list */
	size_t heap_index; /* NOT_IN_HEAP when it has no delay */
	int64_t at_ms;
	int failures;
	int conflicts;
	int streak;
	bool ready;
	bool processing;
	bool dirty;  /* added while processing */
	bool intent; /* … by an intent */
};

struct workqueue {
	struct workqueue_options options;
	pthread_mutex_t mutex;
	pthread_cond_t not_empty;
	struct hc_map *items;
	struct item *first;
	struct item *last;
	struct item **heap; /* binary, earliest first */
	size_t heap_count;
	size_t heap_size;
	size_t ready_count;
	size_t processing_count;
	int64_t announced_ms; /* what the owner of the timer knows; 0: it waits for nothing */
	uint64_t random;
	bool shut;
};

struct workqueue *workqueue_new(const struct workqueue_options *options)
{
	struct workqueue *queue = hc_xalloc(sizeof *queue);

	queue->options = *options;
	if (!queue->options.keys_max)
		queue->options.keys_max = HC_LIMIT_WORKQUEUE_KEYS;
	queue->random = options->seed ? options->seed : 1;
	queue->items = hc_map_new();
	(void)pthread_mutex_init(&queue->mutex, NULL);
	(void)pthread_cond_init(&queue->not_empty, NULL);
	return queue;
}

/* xorshift64: good enough to spread retries. */
static uint64_t next_random(struct workqueue *queue)
{
	queue->random ^= queue->random << 13;
	queue->random ^= queue->random >> 7;
	queue->random ^= queue->random << 17;
	return queue->random;
}

/* delay ± 20 %, so that keys that failed together do not come back together. */
static int64_t jitter(struct workqueue *queue, int64_t delay_ms)
{
	int64_t spread = delay_ms * 2 / 5;

	if (spread < 1)
		return delay_ms;
	return delay_ms - spread / 2 + (int64_t)(next_random(queue) % (uint64_t)(spread + 1));
}

static int64_t doubled(int64_t first_ms, int64_t max_ms, int times)
{
	int64_t delay_ms = first_ms;

	for (int n = 0; n < times && delay_ms < max_ms; n++)
		delay_ms *= 2;
	return delay_ms < max_ms ? delay_ms : max_ms;
}

/* --- heap
 * -------------------------------------------------------------------------------------------------------- */

static void heap_place(struct workqueue *queue, size_t index, struct item *item)
{
	queue->heap[index] = item;
	item->heap_index = index;
}

static void heap_up(struct workqueue *queue, size_t index)
{
	struct item *item = queue->heap[index];

	while (index > 0 && queue->heap[(index - 1) / 2]->at_ms > item->at_ms) {
		heap_place(queue, index, queue->heap[(index - 1) / 2]);
		index = (index - 1) / 2;
	}
	heap_place(queue, index, item);
}

static void heap_down(struct workqueue *queue, size_t index)
{
	struct item *item = queue->heap[index];

	for (;;) {
		size_t child = index * 2 + 1;

		if (child >= queue->heap_count)
			break;
		if (child + 1 < queue->heap_count && queue->heap[child + 1]->at_ms < queue->heap[child]->at_ms)
			child++;
		if (queue->heap[child]->at_ms >= item->at_ms)
			break;
		heap_place(queue, index, queue->heap[child]);
		index = child;
	}
	heap_place(queue, index, item);
}

static void heap_remove(struct workqueue *queue, struct item *item)
{
	size_t index = item->heap_index;
	struct item *moved;

	if (index == NOT_IN_HEAP)
		return;
	assert(queue->heap[index] == item);
	item->heap_index = NOT_IN_HEAP;
	moved = queue->heap[--queue->heap_count];
	if (moved == item)
		return;
	heap_place(queue, index, moved);
	heap_up(queue, index);
	heap_down(queue, moved->heap_index);
}

/* Sets the item's delay, or moves it earlier. */
static void delay(struct workqueue *queue, struct item *item, int64_t at_ms)
{
	if (item->heap_index != NOT_IN_HEAP) {
		if (item->at_ms <= at_ms)
			return;
		item->at_ms = at_ms;
		heap_up(queue, item->heap_index);
		return;
	}
	if (queue->heap_count == queue->heap_size) {
		queue->heap_size = queue->heap_size ? queue->heap_size * 2 : 64;
		queue->heap = hc_xrealloc_array(queue->heap, queue->heap_size, sizeof(struct item *));
	}
	item->at_ms = at_ms;
	heap_place(queue, queue->heap_count++, item);
	heap_up(queue, item->heap_index);
}

/* --- items
 * ------------------------------------------------------------------------------------------------------- */

static void item_free(struct item *item)
{
	free(item->key);
	free(item);
}

static struct item *item_get(struct workqueue *queue, const char *key)
{
	struct item *item = hc_map_get(queue->items, key);

	if (item)
		return item;
	if (queue->shut || hc_map_count(queue->items) >= queue->options.keys_max)
		return NULL;
	item = hc_xalloc(sizeof *item);
	item->key = hc_xstrdup(key);
	item->heap_index = NOT_IN_HEAP;
	hc_map_set(queue->items, key, item);
	return item;
}

static void item_drop_if_idle(struct workqueue *queue, struct item *item)
{
	if (item->ready || item->processing || item->heap_index != NOT_IN_HEAP)
		return;
	(void)hc_map_remove(queue->items, item->key);
	item_free(item);
}

static bool backing_off(const struct item *item)
{
	return item->failures > 0 && !item->processing && item->heap_index != NOT_IN_HEAP;
}

static void forget_failures(struct item *item)
{
	item->failures = 0;
	item->conflicts = 0;
	item->streak = 0;
}

static void make_ready(struct workqueue *queue, struct item *item)
{
	assert(!item->ready && !item->processing);
	heap_remove(queue, item);
	item->ready = true;
	item->next = NULL;
	if (queue->last)
		queue->last->next = item;
	else
		queue->first = item;
	queue->last = item;
	queue->ready_count++;
	(void)pthread_cond_signal(&queue->not_empty);
}

static void add_locked(struct workqueue *queue, struct item *item, enum workqueue_urgency urgency)
{
	if (urgency == WORKQUEUE_INTENT && !item->processing)
		forget_failures(item);
	if (item->ready)
		return;
	if (item->processing) {
		item->dirty = true;
		item->intent = item->intent || urgency == WORKQUEUE_INTENT;
		return;
	}
	if (backing_off(item))
		return;
	make_ready(queue, item);
}

/* With the lock held: must the owner of the timer be told? */
static bool moved_earlier(struct workqueue *queue)
{
	int64_t next_ms = queue->heap_count ? queue->heap[0]->at_ms : 0;

	if (!next_ms || (queue->announced_ms && queue->announced_ms <= next_ms))
		return false;
	queue->announced_ms = next_ms;
	return true;
}

static void unlock_and_tell(struct workqueue *queue)
{
	bool earlier = moved_earlier(queue);

	(void)pthread_mutex_unlock(&queue->mutex);
	if (earlier && queue->options.earlier)
		queue->options.earlier(queue->options.payload);
}

/* --- calls
 * ------------------------------------------------------------------------------------------------------- */

bool workqueue_add(struct workqueue *queue, const char *key, enum workqueue_urgency urgency)
{
	struct item *item;

	(void)pthread_mutex_lock(&queue->mutex);
	item = queue->shut ? NULL : item_get(queue, key);
	if (item)
		add_locked(queue, item, urgency);
	(void)pthread_mutex_unlock(&queue->mutex);
	return item != NULL;
}

bool workqueue_add_at(struct workqueue *queue, const char *key, int64_t at_ms)
{
	struct item *item;

	(void)pthread_mutex_lock(&queue->mutex);
	item = queue->shut ? NULL : item_get(queue, key);
	/* A ready key is looked at before any delay ends. One that backs off keeps its own moment. */
	if (item && !item->ready && !backing_off(item))
		delay(queue, item, at_ms);
	unlock_and_tell(queue);
	return item != NULL;
}

static char *take_locked(struct workqueue *queue)
{
	struct item *item = queue->first;

	if (queue->shut || !item)
		return NULL;
	queue->first = item->next;
	if (!queue->first)
		queue->last = NULL;
	queue->ready_count--;
	queue->processing_count++;
	item->next = NULL;
	item->ready = false;
	item->processing = true;
	item->dirty = false;
	item->intent = false;
	return hc_xstrdup(item->key);
}

char *workqueue_take(struct workqueue *queue)
{
	char *key;

	(void)pthread_mutex_lock(&queue->mutex);
	while (!queue->shut && !queue->first)
		(void)pthread_cond_wait(&queue->not_empty, &queue->mutex);
	key = take_locked(queue);
	(void)pthread_mutex_unlock(&queue->mutex);
	return key;
}

char *workqueue_try_take(struct workqueue *queue)
{
	char *key;

	(void)pthread_mutex_lock(&queue->mutex);
	key = take_locked(queue);
	(void)pthread_mutex_unlock(&queue->mutex);
	return key;
}

/* The delay of a failed key, counted; 0: at once. */
static int64_t failed(struct workqueue *queue, struct item *item, enum workqueue_end end)
{
	item->streak = 0;
	if (end == WORKQUEUE_CONFLICT && item->conflicts < CONFLICTS_AT_ONCE) {
		item->conflicts++;
		return 0;
	}
	item->failures++;
	if (end == WORKQUEUE_HOPELESS)
		return jitter(queue, BACKOFF_MAX_MS);
	return jitter(queue, doubled(BACKOFF_FIRST_MS, BACKOFF_MAX_MS, item->failures - 1));
}

static int64_t changed(struct item *item)
{
	item->failures = 0;
	item->conflicts = 0;
	item->streak++;
	if (item->streak <= STREAK_FREE)
		return 0;
	return doubled(STREAK_DELAY_FIRST_MS, STREAK_DELAY_MAX_MS, item->streak - STREAK_FREE - 1);
}

static void done_locked(struct workqueue *queue, struct item *item, enum workqueue_end end, int64_t now_ms,
						int64_t at_ms)
{
	bool dirty = item->dirty;
	int64_t delay_ms = -1;

	item->dirty = false;
	switch (end) {
	case WORKQUEUE_SETTLED:
		forget_failures(item);
		if (at_ms > 0)
			delay(queue, item, at_ms);
		break;
	case WORKQUEUE_AGAIN:
		delay_ms = changed(item);
		break;
	case WORKQUEUE_CONFLICT:
	case WORKQUEUE_TRANSIENT:
	case WORKQUEUE_HOPELESS:
		/* The failure decides when; only an intent that came meanwhile goes before it. */
		delay_ms = failed(queue, item, end);
		dirty = false;
		break;
	case WORKQUEUE_DROPPED:
		forget_failures(item);
		break;
	}
	if (item->intent)
		forget_failures(item);
	if (dirty || item->intent || delay_ms == 0) {
		item->intent = false;
		make_ready(queue, item);
		return;
	}
	if (delay_ms > 0) {
		heap_remove(queue, item); /* a resync's earlier moment must not cut a back-off short */
		delay(queue, item, now_ms + delay_ms);
	}
}

int workqueue_done(struct workqueue *queue, const char *key, enum workqueue_end end, int64_t now_ms,
				   int64_t at_ms)
{
	struct item *item;
	int failures;

	(void)pthread_mutex_lock(&queue->mutex);
	item = hc_map_get(queue->items, key);
	assert(item && item->processing);
	item->processing = false;
	queue->processing_count--;
	done_locked(queue, item, end, now_ms, at_ms);
	failures = item->failures;
	item_drop_if_idle(queue, item);
	unlock_and_tell(queue);
	return failures;
}

int64_t workqueue_due(struct workqueue *queue, int64_t now_ms)
{
	int64_t next_ms;

	(void)pthread_mutex_lock(&queue->mutex);
	while (queue->heap_count && queue->heap[0]->at_ms <= now_ms) {
		struct item *item = queue->heap[0];

		heap_remove(queue, item);
		if (item->processing)
			item->dirty = true;
		else
			make_ready(queue, item);
	}
	next_ms = queue->heap_count ? queue->heap[0]->at_ms : 0;
	queue->announced_ms = next_ms;
	(void)pthread_mutex_unlock(&queue->mutex);
	return next_ms;
}

struct workqueue_counts workqueue_count(struct workqueue *queue)
{
	struct workqueue_counts counts;

	(void)pthread_mutex_lock(&queue->mutex);
	counts.ready = queue->ready_count;
	counts.waiting = queue->heap_count;
	counts.processing = queue->processing_count;
	(void)pthread_mutex_unlock(&queue->mutex);
	return counts;
}

void workqueue_shut_down(struct workqueue *queue)
{
	(void)pthread_mutex_lock(&queue->mutex);
	queue->shut = true;
	(void)pthread_cond_broadcast(&queue->not_empty);
	(void)pthread_mutex_unlock(&queue->mutex);
}

static int free_item(const char *key, void *value, void *payload)
{
	(void)key;
	(void)payload;
	item_free(value);
	return 0;
}

void workqueue_free(struct workqueue *queue)
{
	if (!queue)
		return;
	(void)hc_map_each(queue->items, free_item, NULL);
	hc_map_free(queue->items);
	free(queue->heap);
	(void)pthread_cond_destroy(&queue->not_empty);
	(void)pthread_mutex_destroy(&queue->mutex);
	free(queue);
}
