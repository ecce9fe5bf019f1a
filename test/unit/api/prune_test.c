/* POST /apply with set and prune, against the real program. */
#include "cmocka_all.h"

#include "server_fixture.h"

#include "base/text.h"
#include <string.h>

#define SERVICES(ns) "/apis/helvetia.cloud/v1/namespaces/" ns "/services"
#define SERVICE(name)                                                                                        \
	"{\"apiVersion\":\"helvetia.cloud/v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"" name              \
	"\"},\"spec\":{\"image\":\"a\",\"expose\":\"none\"}}"
#define DOOMED(name)                                                                                         \
	"{\"apiVersion\":\"helvetia.cloud/v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"" name              \
	"\"},\"spec\":{\"image\":\"a\",\"volumes\":[{\"name\":\"d\",\"path\":\"/"                                \
	"data\",\"onDelete\":\"Delete\"}]}}"
#define SECRET(name)                                                                                         \
	"{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"" name                              \
	"\"},\"stringData\":{\"a\":\"b\"}}"
#define NAMESPACE(name) "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"" name "\"}}"

static struct fixture fixture;

static long long version(void)
{
	return postgres_number(&fixture.postgres, "SELECT resource_version FROM resource_clock");
}

/* Names of what still is not being deleted. */
static void expect_services(const char *names)
{
	char *text = postgres_text(
		&fixture.postgres,
		"SELECT coalesce(string_agg(namespace || '/' || name, ' ' ORDER BY namespace, name), '')"
		" FROM services WHERE deleted_at IS NULL");

	if (!hc_streq(text, names))
		fail_msg("\"%s\" instead of \"%s\"", text, names);
	free(text);
}

static void a_set_needs_a_name(void **state)
{
	(void)state;
	expect(&fixture, "POST", "/apply?prune=true", SERVICE("x"), 400, "message",
		   "prune: needs set=NAME: only what was applied as a part of a set can be pruned");
	expect(&fixture, "POST", "/apply?set=Upper", SERVICE("x"), 400, "reason", "BadRequest");
	expect(&fixture, "POST", "/apply?set=", SERVICE("x"), 400, "reason", "BadRequest");
	expect(&fixture, "POST", "/apply?set=a&prune=perhaps", SERVICE("x"), 400, "reason", "BadRequest");
	expect(&fixture, "POST", "/apply?set=a&namespace=a%22b", SERVICE("x"), 400, "reason", "BadRequest");
	expect_services("");
}

static void what_a_set_no_longer_contains_goes(void **state)
{
	(void)state;
	expect(&fixture, "POST", "/apply?set=web", SERVICE("a") SERVICE("b") DOOMED("c") SECRET("s"), 200,
		   "items.0.action", "created");
	expect(&fixture, "POST", "/apply", SERVICE("alone"), 200, "items.0.action", "created");
	expect(&fixture, "GET", SERVICES("default") "/a", NULL, 200, "metadata.labels",
		   "{\"helvetia.cloud/set\":\"web\",\"helvetia.cloud/set-namespace\":\"default\"}");
	/* Without prune nothing goes, and the same again draws no version, with it neither. */
	long long before = version();
	expect(&fixture, "POST", "/apply?set=web", SERVICE("a"), 200, "items.0.action", "unchanged");
	expect(&fixture, "POST", "/apply?set=web&prune=true", SERVICE("a") SERVICE("b") DOOMED("c") SECRET("s"),
		   200, "items.3.action", "unchanged");
	assert_int_equal(version(), before);
	/* A dry run says what would go, and whose data with it. */
	expect(&fixture, "POST", "/apply?set=web&prune=true&dryRun=true", SERVICE("a"), 200, "items.1.action",
		   "pruned");
	expect(&fixture, "POST", "/apply?set=web&prune=true&dryRun=true", SERVICE("a"), 200,
		   "items.2.consequence", "remove, data at risk");
	expect_services("default/a default/alone default/b default/c");
	/* One that is wrong: all or nothing. */
	expect(&fixture, "POST", "/apply?set=web&prune=true", SERVICE("a") SERVICE("Upper"), 422, NULL, NULL);
	expect_services("default/a default/alone default/b default/c");
	expect(&fixture, "POST", "/apply?set=web&prune=true", SERVICE("a") SERVICE("new"), 200, "items.2.name",
		   "b");
	expect_services("default/a default/alone default/new");
	assert_int_equal(postgres_number(&fixture.postgres, "SELECT count(*) FROM secrets"), 0);
	/* What is on its way out already is not told again. */
	expect(&fixture, "POST", "/apply?set=web&prune=true", SERVICE("a"), 200, "items.1.name", "new");
	/* Applied alone it has left the set. */
	expect(&fixture, "POST", "/apply", SERVICE("a"), 200, "items.0.action", "configured");
	expect(&fixture, "POST", "/apply?set=web&prune=true", SERVICE("z"), 200, "items.1", "");
	expect_services("default/a default/alone default/z");
	postgres_run(&fixture.postgres, "DELETE FROM services");
}

static void sets_of_one_name_are_strangers(void **state)
{
	(void)state;
	expect(&fixture, "POST", "/apply", NAMESPACE("one") NAMESPACE("two"), 200, NULL, NULL);
	expect(&fixture, "POST", "/apply?set=web&namespace=one", SERVICE("x"), 200, NULL, NULL);
	expect(&fixture, "POST", "/apply?set=web&namespace=two", SERVICE("x"), 200, NULL, NULL);
	expect(&fixture, "POST", "/apply?set=web&prune=true&namespace=one", SERVICE("y"), 200,
		   "items.1.namespace", "one");
	expect_services("one/y two/x");
	/* A token of one namespace prunes there only, whatever the set contains elsewhere. */
	fixture_token(&fixture, "dev", "one", "hv_dev", "{\"role\":\"developer\"}");
	HC_AUTO(http_client) developer = fixture_client(&fixture, "hv_dev");
	expect(&fixture, "POST", "/apply?set=web&namespace=one",
		   "{\"apiVersion\":\"helvetia.cloud/v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"far\","
		   "\"namespace\":\"two\"},\"spec\":{\"image\":\"a\",\"expose\":\"none\"}}",
		   200, NULL, NULL);
	expect_as(developer, "POST", "/apply?set=web&prune=true&namespace=one", SERVICE("w"), 200, "items.1.name",
			  "y");
	expect_services("one/w two/far two/x");
	expect(&fixture, "POST", "/apply?set=web&prune=true&namespace=one", SERVICE("w"), 200, "items.1.name",
		   "far");
	/* A namespace belongs to no set: with it would go everything in it. */
	expect(&fixture, "POST", "/apply?set=web&prune=true&namespace=one", NAMESPACE("three"), 200,
		   "items.1.name", "w");
	expect(&fixture, "POST", "/apply?set=web&prune=true&namespace=one", SERVICE("v"), 200, "items.1", "");
	expect(&fixture, "GET", "/api/v1/namespaces/three", NULL, 200, "status.phase", "Active");
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
		cmocka_unit_test(a_set_needs_a_name),
		cmocka_unit_test(what_a_set_no_longer_contains_goes),
		cmocka_unit_test(sets_of_one_name_are_strangers),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
