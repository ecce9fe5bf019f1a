/* Bearer tokens. What is known of a token is kept for 30 s, and forgotten as soon as any token changes; an
 * unknown one is asked for each time (one look-up by index), so that a new token works at once and wrong ones
 * fill no memory. */
#include "api.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/map.h"
#include "crypto/crypto.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define KEPT_MS 30000
#define KEPT_MAX 1000
#define TOKEN_BYTES_MAX 1024

struct kept {
	char *uid;
	char *name;
	char *role;
	char *namespace_name;
	int64_t expires_wall_ms;
	int64_t until_boot_ms;
};

struct api_auth {
	struct hc_map *tokens; /* hash → struct kept, owned */
};

struct api_auth *api_auth_new(void)
{
	struct api_auth *auth = hc_xalloc(sizeof(*auth));

	auth->tokens = hc_map_new();
	return auth;
}

static void free_kept(struct kept *kept)
{
	if (!kept)
		return;
	free(kept->uid);
	free(kept->name);
	free(kept->role);
	free(kept->namespace_name);
	free(kept);
}

static int free_visited(const char *key, void *value, void *payload)
{
	(void)key;
	(void)payload;
	free_kept(value);
	return 0;
}

void api_auth_forget(struct api_auth *auth)
{
	hc_map_each(auth->tokens, free_visited, NULL);
	hc_map_free(auth->tokens);
	auth->tokens = hc_map_new();
}

void api_auth_free(struct api_auth *auth)
{
	if (!auth)
		return;
	hc_map_each(auth->tokens, free_visited, NULL);
	hc_map_free(auth->tokens);
	free(auth);
}

static void refuse(struct api_call *call, const char *sentence)
{
	api_answer_fail(call, 401, "%s", sentence);
	api_reply(call);
}

static void admit(struct api_call *call, const struct store_token *token)
{
	if (token->expires_wall_ms && token->expires_wall_ms <= hc_clock_wall_ms()) {
		refuse(call, "Unauthorized: the token has expired");
		return;
	}
	call->identity = (struct api_identity){
		.uid = hc_arena_strdup(call->arena, token->uid),
		.name = hc_arena_strdup(call->arena, token->name),
		.role = hc_arena_strdup(call->arena, token->role),
		.namespace_name = hc_arena_strdup(call->arena, token->namespace_name),
		.expires_wall_ms = token->expires_wall_ms,
	};
	api_dispatch(call);
}

struct question {
	struct api_call *call;
	char hash[CRYPTO_SHA256_HEX_SIZE];
};

static void keep(struct api_auth *auth, const char *hash, const struct store_token *token)
{
	if (hc_map_count(auth->tokens) >= KEPT_MAX)
		api_auth_forget(auth);
	free_kept(hc_map_remove(auth->tokens, hash));
	struct kept *kept = hc_xalloc(sizeof(*kept));
	*kept = (struct kept){.uid = hc_xstrdup(token->uid),
						  .name = hc_xstrdup(token->name),
						  .role = hc_xstrdup(token->role),
						  .namespace_name = hc_xstrdup(token->namespace_name),
						  .expires_wall_ms = token->expires_wall_ms,
						  .until_boot_ms = hc_clock_boot_ms() + KEPT_MS};
	hc_map_set(auth->tokens, hash, kept);
}

static void token_known(const struct store_answer *answer, void *payload)
{
	struct question *question = payload;
	struct api_call *call = question->call;

	if (answer->error) {
		api_answer_fail(call, 503, "the token could not be checked: %s", answer->error->text);
		api_reply(call);
	} else if (!answer->token) {
		refuse(call, "Unauthorized: the token is not known");
	} else {
		keep(call->api->auth, question->hash, answer->token);
		admit(call, answer->token);
	}
}

static const char *bearer(const struct http_request *request)
{
	const char *header = http_request_header(request, "Authorization");

	if (!header || strncasecmp(header, "Bearer ", 7) != 0)
		return NULL;
	header += 7 + strspn(header + 7, " ");
	return *header && strlen(header) <= TOKEN_BYTES_MAX ? header : NULL;
}

void api_auth_check(struct api_call *call)
{
	const char *token = bearer(call->request);

	if (!token) {
		refuse(call, "Unauthorized: send a token as \"Authorization: Bearer TOKEN\"");
		return;
	}
	struct question *question = hc_arena_alloc(call->arena, sizeof(*question));
	question->call = call;
	crypto_sha256_hex(token, strlen(token), question->hash);
	const struct kept *kept = hc_map_get(call->api->auth->tokens, question->hash);
	if (!kept || kept->until_boot_ms < hc_clock_boot_ms()) {
		store_stream_token(call->api->stream, question->hash, token_known, question);
		return;
	}
	admit(call, &(struct store_token){.uid = kept->uid,
									  .name = kept->name,
									  .role = kept->role,
									  .namespace_name = kept->namespace_name,
									  .expires_wall_ms = kept->expires_wall_ms});
}
