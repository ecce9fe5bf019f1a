/* Who may do what. The matrix is generated: every route that api_route_find() knows of every kind, against
 * the roles and places below; what is expected stands in a table of its own, and a route without a row there
 * fails. */
#include "cmocka_all.h"

#include "api/api_limit.h"
#include "api/api_role.h"
#include "base/text.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* Roles that may, in their own namespace: a(dmin), d(eveloper), v(iewer). "-": nobody gets that far. */
static const struct {
	const char *route;
	const char *roles;
} expected[] = {
	{"get services", "adv"},
	{"list services", "adv"},
	{"watch services", "adv"},
	{"create services", "ad"},
	{"update services", "ad"},
	{"patch services", "ad"},
	{"delete services", "ad"},
	{"get services/log", "adv"},
	{"get services/scale", "adv"},
	{"update services/scale", "ad"},
	{"patch services/scale", "ad"},
	{"get services/status", "adv"},
	{"get deployments", "adv"},
	{"list deployments", "adv"},
	{"watch deployments", "adv"},
	{"delete deployments", "ad"},
	{"get deployments/log", "adv"},
	{"get deployments/status", "adv"},
	{"get builds", "adv"},
	{"list builds", "adv"},
	{"watch builds", "adv"},
	{"get builds/log", "adv"},
	{"get builds/status", "adv"},
	{"get events", "adv"},
	{"list events", "adv"},
	{"watch events", "adv"},
	{"get secrets", "ad"},
	{"list secrets", "ad"},
	{"watch secrets", "ad"},
	{"create secrets", "ad"},
	{"update secrets", "ad"},
	{"patch secrets", "ad"},
	{"delete secrets", "ad"},
	{"get tokens", "a"},
	{"list tokens", "a"},
	{"watch tokens", "a"},
	{"create tokens", "a"},
	{"update tokens", "a"},
	{"patch tokens", "a"},
	{"delete tokens", "a"},
	/* Of no namespace: only tokens that are good for all, but for a look at one's own namespace. */
	{"get users", "a"},
	{"list users", "a"},
	{"watch users", "a"},
	{"create users", "a"},
	{"update users", "a"},
	{"patch users", "a"},
	{"delete users", "a"},
	{"get pods", "adv"},
	{"list pods", "adv"},
	{"get pods/log", "adv"},
	{"get namespaces", "adv"},
	{"list namespaces", "adv"},
	{"watch namespaces", "adv"},
	{"create namespaces", "a"},
	{"update namespaces", "a"},
	{"patch namespaces", "a"},
	{"delete namespaces", "a"},
};

static const char *roles_of(const char *route)
{
	for (size_t index = 0; index < HC_COUNT(expected); index++)
		if (hc_streq(expected[index].route, route))
			return expected[index].roles;
	fail_msg("the matrix has no row for \"%s\": say who may", route);
	return "";
}

static const struct {
	const char *method;
	const char *query;
} requests[] = {
	{"GET", ""}, {"GET", "?watch=true"}, {"POST", ""}, {"PUT", ""}, {"PATCH", ""}, {"DELETE", ""},
};

static const char *const roles[] = {"admin", "developer", "viewer", "nobody", ""};

static const char *subresource_text(enum api_subresource subresource)
{
	static const struct {
		enum api_subresource subresource;
		const char *text;
	} rows[] = {{API_MAIN, ""}, {API_LOG, "/log"}, {API_SCALE, "/scale"}, {API_STATUS, "/status"}};

	for (size_t index = 0; index < HC_COUNT(rows); index++)
		if (rows[index].subresource == subresource)
			return rows[index].text;
	fail_msg("the matrix does not know subresource %d", (int)subresource);
	return "";
}

/* How a token of `own` ("" for all) sees a place. */
static bool within(const char *own, const struct api_route *route)
{
	if (!*own)
		return true;
	if (route->kind->namespaced)
		return hc_streq(own, route->namespace_name);
	return route->kind->store_kind == STORE_NAMESPACE && route->verb == API_GET && hc_streq(own, route->name);
}

