/* Kubernetes' Status object: how every refusal, and some successes, are answered. Pure. */
#ifndef API_STATUS_H
#define API_STATUS_H

#include "api_route.h"
#include "base/error.h"
#include "base/text.h"

/* One entry of details.causes. Texts are borrowed. */
struct api_cause {
	const char *field;
	const char *reason;
	const char *message;
	/* Of a stream of documents; 0 when there is none: counted from 1. */
	int document;
	int line;
};

struct api_status {
	int code;
	const char *reason; /* NULL: the usual one of the code */
	const char *message;
	const struct api_kind *kind; /* NULL: not about an object */
	const char *name;
	const char *uid;
	const struct api_cause *causes;
	size_t cause_count;
	int retry_after_seconds;
};

const char *api_status_reason(int code);                /* NotFound, … */
char *api_status_json(const struct api_status *status); /* caller frees */
/* The body of what lib/http refuses by itself. */
char *api_status_refusal(int code, const char *sentence);

/* HTTP status of an error class. */
int api_status_of_class(enum hc_class class);

/* Messages as Kubernetes words them; appended. */
void api_status_text_absent(const struct api_kind *kind, const char *name, struct hc_text *text);
void api_status_text_exists(const struct api_kind *kind, const char *name, struct hc_text *text);
void api_status_text_stale(const struct api_kind *kind, const char *name, struct hc_text *text);
/* Service.helvetia.cloud "x" is invalid: [field: message, …] */
void api_status_text_invalid(const struct api_kind *kind, const char *name, const struct api_cause *causes,
							 size_t count, struct hc_text *text);

#endif
