/* Traefik from two sides: its own API on loopback, which says what it routes, and its public entry point,
 * which says what a visitor gets. One struct is one thread's: it holds keep-alive connections. */
#ifndef TRAEFIK_H
#define TRAEFIK_H

#include "reconcilers/kind.h"

struct traefik;

/* api: http://127.0.0.1:PORT; public_https: HOST:PORT where Traefik listens. Borrowed. */
int traefik_open(const char *api, const char *public_https, struct traefik **ret_traefik,
				 struct hc_error *err) HC_MUST_CHECK;
void traefik_close(struct traefik *traefik); /* accepts NULL */
HC_DEFINE_CLEANUP(traefik, traefik_close)

struct traefik_interface traefik_interface(struct traefik *traefik);

/* Every service that Traefik has, by its full name ("shop-r7-1a2b3c4d@docker"), with a digest of its servers
 * and their states. -1 when Traefik does not answer so. */
int traefik_each(struct traefik *traefik, void (*seen)(const char *name, uint64_t digest, void *payload),
				 void *payload);

/* Addresses of the servers that a service of Traefik's API has, those left out that it reports as down. -1
 * when the answer is no such object. Pure; texts in the arena. */
int traefik_servers_parse(const char *json, size_t length, struct hc_arena *arena,
						  const char ***ret_addresses, size_t *ret_count);

#endif
