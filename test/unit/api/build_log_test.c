/* The real program shows builds: by themselves, and as the beginning of a Deployment's log. */
#include "cmocka_all.h"

#include "server_fixture.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "fake_controller.h"
#include "store/store_job.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMESPACE "/apis/helvetia.cloud/v1/namespaces/default"
#define BUILD_LOG NAMESPACE "/builds/shop-0123456789/log"
#define DEADLINE_MS 15000
#define R1 "00000000-0000-4000-8000-000000000001"
#define CONTAINERS "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nserving\n"
#define NO_CONTAINER "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

static struct fixture fixture;
static struct store *store;
static int64_t epoch;

/* --- who follows: a thread with its own connection --- */

struct follower {
	struct http_client *client;
	const char *path;
	pthread_t thread;
	pthread_mutex_t lock;
	struct hc_text text;
	struct hc_error err;
	struct http_response response;
	int result;
};

static int keep(const char *data, size_t length, void *payload)
{
	struct follower *follower = payload;

	pthread_mutex_lock(&follower->lock);
	hc_text_append_bytes(&follower->text, data, length);
	pthread_mutex_unlock(&follower->lock);
	return 0;
}

static void *follow(void *payload)
{
	struct follower *follower = payload;

	follower->result = http_client_stream(follower->client, follower->path, keep, follower,
										  &follower->response, &follower->err);
	return NULL;
}

static void follower_start(struct follower *follower, const char *path)
{
	*follower = (struct follower){.client = fixture_client(&fixture, fixture.token), .path = path};
	pthread_mutex_init(&follower->lock, NULL);
	assert_int_equal(pthread_create(&follower->thread, NULL, follow, follower), 0);
}

static void follower_wait(struct follower *follower, const char *text)
{
	int64_t deadline = hc_clock_boot_ms() + DEADLINE_MS;

	while (hc_clock_boot_ms() < deadline) {
		pthread_mutex_lock(&follower->lock);
		bool same = hc_streq(hc_text_string(&follower->text), text);
		pthread_mutex_unlock(&follower->lock);
		if (same)
			return;
		usleep(5000);
	}
	fail_msg("%s: \"%s\" instead of \"%s\"", follower->path, hc_text_string(&follower->text), text);
}

/* Waits for the end, and that all of it is the text. */
static void follower_done(struct follower *follower, const char *text)
{
	pthread_join(follower->thread, NULL);
	if (follower->result || follower->response.status != 200 ||
		!hc_streq(hc_text_string(&follower->text), text))
		fail_msg("%s: %d %ld \"%s\" %s", follower->path, follower->result, follower->response.status,
				 hc_text_string(&follower->text), follower->response.body ? follower->response.body : "");
	http_client_close(follower->client);
	http_response_done(&follower->response);
	hc_text_done(&follower->text);
	pthread_mutex_destroy(&follower->lock);
}

static void expect_log(const char *path, long status, const char *text)
{
	struct http_response response = {0};
	struct hc_error err = {0};

	if (http_client_request(fixture.client, "GET", path, NULL, NULL, 0, &response, &err))
		fail_msg("%s: %s", path, err.text);
	bool as_told = status == 200 ? hc_streq(response.body, text) : strstr(response.body, text) != NULL;
	if (response.status != status || !as_told)
		fail_msg("%s: %ld \"%s\"", path, response.status, response.body);
	http_response_done(&response);
}

/* --- the platform's other side --- */

static void must(int result, const struct hc_error *err)
{
	if (result)
		fail_msg("%s", err->text);
}

static void make_service(void)
{
	struct hc_error err = {0};

	expect(&fixture, "POST", NAMESPACE "/services",
		   "{\"apiVersion\":\"helvetia.cloud/v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"shop\"},"
		   "\"spec\":{\"repoUrl\":\"https://example.org/shop\"}}",
		   201, NULL, NULL);
	must(store_open(fixture.postgres.url, "test", &store, &err) ||
			 store_epoch_take(store, "test", &epoch, &err),
		 &err);
}

