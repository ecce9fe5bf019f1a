/* See the header. One table of fields a message; nesting is that of the tables, never of the input. */
#include "api_protobuf.h"

#include "base/text.h"
#include <stdint.h>
#include <string.h>

enum type { TEXT, BOOL, NUMBER, TEXTS, TEXT_MAP, BYTES_MAP, MESSAGE, MESSAGES };

struct message;

struct field {
	uint64_t number;
	const char *name;
	enum type type;
	const struct message *message;
};

struct message {
	const struct field *fields;
	size_t count;
};

#define DEFINE(name, ...)                                                                                    \
	static const struct field name##_fields[] = {__VA_ARGS__};                                               \
	static const struct message name = {name##_fields, HC_COUNT(name##_fields)}

DEFINE(owner_reference, {1, "kind", TEXT, NULL}, {3, "name", TEXT, NULL}, {4, "uid", TEXT, NULL},
	   {5, "apiVersion", TEXT, NULL}, {6, "controller", BOOL, NULL}, {7, "blockOwnerDeletion", BOOL, NULL});
DEFINE(object_meta, {1, "name", TEXT, NULL}, {2, "generateName", TEXT, NULL}, {3, "namespace", TEXT, NULL},
	   {5, "uid", TEXT, NULL}, {6, "resourceVersion", TEXT, NULL}, {11, "labels", TEXT_MAP, NULL},
	   {12, "annotations", TEXT_MAP, NULL}, {13, "ownerReferences", MESSAGES, &owner_reference},
	   {14, "finalizers", TEXTS, NULL});
DEFINE(namespace, {1, "metadata", MESSAGE, &object_meta});
DEFINE(secret, {1, "metadata", MESSAGE, &object_meta}, {2, "data", BYTES_MAP, NULL}, {3, "type", TEXT, NULL},
	   {4, "stringData", TEXT_MAP, NULL}, {5, "immutable", BOOL, NULL});
DEFINE(resource_attributes, {1, "namespace", TEXT, NULL}, {2, "verb", TEXT, NULL}, {3, "group", TEXT, NULL},
	   {4, "version", TEXT, NULL}, {5, "resource", TEXT, NULL}, {6, "subresource", TEXT, NULL},
	   {7, "name", TEXT, NULL});
DEFINE(non_resource_attributes, {1, "path", TEXT, NULL}, {2, "verb", TEXT, NULL});
DEFINE(access_spec, {1, "resourceAttributes", MESSAGE, &resource_attributes},
	   {2, "nonResourceAttributes", MESSAGE, &non_resource_attributes});
DEFINE(access_review, {1, "metadata", MESSAGE, &object_meta}, {2, "spec", MESSAGE, &access_spec});
DEFINE(rules_spec, {1, "namespace", TEXT, NULL});
DEFINE(rules_review, {1, "metadata", MESSAGE, &object_meta}, {2, "spec", MESSAGE, &rules_spec});
DEFINE(subject_review, {1, "metadata", MESSAGE, &object_meta});
DEFINE(preconditions, {1, "uid", TEXT, NULL}, {2, "resourceVersion", TEXT, NULL});
DEFINE(delete_options, {1, "gracePeriodSeconds", NUMBER, NULL}, {2, "preconditions", MESSAGE, &preconditions},
	   {3, "orphanDependents", BOOL, NULL}, {4, "propagationPolicy", TEXT, NULL}, {5, "dryRun", TEXTS, NULL});

static const struct {
	const char *kind;
	const struct message *message;
} kinds[] = {
	{"Namespace", &namespace},
	{"Secret", &secret},
	{"SelfSubjectAccessReview", &access_review},
	{"SelfSubjectRulesReview", &rules_review},
	{"SelfSubjectReview", &subject_review},
	{"DeleteOptions", &delete_options},
};

/* --- the wire --- */

struct wire {
	const unsigned char *at;
	const unsigned char *end;
};

struct item {
	uint64_t number;
	uint64_t value;    /* of a varint */
	struct wire bytes; /* of what has a length; at NULL else */
};

static bool varint(struct wire *wire, uint64_t *ret_value)
{
	*ret_value = 0;
	for (unsigned shift = 0; wire->at < wire->end && shift < 64; shift += 7) {
		unsigned char byte = *wire->at++;
		*ret_value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

/* 1: an item; 0: the end; -1: broken. */
static int next(struct wire *wire, struct item *item)
{
	uint64_t key, length = 0;

	*item = (struct item){0};
	if (wire->at == wire->end)
		return 0;
	if (!varint(wire, &key))
		return -1;
	item->number = key >> 3;
	switch (key & 7) {
	case 0:
		return varint(wire, &item->value) ? 1 : -1;
	case 1:
		length = 8;
		break;
	case 2:
		if (!varint(wire, &length))
			return -1;
		break;
	case 5:
		length = 4;
		break;
	default:
		return -1;
	}
	if (length > (uint64_t)(wire->end - wire->at))
		return -1;
	if ((key & 7) == 2)
		item->bytes = (struct wire){wire->at, wire->at + length};
	wire->at += length;
	return 1;
}

/* --- values --- */

static json_t *text_value(struct wire bytes)
{
	/* NULL for what is not UTF-8. */
	return json_stringn((const char *)bytes.at, (size_t)(bytes.end - bytes.at));
}

/* Bytes are base64 in JSON, RFC 4648. */
static json_t *base64_value(struct wire bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	HC_AUTO_TEXT text = {0};

	hc_text_append(&text, "");
	for (const unsigned char *at = bytes.at; at < bytes.end; at += 3) {
		size_t left = (size_t)(bytes.end - at);
		unsigned group = (unsigned)at[0] << 16 | (left > 1 ? (unsigned)at[1] << 8 : 0) |
						 (left > 2 ? (unsigned)at[2] : 0);
		char four[4] = {digits[group >> 18], digits[group >> 12 & 63],
						left > 1 ? digits[group >> 6 & 63] : '=', left > 2 ? digits[group & 63] : '='};
		hc_text_append_bytes(&text, four, sizeof(four));
	}
	return json_string(hc_text_string(&text));
}

/* A map's entry: 1 key, 2 value. */
static int add_entry(json_t *map, struct wire entry, bool bytes)
{
	struct wire key = {entry.at, entry.at}, value = {entry.at, entry.at};
	struct item item;
	int more;

	while ((more = next(&entry, &item)) > 0) {
		if (item.number == 1 && item.bytes.at)
			key = item.bytes;
		else if (item.number == 2 && item.bytes.at)
			value = item.bytes;
	}
	json_t *name = text_value(key);
	json_t *content = bytes ? base64_value(value) : text_value(value);
	int result = more == 0 && name && content &&
						 json_object_set(map, json_string_value(name), content) == 0 &&
						 strlen(json_string_value(name)) == json_string_length(name)
					 ? 0
					 : -1;
	json_decref(name);
	json_decref(content);
	return result;
}

static json_t *decode(struct wire wire, const struct message *message);

/* The member of that name, made when it is missing. Borrowed. */
static json_t *member(json_t *object, const char *name, json_t *(*make)(void))
{
	json_t *value = json_object_get(object, name);

	if (!value) {
		value = make();
		json_object_set_new(object, name, value);
	}
	return value;
}

static int add(json_t *object, const struct field *field, const struct item *item)
{
	bool flat = field->type == BOOL || field->type == NUMBER;

	if (flat == (item->bytes.at != NULL))
		return -1;
	switch (field->type) {
	case TEXT:
		return json_object_set_new(object, field->name, text_value(item->bytes));
	case BOOL:
		return json_object_set_new(object, field->name, json_boolean(item->value));
	case NUMBER:
		return json_object_set_new(object, field->name, json_integer((json_int_t)item->value));
	case TEXTS:
		return json_array_append_new(member(object, field->name, json_array), text_value(item->bytes));
	case TEXT_MAP:
	case BYTES_MAP:
		return add_entry(member(object, field->name, json_object), item->bytes, field->type == BYTES_MAP);
	case MESSAGE:
		return json_object_set_new(object, field->name, decode(item->bytes, field->message));
	case MESSAGES:
		return json_array_append_new(member(object, field->name, json_array),
									 decode(item->bytes, field->message));
	}
	return -1;
}

/* NULL when it is broken. */
static json_t *decode(struct wire wire, const struct message *message)
{
	json_t *object = json_object();
	struct item item;
	int more;

	while ((more = next(&wire, &item)) > 0) {
		for (size_t index = 0; index < message->count; index++) {
			const struct field *field = &message->fields[index];
			if (field->number == item.number && add(object, field, &item)) {
				json_decref(object);
				return NULL;
			}
		}
	}
	if (more == 0)
		return object;
	json_decref(object);
	return NULL;
}

/* --- the envelope: k8s\0 and runtime.Unknown { 1: TypeMeta, 2: raw } --- */

DEFINE(type_meta, {1, "apiVersion", TEXT, NULL}, {2, "kind", TEXT, NULL});

json_t *api_protobuf_decode(const void *data, size_t length, struct hc_error *err)
{
	static const char magic[4] = {'k', '8', 's', '\0'};
	struct wire wire = {data, (const unsigned char *)data + length};
	struct wire raw = {wire.end, wire.end};
	json_t *type = NULL;
	struct item item;
	int more = -1;

	if (length >= sizeof(magic) && memcmp(data, magic, sizeof(magic)) == 0) {
		wire.at += sizeof(magic);
		while ((more = next(&wire, &item)) > 0) {
			if (item.number == 1 && item.bytes.at) {
				json_decref(type);
				type = decode(item.bytes, &type_meta);
			} else if (item.number == 2 && item.bytes.at) {
				raw = item.bytes;
			}
		}
	}
	json_t *object = NULL;
	const char *kind = json_string_value(json_object_get(type, "kind"));
	bool known = false;
	for (size_t index = 0; more == 0 && index < HC_COUNT(kinds); index++) {
		if (!hc_streq(kinds[index].kind, kind))
			continue;
		known = true;
		object = decode(raw, kinds[index].message);
	}
	if (object)
		json_object_update(object, type);
	else
		(void)hc_fail(err, HC_INVALID, "the body is no protobuf of a kind that is read so%s%s",
					  known ? "" : ": ",
					  known  ? ""
					  : kind ? kind
							 : "no envelope");
	json_decref(type);
	return object;
}
