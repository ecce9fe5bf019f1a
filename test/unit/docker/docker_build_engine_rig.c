/* See docker_build_engine.h. */
#include "docker_build_engine.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct rig rig;

const char *rig_name(const char *what)
{
	return hc_arena_printf(rig.arena, "helvetia-test-%s-%s:1", rig.run, what);
}

static void tar_header(struct hc_text *tar, const char *name, size_t length, unsigned int mode)
{
	char header[512] = {0};
	unsigned int sum = 0;

	(void)snprintf(header, 100, "%s", name);
	(void)snprintf(header + 100, 8, "%07o", mode);
	(void)snprintf(header + 108, 8, "%07o", 0U);
	(void)snprintf(header + 116, 8, "%07o", 0U);
	(void)snprintf(header + 124, 12, "%011zo", length);
	(void)snprintf(header + 136, 12, "%011o", 0U);
	memset(header + 148, ' ', 8);
	header[156] = '0';
	memcpy(header + 257, "ustar\00000", 8);
	for (size_t index = 0; index < sizeof header; index++)
		sum += (unsigned char)header[index];
	(void)snprintf(header + 148, 8, "%06o", sum);
	hc_text_append_bytes(tar, header, sizeof header);
}

static const char zeros[1024];

void tar_file(struct hc_text *tar, const char *name, const void *data, size_t length, unsigned int mode)
{
	tar_header(tar, name, length, mode);
	hc_text_append_bytes(tar, data, length);
	hc_text_append_bytes(tar, zeros, (512 - length % 512) % 512);
}

void tar_end(struct hc_text *tar)
{
	hc_text_append_bytes(tar, zeros, sizeof zeros);
}

/* --- a build */

static void cancel(struct attempt *attempt)
{
	if (!attempt->cancel)
		attempt->canceled_ms = hc_clock_boot_ms();
	attempt->cancel = true;
}

/* The context, then the padding's bytes, then the end of the archive. */
static int give_context(void *data, size_t length, size_t *ret_length, void *payload)
{
	struct attempt *attempt = payload;
	size_t whole = attempt->context.length + attempt->padding + (attempt->padding ? sizeof zeros : 0);
	size_t part = whole - attempt->given < length ? whole - attempt->given : length;

	if (attempt->cancel_after && attempt->given >= attempt->cancel_after)
		cancel(attempt);
	if (attempt->cancel)
		return 1;
	if (attempt->given < attempt->context.length) {
		if (part > attempt->context.length - attempt->given)
			part = attempt->context.length - attempt->given;
		memcpy(data, attempt->context.data + attempt->given, part);
	} else if (attempt->given < attempt->context.length + attempt->padding) {
		if (part > attempt->context.length + attempt->padding - attempt->given)
			part = attempt->context.length + attempt->padding - attempt->given;
		memset(data, 'x', part);
	} else {
		memset(data, 0, part);
	}
	attempt->given += part;
	*ret_length = part;
	return 0;
}

static void take_line(int stream, const char *line, size_t length, void *payload)
{
	struct attempt *attempt = payload;

	assert_null(memchr(line, '\n', length));
	hc_text_printf(&attempt->log, "%d|%.*s\n", stream, (int)length, line);
	if (attempt->cancel_at && strstr(line, attempt->cancel_at) && !strstr(line, "RUN"))
		cancel(attempt);
}

static int look(void *payload)
{
	const struct attempt *attempt = payload;

	return attempt->cancel;
}

void attempt_run(struct docker *docker, const char *what, struct attempt *attempt)
{
	static const char ignore[] = "nothing\n";
	int64_t began_ms = hc_clock_boot_ms();

	if (attempt->dockerfile)
		tar_file(&attempt->context, "Dockerfile", attempt->dockerfile, strlen(attempt->dockerfile), 0644);
	tar_file(&attempt->context, ".dockerignore", ignore, sizeof ignore - 1, 0644);
	if (attempt->padding)
		tar_header(&attempt->context, "padding", attempt->padding, 0644);
	else
		tar_end(&attempt->context);
	attempt->build.tag = rig_name(what);
	attempt->build.read = give_context;
	attempt->build.line = take_line;
	attempt->build.poll = look;
	attempt->build.payload = attempt;
	if (!attempt->build.network)
		attempt->build.network = "none";
	if (!attempt->build.timeout_ms)
		attempt->build.timeout_ms = 60000;
	attempt->result = docker_image_build(docker, rig.arena, &attempt->build, &attempt->image_id,
										 &attempt->err);
	attempt->took_ms = hc_clock_boot_ms() - began_ms;
}

void attempt_done(struct attempt *attempt)
{
	hc_text_done(&attempt->context);
	hc_text_done(&attempt->log);
}

void attempt_succeeded(const struct attempt *attempt)
{
	if (attempt->result)
		fail_msg("%s: %s\n%s", attempt->build.tag, attempt->err.text, hc_text_string(&attempt->log));
	assert_true(hc_starts_with(attempt->image_id, "sha256:"));
}

