/* Payloads, addresses of repositories and the rule of a push, see the header. */
#include "api_push.h"

#include "base/alloc.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "model/service.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SIGNATURE_PREFIX "sha256="
#define FORM "application/x-www-form-urlencoded"
#define FIELD "payload"

/* --- signature --- */

bool api_push_signed(const char *secret, size_t secret_length, const char *header, const char *body,
					 size_t length)
{
	char hex[CRYPTO_SHA256_HEX_SIZE];
	size_t digits = CRYPTO_SHA256_HEX_SIZE - 1;

	if (!header || !hc_starts_with(header, SIGNATURE_PREFIX) ||
		strlen(header) != strlen(SIGNATURE_PREFIX) + digits)
		return false;
	crypto_hmac_sha256_hex(secret, secret_length, body, length, hex);
	return crypto_equal(hex, header + strlen(SIGNATURE_PREFIX), digits);
}

/* --- bodies --- */

static int digit_of(char character)
{
	if (character >= '0' && character <= '9')
		return character - '0';
	character = (char)(character | 0x20);
	return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

/* Appends a form value, decoded; -1 for a bad escape. */
static int decode(const char *at, const char *end, struct hc_text *text)
{
	for (; at < end; at++) {
		char character = *at == '+' ? ' ' : *at;

		if (*at == '%') {
			int high = end - at > 2 ? digit_of(at[1]) : -1;
			int low = high < 0 ? -1 : digit_of(at[2]);
			if (low < 0)
				return -1;
			character = (char)(high * 16 + low);
			at += 2;
		}
		hc_text_append_bytes(text, &character, 1);
	}
	return 0;
}

static int read_form(const char *body, size_t length, struct hc_text *text, struct hc_error *err)
{
	const char *end = body + length;

	for (const char *at = body; at < end;) {
		const char *next = memchr(at, '&', (size_t)(end - at));
		const char *stop = next ? next : end;
		if ((size_t)(stop - at) > strlen(FIELD) && memcmp(at, FIELD "=", strlen(FIELD) + 1) == 0)
			return decode(at + strlen(FIELD) + 1, stop, text)
					   ? hc_fail(err, HC_INVALID, "the form field " FIELD " has a bad %%-escape")
					   : 0;
		at = next ? next + 1 : end;
	}
	return hc_fail(err, HC_INVALID, "the form has no field \"" FIELD "\"");
}

static bool is_form(const char *content_type)
{
	size_t length = content_type ? strcspn(content_type, "; \t") : 0;

	return length == strlen(FORM) && strncasecmp(content_type, FORM, length) == 0;
}

int api_push_payload(const char *content_type, const char *body, size_t length, json_t **ret_payload,
					 struct hc_error *err)
{
	HC_AUTO_TEXT decoded = {0};
	json_error_t problem;

	if (is_form(content_type)) {
		if (read_form(body, length, &decoded, err))
			return -1;
		body = hc_text_string(&decoded);
		length = decoded.length;
	}
	json_t *payload = json_loadb(body, length, JSON_REJECT_DUPLICATES, &problem);
	if (!payload)
		return hc_fail(err, HC_INVALID, "the payload is not JSON: line %d, column %d: %s", problem.line,
					   problem.column, problem.text);
	if (!json_is_object(payload)) {
		json_decref(payload);
		return hc_fail(err, HC_INVALID, "the payload must be a JSON object");
	}
	*ret_payload = payload;
	return 0;
}

/* --- pushes --- */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

const char *api_push_repository(const json_t *payload)
{
	return text_of(json_object_get(payload, "repository"), "full_name");
}

/* A commit id in the arena; all zeros, which stand for "none", as "". NULL: it is none. */
static const char *commit_of(const json_t *payload, const char *key, struct hc_arena *arena,
							 struct hc_error *err)
{
	const char *text = text_of(payload, key);
	size_t length = strlen(text);

	if ((length != 40 && length != 64) || strspn(text, "0123456789abcdef") != length) {
		hc_fail(err, HC_INVALID, "the push's %s is \"%.80s\", but must be a full commit id", key, text);
		return NULL;
	}
	return strspn(text, "0") == length ? "" : hc_arena_strdup(arena, text);
}

static int read_urls(const json_t *repository, struct hc_arena *arena, struct api_push *push,
					 struct hc_error *err)
{
	static const char *const keys[API_PUSH_URLS_MAX] = {"clone_url", "git_url", "ssh_url", "html_url"};

	for (size_t index = 0; index < HC_COUNT(keys); index++) {
		const char *url = text_of(repository, keys[index]);
		if (*url)
			push->urls[push->url_count++] = hc_arena_strdup(arena, url);
	}
	return push->url_count
			   ? 0
			   : hc_fail(err, HC_INVALID,
						 "the push's repository has none of clone_url, git_url, ssh_url, html_url");
}

int api_push_parse(const json_t *payload, struct hc_arena *arena, struct api_push *ret_push,
				   struct hc_error *err)
{
	const json_t *repository = json_object_get(payload, "repository");
	const char *ref = text_of(payload, "ref");
	struct api_push push = {.repository = hc_arena_strdup(arena, api_push_repository(payload)),
							.default_branch = hc_arena_strdup(arena, text_of(repository, "default_branch")),
							.ref = hc_arena_strdup(arena, ref),
							.forced = json_is_true(json_object_get(payload, "forced"))};

	if (!*ref)
		return hc_fail(err, HC_INVALID, "the push has no ref");
	if (!json_is_object(repository))
		return hc_fail(err, HC_INVALID, "the push has no repository");
	if (read_urls(repository, arena, &push, err))
		return -1;
	if (hc_starts_with(ref, "refs/heads/") && ref[strlen("refs/heads/")])
		push.branch = push.ref + strlen("refs/heads/");
	push.before = commit_of(payload, "before", arena, err);
	push.after = push.before ? commit_of(payload, "after", arena, err) : NULL;
	if (!push.after)
		return -1;
	*ret_push = push;
	return 0;
}

/* --- addresses --- */

static void append_lower(struct hc_text *text, const char *from, size_t length)
{
	for (size_t index = 0; index < length; index++) {
		char character = from[index];
		if (character >= 'A' && character <= 'Z')
			character = (char)(character + ('a' - 'A'));
		hc_text_append_bytes(text, &character, 1);
	}
}

static size_t without_default_port(const char *scheme, const char *host, size_t length)
{
	static const char *const ports[][2] = {
		{"https://", ":443"}, {"http://", ":80"}, {"ssh://", ":22"}, {"git://", ":9418"}};

	for (size_t index = 0; index < HC_COUNT(ports); index++) {
		size_t port = strlen(ports[index][1]);
		if (hc_streq(scheme, ports[index][0]) && length > port &&
			memcmp(host + length - port, ports[index][1], port) == 0)
			return length - port;
	}
	return length;
}

static void append_path(struct hc_text *text, const char *path, bool any_case)
{
	path += strspn(path, "/");
	size_t length = strlen(path);
	while (length && path[length - 1] == '/')
		length--;
	if (length > 4 && memcmp(path + length - 4, ".git", 4) == 0)
		length -= 4;
	while (length && path[length - 1] == '/')
		length--;
	hc_text_append(text, "/");
	if (any_case)
		append_lower(text, path, length);
	else
		hc_text_append_bytes(text, path, length);
}

const char *api_push_normal_url(const char *url, struct hc_arena *arena)
{
	const char *colon = strstr(url, "://");
	HC_AUTO_TEXT scheme = {0};
	HC_AUTO_TEXT normal = {0};

	if (colon)
		append_lower(&scheme, url, (size_t)(colon + 3 - url));
	else
		hc_text_append(&scheme, "ssh://"); /* user@host:path */
	const char *host = colon ? colon + 3 : url;
	size_t authority = strcspn(host, colon ? "/" : ":/");
	const char *path = host + authority + (!colon && host[authority] == ':');
	const char *user_end = memchr(host, '@', authority);
	if (user_end) {
		authority -= (size_t)(user_end + 1 - host);
		host = user_end + 1;
	}
	authority = without_default_port(hc_text_string(&scheme), host, authority);
	hc_text_append(&normal, hc_text_string(&scheme));
	size_t host_at = normal.length;
	append_lower(&normal, host, authority);
	append_path(&normal, path, hc_streq(hc_text_string(&normal) + host_at, "github.com"));
	return hc_arena_strdup(arena, hc_text_string(&normal));
}

bool api_push_concerns(const struct api_push *push, const char *repo_url, const char *branch,
					   struct hc_arena *arena)
{
	const char *followed = branch && *branch ? branch : push->default_branch;

	if (!push->branch || !hc_streq(push->branch, followed))
		return false;
	const char *wanted = api_push_normal_url(repo_url, arena);
	for (size_t index = 0; index < push->url_count; index++)
		if (hc_streq(api_push_normal_url(push->urls[index], arena), wanted))
			return true;
	return false;
}

/* --- the rule --- */

enum api_push_step api_push_decide(const struct api_push *push, const char *commit, const char *owner,
								   bool auto_deploy)
{
	if (!auto_deploy)
		return API_PUSH_MANUAL;
	if (owner && !hc_streq(owner, COMMIT_MANAGER))
		return API_PUSH_PINNED;
	if (hc_streq(commit, push->after))
		return API_PUSH_HAS;
	return *commit && hc_streq(commit, push->before) ? API_PUSH_SET : API_PUSH_LOOK;
}
