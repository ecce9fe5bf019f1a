/* Request paths. Every part from outside is escaped (RFC 3986), and a part that would lead to another path is
 * refused here, because the engine cleans paths before it looks at them. Pure. */
#include "docker_internal.h"

#include <string.h>

static void escape(struct hc_text *path, const char *value, bool slashes)
{
	for (const unsigned char *at = (const unsigned char *)value; *at; at++) {
		bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') ||
					 strchr("-._~", *at) || (slashes && *at == '/');

		if (plain)
			hc_text_append_bytes(path, at, 1);
		else
			hc_text_printf(path, "%%%02X", *at);
	}
}

/* Every segment between slashes must be something else than "", "." and "..". */
static bool segments_valid(const char *part)
{
	for (const char *at = part;; at++) {
		size_t length = strcspn(at, "/");

		if (length == 0 || (length == 1 && at[0] == '.') || (length == 2 && at[0] == '.' && at[1] == '.'))
			return false;
		at += length;
		if (!*at)
			return true;
	}
}

int docker_path(struct hc_text *path, const char *prefix, const char *part, const char *suffix,
				struct hc_error *err)
{
	bool image = hc_starts_with(prefix, "/images/");

	if (!part || !segments_valid(part) || (!image && strchr(part, '/')))
		return hc_fail(err, HC_INVALID, "\"%s\" is no name or id for %s", part ? part : "", prefix);
	hc_text_append(path, prefix);
	escape(path, part, image);
	hc_text_append(path, suffix);
	return 0;
}

void docker_path_query(struct hc_text *path, const char *name, const char *value)
{
	if (!value)
		return;
	hc_text_printf(path, "%c%s=", strchr(hc_text_string(path), '?') ? '&' : '?', name);
	escape(path, value, false);
}

int docker_path_label_filter(struct hc_text *path, const struct docker_pair *filters, size_t count,
							 struct hc_error *err)
{
	HC_AUTO_TEXT json = {0};

	if (!count)
		return 0;
	hc_text_append(&json, "{\"label\":[");
	for (size_t index = 0; index < count; index++) {
		HC_AUTO_TEXT label = {0};

		if (!filters[index].name || !*filters[index].name)
			return hc_fail(err, HC_BUG, "a label filter without a name");
		hc_text_append(&label, filters[index].name);
		if (filters[index].value)
			hc_text_printf(&label, "=%s", filters[index].value);
		if (index)
			hc_text_append(&json, ",");
		hc_text_append_json_string(&json, hc_text_string(&label));
	}
	hc_text_append(&json, "]}");
	docker_path_query(path, "filters", hc_text_string(&json));
	return 0;
}

void docker_image_split(struct hc_arena *arena, const char *name, const char **ret_repository,
						const char **ret_tag)
{
	const char *at = strchr(name, '@');
	const char *slash = strrchr(name, '/');
	const char *colon = at ? at : strchr(slash ? slash : name, ':');

	*ret_repository = colon ? hc_arena_strndup(arena, name, (size_t)(colon - name))
							: hc_arena_strdup(arena, name);
	*ret_tag = colon ? hc_arena_strdup(arena, colon + 1) : "latest";
}
