/* A schema in its compiled form: what the checker, the defaults and server-side apply walk beside a value.
 *
 * Private to lib/schema. The tree is made by schema_load(), owned by its kind and never changed after, so any
 * thread may read it. A node describes one place of an object: `.spec.env[*].value` has one node for all
 * items. The walk: start at schema_kind_node(), go down with schema_node_property() for members of an object
 * and with node->items for items of a list. A NULL node means "nothing is known here" (below
 * preserve_unknown): objects are then merged member by member and lists are atomic. */
#ifndef SCHEMA_NODE_H
#define SCHEMA_NODE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum schema_type {
	SCHEMA_ANY, /* no type given: x-kubernetes-preserve-unknown-fields or int-or-string */
	SCHEMA_OBJECT,
	SCHEMA_ARRAY,
	SCHEMA_STRING,
	SCHEMA_INTEGER,
	SCHEMA_NUMBER,
	SCHEMA_BOOLEAN,
};

/* x-kubernetes-list-type. A list without it is atomic. */
enum schema_list_type { SCHEMA_LIST_ATOMIC, SCHEMA_LIST_SET, SCHEMA_LIST_MAP };

enum schema_format { SCHEMA_FORMAT_NONE, SCHEMA_FORMAT_DATE_TIME, SCHEMA_FORMAT_QUANTITY };

struct schema_node;

struct schema_property {
	const char *name; /* owned by the definition */
	struct schema_node *node;
};

struct schema_node {
	enum schema_type type;
	enum schema_format format;
	bool int_or_string;    /* x-kubernetes-int-or-string: integer or text, type is SCHEMA_ANY */
	bool nullable;         /* null is a value here; elsewhere a null member counts as absent */
	bool preserve_unknown; /* x-kubernetes-preserve-unknown-fields: unknown members are kept, and not looked
							  at */
	bool atomic_map;       /* x-kubernetes-map-type: atomic: one value for ownership */

	/* SCHEMA_OBJECT */
	struct schema_property *properties; /* sorted by name */
	size_t property_count;
	struct schema_node *additional; /* additionalProperties: the node of every free-form member; NULL: none */
	const char **required;          /* names of members that must be there */
	size_t required_count;

	/* SCHEMA_ARRAY */
	struct schema_node *items;
	enum schema_list_type list_type;
	const char **keys; /* SCHEMA_LIST_MAP: names of the members that identify an item */
	size_t key_count;

	/* Bounds; a limit that is not given is -1 for lengths and INT64_MIN/MAX for numbers. */
	int64_t minimum;
	int64_t maximum;
	int64_t length_min; /* characters */
	int64_t length_max;
	int64_t items_min; /* items of a list, members of an object */
	int64_t items_max;
	pcre2_code *pattern;      /* NULL: none */
	const char *pattern_text; /* as written */
	char *hint; /* "must be …" for people: the sentence of the description that begins with "Must" */

	const json_t *default_value; /* borrowed from the definition; NULL: none. Copy it before use */
	const json_t *enum_values;   /* an array, borrowed from the definition; NULL: none */
};

struct schema_kind;

/* The whole object: apiVersion, kind, metadata, spec, status. Never NULL. */
const struct schema_node *schema_kind_node(const struct schema_kind *kind);
/* The node of a member: of properties, else of additionalProperties, else NULL. node may be NULL. */
const struct schema_node *schema_node_property(const struct schema_node *node, const char *name);

#endif
