/* See names.h. FNV-1a: draft-eastlake-fnv, offset basis and prime of 32 and 64 bit. */
#include "names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RELEASE_TEXT "release"

void name_namespace_hash(const char *namespace_uid, char hash[NAMESPACE_HASH_SIZE])
{
	uint32_t value = 2166136261U;

	for (const char *at = namespace_uid; *at; at++)
		value = (value ^ (unsigned char)*at) * 16777619U;
	(void)snprintf(hash, NAMESPACE_HASH_SIZE, "%08" PRIx32, value);
}

int name_ordinal(const char *text)
{
	return strcmp(text, RELEASE_TEXT) == 0 ? RELEASE_ORDINAL : (int)strtol(text, NULL, 10);
}

char *name_ordinal_text(struct hc_arena *arena, int ordinal)
{
	return ordinal == RELEASE_ORDINAL ? hc_arena_strdup(arena, RELEASE_TEXT)
									  : hc_arena_printf(arena, "%d", ordinal);
}

char *name_container(struct hc_arena *arena, const char *service, int64_t revision, int ordinal,
					 const char *namespace_uid)
{
	char hash[NAMESPACE_HASH_SIZE];

	name_namespace_hash(namespace_uid, hash);
	return hc_arena_printf(arena, "%s-r%" PRId64 "-%s-%s", service, revision,
						   name_ordinal_text(arena, ordinal), hash);
}

char *name_container_recreate(struct hc_arena *arena, const char *service, int ordinal,
							  const char *namespace_uid)
{
	char hash[NAMESPACE_HASH_SIZE];

	name_namespace_hash(namespace_uid, hash);
	return hc_arena_printf(arena, "%s-%d-%s", service, ordinal, hash);
}

char *name_route(struct hc_arena *arena, const char *service, int64_t revision, const char *namespace_uid)
{
	char hash[NAMESPACE_HASH_SIZE];

	name_namespace_hash(namespace_uid, hash);
	return hc_arena_printf(arena, "%s-r%" PRId64 "-%s", service, revision, hash);
}

char *name_deployment(struct hc_arena *arena, const char *service, int64_t revision)
{
	return hc_arena_printf(arena, "%s-r%" PRId64, service, revision);
}

char *name_network(struct hc_arena *arena, const char *namespace_name, const char *namespace_uid)
{
	char hash[NAMESPACE_HASH_SIZE];

	name_namespace_hash(namespace_uid, hash);
	return hc_arena_printf(arena, "helvetia-%s-%s", namespace_name, hash);
}

char *name_bridge(struct hc_arena *arena, const char *namespace_uid)
{
	char hash[NAMESPACE_HASH_SIZE];

	name_namespace_hash(namespace_uid, hash);
	return hc_arena_printf(arena, "hv-%s", hash);
}

void spec_hash(const char *text, char hash[SPEC_HASH_SIZE])
{
	uint64_t value = 14695981039346656037U;

	for (const char *at = text; *at; at++)
		value = (value ^ (unsigned char)*at) * 1099511628211U;
	(void)snprintf(hash, SPEC_HASH_SIZE, "%016" PRIx64, value);
}
