/* Payloads as GitHub publishes them, cut to what is read; addresses; signatures; the rule. */
#include "cmocka_all.h"

#include "api/api_push.h"
#include "base/alloc.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include <stdlib.h>
#include <string.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define Z "0000000000000000000000000000000000000000"
#define A64 A "aaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 B "bbbbbbbbbbbbbbbbbbbbbbbb"
#define REPOSITORY                                                                                           \
	"\"repository\":{\"id\":186853002,\"full_name\":\"Codertocat/Hello-World\",\"private\":false,"           \
	"\"html_url\":\"https://github.com/Codertocat/Hello-World\","                                            \
	"\"git_url\":\"git://github.com/Codertocat/Hello-World.git\","                                           \
	"\"ssh_url\":\"git@github.com:Codertocat/Hello-World.git\","                                             \
	"\"clone_url\":\"https://github.com/Codertocat/Hello-World.git\",\"default_branch\":\"main\"}"
#define PUSH(ref, before, after, more)                                                                       \
	"{\"ref\":\"" ref "\",\"before\":\"" before "\",\"after\":\"" after "\"," more                           \
	"\"pusher\":{\"name\":\"Codertocat\"},\"commits\":[]," REPOSITORY "}"

struct push_case {
	const char *name;
	const char *body;
	const char *expected; /* branch before after forced, or the error */
};

static const struct push_case pushes[] = {
	{"branch", PUSH("refs/heads/main", A, B, ""), "main " A " " B},
	{"long ids", PUSH("refs/heads/main", A64, B64, ""), "main " A64 " " B64},
	{"branch with slashes", PUSH("refs/heads/feature/a/b", A, B, ""), "feature/a/b " A " " B},
	{"unicode branch", PUSH("refs/heads/żółć-\\u4e3b", A, B, ""), "żółć-主 " A " " B},
	{"tag", PUSH("refs/tags/v1.0", Z, B, ""), "-  " B},
	{"notes", PUSH("refs/notes/commits", A, B, ""), "- " A " " B},
	{"nothing behind heads", PUSH("refs/heads/", A, B, ""), "- " A " " B},
	{"new branch", PUSH("refs/heads/new", Z, B, "\"created\":true,"), "new  " B},
	{"deletion", PUSH("refs/heads/old", A, Z, "\"deleted\":true,"), "old " A " "},
	{"force push", PUSH("refs/heads/main", A, B, "\"forced\":true,"), "main " A " " B " forced"},
	{"no ref", "{\"before\":\"" A "\",\"after\":\"" B "\"," REPOSITORY "}", "the push has no ref"},
	{"ref is a number", "{\"ref\":7,\"before\":\"" A "\",\"after\":\"" B "\"," REPOSITORY "}",
	 "the push has no ref"},
	{"no repository", "{\"ref\":\"refs/heads/main\",\"before\":\"" A "\",\"after\":\"" B "\"}",
	 "the push has no repository"},
	{"repository without addresses",
	 "{\"ref\":\"refs/heads/main\",\"before\":\"" A "\",\"after\":\"" B
	 "\",\"repository\":{\"full_name\":\"a/b\"}}",
	 "the push's repository has none of clone_url, git_url, ssh_url, html_url"},
	{"no before", "{\"ref\":\"refs/heads/main\",\"after\":\"" B "\"," REPOSITORY "}",
	 "the push's before is \"\", but must be a full commit id"},
	{"short after", PUSH("refs/heads/main", A, "bbbb", ""),
	 "the push's after is \"bbbb\", but must be a full commit id"},
	{"upper-case after", PUSH("refs/heads/main", A, "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", ""),
	 "the push's after is \"BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB\", but must be a full commit id"},
};

static void pushes_are_read_or_refused(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(pushes); index++) {
		HC_AUTO(hc_arena) arena = hc_arena_new();
		HC_AUTO_TEXT told = {0};
		struct api_push push;
		struct hc_error err = {0};
		json_t *payload = json_loads(pushes[index].body, 0, NULL);

		assert_non_null(payload);
		if (api_push_parse(payload, arena, &push, &err))
			hc_text_append(&told, err.text);
		else
			hc_text_printf(&told, "%s %s %s%s", push.branch ? push.branch : "-", push.before, push.after,
						   push.forced ? " forced" : "");
		json_decref(payload);
		if (!hc_streq(hc_text_string(&told), pushes[index].expected))
			fail_msg("%s: \"%s\" instead of \"%s\"", pushes[index].name, hc_text_string(&told),
					 pushes[index].expected);
	}
}

