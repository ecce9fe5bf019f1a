/* One nftables table of ours, `inet helvetia_INSTALLATION`, about the bridges hv-* of tenants (design 9): a
 * container reaches the internet, its own network and nothing else; not the host, not link-local metadata
 * services, not the networks of others. `helvetia up` removes the table when it ends; here it is only made
 * and refreshed. */
#ifndef FIREWALL_H
#define FIREWALL_H

#include "base/error.h"
#include "base/text.h"
#include <stdbool.h>

struct firewall_options {
	const char *installation;
	const char *pool; /* 10.213.0.0/16; each network is a /24 of it */
	bool masquerade; /* the engine runs without its own firewall, so nobody else gives containers a way out */
};

/* The whole script for `nft -f -`: one transaction that replaces the table. INVALID: pool is no IPv4 network
 * between /8 and /24, installation is no identifier. */
int firewall_script(const struct firewall_options *options, struct hc_text *text, struct hc_error *err)
	HC_MUST_CHECK;

/* Feeds it to nft. NOT_FOUND: there is no nft on this machine; TRANSIENT: nft refused, with its own words. */
int firewall_apply(const struct firewall_options *options, struct hc_error *err) HC_MUST_CHECK;

#endif
