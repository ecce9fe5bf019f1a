/* See store_sqlstate.h. First match wins: single codes stand before their class. */
#include "store_sqlstate.h"

#include <string.h>

struct rule {
	const char *prefix; /* two characters: a whole class of codes */
	enum hc_class class;
};

static const struct rule rules[] = {
	{"08", HC_TRANSIENT},    /* connection */
	{"0A", HC_BUG},          /* feature not supported: the server is older than we need */
	{"22", HC_INVALID},      /* data: not of the type, out of range, \u0000 in jsonb */
	{"23505", HC_CONFLICT},  /* unique */
	{"23503", HC_CONFLICT},  /* foreign key: the parent is gone, or has children */
	{"23", HC_INVALID},      /* not null, check */
	{"25P03", HC_TRANSIENT}, /* idle in a transaction for too long: the server ended the session */
	{"25P04", HC_TRANSIENT}, {"25006", HC_TRANSIENT}, /* read only: a standby that will be promoted, or a disk
														 that is full */
	{"26000", HC_TRANSIENT}, /* no such prepared statement: the one that should have made it failed */
	{"28", HC_DENIED},       /* role or password */
	{"3D", HC_TRANSIENT},    /* no such database: who sets the platform up makes it in a moment */
	{"40", HC_TRANSIENT},    /* deadlock, serialization */
	{"42501", HC_DENIED},    /* a right is missing */
	{"42P01", HC_TRANSIENT}, /* no such table, function, type: whoever starts first migrates */
	{"42883", HC_TRANSIENT}, {"42704", HC_TRANSIENT}, {"53", HC_TRANSIENT}, /* connections, memory, disk */
	{"54", HC_INVALID},      /* nested too deep, row too large */
	{"55P03", HC_TRANSIENT}, /* lock_timeout */
	{"55000", HC_CONFLICT},  /* the functions of jobs: the attempt is over, or another's */
	{"57", HC_TRANSIENT},    /* shutdown, start, statement_timeout */
	{"58", HC_TRANSIENT},    /* the server's disk */
	{"P0002", HC_NOT_FOUND}, /* the functions of jobs: no such row */
};

enum hc_class store_sqlstate_class(const char *sqlstate)
{
	if (!sqlstate || !*sqlstate)
		return HC_TRANSIENT;
	for (size_t index = 0; index < HC_COUNT(rules); index++) {
		if (strncmp(sqlstate, rules[index].prefix, strlen(rules[index].prefix)) == 0)
			return rules[index].class;
	}
	return HC_BUG;
}
