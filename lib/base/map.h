/* Map from text to a borrowed pointer, over uthash. Iteration follows insertion. Not thread-safe. */
#ifndef HC_MAP_H
#define HC_MAP_H

#include "base.h"

struct hc_map;

struct hc_map *hc_map_new(void);
void hc_map_set(struct hc_map *map, const char *key, void *value); /* copies the key; replaces the value */
void *hc_map_get(const struct hc_map *map, const char *key);       /* NULL when absent */
void *hc_map_remove(struct hc_map *map, const char *key); /* returns the value that was there, or NULL */
size_t hc_map_count(const struct hc_map *map);
/* Calls visit for each pair until it returns non-zero; returns that. The map must not change meanwhile. */
int hc_map_each(const struct hc_map *map, int (*visit)(const char *key, void *value, void *payload),
				void *payload);
void hc_map_free(struct hc_map *map); /* not the values; accepts NULL */
HC_DEFINE_CLEANUP(hc_map, hc_map_free)

#endif
