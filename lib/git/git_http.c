/* One HTTP exchange with a Git server: where it may connect to, how much it may answer, how long it may take.
 *
 * Addresses are judged when the socket is made, after the name was resolved, so that a name can't point
 * elsewhere in between. Redirects are followed by hand: to the same origin and the same suffix only. Proxies
 * of the environment are not used, since behind one nobody could judge the address. */
#include "base/alloc.h"
#include "base/clock.h"
#include "git_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define PROGRESS_MS 1000

struct transfer {
	struct git_cache *cache;
	const struct git_source *source;
	const struct git_exchange *exchange;
	struct hc_error *err;
	char base[HC_LIMIT_GIT_URL_BYTES + 1];
	struct git_url origin;
	bool listed;      /* the operator allows this URL to lead anywhere */
	bool failed;      /* err is filled by a callback */
	char refused[64]; /* address that was not public */
	int64_t received;
	int64_t moved_bytes, moved_ms; /* when something came or went last */
	int64_t progress_ms;
	char curl_text[CURL_ERROR_SIZE];
};

static long status_of(const struct transfer *transfer)
{
	long status = 0;

	(void)curl_easy_getinfo(transfer->cache->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static bool type_fits(const struct transfer *transfer)
{
	char *type = NULL;
	const char *wanted = transfer->exchange->content_type;

	(void)curl_easy_getinfo(transfer->cache->easy, CURLINFO_CONTENT_TYPE, &type);
	return type && strncasecmp(type, wanted, strlen(wanted)) == 0;
}

static size_t take_body(char *data, size_t size, size_t count, void *payload)
{
	struct transfer *transfer = payload;
	const struct git_exchange *exchange = transfer->exchange;
	size_t length = size * count;

	if (status_of(transfer) != 200 || !type_fits(transfer))
		return transfer->received + (int64_t)length > 65536 ? length + 1
															: (transfer->received += (int64_t)length, length);
	transfer->received += (int64_t)length;
	if (transfer->received > exchange->max_bytes) {
		transfer->failed = true;
		(void)hc_fail(transfer->err, HC_INVALID,
					  "the repository is too large: the server sent more than %" PRId64 " MiB for one commit",
					  exchange->max_bytes / (1024 * 1024));
		return length + 1;
	}
	if (exchange->piece(data, length, exchange->payload, transfer->err) == 0)
		return length;
	transfer->failed = true;
	return length + 1;
}

static int watch_progress(void *payload, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
						  curl_off_t up)
{
	struct transfer *transfer = payload;
	const struct git_limits *limits = &transfer->cache->limits;
	int64_t now = hc_clock_boot_ms();
	char phrase[160];

	(void)down_total, (void)up_total;
	if (down + up != transfer->moved_bytes) {
		transfer->moved_bytes = down + up;
		transfer->moved_ms = now;
	}
	if (now - transfer->moved_ms > limits->stalled_ms) {
		transfer->failed = true;
		(void)hc_fail(transfer->err, HC_TRANSIENT, "no byte came for %d s", limits->stalled_ms / 1000);
		return 1;
	}
	if (!transfer->source->progress || now - transfer->progress_ms < PROGRESS_MS)
		return 0;
	transfer->progress_ms = now;
	(void)snprintf(phrase, sizeof phrase, "%s: %.1f MiB", transfer->exchange->phrase,
				   (double)down / (1024.0 * 1024.0));
	if (transfer->source->progress(phrase, transfer->source->payload) == 0)
		return 0;
	transfer->failed = true;
	(void)hc_fail(transfer->err, HC_CANCELED, "canceled while fetching");
	return 1;
}

static curl_socket_t open_socket(void *payload, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct transfer *transfer = payload;

	(void)purpose;
	if (!transfer->listed && !git_address_public(&address->addr)) {
		git_address_text(&address->addr, transfer->refused, sizeof transfer->refused);
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* The connection is kept while tenant and URL are the same. */
static void prepare_handle(struct git_cache *cache, const struct git_source *source)
{
	HC_AUTO_FREE key = hc_xprintf("%s %s", source->tenant, source->url);

	if (cache->easy && !hc_streq(cache->easy_for, key)) {
		curl_easy_cleanup(cache->easy);
		cache->easy = NULL;
	}
	if (!cache->easy) {
		cache->easy = curl_easy_init();
		if (!cache->easy)
			abort();
		free(cache->easy_for);
		cache->easy_for = hc_take(&key);
	}
	curl_easy_reset(cache->easy);
}

static void set_options(struct transfer *transfer, const char *url)
{
	const struct git_cache *cache = transfer->cache;
	const struct git_credentials *credentials = transfer->source->credentials;
	const struct git_exchange *exchange = transfer->exchange;
	CURL *easy = cache->easy;

	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "git/2.39 (Helvetia Cloud)");
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)cache->limits.connect_ms);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)cache->limits.total_ms);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 262144L);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_text);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, watch_progress);
	curl_easy_setopt(easy, CURLOPT_XFERINFODATA, transfer);
	if (cache->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, cache->ca_file);
	if (credentials && credentials->password) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(easy, CURLOPT_USERNAME,
						 credentials->username ? credentials->username : "x-access-token");
		curl_easy_setopt(easy, CURLOPT_PASSWORD, credentials->password);
	}
	if (exchange->body) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, exchange->body);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)exchange->body_length);
	}
}

