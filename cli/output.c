/* See output.h. One table of columns a kind: a title and a function that fills the cell. */
#include "output.h"
#include "base/alloc.h"
#include "base/text.h"
#include "client.h"
#include "schema/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELL_SIZE 512
#define COMMIT_DIGITS 10

struct table {
	size_t column_count;
	size_t row_count;
	size_t *widths;
	char **cells; /* row_count + 1 rows; the first is the header */
};

static void add_row(struct table *table, const char *const *cells)
{
	size_t first = table->row_count * table->column_count;

	table->cells = hc_xrealloc_array(table->cells, first + table->column_count, sizeof(char *));
	for (size_t column = 0; column < table->column_count; column++) {
		table->cells[first + column] = hc_xstrdup(cells[column]);
		if (strlen(cells[column]) > table->widths[column])
			table->widths[column] = strlen(cells[column]);
	}
	table->row_count++;
}

struct table *table_new(const char *const *columns, size_t column_count)
{
	struct table *table = hc_xalloc(sizeof *table);

	table->column_count = column_count;
	table->widths = hc_xalloc(column_count * sizeof(size_t));
	add_row(table, columns);
	return table;
}

void table_add(struct table *table, const char *const *cells)
{
	add_row(table, cells);
}

size_t table_rows(const struct table *table)
{
	return table->row_count - 1;
}

void table_print(const struct table *table)
{
	for (size_t row = 0; table_rows(table) && row < table->row_count; row++) {
		for (size_t column = 0; column < table->column_count; column++) {
			const char *cell = table->cells[row * table->column_count + column];

			if (column + 1 == table->column_count)
				printf("%s\n", cell);
			else
				printf("%-*s  ", (int)table->widths[column], cell);
		}
	}
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t index = 0; index < table->row_count * table->column_count; index++)
		free(table->cells[index]);
	free(table->cells);
	free(table->widths);
	free(table);
}

void output_value(const json_t *value, enum output_format format)
{
	if (format == OUTPUT_JSON) {
		(void)json_dumpf(value, stdout, JSON_INDENT(2));
		printf("\n");
	} else {
		HC_AUTO_FREE text = schema_dump_yaml(value);

		fputs(text, stdout);
	}
}

typedef void fill_cell(const json_t *object, char cell[CELL_SIZE]);

static void fill(char cell[CELL_SIZE], const char *text)
{
	(void)snprintf(cell, CELL_SIZE, "%s", *text ? text : "-");
}

static void cell_namespace(const json_t *object, char cell[CELL_SIZE])
{
	fill(cell, json_text_at(object, "metadata", "namespace", NULL));
}

static void cell_name(const json_t *object, char cell[CELL_SIZE])
{
	fill(cell, json_text_at(object, "metadata", "name", NULL));
}

static void cell_age(const json_t *object, char cell[CELL_SIZE])
{
	client_age(json_text_at(object, "metadata", "creationTimestamp", NULL), cell, CELL_SIZE);
}

static void cell_url(const json_t *object, char cell[CELL_SIZE])
{
	fill(cell, json_text_at(object, "status", "url", NULL));
}

static void cell_phase(const json_t *object, char cell[CELL_SIZE])
{
	fill(cell, json_text_at(object, "status", "phase", NULL));
}

static void cell_ready(const json_t *object, char cell[CELL_SIZE])
{
	(void)snprintf(cell, CELL_SIZE, "%lld/%lld",
				   (long long)json_number_at(object, "status", "readyReplicas", NULL),
				   (long long)json_number_at(object, "spec", "replicas", NULL));
}

/* Why it isn't as wanted: the Ready condition's reason and sentence, or nothing when it is. */
static void cell_why(const json_t *object, char cell[CELL_SIZE])
{
	const json_t *ready = json_condition(object, "Ready");
	const char *message = json_text_at(ready, "message", NULL);

	if (!ready || strcmp(json_text_at(ready, "status", NULL), "True") == 0) {
		fill(cell, json_text_at(ready, "reason", NULL));
		return;
	}
	(void)snprintf(cell, CELL_SIZE, "%s%s%s", json_text_at(ready, "reason", NULL), *message ? ": " : "",
				   message);
}

