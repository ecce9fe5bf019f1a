/* See laggards.h. The map has the laggards only; its values tell whether one is in hand. */
#include "laggards.h"

#include "base/alloc.h"
#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>

struct laggards {
	pthread_mutex_t mutex;
	struct hc_map *map;
	size_t at_once;
	size_t in_hand;
};

static char waits, in_hand; /* their addresses are the values */

struct laggards *laggards_new(size_t at_once)
{
	struct laggards *laggards = hc_xalloc(sizeof *laggards);

	(void)pthread_mutex_init(&laggards->mutex, NULL);
	laggards->map = hc_map_new();
	laggards->at_once = at_once;
	return laggards;
}

bool laggards_begin(struct laggards *laggards, const char *key)
{
	bool go = true;

	(void)pthread_mutex_lock(&laggards->mutex);
	if (hc_map_get(laggards->map, key)) {
		go = laggards->in_hand < laggards->at_once;
		if (go) {
			hc_map_set(laggards->map, key, &in_hand);
			laggards->in_hand++;
		}
	}
	(void)pthread_mutex_unlock(&laggards->mutex);
	return go;
}

void laggards_end(struct laggards *laggards, const char *key, bool failed, int64_t lasted_ms)
{
	(void)pthread_mutex_lock(&laggards->mutex);
	if (hc_map_remove(laggards->map, key) == &in_hand)
		laggards->in_hand--;
	if (failed && lasted_ms >= LAGGARDS_AFTER_MS)
		hc_map_set(laggards->map, key, &waits);
	(void)pthread_mutex_unlock(&laggards->mutex);
}

void laggards_free(struct laggards *laggards)
{
	if (!laggards)
		return;
	hc_map_free(laggards->map);
	(void)pthread_mutex_destroy(&laggards->mutex);
	free(laggards);
}
