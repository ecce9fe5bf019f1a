/* Whose request it is: a bearer token's, or, on the unix socket without one, that of the administrator of
 * this machine, whom the kernel vouches for.
 *
 * What is known of a token is believed for 30 s, and doubted as soon as any token changes; an
 * unknown one is asked for each time (one look-up by index), so that a new token works at once and wrong ones
 * fill no memory. */
#include "api.h"

#include "api_limit.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "crypto/crypto.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define KEPT_MS 30000
#define KEPT_MAX 1000
#define TOKEN_BYTES_MAX 1024
#define USE_MS 60000 /* the last use is noted this often */

struct kept {
	char *uid;
	char *name;
	char *role;
	char *namespace_name;
	char *user_uid; /* NULL: a program's */
	int64_t expires_wall_ms;
	int64_t until_boot_ms;
	int64_t noted_boot_ms; /* as used; 0: never */
};

struct api_auth {
	struct hc_map *tokens; /* hash → struct kept, owned */
	struct api_limit *limit;
};

struct api_auth *api_auth_new(void)
{
	struct api_auth *auth = hc_xalloc(sizeof(*auth));

	auth->tokens = hc_map_new();
	auth->limit = api_limit_new();
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
	free(kept->user_uid);
	free(kept);
}

static int free_visited(const char *key, void *value, void *payload)
{
	(void)key;
	(void)payload;
	free_kept(value);
	return 0;
}

static int doubt_visited(const char *key, void *value, void *payload)
{
	(void)key;
	(void)payload;
	((struct kept *)value)->until_boot_ms = 0;
	return 0;
}

void api_auth_forget(struct api_auth *auth)
{
	hc_map_each(auth->tokens, doubt_visited, NULL);
}

static void drop_all(struct api_auth *auth)
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
	api_limit_free(auth->limit);
	free(auth);
}

static void refuse(struct api_call *call, const char *sentence)
{
	api_answer_fail(call, 401, "%s", sentence);
	api_reply(call);
}

/* The peer's, or that of whom the proxy on this machine speaks for. */
static const char *address_of(struct api_call *call)
{
	char text[HTTP_PEER_SIZE];
	const char *forwarded = http_request_header(call->request, "X-Forwarded-For");

	http_request_peer(call->request, text);
	if (forwarded && (hc_starts_with(text, "127.") || hc_streq(text, "::1"))) {
		const char *comma = strrchr(forwarded, ',');
		forwarded = comma ? comma + 1 : forwarded;
		forwarded += strspn(forwarded, " ");
		if (*forwarded)
			return hc_arena_strndup(call->arena, forwarded, HTTP_PEER_SIZE);
	}
	return hc_arena_strdup(call->arena, text);
}

static void refuse_wrong(struct api_call *call, const char *sentence)
{
	const char *address = address_of(call);
	int64_t failures = 0;

	if (api_limit_failed(call->api->auth->limit, address, hc_clock_boot_ms(), &failures)) {
		HC_AUTO_FREE count = hc_xprintf("%" PRId64, failures);
		hc_log(HC_LOG_WARN, "many wrong tokens from one address; its tokens are looked up slowly", "address",
			   address, "count", count, NULL);
	}
	refuse(call, sentence);
}

static void admit(struct api_call *call, struct kept *kept)
{
	int64_t now_ms = hc_clock_boot_ms();

	if (kept->expires_wall_ms && kept->expires_wall_ms <= hc_clock_wall_ms()) {
		/* Not counted: it costs no look-up, and a forgotten job must not slow down its neighbours. */
		refuse(call, "Unauthorized: the token has expired");
		return;
	}
	if (!kept->noted_boot_ms || now_ms - kept->noted_boot_ms >= USE_MS) {
		kept->noted_boot_ms = now_ms;
		api_use_note(call->api->use, kept->uid);
	}
	call->identity = (struct api_identity){
		.uid = hc_arena_strdup(call->arena, kept->uid),
		.name = hc_arena_strdup(call->arena, kept->name),
		.role = hc_arena_strdup(call->arena, kept->role),
		.namespace_name = hc_arena_strdup(call->arena, kept->namespace_name),
		.user_uid = kept->user_uid ? hc_arena_strdup(call->arena, kept->user_uid) : NULL,
		.expires_wall_ms = kept->expires_wall_ms,
	};
	api_dispatch(call);
}

