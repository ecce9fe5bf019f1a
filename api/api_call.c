/* From request to handler, and the answer back. */
#include "api.h"

#include "api_body.h"
#include "api_discovery.h"
#include "api_openapi.h"
#include "api_pod.h"
#include "api_review.h"
#include "api_webhook.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API_RELEASE "v1.33.0+helvetia.0.1.0"

/* --- answers --- */

void api_answer_json(struct api_call *call, int code, char *body_take, size_t length)
{
	free(call->answer.body);
	call->answer.code = code;
	call->answer.body = body_take;
	call->answer.length = length;
}

void api_answer_header(struct api_call *call, const char *name, const char *value)
{
	struct api_answer *answer = &call->answer;

	if (answer->header_count < HC_COUNT(answer->headers))
		answer->headers[answer->header_count++] = (struct http_header){name, value};
}

void api_answer_status(struct api_call *call, const struct api_status *status)
{
	char *body = api_status_json(status);

	api_answer_json(call, status->code, body, strlen(body));
	if (status->retry_after_seconds)
		api_answer_header(call, "Retry-After",
						  hc_arena_printf(call->arena, "%d", status->retry_after_seconds));
	if (status->code == 401)
		api_answer_header(call, "WWW-Authenticate", "Bearer realm=\"helvetia\"");
}

void api_answer_fail(struct api_call *call, int code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	const char *message = hc_arena_vprintf(call->arena, format, arguments);
	va_end(arguments);
	api_answer_status(call, &(struct api_status){.code = code,
												 .message = message,
												 .kind = call->route.kind,
												 .name = call->route.name,
												 .retry_after_seconds = code == 503 || code == 429 ? 1 : 0});
}

void api_answer_error(struct api_call *call, const struct hc_error *err)
{
	int code = api_status_of_class(err->class);

	if (code == 500)
		hc_log(HC_LOG_ERROR, "request failed", "method", http_request_method(call->request), "path",
			   call->query.path, "class", hc_class_name(err->class), "error", err->text, NULL);
	api_answer_fail(call, code, "%s", err->text);
}

void api_answer_warn(struct api_call *call, const char *text)
{
	HC_AUTO_TEXT quoted = {0};

	hc_text_append(&quoted, "299 - ");
	hc_text_append_json_string(&quoted, text);
	api_answer_header(call, "Warning", hc_arena_strdup(call->arena, hc_text_string(&quoted)));
}

void api_reply(struct api_call *call)
{
	struct api_answer *answer = &call->answer;

	http_reply(call->request, &(struct http_reply){.status = answer->code,
												   .content_type = answer->content_type,
												   .body_take = answer->body,
												   .length = answer->length,
												   .headers = answer->headers,
												   .header_count = answer->header_count});
	answer->body = NULL;
	api_call_free(call);
}

void api_call_free(struct api_call *call)
{
	struct hc_arena *arena = call->arena;

	free(call->answer.body);
	hc_arena_free(arena); /* the call lies in it */
}

/* --- system endpoints --- */

static void answer_text(struct api_call *call, const char *text)
{
	call->answer.content_type = "text/plain; charset=utf-8";
	api_answer_json(call, 200, hc_xstrdup(text), strlen(text));
	api_reply(call);
}

static void answer_version(struct api_call *call)
{
	/* The installation is known once the database has answered; `helvetia up` waits for it. */
	char *text = hc_xprintf("{\"major\":\"1\",\"minor\":\"33\",\"gitVersion\":\"" API_RELEASE "\","
							"\"gitCommit\":\"\",\"gitTreeState\":\"\",\"buildDate\":\"\",\"goVersion\":\"\","
							"\"compiler\":\"gcc\",\"platform\":\"linux\",\"installation\":\"%s\"}\n",
							call->api->installation ? call->api->installation : "");

	api_answer_json(call, 200, text, strlen(text));
	api_reply(call);
}

static void version_known(const struct store_answer *answer, void *payload)
{
	struct api_call *call = payload;

	if (answer->error) {
		api_answer_fail(call, 503, "the database does not answer: %s", answer->error->text);
		api_reply(call);
		return;
	}
	answer_text(call, "ok");
}

static void answer_readyz(struct api_call *call)
{
	if (!call->api->ready) {
		api_answer_fail(call, 503, "the database has not answered yet");
		api_reply(call);
		return;
	}
	store_stream_version(call->api->stream, version_known, call);
}

/* --- what is served at all --- */

static void answer_discovery(struct api_call *call)
{
	struct api_accept accept;
	const char *content_type = NULL;

	api_accept_parse(http_request_header(call->request, "Accept"), &accept);
	char *text = api_discovery_json(call->route.path, &accept, &content_type);
	call->answer.content_type = content_type;
	api_answer_header(call, "Vary", "Accept");
	api_answer_json(call, 200, text, strlen(text));
	api_reply(call);
}

/* A document asked for by its hash never changes. */
static void answer_openapi(struct api_call *call)
{
	const char *hash = NULL;
	const char *text = api_openapi_document(call->api->openapi, call->route.path, &hash);

	if (hash) {
		api_answer_header(call, "ETag", hc_arena_printf(call->arena, "\"%s\"", hash));
		if (hc_streq(http_query_get(&call->query, "hash"), hash))
			api_answer_header(call, "Cache-Control", "public, max-age=31536000, immutable");
	}
	api_answer_json(call, 200, hc_xstrdup(text), strlen(text));
	api_reply(call);
}

