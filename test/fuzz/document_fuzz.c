/* libFuzzer entry of the document reader and all that runs on what it yields: check, defaults, rules, both
 * dumps. fuzz_main.c mutates, document_replay.c runs it over files in every build.
 */
#include "fuzz.h"

#include "schema/schema.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

const char *const fuzz_words[] = {"---\n",
								  "&a ",
								  "*a",
								  "!!str ",
								  "? ",
								  "- ",
								  ": ",
								  "|\n",
								  ">-\n",
								  "<<: ",
								  "\xef\xbb\xbf",
								  "apiVersion: helvetia.cloud/v1\n",
								  "kind: Service\n",
								  "metadata:\n  name: x\n",
								  "spec:\n",
								  "  image: a\n",
								  "  env: [{name: A, value: b}]\n",
								  "  replicas: 2\n",
								  "null",
								  "0x1f",
								  "1e999",
								  "\\u0000",
								  "\\ud800",
								  "{\"a\":",
								  "[",
								  NULL};

/* What is written as YAML must read back as it was, numbers with a fraction excepted (their text is cut at 17
 * digits). */
static void check_dump(const json_t *object)
{
	HC_AUTO_FREE yaml = schema_dump_yaml(object);
	struct schema_documents documents = {0};
	struct hc_error err = {0};
	const char *kind = json_string_value(json_object_get(object, "kind"));
	if (kind && strstr(kind, "List"))
		return; /* would be unfolded */
	if (schema_documents_parse(yaml, strlen(yaml), &documents, &err) < 0)
		abort();
	if (documents.count != 1 || !json_equal(documents.items[0].value, object))
		abort();
	schema_documents_done(&documents);
}

static void judge(json_t *object)
{
	struct schema_causes causes = {0};
	struct schema_causes unknown = {0};
	const struct schema_kind *kind = schema_kind_of(object, &causes);
	if (kind) {
		schema_check(kind, object, SCHEMA_UNKNOWN_PRUNE, &causes, &unknown);
		schema_default(kind, object);
	}
	bool service = kind && strcmp(schema_kind_name(kind), "Service") == 0;
	if (service && causes.count == 0) {
		HC_AUTO(hc_arena) arena = hc_arena_new();
		struct service_spec spec;
		struct hc_error err = {0};
		const char **hosts = NULL;
		size_t count = 0;
		schema_service_rules(object, "apps.example.org", NULL, &causes);
		schema_service_hosts(object, "apps.example.org", arena, &hosts, &count);
		if (schema_service_spec(json_object_get(object, "spec"), arena, &spec, &err) < 0)
			abort(); /* a checked and defaulted spec always converts */
	}
	schema_causes_done(&causes);
	schema_causes_done(&unknown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct schema_documents documents = {0};
	struct hc_error err = {0};
	if (schema_load(&err) < 0)
		abort();
	/* The reader's input needs no terminator: a copy of the exact size lets the sanitizer see a read beyond
	 * it. */
	char *text = malloc(size ? size : 1);
	if (!text)
		abort();
	memcpy(text, data, size);
	if (schema_documents_parse(text, size, &documents, &err) == 0) {
		for (size_t i = 0; i < documents.count; i++) {
			check_dump(documents.items[i].value);
			judge(documents.items[i].value);
		}
		schema_documents_done(&documents);
	}
	free(text);
	return 0;
}
