/* See the header. */
#include "fake_controller.h"

#include "base/alloc.h"
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct fake_controller {
	pthread_t thread;
	const char *answer;
	char *path;
	char *request;
	int fd;
	int stop[2];
	sem_t asked;
};

static void answer(struct fake_controller *controller, int fd)
{
	char buffer[4096];
	ssize_t count = recv(fd, buffer, sizeof(buffer) - 1, 0);
	const char *pause = strstr(controller->answer, "~\n");

	if (count <= 0)
		return;
	buffer[count] = '\0';
	buffer[strcspn(buffer, "\r\n")] = '\0';
	free(controller->request);
	controller->request = hc_xstrdup(buffer);
	sem_post(&controller->asked);
	size_t first = pause ? (size_t)(pause - controller->answer) : strlen(controller->answer);
	if (send(fd, controller->answer, first, MSG_NOSIGNAL) < 0 || !pause)
		return;
	usleep(100000);
	(void)!send(fd, pause + 2, strlen(pause + 2), MSG_NOSIGNAL);
}

static void *serve(void *payload)
{
	struct fake_controller *controller = payload;
	struct pollfd fds[2] = {{.fd = controller->fd, .events = POLLIN},
							{.fd = controller->stop[0], .events = POLLIN}};

	while (poll(fds, 2, -1) > 0 && !fds[1].revents) {
		int fd = accept(controller->fd, NULL, NULL);
		if (fd < 0)
			continue;
		answer(controller, fd);
		close(fd);
	}
	return NULL;
}

struct fake_controller *fake_controller_start(const char *socket_path, const char *answer_bytes)
{
	struct fake_controller *controller = hc_xalloc(sizeof(*controller));
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	sem_init(&controller->asked, 0, 0);
	controller->answer = answer_bytes;
	controller->path = hc_xstrdup(socket_path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	unlink(socket_path);
	controller->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (controller->fd < 0 || bind(controller->fd, (struct sockaddr *)&address, sizeof(address)) ||
		listen(controller->fd, 8) || pipe(controller->stop) ||
		pthread_create(&controller->thread, NULL, serve, controller))
		abort();
	return controller;
}

bool fake_controller_asked(struct fake_controller *controller)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += 15;
	return sem_timedwait(&controller->asked, &deadline) == 0;
}

char *fake_controller_stop(struct fake_controller *controller)
{
	char *request = controller->request;

	(void)!write(controller->stop[1], "x", 1);
	pthread_join(controller->thread, NULL);
	close(controller->fd);
	close(controller->stop[0]);
	close(controller->stop[1]);
	unlink(controller->path);
	sem_destroy(&controller->asked);
	free(controller->path);
	free(controller);
	return request;
}
