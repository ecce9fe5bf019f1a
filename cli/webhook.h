/* A push as GitHub would send it. Pure. */
#ifndef WEBHOOK_H
#define WEBHOOK_H

#include <jansson.h>
#include <stddef.h>

struct webhook_push {
	const char *repository;     /* its URL */
	const char *default_branch; /* NULL: not said */
	const char *ref;            /* refs/heads/… */
	const char *before;         /* commit ids; zeros for none */
	const char *after;
};

/* New reference. */
json_t *webhook_payload(const struct webhook_push *push);
/* One line of Git's post-receive hook, "OLD NEW REF", cut in place into push; -1: it is none. */
int webhook_read_line(char *line, struct webhook_push *push);
/* Where a URL's path begins: "https://host:1/a" → "/a"; NULL when it is no http(s) URL with a path. */
const char *webhook_url_path(const char *url);
/* Lines "--name value" or "--name" of a file of options, cut in place; lines that begin otherwise are
 * skipped. Number of words, at most words_max. */
size_t webhook_options_split(char *text, char **ret_words, size_t words_max);

#endif
