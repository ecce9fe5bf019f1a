/* See deployment_memory.h. */
#include "deployment_memory.h"
#include "base/alloc.h"
#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>

#define ENTRIES_MAX 10000 /* beyond that everything is forgotten: it is a memory of exceptions */
#define PULL_DELAY_FIRST_MS 5000
#define PULL_DELAY_MAX_MS (10 * 60 * 1000)

struct entry {
	char *message;
	int64_t at_ms;
	int attempts;
	bool final;
};

static struct {
	pthread_mutex_t mutex;
	struct hc_map *refusals;
	struct hc_map *pulls;
	struct hc_map *unlisted;
	struct hc_map *unused; /* images */
} memory = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void entry_free(struct entry *entry)
{
	if (entry)
		free(entry->message);
	free(entry);
}

static int visit_free(const char *key, void *value, void *payload)
{
	(void)key;
	(void)payload;
	entry_free(value);
	return 0;
}

/* The entry of a key, made when it isn't there. With the mutex held. */
static struct entry *entry_of(struct hc_map **map, const char *key)
{
	struct entry *entry;

	if (*map && hc_map_count(*map) >= ENTRIES_MAX) {
		(void)hc_map_each(*map, visit_free, NULL);
		hc_map_free(*map);
		*map = NULL;
	}
	if (!*map)
		*map = hc_map_new();
	entry = hc_map_get(*map, key);
	if (!entry) {
		entry = hc_xalloc(sizeof *entry);
		hc_map_set(*map, key, entry);
	}
	return entry;
}

static void say(struct entry *entry, const char *message)
{
	free(entry->message);
	entry->message = hc_xstrdup(message);
}

void memory_refuse(const char *folder, const char *message)
{
	(void)pthread_mutex_lock(&memory.mutex);
	say(entry_of(&memory.refusals, folder), message);
	(void)pthread_mutex_unlock(&memory.mutex);
}

const char *memory_refusal(const char *folder, struct hc_arena *arena)
{
	const struct entry *entry;
	const char *message;

	(void)pthread_mutex_lock(&memory.mutex);
	entry = memory.refusals ? hc_map_get(memory.refusals, folder) : NULL;
	message = entry ? hc_arena_strdup(arena, entry->message) : NULL;
	(void)pthread_mutex_unlock(&memory.mutex);
	return message;
}

void memory_pull_failed(const char *deployment_uid, const char *message, bool final, int64_t now_boot_ms)
{
	struct entry *entry;
	int64_t delay_ms;

	(void)pthread_mutex_lock(&memory.mutex);
	entry = entry_of(&memory.pulls, deployment_uid);
	delay_ms = entry->attempts < 7 ? (int64_t)PULL_DELAY_FIRST_MS << entry->attempts : PULL_DELAY_MAX_MS;
	entry->attempts++;
	entry->final = final;
	entry->at_ms = now_boot_ms + (delay_ms < PULL_DELAY_MAX_MS ? delay_ms : PULL_DELAY_MAX_MS);
	say(entry, message);
	(void)pthread_mutex_unlock(&memory.mutex);
}

void memory_pull_done(const char *deployment_uid)
{
	(void)pthread_mutex_lock(&memory.mutex);
	if (memory.pulls)
		entry_free(hc_map_remove(memory.pulls, deployment_uid));
	(void)pthread_mutex_unlock(&memory.mutex);
}

void memory_pull(const char *deployment_uid, const char *boot_id, struct hc_arena *arena,
				 struct image_view *image)
{
	const struct entry *entry;

	(void)pthread_mutex_lock(&memory.mutex);
	entry = memory.pulls ? hc_map_get(memory.pulls, deployment_uid) : NULL;
	image->error = entry ? hc_arena_strdup(arena, entry->message) : "";
	if (entry) {
		image->error_final = entry->final;
		image->retry_at = (struct moment){.boot_id = boot_id, .at_ms = entry->at_ms};
		image->pull_attempts = entry->attempts;
	}
	(void)pthread_mutex_unlock(&memory.mutex);
}

/* Since when it is so, by this process; 0: it isn't. */
static int64_t noted(struct hc_map **map, const char *key, bool is_so, int64_t now_boot_ms)
{
	int64_t since = 0;

	(void)pthread_mutex_lock(&memory.mutex);
	if (is_so) {
		struct entry *entry = entry_of(map, key);

		if (!entry->at_ms)
			entry->at_ms = now_boot_ms;
		since = entry->at_ms;
	} else if (*map) {
		entry_free(hc_map_remove(*map, key));
	}
	(void)pthread_mutex_unlock(&memory.mutex);
	return since;
}

int64_t memory_unlisted(const char *folder, bool unlisted, int64_t now_boot_ms)
{
	return noted(&memory.unlisted, folder, unlisted, now_boot_ms);
}

int64_t memory_unused(const char *image_id, bool unused, int64_t now_boot_ms)
{
	return noted(&memory.unused, image_id, unused, now_boot_ms);
}
