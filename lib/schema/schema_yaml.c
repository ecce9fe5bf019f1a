/* YAML events of libyaml to JSON values.
 *
 * libyaml has no limit of its own on depth or on what aliases expand to, so both are counted here, and
 * reading stops at the first event that breaks one. Aliases are expanded by copying, because later steps
 * change values in place. An anchor can be used once its value is complete, so a value can't contain itself.
 * The stack of open collections is as deep as HC_LIMIT_DOCUMENT_DEPTH; nothing here recurses into user input.
 */
#include "schema_internal.h"

#include "base/alloc.h"
#include "base/map.h"
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* A value that has an anchor, and what a copy of it costs. */
struct anchor {
	json_t *value; /* borrowed: it is part of the document under construction */
	size_t nodes;
	size_t bytes;
	int depth;
};

/* An open mapping or sequence. */
struct frame {
	json_t *collection; /* owned */
	char *key;          /* owned; a mapping waits for the value of it; NULL: it waits for a key */
	char *anchor;       /* owned; name to register when it closes, or NULL */
	size_t nodes_before;
	size_t bytes_before;
	int depth_below; /* levels of collections below this one */
	yaml_mark_t mark;
};

struct builder {
	struct schema_stream *stream;
	struct frame frames[HC_LIMIT_DOCUMENT_DEPTH];
	int depth;
	size_t nodes; /* of the document */
	size_t bytes;
	struct hc_map *anchors; /* name → struct anchor, owned */
	json_t *root;           /* owned; the complete document */
	int line;               /* where it began */
	struct hc_error *err;
};

static int fail_at(struct builder *builder, yaml_mark_t mark, const char *rule)
{
	return hc_fail(builder->err, HC_INVALID, "line %zu, column %zu: %s", mark.line + 1, mark.column + 1,
				   rule);
}

static int anchor_keep(struct builder *builder, const char *name, const struct anchor *values,
					   yaml_mark_t mark)
{
	if (hc_map_count(builder->anchors) == HC_LIMIT_DOCUMENT_ANCHORS)
		return hc_fail(builder->err, HC_INVALID, "line %zu, column %zu: more than %d anchors in one document",
					   mark.line + 1, mark.column + 1, HC_LIMIT_DOCUMENT_ANCHORS);
	struct anchor *anchor = hc_xalloc(sizeof(*anchor));
	*anchor = *values;
	free(hc_map_remove(builder->anchors, name)); /* a name may be given again */
	hc_map_set(builder->anchors, name, anchor);
	return 0;
}

static int anchor_free(const char *name, void *value, void *payload)
{
	(void)name;
	(void)payload;
	free(value);
	return 0;
}

static void document_reset(struct builder *builder)
{
	while (builder->depth > 0) {
		struct frame *frame = &builder->frames[--builder->depth];
		json_decref(frame->collection);
		free(frame->key);
		free(frame->anchor);
	}
	json_decref(builder->root);
	builder->root = NULL;
	builder->nodes = 0;
	builder->bytes = 0;
	if (builder->anchors) {
		(void)hc_map_each(builder->anchors, anchor_free, NULL);
		hc_map_free(builder->anchors);
	}
	builder->anchors = NULL;
}

/* Puts a complete value where the document stands now; takes value over. */
static int place(struct builder *builder, json_t *value, yaml_mark_t mark)
{
	if (builder->depth == 0) {
		builder->root = value;
		return 0;
	}
	struct frame *frame = &builder->frames[builder->depth - 1];
	if (json_is_array(frame->collection)) {
		json_array_append_new(frame->collection, value);
		return 0;
	}
	if (!frame->key) {
		/* The key itself. A mapping or a sequence was refused when it began. */
		if (!json_is_string(value)) {
			json_decref(value);
			return fail_at(builder, mark, "a key must be text; put it in quotes");
		}
		if (json_object_get(frame->collection, json_string_value(value))) {
			HC_AUTO_TEXT shown = {0};
			schema_value_text(value, &shown);
			json_decref(value);
			return hc_fail(builder->err, HC_INVALID, "line %zu, column %zu: key %s is there twice",
						   mark.line + 1, mark.column + 1, hc_text_string(&shown));
		}
		frame->key = hc_xstrdup(json_string_value(value));
		json_decref(value);
		return 0;
	}
	json_object_set_new(frame->collection, frame->key, value);
	free(hc_take(&frame->key));
	return 0;
}

