/* Refuses ambiguous request heads, see the header. */
#include "http_guard.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "http_server.h"

static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

static bool is_token(const char *text)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	if (!*text)
		return false;
	for (; *text; text++) {
		char character = *text;
		bool letter = (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z');
		bool digit = character >= '0' && character <= '9';
		if (!letter && !digit && !strchr(others, character))
			return false;
	}
	return true;
}

static bool is_value(const char *text)
{
	for (; *text; text++) {
		unsigned char character = (unsigned char)*text;
		if ((character < 0x20 && character != '\t') || character == 0x7f)
			return false;
	}
	return true;
}

static bool is_host(const char *text)
{
	return *text && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") ==
						strlen(text);
}

struct counts {
	int host;
	int length;
	int encoding;
	const char *length_value;
	const char *encoding_value;
};

static int count_headers(const struct http_guard_head *head, struct counts *counts, const char **ret_sentence)
{
	for (size_t index = 0; index < head->header_count; index++) {
		const struct http_header *header = &head->headers[index];
		if (!is_token(header->name)) {
			*ret_sentence = "a header name holds a character that is not allowed";
			return 400;
		}
		if (!is_value(header->value)) {
			*ret_sentence = "a header value holds a control character";
			return 400;
		}
		if (strcasecmp(header->name, "Host") == 0) {
			counts->host++;
			if (!is_host(header->value)) {
				*ret_sentence = "header Host: not a host name";
				return 400;
			}
		} else if (strcasecmp(header->name, "Content-Length") == 0) {
			counts->length++;
			counts->length_value = header->value;
		} else if (strcasecmp(header->name, "Transfer-Encoding") == 0) {
			counts->encoding++;
			counts->encoding_value = header->value;
		}
	}
	return 0;
}

static int check_body(const struct http_guard_head *head, const struct counts *counts,
					  const char **ret_sentence)
{
	if (counts->length > 1) {
		*ret_sentence = "two Content-Length headers";
		return 400;
	}
	if (counts->length && counts->encoding) {
		*ret_sentence = "Content-Length and Transfer-Encoding exclude each other";
		return 400;
	}
	if (counts->encoding > 1 || (counts->encoding && strcasecmp(counts->encoding_value, "chunked") != 0)) {
		*ret_sentence = "Transfer-Encoding: only chunked is understood";
		return 501;
	}
	if (counts->encoding && hc_streq(head->version, "HTTP/1.0")) {
		*ret_sentence = "Transfer-Encoding does not exist in HTTP/1.0";
		return 400;
	}
	if (counts->length) {
		const char *value = counts->length_value;
		size_t digits = strspn(value, "0123456789");
		if (digits == 0 || value[digits]) {
			*ret_sentence = "Content-Length: not a number";
			return 400;
		}
		if (digits > 18 || strtoull(value, NULL, 10) > head->body_bytes_max) {
			*ret_sentence = "the body is larger than this server takes";
			return 413;
		}
	}
	return 0;
}

int http_guard_check(const struct http_guard_head *head, const char **ret_sentence)
{
	struct counts counts = {0};
	bool known = false;

	for (size_t index = 0; index < HC_COUNT(methods); index++)
		known = known || hc_streq(head->method, methods[index]);
	if (!known) {
		*ret_sentence = "this method is not implemented";
		return 501;
	}
	if (!hc_streq(head->version, "HTTP/1.1") && !hc_streq(head->version, "HTTP/1.0")) {
		*ret_sentence = "only HTTP/1.1 and HTTP/1.0 are understood";
		return 505;
	}
	int status = count_headers(head, &counts, ret_sentence);
	if (status)
		return status;
	if (counts.host > 1) {
		*ret_sentence = "two Host headers";
		return 400;
	}
	if (counts.host == 0 && hc_streq(head->version, "HTTP/1.1")) {
		*ret_sentence = "no Host header";
		return 400;
	}
	return check_body(head, &counts, ret_sentence);
}
