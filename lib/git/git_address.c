/* Which addresses are public. Tables after the IANA registries of special-purpose addresses (RFC 6890). Pure.
 */
#include "git_internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

struct range {
	unsigned char bytes[16];
	int bits;
};

static const struct range special4[] = {
	{{0}, 8},             /* this network */
	{{10}, 8},            /* private */
	{{100, 64}, 10},      /* shared, carrier NAT */
	{{127}, 8},           /* loopback */
	{{169, 254}, 16},     /* link-local, cloud metadata */
	{{172, 16}, 12},      /* private */
	{{192, 0, 0}, 24},    /* protocol assignments */
	{{192, 0, 2}, 24},    /* documentation */
	{{192, 88, 99}, 24},  /* 6to4 relays */
	{{192, 168}, 16},     /* private */
	{{198, 18}, 15},      /* benchmarks */
	{{198, 51, 100}, 24}, /* documentation */
	{{203, 0, 113}, 24},  /* documentation */
	{{224}, 4},           /* multicast */
	{{240}, 4},           /* reserved, broadcast */
};

static const struct range special6[] = {
	{{0}, 96},                         /* unspecified, loopback, v4-compatible */
	{{0, 0x64, 0xff, 0x9b, 0, 1}, 48}, /* NAT64 of one's own */
	{{1}, 64},                         /* discard */
	{{0x20, 0x01, 0, 0}, 23},          /* protocol assignments, Teredo */
	{{0x20, 0x01, 0x0d, 0xb8}, 32},    /* documentation */
	{{0x3f, 0xff}, 20},                /* documentation */
	{{0x5f}, 16},                      /* segment routing */
	{{0xfc}, 7},                       /* unique local */
	{{0xfe, 0x80}, 10},                /* link-local */
	{{0xfe, 0xc0}, 10},                /* site-local */
	{{0xff}, 8},                       /* multicast */
};

static bool inside(const unsigned char *address, const struct range *range)
{
	int whole = range->bits / 8;
	int rest = range->bits % 8;

	if (memcmp(address, range->bytes, (size_t)whole) != 0)
		return false;
	return rest == 0 || ((address[whole] ^ range->bytes[whole]) >> (8 - rest)) == 0;
}

static bool public4(const unsigned char *address)
{
	for (size_t i = 0; i < HC_COUNT(special4); i++)
		if (inside(address, &special4[i]))
			return false;
	return true;
}

static bool public6(const unsigned char *address)
{
	static const struct range mapped = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96};
	static const struct range nat64 = {{0, 0x64, 0xff, 0x9b}, 96};
	static const struct range six_to_four = {{0x20, 0x02}, 16};

	if (inside(address, &mapped) || inside(address, &nat64))
		return public4(address + 12);
	if (inside(address, &six_to_four))
		return public4(address + 2);
	for (size_t i = 0; i < HC_COUNT(special6); i++)
		if (inside(address, &special6[i]))
			return false;
	return true;
}

bool git_address_public(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, address, sizeof in);
		return public4((const unsigned char *)&in.sin_addr);
	}
	if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 in;

		memcpy(&in, address, sizeof in);
		return public6(in.sin6_addr.s6_addr);
	}
	return false;
}

void git_address_text(const struct sockaddr *address, char *text, size_t size)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	const char *done = NULL;

	if (address->sa_family == AF_INET) {
		memcpy(&in, address, sizeof in);
		done = inet_ntop(AF_INET, &in.sin_addr, text, (socklen_t)size);
	} else if (address->sa_family == AF_INET6) {
		memcpy(&in6, address, sizeof in6);
		done = inet_ntop(AF_INET6, &in6.sin6_addr, text, (socklen_t)size);
	}
	if (!done)
		(void)snprintf(text, size, "unknown");
}
