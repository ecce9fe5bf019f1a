/* See the header. A clause: application/json;as=Table;v=v1;g=meta.k8s.io */
#include "api_accept.h"

#include "base/text.h"
#include <stddef.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	const char *group;
	enum api_form form;
	const char *versions; /* each between blanks */
} forms[] = {
	{"Table", "meta.k8s.io", API_FORM_TABLE, " v1 "},
	{"PartialObjectMetadata", "meta.k8s.io", API_FORM_PARTIAL, " v1 "},
	{"PartialObjectMetadataList", "meta.k8s.io", API_FORM_PARTIAL, " v1 "},
	{"APIGroupDiscoveryList", "apidiscovery.k8s.io", API_FORM_DISCOVERY, " v2 v2beta1 "},
};

struct piece {
	const char *text;
	size_t length;
};

/* Up to one of the stops; blanks around it are dropped. */
static struct piece cut(const char **at, const char *stops)
{
	*at += strspn(*at, " \t");
	struct piece piece = {*at, strcspn(*at, stops)};

	*at += piece.length;
	while (piece.length && strchr(" \t", piece.text[piece.length - 1]))
		piece.length--;
	return piece;
}

static bool is(struct piece piece, const char *text)
{
	return piece.length == strlen(text) && strncasecmp(piece.text, text, piece.length) == 0;
}

static bool version_in(struct piece version, const char *versions)
{
	const char *found = versions;
	HC_AUTO_TEXT wanted = {0};

	if (version.length == 0)
		return false;
	hc_text_append(&wanted, " ");
	hc_text_append_bytes(&wanted, version.text, version.length);
	hc_text_append(&wanted, " ");
	found = strstr(versions, hc_text_string(&wanted));
	return found != NULL;
}

/* One clause; false when it is not for us. *at stands behind it. */
static bool take_clause(const char **at, struct api_accept *accept)
{
	struct piece media = cut(at, ";,");
	struct piece as = {0}, version = {0}, group = {0};
	bool json = is(media, "application/json") || is(media, "application/*") || is(media, "*/*");

	while (**at == ';') {
		++*at;
		struct piece name = cut(at, "=;,");
		struct piece value = {0};
		if (**at == '=') {
			++*at;
			value = cut(at, ";,");
		}
		if (is(name, "as"))
			as = value;
		else if (is(name, "v"))
			version = value;
		else if (is(name, "g"))
			group = value;
	}
	if (!json)
		return false;
	*accept = (struct api_accept){0};
	if (as.length == 0)
		return true;
	for (size_t index = 0; index < HC_COUNT(forms); index++) {
		if (!is(as, forms[index].name) || !is(group, forms[index].group) ||
			!version_in(version, forms[index].versions) || version.length >= sizeof(accept->version))
			continue;
		accept->form = forms[index].form;
		memcpy(accept->version, version.text, version.length);
		return true;
	}
	return false;
}

void api_accept_parse(const char *accept, struct api_accept *ret_accept)
{
	const char *at = accept ? accept : "";

	for (; *at; at += *at == ',')
		if (take_clause(&at, ret_accept))
			return;
	*ret_accept = (struct api_accept){0};
}