static const struct {
	const char *content_type;
	const char *body;
	const char *expected; /* full_name, or the beginning of the error */
} payloads[] = {
	{"application/json", "{" REPOSITORY "}", "Codertocat/Hello-World"},
	{"application/json; charset=utf-8", "{\"repository\":{\"full_name\":\"a/b\"}}", "a/b"},
	{NULL, "{\"zen\":\"Keep it logically awesome.\"}", ""},
	{"application/x-www-form-urlencoded",
	 "payload=%7B%22repository%22%3a%7B%22full_name%22%3A%22a+b%22%7D%7D", "a b"},
	{"Application/X-WWW-Form-Urlencoded; charset=utf-8",
	 "other=1&payload=%7B%22repository%22%3A%7B%22full_name%22%3A%22%C5%BC%2F%2B%22%7D%7D&more=2", "ż/+"},
	{"application/x-www-form-urlencoded", "payload=%7B%2", "the form field payload has a bad %-escape"},
	{"application/x-www-form-urlencoded", "payload=%zz", "the form field payload has a bad %-escape"},
	{"application/x-www-form-urlencoded", "payloads=%7B%7D", "the form has no field \"payload\""},
	{"application/x-www-form-urlencoded", "", "the form has no field \"payload\""},
	{"application/x-www-form-urlencoded", "payload=", "the payload is not JSON"},
	{"application/x-www-form-urlencoded", "payload=%7B%00%7D", "the payload is not JSON"},
	{"application/json", "", "the payload is not JSON"},
	{"application/json", "{\"repository\":{\"full_name\":\"a/b\"}", "the payload is not JSON"},
	{"application/json", "[1]", "the payload must be a JSON object"},
	{"application/json", "payload=%7B%7D", "the payload is not JSON"},
	{"application/json", "{\"a\":1,\"a\":2}", "the payload is not JSON"},
};

static void bodies_are_decoded(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(payloads); index++) {
		struct hc_error err = {0};
		json_t *payload = NULL;
		bool failed = api_push_payload(payloads[index].content_type, payloads[index].body,
									   strlen(payloads[index].body), &payload, &err);
		const char *told = failed ? err.text : api_push_repository(payload);

		if (failed ? !hc_starts_with(told, payloads[index].expected)
				   : !hc_streq(told, payloads[index].expected))
			fail_msg("%zu: \"%s\" instead of \"%s\"", index, told, payloads[index].expected);
		json_decref(payload);
	}
}

static const struct {
	const char *url;
	const char *expected;
} urls[] = {
	{"https://example.org/team/shop", "https://example.org/team/shop"},
	{"https://example.org/team/shop.git", "https://example.org/team/shop"},
	{"https://example.org/team/shop.git/", "https://example.org/team/shop"},
	{"https://Example.ORG/Team/Shop/", "https://example.org/Team/Shop"},
	{"HTTPS://example.org:443/team/shop", "https://example.org/team/shop"},
	{"https://example.org:8443/team/shop", "https://example.org:8443/team/shop"},
	{"https://user@example.org/team/shop", "https://example.org/team/shop"},
	{"https://github.com/Codertocat/Hello-World.git", "https://github.com/codertocat/hello-world"},
	{"git@github.com:Codertocat/Hello-World.git", "ssh://github.com/codertocat/hello-world"},
	{"ssh://git@github.com/codertocat/hello-world", "ssh://github.com/codertocat/hello-world"},
	{"ssh://git@example.org:22/team/shop.git", "ssh://example.org/team/shop"},
	{"ssh://git@example.org:2222/team/shop.git", "ssh://example.org:2222/team/shop"},
	{"example.org:team/shop", "ssh://example.org/team/shop"},
	{"git://github.com/a/b.git", "git://github.com/a/b"},
	{"http://127.0.0.1:8080/shop.git", "http://127.0.0.1:8080/shop"},
	{"http://[::1]:80/shop", "http://[::1]/shop"},
	{"https://example.org", "https://example.org/"},
	{"https://example.org/.git", "https://example.org/.git"},
	{"", "ssh:///"},
};

static void addresses_have_one_form(void **state)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();

	(void)state;
	for (size_t index = 0; index < HC_COUNT(urls); index++) {
		const char *normal = api_push_normal_url(urls[index].url, arena);
		if (!hc_streq(normal, urls[index].expected))
			fail_msg("%s: %s instead of %s", urls[index].url, normal, urls[index].expected);
	}
}

