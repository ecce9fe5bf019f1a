/* Deliveries of GitHub's webhooks.
 *
 *   signature → payload → push → each Service that follows its branch: write the commit, or ask for a look at
 * the remote → record → answer
 *
 * Whatever comes is recorded with its outcome; of what is refused for its signature, which anybody can send,
 * only a few (api_delivery.h). All of it runs on a pool thread. */
#include "api_webhook.h"

#include "api_delivery.h"
#include "api_list.h"
#include "api_object.h"
#include "api_push.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"
#include "schema/schema_commit.h"
#include <stdlib.h>
#include <string.h>

#define SECRET_BYTES_MAX 4096
#define LISTED 100
#define LISTED_MAX 1000
#define TOLD_MAX 10 /* Services in one message */
#define SHORT_COMMIT 10

struct api_webhook {
	char *secret; /* NULL: none */
	size_t secret_length;
	uv_mutex_t lock; /* of what follows */
	struct api_refusals refusals;
};

/* One delivery on its way. */
struct delivery {
	struct api_call *call;
	struct store *store;
	struct store_delivery record;
	json_t *services;    /* owned */
	struct hc_text told; /* of the Services */
};

int api_webhook_new(const char *secret_file, struct api_webhook **ret_webhook, struct hc_error *err)
{
	struct api_webhook *webhook = hc_xalloc(sizeof(*webhook));

	uv_mutex_init(&webhook->lock);
	if (secret_file && hc_file_read(secret_file, SECRET_BYTES_MAX, &webhook->secret, NULL, err)) {
		api_webhook_free(webhook);
		return hc_wrap(err, "--webhook-secret-file");
	}
	if (webhook->secret) {
		webhook->secret[strcspn(webhook->secret, "\r\n")] = '\0';
		webhook->secret_length = strlen(webhook->secret);
	}
	if (webhook->secret && !webhook->secret_length) {
		api_webhook_free(webhook);
		return hc_fail(err, HC_INVALID, "--webhook-secret-file: %s is empty", secret_file);
	}
	*ret_webhook = webhook;
	return 0;
}

void api_webhook_free(struct api_webhook *webhook)
{
	if (!webhook)
		return;
	if (webhook->secret)
		explicit_bzero(webhook->secret, strlen(webhook->secret));
	free(webhook->secret);
	uv_mutex_destroy(&webhook->lock);
	free(webhook);
}

/* --- the end of a delivery --- */

static void outcome(struct delivery *delivery, int status, const char *word, const char *format, ...)
	HC_PRINTF(4, 5);

static void outcome(struct delivery *delivery, int status, const char *word, const char *format, ...)
{
	struct hc_arena *arena = delivery->call->arena;
	va_list arguments;

	va_start(arguments, format);
	delivery->record.message = api_delivery_text(hc_arena_vprintf(arena, format, arguments), arena);
	va_end(arguments);
	delivery->record.status = status;
	delivery->record.outcome = word;
}

/* Whether it goes on record; a folded number is added to the message. */
static bool worth_recording(struct delivery *delivery)
{
	struct api_webhook *webhook = delivery->call->api->webhook;
	unsigned folded = 0;

	if (delivery->record.status != 401 && delivery->record.status != 403)
		return true;
	uv_mutex_lock(&webhook->lock);
	bool taken = api_refusals_take(&webhook->refusals, hc_clock_boot_ms(), &folded);
	uv_mutex_unlock(&webhook->lock);
	if (folded)
		delivery->record.message = hc_arena_printf(
			delivery->call->arena, "%s; %u others before it were refused too and not recorded",
			delivery->record.message, folded);
	return taken;
}

static void finish(struct delivery *delivery)
{
	const struct store_delivery *record = &delivery->record;
	struct hc_error err = {0};
	json_t *answer = json_pack("{s:s, s:s, s:O}", "outcome", record->outcome, "message", record->message,
							   "services", delivery->services);
	char *body = json_dumps(answer, JSON_COMPACT);

	json_decref(answer);
	api_answer_json(delivery->call, record->status, body, strlen(body));
	if (!worth_recording(delivery))
		return;
	hc_log(HC_LOG_INFO, "webhook", "event", record->event, "repository", record->repository, "outcome",
		   record->outcome, "message", record->message, NULL);
	if (store_delivery_record(delivery->store, record, &err))
		hc_log(HC_LOG_WARN, "a delivery could not be recorded", "error", err.text, NULL);
}

/* --- a push --- */