static void drop_service(void)
{
	store_close(hc_take(&store));
	postgres_run(&fixture.postgres, "DELETE FROM services; DELETE FROM builds; DELETE FROM jobs");
}

/* Its id. */
static char *make_build(void)
{
	HC_AUTO_FREE service = postgres_text(&fixture.postgres, "SELECT id FROM services");
	struct store_job_want want = {.kind = JOB_BUILD,
								  .key = "build/x/0123456789",
								  .service_uid = service,
								  .input = "{}",
								  .build_name = "shop-0123456789",
								  .build_spec = "{\"inputHash\":\"0123456789\",\"service\":\"shop\"}"};
	struct hc_error err = {0};

	must(store_job_create(store, epoch, &want, &err), &err);
	return postgres_text(&fixture.postgres, "SELECT id FROM jobs");
}

static void claim(const char *id)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct store_job job;
	struct hc_error err = {0};

	must(store_job_claim(store, arena, id, 1, "test", &job, &err), &err);
}

static void write_log(const char *id, const char *text)
{
	struct hc_error err = {0};

	must(store_job_log(store, id, 1, text, strlen(text), &err), &err);
}

static void finish(const char *id, bool success)
{
	struct hc_error err = {0};

	must(store_job_finish(store, id, 1, "test", success,
						  success ? "{\"imageId\":\"sha256:1\",\"builder\":\"classic\"}"
								  : "{\"reason\":\"BuildFailed\",\"message\":\"no\",\"final\":true}",
						  &err),
		 &err);
}

static void make_deployment(void)
{
	HC_AUTO_FREE service = postgres_text(&fixture.postgres, "SELECT id FROM services");
	struct hc_error err = {0};

	must(store_deployment_create(store, epoch, service, "shop-r1", R1, 1,
								 "{\"service\":\"shop\",\"revision\":1}",
								 "{\"phase\":\"BUILDING\",\"stage\":\"Resolving\"}", &err),
		 &err);
}

static void set_stage(const char *status)
{
	struct hc_error err = {0};

	must(store_deployment_status(store, epoch, R1, status, false, &err), &err);
}

/* --- cases --- */

static void a_build_is_followed_to_its_end(void **state)
{
	struct follower whole, tail;

	(void)state;
	make_service();
	expect_log(BUILD_LOG, 404, "not found");
	HC_AUTO_FREE id = make_build();
	expect_log(BUILD_LOG, 200, "");
	claim(id);
	write_log(id, "one\n");
	write_log(id, "two\n");
	expect_log(BUILD_LOG, 200, "one\ntwo\n"); /* what there is */
	follower_start(&whole, BUILD_LOG "?follow=true");
	follower_start(&tail, BUILD_LOG "?follow=true&tailLines=1");
	follower_wait(&whole, "one\ntwo\n");
	follower_wait(&tail, "two\n");
	write_log(id, "three\n");
	follower_wait(&whole, "one\ntwo\nthree\n");
	write_log(id, "four\n");
	finish(id, true);
	follower_done(&whole, "one\ntwo\nthree\nfour\n");
	follower_done(&tail, "two\nthree\nfour\n");
	expect_log(BUILD_LOG "?tailLines=2", 200, "three\nfour\n");
	expect_log(BUILD_LOG "?tailLines=0", 200, "");
	expect_log(BUILD_LOG "?tailLines=9&follow=true", 200, "one\ntwo\nthree\nfour\n");
	drop_service();
}