static size_t check_route(const struct api_route *route, bool *seen)
{
	static const char *const owns[] = {"", "mine"};
	char text[64];
	size_t count = 0;

	snprintf(text, sizeof(text), "%s %s%s", api_verb_text(route->verb), route->kind->plural,
			 subresource_text(route->subresource));
	const char *allowed = roles_of(text);
	for (size_t index = 0; index < HC_COUNT(expected); index++)
		seen[index] = seen[index] || hc_streq(expected[index].route, text);
	for (size_t role = 0; role < HC_COUNT(roles); role++)
		for (size_t own = 0; own < HC_COUNT(owns); own++, count++) {
			struct api_identity identity = {
				.role = roles[role], .namespace_name = owns[own], .name = "t", .uid = "u"};
			bool may = *roles[role] && strchr(allowed, roles[role][0]) && within(owns[own], route);
			if (api_role_may_route(&identity, route) != may)
				fail_msg("%s of \"%s\": %s %s/%s: %s", roles[role], owns[own], text,
						 route->namespace_name ? route->namespace_name : "-", route->name ? route->name : "-",
						 may ? "must be allowed" : "must be refused");
		}
	return count;
}

static size_t check_path(const char *path, bool *seen)
{
	size_t count = 0;

	for (size_t index = 0; index < HC_COUNT(requests); index++) {
		HC_AUTO(hc_arena) arena = hc_arena_new();
		struct hc_error err = {0};
		struct http_query query;
		struct api_route route;
		char target[160];

		snprintf(target, sizeof(target), "%s%s", path, requests[index].query);
		assert_int_equal(http_query_parse(target, arena, &query, &err), 0);
		if (api_route_find(requests[index].method, &query, &route) == 0)
			count += check_route(&route, seen);
	}
	return count;
}

/* A foreign object and an absent one differ in nothing that api_role_may_route() sees, so "foreign" stands
 * for both here; access_test asks the real server for both. */
static void every_route_has_its_rights(void **state)
{
	static const char *const places[] = {"", "/mine", "/other"};
	static const char *const parts[] = {"", "/log", "/scale", "/status"};
	bool seen[HC_COUNT(expected)] = {false};
	size_t count = 0;

	(void)state;
	for (size_t kind = 0; api_kind_at(kind); kind++) {
		const struct api_kind *it = api_kind_at(kind);
		HC_AUTO_TEXT root = {0};
		hc_text_printf(&root, "%s%s", *it->group ? "/apis/" : "/api/", it->api_version);
		for (size_t place = 0; place < HC_COUNT(places); place++) {
			HC_AUTO_TEXT path = {0};
			hc_text_printf(&path, "%s%s%s/%s", hc_text_string(&root),
						   it->namespaced && *places[place] ? "/namespaces" : "",
						   it->namespaced ? places[place] : "", it->plural);
			count += check_path(hc_text_string(&path), seen);
			hc_text_append(&path, it->namespaced || !*places[place] ? "/x" : places[place]);
			for (size_t part = 0; part < HC_COUNT(parts); part++) {
				HC_AUTO_TEXT whole = {0};
				hc_text_printf(&whole, "%s%s", hc_text_string(&path), parts[part]);
				count += check_path(hc_text_string(&whole), seen);
			}
		}
	}
	for (size_t index = 0; index < HC_COUNT(expected); index++)
		if (!seen[index])
			fail_msg("no route is \"%s\" any more", expected[index].route);
	print_message("%zu rights checked\n", count);
}

static void endpoints_have_theirs(void **state)
{
	static const struct {
		const char *role;
		const char *own;
		enum api_endpoint endpoint;
		bool may;
	} rows[] = {
		{"admin", "", API_DELIVERIES, true},      {"admin", "a", API_DELIVERIES, false},
		{"developer", "", API_DELIVERIES, false}, {"viewer", "", API_DELIVERIES, false},
		{"", "", API_DELIVERIES, false},          {"viewer", "a", API_APPLY, true},
		{"viewer", "a", API_VERSION, true},       {"nobody", "a", API_READYZ, true},
	};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(rows); index++) {
		struct api_identity identity = {.role = rows[index].role, .namespace_name = rows[index].own};
		if (api_role_may_endpoint(&identity, rows[index].endpoint) != rows[index].may)
			fail_msg("row %zu", index);
	}
}

/* --- what a right to write tokens does not include --- */

#define NOW 1700000000000
#define WIDE "{\"spec\":{\"role\":\"viewer\",\"allNamespaces\":true}}"
#define NARROW "{\"spec\":{\"role\":\"viewer\",\"allNamespaces\":false}}"
#define NARROW_ADMIN "{\"spec\":{\"role\":\"admin\",\"allNamespaces\":false}}"
#define ANNS "{\"spec\":{\"role\":\"viewer\",\"allNamespaces\":false,\"user\":\"ann\"}}"
#define UNTIL(time) "{\"spec\":{\"role\":\"viewer\",\"expiresAt\":\"" time "\"}}"

