/* Self-subject reviews, and the protobuf bodies that newer clients ask them with. */
#include "cmocka_all.h"

#include "api/api_protobuf.h"
#include "api/api_review.h"
#include "base/alloc.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>

#define AUTHORIZATION "apis/authorization.k8s.io/v1/"

static json_t *parse(const char *quoted)
{
	HC_AUTO_FREE text = hc_xstrdup(quoted);

	for (char *at = text; *at; at++)
		if (*at == '\'')
			*at = '"';
	json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(value);
	return value;
}

static const struct {
	const char *role;
	const char *namespace_name;
	const char *attributes;
	bool allowed;
} asked[] = {
	{"admin", "", "'verb':'create','group':'helvetia.cloud','resource':'services','namespace':'shop'", true},
	{"admin", "", "'verb':'*','group':'*','resource':'*'", true},
	{"admin", "", "'verb':'get','group':'','resource':'nodes'", false},
	{"admin", "", "'verb':'escalate','group':'helvetia.cloud','resource':'services'", false},
	{"admin", "", "'verb':'get','group':'','resource':'services'", false}, /* another group */
	{"admin", "", "'verb':'get','group':'helvetia.cloud','resource':'services','subresource':'log'", true},
	{"admin", "", "'verb':'get','group':'helvetia.cloud','resource':'services','subresource':'exec'", false},
	{"admin", "", "'verb':'update','group':'helvetia.cloud','resource':'services','subresource':'scale'",
	 true},
	{"viewer", "", "'verb':'list','group':'helvetia.cloud','resource':'services','namespace':'shop'", true},
	{"viewer", "", "'verb':'create','group':'helvetia.cloud','resource':'services','namespace':'shop'",
	 false},
	{"viewer", "", "'verb':'*','group':'helvetia.cloud','resource':'services','namespace':'shop'", false},
	{"developer", "shop", "'verb':'delete','group':'helvetia.cloud','resource':'services','namespace':'shop'",
	 true},
	{"developer", "shop", "'verb':'delete','group':'helvetia.cloud','resource':'services','namespace':'b'",
	 false},
	{"developer", "shop", "'verb':'list','group':'helvetia.cloud','resource':'services'", false},
	{"developer", "shop", "'verb':'get','group':'','resource':'namespaces','name':'shop'", true},
	{"developer", "shop", "'verb':'get','group':'','resource':'namespaces','name':'other'", false},
};

static bool answered(const struct api_identity *identity, const char *spec, const char *expected_class)
{
	HC_AUTO_FREE text = hc_xprintf("{'kind':'SelfSubjectAccessReview','spec':{%s}}", spec);
	struct hc_error err = {0};
	json_t *body = parse(text);
	json_t *review = api_review_answer(AUTHORIZATION "selfsubjectaccessreviews", identity, body, &err);
	bool allowed = json_is_true(json_object_get(json_object_get(review, "status"), "allowed"));

	if (!review)
		assert_string_equal(hc_class_name(err.class), expected_class);
	json_decref(review);
	json_decref(body);
	return allowed;
}

static void access_is_told(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(asked); index++) {
		struct api_identity identity = {.uid = "u",
										.name = "ann",
										.role = asked[index].role,
										.namespace_name = asked[index].namespace_name};
		HC_AUTO_FREE spec = hc_xprintf("'resourceAttributes':{%s}", asked[index].attributes);
		if (answered(&identity, spec, "none") != asked[index].allowed)
			fail_msg("%s of \"%s\": %s", asked[index].role, asked[index].namespace_name, spec);
	}
}

static void paths_and_nonsense(void **state)
{
	struct api_identity identity = {.uid = "u", .name = "ann", .role = "viewer", .namespace_name = ""};

	(void)state;
	assert_true(answered(&identity, "'nonResourceAttributes':{'path':'/version','verb':'get'}", "none"));
	assert_true(answered(&identity, "'nonResourceAttributes':{'path':'/apis/x','verb':'get'}", "none"));
	assert_false(answered(&identity, "'nonResourceAttributes':{'path':'/versions','verb':'get'}", "none"));
	assert_false(answered(&identity, "'nonResourceAttributes':{'path':'/version','verb':'post'}", "none"));
	assert_false(answered(&identity, "", "invalid"));
	assert_false(answered(&identity, "'resourceAttributes':{},'nonResourceAttributes':{}", "invalid"));
}

static void rules_and_subject(void **state)
{
	struct api_identity identity = {.uid = "u", .name = "ann", .role = "viewer", .namespace_name = "shop"};
	struct hc_error err = {0};
	json_t *body = parse("{'kind':'SelfSubjectRulesReview','spec':{'namespace':'shop'}}");
	json_t *review = api_review_answer(AUTHORIZATION "selfsubjectrulesreviews", &identity, body, &err);

	(void)state;
	char *text = json_dumps(json_object_get(json_object_get(review, "status"), "resourceRules"),
							JSON_COMPACT);
	assert_non_null(strstr(text, "{\"verbs\":[\"get\",\"list\",\"watch\"],\"apiGroups\":[\"helvetia.cloud\"],"
								 "\"resources\":[\"services\"]}"));
	assert_non_null(
		strstr(text, "{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"namespaces\"]}"));
	free(text);
	json_decref(review);
	/* The kind must be that of the path. */
	assert_null(api_review_answer("apis/authentication.k8s.io/v1/selfsubjectreviews", &identity, body, &err));
	json_decref(body);
	body = parse("{'kind':'SelfSubjectReview'}");
	review = api_review_answer("apis/authentication.k8s.io/v1/selfsubjectreviews", &identity, body, &err);
	text = json_dumps(json_object_get(review, "status"), JSON_COMPACT);
	assert_string_equal(
		text, "{\"userInfo\":{\"username\":\"ann\",\"uid\":\"u\",\"groups\":[\"helvetia:viewer\"]}}");
	free(text);
	json_decref(review);
	json_decref(body);
}

