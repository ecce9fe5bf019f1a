/* The first thing that the API does with a database: bring it up to date, and see that there is a namespace
 * `default` and an administrator. Repeated with a pause until the database is there; meanwhile requests get
 * 503. */
#include "api_secret.h"
#include "api_watch.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include <stdlib.h>
#include <string.h>

#define RETRY_MS 500
#define ADMINISTRATOR "administrator"

struct bootstrap {
	struct api *api;
	struct hc_error err;
	const char *installation; /* in the process's arena */
	uv_work_t work;
	bool failed;
	bool told; /* that the database is away */
};

static int make_namespace(struct store *store, struct hc_arena *arena, struct hc_error *err)
{
	static const struct store_write write = {.metadata = "{\"finalizers\":[\"" STORE_SERVICE_FINALIZER
														 "\"]}"};
	struct store_object object;

	if (store_get(store, arena, STORE_NAMESPACE, "", "default", &object, err) == 0)
		return 0;
	if (err->class != HC_NOT_FOUND)
		return -1;
	return store_insert(store, arena, STORE_NAMESPACE, "", "default", &write, &object, err);
}

/* The file is written before the row is committed: a token that nobody has would lock everybody out. */
static int make_administrator(const struct api *api, struct store *store, struct hc_arena *arena,
							  struct hc_error *err)
{
	char token[CRYPTO_TOKEN_SIZE], line[CRYPTO_TOKEN_SIZE + 1], hash[CRYPTO_SHA256_HEX_SIZE];
	struct store_write write = {
		.spec = "{\"role\":\"admin\",\"allNamespaces\":true,\"description\":\"Made at the first "
				"start of the API.\"}",
		.token_hash = hash};
	struct store_object object;
	bool exists = false;

	if (store_token_exists(store, "admin", &exists, err))
		return -1;
	if (exists) {
		if (!hc_file_exists(api->options.admin_token_file))
			hc_log(HC_LOG_WARN,
				   "an administrator's token exists, but the file of the first one is gone; "
				   "`helvetia token create NAME --role admin --all-namespaces` on this machine makes another",
				   "file", api->options.admin_token_file, NULL);
		return 0;
	}
	crypto_token_new(token);
	crypto_sha256_hex(token, strlen(token), hash);
	snprintf(line, sizeof(line), "%s\n", token);
	if (hc_file_write(api->options.admin_token_file, line, strlen(line), 0600, err) ||
		store_insert(store, arena, STORE_TOKEN, "default", ADMINISTRATOR, &write, &object, err))
		return -1;
	explicit_bzero(token, sizeof(token));
	explicit_bzero(line, sizeof(line));
	hc_log(HC_LOG_INFO, "made the administrator's token", "file", api->options.admin_token_file, NULL);
	return 0;
}

static int prepare(struct bootstrap *bootstrap, struct store *store, struct hc_error *err)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();

	if (store_migrate(store, err))
		return -1;
	api_secret_key_ensure(bootstrap->api->options.secret_key_file, store);
	if (store_begin(store, err))
		return -1;
	if (make_namespace(store, arena, err) || make_administrator(bootstrap->api, store, arena, err)) {
		store_abort(store);
		return -1;
	}
	return store_commit(store, err) ||
		   store_installation(store, bootstrap->api->arena, &bootstrap->installation, err);
}

static void run(uv_work_t *work)
{
	struct bootstrap *bootstrap = work->data;
	HC_AUTO(store) store = NULL;

	bootstrap->err = (struct hc_error){0};
	bootstrap->failed = store_open(bootstrap->api->options.database_url, "helvetia-api", &store,
								   &bootstrap->err) ||
						prepare(bootstrap, store, &bootstrap->err);
}

static void again(uv_timer_t *timer);

static void done(uv_work_t *work, int status)
{
	struct bootstrap *bootstrap = work->data;
	struct api *api = bootstrap->api;

	(void)status;
	if (api->stopping) {
		free(bootstrap);
	} else if (!bootstrap->failed) {
		api->installation = bootstrap->installation;
		free(bootstrap);
		api_hub_start(api->hub);
	} else {
		bool away = bootstrap->err.class == HC_TRANSIENT;
		if (!away || !bootstrap->told)
			hc_log(away ? HC_LOG_WARN : HC_LOG_ERROR, "the database can't be used yet", "error",
				   bootstrap->err.text, NULL);
		bootstrap->told = away;
		api->retry.data = bootstrap;
		uv_timer_start(&api->retry, again, away ? RETRY_MS : RETRY_MS * 10, 0);
	}
}

static void again(uv_timer_t *timer)
{
	struct bootstrap *bootstrap = timer->data;

	timer->data = NULL;
	if (uv_queue_work(&bootstrap->api->loop, &bootstrap->work, run, done))
		free(bootstrap);
}

void api_bootstrap(struct api *api)
{
	struct bootstrap *bootstrap = hc_xalloc(sizeof(*bootstrap));

	bootstrap->api = api;
	bootstrap->work.data = bootstrap;
	api->retry.data = bootstrap;
	uv_timer_start(&api->retry, again, 0, 0);
}
