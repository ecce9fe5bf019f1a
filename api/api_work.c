/* Blocking work off the loop. Each job has a store connection for itself while it runs; idle ones are kept.
 */
#include "api.h"

#include "base/log.h"

struct store *api_store_take(struct api *api, struct hc_error *err)
{
	struct store *store = NULL;

	uv_mutex_lock(&api->stores_lock);
	for (size_t index = 0; index < API_STORES_MAX && !store; index++)
		store = hc_take(&api->stores[index]);
	uv_mutex_unlock(&api->stores_lock);
	if (!store && store_open(api->options.database_url, "helvetia-api", &store, err))
		return NULL;
	return store;
}

void api_store_put(struct api *api, struct store *store)
{
	uv_mutex_lock(&api->stores_lock);
	for (size_t index = 0; index < API_STORES_MAX && store; index++)
		if (!api->stores[index])
			api->stores[index] = hc_take(&store);
	uv_mutex_unlock(&api->stores_lock);
	store_close(store);
}

static void run(uv_work_t *work)
{
	struct api_call *call = work->data;
	struct hc_error err = {0};
	struct store *store = api_store_take(call->api, &err);

	if (!store) {
		api_answer_error(call, &err);
		return;
	}
	call->job(call, store);
	api_store_put(call->api, store);
}

static void done(uv_work_t *work, int status)
{
	struct api_call *call = work->data;

	if (status) /* only a cancel, which nobody does */
		api_answer_fail(call, 503, "the API is stopping");
	call->api->trim_wanted = true;
	api_reply(call);
}

void api_work(struct api_call *call, void (*job)(struct api_call *call, struct store *store))
{
	call->job = job;
	call->work.data = call;
	if (uv_queue_work(&call->api->loop, &call->work, run, done)) {
		api_answer_fail(call, 503, "no thread is free");
		api_reply(call);
	}
}

void api_stores_close(struct api *api)
{
	for (size_t index = 0; index < API_STORES_MAX; index++)
		store_close(hc_take(&api->stores[index]));
}