static struct curl_slist *headers_for(const struct git_exchange *exchange)
{
	struct curl_slist *headers = NULL;
	HC_AUTO_FREE accept = hc_xprintf("Accept: %s", exchange->content_type);

	headers = curl_slist_append(headers, "Git-Protocol: version=2");
	headers = curl_slist_append(headers, accept);
	if (exchange->body) {
		headers = curl_slist_append(headers, "Content-Type: application/x-git-upload-pack-request");
		headers = curl_slist_append(headers, "Expect:");
	}
	return headers;
}

static int fail_transfer(struct transfer *transfer, CURLcode code, struct hc_error *err)
{
	const char *host = transfer->origin.host;
	const char *text = transfer->curl_text[0] ? transfer->curl_text : curl_easy_strerror(code);

	if (transfer->failed)
		return hc_wrap(err, "%s", host);
	if (transfer->refused[0] && (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST))
		return hc_fail(
			err, HC_INVALID,
			"the repository's host %s has the address %s, which is not public; the operator can allow it "
			"with --allow-repository-prefix",
			host, transfer->refused);
	if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
		return hc_fail(err, HC_TRANSIENT, "%s: its TLS certificate is not trusted: %s", host, text);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return hc_fail(err, HC_TRANSIENT, "%s: the time limit is over: %s", host, text);
	return hc_fail(err, HC_TRANSIENT, "%s: %s", host, text);
}

static int fail_status(const struct transfer *transfer, long status, struct hc_error *err)
{
	const char *host = transfer->origin.host;
	const struct git_credentials *credentials = transfer->source->credentials;
	bool given = credentials && credentials->password;

	if (status == 401 && !given)
		return hc_fail(
			err, HC_DENIED,
			"%s wants credentials for %s: the repository is private, or it does not exist; check the "
			"URL, or give an access token",
			host, transfer->source->url);
	if (status == 401 || (status == 403 && given))
		return hc_fail(
			err, HC_DENIED,
			"%s refuses the credentials for %s (HTTP %ld); give a token that may read the repository", host,
			transfer->source->url, status);
	if (status == 403)
		return hc_fail(err, HC_DENIED, "%s refuses access to %s (HTTP 403); give an access token", host,
					   transfer->source->url);
	if (status == 404 || status == 410)
		return hc_fail(
			err, HC_NOT_FOUND,
			"there is no repository %s (HTTP %ld); check the URL, or give an access token if it is private",
			transfer->source->url, status);
	if (status == 408 || status == 429 || status >= 500)
		return hc_fail(err, HC_TRANSIENT, "%s answered HTTP %ld", host, status);
	return hc_fail(err, HC_INVALID, "%s answered HTTP %ld for %s: it is no Git repository over HTTP", host,
				   status, transfer->source->url);
}