static const struct {
	const char *own;
	const char *live;
	const char *object;
	int status; /* 0: nothing against it */
	const char *field;
} grants[] = {
	{"", NULL, WIDE, 0, NULL},
	{"", NULL, ANNS, 0, NULL},
	{"", WIDE, NULL, 0, NULL},
	{"a", NULL, NARROW_ADMIN, 0, NULL},
	{"a", NULL, WIDE, 403, "spec.allNamespaces"},
	{"a", NULL, ANNS, 403, "spec.user"},
	{"a", WIDE, WIDE, 403, "spec.allNamespaces"},
	{"a", WIDE, NULL, 403, "spec.allNamespaces"},
	{"a", ANNS, NULL, 0, NULL},
	{"", NARROW, WIDE, 422, "spec.allNamespaces"},
	{"a", NARROW, WIDE, 403, "spec.allNamespaces"},
	{"a", NARROW, NARROW_ADMIN, 422, "spec.role"},
	{"", NARROW, ANNS, 422, "spec.user"},
	{"", ANNS, NARROW, 422, "spec.user"},
	{"a", NARROW, NARROW, 0, NULL},
	{"", NULL, UNTIL("2020-01-01T00:00:00Z"), 422, "spec.expiresAt"},
	{"", NULL, UNTIL("2100-01-01T00:00:00Z"), 0, NULL},
	/* Ending one now is a way to revoke it. */
	{"", UNTIL("2100-01-01T00:00:00Z"), UNTIL("2020-01-01T00:00:00Z"), 0, NULL},
};

static void nobody_grants_more_than_he_has(void **state)
{
	(void)state;
	for (size_t index = 0; index < HC_COUNT(grants); index++) {
		struct api_identity identity = {.role = "admin", .namespace_name = grants[index].own, .uid = "u"};
		json_t *live = grants[index].live ? json_loads(grants[index].live, 0, NULL) : NULL;
		json_t *object = grants[index].object ? json_loads(grants[index].object, 0, NULL) : NULL;
		struct api_grant grant = api_role_grant(&identity, live, object, NOW);
		if (grant.status != grants[index].status || !hc_streq(grant.field, grants[index].field) ||
			(grant.status != 0) != (grant.sentence != NULL))
			fail_msg("row %zu: %d %s", index, grant.status, grant.field ? grant.field : "-");
		json_decref(live);
		json_decref(object);
	}
}

/* --- wrong tokens --- */

static void wrong_tokens_are_slowed_by_address(void **state)
{
	struct api_limit *limit = api_limit_new();
	int64_t failures = 0;
	int told = 0;

	(void)state;
	for (int index = 0; index < API_LIMIT_BURST; index++) {
		assert_true(api_limit_allows(limit, "a", 1000));
		told += api_limit_failed(limit, "a", 1000, &failures);
	}
	assert_int_equal(told, 1); /* at the last one, once */
	assert_int_equal(failures, API_LIMIT_BURST);
	assert_false(api_limit_allows(limit, "a", 1000));
	assert_true(api_limit_allows(limit, "b", 1000));
	assert_false(api_limit_allows(limit, "a", 1000 + API_LIMIT_REFILL_MS - 1));
	assert_true(api_limit_allows(limit, "a", 1000 + API_LIMIT_REFILL_MS));
	assert_false(api_limit_failed(limit, "a", 1000 + API_LIMIT_REFILL_MS, &failures));
	assert_int_equal(failures, 1);
	/* After a pause it may err as often as before. */
	int64_t later = 1000 + API_LIMIT_BURST * 2 * (int64_t)API_LIMIT_REFILL_MS;
	for (int index = 0; index < API_LIMIT_BURST; index++, later++)
		assert_true(api_limit_allows(limit, "a", later));
	api_limit_free(limit);
}

static void many_addresses_fill_no_memory(void **state)
{
	struct api_limit *limit = api_limit_new();
	int64_t failures = 0;
	char address[32];

	(void)state;
	for (int index = 0; index < API_LIMIT_BURST; index++)
		api_limit_failed(limit, "busy", 0, &failures);
	for (int index = 0; index < 5 * API_LIMIT_ADDRESSES; index++) {
		snprintf(address, sizeof(address), "10.0.%d.%d", index / 256, index % 256);
		api_limit_failed(limit, address, 0, &failures);
	}
	assert_false(
		api_limit_allows(limit, "busy", 0)); /* the emptiest bucket is not forgotten for the others */
	api_limit_free(limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_route_has_its_rights),
		cmocka_unit_test(endpoints_have_theirs),
		cmocka_unit_test(nobody_grants_more_than_he_has),
		cmocka_unit_test(wrong_tokens_are_slowed_by_address),
		cmocka_unit_test(many_addresses_fill_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
