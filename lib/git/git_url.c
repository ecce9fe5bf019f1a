/* The rule on URLs. Everything that could be read in two ways is refused, so that what is checked here is
 * what libcurl connects to. */
#include "git_internal.h"

#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int check_characters(const char *url, struct hc_error *err)
{
	if (url[0] == '\0')
		return hc_fail(err, HC_INVALID, "the repository's URL is empty");
	if (strlen(url) > HC_LIMIT_GIT_URL_BYTES)
		return hc_fail(err, HC_INVALID, "the repository's URL is longer than %d bytes",
					   HC_LIMIT_GIT_URL_BYTES);
	if (url[0] == '-')
		return hc_fail(err, HC_INVALID, "the repository's URL begins with a dash");
	for (const char *at = url; *at; at++)
		if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7f || strchr("\\\"<>^`{|}", *at))
			return hc_fail(err, HC_INVALID,
						   "the repository's URL has a character that must not be in a URL (byte %d)",
						   (int)(at - url) + 1);
	return 0;
}

static int check_scheme(const char *url, struct hc_error *err)
{
	const char *colon = strchr(url, ':');

	if (strstr(url, "::"))
		if (!colon || strncmp(colon, "://", 3) != 0)
			return hc_fail(err, HC_INVALID,
						   "remote helpers (name::address) are not allowed; use an https:// URL");
	if (strncasecmp(url, "https://", 8) == 0 || strncasecmp(url, "http://", 7) == 0)
		return 0;
	if (strncasecmp(url, "ssh://", 6) == 0 || (colon && strncmp(colon, "://", 3) != 0))
		return hc_fail(err, HC_INVALID,
					   "repositories over SSH can't be fetched; use the repository's https:// URL (with an "
					   "access token when "
					   "it is private)");
	return hc_fail(err, HC_INVALID, "only https:// URLs of repositories are allowed");
}

/* "." and ".." parts, also escaped: they would step out of an allowed prefix. */
static bool has_dot_parts(const char *path)
{
	while (*path) {
		size_t length = strcspn(path, "/");
		size_t dots = 0;
		size_t at = 0;

		while (at < length) {
			if (path[at] == '.')
				at++;
			else if (strncasecmp(path + at, "%2e", 3) == 0)
				at += 3;
			else
				break;
			dots++;
		}
		if (at == length && (dots == 1 || dots == 2))
			return true;
		path += length;
		path += *path == '/';
	}
	return false;
}

static int read_parts(CURLU *handle, const char *url, struct git_url *parts, struct hc_error *err)
{
	char *text = NULL;
	size_t length;

	if (curl_url_set(handle, CURLUPART_URL, url, CURLU_DISALLOW_USER) != CURLUE_OK)
		return hc_fail(err, HC_INVALID, "the repository's URL is malformed");
	if (curl_url_get(handle, CURLUPART_SCHEME, &text, 0) != CURLUE_OK)
		return hc_fail(err, HC_INVALID, "the repository's URL has no scheme");
	(void)snprintf(parts->scheme, sizeof parts->scheme, "%s", text);
	curl_free(text);
	if (curl_url_get(handle, CURLUPART_HOST, &text, 0) != CURLUE_OK)
		return hc_fail(err, HC_INVALID, "the repository's URL has no host");
	(void)snprintf(parts->host, sizeof parts->host, "%s", text[0] == '[' ? text + 1 : text);
	curl_free(text);
	for (char *at = parts->host; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	length = strlen(parts->host);
	if (length > 0 && parts->host[length - 1] == ']')
		parts->host[length - 1] = '\0';
	if (parts->host[0] == '\0')
		return hc_fail(err, HC_INVALID, "the repository's URL has no host");
	if (curl_url_get(handle, CURLUPART_PORT, &text, CURLU_DEFAULT_PORT) != CURLUE_OK)
		return hc_fail(err, HC_INVALID, "the repository's URL has a malformed port");
	parts->port = (int)strtol(text, NULL, 10);
	curl_free(text);
	(void)snprintf(parts->origin, sizeof parts->origin, "%s://%s:%d", parts->scheme, parts->host,
				   parts->port);
	return 0;
}

int git_url_read(const char *url, struct git_url *ret_url, struct hc_error *err)
{
	CURLU *handle;
	const char *path;
	int result;

	memset(ret_url, 0, sizeof *ret_url);
	if (check_characters(url, err) || check_scheme(url, err))
		return -1;
	if (strpbrk(url, "?#"))
		return hc_fail(err, HC_INVALID, "the repository's URL must not have a query or a fragment");
	path = strchr(strstr(url, "://") + 3, '/');
	if (path == strstr(url, "://") + 3)
		return hc_fail(err, HC_INVALID, "the repository's URL is malformed: it has no host");
	if (memchr(url, '@', path ? (size_t)(path - url) : strlen(url)))
		return hc_fail(err, HC_INVALID,
					   "the repository's URL must not hold credentials; keep them in a secret");
	if (path && has_dot_parts(path))
		return hc_fail(err, HC_INVALID, "the repository's URL must not have . or .. in its path");
	handle = curl_url();
	if (!handle)
		abort();
	result = read_parts(handle, url, ret_url, err);
	curl_url_cleanup(handle);
	return result;
}

static const char *path_of(const char *url)
{
	const char *path = strchr(strstr(url, "://") + 3, '/');

	return path ? path : "";
}

/* Origin equal, path equal up to a boundary: https://a/team does not list https://a/teammate. */
static bool listed_by(const char *prefix, const char *url, const struct git_url *parts)
{
	struct git_url wanted;
	const char *left;
	const char *right = path_of(url);
	size_t length;

	if (git_url_read(prefix, &wanted, NULL) || !hc_streq(wanted.origin, parts->origin))
		return false;
	left = path_of(prefix);
	length = strlen(left);
	if (strncmp(left, right, length) != 0)
		return false;
	return length == 0 || left[length - 1] == '/' || right[length] == '\0' || right[length] == '/';
}

bool git_url_listed(const struct git_options *options, const char *url)
{
	struct git_url parts;

	if (!options->allowed_prefixes || git_url_read(url, &parts, NULL))
		return false;
	for (const char *const *prefix = options->allowed_prefixes; *prefix; prefix++)
		if (listed_by(*prefix, url, &parts))
			return true;
	return false;
}

/* A host that is an address, in any of the ways of writing one, is judged at once; names when connecting. */
static int check_literal(const char *host, struct hc_error *err)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	bool fine = true;

	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return 0;
	for (const struct addrinfo *each = found; each; each = each->ai_next)
		fine = fine && git_address_public(each->ai_addr);
	freeaddrinfo(found);
	return fine ? 0
				: hc_fail(err, HC_INVALID,
						  "the repository's host %s is not a public address; the operator can allow it with "
						  "--allow-repository-prefix",
						  host);
}

int git_url_check(const struct git_options *options, const char *url, struct hc_error *err)
{
	struct git_url parts;

	if (git_url_read(url, &parts, err))
		return -1;
	if (git_url_listed(options, url))
		return 0;
	if (!hc_streq(parts.scheme, "https"))
		return hc_fail(err, HC_INVALID,
					   "only https:// URLs of repositories are allowed; the operator can allow others with "
					   "--allow-repository-prefix");
	return check_literal(parts.host, err);
}
