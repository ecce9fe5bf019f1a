/* One WebSocket after another (RFC 6455) over plain HTTP: greeting, short messages that come back for a
 * while, a close that is answered. Each lives shorter than the shortest drain. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SESSION_MS 700
#define PAUSE_MS 50
#define HEAD_BYTES 2048

static int dial(const struct load *load)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)load->http_port)};
	struct timeval timeout = {.tv_sec = LOAD_TIMEOUT_MS / 1000};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* Reads the head of the answer, byte by byte since frames may follow it. NULL, or what is wrong. */
static const char *greet(int fd, const char *host, int64_t *ret_revision)
{
	static const char accept[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; /* of the key below: RFC 6455, 1.3 */
	char head[HEAD_BYTES];
	size_t length = 0;
	const char *revision;
	int wrote = snprintf(head, sizeof head,
						 "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
						 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
						 host);

	if (send(fd, head, (size_t)wrote, MSG_NOSIGNAL) != wrote)
		return "the greeting could not be sent";
	while (length < 4 || memcmp(head + length - 4, "\r\n\r\n", 4) != 0) {
		if (length + 1 == sizeof head || recv(fd, head + length, 1, 0) != 1)
			return "no answer to the greeting";
		length++;
	}
	head[length] = '\0';
	revision = strcasestr(head, "\r\nhello-revision:");
	if (strncmp(head, "HTTP/1.1 101 ", 13) != 0 || !strstr(head, accept) || !revision)
		return "the greeting was refused";
	*ret_revision = strtoll(revision + strlen("\r\nhello-revision:"), NULL, 10);
	return NULL;
}

/* One frame with a mask of zeros, and the same back. */
static bool say(int fd, int opcode, const char *text)
{
	unsigned char frame[64], back[64];
	size_t length = strlen(text), got = 0;

	frame[0] = (unsigned char)(0x80 | opcode);
	frame[1] = (unsigned char)(0x80 | length);
	memset(frame + 2, 0, 4);
	memcpy(frame + 6, text, length);
	if (send(fd, frame, length + 6, MSG_NOSIGNAL) != (ssize_t)length + 6)
		return false;
	while (got < length + 2) {
		ssize_t part = recv(fd, back + got, length + 2 - got, 0);

		if (part <= 0)
			return false;
		got += (size_t)part;
	}
	return back[0] == frame[0] && back[1] == length && memcmp(back + 2, text, length) == 0;
}

static const char *session(struct load *load, int fd, const char *host, int64_t *ret_revision)
{
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
	int64_t end_ms = load_now_ms() + SESSION_MS;
	const char *problem = greet(fd, host, ret_revision);
	char text[32];

	for (int number = 0; !problem && load_now_ms() < end_ms; number++) {
		(void)snprintf(text, sizeof text, "message %d", number);
		if (!say(fd, 1, text))
			return "a message did not come back";
		load->messages++;
		(void)nanosleep(&pause, NULL);
	}
	if (!problem && !say(fd, 8, ""))
		return "the close was not answered";
	return problem;
}

static bool is_ending(struct load *load)
{
	bool ending;

	(void)pthread_mutex_lock(&load->mutex);
	ending = load->ending;
	(void)pthread_mutex_unlock(&load->mutex);
	return ending;
}

void *load_socket_run(void *payload)
{
	struct load *load = payload;

	for (int number = 0; !is_ending(load); number++) {
		int host = number % load->host_count;
		int64_t floor = load_floor(load, host), revision = 0;
		int fd = dial(load);
		const char *problem = fd < 0 ? "nobody answers"
									 : session(load, fd, load->hosts[host].name, &revision);

		load_note(load, &load->sockets, "WebSocket", host, floor, revision, false, problem);
		if (fd >= 0)
			(void)close(fd);
	}
	return NULL;
}
