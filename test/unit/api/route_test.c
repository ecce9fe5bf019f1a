/* Method and path → what is asked for; as "verb plural/namespace/name/subresource", or a status. */
#include "cmocka_all.h"

#include "api/api_route.h"
#include "base/text.h"

struct route_case {
	const char *method;
	const char *target;
	const char *expected;
};

#define G "/apis/helvetia.cloud/v1"
#define N G "/namespaces/shop"

static const struct route_case cases[] = {
	{"GET", "/healthz", "endpoint 1"},
	{"HEAD", "/healthz", "endpoint 1"},
	{"GET", "/livez", "endpoint 1"},
	{"GET", "/readyz", "endpoint 2"},
	{"GET", "/version", "endpoint 3"},
	{"POST", "/apply?dryRun=true", "endpoint 4"},
	{"GET", "/apply", "405"},
	{"POST", "/webhooks/github", "endpoint 5"},
	{"POST", "/webhooks/github?x=1", "endpoint 5"},
	{"GET", "/webhooks/github", "405"},
	{"POST", "/webhooks/gitlab", "404"},
	{"POST", "/webhooks", "404"},
	{"POST", "/webhooks/github/more", "404"},
	{"GET", "/webhooks/deliveries", "endpoint 6"},
	{"POST", "/webhooks/deliveries", "405"},
	{"GET", "/healthz/more", "404"},
	{"POST", "/healthz", "405"},
	{"GET", "/", "404"},
	{"GET", "/nonsense", "404"},
	{"GET", "/api", "endpoint 7"},
	{"GET", "/api/", "endpoint 7"},
	{"GET", "/api/v1", "endpoint 7"},
	{"GET", "/apis", "endpoint 7"},
	{"POST", "/apis", "405"},
	{"GET", "/apis/helvetia.cloud", "endpoint 7"},
	{"GET", "/apis/helvetia.cloud/v1", "endpoint 7"},
	{"GET", "/apis/helvetia.cloud/v2", "404"},
	{"GET", "/apis/helvetia.clou", "404"},
	{"GET", "/apis/authorization.k8s.io/v1", "endpoint 7"},
	{"GET", "/apis/apps/v1", "404"},
	{"GET", "/openapi/v2", "404"},
	{"GET", "/openapi/v3", "endpoint 8"},
	{"GET", "/openapi/v3/api/v1?hash=1", "endpoint 8"},
	{"GET", "/openapi/v3/apis/helvetia.cloud/v1", "endpoint 8"},
	{"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "endpoint 9"},
	{"GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "405"},
	{"POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "endpoint 9"},
	{"GET", "/api/v1/namespaces", "list namespaces"},
	{"GET", "/api/v1/namespaces?watch=1", "watch namespaces"},
	{"GET", "/api/v1/namespaces/shop", "get namespaces//shop"},
	{"POST", "/api/v1/namespaces", "create namespaces"},
	{"DELETE", "/api/v1/namespaces/shop", "delete namespaces//shop"},
	{"PUT", "/api/v1/namespaces/shop", "update namespaces//shop"},
	{"PATCH", "/api/v1/namespaces/shop", "patch namespaces//shop"},
	{"DELETE", "/api/v1/namespaces", "405"},
	{"GET", "/api/v1/namespaces/shop/events", "list events/shop"},
	{"GET", "/api/v1/namespaces/shop/events/x", "get events/shop/x"},
	{"GET", "/api/v1/events", "list events"},
	{"POST", "/api/v1/namespaces/shop/events", "405"},
	{"GET", "/api/v1/namespaces/shop/secrets", "list secrets/shop"},
	{"GET", "/api/v1/namespaces/shop/services", "404"}, /* of another group */
	{"GET", "/api/v2/namespaces", "404"},
	{"GET", G "/services", "list services"},
	{"GET", G "/services?watch=true", "watch services"},
	{"GET", G "/services/x", "404"}, /* an object has a namespace */
	{"POST", G "/services", "405"},
	{"GET", N "/services", "list services/shop"},
	{"GET", N "/services?watch=0", "list services/shop"},
	{"POST", N "/services", "create services/shop"},
	{"GET", N "/services/web", "get services/shop/web"},
	{"GET", N "/services/web?watch=true", "get services/shop/web"},
	{"PUT", N "/services/web", "update services/shop/web"},
	{"PATCH", N "/services/web", "patch services/shop/web"},
	{"DELETE", N "/services/web", "delete services/shop/web"},
	{"POST", N "/services/web", "405"},
	{"OPTIONS", N "/services/web", "405"},
	{"GET", N "/services/web/log", "get services/shop/web/2"},
	{"DELETE", N "/services/web/log", "405"},
	{"GET", N "/services/web/scale", "get services/shop/web/4"},
	{"PATCH", N "/services/web/scale", "patch services/shop/web/4"},
	{"GET", N "/services/web/status", "get services/shop/web/8"},
	{"PUT", N "/services/web/status", "405"}, /* the controller's */
	{"GET", N "/services/web/exec", "404"},
	{"GET", N "/services/web/log/more", "404"},
	{"GET", N "/deployments/web-r1/log", "get deployments/shop/web-r1/2"},
	{"GET", N "/deployments/web-r1/scale", "404"},
	{"DELETE", N "/deployments/web-r1", "delete deployments/shop/web-r1"},
	{"POST", N "/deployments", "405"},
	{"PATCH", N "/deployments/web-r1", "405"},
	{"GET", N "/builds", "list builds/shop"},
	{"DELETE", N "/builds/x", "405"},
	{"GET", N "/builds/x/log", "get builds/shop/x/2"},
	{"GET", N "/tokens", "list tokens/shop"},
	{"POST", N "/tokens", "create tokens/shop"},
	{"GET", G "/users", "list users"},
	{"GET", G "/users/ann", "get users//ann"},
	{"GET", N "/users", "404"},
	{"GET", "/apis/helvetia.cloud/v2/services", "404"},
	{"GET", "/apis/example.org/v1/services", "404"},
	{"GET", G "/namespaces/a%2Fb/services/c", "get services/a/b/c"}, /* a slash stays inside its segment */
};

static void describe(int status, const struct api_route *route, struct hc_text *text)
{
	if (status) {
		hc_text_printf(text, "%d", status);
		return;
	}
	if (route->endpoint != API_OBJECTS) {
		hc_text_printf(text, "endpoint %d", route->endpoint);
		return;
	}
	hc_text_printf(text, "%s %s", api_verb_text(route->verb), route->kind->plural);
	if (route->namespace_name || route->name)
		hc_text_printf(text, "/%s", route->namespace_name ? route->namespace_name : "");
	if (route->name)
		hc_text_printf(text, "/%s", route->name);
	if (route->subresource != API_MAIN)
		hc_text_printf(text, "/%d", route->subresource);
}

static void finds_routes(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(cases); index++) {
		HC_AUTO(hc_arena) arena = hc_arena_new();
		HC_AUTO_TEXT text = {0};
		struct http_query query;
		struct api_route route;
		struct hc_error err = {0};

		assert_int_equal(http_query_parse(cases[index].target, arena, &query, &err), 0);
		int status = api_route_find(cases[index].method, &query, &route);
		describe(status, &route, &text);
		if (!hc_streq(hc_text_string(&text), cases[index].expected))
			fail_msg("%s %s: %s instead of %s", cases[index].method, cases[index].target,
					 hc_text_string(&text), cases[index].expected);
	}
}

static void every_stored_kind_is_served(void **state)
{
	(void)state;
	for (int kind = 0; kind < STORE_KIND_COUNT; kind++) {
		const struct api_kind *found = api_kind_of((enum store_kind)kind);
		assert_non_null(found);
		assert_ptr_equal(api_kind_find(found->api_version, found->kind), found);
	}
	assert_null(api_kind_find("v1", "Service"));
}

static void only_webhooks_are_large(void **state)
{
	static const struct {
		const char *method;
		const char *target;
		size_t most;
	} rows[] = {
		{"POST", "/webhooks/github", 25U << 20}, {"POST", "/webhooks/github?a=b", 25U << 20},
		{"GET", "/webhooks/github", 7},          {"POST", "/webhooks/github/", 7},
		{"POST", "/webhooks/githubs", 7},        {"POST", "/apply", 7},
		{"POST", "/apply?/webhooks/github", 7},  {"POST", "", 7},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++)
		if (api_route_body_limit(rows[index].method, rows[index].target, 7) != rows[index].most)
			fail_msg("%s %s", rows[index].method, rows[index].target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_routes),
		cmocka_unit_test(every_stored_kind_is_served),
		cmocka_unit_test(only_webhooks_are_large),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