static void cell_source(const json_t *object, char cell[CELL_SIZE])
{
	const char *image = json_text_at(object, "spec", "image", NULL);

	fill(cell, *image ? image : json_text_at(object, "spec", "repoUrl", NULL));
}

static void cell_service(const json_t *object, char cell[CELL_SIZE])
{
	fill(cell, json_text_at(object, "spec", "service", NULL));
}

static void cell_stage(const json_t *object, char cell[CELL_SIZE])
{
	const char *reason = json_text_at(object, "status", "reason", NULL);

	(void)snprintf(cell, CELL_SIZE, "%s%s%s", json_text_at(object, "status", "stage", NULL),
				   *reason ? "/" : "", reason);
}

/* A commit is told as Git does in lists. */
static void cell_commit(const json_t *object, char cell[CELL_SIZE])
{
	(void)snprintf(cell, CELL_SIZE, "%.*s", COMMIT_DIGITS, json_text_at(object, "spec", "commit", NULL));
}

static void cell_deployed(const json_t *object, char cell[CELL_SIZE])
{
	const char *image = json_text_at(object, "spec", "template", "image", NULL);

	if (*image)
		fill(cell, image);
	else
		(void)snprintf(cell, CELL_SIZE, "%.*s", COMMIT_DIGITS,
					   json_text_at(object, "spec", "commitHash", NULL));
}

static void cell_attempt(const json_t *object, char cell[CELL_SIZE])
{
	(void)snprintf(cell, CELL_SIZE, "%lld", (long long)json_number_at(object, "status", "attempt", NULL));
}

static void cell_message(const json_t *object, char cell[CELL_SIZE])
{
	fill(cell, json_text_at(object, "status", "message", NULL));
}

static void cell_type(const json_t *object, char cell[CELL_SIZE])
{
	fill(cell, json_text_at(object, "type", NULL));
}

static void cell_keys(const json_t *object, char cell[CELL_SIZE])
{
	HC_AUTO_TEXT keys = {0};
	const char *key;
	json_t *value;

	json_object_foreach(json_object_get(object, "data"), key, value)
	{
		hc_text_printf(&keys, "%s%s", keys.length ? " " : "", key);
	}
	fill(cell, hc_text_string(&keys));
}

static const struct column {
	const char *plural; /* NULL: of every other kind */
	const char *title;
	fill_cell *fill;
} columns[] = {
	{"services", "NAME", cell_name},
	{"services", "URL", cell_url},
	{"services", "STATUS", cell_phase},
	{"services", "READY", cell_ready},
	{"services", "SOURCE", cell_source},
	{"services", "AGE", cell_age},
	{"services", "WHY", cell_why},
	{"deployments", "NAME", cell_name},
	{"deployments", "SERVICE", cell_service},
	{"deployments", "STATUS", cell_phase},
	{"deployments", "STAGE", cell_stage},
	{"deployments", "SOURCE", cell_deployed},
	{"deployments", "AGE", cell_age},
	{"deployments", "MESSAGE", cell_message},
	{"builds", "NAME", cell_name},
	{"builds", "SERVICE", cell_service},
	{"builds", "STATUS", cell_phase},
	{"builds", "COMMIT", cell_commit},
	{"builds", "ATTEMPT", cell_attempt},
	{"builds", "AGE", cell_age},
	{"builds", "MESSAGE", cell_message},
	{"secrets", "NAME", cell_name},
	{"secrets", "TYPE", cell_type},
	{"secrets", "AGE", cell_age},
	{"secrets", "KEYS", cell_keys},
	{"namespaces", "NAME", cell_name},
	{"namespaces", "STATUS", cell_phase},
	{"namespaces", "AGE", cell_age},
	{NULL, "NAME", cell_name},
	{NULL, "AGE", cell_age},
};
#define COLUMNS_MAX 8

static bool has_columns(const char *plural)
{
	for (size_t index = 0; index < HC_COUNT(columns); index++) {
		if (columns[index].plural && strcmp(columns[index].plural, plural) == 0)
			return true;
	}
	return false;
}

