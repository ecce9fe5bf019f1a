/* See the header. */
#include "api_limit.h"

#include "base/alloc.h"
#include "base/map.h"
#include <stdlib.h>

struct bucket {
	int64_t full_ms; /* when it is full again: each failure moves it on */
	int64_t logged_ms;
	int64_t failures; /* since then */
	bool logged;
};

struct api_limit {
	struct hc_map *buckets; /* address → struct bucket, owned */
};

struct api_limit *api_limit_new(void)
{
	struct api_limit *limit = hc_xalloc(sizeof(*limit));

	limit->buckets = hc_map_new();
	return limit;
}

static int free_bucket(const char *address, void *value, void *payload)
{
	(void)address;
	(void)payload;
	free(value);
	return 0;
}

void api_limit_free(struct api_limit *limit)
{
	if (!limit)
		return;
	hc_map_each(limit->buckets, free_bucket, NULL);
	hc_map_free(limit->buckets);
	free(limit);
}

bool api_limit_allows(const struct api_limit *limit, const char *address, int64_t now_ms)
{
	const struct bucket *bucket = hc_map_get(limit->buckets, address);

	return !bucket || bucket->full_ms - now_ms <= (API_LIMIT_BURST - 1) * (int64_t)API_LIMIT_REFILL_MS;
}

struct sweep {
	struct hc_map *kept;
	int64_t now_ms;
	int64_t allowed_ms; /* a bucket that is full in less than this is forgotten */
};

static int keep_or_free(const char *address, void *value, void *payload)
{
	struct sweep *sweep = payload;
	struct bucket *bucket = value;

	if (bucket->full_ms - sweep->now_ms <= sweep->allowed_ms)
		free(bucket);
	else
		hc_map_set(sweep->kept, address, bucket);
	return 0;
}

/* Those that are full again first; when an attacker has that many addresses, the emptiest stay. */
static void make_room(struct api_limit *limit, int64_t now_ms)
{
	struct sweep sweep = {.now_ms = now_ms};

	while (hc_map_count(limit->buckets) >= API_LIMIT_ADDRESSES) {
		sweep.kept = hc_map_new();
		hc_map_each(limit->buckets, keep_or_free, &sweep);
		hc_map_free(limit->buckets);
		limit->buckets = sweep.kept;
		sweep.allowed_ms = sweep.allowed_ms * 2 + API_LIMIT_REFILL_MS;
	}
}

bool api_limit_failed(struct api_limit *limit, const char *address, int64_t now_ms, int64_t *ret_failures)
{
	struct bucket *bucket = hc_map_get(limit->buckets, address);

	if (!bucket) {
		make_room(limit, now_ms);
		bucket = hc_xalloc(sizeof(*bucket));
		hc_map_set(limit->buckets, address, bucket);
	}
	if (bucket->full_ms < now_ms)
		bucket->full_ms = now_ms;
	bucket->full_ms += API_LIMIT_REFILL_MS;
	bucket->failures++;
	*ret_failures = bucket->failures;
	/* A few are somebody who mistypes. */
	if (api_limit_allows(limit, address, now_ms) ||
		(bucket->logged && now_ms - bucket->logged_ms < API_LIMIT_LOG_MS))
		return false;
	bucket->logged = true;
	bucket->logged_ms = now_ms;
	bucket->failures = 0;
	return true;
}
