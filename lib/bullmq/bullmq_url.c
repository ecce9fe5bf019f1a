/* Reads the URL of a Redis. See bullmq.h for its forms. */
#include "bullmq_internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PORT_DEFAULT 6379
#define DATABASE_MAX 65535

void bullmq_address_done(struct bullmq_address *address)
{
	free(address->host);
	free(address->path);
	free(address->user);
	free(address->password);
	*address = (struct bullmq_address){0};
}

static int digit_of(char character)
{
	if (character >= '0' && character <= '9')
		return character - '0';
	character = (char)(character | 0x20);
	return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

/* Percent-decoded copy; NULL when it's malformed or holds a NUL. */
static char *decode(const char *text, size_t length)
{
	struct hc_text decoded = {0};

	for (size_t n = 0; n < length; n++) {
		char character = text[n];

		if (character == '%') {
			int high = n + 1 < length ? digit_of(text[n + 1]) : -1;
			int low = n + 2 < length ? digit_of(text[n + 2]) : -1;

			if (high < 0 || low < 0 || (!high && !low)) {
				hc_text_done(&decoded);
				return NULL;
			}
			character = (char)(high * 16 + low);
			n += 2;
		}
		hc_text_append_bytes(&decoded, &character, 1);
	}
	hc_text_append(&decoded, "");
	return hc_text_take(&decoded);
}

static int number_read(const char *what, const char *text, long least, long most, int *ret_number,
					   struct hc_error *err)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno || end == text || *end || text[0] < '0' || text[0] > '9' || number < least || number > most)
		return hc_fail(err, HC_INVALID, "Redis URL: the %s \"%s\" must be a number from %ld to %ld", what,
					   text, least, most);
	*ret_number = (int)number;
	return 0;
}

/* "?db=3" or nothing. */
static int query_read(const char *query, int *ret_database, struct hc_error *err)
{
	if (!query || !query[1])
		return 0;
	if (!hc_starts_with(query, "?db="))
		return hc_fail(err, HC_INVALID, "Redis URL: \"%s\" is not understood; only ?db=NUMBER is", query);
	return number_read("database", query + 4, 0, DATABASE_MAX, ret_database, err);
}

static int path_read(const char *rest, struct bullmq_address *address, struct hc_error *err)
{
	const char *query = strchr(rest, '?');

	if (rest[0] != '/' || !rest[1])
		return hc_fail(err, HC_INVALID, "Redis URL: the path of a unix socket must be absolute, not \"%s\"",
					   rest);
	address->path = decode(rest, query ? (size_t)(query - rest) : strlen(rest));
	if (!address->path)
		return hc_fail(err, HC_INVALID, "Redis URL: the path has a malformed %%-escape");
	return query_read(query, &address->database, err);
}

/* "user:password", ":password" or "user". */
static int login_read(const char *text, size_t length, struct bullmq_address *address, struct hc_error *err)
{
	const char *colon = memchr(text, ':', length);
	size_t user = colon ? (size_t)(colon - text) : length;

	if (user > 0 && !(address->user = decode(text, user)))
		return hc_fail(err, HC_INVALID, "Redis URL: the user has a malformed %%-escape");
	if (!colon || user + 1 == length) /* no word on what it is: it may be the password */
		return user ? hc_fail(err, HC_INVALID, "Redis URL: a user needs a password, as in user:password@host")
					: 0;
	address->password = decode(colon + 1, length - user - 1);
	if (!address->password)
		return hc_fail(err, HC_INVALID, "Redis URL: the password has a malformed %%-escape");
	return 0;
}

static int host_read(const char *text, size_t length, struct bullmq_address *address, struct hc_error *err)
{
	HC_AUTO_FREE host = strndup(text, length);
	char *port, *name = host;

	address->port = PORT_DEFAULT;
	if (host[0] == '[') {
		name = host + 1;
		port = strchr(name, ']');
		if (!port || (port[1] && port[1] != ':'))
			return hc_fail(err, HC_INVALID, "Redis URL: \"%s\" is no [IPv6 address]:port", host);
		*port++ = '\0';
		port = *port ? port : NULL;
	} else {
		port = strchr(host, ':');
	}
	if (port) {
		*port++ = '\0';
		if (number_read("port", port, 1, 65535, &address->port, err))
			return -1;
	}
	if (!*name || strpbrk(name, " \t/@"))
		return hc_fail(err, HC_INVALID, "Redis URL: \"%s\" is no host", name);
	address->host = strdup(name);
	return 0;
}

static int network_read(const char *rest, struct bullmq_address *address, struct hc_error *err)
{
	size_t length = strcspn(rest, "/?");
	const char *at = memrchr(rest, '@', length), *path = rest + length, *query;

	if (at && login_read(rest, (size_t)(at - rest), address, err))
		return -1;
	at = at ? at + 1 : rest;
	if (host_read(at, (size_t)(path - at), address, err))
		return -1;
	query = strchr(path, '?');
	if (*path == '/' && path[1] && path[1] != '?') {
		HC_AUTO_FREE number = query ? strndup(path + 1, (size_t)(query - path) - 1) : strdup(path + 1);

		if (number_read("database", number, 0, DATABASE_MAX, &address->database, err))
			return -1;
	}
	return query_read(query, &address->database, err);
}

static int url_read(const char *url, struct bullmq_address *address, struct hc_error *err)
{
	if (hc_starts_with(url, "redis://"))
		return network_read(url + 8, address, err);
	if (hc_starts_with(url, "unix://"))
		return path_read(url + 7, address, err);
	if (hc_starts_with(url, "redis+unix://"))
		return path_read(url + 13, address, err);
	if (hc_starts_with(url, "rediss://"))
		return hc_fail(err, HC_INVALID,
					   "Redis URL: rediss:// needs TLS, which the client library here has not; "
					   "use redis:// inside a private network or a tunnel");
	if (hc_starts_with(url, "redis-sentinel://") || hc_starts_with(url, "redis+sentinel://"))
		return hc_fail(err, HC_INVALID, "Redis URL: Sentinel is not spoken; name the primary with redis://");
	return hc_fail(err, HC_INVALID, "Redis URL: it must begin with redis://, unix:// or redis+unix://");
}

int bullmq_address_parse(const char *url, struct bullmq_address *ret_address, struct hc_error *err)
{
	struct bullmq_address address = {0};

	if (!url || !*url)
		return hc_fail(err, HC_INVALID, "Redis URL: it is empty");
	if (url_read(url, &address, err)) {
		bullmq_address_done(&address);
		return -1;
	}
	*ret_address = address;
	return 0;
}
