/* The real program over time: watches, logs, a database that goes away, an orderly end. */
#include "cmocka_all.h"

#include "server_fixture.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "fake_controller.h"
#include "store/store.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SERVICES "/apis/helvetia.cloud/v1/namespaces/default/services"
#define PATCH_LABEL(value) "{\"metadata\":{\"labels\":{\"app\":\"" value "\"}}}"
#define DEADLINE_MS 15000

static struct fixture fixture;

static void make_service(const char *name, const char *app)
{
	HC_AUTO_FREE body = hc_xprintf(
		"{\"apiVersion\":\"helvetia.cloud/v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"%s\","
		"\"labels\":{\"app\":\"%s\"}},\"spec\":{\"image\":\"a\"}}",
		name, app);

	expect(&fixture, "POST", SERVICES, body, 201, NULL, NULL);
}

static long long version_now(void)
{
	return postgres_number(&fixture.postgres, "SELECT resource_version FROM resource_clock");
}

/* --- a reader in its own thread, with its own connection --- */

struct reader {
	struct http_client *client;
	char *path;
	pthread_t thread;
	pthread_mutex_t lock;
	struct hc_text text;
	struct hc_error err;
	struct http_response response;
	int result;
	bool ended;
	bool hold; /* takes nothing for now */
};

static int keep(const char *data, size_t length, void *payload)
{
	struct reader *reader = payload;

	while (__atomic_load_n(&reader->hold, __ATOMIC_RELAXED))
		usleep(5000);
	pthread_mutex_lock(&reader->lock);
	hc_text_append_bytes(&reader->text, data, length);
	pthread_mutex_unlock(&reader->lock);
	return 0;
}

static void *read_stream(void *payload)
{
	struct reader *reader = payload;
	int result = http_client_stream(reader->client, reader->path, keep, reader, &reader->response,
									&reader->err);

	pthread_mutex_lock(&reader->lock);
	reader->result = result;
	reader->ended = true;
	pthread_mutex_unlock(&reader->lock);
	return NULL;
}

static void reader_start(struct reader *reader, const char *token, char *path_take)
{
	*reader = (struct reader){.client = fixture_client(&fixture, token), .path = path_take};
	pthread_mutex_init(&reader->lock, NULL);
	assert_int_equal(pthread_create(&reader->thread, NULL, read_stream, reader), 0);
}

/* What was read, as TYPE name lines for a watch. Caller frees. */
static char *reader_events(struct reader *reader)
{
	struct hc_text events = {0};

	pthread_mutex_lock(&reader->lock);
	HC_AUTO_FREE text = hc_xstrdup(hc_text_string(&reader->text));
	pthread_mutex_unlock(&reader->lock);
	char *rest = NULL;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		json_t *event = json_loads(line, 0, NULL);
		if (!event)
			continue; /* half a line */
		hc_text_printf(&events, "%s ", text_at(event, "type"));
		hc_text_printf(&events, "%s\n",
					   hc_streq(text_at(event, "type"), "ERROR") ? text_at(event, "object.code")
																 : text_at(event, "object.metadata.name"));
		json_decref(event);
	}
	return events.data ? hc_text_take(&events) : hc_xstrdup("");
}

static void reader_wait(struct reader *reader, const char *events)
{
	int64_t deadline = hc_clock_boot_ms() + DEADLINE_MS;

	while (hc_clock_boot_ms() < deadline) {
		HC_AUTO_FREE now = reader_events(reader);
		if (hc_streq(now, events))
			return;
		usleep(5000);
	}
	HC_AUTO_FREE now = reader_events(reader);
	fail_msg("%s: events are\n%sinstead of\n%s", reader->path, now, events);
}

/* Waits for the end of the stream. */
static void reader_done(struct reader *reader)
{
	pthread_join(reader->thread, NULL);
	http_client_close(reader->client);
	http_response_done(&reader->response);
	hc_text_done(&reader->text);
	pthread_mutex_destroy(&reader->lock);
	free(reader->path);
}

/* --- watches --- */

