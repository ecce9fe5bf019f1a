/* The scale of a Service, as autoscaling/v1 has it. Pool threads. */
#ifndef API_SCALE_H
#define API_SCALE_H

#include "api_body.h"
#include "api_object.h"

/* New reference. Pure. */
json_t *api_scale_of(const json_t *service);
void api_scale_read(struct api_call *call, const struct api_writer *writer, struct api_draft *draft);
void api_scale_write(struct api_call *call, const struct api_writer *writer, struct api_draft *draft,
					 enum api_body_type type, json_t *body);

#endif
