/* What the API does with a stream of documents, up to the store: read, find the kind, check, default, rules.
 */
#include "corpus.h"

static void append_causes(struct hc_text *text, const struct schema_causes *causes)
{
	for (size_t i = 0; i < causes->count; i++) {
		const struct schema_cause *cause = &causes->items[i];
		hc_text_printf(text, "%s %s: %s\n", cause->reason, cause->field, cause->message);
	}
	if (causes->dropped > 0)
		hc_text_printf(text, "and %zu more\n", causes->dropped);
}

void corpus_judge_object(json_t *object, struct hc_text *text)
{
	struct schema_causes causes = {0};
	const struct schema_kind *kind = schema_kind_of(object, &causes);
	if (kind)
		schema_check(kind, object, SCHEMA_UNKNOWN_REFUSE, &causes, &causes);
	if (causes.count == 0 && kind) {
		schema_default(kind, object);
		if (kind == schema_kind_find("helvetia.cloud/v1", "Service"))
			schema_service_rules(object, CORPUS_DOMAIN, NULL, &causes);
	}
	append_causes(text, &causes);
	schema_causes_done(&causes);
}

size_t corpus_judge(const char *data, size_t length, struct hc_text *text)
{
	struct schema_documents documents = {0};
	struct hc_error err = {0};
	if (schema_documents_parse(data, length, &documents, &err) < 0) {
		hc_text_printf(text, "%s: %s\n", err.class == HC_INVALID ? "BadRequest" : hc_class_name(err.class),
					   err.text);
		return 0;
	}
	size_t count = documents.count;
	for (size_t i = 0; i < count; i++)
		corpus_judge_object(documents.items[i].value, text);
	schema_documents_done(&documents);
	return count;
}
