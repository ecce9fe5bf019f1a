/* A PostgreSQL of one test program: made in a folder of its own, unix socket only, fsync off, ended and
 * removed by postgres_done(). Also ends when the test program dies. */
#ifndef STORE_POSTGRES_H
#define STORE_POSTGRES_H

#include "base/error.h"
#include <sys/types.h>

struct postgres {
	char folder[64];
	char data[80];
	char url[160]; /* of the database postgres */
	pid_t pid;     /* 0 while stopped */
};

/* All abort the program with a message when they fail: without a server nothing can be tested. */
void postgres_init(struct postgres *server); /* initdb and start */
void postgres_start(struct postgres *server);
void postgres_stop(struct postgres *server); /* fast: sessions are ended */
void postgres_done(struct postgres *server);

/* Runs statements as a person in psql would. */
void postgres_run(const struct postgres *server, const char *sql);
/* One number. */
long long postgres_number(const struct postgres *server, const char *sql);
/* One text, malloced. */
char *postgres_text(const struct postgres *server, const char *sql);

#endif
