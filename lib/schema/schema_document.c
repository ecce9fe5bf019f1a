/* A stream of documents as users send it. Bytes are checked first (UTF-8, NUL), then JSON goes to jansson and
 * all else to schema_yaml.c; both hand complete values to schema_stream_add(). */
#include "schema_internal.h"

#include "base/alloc.h"
#include <stdlib.h>
#include <string.h>

static int keep(struct schema_stream *stream, json_t *value, int line, struct hc_error *err)
{
	struct schema_documents *documents = &stream->documents;
	if (!json_is_object(value)) {
		json_decref(value);
		return hc_fail(err, HC_INVALID, "line %d: a document must be a mapping with apiVersion and kind",
					   line);
	}
	if (documents->count == HC_LIMIT_DOCUMENTS_PER_STREAM) {
		json_decref(value);
		return hc_fail(err, HC_INVALID, "line %d: more than %d documents", line,
					   HC_LIMIT_DOCUMENTS_PER_STREAM);
	}
	/* The list doubles at powers of two, so that no size is kept. */
	size_t count = documents->count;
	if ((count & (count - 1)) == 0)
		documents->items = hc_xrealloc_array(documents->items, count ? 2 * count : 1,
											 sizeof(*documents->items));
	documents->items[count] = (struct schema_document){.value = value, .line = line, .index = (int)count};
	documents->count++;
	return 0;
}

int schema_stream_add(struct schema_stream *stream, json_t *value, int line, struct hc_error *err)
{
	if (!value || json_is_null(value)) {
		json_decref(value);
		return 0;
	}
	const char *kind = json_string_value(json_object_get(value, "kind"));
	const json_t *items = json_object_get(value, "items");
	if (!kind || !hc_ends_with(kind, "List") || !json_is_array(items))
		return keep(stream, value, line, err);

	int result = 0;
	for (size_t i = 0; i < json_array_size(items) && result == 0; i++)
		result = keep(stream, json_incref(json_array_get(items, i)), line, err);
	json_decref(value);
	return result;
}

/* Walks forward only, so that many documents cost one pass over the text. */
struct position {
	const char *at;
	int line;
	int column; /* in characters */
};

static void position_move(struct position *position, const char *place)
{
	for (; position->at < place; position->at++) {
		if (*position->at == '\n') {
			position->line++;
			position->column = 1;
		} else if (((unsigned char)*position->at & 0xc0) != 0x80) {
			position->column++;
		}
	}
}

static size_t sequence_length(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xe0)
		return 2;
	return first < 0xf0 ? 3 : 4;
}

/* The first byte that is no UTF-8; length when all is. */
static size_t find_bad_byte(const char *text, size_t length)
{
	size_t at = 0;
	if (hc_utf8_valid(text, length))
		return length;
	while (at < length) {
		size_t next = sequence_length((unsigned char)text[at]);
		if (next > length - at || !hc_utf8_valid(text + at, next))
			break;
		at += next;
	}
	return at;
}

static int check_bytes(const char *text, size_t length, struct hc_error *err)
{
	struct position position = {.at = text, .line = 1, .column = 1};
	size_t bad = find_bad_byte(text, length);
	const char *nul = memchr(text, '\0', bad);
	if (!nul && bad == length)
		return 0;
	position_move(&position, nul ? nul : text + bad);
	if (nul)
		return hc_fail(err, HC_INVALID, "line %d, column %d: a NUL byte", position.line, position.column);
	return hc_fail(err, HC_INVALID, "line %d, column %d: byte 0x%02x is not UTF-8", position.line,
				   position.column, (unsigned char)text[bad]);
}

/* Counts values and levels of collections; the recursion is bounded by jansson's own limit of 2048 levels. */
static bool size_fits(const json_t *value, int depth, size_t *nodes)
{
	bool collection = json_is_object(value) || json_is_array(value);
	if (++*nodes > HC_LIMIT_DOCUMENT_NODES || (collection && depth > HC_LIMIT_DOCUMENT_DEPTH))
		return false;
	void *iterator = json_object_iter((json_t *)value);
	for (; iterator; iterator = json_object_iter_next((json_t *)value, iterator))
		if (!size_fits(json_object_iter_value(iterator), depth + 1, nodes))
			return false;
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!size_fits(json_array_get(value, i), depth + 1, nodes))
			return false;
	return true;
}

/* Blanks, and the "---" lines that YAML tools put between JSON documents. */
static size_t skip_between(const char *text, size_t length, size_t at)
{
	for (;;) {
		while (at < length && strchr(" \t\r\n", text[at]))
			at++;
		if (length - at >= 3 && memcmp(text + at, "---", 3) == 0 && at > 0 && text[at - 1] == '\n')
			at += 3;
		else
			return at;
	}
}

/* jansson counts from where it began to read. */
static int fail_json(const struct position *start, const json_error_t *problem, struct hc_error *err)
{
	enum json_error_code code = json_error_code(problem);
	bool nul = code == json_error_null_character || code == json_error_null_byte_in_key;
	/* What jansson says it is near to may be the value of a Secret, unless it speaks of a key. */
	const char *near = code == json_error_duplicate_key ? NULL : strstr(problem->text, " near '");
	const char *shown = nul ? "text must not contain NUL" : problem->text;
	int length = (int)(near && !nul ? (size_t)(near - problem->text) : strlen(shown));
	return hc_fail(err, HC_INVALID, "line %d, column %d: %.*s", start->line + problem->line - 1,
				   problem->line == 1 ? start->column + problem->column - 1 : problem->column, length, shown);
}

static int read_json(struct schema_stream *stream, const char *text, size_t length, struct hc_error *err)
{
	struct position position = {.at = text, .line = 1, .column = 1};
	for (size_t at = skip_between(text, length, 0); at < length; at = skip_between(text, length, at)) {
		position_move(&position, text + at);
		json_error_t problem;
		json_t *value = json_loadb(text + at, length - at, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK,
								   &problem);
		if (!value)
			return fail_json(&position, &problem, err);
		size_t nodes = 0;
		if (!size_fits(value, 1, &nodes)) {
			json_decref(value);
			if (nodes > HC_LIMIT_DOCUMENT_NODES)
				return hc_fail(err, HC_INVALID, "line %d, column %d: more than %d values in one document",
							   position.line, position.column, HC_LIMIT_DOCUMENT_NODES);
			return hc_fail(err, HC_INVALID, "line %d, column %d: nested deeper than %d levels", position.line,
						   position.column, HC_LIMIT_DOCUMENT_DEPTH);
		}
		if (schema_stream_add(stream, value, position.line, err) < 0)
			return -1;
		at += (size_t)problem.position;
	}
	return 0;
}

int schema_documents_parse(const char *text, size_t length, struct schema_documents *ret_documents,
						   struct hc_error *err)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	if (length >= 3 && memcmp(text, byte_order_mark, 3) == 0) {
		text += 3;
		length -= 3;
	}
	if (check_bytes(text, length, err) < 0)
		return -1;
	size_t start = 0;
	while (start < length && strchr(" \t\r\n", text[start]))
		start++;
	struct schema_stream stream = {0};
	int result = start < length && (text[start] == '{' || text[start] == '[')
					 ? read_json(&stream, text, length, err)
					 : schema_stream_yaml(&stream, text, length, err);
	if (result < 0) {
		schema_documents_done(&stream.documents);
		return -1;
	}
	*ret_documents = stream.documents;
	return 0;
}

void schema_documents_done(struct schema_documents *documents)
{
	for (size_t i = 0; i < documents->count; i++)
		json_decref(documents->items[i].value);
	free(documents->items);
	*documents = (struct schema_documents){0};
}
