/* See error.h. Fixed buffers only: an error path must not be able to fail itself. */
#include "error.h"

#include <stdio.h>
#include <string.h>

const char *hc_class_name(enum hc_class class)
{
	switch (class) {
	case HC_OK:
		return "ok";
	case HC_NOT_FOUND:
		return "not-found";
	case HC_CONFLICT:
		return "conflict";
	case HC_INVALID:
		return "invalid";
	case HC_DENIED:
		return "denied";
	case HC_TRANSIENT:
		return "transient";
	case HC_CANCELED:
		return "canceled";
	case HC_BUG:
		return "bug";
	}
	return "unknown";
}

int hc_fail(struct hc_error *err, enum hc_class class, const char *format, ...)
{
	va_list arguments;

	if (!err)
		return -1;
	err->class = class;
	va_start(arguments, format);
	(void)vsnprintf(err->text, sizeof err->text, format, arguments);
	va_end(arguments);
	return -1;
}

int hc_wrap(struct hc_error *err, const char *format, ...)
{
	char context[HC_ERROR_TEXT_MAX];
	va_list arguments;
	size_t cause_length;
	size_t context_length;

	if (!err)
		return -1;
	va_start(arguments, format);
	(void)vsnprintf(context, sizeof context, format, arguments);
	va_end(arguments);
	cause_length = strnlen(err->text, sizeof err->text - 1);
	context_length = strlen(context);
	if (cause_length + 3 >= sizeof err->text) /* no room for even one character of context and ": " */
		return -1;
	if (context_length > sizeof err->text - 3 - cause_length)
		context_length = sizeof err->text - 3 - cause_length;
	memmove(err->text + context_length + 2, err->text, cause_length);
	memcpy(err->text, context, context_length);
	memcpy(err->text + context_length, ": ", 2);
	err->text[context_length + 2 + cause_length] = '\0';
	return -1;
}