static void answer_review(struct api_call *call)
{
	enum api_body_type type;
	struct hc_error err = {0};
	json_t *body = api_body_read(call, &type);
	json_t *review = body ? api_review_answer(call->route.path, &call->identity, body, &err) : NULL;

	if (review) {
		char *text = json_dumps(review, JSON_COMPACT);
		api_answer_json(call, 201, text, strlen(text));
	} else if (body) {
		api_answer_fail(call, 400, "%s", err.text);
	}
	json_decref(review);
	json_decref(body);
	api_reply(call);
}

/* --- the way of a request --- */

/* What can't be done with the kind, and why. */
static const char *refusal_hint(const struct api_call *call)
{
	const struct api_kind *kind = call->route.kind;
	bool reads = hc_streq(http_request_method(call->request), "GET");

	if (kind->view)
		return reads ? " with watch: ask again instead" : ": it is what the engine says";
	return kind->store_kind == STORE_DEPLOYMENT || kind->store_kind == STORE_BUILD
			   ? ": the platform writes it"
			   : "";
}

/* Of a Pod, other than its log; kubectl prints the sentence. */
static const char *unserved_part(const struct http_query *query)
{
	static const char *const parts[] = {"exec", "attach", "portforward"};
	bool pod = query->segment_count == 7 && hc_streq(query->segments[4], "pods");

	for (size_t index = 0; pod && index < HC_COUNT(parts); index++)
		if (hc_streq(query->segments[6], parts[index]))
			return parts[index];
	return NULL;
}

static void refuse_route(struct api_call *call, int status)
{
	const char *method = http_request_method(call->request);
	const char *part = unserved_part(&call->query);

	if (status == 405 && call->route.kind)
		api_answer_fail(call, 405, "%s does not support %s%s%s", call->route.kind->qualified, method,
						refusal_hint(call),
						call->route.name || !hc_streq(method, "DELETE") ? "" : " of a whole collection");
	else if (status == 405)
		api_answer_fail(call, 405, "%s is not allowed on %s", method, call->query.path);
	else if (part)
		api_answer_fail(call, 404, "%s of a Pod is not served by this platform: only its log is", part);
	else
		api_answer_fail(call, 404, "the server could not find the requested resource: %s %s", method,
						call->query.path);
	api_reply(call);
}

static bool forbidden(struct api_call *call)
{
	const struct api_route *route = &call->route;
	const struct api_identity *identity = &call->identity;

	if (!api_role_may_endpoint(identity, route->endpoint)) {
		api_answer_fail(call, 403, "%s is the administrator's: the role of \"%s\" is %s%s%s",
						call->query.path, identity->name, identity->role,
						*identity->namespace_name ? " of namespace " : "", identity->namespace_name);
		return true;
	}
	if (api_role_may_route(identity, route))
		return false;
	api_answer_fail(
		call, 403,
		"%s \"%s\" is forbidden: User \"%s\" cannot %s resource \"%s\" in API group \"%s\"%s%s%s: "
		"its role is %s%s%s",
		route->kind->qualified, route->name ? route->name : "", identity->name, api_verb_text(route->verb),
		route->kind->plural, route->kind->group, route->namespace_name ? " in the namespace \"" : "",
		route->namespace_name ? route->namespace_name : "", route->namespace_name ? "\"" : "", identity->role,
		*identity->namespace_name ? " of namespace " : "", identity->namespace_name);
	return true;
}

void api_dispatch(struct api_call *call)
{
	const struct api_route *route = &call->route;

	if (forbidden(call)) {
		api_reply(call);
		return;
	}
	if (route->endpoint == API_APPLY)
		api_apply(call);
	else if (route->endpoint == API_DELIVERIES)
		api_deliveries(call);
	else if (route->endpoint == API_DISCOVERY)
		answer_discovery(call);
	else if (route->endpoint == API_OPENAPI)
		answer_openapi(call);
	else if (route->endpoint == API_REVIEW)
		answer_review(call);
	else if (route->subresource == API_LOG)
		api_log(call);
	else if (route->kind->view)
		api_pods(call);
	else if (route->verb == API_WATCH)
		api_watch(call);
	else if (route->verb & API_READ)
		api_read(call);
	else
		api_write(call);
}

void api_handle(struct http_request *request, void *payload)
{
	struct api *api = payload;
	struct hc_arena *arena = hc_arena_new();
	struct api_call *call = hc_arena_alloc(arena, sizeof(*call));
	struct hc_error err = {0};

	*call = (struct api_call){.api = api, .request = request, .arena = arena};
	if (http_query_parse(http_request_target(request), arena, &call->query, &err)) {
		api_answer_fail(call, 400, "%s", err.text);
		api_reply(call);
		return;
	}
	int status = api_route_find(http_request_method(request), &call->query, &call->route);
	if (status == 0 && call->route.endpoint == API_HEALTHZ) {
		answer_text(call, "ok");
	} else if (status == 0 && call->route.endpoint == API_READYZ) {
		answer_readyz(call);
	} else if (status == 0 && call->route.endpoint == API_VERSION) {
		answer_version(call);
	} else if (!api->ready) {
		api_answer_fail(call, 503, "the API is starting: the database has not answered yet");
		api_reply(call);
	} else if (status) {
		refuse_route(call, status);
	} else if (call->route.endpoint == API_WEBHOOK) {
		api_webhook(call); /* the signature stands for a token */
	} else {
		api_auth_check(call);
	}
}
