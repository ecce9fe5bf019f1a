/* Images: import, inspect, tag, remove, and what a registry's refusals become. The registry here is a socket
 * on loopback that gives the answers of the distribution protocol. */
#include "docker_engine.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_inspect(void **state)
{
	struct docker_image image;
	struct hc_error err;

	(void)state;
	assert_done(docker_image_inspect(fixture.docker, fixture.arena, fixture.image, &image, &err));
	assert_string_equal(image.id, fixture.image_id);
	assert_string_equal(image.tags[0], fixture.image);
	assert_null(image.tags[1]);
	assert_null(image.digests[0]);
	assert_string_equal(image.volumes[0], "/data");
	assert_null(image.volumes[1]);
	assert_int_equal(image.label_count, 2);
	assert_string_equal(image.labels[0].name, "maker");
	assert_string_equal(image.labels[0].value, "helvetia test");
	assert_true(image.size_bytes > 100000);
	assert_false(image.health_check);
	assert_class(docker_image_inspect(fixture.docker, fixture.arena, "no-such-image:1", &image, &err),
				 HC_NOT_FOUND);
	assert_class(docker_image_inspect(fixture.docker, fixture.arena, "../containers/x", &image, &err),
				 HC_INVALID);
}

static void test_tag(void **state)
{
	static const char *const changes[] = {"HEALTHCHECK CMD [\"/hello\"]", NULL};
	const char *name = "127.0.0.1:5000/helvetia-test/other";
	const char *tagged = hc_arena_printf(fixture.arena, "%s:%s", name, fixture.run);
	const char *tar = hc_arena_printf(fixture.arena, "%s/hello.tar", fixture.folder);
	struct docker_image image;
	const char *id;
	struct hc_error err;

	(void)state;
	assert_done(docker_image_tag(fixture.docker, fixture.image_id, name, fixture.run, &err));
	assert_done(docker_image_inspect(fixture.docker, fixture.arena, tagged, &image, &err));
	assert_string_equal(image.id, fixture.image_id);
	assert_done(docker_image_remove(fixture.docker, tagged, &err));
	assert_class(docker_image_inspect(fixture.docker, fixture.arena, tagged, &image, &err), HC_NOT_FOUND);
	assert_class(docker_image_remove(fixture.docker, tagged, &err), HC_NOT_FOUND);
	assert_done(
		docker_image_import(fixture.docker, fixture.arena, tar, name, fixture.run, changes, &id, &err));
	assert_done(docker_image_inspect(fixture.docker, fixture.arena, id, &image, &err));
	assert_true(image.health_check);
	assert_done(docker_image_remove(fixture.docker, id, &err));
	assert_class(
		docker_image_import(fixture.docker, fixture.arena, "/nonexistent.tar", name, "x", NULL, &id, &err),
		HC_NOT_FOUND);
	assert_class(docker_image_import(fixture.docker, fixture.arena, "/tmp", name, "x", NULL, &id, &err),
				 HC_INVALID);
	assert_class(docker_image_import(fixture.docker, fixture.arena, tar, "NO GOOD", "x", NULL, &id, &err),
				 HC_INVALID);
}

struct registry {
	int fd;
	int port;
	const char *manifest_answer; /* to GET and HEAD of a manifest */
};

static void *serve(void *payload)
{
	const struct registry *registry = payload;
	static const char version[] = "HTTP/1.1 200 OK\r\nDocker-Distribution-Api-Version: registry/2.0\r\n"
								  "Content-Length: 2\r\nConnection: close\r\n\r\n{}";
	int fd;

	while ((fd = accept4(registry->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		char request[4096];
		ssize_t got = recv(fd, request, sizeof request - 1, 0);
		const char *answer = version;

		if (got > 0) {
			request[got] = '\0';
			if (strstr(request, "/manifests/"))
				answer = registry->manifest_answer;
			(void)send(fd, answer, strlen(answer), MSG_NOSIGNAL);
		}
		(void)close(fd);
	}
	return NULL;
}

static const char *seen_line;
static void see_progress(const char *line, void *payload)
{
	(void)payload;
	seen_line = hc_arena_strdup(fixture.arena, line);
}

/* Pulls from a registry with this answer and gives the class of the failure. */
static enum hc_class pull_class(const char *manifest_answer)
{
	struct registry registry = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
								.manifest_answer = manifest_answer};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	pthread_t thread;
	struct hc_error err = {0};

	assert_int_equal(bind(registry.fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(registry.fd, 16), 0);
	assert_int_equal(getsockname(registry.fd, (struct sockaddr *)&address, &length), 0);
	registry.port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&thread, NULL, serve, &registry), 0);
	assert_int_equal(docker_image_pull(fixture.docker,
									   hc_arena_printf(fixture.arena, "127.0.0.1:%d/shop:1", registry.port),
									   20000, see_progress, NULL, &err),
					 -1);
	(void)shutdown(registry.fd, SHUT_RDWR);
	assert_int_equal(pthread_join(thread, NULL), 0);
	(void)close(registry.fd);
	(void)printf("pull: %s\n", err.text);
	assert_non_null(strstr(err.text, "pull 127.0.0.1:"));
	return err.class;
}

static void test_pull(void **state)
{
	static const char unknown[] =
		"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 70\r\nConnection: "
		"close\r\n\r\n"
		"{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\"}] }";
	static const char refused[] =
		"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nWWW-Authenticate: Basic "
		"realm=\"r\"\r\n"
		"Content-Length: 72\r\nConnection: close\r\n\r\n"
		"{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\"}]}";
	static const char broken[] =
		"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	struct hc_error err;

	(void)state;
	assert_int_equal(pull_class(unknown), HC_NOT_FOUND);
	assert_int_equal(pull_class(refused), HC_DENIED);
	assert_int_equal(pull_class(broken), HC_TRANSIENT);
	assert_class(docker_image_pull(fixture.docker, "127.0.0.1:1/shop:1", 20000, NULL, NULL, &err),
				 HC_TRANSIENT);
	assert_class(docker_image_pull(fixture.docker, "Not A Name", 20000, NULL, NULL, &err), HC_INVALID);
}

int image_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inspect),
		cmocka_unit_test(test_tag),
		cmocka_unit_test(test_pull),
	};

	return cmocka_run_group_tests_name("images", tests, NULL, NULL);
}
