/* An HTTP/1.1 answer as it comes in, piece by piece: for a loop that asks another process of ours. Pure. */
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

#include "base/error.h"
#include "base/text.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_answer {
	int status; /* 0 until the head is read */
	bool done;  /* the whole body came; for a body until the end of the connection: never */
	/* private */
	struct hc_text line;
	uint64_t left; /* of the body or chunk */
	int state;
	bool chunked;
	bool sized;
};

/* Pieces of the body, borrowed. The head is read before the first one. */
typedef void http_answer_piece(const char *data, size_t length, void *payload);

/* INVALID: not HTTP, a head beyond HC_LIMIT_HEADER_BYTES, a broken chunk. Bytes behind the end are ignored.
 */
int http_answer_feed(struct http_answer *answer, const char *data, size_t length, http_answer_piece *piece,
					 void *payload, struct hc_error *err) HC_MUST_CHECK;
/* The connection has ended: is the answer whole? */
bool http_answer_complete(const struct http_answer *answer);
void http_answer_done(struct http_answer *answer); /* frees what it holds */

#endif