static bool awaits_key(const struct builder *builder)
{
	if (builder->depth == 0)
		return false;
	const struct frame *frame = &builder->frames[builder->depth - 1];
	return json_is_object(frame->collection) && !frame->key;
}

static int count(struct builder *builder, size_t nodes, size_t bytes, yaml_mark_t mark)
{
	builder->nodes += nodes;
	builder->bytes += bytes;
	if (builder->nodes > HC_LIMIT_DOCUMENT_NODES)
		return hc_fail(builder->err, HC_INVALID, "line %zu, column %zu: more than %d values in one document",
					   mark.line + 1, mark.column + 1, HC_LIMIT_DOCUMENT_NODES);
	return 0;
}

static bool tag_is_text(const yaml_char_t *tag)
{
	return strcmp((const char *)tag, YAML_STR_TAG) == 0;
}

static int on_scalar(struct builder *builder, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t length = event->data.scalar.length;
	const yaml_char_t *tag = event->data.scalar.tag;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (tag && !tag_is_text(tag) && strcmp((const char *)tag, "!") != 0)
		return fail_at(builder, event->start_mark, "tags other than !!str are not taken");
	if (memchr(text, '\0', length))
		return fail_at(builder, event->start_mark, "text must not contain NUL");
	if (count(builder, 1, length, event->start_mark) < 0)
		return -1;

	const char *problem = NULL;
	json_t *value = plain && !tag ? schema_scalar_plain(text, length, &problem) : json_stringn(text, length);
	if (!value)
		return fail_at(builder, event->start_mark, problem ? problem : "text is not UTF-8");
	bool key = awaits_key(builder);
	if (event->data.scalar.anchor && key) {
		json_decref(value);
		return fail_at(builder, event->start_mark, "a key must not have an anchor");
	}
	if (place(builder, value, event->start_mark) < 0)
		return -1;
	if (!event->data.scalar.anchor)
		return 0;
	struct anchor anchor = {.value = value, .nodes = 1, .bytes = length};
	return anchor_keep(builder, (const char *)event->data.scalar.anchor, &anchor, event->start_mark);
}

static int on_alias(struct builder *builder, const yaml_event_t *event)
{
	const char *name = (const char *)event->data.alias.anchor;
	const struct anchor *anchor = builder->anchors ? hc_map_get(builder->anchors, name) : NULL;
	if (!anchor)
		return fail_at(builder, event->start_mark, "an alias must name an anchor that is complete before it");
	if (builder->depth + anchor->depth > HC_LIMIT_DOCUMENT_DEPTH)
		return hc_fail(builder->err, HC_INVALID, "line %zu, column %zu: nested deeper than %d levels",
					   event->start_mark.line + 1, event->start_mark.column + 1, HC_LIMIT_DOCUMENT_DEPTH);
	struct schema_stream *stream = builder->stream;
	stream->alias_nodes += anchor->nodes;
	stream->alias_bytes += anchor->bytes;
	if (stream->alias_nodes > HC_LIMIT_DOCUMENT_NODES || stream->alias_bytes > HC_LIMIT_ALIAS_TEXT_BYTES)
		return fail_at(builder, event->start_mark, "aliases expand to too much");
	if (count(builder, anchor->nodes, anchor->bytes, event->start_mark) < 0)
		return -1;
	for (int i = 0; i < builder->depth; i++)
		if (builder->frames[i].depth_below < builder->depth - i - 1 + anchor->depth)
			builder->frames[i].depth_below = builder->depth - i - 1 + anchor->depth;
	return place(builder, json_deep_copy(anchor->value), event->start_mark);
}

static int on_begin(struct builder *builder, json_t *collection, const yaml_char_t *tag,
					const yaml_char_t *anchor, yaml_mark_t mark)
{
	const char *problem = NULL;
	if (tag && strcmp((const char *)tag, "!") != 0)
		problem = "tags other than !!str are not taken";
	else if (awaits_key(builder))
		problem = "a key must be text";
	if (problem || builder->depth == HC_LIMIT_DOCUMENT_DEPTH) {
		json_decref(collection);
		if (problem)
			return fail_at(builder, mark, problem);
		return hc_fail(builder->err, HC_INVALID, "line %zu, column %zu: nested deeper than %d levels",
					   mark.line + 1, mark.column + 1, HC_LIMIT_DOCUMENT_DEPTH);
	}
	struct frame *frame = &builder->frames[builder->depth++];
	*frame = (struct frame){
		.collection = collection,
		.anchor = hc_xstrdup((const char *)anchor),
		.nodes_before = builder->nodes,
		.bytes_before = builder->bytes,
		.mark = mark,
	};
	for (int i = 0; i < builder->depth - 1; i++)
		if (builder->frames[i].depth_below < builder->depth - i - 1)
			builder->frames[i].depth_below = builder->depth - i - 1;
	return count(builder, 1, 0, mark);
}