struct question {
	struct api_call *call;
	char hash[CRYPTO_SHA256_HEX_SIZE];
};

static struct kept *keep(struct api_auth *auth, const char *hash, const struct store_token *token)
{
	struct kept *known = hc_map_remove(auth->tokens, hash);
	int64_t noted_boot_ms = known ? known->noted_boot_ms : 0;

	free_kept(known);
	if (hc_map_count(auth->tokens) >= KEPT_MAX)
		drop_all(auth);
	struct kept *kept = hc_xalloc(sizeof(*kept));
	*kept = (struct kept){.uid = hc_xstrdup(token->uid),
						  .name = hc_xstrdup(token->user_name ? token->user_name : token->name),
						  .role = hc_xstrdup(token->role),
						  .namespace_name = hc_xstrdup(token->namespace_name),
						  .user_uid = token->user_uid ? hc_xstrdup(token->user_uid) : NULL,
						  .expires_wall_ms = token->expires_wall_ms,
						  .until_boot_ms = hc_clock_boot_ms() + KEPT_MS,
						  .noted_boot_ms = noted_boot_ms};
	hc_map_set(auth->tokens, hash, kept);
	return kept;
}

static void token_known(const struct store_answer *answer, void *payload)
{
	struct question *question = payload;
	struct api_call *call = question->call;

	if (answer->error) {
		api_answer_fail(call, 503, "the token could not be checked: %s", answer->error->text);
		api_reply(call);
	} else if (!answer->token) {
		free_kept(hc_map_remove(call->api->auth->tokens, question->hash)); /* revoked */
		refuse_wrong(call, "Unauthorized: the token is not known");
	} else {
		admit(call, keep(call->api->auth, question->hash, answer->token));
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

/* Root, or the user that this process runs as, on the unix socket. */
static bool is_administrator_here(const struct http_request *request)
{
	uid_t user;

	return http_request_peer_user(request, &user) && (user == 0 || user == geteuid());
}

static void admit_local(struct api_call *call)
{
	call->identity = (struct api_identity){
		.uid = "", .name = "administrator", .role = "admin", .namespace_name = ""};
	api_dispatch(call);
}

/* known: it was right once, so that others at the same address can't keep its bearer out. */
static void look_up(struct api_call *call, struct question *question, bool known)
{
	const char *address = address_of(call);

	if (!known && !api_limit_allows(call->api->auth->limit, address, hc_clock_boot_ms())) {
		api_answer_fail(call, 429, "too many wrong tokens came from %s: try again in a moment", address);
		api_reply(call);
		return;
	}
	store_stream_token(call->api->stream, question->hash, token_known, question);
}

void api_auth_check(struct api_call *call)
{
	const char *token = bearer(call->request);

	if (!http_request_header(call->request, "Authorization") && is_administrator_here(call->request)) {
		admit_local(call);
		return;
	}
	if (!token) {
		refuse(call, "Unauthorized: send a token as \"Authorization: Bearer TOKEN\"");
		return;
	}
	struct question *question = hc_arena_alloc(call->arena, sizeof(*question));
	question->call = call;
	crypto_sha256_hex(token, strlen(token), question->hash);
	struct kept *kept = hc_map_get(call->api->auth->tokens, question->hash);
	if (kept && kept->until_boot_ms >= hc_clock_boot_ms())
		admit(call, kept);
	else
		look_up(call, question, kept != NULL);
}