static void watches_see_every_change_once(void **state)
{
	struct reader from_now, from_start, selected, initial;
	static const char changes[] = "MODIFIED shop\nMODIFIED shop\nDELETED shop\nADDED late\n";

	(void)state;
	make_service("shop", "web");
	long long version = version_now();
	reader_start(&from_now, fixture.token,
				 hc_xprintf(SERVICES "?watch=true&resourceVersion=%lld&timeoutSeconds=3", version));
	reader_start(&from_start, fixture.token, hc_xprintf(SERVICES "?watch=true&timeoutSeconds=3"));
	reader_start(&selected, fixture.token,
				 hc_xprintf(SERVICES "?watch=true&labelSelector=app%%3Dweb&timeoutSeconds=3"));
	reader_start(&initial, fixture.token,
				 hc_xprintf(SERVICES "?watch=true&sendInitialEvents=true&allowWatchBookmarks=true&"
									 "resourceVersionMatch=NotOlderThan&timeoutSeconds=3"));
	reader_wait(&from_start, "ADDED shop\n");
	reader_wait(&selected, "ADDED shop\n");
	reader_wait(&initial, "ADDED shop\nBOOKMARK \n");
	expect(&fixture, "PATCH", SERVICES "/shop", PATCH_LABEL("other"), 200, NULL, NULL);
	expect(&fixture, "PATCH", SERVICES "/shop", PATCH_LABEL("web"), 200, NULL, NULL);
	postgres_run(&fixture.postgres, "DELETE FROM services");
	make_service("late", "db");
	reader_wait(&from_now, changes);
	reader_wait(&from_start, "ADDED shop\nMODIFIED shop\nMODIFIED shop\nDELETED shop\nADDED late\n");
	reader_wait(&selected, "ADDED shop\nDELETED shop\nADDED shop\nDELETED shop\n");
	reader_wait(&initial, "ADDED shop\nBOOKMARK \nMODIFIED shop\nMODIFIED shop\nDELETED shop\nADDED late\n");
	reader_done(&from_now); /* each ends by itself, whole, when its time is over */
	assert_int_equal(from_now.result, 0);
	reader_done(&from_start);
	reader_done(&selected);
	reader_done(&initial);
	struct reader again;
	reader_start(&again, fixture.token,
				 hc_xprintf(SERVICES "?watch=true&resourceVersion=%lld&timeoutSeconds=1", version));
	reader_done(&again);
	reader_start(&again, fixture.token,
				 hc_xprintf(SERVICES "?watch=true&resourceVersion=%lld&timeoutSeconds=1", version));
	reader_wait(&again, changes);
	reader_done(&again);
	postgres_run(&fixture.postgres, "DELETE FROM services");
}

static void nothing_is_lost_between_list_and_watch(void **state)
{
	struct reader reader;
	struct hc_text expected = {0};

	(void)state;
	reader_start(&reader, fixture.token, hc_xprintf(SERVICES "?watch=true&timeoutSeconds=20"));
	for (int index = 0; index < 200; index++) {
		HC_AUTO_FREE name = hc_xprintf("s%d", index);
		make_service(name, "web");
		hc_text_printf(&expected, "ADDED %s\n", name);
	}
	HC_AUTO_FREE all = hc_text_take(&expected);
	/* The reader may have begun anywhere in between: what it lists is sorted by name, so only the set is
	 * compared. */
	int64_t deadline = hc_clock_boot_ms() + DEADLINE_MS;
	for (size_t count = 0; count < strlen(all) && hc_clock_boot_ms() < deadline; usleep(5000)) {
		HC_AUTO_FREE now = reader_events(&reader);
		count = strlen(now);
	}
	HC_AUTO_FREE now = reader_events(&reader);
	assert_int_equal(strlen(now), strlen(all));
	for (int index = 0; index < 200; index++) {
		HC_AUTO_FREE line = hc_xprintf("ADDED s%d\n", index);
		assert_non_null(strstr(now, line));
	}
	/* Its token goes, and the watch with it. */
	postgres_run(&fixture.postgres,
				 "UPDATE tokens SET object_spec = object_spec || '{\"description\":\"touched\"}'");
	reader_done(&reader);
	assert_int_equal(reader.result, 0);
	postgres_run(&fixture.postgres, "DELETE FROM services");
}

static void a_foreign_version_is_expired(void **state)
{
	struct reader old, future;

	(void)state;
	reader_start(&future, fixture.token,
				 hc_xprintf(SERVICES "?watch=true&resourceVersion=99999999&timeoutSeconds=3"));
	reader_wait(&future, "ERROR 410\n");
	reader_done(&future);
	long long version = version_now();
	make_service("shop", "web");
	postgres_run(&fixture.postgres, "DELETE FROM change_log;"
									"UPDATE resource_clock SET oldest = resource_version");
	reader_start(&old, fixture.token,
				 hc_xprintf(SERVICES "?watch=true&resourceVersion=%lld&timeoutSeconds=3", version));
	reader_wait(&old, "ERROR 410\n");
	reader_done(&old);
	expect(&fixture, "GET", SERVICES "?watch=true&resourceVersion=abc", NULL, 400, "reason", "BadRequest");
	postgres_run(&fixture.postgres, "DELETE FROM services");
}

