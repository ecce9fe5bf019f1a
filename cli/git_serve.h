/* What `helvetia git-serve` lets through, and what `git http-backend` answers. Pure. */
#ifndef GIT_SERVE_H
#define GIT_SERVE_H

#include "base/text.h"
#include "http/http_server.h"
#include <stdbool.h>

#define GIT_SERVE_HEAD_BYTES 16384
#define GIT_SERVE_HEADERS_MAX 16

/* One of the three addresses of smart HTTP (gitprotocol-http): /NAME.git/info/refs?service=git-…, and
 * /NAME.git/git-upload-pack or git-receive-pack. NAME consists of a-z, 0-9, - and _. */
bool git_serve_wanted(const char *method, const char *target);

/* The head of a CGI answer (RFC 3875, 6.2). Texts are borrowed from the text that was parsed. */
struct git_serve_head {
	int status;
	const char *content_type;
	struct http_header headers[GIT_SERVE_HEADERS_MAX];
	size_t header_count;
};
/* Length of the head with its empty line, which is cut into lines in place; 0: more bytes are needed; -1: it
 * is none. */
long git_serve_head_parse(struct hc_text *text, struct git_serve_head *ret_head);

#endif
