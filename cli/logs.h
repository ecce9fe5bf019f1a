/* Choosing a build to show. Pure. */
#ifndef LOGS_H
#define LOGS_H

#include <jansson.h>
#include <stdbool.h>

/* Name of the newest build that a Deployment of the Service names, NULL when there is none; caller frees.
 * *ret_coming: a newer Deployment will name another one. deployments: a list as served. */
char *logs_build_of(const json_t *deployments, const char *service, bool *ret_coming);

#endif
