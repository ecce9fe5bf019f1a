/* Status objects and the words of Kubernetes' messages. */
#include "api_status.h"

#include <string.h>

static const struct {
	int code;
	const char *reason;
} reasons[] = {
	{400, "BadRequest"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "NotFound"},
	{405, "MethodNotAllowed"},
	{406, "NotAcceptable"},
	{409, "Conflict"},
	{410, "Expired"},
	{413, "RequestEntityTooLarge"},
	{415, "UnsupportedMediaType"},
	{422, "Invalid"},
	{429, "TooManyRequests"},
	{500, "InternalError"},
	{503, "ServiceUnavailable"},
	{504, "Timeout"},
};

const char *api_status_reason(int code)
{
	for (size_t index = 0; index < HC_COUNT(reasons); index++)
		if (reasons[index].code == code)
			return reasons[index].reason;
	return "Unknown";
}

int api_status_of_class(enum hc_class class)
{
	switch (class) {
	case HC_NOT_FOUND:
		return 404;
	case HC_CONFLICT:
		return 409;
	case HC_INVALID:
		return 422;
	case HC_DENIED:
		return 403;
	case HC_TRANSIENT:
	case HC_CANCELED:
		return 503;
	case HC_OK:
	case HC_BUG:
		break;
	}
	return 500;
}

static void add_member(struct hc_text *text, const char *key, const char *value)
{
	if (!value)
		return;
	if (text->data && text->data[text->length - 1] != '{')
		hc_text_append(text, ",");
	hc_text_printf(text, "\"%s\":", key);
	hc_text_append_json_string(text, value);
}

static void add_causes(const struct api_status *status, struct hc_text *text)
{
	hc_text_append(text, ",\"causes\":[");
	for (size_t index = 0; index < status->cause_count; index++) {
		const struct api_cause *cause = &status->causes[index];
		hc_text_append(text, index ? ",{" : "{");
		add_member(text, "reason", cause->reason);
		add_member(text, "message", cause->message);
		add_member(text, "field", cause->field);
		if (cause->document)
			hc_text_printf(text, ",\"document\":%d,\"line\":%d", cause->document, cause->line);
		hc_text_append(text, "}");
	}
	hc_text_append(text, "]");
}

static void add_details(const struct api_status *status, struct hc_text *text)
{
	if (!status->kind && !status->cause_count && !status->retry_after_seconds)
		return;
	hc_text_append(text, ",\"details\":{");
	add_member(text, "name", status->name);
	if (status->kind && *status->kind->group)
		add_member(text, "group", status->kind->group);
	/* Kubernetes names the kind of an object that is wrong, and the resource else; kubectl prints it. */
	if (status->kind)
		add_member(text, "kind", status->code == 422 ? status->kind->kind : status->kind->plural);
	add_member(text, "uid", status->uid);
	/* causes and retryAfterSeconds begin with a comma */
	if (text->data[text->length - 1] == '{')
		hc_text_append(text, "\"name\":\"\"");
	if (status->cause_count)
		add_causes(status, text);
	if (status->retry_after_seconds)
		hc_text_printf(text, ",\"retryAfterSeconds\":%d", status->retry_after_seconds);
	hc_text_append(text, "}");
}

char *api_status_json(const struct api_status *status)
{
	struct hc_text text = {0};
	bool failure = status->code >= 400;
	const char *reason = status->reason ? status->reason : api_status_reason(status->code);

	hc_text_append(&text, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{}");
	add_member(&text, "status", failure ? "Failure" : "Success");
	add_member(&text, "message", status->message);
	add_member(&text, "reason", failure ? reason : NULL);
	add_details(status, &text);
	hc_text_printf(&text, ",\"code\":%d}\n", status->code);
	return hc_text_take(&text);
}

char *api_status_refusal(int code, const char *sentence)
{
	return api_status_json(&(struct api_status){.code = code, .message = sentence});
}

void api_status_text_absent(const struct api_kind *kind, const char *name, struct hc_text *text)
{
	hc_text_printf(text, "%s \"%s\" not found", kind->qualified, name);
}

void api_status_text_exists(const struct api_kind *kind, const char *name, struct hc_text *text)
{
	hc_text_printf(text, "%s \"%s\" already exists", kind->qualified, name);
}

void api_status_text_stale(const struct api_kind *kind, const char *name, struct hc_text *text)
{
	hc_text_printf(text,
				   "Operation cannot be fulfilled on %s \"%s\": the object has been modified; please apply "
				   "your changes to the latest version and try again",
				   kind->qualified, name);
}

void api_status_text_invalid(const struct api_kind *kind, const char *name, const struct api_cause *causes,
							 size_t count, struct hc_text *text)
{
	hc_text_append(text, kind->kind);
	if (*kind->group)
		hc_text_printf(text, ".%s", kind->group);
	hc_text_printf(text, " \"%s\" is invalid: %s", name ? name : "", count > 1 ? "[" : "");
	for (size_t index = 0; index < count; index++)
		hc_text_printf(text, "%s%s: %s", index ? ", " : "", causes[index].field, causes[index].message);
	if (count > 1)
		hc_text_append(text, "]");
}