static const struct {
	const char *ref;
	const char *repo_url;
	const char *branch;
	bool concerned;
} concerns[] = {
	{"refs/heads/main", "https://github.com/Codertocat/Hello-World", "main", true},
	{"refs/heads/main", "https://github.com/codertocat/hello-world.git", "main", true},
	{"refs/heads/main", "ssh://git@github.com/Codertocat/Hello-World.git", "main", true},
	{"refs/heads/main", "https://github.com/Codertocat/Hello-World", "", true}, /* its default branch */
	{"refs/heads/main", "https://github.com/Codertocat/Hello-World", NULL, true},
	{"refs/heads/next", "https://github.com/Codertocat/Hello-World", "", false},
	{"refs/heads/next", "https://github.com/Codertocat/Hello-World", "main", false},
	{"refs/heads/Main", "https://github.com/Codertocat/Hello-World", "main", false},
	{"refs/tags/main", "https://github.com/Codertocat/Hello-World", "main", false},
	{"refs/heads/main", "https://github.com/Codertocat/Hello-World-2", "main", false},
	{"refs/heads/main", "https://github.com.example.org/Codertocat/Hello-World", "main", false},
	{"refs/heads/main", "https://example.org/?https://github.com/Codertocat/Hello-World", "main", false},
};

static void services_are_found(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(concerns); index++) {
		HC_AUTO(hc_arena) arena = hc_arena_new();
		struct api_push push;
		struct hc_error err = {0};
		json_t *payload = json_loads(PUSH("refs/heads/main", A, B, ""), 0, NULL);

		json_object_set_new(payload, "ref", json_string(concerns[index].ref));
		assert_int_equal(api_push_parse(payload, arena, &push, &err), 0);
		json_decref(payload);
		if (api_push_concerns(&push, concerns[index].repo_url, concerns[index].branch, arena) !=
			concerns[index].concerned)
			fail_msg("%s of %s, following %s", concerns[index].ref, concerns[index].repo_url,
					 concerns[index].branch);
	}
}

/* The first vector is the one of GitHub's documentation of webhooks. */
static const struct {
	const char *secret;
	const char *header;
	const char *body;
	bool signed_well;
} signatures[] = {
	{"It's a Secret to Everybody", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
	 "Hello, World!", true},
	{"It's a Secret to Everybody", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e18",
	 "Hello, World!", false},
	{"It's a Secret to Everybody", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
	 "Hello, World", false},
	{"It's a secret to Everybody", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
	 "Hello, World!", false},
	{"It's a Secret to Everybody", "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
	 "Hello, World!", false},
	{"It's a Secret to Everybody", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e1",
	 "Hello, World!", false},
	{"It's a Secret to Everybody", "sha1=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17xx",
	 "Hello, World!", false},
	{"It's a Secret to Everybody", "sha256=", "Hello, World!", false},
	{"It's a Secret to Everybody", "", "Hello, World!", false},
	{"It's a Secret to Everybody", NULL, "Hello, World!", false},
};

static void signatures_are_checked(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(signatures); index++)
		if (api_push_signed(signatures[index].secret, strlen(signatures[index].secret),
							signatures[index].header, signatures[index].body,
							strlen(signatures[index].body)) != signatures[index].signed_well)
			fail_msg("signature %zu", index);
}

static const struct {
	const char *before;
	const char *after;
	const char *commit;
	const char *owner;
	bool manual;
	enum api_push_step expected;
} steps[] = {
	{A, B, A, "helvetia-git", false, API_PUSH_SET},
	{A, B, A, NULL, false, API_PUSH_SET},
	{A, B, B, "helvetia-git", false, API_PUSH_HAS},     /* delivered again */
	{A, B, "cc", "helvetia-git", false, API_PUSH_LOOK}, /* late, or one before it was lost */
	{"", B, A, "helvetia-git", false, API_PUSH_LOOK},   /* the branch was made anew */
	{"", B, "", NULL, false, API_PUSH_LOOK},            /* nothing is resolved yet */
	{A, B, "", NULL, false, API_PUSH_LOOK},
	{A, B, A, "helvetia", false, API_PUSH_PINNED},
	{A, B, B, "helvetia", false, API_PUSH_PINNED},
	{A, B, A, "helvetia-git", true, API_PUSH_MANUAL},
	{A, B, A, "helvetia", true, API_PUSH_MANUAL},
};

static void only_what_follows_is_believed(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(steps); index++) {
		struct api_push push = {.before = steps[index].before, .after = steps[index].after};
		enum api_push_step step = api_push_decide(&push, steps[index].commit, steps[index].owner,
												  !steps[index].manual);
		if (step != steps[index].expected)
			fail_msg("row %zu: %d instead of %d", index, step, steps[index].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pushes_are_read_or_refused), cmocka_unit_test(bodies_are_decoded),
		cmocka_unit_test(addresses_have_one_form),    cmocka_unit_test(services_are_found),
		cmocka_unit_test(signatures_are_checked),     cmocka_unit_test(only_what_follows_is_believed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
