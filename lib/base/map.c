/* See map.h. uthash aborts when it is out of memory, as all of our allocation does. */
#include "map.h"
#include "alloc.h"

#include <stdlib.h>
#include <string.h>

#define uthash_fatal(message) abort()
#include <uthash.h>

struct entry {
	char *key;
	void *value;
	UT_hash_handle hh;
};

struct hc_map {
	struct entry *entries;
};

struct hc_map *hc_map_new(void)
{
	return hc_xalloc(sizeof(struct hc_map));
}

static struct entry *find(const struct hc_map *map, const char *key)
{
	struct entry *entry = NULL;

	HASH_FIND_STR(map->entries, key, entry);
	return entry;
}

void hc_map_set(struct hc_map *map, const char *key, void *value)
{
	struct entry *entry = find(map, key);

	if (!entry) {
		entry = hc_xalloc(sizeof *entry);
		entry->key = hc_xstrdup(key);
		HASH_ADD_KEYPTR(hh, map->entries, entry->key, strlen(entry->key), entry);
	}
	entry->value = value;
}

void *hc_map_get(const struct hc_map *map, const char *key)
{
	struct entry *entry = find(map, key);

	return entry ? entry->value : NULL;
}

void *hc_map_remove(struct hc_map *map, const char *key)
{
	struct entry *entry = find(map, key);
	void *value;

	if (!entry)
		return NULL;
	value = entry->value;
	HASH_DEL(map->entries, entry);
	free(entry->key);
	free(entry);
	return value;
}

size_t hc_map_count(const struct hc_map *map)
{
	return HASH_COUNT(map->entries);
}

int hc_map_each(const struct hc_map *map, int (*visit)(const char *key, void *value, void *payload),
				void *payload)
{
	for (struct entry *entry = map->entries; entry; entry = entry->hh.next) {
		int stop = visit(entry->key, entry->value, payload);

		if (stop)
			return stop;
	}
	return 0;
}

void hc_map_free(struct hc_map *map)
{
	struct entry *entry;
	struct entry *next;

	if (!map)
		return;
	HASH_ITER(hh, map->entries, entry, next)
	{
		HASH_DEL(map->entries, entry);
		free(entry->key);
		free(entry);
	}
	free(map);
}