/* redeploy of a build that failed: the old text is no place to read on from. */
static void a_build_that_begins_anew_is_followed_from_its_beginning(void **state)
{
	HC_AUTO(hc_arena) arena = hc_arena_new();
	struct follower follower;
	struct store_job job;
	struct hc_error err = {0};

	(void)state;
	make_service();
	HC_AUTO_FREE id = make_build();
	claim(id);
	write_log(id, "one\n");
	follower_start(&follower, BUILD_LOG "?follow=true");
	follower_wait(&follower, "one\n");
	must(store_job_reopen(store, epoch, id, 1, true, NULL, &err), &err);
	must(store_job_claim(store, arena, id, 2, "test", &job, &err), &err);
	must(store_job_log(store, id, 2, "two and more\n", 13, &err), &err);
	must(store_job_finish(store, id, 2, "test", true, "{\"imageId\":\"sha256:1\"}", &err), &err);
	follower_done(&follower, "one\n\n--- the build begins anew ---\ntwo and more\n");
	drop_service();
}

static void a_long_build_log_arrives_whole(void **state)
{
	size_t piece = 1000 * 1000;
	HC_AUTO_FREE text = hc_xalloc(piece + 1);
	struct http_response response = {0};
	struct hc_error err = {0};

	(void)state;
	make_service();
	HC_AUTO_FREE id = make_build();
	claim(id);
	for (int index = 0; index < 3; index++) {
		memset(text, 'a' + index, piece);
		text[piece - 1] = '\n';
		write_log(id, text);
	}
	finish(id, true);
	must(http_client_request(fixture.client, "GET", BUILD_LOG "?follow=true", NULL, NULL, 0, &response, &err),
		 &err);
	assert_int_equal(response.length, 3 * piece);
	for (size_t index = 0; index < response.length; index += 997)
		if (response.body[index] != '\n')
			assert_int_equal(response.body[index], 'a' + (int)(index / piece));
	http_response_done(&response);
	drop_service();
}

static void a_deployment_begins_with_its_build(void **state)
{
	HC_AUTO_FREE path = hc_xprintf("%s/controller.sock", fixture.folder);
	struct follower follower, early;

	(void)state;
	make_service();
	make_deployment();
	follower_start(&early, NAMESPACE "/services/shop/log?follow=true"); /* before there is a build */
	HC_AUTO_FREE id = make_build();
	claim(id);
	write_log(id, "one\n");
	set_stage("{\"phase\":\"BUILDING\",\"stage\":\"Queued\",\"build\":\"shop-0123456789\"}");
	follower_start(&follower, NAMESPACE "/deployments/shop-r1/log?follow=true");
	follower_wait(&follower, "one\n");
	follower_wait(&early, "one\n");
	expect_log(NAMESPACE "/deployments/shop-r1/log", 200, "one\n");
	write_log(id, "two\n");
	finish(id, true);
	follower_wait(&follower, "one\ntwo\n");
	/* The build has ended, but there is no container yet. */
	struct fake_controller *controller = fake_controller_start(path, NO_CONTAINER);
	set_stage("{\"phase\":\"BUILDING\",\"stage\":\"Starting\",\"build\":\"shop-0123456789\"}");
	assert_true(fake_controller_asked(controller));
	HC_AUTO_FREE asked = fake_controller_stop(controller);
	assert_non_null(asked);
	assert_non_null(strstr(asked, R1));
	drop_service(); /* the Deployment goes: nothing more can come */
	follower_done(&follower, "one\ntwo\n");
	follower_done(&early, "one\ntwo\n");
}

static void then_come_the_containers(void **state)
{
	HC_AUTO_FREE path = hc_xprintf("%s/controller.sock", fixture.folder);
	struct follower follower;

	(void)state;
	make_service();
	make_deployment();
	HC_AUTO_FREE id = make_build();
	claim(id);
	write_log(id, "one\n");
	set_stage("{\"phase\":\"BUILDING\",\"stage\":\"Queued\",\"build\":\"shop-0123456789\"}");
	struct fake_controller *controller = fake_controller_start(path, CONTAINERS);
	follower_start(&follower, NAMESPACE "/deployments/shop-r1/log?follow=true&tailLines=7");
	follower_wait(&follower, "one\n");
	write_log(id, "two\n");
	finish(id, true);
	set_stage("{\"phase\":\"BUILDING\",\"stage\":\"Starting\",\"build\":\"shop-0123456789\"}");
	follower_done(&follower, "one\ntwo\nserving\n");
	/* Who comes now sees the containers only. */
	expect_log(NAMESPACE "/deployments/shop-r1/log", 200, "serving\n");
	free(fake_controller_stop(controller));
	drop_service();
}

