/* SQLSTATE → class of an error, in one table. */
#ifndef STORE_SQLSTATE_H
#define STORE_SQLSTATE_H

#include "base/error.h"

#define STORE_SQLSTATE_UNIQUE "23505"
#define STORE_SQLSTATE_FOREIGN_KEY "23503"

/* sqlstate: five characters, or NULL when the server said none (the connection broke): TRANSIENT. */
enum hc_class store_sqlstate_class(const char *sqlstate);

#endif