void attempt_failed(const struct attempt *attempt, enum hc_class class, const char *says)
{
	if (!attempt->result)
		fail_msg("%s succeeded\n%s", attempt->build.tag, hc_text_string(&attempt->log));
	if (attempt->err.class != class || !strstr(attempt->err.text, says))
		fail_msg("%s: not \"%s\" of class %s but %s: %s\n%s", attempt->build.tag, says, hc_class_name(class),
				 hc_class_name(attempt->err.class), attempt->err.text, hc_text_string(&attempt->log));
}

void attempt_told(const struct attempt *attempt, const char *text)
{
	if (!strstr(hc_text_string(&attempt->log), text))
		fail_msg("%s: not \"%s\" in\n%s", attempt->build.tag, text, hc_text_string(&attempt->log));
}

/* --- the door */

struct passage {
	int client;
	int engine;
};

/* Bytes both ways until one side has ended, whichever. */
static void *pass(void *payload)
{
	struct passage passage = *(struct passage *)payload;
	struct pollfd fds[2] = {{.fd = passage.client, .events = POLLIN},
							{.fd = passage.engine, .events = POLLIN}};
	bool open = true;

	free(payload);
	while (open && poll(fds, 2, -1) > 0)
		for (int side = 0; side < 2; side++) {
			char data[65536];
			ssize_t got = fds[side].revents ? recv(fds[side].fd, data, sizeof data, 0) : 1;

			if (got <= 0)
				open = false;
			else if (fds[side].revents && send(fds[!side].fd, data, (size_t)got, MSG_NOSIGNAL) != got)
				open = false;
		}
	(void)close(passage.client);
	(void)close(passage.engine);
	return NULL;
}

static int engine_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s", rig.host + strlen("unix://"));
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static void *stand_in_door(void *payload)
{
	struct door *door = payload;
	int fd;

	while ((fd = accept4(door->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		char head[8192];
		ssize_t got = recv(fd, head, sizeof head - 1, 0);
		int engine = got > 0 ? engine_socket() : -1;
		struct passage *passage;
		pthread_t thread;

		head[got > 0 ? got : 0] = '\0';
		head[strcspn(head, "\r")] = '\0';
		if (got <= 0 || engine < 0 || (door->refuse && strstr(head, door->refuse))) {
			door->refused++;
			(void)send(fd, door->answer, strlen(door->answer), MSG_NOSIGNAL);
			(void)close(fd);
			if (engine >= 0)
				(void)close(engine);
			continue;
		}
		head[strlen(head)] = '\r';
		(void)send(engine, head, (size_t)got, MSG_NOSIGNAL);
		passage = hc_xalloc(sizeof *passage);
		*passage = (struct passage){fd, engine};
		if (pthread_create(&thread, NULL, pass, passage) == 0)
			(void)pthread_detach(thread);
	}
	return NULL;
}

void door_open(struct door *door, const char *refuse, const char *answer)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	door->refuse = refuse;
	door->answer = answer;
	(void)snprintf(door->path, sizeof door->path, "/tmp/helvetia-door-%s", rig.run);
	(void)snprintf(door->host, sizeof door->host, "unix://%s", door->path);
	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s", door->path);
	(void)unlink(door->path);
	door->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(door->fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(door->fd, 16), 0);
	assert_int_equal(pthread_create(&door->thread, NULL, stand_in_door, door), 0);
}

void door_close(struct door *door)
{
	(void)shutdown(door->fd, SHUT_RDWR);
	assert_int_equal(pthread_join(door->thread, NULL), 0);
	(void)close(door->fd);
	(void)unlink(door->path);
}

/* --- the registry */

static void *serve(void *payload)
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
	struct registry *registry = payload;
	int fd;

	while ((fd = accept4(registry->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		char request[8192];
		ssize_t got = recv(fd, request, sizeof request - 1, 0);
		bool fine;

		request[got > 0 ? got : 0] = '\0';
		fine = !registry->authorization || strstr(request, registry->authorization);
		registry->authorized = registry->authorized || fine;
		(void)send(fd, fine ? unknown : refused, fine ? sizeof unknown - 1 : sizeof refused - 1,
				   MSG_NOSIGNAL);
		(void)close(fd);
	}
	return NULL;
}

void registry_open(struct registry *registry, const char *authorization)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;

	*registry = (struct registry){.authorization = authorization,
								  .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	assert_int_equal(bind(registry->fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(registry->fd, 16), 0);
	assert_int_equal(getsockname(registry->fd, (struct sockaddr *)&address, &length), 0);
	registry->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&registry->thread, NULL, serve, registry), 0);
}

void registry_close(struct registry *registry)
{
	(void)shutdown(registry->fd, SHUT_RDWR);
	assert_int_equal(pthread_join(registry->thread, NULL), 0);
	(void)close(registry->fd);
}
