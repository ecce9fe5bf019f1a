/* See question.h. */
#include "question.h"
#include "verdict.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE 4096
#define DRAIN_BYTES (64U * 1024)

int question_begin(struct question *question, const struct sockaddr_in *address)
{
	const int off = 0;

	*question = (struct question){
		.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP)};
	if (question->fd < 0)
		return errno;
	/* The last packet of the handshake then goes with the request: one packet less through two network
	 * stacks, and the application is woken once instead of twice. Without it all works the same. */
	(void)setsockopt(question->fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off);
	if (connect(question->fd, (const struct sockaddr *)address, sizeof *address) && errno != EINPROGRESS)
		return errno;
	return 0;
}

/* Sending nothing still tells whether the connection came about. */
static enum question_answer say(struct question *question, const char *text, size_t length, int *ret_number)
{
	ssize_t sent = send(question->fd, text, length, MSG_NOSIGNAL);

	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		return QUESTION_OPEN;
	if (sent < 0) {
		*ret_number = errno;
		return QUESTION_FAILED;
	}
	question->sent = true;
	return length == 0 ? QUESTION_ACCEPTED : QUESTION_OPEN;
}

static enum question_answer take(struct question *question, const char *data, size_t length, int *ret_number)
{
	size_t room = sizeof question->head - question->head_length;

	if (question->judged) {
		question->drained += length;
		return question->drained > DRAIN_BYTES ? QUESTION_OVER : QUESTION_OPEN;
	}
	memcpy(question->head + question->head_length, data, length < room ? length : room);
	question->head_length += length < room ? length : room;
	switch (verdict_status_line(question->head, question->head_length, ret_number)) {
	case VERDICT_BYTES_MORE:
		break;
	case VERDICT_BYTES_HTTP:
		question->judged = true;
		return QUESTION_HTTP;
	case VERDICT_BYTES_OTHER:
		return QUESTION_OTHER;
	}
	return QUESTION_OPEN;
}

enum question_answer question_look(struct question *question, const char *text, size_t length,
								   int *ret_number)
{
	enum question_answer answer = QUESTION_OPEN;
	char data[READ_SIZE];
	ssize_t got;

	if (!question->sent)
		return say(question, text, length, ret_number);
	while (answer == QUESTION_OPEN) {
		got = recv(question->fd, data, sizeof data, 0);
		if (got > 0) {
			answer = take(question, data, (size_t)got, ret_number);
		} else if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
			break;
		} else if (question->judged) {
			question->ended = got == 0;
			answer = QUESTION_OVER;
		} else { /* closed, reset: something listened there all the same */
			answer = question->head_length > 0 ? QUESTION_OTHER : QUESTION_EMPTY;
		}
	}
	return answer;
}

void question_end(struct question *question)
{
	/* Where nothing is left to be said, a reset is the end without a farewell: no packets to and fro, and no
	 * connection that the application's side remembers for a minute. */
	const struct linger reset = {.l_onoff = 1};

	if (question->ended)
		(void)setsockopt(question->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	if (question->fd >= 0)
		(void)close(question->fd);
	question->ended = false;
	question->fd = -1;
}
