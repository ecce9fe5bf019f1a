/* What Kubernetes asks of names, labels and annotations. Types and lengths are checked by schema_check.c
 * beside the schema in core/objectmeta.yaml; here is the syntax. Values of a wrong type are skipped, they
 * were reported. */
#include "schema_internal.h"

#include "base/text.h"
#include <ctype.h>
#include <string.h>

#define LABEL_VALUE_BYTES_MAX 63
#define KEY_PREFIX_BYTES_MAX 253
#define ANNOTATION_BYTES_MAX (256U * 1024) /* all keys and values together, as in Kubernetes */

static bool is_lower_alnum(char character)
{
	return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9');
}

static bool is_alnum(char character)
{
	return isalnum((unsigned char)character) && (unsigned char)character < 0x80;
}

/* length bytes: lower-case letters and digits, also one of `inner` between the first and the last. */
static bool is_word(const char *text, size_t length, const char *inner, bool lower)
{
	if (length == 0)
		return false;
	for (size_t i = 0; i < length; i++) {
		bool letter = lower ? is_lower_alnum(text[i]) : is_alnum(text[i]);
		if (!letter && (i == 0 || i == length - 1 || !text[i] || !strchr(inner, text[i])))
			return false;
	}
	return true;
}

bool schema_label_valid(const char *text)
{
	size_t length = strlen(text);
	return length <= HC_LIMIT_NAME_BYTES && is_word(text, length, "-", true);
}

/* Labels with dots between them. */
static bool subdomain_valid(const char *text, size_t length)
{
	if (length == 0 || length > KEY_PREFIX_BYTES_MAX)
		return false;
	size_t start = 0;
	for (size_t i = 0; i <= length; i++) {
		if (i < length && text[i] != '.')
			continue;
		if (!is_word(text + start, i - start, "-", true))
			return false;
		start = i + 1;
	}
	return true;
}

/* "name" or "example.org/name" */
static bool qualified_valid(const char *text)
{
	const char *slash = strchr(text, '/');
	if (slash && !subdomain_valid(text, (size_t)(slash - text)))
		return false;
	const char *name = slash ? slash + 1 : text;
	size_t length = strlen(name);
	return length <= LABEL_VALUE_BYTES_MAX && is_word(name, length, "-_.", false);
}

static const char qualified_rule[] = "must be a name of at most 63 letters, digits, \"-\", \"_\" and \".\", "
									 "begin and end with a letter or digit, and may "
									 "have a domain and \"/\" before it";

static void check_name(const struct schema_node *node, const json_t *metadata, struct schema_causes *causes)
{
	const json_t *name = json_object_get(metadata, "name");
	const struct schema_node *name_node = schema_node_property(node, "name");
	/* A kind whose file has a pattern for names was checked by it. */
	if (!json_is_string(name) || name_node->pattern)
		return;
	const char *text = json_string_value(name);
	if (!is_word(text, strlen(text), "-", true))
		schema_causes_invalid(
			causes, "metadata.name", name,
			"must be a DNS label: lower-case letters, digits and \"-\", beginning and ending with a "
			"letter or digit");
}

static void check_namespace(const json_t *metadata, struct schema_causes *causes)
{
	const json_t *name = json_object_get(metadata, "namespace");
	const char *text = json_string_value(name);
	if (text && *text && !is_word(text, strlen(text), "-", true))
		schema_causes_invalid(
			causes, "metadata.namespace", name,
			"must be a DNS label: lower-case letters, digits and \"-\", beginning and ending with a "
			"letter or digit");
}

static void check_key(const char *field, const char *key, struct schema_causes *causes)
{
	if (qualified_valid(key))
		return;
	json_t *shown = json_string(key);
	schema_causes_invalid(causes, field, shown, "%s", qualified_rule);
	json_decref(shown);
}

static void check_labels(const json_t *metadata, struct schema_causes *causes)
{
	const char *key = NULL;
	json_t *value = NULL;
	json_object_foreach(json_object_get(metadata, "labels"), key, value)
	{
		check_key("metadata.labels", key, causes);
		const char *text = json_string_value(value);
		if (!text || !*text)
			continue;
		size_t length = strlen(text);
		if (length > LABEL_VALUE_BYTES_MAX || !is_word(text, length, "-_.", false)) {
			HC_AUTO_TEXT path = {0};
			hc_text_append(&path, "metadata.labels");
			schema_path_member(&path, key);
			schema_causes_invalid(
				causes, hc_text_string(&path), value,
				"must be empty or at most 63 letters, digits, \"-\", \"_\" and \".\", beginning and "
				"ending with a letter or digit");
		}
	}
}

static void check_annotations(const json_t *metadata, struct schema_causes *causes)
{
	size_t bytes = 0;
	const char *key = NULL;
	json_t *value = NULL;
	json_object_foreach(json_object_get(metadata, "annotations"), key, value)
	{
		check_key("metadata.annotations", key, causes);
		bytes += strlen(key) + json_string_length(value);
	}
	if (bytes > ANNOTATION_BYTES_MAX)
		schema_causes_add(causes, "metadata.annotations", "FieldValueTooLong",
						  "Too long: all annotations together must have at most %u bytes",
						  ANNOTATION_BYTES_MAX);
}

static void check_finalizers(const json_t *metadata, struct schema_causes *causes)
{
	size_t index = 0;
	json_t *value = NULL;
	json_array_foreach(json_object_get(metadata, "finalizers"), index, value)
	{
		HC_AUTO_TEXT path = {0};
		hc_text_append(&path, "metadata.finalizers");
		schema_path_index(&path, index);
		if (json_is_string(value))
			check_key(hc_text_string(&path), json_string_value(value), causes);
	}
}

void schema_check_metadata(const struct schema_node *node, const json_t *metadata,
						   struct schema_causes *causes)
{
	check_name(node, metadata, causes);
	check_namespace(metadata, causes);
	check_labels(metadata, causes);
	check_annotations(metadata, causes);
	check_finalizers(metadata, causes);
}