static void tell(struct delivery *delivery, const struct api_draft *draft, const char *word,
				 const char *sentence)
{
	size_t count = json_array_size(delivery->services);

	json_array_append_new(delivery->services,
						  json_pack("{s:s, s:s, s:s, s:s}", "namespace", draft->namespace_name, "name",
									draft->name, "outcome", word, "message", sentence));
	if (count < TOLD_MAX)
		hc_text_printf(&delivery->told, "%s%s/%s: %s", count ? "; " : "", draft->namespace_name, draft->name,
					   sentence);
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void tell_step(struct delivery *delivery, const struct api_draft *draft, enum api_push_step step,
					  const struct api_push *push, const char *owner)
{
	struct hc_arena *arena = delivery->call->arena;
	const char *commit = hc_arena_strndup(arena, push->after, SHORT_COMMIT);

	switch (step) {
	case API_PUSH_SET:
		tell(delivery, draft, "set", hc_arena_printf(arena, "its commit is now %s", commit));
		break;
	case API_PUSH_LOOK:
		tell(delivery, draft, "look",
			 "the push does not begin at its commit, so the repository is asked for the branch's head");
		break;
	case API_PUSH_HAS:
		tell(delivery, draft, "has", hc_arena_printf(arena, "its commit was %s already", commit));
		break;
	case API_PUSH_PINNED:
		tell(delivery, draft, "pinned",
			 hc_arena_printf(arena, "its commit is pinned by \"%s\"",
							 api_delivery_text(owner ? owner : "", arena)));
		break;
	case API_PUSH_MANUAL:
		tell(delivery, draft, "manual", "it follows no branch: autoDeploy is false");
		break;
	}
}

/* Inside the transaction. *step becomes PINNED when somebody took the commit meanwhile. */
static int write_commit(const struct api_writer *writer, struct api_draft *draft, const char *commit,
						enum api_push_step *step, const char **owner, struct hc_error *err)
{
	if (api_draft_commit(writer, draft, commit, owner, err)) {
		if (err->class != HC_CONFLICT || !*owner)
			return -1;
		*step = API_PUSH_PINNED;
		return 0;
	}
	return api_draft_store(writer, draft, err) || store_commit(writer->store, err) ? -1 : 0;
}

static int push_draft(struct delivery *delivery, const struct api_writer *writer, struct api_draft *draft,
					  const struct api_push *push, struct hc_error *err)
{
	struct hc_arena *arena = delivery->call->arena;

	if (store_begin(writer->store, err) || api_draft_read(writer, draft, err))
		return -1;
	const json_t *spec = json_object_get(draft->live, "spec");
	/* It may have gone, or follow something else by now. */
	if (!draft->live || draft->row.deleting ||
		!api_push_concerns(push, text_of(spec, "repoUrl"), text_of(spec, "branch"), arena))
		return 0;
	const char *owner = schema_commit_owner(draft->live, arena);
	enum api_push_step step = api_push_decide(push, text_of(spec, "commit"), owner,
											  !json_is_false(json_object_get(spec, "autoDeploy")));
	if (step == API_PUSH_SET && write_commit(writer, draft, push->after, &step, &owner, err))
		return -1;
	store_abort(writer->store); /* nothing, after a commit */
	if (store_follow_want(writer->store, draft->row.uid, step == API_PUSH_LOOK, err))
		return -1;
	tell_step(delivery, draft, step, push, owner);
	return 0;
}

static int push_service(struct delivery *delivery, const struct store_repository_service *service,
						const struct api_push *push, struct hc_error *err)
{
	const struct api_kind *kind = api_kind_of(STORE_SERVICE);
	struct api_writer writer = {.options = &delivery->call->api->options,
								.installation = delivery->call->api->installation,
								.store = delivery->store,
								.arena = delivery->call->arena,
								.manager = COMMIT_MANAGER};
	struct api_draft draft = {.kind = kind,
							  .schema = schema_kind_find(kind->api_version, kind->kind),
							  .namespace_name = service->namespace_name,
							  .name = service->name};

	hc_clock_format(hc_clock_wall_ms(), writer.now);
	int result = push_draft(delivery, &writer, &draft, push, err);
	store_abort(delivery->store);
	api_draft_done(&draft);
	return result;
}

static int push_services(struct delivery *delivery, const struct api_push *push, struct hc_error *err)
{
	struct store_repository_service *services = NULL;
	struct hc_arena *arena = delivery->call->arena;
	size_t count = 0;

	if (store_services_with_repository(delivery->store, arena, &services, &count, err))
		return -1;
	for (size_t index = 0; index < count; index++)
		if (api_push_concerns(push, services[index].repo_url, services[index].branch, arena) &&
			push_service(delivery, &services[index], push, err))
			return -1;
	return 0;
}

static void take_push(struct delivery *delivery, const json_t *payload)
{
	struct api_push push;
	struct hc_error err = {0};

	if (api_push_parse(payload, delivery->call->arena, &push, &err)) {
		outcome(delivery, 400, "refused", "%s", err.text);
		return;
	}
	if (!push.branch) {
		outcome(delivery, 200, "ignored", "%s is no branch", push.ref);
		return;
	}
	if (!*push.after) {
		outcome(delivery, 200, "ignored", "branch %s was deleted; what runs of it runs on", push.branch);
		return;
	}
	if (push_services(delivery, &push, &err)) {
		outcome(delivery, api_status_of_class(err.class), "failed", "the push could not be taken: %s",
				err.text);
		return;
	}
	size_t count = json_array_size(delivery->services);
	if (count > TOLD_MAX)
		hc_text_printf(&delivery->told, "; and %zu more", count - TOLD_MAX);
	if (count)
		outcome(delivery, 200, "accepted", "%s", hc_text_string(&delivery->told));
	else
		outcome(delivery, 200, "ignored", "no Service follows branch %s of %s", push.branch,
				*push.repository ? push.repository : push.urls[0]);
}

/* --- a delivery --- */

static void take_payload(struct delivery *delivery, const char *body, size_t length)
{
	struct api_call *call = delivery->call;
	const char *event = delivery->record.event;
	struct hc_error err = {0};
	json_t *payload = NULL;

	if (!*event) {
		outcome(delivery, 400, "refused", "the header X-GitHub-Event is missing");
		return;
	}
	if (api_push_payload(http_request_header(call->request, "Content-Type"), body, length, &payload, &err)) {
		outcome(delivery, 400, "refused", "%s", err.text);
		return;
	}
	delivery->record.repository = api_delivery_text(api_push_repository(payload), call->arena);
	if (hc_streq(event, "ping"))
		outcome(delivery, 200, "ping", "pong");
	else if (hc_streq(event, "push"))
		take_push(delivery, payload);
	else
		outcome(delivery, 200, "ignored", "the event %s means nothing here: only pushes do", event);
	json_decref(payload);
}

static void take_delivery(struct delivery *delivery)
{
	const struct api_webhook *webhook = delivery->call->api->webhook;
	struct http_request *request = delivery->call->request;
	size_t length = 0;
	const char *body = http_request_body(request, &length);

	if (!webhook->secret)
		outcome(delivery, 403, "refused",
				"the platform has no webhook secret: start helvetia-api with --webhook-secret-file");
	else if (!http_request_header(request, "X-Hub-Signature-256"))
		outcome(delivery, 401, "refused", "the delivery is not signed: set the webhook's secret");
	else if (!api_push_signed(webhook->secret, webhook->secret_length,
							  http_request_header(request, "X-Hub-Signature-256"), body, length))
		outcome(delivery, 401, "refused", "the signature is wrong: the webhook's secret is another one");
	else
		take_payload(delivery, body, length);
}

static void job(struct api_call *call, struct store *store)
{
	struct http_request *request = call->request;
	char *id = hc_arena_alloc(call->arena, HC_UUID_SIZE);

	hc_random_uuid(id);
	struct delivery delivery = {
		.call = call,
		.store = store,
		.services = json_array(),
		.record = {
			.id = api_delivery_word(http_request_header(request, "X-GitHub-Delivery"), id, call->arena),
			.event = api_delivery_word(http_request_header(request, "X-GitHub-Event"), "", call->arena),
			.repository = "",
			.received_wall_ms = hc_clock_wall_ms()}};
	take_delivery(&delivery);
	store_abort(store);
	finish(&delivery);
	hc_text_done(&delivery.told);
	json_decref(delivery.services);
}

void api_webhook(struct api_call *call)
{
	api_work(call, job);
}

/* --- the list --- */

static void list_job(struct api_call *call, struct store *store)
{
	struct store_delivery *deliveries = NULL;
	struct hc_error err = {0};
	size_t count = 0;
	int64_t limit = 0;

	if (api_query_number(&call->query, "limit", LISTED, &limit, &err)) {
		api_answer_fail(call, 400, "%s", err.text);
		return;
	}
	if (limit < 1 || limit > LISTED_MAX)
		limit = LISTED_MAX;
	if (store_deliveries(store, call->arena, (int)limit, &deliveries, &count, &err)) {
		api_answer_error(call, &err);
		return;
	}
	json_t *list = api_delivery_list(deliveries, count);
	char *body = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	api_answer_json(call, 200, body, strlen(body));
}

void api_deliveries(struct api_call *call)
{
	api_work(call, list_job);
}
