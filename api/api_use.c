/* Notes when tokens are used: the loop collects, a pool thread writes them in one statement. A token is noted
 * at most once a minute (struct kept of api_auth.c, and the statement itself for several API processes); a
 * note that fails is lost, and the next minute's makes up for it. */
#include "api.h"

#include "base/alloc.h"
#include "base/log.h"
#include <stdlib.h>

#define PENDING_MAX 1000 /* more than that many in half a second wait for their next use */
#define COLLECT_MS 500

struct api_use {
	struct api *api;
	uv_timer_t timer;
	uv_work_t work;
	struct hc_arena *arena; /* of the pending */
	const char **pending;
	size_t count;
	struct hc_arena *writing_arena; /* of the job; NULL: none runs */
	const char **writing;
	size_t writing_count;
	struct hc_error err;
	bool failed;
	bool failing; /* written about */
};

struct api_use *api_use_new(struct api *api)
{
	struct api_use *use = hc_xalloc(sizeof(*use));

	use->api = api;
	use->work.data = use;
	uv_timer_init(&api->loop, &use->timer);
	use->timer.data = use;
	return use;
}

static void write_uses(uv_work_t *work)
{
	struct api_use *use = work->data;
	struct store *store = api_store_take(use->api, &use->err);

	use->failed = !store || store_tokens_used(store, use->writing, use->writing_count, &use->err);
	if (store)
		api_store_put(use->api, store);
}

static void collect(struct api_use *use);

static void written(uv_work_t *work, int status)
{
	struct api_use *use = work->data;

	(void)status;
	hc_arena_free(use->writing_arena);
	use->writing_arena = NULL;
	if (use->failed && !use->failing)
		hc_log(HC_LOG_WARN, "the last use of tokens can't be noted", "error", use->err.text, NULL);
	use->failing = use->failed;
	if (use->count && !use->api->stopping)
		collect(use);
}

static void collected(uv_timer_t *timer)
{
	struct api_use *use = timer->data;

	use->writing_arena = use->arena;
	use->writing = use->pending;
	use->writing_count = use->count;
	use->arena = NULL;
	use->pending = NULL;
	use->count = 0;
	use->err = (struct hc_error){0};
	if (uv_queue_work(&use->api->loop, &use->work, write_uses, written)) {
		hc_arena_free(use->writing_arena);
		use->writing_arena = NULL;
	}
}

static void collect(struct api_use *use)
{
	if (!use->writing_arena && !uv_is_active((uv_handle_t *)&use->timer))
		uv_timer_start(&use->timer, collected, COLLECT_MS, 0);
}

void api_use_note(struct api_use *use, const char *token_uid)
{
	if (use->count == PENDING_MAX || use->api->stopping)
		return;
	if (!use->arena) {
		use->arena = hc_arena_new();
		use->pending = hc_arena_alloc_array(use->arena, PENDING_MAX, sizeof(*use->pending));
	}
	use->pending[use->count++] = hc_arena_strdup(use->arena, token_uid);
	collect(use);
}

void api_use_close(struct api_use *use)
{
	uv_close((uv_handle_t *)&use->timer, NULL);
}

void api_use_free(struct api_use *use)
{
	if (!use)
		return;
	hc_arena_free(use->arena);
	free(use);
}
