/* Selectors of a request, and where a page ends. */
#include "api_list.h"

#include "base/text.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const common_fields[] = {"metadata.name", "metadata.namespace", NULL};
static const char *const service_fields[] = {"metadata.name", "metadata.namespace", "spec.repoUrl",
											 "status.phase", NULL};
static const char *const deployment_fields[] = {"metadata.name", "metadata.namespace", "spec.service",
												"status.phase",  "status.stage",       NULL};
static const char *const namespace_fields[] = {"metadata.name", "status.phase", NULL};
static const char *const pod_fields[] = {"metadata.name", "metadata.namespace", "spec.nodeName",
										 "status.phase", NULL};
static const char *const event_fields[] = {"metadata.name",
										   "metadata.namespace",
										   "involvedObject.apiVersion",
										   "involvedObject.kind",
										   "involvedObject.name",
										   "involvedObject.namespace",
										   "involvedObject.uid",
										   "reason",
										   "type",
										   NULL};

static const char *const secret_fields[] = {"metadata.name", "metadata.namespace", "type", NULL};

static const char *const *fields_of(const struct api_kind *kind)
{
	if (kind->view)
		return pod_fields;
	switch (kind->store_kind) {
	case STORE_SERVICE:
		return service_fields;
	case STORE_DEPLOYMENT:
		return deployment_fields;
	case STORE_NAMESPACE:
		return namespace_fields;
	case STORE_EVENT:
		return event_fields;
	case STORE_SECRET:
		return secret_fields;
	case STORE_BUILD:
	case STORE_USER:
	case STORE_TOKEN:
		break;
	}
	return common_fields;
}

int api_filter_parse(const struct api_route *route, const struct http_query *query, struct hc_arena *arena,
					 struct api_filter *ret_filter, struct hc_error *err)
{
	struct api_filter filter = {.namespace_name = route->namespace_name};
	const char *labels = http_query_get(query, "labelSelector");
	const char *fields = http_query_get(query, "fieldSelector");

	if (api_selector_parse_labels(labels ? labels : "", arena, &filter.labels, err) ||
		api_selector_parse_fields(fields ? fields : "", fields_of(route->kind), arena, &filter.fields, err))
		return -1;
	filter.labels_json = api_selector_equalities(&filter.labels, arena, &filter.labels_complete);
	filter.name = api_selector_value(&filter.fields, "metadata.name");
	const char *selected = api_selector_value(&filter.fields, "metadata.namespace");
	if (!filter.namespace_name)
		filter.namespace_name = selected;
	size_t by_database = (filter.name ? 1U : 0U) + (selected && selected == filter.namespace_name ? 1U : 0U);
	filter.fields_complete = filter.fields.count == by_database;
	*ret_filter = filter;
	return 0;
}

/* version:VERSION/NAMESPACE/NAME, hexadecimal, so that nobody is tempted to read it. */
char *api_continue_text(const struct api_continue *place, struct hc_arena *arena)
{
	HC_AUTO_TEXT plain = {0};
	char *text;

	hc_text_printf(&plain, "1:%" PRId64 "/%s/%s", place->resource_version, place->namespace_name,
				   place->name);
	text = hc_arena_alloc(arena, plain.length * 2 + 1);
	for (size_t index = 0; index < plain.length; index++) {
		text[index * 2] = "0123456789abcdef"[(unsigned char)plain.data[index] >> 4];
		text[index * 2 + 1] = "0123456789abcdef"[(unsigned char)plain.data[index] & 15];
	}
	return text;
}

static int digit(char character)
{
	const char *found = character ? strchr("0123456789abcdef", character) : NULL;

	return found ? (int)(found - "0123456789abcdef") : -1;
}

int api_continue_parse(const char *text, struct hc_arena *arena, struct api_continue *ret_place,
					   struct hc_error *err)
{
	size_t length = strlen(text) / 2;
	char *plain = hc_arena_alloc(arena, length + 1);
	char *slash = NULL, *second = NULL;

	for (size_t index = 0; index < length; index++) {
		int high = digit(text[index * 2]), low = digit(text[index * 2 + 1]);
		if (high < 0 || low < 0)
			return hc_fail(err, HC_INVALID, "continue: not a token of this server");
		plain[index] = (char)(high * 16 + low);
	}
	slash = strchr(plain, '/');
	second = slash ? strchr(slash + 1, '/') : NULL;
	if (!hc_starts_with(plain, "1:") || !second || !hc_utf8_valid(plain, strlen(plain)))
		return hc_fail(err, HC_INVALID, "continue: not a token of this server");
	*slash = *second = '\0';
	*ret_place = (struct api_continue){strtoll(plain + 2, NULL, 10), slash + 1, second + 1};
	return 0;
}

int api_query_number(const struct http_query *query, const char *name, int64_t other, int64_t *ret_number,
					 struct hc_error *err)
{
	const char *text = http_query_get(query, name);

	if (!text || !*text) {
		*ret_number = other;
		return 0;
	}
	if (strspn(text, "0123456789") != strlen(text) || strlen(text) > 18)
		return hc_fail(err, HC_INVALID, "query parameter %s: \"%s\" is not a number", name, text);
	*ret_number = strtoll(text, NULL, 10);
	return 0;
}
