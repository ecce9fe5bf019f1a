/* Bodies in Kubernetes' protobuf: kubectl 1.32 and newer sends the built-in kinds so. Only what such clients
 * write to us is known: Namespace, Secret, the self-subject reviews and DeleteOptions. Answers stay JSON.
 * Pure. */
#ifndef API_PROTOBUF_H
#define API_PROTOBUF_H

#include "base/error.h"
#include <jansson.h>

#define API_PROTOBUF_TYPE "application/vnd.kubernetes.protobuf"

/* New reference with apiVersion and kind; NULL with INVALID: not the envelope, a kind that is none of the
 * above, a broken field. Fields that are not known are skipped, as protobuf wants it. */
json_t *api_protobuf_decode(const void *data, size_t length, struct hc_error *err) HC_MUST_CHECK;

#endif
