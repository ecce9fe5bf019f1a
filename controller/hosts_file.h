/* The file from which Traefik answers 503 for a host that is claimed and has nothing published (design 7.8):
 * a router of the lowest priority a host, to a service without servers. No process of ours is needed for that
 * answer, and it never counts as a confirmation of a rollout. */
#ifndef HOSTS_FILE_H
#define HOSTS_FILE_H

#include "base/error.h"
#include "base/text.h"

/* YAML for Traefik's file provider. Hosts that are no plain DNS name are left out, so that none can end its
 * rule. */
void hosts_file_text(const char *const *hosts, size_t count, struct hc_text *text);

/* Replaces STATE/traefik/dynamic/hosts.yml when its content differs. */
int hosts_file_write(const char *state_folder, const char *const *hosts, size_t count, struct hc_error *err)
	HC_MUST_CHECK;

#endif
