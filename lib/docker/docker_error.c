/* What the engine's refusals mean. The engine answers many conflicts with 403 or 500, so that the text
 * decides first; each row names the call where it was seen. Pure. */
#include "docker_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct meaning {
	const char *text; /* compared without case */
	enum hc_class class;
};

static enum hc_class find_meaning(const struct meaning *meanings, size_t count, const char *message)
{
	for (size_t index = 0; message && index < count; index++)
		if (strcasestr(message, meanings[index].text))
			return meanings[index].class;
	return HC_OK;
}

enum hc_class docker_error_class(long status, const char *message)
{
	static const struct meaning meanings[] = {
		{"port is already allocated", HC_CONFLICT},      /* 500, start */
		{"address already in use", HC_CONFLICT},         /* 403 and 500, start and connect */
		{"is already in use", HC_CONFLICT},              /* 409, create: the name */
		{"already exists in network", HC_CONFLICT},      /* 403, connect */
		{"pool overlaps with other one", HC_CONFLICT},   /* 403, network create */
		{"has active endpoints", HC_CONFLICT},           /* 403, network remove */
		{"networks have same bridge name", HC_CONFLICT}, /* 500, network create */
		{"is not connected to", HC_NOT_FOUND},           /* 403 and 500, disconnect */
		{"conflict", HC_CONFLICT},
		{"invalid subnet", HC_INVALID}, /* 500, network create */
	};
	enum hc_class class;

	if (status == 404)
		return HC_NOT_FOUND;
	if (status == 409)
		return HC_CONFLICT;
	if (status == 401)
		return HC_DENIED;
	class = find_meaning(meanings, HC_COUNT(meanings), message);
	if (class != HC_OK)
		return class;
	if (status == 403)
		return HC_DENIED;
	return status >= 400 && status < 500 && status != 408 && status != 429 ? HC_INVALID : HC_TRANSIENT;
}

/* The registry's refusals reach us as text only. Network troubles come first: "no such host" is not "no such
 * image". */
enum hc_class docker_pull_class(const char *message)
{
	static const struct meaning meanings[] = {
		{"no such host", HC_TRANSIENT},
		{"connection refused", HC_TRANSIENT},
		{"timeout", HC_TRANSIENT},
		{"toomanyrequests", HC_TRANSIENT},
		{"invalid reference format", HC_INVALID},
		{"must be lowercase", HC_INVALID},
		{"pull access denied", HC_DENIED},
		{"authentication required", HC_DENIED},
		{"no basic auth credentials", HC_DENIED},
		{"incorrect username or password", HC_DENIED},
		{"unauthorized", HC_DENIED},
		{"access to the resource is denied", HC_DENIED},
		{"manifest unknown", HC_NOT_FOUND},
		{"name unknown", HC_NOT_FOUND},
		{"repository name not known", HC_NOT_FOUND},
		{"no matching manifest", HC_NOT_FOUND},
		{"manifest for ", HC_NOT_FOUND},
		{": not found", HC_NOT_FOUND},
	};
	enum hc_class class = find_meaning(meanings, HC_COUNT(meanings), message);

	return class == HC_OK ? HC_TRANSIENT : class;
}

int docker_version_choose(const char *engine, char chosen[16], struct hc_error *err)
{
	char *end = NULL;
	long major = strtol(engine, &end, 10);
	long minor = *end == '.' ? strtol(end + 1, &end, 10) : -1;

	if (minor < 0 || minor > 9999 || *end || major < 0 || major > 99)
		return hc_fail(err, HC_INVALID, "the engine names its API version \"%.32s\", which is no version",
					   engine);
	if (major != DOCKER_API_MAJOR || minor < DOCKER_API_MINOR_LEAST)
		return hc_fail(err, HC_INVALID,
					   "the engine speaks API %ld.%ld, needed is %d.%d (Docker Engine 20.10) or later", major,
					   minor, DOCKER_API_MAJOR, DOCKER_API_MINOR_LEAST);
	if (minor > DOCKER_API_MINOR_MOST)
		minor = DOCKER_API_MINOR_MOST;
	(void)snprintf(chosen, 16, "%ld.%ld", major, minor);
	return 0;
}
