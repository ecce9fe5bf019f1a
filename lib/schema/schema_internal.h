/* What the files of lib/schema share with each other. Private; schema_node.h has the compiled tree. */
#ifndef SCHEMA_INTERNAL_H
#define SCHEMA_INTERNAL_H

#include "base/text.h"
#include "schema.h"
#include "schema_node.h"

/* --- embedded files (schema_embedded.c)
 * ----------------------------------------------------------------------- */

struct schema_file {
	const char *name;
	const char *text; /* in the program's read-only data */
	const char *end;  /* one past the last byte */
};
#define SCHEMA_KIND_COUNT 9
extern const struct schema_file schema_file_objectmeta;
extern const struct schema_file schema_file_kinds[SCHEMA_KIND_COUNT];

/* --- compiling (schema_compile.c)
 * ----------------------------------------------------------------------------- */

/* schema is an OpenAPI v3 structural schema that must outlive the node. BUG for a keyword that nobody here
 * reads. */
int schema_compile(const json_t *schema, struct schema_node **ret_node, struct hc_error *err) HC_MUST_CHECK;
void schema_node_free(struct schema_node *node); /* accepts NULL */

/* --- documents
 * ------------------------------------------------------------------------------------------------ */

/* The stream under way: where results go and what is already used up. */
struct schema_stream {
	struct schema_documents documents;
	size_t alias_nodes; /* made by expanding aliases, in all documents together */
	size_t alias_bytes;
};
/* Takes value over, also on failure. Skips null, unfolds lists. */
int schema_stream_add(struct schema_stream *stream, json_t *value, int line, struct hc_error *err)
	HC_MUST_CHECK;
int schema_stream_yaml(struct schema_stream *stream, const char *text, size_t length, struct hc_error *err)
	HC_MUST_CHECK;

/* What a plain scalar is by the YAML 1.2 core schema. New reference, or NULL with *ret_problem: a number that
 * does not fit. */
json_t *schema_scalar_plain(const char *text, size_t length, const char **ret_problem);
/* Text that other YAML readers (1.1: yes, 012, 12:30, dates) would take for something else than text. */
bool schema_scalar_ambiguous(const char *text);

/* --- causes and texts (schema_cause.c)
 * ------------------------------------------------------------------------ */

/* A value as messages show it: compact JSON, cut to a readable length. */
void schema_value_text(const json_t *value, struct hc_text *text);
/* Adds "Invalid value: VALUE: rule". */
void schema_causes_invalid(struct schema_causes *causes, const char *field, const json_t *value,
						   const char *rule, ...) HC_PRINTF(4, 5);
/* A field path that grows and shrinks while a value is walked. */
void schema_path_member(struct hc_text *path, const char *name);
void schema_path_index(struct hc_text *path, size_t index);
void schema_path_cut(struct hc_text *path, size_t length);

/* --- parts of the check
 * --------------------------------------------------------------------------------------- */

/* Names, label keys and values, annotations (schema_metadata.c). */
void schema_check_metadata(const struct schema_node *node, const json_t *metadata,
						   struct schema_causes *causes);
bool schema_label_valid(const char *text); /* RFC 1123 label of at most 63 bytes */

/* A quantity, whole numbers or text, times scale and rounded up: memory with scale 1, cpu with scale 1000. -1
 * when the text is none, or beyond 64 bits. */
int schema_quantity_parse(const json_t *value, int64_t scale, int64_t *ret_value);
/* The shortest exact text: 536870912 → 512Mi. */
char *schema_quantity_memory_text(int64_t bytes); /* caller frees */
char *schema_quantity_cpu_text(int64_t millis);   /* caller frees */

/* --- model (schema_template.c)
 * -------------------------------------------------------------------------------- */

int schema_template_read(const json_t *object, struct hc_arena *arena, struct service_template *ret_template,
						 struct hc_error *err) HC_MUST_CHECK;
json_t *schema_template_json(const struct service_template *template);
struct moment schema_moment_read(const json_t *object, struct hc_arena *arena); /* not set when absent */
void schema_moment_set(json_t *object, const char *key, const struct moment *moment);
/* Member as text in the arena; NULL when absent, null or not text. */
const char *schema_text_read(const json_t *object, const char *key, struct hc_arena *arena);
int64_t schema_integer_read(const json_t *object, const char *key, int64_t fallback);
/* Sets a member unless text is NULL. */
void schema_text_set(json_t *object, const char *key, const char *text);

#endif
