/* The real program: what a Service is to run changes by rollbacks, edits of its source and pushes. */
#include "cmocka_all.h"

#include "server_fixture.h"

#include "base/alloc.h"
#include "base/text.h"
#include "store/store.h"
#include <stdlib.h>
#include <string.h>

#define SERVICES "/apis/helvetia.cloud/v1/namespaces/default/services"
#define SERVICE(name, spec)                                                                                  \
	"{\"apiVersion\":\"helvetia.cloud/v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"" name              \
	"\"},\"spec\":{" spec "}}"

static struct fixture fixture;

/* --- Deployments, as the controller writes them --- */

static void make_deployment(struct store *store, int64_t epoch, const char *service_uid, int64_t revision,
							const char *phase)
{
	struct hc_error err = {0};
	HC_AUTO_FREE name = hc_xprintf("shop-r%lld", (long long)revision);
	HC_AUTO_FREE uid = hc_xprintf("00000000-0000-4000-8000-%012lld", (long long)revision);
	HC_AUTO_FREE spec = hc_xprintf("{\"service\":\"shop\",\"revision\":%lld}", (long long)revision);
	HC_AUTO_FREE status = hc_xprintf("{\"phase\":\"%s\",\"stage\":\"Done\"}", phase);

	if (store_deployment_create(store, epoch, service_uid, name, uid, revision, spec, status, &err))
		fail_msg("%s", err.text);
}

static void make_history(const char *service_uid)
{
	struct hc_error err = {0};
	HC_AUTO(store) store = NULL;
	int64_t epoch = 0;

	if (store_open(fixture.postgres.url, "test", &store, &err) ||
		store_epoch_take(store, "test", &epoch, &err))
		fail_msg("%s", err.text);
	make_deployment(store, epoch, service_uid, 1, "SUCCESS");
	make_deployment(store, epoch, service_uid, 2, "FAILED");
	make_deployment(store, epoch, service_uid, 3, "SUCCESS");
}

static char *rejected(const char *name)
{
	HC_AUTO_FREE path = hc_xprintf(SERVICES "/%s", name);
	json_t *service = ask(&fixture, "GET", path, NULL, NULL);
	char *hash = hc_xstrdup(text_at(service, "spec.rollbackTo.rejectedHash"));

	json_decref(service);
	return hash;
}

/* Patches the shop; the rollback's revision is then as told ("" when there is none). */
static void expect_rollback(const char *patch, const char *revision)
{
	expect(&fixture, "PATCH", SERVICES "/shop", patch, 200, "spec.rollbackTo.revision", revision);
}

static void rollbacks_hold_until_something_changes(void **state)
{
	(void)state;
	expect(&fixture, "POST", SERVICES, SERVICE("early", "\"image\":\"a\",\"rollbackTo\":{\"revision\":1}"),
		   422, "details.causes.0.message",
		   "Not found: 1: there is no such revision; no revision has run well yet");
	json_t *made = ask(&fixture, "POST", SERVICES, SERVICE("shop", "\"image\":\"nginx:3\""), NULL);
	make_history(text_at(made, "metadata.uid"));
	json_decref(made);
	expect(&fixture, "PATCH", SERVICES "/shop", "{\"spec\":{\"rollbackTo\":{\"revision\":7}}}", 422,
		   "details.causes.0.message",
		   "Not found: 7: there is no such revision; revisions that can run again: 1, 3");
	expect(&fixture, "PATCH", SERVICES "/shop", "{\"spec\":{\"rollbackTo\":{\"revision\":2}}}", 422,
		   "details.causes.0.message",
		   "Not found: 2: that revision never ran well; revisions that can run again: 1, 3");
	expect_rollback("{\"spec\":{\"rollbackTo\":{\"revision\":1}}}", "1");
	HC_AUTO_FREE first = rejected("shop");
	assert_int_equal(strlen(first), 64);
	/* What is no part of the template leaves it. */
	expect_rollback("{\"spec\":{\"replicas\":2}}", "1");
	expect_rollback("{\"spec\":{\"strategy\":{\"drainSeconds\":1}},\"metadata\":{\"labels\":{\"a\":\"b\"}}}",
					"1");
	/* Only the server says what is set aside. */
	expect_rollback("{\"spec\":{\"rollbackTo\":{\"rejectedHash\":\"forged\"}}}", "1");
	HC_AUTO_FREE second = rejected("shop");
	assert_string_equal(first, second);
	expect_rollback("{\"spec\":{\"rollbackTo\":{\"revision\":3}}}", "3");
	/* Whatever deploys anew releases it, and nobody owns it then. */
	expect_rollback("{\"spec\":{\"redeployNonce\":\"x\"}}", "");
	json_t *shop = ask(&fixture, "GET", SERVICES "/shop", NULL, NULL);
	assert_null(strstr(text_at(shop, "metadata.managedFields"), "rollbackTo"));
	json_decref(shop);
	/* A rollback and a change in one write: the rollback is what is wanted now. */
	expect_rollback("{\"spec\":{\"image\":\"nginx:4\",\"rollbackTo\":{\"revision\":1}}}", "1");
	HC_AUTO_FREE third = rejected("shop");
	assert_string_not_equal(first, third);
	expect_rollback("{\"spec\":{\"rollbackTo\":null}}", "");
	postgres_run(&fixture.postgres, "DELETE FROM services");
}

static void applied_rollbacks_are_the_manifests(void **state)
{
	(void)state;
	json_t *made = ask(&fixture, "POST", "/apply", SERVICE("shop", "\"image\":\"nginx:3\""), NULL);
	make_history(text_at(made, "items.0.uid"));
	json_decref(made);
	expect(&fixture, "POST", "/apply",
		   SERVICE("shop", "\"image\":\"nginx:3\",\"rollbackTo\":{\"revision\":9}"), 422,
		   "details.causes.0.field", "spec.rollbackTo.revision");
	expect(&fixture, "POST", "/apply",
		   SERVICE("shop", "\"image\":\"nginx:3\",\"rollbackTo\":{\"revision\":1}"), 200, "items.0.action",
		   "configured");
	expect(&fixture, "POST", "/apply",
		   SERVICE("shop", "\"image\":\"nginx:3\",\"rollbackTo\":{\"revision\":1}"), 200, "items.0.action",
		   "unchanged");
	HC_AUTO_FREE first = rejected("shop");
	/* The manifest still names it: it stays, without effect, and applying that again changes nothing. */
	expect(&fixture, "POST", "/apply",
		   SERVICE("shop", "\"image\":\"nginx:4\",\"rollbackTo\":{\"revision\":1}"), 200, "items.0.action",
		   "configured");
	HC_AUTO_FREE second = rejected("shop");
	assert_string_equal(first, second);
	expect(&fixture, "POST", "/apply",
		   SERVICE("shop", "\"image\":\"nginx:4\",\"rollbackTo\":{\"revision\":1}"), 200, "items.0.action",
		   "unchanged");
	/* Taken out of the manifest, all of it goes. */
	expect(&fixture, "POST", "/apply", SERVICE("shop", "\"image\":\"nginx:4\""), 200, "items.0.action",
		   "configured");
	expect(&fixture, "GET", SERVICES "/shop", NULL, 200, "spec.rollbackTo", "");
	postgres_run(&fixture.postgres, "DELETE FROM services");
}

static int start(void **state)
{
	(void)state;
	fixture_start(&fixture);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	fixture_stop(&fixture);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rollbacks_hold_until_something_changes),
		cmocka_unit_test(applied_rollbacks_are_the_manifests),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
