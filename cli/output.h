/* What the client commands print: tables for people, JSON and YAML for programs. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "arguments.h"
#include <jansson.h>

/* Columns are padded to their widest cell; the last one is not. Cells are copied. */
struct table;
struct table *table_new(const char *const *columns, size_t column_count);
void table_add(struct table *table, const char *const *cells); /* column_count of them */
void table_print(const struct table *table);                   /* header only when there is a row */
size_t table_rows(const struct table *table);
void table_free(struct table *table); /* accepts NULL */
HC_DEFINE_CLEANUP(table, table_free)

/* Prints a value as JSON (indented by 2) or YAML. Not for OUTPUT_TABLE. */
void output_value(const json_t *value, enum output_format format);

/* Tables of lists of our kinds; also of a single object. */
void output_objects(const char *plural, const json_t *list, bool with_namespace);
void output_events(const json_t *list, const char *involved_name); /* NULL: of all objects */

#endif