/* A controller that is just started anew costs a follower nothing. */
static void a_controller_that_is_away_is_waited_for(void **state)
{
	HC_AUTO_FREE path = hc_xprintf("%s/controller.sock", fixture.folder);
	struct follower follower;

	(void)state;
	make_service();
	make_deployment();
	HC_AUTO_FREE id = make_build();
	claim(id);
	write_log(id, "one\n");
	finish(id, true);
	set_stage("{\"phase\":\"BUILDING\",\"stage\":\"Queued\",\"build\":\"shop-0123456789\"}");
	struct fake_controller *controller = fake_controller_start(path, ""); /* hangs up */
	follower_start(&follower, NAMESPACE "/deployments/shop-r1/log?follow=true");
	follower_wait(&follower, "one\n");
	set_stage("{\"phase\":\"BUILDING\",\"stage\":\"Starting\",\"build\":\"shop-0123456789\"}");
	assert_true(fake_controller_asked(controller));
	free(fake_controller_stop(controller));
	controller = fake_controller_start(path, CONTAINERS);
	follower_done(&follower, "one\nserving\n");
	free(fake_controller_stop(controller));
	drop_service();
}

static void a_failed_build_tells_why(void **state)
{
	struct follower follower;

	(void)state;
	make_service();
	make_deployment();
	HC_AUTO_FREE id = make_build();
	claim(id);
	set_stage("{\"phase\":\"BUILDING\",\"stage\":\"Queued\",\"build\":\"shop-0123456789\"}");
	follower_start(&follower, NAMESPACE "/deployments/shop-r1/log?follow=true");
	write_log(id, "no such file\n");
	finish(id, false);
	set_stage(
		"{\"phase\":\"FAILED\",\"stage\":\"Done\",\"reason\":\"BuildFailed\",\"build\":\"shop-0123456789\"}");
	follower_done(&follower, "no such file\n");
	expect_log(NAMESPACE "/deployments/shop-r1/log", 200, "no such file\n");
	expect_log(NAMESPACE "/services/shop/log?follow=true", 200, "no such file\n");
	drop_service();
}

/* Followers in every state end when the program does. */
static void an_end_in_order_ends_followers(void **state)
{
	struct follower waiting, reading;

	(void)state;
	make_service();
	make_deployment();
	HC_AUTO_FREE id = make_build();
	claim(id);
	write_log(id, "one\n");
	set_stage("{\"phase\":\"BUILDING\",\"stage\":\"Queued\",\"build\":\"shop-0123456789\"}");
	follower_start(&waiting, NAMESPACE "/deployments/shop-r1/log?follow=true");
	follower_start(&reading, BUILD_LOG "?follow=true");
	follower_wait(&waiting, "one\n");
	follower_wait(&reading, "one\n");
	assert_int_equal(fixture_api_stop(&fixture), 0);
	follower_done(&waiting, "one\n");
	follower_done(&reading, "one\n");
	drop_service();
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
		cmocka_unit_test(a_build_is_followed_to_its_end),
		cmocka_unit_test(a_build_that_begins_anew_is_followed_from_its_beginning),
		cmocka_unit_test(a_long_build_log_arrives_whole),
		cmocka_unit_test(a_deployment_begins_with_its_build),
		cmocka_unit_test(then_come_the_containers),
		cmocka_unit_test(a_controller_that_is_away_is_waited_for),
		cmocka_unit_test(a_failed_build_tells_why),
		cmocka_unit_test(an_end_in_order_ends_followers),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
