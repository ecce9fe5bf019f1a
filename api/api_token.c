/* See the header. The text of a token is in memory while its request lasts: it is in the answer, and neither
 * in a row, nor in the change log, nor in the log. */
#include "api_token.h"

#include "base/clock.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include <string.h>

static void refuse(struct api_call *call, const struct api_draft *draft, const struct api_grant *grant)
{
	HC_AUTO_TEXT message = {0};
	struct api_cause cause = {.field = grant->field,
							  .reason = "FieldValueInvalid",
							  .message = hc_arena_printf(call->arena, "Invalid value: %s", grant->sentence)};
	struct api_status status = {.code = grant->status, .kind = draft->kind, .name = draft->name};

	if (grant->status == 422) {
		api_status_text_invalid(draft->kind, draft->name, &cause, 1, &message);
		status.causes = &cause;
		status.cause_count = 1;
	} else {
		hc_text_printf(&message, "%s \"%s\" is forbidden: %s: %s", draft->kind->qualified, draft->name,
					   grant->field, grant->sentence);
	}
	status.message = hc_text_string(&message);
	api_answer_status(call, &status);
}

bool api_token_may_write(struct api_call *call, const struct api_draft *draft, const json_t *object)
{
	if (draft->kind->store_kind != STORE_TOKEN)
		return true;
	struct api_grant grant = api_role_grant(&call->identity, draft->live, object, hc_clock_wall_ms());
	if (!grant.sentence)
		return true;
	refuse(call, draft, &grant);
	return false;
}

void api_token_draw(struct api_call *call, struct api_draft *draft, char **ret_text)
{
	char *text = hc_arena_alloc(call->arena, CRYPTO_TOKEN_SIZE);
	char *hash = hc_arena_alloc(call->arena, CRYPTO_SHA256_HEX_SIZE);

	crypto_token_new(text);
	crypto_sha256_hex(text, strlen(text), hash);
	draft->token_hash = hash;
	*ret_text = text;
}

void api_token_answer(struct api_call *call, const struct api_draft *draft, char *text_wiped)
{
	json_t *object = json_loads(draft->stored.json, 0, NULL);
	json_t *status = json_object_get(object, "status");

	if (!json_is_object(status)) {
		status = json_object();
		json_object_set_new(object, "status", status);
	}
	json_object_set_new(status, "token", json_string(text_wiped));
	char *body = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	explicit_bzero(text_wiped, strlen(text_wiped));
	hc_log(HC_LOG_INFO, "a token was made", "namespace", draft->namespace_name, "name", draft->name, "by",
		   call->identity.name, NULL);
	api_answer_json(call, 201, body, strlen(body));
}