static int on_end(struct builder *builder)
{
	struct frame frame = builder->frames[--builder->depth];
	free(frame.key);
	int result = place(builder, frame.collection, frame.mark);
	struct anchor anchor = {
		.value = frame.collection,
		.nodes = builder->nodes - frame.nodes_before,
		.bytes = builder->bytes - frame.bytes_before,
		.depth = frame.depth_below + 1,
	};
	if (result == 0 && frame.anchor)
		result = anchor_keep(builder, frame.anchor, &anchor, frame.mark);
	free(frame.anchor);
	return result;
}

static int on_event(struct builder *builder, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		document_reset(builder);
		builder->anchors = hc_map_new();
		return 0;
	case YAML_DOCUMENT_END_EVENT: {
		json_t *root = hc_take(&builder->root);
		document_reset(builder);
		return schema_stream_add(builder->stream, root, builder->line, builder->err);
	}
	case YAML_SCALAR_EVENT:
	case YAML_ALIAS_EVENT:
		if (builder->depth == 0)
			builder->line = (int)event->start_mark.line + 1;
		return event->type == YAML_SCALAR_EVENT ? on_scalar(builder, event) : on_alias(builder, event);
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (builder->depth == 0)
			builder->line = (int)event->start_mark.line + 1;
		if (event->type == YAML_SEQUENCE_START_EVENT)
			return on_begin(builder, json_array(), event->data.sequence_start.tag,
							event->data.sequence_start.anchor, event->start_mark);
		return on_begin(builder, json_object(), event->data.mapping_start.tag,
						event->data.mapping_start.anchor, event->start_mark);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_end(builder);
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
		return 0;
	}
	return 0;
}

static bool is_tab_at(const char *text, size_t length, yaml_mark_t mark)
{
	const char *end = text + length;
	for (size_t line = 0; line < mark.line && text; line++) {
		text = memchr(text, '\n', (size_t)(end - text));
		text = text ? text + 1 : NULL;
	}
	/* Before a tab that indents there are blanks only, so columns are bytes. */
	return text && mark.column < (size_t)(end - text) && text[mark.column] == '\t';
}

/* The reader, which runs ahead of the parser, knows a byte only. */
static yaml_mark_t mark_of_byte(const char *text, size_t length, size_t offset)
{
	yaml_mark_t mark = {.index = offset};
	for (size_t i = 0; i < offset && i < length; i++) {
		if (text[i] == '\n') {
			mark.line++;
			mark.column = 0;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			mark.column++;
		}
	}
	return mark;
}

static int fail_syntax(const yaml_parser_t *parser, const char *text, size_t length, struct hc_error *err)
{
	yaml_mark_t mark = parser->problem_mark;
	if (parser->error == YAML_READER_ERROR)
		mark = mark_of_byte(text, length, parser->problem_offset);
	bool tab = parser->error == YAML_SCANNER_ERROR && is_tab_at(text, length, mark);
	if (tab)
		return hc_fail(err, HC_INVALID, "line %zu, column %zu: a tab must not indent; use blanks",
					   mark.line + 1, mark.column + 1);
	return hc_fail(err, HC_INVALID, "line %zu, column %zu: %s%s%s", mark.line + 1, mark.column + 1,
				   parser->problem ? parser->problem : "not YAML", parser->context ? " " : "",
				   parser->context ? parser->context : "");
}

int schema_stream_yaml(struct schema_stream *stream, const char *text, size_t length, struct hc_error *err)
{
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser))
		return hc_fail(err, HC_BUG, "the YAML parser does not start");
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);

	/* The frames are too large for a small thread's stack. */
	struct builder *builder = hc_xalloc(sizeof(*builder));
	builder->stream = stream;
	builder->err = err;
	int result = 0;
	bool ended = false;
	while (result == 0 && !ended) {
		yaml_event_t event;
		if (!yaml_parser_parse(&parser, &event)) {
			result = fail_syntax(&parser, text, length, err);
			break;
		}
		ended = event.type == YAML_STREAM_END_EVENT;
		result = on_event(builder, &event);
		yaml_event_delete(&event);
	}
	document_reset(builder);
	free(builder);
	yaml_parser_delete(&parser);
	return result;
}