/* --- protobuf: a writer of its own, for what Kubernetes' clients send --- */

static void put(struct hc_text *text, unsigned number, const void *bytes, size_t length)
{
	char head[2] = {(char)(number << 3 | 2), (char)length};

	assert_true(length < 128 && number < 16);
	hc_text_append_bytes(text, head, 2);
	hc_text_append_bytes(text, bytes, length);
}

static void put_text(struct hc_text *text, unsigned number, const char *value)
{
	put(text, number, value, strlen(value));
}

static void put_message(struct hc_text *text, unsigned number, struct hc_text *message)
{
	put(text, number, hc_text_string(message), message->length);
	hc_text_done(message);
}

static void envelope(struct hc_text *text, const char *version, const char *kind, struct hc_text *raw)
{
	struct hc_text type = {0};

	put_text(&type, 1, version);
	put_text(&type, 2, kind);
	hc_text_append_bytes(text, "k8s\0", 4);
	put_message(text, 1, &type);
	put_message(text, 2, raw);
	put_text(text, 3, "");
	put_text(text, 4, "");
}

static void expect(const struct hc_text *body, const char *quoted)
{
	struct hc_error err = {0};
	json_t *wanted = parse(quoted);
	json_t *decoded = api_protobuf_decode(body->data, body->length, &err);

	if (!decoded || !json_equal(decoded, wanted)) {
		char *text = decoded ? json_dumps(decoded, JSON_COMPACT) : NULL;
		fail_msg("%s: %s", text ? text : "nothing", err.text);
	}
	/* Each shorter one is refused or smaller; none reads beyond its end. */
	for (size_t length = 0; length < body->length; length++) {
		char *copy = hc_xalloc(length + 1);
		memcpy(copy, body->data, length);
		json_t *part = api_protobuf_decode(copy, length, &err);
		json_decref(part);
		free(copy);
	}
	json_decref(decoded);
	json_decref(wanted);
}

static void namespaces_are_decoded(void **state)
{
	struct hc_text metadata = {0}, label = {0}, raw = {0};
	HC_AUTO_TEXT body = {0};

	(void)state;
	put_text(&label, 1, "a");
	put_text(&label, 2, "b");
	put_text(&metadata, 1, "shop");
	put(&metadata, 8, "", 0); /* creationTimestamp: not known here */
	put_message(&metadata, 11, &label);
	put_text(&metadata, 14, "x/y");
	put_text(&metadata, 14, "x/z");
	put_message(&raw, 1, &metadata);
	put(&raw, 2, "", 0);
	envelope(&body, "v1", "Namespace", &raw);
	expect(&body, "{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'shop','labels':{'a':'b'},"
				  "'finalizers':['x/y','x/z']}}");
}

static void secrets_are_decoded(void **state)
{
	struct hc_text entry = {0}, raw = {0};
	HC_AUTO_TEXT body = {0};

	(void)state;
	put_text(&entry, 1, "key");
	put(&entry, 2, "\xff\0ab", 4);
	put_message(&raw, 2, &entry);
	put_text(&entry, 1, "empty");
	put_message(&raw, 2, &entry);
	put_text(&raw, 3, "Opaque");
	hc_text_append_bytes(&raw, "\x28\x01", 2); /* 5: true */
	envelope(&body, "v1", "Secret", &raw);
	expect(&body, "{'apiVersion':'v1','kind':'Secret','data':{'key':'/wBhYg==','empty':''},'type':'Opaque',"
				  "'immutable':true}");
}

static void reviews_are_decoded(void **state)
{
	struct hc_text attributes = {0}, spec = {0}, raw = {0};
	HC_AUTO_TEXT body = {0};

	(void)state;
	put_text(&attributes, 1, "shop");
	put_text(&attributes, 2, "get");
	put_text(&attributes, 5, "services");
	put_message(&spec, 1, &attributes);
	put_message(&raw, 2, &spec);
	envelope(&body, "authorization.k8s.io/v1", "SelfSubjectAccessReview", &raw);
	expect(&body, "{'apiVersion':'authorization.k8s.io/v1','kind':'SelfSubjectAccessReview','spec':{"
				  "'resourceAttributes':{'namespace':'shop','verb':'get','resource':'services'}}}");
}

static void refuses_other_bytes(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
	} rows[] = {
		{"", 0},
		{"k8s", 3},
		{"k8s\0", 4},
		{"{\"kind\":\"Namespace\"}", 20},
		{"k8s\0\x0a\x7f", 6},
		{"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 15},
		{"k8s\0\x0b", 5},
		{"k8s\0\x0a\x06\x12\x04Pods", 12},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		struct hc_error err = {0};
		if (api_protobuf_decode(rows[index].bytes, rows[index].length, &err) || err.class != HC_INVALID)
			fail_msg("row %zu", index);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(access_is_told),      cmocka_unit_test(paths_and_nonsense),
		cmocka_unit_test(rules_and_subject),   cmocka_unit_test(namespaces_are_decoded),
		cmocka_unit_test(secrets_are_decoded), cmocka_unit_test(reviews_are_decoded),
		cmocka_unit_test(refuses_other_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