static void wait_for_log(const char *words)
{
	HC_AUTO_FREE path = hc_xprintf("%s/log", fixture.folder);
	int64_t deadline = hc_clock_boot_ms() + DEADLINE_MS;
	bool found = false;

	while (!found && hc_clock_boot_ms() < deadline) {
		HC_AUTO_FREE text = NULL;
		size_t length = 0;
		struct hc_error err = {0};

		assert_int_equal(hc_file_read(path, 1U << 22, &text, &length, &err), 0);
		found = strstr(text, words) != NULL;
		usleep(10000);
	}
	if (!found)
		fail_msg("the log does not say \"%s\"", words);
}

static void a_watcher_that_takes_nothing_is_cut(void **state)
{
	struct reader slow, quick;

	(void)state;
	make_service("shop", "web");
	reader_start(&slow, fixture.token, hc_xprintf(SERVICES "?watch=true"));
	reader_wait(&slow, "ADDED shop\n");
	__atomic_store_n(&slow.hold, true, __ATOMIC_RELAXED);
	/* 100 MB of changes, more than HC_LIMIT_WATCH_BACKLOG_BYTES and the sockets together. */
	postgres_run(
		&fixture.postgres,
		"DO $$ BEGIN FOR round IN 1..1000 LOOP UPDATE services SET object_metadata = object_metadata || "
		"jsonb_build_object('annotations', jsonb_build_object('n', round::text || repeat('x', 100000))); "
		"END LOOP; END $$");
	wait_for_log("a watcher is too slow and was cut");
	/* The others are not held up by it. */
	reader_start(&quick, fixture.token, hc_xprintf(SERVICES "?watch=true&timeoutSeconds=1"));
	reader_wait(&quick, "ADDED shop\n");
	reader_done(&quick);
	__atomic_store_n(&slow.hold, false, __ATOMIC_RELAXED);
	reader_done(&slow);
	assert_int_equal(slow.result, -1);
	postgres_run(&fixture.postgres, "DELETE FROM services");
}

/* --- logs --- */

static char *make_deployment(int64_t revision, bool current)
{
	struct hc_error err = {0};
	HC_AUTO(store) store = NULL;
	int64_t epoch = 0;
	HC_AUTO_FREE service = postgres_text(&fixture.postgres, "SELECT id FROM services WHERE name = 'shop'");
	HC_AUTO_FREE name = hc_xprintf("shop-r%lld", (long long)revision);
	char *uid = hc_xprintf("00000000-0000-4000-8000-%012lld", (long long)revision);
	HC_AUTO_FREE spec = hc_xprintf("{\"service\":\"shop\",\"revision\":%lld}", (long long)revision);
	static const char status[] = "{\"phase\":\"SUCCESS\",\"stage\":\"Done\"}";
	static const char log[] = "one\ntwo\nthree\n";

	if (store_open(fixture.postgres.url, "test", &store, &err) ||
		store_epoch_take(store, "test", &epoch, &err) ||
		store_deployment_create(store, epoch, service, name, uid, revision, spec, status, &err) ||
		store_deployment_status(store, epoch, uid, status, current, &err) ||
		store_log_append(store, epoch, uid, log, strlen(log), &err))
		fail_msg("%s", err.text);
	return uid;
}

static void expect_log(const char *path, long status, const char *text)
{
	struct http_response response = {0};
	struct hc_error err = {0};

	if (http_client_request(fixture.client, "GET", path, NULL, NULL, 0, &response, &err))
		fail_msg("%s: %s", path, err.text);
	if (response.status != status || !strstr(response.body, text))
		fail_msg("%s: %ld %s", path, response.status, response.body);
	http_response_done(&response);
}