static size_t choose_columns(const char *plural, bool with_namespace, struct column chosen[COLUMNS_MAX])
{
	const char *rows_of = has_columns(plural) ? plural : NULL;
	size_t count = 0;

	if (with_namespace)
		chosen[count++] = (struct column){plural, "NAMESPACE", cell_namespace};
	for (size_t index = 0; index < HC_COUNT(columns) && count < COLUMNS_MAX; index++) {
		if (hc_streq(columns[index].plural, rows_of))
			chosen[count++] = columns[index];
	}
	return count;
}

static void add_object(struct table *table, const struct column *chosen, size_t count, const json_t *object)
{
	char cells[COLUMNS_MAX][CELL_SIZE];
	const char *texts[COLUMNS_MAX];

	for (size_t column = 0; column < count; column++) {
		chosen[column].fill(object, cells[column]);
		texts[column] = cells[column];
	}
	table_add(table, texts);
}

void output_objects(const char *plural, const json_t *list, bool with_namespace)
{
	struct column chosen[COLUMNS_MAX];
	const char *titles[COLUMNS_MAX];
	size_t count = choose_columns(plural, with_namespace, chosen);
	const json_t *items = json_object_get(list, "items");
	HC_AUTO(table) table = NULL;
	const json_t *object;
	size_t index;

	for (size_t column = 0; column < count; column++)
		titles[column] = chosen[column].title;
	table = table_new(titles, count);
	if (!items)
		add_object(table, chosen, count, list);
	json_array_foreach(items, index, object)
	{
		add_object(table, chosen, count, object);
	}
	if (!table_rows(table))
		fprintf(stderr, "no %s\n", plural);
	table_print(table);
}

static int compare_event_time(const void *left, const void *right)
{
	const json_t *const *left_event = left;
	const json_t *const *right_event = right;

	return strcmp(json_text_at(*left_event, "lastTimestamp", NULL),
				  json_text_at(*right_event, "lastTimestamp", NULL));
}

static bool involves(const json_t *event, const char *name)
{
	const char *involved = json_text_at(event, "involvedObject", "name", NULL);
	size_t length = strlen(name);

	/* A Service's Deployments are NAME-rN: their events are part of its story. */
	return strcmp(involved, name) == 0 ||
		   (strncmp(involved, name, length) == 0 && strncmp(involved + length, "-r", 2) == 0 &&
			strspn(involved + length + 2, "0123456789") == strlen(involved + length + 2));
}

void output_events(const json_t *list, const char *involved_name)
{
	static const char *const titles[] = {"LAST", "TYPE", "REASON", "OBJECT", "COUNT", "MESSAGE"};
	HC_AUTO(table) table = table_new(titles, HC_COUNT(titles));
	const json_t *items = json_object_get(list, "items");
	size_t count = json_array_size(items);
	const json_t **sorted = hc_xalloc((count + 1) * sizeof *sorted);

	for (size_t index = 0; index < count; index++)
		sorted[index] = json_array_get(items, index);
	qsort(sorted, count, sizeof *sorted, compare_event_time);
	for (size_t index = 0; index < count; index++) {
		char age[32];
		char object[CELL_SIZE];
		char times[32];
		const char *cells[HC_COUNT(titles)];

		if (involved_name && !involves(sorted[index], involved_name))
			continue;
		client_age(json_text_at(sorted[index], "lastTimestamp", NULL), age, sizeof age);
		(void)snprintf(object, sizeof object, "%s/%s",
					   json_text_at(sorted[index], "involvedObject", "kind", NULL),
					   json_text_at(sorted[index], "involvedObject", "name", NULL));
		(void)snprintf(times, sizeof times, "%lld", (long long)json_number_at(sorted[index], "count", NULL));
		cells[0] = age;
		cells[1] = json_text_at(sorted[index], "type", NULL);
		cells[2] = json_text_at(sorted[index], "reason", NULL);
		cells[3] = object;
		cells[4] = times;
		cells[5] = json_text_at(sorted[index], "message", NULL);
		table_add(table, cells);
	}
	free(sorted);
	if (!table_rows(table))
		fputs("no events\n", stderr);
	table_print(table);
}
