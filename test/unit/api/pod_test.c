/* The real program shows containers as Pods, as a controller tells them, and their logs. */
#include "cmocka_all.h"

#include "server_fixture.h"

#include "base/alloc.h"
#include "base/text.h"
#include "fake_controller.h"
#include "store/store.h"
#include <stdlib.h>
#include <string.h>

#define PODS "/api/v1/namespaces/default/pods"
#define R1 "00000000-0000-4000-8000-000000000001"
#define POD(name, phase)                                                                                     \
	"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"" name                                 \
	"\",\"namespace\":\"default\",\"labels\":{\"a\":\"" phase "\"}},\"spec\":{\"nodeName\":\"n\"},"          \
	"\"status\":{\"phase\":\"" phase "\"}}"
#define TWO "{\"items\":[" POD("shop-r1-1", "Pending") "," POD("shop-r1-0", "Running") "]}"
#define ONE "{\"items\":[" POD("shop-r1-0", "Running") "]}"
#define NONE "{\"items\":[]}"

static struct fixture fixture;
static char *socket_path;

/* One answer of the controller to one question of the API. */
static void asked(const char *body, const char *path, long status, const char *at, const char *text,
				  const char *question)
{
	HC_AUTO_FREE answer = hc_xprintf("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
	struct fake_controller *controller = fake_controller_start(socket_path, answer);

	expect(&fixture, "GET", path, NULL, status, at, text);
	HC_AUTO_FREE line = fake_controller_stop(controller);
	if (question && (!line || !strstr(line, question)))
		fail_msg("%s: %s", path, line ? line : "nothing was asked");
}

static void lists_and_selects(void **state)
{
	(void)state;
	asked(TWO, PODS, 200, "items.0.metadata.name", "shop-r1-0", "GET /pods?namespace=default& HTTP");
	asked(TWO, PODS, 200, "items.1.metadata.name", "shop-r1-1", NULL);
	asked(TWO, "/api/v1/pods", 200, "items.1.metadata.name", "shop-r1-1", "GET /pods? HTTP");
	asked(TWO, PODS "?labelSelector=a%3DPending", 200, "items.0.metadata.name", "shop-r1-1", NULL);
	asked(TWO, PODS "?fieldSelector=status.phase%3DRunning", 200, "items.1.metadata.name", "", NULL);
	asked(TWO, PODS "?fieldSelector=metadata.name%3Dshop-r1-1", 200, "items.0.metadata.name", "shop-r1-1",
		  "name=shop-r1-1");
	asked(NONE, PODS, 200, "kind", "PodList", NULL);
	expect(&fixture, "GET", PODS "?fieldSelector=spec.foo%3D1", NULL, 400, "message",
		   "field label not supported: spec.foo");
}

static void shows_one(void **state)
{
	(void)state;
	asked(ONE, PODS "/shop-r1-0", 200, "status.phase", "Running", "name=shop-r1-0");
	asked(NONE, PODS "/shop-r1-9", 404, "message", "pods \"shop-r1-9\" not found", NULL);
	/* What can be no name is not asked about. */
	expect(&fixture, "GET", PODS "/A%20b%26name%3D", NULL, 404, "reason", "NotFound");
}

static void tells_what_is_wrong(void **state)
{
	(void)state;
	expect(&fixture, "GET", PODS, NULL, 503, "message",
		   "Pods can't be read now: the controller does not run; it is started again by the platform, try "
		   "later");
	asked("[", PODS, 503, "reason", "ServiceUnavailable", NULL);
	expect(&fixture, "POST", PODS, "{}", 405, NULL, NULL);
	expect(&fixture, "DELETE", PODS "/shop-r1-0", NULL, 405, NULL, NULL);
	expect(&fixture, "GET", PODS "?watch=true", NULL, 405, "message",
		   "pods does not support GET with watch: ask again instead");
	expect(&fixture, "POST", PODS "/shop-r1-0/exec?command=ls", NULL, 404, "message",
		   "exec of a Pod is not served by this platform: only its log is");
}

static void make_deployment(void)
{
	struct store *store = NULL;
	struct hc_error err = {0};
	int64_t epoch = 0;

	expect(&fixture, "POST", "/apis/helvetia.cloud/v1/namespaces/default/services",
		   "{\"apiVersion\":\"helvetia.cloud/v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"shop\"},"
		   "\"spec\":{\"image\":\"a\"}}",
		   201, NULL, NULL);
	HC_AUTO_FREE service = postgres_text(&fixture.postgres, "SELECT id FROM services");
	if (store_open(fixture.postgres.url, "test", &store, &err) ||
		store_epoch_take(store, "test", &epoch, &err) ||
		store_deployment_create(store, epoch, service, "shop-r1", R1, 1,
								"{\"service\":\"shop\",\"revision\":1}",
								"{\"phase\":\"BUILDING\",\"stage\":\"Queued\",\"build\":\"x\"}", &err))
		fail_msg("%s", err.text);
	store_close(store);
}

static void expect_log(const char *answer, const char *path, long status, const char *text,
					   const char *question)
{
	struct fake_controller *controller = fake_controller_start(socket_path, answer);
	struct http_response response = {0};
	struct hc_error err = {0};

	if (http_client_request(fixture.client, "GET", path, NULL, NULL, 0, &response, &err))
		fail_msg("%s", err.text);
	HC_AUTO_FREE line = fake_controller_stop(controller);
	if (response.status != status || !strstr(response.body, text))
		fail_msg("%s: %ld %s", path, response.status, response.body);
	if (question && (!line || !strstr(line, question)))
		fail_msg("%s: %s", path, line ? line : "nothing was asked");
	http_response_done(&response);
}

static void logs_are_of_one_container(void **state)
{
	static const char found[] = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nserving\n";
	static const char missing[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

	(void)state;
	make_deployment();
	expect_log(found, PODS "/shop-r1-0/log", 200, "serving\n", "deployment=" R1);
	expect_log(found, PODS "/shop-r1-0/log?container=app&tailLines=5", 200, "serving\n", "&ordinal=0 ");
	expect_log(found, PODS "/shop-r1-release/log?follow=true", 200, "serving\n", "&ordinal=release ");
	expect_log(found, PODS "/shop-r1-0/log?sinceTime=2026-01-01T00:00:00Z", 200, "serving\n",
			   "&sinceTime=1767225600");
	expect_log(missing, PODS "/shop-r1-7/log?follow=true", 404, "pods \\\"shop-r1-7\\\" not found", NULL);
	expect(&fixture, "GET", PODS "/shop-r9-0/log", NULL, 404, "message", "pods \"shop-r9-0\" not found");
	expect(&fixture, "GET", PODS "/shop/log", NULL, 404, "message", "pods \"shop\" not found");
	expect(&fixture, "GET", PODS "/shop-r1-0%20HTTP%2F1.1%0D%0AX:/log", NULL, 404, "reason", "NotFound");
	expect(&fixture, "GET", PODS "/shop-r1-0&follow=true/log", NULL, 404, "reason", "NotFound");
	expect(&fixture, "GET", PODS "/shop-r1-0/log?container=b", NULL, 400, "message",
		   "container b is not valid for pod shop-r1-0: it has one, app");
	expect(&fixture, "GET", PODS "/shop-r1-0/log?previous=true", NULL, 400, NULL, NULL);
	expect(&fixture, "GET", PODS "/shop-r1-0/log?limitBytes=7", NULL, 400, NULL, NULL);
	expect(&fixture, "GET", PODS "/shop-r1-0/log?sinceTime=yesterday", NULL, 400, NULL, NULL);
	postgres_run(&fixture.postgres, "DELETE FROM services");
}

static int start(void **state)
{
	(void)state;
	fixture_start(&fixture);
	socket_path = hc_xprintf("%s/controller.sock", fixture.folder);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	fixture_stop(&fixture);
	free(socket_path);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_and_selects),
		cmocka_unit_test(shows_one),
		cmocka_unit_test(tells_what_is_wrong),
		cmocka_unit_test(logs_are_of_one_container),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
