/* Broken rules as a Kubernetes Status lists them, and the paths and values that their texts show. A user can
 * write a key or a value of megabytes, so everything shown is cut. */
#include "schema_internal.h"

#include "base/alloc.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_BYTES_MAX 120 /* of a value or a key in a message */

static void append_cut(struct hc_text *text, const char *more, size_t bytes_max)
{
	size_t length = strlen(more);
	if (length <= bytes_max) {
		hc_text_append(text, more);
		return;
	}
	length = bytes_max;
	while (length > 0 && ((unsigned char)more[length] & 0xc0) == 0x80)
		length--;
	hc_text_append_bytes(text, more, length);
	hc_text_append(text, "…");
}

/* The shortest text that is this number, as it was most likely written: 1.1, not 1.1000000000000001. */
static void append_real(struct hc_text *text, double value)
{
	char shown[32];
	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(shown, sizeof(shown), "%.*g", digits, value);
		if (strtod(shown, NULL) <= value && strtod(shown, NULL) >= value)
			break;
	}
	hc_text_append(text, shown);
}

void schema_value_text(const json_t *value, struct hc_text *text)
{
	if (json_is_object(value) && json_object_size(value) > 8) {
		hc_text_append(text, "{…}");
		return;
	}
	if (json_is_array(value) && json_array_size(value) > 8) {
		hc_text_append(text, "[…]");
		return;
	}
	if (json_is_real(value)) {
		append_real(text, json_real_value(value));
		return;
	}
	HC_AUTO_FREE shown = schema_dump(value);
	append_cut(text, shown ? shown : "null", SHOWN_BYTES_MAX);
}

static void add_valist(struct schema_causes *causes, const char *field, const char *reason,
					   const char *message, va_list arguments)
{
	if (causes->count == HC_COUNT(causes->items)) {
		causes->dropped++;
		return;
	}
	char *text = NULL;
	if (vasprintf(&text, message, arguments) < 0)
		abort(); /* out of memory, as in hc_xalloc */
	causes->items[causes->count++] = (struct schema_cause){
		.field = hc_xstrdup(field),
		.reason = hc_xstrdup(reason),
		.message = text,
	};
}

void schema_causes_add(struct schema_causes *causes, const char *field, const char *reason,
					   const char *message, ...)
{
	va_list arguments;
	va_start(arguments, message);
	add_valist(causes, field, reason, message, arguments);
	va_end(arguments);
}

void schema_causes_invalid(struct schema_causes *causes, const char *field, const json_t *value,
						   const char *rule, ...)
{
	va_list arguments;
	char *text = NULL;
	va_start(arguments, rule);
	if (vasprintf(&text, rule, arguments) < 0)
		abort();
	va_end(arguments);
	HC_AUTO_TEXT shown = {0};
	schema_value_text(value, &shown);
	schema_causes_add(causes, field, "FieldValueInvalid", "Invalid value: %s: %s", hc_text_string(&shown),
					  text);
	free(text);
}

void schema_causes_done(struct schema_causes *causes)
{
	for (size_t i = 0; i < causes->count; i++) {
		free(causes->items[i].field);
		free(causes->items[i].reason);
		free(causes->items[i].message);
	}
	*causes = (struct schema_causes){0};
}

/* Members that read well after a dot; others stand in brackets, as metadata.labels["app.kubernetes.io/name"].
 */
static bool reads_plain(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
	return length > 0 && name[length] == '\0' && length <= SHOWN_BYTES_MAX;
}

void schema_path_member(struct hc_text *path, const char *name)
{
	if (reads_plain(name)) {
		hc_text_printf(path, "%s%s", path->length ? "." : "", name);
		return;
	}
	HC_AUTO_TEXT shown = {0};
	append_cut(&shown, name, SHOWN_BYTES_MAX);
	hc_text_append(path, "[");
	hc_text_append_json_string(path, hc_text_string(&shown));
	hc_text_append(path, "]");
}

void schema_path_index(struct hc_text *path, size_t index)
{
	hc_text_printf(path, "[%zu]", index);
}

void schema_path_cut(struct hc_text *path, size_t length)
{
	if (path->data && length <= path->length) {
		path->data[length] = '\0';
		path->length = length;
	}
}