static void logs_come_from_the_controller(void **state)
{
	HC_AUTO_FREE path = hc_xprintf("%s/controller.sock", fixture.folder);

	(void)state;
	make_service("shop", "web");
	expect_log(SERVICES "/shop/log", 404, "has no Deployment yet");
	expect_log(SERVICES "/absent/log", 404, "not found");
	HC_AUTO_FREE first = make_deployment(1, false);
	HC_AUTO_FREE second = make_deployment(2, false);
	expect_log(SERVICES "/shop/log", 503, "the controller does not run");
	struct fake_controller *controller = fake_controller_start(
		path,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n~\n4\r\ntwo\n\r\n0\r\n\r\n");
	expect_log(SERVICES "/shop/log?follow=true&tailLines=5", 200, "one\ntwo\n");
	HC_AUTO_FREE request = fake_controller_stop(controller);
	HC_AUTO_FREE expected = hc_xprintf(
		"GET /log?deployment=%s&follow=true&timestamps=false&tailLines=5 HTTP/1.1", second);
	assert_string_equal(request, expected); /* none is current: the newest */
	postgres_run(&fixture.postgres, "UPDATE services SET object_status = object_status || "
									"'{\"currentDeployment\":\"shop-r1\"}'");
	controller = fake_controller_start(path, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
	expect_log(SERVICES "/shop/log", 200, "one\ntwo\nthree\n");
	expect_log(SERVICES "/shop/log?tailLines=1", 200, "three\n");
	HC_AUTO_FREE current = fake_controller_stop(controller);
	assert_non_null(strstr(current, first));
	expect_log(SERVICES "/shop/log?tailLines=x", 400, "not a number");
}

static void a_broken_log_is_not_taken_for_whole(void **state)
{
	HC_AUTO_FREE path = hc_xprintf("%s/controller.sock", fixture.folder);
	struct reader reader;

	(void)state;
	struct fake_controller *controller = fake_controller_start(
		path, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n");
	reader_start(&reader, fixture.token, hc_xstrdup(SERVICES "/shop/log?follow=true"));
	reader_done(&reader);
	assert_int_equal(reader.result, -1);
	free(fake_controller_stop(controller));
	controller = fake_controller_start(path, "garbage\r\n\r\n");
	expect_log(SERVICES "/shop/log", 503, "answers nonsense");
	free(fake_controller_stop(controller));
}

/* --- the database goes, the program goes --- */

static void outlives_the_database(void **state)
{
	(void)state;
	postgres_stop(&fixture.postgres);
	eventually(&fixture, "/readyz", 503);
	expect(&fixture, "GET", "/healthz", NULL, 200, NULL, NULL);
	expect(&fixture, "GET", SERVICES, NULL, 503, "reason", "ServiceUnavailable");
	expect(&fixture, "POST", "/apply", "{}", 422, NULL, NULL); /* wrong whatever the database says */
	postgres_start(&fixture.postgres);
	eventually(&fixture, "/readyz", 200);
	expect(&fixture, "GET", SERVICES "/shop", NULL, 200, "metadata.name", "shop");
	expect(&fixture, "PATCH", SERVICES "/shop", PATCH_LABEL("again"), 200, "metadata.labels.app", "again");
}

static void starts_before_the_database(void **state)
{
	(void)state;
	assert_int_equal(fixture_api_stop(&fixture), 0);
	postgres_stop(&fixture.postgres);
	HC_AUTO_FREE token = hc_xstrdup(fixture.token);
	fixture_api_spawn(&fixture);
	HC_AUTO(http_client) early = fixture_client(&fixture, token);
	expect_as(early, "GET", SERVICES, NULL, 503, "reason", "ServiceUnavailable");
	expect_as(early, "GET", "/readyz", NULL, 503, NULL, NULL);
	postgres_start(&fixture.postgres);
	fixture_api_ready(&fixture);
	assert_string_equal(fixture.token, token); /* not made anew */
	expect(&fixture, "GET", SERVICES "/shop", NULL, 200, "metadata.name", "shop");
}

static void ends_in_order(void **state)
{
	struct reader reader;

	(void)state;
	reader_start(&reader, fixture.token, hc_xprintf(SERVICES "?watch=true"));
	reader_wait(&reader, "ADDED shop\n");
	int64_t begin = hc_clock_boot_ms();
	assert_int_equal(fixture_api_stop(&fixture), 0);
	assert_true(hc_clock_boot_ms() - begin < 4000);
	reader_done(&reader);
	assert_int_equal(reader.result, 0); /* the last chunk came */
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
		cmocka_unit_test(watches_see_every_change_once),
		cmocka_unit_test(nothing_is_lost_between_list_and_watch),
		cmocka_unit_test(a_foreign_version_is_expired),
		cmocka_unit_test(a_watcher_that_takes_nothing_is_cut),
		cmocka_unit_test(logs_come_from_the_controller),
		cmocka_unit_test(a_broken_log_is_not_taken_for_whole),
		cmocka_unit_test(outlives_the_database),
		cmocka_unit_test(starts_before_the_database),
		cmocka_unit_test(ends_in_order),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