/* New base from where the server sends us; only within the same origin. */
static int take_redirect(struct transfer *transfer, struct hc_error *err)
{
	struct git_url next;
	char *target = NULL;
	const char *suffix = transfer->exchange->suffix;
	size_t length;
	size_t tail = strlen(suffix);

	(void)curl_easy_getinfo(transfer->cache->easy, CURLINFO_REDIRECT_URL, &target);
	length = target ? strlen(target) : 0;
	if (length <= tail || strcmp(target + length - tail, suffix) != 0 ||
		length - tail >= sizeof transfer->base)
		return hc_fail(err, HC_INVALID, "%s redirects %s to a page that is no Git repository; check the URL",
					   transfer->origin.host, transfer->source->url);
	memcpy(transfer->base, target, length - tail);
	transfer->base[length - tail] = '\0';
	if (git_url_read(transfer->base, &next, err))
		return hc_wrap(err, "%s redirects", transfer->origin.host);
	if (!hc_streq(next.origin, transfer->origin.origin))
		return hc_fail(
			err, HC_INVALID,
			"%s redirects to another host (%s), which is not followed; give the repository's new URL",
			transfer->origin.origin, next.origin);
	if (git_url_check(&transfer->cache->rules, transfer->base, err))
		return hc_wrap(err, "%s redirects", transfer->origin.host);
	/* Kept connections are shared by both, so the stricter rule wins. */
	transfer->listed = transfer->listed && git_url_listed(&transfer->cache->rules, transfer->base);
	return 0;
}

static int perform(struct transfer *transfer, long *ret_status, struct hc_error *err)
{
	HC_AUTO_FREE url = hc_xprintf("%s%s", transfer->base, transfer->exchange->suffix);
	struct curl_slist *headers = headers_for(transfer->exchange);
	CURL *easy = transfer->cache->easy;
	CURLcode code;

	curl_easy_reset(easy);
	set_options(transfer, url);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	transfer->received = transfer->moved_bytes = 0;
	transfer->moved_ms = transfer->progress_ms = hc_clock_boot_ms();
	transfer->curl_text[0] = '\0';
	code = curl_easy_perform(easy);
	*ret_status = status_of(transfer);
	curl_slist_free_all(headers);
	if (code == CURLE_WRITE_ERROR && !transfer->failed)
		code = CURLE_OK; /* a long page that is no answer was cut; status and type say what it is */
	return code == CURLE_OK ? 0 : fail_transfer(transfer, code, err);
}

int git_http(struct git_cache *cache, const struct git_source *source, const struct git_exchange *exchange,
			 struct hc_error *err)
{
	struct transfer transfer = {.cache = cache, .source = source, .exchange = exchange, .err = err};
	long status = 0;
	size_t length = strlen(source->url);
	int result = -1;

	if (git_url_check(&cache->rules, source->url, err) || git_url_read(source->url, &transfer.origin, err))
		return -1;
	while (length > 0 && source->url[length - 1] == '/')
		length--;
	memcpy(transfer.base, source->url, length);
	transfer.listed = git_url_listed(&cache->rules, source->url);
	prepare_handle(cache, source);
	for (int hops = 0;; hops++) {
		if (perform(&transfer, &status, err))
			break;
		if (status == 200 && type_fits(&transfer)) {
			result = 0;
			break;
		}
		if (status < 300 || status >= 400 || status == 304) {
			result = status == 200
						 ? hc_fail(err, HC_NOT_FOUND,
								   "%s answers, but not as a Git repository; check the URL", source->url)
						 : fail_status(&transfer, status, err);
			break;
		}
		if (hops >= HC_LIMIT_GIT_REDIRECTS) {
			result = hc_fail(err, HC_INVALID, "%s redirects in circles", transfer.origin.host);
			break;
		}
		if (take_redirect(&transfer, err))
			break;
	}
	curl_easy_reset(cache->easy); /* no pointer into this frame, no password is left in it */
	return result;
}
