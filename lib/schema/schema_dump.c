/* JSON values as text: compact JSON with sorted keys, and YAML for people. */
#include "schema_internal.h"

#include "base/alloc.h"
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

char *schema_dump(const json_t *value)
{
	return value ? json_dumps(value, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
}

static int append_output(void *payload, unsigned char *data, size_t length)
{
	hc_text_append_bytes(payload, data, length);
	return 1;
}

static void emit(yaml_emitter_t *emitter, yaml_event_t *event)
{
	/* Output goes to memory and every event is made here, in order; what fails is out of memory. */
	if (!yaml_emitter_emit(emitter, event))
		abort();
}

static void emit_scalar(yaml_emitter_t *emitter, const char *text, size_t length, yaml_scalar_style_t style)
{
	yaml_event_t event;
	if (!yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)length, 1, 1,
									  style))
		abort();
	emit(emitter, &event);
}

/* Several lines read best as a block; a text that would be read as something else gets quotes. */
static yaml_scalar_style_t style_of(const char *text)
{
	if (schema_scalar_ambiguous(text))
		return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	return strchr(text, '\n') ? YAML_LITERAL_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE;
}

static void emit_value(yaml_emitter_t *emitter, const json_t *value);

static void emit_object(yaml_emitter_t *emitter, const json_t *value)
{
	yaml_event_t event;
	yaml_mapping_style_t style = json_object_size(value) ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE;
	yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style);
	emit(emitter, &event);
	const char *key = NULL;
	json_t *member = NULL;
	json_object_foreach((json_t *)value, key, member)
	{
		emit_scalar(emitter, key, strlen(key), style_of(key));
		emit_value(emitter, member);
	}
	yaml_mapping_end_event_initialize(&event);
	emit(emitter, &event);
}

static void emit_array(yaml_emitter_t *emitter, const json_t *value)
{
	yaml_event_t event;
	yaml_sequence_style_t style = json_array_size(value) ? YAML_BLOCK_SEQUENCE_STYLE
														 : YAML_FLOW_SEQUENCE_STYLE;
	yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style);
	emit(emitter, &event);
	for (size_t i = 0; i < json_array_size(value); i++)
		emit_value(emitter, json_array_get(value, i));
	yaml_sequence_end_event_initialize(&event);
	emit(emitter, &event);
}

static void emit_value(yaml_emitter_t *emitter, const json_t *value)
{
	if (json_is_object(value)) {
		emit_object(emitter, value);
	} else if (json_is_array(value)) {
		emit_array(emitter, value);
	} else if (json_is_string(value)) {
		const char *text = json_string_value(value);
		emit_scalar(emitter, text, json_string_length(value), style_of(text));
	} else {
		HC_AUTO_FREE text = schema_dump(value);
		emit_scalar(emitter, text, strlen(text), YAML_PLAIN_SCALAR_STYLE);
	}
}

char *schema_dump_yaml(const json_t *value)
{
	HC_AUTO_TEXT text = {0};
	yaml_emitter_t emitter;
	yaml_event_t event;
	if (!yaml_emitter_initialize(&emitter))
		abort();
	yaml_emitter_set_output(&emitter, append_output, &text);
	yaml_emitter_set_unicode(&emitter, 1);
	yaml_emitter_set_width(&emitter, -1);
	yaml_emitter_set_indent(&emitter, 2);
	yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
	emit(&emitter, &event);
	yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1);
	emit(&emitter, &event);
	emit_value(&emitter, value);
	yaml_document_end_event_initialize(&event, 1);
	emit(&emitter, &event);
	yaml_stream_end_event_initialize(&event);
	emit(&emitter, &event);
	yaml_emitter_delete(&emitter);
	return hc_text_take(&text);
}
