/* Migrations: what is embedded, what a database has, and which comes next. */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H

#include "base/error.h"
#include <stddef.h>

struct store_migration {
	int version;        /* 1, 2, 3 … without a gap */
	const char *name;   /* 0001_objects.sql */
	const char *sha256; /* hexadecimal, of the file */
	const char *sql;    /* NULL for one that was applied */
};

/* Written at build time from migrations/, in the order of their versions; lives as long as the process. */
extern const struct store_migration store_migrations[];
extern const size_t store_migration_count;

/* Compares what a database has (by version) with what the program has. *ret_next is the index of the first
 * one to apply, known_count when there is none. INVALID when the database has one that the program does not
 * know, or the same with another content, or when numbers have a gap. */
int store_migration_next(const struct store_migration *applied, size_t applied_count,
						 const struct store_migration *known, size_t known_count, size_t *ret_next,
						 struct hc_error *err) HC_MUST_CHECK;

#endif
