/* Status objects, byte by byte: clients compare them. */
#include "cmocka_all.h"

#include "api/api_status.h"
#include <stdlib.h>

static void expect(const struct api_status *status, const char *expected)
{
	char *text = api_status_json(status);

	assert_string_equal(text, expected);
	free(text);
}

static void writes_failures(void **state)
{
	const struct api_kind *service = api_kind_of(STORE_SERVICE),
						  *namespace_kind = api_kind_of(STORE_NAMESPACE);
	const struct api_cause causes[] = {{"spec.image", "FieldValueRequired", "Required value", 0, 0},
									   {"spec.env[0]", "FieldValueInvalid", "say \"what\"", 2, 14}};

	(void)state;
	expect(
		&(struct api_status){.code = 404, .message = "x", .kind = service, .name = "web"},
		"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"x\","
		"\"reason\":\"NotFound\",\"details\":{\"name\":\"web\",\"group\":\"helvetia.cloud\",\"kind\":"
		"\"services\"},"
		"\"code\":404}\n");
	expect(
		&(struct api_status){.code = 409, .reason = "AlreadyExists", .message = "x", .kind = namespace_kind},
		"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"x\","
		"\"reason\":\"AlreadyExists\",\"details\":{\"kind\":\"namespaces\"},\"code\":409}\n");
	expect(
		&(struct api_status){.code = 400, .message = "x"},
		"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"x\","
		"\"reason\":\"BadRequest\",\"code\":400}\n");
	expect(
		&(struct api_status){.code = 422, .message = "x", .causes = causes, .cause_count = 2},
		"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"x\","
		"\"reason\":\"Invalid\",\"details\":{\"name\":\"\",\"causes\":[{\"reason\":\"FieldValueRequired\","
		"\"message\":\"Required value\",\"field\":\"spec.image\"},{\"reason\":\"FieldValueInvalid\","
		"\"message\":\"say "
		"\\\"what\\\"\",\"field\":\"spec.env[0]\",\"document\":2,\"line\":14}]},\"code\":422}\n");
	expect(
		&(struct api_status){.code = 503, .message = "x", .retry_after_seconds = 1},
		"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"x\","
		"\"reason\":\"ServiceUnavailable\",\"details\":{\"name\":\"\",\"retryAfterSeconds\":1},\"code\":503}"
		"\n");
}

static void writes_success(void **state)
{
	(void)state;
	expect(
		&(struct api_status){.code = 200, .kind = api_kind_of(STORE_SERVICE), .name = "web", .uid = "u"},
		"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\",\"details\":{"
		"\"name\":\"web\",\"group\":\"helvetia.cloud\",\"kind\":\"services\",\"uid\":\"u\"},\"code\":200}\n");
}

static void words_messages_as_kubernetes(void **state)
{
	const struct api_kind *service = api_kind_of(STORE_SERVICE);
	const struct api_cause causes[] = {{"spec.image", "r", "Required value", 0, 0},
									   {"spec.x", "r", "bad", 0, 0}};
	HC_AUTO_TEXT text = {0};

	(void)state;
	api_status_text_absent(service, "web", &text);
	hc_text_append(&text, "\n");
	api_status_text_exists(api_kind_of(STORE_NAMESPACE), "t", &text);
	hc_text_append(&text, "\n");
	api_status_text_invalid(service, "web", causes, 1, &text);
	hc_text_append(&text, "\n");
	api_status_text_invalid(service, "web", causes, 2, &text);
	assert_string_equal(
		hc_text_string(&text),
		"services.helvetia.cloud \"web\" not found\n"
		"namespaces \"t\" already exists\n"
		"Service.helvetia.cloud \"web\" is invalid: spec.image: Required value\n"
		"Service.helvetia.cloud \"web\" is invalid: [spec.image: Required value, spec.x: bad]");
}

static void maps_classes(void **state)
{
	static const struct {
		enum hc_class class;
		int code;
	} cases[] = {{HC_NOT_FOUND, 404}, {HC_CONFLICT, 409}, {HC_INVALID, 422}, {HC_DENIED, 403},
				 {HC_TRANSIENT, 503}, {HC_CANCELED, 503}, {HC_BUG, 500}};

	(void)state;
	for (size_t index = 0; index < HC_COUNT(cases); index++)
		assert_int_equal(api_status_of_class(cases[index].class), cases[index].code);
	assert_string_equal(api_status_reason(410), "Expired");
	assert_string_equal(api_status_reason(418), "Unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_failures),
		cmocka_unit_test(writes_success),
		cmocka_unit_test(words_messages_as_kubernetes),
		cmocka_unit_test(maps_classes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
