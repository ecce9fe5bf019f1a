/* POST /webhooks/github and GET /webhooks/deliveries. */
#ifndef API_WEBHOOK_H
#define API_WEBHOOK_H

#include "api.h"

/* Reads the secret; file NULL: there is none, and every delivery is refused. */
int api_webhook_new(const char *secret_file, struct api_webhook **ret_webhook, struct hc_error *err)
	HC_MUST_CHECK;
void api_webhook_free(struct api_webhook *webhook); /* accepts NULL */

void api_webhook(struct api_call *call); /* without a token */
void api_deliveries(struct api_call *call);

#endif
