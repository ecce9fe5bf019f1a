/* One question to one address over a raw socket, without a loop: whoever asks looks again later. A readiness
 * check is all that the controller does while nothing happens, so that its system calls are counted: connect
 * and send in one go, and nothing is watched for an answer that will be there in a moment anyway. */
#ifndef QUESTION_H
#define QUESTION_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#define QUESTION_HEAD_SIZE 16 /* "HTTP/1.1 200" and a little */

struct question {
	int fd;      /* -1: none is open */
	bool sent;   /* so it is connected */
	bool judged; /* its status line was seen: the rest is only read */
	bool ended;  /* the other side has said all and closed */
	char head[QUESTION_HEAD_SIZE];
	size_t head_length;
	size_t drained; /* bytes after that */
};

/* Everything but OPEN is said once, and HTTP is followed by OVER. */
enum question_answer {
	QUESTION_OPEN,     /* nothing new: look again later */
	QUESTION_HTTP,     /* *ret_number is the status */
	QUESTION_OTHER,    /* bytes that are no HTTP */
	QUESTION_EMPTY,    /* it was closed without a byte */
	QUESTION_ACCEPTED, /* connected, and there was nothing to send */
	QUESTION_FAILED,   /* *ret_number is the errno with which no connection came about */
	QUESTION_OVER,     /* the answer was read to its end, or far enough */
};

/* Begins to connect; 0 or an errno. question->fd must be -1; question_end() is to follow. */
int question_begin(struct question *question, const struct sockaddr_in *address);
/* Does what can be done without waiting. text is sent once; empty: it is only connected to. */
enum question_answer question_look(struct question *question, const char *text, size_t length,
								   int *ret_number);
/* Also when there is none. */
void question_end(struct question *question);

#endif
