/* Bodies in Kubernetes' protobuf. Aborts when what is read is no object that can be written as JSON. */
#include "fuzz.h"

#include "api/api_protobuf.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

const char *const fuzz_words[] = {"k8s",
								  "v1",
								  "Namespace",
								  "Secret",
								  "DeleteOptions",
								  "meta.k8s.io/v1",
								  "authorization.k8s.io/v1",
								  "SelfSubjectAccessReview",
								  "SelfSubjectRulesReview",
								  "\n\x04",
								  "\x12",
								  "\x1a",
								  "\xff\xff\xff\xff\x0f",
								  "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
								  NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hc_error err = {0};
	json_t *value = api_protobuf_decode(data, size, &err);

	if (!value)
		return 0;
	char *text = json_dumps(value, JSON_COMPACT);
	if (!json_is_object(value) || !text || !json_string_value(json_object_get(value, "kind")))
		abort();
	free(text);
	json_decref(value);
	return 0;
}
